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
