//! What a scan found, written in one transaction.

use crate::engine::{Row, Tx, values};
use crate::generation::Generation;
use crate::packages::{Known, Learnt};
use crate::queue::{Job, JobKind, end_job};
use crate::scans::{Done, Readers};
use crate::vulnerabilities::Vulnerability;
use crate::write::{What, Write};
use crate::{Error, Result, Store, inventories, matches, packages, scans, vulnerabilities};
use model::facts::Id;
use model::finding::Match;
use model::inventory::{Inventory, Note};
use model::verdict::{Verdict, Work};
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
    /// The sandbox that the readers of its layers had.
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
    /// Revision of the readers that tried.
    pub revision: u32,
    /// When the work began.
    pub started: Micros,
    /// The sandbox that the readers of its layers had; empty = none was read.
    pub tier: String,
}

impl Store {
    /// Returns which of the packages of an inventory must be judged before `record` takes it: new ones, and those that wait
    /// for a re-match.
    pub async fn unjudged(&self, inventory: &Inventory) -> Result<Vec<PackageKey>> {
        let mut tx = self.engine().begin_read().await?;
        let sql = "SELECT k.target, k.swept, COALESCE(v.id, 0) FROM knowledge k LEFT JOIN inventory v ON v.hash = $1 WHERE k.one = 1";
        let row = tx.one(sql, values![inventories::hash(inventory)]).await?.ok_or(sqlx::Error::RowNotFound)?;
        if row.int(2)? != 0 {
            return Ok(Vec::new());
        }
        let generation = Generation { target: row.int(0)?, swept: row.int(1)?, ..Generation::default() };
        let mut keys = packages::distinct(inventory);
        if generation.swept == generation.target {
            let known = self.known();
            keys.retain(|key| !known.has(key));
        }
        let found = packages::find(&mut tx, &keys).await?;
        let judged = |key: &&PackageKey| found.rows.get(*key).is_some_and(|row| !row.wants_judgement(&generation));
        Ok(keys.iter().filter(|key| !judged(key)).map(|key| (*key).clone()).collect())
    }

    /// Writes the result of a scan: all of it or nothing. Fenced by the job's lease (`LeaseLost`) and by the generation
    /// (`StaleGeneration`: judge again and come back); `Unjudged` names packages that came without a judgement.
    pub async fn record(&self, assessment: &Assessment<'_>) -> Result<Recorded> {
        let JobKind::Image(image) = assessment.job.kind else { return Err(Error::LeaseLost(assessment.job.id)) };
        let hash = inventories::hash(assessment.inventory);
        let mut write = self.fenced(assessment.job).await?;
        let found = Found::read(&mut write.tx, assessment.job, image, &hash).await?;
        let generation = found.generation.target;
        if generation != assessment.generation {
            return Err(Error::StaleGeneration { given: assessment.generation, current: generation });
        }
        self.step("record:begun");
        let mut recorded = Recorded { image, ..Recorded::default() };
        let mut learnt = Learnt::default();
        let inventory = match found.inventory {
            0 => add_inventory(&mut write, assessment, &found.generation, &hash, &mut recorded, &mut learnt).await?,
            known => known,
        };
        place_inventory(&mut write, image, inventory, assessment.revision, found.placed).await?;
        self.step("record:placed");
        describe_image(&mut write, image, assessment, &found);
        let mut notes = assessment.inventory.notes.clone();
        notes.extend_from_slice(&assessment.notes);
        let done = Done {
            image,
            job: assessment.job.id,
            class: assessment.job.class as u8,
            started: assessment.started,
            verdict: assessment.verdict,
            codes: &assessment.reasons.join(","),
            notes: &notes,
            tier: &assessment.tier,
            bytes: assessment.bytes,
        };
        scans::add(&mut write, &done, generation)?;
        self.step("record:described");
        write.last("DELETE FROM job WHERE id = $1", values![assessment.job.id]);
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
            job: failure.job.id,
            class: failure.job.class as u8,
            started: failure.started,
            verdict: failure.verdict,
            codes: &failure.code,
            notes: &failure.notes,
            tier: &failure.tier,
            bytes: 0,
        };
        scans::add_failure(&mut write, &done, Readers::Of(failure.revision)).await?;
        end_job(&mut write, failure.job).await?;
        self.step("failure:ended");
        Ok(Recorded { revision: write.commit().await?, image, ..Recorded::default() })
    }

    pub(crate) fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.inner.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What the store has of an image and of its inventory before a result is written.
struct Found {
    generation: Generation,
    /// The row of the inventory; 0 = the fleet does not have it.
    inventory: Id,
    /// The inventory that the image has, and the revision of its readers; 0 = none.
    placed: (Id, i64),
    image: Shown,
    /// Whether another job for the image waits.
    has_jobs: bool,
}

/// What an image's row says.
#[derive(PartialEq, Eq)]
struct Shown {
    os: String,
    verdict: i64,
    reason: String,
    platform: String,
    work: i64,
    tried: i64,
}

impl Found {
    /// Reads all of it, once the revision is locked.
    async fn read(tx: &mut Tx, job: &Job, image: Id, hash: &str) -> Result<Self> {
        let sql = "SELECT k.target, k.swept, COALESCE(v.id, 0), COALESCE(p.inventory, 0), COALESCE(p.revision, 0), i.os, i.verdict, i.reason, i.platform, i.work, i.tried,
            (SELECT COUNT(*) FROM job j WHERE j.kind = 1 AND j.image = $1 AND j.id <> $2)
            FROM knowledge k JOIN image i ON i.id = $1 LEFT JOIN inventory v ON v.hash = $3
            LEFT JOIN image_inventory p ON p.image = $1 AND p.until = $4 WHERE k.one = 1";
        let row = tx.one(sql, values![image, job.id, hash, Micros::FOREVER]).await?;
        Self::of(&row.ok_or(sqlx::Error::RowNotFound)?)
    }

    fn of(row: &Row) -> Result<Self> {
        Ok(Self {
            generation: Generation { target: row.int(0)?, swept: row.int(1)?, ..Generation::default() },
            inventory: row.int(2)?,
            placed: (row.int(3)?, row.int(4)?),
            image: Shown {
                os: row.text(5)?,
                verdict: row.int(6)?,
                reason: row.text(7)?,
                platform: row.text(8)?,
                work: row.int(9)?,
                tried: row.int(10)?,
            },
            has_jobs: row.int(11)? > 0,
        })
    }
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

/// Says which inventory an image has from now on; `placed` is what it has.
async fn place_inventory(
    write: &mut Write<'_>,
    image: Id,
    inventory: Id,
    revision: u32,
    placed: (Id, i64),
) -> Result<()> {
    let revision = i64::from(revision);
    if placed.0 == inventory {
        if placed.1 != revision {
            let sql = "UPDATE image_inventory SET revision = $2 WHERE image = $1 AND until = $3";
            write.last(sql, values![image, revision, Micros::FOREVER]);
        }
        return Ok(());
    }
    if placed.0 != 0 {
        let close = "UPDATE image_inventory SET until = $2 WHERE image = $1 AND until = $3";
        write.run(close, values![image, write.now, Micros::FOREVER]).await?;
    }
    let open = "INSERT INTO image_inventory (image, since, until, inventory, revision) VALUES ($1, $2, $3, $4, $5)";
    write.last(open, values![image, write.now, Micros::FOREVER, inventory, revision]);
    write.changed(What::ImageInventory, image);
    Ok(())
}

/// Says what an image is, and that its work is done unless another job for it waits.
fn describe_image(write: &mut Write<'_>, image: Id, assessment: &Assessment<'_>, found: &Found) {
    let os = assessment.inventory.os.as_ref().map_or("", |os| os.pretty_name.as_str());
    let platform = if assessment.platform.is_empty() { &found.image.platform } else { &assessment.platform };
    let shown = Shown {
        os: os.to_owned(),
        verdict: i64::from(assessment.verdict as u8),
        reason: assessment.reasons.join(","),
        platform: platform.clone(),
        work: i64::from(if found.has_jobs { Work::Queued } else { Work::Idle } as u8),
        tried: i64::from(assessment.revision),
    };
    if shown == found.image {
        return;
    }
    let sql = "UPDATE image SET os = $2, verdict = $3, reason = $4, platform = $5, work = $6, tried = $7 WHERE id = $1";
    write.last(sql, values![image, shown.os, shown.verdict, shown.reason, shown.platform, shown.work, shown.tried]);
    write.changed(What::Image, image);
}
