//! The resource logs of the embedded registries: logins, and what was done to manifests.
//!
//! In: a line for each. What changes or pulls a manifest writes its line in its own transaction; logins, refusals and the scanner's
//! lines wait in memory for at most a quarter of a second, so that nobody waits for them.
//! Out: lists, newest first, with exact totals. Lines that found no room are counted. Old lines are trimmed.

use crate::alike::{Alike, Chance};
use crate::engine::{Row, Tx, Value, values};
use crate::events::{About, Action, Caller};
use crate::write::Write;
use crate::{Audit, Error, Result, Store};
use model::Micros;
use model::facts::Id;
use model::role::Scope;
use serde_json::json;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Lines that may wait: a second of 20,000 logins, about 10 MB.
const WAITING: usize = 20_000;
/// Lines that are trimmed at a time, so that pushes get their turn.
const TRIM: i64 = 5_000;
/// Turns of trimming a minute: 300,000 lines, more than are written.
const TURNS: usize = 60;
/// Days that lines are kept where nobody set another number.
const DAYS: i64 = 90;
/// The most days.
const MOST_DAYS: i64 = 3_650;
/// The setting that holds the number of days.
const DAYS_SETTING: &str = "log-days";
/// The setting that counts lines that were not kept.
const LOST_SETTING: &str = "log-lost";

/// A line of a resource log (columns as in the Azure tables).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogEntry {
    /// Row id; 0 when new.
    pub id: Id,
    /// When; of a new line: 0, then it is now.
    pub at: Micros,
    /// Whether it is a login; otherwise it concerns a repository.
    pub login: bool,
    /// `login`, `push`, `pull`, `untag`, `delete`, …
    pub operation: String,
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
    /// How many it stands for; of a new line: 0, then it is one.
    pub times: i64,
}

/// A line as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// The line.
    pub entry: LogEntry,
    /// GUID of the subscription.
    pub subscription: String,
    /// Resource group.
    pub resource_group: String,
    /// Name of the registry.
    pub registry: String,
}

/// Which results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultIs {
    /// Below 400.
    Good,
    /// 400 and more.
    Bad,
    /// This HTTP status.
    Status(i64),
}

/// Which lines of one of the logs.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// The log: logins, otherwise repositories.
    pub login: bool,
    /// Not before.
    pub since: Option<Micros>,
    /// Before.
    pub until: Option<Micros>,
    /// Only of this registry.
    pub registry: Option<Id>,
    /// Text columns that must be equal: identity, address, repository, tag, digest, operation.
    pub equal: Vec<(LogColumn, String)>,
    /// Only these results.
    pub result: Option<ResultIs>,
    /// Only the scanner's lines, or only others'.
    pub scanner: Option<bool>,
    /// Only in these registries, or in this repository of one; empty name = all of it. `None` = everywhere.
    pub places: Option<Vec<(Id, String)>>,
    /// Only rows with a smaller id.
    pub before: Option<Id>,
}

/// A text column by which lines are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the words of the log
pub enum LogColumn {
    Identity,
    Address,
    Repository,
    Tag,
    Digest,
    Operation,
}

impl LogColumn {
    /// Every column, with the word that questions use.
    pub const ALL: [(&str, Self); 6] = [
        ("identity", Self::Identity),
        ("address", Self::Address),
        ("repository", Self::Repository),
        ("tag", Self::Tag),
        ("digest", Self::Digest),
        ("operation", Self::Operation),
    ];

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, column)| *column == self).map_or("identity", |(name, _)| name)
    }
}

/// Lines that wait to be written.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    alike: Mutex<Alike>,
    /// Who writes; a reader waits for its end, and so sees what was said before it asked.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<LogEntry>,
    lost: i64,
}

impl Queue {
    fn alike(&self) -> MutexGuard<'_, Alike> {
        self.alike.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has those wait whose minute is over.
    fn gather(&self, now: Option<Instant>) {
        let over = self.alike().over(now);
        let mut waiting = self.waiting();
        for line in over {
            if waiting.lines.len() < WAITING {
                waiting.lines.push(line);
            } else {
                waiting.lost += line.times;
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Takes a line of a resource log: a login, a refused request. It is written within a quarter of a second. Pushes, pulls and
    /// deletes write theirs themselves. Of what anybody can cause one line a minute stands for all that are alike, and another says how
    /// many they were.
    pub fn log(&self, mut entry: LogEntry) {
        if entry.at == Micros(0) {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            entry.at = Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        }
        let now = Instant::now();
        self.inner.logs.gather(Some(now));
        let chance = self.inner.logs.alike().judge(&entry, now);
        if chance == Chance::Alike {
            return;
        }
        let mut waiting = self.inner.logs.waiting();
        if chance == Chance::Written && waiting.lines.len() < WAITING {
            waiting.lines.push(entry);
        } else {
            waiting.lost += 1;
        }
    }

    /// Writes the lines that wait, and those that say how many were alike. Called before the process ends.
    pub async fn close_logs(&self) -> Result<()> {
        self.inner.logs.gather(None);
        self.flush_logs().await
    }

    /// Writes the lines that wait. Called four times a second.
    pub async fn flush_logs(&self) -> Result<()> {
        let queue = &self.inner.logs;
        queue.gather(Some(Instant::now()));
        let _turn = queue.writing.lock().await;
        let Waiting { lines, lost } = std::mem::take(&mut *queue.waiting());
        if lines.is_empty() && lost == 0 {
            return Ok(());
        }
        let written = self.write_lines(&lines, lost).await;
        if written.is_err() {
            let mut waiting = queue.waiting();
            let newer = std::mem::replace(&mut waiting.lines, lines);
            let room = WAITING.saturating_sub(waiting.lines.len());
            waiting.lost += lost + i64::try_from(newer.len().saturating_sub(room)).unwrap_or(0);
            waiting.lines.extend(newer.into_iter().take(room));
        }
        written
    }

    async fn write_lines(&self, lines: &[LogEntry], lost: i64) -> Result<()> {
        let mut tx = self.engine().begin().await?;
        insert(&mut tx, lines).await?;
        if lost > 0 {
            tracing::warn!(lost, "lines of the resource logs found no room");
            let sql = "INSERT INTO setting (name, value) VALUES ($1, $2)
                ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(setting.value AS BIGINT) + $3 AS TEXT)";
            tx.run(sql, values![LOST_SETTING, lost.to_string(), lost]).await?;
        }
        tx.commit().await
    }

    /// Lists lines of a resource log, newest first, and how many there are in all.
    pub async fn log_rows(&self, filter: &LogFilter, limit: usize) -> Result<(Vec<LogRow>, u64)> {
        self.flush_logs().await?;
        let (condition, mut given) = conditions(filter);
        let mut tx = self.engine().begin_read().await?;
        let total = tx.int(&format!("SELECT COUNT(*) FROM resource_log l WHERE {condition}"), &given).await?;
        given.push(filter.before.unwrap_or(Id::MAX).into());
        given.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let (before, limit) = (given.len() - 1, given.len());
        let sql = format!(
            "SELECT l.id, l.at, l.kind, l.operation, l.login_server, l.identity, l.jwt, l.address, l.user_agent, l.correlation, l.result, l.micros, l.registry,
            l.repository, l.tag, l.digest, l.media_type, l.artifact_type, l.bytes, l.scanner, COALESCE(s.guid, ''), COALESCE(g.resource_group, ''), COALESCE(g.name, ''), l.times
            FROM resource_log l LEFT JOIN registry g ON g.id = l.registry LEFT JOIN subscription s ON s.id = g.subscription
            WHERE {condition} AND l.id < ${before} ORDER BY l.id DESC LIMIT ${limit}"
        );
        let rows = tx.all(&sql, &given).await?.iter().map(log_row).collect::<Result<_>>()?;
        Ok((rows, u64::try_from(total).unwrap_or(0)))
    }

    /// Returns how many lines found no room, ever.
    pub async fn lost_log_lines(&self) -> Result<i64> {
        self.log_setting(LOST_SETTING, 0).await
    }

    /// Returns for how many days lines are kept.
    pub async fn log_days(&self) -> Result<i64> {
        self.log_setting(DAYS_SETTING, DAYS).await
    }

    /// Sets for how many days lines are kept. Older ones go within a minute.
    pub async fn set_log_days(&self, days: i64, by: &Caller) -> Result<()> {
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(Error::invalid("days", &format!("{days} is not a number of days from 1 to {MOST_DAYS}")));
        }
        let before = self.log_days().await?;
        let mut write = self.write().await?;
        let sql =
            "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        write.run(sql, values![DAYS_SETTING, days.to_string()]).await?;
        let (before, after) = (json!({"days": before}), json!({"days": days}));
        let line = Audit { by, action: "log.retention", object: "resource logs", scope: &Scope::ALL, before, after };
        write.audit(&line).await?;
        write.commit().await?;
        Ok(())
    }

    async fn log_setting(&self, name: &str, usual: i64) -> Result<i64> {
        let row = self.engine().one("SELECT value FROM setting WHERE name = $1", values![name]).await?;
        let Some(row) = row else { return Ok(usual) };
        row.text(0)?.parse().map_err(|why| Error::damaged("setting", why))
    }

    /// Drops lines that are older than they are kept.
    pub(crate) async fn trim_logs(&self) -> Result<()> {
        let days = self.log_days().await?;
        let clock = self.engine().clock();
        let sql = format!(
            "DELETE FROM resource_log WHERE id IN (SELECT id FROM resource_log WHERE at < {clock} - $1 ORDER BY at LIMIT $2)"
        );
        for _ in 0..TURNS {
            let mut tx = self.engine().begin().await?;
            let gone = tx.run(&sql, values![days.saturating_mul(crate::places::DAY_MICROS), TRIM]).await?;
            tx.commit().await?;
            if gone < TRIM.unsigned_abs() {
                break;
            }
        }
        Ok(())
    }
}

fn conditions(filter: &LogFilter) -> (String, Vec<Value>) {
    let mut given: Vec<Value> = vec![i64::from(filter.login).into()];
    let mut parts = vec!["l.kind = $1".to_owned()];
    let mut add = |sql: &dyn Fn(usize) -> String, value: Value| {
        given.push(value);
        parts.push(sql(given.len()));
    };
    if let Some(since) = filter.since {
        add(&|n| format!("l.at >= ${n}"), since.into());
    }
    if let Some(until) = filter.until {
        add(&|n| format!("l.at < ${n}"), until.into());
    }
    if let Some(registry) = filter.registry {
        add(&|n| format!("l.registry = ${n}"), registry.into());
    }
    for (column, value) in &filter.equal {
        add(&|n| format!("l.{} = ${n}", column.name()), value.into());
    }
    match filter.result {
        None => {}
        Some(ResultIs::Good) => add(&|n| format!("l.result < ${n}"), 400i64.into()),
        Some(ResultIs::Bad) => add(&|n| format!("l.result >= ${n}"), 400i64.into()),
        Some(ResultIs::Status(status)) => add(&|n| format!("l.result = ${n}"), status.into()),
    }
    if let Some(scanner) = filter.scanner {
        add(&|n| format!("l.scanner = ${n}"), i64::from(scanner).into());
    }
    if let Some(places) = &filter.places {
        let mut any = vec!["1 = 0".to_owned()];
        for (registry, repository) in places {
            given.push((*registry).into());
            let registry = format!("l.registry = ${}", given.len());
            if repository.is_empty() {
                any.push(registry);
            } else {
                given.push(repository.into());
                any.push(format!("{registry} AND l.repository = ${}", given.len()));
            }
        }
        parts.push(format!("({})", any.join(" OR ")));
    }
    (parts.join(" AND "), given)
}

fn log_row(row: &Row) -> Result<LogRow> {
    let caller = Caller {
        actor: row.text(5)?,
        address: row.text(7)?,
        user_agent: row.text(8)?,
        request: row.text(9)?,
        host: row.text(4)?,
        scanner: row.int(19)? != 0,
        ..Caller::default()
    };
    let entry = LogEntry {
        id: row.int(0)?,
        at: row.at(1)?,
        login: row.int(2)? != 0,
        operation: row.text(3)?,
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
        times: row.int(23)?,
    };
    Ok(LogRow { entry, subscription: row.text(20)?, resource_group: row.text(21)?, registry: row.text(22)? })
}

/// Writes the line of the resource log that goes with something done to a manifest or a blob.
pub(crate) async fn add_log(
    write: &mut Write<'_>,
    action: Action,
    about: &About<'_>,
    artifact_type: &str,
    caller: &Caller,
    result: i64,
) -> Result<()> {
    let took = caller.began.map(|began| began.elapsed()).unwrap_or(Duration::ZERO);
    let entry = LogEntry {
        at: write.now,
        operation: action.as_str().to_owned(),
        caller: caller.clone(),
        result,
        micros: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
        registry: about.registry,
        repository: about.repository.to_owned(),
        tag: about.tag.to_owned(),
        digest: about.digest.to_string(),
        media_type: about.media_type.to_owned(),
        artifact_type: artifact_type.to_owned(),
        bytes: about.bytes,
        ..LogEntry::default()
    };
    insert(&mut write.tx, &[entry]).await
}

async fn insert(tx: &mut Tx, lines: &[LogEntry]) -> Result<()> {
    const COLUMNS: usize = 20;
    let sql = "INSERT INTO resource_log (at, kind, operation, login_server, identity, jwt, address, user_agent, correlation, result, micros, registry, repository, tag, digest, media_type, artifact_type, bytes, scanner, times)";
    let mut rows: Vec<Value> = Vec::with_capacity(lines.len().saturating_mul(COLUMNS));
    for entry in lines {
        rows.extend_from_slice(values![
            entry.at,
            entry.login,
            &entry.operation,
            &entry.caller.host,
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
            entry.times.max(1),
        ]);
    }
    if !rows.is_empty() {
        tx.insert(sql, COLUMNS, &rows, "").await?;
    }
    Ok(())
}
