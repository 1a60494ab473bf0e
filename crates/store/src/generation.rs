//! Which generation of the advisory database is in force, and which one every package agrees with.

use crate::engine::{Tx, values};
use crate::{Error, Result};

/// Which generations the facts stand at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Generation {
    /// The generation in force: results of any other are refused.
    pub target: i64,
    /// The generation that every package agrees with. Less than `target` while a re-match is under way.
    pub swept: i64,
    /// Content hash of the generation in force.
    pub content_hash: String,
}

/// Reads which generations the facts stand at.
pub(crate) async fn read(tx: &mut Tx) -> Result<Generation> {
    let sql = "SELECT target, swept, content_hash FROM knowledge WHERE one = 1";
    let row = tx.one(sql, values![]).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok(Generation { target: row.int(0)?, swept: row.int(1)?, content_hash: row.text(2)? })
}

/// Refuses what was made with another generation than the one in force.
pub(crate) async fn in_force(tx: &mut Tx, given: i64) -> Result<()> {
    let current = read(tx).await?.target;
    if current == given { Ok(()) } else { Err(Error::StaleGeneration { given, current }) }
}

/// Returns whether a re-match is under way.
pub(crate) async fn pending(tx: &mut Tx) -> Result<bool> {
    let generation = read(tx).await?;
    Ok(generation.swept < generation.target)
}
