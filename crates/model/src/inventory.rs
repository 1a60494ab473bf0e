//! What a layer holds, and what an image holds once its layers are laid over one another.

use crate::package::PackageKey;
use serde::{Deserialize, Serialize};

/// What was found in one layer: a fact about bytes, kept under the digest of the blob and the reader revision.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LayerInventory {
    /// Digest of the uncompressed tar, as read; empty when the layer could not be read to its end.
    pub diff_id: String,
    /// Files that told something, in order of path; one entry a path (the last entry of the tar wins).
    pub files: Vec<FileReading>,
    /// Paths that this layer removes from the layers below, in order.
    pub removed: Vec<Removed>,
    /// Paths present in this layer as anything but a folder that hide a folder of a layer below, and folders that hide a file:
    /// every non-folder path whose name could be a parent of a reading is listed here; see `ecosystem::layer`.
    pub replaced: Vec<String>,
    /// What could not be read.
    pub notes: Vec<Note>,
    /// Bytes of the blob as pushed.
    pub bytes: u64,
    /// Bytes of the tar.
    pub unpacked_bytes: u64,
    /// Entries of the tar.
    pub entries: u64,
}

/// What a layer takes away from the layers below.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Removed {
    /// `.wh.NAME`: the path, and everything under it.
    Path(String),
    /// `.wh..wh..opq`: everything under the folder (empty = the root), not the folder.
    Under(String),
}

/// What one file told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileReading {
    /// Path without a leading slash: `var/lib/dpkg/status`.
    pub path: String,
    /// Packages that this file lists.
    pub packages: Vec<Found>,
    /// Paths that the packages of this file own, as sorted hashes (`inventory::path_hash`), and the owner.
    pub owned: Vec<Owned>,
    /// Facts about the image.
    pub facts: Vec<Fact>,
    /// What of this file could not be read.
    pub notes: Vec<Note>,
}

/// A package as its file names it, before the release of the image is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Found {
    /// The purl type of the reader: `deb`, `apk`, `rpm`, `pypi`, `npm`, `golang`.
    pub purl_type: String,
    /// Name, normalised as the ecosystem does.
    pub name: String,
    /// Version text, never normalised.
    pub version: String,
    /// Source package; empty where the database names none (then the package is its own source for OS packages).
    pub source: String,
    /// Source version; empty where the database names none (then the package's version).
    pub source_version: String,
    /// Architecture, or empty.
    pub arch: String,
    /// Module stream, or empty.
    pub module: String,
    /// Support channel, or empty.
    pub channel: String,
    /// `third-party:<who>` when the entry itself says that it is not the distribution's own; else empty.
    pub origin: String,
}

/// The paths that one OS package owns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owned {
    /// Name of the owning package.
    pub owner: String,
    /// `path_hash` of each owned path, ascending, each once.
    pub paths: Vec<u64>,
}

/// Something about the image that matching needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// `os-release` fields: ID, VERSION_ID, PRETTY_NAME, VERSION_CODENAME, ID_LIKE.
    OsRelease(OsRelease),
}

/// The distribution that an image says it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OsRelease {
    /// `ID`, lower case: `debian`.
    pub id: String,
    /// `VERSION_ID`: `12`, `3.18.4`; empty for rolling and unstable releases.
    pub version_id: String,
    /// `VERSION_CODENAME`: `bookworm`.
    pub codename: String,
    /// `PRETTY_NAME` for people.
    pub pretty_name: String,
    /// `ID_LIKE`, blank-separated.
    pub id_like: String,
}

/// Something that could not be read, beside the findings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Note {
    /// A code of `verdict::REASONS`.
    pub code: String,
    /// The path concerned, or empty.
    pub path: String,
    /// One sentence that names the thing.
    pub text: String,
    /// Whether something may have been missed: then the image's verdict is `gaps`.
    pub gap: bool,
}

/// What an image holds: the overlay of its layers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// The distribution, if the image says one.
    pub os: Option<OsRelease>,
    /// Packages in order of (key, path).
    pub packages: Vec<Placed>,
    /// What could not be read.
    pub notes: Vec<Note>,
}

/// A package and where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Placed {
    /// The package.
    pub key: PackageKey,
    /// The file that lists it.
    pub path: String,
    /// Ordinal of the layer since which it is there, 0 = lowest.
    pub layer: u32,
}

/// Hashes a path (no leading slash) for ownership look-ups. FNV-1a, 64 bit: stable for ever, as it is stored.
pub fn path_hash(path: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in path.bytes() {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    }
    hash
}
