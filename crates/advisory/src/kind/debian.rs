//! Debian's security tracker.
//!
//! In: the tracker's JSON (source → id → release → state), and the lists of DSAs and DLAs, which know the fixes of releases that
//! the JSON has dropped. Out: one advisory a source and id; the DSAs and DLAs that fix it as related ids.
//! Where both name a fix, the higher version counts: a later DSA may have had to fix the fix.

mod list;
mod tracker;

use crate::{Error, Fact, Feed, FeedFile, Read, SourceFile, unpack};
use list::Fix;
use model::advisory::{Advisory, Affected, End, Names, Range, Source, VendorState};
use std::collections::BTreeMap;

const TRACKER: &str = "https://security-tracker.debian.org/tracker/data/json";
const LISTS: [&str; 2] = [
    "https://salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data/DSA/list",
    "https://salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data/DLA/list",
];

/// Releases by code name. Images of older ones do not exist.
const RELEASES: [(&str, &str); 11] = [
    ("sid", "debian:sid"),
    ("duke", "debian:15"),
    ("forky", "debian:14"),
    ("trixie", "debian:13"),
    ("bookworm", "debian:12"),
    ("bullseye", "debian:11"),
    ("buster", "debian:10"),
    ("stretch", "debian:9"),
    ("jessie", "debian:8"),
    ("wheezy", "debian:7"),
    ("squeeze", "debian:6"),
];

/// The feed.
pub(super) struct Debian;

/// What the lists say, by source and id.
type Fixes<'a> = BTreeMap<&'a str, BTreeMap<&'a str, Vec<Fix<'a>>>>;

impl Feed for Debian {
    fn name(&self) -> &'static str {
        "debian"
    }

    fn files(&self) -> Vec<SourceFile> {
        [TRACKER].iter().chain(&LISTS).map(|url| SourceFile { url: (*url).into(), optional: false }).collect()
    }

    fn read(&self, files: &[FeedFile<'_>], out: &mut dyn FnMut(Fact)) -> Result<Read, Error> {
        let find = |url: &str| {
            let missing = || Error::Missing { feed: self.name(), file: url.to_owned() };
            files.iter().copied().find(|f| f.url == url).ok_or_else(missing)
        };
        let mut texts = Vec::new();
        for url in LISTS {
            texts.push(unpack::text(self.name(), find(url)?)?);
        }
        let mut read = Read::default();
        let mut fixes = Fixes::new();
        for (text, url) in texts.iter().zip(LISTS) {
            let before = read.records;
            list::read(text, &mut fixes, &mut read);
            if read.records == before {
                return Err(unpack::failed(self.name(), find(url)?, &"it lists no advisory"));
            }
            read.end_file(url, before);
        }
        let before = read.records;
        unpack::json(self.name(), find(TRACKER)?, tracker::Tracker { fixes: &mut fixes, read: &mut read, out })?;
        read.end_file(TRACKER, before);
        for (source, id, fixes) in fixes.iter().flat_map(|(s, ids)| ids.iter().map(move |(id, f)| (s, id, f))) {
            if let Some(advisory) = advisory(source, id, Vec::new(), fixes) {
                out(Fact::Advisory(advisory));
            }
        }
        Ok(read)
    }
}

/// Returns `debian:12` for `bookworm`.
fn release(codename: &str) -> Option<&'static str> {
    RELEASES.iter().find(|(name, _)| *name == codename).map(|(_, release)| *release)
}

/// Makes the advisory of a source and id from what the tracker says, and what the lists add to that.
fn advisory(source: &str, id: &str, mut affected: Vec<Affected>, fixes: &[Fix<'_>]) -> Option<Advisory> {
    for fix in fixes {
        let Some(release) = release(fix.codename) else { continue };
        match affected.iter_mut().find(|a| a.ecosystem == release) {
            Some(known) => raise(known, fix),
            None => affected.push(of_fix(source, release, fix)),
        }
    }
    let mut related: Vec<String> = fixes.iter().filter(|f| f.advisory != id).map(|f| f.advisory.to_owned()).collect();
    related.sort();
    related.dedup();
    (!affected.is_empty()).then(|| Advisory {
        id: id.to_owned(),
        source: Source::Debian,
        related,
        affected,
        ..Advisory::default()
    })
}

/// Raises a fixed version to the one that a DSA or DLA names. What else the tracker says stands.
fn raise(known: &mut Affected, fix: &Fix<'_>) {
    let Some(Range { end: End::Fixed(version), .. }) = known.ranges.first_mut() else { return };
    if fix.state == VendorState::Fixed && ecosystem::order::dpkg::compare(version, fix.version).is_lt() {
        fix.version.clone_into(version);
    }
}

fn of_fix(source: &str, release: &str, fix: &Fix<'_>) -> Affected {
    let end = if fix.state == VendorState::Fixed { End::Fixed(fix.version.to_owned()) } else { End::Open };
    affected(source, release, fix.state, end)
}

/// Makes the row of a release; who is not affected has no range.
fn affected(source: &str, release: &str, state: VendorState, end: End) -> Affected {
    let ranges = match state {
        VendorState::NotAffected => Vec::new(),
        _ => vec![Range { introduced: String::new(), end }],
    };
    Affected {
        ecosystem: release.into(),
        name: source.into(),
        names: Names::Source,
        ranges,
        state,
        ..Affected::default()
    }
}
