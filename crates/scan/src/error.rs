//! Why a scan could not be done now.

use model::Digest;
use store::Remedy;

/// Why a scan could not be done now: about this try, not about the image (that is `image::Refused`).
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // for the fields, which the message names; variants are documented
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// No layer could be read.
    #[error(transparent)]
    Sandbox(#[from] crate::sandbox::Error),
    /// The image could not be had.
    #[error(transparent)]
    Oci(#[from] oci::Error),
    /// The advisory database could not be had.
    #[error(transparent)]
    Knowledge(#[from] crate::database::Error),
    /// The bytes of a blob are not those that its digest names.
    #[error("blob {want} hashes to {got}")]
    WrongBytes { want: Digest, got: Digest },
    /// A blob could not be opened.
    #[error("cannot read blob {digest}")]
    Blob { digest: Digest, source: std::io::Error },
    /// What a source named is no manifest or blob that comes in.
    #[error("{digest} is not accepted: {why}")]
    NotImported { digest: Digest, why: String },
    /// An index has no image for the platform that is wanted.
    #[error("there is no image for {wanted}; there are {there}")]
    NoPlatform { wanted: String, there: String },
    /// The tag to be imported to names another image.
    #[error(
        "{name} is there already and names {here}, not {there}; import it with --force to move the tag, or under another name"
    )]
    TagTaken { name: String, here: Digest, there: Digest },
    /// Whoever asked for an import lost the right to it since.
    #[error("{actor} may no longer push to {repository}, or the token that asked for this has ended")]
    NotPermitted { actor: String, repository: String },
    /// A source stopped sending.
    #[error("{host} broke off after {at} bytes of {digest}")]
    BrokeOff { host: String, digest: Digest, at: u64, source: std::io::Error },
    /// This process has an older advisory database than the one in force.
    #[error("the advisory database here is generation {held}, and {wanted} is in force")]
    Behind { held: i64, wanted: i64 },
    /// The databases changed faster than an image could be judged.
    #[error("the advisory database changed {0} times while the image was judged")]
    Restless(u32),
    /// A defect of this program stopped the work on an image.
    #[error("the work stopped on a defect of the program")]
    Defect,
    /// The work took longer than any image may.
    #[error("the work took longer than an image may")]
    TooLong,
}

impl Error {
    /// Returns what the queue does next. No wildcard arm: a new variant must choose.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Store(error) => error.remedy(),
            Self::Oci(error) => match error.remedy() {
                oci::Remedy::Retry => Remedy::Retry,
                oci::Remedy::GiveUp => Remedy::GiveUp,
            },
            Self::Sandbox(crate::sandbox::Error::NoSandbox { .. }) => Remedy::GiveUp,
            Self::Sandbox(_)
            | Self::Knowledge(_)
            | Self::Blob { .. }
            | Self::BrokeOff { .. }
            | Self::Behind { .. }
            | Self::Restless(_) => Remedy::Retry,
            Self::WrongBytes { .. }
            | Self::NotImported { .. }
            | Self::NoPlatform { .. }
            | Self::TagTaken { .. }
            | Self::NotPermitted { .. }
            | Self::Defect
            | Self::TooLong => Remedy::GiveUp,
        }
    }

    /// Returns the reason code under which people see it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongBytes { .. } => "digest",
            Self::Store(store::Error::NoBlob(_)) => "blob-missing",
            Self::Sandbox(crate::sandbox::Error::NoSandbox { .. }) => "sandbox",
            Self::Oci(oci::Error::WrongBytes { .. }) => "digest",
            Self::Oci(oci::Error::TooLarge { .. }) => "manifest",
            Self::Oci(_)
            | Self::Store(_)
            | Self::Blob { .. }
            | Self::BrokeOff { .. }
            | Self::NotImported { .. }
            | Self::NoPlatform { .. }
            | Self::TagTaken { .. }
            | Self::NotPermitted { .. } => "upstream",
            Self::Sandbox(_) | Self::Defect => "crash",
            Self::Knowledge(_) | Self::Behind { .. } | Self::Restless(_) => "no-database",
            Self::TooLong => "limit-time",
        }
    }
}

/// Writes an error with everything that caused it, in one line.
pub(crate) fn in_full(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = error.source();
    }
    text
}
