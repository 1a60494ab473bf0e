//! Notices: facts that channels are to be told of, each once.
//!
//! In: what follows from the facts after a position. Out: rows that wait to be sent. The position moves in the same transaction, so
//! that what is derived twice, by two processes or after a crash, is written once; and what was told less than a day ago is not told
//! again.

use crate::engine::{Row, Tx, Value, values};
use crate::{Error, Result, Store};
use model::Micros;
use model::facts::Id;
use model::notice::Kind;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// The setting that holds the position.
const POSITION: &str = "notice-position";
/// The same fact is not told again for so long.
const DAMPED: Duration = Duration::from_secs(24 * 3600);
/// What is urgent waits for others that come with it, and no channel gets more than one urgent message in the longer span.
const GATHERED: Duration = Duration::from_secs(2);
const URGENT_EVERY: Duration = Duration::from_secs(60);
/// Rows that are kept for people to look at.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// How far facts were looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NoticePosition {
    /// Facts that began until this moment.
    pub moment: Micros,
    /// Row id of the last scan.
    pub scan: Id,
    /// Row id of the last line of the audit.
    pub audit: Id,
    /// By scope: a score in hundredths of a per cent that later ones are held against, and since when.
    #[serde(default)]
    pub scores: BTreeMap<String, (i64, Micros)>,
}

/// Where facts end now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeEnd {
    /// The revision that an index must have for them.
    pub revision: i64,
    /// Whether every package is judged with the generation in force.
    pub settled: bool,
    /// How far they go.
    pub position: NoticePosition,
}

/// A fact that a channel is to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotice {
    /// Row id of the channel.
    pub channel: Id,
    /// What it is about.
    pub kind: Kind,
    /// What makes it the same fact.
    pub key: String,
    /// What it belongs to, until that is over; empty = it needs no end.
    pub thread: String,
    /// Whether it is told at once.
    pub urgent: bool,
    /// Minutes that it is gathered if it is not urgent.
    pub digest_minutes: u32,
    /// What is said, as JSON.
    pub item: String,
}

/// A scan that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedScan {
    /// When it ended.
    pub at: Micros,
    /// Digest of the image.
    pub digest: String,
    /// Reason codes.
    pub codes: String,
    /// What the first note says.
    pub text: String,
}

/// A thread that waits for its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenThread {
    /// Row id of the channel.
    pub channel: Id,
    /// What it belongs to.
    pub thread: String,
}

impl Store {
    /// Returns how far facts were looked at; `None` = never.
    pub async fn notice_position(&self) -> Result<Option<NoticePosition>> {
        let row = self.engine().one("SELECT value FROM setting WHERE name = $1", values![POSITION]).await?;
        row.as_ref().map(position).transpose()
    }

    /// Returns where facts end now.
    pub async fn notice_end(&self) -> Result<NoticeEnd> {
        let mut tx = self.engine().begin_read().await?;
        let sql = "SELECT r.n, r.moment, k.target, k.swept FROM revision r JOIN knowledge k ON k.one = r.one";
        let row = tx.one(sql, values![]).await?.ok_or(sqlx::Error::RowNotFound)?;
        let scan = tx.int("SELECT COALESCE(MAX(id), 0) FROM scan", values![]).await?;
        let audit = tx.int("SELECT COALESCE(MAX(id), 0) FROM audit", values![]).await?;
        let position = NoticePosition { moment: row.at(1)?, scan, audit, scores: BTreeMap::new() };
        Ok(NoticeEnd { revision: row.int(0)?, settled: row.int(2)? == row.int(3)?, position })
    }

    /// Writes what follows from the facts between two positions, and the later position with it. False = another process was first:
    /// nothing was written.
    pub async fn add_notices(
        &self,
        from: Option<&NoticePosition>,
        to: &NoticePosition,
        notices: &[NewNotice],
    ) -> Result<bool> {
        let text = serde_json::to_string(to).map_err(|why| Error::damaged("position of notices", why))?;
        let mut tx = self.engine().begin().await?;
        let make = "INSERT INTO setting (name, value) VALUES ($1, '') ON CONFLICT DO NOTHING";
        tx.run(make, values![POSITION]).await?;
        let find = format!("SELECT value FROM setting WHERE name = $1{}", self.engine().lock());
        let row = tx.one(&find, values![POSITION]).await?.ok_or(sqlx::Error::RowNotFound)?;
        let found = if row.text(0)?.is_empty() { None } else { Some(position(&row)?) };
        if found.as_ref() != from {
            return Ok(false);
        }
        let now = Micros(tx.int(&format!("SELECT {}", self.engine().clock()), values![]).await?);
        self.step("notices:locked");
        let fresh = tell(&mut tx, notices, now).await?;
        wait(&mut tx, &fresh, now).await?;
        self.step("notices:written");
        tx.run("UPDATE setting SET value = $2 WHERE name = $1", values![POSITION, text]).await?;
        tx.commit().await?;
        self.step("notices:committed");
        Ok(true)
    }

    /// Lists the threads that wait for their end.
    pub async fn open_threads(&self) -> Result<Vec<OpenThread>> {
        let sql = "SELECT DISTINCT channel, thread FROM told WHERE open = 1 ORDER BY channel, thread";
        let read = |row: &Row| Ok(OpenThread { channel: row.int(0)?, thread: row.text(1)? });
        self.engine().all(sql, values![]).await?.iter().map(read).collect()
    }

    /// Lists the vulnerabilities, known before, of which it was learnt between two moments that they are exploited.
    pub async fn exploited_since(&self, after: Micros, until: Micros) -> Result<Vec<Id>> {
        let sql = "SELECT id FROM vulnerability WHERE kev_since > 0 AND kev_since > $1 AND kev_since <= $2 ORDER BY id";
        self.engine().all(sql, values![after, until]).await?.iter().map(|row| row.int(0)).collect()
    }

    /// Lists the scans after one, up to another, that gave no inventory; of an image the last one.
    pub async fn failed_scans(&self, after: Id, until: Id) -> Result<Vec<FailedScan>> {
        let sql = "SELECT i.digest, s.codes, s.notes, s.finished FROM scan s JOIN image i ON i.id = s.image WHERE s.id > $1 AND s.id <= $2 AND s.verdict IN ($3, $4)
            AND NOT EXISTS (SELECT 1 FROM scan l WHERE l.image = s.image AND l.id > s.id AND l.id <= $2) ORDER BY s.id";
        let verdicts = [model::verdict::Verdict::Failed, model::verdict::Verdict::Unsupported];
        let rows = self.engine().all(sql, values![after, until, verdicts[0] as u8, verdicts[1] as u8]).await?;
        let read = |row: &Row| {
            let notes: Vec<model::inventory::Note> = serde_json::from_str(&row.text(2)?).unwrap_or_default();
            let text = notes.into_iter().next().map(|note| note.text).unwrap_or_default();
            Ok(FailedScan { at: row.at(3)?, digest: row.text(0)?, codes: row.text(1)?, text })
        };
        rows.iter().map(read).collect()
    }

    /// Forgets what was sent long ago, and what was told so long ago that it may be told again.
    pub async fn forget_notices(&self) -> Result<()> {
        let mut tx = self.engine().begin().await?;
        let now = tx.int(&format!("SELECT {}", self.engine().clock()), values![]).await?;
        let before = |span: Duration| now.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX));
        let old = before(KEPT);
        tx.run(
            "DELETE FROM notice WHERE message IN (SELECT id FROM outbox WHERE state <> 0 AND finished < $1)",
            values![old],
        )
        .await?;
        tx.run("DELETE FROM outbox WHERE state <> 0 AND finished < $1", values![old]).await?;
        tx.run("DELETE FROM told WHERE open = 0 AND at < $1", values![before(DAMPED)]).await?;
        tx.commit().await
    }
}

fn position(row: &Row) -> Result<NoticePosition> {
    serde_json::from_str(&row.text(0)?).map_err(|why| Error::damaged("position of notices", why))
}

/// Notes what channels are told of; returns what they were not told of lately.
async fn tell<'a>(tx: &mut Tx, notices: &'a [NewNotice], now: Micros) -> Result<Vec<&'a NewNotice>> {
    let mut seen = HashSet::new();
    let notices: Vec<&NewNotice> = notices.iter().filter(|n| seen.insert((n.channel, n.key.as_str()))).collect();
    for end in notices.iter().filter(|n| n.kind == Kind::Resolved) {
        let sql = "UPDATE told SET open = 0 WHERE channel = $1 AND thread = $2";
        tx.run(sql, values![end.channel, &end.thread]).await?;
    }
    let open = |n: &NewNotice| !n.thread.is_empty() && n.kind != Kind::Resolved;
    let rows: Vec<Value> = notices
        .iter()
        .flat_map(|n| [n.channel.into(), (&n.key).into(), (&n.thread).into(), now.into(), open(n).into()])
        .collect();
    let lately = now.0.saturating_sub(i64::try_from(DAMPED.as_micros()).unwrap_or(i64::MAX));
    let tail = format!(
        "ON CONFLICT (channel, key) DO UPDATE SET at = excluded.at, open = excluded.open WHERE told.at <= {lately} RETURNING channel, key"
    );
    let given = tx.insert("INSERT INTO told (channel, key, thread, at, open)", 5, &rows, &tail).await?;
    let given = given.iter().map(|row| Ok((row.int(0)?, row.text(1)?))).collect::<Result<HashSet<_>>>()?;
    Ok(notices.into_iter().filter(|n| given.contains(&(n.channel, n.key.clone()))).collect())
}

/// Lets notices wait to be sent.
async fn wait(tx: &mut Tx, notices: &[&NewNotice], now: Micros) -> Result<()> {
    let sql = "SELECT channel, MAX(at) FROM outbox WHERE kind = 'urgent' GROUP BY channel";
    let rows = tx.all(sql, values![]).await?;
    let last = rows.iter().map(|row| Ok((row.int(0)?, row.at(1)?))).collect::<Result<HashMap<Id, Micros>>>()?;
    let mut values: Vec<Value> = Vec::with_capacity(notices.len() * 7);
    for notice in notices {
        let due = if notice.urgent {
            let spaced = last.get(&notice.channel).map_or(Micros(0), |at| at.saturating_add(URGENT_EVERY));
            now.saturating_add(GATHERED).max(spaced)
        } else {
            now.saturating_add(Duration::from_secs(u64::from(notice.digest_minutes) * 60))
        };
        let (kind, item) = (notice.kind.as_str(), &notice.item);
        values.extend_from_slice(values![notice.channel, kind, notice.urgent, item, now, due, 0u8]);
    }
    let head = "INSERT INTO notice (channel, kind, urgent, item, at, due, message)";
    tx.insert(head, 7, &values, "").await?;
    Ok(())
}
