//! The lists of DSAs and DLAs.
//!
//! In: `[31 Jul 2025] DSA-5970-1 sope - security update`, then `{CVE-… CVE-…}`, then `[bookworm] - sope 5.8.0-1+deb12u1` a release,
//! each indented. Out: fixes by source and id. In place of a version may stand a word: `<not-affected>`, `<end-of-life>`, …

use super::Fixes;
use crate::Read;
use model::advisory::VendorState;
use model::time::Micros;

/// What one DSA or DLA says of one release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fix<'a> {
    pub codename: &'a str,
    /// Empty where the state is not `Fixed`.
    pub version: &'a str,
    pub state: VendorState,
    /// `DSA-5970-1`.
    pub advisory: &'a str,
}

/// An advisory whose lines are being read.
#[derive(Default)]
struct Head<'a> {
    id: &'a str,
    /// Whether it speaks of a vulnerability even where it names no CVE.
    security: bool,
    cves: Vec<&'a str>,
}

/// Reads one list. Advisories are counted in `read.records`.
pub(super) fn read<'a>(text: &'a str, fixes: &mut Fixes<'a>, read: &mut Read) {
    let mut head = Head::default();
    for line in text.lines() {
        if line.starts_with('[') {
            head = heading(line, read);
            continue;
        }
        let line = line.trim();
        if let Some(cves) = line.strip_prefix('{').and_then(|l| l.strip_suffix('}')) {
            head.cves = cves.split_whitespace().collect();
        } else if line.starts_with('[') {
            match release(line) {
                Some((source, fix)) => keep(&head, source, fix, fixes, read),
                None => read.skip("line of a list"),
            }
        }
    }
}

fn heading<'a>(line: &'a str, read: &mut Read) -> Head<'a> {
    let Some((date, rest)) = line.get(1..).unwrap_or("").split_once("] ") else { return Head::default() };
    let (id, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    if !id.starts_with("DSA-") && !id.starts_with("DLA-") {
        read.skip("line of a list");
        return Head::default();
    }
    read.records = read.records.saturating_add(1);
    read.date = read.date.max(day(date).unwrap_or_default());
    Head { id, security: speaks_of_security(id, rest), cves: Vec::new() }
}

/// Returns whether an advisory without CVE is about a vulnerability: the first of its number, and not a routine update.
fn speaks_of_security(id: &str, rest: &str) -> bool {
    const ROUTINE: [&str; 8] =
        ["regression", "new upstream", "timezone", "bugfix", "end of life", "end-of-life", "database", "announce"];
    let Some((_, title)) = rest.split_once(" - ") else { return false };
    let first = id.matches('-').count() < 2 || id.ends_with("-1");
    first && title.trim() != "update" && !ROUTINE.iter().any(|word| title.contains(word))
}

/// Reads `[bookworm] - sope 5.8.0-1+deb12u1 (medium)`.
fn release(line: &str) -> Option<(&str, Fix<'_>)> {
    let (codename, rest) = line.strip_prefix('[')?.split_once(']')?;
    let mut words = rest.trim_start().strip_prefix("- ")?.split_whitespace();
    let (source, slot) = (words.next()?, words.next()?);
    let (version, state) = match slot {
        "<not-affected>" => ("", VendorState::NotAffected),
        "<end-of-life>" => ("", VendorState::EndOfLife),
        "<ignored>" => ("", VendorState::WillNotFix),
        "<no-dsa>" | "<postponed>" => ("", VendorState::Deferred),
        "<undetermined>" => ("", VendorState::UnderInvestigation),
        "<unfixed>" | "<removed>" => ("", VendorState::Open),
        version if version.starts_with(|c: char| c.is_ascii_alphanumeric()) => (version, VendorState::Fixed),
        _ => return None,
    };
    Some((source, Fix { codename, version, state, advisory: "" }))
}

fn keep<'a>(head: &Head<'a>, source: &'a str, fix: Fix<'a>, fixes: &mut Fixes<'a>, read: &mut Read) {
    if super::release(fix.codename).is_none() {
        read.skip("release without images");
        return;
    }
    let own = [head.id];
    let ids: &[&str] = match head.cves.as_slice() {
        [] if head.security && fix.state == VendorState::Fixed => &own,
        [] => {
            read.skip("update without a vulnerability");
            return;
        }
        cves => cves,
    };
    for id in ids {
        let known = fixes.entry(source).or_default().entry(id).or_default();
        let fix = Fix { advisory: head.id, ..fix };
        match known.iter_mut().find(|k| k.codename == fix.codename && k.state == fix.state) {
            Some(k) if k.advisory == fix.advisory => {}
            _ => known.push(fix),
        }
    }
}

/// Reads `31 Jul 2025`.
fn day(text: &str) -> Option<Micros> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_whitespace();
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|m| *m == month)?.checked_add(1)?;
    crate::kind::day(&format!("{year}-{month:02}-{day:0>2}"))
}
