//! The advisory database: one immutable file, asked without copying.
//!
//! In: the bytes of the file, mapped or in memory. Out: rows by (ecosystem, name), vulnerabilities by number or by any id.
//! Every answer is read with checks: a damaged file gives wrong or missing answers until `verify` is asked, and never a panic.

use crate::Error;
use crate::format::{Cursor, HEADER, Header, NAME, STARTER, Section, VULNERABILITY, entry, name_hash, probe};
use crate::format::{u32_at, u64_at};
use crate::rows::Rows;
use crate::strings::Reader;
use crate::texts::{self, Place};
use model::advisory::{CvssVector, FeedState};
use model::severity::{Severity, SeveritySource};
use model::time::Micros;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Longest list that a vulnerability's details may claim; real ones stay under a thousand.
const LIST: usize = 1 << 16;
/// Most texts that are unpacked for one vulnerability; real ones have a few, one a record.
const TEXTS: u64 = 256;

/// An open advisory database.
pub struct Database {
    bytes: Box<dyn AsRef<[u8]> + Send + Sync>,
    header: Header,
    content_hash: String,
    feeds: Vec<FeedState>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens a file. Looks at its header only, so opening takes no longer for a larger file; see `verify`.
    pub fn open(bytes: Box<dyn AsRef<[u8]> + Send + Sync>) -> Result<Self, Error> {
        let file: &[u8] = (*bytes).as_ref();
        let header = Header::read(file)?;
        let feeds = header.sections.get(Section::Feeds as usize).and_then(|range| file.get(range.clone()));
        let feeds = serde_json::from_slice(feeds.unwrap_or_default())
            .map_err(|_| Error::Damaged("the list of its feeds cannot be read"))?;
        Ok(Self { content_hash: format!("{:032x}", header.content_hash), header, feeds, bytes })
    }

    /// Checks every byte against the checksum.
    pub fn verify(&self) -> Result<(), Error> {
        let body = self.file().get(HEADER..).unwrap_or_default();
        if xxh3_128(body) == self.header.body_hash {
            Ok(())
        } else {
            Err(Error::Damaged("its bytes fail their checksum"))
        }
    }

    /// Returns the generation: raised by each update.
    pub fn generation(&self) -> i64 {
        self.header.generation
    }

    /// Returns the hash over all facts, in hex: two databases with the same hash judge alike.
    pub fn content_hash(&self) -> &str {
        &self.content_hash
    }

    /// Returns when it was built.
    pub fn built(&self) -> Micros {
        Micros(self.header.built)
    }

    /// Returns what it was built from.
    pub fn feeds(&self) -> &[FeedState] {
        &self.feeds
    }

    /// Returns whether this is the built-in database.
    pub fn starter_only(&self) -> bool {
        self.header.flags & STARTER != 0
    }

    /// Returns whether it says anything of an ecosystem: `debian:12`, `pypi`.
    pub fn covers(&self, ecosystem: &str) -> bool {
        self.ecosystems().any(|known| known == ecosystem)
    }

    /// Returns every ecosystem of which it says something, sorted.
    pub fn ecosystems(&self) -> impl Iterator<Item = &str> {
        let strings = self.strings();
        self.section(Section::Ecosystems).chunks_exact(4).map(move |n| strings.get(u32_at(n, 0).unwrap_or(0)))
    }

    /// Returns what is said about a package.
    pub fn look_up(&self, ecosystem: &str, name: &str) -> Rows<'_> {
        self.rows(ecosystem, name).unwrap_or_default()
    }

    /// Returns how many vulnerabilities there are; their numbers are 0 up to this.
    pub fn vulnerabilities(&self) -> u32 {
        texts::to_u32(self.section(Section::Vulnerabilities).len() / VULNERABILITY)
    }

    /// Returns what matching needs of a vulnerability, without copying.
    pub fn facts(&self, number: u32) -> Option<Facts<'_>> {
        let fixed = self.fixed(number)?;
        let tenths = u32_at(fixed, 4)? >> 16;
        Some(Facts {
            heading: self.strings().get(u32_at(fixed, 0)?),
            severity: Severity::from_number((*fixed.get(4)?).into()),
            severity_source: SeveritySource::from_number((*fixed.get(5)?).into()),
            cvss: u16::try_from(tenths).ok().filter(|t| *t != u16::MAX),
            kev: Micros(u64_at(fixed, 8)?.cast_signed()),
            epss: u32_at(fixed, 16).filter(|e| *e != u32::MAX),
            hash: u64_at(fixed, 32)?,
        })
    }

    /// Returns a vulnerability with its texts.
    pub fn vulnerability(&self, number: u32) -> Option<Vulnerability> {
        let facts = self.facts(number)?;
        let fixed = self.fixed(number)?;
        let from = usize::try_from(u32_at(fixed, 24)?).ok()?;
        let to = from.checked_add(usize::try_from(u32_at(fixed, 28)?).ok()?)?;
        let mut cursor = Cursor { rest: self.section(Section::Details).get(from..to)? };
        let mut all = Vulnerability {
            heading: facts.heading.into(),
            aliases: self.list(&mut cursor)?,
            related: self.list(&mut cursor)?,
            cwe: self.list(&mut cursor)?,
            severity: facts.severity,
            severity_source: facts.severity_source,
            cvss_v3: facts.cvss,
            kev: facts.kev,
            epss: facts.epss,
            epss_percentile: u32_at(fixed, 20).filter(|e| *e != u32::MAX),
            ..Vulnerability::default()
        };
        for _ in 0..cursor.number()?.min(LIST as u64) {
            let source = SeveritySource::from_number(cursor.byte()?.into());
            all.cvss.push(CvssVector { source, vector: self.strings().get(cursor.small()?).into() });
        }
        all.published = Micros(cursor.signed()?);
        all.modified = Micros(cursor.signed()?);
        all.epss_date = Micros(cursor.signed()?);
        self.add_texts(&mut all, &mut cursor)?;
        Some(all)
    }

    /// Returns the number of the vulnerability that an id names.
    pub fn find(&self, id: &str) -> Option<u32> {
        let table = self.section(Section::AliasTable);
        let strings = self.strings();
        for slot in probe(xxh3_64(id.as_bytes()), power_of_two(table.len() / 8)) {
            let entry = entry(table, texts::to_u32(slot), 8)?;
            let (string, number) = (u32_at(entry, 0)?, u32_at(entry, 4)?);
            if number == 0 {
                return None;
            }
            if strings.is(string, id) {
                return number.checked_sub(1);
            }
        }
        None
    }

    /// Returns every (ecosystem, name), sorted.
    pub fn names(&self) -> impl Iterator<Item = Name<'_>> {
        let strings = self.strings();
        self.section(Section::Names).chunks_exact(NAME).filter_map(move |name| {
            Some(Name {
                ecosystem: strings.get(u32_at(name, 0)?),
                name: strings.get(u32_at(name, 4)?),
                hash: u64_at(name, 16)?,
            })
        })
    }

    fn rows(&self, ecosystem: &str, name: &str) -> Option<Rows<'_>> {
        let (table, names, strings) = (self.section(Section::NameTable), self.section(Section::Names), self.strings());
        for slot in probe(name_hash(ecosystem, name), power_of_two(table.len() / 4)) {
            let number = u32_at(entry(table, texts::to_u32(slot), 4)?, 0)?.checked_sub(1)?;
            let found = entry(names, number, NAME)?;
            if strings.is(u32_at(found, 4)?, name) && strings.is(u32_at(found, 0)?, ecosystem) {
                let from = usize::try_from(u32_at(found, 8)?).ok()?;
                let to = from.checked_add(usize::try_from(u32_at(found, 12)?).ok()?)?;
                let rest = self.section(Section::Rows).get(from..to)?;
                return Some(Rows { cursor: Cursor { rest }, strings });
            }
        }
        None
    }

    fn list(&self, cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
        let mut list = Vec::new();
        for _ in 0..cursor.number()?.min(LIST as u64) {
            list.push(self.strings().get(cursor.small()?).to_owned());
        }
        Some(list)
    }

    /// Adds texts: the first title, the first description, every link once.
    fn add_texts(&self, all: &mut Vulnerability, cursor: &mut Cursor<'_>) -> Option<()> {
        for _ in 0..cursor.number()?.min(TEXTS) {
            let place = Place { block: cursor.small()?, from: cursor.small()?, length: cursor.small()? };
            let text = texts::read(self.section(Section::BlockIndex), self.section(Section::Blocks), place);
            let Some(text) = text else { continue };
            if all.title.is_empty() {
                all.title = text.title;
            }
            if all.description.is_empty() {
                all.description = text.description;
            }
            let known: Vec<String> = std::mem::take(&mut all.references);
            let new = text.references.into_iter().filter(|r| !known.contains(r)).collect::<Vec<_>>();
            all.references = [known, new].concat();
        }
        Some(())
    }

    fn file(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    fn section(&self, section: Section) -> &[u8] {
        let range = self.header.sections.get(section as usize).cloned().unwrap_or_default();
        self.file().get(range).unwrap_or_default()
    }

    fn strings(&self) -> Reader<'_> {
        Reader { ends: self.section(Section::StringOffsets), data: self.section(Section::StringData) }
    }

    fn fixed(&self, number: u32) -> Option<&[u8]> {
        entry(self.section(Section::Vulnerabilities), number, VULNERABILITY)
    }
}

/// Returns the number of slots if it is one that tables have.
fn power_of_two(slots: usize) -> usize {
    if slots.is_power_of_two() { slots } else { 0 }
}

/// A name of which something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    /// Ecosystem, with release.
    pub ecosystem: &'a str,
    /// Name as the ecosystem normalises it.
    pub name: &'a str,
    /// Hash over everything that a match takes from the rows and their vulnerabilities.
    pub hash: u64,
}

/// What matching needs of a vulnerability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// CVE if there is one, else GHSA, else the feed's id.
    pub heading: &'a str,
    /// Severity by the best source that is not the vendor of the matched package.
    pub severity: Severity,
    /// Who said so.
    pub severity_source: SeveritySource,
    /// CVSS v3 base score in tenths.
    pub cvss: Option<u16>,
    /// When it was added to the known exploited list; 0 = not on it.
    pub kev: Micros,
    /// EPSS probability in millionths.
    pub epss: Option<u32>,
    /// Hash over everything that is said of it, but for the day of its EPSS score.
    pub hash: u64,
}

/// A vulnerability with everything that is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vulnerability {
    /// CVE if there is one, else GHSA, else the feed's id.
    pub heading: String,
    /// Every other id of it, sorted.
    pub aliases: Vec<String>,
    /// Vendor advisories that speak of it, and CVEs that a record names in one breath with it; sorted.
    pub related: Vec<String>,
    /// One line, may be empty.
    pub title: String,
    /// Plain text, may be empty.
    pub description: String,
    /// Published; 0 = unknown.
    pub published: Micros,
    /// Modified; 0 = unknown.
    pub modified: Micros,
    /// `CWE-79`, sorted.
    pub cwe: Vec<String>,
    /// Vectors: v3.1, v3.0, v4, v2, each by the best source first.
    pub cvss: Vec<CvssVector>,
    /// Links.
    pub references: Vec<String>,
    /// Severity by the best source that is not the vendor of the matched package.
    pub severity: Severity,
    /// Who said so.
    pub severity_source: SeveritySource,
    /// CVSS v3 base score in tenths.
    pub cvss_v3: Option<u16>,
    /// When it was added to the known exploited list; 0 = not on it.
    pub kev: Micros,
    /// EPSS probability in millionths.
    pub epss: Option<u32>,
    /// EPSS percentile in millionths.
    pub epss_percentile: Option<u32>,
    /// The day of the EPSS score; 0 = none.
    pub epss_date: Micros,
}

#[cfg(test)]
mod tests;
