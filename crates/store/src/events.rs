//! What happened, in order, and the registry's resource logs.

use crate::engine::{Row, values};
use crate::write::Write;
use crate::{Result, Store};
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
    /// What makes a write that is sent twice happen once; empty = nothing does.
    pub key: String,
}

/// Who is at the other end, where the server knows better than the connection does (a trusted proxy, TLS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The client's address.
    pub address: std::net::IpAddr,
    /// Whether the client speaks TLS.
    pub secure: bool,
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
    /// Writes a line of a resource log: a login, a refused request. Pushes, pulls and deletes write theirs themselves.
    pub async fn log(&self, entry: &LogEntry) -> Result<()> {
        let mut write = self.write().await?;
        insert_log(&mut write, entry).await?;
        write.commit().await?;
        Ok(())
    }

    /// Lists events, newest first, older than an id (`None` = from the newest on).
    pub async fn events(&self, before: Option<Id>, n: u32) -> Result<Vec<Event>> {
        let sql = "SELECT e.id, e.at, e.action, g.name, e.repository, e.tag, e.digest, e.media_type, e.bytes, e.actor, e.address, e.user_agent
            FROM event e JOIN registry g ON g.id = e.registry WHERE e.id < $1 ORDER BY e.id DESC LIMIT $2";
        let rows = self.engine().all(sql, values![before.unwrap_or(Id::MAX), i64::from(n)]).await?;
        rows.iter().map(event).collect()
    }

    /// Lists lines of a resource log, newest first.
    pub async fn log_entries(&self, login: bool, before: Option<Id>, n: u32) -> Result<Vec<LogEntry>> {
        let sql = "SELECT id, at, kind, operation, login_server, identity, jwt, address, user_agent, correlation, result, micros, registry, repository, tag, digest, media_type, artifact_type, bytes, scanner
            FROM resource_log WHERE kind = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
        let rows = self.engine().all(sql, values![login, before.unwrap_or(Id::MAX), i64::from(n)]).await?;
        rows.iter().map(log_entry).collect()
    }
}

fn event(row: &Row) -> Result<Event> {
    let caller = Caller { actor: row.text(9)?, address: row.text(10)?, user_agent: row.text(11)?, ..Caller::default() };
    Ok(Event {
        id: row.int(0)?,
        at: row.at(1)?,
        action: row.text(2)?,
        registry: row.text(3)?,
        repository: row.text(4)?,
        tag: row.text(5)?,
        digest: row.text(6)?,
        media_type: row.text(7)?,
        bytes: row.int(8)?,
        caller,
    })
}

fn log_entry(row: &Row) -> Result<LogEntry> {
    let caller = Caller {
        actor: row.text(5)?,
        address: row.text(7)?,
        user_agent: row.text(8)?,
        request: row.text(9)?,
        scanner: row.int(19)? != 0,
        ..Caller::default()
    };
    Ok(LogEntry {
        id: row.int(0)?,
        at: row.at(1)?,
        login: row.int(2)? != 0,
        operation: row.text(3)?,
        login_server: row.text(4)?,
        caller,
        jwt: row.text(6)?,
        result: row.int(10)?,
        micros: row.int(11)?,
        registry: row.int(12)?,
        repository: row.text(13)?,
        tag: row.text(14)?,
        digest: row.text(15)?,
        media_type: row.text(16)?,
        artifact_type: row.text(17)?,
        bytes: row.int(18)?,
    })
}

/// What an event is about.
pub(crate) struct About<'a> {
    pub(crate) registry: Id,
    pub(crate) repository: &'a str,
    pub(crate) tag: &'a str,
    pub(crate) digest: &'a Digest,
    pub(crate) media_type: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// Writes an event.
pub(crate) async fn add_event(write: &mut Write<'_>, action: Action, about: &About<'_>, caller: &Caller) -> Result<()> {
    let sql = "INSERT INTO event (at, action, registry, repository, tag, digest, media_type, bytes, actor, address, user_agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let values = values![
        write.now,
        action.as_str(),
        about.registry,
        about.repository,
        about.tag,
        about.digest,
        about.media_type,
        length(about),
        &caller.actor,
        &caller.address,
        &caller.user_agent,
    ];
    write.run(sql, values).await?;
    Ok(())
}

/// Writes the line of the resource log that goes with something done to a manifest.
pub(crate) async fn add_log(
    write: &mut Write<'_>,
    action: Action,
    about: &About<'_>,
    artifact_type: &str,
    caller: &Caller,
    result: i64,
) -> Result<()> {
    let entry = LogEntry {
        operation: action.as_str().to_owned(),
        caller: caller.clone(),
        result,
        registry: about.registry,
        repository: about.repository.to_owned(),
        tag: about.tag.to_owned(),
        digest: about.digest.to_string(),
        media_type: about.media_type.to_owned(),
        artifact_type: artifact_type.to_owned(),
        bytes: length(about),
        ..LogEntry::default()
    };
    insert_log(write, &entry).await
}

async fn insert_log(write: &mut Write<'_>, entry: &LogEntry) -> Result<()> {
    let sql = "INSERT INTO resource_log (at, kind, operation, login_server, identity, jwt, address, user_agent, correlation, result, micros, registry, repository, tag, digest, media_type, artifact_type, bytes, scanner)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
    let values = values![
        write.now,
        entry.login,
        &entry.operation,
        &entry.login_server,
        &entry.caller.actor,
        &entry.jwt,
        &entry.caller.address,
        &entry.caller.user_agent,
        &entry.caller.request,
        entry.result,
        entry.micros,
        entry.registry,
        &entry.repository,
        &entry.tag,
        &entry.digest,
        &entry.media_type,
        &entry.artifact_type,
        entry.bytes,
        entry.caller.scanner,
    ];
    write.run(sql, values).await?;
    Ok(())
}

fn length(about: &About<'_>) -> i64 {
    i64::try_from(about.bytes.len()).unwrap_or(i64::MAX)
}
