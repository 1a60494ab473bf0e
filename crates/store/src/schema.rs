//! The schema and its versions.
//!
//! In: a database of any age, or none.
//! Out: the same with every migration of this program applied; a newer one is refused.

use crate::engine::{Engine, values};
use crate::{Error, Result};

/// Every migration, in order; the first is number 1. Never change one that was released: add another.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
    include_str!("schema/0007.sql"),
    include_str!("schema/0008.sql"),
    include_str!("schema/0009.sql"),
    include_str!("schema/0010.sql"),
    include_str!("schema/0011.sql"),
    include_str!("schema/0012.sql"),
    include_str!("schema/0013.sql"),
];

/// Brings the database to the schema of this program. Each migration is one transaction with its version row.
pub(crate) async fn migrate(engine: &Engine) -> Result<()> {
    let mut tx = engine.begin().await?;
    if engine.is_shared() {
        // Two processes that start at once must not both migrate.
        tx.run("SELECT pg_advisory_xact_lock(7230194)", values![]).await?;
    }
    tx.run("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)", values![]).await?;
    let found = tx.int("SELECT COALESCE(MAX(version), 0) FROM schema_version", values![]).await?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(Error::Newer { found, known });
    }
    for (migration, version) in MIGRATIONS.iter().zip(1..).filter(|(_, version)| *version > found) {
        tx.script(&engine.schema(migration)).await?;
        tx.run("INSERT INTO schema_version (version) VALUES ($1)", values![version]).await?;
    }
    tx.commit().await
}
