//! The outbox: messages, each sent by one process at a time, in the order of their channel.
//!
//! In: notices that wait. Out: messages under a lease; what became of them. A message keeps its id and its content whatever happens:
//! a receiver that gets it a second time, because a process died between the receiver's answer and the note of it, knows it again.

use crate::engine::{Row, Tx, values};
use crate::{Audit, Caller, Error, Result, Store};
use model::Micros;
use model::facts::Id;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// When a message comes again after its first, second, … failure.
const AGAIN: [u64; 6] = [5, 300, 1_800, 7_200, 18_000, 36_000];
/// How long a process may take to send a message and note it.
const LEASE: Duration = Duration::from_secs(60);
/// A channel on which every try failed for so long is switched off.
const FAILING: Duration = Duration::from_secs(5 * 86_400);
/// Most facts in one message; of the others it says how many.
const ITEMS: usize = 100;
/// Longest text of an error that is kept.
const ERROR_CHARS: usize = 300;

/// How a message stands. Numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum MessageState {
    /// It waits, for its first or for another try.
    Waiting = 0,
    /// Its receiver took it.
    Delivered = 1,
    /// It was tried often enough, or refused for good.
    GivenUp = 2,
    /// Its channel went before it was sent.
    Dropped = 3,
}

impl MessageState {
    /// Returns the word: `given-up`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given-up",
            Self::Dropped => "dropped",
        }
    }

    fn from_number(number: i64) -> Self {
        let all = [Self::Waiting, Self::Delivered, Self::GivenUp, Self::Dropped];
        all.into_iter().find(|state| i64::from(*state as u8) == number).unwrap_or(Self::Dropped)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Row id; rises with time.
    pub id: Id,
    /// Row id of its channel.
    pub channel: Id,
    /// The id that its receiver sees.
    pub uid: String,
    /// `digest`, `urgent` or `test`.
    pub kind: String,
    /// What it says: `{"items": […], "more": n}`.
    pub body: String,
    /// When it was made.
    pub at: Micros,
    /// How it stands.
    pub state: MessageState,
    /// How often it was tried.
    pub attempt: i64,
    /// When it is tried next.
    pub due: Micros,
    /// When it was delivered or given up; 0 = neither.
    pub finished: Micros,
    /// What went wrong the last time, or empty.
    pub error: String,
    /// The lease under which it is being sent.
    pub lease: i64,
}

const COLUMNS: &str = "id, channel, key, kind, body, at, state, attempt, due, finished, error, lease";

fn read(row: &Row) -> Result<Message> {
    Ok(Message {
        id: row.int(0)?,
        channel: row.int(1)?,
        uid: row.text(2)?,
        kind: row.text(3)?,
        body: row.text(4)?,
        at: row.at(5)?,
        state: MessageState::from_number(row.int(6)?),
        attempt: row.int(7)?,
        due: row.at(8)?,
        finished: row.at(9)?,
        error: row.text(10)?,
        lease: row.int(11)?,
    })
}

impl Store {
    /// Makes messages of the notices whose time has come: one a channel. Returns how many.
    pub async fn compose(&self) -> Result<u64> {
        let sql = format!(
            "SELECT DISTINCT n.channel FROM notice n JOIN channel c ON c.id = n.channel WHERE n.message = 0 AND n.due <= {} AND c.until = $1 AND c.paused = 0",
            self.engine().clock()
        );
        let channels = self.engine().all(&sql, values![Micros::FOREVER]).await?;
        let mut made = 0;
        for row in &channels {
            made += u64::from(self.compose_for(row.int(0)?).await?);
        }
        Ok(made)
    }

    async fn compose_for(&self, channel: Id) -> Result<bool> {
        let mut tx = self.engine().begin().await?;
        tx.one(&format!("SELECT id FROM channel WHERE id = $1{}", self.engine().lock()), values![channel]).await?;
        let now = Micros(tx.int(&format!("SELECT {}", self.engine().clock()), values![]).await?);
        let sql =
            "SELECT id, urgent, due, item FROM notice WHERE message = 0 AND channel = $1 ORDER BY urgent DESC, id";
        let rows = tx.all(sql, values![channel]).await?;
        let mut due = (false, false);
        for row in &rows {
            let (urgent, is_due) = (row.int(1)? != 0, row.at(2)? <= now);
            due = (due.0 || (urgent && is_due), due.1 || (!urgent && is_due));
        }
        let (urgent, digest) = due;
        if !urgent && !digest {
            return Ok(false); // another process has just done it
        }
        let mut items = Vec::new();
        for row in &rows {
            if digest || row.int(1)? != 0 {
                items.push(row.text(3)?);
            }
        }
        let more = items.len().saturating_sub(ITEMS);
        items.truncate(ITEMS);
        let body = format!("{{\"items\":[{}],\"more\":{more}}}", items.join(","));
        let kind = if digest { "digest" } else { "urgent" };
        let message = add(&mut tx, channel, kind, &body, now).await?;
        let take = "UPDATE notice SET message = $2 WHERE message = 0 AND channel = $1 AND ($3 = 1 OR urgent = 1)";
        tx.run(take, values![channel, message, digest]).await?;
        self.step("outbox:composed");
        tx.commit().await?;
        Ok(true)
    }

    /// Puts a message into the outbox that tries whether a channel works. Returns its id.
    pub async fn test_channel(&self, channel: Id, item: &str, by: &Caller) -> Result<Id> {
        let found = self.channel(channel).await?;
        let found = found.ok_or_else(|| Error::NotFound { what: "channel", name: channel.to_string() })?;
        let mut write = self.write().await?;
        let (now, body) = (write.now, format!("{{\"items\":[{item}],\"more\":0}}"));
        let id = add(&mut write.tx, channel, "test", &body, now).await?;
        let (object, scope) = (&found.spec.name, &found.spec.scope);
        let after = json!({"message": id});
        write.audit(&Audit { by, action: "channel.test", object, scope, before: json!(null), after }).await?;
        write.commit().await?;
        Ok(id)
    }

    /// Takes the next message under a lease: of each channel the oldest that waits, if its time has come.
    pub async fn claim_message(&self) -> Result<Option<Message>> {
        let clock = self.engine().clock();
        let next = format!(
            "SELECT o.id FROM outbox o JOIN channel c ON c.id = o.channel WHERE o.state = 0 AND o.due <= {clock} AND o.leased_until < {clock} AND c.until = $1
             AND (c.paused = 0 OR o.kind = 'test') AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.channel = o.channel AND e.state = 0 AND e.id < o.id) ORDER BY o.due, o.id LIMIT 1"
        );
        let Some(row) = self.engine().one(&next, values![Micros::FOREVER]).await? else { return Ok(None) };
        let mut tx = self.engine().begin().await?;
        // Of two processes that found the same message, the condition lets one have it.
        let take = format!(
            "UPDATE outbox SET lease = lease + 1, leased_until = {clock} + $2, attempt = attempt + 1 WHERE id = $1 AND state = 0 AND due <= {clock} AND leased_until < {clock} RETURNING {COLUMNS}"
        );
        let row = tx.one(&take, values![row.int(0)?, micros(LEASE)]).await?;
        let message = row.as_ref().map(read).transpose()?;
        tx.commit().await?;
        self.step("outbox:claimed");
        Ok(message)
    }

    /// Notes that a receiver took a message, and what is to be said of it, or nothing. False = somebody else has the lease by now.
    pub async fn delivered(&self, message: &Message, but: &str) -> Result<bool> {
        self.step("outbox:sent");
        let but: String = but.chars().take(ERROR_CHARS).collect();
        let mut tx = self.engine().begin().await?;
        let ours = end(&mut tx, self.engine().clock(), message, MessageState::Delivered, &but).await?;
        if ours {
            tx.run("UPDATE channel SET failing = 0 WHERE id = $1 AND failing <> 0", values![message.channel]).await?;
        }
        tx.commit().await?;
        self.step("outbox:noted");
        Ok(ours)
    }

    /// Notes that a message could not be sent: it comes again, or is given up where that is of no use or was done often enough.
    /// Returns when it comes again.
    pub async fn not_delivered(&self, message: &Message, error: &str, for_good: bool) -> Result<Option<Micros>> {
        let error: String = error.chars().take(ERROR_CHARS).collect();
        let tried = usize::try_from(message.attempt - 1).unwrap_or(0);
        let mut tx = self.engine().begin().await?;
        let now = Micros(tx.int(&format!("SELECT {}", self.engine().clock()), values![]).await?);
        let again =
            AGAIN.get(tried).filter(|_| !for_good).map(|seconds| now.saturating_add(Duration::from_secs(*seconds)));
        match again {
            Some(due) => {
                let sql = "UPDATE outbox SET due = $3, error = $4, leased_until = 0 WHERE id = $1 AND lease = $2 AND state = 0";
                tx.run(sql, values![message.id, message.lease, due, error]).await?;
            }
            None => {
                end(&mut tx, self.engine().clock(), message, MessageState::GivenUp, &error).await?;
            }
        }
        let sql = "UPDATE channel SET failing = $2 WHERE id = $1 AND failing = 0";
        tx.run(sql, values![message.channel, now]).await?;
        let sql = "UPDATE channel SET paused = 1 WHERE id = $1 AND paused = 0 AND failing > 0 AND failing < $2";
        tx.run(sql, values![message.channel, now.0.saturating_sub(micros(FAILING))]).await?;
        tx.commit().await?;
        Ok(again)
    }

    /// Has a message sent again at once: one that waits for its time, or one that was given up. It keeps its id.
    pub async fn send_again(&self, message: &Message, by: &Caller) -> Result<()> {
        let found = self.channel(message.channel).await?;
        let found = found.ok_or_else(|| Error::NotFound { what: "channel", name: message.channel.to_string() })?;
        let mut write = self.write().await?;
        let sql = "UPDATE outbox SET state = 0, due = $2, finished = 0 WHERE id = $1 AND state IN (0, 2)";
        if write.run(sql, values![message.id, write.now]).await? == 0 {
            return Err(Error::Conflict(format!("message {} is {}", message.id, message.state.as_str())));
        }
        let (object, scope, after) = (&found.spec.name, &found.spec.scope, json!({"message": message.id}));
        write.audit(&Audit { by, action: "channel.resend", object, scope, before: json!(null), after }).await?;
        write.commit().await?;
        Ok(())
    }

    /// Returns a message.
    pub async fn message(&self, id: Id) -> Result<Option<Message>> {
        let sql = format!("SELECT {COLUMNS} FROM outbox WHERE id = $1");
        self.engine().one(&sql, values![id]).await?.as_ref().map(read).transpose()
    }

    /// Lists messages of some channels, newest first, and how many there are.
    pub async fn messages(&self, channels: &[Id], before: Option<Id>, n: usize) -> Result<(Vec<Message>, u64)> {
        let among = crate::places::listed(channels.iter().copied());
        let mut tx = self.engine().begin_read().await?;
        let total = tx.int(&format!("SELECT COUNT(*) FROM outbox WHERE channel IN ({among})"), values![]).await?;
        let sql =
            format!("SELECT {COLUMNS} FROM outbox WHERE channel IN ({among}) AND id < $1 ORDER BY id DESC LIMIT $2");
        let limit = i64::try_from(n).unwrap_or(i64::MAX);
        let rows = tx.all(&sql, values![before.unwrap_or(i64::MAX), limit]).await?;
        Ok((rows.iter().map(read).collect::<Result<_>>()?, u64::try_from(total).unwrap_or(0)))
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

async fn add(tx: &mut Tx, channel: Id, kind: &str, body: &str, now: Micros) -> Result<Id> {
    let sql = "INSERT INTO outbox (at, kind, body, due, attempt, channel, key, state, error) VALUES ($1, $2, $3, $1, 0, $4, $5, 0, '') RETURNING id";
    tx.int(sql, values![now, kind, body, channel, Uuid::new_v4().to_string()]).await
}

async fn end(tx: &mut Tx, clock: &str, message: &Message, state: MessageState, error: &str) -> Result<bool> {
    let sql = format!(
        "UPDATE outbox SET state = $3, error = $4, finished = {clock}, leased_until = 0 WHERE id = $1 AND lease = $2 AND state = 0"
    );
    Ok(tx.run(&sql, values![message.id, message.lease, state as u8, error]).await? > 0)
}
