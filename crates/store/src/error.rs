//! Why the store could not do what it was asked.

use model::Digest;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // for the fields, which the message names; variants are documented
pub enum Error {
    /// The data were written by a newer program.
    #[error(
        "the data have schema {found}, this program knows {known}: install the newer program again, or restore a backup"
    )]
    Newer { found: i64, known: i64 },
    /// The data folder cannot be used.
    #[error("cannot use the data folder {path}")]
    Data { path: String, source: std::io::Error },
    /// The database cannot be opened.
    #[error("cannot open the database {place}")]
    Connect { place: String, source: sqlx::Error },
    /// A setting is wrong.
    #[error("{what}: {why}")]
    Setting { what: String, why: String },
    /// The database said no, or is away.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// The disk failed while doing something.
    #[error("cannot {doing}")]
    Disk { doing: &'static str, source: std::io::Error },
    /// The object store failed.
    #[error("the blob store failed")]
    Blobs(#[from] object_store::Error),
    /// A blob is not there.
    #[error("there is no blob {0}")]
    NoBlob(Digest),
    /// An upload is not there, expired, or somebody else's.
    #[error("there is no upload {0}")]
    NoUpload(String),
    /// An upload is being written to by another request.
    #[error("upload {0} is in use by another request")]
    UploadBusy(String),
    /// The principal has too many uploads under way.
    #[error("{0} uploads are under way; finish or cancel some")]
    TooManyUploads(i64),
    /// The bytes do not hash to the digest that was named.
    #[error("the bytes hash to {got}, not to {want}")]
    DigestMismatch { want: Digest, got: Digest },
    /// A manifest names blobs or manifests that the repository does not have.
    #[error("the repository does not have {}", .0.iter().map(Digest::as_str).collect::<Vec<_>>().join(", "))]
    Missing(Vec<Digest>),
    /// Something named by id or name is not there.
    #[error("there is no {what} {name}")]
    NotFound { what: &'static str, name: String },
    /// Another worker has the job now.
    #[error("the lease of job {0} was lost")]
    LeaseLost(i64),
    /// The result was made with another generation of the advisory database than the one in force.
    #[error("made with generation {given}, but {current} is in force")]
    StaleGeneration { given: i64, current: i64 },
    /// New packages came without having been judged.
    #[error("{} packages were not judged", .0.len())]
    Unjudged(Vec<model::PackageKey>),
    /// A stored row cannot be understood.
    #[error("stored {what} cannot be read: {why}")]
    Damaged { what: &'static str, why: String },
    /// A request with the same key was done already.
    #[error("this was done already")]
    Repeated,
    /// What somebody wants cannot be: the field, and why.
    #[error("{why}")]
    Invalid { field: &'static str, why: String },
    /// What is there stands against it.
    #[error("{0}")]
    Conflict(String),
    /// Too many wrong passwords for a name from an address.
    #[error("too many wrong passwords; try again in {seconds} s")]
    LockedOut { seconds: u64 },
    /// As many passwords are verified as can be.
    #[error("too many logins at once; try again in {seconds} s")]
    Busy { seconds: u64 },
    /// Wrong name, password or token.
    #[error("wrong credentials")]
    WrongCredentials,
}

/// What to do after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Try again later.
    Retry,
    /// It will not get better by itself.
    GiveUp,
}

impl From<sqlx::Error> for Error {
    /// A full disk is named as such: SQLite says 13, PostgreSQL 53100.
    fn from(source: sqlx::Error) -> Self {
        let code = source.as_database_error().and_then(|error| error.code());
        if matches!(code.as_deref(), Some("13" | "53100")) {
            return Self::Disk { doing: "write to the database", source: std::io::ErrorKind::StorageFull.into() };
        }
        Self::Database(source)
    }
}

impl Error {
    /// Returns what the queue does next. No wildcard arm: a new variant must choose.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Database(_)
            | Self::Disk { .. }
            | Self::Blobs(_)
            | Self::UploadBusy(_)
            | Self::TooManyUploads(_)
            | Self::StaleGeneration { .. }
            | Self::Unjudged(_)
            | Self::LockedOut { .. }
            | Self::Busy { .. }
            | Self::Connect { .. }
            | Self::Data { .. } => Remedy::Retry,
            Self::Newer { .. }
            | Self::Setting { .. }
            | Self::NoBlob(_)
            | Self::NoUpload(_)
            | Self::DigestMismatch { .. }
            | Self::Missing(_)
            | Self::NotFound { .. }
            | Self::LeaseLost(_)
            | Self::Damaged { .. }
            | Self::Repeated
            | Self::Invalid { .. }
            | Self::Conflict(_)
            | Self::WrongCredentials => Remedy::GiveUp,
        }
    }

    pub(crate) fn disk(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Disk { doing, source }
    }

    pub(crate) fn invalid(field: &'static str, why: &str) -> Self {
        Self::Invalid { field, why: why.to_owned() }
    }

    pub(crate) fn damaged(what: &'static str, why: impl ToString) -> Self {
        Self::Damaged { what, why: why.to_string() }
    }
}
