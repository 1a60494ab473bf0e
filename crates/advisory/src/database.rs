//! The advisory database: one immutable file, asked without copying.

use crate::Error;
use model::advisory::{Category, CvssVector, End, FeedState, Names, Source, VendorState};
use model::severity::{Severity, SeveritySource};
use model::time::Micros;

/// An open advisory database.
pub struct Database {
    feeds: Vec<FeedState>,
}

impl Database {
    /// Opens a file. Looks at its header only, so opening takes no longer for a larger file; see `verify`.
    pub fn open(_bytes: Box<dyn AsRef<[u8]> + Send + Sync>) -> Result<Self, Error> {
        Ok(Self { feeds: Vec::new() })
    }

    /// Checks every byte against the checksum.
    pub fn verify(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Returns the generation: raised by each update.
    pub fn generation(&self) -> i64 {
        0
    }

    /// Returns the hash over all facts: two databases with the same hash judge alike.
    pub fn content_hash(&self) -> &str {
        ""
    }

    /// Returns when it was built.
    pub fn built(&self) -> Micros {
        Micros(0)
    }

    /// Returns what it was built from.
    pub fn feeds(&self) -> &[FeedState] {
        &self.feeds
    }

    /// Returns whether this is the built-in database.
    pub fn starter_only(&self) -> bool {
        true
    }

    /// Returns whether it knows anything of an ecosystem: `debian:12`, `pypi`.
    pub fn covers(&self, _ecosystem: &str) -> bool {
        false
    }

    /// Returns what is said about a package.
    pub fn look_up(&self, _ecosystem: &str, _name: &str) -> Rows<'_> {
        Rows { _bytes: &[] }
    }

    /// Returns how many vulnerabilities there are; their numbers are 0 up to this.
    pub fn vulnerabilities(&self) -> u32 {
        0
    }

    /// Returns what matching needs of a vulnerability, without copying.
    pub fn facts(&self, _number: u32) -> Option<Facts<'_>> {
        None
    }

    /// Returns a vulnerability with its texts.
    pub fn vulnerability(&self, _number: u32) -> Option<Vulnerability> {
        None
    }

    /// Returns the number of the vulnerability that an id names.
    pub fn find(&self, _id: &str) -> Option<u32> {
        None
    }

    /// Returns every (ecosystem, name), sorted.
    pub fn names(&self) -> impl Iterator<Item = Name<'_>> {
        std::iter::empty()
    }
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

/// What is said about one package by one advisory.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// Id of the advisory: `CVE-2023-45853`, `PYSEC-2021-9`.
    pub advisory: &'a str,
    /// Its feed.
    pub source: Source,
    /// The vulnerability.
    pub vulnerability: u32,
    /// Which name and version of the package to compare.
    pub names: Names,
    /// What the vendor does.
    pub state: VendorState,
    /// What the vendor says how bad it is.
    pub severity: Option<Severity>,
    /// What it is about.
    pub category: Category,
    /// Architectures it is limited to; empty = all.
    pub arch: Strings<'a>,
    /// Module stream it is limited to; empty = none.
    pub module: &'a str,
    /// Affected intervals.
    pub ranges: Ranges<'a>,
    /// Affected versions beside the intervals.
    pub versions: Strings<'a>,
}

/// Rows, in order.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    _bytes: &'a [u8],
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;
    fn next(&mut self) -> Option<Row<'a>> {
        None
    }
}

/// Strings, in order.
#[derive(Clone, Copy)]
pub struct Strings<'a> {
    _bytes: &'a [u8],
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a str;
    fn next(&mut self) -> Option<&'a str> {
        None
    }
}

/// Intervals, in order: first affected version (empty = from the start), end.
#[derive(Clone, Copy)]
pub struct Ranges<'a> {
    _bytes: &'a [u8],
}

impl<'a> Iterator for Ranges<'a> {
    type Item = (&'a str, End<&'a str>);
    fn next(&mut self) -> Option<Self::Item> {
        None
    }
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
}

/// A vulnerability with everything that is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vulnerability {
    /// CVE if there is one, else GHSA, else the feed's id.
    pub heading: String,
    /// Every other id, sorted.
    pub aliases: Vec<String>,
    /// Vendor advisories that speak of it, sorted.
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
    /// Vectors, best source first.
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
