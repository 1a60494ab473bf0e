//! Imports: images that are copied from other registries. Each is a job, and goes on where it was cut off.
//!
//! In: what is wanted, with a login for the source. Out: how far it came, and how it ended.
//! The login is sealed in its row, and gone from it once the import has ended, however it ended.

use crate::engine::{Row, values};
use crate::queue::{add_import_job, end_job};
use crate::sealing::SealingKey;
use crate::write::Write;
use crate::{Audit, Caller, Error, Job, JobKind, Result, Store};
use model::Micros;
use model::facts::Id;
use model::role::{Grant, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How long imports that ended are listed.
const KEPT_MICROS: i64 = 90 * 86_400 * 1_000_000;
/// The secret that logins are sealed with.
const KEY: &str = "imports";
/// Under way, as it is stored: what the job does says more.
const UNDER_WAY: i64 = 0;

/// An import to be made.
#[derive(Debug)]
pub struct NewImport {
    /// The source as it was named: `docker.io/library/alpine:3.18`.
    pub source: String,
    /// The registry that gets it.
    pub registry: Id,
    /// The repository that gets it.
    pub repository: String,
    /// The tag that it gets; empty = none.
    pub tag: String,
    /// The repository that gets it, as a scope.
    pub scope: Scope,
    /// How.
    pub options: ImportOptions,
    /// User and password for the source.
    pub login: Option<(String, String)>,
}

/// How an image is imported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportOptions {
    /// The one platform that is wanted: `linux/arm64`; empty = all of them.
    pub platform: String,
    /// Whether a tag that names another image is moved.
    pub force: bool,
    /// Whether what refers to the image comes as well: signatures, attestations, SBOMs.
    pub referrers: bool,
    /// Whether the source speaks plain HTTP.
    pub plain_http: bool,
    /// Row id of whoever asked: what they may not reach, the import does not reach for them. 0 = the operator, who has no row.
    pub principal: Id,
    /// Row id of the token that they came with.
    pub token: Option<Id>,
    /// The roles of the operator.
    pub grants: Vec<Grant>,
}

/// How an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportState {
    /// It waits for a worker.
    Queued,
    /// It is being copied.
    Running,
    /// The source failed; it is tried again.
    RetryAt,
    /// The image is here.
    Done,
    /// It cannot be had.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

/// An import as it is listed.
#[derive(Debug, Clone)]
pub struct Import {
    /// Row id; rises with time.
    pub id: Id,
    /// The source as it was named.
    pub source: String,
    /// The registry that gets it.
    pub registry: Id,
    /// Its name.
    pub registry_name: String,
    /// The repository that gets it.
    pub repository: String,
    /// The tag, or empty.
    pub tag: String,
    /// The repository that gets it, as a scope, wherever its registry is now.
    pub scope: Scope,
    /// How.
    pub options: ImportOptions,
    /// How it stands.
    pub state: ImportState,
    /// Bytes that are here.
    pub done_bytes: u64,
    /// Bytes of all blobs, as manifests claim; 0 = not known yet.
    pub total_bytes: u64,
    /// The manifest that the source named, or empty.
    pub digest: String,
    /// Why it failed, or why it is tried again, or empty.
    pub error: String,
    /// Who asked.
    pub actor: String,
    /// When.
    pub since: Micros,
    /// When it ended; 0 = it has not.
    pub finished: Micros,
    /// When it is tried again; 0 = it is not waiting for that.
    pub due: Micros,
    /// How often it was begun.
    pub attempt: i64,
}

impl ImportState {
    /// Returns the word: `retry-at`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::RetryAt => "retry-at",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns whether nothing more happens.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    fn number(self) -> i64 {
        match self {
            Self::Queued | Self::Running | Self::RetryAt => UNDER_WAY,
            Self::Done => 1,
            Self::Failed => 2,
            Self::Cancelled => 3,
        }
    }
}

/// The name under which an import holds its uploads.
pub(crate) fn uploader(import: Id) -> String {
    format!("import:{import}:")
}

fn sealed_as(import: Id) -> String {
    format!("import:{import}")
}

impl Store {
    /// Queues an import.
    pub async fn add_import(&self, new: &NewImport, by: &Caller) -> Result<Id> {
        let key = if new.login.is_some() { Some(self.import_key().await?) } else { None };
        let mut write = self.write().await?;
        let kept = Micros(write.now.0.saturating_sub(KEPT_MICROS));
        write.run("DELETE FROM import WHERE state <> $1 AND finished < $2", values![UNDER_WAY, kept]).await?;
        let sql = "INSERT INTO import (source, registry, repository, tag, options, credential, state, done_bytes, total_bytes, digest, error, actor, since, finished)
            VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, '', '', $7, $8, 0) RETURNING id";
        let options = json!(new.options).to_string();
        let values =
            values![&new.source, new.registry, &new.repository, &new.tag, options, Vec::new(), &by.actor, write.now];
        let id = write.tx.int(sql, values).await?;
        if let (Some(key), Some(login)) = (key, &new.login) {
            let sealed = key.seal(&sealed_as(id), json!(login).to_string().as_bytes())?;
            write.run("UPDATE import SET credential = $2 WHERE id = $1", values![id, sealed]).await?;
        }
        add_import_job(&mut write, id, new.registry).await?;
        let after = json!({"source": new.source, "tag": new.tag, "platform": new.options.platform, "force": new.options.force,
            "referrers": new.options.referrers, "login": new.login.as_ref().map(|(user, _)| user)});
        audit(&mut write, by, "import.create", id, &new.scope, after).await?;
        write.commit().await?;
        Ok(id)
    }

    async fn import_key(&self) -> Result<SealingKey> {
        let secret = self.secret(KEY).await?;
        let key = secret.try_into().map_err(|_| Error::damaged("secret", "it has another length"))?;
        SealingKey::of(&key)
    }

    /// Returns one import.
    pub async fn import(&self, id: Id) -> Result<Option<Import>> {
        let sql = self.listing("m.id = $1");
        self.engine().one(&sql, values![id]).await?.as_ref().map(import_row).transpose()
    }

    /// Lists every import of the last 90 days and those under way, newest first.
    pub async fn imports(&self) -> Result<Vec<Import>> {
        let sql = self.listing("m.id > $1");
        self.engine().all(&sql, values![0i64]).await?.iter().map(import_row).collect()
    }

    fn listing(&self, condition: &str) -> String {
        format!(
            "SELECT m.id, m.source, m.registry, COALESCE(g.name, ''), m.repository, m.tag, m.options, m.state, m.done_bytes, m.total_bytes, m.digest, m.error, m.actor, m.since, m.finished,
             CAST(CASE WHEN j.leased_until >= {0} THEN 1 ELSE 0 END AS BIGINT), CAST(CASE WHEN j.due > {0} THEN j.due ELSE 0 END AS BIGINT), COALESCE(j.attempt, 0), COALESCE(j.reason, ''), COALESCE(s.guid, ''), COALESCE(g.resource_group, '')
             FROM import m LEFT JOIN registry g ON g.id = m.registry LEFT JOIN subscription s ON s.id = g.subscription LEFT JOIN job j ON j.kind = 3 AND j.image = m.id WHERE {condition} ORDER BY m.id DESC",
            self.engine().clock()
        )
    }

    /// Returns the roles that an import acts by: those that whoever asked has now, by the token that they came with; `None` = either is gone.
    pub async fn import_grants(&self, import: &Import) -> Result<Option<Vec<Grant>>> {
        let ImportOptions { principal, token, grants, .. } = &import.options;
        if *principal == 0 {
            return Ok(Some(grants.clone()));
        }
        Ok(self.holder(*principal, *token).await?.map(|holder| holder.grants))
    }

    /// Returns the login for the source of an import that is under way.
    pub async fn import_login(&self, id: Id) -> Result<Option<(String, String)>> {
        let sql = "SELECT credential FROM import WHERE id = $1 AND state = $2";
        let row = self.engine().one(sql, values![id, UNDER_WAY]).await?;
        let sealed = row.map_or(Ok(Vec::new()), |row| row.blob(0))?;
        if sealed.is_empty() {
            return Ok(None);
        }
        let lost = || Error::damaged("login of an import", "it was sealed with another key; import it once more");
        let opened = self.import_key().await?.open(&sealed_as(id), &sealed).ok_or_else(lost)?;
        serde_json::from_slice(&opened).map(Some).map_err(|_| lost())
    }

    /// Notes how far an import is; false = it is no more ours: stop.
    pub async fn note_import(&self, job: &Job, done_bytes: u64, total_bytes: u64, digest: &str) -> Result<bool> {
        let JobKind::Import(id) = job.kind else { return Ok(false) };
        let sql = "UPDATE import SET done_bytes = $2, total_bytes = $3, digest = $4 WHERE id = $1 AND state = $5
            AND EXISTS (SELECT 1 FROM job WHERE id = $6 AND lease = $7 AND worker <> '')";
        let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let mut tx = self.engine().begin().await?;
        let values = values![id, number(done_bytes), number(total_bytes), digest, UNDER_WAY, job.id, job.lease];
        let ours = tx.run(sql, values).await?;
        tx.commit().await?;
        Ok(ours > 0)
    }

    /// Ends an import that is done, or that failed for good: `error` says why.
    pub async fn end_import(&self, job: &Job, error: Option<&str>) -> Result<()> {
        let JobKind::Import(id) = job.kind else { return Err(Error::LeaseLost(job.id)) };
        let mut write = self.fenced(job).await?;
        let state = if error.is_some() { ImportState::Failed } else { ImportState::Done };
        close(&mut write, id, state, error.unwrap_or("")).await?;
        end_job(&mut write, job).await?;
        write.commit().await?;
        self.drop_uploads_of(&uploader(id)).await
    }

    /// Ends an import that somebody does not want any more; false = it is over already, or never was.
    pub async fn cancel_import(&self, id: Id, by: &Caller) -> Result<bool> {
        let Some(import) = self.import(id).await? else { return Ok(false) };
        let mut tx = self.engine().begin().await?;
        // Job rows are locked before the revision.
        let sql = format!("SELECT id FROM job WHERE kind = 3 AND image = $1{}", self.engine().lock());
        tx.one(&sql, values![id]).await?;
        let mut write = Write::ordered(self, tx).await?;
        let find = "SELECT id FROM import WHERE id = $1 AND state = $2";
        if write.one(find, values![id, UNDER_WAY]).await?.is_none() {
            return Ok(false);
        }
        let after = json!({"source": import.source, "cancelled": true});
        close(&mut write, id, ImportState::Cancelled, "").await?;
        write.run("DELETE FROM job WHERE kind = 3 AND image = $1", values![id]).await?;
        audit(&mut write, by, "import.cancel", id, &import.scope, after).await?;
        write.commit().await?;
        self.drop_uploads_of(&uploader(id)).await?;
        Ok(true)
    }
}

async fn close(write: &mut Write<'_>, id: Id, state: ImportState, error: &str) -> Result<()> {
    let sql = "UPDATE import SET state = $2, error = $3, credential = $4, finished = $5 WHERE id = $1";
    write.run(sql, values![id, state.number(), error, Vec::new(), write.now]).await?;
    Ok(())
}

async fn audit(
    write: &mut Write<'_>,
    by: &Caller,
    action: &str,
    id: Id,
    scope: &Scope,
    after: serde_json::Value,
) -> Result<()> {
    let object = format!("import {id}");
    let line = Audit { by, action, object: &object, scope, before: serde_json::Value::Null, after };
    write.audit(&line).await
}

fn options(text: &str) -> Result<ImportOptions> {
    serde_json::from_str(text).map_err(|why| Error::damaged("options of an import", why))
}

fn import_row(row: &Row) -> Result<Import> {
    let due = row.at(16)?;
    let state = match (row.int(7)?, row.int(15)?, due.0) {
        (1, ..) => ImportState::Done,
        (2, ..) => ImportState::Failed,
        (3, ..) => ImportState::Cancelled,
        (_, 1, _) => ImportState::Running,
        (_, _, 0) => ImportState::Queued,
        _ => ImportState::RetryAt,
    };
    let (error, reason) = (row.text(11)?, row.text(18)?);
    let scope = Scope::repository(&row.text(19)?, &row.text(20)?, &row.text(3)?, &row.text(4)?);
    Ok(Import {
        id: row.int(0)?,
        source: row.text(1)?,
        registry: row.int(2)?,
        registry_name: row.text(3)?,
        repository: row.text(4)?,
        tag: row.text(5)?,
        scope,
        options: options(&row.text(6)?)?,
        state,
        done_bytes: u64::try_from(row.int(8)?).unwrap_or(0),
        total_bytes: u64::try_from(row.int(9)?).unwrap_or(0),
        digest: row.text(10)?,
        error: if state == ImportState::RetryAt { reason } else { error },
        actor: row.text(12)?,
        since: row.at(13)?,
        finished: row.at(14)?,
        due: if state == ImportState::RetryAt { due } else { Micros(0) },
        attempt: row.int(17)?,
    })
}
