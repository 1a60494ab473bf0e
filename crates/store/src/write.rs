//! Transactions that change facts.
//!
//! In: what changed, one line a fact.
//! Out: `change` rows under a new revision in the same transaction, and a word to everybody who waits.
//! The row of `revision` is the lock that orders all of them. A transaction that noted no change leaves the revision alone.

use crate::engine::{Batch, Engine, Row, Tx, Value, values};
use crate::{Result, Store};
use model::Micros;
use model::facts::Id;
use std::collections::BTreeSet;

/// What a change is about. Numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum What {
    Subscription = 1,
    Registry = 2,
    Repository = 3,
    Image = 4,
    /// Id of the `repository_image` row.
    Presence = 5,
    /// Id of the image: the tags that name it, and those that name an index it belongs to.
    TagsOf = 6,
    /// Id of the image.
    ImageInventory = 7,
    Inventory = 8,
    Package = 9,
    /// Id of the vulnerability; its aliases as well.
    Vulnerability = 10,
    /// Id of the package: all its matches.
    MatchesOf = 11,
    /// The generation in force.
    Generation = 12,
    Rule = 13,
    Plan = 14,
    Exemption = 15,
}

/// A transaction that changes facts.
pub(crate) struct Write<'a> {
    store: &'a Store,
    /// The transaction.
    pub(crate) tx: Tx,
    /// The moment of every fact that it writes.
    pub(crate) now: Micros,
    revision: i64,
    changes: BTreeSet<(What, Id)>,
    last: Batch,
    wakes: bool,
    /// Whether the key of the request was noted.
    pub(crate) keyed: bool,
}

impl Store {
    /// Begins to change facts.
    pub(crate) async fn write(&self) -> Result<Write<'_>> {
        let tx = self.engine().begin().await?;
        Write::ordered(self, tx).await
    }
}

impl<'a> Write<'a> {
    /// Goes on with a transaction that has locked its job row: job rows are locked before the revision, never after.
    pub(crate) async fn ordered(store: &'a Store, mut tx: Tx) -> Result<Self> {
        let sql = format!("SELECT {} FROM revision r WHERE r.one = 1{}", locked(store.engine()), store.engine().lock());
        let row = tx.one(&sql, values![]).await?.ok_or(sqlx::Error::RowNotFound)?;
        Self::begun(store, tx, &row)
    }

    /// Goes on with a transaction that has locked the revision `r` and read what `locked` says, as the first columns of `row`.
    pub(crate) fn begun(store: &'a Store, tx: Tx, row: &Row) -> Result<Self> {
        let (revision, now) = (row.int(0)?, Micros(row.int(2)?.max(row.int(1)?.saturating_add(1))));
        let (changes, last) = (BTreeSet::new(), Batch::default());
        Ok(Self { store, tx, now, revision, changes, last, wakes: false, keyed: false })
    }

    /// The store that is written to.
    pub(crate) fn store(&self) -> &'a Store {
        self.store
    }

    /// Notes that a fact changed.
    pub(crate) fn changed(&mut self, what: What, id: Id) {
        self.changes.insert((what, id));
    }

    /// Notes that there is new work.
    pub(crate) fn wakes(&mut self) {
        self.wakes = true;
    }

    /// Writes the changes and commits. Returns the revision in force.
    pub(crate) async fn commit(mut self) -> Result<i64> {
        if !self.changes.is_empty() {
            self.revision += 1;
            let set = "UPDATE revision SET n = $1, moment = $2 WHERE one = 1";
            self.last.run(set, values![self.revision, self.now]);
            let rows: Vec<Value> = self
                .changes
                .iter()
                .flat_map(|(what, id)| [self.revision.into(), (*what as u8).into(), (*id).into()])
                .collect();
            self.last.insert("INSERT INTO change (revision, what, id)", 3, rows);
        }
        self.tx.run_together(self.last).await?;
        self.tx.commit().await?;
        if !self.changes.is_empty() {
            self.store.tell_revision(self.revision);
        }
        if self.wakes {
            self.store.tell_work();
        }
        Ok(self.revision)
    }

    /// Notes a statement that writes rows which no other statement of this transaction reads or writes. Those noted are sent
    /// together, last of all.
    pub(crate) fn last(&mut self, sql: impl Into<String>, values: &[Value]) {
        self.last.run(sql, values);
    }

    /// Runs one statement that writes.
    pub(crate) async fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        self.tx.run(sql, values).await
    }

    /// Reads the first row, if there is one.
    pub(crate) async fn one(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>> {
        self.tx.one(sql, values).await
    }
}

/// What is read of the revision `r` as it is locked: its number, the moment of the last change, and the database's clock. The
/// moment of a transaction is that of the clock, but later than the last change.
pub(crate) fn locked(engine: &Engine) -> String {
    format!("r.n, r.moment, {}", engine.clock())
}
