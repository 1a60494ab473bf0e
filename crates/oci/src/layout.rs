//! OCI image layouts on disk.
//!
//! In: a folder with `index.json` and `blobs/<algorithm>/<hex>`. Out: roots (one a tag), verified documents, layer files.

use crate::{Body, DOCUMENT_LIMIT_BYTES, Error, Root};
use model::Digest;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The entries of `index.json`, read leniently: what is not understood is left out, not refused.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Index {
    #[serde(default)]
    pub manifests: Option<Vec<Entry>>,
}

/// One descriptor of `index.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub digest: String,
    #[serde(default)]
    pub media_type: String,
    #[serde(default)]
    pub annotations: Option<HashMap<String, String>>,
}

impl Entry {
    /// The tag that the entry carries, if any; containerd writes a full name, of which the tag is the last part.
    pub(crate) fn tag(&self) -> Option<&str> {
        let name = self.annotations.as_ref()?.get("org.opencontainers.image.ref.name")?;
        Some(name.rsplit_once(':').map_or(name.as_str(), |(_, tag)| tag))
    }
}

/// A layout folder.
#[derive(Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
    wanted: Option<String>,
}

impl Layout {
    /// Opens a folder; a tag or a digest limits the roots to one.
    pub(crate) fn open(folder: &Path, wanted: Option<&str>) -> Result<Self, Error> {
        let index = folder.join("index.json");
        if !index.is_file() {
            return Err(Error::NotAnImage {
                what: folder.display().to_string(),
                why: "a folder without index.json is no OCI image layout".into(),
            });
        }
        Ok(Self { folder: folder.to_owned(), wanted: wanted.map(str::to_owned) })
    }

    /// The images that `index.json` names.
    pub(crate) fn roots(&self) -> Result<Vec<Root>, Error> {
        let bytes = read_limited(&self.folder.join("index.json"))?;
        roots(&bytes, &self.folder.display().to_string(), self.wanted.as_deref(), |digest| self.document(digest))
    }

    /// The verified bytes of a manifest or configuration.
    pub(crate) fn document(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let bytes = read_limited(&self.blob(digest))?;
        verified(bytes, digest)
    }

    /// A layer's file.
    pub(crate) fn layer(&self, digest: &Digest) -> Result<Body, Error> {
        let path = self.blob(digest);
        let file = open_blob(&path)?;
        let size = file.metadata().map_err(|source| Error::Read { path: path.display().to_string(), source })?.len();
        Ok(Body::File { file, offset: 0, size })
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        let algorithm = digest.as_str().split(':').next().unwrap_or("sha256");
        self.folder.join("blobs").join(algorithm).join(digest.hex())
    }
}

fn open_blob(path: &Path) -> Result<std::fs::File, Error> {
    std::fs::File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound {
            what: "the layout".into(),
            name: format!("blob {}", path.display()),
            hint: "; the copy is not complete".into(),
        },
        _ => Error::Read { path: path.display().to_string(), source },
    })
}

fn read_limited(path: &Path) -> Result<Vec<u8>, Error> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let file = open_blob(path)?;
    file.take(DOCUMENT_LIMIT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read { path: path.display().to_string(), source })?;
    if bytes.len() as u64 > DOCUMENT_LIMIT_BYTES {
        return Err(Error::TooLarge { what: path.display().to_string(), limit_bytes: DOCUMENT_LIMIT_BYTES });
    }
    Ok(bytes)
}

/// Checks bytes against the digest that names them; SHA-512 names are checked as such.
pub(crate) fn verified(bytes: Vec<u8>, digest: &Digest) -> Result<Vec<u8>, Error> {
    let got = digest.of_same_kind(&bytes);
    if got != *digest {
        return Err(Error::WrongBytes { want: digest.clone(), got });
    }
    Ok(bytes)
}

/// Reads the roots of an `index.json`: every entry with a well-formed digest, those of a tag, or the one of a digest, which an index
/// among the entries may name as well.
pub(crate) fn roots(
    index: &[u8],
    what: &str,
    wanted: Option<&str>,
    document: impl Fn(&Digest) -> Result<Vec<u8>, Error>,
) -> Result<Vec<Root>, Error> {
    let not_an_image = |why: String| Error::NotAnImage { what: what.to_owned(), why };
    let index: Index =
        serde_json::from_slice(index).map_err(|e| not_an_image(format!("index.json is not readable: {e}")))?;
    let entries = index.manifests.unwrap_or_default();
    let root = |entry: &Entry| {
        let digest = Digest::parse(&entry.digest).map_err(|e| not_an_image(format!("index.json names {e}")))?;
        let bytes = document(&digest)?;
        Ok(Root { digest, media_type: entry.media_type.clone(), bytes, tag: entry.tag().map(str::to_owned) })
    };
    let chosen = |e: &&Entry| wanted.is_none_or(|w| e.tag() == Some(w) || e.digest == w);
    let out = entries.iter().filter(chosen).map(root).collect::<Result<Vec<Root>, Error>>()?;
    let Some(wanted) = wanted.filter(|_| out.is_empty()) else {
        return if out.is_empty() { Err(not_an_image("index.json names no manifest".into())) } else { Ok(out) };
    };
    if Digest::parse(wanted).is_err() {
        return Err(no_tag(what, wanted, &entries));
    }
    for parent in &entries {
        let children: Index = serde_json::from_slice(&root(parent)?.bytes).unwrap_or_default();
        if let Some(child) = children.manifests.iter().flatten().find(|child| child.digest == wanted) {
            return Ok(vec![root(child)?]);
        }
    }
    Err(Error::NotFound { what: what.to_owned(), name: format!("manifest {wanted}"), hint: String::new() })
}

fn no_tag(what: &str, tag: &str, entries: &[Entry]) -> Error {
    let tags: Vec<&str> = entries.iter().filter_map(Entry::tag).collect();
    let hint = if tags.is_empty() { String::new() } else { format!("; it has {}", tags.join(", ")) };
    Error::NotFound { what: what.to_owned(), name: format!("tag {tag}"), hint }
}
