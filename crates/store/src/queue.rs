//! The queue: rows with leases, fenced, deduplicated, tried again.

use crate::{Error, Result, Store};
use model::facts::Id;
use model::{Digest, Micros};
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
}

/// What a job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Read and judge an image (row id).
    Image(Id),
    /// Match again what a new generation changed.
    Rematch,
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

/// A job as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Row id.
    pub id: Id,
    /// `image` or `rematch`.
    pub kind: &'static str,
    /// Why.
    pub class: Class,
    /// The image's digest, or empty.
    pub digest: String,
    /// Full name of the repository, or empty.
    pub repository: String,
    /// `queued`, `running` or `retry-at`.
    pub state: &'static str,
    /// When it may be claimed.
    pub due: Micros,
    /// How often it was claimed.
    pub attempt: i64,
    /// Why it was put back the last time.
    pub reason: String,
    /// Who holds it, or empty.
    pub worker: String,
    /// When it was queued.
    pub since: Micros,
}

impl Class {
    /// Every class, most urgent first.
    pub const ALL: [Self; 5] = [Self::Push, Self::Import, Self::OnDemand, Self::RecentPull, Self::Reconcile];

    /// Returns the word: `push`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Import => "import",
            Self::OnDemand => "on-demand",
            Self::RecentPull => "recent-pull",
            Self::Reconcile => "reconcile",
        }
    }

    pub(crate) fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|class| i64::from(*class as u8) == number).unwrap_or(Self::Reconcile)
    }
}

impl Store {
    /// Queues a job unless one for the same thing and reason waits already. Returns its id.
    pub async fn enqueue(&self, _job: NewJob) -> Result<Id> {
        Err(Error::WrongCredentials)
    }

    /// Takes the most urgent job under a lease of 60 seconds.
    pub async fn claim(&self, _worker: &str) -> Result<Option<Job>> {
        Err(Error::WrongCredentials)
    }

    /// Prolongs the lease by 60 seconds from now; false = the job is somebody else's by now: stop.
    pub async fn heartbeat(&self, _job: &Job) -> Result<bool> {
        Err(Error::WrongCredentials)
    }

    /// Puts a job back after a transient error: 10 s, 40 s, 3 min, 10 min, 30 min with jitter. Returns when it comes again,
    /// or nothing when it was tried often enough: then record the failure.
    pub async fn retry(&self, _job: &Job, _reason: &str) -> Result<Option<Micros>> {
        Err(Error::WrongCredentials)
    }

    /// Ends a job that needs no result (`record` and `record_failure` end theirs).
    pub async fn finish(&self, _job: &Job) -> Result<()> {
        Err(Error::WrongCredentials)
    }

    /// Waits until there may be work, at most for `limit`.
    pub async fn wait_for_work(&self, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.work().notified()).await;
    }

    /// Lists unfinished jobs, the next one first.
    pub async fn jobs(&self, _n: u32) -> Result<Vec<JobRow>> {
        Err(Error::WrongCredentials)
    }

    pub(crate) async fn release_leases_of(&self, _instance: &str) -> Result<()> {
        Ok(())
    }
}
