//! Who changed what: an append-only list whose rows are chained by their hashes.
//!
//! In: one line a write, in the transaction of the write. Out: the list, filtered; whether the chain is whole.
//! A row's hash covers the row and the hash before it, so that a row that was changed, put in or taken out breaks the chain; how many
//! rows there are and the last hash are kept beside it, so that rows cut off at the end are missed as well. The hash is keyed: whoever
//! can write the database alone, and not read the sealed key, cannot make another chain. An end that was noted elsewhere (the log tells
//! it every day) shows even that.

use crate::engine::{Row, Value, values};
use crate::write::Write;
use crate::{Caller, Error, Result, Store};
use aws_lc_rs::hmac;
use model::Micros;
use model::facts::Id;
use model::role::Scope;
use std::fmt::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The setting that holds `rows:hash` of the end of the chain.
const END: &str = "audit-end";
/// Rows that are verified at a time.
const STEP: i64 = 5_000;

/// One line of the audit.
#[derive(Debug, Clone)]
pub struct Audit<'a> {
    /// Who, from where.
    pub by: &'a Caller,
    /// What was done: `token.create`.
    pub action: &'a str,
    /// To what: a name or id that a person knows.
    pub object: &'a str,
    /// Where.
    pub scope: &'a Scope,
    /// How it was; `Null` = it was not. Never a secret.
    pub before: serde_json::Value,
    /// How it is; `Null` = it is no more. Never a secret.
    pub after: serde_json::Value,
}

/// A line as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Row id; rises with time.
    pub id: Id,
    /// When.
    pub at: Micros,
    /// Who.
    pub actor: String,
    /// From where.
    pub address: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub object: String,
    /// Path of the scope.
    pub scope: String,
    /// JSON, or empty.
    pub before: String,
    /// JSON, or empty.
    pub after: String,
    /// The hash that covers this row and those before it.
    pub hash: String,
}

/// Which lines.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only of this actor.
    pub actor: Option<String>,
    /// Only actions that begin so: `token` or `token.create`.
    pub action: Option<String>,
    /// Only objects that hold this text.
    pub object: Option<String>,
    /// Not before.
    pub since: Option<Micros>,
    /// Before.
    pub until: Option<Micros>,
    /// Only in these scopes and below; empty = everywhere.
    pub scopes: Vec<Scope>,
    /// Only rows with a smaller id.
    pub before: Option<Id>,
}

/// How the chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Rows that were looked at.
    pub rows: i64,
    /// The hash of the last of them.
    pub head: String,
    /// The first row that does not follow from those before it; 0 = rows at the end are missing; `None` = whole.
    pub broken: Option<Id>,
}

/// The key of the chain, and how far this process has followed it.
#[derive(Default)]
pub(crate) struct Keeper {
    key: OnceLock<hmac::Key>,
    followed: Mutex<Followed>,
}

/// Where the chain was whole up to: row id, rows, the last hash.
#[derive(Debug, Clone, Default)]
struct Followed {
    at: Id,
    rows: i64,
    last: String,
}

impl Followed {
    /// Goes on to a row, if it follows from the one before.
    fn follow(&mut self, key: &hmac::Key, row: &AuditRow) -> bool {
        self.rows += 1;
        let good = hash(key, &self.last, row) == row.hash;
        if good {
            (self.at, self.last) = (row.id, row.hash.clone());
        }
        good
    }
}

impl Write<'_> {
    /// Writes a line of the audit, and the key of the request, so that the same request does nothing a second time.
    pub(crate) async fn audit(&mut self, line: &Audit<'_>) -> Result<()> {
        if !self.keyed {
            self.note_key(line.by).await?;
            self.keyed = true;
        }
        let (rows, last) = end_of(self.one("SELECT value FROM setting WHERE name = $1", values![END]).await?)?;
        let text = |value: &serde_json::Value| if value.is_null() { String::new() } else { value.to_string() };
        let mut row = AuditRow {
            id: 0,
            at: self.now,
            actor: line.by.actor.clone(),
            address: line.by.address.clone(),
            action: line.action.to_owned(),
            object: line.object.to_owned(),
            scope: line.scope.to_path(),
            before: text(&line.before),
            after: text(&line.after),
            hash: String::new(),
        };
        row.hash = hash(self.store().audit_key()?, &last, &row);
        let sql = "INSERT INTO audit (at, actor, address, action, object, scope, before, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let end = format!("{}:{}", rows + 1, row.hash);
        let AuditRow { actor, address, action, object, scope, before, after, hash, .. } = row;
        self.run(sql, values![self.now, actor, address, action, object, scope, before, after, hash]).await?;
        let sql =
            "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.run(sql, values![END, end]).await?;
        self.store().step("audit:written");
        Ok(())
    }
}

fn end_of(row: Option<Row>) -> Result<(i64, String)> {
    let text = row.map_or(Ok(String::new()), |row| row.text(0))?;
    let (rows, hash) = text.split_once(':').unwrap_or(("0", ""));
    Ok((rows.parse().unwrap_or(0), hash.to_owned()))
}

/// The hash of a row after another: of a JSON list, which no text in it can imitate.
fn hash(key: &hmac::Key, last: &str, row: &AuditRow) -> String {
    let AuditRow { at, actor, address, action, object, scope, before, after, .. } = row;
    let line = serde_json::json!([last, at.0, actor, address, action, object, scope, before, after]);
    let mut text = String::with_capacity(64);
    for byte in hmac::sign(key, line.to_string().as_bytes()).as_ref() {
        write!(text, "{byte:02x}").ok();
    }
    text
}

fn read(row: &Row) -> Result<AuditRow> {
    Ok(AuditRow {
        id: row.int(0)?,
        at: row.at(1)?,
        actor: row.text(2)?,
        address: row.text(3)?,
        action: row.text(4)?,
        object: row.text(5)?,
        scope: row.text(6)?,
        before: row.text(7)?,
        after: row.text(8)?,
        hash: row.text(9)?,
    })
}

const COLUMNS: &str = "id, at, actor, address, action, object, scope, before, detail, hash";

impl Store {
    /// Lists lines, newest first, and how many there are in all.
    pub async fn audit(&self, filter: &AuditFilter, limit: usize) -> Result<(Vec<AuditRow>, u64)> {
        let (condition, mut given) = conditions(filter);
        let count = format!("SELECT COUNT(*) FROM audit WHERE {condition}");
        let mut tx = self.engine().begin_read().await?;
        let total = tx.int(&count, &given).await?;
        given.push(filter.before.unwrap_or(i64::MAX).into());
        given.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let (before, limit) = (given.len() - 1, given.len());
        let sql =
            format!("SELECT {COLUMNS} FROM audit WHERE {condition} AND id < ${before} ORDER BY id DESC LIMIT ${limit}");
        let rows = tx.all(&sql, &given).await?.iter().map(read).collect::<Result<_>>()?;
        Ok((rows, u64::try_from(total).unwrap_or(0)))
    }

    /// Lists lines after one, up to another, whose actions are of some areas, such as `role`; oldest first.
    pub async fn audit_of(&self, areas: &[&str], after: Id, until: Id, limit: usize) -> Result<Vec<AuditRow>> {
        let mut given: Vec<Value> = values![after, until, i64::try_from(limit).unwrap_or(i64::MAX)].to_vec();
        let mut named = vec!["1 = 0".to_owned()];
        for area in areas {
            given.push(format!("{area}.").into());
            let n = given.len();
            named.push(format!("substr(action, 1, length(${n})) = ${n}"));
        }
        let named = named.join(" OR ");
        let sql = format!("SELECT {COLUMNS} FROM audit WHERE id > $1 AND id <= $2 AND ({named}) ORDER BY id LIMIT $3");
        self.engine().all(&sql, &given).await?.iter().map(read).collect()
    }

    /// Reads the key of the chain. Without the key that secrets are sealed with it stays unknown: the audit can be listed then, and no more.
    pub(crate) async fn read_audit_key(&self) {
        match self.secret("audit").await {
            Ok(secret) => drop(self.inner.audit.key.set(hmac::Key::new(hmac::HMAC_SHA256, &secret))),
            Err(why) => tracing::debug!(%why, "the key of the audit is not known"),
        }
    }

    fn audit_key(&self) -> Result<&hmac::Key> {
        let why = "the key of the audit is sealed; name the key file";
        self.inner.audit.key.get().ok_or_else(|| Error::Setting { what: "key-file".into(), why: why.into() })
    }

    /// Returns how many rows the chain has and its last hash, as they were noted.
    pub async fn audit_end(&self) -> Result<(i64, String)> {
        end_of(self.engine().one("SELECT value FROM setting WHERE name = $1", values![END]).await?)
    }

    /// Verifies the chain from its beginning. Of a number of rows it also returns the hash that the last of them has.
    pub async fn verify_audit(&self, noted: i64) -> Result<(Chain, Option<String>)> {
        let mut found = None;
        let chain = self.follow_audit(Followed::default(), |followed| {
            if followed.rows == noted {
                found = Some(followed.last.clone());
            }
        });
        Ok((chain.await?, found))
    }

    /// Verifies what was written since this process last did.
    pub async fn verify_audit_on(&self) -> Result<Chain> {
        let from = self.inner.audit.followed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut to = from.clone();
        let chain = self.follow_audit(from, |followed| to.clone_from(followed)).await?;
        if chain.broken.is_none() {
            *self.inner.audit.followed.lock().unwrap_or_else(PoisonError::into_inner) = to;
        }
        Ok(chain)
    }

    async fn follow_audit(&self, from: Followed, mut seen: impl FnMut(&Followed)) -> Result<Chain> {
        let key = self.audit_key()?;
        let mut tx = self.engine().begin_read().await?;
        let noted = tx.one("SELECT value FROM setting WHERE name = $1", values![END]).await?;
        let begun = tx.one("SELECT id FROM principal LIMIT 1", values![]).await?.is_some();
        let lost = noted.is_none() && begun;
        let (kept, end) = end_of(noted)?;
        let sql = format!("SELECT {COLUMNS} FROM audit WHERE id > $1 ORDER BY id LIMIT $2");
        let mut on = from;
        loop {
            let step = tx.all(&sql, values![on.at, STEP]).await?.iter().map(read).collect::<Result<Vec<_>>>()?;
            if step.is_empty() {
                break;
            }
            let mut follows = |row: &AuditRow| {
                let good = on.follow(key, row);
                seen(&on);
                good
            };
            if let Some(row) = step.iter().find(|row| !follows(row)) {
                return Ok(Chain { rows: on.rows, head: on.last, broken: Some(row.id) });
            }
        }
        let whole = on.rows == kept && on.last == end && !lost;
        Ok(Chain { rows: on.rows, head: on.last, broken: (!whole).then_some(0) })
    }
}

fn conditions(filter: &AuditFilter) -> (String, Vec<Value>) {
    let mut parts = vec!["1 = 1".to_owned()];
    let mut given: Vec<Value> = Vec::new();
    let mut add = |sql: &dyn Fn(usize) -> String, value: Value| {
        given.push(value);
        parts.push(sql(given.len()));
    };
    if let Some(actor) = &filter.actor {
        add(&|n| format!("actor = ${n}"), actor.into());
    }
    if let Some(action) = &filter.action {
        add(&|n| format!("substr(action, 1, length(${n})) = ${n}"), action.into());
    }
    if let Some(object) = &filter.object {
        add(&|n| format!("replace(object, ${n}, '') <> object"), object.into());
    }
    if let Some(since) = filter.since {
        add(&|n| format!("at >= ${n}"), since.into());
    }
    if let Some(until) = filter.until {
        add(&|n| format!("at < ${n}"), until.into());
    }
    let mut places = Vec::new();
    for scope in filter.scopes.iter().filter(|scope| **scope != Scope::ALL) {
        given.push(scope.to_path().into());
        let n = given.len();
        places.push(format!("scope = ${n} OR substr(scope, 1, length(${n}) + 1) = ${n} || '/'"));
    }
    if !places.is_empty() && !filter.scopes.contains(&Scope::ALL) {
        parts.push(format!("({})", places.join(" OR ")));
    }
    (parts.join(" AND "), given)
}
