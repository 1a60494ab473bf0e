//! Single things, for pages that show one of them.

use crate::vulnerabilities::Vulnerability;
use crate::{Error, Result, Store};
use model::advisory::{Category, Source, VendorState};
use model::facts::Id;
use model::finding::Match;
use model::inventory::Note;
use model::verdict::{Coverage, Verdict, Work};
use model::{Digest, Micros, PackageKey};

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Row id.
    pub id: Id,
    /// Manifest digest.
    pub digest: Digest,
    /// Media type of the manifest.
    pub media_type: String,
    /// Whether it is an index.
    pub is_index: bool,
    /// `linux/amd64`, or empty.
    pub platform: String,
    /// Pretty name of the distribution, or empty.
    pub os: String,
    /// Sum of the layers as pushed.
    pub bytes: i64,
    /// Verdict.
    pub verdict: Verdict,
    /// Work.
    pub work: Work,
    /// Coverage.
    pub coverage: Coverage,
    /// Reason codes, comma-separated, or empty.
    pub reason: String,
    /// First seen.
    pub since: Micros,
    /// Digest of the configuration, or empty.
    pub config: String,
    /// The inventory in force; 0 = none.
    pub inventory: Id,
    /// The images that an index lists.
    pub children: Vec<Digest>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRow {
    /// 0 = lowest.
    pub ordinal: u32,
    /// Digest of the blob.
    pub digest: Digest,
    /// Length as the manifest says.
    pub bytes: i64,
    /// Media type as the manifest says.
    pub media_type: String,
}

/// A scan that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanRow {
    /// Row id.
    pub id: Id,
    /// When it began.
    pub started: Micros,
    /// When its result was written.
    pub finished: Micros,
    /// Why: `push`, …
    pub class: &'static str,
    /// Verdict.
    pub verdict: Verdict,
    /// Reason codes, comma-separated.
    pub codes: String,
    /// What could not be read.
    pub notes: Vec<Note>,
    /// Generation of the advisory database.
    pub generation: i64,
    /// Sandbox tier.
    pub tier: String,
    /// Bytes that were read.
    pub bytes: i64,
}

/// A package of an inventory and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedPackage {
    /// Row id of the package.
    pub package: Id,
    /// The package.
    pub key: PackageKey,
    /// The file that lists it.
    pub path: String,
    /// Ordinal of the layer.
    pub layer: u32,
}

/// A match with everything that explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchDetail {
    /// The package.
    pub key: PackageKey,
    /// The match as the advisory database gave it.
    pub found: Match,
    /// What the vendor does.
    pub state: VendorState,
    /// The feed.
    pub source: Source,
    /// What it is about.
    pub category: Category,
    /// First moment of this row.
    pub since: Micros,
    /// First moment after, or `FOREVER`.
    pub until: Micros,
    /// First moment of the match.
    pub first: Micros,
    /// The generation that opened this row.
    pub generation: i64,
}

impl Store {
    /// Returns an image, an index or an accessory.
    pub async fn image(&self, _digest: &Digest) -> Result<Option<ImageRow>> {
        Err(Error::WrongCredentials)
    }

    /// Lists the layers of an image, lowest first.
    pub async fn layers_of(&self, _image: Id) -> Result<Vec<LayerRow>> {
        Err(Error::WrongCredentials)
    }

    /// Lists the scans of an image, newest first.
    pub async fn scans(&self, _image: Id, _n: u32) -> Result<Vec<ScanRow>> {
        Err(Error::WrongCredentials)
    }

    /// Lists the packages of an inventory with every place, in order of (package, path).
    pub async fn placed(&self, _inventory: Id) -> Result<Vec<PlacedPackage>> {
        Err(Error::WrongCredentials)
    }

    /// Returns a match, the row in force or else the last one.
    pub async fn match_detail(&self, _package: Id, _vulnerability: Id) -> Result<Option<MatchDetail>> {
        Err(Error::WrongCredentials)
    }

    /// Returns a vulnerability by any of its names.
    pub async fn vulnerability(&self, _name: &str) -> Result<Option<(Id, Vulnerability)>> {
        Err(Error::WrongCredentials)
    }
}
