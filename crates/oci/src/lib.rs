//! Talking to images wherever they are: a layout folder, an archive, a registry.
//!
//! In: what a person typed (`./layout:tag`, `image.tar`, `-`, `registry.example/app:1`).
//! Out: manifests and configurations as verified bytes, layers as streams. Formats: OCI image layout 1.0, `docker save`,
//! OCI distribution 1.1 with the Docker token flow.

mod archive;
mod client;
pub mod credentials;
pub mod guard;
mod layout;
pub mod post;
mod push;
mod source;

pub use client::{Client, Location};
pub use source::{Body, Options, Root, Source};

use model::Digest;

/// Why an image could not be had.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // for the fields, which the message names; variants are documented
pub enum Error {
    /// The folder or file is no image.
    #[error("{what} is not an image: {why}")]
    NotAnImage { what: String, why: String },
    /// The reference cannot be read.
    #[error("{reference:?} is not an image reference: {why}")]
    Reference { reference: String, why: String },
    /// The tag or digest is not there.
    #[error("{what} has no {name}{hint}")]
    NotFound { what: String, name: String, hint: String },
    /// The bytes are not what their digest says.
    #[error("{want} hashes to {got}; the copy is damaged or forged")]
    WrongBytes { want: Digest, got: Digest },
    /// A document is larger than the limit.
    #[error("{what} is larger than {limit_bytes} bytes")]
    TooLarge { what: String, limit_bytes: u64 },
    /// The registry wants a login, or refused the one given.
    #[error("{host} refused {who}: {hint}")]
    Denied { host: String, who: String, hint: String },
    /// The registry lets nobody, or not us, pull more for now.
    #[error("{host} says that too much was pulled (429){text}; log in there, or wait")]
    TooMany { host: String, text: String },
    /// The registry answered with an error.
    #[error("{url} answered {status}: {text}")]
    Answer { url: String, status: u16, text: String },
    /// The registry could not be reached.
    #[error("cannot reach {host}: {why}")]
    Unreachable { host: String, why: String },
    /// An address that a registry named is not one that may be visited.
    #[error("{host} sends us to {to}, which is not allowed: {why}")]
    Guarded { host: String, to: String, why: &'static str },
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read { path: String, source: std::io::Error },
    /// A credential helper failed.
    #[error("credential helper {helper} failed: {why}")]
    Helper { helper: String, why: String },
}

/// What the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Try again later.
    Retry,
    /// Trying again gives the same.
    GiveUp,
}

impl Error {
    /// Returns what to do next. No wildcard arm: a new variant must choose.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Answer { status, .. } if *status == 429 || *status >= 500 => Remedy::Retry,
            Self::TooMany { .. } | Self::Unreachable { .. } | Self::Read { .. } | Self::Helper { .. } => Remedy::Retry,
            Self::NotAnImage { .. }
            | Self::Reference { .. }
            | Self::NotFound { .. }
            | Self::WrongBytes { .. }
            | Self::TooLarge { .. }
            | Self::Denied { .. }
            | Self::Answer { .. }
            | Self::Guarded { .. } => Remedy::GiveUp,
        }
    }
}

/// Largest manifest or configuration that is read, in bytes.
pub const DOCUMENT_LIMIT_BYTES: u64 = 4 << 20;
