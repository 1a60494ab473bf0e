//! One door to an image, wherever it is.

use crate::archive::Archive;
use crate::client::{Client, Location};
use crate::layout::Layout;
use crate::{Error, layout};
use bytes::Bytes;
use futures_util::stream::{BoxStream, TryStreamExt};
use model::Digest;
use model::manifest::HEAD_BYTES;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How to reach registries.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// User and password; else the credentials that docker and podman keep.
    pub login: Option<(String, String)>,
    /// Speak plain HTTP to the named host (loopback hosts always may, unless an authority is named).
    pub insecure_http: bool,
    /// Extra certificate authority, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Never use the credentials that docker and podman keep here: somebody else asks than the user of this machine.
    pub for_others: bool,
    /// The host itself must be public: no operator named it.
    pub public_only: bool,
}

/// Where an image is.
#[derive(Debug)]
pub enum Source {
    /// A layout folder.
    #[doc(hidden)]
    Layout(LayoutSource),
    /// An archive.
    #[doc(hidden)]
    Archive(ArchiveSource),
    /// A registry.
    #[doc(hidden)]
    Registry(Box<Client>, Location),
}

/// A layout folder, opened.
#[derive(Debug)]
pub struct LayoutSource(Layout);

/// An archive, opened.
#[derive(Debug)]
pub struct ArchiveSource(Archive);

/// One manifest that a reference names.
#[derive(Debug, Clone)]
pub struct Root {
    /// Digest of `bytes`.
    pub digest: Digest,
    /// Media type as the index or the registry says; may be empty.
    pub media_type: String,
    /// The manifest, verified.
    pub bytes: Vec<u8>,
    /// The tag, where one is known.
    pub tag: Option<String>,
}

/// The bytes of a layer, not yet verified.
pub enum Body {
    /// A piece of a file.
    File {
        /// The file.
        file: std::fs::File,
        /// First byte.
        offset: u64,
        /// How many bytes.
        size: u64,
    },
    /// What a registry sends.
    Stream {
        /// Size as the registry says.
        size: Option<u64>,
        /// The bytes.
        bytes: BoxStream<'static, std::io::Result<Bytes>>,
    },
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { offset, size, .. } => write!(f, "file({offset}+{size})"),
            Self::Stream { size, .. } => write!(f, "stream({size:?})"),
        }
    }
}

impl Source {
    /// Opens what a person typed: a folder (`DIR`, `DIR:TAG`, `DIR@DIGEST`, `oci:DIR`), an archive (`FILE`, `docker-archive:FILE`, `oci-archive:FILE`),
    /// standard input (`-`), else a registry reference (`docker://` in front is allowed).
    pub async fn open(reference: &str, options: &Options) -> Result<Self, Error> {
        if reference == "-" {
            return Self::standard_input();
        }
        if let Some(rest) = reference.strip_prefix("docker://") {
            return Self::registry(rest, options);
        }
        for prefix in ["oci:", "oci-archive:", "docker-archive:", "dir:"] {
            if let Some(rest) = reference.strip_prefix(prefix) {
                return Self::local(rest)?.ok_or_else(|| missing(rest));
            }
        }
        if let Some(source) = Self::local(reference)? {
            return Ok(source);
        }
        if reference.starts_with(['/', '.', '~']) {
            return Err(missing(reference));
        }
        Self::registry(reference, options)
    }

    fn registry(reference: &str, options: &Options) -> Result<Self, Error> {
        let location = Location::parse(reference)?;
        let client = Client::new(&location.host, options)?;
        Ok(Self::Registry(Box::new(client), location))
    }

    fn local(text: &str) -> Result<Option<Self>, Error> {
        let (path, wanted) = path_and_wanted(text)?;
        let Ok(meta) = path.metadata() else { return Ok(None) };
        if meta.is_dir() {
            return Layout::open(path, wanted).map(|l| Some(Self::Layout(LayoutSource(l))));
        }
        Archive::open(path, wanted).map(|a| Some(Self::Archive(ArchiveSource(a))))
    }

    fn standard_input() -> Result<Self, Error> {
        let read = |source| Error::Read { path: "standard input".into(), source };
        let mut file = tempfile::NamedTempFile::new().map_err(read)?;
        let copied = std::io::copy(&mut std::io::stdin().lock().take(u64::MAX), &mut file).map_err(read)?;
        file.flush().map_err(read)?;
        if copied == 0 {
            let why = "nothing came; pipe `docker save IMAGE` into it".to_owned();
            return Err(Error::NotAnImage { what: "standard input".into(), why });
        }
        Archive::piped(file).map(|a| Self::Archive(ArchiveSource(a)))
    }

    /// The manifests that the reference names: one, or one a tag for a layout or archive without a tag.
    pub async fn roots(&self) -> Result<Vec<Root>, Error> {
        match self {
            Self::Layout(LayoutSource(layout)) => layout.roots(),
            Self::Archive(ArchiveSource(archive)) => archive.roots(),
            Self::Registry(client, location) => Ok(vec![client.manifest(location).await?]),
        }
    }

    /// The verified bytes of a manifest that an index names.
    pub async fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        match self {
            Self::Registry(client, location) => Ok(client.manifest(&location.at(digest)).await?.bytes),
            _ => self.config(digest).await,
        }
    }

    /// The verified bytes of a configuration.
    pub async fn config(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        match self {
            Self::Layout(LayoutSource(layout)) => layout.document(digest),
            Self::Archive(ArchiveSource(archive)) => archive.document(digest),
            Self::Registry(client, location) => layout::verified(client.document(location, digest).await?, digest),
        }
    }

    /// The bytes of a layer; the caller checks them against the digest.
    pub async fn layer(&self, digest: &Digest) -> Result<Body, Error> {
        match self {
            Self::Layout(LayoutSource(layout)) => layout.layer(digest),
            Self::Archive(ArchiveSource(archive)) => archive.layer(digest),
            Self::Registry(client, location) => client.blob(location, digest).await,
        }
    }

    /// The first bytes of a layer, as many as tell what it is.
    pub async fn head(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let broken = |source| Error::Read { path: digest.to_string(), source };
        match self.layer(digest).await? {
            Body::File { file, offset, size } => {
                let mut head = vec![0; HEAD_BYTES.min(usize::try_from(size).unwrap_or(HEAD_BYTES))];
                file.read_exact_at(&mut head, offset).map_err(broken)?;
                Ok(head)
            }
            Body::Stream { mut bytes, .. } => {
                let mut head = Vec::with_capacity(HEAD_BYTES);
                while head.len() < HEAD_BYTES
                    && let Some(piece) = bytes.try_next().await.map_err(broken)?
                {
                    head.extend(piece.iter().take(HEAD_BYTES - head.len()));
                }
                Ok(head)
            }
        }
    }
}

/// Splits `PATH`, `PATH:TAG`, `PATH@DIGEST`; a path that is there as it stands is never split.
fn path_and_wanted(text: &str) -> Result<(&Path, Option<&str>), Error> {
    if Path::new(text).exists() {
        return Ok((Path::new(text), None));
    }
    if let Some((path, digest)) = text.rsplit_once('@').filter(|(path, _)| Path::new(path).exists()) {
        Digest::parse(digest).map_err(|why| Error::NotAnImage { what: text.to_owned(), why: why.to_string() })?;
        return Ok((Path::new(path), Some(digest)));
    }
    match text.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => Ok((Path::new(path), Some(tag))),
        _ => Ok((Path::new(text), None)),
    }
}

fn missing(path: &str) -> Error {
    Error::NotAnImage { what: path.to_owned(), why: "there is no such file or folder".into() }
}
