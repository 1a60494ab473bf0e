//! Which images are kept judged: by the plans and windows of the places where they are.
//!
//! In: a plan, a window or the tree has changed, or time has passed.
//! Out: `coverage` of images; jobs for what is taken in, none for what is not scanned any more.
//! An image is in the window where one of its places says so and lets the scanner in; it is out of the plan where all of them say so.

use crate::engine::{Value, values};
use crate::places::{self, cut, listed};
use crate::queue::{Class, add_image_jobs};
use crate::write::{What, Write};
use crate::{Result, Store};
use model::Micros;
use model::facts::Id;
use model::verdict::{Coverage, Verdict, Work};
use std::collections::HashMap;

/// What a change of plans, windows or places did to images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    /// Images that are kept judged from now on.
    pub opened: u64,
    /// Images that are not any more.
    pub closed: u64,
    /// Images that were queued to be read.
    pub queued: u64,
    /// Images that were metered at once, because they were judged already.
    pub metered: u64,
}

/// Which images are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    /// All of them.
    All,
    /// Those that are in one of these registries.
    Registries(&'a [Id]),
}

/// An image whose coverage changes.
struct Change {
    image: Id,
    before: Coverage,
    after: Coverage,
    verdict: Verdict,
    /// Where it is to be read; 0 = nowhere.
    repository: Id,
}

impl Store {
    /// Begins a write that may cancel jobs: their rows are locked before the revision, as whoever holds one does.
    pub(crate) async fn write_over_jobs(&self) -> Result<Write<'_>> {
        let mut tx = self.engine().begin().await?;
        if self.engine().is_shared() {
            tx.all("SELECT id FROM job WHERE kind = 1 ORDER BY id FOR UPDATE", values![]).await?;
        }
        Write::ordered(self, tx).await
    }
}

/// Puts the coverage of images right, as of a clock.
pub(crate) async fn settle(write: &mut Write<'_>, which: Which<'_>, clock: Micros) -> Result<Settled> {
    let changes = changes(write, which, clock).await?;
    let mut settled = Settled::default();
    for after in [Coverage::InWindow, Coverage::OutsideWindow, Coverage::PlanOff, Coverage::BlockedByNetwork] {
        let images: Vec<Id> = changes.iter().filter(|c| c.after == after).map(|c| c.image).collect();
        set(write, "coverage", after as u8, &images).await?;
        let count = images.len() as u64;
        if after == Coverage::InWindow {
            settled.opened += count;
        } else {
            settled.closed += count;
        }
        if matches!(after, Coverage::PlanOff | Coverage::BlockedByNetwork) {
            cancel(write, &images).await?;
        }
    }
    settled.queued = take_in(write, &changes).await?;
    Ok(settled)
}

async fn changes(write: &mut Write<'_>, which: Which<'_>, clock: Micros) -> Result<Vec<Change>> {
    let places = places::places(&mut write.tx).await?;
    let row = |p: &places::Place| {
        format!("({}, {}, {}, {})", p.registry, i64::from(p.standard), i64::from(p.open), cut(p, clock))
    };
    let rows = places.iter().map(row).collect::<Vec<_>>().join(", ");
    let within = match which {
        Which::All => String::new(),
        Which::Registries(ids) => format!(
            "AND i.id IN (SELECT x.image FROM repository_image x JOIN repository y ON y.id = x.repository WHERE x.until = {} AND y.registry IN ({}))",
            i64::MAX,
            listed(ids.iter().copied())
        ),
    };
    if places.is_empty() {
        return Ok(Vec::new());
    }
    // From the best to the worst: kept judged, wanted but blocked, not used lately, not in a plan.
    let best = "MIN(CASE WHEN q.tier = 0 THEN 3 WHEN NOT (p.last_push >= q.cut OR p.last_pull >= q.cut) THEN 2 WHEN q.open = 1 THEN 0 ELSE 1 END)";
    let state = format!("CASE {best} WHEN 0 THEN 0 WHEN 1 THEN 3 WHEN 2 THEN 1 ELSE 2 END");
    let sql = format!(
        "WITH place (registry, tier, open, cut) AS (VALUES {rows})
        SELECT i.id, i.coverage, i.verdict, CAST({state} AS BIGINT), COALESCE(MIN(CASE WHEN q.tier = 1 AND q.open = 1 THEN p.repository END), 0) FROM image i
        JOIN repository_image p ON p.image = i.id AND p.until = $1 JOIN repository r ON r.id = p.repository JOIN place q ON q.registry = r.registry
        WHERE i.media_type = 1 AND i.coverage IN (0, 1, 2, 3) {within} GROUP BY i.id, i.coverage, i.verdict HAVING {state} <> i.coverage ORDER BY i.id"
    );
    let read = |row: &crate::engine::Row| {
        Ok(Change {
            image: row.int(0)?,
            before: Coverage::from_number(row.int(1)?),
            verdict: Verdict::from_number(row.int(2)?),
            after: Coverage::from_number(row.int(3)?),
            repository: row.int(4)?,
        })
    };
    write.tx.each(&sql, values![Micros::FOREVER], read).await
}

async fn set(write: &mut Write<'_>, column: &str, value: u8, images: &[Id]) -> Result<()> {
    let keys: Vec<Value> = images.iter().map(|id| (*id).into()).collect();
    let sql = format!("UPDATE image SET {column} = {value} WHERE {column} <> {value} AND id IN");
    for row in write.tx.among(&sql, 1, &keys, "RETURNING id").await? {
        write.changed(What::Image, row.int(0)?);
    }
    Ok(())
}

/// Cancels what was to be done for images; a worker that has begun loses its lease, and so its result.
async fn cancel(write: &mut Write<'_>, images: &[Id]) -> Result<()> {
    let keys: Vec<Value> = images.iter().map(|id| (*id).into()).collect();
    write.tx.among("DELETE FROM job WHERE kind = 1 AND image IN", 1, &keys, "").await?;
    set(write, "work", Work::Idle as u8, images).await
}

/// Queues images that are kept judged from now on and were not: feeds may cover more by now, readers read more.
async fn take_in(write: &mut Write<'_>, changes: &[Change]) -> Result<u64> {
    let unread = |c: &&Change| {
        let was_out = matches!(c.before, Coverage::PlanOff | Coverage::BlockedByNetwork);
        was_out || matches!(c.verdict, Verdict::None | Verdict::Failed | Verdict::Unsupported)
    };
    let wanted: Vec<&Change> = changes.iter().filter(|c| c.after == Coverage::InWindow).filter(unread).collect();
    let mut keys: Vec<Id> = wanted.iter().map(|c| c.repository).collect();
    keys.sort_unstable();
    keys.dedup();
    let keys: Vec<Value> = keys.into_iter().map(Value::from).collect();
    let rows = write.tx.among("SELECT id, registry FROM repository WHERE id IN", 1, &keys, "").await?;
    let registries = rows.iter().map(|row| Ok((row.int(0)?, row.int(1)?))).collect::<Result<HashMap<Id, Id>>>()?;
    let registry = |c: &&Change| registries.get(&c.repository).map(|registry| (c.image, *registry, c.repository));
    let jobs: Vec<(Id, Id, Id)> = wanted.iter().filter_map(registry).collect();
    add_image_jobs(write, &jobs, Class::RecentPull).await?;
    let images: Vec<Id> = jobs.iter().map(|(image, ..)| *image).collect();
    let keys: Vec<Value> = images.iter().map(|id| (*id).into()).collect();
    let (idle, queued) = (Work::Idle as u8, Work::Queued as u8);
    let sql = format!("UPDATE image SET work = {queued} WHERE work = {idle} AND id IN");
    for row in write.tx.among(&sql, 1, &keys, "RETURNING id").await? {
        write.changed(What::Image, row.int(0)?);
    }
    Ok(jobs.len() as u64)
}
