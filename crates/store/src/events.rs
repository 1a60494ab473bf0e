//! What happened, in order.

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
    /// The host that was spoken to.
    pub host: String,
    /// When the request began.
    pub began: Option<std::time::Instant>,
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
    /// A manifest or a blob was deleted.
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
    /// Digest of the manifest, or of the blob.
    pub digest: String,
    /// Its media type; of a blob: empty.
    pub media_type: String,
    /// Its length.
    pub bytes: i64,
    /// Who.
    pub caller: Caller,
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
    /// Lists events, newest first, older than an id (`None` = from the newest on).
    pub async fn events(&self, before: Option<Id>, n: u32) -> Result<Vec<Event>> {
        let sql = "SELECT e.id, e.at, e.action, g.name, e.repository, e.tag, e.digest, e.media_type, e.bytes, e.actor, e.address, e.user_agent
            FROM event e JOIN registry g ON g.id = e.registry WHERE e.id < $1 ORDER BY e.id DESC LIMIT $2";
        let rows = self.engine().all(sql, values![before.unwrap_or(Id::MAX), i64::from(n)]).await?;
        rows.iter().map(event).collect()
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

/// What an event is about.
pub(crate) struct About<'a> {
    pub(crate) registry: Id,
    pub(crate) repository: &'a str,
    pub(crate) tag: &'a str,
    pub(crate) digest: &'a Digest,
    pub(crate) media_type: &'a str,
    pub(crate) bytes: i64,
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
        about.bytes,
        &caller.actor,
        &caller.address,
        &caller.user_agent,
    ];
    write.run(sql, values).await?;
    Ok(())
}

/// The length of what an event is about.
pub(crate) fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}
