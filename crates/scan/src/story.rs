//! The product in one page: a job becomes findings.
//!
//! In: a job under a lease.
//! Out: its result in the store, in one transaction: an inventory with matches, or why there is none.

use crate::image::{self, Image, Refused};
use crate::{Error, Knowledge, Layers, layers, rematch, vulnerability};
use model::finding::Match;
use model::inventory::{Inventory, Note};
use model::manifest::LIMIT_BYTES;
use model::{Digest, Micros, PackageKey};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;
use store::{Assessment, Failure, Job, LayerOutcome, ManifestKind, Pulled, Store, StoredManifest};

/// How often a result may meet a new generation before the job is put back.
const TRIES: u32 = 5;

/// What the walk needs.
#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) knowledge: Knowledge,
    pub(crate) layers: Layers,
}

impl Story {
    fn store(&self) -> &Store {
        self.layers.store()
    }

    /// Reads and judges the image of a job, and writes the result.
    pub(crate) async fn tell(&self, job: &Job) -> Result<(), Error> {
        let started = now();
        self.store().step("scan:claimed");
        let stored = match self.store().scanner_pull(job).await? {
            Pulled::Manifest(stored) => stored,
            Pulled::Missing => {
                let text = format!("there is no manifest {}", job.digest.as_ref().map_or("", Digest::as_str));
                let refused = Refused::new("blob-missing", text);
                return record_refusal(self.store(), job, &refused, String::new(), started).await;
            }
            Pulled::Blocked => {
                tracing::info!(job = job.id, "network rules keep the scanner out");
                return Ok(());
            }
        };
        let (tier, read) = self.read(&stored).await?;
        match read {
            Ok((image, inventory)) => self.record(job, &image, &inventory, tier, started).await,
            Err(refused) => record_refusal(self.store(), job, &refused, tier, started).await,
        }
    }

    /// Manifest, configuration, layers, inventory; first in which sandbox.
    async fn read(&self, stored: &StoredManifest) -> Result<(String, Result<(Image, Inventory), Refused>), Error> {
        let image = match self.image(stored).await? {
            Ok(image) => image,
            Err(refused) => return Ok((String::new(), Err(refused))),
        };
        self.store().step("scan:manifest");
        // Layers already known cost nothing; the same layer twice is read once.
        let read = layers::of(&image, |digest| async move { self.layers.outcome(&digest).await }).await?;
        self.store().step("scan:layers");
        let tier = layers::tiers(read.iter().map(Arc::as_ref));
        let outcomes: Vec<&LayerOutcome> = read.iter().map(|layer| &layer.outcome).collect();
        let inventory = image.inventory(&outcomes, &self.layers.sandbox().settings().walk);
        Ok((tier, inventory.map(|inventory| (image, inventory))))
    }

    async fn image(&self, stored: &StoredManifest) -> Result<Result<Image, Refused>, Error> {
        let manifest = match image::parse(&stored.bytes, &stored.media_type) {
            Ok(manifest) => manifest,
            Err(refused) => return Ok(Err(refused)),
        };
        if let ManifestKind::Accessory { .. } = self.store().kind_of(&manifest).await? {
            return Ok(Err(Refused::new("accessory", format!("{} is not an image", stored.digest))));
        }
        let config = match image::config_of(&manifest) {
            None => return Ok(Image::of(&manifest, Err("an index has none".into()))),
            Some(config) => self.store().blobs().bytes(config, LIMIT_BYTES as u64).await,
        };
        match config {
            Ok(bytes) => Ok(Image::of(&manifest, Ok(&bytes))),
            Err(error @ (store::Error::NoBlob(_) | store::Error::Damaged { .. })) => {
                Ok(Image::of(&manifest, Err(error.to_string())))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Judges with the database in force and writes; when a new one came into force meanwhile, judges again.
    async fn record(
        &self,
        job: &Job,
        image: &Image,
        inventory: &Inventory,
        tier: String,
        started: Micros,
    ) -> Result<(), Error> {
        let reading = now().0.saturating_sub(started.0);
        for _ in 0..TRIES {
            let begun = Instant::now();
            self.store().step("scan:inventory");
            let db = self.knowledge.current();
            self.store().step("scan:database");
            let generation = rematch::number(self.store(), &db).await?;
            self.store().step("scan:generation");
            let unjudged: HashSet<PackageKey> = self.store().unjudged(inventory).await?.into_iter().collect();
            self.store().step("scan:unjudged");
            let mut assessed = assess::assess(inventory, &db);
            let own = assessed.notes.iter().filter(|note| !inventory.notes.contains(note)).cloned().collect();
            assessed.packages.retain(|(key, _)| unjudged.contains(key));
            let matches = assessed.packages.iter().flat_map(|(_, matches): &(_, Vec<Match>)| matches);
            let assessment = Assessment {
                job,
                inventory,
                platform: image.platform(),
                revision: ecosystem::revision(),
                verdict: assessed.verdict,
                reasons: assessed.reasons.iter().map(|&code| code.to_owned()).collect(),
                notes: own,
                generation,
                vulnerabilities: vulnerability::named_by(matches, &db),
                judged: assessed.packages,
                started,
                tier: tier.clone(),
                bytes: image.layers.iter().map(|(_, layer)| i64::try_from(layer.size).unwrap_or(0)).sum(),
            };
            let (matching, begun) = (micros(begun), Instant::now());
            self.store().step("scan:judged");
            match self.store().record(&assessment).await {
                Ok(_) => {
                    let image = job.digest.as_ref().map(Digest::as_str);
                    tracing::debug!(image, reading, matching, writing = micros(begun), "judged, in microseconds");
                    return Ok(());
                }
                // A package that another image brought a moment ago: it is there now, and may be judged by now.
                Err(store::Error::Unjudged(_)) => {}
                Err(store::Error::StaleGeneration { given, current }) => {
                    rematch::catch_up(self.store(), &self.knowledge, given, current).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Restless(TRIES))
    }
}

/// Writes that an image cannot be read.
pub(crate) async fn record_refusal(
    store: &Store,
    job: &Job,
    refused: &Refused,
    tier: String,
    started: Micros,
) -> Result<(), Error> {
    let note = Note { code: refused.code.into(), path: String::new(), text: refused.text.clone(), gap: true };
    let failure = Failure {
        job,
        verdict: refused.verdict,
        code: refused.code.into(),
        notes: vec![note],
        revision: ecosystem::revision(),
        started,
        tier,
    };
    store.record_failure(&failure).await?;
    Ok(())
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Returns the time.
pub(crate) fn now() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
