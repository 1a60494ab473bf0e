//! The window: images that were pushed, or pulled by somebody else, within the last days are kept read with current readers.
//!
//! In: pushes and pulls as they happen; now and then the length of the window.
//! Out: `coverage` of images; jobs for images that older readers read.

use crate::engine::{Value, values};
use crate::queue::{Class, add_image_job};
use crate::write::{What, Write};
use crate::{Result, Store};
use model::Micros;
use model::facts::Id;
use model::verdict::Coverage;
use std::time::Duration;

impl Store {
    /// Takes images out of the window that nobody pushed or pulled for so long. Returns how many.
    pub async fn close_window(&self, window: Duration) -> Result<u64> {
        let mut write = self.write().await?;
        let cut = write.now.0.saturating_sub(i64::try_from(window.as_micros()).unwrap_or(i64::MAX));
        let sql = "UPDATE image SET coverage = $1 WHERE coverage = $2 AND media_type = 1 AND NOT EXISTS
            (SELECT 1 FROM repository_image p WHERE p.image = image.id AND p.until = $3 AND (p.last_push >= $4 OR p.last_pull >= $4)) RETURNING id";
        let values = values![Coverage::OutsideWindow as u8, Coverage::InWindow as u8, Micros::FOREVER, cut];
        let gone = write.tx.all(sql, values).await?;
        for row in &gone {
            write.changed(What::Image, row.int(0)?);
        }
        write.commit().await?;
        Ok(gone.len() as u64)
    }

    /// Queues images of the window that were read by readers of another revision, at most `n`. Returns how many.
    pub async fn requeue_outdated(&self, revision: u32, n: u32) -> Result<u64> {
        let mut write = self.write().await?;
        let sql = "SELECT i.id, MIN(r.registry), MIN(p.repository) FROM image_inventory v JOIN image i ON i.id = v.image AND i.coverage = $1
            JOIN repository_image p ON p.image = i.id AND p.until = $2 JOIN repository r ON r.id = p.repository
            WHERE v.until = $2 AND v.revision <> $3 AND NOT EXISTS (SELECT 1 FROM job j WHERE j.kind = 1 AND j.image = i.id)
            GROUP BY i.id ORDER BY i.id LIMIT $4";
        let values: &[Value] = values![Coverage::InWindow as u8, Micros::FOREVER, i64::from(revision), i64::from(n)];
        let rows = write.tx.all(sql, values).await?;
        for row in &rows {
            add_image_job(&mut write, row.int(0)?, Class::RecentPull, row.int(1)?, row.int(2)?).await?;
        }
        write.commit().await?;
        Ok(rows.len() as u64)
    }
}

/// Brings an image that somebody used back into the window.
pub(crate) async fn used(write: &mut Write<'_>, image: Id) -> Result<()> {
    let sql = "UPDATE image SET coverage = $2 WHERE id = $1 AND coverage = $3";
    let values = values![image, Coverage::InWindow as u8, Coverage::OutsideWindow as u8];
    if write.run(sql, values).await? > 0 {
        write.changed(What::Image, image);
    }
    Ok(())
}
