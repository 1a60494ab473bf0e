//! Layers are read by child processes that may do nothing else.
//!
//! In: the bytes of a layer blob, from a stream or a file.
//! Out: their digest, and the layer's inventory or the reason why there is none.
//! A child that crashes, hangs, grows or lies is that layer's outcome and nobody else's: it is made for one layer, as a copy of a
//! process that was started for that and never reads a byte of an image.

mod child;
mod frame;
#[cfg(target_os = "linux")]
mod lock;
#[cfg(not(target_os = "linux"))]
#[path = "sandbox/lock_none.rs"]
mod lock;
mod pool;
mod process;
mod starter;

pub use child::{Ground, read_layer_main};
pub use starter::children_main;

use bytes::Bytes;
use ecosystem::layer;
use frame::Order;
use futures_util::{Stream, StreamExt};
use model::Digest;
use model::digest::Algorithm;
use model::inventory::{LayerInventory, Note};
use pool::Pool;
use process::{Feed, Piece, Run};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// The Landlock ABI from which files, TCP, signals and abstract sockets are all covered.
const FULL_LANDLOCK: u8 = 6;

/// How much of the sandbox is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tier {
    /// Landlock ABI; 0 = none.
    pub landlock: u8,
    /// Whether the list of allowed system calls stands.
    pub seccomp: bool,
}

impl Tier {
    /// Returns whether nothing is missing.
    pub fn is_full(self) -> bool {
        self.landlock >= FULL_LANDLOCK && self.seccomp
    }

    /// Returns the name: `full`, `no-landlock`, `part-landlock`, `no-seccomp`, `limits-only`.
    pub fn name(self) -> &'static str {
        match (self.landlock, self.seccomp) {
            (FULL_LANDLOCK.., true) => "full",
            (0, true) => "no-landlock",
            (_, true) => "part-landlock",
            (0, false) => "limits-only",
            (_, false) => "no-seccomp",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seccomp = if self.seccomp { "seccomp" } else { "no seccomp" };
        write!(f, "{} (Landlock ABI {}, {seccomp})", self.name(), self.landlock)
    }
}

/// Returns what this host offers.
pub fn tier() -> Tier {
    lock::offered()
}

/// What children are and what they may use.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The program; by default this very one, even when its file was replaced meanwhile.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Children at a time.
    pub children: usize,
    /// Memory of all children together, in bytes; a child has its part, a second try alone has all.
    pub memory_bytes: u64,
    /// Processor time of one child.
    pub cpu: Duration,
    /// Time that a child may keep its parent waiting.
    pub wall: Duration,
    /// Bytes that a child may answer.
    pub output_bytes: u64,
    /// Whether to refuse to read below the full tier.
    pub require: bool,
    /// Limits of the walk; those that are memory are lowered to a child's part.
    pub walk: layer::Limits,
}

/// With the parent's own, all processes stay under 256 MB; enough for the largest zstd window that is read (128 MiB).
const MEMORY_BYTES: u64 = 160 << 20;
/// A child with less could not read an ordinary package database; on many cores all parts together are more.
const LEAST_MEMORY_BYTES: u64 = 40 << 20;
/// The inventory of 200,000 packages is half of it.
const OUTPUT_BYTES: u64 = 64 << 20;

impl Default for Settings {
    fn default() -> Self {
        let program = if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
        Self {
            program: program.unwrap_or_else(|_| "portwarden".into()),
            arguments: vec!["read-layer".into()],
            children: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: MEMORY_BYTES,
            cpu: Duration::from_secs(300),
            wall: Duration::from_secs(600),
            output_bytes: OUTPUT_BYTES,
            require: false,
            walk: layer::Limits::default(),
        }
    }
}

impl Settings {
    /// Returns the memory of one child among the others.
    fn part_bytes(&self) -> u64 {
        let children = u64::try_from(self.children.max(1)).unwrap_or(u64::MAX);
        (self.memory_bytes / children).max(LEAST_MEMORY_BYTES.min(self.memory_bytes))
    }

    /// The limits of a child with so much memory.
    fn limits(&self, memory_bytes: u64) -> layer::Limits {
        let walk = &self.walk;
        layer::Limits {
            whole_bytes: walk.whole_bytes.min(memory_bytes / 4),
            seekable_bytes: walk.seekable_bytes.min(memory_bytes / 4 * 3),
            zstd_window: walk.zstd_window.min(power_of_two_at_most(memory_bytes / 8 * 7)),
            output_bytes: walk.output_bytes.min(self.output_bytes),
            ..walk.clone()
        }
    }

    /// Returns whether what was left out of an inventory for its size was left out for the limits of today.
    pub(crate) fn has_limits_of(&self, inventory: &LayerInventory) -> bool {
        let limits = self.limits(self.memory_bytes);
        let limits = [limits.whole_bytes, limits.seekable_bytes].map(|limit| format!("the limit is {limit}"));
        // A reader may have a limit of its own, which no setting raises.
        let mut set = too_large(inventory).filter(|note| note.text.contains("the limit is "));
        set.all(|note| limits.iter().any(|limit| note.text.ends_with(limit)))
    }

    fn run(&self, memory_bytes: u64, algorithm: Option<Algorithm>) -> Run {
        let (walk, limits) = (&self.walk, self.limits(memory_bytes));
        Run {
            program: self.program.clone(),
            arguments: self.arguments.clone(),
            order: Order::new(memory_bytes, self.cpu.as_secs().max(1), self.require, &limits),
            wall: self.wall,
            output_bytes: self.output_bytes,
            algorithm,
            lowered: [(limits.whole_bytes, walk.whole_bytes), (limits.seekable_bytes, walk.seekable_bytes)]
                .map(|(lowered, whole)| (lowered < whole).then_some(lowered)),
        }
    }
}

fn power_of_two_at_most(n: u64) -> u64 {
    1u64.checked_shl(n.checked_ilog2().unwrap_or(0)).unwrap_or(0)
}

/// What came of reading a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Digest of the bytes as they came, hashed by the parent.
    pub digest: Digest,
    /// How many they were.
    pub bytes: u64,
    /// The sandbox that the child had; `None` = it did not live to say.
    pub tier: Option<Tier>,
    /// The inventory, or why there is none.
    pub result: Result<LayerInventory, Failed>,
    /// How long it took.
    pub took: Duration,
    /// The largest file to hold and to seek in, where these limits were lowered to a child's part of the memory.
    pub(crate) lowered: [Option<u64>; 2],
}

impl Outcome {
    /// Returns whether a second try alone, with all memory, may give more: memory was short, or the reader crashed.
    pub fn wants_second_try(&self) -> bool {
        match &self.result {
            Ok(inventory) => was_short_of_memory(inventory, self.lowered),
            Err(failed) => matches!(failed.code, "limit-memory" | "compression-unsupported" | "crash"),
        }
    }
}

/// What came of reading bytes that somebody else hashes.
#[derive(Debug)]
pub(crate) struct Nameless {
    pub bytes: u64,
    pub tier: Option<Tier>,
    pub result: Result<LayerInventory, Failed>,
    pub took: Duration,
    pub lowered: [Option<u64>; 2],
}

impl Nameless {
    /// Names it by the digest that its bytes have.
    pub fn named(self, digest: Digest) -> Outcome {
        let Self { bytes, tier, result, took, lowered } = self;
        Outcome { digest, bytes, tier, result, took, lowered }
    }
}

/// Returns whether files were left out for a limit that was lowered to a child's part of the memory, and not for one that every
/// child has: reading a bomb twice would give nothing. The note ends with the limit.
fn was_short_of_memory(inventory: &LayerInventory, lowered: [Option<u64>; 2]) -> bool {
    let limits: Vec<String> = lowered.into_iter().flatten().map(|limit| format!(" {limit}")).collect();
    too_large(inventory).any(|note| limits.iter().any(|limit| note.text.ends_with(limit)))
}

/// The notes on files that were left out for their size.
fn too_large(inventory: &LayerInventory) -> impl Iterator<Item = &Note> {
    let notes = inventory.files.iter().flat_map(|file| &file.notes).chain(&inventory.notes);
    notes.filter(|note| note.code == "file-too-large")
}

/// Why a layer gave no inventory: a fact about its bytes, not about this try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// A code of `model::verdict::REASONS`.
    pub code: &'static str,
    /// One sentence.
    pub text: String,
}

/// Why a layer was not read: says nothing about its bytes.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // for the fields, which the message names; variants are documented
pub enum Error {
    /// The bytes could not be had.
    #[error("cannot read the bytes of the layer")]
    Input { source: io::Error },
    /// No child could be started.
    #[error("cannot start {}", program.display())]
    Start { program: PathBuf, source: io::Error },
    /// The pipes to the child broke.
    #[error("cannot speak with the reader")]
    Pipe { source: io::Error },
    /// The full tier is required and not to be had.
    #[error("the sandbox of this host is {offered}, and the full one is required")]
    NoSandbox { offered: Tier },
    /// Who wanted the result has gone.
    #[error("reading was given up")]
    Unwanted,
}

/// Reads layers in children.
#[derive(Debug, Clone)]
pub struct Sandbox {
    settings: Arc<Settings>,
    children: Arc<Semaphore>,
    places: usize,
    pool: Arc<Pool>,
}

impl Sandbox {
    /// Makes a sandbox; nothing is started yet.
    pub fn new(settings: Settings) -> Self {
        let places = settings.children.max(1);
        let children = Arc::new(Semaphore::new(places));
        Self { settings: Arc::new(settings), children, places, pool: Arc::default() }
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the same sandbox with places of its own, so that its children do not wait for those of others.
    pub fn beside(&self, children: usize) -> Self {
        let places = children.max(1);
        Self { children: Arc::new(Semaphore::new(places)), places, ..self.clone() }
    }

    /// Reads a layer from a stream; `alone` = while no other is read, with the memory of all.
    pub async fn read_layer(
        &self,
        input: impl Stream<Item = io::Result<Bytes>>,
        algorithm: Algorithm,
        alone: bool,
    ) -> Result<Outcome, Error> {
        let (permit, run) = self.place(Some(algorithm), alone).await?;
        named(self.read_stream(input, permit, run).await?)
    }

    /// Reads a layer whose bytes the sender hashes.
    pub(crate) async fn read_arriving(&self, input: impl Stream<Item = io::Result<Bytes>>) -> Result<Nameless, Error> {
        let (permit, run) = self.place(None, false).await?;
        Ok(self.read_stream(input, permit, run).await?.1)
    }

    /// Reads a layer from a file, from where it stands, at most `size` bytes.
    pub async fn read_layer_file(
        &self,
        file: File,
        size: u64,
        algorithm: Algorithm,
        alone: bool,
    ) -> Result<Outcome, Error> {
        let (permit, run) = self.place(Some(algorithm), alone).await?;
        let stop = Stop::default();
        let (stopped, pool) = (Arc::clone(&stop.0), Arc::clone(&self.pool));
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            process::run(&run, &pool, Feed::File(io::Read::take(file, size)), &stopped)
        });
        named(joined(reading.await)??)
    }

    async fn place(&self, algorithm: Option<Algorithm>, alone: bool) -> Result<(OwnedSemaphorePermit, Run), Error> {
        let settings = &self.settings;
        if alone {
            Ok((self.permits(self.places).await?, settings.run(settings.memory_bytes, algorithm)))
        } else {
            Ok((self.permits(1).await?, settings.run(settings.part_bytes(), algorithm)))
        }
    }

    async fn permits(&self, n: usize) -> Result<OwnedSemaphorePermit, Error> {
        if self.settings.require && !tier().is_full() {
            return Err(Error::NoSandbox { offered: tier() });
        }
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        Arc::clone(&self.children).acquire_many_owned(n).await.map_err(|_| Error::Unwanted)
    }

    async fn read_stream(
        &self,
        input: impl Stream<Item = io::Result<Bytes>>,
        permit: OwnedSemaphorePermit,
        run: Run,
    ) -> Result<(Option<Digest>, Nameless), Error> {
        let (send, receive) = mpsc::channel(4);
        let stop = Stop::default();
        let (stopped, pool) = (Arc::clone(&stop.0), Arc::clone(&self.pool));
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            process::run(&run, &pool, Feed::Pieces(receive), &stopped)
        });
        let mut input = std::pin::pin!(input);
        let mut last = Piece::End;
        while let Some(piece) = input.next().await {
            let piece = match piece {
                Ok(bytes) => Piece::Bytes(bytes),
                Err(e) => {
                    last = Piece::Broken(e);
                    break;
                }
            };
            if send.send(piece).await.is_err() {
                break;
            }
        }
        // A receiver that has gone has an error to tell, which `joined` returns.
        let _ = send.send(last).await;
        joined(reading.await)?
    }
}

/// Names what was read by the digest that the parent found.
fn named((digest, read): (Option<Digest>, Nameless)) -> Result<Outcome, Error> {
    digest.map(|digest| read.named(digest)).ok_or(Error::Unwanted)
}

fn joined<T>(joined: Result<T, tokio::task::JoinError>) -> Result<T, Error> {
    joined.map_err(|e| Error::Pipe { source: io::Error::other(e) })
}

/// Tells the thread with the child that nobody waits any more.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
