//! A package × the advisory database → its matches.
//!
//! In: one package row and an opened database. Out: one match a vulnerability, and a note for a version that cannot be compared.
//! OS packages are looked up by source package (with the source version) and by binary package (with the package's version),
//! language packages by name. Where several advisories speak of one vulnerability, one that calls the package affected decides.
//! A vendor's "not affected" and "not yet looked at" give no match, nor does a package that an OS package owns whose release the
//! advisories cover.

use crate::end_of_life::last_day;
use crate::hit::{Hit, Said};
use crate::remediation::{is_os, shown};
use crate::{grade, why};
use advisory::{Database, Row};
use ecosystem::Ecosystem;
use model::advisory::{Category, End, Names, VendorState};
use model::finding::Match;
use model::inventory::Note;
use model::package::PackageKey;
use std::cmp::Ordering;

/// What a package was judged to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judged {
    /// One match a vulnerability, by heading.
    pub matches: Vec<Match>,
    /// What could not be compared.
    pub notes: Vec<Note>,
}

/// Judges one package.
///
/// Depends on the package row and the database alone, so the answer holds for every image that has the package.
pub fn matches(package: &PackageKey, db: &Database) -> Judged {
    let mut judged = Judged::default();
    let Some(ecosystem) = ecosystem::by_purl_type(package.purl_type()) else { return judged };
    if answered(package, db) {
        return judged;
    }
    let mut said = rows(package, db);
    if said.is_empty() {
        return judged;
    }
    said.sort_by_key(|said| said.row.vulnerability);
    for group in said.chunk_by(|a, b| a.row.vulnerability == b.row.vulnerability) {
        judged.matches.extend(judge(package, ecosystem, db, group));
    }
    judged.matches.sort_by(|a, b| a.vulnerability.cmp(&b.vulnerability));
    judged.notes = unreadable(package, ecosystem, &said);
    judged
}

/// Returns whether the advisories of the distribution answer for a language package: it owns the package's files, and is covered
/// and supported. What a distribution fixed in an old version, only its own advisories know; what nobody answers for is judged.
pub(crate) fn answered(package: &PackageKey, db: &Database) -> bool {
    let covered = |release: &str| db.covers(release) && last_day(release, db.built()).is_none();
    package.owner().is_some_and(|(release, _)| covered(release))
}

/// Returns every advisory that speaks of the package.
fn rows<'a>(package: &'a PackageKey, db: &'a Database) -> Vec<Said<'a>> {
    let or_else = |text: &'a str, other: &'a str| if text.is_empty() { other } else { text };
    let source = Asked {
        name: or_else(&package.source, &package.name),
        version: or_else(&package.source_version, &package.version),
    };
    let own = Asked { name: &package.name, version: &package.version };
    let mut found = Vec::new();
    for (asked, kinds) in [(source, &[Names::Source][..]), (own, &[Names::Binary, Names::Language])] {
        let rows = db.look_up(&package.ecosystem, asked.name);
        let fitting = rows.filter(|row| kinds.contains(&row.names) && concerns(row, package));
        found.extend(fitting.map(|row| Said { row, name: asked.name, version: asked.version }));
    }
    found
}

/// A name to look up and the version that goes with it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    name: &'a str,
    version: &'a str,
}

/// Returns whether an advisory of the package's name is about this build of it.
fn concerns(row: &Row<'_>, package: &PackageKey) -> bool {
    if matches!(row.state, VendorState::NotAffected | VendorState::UnderInvestigation) {
        return false;
    }
    // A distribution knows the fixes of its own builds only: what it calls unfixed says nothing of somebody else's.
    if package.origin.starts_with("third-party:") && is_os(package) && row.state != VendorState::Fixed {
        return false;
    }
    let (mut first, mut every) = (row.arch, row.arch);
    let any_arch = package.arch.is_empty() || first.next().is_none();
    (any_arch || every.any(|arch| arch == package.arch)) && same_stream(row, package)
}

/// Module streams (RPM): a labelled package takes its own stream's advisories. One without a label is compared with those
/// advisories whose fix carries the mark of a module build exactly if its own version does.
fn same_stream(row: &Row<'_>, package: &PackageKey) -> bool {
    const MARK: &str = ".module";
    if !row.module.is_empty() && !package.module.is_empty() {
        return row.module == package.module;
    }
    let fix_has_mark =
        || row.ranges.into_iter().any(|(_, end)| matches!(end, End::Fixed(fixed) if fixed.contains(MARK)));
    let of_module = |module: &str, mark: bool| !module.is_empty() || mark;
    package.purl_type() != "rpm"
        || of_module(row.module, fix_has_mark()) == of_module(&package.module, package.version.contains(MARK))
}

/// Judges the package by all advisories of one vulnerability.
fn judge(package: &PackageKey, ecosystem: &dyn Ecosystem, db: &Database, group: &[Said<'_>]) -> Option<Match> {
    let hits: Vec<(&Said<'_>, Hit<'_>)> =
        group.iter().filter_map(|said| Some((said, hit(ecosystem, &said.row, said.version)?))).collect();
    let fix = best_fix(ecosystem, group, &hits);
    let (said, hit) = fix.map(|(decides, _)| decides).or_else(|| without_fix(&hits))?;
    let facts = db.facts(said.row.vulnerability)?;
    let vendor = [(said, hit)]
        .into_iter()
        .chain(hits.iter().map(|(said, hit)| (*said, *hit)))
        .map(|(said, _)| said.row.severity);
    let (severity, severity_source) = grade::severity(vendor, (facts.severity, facts.severity_source));
    let state = match (fix.is_some(), said.row.state) {
        (true, _) => VendorState::Fixed,
        (false, VendorState::Fixed) => VendorState::Open,
        (false, state) => state,
    };
    Some(Match {
        vulnerability: facts.heading.to_owned(),
        severity,
        severity_source,
        state,
        fixed_version: fix.map_or("", |(_, fixed)| fixed).to_owned(),
        advisory: said.row.advisory.to_owned(),
        source: said.row.source,
        category: category(package, said.row.category),
        comparison: why::comparison(package, said, hit),
    })
}

/// Returns why an advisory calls a version affected, `None` if it does not.
fn hit<'a>(ecosystem: &dyn Ecosystem, row: &Row<'a>, version: &str) -> Option<Hit<'a>> {
    let readable = ecosystem.valid(version);
    if readable && let Some((introduced, end)) = row.ranges.into_iter().find(|r| within(ecosystem, *r, version)) {
        return Some(Hit::Within(introduced, end));
    }
    let same = |listed: &str| {
        let version = without_local(ecosystem, version, listed);
        listed == version || (readable && ecosystem.valid(listed) && ecosystem.compare(listed, version).is_eq())
    };
    row.versions.into_iter().any(same).then_some(Hit::Listed)
}

/// Returns whether a version lies in an interval. A bound that cannot be read bounds nothing: then it does not.
fn within(ecosystem: &dyn Ecosystem, (introduced, end): (&str, End<&str>), version: &str) -> bool {
    let compared = |version: &str, bound| Some(ecosystem.compare(version, readable(ecosystem, bound)?));
    if !introduced.is_empty() && compared(version, introduced).is_none_or(Ordering::is_lt) {
        return false;
    }
    match end {
        End::Open => true,
        End::Fixed(bound) | End::Limit(bound) => compared(version, bound).is_some_and(Ordering::is_lt),
        End::LastAffected(bound) => {
            let read = readable(ecosystem, bound).unwrap_or(bound);
            compared(without_local(ecosystem, version, read), bound).is_some_and(Ordering::is_le)
        }
    }
}

/// Reads a bound. Publishers copy some out of product lists, with a variant behind a dash (`2.6.0-cu124`, `2.9.0-NA`): where the
/// whole is no version, what stands before the dash is.
fn readable<'a>(ecosystem: &dyn Ecosystem, bound: &'a str) -> Option<&'a str> {
    let before_dash = || bound.rsplit_once('-').map(|(version, _)| version).filter(|version| ecosystem.valid(version));
    if ecosystem.valid(bound) { Some(bound) } else { before_dash() }
}

/// A Python build's local label (`2.6.0+cu124`) names the same release: it counts only against a version that has one too.
fn without_local<'a>(ecosystem: &dyn Ecosystem, version: &'a str, against: &str) -> &'a str {
    match version.split_once('+') {
        Some((public, _)) if ecosystem.purl_type() == "pypi" && !against.contains('+') => public,
        _ => version,
    }
}

/// Returns the smallest version above the installed one that no advisory of the vulnerability calls affected, and the advisory
/// that names it.
fn best_fix<'s, 'a>(
    ecosystem: &dyn Ecosystem,
    group: &[Said<'a>],
    hits: &[(&'s Said<'a>, Hit<'a>)],
) -> Option<((&'s Said<'a>, Hit<'a>), &'a str)> {
    let mut named: Vec<((&Said<'a>, Hit<'a>), &'a str)> = Vec::new();
    for (said, hit) in hits {
        let fixes = said.row.ranges.into_iter().filter_map(|(_, end)| match end {
            End::Fixed(fixed) if ecosystem.valid(fixed) => Some(fixed),
            _ => None,
        });
        named.extend(fixes.filter(|f| ecosystem.compare(f, said.version).is_gt()).map(|fixed| ((*said, *hit), fixed)));
    }
    named.sort_by(|a, b| ecosystem.compare(a.1, b.1));
    let clean = |fixed: &str, by: &Said<'_>| {
        // Source and binary packages are numbered apart: a fix is held against advisories of its own kind only.
        group
            .iter()
            .filter(|said| said.row.names == by.row.names)
            .all(|said| hit(ecosystem, &said.row, fixed).is_none())
    };
    named.into_iter().find(|((said, _), fixed)| clean(fixed, said))
}

/// Without a fix, an advisory decides that says what the vendor will do about it, else the first.
fn without_fix<'s, 'a>(hits: &[(&'s Said<'a>, Hit<'a>)]) -> Option<(&'s Said<'a>, Hit<'a>)> {
    hits.iter().find(|(said, _)| said.row.state != VendorState::Fixed).or(hits.first()).copied()
}

/// Vulnerabilities of the kernel that come with its headers are kept apart: headers do not run.
fn category(package: &PackageKey, category: Category) -> Category {
    let name = package.name.as_str();
    let headers = ["linux-libc-dev", "linux-headers", "linux-kbuild-", "kernel-headers"]
        .iter()
        .any(|start| name.starts_with(start));
    if headers && category == Category::Vulnerability && is_os(package) { Category::KernelHeaders } else { category }
}

/// Notes what cannot be compared: the package's version, or the bounds of advisories that speak of it.
fn unreadable(package: &PackageKey, ecosystem: &dyn Ecosystem, said: &[Said<'_>]) -> Vec<Note> {
    let rules = format!("does not follow the rules of {}", package.purl_type());
    let note = |text| Note { code: "version-unreadable".into(), path: String::new(), text, gap: true };
    let name = shown(&package.name);
    if let Some(bad) = said.iter().find(|said| !ecosystem.valid(said.version)) {
        let (version, count) = (shown(bad.version), said.len());
        return vec![note(format!(
            "version {version:?} of {name} {rules}; {count} advisories were not compared with it"
        ))];
    }
    let lost = |bound: &&str| !bound.is_empty() && readable(ecosystem, bound).is_none();
    let bounds =
        |row: &Row<'_>| row.ranges.into_iter().flat_map(|(from, end)| [from, bound(end)]).find(lost).map(shown);
    let noted = |said: &Said<'_>| {
        let version = bounds(&said.row)?;
        Some(note(format!(
            "version {version:?} in advisory {} of {name} {rules}; that interval was not compared",
            shown(said.row.advisory)
        )))
    };
    said.iter().filter_map(noted).collect()
}

fn bound(end: End<&str>) -> &str {
    match end {
        End::Open => "",
        End::Fixed(bound) | End::LastAffected(bound) | End::Limit(bound) => bound,
    }
}

#[cfg(test)]
mod tests;
