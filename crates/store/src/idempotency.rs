//! A write that is sent twice is done once.
//!
//! In: the key of a request; it is noted in the transaction of the write, so that neither is kept without the other.
//! Out: the answer that the first one was given.

use crate::engine::values;
use crate::write::Write;
use crate::{Caller, Error, Result, Store};
use model::Micros;
use std::time::Duration;

/// How long a key is remembered.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 3600);

impl Write<'_> {
    /// Notes the key of a request; `Error::Repeated` = another request had it.
    pub(crate) async fn note_key(&mut self, by: &Caller) -> Result<()> {
        if by.key.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO idempotency (key, principal, at, answer) VALUES ($1, 0, $2, '') ON CONFLICT DO NOTHING";
        let noted = self.run(sql, values![&by.key, self.now]).await?;
        if noted == 0 { Err(Error::Repeated) } else { Ok(()) }
    }
}

impl Store {
    /// Returns the answer that a request with this key was given; empty = it is done, its answer is not there (yet).
    pub async fn answer_of(&self, key: &str) -> Result<Option<String>> {
        let row = self.engine().one("SELECT answer FROM idempotency WHERE key = $1", values![key]).await?;
        row.map(|row| row.text(0)).transpose()
    }

    /// Keeps the answer of a request whose key was noted.
    pub async fn keep_answer(&self, key: &str, answer: &str) -> Result<()> {
        let mut tx = self.engine().begin().await?;
        tx.run("UPDATE idempotency SET answer = $2 WHERE key = $1", values![key, answer]).await?;
        tx.commit().await
    }

    /// Forgets keys that are old.
    pub(crate) async fn forget_keys(&self) -> Result<()> {
        let mut tx = self.engine().begin().await?;
        let now = Micros(tx.int(&format!("SELECT {}", self.engine().clock()), values![]).await?);
        let old = now.0.saturating_sub(i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX));
        tx.run("DELETE FROM idempotency WHERE at < $1", values![old]).await?;
        tx.commit().await
    }
}
