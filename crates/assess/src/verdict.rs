//! What an image's reading is worth: complete, or with gaps, and why.
//!
//! In: an image's inventory and the database it was judged with. Out: verdict, reason codes, notes.
//! Missing knowledge is never shown as healthy: every way of not knowing has its code.

use crate::end_of_life::last_day;
use crate::matching::{answered, matches};
use crate::remediation::{is_os, shown};
use advisory::Database;
use model::finding::Match;
use model::inventory::{Inventory, Note, OsRelease};
use model::package::PackageKey;
use model::verdict::{Verdict, reason};
use std::collections::BTreeSet;

/// An image, judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assessed {
    /// Complete, or with gaps.
    pub verdict: Verdict,
    /// Why it is not complete; codes of `REASONS`, sorted.
    pub reasons: Vec<&'static str>,
    /// What could not be read or judged, the inventory's notes included.
    pub notes: Vec<Note>,
    /// Every distinct package, in order, with its matches.
    pub packages: Vec<(PackageKey, Vec<Match>)>,
}

/// Judges an image: every distinct package, and the reading as a whole.
pub fn assess(inventory: &Inventory, db: &Database) -> Assessed {
    let keys: BTreeSet<&PackageKey> = inventory.packages.iter().map(|placed| &placed.key).collect();
    let (_, mut reasons, mut notes) = verdict(inventory, db);
    let mut packages = Vec::with_capacity(keys.len());
    for key in keys {
        let judged = matches(key, db);
        reasons.extend(judged.notes.iter().filter_map(gap));
        notes.extend(judged.notes);
        packages.push((key.clone(), judged.matches));
    }
    reasons.sort_unstable();
    reasons.dedup();
    Assessed { verdict: of(&reasons), reasons, notes, packages }
}

/// Judges what a reading is worth, its packages' matches aside.
pub fn verdict(inventory: &Inventory, db: &Database) -> (Verdict, Vec<&'static str>, Vec<Note>) {
    let mut notes = inventory.notes.clone();
    notes.extend(unlisted(inventory));
    let judged = inventory.packages.iter().filter(|placed| !answered(&placed.key, db));
    let ecosystems: BTreeSet<&str> = judged.map(|placed| placed.key.ecosystem.as_str()).collect();
    if db.starter_only() && !ecosystems.is_empty() {
        notes.push(note("feeds", "only the built-in starter advisories were at hand".into(), true));
    }
    for ecosystem in ecosystems {
        notes.extend(coverage(ecosystem, inventory, db));
        notes.extend(last_day(ecosystem, db.built()).map(|day| ended(ecosystem, day)));
    }
    let mut reasons: Vec<&'static str> = notes.iter().filter_map(gap).collect();
    reasons.sort_unstable();
    reasons.dedup();
    (of(&reasons), reasons, notes)
}

/// Distributions by the purl type of their packages, `ID` or a word of `ID_LIKE`. A type without a reader has no name: these
/// packages are there and are never found. What is built without a package manager (Bottlerocket, Buildroot) is not here.
const DISTRIBUTIONS: [(&str, &[&str]); 4] = [
    ("deb", &["debian", "ubuntu"]),
    ("apk", &["alpine", "chainguard", "wolfi"]),
    (
        "rpm",
        &[
            "almalinux",
            "amzn",
            "azurelinux",
            "centos",
            "fedora",
            "mageia",
            "mariner",
            "ol",
            "openeuler",
            "opensuse",
            "photon",
            "rhel",
            "rocky",
            "sles",
            "suse",
        ],
    ),
    ("", &["arch", "gentoo", "guix", "nixos", "slackware", "void"]),
];

/// Returns the purl type of a distribution's packages, if it has any.
fn packages_of(os: &OsRelease) -> Option<&'static str> {
    let named = |name: &str| os.id == name || os.id_like.split_whitespace().any(|like| like == name);
    DISTRIBUTIONS.iter().find(|(_, names)| names.iter().any(|name| named(name))).map(|(kind, _)| *kind)
}

/// Notes that the packages of the image's distribution are listed nowhere. A database that is there and cannot be read has a note
/// of its own.
fn unlisted(inventory: &Inventory) -> Option<Note> {
    if inventory.packages.is_empty() {
        return Some(note("no-packages", "no package database was found in any layer".into(), true));
    }
    let os = inventory.os.as_ref()?;
    let kind = packages_of(os)?;
    let listed = inventory.packages.iter().any(|placed| placed.key.purl_type() == kind);
    let unread = inventory.notes.iter().any(|note| note.gap && note.code == "package-database");
    let name = if os.pretty_name.is_empty() { &os.id } else { &os.pretty_name };
    let text = format!("the image says that it is {}, and no database that lists its packages was found", shown(name));
    (!listed && !unread).then(|| note("no-packages", text, true))
}

fn ended(ecosystem: &str, day: &str) -> Note {
    let text = format!("support of {ecosystem} ended on {day}: what was found since is reported by nobody");
    note("end-of-life", text, true)
}

/// Says what is not known of an ecosystem.
fn coverage(ecosystem: &str, inventory: &Inventory, db: &Database) -> Option<Note> {
    let sample = PackageKey { ecosystem: ecosystem.into(), ..Default::default() };
    let release = ecosystem.split_once(':').map_or("", |(_, release)| release);
    if is_os(&sample) && release.is_empty() {
        let os = inventory.os.as_ref().map_or("no os-release", |os| os.pretty_name.as_str());
        let text = format!("the {ecosystem} packages belong to no distribution that is known (the image says: {os})");
        return Some(note("distro-unknown", text, true));
    }
    if db.starter_only() {
        return None;
    }
    if !db.covers(ecosystem) {
        let (code, what) = if is_os(&sample) {
            ("distro-unsupported", "distribution or release")
        } else {
            ("feed-missing", "ecosystem")
        };
        return Some(note(code, format!("no feed is loaded for the {what} {ecosystem}"), true));
    }
    let fixed_only = sample.purl_type() == "apk";
    fixed_only.then(|| {
        note("fixed-only", format!("the feed of {ecosystem} lists only vulnerabilities that were fixed"), false)
    })
}

fn of(reasons: &[&'static str]) -> Verdict {
    if reasons.is_empty() { Verdict::Complete } else { Verdict::Gaps }
}

fn gap(note: &Note) -> Option<&'static str> {
    note.gap.then(|| reason(&note.code).map_or("package-database", |known| known.code))
}

fn note(code: &str, text: String, gap: bool) -> Note {
    Note { code: code.into(), path: String::new(), text, gap }
}

#[cfg(test)]
mod tests {
    use super::*;
    use advisory::Builder;
    use model::advisory::{Advisory, Affected, Names, Range};
    use model::inventory::{OsRelease, Placed};
    use model::time::Micros;

    struct Bytes(Vec<u8>);
    impl AsRef<[u8]> for Bytes {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    fn database(ecosystems: &[&str]) -> Database {
        let mut builder = Builder::new();
        for ecosystem in ecosystems {
            let affected = Affected {
                ecosystem: (*ecosystem).into(),
                name: "p".into(),
                names: if ecosystem.contains(':') { Names::Source } else { Names::Language },
                ranges: vec![Range::default()],
                ..Default::default()
            };
            builder.add(&Advisory { id: "CVE-2024-1".into(), affected: vec![affected], ..Default::default() });
        }
        Database::open(Box::new(Bytes(builder.finish(1, Micros(1), Vec::new())))).unwrap()
    }

    fn image(ecosystems: &[&str]) -> Inventory {
        let place = |ecosystem: &&str| Placed {
            key: PackageKey {
                ecosystem: (*ecosystem).into(),
                name: "p".into(),
                version: "1".into(),
                ..Default::default()
            },
            path: "list".into(),
            layer: 0,
        };
        let os = OsRelease { pretty_name: "Something 1".into(), ..Default::default() };
        Inventory { os: Some(os), packages: ecosystems.iter().map(place).collect(), notes: Vec::new() }
    }

    #[test]
    fn every_way_of_not_knowing_has_its_code() {
        let all = database(&["debian:12", "alpine:3.18", "pypi"]);
        let starter = advisory::starter().unwrap();
        for (db, packages, want, reason) in [
            (&all, &["debian:12", "pypi"][..], &[][..], "everything is covered"),
            (&all, &["alpine:3.18"], &[], "that only fixed ones are listed is a note"),
            (&all, &["debian:7"], &["distro-unsupported"], "a release without a feed"),
            (&all, &["deb"], &["distro-unknown"], "no release is named"),
            (&all, &["npm"], &["feed-missing"], "a language without a feed"),
            (&all, &[], &["no-packages"], "nothing was found"),
            (&starter, &["debian:12"], &["feeds"], "the starter alone"),
        ] {
            let (verdict, reasons, notes) = verdict(&image(packages), db);
            assert_eq!(reasons, want, "{reason}");
            assert_eq!(verdict == Verdict::Complete, want.is_empty(), "{reason}");
            assert!(notes.iter().filter(|n| n.gap).count() >= want.len(), "{reason}: each has a note");
        }
        let (_, _, notes) = verdict(&image(&["alpine:3.18"]), &all);
        assert_eq!(notes.iter().map(|n| (n.code.as_str(), n.gap)).collect::<Vec<_>>(), [("fixed-only", false)]);
    }

    /// An image of this `ID` and `ID_LIKE` with these packages.
    fn of(id: &str, like: &str, ecosystems: &[&str]) -> Inventory {
        let os = OsRelease { id: id.into(), id_like: like.into(), ..Default::default() };
        Inventory { os: Some(os), ..image(ecosystems) }
    }

    #[test]
    fn a_distribution_whose_packages_are_listed_nowhere_is_a_gap() {
        let db = database(&["debian:12", "alpine:3.18", "pypi", "go"]);
        let mut unread = of("rhel", "", &["pypi"]);
        unread.notes.push(note("package-database", "a form that is not supported".into(), true));
        let mut scratch = image(&["go"]);
        scratch.os = None;
        for (image, want, reason) in [
            (of("debian", "", &["debian:12", "pypi"]), &[][..], "as it should be, or from status.d alone"),
            (of("debian", "", &["pypi"]), &["no-packages"], "the database is deleted, Python's packages are left"),
            (of("debian", "", &["go"]), &["no-packages"], "the release copied to nothing but a program looks the same"),
            (of("raspbian", "debian", &["pypi"]), &["no-packages"], "a descendant"),
            (of("alpine", "", &["pypi"]), &["no-packages"], "apk's"),
            (of("alpine", "", &["pypi", "alpine:3.18"]), &[], "apk's are there"),
            (of("opensuse-leap", "suse opensuse", &["pypi"]), &["no-packages"], "rpm's"),
            (of("arch", "", &["pypi"]), &["no-packages"], "a package manager without a reader"),
            (unread, &["package-database"], "it is there, and said to be unreadable"),
            (of("bottlerocket", "", &["go"]), &[], "no package manager at all"),
            (of("", "", &["go"]), &[], "it says nothing"),
            (scratch, &[], "a program alone"),
        ] {
            let (_, reasons, _) = verdict(&image, &db);
            assert_eq!(reasons, want, "{reason}");
        }
    }

    #[test]
    fn a_release_whose_support_is_over_is_a_gap() {
        let built = |day: &str| {
            let mut builder = Builder::new();
            builder.add(&Advisory::default());
            for ecosystem in ["debian:8", "debian:12", "pypi"] {
                let affected = Affected { ecosystem: ecosystem.into(), name: "p".into(), ..Default::default() };
                builder.add(&Advisory { id: "CVE-2024-1".into(), affected: vec![affected], ..Default::default() });
            }
            Database::open(Box::new(Bytes(builder.finish(1, Micros::parse(day).unwrap(), Vec::new())))).unwrap()
        };
        for (day, ecosystem, want) in [
            ("2020-06-29", "debian:8", &[][..]),
            ("2020-07-02", "debian:8", &["end-of-life"]),
            ("2026-11-01", "debian:12", &[]),
            ("2028-07-02", "debian:12", &["end-of-life"]),
            ("2028-07-02", "debian:4", &["distro-unsupported"]),
        ] {
            assert_eq!(verdict(&image(&[ecosystem]), &built(day)).1, want, "{ecosystem} on {day}");
        }
    }

    #[test]
    fn a_language_package_is_the_distributions_only_where_its_advisories_answer() {
        let db = |ecosystems: &[&str]| database(ecosystems);
        let owned = |release: &str| {
            let mut inventory = image(&["pypi"]);
            inventory.packages[0].key.origin = format!("owned:{release}/python3-p");
            inventory
        };
        for (ecosystems, release, matched, reasons, why) in [
            (&["debian:12", "pypi"][..], "debian:12", 0, &[][..], "covered"),
            (&["debian:12", "pypi"], "debian:7", 1, &[], "a release of which nobody speaks"),
            (&["debian:12", "pypi"], "deb:kali:2024.1", 1, &[], "another distribution"),
            (&["debian:12"], "debian:7", 0, &["feed-missing"], "nobody answers"),
            (&["debian:12"], "debian:12", 0, &[], "the distribution answers"),
        ] {
            let assessed = assess(&owned(release), &db(ecosystems));
            assert_eq!(assessed.packages[0].1.len(), matched, "{why}");
            assert_eq!(assessed.reasons, reasons, "{why}");
        }
    }

    #[test]
    fn what_the_readers_could_not_read_is_a_gap_of_the_image() {
        let db = database(&["debian:12"]);
        let mut inventory = image(&["debian:12"]);
        inventory.notes.push(note("layer-truncated", "layer 0 ends in the middle".into(), true));
        inventory.notes.push(note("media-type", "read by its content".into(), false));
        let assessed = assess(&inventory, &db);
        assert_eq!((assessed.verdict, assessed.reasons), (Verdict::Gaps, vec!["layer-truncated"]));
        assert_eq!(assessed.notes.len(), 2);
        assert_eq!(assessed.packages.len(), 1);
        assert_eq!(assessed.packages[0].1[0].vulnerability, "CVE-2024-1");
    }

    #[test]
    fn a_version_that_cannot_be_read_is_a_gap_of_the_image() {
        let mut inventory = image(&["pypi"]);
        inventory.packages[0].key.version = "not a version".into();
        let assessed = assess(&inventory, &database(&["pypi"]));
        assert_eq!((assessed.verdict, assessed.reasons), (Verdict::Gaps, vec!["version-unreadable"]));
    }
}
