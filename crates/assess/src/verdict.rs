//! What an image's reading is worth: complete, or with gaps, and why.
//!
//! In: an image's inventory and the database it was judged with. Out: verdict, reason codes, notes.
//! Missing knowledge is never shown as healthy: every way of not knowing has its code.

use crate::matching::matches;
use crate::remediation::is_os;
use advisory::Database;
use model::finding::Match;
use model::inventory::{Inventory, Note};
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
    if inventory.packages.is_empty() {
        notes.push(note("no-packages", "no package database was found in any layer".into(), true));
    }
    let judged = inventory.packages.iter().filter(|placed| !placed.key.is_owned());
    let ecosystems: BTreeSet<&str> = judged.map(|placed| placed.key.ecosystem.as_str()).collect();
    if db.starter_only() && !ecosystems.is_empty() {
        notes.push(note("feeds", "only the built-in starter advisories were at hand".into(), true));
    }
    for ecosystem in ecosystems {
        notes.extend(coverage(ecosystem, inventory, db));
    }
    let mut reasons: Vec<&'static str> = notes.iter().filter_map(gap).collect();
    reasons.sort_unstable();
    reasons.dedup();
    (of(&reasons), reasons, notes)
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
