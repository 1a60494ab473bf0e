//! What a layer holds, and what an image holds once its layers are laid over one another.

use crate::package::PackageKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
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
    /// Paths of this layer that are anything but a folder: each hides the same path, and all under it, in the layers below.
    /// Paths of `files` are not repeated here; see `ecosystem::layer` for what else is left out.
    pub others: PathSet,
    /// Folders of this layer: each hides a file of the same path in the layers below.
    pub folders: PathSet,
    /// Folders of this layer with an entry of their own, where a link would be followed: each takes the place of a link of the layers
    /// below, which a folder that is only implied by a path does not.
    pub declared: PathSet,
    /// Links that lead to something in another place, as far as a reading could depend on them.
    pub links: Vec<Link>,
    /// What could not be read.
    pub notes: Vec<Note>,
    /// Bytes of the blob, as read.
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
    /// Paths that the packages of this file own.
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

impl FileReading {
    /// Returns whether two readings list the same: packages, and what they own.
    pub fn says_as(&self, other: &Self) -> bool {
        self.packages == other.packages && self.owned == other.owned
    }
}

/// The paths that one OS package owns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owned {
    /// Name of the owning package.
    pub owner: String,
    /// The paths by their `owned_hash`, as far as a reader of language packages could find something there: `worth_owning`.
    pub paths: PathSet,
}

/// A link of a layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// Where the link is.
    pub path: String,
    /// Where it leads, from the root, without a leading slash.
    pub target: String,
    /// A hard link to a file of a layer below; otherwise a symbolic link that is followed: `overlay::followed`.
    pub hard: bool,
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

/// A set of paths by their `path_hash`. Written compactly: base64 of the differences, in order.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PathSet(Vec<u64>);

impl PathSet {
    /// Makes a set of hashes in any order.
    pub fn new(mut hashes: Vec<u64>) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }

    /// Returns whether a path of this hash is in the set.
    pub fn contains(&self, hash: u64) -> bool {
        self.0.binary_search(&hash).is_ok()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the hashes, ascending.
    pub fn as_slice(&self) -> &[u64] {
        &self.0
    }

    fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(self.0.len() * 7);
        let mut before = 0;
        for hash in &self.0 {
            let mut rest = hash - before;
            before = *hash;
            while rest >= 0x80 {
                bytes.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
        }
        STANDARD_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = STANDARD_NO_PAD.decode(text).ok()?;
        let (mut hashes, mut before, mut delta, mut shift) = (Vec::with_capacity(bytes.len() / 7), 0u64, 0u64, 0u32);
        for byte in &bytes {
            let part = u64::from(byte & 0x7f);
            delta |= part.checked_shl(shift).filter(|wide| wide >> shift == part)?;
            shift += 7;
            if byte & 0x80 == 0 {
                before = before.checked_add(delta).filter(|hash| *hash > before || hashes.is_empty())?;
                hashes.push(before);
                (delta, shift) = (0, 0);
            }
        }
        (shift == 0).then_some(Self(hashes))
    }
}

impl std::fmt::Debug for PathSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PathSet({})", self.0.len())
    }
}

impl Serialize for PathSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encode())
    }
}

impl<'de> Deserialize<'de> for PathSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::decode(&text).ok_or_else(|| serde::de::Error::custom("not a set of paths"))
    }
}

/// Hashes a path (no leading slash). FNV-1a, 64 bit: stable for ever, as it is stored.
pub fn path_hash(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, path_hash_step)
}

/// Adds one byte to a hash that `path_hash` began: folders of a path are hashed on the way.
pub fn path_hash_step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

/// Folders that distributions merge into those of the same name in `usr`, by links.
pub const MERGED: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Hashes a path that an OS package owns: `lib/x` and `usr/lib/x` are one file where `/usr` is merged, so both hash alike.
pub fn owned_hash(path: &str) -> u64 {
    let top = path.split('/').next().unwrap_or("");
    if MERGED.contains(&top) { path.bytes().fold(path_hash("usr/"), path_hash_step) } else { path_hash(path) }
}

/// Returns whether a reader of language packages could find something at a path that an OS package owns; all other paths are
/// dropped when ownership is read. This is the one place of the rule: Python metadata, `package.json`, Java archives, gemspecs,
/// .NET's `deps.json`, and whatever may be a program: a name without an extension outside of `etc`, `var` and `usr/share`.
pub fn worth_owning(path: &str) -> bool {
    const NAMES: [&str; 5] = ["METADATA", "PKG-INFO", "RECORD", "package.json", "installed.json"];
    const ENDS: [&str; 9] =
        [".dist-info", ".egg-info", ".egg", ".jar", ".war", ".ear", ".gemspec", ".deps.json", ".nuspec"];
    const NO_PROGRAMS: [&str; 3] = ["etc/", "var/", "usr/share/"];
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let in_bin = matches!(folder.rsplit('/').next(), Some("bin" | "sbin" | "libexec"));
    let program = in_bin || (!name.contains('.') && !NO_PROGRAMS.iter().any(|top| path.starts_with(top)));
    program || NAMES.contains(&name) || ENDS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ownership_is_kept_where_a_language_package_could_be() {
        for (path, want) in [
            ("usr/lib/python3/dist-packages/six-1.16.0.egg-info", true),
            ("usr/lib/python3/dist-packages/idna-3.3.dist-info/METADATA", true),
            ("usr/lib/python3/dist-packages/idna/core.py", false),
            ("usr/share/nodejs/semver/package.json", true),
            ("usr/share/java/log4j-core.jar", true),
            ("usr/share/rubygems-integration/all/specifications/rake-13.0.6.gemspec", true),
            ("usr/bin/docker-compose", true),
            ("usr/bin/python3.11", true),
            ("usr/lib/go-1.19/pkg/tool/linux_amd64/vet", true),
            ("usr/share/doc/bash/copyright", false),
            ("usr/lib/x86_64-linux-gnu/libc.so.6", false),
        ] {
            assert_eq!(worth_owning(path), want, "{path}");
        }
        assert_eq!(owned_hash("lib/x/package.json"), owned_hash("usr/lib/x/package.json"));
        assert_ne!(owned_hash("opt/x"), owned_hash("usr/opt/x"));
    }

    proptest! {
        #[test]
        fn a_path_set_is_read_back_as_it_was_written(hashes: Vec<u64>) {
            let set = PathSet::new(hashes);
            let text = serde_json::to_string(&set).unwrap();
            prop_assert_eq!(serde_json::from_str::<PathSet>(&text).unwrap(), set);
        }

        #[test]
        fn any_text_is_a_path_set_or_refused(bytes: Vec<u8>) {
            let text = STANDARD_NO_PAD.encode(bytes);
            if let Some(set) = PathSet::decode(&text) {
                prop_assert_eq!(PathSet::decode(&set.encode()), Some(set));
            }
        }
    }
}
