//! The queue: rows with leases, fenced, deduplicated, tried again.

use crate::engine::{Row, Value, values};
use crate::scans::{Done, Readers};
use crate::write::{self, What, Write};
use crate::{Error, Result, Store, generation, scans};
use model::facts::Id;
use model::inventory::Note;
use model::verdict::{Coverage, Verdict, Work};
use model::{Digest, Micros};
use std::collections::HashMap;
use std::time::Duration;

/// Why an image is read. Numbers are stored; there is at most one unfinished job for an image and a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// It was pushed.
    Push = 1,
    /// It was imported or mirrored.
    Import = 2,
    /// Somebody asked.
    OnDemand = 3,
    /// It was pulled lately, and the readers changed.
    RecentPull = 4,
    /// A listing found it.
    Reconcile = 5,
    /// The feeds cover more, or less, than when it was judged.
    Coverage = 6,
}

/// What a job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Read and judge an image (row id).
    Image(Id),
    /// Match again what a new generation changed.
    Rematch,
    /// Copy an image from another registry (row id).
    Import(Id),
}

/// A job to be queued.
#[derive(Debug, Clone, Copy)]
pub struct NewJob {
    /// What it is about.
    pub kind: JobKind,
    /// Why.
    pub class: Class,
}

/// A job under a lease.
#[derive(Debug, Clone)]
pub struct Job {
    /// Row id.
    pub id: Id,
    /// The lease: raised by each claim, so that a worker that lost the job can write nothing.
    pub lease: i64,
    /// What it is about.
    pub kind: JobKind,
    /// Why.
    pub class: Class,
    /// The image's digest; of no meaning for `Rematch`.
    pub digest: Option<Digest>,
    /// The registry it was pushed to; 0 = none.
    pub registry: Id,
    /// The repository it was pushed to; 0 = none.
    pub repository: Id,
    /// How often it was claimed, this time included.
    pub attempt: i64,
    /// When it was claimed.
    pub claimed: Micros,
}

impl Class {
    /// Every class, most urgent first.
    pub const ALL: [Self; 6] =
        [Self::Push, Self::Import, Self::OnDemand, Self::RecentPull, Self::Reconcile, Self::Coverage];

    /// Returns the word: `push`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Import => "import",
            Self::OnDemand => "on-demand",
            Self::RecentPull => "recent-pull",
            Self::Reconcile => "reconcile",
            Self::Coverage => "coverage",
        }
    }

    pub(crate) fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|class| i64::from(*class as u8) == number).unwrap_or(Self::Reconcile)
    }
}

/// When a job comes again after its first, second, … transient error.
const AGAIN: [u64; 5] = [10, 40, 180, 600, 1800];
/// The same for a re-match, which is never given up: the last one is for every further error.
const REMATCH_AGAIN: [u64; 4] = [10, 40, 180, 600];
/// Leases that may be lost without a word (a crash of the whole worker) before the job counts as poison.
const LOST: i64 = 3;
/// After so many seconds a re-match that ended its workers that often is taken again: other work is done in between.
const REMATCH_LOST: u64 = 30;
/// Kinds as they are stored.
const IMAGE: i64 = 1;
pub(crate) const REMATCH: i64 = 2;
pub(crate) const IMPORT: i64 = 3;

const JOB: &str = "SELECT j.id, j.lease, j.kind, j.image, j.class, COALESCE(i.digest, ''), j.registry, j.repository, j.attempt, j.lost, j.worker, COALESCE(i.coverage, 0) FROM job j LEFT JOIN image i ON i.id = j.image AND j.kind = 1";

impl Store {
    /// Queues a job unless one for the same thing and reason waits already. Returns its id.
    pub async fn enqueue(&self, job: NewJob) -> Result<Id> {
        let mut write = self.write().await?;
        let id = match job.kind {
            JobKind::Rematch => add_rematch(&mut write).await?,
            JobKind::Image(image) => {
                let sql = "SELECT r.registry, p.repository FROM repository_image p JOIN repository r ON r.id = p.repository WHERE p.image = $1 ORDER BY p.until DESC, p.id DESC";
                let row = write.one(sql, values![image]).await?;
                let row = row.ok_or_else(|| Error::NotFound { what: "image", name: image.to_string() })?;
                add_image_job(&mut write, image, job.class, row.int(0)?, row.int(1)?).await?
            }
            JobKind::Import(import) => return Err(Error::NotFound { what: "image", name: import.to_string() }),
        };
        write.commit().await?;
        Ok(id)
    }

    /// Takes the most urgent job but an import under a lease. Within a priority, registries take turns.
    pub async fn claim(&self, worker: &str) -> Result<Option<Job>> {
        self.claim_of("<>", worker).await
    }

    /// Takes an import: it may take hours, and so never stands in the way of other jobs.
    pub async fn claim_import(&self, worker: &str) -> Result<Option<Job>> {
        self.claim_of("=", worker).await
    }

    async fn claim_of(&self, is: &str, worker: &str) -> Result<Option<Job>> {
        loop {
            let engine = self.engine();
            let free = format!("j.kind {is} {IMPORT} AND j.leased_until < {0} AND j.due <= {0}", engine.clock());
            if engine.one(&format!("SELECT j.id FROM job j WHERE {free} LIMIT 1"), values![]).await?.is_none() {
                return Ok(None);
            }
            let mut tx = engine.begin().await?;
            let next = format!(
                "SELECT j.id FROM job j WHERE {free} ORDER BY j.priority, j.turn, j.id LIMIT 1{}",
                engine.lock_or_skip()
            );
            let Some(row) = tx.one(&next, values![]).await? else { return Ok(None) };
            let id = row.int(0)?;
            let row = tx.one(&format!("{JOB} WHERE j.id = $1"), values![id]).await?.ok_or(sqlx::Error::RowNotFound)?;
            let mut write = Write::ordered(self, tx).await?;
            if let Some(job) = self.take(&mut write, &row, worker).await? {
                self.step("claim:taken");
                write.commit().await?;
                self.step("claim:committed");
                return Ok(Some(job));
            }
            write.commit().await?;
        }
    }

    /// Takes a job that nobody holds. `None` = it was ended: there is nothing to read, or it kills whoever takes it.
    async fn take(&self, write: &mut Write<'_>, row: &Row, worker: &str) -> Result<Option<Job>> {
        let kind = match row.int(2)? {
            REMATCH => JobKind::Rematch,
            IMPORT => JobKind::Import(row.int(3)?),
            _ => JobKind::Image(row.int(3)?),
        };
        let digest = Digest::parse(&row.text(5)?).ok();
        let lost = row.int(9)? + i64::from(!row.text(10)?.is_empty());
        let job = Job {
            id: row.int(0)?,
            lease: row.int(1)? + 1,
            kind,
            class: Class::from_number(row.int(4)?),
            digest,
            registry: row.int(6)?,
            repository: row.int(7)?,
            attempt: row.int(8)? + 1,
            claimed: write.now,
        };
        if let JobKind::Image(image) = kind {
            let kept_out = [Coverage::Accessory, Coverage::PlanOff, Coverage::BlockedByNetwork];
            if kept_out.contains(&Coverage::from_number(row.int(11)?)) {
                end_job(write, &job).await?;
                return Ok(None);
            }
            if lost >= LOST {
                let text = format!("reading this image ended the worker {lost} times");
                let note = Note { code: "crash".into(), path: String::new(), text, gap: true };
                let done = Done {
                    image,
                    job: job.id,
                    class: job.class as u8,
                    started: write.now,
                    verdict: Verdict::Failed,
                    codes: "crash",
                    notes: &[note],
                    tier: "",
                    bytes: 0,
                };
                scans::add_failure(write, &done, Readers::Unknown).await?;
                end_job(write, &job).await?;
                return Ok(None);
            }
            set_work(write, image, Work::Running).await?;
        }
        let until = write.now.saturating_add(self.lease());
        let take = "UPDATE job SET lease = $2, leased_until = $3, worker = $4, attempt = $5, lost = $6 WHERE id = $1";
        write.run(take, values![job.id, job.lease, until, self.worker_name(worker), job.attempt, lost]).await?;
        if kind == JobKind::Rematch && lost >= LOST {
            let due = write.now.saturating_add(Duration::from_secs(REMATCH_LOST));
            let text = format!("its worker ended {lost} times before the re-match did");
            write.run("UPDATE job SET due = $2, reason = $3 WHERE id = $1", values![job.id, due, text]).await?;
        }
        Ok(Some(job))
    }

    /// Prolongs the lease from now on; false = the job is somebody else's by now: stop.
    pub async fn heartbeat(&self, job: &Job) -> Result<bool> {
        let mut tx = self.engine().begin().await?;
        let sql = format!(
            "UPDATE job SET leased_until = {} + $3 WHERE id = $1 AND lease = $2 AND worker <> ''",
            self.engine().clock()
        );
        let span = i64::try_from(self.lease().as_micros()).unwrap_or(i64::MAX);
        let mine = tx.run(&sql, values![job.id, job.lease, span]).await?;
        tx.commit().await?;
        Ok(mine > 0)
    }

    /// Puts a job back after a transient error: 10 s, 40 s, 3 min, 10 min, 30 min with jitter. Returns when it comes again,
    /// or nothing when it was tried often enough: then record the failure. A re-match always comes again, 10 minutes later at most.
    pub async fn retry(&self, job: &Job, reason: &str) -> Result<Option<Micros>> {
        let tried = usize::try_from(job.attempt - 1).unwrap_or(0);
        let seconds = match job.kind {
            JobKind::Rematch => REMATCH_AGAIN.get(tried).or(REMATCH_AGAIN.last()),
            JobKind::Image(_) | JobKind::Import(_) => AGAIN.get(tried),
        };
        let Some(seconds) = seconds else { return Ok(None) };
        let jitter = u64::from(uuid::Uuid::new_v4().as_bytes()[0]); // 0–25 % in 256 steps, so that a flock spreads out
        let wait = Duration::from_millis(seconds * 1000 + seconds * 250 * jitter / 256);
        let mut write = self.fenced(job).await?;
        let due = write.now.saturating_add(wait);
        let sql = "UPDATE job SET due = $2, leased_until = 0, worker = '', lost = 0, reason = $3 WHERE id = $1";
        write.run(sql, values![job.id, due, reason]).await?;
        if let JobKind::Image(image) = job.kind {
            set_work(&mut write, image, Work::RetryAt).await?;
        }
        write.commit().await?;
        Ok(Some(due))
    }

    /// Gives a job back untouched, for another worker or the next start; the attempt does not count. `reason` is shown with it.
    pub async fn release(&self, job: &Job, reason: &str) -> Result<()> {
        let mut write = self.fenced(job).await?;
        let sql =
            "UPDATE job SET due = $2, leased_until = 0, worker = '', attempt = attempt - 1, reason = $3 WHERE id = $1";
        write.run(sql, values![job.id, write.now, reason]).await?;
        if let JobKind::Image(image) = job.kind {
            set_work(&mut write, image, Work::Queued).await?;
        }
        write.wakes();
        write.commit().await?;
        Ok(())
    }

    /// Ends a job that needs no result (`record`, `record_failure` and `finish_sweep` end theirs).
    pub async fn finish(&self, job: &Job) -> Result<()> {
        let mut write = self.fenced(job).await?;
        if job.kind == JobKind::Rematch && generation::pending(&mut write.tx).await? {
            let sql = "UPDATE job SET due = $2, leased_until = 0, worker = '', attempt = 0, lost = 0 WHERE id = $1";
            write.run(sql, values![job.id, write.now]).await?;
            write.wakes();
        } else {
            end_job(&mut write, job).await?;
        }
        write.commit().await?;
        Ok(())
    }

    /// Begins to write what a job found; fails when somebody else has the job by now.
    pub(crate) async fn fenced(&self, job: &Job) -> Result<Write<'_>> {
        let mut tx = self.engine().begin().await?;
        // Rows are locked in the order in which their tables are named.
        let sql = format!(
            "SELECT {}, j.lease FROM job j CROSS JOIN revision r WHERE j.id = $1 AND j.worker <> '' AND r.one = 1{}",
            write::locked(self.engine()),
            self.engine().lock()
        );
        match tx.one(&sql, values![job.id]).await? {
            Some(row) if row.int(3)? == job.lease => Write::begun(self, tx, &row),
            _ => Err(Error::LeaseLost(job.id)),
        }
    }

    /// Waits until there may be work, at most for `limit`.
    pub async fn wait_for_work(&self, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.work().notified()).await;
    }

    /// Frees what dead processes of this installation held, so that it goes on at once.
    pub(crate) async fn release_leases_of(&self, instance: &str) -> Result<()> {
        let mut tx = self.engine().begin().await?;
        // The worker's name stays: it tells the next claim that the lease was lost, not given back.
        let sql = "UPDATE job SET leased_until = 0 WHERE worker LIKE $1";
        tx.run(sql, values![format!("{instance}:%")]).await?;
        tx.commit().await
    }
}

/// Queues the reading of an image, unless the same waits already.
pub(crate) async fn add_image_job(
    write: &mut Write<'_>,
    image: Id,
    class: Class,
    registry: Id,
    repository: Id,
) -> Result<Id> {
    let id = add(write, IMAGE, image, class, class as i64, registry, repository).await?;
    let work = write.tx.int("SELECT work FROM image WHERE id = $1", values![image]).await?;
    if Work::from_number(work) == Work::Idle {
        set_work(write, image, Work::Queued).await?;
    }
    Ok(id)
}

/// Queues the reading of many images (image, registry, repository), unless the same waits already. Their work is the caller's affair.
pub(crate) async fn add_image_jobs(write: &mut Write<'_>, images: &[(Id, Id, Id)], class: Class) -> Result<()> {
    let (number, now) = (class as u8, write.now);
    let sql = "SELECT COALESCE(MIN(turn), 0) FROM job WHERE priority = $1";
    let served = write.tx.int(sql, values![number]).await?;
    let sql = "SELECT registry, MAX(turn) FROM job WHERE priority = $1 GROUP BY registry";
    let rows = write.tx.all(sql, values![number]).await?;
    let mut turns = rows.iter().map(|row| Ok((row.int(0)?, row.int(1)?))).collect::<Result<HashMap<Id, i64>>>()?;
    let mut values: Vec<Value> = Vec::with_capacity(images.len() * 15);
    for (image, registry, repository) in images {
        let turn = turns.entry(*registry).or_insert(0);
        *turn = (*turn + 1).max(served);
        let row =
            values![IMAGE, *image, number, number, *turn, *registry, *repository, now, 0u8, 0u8, "", 0u8, 0u8, "", now];
        values.extend_from_slice(row);
    }
    let head = "INSERT INTO job (kind, image, class, priority, turn, registry, repository, due, lease, leased_until, worker, attempt, lost, reason, since)";
    write.tx.insert(head, 15, &values, "ON CONFLICT DO NOTHING").await?;
    if !images.is_empty() {
        write.wakes();
    }
    Ok(())
}

/// Queues the re-match, unless it waits or runs already. Before everything else: it is short, and new results wait for it.
pub(crate) async fn add_rematch(write: &mut Write<'_>) -> Result<Id> {
    add(write, REMATCH, 0, Class::Reconcile, 0, 0, 0).await
}

/// Lets a re-match that failed begin anew: there is another generation to match with. `job` is locked by this transaction.
pub(crate) async fn renew_rematch(write: &mut Write<'_>, job: Id) -> Result<()> {
    let sql = "UPDATE job SET due = $2, attempt = 0, lost = 0, reason = '' WHERE id = $1";
    write.run(sql, values![job, write.now]).await?;
    write.wakes();
    Ok(())
}

/// Queues an import.
pub(crate) async fn add_import_job(write: &mut Write<'_>, import: Id, registry: Id) -> Result<Id> {
    add(write, IMPORT, import, Class::Import, Class::Import as i64, registry, 0).await
}

async fn add(
    write: &mut Write<'_>,
    kind: i64,
    image: Id,
    class: Class,
    priority: i64,
    registry: Id,
    repository: Id,
) -> Result<Id> {
    // Turns: a registry's next job comes one turn after its last one, but not before the turn that is served now.
    let own = "SELECT COALESCE(MAX(turn), 0) FROM job WHERE priority = $1 AND registry = $2";
    let served = "SELECT COALESCE(MIN(turn), 0) FROM job WHERE priority = $1";
    let turn = write.tx.int(own, values![priority, registry]).await? + 1;
    let turn = turn.max(write.tx.int(served, values![priority]).await?);
    let sql = "INSERT INTO job (kind, image, class, priority, turn, registry, repository, due, lease, leased_until, worker, attempt, lost, reason, since)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, '', 0, 0, '', $8) ON CONFLICT DO NOTHING RETURNING id";
    let values = values![kind, image, class as u8, priority, turn, registry, repository, write.now];
    let made = write.one(sql, values).await?;
    write.wakes();
    match made {
        Some(row) => row.int(0),
        None => {
            let sql = "SELECT id FROM job WHERE kind = $1 AND image = $2 AND class = $3";
            write.tx.int(sql, values![kind, image, class as u8]).await
        }
    }
}

/// Ends a job; its image is idle then, unless another job for it waits.
pub(crate) async fn end_job(write: &mut Write<'_>, job: &Job) -> Result<()> {
    write.run("DELETE FROM job WHERE id = $1", values![job.id]).await?;
    if let JobKind::Image(image) = job.kind {
        let others = write.tx.int("SELECT COUNT(*) FROM job WHERE kind = 1 AND image = $1", values![image]).await?;
        set_work(write, image, if others > 0 { Work::Queued } else { Work::Idle }).await?;
    }
    Ok(())
}

async fn set_work(write: &mut Write<'_>, image: Id, work: Work) -> Result<()> {
    if write.run("UPDATE image SET work = $2 WHERE id = $1 AND work <> $2", values![image, work as u8]).await? > 0 {
        write.changed(What::Image, image);
    }
    Ok(())
}
