//! Why knowledge could not be read.

/// Why a feed or a database could not be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // for the fields, which the message names; variants are documented
pub enum Error {
    /// A feed file is not what its publisher gives: cut short, not JSON, not a zip.
    #[error("cannot read {file} of feed {feed}: {reason}")]
    Feed { feed: &'static str, file: String, reason: String },
    /// A file that the feed cannot do without was not given.
    #[error("feed {feed} lacks {file}")]
    Missing { feed: &'static str, file: String },
    /// Not an advisory database.
    #[error("not an advisory database: {0}")]
    NotADatabase(&'static str),
    /// Written by another version of Portwarden.
    #[error("advisory database has format {found}, this program reads {known}")]
    Format { found: u32, known: u32 },
    /// The bytes are not those that were written.
    #[error("advisory database is damaged: {0}")]
    Damaged(&'static str),
}
