//! What a manifest is to a scanner: an image, a list of images, or something else that travels in registries.
//!
//! In: a manifest. Out: its kind. What a container engine would run is an image whatever else is said of it, so that no
//! annotation, tag or artifact type hides an image from the scanner. Engines do not look at the types of layers either: whoever
//! has the bytes of what is let off as statements looks at them with `unpacks`.

use super::{Content, Descriptor, Manifest};
use crate::digest::Digest;

/// What a manifest is to a scanner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Something that a container engine runs.
    Image,
    /// A list of manifests.
    Index,
    /// An attestation, signature, SBOM, chart or other artefact.
    Accessory {
        /// Its `artifactType`, else what its configuration or first layer says it is.
        artifact_type: String,
    },
}

impl Manifest {
    /// Returns what the manifest is to a scanner, if its `statements` are what they say.
    pub fn kind(&self) -> Kind {
        let Content::Image { config, .. } = &self.content else { return Kind::Index };
        let named = |fallback: &str| Kind::Accessory {
            artifact_type: self.artifact_type.clone().unwrap_or_else(|| fallback.to_owned()),
        };
        if !is_image_config(&config.media_type) {
            return named(&config.media_type);
        }
        self.statements().first().map_or(Kind::Image, |first| named(&first.media_type))
    }

    /// Returns the layers of what is no image only because all of them say that they are statements. When one of them unpacks, it is
    /// an image.
    pub fn statements(&self) -> &[Descriptor] {
        match &self.content {
            Content::Image { config, layers }
                if is_image_config(&config.media_type) && layers.iter().all(|l| is_statement(&l.media_type)) =>
            {
                layers
            }
            _ => &[],
        }
    }

    /// Returns the type that a referrers list gives: `artifactType`, for an image manifest else the configuration's type.
    pub fn referrer_type(&self) -> Option<&str> {
        match (&self.artifact_type, &self.content) {
            (Some(artifact_type), _) => Some(artifact_type),
            (None, Content::Image { config, .. }) => Some(&config.media_type),
            (None, Content::Index(_)) => None,
        }
    }
}

/// Returns whether an engine runs what has such a configuration.
///
/// The general types are those that Docker takes for an image because early clients sent them (moby issues 22378, 30083).
pub fn is_image_config(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json"
            | "application/octet-stream"
            | "application/json"
            | "text/html"
            | ""
    )
}

/// Returns whether a layer says that it is a part of a file system.
pub fn is_filesystem_layer(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.")
}

/// Types of layers that are statements about images: BuildKit's attestations, cosign's signatures and SBOMs. A list of
/// what is let off, not of what is read: a layer of unknown type is read, for some engines would unpack it.
fn is_statement(media_type: &str) -> bool {
    const PREFIXES: [&str; 8] = [
        "application/vnd.in-toto",
        "application/vnd.dev.cosign.",
        "application/vnd.dev.sigstore.",
        "application/vnd.dsse.envelope",
        "application/spdx+json",
        "text/spdx",
        "application/vnd.cyclonedx",
        "application/vnd.syft+json",
    ];
    PREFIXES.iter().any(|p| media_type.starts_with(p))
}

/// Returns the digest that a tag of the referrers tag schema or of cosign is about: `sha256-<hex>`, `sha256-<hex>.sig`.
/// Only a hint: anybody can give a tag such a name.
pub fn tag_subject(tag: &str) -> Option<Digest> {
    let (algorithm, rest) = tag.split_once('-')?;
    let hex = rest.split_once('.').map_or(rest, |(hex, _)| hex);
    Digest::parse(&format!("{algorithm}:{hex}")).ok()
}
