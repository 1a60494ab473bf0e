//! Manifests: what a registry keeps under a tag or a digest.
//!
//! In: the bytes of an OCI 1.1 or Docker schema 2 image manifest or index, and the media type that came with them.
//! Out: config, layers or children, subject, annotations; or which field is wrong and why. What two clients could read
//! differently is refused: keys that are there twice, both `layers` and `manifests`, a media type that is not the content's.

mod head;
mod kind;

use crate::digest::Digest;
use crate::json;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub use head::{HEAD_BYTES, is_compressed, unpacks};
pub use kind::{Kind, is_filesystem_layer, is_image_config, tag_subject};

/// OCI image manifest.
pub const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker image manifest, schema 2.
pub const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Most bytes of a manifest or a configuration.
pub const LIMIT_BYTES: usize = 4 << 20;
/// Most layers of an image.
pub const LIMIT_LAYERS: usize = 512;
/// Most children of an index.
pub const LIMIT_CHILDREN: usize = 1_024;

/// A manifest as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its media type, one of the four constants.
    pub media_type: &'static str,
    /// What it names.
    pub content: Content,
    /// `artifactType`, where there is one.
    pub artifact_type: Option<String>,
    /// The manifest that this one is about.
    pub subject: Option<Descriptor>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A configuration and layers, lowest first.
    Image {
        /// The configuration.
        config: Box<Descriptor>,
        /// The layers.
        layers: Vec<Descriptor>,
    },
    /// Other manifests.
    Index(Vec<Descriptor>),
}

/// What a manifest says of a blob or of another manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The media type, without parameters; may be empty.
    pub media_type: String,
    /// The digest of the bytes.
    pub digest: Digest,
    /// Number of bytes, at most `i64::MAX`.
    pub size: u64,
    /// Addresses outside the registry. Never visited.
    pub urls: Vec<String>,
    /// The platform, in an index.
    pub platform: Option<Platform>,
    /// `artifactType`, where there is one.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What an image runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`.
    pub architecture: String,
    /// `v8`.
    pub variant: String,
    /// The build of Windows.
    pub os_version: String,
}

/// Why bytes are no manifest or configuration that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // for the fields, which the message names; variants are documented
pub enum NotAManifest {
    /// Larger than `LIMIT_BYTES`.
    #[error("it has {bytes} bytes, more than {LIMIT_BYTES}")]
    TooLarge { bytes: usize },
    /// No JSON, too deep, too many values, or a key twice.
    #[error("it is not JSON as accepted: {0}")]
    Json(String),
    /// A field is missing, of the wrong type or out of range.
    #[error("{field} {why}")]
    Field { field: String, why: String },
    /// Two fields that exclude one another.
    #[error("it has both {0:?} and {1:?}: an image has the one, an index the other")]
    Both(&'static str, &'static str),
    /// The content is not what the media type says.
    #[error("it was sent as {declared:?} but is {found:?}")]
    MediaType { declared: String, found: String },
    /// A kind of manifest that is not accepted.
    #[error("{0}")]
    Refused(&'static str),
    /// More layers or children than the limit.
    #[error("{field} has {count} entries, more than {limit}")]
    TooMany { field: &'static str, count: usize, limit: usize },
}

const SCHEMA_1: &str = "Docker schema 1 manifests are not accepted: push again with a client of 2017 or later";
const WITHDRAWN: &str =
    "artifact manifests of OCI 1.1 drafts are not accepted: use an image manifest with artifactType";

/// Keys whose other spellings (`Layers`) a lenient client would take for them.
const KEYS: [&str; 14] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "fsLayers",
    "digest",
    "size",
    "urls",
    "platform",
    "annotations",
    "signatures",
];

impl Manifest {
    /// Reads a manifest. `declared` is the media type that came with it, parameters allowed; a general one
    /// (`application/json`) or none says nothing.
    pub fn parse(bytes: &[u8], declared: Option<&str>) -> Result<Self, NotAManifest> {
        let declared = declared.map(essence).filter(|d| !is_general(d));
        if let Some(declared) = &declared {
            refuse_by_name(declared)?;
        }
        let root = Fields::root(bytes)?;
        if let Some(inner) = root.text("mediaType")?.map(|m| essence(&m)).filter(|m| !m.is_empty()) {
            refuse_by_name(&inner)?;
            if let Some(declared) = declared.as_ref().filter(|d| **d != inner) {
                return Err(NotAManifest::MediaType { declared: declared.clone(), found: inner });
            }
            return Self::of(&root, Some(&inner));
        }
        Self::of(&root, declared.as_deref())
    }

    fn of(root: &Fields<'_>, said: Option<&str>) -> Result<Self, NotAManifest> {
        check_schema(root)?;
        let (has_layers, has_config) = (root.has("layers"), root.has("config"));
        let has_manifests = root.has("manifests");
        for (there, name) in [(has_layers, "layers"), (has_config, "config")] {
            if there && has_manifests {
                return Err(NotAManifest::Both(name, "manifests"));
            }
        }
        let looks = if has_manifests { OCI_INDEX } else { OCI_IMAGE };
        let media_type = known(said.unwrap_or(looks))?;
        let is_index = media_type == OCI_INDEX || media_type == DOCKER_LIST;
        if is_index && (has_layers || has_config) || !is_index && has_manifests {
            return Err(NotAManifest::MediaType { declared: media_type.into(), found: looks.into() });
        }
        let content = if is_index {
            Content::Index(root.descriptors("manifests", LIMIT_CHILDREN)?)
        } else {
            let config = root.descriptor("config")?.ok_or_else(|| field("config", "is missing"))?;
            Content::Image { config: Box::new(config), layers: root.descriptors("layers", LIMIT_LAYERS)? }
        };
        Ok(Self {
            media_type,
            content,
            artifact_type: root.text("artifactType")?.filter(|t| !t.is_empty()),
            subject: root.descriptor("subject")?,
            annotations: root.texts("annotations")?,
        })
    }

    /// Returns the children of an index; none for an image.
    pub fn children(&self) -> &[Descriptor] {
        match &self.content {
            Content::Index(children) => children,
            Content::Image { .. } => &[],
        }
    }

    /// Returns the blobs it names, configuration first; none for an index.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let (config, layers) = match &self.content {
            Content::Image { config, layers } => (Some(&**config), layers.as_slice()),
            Content::Index(_) => (None, &[][..]),
        };
        config.into_iter().chain(layers)
    }

    /// Returns the bytes that its blobs claim to have together, at most `u64::MAX`.
    pub fn claimed_bytes(&self) -> u64 {
        self.blobs().fold(0, |sum, blob| sum.saturating_add(blob.size))
    }
}

impl Descriptor {
    /// Returns whether the bytes are kept outside the registry by design and need not be in it.
    pub fn is_foreign(&self) -> bool {
        self.media_type.contains("nondistributable") || self.media_type.contains(".rootfs.foreign.")
    }

    /// Returns whether the bytes are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.media_type.ends_with("+encrypted")
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

/// Returns a media type without parameters, in lower case.
pub fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

fn is_general(media_type: &str) -> bool {
    matches!(media_type, "" | "application/json" | "application/octet-stream" | "text/plain" | "*/*")
}

fn refuse_by_name(media_type: &str) -> Result<(), NotAManifest> {
    match media_type {
        "application/vnd.docker.distribution.manifest.v1+json"
        | "application/vnd.docker.distribution.manifest.v1+prettyjws" => Err(NotAManifest::Refused(SCHEMA_1)),
        "application/vnd.oci.artifact.manifest.v1+json" | "application/vnd.cncf.oras.artifact.manifest.v1+json" => {
            Err(NotAManifest::Refused(WITHDRAWN))
        }
        _ => Ok(()),
    }
}

fn known(media_type: &str) -> Result<&'static str, NotAManifest> {
    [OCI_IMAGE, OCI_INDEX, DOCKER_IMAGE, DOCKER_LIST]
        .into_iter()
        .find(|known| *known == media_type)
        .ok_or_else(|| field("mediaType", format!("{:?} is no manifest that is accepted", shorten(media_type))))
}

fn check_schema(root: &Fields<'_>) -> Result<(), NotAManifest> {
    match root.get("schemaVersion").map(Value::as_u64) {
        Some(Some(1)) => Err(NotAManifest::Refused(SCHEMA_1)),
        _ if root.has("fsLayers") || root.has("signatures") => Err(NotAManifest::Refused(SCHEMA_1)),
        Some(Some(2)) | None => Ok(()),
        Some(_) => Err(field("schemaVersion", "is not 2")),
    }
}

fn field(name: impl Into<String>, why: impl Into<String>) -> NotAManifest {
    NotAManifest::Field { field: name.into(), why: why.into() }
}

fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

/// An object of a document and where it stands, so that an error can name the field.
struct Fields<'a> {
    at: String,
    object: std::borrow::Cow<'a, Map<String, Value>>,
}

impl<'a> Fields<'a> {
    fn root(bytes: &[u8]) -> Result<Fields<'static>, NotAManifest> {
        if bytes.len() > LIMIT_BYTES {
            return Err(NotAManifest::TooLarge { bytes: bytes.len() });
        }
        match json::read(bytes).map_err(NotAManifest::Json)? {
            Value::Object(object) => {
                check_keys("", &object)?;
                Ok(Fields { at: String::new(), object: std::borrow::Cow::Owned(object) })
            }
            _ => Err(NotAManifest::Json("it is no object".into())),
        }
    }

    fn of(at: String, value: &'a Value) -> Result<Self, NotAManifest> {
        let Value::Object(object) = value else { return Err(field(at, "is no object")) };
        check_keys(&at, object)?;
        Ok(Self { at, object: std::borrow::Cow::Borrowed(object) })
    }

    fn name(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) }
    }

    /// The value of a key; `null` counts as absent.
    fn get(&self, key: &str) -> Option<&Value> {
        self.object.get(key).filter(|v| !v.is_null())
    }

    fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    fn text(&self, key: &str) -> Result<Option<String>, NotAManifest> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(field(self.name(key), "is no text")),
        }
    }

    fn texts(&self, key: &str) -> Result<BTreeMap<String, String>, NotAManifest> {
        let Some(value) = self.get(key) else { return Ok(BTreeMap::new()) };
        let Value::Object(object) = value else { return Err(field(self.name(key), "is no object")) };
        let mut texts = BTreeMap::new();
        for (name, value) in object {
            let Value::String(text) = value else {
                return Err(field(format!("{}.{}", self.name(key), shorten(name)), "is no text"));
            };
            texts.insert(name.clone(), text.clone());
        }
        Ok(texts)
    }

    fn list(&self, key: &str) -> Result<&[Value], NotAManifest> {
        match self.get(key) {
            None => Ok(&[]),
            Some(Value::Array(values)) => Ok(values),
            Some(_) => Err(field(self.name(key), "is no list")),
        }
    }

    fn descriptors(&self, key: &'static str, limit: usize) -> Result<Vec<Descriptor>, NotAManifest> {
        let values = self.list(key)?;
        if values.len() > limit {
            return Err(NotAManifest::TooMany { field: key, count: values.len(), limit });
        }
        let one = |(i, value)| Fields::of(format!("{}[{i}]", self.name(key)), value)?.to_descriptor();
        values.iter().enumerate().map(one).collect()
    }

    fn descriptor(&self, key: &str) -> Result<Option<Descriptor>, NotAManifest> {
        self.get(key).map(|value| Fields::of(self.name(key), value)?.to_descriptor()).transpose()
    }

    fn to_descriptor(&self) -> Result<Descriptor, NotAManifest> {
        let digest = self.text("digest")?.ok_or_else(|| field(self.name("digest"), "is missing"))?;
        let digest = Digest::parse(&digest).map_err(|e| field(self.name("digest"), e.to_string()))?;
        let size = self.get("size").ok_or_else(|| field(self.name("size"), "is missing"))?;
        let size = size.as_u64().filter(|s| i64::try_from(*s).is_ok());
        let size = size.ok_or_else(|| field(self.name("size"), "is no whole number from 0 to 2^63-1"))?;
        let mut urls = Vec::new();
        for url in self.list("urls")? {
            urls.push(
                url.as_str().ok_or_else(|| field(self.name("urls"), "holds something else than text"))?.to_owned(),
            );
        }
        let platform = match self.get("platform") {
            Some(value) => Some(Fields::of(self.name("platform"), value)?.to_platform()?),
            None => None,
        };
        Ok(Descriptor {
            media_type: essence(&self.text("mediaType")?.unwrap_or_default()),
            digest,
            size,
            urls,
            platform,
            artifact_type: self.text("artifactType")?.filter(|t| !t.is_empty()),
            annotations: self.texts("annotations")?,
        })
    }

    fn to_platform(&self) -> Result<Platform, NotAManifest> {
        let text = |key| Ok(self.text(key)?.unwrap_or_default());
        Ok(Platform {
            os: text("os")?,
            architecture: text("architecture")?,
            variant: text("variant")?,
            os_version: text("os.version")?,
        })
    }
}

/// Refuses another spelling of a key that this reader would miss and a lenient one would take.
fn check_keys(at: &str, object: &Map<String, Value>) -> Result<(), NotAManifest> {
    for key in object.keys() {
        let twin = KEYS.iter().find(|known| **known != key && json::same_to_a_lenient_reader(key, known));
        if let Some(known) = twin {
            let name = if at.is_empty() { shorten(key) } else { format!("{at}.{}", shorten(key)) };
            return Err(field(name, format!("must be spelt {known:?}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
