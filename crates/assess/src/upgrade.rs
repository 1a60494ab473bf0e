//! Upgrades: one line for what a package's findings have in common, instead of a line for each finding.
//!
//! In: packages that are upgraded together, and the versions that fix their findings. Out: the newest of these versions, as the
//! ecosystem orders them, and the command that goes there.

use crate::remediation::{is_os, upgrade_line};
use ecosystem::by_purl_type;
use model::package::PackageKey;
use std::cmp::Ordering;

/// An upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// The version to go to.
    pub to: String,
    /// What to type, or the line of the Dockerfile; `None` where no command is safe or enough.
    pub command: Option<String>,
}

/// Returns what packages are upgraded by: OS packages by their source, others one by one.
pub fn together(package: &PackageKey) -> (String, String, String) {
    let os = is_os(package) && !package.source.is_empty();
    let (name, version) =
        if os { (&package.source, &package.source_version) } else { (&package.name, &package.version) };
    let version = if version.is_empty() { &package.version } else { version };
    (package.ecosystem.clone(), name.clone(), version.clone())
}

/// Says how packages that are upgraded together get rid of everything that has a fix; `None` without a fix or a package.
pub fn upgrade(packages: &[&PackageKey], fixes: &[&str]) -> Option<Upgrade> {
    let first = packages.first()?;
    let order = |a: &&&str, b: &&&str| match by_purl_type(first.purl_type()) {
        Some(kind) => kind.compare(a, b),
        None => Ordering::Equal,
    };
    let to = fixes.iter().filter(|fix| !fix.is_empty()).max_by(order)?;
    let mut lines = packages.iter().map(|package| upgrade_line(package, to));
    let mut command = lines.next()?;
    for line in lines {
        command = joined(command, line);
    }
    Some(Upgrade { to: (*to).to_owned(), command })
}

/// One command for both: the package of the second after that of the first.
fn joined(first: Option<String>, second: Option<String>) -> Option<String> {
    let (first, second) = (first?, second?);
    let (_, package) = second.rsplit_once(' ')?;
    if first.split(' ').any(|word| word == package) {
        return Some(first);
    }
    Some(format!("{first} {package}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(ecosystem: &str, name: &str, source: &str) -> PackageKey {
        PackageKey {
            ecosystem: ecosystem.into(),
            name: name.into(),
            version: "1".into(),
            source: source.into(),
            source_version: "1".into(),
            ..PackageKey::default()
        }
    }

    #[test]
    fn the_newest_fix_fixes_all_and_packages_of_a_source_go_together() {
        for (packages, fixes, to, command, why) in [
            (
                vec![package("debian:12", "libssl3", "openssl"), package("debian:12", "openssl", "openssl")],
                vec!["3.0.9-1", "3.0.13-1~deb12u1", "3.0.11-1"],
                "3.0.13-1~deb12u1",
                "RUN apt-get update && apt-get install --only-upgrade -y libssl3 openssl",
                "13 is after 9, and both binaries are named",
            ),
            (
                vec![package("npm", "lodash", "")],
                vec!["4.17.9", "4.17.21"],
                "4.17.21",
                "npm install lodash@^4.17.21",
                "21 is after 9",
            ),
            (
                vec![package("pypi", "jinja2", "")],
                vec!["3.1.3"],
                "3.1.3",
                "pip install --upgrade 'jinja2>=3.1.3'",
                "one",
            ),
        ] {
            let packages: Vec<_> = packages.iter().collect();
            let got = upgrade(&packages, &fixes).expect(why);
            assert_eq!((got.to.as_str(), got.command.as_deref()), (to, Some(command)), "{why}");
        }
        assert_eq!(upgrade(&[&package("npm", "x", "")], &["", ""]), None, "nothing fixes it");
    }

    #[test]
    fn a_name_that_is_no_name_gets_no_command() {
        let evil = package("npm", "-rf\n", "");
        assert_eq!(upgrade(&[&evil], &["2"]).expect("an upgrade").command, None);
    }
}
