//! Layers of the store, each read once.
//!
//! In: the digest of a layer's blob.
//! Out: what it holds, from the store or read now in the sandbox; two that ask at a time share one reading.

use crate::Error;
use crate::image::Image;
use crate::sandbox::{Outcome, Sandbox};
use futures_util::{StreamExt, TryFutureExt, TryStreamExt, stream};
use model::Digest;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use store::{KeptLayer, LayerOutcome, Store};
use tokio::sync::watch;

/// Layers of one image that are asked for at a time; the sandbox has its own bound.
const AT_A_TIME: usize = 8;

/// Asks for every layer of an image, those that claim to be largest first: a large one left for the end would be waited for alone.
///
/// Returns the answers in the order of the layers.
pub(crate) async fn of<T, F>(image: &Image, ask: impl Fn(Digest) -> F) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let layers = image.layers.iter().enumerate().map(|(at, (_, layer))| (at, layer.size, layer.digest.clone()));
    let mut layers: Vec<(usize, u64, Digest)> = layers.collect();
    layers.sort_by_key(|(_, size, _)| Reverse(*size));
    let asked = stream::iter(layers).map(|(at, _, digest)| ask(digest).map_ok(move |answer| (at, answer)));
    let mut answers: Vec<(usize, T)> = asked.buffer_unordered(AT_A_TIME).try_collect().await?;
    answers.sort_unstable_by_key(|(at, _)| *at);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// Returns what was read, and in which sandbox.
pub(crate) fn kept(read: Outcome) -> KeptLayer {
    let outcome = match read.result {
        Ok(inventory) => LayerOutcome::Inventory(Box::new(inventory)),
        Err(failed) => LayerOutcome::Failed { code: failed.code.into(), text: failed.text },
    };
    KeptLayer { outcome, tier: read.tier.map(|tier| tier.to_string()).unwrap_or_default() }
}

/// Names the sandboxes that readers of layers had: one, unless hosts differ.
pub(crate) fn tiers<'a>(layers: impl Iterator<Item = &'a KeptLayer>) -> String {
    let tiers: BTreeSet<&str> = layers.map(|layer| layer.tier.as_str()).filter(|tier| !tier.is_empty()).collect();
    tiers.into_iter().collect::<Vec<_>>().join("; ")
}

/// Reads layers of the store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Layers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    sandbox: Sandbox,
    /// Readings under way in this process; a receiver wakes when its reading ends, however it ends.
    reading: Mutex<HashMap<Digest, watch::Receiver<()>>>,
}

/// The right to read a layer; while it is held, others wait.
#[derive(Debug)]
pub(crate) struct Turn {
    layers: Layers,
    digest: Digest,
    _end: watch::Sender<()>,
}

impl Turn {
    /// Returns the layer whose turn it is.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.layers.reading().remove(&self.digest);
    }
}

impl Layers {
    /// Makes a reader of a store's layers.
    pub fn new(store: Store, sandbox: Sandbox) -> Self {
        Self(Arc::new(Inner { store, sandbox, reading: Mutex::default() }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.0.sandbox
    }

    /// Takes the turn to read a layer, or returns who has it.
    pub(crate) fn turn(&self, digest: &Digest) -> Result<Turn, watch::Receiver<()>> {
        let mut reading = self.reading();
        if let Some(other) = reading.get(digest) {
            return Err(other.clone());
        }
        let (end, receiver) = watch::channel(());
        reading.insert(digest.clone(), receiver);
        Ok(Turn { layers: self.clone(), digest: digest.clone(), _end: end })
    }

    /// Returns what a layer holds.
    pub async fn outcome(&self, digest: &Digest) -> Result<Arc<KeptLayer>, Error> {
        loop {
            if let Some(known) = self.known(digest).await? {
                return Ok(Arc::new(known));
            }
            match self.turn(digest) {
                // Whoever had the turn before may have kept it since the look above.
                Ok(turn) => match self.known(digest).await? {
                    Some(known) => return Ok(Arc::new(known)),
                    None => return self.read(&turn.digest).await,
                },
                Err(mut other) => {
                    // The sender never sends: this returns when the turn ends.
                    let _ = other.changed().await;
                }
            }
        }
    }

    async fn known(&self, digest: &Digest) -> Result<Option<KeptLayer>, Error> {
        let revision = ecosystem::revision();
        let known = self.store().layers(std::slice::from_ref(digest), revision).await?.remove(digest);
        Ok(known.filter(|layer| match &layer.outcome {
            LayerOutcome::Inventory(inventory) => self.sandbox().settings().has_limits_of(inventory),
            LayerOutcome::Failed { .. } => true,
        }))
    }

    async fn read(&self, digest: &Digest) -> Result<Arc<KeptLayer>, Error> {
        let mut outcome = self.try_read(digest, false).await?;
        let alone = outcome.wants_second_try();
        if alone {
            outcome = self.try_read(digest, true).await?;
        }
        if outcome.digest != *digest {
            return Err(Error::WrongBytes { want: digest.clone(), got: outcome.digest });
        }
        self.keep(outcome, alone).await
    }

    async fn try_read(&self, digest: &Digest, alone: bool) -> Result<Outcome, Error> {
        let algorithm = digest.algorithm();
        if let Some(path) = self.store().blobs().path(digest) {
            let opened = tokio::task::spawn_blocking(move || std::fs::File::open(path)).await;
            match opened.unwrap_or_else(|e| Err(std::io::Error::other(e))) {
                Ok(file) => return Ok(self.sandbox().read_layer_file(file, u64::MAX, algorithm, alone).await?),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    return Err(store::Error::NoBlob(digest.clone()).into());
                }
                Err(source) => return Err(Error::Blob { digest: digest.clone(), source }),
            }
        }
        let blob = self.store().blobs().read(digest, None).await?;
        Ok(self.sandbox().read_layer(blob.stream, algorithm, alone).await?)
    }

    /// Keeps what was read under the digest of the bytes that were read.
    pub(crate) async fn keep(&self, outcome: Outcome, alone: bool) -> Result<Arc<KeptLayer>, Error> {
        let micros = i64::try_from(outcome.took.as_micros()).unwrap_or(i64::MAX);
        let lasts = lasts(&outcome, alone);
        let digest = outcome.digest.clone();
        let known = kept(outcome);
        if lasts {
            self.store().keep_layer(&digest, ecosystem::revision(), &known, micros).await?;
        }
        Ok(Arc::new(known))
    }

    fn reading(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, watch::Receiver<()>>> {
        self.0.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether a result is a fact about the bytes, to be kept: not one of a child that had only a part of the memory, and
/// no failure that other limits or another host would not have.
fn lasts(outcome: &Outcome, alone: bool) -> bool {
    match &outcome.result {
        Ok(_) => alone || !outcome.wants_second_try(),
        Err(failed) => matches!(failed.code, "layer-truncated" | "layer-unreadable"),
    }
}
