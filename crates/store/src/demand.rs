//! Scans that somebody asks for.

use crate::engine::values;
use crate::queue::{Class, add_image_job};
use crate::write::Write;
use crate::{Audit, Caller, Error, Result, Store};
use model::facts::Id;
use model::role::Scope;
use serde_json::{Value, json};

/// What became of the wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The job.
    pub job: Id,
    /// Whether it waited or ran already.
    pub known: bool,
    /// Jobs that are taken before it.
    pub before: u64,
}

impl Store {
    /// Queues the reading of an image before all that is done by itself. A job that is as urgent is the same; one that waits to be
    /// tried again is tried now.
    pub async fn ask_for_scan(&self, image: Id, digest: &str, scope: &Scope, by: &Caller) -> Result<Asked> {
        let mut tx = self.engine().begin().await?;
        // Job rows are locked before the revision.
        let sql = format!(
            "SELECT id FROM job WHERE kind = 1 AND image = $1 AND priority <= $2 ORDER BY priority LIMIT 1{}",
            self.engine().lock()
        );
        let known = tx.one(&sql, values![image, Class::OnDemand as u8]).await?.map(|row| row.int(0)).transpose()?;
        let mut write = Write::ordered(self, tx).await?;
        let job = match known {
            Some(job) => {
                let sql = "UPDATE job SET due = $2 WHERE id = $1 AND due > $2 AND leased_until < $2";
                if write.run(sql, values![job, write.now]).await? > 0 {
                    write.wakes();
                }
                job
            }
            None => {
                let sql = "SELECT r.registry, p.repository FROM repository_image p JOIN repository r ON r.id = p.repository WHERE p.image = $1 ORDER BY p.until DESC, p.id DESC LIMIT 1";
                let row = write.one(sql, values![image]).await?;
                let row = row.ok_or_else(|| Error::NotFound { what: "image", name: digest.to_owned() })?;
                add_image_job(&mut write, image, Class::OnDemand, row.int(0)?, row.int(1)?).await?
            }
        };
        let after = json!({"job": job, "known": known.is_some()});
        write.audit(&Audit { by, action: "image.scan", object: digest, scope, before: Value::Null, after }).await?;
        let sql = "SELECT COUNT(*) FROM job j JOIN job own ON own.id = $1 WHERE j.kind <> 3 AND own.worker = '' AND j.worker = ''
            AND (j.priority < own.priority OR (j.priority = own.priority AND (j.turn < own.turn OR (j.turn = own.turn AND j.id < own.id))))";
        let before = write.tx.int(sql, values![job]).await?;
        write.commit().await?;
        Ok(Asked { job, known: known.is_some(), before: u64::try_from(before).unwrap_or(0) })
    }
}
