//! Manifests and tags.

use crate::events::Caller;
use crate::queue::Class;
use crate::{Error, Result, Store};
use bytes::Bytes;
use model::Digest;
use model::facts::Id;

/// A manifest as it arrives.
#[derive(Debug, Clone)]
pub struct NewManifest {
    /// The registry.
    pub registry: Id,
    /// Name of the repository; made if it is new.
    pub repository: String,
    /// Tags to move to it; empty when it is pushed by digest.
    pub tags: Vec<String>,
    /// Its digest, verified.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
    /// What it is.
    pub kind: ManifestKind,
    /// The manifest that it refers to.
    pub subject: Option<Digest>,
    /// Type of the artefact for referrers: `artifactType`, else the configuration's media type.
    pub artifact_type: String,
    /// Annotations as a JSON object, for referrers.
    pub annotations: String,
    /// `Push` or `Import`.
    pub class: Class,
    /// Who.
    pub caller: Caller,
}

/// A blob that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Digest.
    pub digest: Digest,
    /// Length as the manifest claims.
    pub bytes: i64,
    /// Media type.
    pub media_type: String,
    /// Whether the blob is kept elsewhere (a foreign layer): then it need not be here.
    pub foreign: bool,
}

/// What a manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestKind {
    /// An image for one platform.
    Image {
        /// Its configuration.
        config: Descriptor,
        /// Its layers, lowest first.
        layers: Vec<Descriptor>,
        /// `linux/amd64`, or empty.
        platform: String,
    },
    /// An index, or a Docker manifest list.
    Index {
        /// What it lists.
        children: Vec<Child>,
    },
    /// Anything else: attestation, signature, SBOM, chart. Kept, listed, never read.
    Accessory {
        /// Blobs that must be there.
        blobs: Vec<Descriptor>,
    },
}

/// A manifest that an index lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its digest.
    pub digest: Digest,
    /// `linux/arm64`, `unknown/unknown`, or empty.
    pub platform: String,
}

/// What became of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutOutcome {
    /// The image row.
    pub image: Id,
    /// Whether the repository did not have it before.
    pub created: bool,
    /// The job that was queued, if any.
    pub job: Option<Id>,
    /// The revision after which it is visible.
    pub revision: i64,
}

/// A manifest as it was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// The image row.
    pub image: Id,
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A manifest that refers to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its length.
    pub bytes: i64,
    /// Type of the artefact.
    pub artifact_type: String,
    /// Annotations as a JSON object.
    pub annotations: String,
}

/// A part of a list in order of names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The names.
    pub names: Vec<String>,
    /// Whether there are more after them.
    pub more: bool,
}

impl Store {
    /// Takes a manifest: manifest, image, presence, tags, event, log line and job in one transaction.
    ///
    /// `Error::Missing` lists blobs and children that the repository does not have.
    pub async fn put_manifest(&self, _manifest: NewManifest) -> Result<PutOutcome> {
        Err(Error::WrongCredentials)
    }

    /// Returns the manifest of a tag or a digest, if the repository has it.
    pub async fn manifest(&self, _registry: Id, _repository: &str, _reference: &str) -> Result<Option<StoredManifest>> {
        Err(Error::WrongCredentials)
    }

    /// Returns the manifest of a digest, whatever repository has it: for the scanner, whose jobs name images.
    pub async fn manifest_of(&self, _digest: &Digest) -> Result<Option<StoredManifest>> {
        Err(Error::WrongCredentials)
    }

    /// Lists the tags of a repository after a name, in byte order; `None` = there is no such repository.
    pub async fn tags(&self, _registry: Id, _repository: &str, _after: &str, _n: u32) -> Result<Option<Page>> {
        Err(Error::WrongCredentials)
    }

    /// Takes a manifest and every tag on it out of a repository; false = it was not there.
    pub async fn delete_manifest(
        &self,
        _registry: Id,
        _repository: &str,
        _digest: &Digest,
        _caller: &Caller,
    ) -> Result<bool> {
        Err(Error::WrongCredentials)
    }

    /// Takes a tag away; the manifest stays. False = it was not there.
    pub async fn delete_tag(&self, _registry: Id, _repository: &str, _tag: &str, _caller: &Caller) -> Result<bool> {
        Err(Error::WrongCredentials)
    }

    /// Lists the manifests of a repository that refer to another one, in order of digests; `artifact_type` empty = all.
    pub async fn referrers(
        &self,
        _registry: Id,
        _repository: &str,
        _subject: &Digest,
        _artifact_type: &str,
    ) -> Result<Vec<Referrer>> {
        Err(Error::WrongCredentials)
    }
}
