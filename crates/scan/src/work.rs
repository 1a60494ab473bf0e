//! The worker: claims jobs, runs them under their lease, tries again or gives up.
//!
//! In: the queue of the store. Out: results, and jobs put back.
//! A lease that is lost stops the work at once: whoever has it now writes the result, and the store refuses ours.

use crate::error::in_full;
use crate::image::Refused;
use crate::story::{Story, now, record_refusal};
use crate::{Error, Knowledge, Layers, import, rematch, window};
use model::Micros;
use std::time::Duration;
use store::{Job, JobKind, Remedy, Room, Store};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// A lease is prolonged as often as this within its time.
const HEARTBEATS: u32 = 4;
/// How long a worker waits for work before it looks by itself.
const LOOK: Duration = Duration::from_secs(5);
/// Work may go on after the end was asked for this part of a lease: 20 seconds of 60.
const DRAIN: u32 = 3;
/// How long jobs may take to be given back.
const GIVE_BACK: Duration = Duration::from_secs(3);
/// How long to wait when the store fails.
const BREATH: Duration = Duration::from_secs(2);
/// Nothing takes longer: 512 layers, each within its own limit, in parallel.
const LONGEST: Duration = Duration::from_secs(3600);
/// An import may come over a slow line; what it left in the store is kept as long.
const LONGEST_IMPORT: Duration = Duration::from_secs(24 * 3600);
/// Imports at a time, beside the jobs.
const IMPORTS: usize = 2;
/// A job whose worker dies with it comes back as often as this.
const CLAIMS: i64 = 8;

/// How many jobs at a time, and under which name.
#[derive(Debug, Clone)]
pub struct Workers {
    /// The name that leases show.
    pub name: String,
    /// Jobs at a time.
    pub at_a_time: usize,
}

impl Default for Workers {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { name: format!("worker-{}", std::process::id()), at_a_time: cores.saturating_mul(2) }
    }
}

/// Claims and runs jobs until the end is asked for. Jobs under way then have a while to finish; what does not is given back, so
/// that another worker takes it at once.
pub async fn worker(layers: Layers, knowledge: Knowledge, workers: Workers, shutdown: CancellationToken) {
    let story = Story { knowledge, layers };
    let (mut running, over) = (JoinSet::new(), CancellationToken::new());
    for _ in 0..workers.at_a_time.max(1) {
        let claiming = claim_for_ever(story.clone(), workers.name.clone(), shutdown.clone(), over.clone());
        running.spawn(claiming);
    }
    for _ in 0..IMPORTS {
        running.spawn(import_for_ever(story.clone(), workers.name.clone(), shutdown.clone()));
    }
    running.spawn(window::keep(story.layers.store().clone(), shutdown.clone()));
    shutdown.cancelled().await;
    let drained = async { while running.join_next().await.is_some() {} };
    if timeout(story.layers.store().lease() / DRAIN, drained).await.is_ok() {
        return;
    }
    over.cancel();
    let _ = timeout(GIVE_BACK, async { while running.join_next().await.is_some() {} }).await;
    // What could not even be given back is dropped: its lease runs out, another worker takes it.
}

async fn claim_for_ever(story: Story, name: String, shutdown: CancellationToken, over: CancellationToken) {
    let store = story.layers.store().clone();
    let mut waits = false;
    while !shutdown.is_cancelled() {
        let waited = std::mem::replace(&mut waits, store.room() < Room::Enough);
        if waits {
            if !waited {
                tracing::warn!("the data folder's disk is nearly full; scans wait until there is more room");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = shutdown.cancelled() => {}
            }
            continue;
        }
        match store.claim(&name).await {
            Ok(Some(job)) => {
                if run(&story, &store, job, &over).await == Next::LeaveToOthers {
                    tokio::select! {
                        () = tokio::time::sleep(LOOK) => {}
                        () = shutdown.cancelled() => {}
                    }
                }
            }
            Ok(None) => {
                tokio::select! {
                    () = store.wait_for_work(LOOK) => {}
                    () = shutdown.cancelled() => {}
                }
            }
            Err(error) => {
                tracing::warn!(error = in_full(&error), "cannot claim work");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// Claims and runs imports. They go on where they were, so that the end need not wait for them.
async fn import_for_ever(story: Story, name: String, shutdown: CancellationToken) {
    let store = story.layers.store().clone();
    while !shutdown.is_cancelled() {
        let wait = match store.claim_import(&name).await {
            Ok(Some(job)) => {
                run(&story, &store, job, &shutdown).await;
                continue;
            }
            Ok(None) => LOOK,
            Err(error) => {
                tracing::warn!(error = in_full(&error), "cannot claim an import");
                BREATH
            }
        };
        tokio::select! {
            () = store.wait_for_work(wait) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// What a worker does after a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It takes another.
    GoOn,
    /// It cannot do what waits now, and others may.
    LeaveToOthers,
}

/// Runs a job as long as its lease holds, and decides what comes next.
async fn run(story: &Story, store: &Store, job: Job, over: &CancellationToken) -> Next {
    // A re-match is never given up: without it nobody would learn what new advisories say.
    if job.attempt > CLAIMS && job.kind != JobKind::Rematch {
        let text = format!("the work was begun {} times and never ended", job.attempt);
        let done = give_up(store, &job, "crash", text, now()).await;
        log_if_failed(&job, done);
        return Next::GoOn;
    }
    let result = tokio::select! {
        result = guarded(story, &job) => result,
        () = lease_lost(store, &job) => {
            tracing::warn!(job = job.id, "the lease was lost, the work was stopped");
            return Next::GoOn;
        }
        () = over.cancelled() => {
            tracing::info!(job = job.id, "given back, for another worker or the next start");
            log_if_failed(&job, store.release(&job, "").await.map_err(Error::from));
            return Next::GoOn;
        }
    };
    match result {
        Ok(()) => Next::GoOn,
        Err(error @ Error::Behind { .. }) => {
            let text = in_full(&error);
            tracing::warn!(job = job.id, error = text, "left to a worker that has the database in force");
            log_if_failed(&job, store.release(&job, &text).await.map_err(Error::from));
            Next::LeaveToOthers
        }
        Err(error) => {
            let settled = settle(store, &job, error).await;
            log_if_failed(&job, settled);
            Next::GoOn
        }
    }
}

/// A defect in the work on one image must not end the worker.
async fn guarded(story: &Story, job: &Job) -> Result<(), Error> {
    let mut work = JoinSet::new();
    let longest = if matches!(job.kind, JobKind::Import(_)) { LONGEST_IMPORT } else { LONGEST };
    let (story, job) = (story.clone(), job.clone());
    work.spawn(async move {
        match job.kind {
            JobKind::Import(id) => copy(story.layers.store(), &job, id).await,
            JobKind::Image(_) => story.tell(&job).await,
            JobKind::Rematch => rematch::rematch(story.layers.store(), &story.knowledge, &job).await,
        }
    });
    // Dropping the set ends the work and its children.
    match timeout(longest, work.join_next()).await {
        Ok(Some(Ok(result))) => result,
        Ok(Some(Err(_)) | None) => Err(Error::Defect),
        Err(_) => Err(Error::TooLong),
    }
}

async fn copy(store: &Store, job: &Job, id: i64) -> Result<(), Error> {
    match store.import(id).await? {
        Some(row) if !row.state.is_over() => import::import(store, job, &row).await,
        _ => Ok(store.finish(job).await?),
    }
}

/// Returns when the job is no longer ours. Prolongs the lease until then; a store that does not answer prolongs nothing.
async fn lease_lost(store: &Store, job: &Job) {
    let lease = store.lease();
    let mut until = Instant::now() + lease;
    loop {
        tokio::time::sleep(lease / HEARTBEATS).await;
        match tokio::time::timeout_at(until, store.heartbeat(job)).await {
            Ok(Ok(true)) => until = Instant::now() + lease,
            Ok(Ok(false)) => return,
            Ok(Err(_)) | Err(_) if Instant::now() >= until => return,
            Ok(Err(error)) => tracing::warn!(job = job.id, error = in_full(&error), "cannot prolong a lease"),
            Err(_) => return,
        }
    }
}

/// Puts a job back, or writes why it is given up.
async fn settle(store: &Store, job: &Job, error: Error) -> Result<(), Error> {
    let text = in_full(&error);
    if matches!(error, Error::Store(store::Error::LeaseLost(_))) {
        tracing::warn!(job = job.id, "the lease was lost, the result was refused");
        return Ok(());
    }
    if (matches!(error.remedy(), Remedy::Retry) || job.kind == JobKind::Rematch)
        && let Some(at) = store.retry(job, &text).await?
    {
        tracing::info!(job = job.id, error = text, again = at.rfc3339(), "to be tried again");
        return Ok(());
    }
    tracing::warn!(job = job.id, error = text, "given up");
    give_up(store, job, error.code(), text, job.claimed).await
}

/// Writes why a job comes to nothing.
async fn give_up(store: &Store, job: &Job, code: &str, text: String, begun: Micros) -> Result<(), Error> {
    match job.kind {
        JobKind::Rematch => Ok(store.retry(job, &text).await.map(drop)?),
        JobKind::Import(_) => Ok(store.end_import(job, Some(&text)).await?),
        JobKind::Image(_) => record_refusal(store, job, &Refused::new(code, text), String::new(), begun).await,
    }
}

fn log_if_failed(job: &Job, result: Result<(), Error>) {
    if let Err(error) = result {
        tracing::error!(
            job = job.id,
            error = in_full(&error),
            "the end of a job could not be written; its lease runs out"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Sandbox, Settings};
    use advisory::Builder;
    use store::{Class, NewJob};

    /// A store with a database in force and a re-match that waits.
    async fn story(data: &std::path::Path) -> Story {
        let store = Store::open(&store::Settings { data: data.into(), ..Default::default() }).await.unwrap();
        let folder = crate::database::Folder::of(data);
        folder.publish(3, &Builder::new().finish(3, Micros(1), Vec::new())).unwrap();
        let knowledge = Knowledge::open(data).unwrap();
        store.adopt(3, knowledge.current().content_hash()).await.unwrap();
        store.enqueue(NewJob { kind: JobKind::Rematch, class: Class::Reconcile }).await.unwrap();
        Story { knowledge, layers: Layers::new(store, Sandbox::new(Settings::default())) }
    }

    #[tokio::test]
    async fn a_re_match_comes_again_after_any_error_and_is_done_however_often_it_was_begun() {
        for error in [Error::Defect, Error::TooLong, Error::Restless(20)] {
            let data = tempfile::tempdir().unwrap();
            let story = story(data.path()).await;
            let store = story.layers.store();
            let text = in_full(&error);
            let job = Job { attempt: CLAIMS + 1, ..store.claim("w").await.unwrap().unwrap() };
            settle(store, &job, error).await.unwrap();
            let row = store.jobs(1).await.unwrap().remove(0);
            assert_eq!((row.kind, row.state, &row.reason), ("rematch", "retry-at", &text));
        }
        let data = tempfile::tempdir().unwrap();
        let story = story(data.path()).await;
        let store = story.layers.store();
        let job = Job { attempt: CLAIMS + 1, ..store.claim("w").await.unwrap().unwrap() };
        assert_eq!(run(&story, store, job, &CancellationToken::new()).await, Next::GoOn);
        assert!(store.jobs(1).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_a_worker_with_an_older_database_cannot_do_is_left_to_others_and_costs_no_attempt() {
        let data = tempfile::tempdir().unwrap();
        let story = story(data.path()).await;
        let store = story.layers.store();
        store.adopt(9, "only elsewhere").await.unwrap();
        for _ in 0..20 {
            let job = store.claim("w").await.unwrap().expect("it can be taken at once");
            assert_eq!(job.attempt, 1);
            assert_eq!(run(&story, store, job, &CancellationToken::new()).await, Next::LeaveToOthers);
        }
        let row = store.jobs(1).await.unwrap().remove(0);
        assert_eq!(row.reason, "the advisory database here is generation 3, and 9 is in force");
    }
}
