//! The window: images that were pushed, or pulled by somebody else, within the last days are kept read with current readers.
//!
//! In: pushes and pulls as they happen; now and then the clock. How many days the window has is a setting of each subscription.
//! Out: `coverage` of images; jobs for images that older readers read.

use crate::coverage::{Which, settle};
use crate::engine::{Value, values};
use crate::places::place_of;
use crate::queue::{Class, add_image_job};
use crate::scope::ensure_repository;
use crate::write::{What, Write};
use crate::{Result, Store, scans};
use model::Micros;
use model::facts::Id;
use model::verdict::Coverage;

impl Store {
    /// Takes images out of the window that nobody pushed or pulled for as many days, before a moment, as their subscription
    /// says. Returns how many.
    pub async fn close_window(&self, clock: Micros) -> Result<u64> {
        let mut write = self.write_over_jobs().await?;
        let settled = settle(&mut write, Which::All, clock).await?;
        write.commit().await?;
        Ok(settled.closed)
    }

    /// Queues images of the window that readers of an older revision read, or tried to, at most `n`. Each is queued once for a
    /// revision, whatever becomes of it. Returns how many.
    pub async fn requeue_outdated(&self, revision: u32, n: u32) -> Result<u64> {
        let mut write = self.write().await?;
        let sql = "SELECT x.image, r.registry, r.id FROM (SELECT i.id AS image, MIN(p.repository) AS repository FROM image i
            JOIN repository_image p ON p.image = i.id AND p.until = $2
            WHERE i.media_type = 1 AND i.coverage = $1 AND i.tried < $3 AND NOT EXISTS (SELECT 1 FROM job j WHERE j.kind = 1 AND j.image = i.id)
            GROUP BY i.id ORDER BY i.id LIMIT $4) x JOIN repository r ON r.id = x.repository ORDER BY x.image";
        let values: &[Value] = values![Coverage::InWindow as u8, Micros::FOREVER, i64::from(revision), i64::from(n)];
        let rows = write.tx.all(sql, values).await?;
        for row in &rows {
            let image = row.int(0)?;
            add_image_job(&mut write, image, Class::RecentPull, row.int(1)?, row.int(2)?).await?;
            write.last("UPDATE image SET tried = $2 WHERE id = $1", values![image, i64::from(revision)]);
        }
        write.commit().await?;
        Ok(rows.len() as u64)
    }
}

/// Brings an image back into the window that somebody pulled from a place where the plan is on, and has it judged anew: readers may
/// see more by now than when it left. Layers that today's readers read cost nothing.
pub(crate) async fn pulled(write: &mut Write<'_>, registry: Id, repository: &str, image: Id) -> Result<()> {
    let out = "SELECT 1 FROM image WHERE id = $1 AND coverage = $2";
    if write.one(out, values![image, Coverage::OutsideWindow as u8]).await?.is_none() {
        scans::meter_at(write, image, registry); // what is judged for one subscription may be new to another
        return Ok(());
    }
    let place = place_of(write, registry).await?;
    if !place.standard || !place.open {
        return Ok(()); // what is blocked is said with the next look at the window
    }
    used(write, image).await?;
    let repository = ensure_repository(write, registry, repository).await?;
    add_image_job(write, image, Class::RecentPull, registry, repository).await?;
    Ok(())
}

/// Brings an image that somebody used back into the window.
async fn used(write: &mut Write<'_>, image: Id) -> Result<()> {
    let sql = "UPDATE image SET coverage = $2 WHERE id = $1 AND coverage = $3";
    let values = values![image, Coverage::InWindow as u8, Coverage::OutsideWindow as u8];
    if write.run(sql, values).await? > 0 {
        write.changed(What::Image, image);
    }
    Ok(())
}
