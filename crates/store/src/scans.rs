//! The history of scans: what was done to an image, when, and what came of it.

use crate::engine::{Row, values};
use crate::places::{OPEN, STANDARD};
use crate::write::{What, Write};
use crate::{Error, Result, Store, generation};
use model::Micros;
use model::facts::Id;
use model::inventory::Note;
use model::verdict::Verdict;

/// A scan as its history keeps it.
pub(crate) struct Done<'a> {
    pub(crate) image: Id,
    pub(crate) job: Id,
    pub(crate) class: u8,
    pub(crate) started: Micros,
    pub(crate) verdict: Verdict,
    pub(crate) codes: &'a str,
    pub(crate) notes: &'a [Note],
    pub(crate) tier: &'a str,
    pub(crate) bytes: i64,
}

/// Which readers an image was tried by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Readers {
    /// Those of this revision.
    Of(u32),
    /// Nobody knows, as they ended with their process: at most the newest that tried any image.
    Unknown,
}

/// Writes a scan into the history of its image, and meters it. `generation` = that in force.
pub(crate) fn add(write: &mut Write<'_>, done: &Done<'_>, generation: i64) -> Result<()> {
    let sql =
        "INSERT INTO scan (image, started, finished, class, verdict, codes, notes, generation, tier, bytes, queued)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, COALESCE((SELECT j.since FROM job j WHERE j.id = $11), 0))";
    let notes = serde_json::to_string(done.notes).map_err(|why| Error::damaged("notes", why))?;
    let values = values![
        done.image,
        done.started,
        write.now,
        done.class,
        done.verdict as u8,
        done.codes,
        notes,
        generation,
        done.tier,
        done.bytes,
        done.job,
    ];
    write.last(sql, values);
    meter(write, done.image);
    Ok(())
}

/// When a scan was asked for, begun and done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanTimes {
    /// When its job was queued; 0 = not known.
    pub queued: Micros,
    /// When the work began.
    pub started: Micros,
    /// When its result was written.
    pub finished: Micros,
}

impl Store {
    /// Lists the times of scans since a moment, newest first, so many at most.
    pub async fn scan_times(&self, since: Micros, most: u32) -> Result<Vec<ScanTimes>> {
        let sql = "SELECT queued, started, finished FROM scan ORDER BY id DESC LIMIT $1";
        let rows = self.engine().all(sql, values![i64::from(most)]).await?;
        let read = |row: &Row| Ok(ScanTimes { queued: row.at(0)?, started: row.at(1)?, finished: row.at(2)? });
        let mut times = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        times.retain(|scan| scan.finished >= since);
        Ok(times)
    }
}

/// Counts an image once for each subscription that has it where the plan is on.
fn meter(write: &mut Write<'_>, image: Id) {
    write.last(metering(""), values![image, write.now, Micros::FOREVER]);
}

/// Counts an image that is judged for the subscription of a registry where somebody uses it.
pub(crate) fn meter_at(write: &mut Write<'_>, image: Id, registry: Id) {
    let sql = metering("AND g.id = $4 AND i.media_type = 1 AND i.verdict <> 0 AND i.work = 0");
    write.last(sql, values![image, write.now, Micros::FOREVER, registry]);
}

fn metering(only: &str) -> String {
    format!(
        "INSERT INTO usage (subscription, digest, at, repository)
        SELECT g.subscription, i.digest, $2, MIN(p.repository) FROM repository_image p JOIN image i ON i.id = p.image JOIN repository r ON r.id = p.repository
        JOIN registry g ON g.id = r.registry JOIN subscription s ON s.id = g.subscription
        WHERE p.image = $1 AND p.until = $3 AND {STANDARD} = 1 AND {OPEN} = 1 {only} GROUP BY g.subscription, i.digest ON CONFLICT DO NOTHING"
    )
}

/// Writes that an image cannot be read by some readers. Its last inventory stays; the job is ended by the caller.
pub(crate) async fn add_failure(write: &mut Write<'_>, done: &Done<'_>, readers: Readers) -> Result<()> {
    let tried = match readers {
        Readers::Of(revision) => i64::from(revision),
        Readers::Unknown => write.tx.int("SELECT COALESCE(MAX(tried), 0) FROM image", values![]).await?,
    };
    write.last("UPDATE image SET tried = $2 WHERE id = $1", values![done.image, tried]);
    let sql = "UPDATE image SET verdict = $2, reason = $3 WHERE id = $1 AND NOT (verdict = $2 AND reason = $3)";
    if write.run(sql, values![done.image, done.verdict as u8, done.codes]).await? > 0 {
        write.changed(What::Image, done.image);
    }
    let generation = generation::read(&mut write.tx).await?.target;
    add(write, done, generation)
}
