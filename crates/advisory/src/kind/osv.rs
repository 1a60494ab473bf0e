//! OSV's bulk files, one a language ecosystem.
//!
//! In: a zip of `<ID>.json`. Out: one advisory a record, with what it says of this ecosystem's packages. Withdrawn records are left
//! out. Events become intervals in the ecosystem's order; Git ranges say nothing of packages.

mod ranges;
mod record;

use crate::{Error, Fact, Feed, FeedFile, Read, SourceFile, once, unpack};
use ecosystem::order;
use model::advisory::{Advisory, Affected, Category, CvssVector, End, Names, Source, VendorState};
use model::cvss;
use model::severity::{Severity, SeveritySource};
use model::time::Micros;
use record::Record;
use std::cmp::Ordering;
use std::io::{Cursor, Read as _};

/// Longest record; real ones stay under 4 MiB.
const RECORD_BYTES: u64 = 32 << 20;

/// The bulk file of one ecosystem.
pub(super) struct Osv {
    name: &'static str,
    url: &'static str,
    /// As records name it, before a colon.
    osv: &'static str,
    /// As `PackageKey::ecosystem` names it.
    ecosystem: &'static str,
    source: Source,
    compare: fn(&str, &str) -> Ordering,
    valid: fn(&str) -> bool,
    /// Whose rule names follow.
    purl_type: &'static str,
}

/// Python's packages.
pub(super) static PYPI: Osv = Osv {
    name: "osv-pypi",
    url: "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip",
    osv: "PyPI",
    ecosystem: "pypi",
    source: Source::OsvPypi,
    compare: order::pep440::compare,
    valid: order::pep440::valid,
    purl_type: "pypi",
};

/// Node's packages; names are case-sensitive.
pub(super) static NPM: Osv = Osv {
    name: "osv-npm",
    url: "https://osv-vulnerabilities.storage.googleapis.com/npm/all.zip",
    osv: "npm",
    ecosystem: "npm",
    source: Source::OsvNpm,
    compare: order::semver::compare,
    valid: order::semver::valid,
    purl_type: "npm",
};

/// Go modules; `stdlib` and `toolchain` are packages as well.
pub(super) static GO: Osv = Osv {
    name: "osv-go",
    url: "https://osv-vulnerabilities.storage.googleapis.com/Go/all.zip",
    osv: "Go",
    ecosystem: "go",
    source: Source::OsvGo,
    compare: order::go::compare,
    valid: order::go::valid,
    purl_type: "golang",
};

impl Feed for Osv {
    fn name(&self) -> &'static str {
        self.name
    }

    fn files(&self) -> Vec<SourceFile> {
        vec![SourceFile { url: self.url.into(), optional: false }]
    }

    fn read(&self, files: &[FeedFile<'_>], out: &mut dyn FnMut(Fact)) -> Result<Read, Error> {
        let file = super::only(self.name, self.url, files)?;
        let mut zip = zip::ZipArchive::new(Cursor::new(file.bytes)).map_err(|e| unpack::failed(self.name, file, &e))?;
        let mut read = Read::default();
        let mut json = Vec::new();
        for number in 0..zip.len() {
            let entry = zip.by_index(number).map_err(|e| unpack::failed(self.name, file, &e))?;
            if !entry.name().is_ok_and(|name| name.ends_with(".json")) {
                continue;
            }
            json.clear();
            entry.take(RECORD_BYTES).read_to_end(&mut json).map_err(|e| unpack::failed(self.name, file, &e))?;
            match record::read(&json, &mut read) {
                Some(record) => self.take(record, &mut read, out),
                None => read.skip("unreadable"),
            }
        }
        Ok(read)
    }
}

impl Osv {
    fn take(&self, record: Record, read: &mut Read, out: &mut dyn FnMut(Fact)) {
        read.records = read.records.saturating_add(1);
        let modified = moment(&record.modified);
        read.date = read.date.max(modified);
        if record.withdrawn.as_deref().is_some_and(|w| !w.is_empty()) {
            read.skip("withdrawn");
            return;
        }
        let cvss = vectors(&record);
        let said = said(&record, &cvss);
        let malicious = record.id.starts_with("MAL-");
        let category = if malicious { Category::Malware } else { Category::Vulnerability };
        let ours = record.affected.iter().filter(|a| a.package.ecosystem.split(':').next() == Some(self.osv));
        let affected: Vec<Affected> = ours.map(|a| self.affected(a, said, category)).collect();
        if affected.is_empty() {
            read.skip("other ecosystem");
            return;
        }
        let http = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        let mut references: Vec<String> = record.references.into_iter().filter_map(|r| r.url).filter(http).collect();
        once::keep_first(&mut references);
        out(Fact::Advisory(Advisory {
            source: self.source,
            related: record.related.into_iter().chain(record.upstream).collect(),
            cwe: record.database_specific.cwe_ids,
            published: moment(&record.published),
            id: record.id,
            aliases: record.aliases,
            title: record.summary,
            description: record.details,
            modified,
            cvss,
            references,
            affected,
        }));
    }

    fn normalised(&self, name: &str) -> String {
        ecosystem::by_purl_type(self.purl_type).map_or_else(|| name.to_owned(), |kind| kind.normalise(name))
    }

    fn affected(&self, said: &record::Affected, severity: Option<Severity>, category: Category) -> Affected {
        let ranges = ranges::of(&said.ranges, self.compare);
        // What the ranges say already need not be said again, version by version.
        let held = ranges::Held::by(&ranges, self.compare);
        let beside = |v: &&String| !(self.valid)(v) || !held.holds(v);
        let versions = said.versions.iter().filter(beside).cloned().collect();
        let fixed = ranges.iter().any(|r| matches!(r.end, End::Fixed(_)));
        Affected {
            ecosystem: self.ecosystem.into(),
            name: self.normalised(&said.package.name),
            names: Names::Language,
            state: if fixed { VendorState::Fixed } else { VendorState::Open },
            ranges,
            versions,
            severity,
            category,
            ..Affected::default()
        }
    }
}

/// Returns the vectors of a record and of its packages: GitHub's are the vendor's for its own ids, others only repeat somebody's.
fn vectors(record: &Record) -> Vec<CvssVector> {
    let source = if record.id.starts_with("GHSA-") { SeveritySource::Vendor } else { SeveritySource::Other };
    let said = record.severity.iter().chain(record.affected.iter().flat_map(|a| &a.severity));
    let vectors = said.filter(|said| said.kind.starts_with("CVSS_V"));
    let mut all = vectors.map(|said| CvssVector { vector: said.score.trim().to_owned(), source }).collect();
    once::keep_first(&mut all);
    all
}

/// Returns how bad the ecosystem's own database says it is: in a word, else by the vector of a GHSA.
fn said(record: &Record, cvss: &[CvssVector]) -> Option<Severity> {
    let word = record.database_specific.severity.as_str();
    let word = if word.eq_ignore_ascii_case("moderate") { Some(Severity::Medium) } else { Severity::parse(word) };
    let vendor = cvss.iter().filter(|v| v.source == SeveritySource::Vendor);
    word.or_else(|| vendor.filter_map(|v| cvss::severity(&v.vector)).max())
}

/// Reads a moment; some converters write a blank in place of the `T`.
fn moment(text: &str) -> Micros {
    Micros::parse(text).unwrap_or_default()
}
