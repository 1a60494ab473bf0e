//! Guessing passwords is slowed down, in all processes together: ten wrong ones for a name from an address, then a wait that grows.
//!
//! In: a try, before its password is looked at. Out: whether to look at all. A name is closed to one address, never to others, so
//! that nobody can lock somebody out from everywhere; sessions and tokens are not concerned.

use crate::alike::network;
use crate::engine::values;
use crate::{Audit, Caller, Error, Result, Store};
use model::Micros;
use model::role::Scope;
use std::time::Duration;

/// Wrong passwords for one name from one address before it is closed to it.
const TRIES: i64 = 10;
/// Wrong passwords from one address, whatever the names: somebody who tries one password on everybody.
const TRIES_OF_ADDRESS: i64 = 50;
/// The first wait; each further wrong password doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// The longest wait, and how long tries are remembered.
const LONGEST_WAIT: Duration = Duration::from_secs(900);
/// Longest part of a name that is kept.
const NAME_CHARS: usize = 64;

impl Store {
    /// Counts a try; `Error::LockedOut` = its password is not looked at. A disk that is full locks nobody out.
    pub(crate) async fn count_try(&self, name: &str, address: &str) -> Result<()> {
        for (key, tries) in [(key(name, address), TRIES), (key("", address), TRIES_OF_ADDRESS)] {
            match self.count(&key, tries).await {
                Ok(None) => {}
                Ok(Some(_)) if name.is_empty() => {}
                Ok(Some((wait, tries))) => self.note_lock(name, address, wait, tries).await,
                Err(error @ Error::LockedOut { .. }) => return Err(error),
                Err(error) => tracing::warn!(%error, "a try to sign in was not counted"),
            }
        }
        Ok(())
    }

    /// Counts one; if it closes the key from now on, returns the wait, and how many wrong ones there were.
    async fn count(&self, key: &str, tries: i64) -> Result<Option<(Duration, i64)>> {
        let mut tx = self.engine().begin().await?;
        let now = Micros(tx.int(&format!("SELECT {}", self.engine().clock()), values![]).await?);
        let old = now.0.saturating_sub(micros(LONGEST_WAIT));
        let sql = "INSERT INTO lock_out (name, failures, last, until) VALUES ($1, 1, $2, 0) ON CONFLICT (name) DO UPDATE SET \
            failures = CASE WHEN lock_out.last < $3 AND lock_out.until < $2 THEN 1 ELSE lock_out.failures + 1 END, last = $2 RETURNING failures, until";
        let row = tx.one(sql, values![key, now, old]).await?.ok_or(sqlx::Error::RowNotFound)?;
        let (failures, until) = (row.int(0)?, row.at(1)?);
        if until > now {
            return Err(Error::LockedOut { seconds: until.saturating_since(now).as_secs() + 1 }); // not counted: rolled back
        }
        if failures < tries {
            tx.commit().await?;
            return Ok(None);
        }
        let doublings = u32::try_from(failures - tries).unwrap_or(u32::MAX).min(8);
        let wait = (FIRST_WAIT * 2u32.pow(doublings)).min(LONGEST_WAIT);
        tx.run("UPDATE lock_out SET until = $2 WHERE name = $1", values![key, now.saturating_add(wait)]).await?;
        tx.commit().await?;
        Ok(Some((wait, failures)))
    }

    /// Refuses a name that is closed to an address; returns whether wrong tries are remembered.
    pub(crate) async fn is_open(&self, name: &str, address: &str) -> Result<bool> {
        let clock = self.engine().clock();
        let sql = format!("SELECT until, {clock} FROM lock_out WHERE name = $1 OR name = $2 ORDER BY until DESC");
        let rows = self.engine().all(&sql, values![key(name, address), key("", address)]).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let (until, now) = (row.at(0)?, row.at(1)?);
        if until > now {
            return Err(Error::LockedOut { seconds: until.saturating_since(now).as_secs() + 1 });
        }
        Ok(true)
    }

    /// Forgets the tries of somebody whose password was right.
    pub(crate) async fn forget_tries(&self, name: &str, address: &str) {
        let forget = async {
            let mut tx = self.engine().begin().await?;
            tx.run("DELETE FROM lock_out WHERE name = $1", values![key(name, address)]).await?;
            let sql = "UPDATE lock_out SET failures = failures - 1 WHERE name = $1 AND failures > 0";
            tx.run(sql, values![key("", address)]).await?;
            tx.commit().await
        };
        if let Err(error) = forget.await {
            tracing::warn!(%error, "tries to sign in were not forgotten");
        }
    }

    /// Forgets tries that are too old to count.
    pub(crate) async fn forget_old_tries(&self) -> Result<()> {
        let mut tx = self.engine().begin().await?;
        let now = tx.int(&format!("SELECT {}", self.engine().clock()), values![]).await?;
        let old = now.saturating_sub(micros(LONGEST_WAIT));
        tx.run("DELETE FROM lock_out WHERE last < $1 AND until < $2", values![old, now]).await?;
        tx.commit().await
    }

    async fn note_lock(&self, name: &str, address: &str, wait: Duration, tries: i64) {
        let by = Caller { address: address.to_owned(), ..Caller::default() };
        let name: String = name.chars().take(NAME_CHARS).collect();
        let note = async {
            let mut write = self.write().await?;
            let after = serde_json::json!({"seconds": wait.as_secs(), "tries": tries});
            let before = serde_json::Value::Null;
            let line = Audit { by: &by, action: "sign-in.lock", object: &name, scope: &Scope::ALL, before, after };
            write.audit(&line).await?;
            write.commit().await
        };
        if let Err(error) = note.await {
            tracing::warn!(%error, "a lock-out was not written down");
        }
    }
}

/// A name at the network of an address.
fn key(name: &str, address: &str) -> String {
    let name: String = name.chars().take(NAME_CHARS).collect();
    format!("{name}\n{}", network(address))
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
