//! What to do about a finding, in words and commands.
//!
//! In: the package and its match. Out: one line, and numbered steps with the command to type where there is one.
//! Names and versions come from images, that is from strangers: every one is quoted for the shell, and one that holds control
//! characters gets no command.

use model::advisory::{Category, VendorState};
use model::finding::Match;
use model::package::PackageKey;
use serde::Serialize;

/// What to do about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remediation {
    /// One line: `Upgrade openssl to 3.0.13-1~deb12u1 or later.`
    pub summary: String,
    /// In the order in which to do them.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What to do, one sentence.
    pub text: String,
    /// What to type, if it is a command.
    pub command: Option<String>,
}

/// Says what to do about a match of a package.
pub fn remediation(package: &PackageKey, found: &Match) -> Remediation {
    let mut steps = Vec::new();
    let summary = match found.category {
        Category::KernelHeaders => headers(package, &mut steps),
        Category::Malware => malware(package, &mut steps),
        Category::Unmaintained if found.fixed_version.is_empty() => unmaintained(package, &mut steps),
        _ if found.fixed_version.is_empty() => without_fix(package, found.state, &mut steps),
        _ => with_fix(package, &found.fixed_version, &mut steps),
    };
    if found.fixed_version.is_empty() && found.state == VendorState::UnderInvestigation {
        return Remediation { summary, steps };
    }
    steps.push(step(
        "Build the image again from a fresh base and without the build cache.",
        Some("docker build --pull --no-cache -t REPOSITORY:TAG .".into()),
    ));
    steps.push(step("Push it.", Some("docker push REPOSITORY:TAG".into())));
    steps.push(step("Check that the finding is gone.", Some("portwarden scan REPOSITORY:TAG".into())));
    Remediation { summary, steps }
}

/// Returns the one command that goes to a fixed version, if one is enough.
pub(crate) fn upgrade_line(package: &PackageKey, fixed: &str) -> Option<String> {
    let mut steps = Vec::new();
    with_fix(package, fixed, &mut steps);
    // npm first looks what brings the package.
    let at = usize::from(package.purl_type() == "npm");
    steps.into_iter().nth(at)?.command
}

fn with_fix(package: &PackageKey, fixed: &str, steps: &mut Vec<Step>) -> String {
    let name = &package.name;
    match package.purl_type() {
        "deb" => upgrade_os(package, fixed, steps, |name, _| {
            format!("apt-get update && apt-get install --only-upgrade -y {name}")
        }),
        "apk" => upgrade_os(package, fixed, steps, |name, fixed| match fixed {
            Some(fixed) => format!("apk add --no-cache --upgrade {}", quoted(&format!("{name}>={fixed}"))),
            None => format!("apk add --no-cache --upgrade {}", quoted(name)),
        }),
        "rpm" => upgrade_os(package, fixed, steps, |name, _| format!("dnf upgrade -y {name}")),
        "pypi" => steps.push(with_command(
            "Raise the requirement in requirements.txt, pyproject.toml or the lock file, and install it.",
            &[name, fixed],
            format!("pip install --upgrade {}", quoted(&format!("{name}>={fixed}"))),
        )),
        "npm" => upgrade_npm(name, fixed, steps),
        "golang" => upgrade_go(name, fixed, steps),
        _ => steps.push(step(&format!("Upgrade {} to {} or later.", shown(name), shown(fixed)), None)),
    }
    if is_os(package) && package.source != *name && !package.source.is_empty() {
        return format!(
            "Upgrade {} (built from source package {}) to {} or later.",
            shown(name),
            shown(&package.source),
            shown(fixed)
        );
    }
    format!("Upgrade {} to {} or later.", shown(name), shown(fixed))
}

/// The fixed version of an OS package counts for its source package; where the installed binary has another version than its
/// source, the number would be wrong on the command line and is left out there.
fn upgrade_os(
    package: &PackageKey,
    fixed: &str,
    steps: &mut Vec<Step>,
    command: impl Fn(&str, Option<&str>) -> String,
) {
    let name = &package.name;
    let same = package.source_version.is_empty() || package.source_version == package.version;
    let line = match package.purl_type() {
        "apk" => command(name, same.then_some(fixed)),
        _ => command(&quoted(name), same.then_some(fixed)),
    };
    steps.push(with_command(
        "Use a base image that has the fix; or upgrade the package in the Dockerfile, after FROM.",
        &[name, fixed],
        format!("RUN {line}"),
    ));
    let (look, what) = match package.purl_type() {
        "deb" => (format!("dpkg-query -W -f='${{source:Version}}\\n' {}", quoted(name)), "source version"),
        "apk" => (format!("apk list --installed {}", quoted(name)), "version"),
        _ => (format!("rpm -q {}", quoted(name)), "version"),
    };
    steps.push(with_command(&format!("In the new image its {what} must be {} or later.", shown(fixed)), &[name], look));
}

fn upgrade_npm(name: &str, fixed: &str, steps: &mut Vec<Step>) {
    steps.push(with_command("See what brings the package.", &[name], format!("npm ls {}", quoted(name))));
    let wanted = quoted(&format!("{name}@^{fixed}"));
    steps.push(with_command(
        "If it is a dependency of your own, raise it.",
        &[name, fixed],
        format!("npm install {wanted}"),
    ));
    steps.push(with_command(
        "If another package brings it, upgrade that one, or force the version under \"overrides\" in package.json.",
        &[name, fixed],
        format!("npm pkg set {} && npm install", quoted(&format!("overrides[{name}]=^{fixed}"))),
    ));
}

fn upgrade_go(name: &str, fixed: &str, steps: &mut Vec<Step>) {
    if matches!(name, "stdlib" | "toolchain") {
        steps.push(step(
            &format!(
                "Build the program with Go {} or later: raise the builder image and the go line of go.mod.",
                shown(fixed)
            ),
            None,
        ));
        return;
    }
    let version = if fixed.starts_with('v') { fixed.to_owned() } else { format!("v{fixed}") };
    steps.push(with_command(
        "Raise the module and build the program again.",
        &[name, fixed],
        format!("go get {} && go mod tidy", quoted(&format!("{name}@{version}"))),
    ));
}

fn without_fix(package: &PackageKey, state: VendorState, steps: &mut Vec<Step>) -> String {
    let (who, name) = (vendor(package), shown(&package.name));
    let (summary, next) = match state {
        VendorState::WillNotFix => (
            format!("{who} will not fix this in {name}."),
            "Read the advisory: vendors leave unfixed what they hold harmless. If it concerns you, move to a newer release or remove the package; if not, disable the finding with that reason.",
        ),
        VendorState::Deferred => (
            format!("{who} has put off the fix of {name} to a later update."),
            "Keep the base image current: the fix comes with an ordinary update. Until then remove the package if nothing needs it.",
        ),
        VendorState::EndOfLife => (
            format!("{name} gets no more fixes: {who} no longer supports it in this release."),
            "Move the image to a supported release.",
        ),
        VendorState::UnderInvestigation => (
            format!("{who} has not yet said whether {name} is affected."),
            "Nothing to install yet; the finding changes by itself when the vendor has looked.",
        ),
        VendorState::Open | VendorState::Fixed | VendorState::NotAffected => (
            format!("No fixed version of {name} is known yet."),
            "Remove the package if nothing needs it, or use another one. The finding changes by itself when a fix is published.",
        ),
    };
    steps.push(step(next, None));
    if let Some(line) = removal(package) {
        steps.push(with_command("To remove it:", &[&package.name], line));
    }
    summary
}

fn removal(package: &PackageKey) -> Option<String> {
    let name = quoted(&package.name);
    Some(match package.purl_type() {
        "deb" => format!("RUN apt-get purge -y {name} && apt-get autoremove -y"),
        "apk" => format!("RUN apk del {name}"),
        "rpm" => format!("RUN dnf remove -y {name}"),
        "pypi" => format!("pip uninstall -y {name}"),
        "npm" => format!("npm uninstall {name}"),
        _ => return None,
    })
}

fn headers(package: &PackageKey, steps: &mut Vec<Step>) -> String {
    steps.push(step("A container runs on the kernel of its host: patch the host. Leave header packages and compilers out of the final image (multi-stage build).", None));
    format!("{} holds headers of the kernel and no code that runs; the host's kernel counts.", shown(&package.name))
}

fn malware(package: &PackageKey, steps: &mut Vec<Step>) -> String {
    steps.push(step("Do not run this image. Remove the package, build again from clean sources, and change every secret that the build or the container could read.", None));
    format!("{} {} is malicious.", shown(&package.name), shown(&package.version))
}

fn unmaintained(package: &PackageKey, steps: &mut Vec<Step>) -> String {
    steps.push(step("Move to a package that somebody maintains; the advisory may name one.", None));
    format!("Nobody maintains {} any more.", shown(&package.name))
}

/// Returns who speaks for the package, for people.
pub(crate) fn vendor(package: &PackageKey) -> &'static str {
    match package.ecosystem.split(':').next().unwrap_or("") {
        "debian" => "Debian",
        "ubuntu" => "Ubuntu",
        "alpine" => "Alpine",
        "wolfi" => "Wolfi",
        "chainguard" => "Chainguard",
        "rpm" => "The distribution",
        _ => "The maintainer",
    }
}

pub(crate) fn is_os(package: &PackageKey) -> bool {
    matches!(package.purl_type(), "deb" | "apk" | "rpm")
}

fn step(text: &str, command: Option<String>) -> Step {
    Step { text: text.into(), command }
}

/// A step with a command, unless a word of it holds control characters or would be read as an option.
fn with_command(text: &str, words: &[&str], command: String) -> Step {
    let clean = words.iter().all(|word| !word.starts_with('-') && !word.chars().any(char::is_control));
    step(text, clean.then_some(command))
}

/// Quotes a word for the shell, only where it needs it.
fn quoted(word: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | ':' | '/' | '@' | '^' | '~' | '%');
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('~') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns a name or version as it may be shown: without control characters, of bounded length.
pub(crate) fn shown(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::severity::{Severity, SeveritySource};

    fn of(ecosystem: &str, name: &str, source: &str, fixed: &str, state: VendorState) -> Remediation {
        let package = PackageKey {
            ecosystem: ecosystem.into(),
            name: name.into(),
            version: "1".into(),
            source: source.into(),
            ..Default::default()
        };
        let found = Match {
            vulnerability: "CVE-2024-1".into(),
            severity: Severity::High,
            severity_source: SeveritySource::Vendor,
            state,
            fixed_version: fixed.into(),
            advisory: "CVE-2024-1".into(),
            source: Default::default(),
            category: Category::Vulnerability,
            comparison: String::new(),
        };
        remediation(&package, &found)
    }

    #[test]
    fn a_fix_comes_with_the_command_of_its_ecosystem() {
        for (ecosystem, name, fixed, command) in [
            ("debian:12", "openssl", "3.0.13-1", "RUN apt-get update && apt-get install --only-upgrade -y openssl"),
            ("alpine:3.18", "zlib", "1.2.13-r1", "RUN apk add --no-cache --upgrade 'zlib>=1.2.13-r1'"),
            ("pypi", "django", "2.2.28", "pip install --upgrade 'django>=2.2.28'"),
            ("npm", "@babel/core", "7.1.0", "npm install @babel/core@^7.1.0"),
            ("go", "golang.org/x/net", "0.17.0", "go get golang.org/x/net@v0.17.0 && go mod tidy"),
        ] {
            let advice = of(ecosystem, name, "", fixed, VendorState::Fixed);
            assert_eq!(advice.summary, format!("Upgrade {name} to {fixed} or later."));
            assert!(
                advice.steps.iter().any(|s| s.command.as_deref() == Some(command)),
                "{ecosystem}: {:?}",
                advice.steps
            );
            assert_eq!(advice.steps.last().and_then(|s| s.command.as_deref()), Some("portwarden scan REPOSITORY:TAG"));
        }
        let binary = of("debian:12", "libssl3", "openssl", "3.0.13-1", VendorState::Fixed);
        assert_eq!(binary.summary, "Upgrade libssl3 (built from source package openssl) to 3.0.13-1 or later.");
    }

    #[test]
    fn a_hostile_name_never_becomes_a_command_of_its_own() {
        let advice = of("pypi", "x; rm -rf '$HOME'", "", "1", VendorState::Fixed);
        let command = advice.steps.iter().find_map(|s| s.command.as_deref());
        assert_eq!(command, Some(r"pip install --upgrade 'x; rm -rf '\''$HOME'\''>=1'"));
        for name in ["-oAPT::Hook=sh", "a\nb", "\u{1b}[2J"] {
            let advice = of("debian:12", name, "", "1", VendorState::Fixed);
            let typed: Vec<_> = advice.steps.iter().filter_map(|s| s.command.as_deref()).collect();
            assert!(typed.iter().all(|c| !c.contains(name)), "{name:?}: {typed:?}");
            assert!(!advice.summary.contains(|c: char| c.is_control()), "{name:?}");
        }
    }

    #[test]
    fn without_a_fix_the_vendor_state_is_said_in_words() {
        for (state, words) in [
            (VendorState::WillNotFix, "Debian will not fix this in zlib1g."),
            (VendorState::Deferred, "Debian has put off the fix of zlib1g to a later update."),
            (VendorState::EndOfLife, "zlib1g gets no more fixes: Debian no longer supports it in this release."),
            (VendorState::Open, "No fixed version of zlib1g is known yet."),
        ] {
            assert_eq!(of("debian:12", "zlib1g", "zlib", "", state).summary, words);
        }
    }
}
