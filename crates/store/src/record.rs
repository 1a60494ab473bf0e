//! What a scan found, written in one transaction.

use crate::engine::{Tx, values};
use crate::generation::Generation;
use crate::packages::{Known, Learnt};
use crate::queue::{Job, JobKind, end_job};
use crate::scans::Done;
use crate::vulnerabilities::Vulnerability;
use crate::write::{What, Write};
use crate::{Error, Result, Store, generation, inventories, matches, packages, scans, vulnerabilities};
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

impl Store {
    /// Returns which of the packages of an inventory must be judged before `record` takes it: new ones, and those that wait
    /// for a re-match.
    pub async fn unjudged(&self, inventory: &Inventory) -> Result<Vec<PackageKey>> {
        let mut tx = self.engine().begin_read().await?;
        if known_inventory(&mut tx, &inventories::hash(inventory)).await?.is_some() {
            return Ok(Vec::new());
        }
        let generation = generation::read(&mut tx).await?;
        let mut keys = packages::distinct(inventory);
        if generation.swept == generation.target {
            let known = self.known();
            keys.retain(|key| !known.has(key));
        }
        let found = packages::find(&mut tx, &keys).await?;
        let judged = |key: &&PackageKey| found.get(*key).is_some_and(|row| !row.wants_judgement(&generation));
        Ok(keys.iter().filter(|key| !judged(key)).map(|key| (*key).clone()).collect())
    }

    /// Writes the result of a scan: all of it or nothing. Fenced by the job's lease (`LeaseLost`) and by the generation
    /// (`StaleGeneration`: judge again and come back); `Unjudged` names packages that came without a judgement.
    pub async fn record(&self, assessment: &Assessment<'_>) -> Result<Recorded> {
        let JobKind::Image(image) = assessment.job.kind else { return Err(Error::LeaseLost(assessment.job.id)) };
        let mut write = self.fenced(assessment.job).await?;
        let generation = generation::read(&mut write.tx).await?;
        if generation.target != assessment.generation {
            return Err(Error::StaleGeneration { given: assessment.generation, current: generation.target });
        }
        self.step("record:begun");
        let mut recorded = Recorded { image, ..Recorded::default() };
        let mut learnt = Learnt::default();
        let hash = inventories::hash(assessment.inventory);
        let inventory = match known_inventory(&mut write.tx, &hash).await? {
            Some(inventory) => inventory,
            None => add_inventory(&mut write, assessment, &generation, &hash, &mut recorded, &mut learnt).await?,
        };
        place_inventory(&mut write, image, inventory, assessment.revision).await?;
        self.step("record:placed");
        describe_image(&mut write, image, assessment).await?;
        let mut notes = assessment.inventory.notes.clone();
        notes.extend_from_slice(&assessment.notes);
        let done = Done {
            image,
            class: assessment.job.class as u8,
            started: assessment.started,
            verdict: assessment.verdict,
            codes: &assessment.reasons.join(","),
            notes: &notes,
            tier: &assessment.tier,
            bytes: assessment.bytes,
        };
        scans::add(&mut write, &done).await?;
        self.step("record:described");
        end_job(&mut write, assessment.job).await?;
        self.step("record:ended");
        recorded.revision = write.commit().await?;
        self.step("record:committed");
        self.known().learn(learnt);
        Ok(recorded)
    }

    /// Writes that an image cannot be read. Its last inventory and findings stay.
    pub async fn record_failure(&self, failure: &Failure<'_>) -> Result<Recorded> {
        let JobKind::Image(image) = failure.job.kind else { return Err(Error::LeaseLost(failure.job.id)) };
        let mut write = self.fenced(failure.job).await?;
        let done = Done {
            image,
            class: failure.job.class as u8,
            started: failure.started,
            verdict: failure.verdict,
            codes: &failure.code,
            notes: &failure.notes,
            tier: &failure.tier,
            bytes: 0,
        };
        scans::add_failure(&mut write, &done).await?;
        end_job(&mut write, failure.job).await?;
        self.step("failure:ended");
        Ok(Recorded { revision: write.commit().await?, image, ..Recorded::default() })
    }

    pub(crate) fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.inner.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

async fn known_inventory(tx: &mut Tx, hash: &str) -> Result<Option<Id>> {
    tx.one("SELECT id FROM inventory WHERE hash = $1", values![hash]).await?.map(|row| row.int(0)).transpose()
}

/// Writes an inventory that the fleet does not have, with its new packages and what they match.
async fn add_inventory(
    write: &mut Write<'_>,
    assessment: &Assessment<'_>,
    generation: &Generation,
    hash: &str,
    recorded: &mut Recorded,
    learnt: &mut Learnt,
) -> Result<Id> {
    let keys = packages::distinct(assessment.inventory);
    let rows = packages::ensure(write, &keys, generation, learnt).await?;
    write.store().step("record:packages");
    let judged: HashMap<&PackageKey, &Vec<Match>> = assessment.judged.iter().map(|(key, found)| (key, found)).collect();
    let wanted: Vec<(&PackageKey, &packages::Row)> =
        rows.iter().filter(|(_, row)| row.wants_judgement(generation)).map(|(key, row)| (*key, row)).collect();
    let missing: Vec<PackageKey> =
        wanted.iter().filter(|(key, _)| !judged.contains_key(*key)).map(|(key, _)| (*key).clone()).collect();
    if !missing.is_empty() {
        return Err(Error::Unjudged(missing));
    }
    recorded.new_packages = wanted.iter().filter(|(_, row)| row.is_new).count() as u64;
    let judged: Vec<matches::Judged<'_>> = wanted
        .iter()
        .filter_map(|(key, row)| {
            Some(matches::Judged { package: row.id, is_new: row.is_new, found: judged.get(*key)? })
        })
        .collect();
    let ids = vulnerabilities::ensure(write, &judged, &assessment.vulnerabilities, generation.target, learnt).await?;
    write.store().step("record:vulnerabilities");
    recorded.changed_matches = matches::write(write, &judged, &ids, generation.target).await?;
    write.store().step("record:matches");

    let id_of = |key: &PackageKey| rows.get(key).map_or(0, |row| row.id);
    let (packages, places) = inventories::pack(assessment.inventory, id_of)?;
    let make = "INSERT INTO inventory (hash, packages, places) VALUES ($1, $2, $3) RETURNING id";
    let id = write.tx.int(make, values![hash, packages, places]).await?;
    write.store().step("record:inventory");
    write.changed(What::Inventory, id);
    Ok(id)
}

/// Says which inventory an image has from now on.
async fn place_inventory(write: &mut Write<'_>, image: Id, inventory: Id, revision: u32) -> Result<()> {
    let sql = "SELECT inventory, revision FROM image_inventory WHERE image = $1 AND until = $2";
    if let Some(row) = write.one(sql, values![image, Micros::FOREVER]).await? {
        if row.int(0)? == inventory {
            let sql = "UPDATE image_inventory SET revision = $2 WHERE image = $1 AND until = $3 AND revision <> $2";
            write.run(sql, values![image, i64::from(revision), Micros::FOREVER]).await?;
            return Ok(());
        }
        let close = "UPDATE image_inventory SET until = $2 WHERE image = $1 AND until = $3";
        write.run(close, values![image, write.now, Micros::FOREVER]).await?;
    }
    let open = "INSERT INTO image_inventory (image, since, until, inventory, revision) VALUES ($1, $2, $3, $4, $5)";
    write.run(open, values![image, write.now, Micros::FOREVER, inventory, i64::from(revision)]).await?;
    write.changed(What::ImageInventory, image);
    Ok(())
}

async fn describe_image(write: &mut Write<'_>, image: Id, assessment: &Assessment<'_>) -> Result<()> {
    let os = assessment.inventory.os.as_ref().map_or("", |os| os.pretty_name.as_str());
    let sql =
        "UPDATE image SET os = $2, verdict = $3, reason = $4, platform = CASE WHEN $5 = '' THEN platform ELSE $5 END
        WHERE id = $1 AND NOT (os = $2 AND verdict = $3 AND reason = $4 AND (platform = $5 OR $5 = ''))";
    let values = values![image, os, assessment.verdict as u8, assessment.reasons.join(","), &assessment.platform];
    if write.run(sql, values).await? > 0 {
        write.changed(What::Image, image);
    }
    Ok(())
}
