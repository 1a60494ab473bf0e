//! What a scan found, written in one transaction.

use crate::queue::Job;
use crate::vulnerabilities::Vulnerability;
use crate::{Error, Result, Store};
use model::facts::Id;
use model::finding::Match;
use model::inventory::{Inventory, Note};
use model::verdict::Verdict;
use model::{Micros, PackageKey};
use std::collections::HashMap;

/// The result of a scan.
#[derive(Debug, Clone)]
pub struct Assessment<'a> {
    /// The job that it answers: its lease fences the transaction.
    pub job: &'a Job,
    /// What the image holds.
    pub inventory: &'a Inventory,
    /// `linux/amd64` as the configuration says; empty = leave what the manifest said.
    pub platform: String,
    /// Revision of the readers that made the inventory.
    pub revision: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// Reason codes of the verdict.
    pub reasons: Vec<String>,
    /// Further notes beside those of the inventory.
    pub notes: Vec<Note>,
    /// Generation of the advisory database that judged.
    pub generation: i64,
    /// The packages that were judged, with their matches (none = judged and clean). At least those that `unjudged` names.
    pub judged: Vec<(PackageKey, Vec<Match>)>,
    /// Every vulnerability that the matches name.
    pub vulnerabilities: Vec<Vulnerability>,
    /// When the work began.
    pub started: Micros,
    /// The sandbox tier that was in force.
    pub tier: String,
    /// Bytes of blobs that were read for it.
    pub bytes: i64,
}

/// What became of a result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// The revision after which it is visible.
    pub revision: i64,
    /// The image.
    pub image: Id,
    /// Packages that the fleet did not have before.
    pub new_packages: u64,
    /// Matches opened or closed.
    pub changed_matches: u64,
}

/// A scan that failed for good.
#[derive(Debug, Clone)]
pub struct Failure<'a> {
    /// The job.
    pub job: &'a Job,
    /// `Failed` or `Unsupported`.
    pub verdict: Verdict,
    /// A code of `verdict::REASONS`.
    pub code: String,
    /// Notes; the first one is the sentence.
    pub notes: Vec<Note>,
    /// When the work began.
    pub started: Micros,
    /// The sandbox tier that was in force.
    pub tier: String,
}

/// Ids that never change, remembered.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) packages: HashMap<PackageKey, Id>,
}

impl Store {
    /// Returns which of the packages of an inventory must be judged before `record` takes it: new ones, and those that wait
    /// for a re-match.
    pub async fn unjudged(&self, _inventory: &Inventory) -> Result<Vec<PackageKey>> {
        Err(Error::WrongCredentials)
    }

    /// Writes the result of a scan: all of it or nothing. Fenced by the job's lease (`LeaseLost`) and by the generation
    /// (`StaleGeneration`: judge again and come back); `Unjudged` names packages that came without a judgement.
    pub async fn record(&self, _assessment: &Assessment<'_>) -> Result<Recorded> {
        Err(Error::WrongCredentials)
    }

    /// Writes that an image cannot be read. Its last inventory and findings stay.
    pub async fn record_failure(&self, _failure: &Failure<'_>) -> Result<Recorded> {
        Err(Error::WrongCredentials)
    }
}
