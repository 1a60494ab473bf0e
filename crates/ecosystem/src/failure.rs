//! Why a layer gave no inventory: what codec, tar walker and layer reader have in common.

use std::io;

/// Why a layer gave no inventory.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The bytes end in the middle.
    #[error("the layer ends in the middle: {0}")]
    Truncated(String),
    /// Not a valid archive.
    #[error("not a valid archive: {0}")]
    Unreadable(String),
    /// A compression, or a setting of one, that is not supported.
    #[error("{0}")]
    Compression(String),
    /// More entries than the limit.
    #[error("more than {0} entries")]
    LimitEntries(u64),
    /// More bytes after decompression than the limit.
    #[error("more than {0} bytes after decompression")]
    LimitBytes(u64),
    /// More packages than the limit.
    #[error("more than {0} packages")]
    LimitPackages(usize),
    /// A larger inventory than the limit.
    #[error("an inventory of more than {0} bytes")]
    LimitOutput(u64),
    /// The input could not be read: says nothing about the layer, try again.
    #[error("cannot read the layer's bytes")]
    Input(#[source] io::Error),
}

impl Failure {
    /// Returns the reason code, one of `model::verdict::REASONS`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated(_) => "layer-truncated",
            Self::Unreadable(_) => "layer-unreadable",
            Self::Compression(_) => "compression-unsupported",
            Self::LimitEntries(_) => "limit-entries",
            Self::LimitBytes(_) => "limit-bytes",
            Self::LimitPackages(_) => "limit-packages",
            Self::LimitOutput(_) => "limit-output",
            Self::Input(_) => "upstream",
        }
    }
}
