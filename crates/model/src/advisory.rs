//! What feeds say: advisories, affected packages, ranges, and the state a vendor gives.

use crate::severity::{Severity, SeveritySource};
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// One record of one feed, with everything a finding may show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Advisory {
    /// The feed's own id: `CVE-2023-45853`, `PYSEC-2021-9`, `GHSA-…`, `TEMP-…`.
    pub id: String,
    /// Which feed: a code of `Source`.
    pub source: Source,
    /// Other ids of the same vulnerability. `upstream` and `related` are not aliases.
    pub aliases: Vec<String>,
    /// Vendor advisories that fix it (DSA-…, DLA-…): shown, never merged.
    pub related: Vec<String>,
    /// One line; empty if the feed gives none.
    pub title: String,
    /// Plain text; empty if the feed gives none.
    pub description: String,
    /// When it was published; 0 = unknown.
    pub published: Micros,
    /// When it last changed; 0 = unknown.
    pub modified: Micros,
    /// `CWE-79`.
    pub cwe: Vec<String>,
    /// Vectors with who gave them.
    pub cvss: Vec<CvssVector>,
    /// Links, vendor first, only http and https.
    pub references: Vec<String>,
    /// What it affects.
    pub affected: Vec<Affected>,
}

/// A CVSS vector and who gave it. Scores are always recomputed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CvssVector {
    /// The vector, with its `CVSS:3.1/` prefix (v2 has none).
    pub vector: String,
    /// Who gave it.
    pub source: SeveritySource,
}

/// One package that an advisory speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Affected {
    /// As in `PackageKey::ecosystem`: `debian:12`, `alpine:3.18`, `pypi`, `npm`, `go`.
    pub ecosystem: String,
    /// Name as the ecosystem normalises it.
    pub name: String,
    /// Whether `name` is a source package, a binary package or a language package.
    pub names: Names,
    /// Architectures it is limited to; empty = all.
    pub arch: Vec<String>,
    /// Module stream it is limited to; empty = none.
    pub module: String,
    /// Half-open intervals of affected versions; a version in any of them is affected.
    pub ranges: Vec<Range>,
    /// Versions that are affected beside the ranges.
    pub versions: Vec<String>,
    /// What the vendor does about it.
    pub state: VendorState,
    /// What the vendor says how bad it is; `None` if it says nothing.
    pub severity: Option<Severity>,
    /// Vulnerability, unmaintained, …
    pub category: Category,
}

/// An interval of versions in the ecosystem's order. OSV events are turned into intervals by the feed's reader.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Range {
    /// First affected version; empty = from the start.
    pub introduced: String,
    /// Where it ends.
    pub end: End,
}

/// The end of a range. The version is owned in advisories, borrowed from the advisory database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum End<V = String> {
    /// Every later version is affected: no fix yet.
    #[default]
    Open,
    /// This version and every later one is fixed.
    Fixed(V),
    /// This version is affected, later ones are not; where the fix is, nobody says.
    LastAffected(V),
    /// Versions from this one on are not spoken of (OSV `limit`).
    Limit(V),
}

/// What kind of name an advisory uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum Names {
    /// The source package; compare the source version.
    Source = 0,
    /// The binary package; compare its version.
    Binary = 1,
    /// A language package.
    #[default]
    Language = 2,
}

/// What the vendor does about a vulnerability in a package. Numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum VendorState {
    /// A fixed version exists.
    #[default]
    Fixed = 0,
    /// Affected, no fix yet.
    Open = 1,
    /// Affected, and will stay so.
    WillNotFix = 2,
    /// Affected; a fix may come with a later update.
    Deferred = 3,
    /// The package or release is out of support.
    EndOfLife = 4,
    /// Nobody has looked yet: no finding by default.
    UnderInvestigation = 5,
    /// Looked at, and not affected: no finding.
    NotAffected = 6,
}

impl VendorState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Fixed,
        Self::Open,
        Self::WillNotFix,
        Self::Deferred,
        Self::EndOfLife,
        Self::UnderInvestigation,
        Self::NotAffected,
    ];

    /// Returns the word: `will-not-fix`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Open => "open",
            Self::WillNotFix => "will-not-fix",
            Self::Deferred => "deferred",
            Self::EndOfLife => "end-of-life",
            Self::UnderInvestigation => "under-investigation",
            Self::NotAffected => "not-affected",
        }
    }

    /// Returns the state of a stored number; an unknown number is `Open`.
    pub fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|s| i64::from(*s as u8) == number).unwrap_or(Self::Open)
    }
}

/// What a finding is about. Numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Category {
    /// A vulnerability.
    #[default]
    Vulnerability = 0,
    /// Nobody maintains the package any more.
    Unmaintained = 1,
    /// Unsound or otherwise noteworthy, not a vulnerability.
    Notice = 2,
    /// A vulnerability of the kernel, matched through its headers: kept apart, hidden by default.
    KernelHeaders = 3,
    /// Malicious package.
    Malware = 4,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 5] =
        [Self::Vulnerability, Self::Unmaintained, Self::Notice, Self::KernelHeaders, Self::Malware];

    /// Returns the word: `kernel-headers`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vulnerability => "vulnerability",
            Self::Unmaintained => "unmaintained",
            Self::Notice => "notice",
            Self::KernelHeaders => "kernel-headers",
            Self::Malware => "malware",
        }
    }

    /// Returns the category of a stored number; an unknown number is `Vulnerability`.
    pub fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|s| i64::from(*s as u8) == number).unwrap_or(Self::Vulnerability)
    }
}

/// The feed that said so. Numbers are stored: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Source {
    /// The advisories built into the binary.
    #[default]
    Starter = 0,
    /// Debian security tracker, with the DSA and DLA lists.
    Debian = 1,
    /// Alpine secdb.
    Alpine = 2,
    /// OSV: PyPI.
    OsvPypi = 3,
    /// OSV: npm.
    OsvNpm = 4,
    /// OSV: Go.
    OsvGo = 5,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 6] = [Self::Starter, Self::Debian, Self::Alpine, Self::OsvPypi, Self::OsvNpm, Self::OsvGo];

    /// Returns the word: `osv-pypi`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starter => "starter",
            Self::Debian => "debian",
            Self::Alpine => "alpine",
            Self::OsvPypi => "osv-pypi",
            Self::OsvNpm => "osv-npm",
            Self::OsvGo => "osv-go",
        }
    }

    /// Returns the source of a stored number; an unknown number is `Starter`.
    pub fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|s| i64::from(*s as u8) == number).unwrap_or(Self::Starter)
    }
}

/// What the advisory database holds of one feed. `db status` shows it, an update is compared with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FeedState {
    /// The feed's name: `debian`, `osv-pypi`, `kev`.
    pub name: String,
    /// Where it came from: the host, or the folder.
    pub source: String,
    /// Records read, withdrawn ones included.
    pub records: u64,
    /// The newest date that the feed itself names; 0 = none.
    pub date: Micros,
    /// When it was fetched or found unchanged.
    pub fetched: Micros,
    /// What to send with the next conditional request, and the hash, a file.
    pub files: Vec<FileState>,
}

/// What is known of one file of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileState {
    /// Where the publisher has it.
    pub url: String,
    /// `ETag`, or empty.
    pub etag: String,
    /// `Last-Modified`, or empty.
    pub last_modified: String,
    /// SHA-256 of the bytes as received, in hex.
    pub sha256: String,
    /// Length of the bytes as received.
    pub bytes: u64,
}
