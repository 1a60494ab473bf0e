//! What happened, in order, and the registry's resource logs.

use crate::{Error, Result, Store};
use model::facts::Id;
use model::{Digest, Micros};

/// Who asks, as logs show it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// Name of the principal, or empty.
    pub actor: String,
    /// Address of the client.
    pub address: String,
    /// Its `User-Agent`.
    pub user_agent: String,
    /// The id of the request, for correlation.
    pub request: String,
    /// Whether this is the scanner: its pulls are logged and never count as use.
    pub scanner: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A manifest was pushed.
    Push,
    /// A manifest was imported or mirrored.
    Import,
    /// A manifest was pulled by somebody else than the scanner.
    Pull,
    /// A manifest was deleted.
    Delete,
    /// A tag was deleted.
    Untag,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Row id: rises with time.
    pub id: Id,
    /// When.
    pub at: Micros,
    /// `push`, `import`, `pull`, `delete`, `untag`.
    pub action: String,
    /// Name of the registry.
    pub registry: String,
    /// Name of the repository.
    pub repository: String,
    /// The tag, or empty.
    pub tag: String,
    /// Digest of the manifest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its length.
    pub bytes: i64,
    /// Who.
    pub caller: Caller,
}

/// A line of a resource log (columns as in the Azure tables).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogEntry {
    /// Row id; 0 when new.
    pub id: Id,
    /// When; set by the store.
    pub at: Micros,
    /// Whether it is a login; otherwise it concerns a repository.
    pub login: bool,
    /// `login`, `push`, `pull`, `untag`, `delete`, …
    pub operation: String,
    /// Host that was spoken to.
    pub login_server: String,
    /// Who.
    pub caller: Caller,
    /// Id of the registry token, for logins.
    pub jwt: String,
    /// HTTP status.
    pub result: i64,
    /// How long it took.
    pub micros: i64,
    /// The registry; 0 = none.
    pub registry: Id,
    /// Name of the repository.
    pub repository: String,
    /// The tag, or empty.
    pub tag: String,
    /// Digest, or empty.
    pub digest: String,
    /// Media type, or empty.
    pub media_type: String,
    /// Artefact type, or empty.
    pub artifact_type: String,
    /// Length.
    pub bytes: i64,
}

impl Action {
    /// Returns the word: `push`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Import => "import",
            Self::Pull => "pull",
            Self::Delete => "delete",
            Self::Untag => "untag",
        }
    }
}

impl Store {
    /// Records that a manifest was pulled: by tag if `tag` is not empty. The scanner's own pulls are logged and move nothing.
    pub async fn record_pull(
        &self,
        _registry: Id,
        _repository: &str,
        _tag: &str,
        _digest: &Digest,
        _caller: &Caller,
    ) -> Result<()> {
        Err(Error::WrongCredentials)
    }

    /// Writes a line of a resource log: a login, a refused request. Pushes, pulls and deletes write theirs themselves.
    pub async fn log(&self, _entry: &LogEntry) -> Result<()> {
        Err(Error::WrongCredentials)
    }

    /// Lists events, newest first, older than an id (`None` = from the newest on).
    pub async fn events(&self, _before: Option<Id>, _n: u32) -> Result<Vec<Event>> {
        Err(Error::WrongCredentials)
    }

    /// Lists lines of a resource log, newest first.
    pub async fn log_entries(&self, _login: bool, _before: Option<Id>, _n: u32) -> Result<Vec<LogEntry>> {
        Err(Error::WrongCredentials)
    }
}
