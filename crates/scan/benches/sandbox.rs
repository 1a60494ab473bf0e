//! What the sandbox costs: a child from start to end, and a layer read in a child against the same layer only inflated and hashed.
//!
//! In: the layers of the OCI layout folders named by `PORTWARDEN_BENCH_LAYOUTS` (colon-separated).
//! Out: one line each, best of five, in milliseconds, and the processor time of all processes as a ratio. Only inflating and hashing means: SHA-256 of the blob, and of the tar within.
#![allow(clippy::unwrap_used)] // a measurement that cannot be taken ends here

use aws_lc_rs::digest::{Context, SHA256};
use ecosystem::layer;
use model::digest::Algorithm;
use scan::sandbox::{Sandbox, Settings};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("read-layer") {
        scan::sandbox::read_layer_main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sandbox = Sandbox::new(Settings::default());
    println!("sandbox {}", scan::sandbox::tier());
    runtime.block_on(start_to_end(&sandbox));
    let layouts = std::env::var("PORTWARDEN_BENCH_LAYOUTS").unwrap_or_default();
    if layouts.is_empty() {
        println!("layers not measured: set PORTWARDEN_BENCH_LAYOUTS");
    }
    for layout in layouts.split(':').filter(|l| !l.is_empty()) {
        runtime.block_on(layout_of(&sandbox, Path::new(layout)));
    }
}

/// A child that is started, given an empty tar, asked for its inventory and ended.
async fn start_to_end(sandbox: &Sandbox) {
    let empty = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(empty.path(), [0u8; 1024]).unwrap();
    let mut times = Vec::new();
    for _ in 0..200 {
        let file = File::open(empty.path()).unwrap();
        let started = Instant::now();
        let outcome = sandbox.read_layer_file(file, u64::MAX, Algorithm::Sha256, false).await.unwrap();
        times.push(started.elapsed());
        assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    }
    times.sort_unstable();
    println!("a child from start to end: p50 {:.2} ms, p95 {:.2} ms", ms(times[100]), ms(times[190]));
}

async fn layout_of(sandbox: &Sandbox, layout: &Path) {
    let layers = layers(layout);
    let (mut bare, mut within, mut child) = (Duration::MAX, Duration::MAX, Duration::MAX);
    let (mut bare_ticks, mut child_ticks) = (0, 0);
    for _ in 0..ROUNDS {
        let before = ticks();
        bare = bare.min(in_parallel(&layers, sandbox.settings().children, inflate_and_hash).await);
        bare_ticks += ticks() - before;
        within = within.min(in_parallel(&layers, sandbox.settings().children, read_here).await);
        let before = ticks();
        let started = Instant::now();
        let reading = layers.iter().map(|path| {
            let (sandbox, file) = (sandbox.clone(), File::open(path).unwrap());
            tokio::spawn(
                async move { sandbox.read_layer_file(file, u64::MAX, Algorithm::Sha256, false).await.unwrap() },
            )
        });
        for outcome in reading.collect::<Vec<_>>() {
            let outcome = outcome.await.unwrap();
            assert!(outcome.result.is_ok(), "{:?}", outcome.result);
        }
        child = child.min(started.elapsed());
        child_ticks += ticks() - before;
    }
    println!(
        "{:<24} {:>2} layers: only inflated and hashed {:.1} ms, read here {:.1} ms ({:.2}), in children {:.1} ms ({:.2}); processor time of all processes {:.2}",
        layout.file_name().unwrap_or_default().to_string_lossy(),
        layers.len(),
        ms(bare),
        ms(within),
        within.as_secs_f64() / bare.as_secs_f64(),
        ms(child),
        child.as_secs_f64() / bare.as_secs_f64(),
        child_ticks as f64 / bare_ticks.max(1) as f64,
    );
}

/// Runs a function over the layers on as many threads as there may be children.
async fn in_parallel(layers: &[PathBuf], threads: usize, work: fn(&Path)) -> Duration {
    let started = Instant::now();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let take = || layers.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let all = || std::iter::from_fn(take).for_each(|path| work(path));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(all);
        }
    });
    started.elapsed()
}

fn read_here(path: &Path) {
    let (mut file, mut hash) = (File::open(path).unwrap(), Context::new(&SHA256));
    let mut blob = Vec::new();
    file.read_to_end(&mut blob).unwrap();
    hash.update(&blob);
    let _ = hash.finish();
    layer::read(blob.as_slice(), &layer::Limits::default(), &mut layer::SpillToMemory::default()).unwrap();
}

fn inflate_and_hash(path: &Path) {
    let mut blob = Vec::new();
    File::open(path).unwrap().read_to_end(&mut blob).unwrap();
    let mut hash = Context::new(&SHA256);
    hash.update(&blob);
    let _ = hash.finish();
    let mut stream = ecosystem::codec::Stream::new(blob.as_slice(), u64::MAX, 128 << 20).unwrap();
    stream.behind_end().unwrap();
    stream.finish().unwrap();
}

/// Every blob of a layout that is no JSON.
fn layers(layout: &Path) -> Vec<PathBuf> {
    let blobs = std::fs::read_dir(layout.join("blobs/sha256")).unwrap();
    let mut layers: Vec<PathBuf> = blobs.map(|entry| entry.unwrap().path()).collect();
    layers.retain(|path| {
        let mut start = [0u8; 1];
        File::open(path).unwrap().read_exact(&mut start).is_ok() && start != *b"{"
    });
    layers.sort();
    layers
}

/// Processor time of this process and of its ended children, in the kernel's ticks: what other work on the machine does not change.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.skip(11).take(4).map(|field| field.parse::<u64>().unwrap()).sum()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
