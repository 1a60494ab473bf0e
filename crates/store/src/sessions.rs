//! Sessions of the console: a secret in a cookie, kept here as a hash.
//!
//! In: somebody who signed in. Out: who the holder of the secret is, until twelve hours without a request, seven days in all, a
//! sign-out, or another password.

use crate::access::{random_text, token_hash};
use crate::engine::{Row, values};
use crate::{Audit, Caller, Principal, Result, Store};
use model::Micros;
use model::facts::Id;
use model::role::Scope;
use serde_json::{Value, json};
use std::time::Duration;

/// A session ends after so long without a request,
const IDLE: Duration = Duration::from_secs(12 * 3600);
/// and after so long in any case.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// How exact `seen` is: a row is not written to for every request.
const SEEN_STEP: Duration = Duration::from_secs(60);
/// Characters of the hash that name a session.
const ID_CHARS: usize = 16;

/// A session as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name: says nothing about the secret.
    pub id: String,
    /// Whose it is.
    pub principal: String,
    /// When it began.
    pub since: Micros,
    /// When it ends at the latest.
    pub expires: Micros,
    /// When it was last used, to the minute.
    pub seen: Micros,
    /// From where it began.
    pub address: String,
    /// With what.
    pub user_agent: String,
}

impl Store {
    /// Begins a session; returns its secret, which is not kept.
    pub async fn begin_session(&self, principal: &Principal, by: &Caller) -> Result<String> {
        let secret = random_text()?;
        let hash = token_hash(&secret);
        let mut write = self.write().await?;
        let sql = "INSERT INTO session (hash, principal, since, expires, seen, address, user_agent) VALUES ($1, $2, $3, $4, $3, $5, $6)";
        let expires = write.now.saturating_add(LONGEST);
        write.run(sql, values![&hash, principal.id, write.now, expires, &by.address, &by.user_agent]).await?;
        let after = json!({"session": name_of(&hash)});
        let line =
            Audit { by, action: "sign-in", object: &principal.name, scope: &Scope::ALL, before: Value::Null, after };
        write.audit(&line).await?;
        write.commit().await?;
        Ok(secret)
    }

    /// Returns who has the secret of a session, and the name of the session.
    pub async fn session(&self, secret: &str) -> Result<Option<(Principal, String)>> {
        let clock = self.engine().clock();
        let sql = format!(
            "SELECT principal, seen, {clock} FROM session WHERE hash = $1 AND expires > {clock} AND seen > {clock} - $2"
        );
        let hash = token_hash(secret);
        let Some(row) = self.engine().one(&sql, values![&hash, micros(IDLE)]).await? else { return Ok(None) };
        let (id, seen, now) = (row.int(0)?, row.at(1)?, row.at(2)?);
        let Some(principal) = self.principal(id).await? else { return Ok(None) };
        if now.saturating_since(seen) >= SEEN_STEP {
            let mut tx = self.engine().begin().await?;
            tx.run("UPDATE session SET seen = $2 WHERE hash = $1", values![&hash, now]).await?;
            tx.commit().await?;
        }
        Ok(Some((principal, name_of(&hash))))
    }

    /// Returns whether somebody who was recognised some time ago still would be: by the session of this name, or else by their token, or
    /// because they are still there. It is no use of the session: one that nobody uses ends.
    pub async fn is_still_in(&self, who: &Principal, session: &str) -> Result<bool> {
        let clock = self.engine().clock();
        let (sql, id) = match (session, who.token) {
            ("", Some(token)) => (
                format!(
                    "SELECT COUNT(*) FROM token t JOIN principal p ON p.id = t.principal WHERE t.id = $1 AND t.until = $2 AND t.expires > {clock} AND p.until = $2 AND $3 = '' AND $4 > 0"
                ),
                token,
            ),
            ("", None) => (
                "SELECT COUNT(*) FROM principal p WHERE p.id = $1 AND p.until = $2 AND $3 = '' AND $4 > 0".into(),
                who.id,
            ),
            _ => (
                format!(
                    "SELECT COUNT(*) FROM session s JOIN principal p ON p.id = s.principal WHERE s.principal = $1 AND p.until = $2 AND substr(s.hash, 1, 16) = $3 AND s.expires > {clock} AND s.seen > {clock} - $4"
                ),
                who.id,
            ),
        };
        let mut tx = self.engine().begin_read().await?;
        Ok(tx.int(&sql, values![id, Micros::FOREVER, session, micros(IDLE)]).await? > 0)
    }

    /// Lists the sessions in force, of one principal or of all, newest first.
    pub async fn sessions(&self, of: Option<Id>) -> Result<Vec<Session>> {
        let clock = self.engine().clock();
        let sql = format!(
            "SELECT s.hash, p.name, s.since, s.expires, s.seen, s.address, s.user_agent FROM session s JOIN principal p ON p.id = s.principal \
             WHERE s.expires > {clock} AND s.seen > {clock} - $1 AND p.until = $3 AND ($2 = 0 OR s.principal = $2) ORDER BY s.since DESC, s.hash"
        );
        let rows = self.engine().all(&sql, values![micros(IDLE), of.unwrap_or(0), Micros::FOREVER]).await?;
        rows.iter().map(read).collect()
    }

    /// Ends a session by its name.
    pub async fn end_session(&self, id: &str, by: &Caller) -> Result<bool> {
        let mut write = self.write().await?;
        let find = "SELECT s.hash, p.name FROM session s JOIN principal p ON p.id = s.principal WHERE substr(s.hash, 1, 16) = $1";
        let Some(row) = write.one(find, values![id]).await? else { return Ok(false) };
        let (hash, name) = (row.text(0)?, row.text(1)?);
        write.run("DELETE FROM session WHERE hash = $1", values![hash]).await?;
        let before = json!({"session": id});
        let line = Audit { by, action: "sign-out", object: &name, scope: &Scope::ALL, before, after: Value::Null };
        write.audit(&line).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Deletes sessions that are over.
    pub(crate) async fn forget_sessions(&self) -> Result<()> {
        let clock = self.engine().clock();
        let mut tx = self.engine().begin().await?;
        let sql = format!("DELETE FROM session WHERE expires < {clock} OR seen < {clock} - $1");
        tx.run(&sql, values![micros(IDLE)]).await?;
        tx.commit().await
    }
}

fn read(row: &Row) -> Result<Session> {
    Ok(Session {
        id: name_of(&row.text(0)?),
        principal: row.text(1)?,
        since: row.at(2)?,
        expires: row.at(3)?,
        seen: row.at(4)?,
        address: row.text(5)?,
        user_agent: row.text(6)?,
    })
}

fn name_of(hash: &str) -> String {
    hash.chars().take(ID_CHARS).collect()
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
