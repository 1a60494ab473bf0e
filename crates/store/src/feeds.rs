//! The feeds of the generation in force, as they were asked last.
//!
//! In: what a process that asks feeds knows of them. Out: the same for every other one: a server whose workers are elsewhere has no
//! advisory database of its own, and says all the same how old its data are.

use crate::engine::{Row, Value, values};
use crate::generation::read;
use crate::{Result, Store};
use model::Micros;

/// A feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedRow {
    /// Name: `debian`, `osv-pypi`.
    pub name: String,
    /// Records it holds.
    pub records: u64,
    /// The newest date that it names itself; 0 = none.
    pub date: Micros,
    /// When it was fetched or found unchanged; 0 = never.
    pub fetched: Micros,
}

impl Store {
    /// Writes how the feeds of a database stand, unless another content is in force. Of several that asked, the last one counts.
    pub async fn note_feeds(&self, content_hash: &str, feeds: &[FeedRow]) -> Result<()> {
        let mut write = self.write().await?;
        if read(&mut write.tx).await?.content_hash != content_hash {
            return Ok(());
        }
        let names: Vec<String> =
            rows(&write.tx.all(FEEDS, values![]).await?)?.into_iter().map(|row| row.name).collect();
        let gone = names.iter().filter(|name| feeds.iter().all(|feed| feed.name != **name));
        let gone: Vec<Value> = gone.map(Value::from).collect();
        write.tx.among("DELETE FROM feed WHERE name IN", 1, &gone, "").await?;
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let row = |f: &FeedRow| [(&f.name).into(), number(f.records).into(), f.date.into(), f.fetched.into()];
        let given: Vec<Value> = feeds.iter().flat_map(row).collect();
        let newer = "ON CONFLICT (name) DO UPDATE SET records = excluded.records, date = excluded.date, fetched = excluded.fetched WHERE excluded.fetched >= feed.fetched";
        write.tx.insert("INSERT INTO feed (name, records, date, fetched)", 4, &given, newer).await?;
        write.commit().await?;
        Ok(())
    }

    /// Lists the feeds of the generation in force.
    pub async fn feeds(&self) -> Result<Vec<FeedRow>> {
        rows(&self.engine().all(FEEDS, values![]).await?)
    }
}

const FEEDS: &str = "SELECT name, records, date, fetched FROM feed ORDER BY name";

fn rows(rows: &[Row]) -> Result<Vec<FeedRow>> {
    let row = |row: &Row| {
        let records = u64::try_from(row.int(1)?).unwrap_or(0);
        Ok(FeedRow { name: row.text(0)?, records, date: row.at(2)?, fetched: row.at(3)? })
    };
    rows.iter().map(row).collect()
}
