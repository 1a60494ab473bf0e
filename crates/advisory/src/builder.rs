//! Builds the advisory database.
//!
//! In: facts, in any number of pieces. Out: the bytes of the file. The same facts in the same order give the same bytes; the
//! content hash does not even depend on the order, nor on when or from where the facts came.

mod pack;

use crate::format::{put, put_bytes};
use crate::rows::{SILENT, end_parts, put_numbers};
use crate::{Fact, once, severity, strings, texts};
use model::advisory::{Advisory, Affected, CvssVector, FeedState, Source};
use model::severity::{Severity, SeveritySource};
use model::time::Micros;
use std::collections::HashMap;

/// Collects facts and packs them into the file that `Database` opens.
#[derive(Default)]
pub struct Builder {
    starter: bool,
    strings: strings::Writer,
    texts: texts::Writer,
    records: Vec<Record>,
    by_id: HashMap<(Source, u32), usize>,
    rows: Vec<PackedRow>,
    bodies: Vec<u8>,
    kev: HashMap<String, Micros>,
    epss: HashMap<String, (u32, u32, Micros)>,
}

/// What one feed says under one id; strings by number.
#[derive(Default)]
struct Record {
    source: Source,
    /// Its own id, then its aliases.
    ids: Vec<u32>,
    related: Vec<u32>,
    cwe: Vec<u32>,
    cvss: Vec<(SeveritySource, u32)>,
    words: Vec<severity::Word>,
    published: Micros,
    modified: Micros,
    texts: Vec<(texts::Place, u64)>,
}

impl Record {
    /// Drops what it says again: several advisories with its id were added up.
    fn say_once(&mut self) {
        for list in [&mut self.ids, &mut self.related, &mut self.cwe] {
            once::keep_first(list);
        }
        once::keep_first(&mut self.cvss);
        once::keep_first(&mut self.words);
        once::keep_first(&mut self.texts);
    }
}

/// A row before it knows its vulnerabilities: what precedes and what follows their number.
struct PackedRow {
    ecosystem: u32,
    name: u32,
    record: usize,
    /// Feed, names, state, severity, category.
    head: [u8; 5],
    /// Module, architectures, ranges, versions, as from `bodies`.
    from: usize,
    to: usize,
}

impl Builder {
    /// Returns an empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a builder for the built-in database.
    pub(crate) fn starter() -> Self {
        Self { starter: true, ..Self::default() }
    }

    /// Takes one fact of a feed.
    pub fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Advisory(advisory) => self.add(&advisory),
            Fact::Kev { cve, added } => self.kev(&cve, added),
            Fact::Epss { cve, probability, percentile, date } => self.epss(&cve, probability, percentile, date),
        }
    }

    /// Takes one advisory. Several may share an id: what they say is added up.
    pub fn add(&mut self, advisory: &Advisory) {
        let number = self.record(advisory);
        for affected in &advisory.affected {
            self.row(number, advisory.source, affected);
        }
    }

    /// Marks a CVE as known to be exploited. The earliest date stands.
    pub fn kev(&mut self, cve: &str, added: Micros) {
        let kept = self.kev.entry(cve.to_owned()).or_insert(added);
        *kept = (*kept).min(added);
    }

    /// Keeps a CVE's probability and percentile, in millionths. The latest date stands.
    pub fn epss(&mut self, cve: &str, probability: u32, percentile: u32, date: Micros) {
        let kept = self.epss.entry(cve.to_owned()).or_insert((probability, percentile, date));
        if date > kept.2 {
            *kept = (probability, percentile, date);
        }
    }

    /// Packs everything into the bytes of a database file.
    pub fn finish(mut self, generation: i64, built: Micros, feeds: Vec<FeedState>) -> Vec<u8> {
        self.records.iter_mut().for_each(Record::say_once);
        pack::pack(self, generation, built, &feeds)
    }

    fn record(&mut self, advisory: &Advisory) -> usize {
        let id = self.strings.add(&advisory.id);
        let number = *self.by_id.entry((advisory.source, id)).or_insert(self.records.len());
        if number == self.records.len() {
            self.records.push(Record { source: advisory.source, ids: vec![id], ..Record::default() });
        }
        let Some(record) = self.records.get_mut(number) else { return number };
        for (list, from) in [
            (&mut record.ids, &advisory.aliases),
            (&mut record.related, &advisory.related),
            (&mut record.cwe, &advisory.cwe),
        ] {
            list.extend(from.iter().map(|text| self.strings.add(text)));
        }
        let vector = |CvssVector { vector, source }: &CvssVector| (*source, self.strings.add(vector));
        record.cvss.extend(advisory.cvss.iter().map(vector));
        record.published = earliest(record.published, advisory.published);
        record.modified = record.modified.max(advisory.modified);
        record.texts.extend(self.texts.add(&advisory.title, &advisory.description, &advisory.references));
        number
    }

    fn row(&mut self, record: usize, source: Source, affected: &Affected) {
        let said = affected.severity.filter(|s| !matches!(s, Severity::Unknown | Severity::Negligible));
        if let (Some(severity), Some(record)) = (said, self.records.get_mut(record)) {
            record.words.push((SeveritySource::Vendor, severity));
        }
        let from = self.bodies.len();
        let module = self.strings.add(&affected.module);
        put(&mut self.bodies, module.into());
        let arch: Vec<u32> = affected.arch.iter().map(|a| self.strings.add(a)).collect();
        put_numbers(&mut self.bodies, &arch);
        let mut run = Vec::new();
        for range in &affected.ranges {
            let (kind, version) = end_parts(&range.end);
            put(&mut run, self.strings.add(&range.introduced).into());
            run.push(kind);
            put(&mut run, self.strings.add(version).into());
        }
        put_bytes(&mut self.bodies, &run);
        let versions: Vec<u32> = affected.versions.iter().map(|v| self.strings.add(v)).collect();
        put_numbers(&mut self.bodies, &versions);
        let severity = affected.severity.map_or(SILENT, |s| s as u8);
        self.rows.push(PackedRow {
            ecosystem: self.strings.add(&affected.ecosystem),
            name: self.strings.add(&affected.name),
            record,
            head: [source as u8, affected.names as u8, affected.state as u8, severity, affected.category as u8],
            from,
            to: self.bodies.len(),
        });
    }
}

/// Returns the earlier of two moments, of which 0 is none.
fn earliest(a: Micros, b: Micros) -> Micros {
    match (a.0, b.0) {
        (0, _) => b,
        (_, 0) => a,
        _ => a.min(b),
    }
}
