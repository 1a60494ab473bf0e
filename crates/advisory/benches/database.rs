//! The advisory database from real feeds: time and memory to build it, time to open it, look-ups a second.
//!
//! In: the feed folder of `PORTWARDEN_TESTDATA` (default `../shared`), laid out as host and path. Out: one line a figure.

use advisory::{ALL, Builder, Database, FeedFile};
use model::advisory::FeedState;
use model::time::Micros;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn main() {
    let root = std::env::var_os("PORTWARDEN_TESTDATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let feeds = root.join("feeds");
    if !feeds.exists() {
        println!("1 benches not run: no test data");
        return;
    }
    let began = Instant::now();
    let mut builder = Builder::new();
    let mut states = Vec::new();
    let mut bytes_in = 0usize;
    for feed in ALL {
        let files: Vec<(String, Vec<u8>)> = feed
            .files()
            .into_iter()
            .filter_map(|f| Some((read(&feeds, &f.url)?, f.url)))
            .map(|(b, u)| (u, b))
            .collect();
        let bytes: usize = files.iter().map(|(_, b)| b.len()).sum();
        bytes_in += bytes;
        let given: Vec<FeedFile<'_>> = files.iter().map(|(url, bytes)| FeedFile { url, bytes }).collect();
        let at = Instant::now();
        let read = feed.read(&given, &mut |fact| builder.take(fact)).expect("real feeds are read");
        println!(
            "{:9} {:7} records, {:8.2} MB as stored, {:5.2} s, peak {} MB, skipped {:?}",
            feed.name(),
            read.records,
            bytes as f64 / 1e6,
            at.elapsed().as_secs_f64(),
            peak_mb(),
            read.skipped
        );
        states.push(FeedState {
            name: feed.name().into(),
            records: read.records,
            date: read.date,
            ..FeedState::default()
        });
    }
    let at = Instant::now();
    let file = builder.finish(1, Micros(0), states);
    println!("pack      {:.2} s", at.elapsed().as_secs_f64());
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "build     {seconds:.2} s, {:.1} MB in as stored = {:.1} MB/s, {:.1} MB out, peak memory {} MB",
        bytes_in as f64 / 1e6,
        bytes_in as f64 / 1e6 / seconds,
        file.len() as f64 / 1e6,
        peak_mb()
    );
    ask(file);
}

fn ask(file: Vec<u8>) {
    let file: &'static [u8] = Vec::leak(file);
    let rounds = 200;
    let at = Instant::now();
    for _ in 0..rounds {
        black_box(Database::open(Box::new(file)).expect("our own file"));
    }
    println!("open      {:.3} ms", at.elapsed().as_secs_f64() * 1e3 / f64::from(rounds));
    let db = Database::open(Box::new(file)).expect("our own file");
    let at = Instant::now();
    db.verify().expect("our own file");
    println!("verify    {:.1} ms", at.elapsed().as_secs_f64() * 1e3);

    let mut names: Vec<(String, String)> = db.names().map(|n| (n.ecosystem.to_owned(), n.name.to_owned())).collect();
    // A fixed shuffle: neighbours in the file are not neighbours in an image.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for i in (1..names.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        names.swap(i, (state >> 33) as usize % (i + 1));
    }
    let (mut rows, mut looked) = (0usize, 0usize);
    let at = Instant::now();
    while at.elapsed().as_secs_f64() < 1.0 {
        for (ecosystem, name) in &names {
            for row in db.look_up(ecosystem, name) {
                rows += 1;
                black_box((row.advisory, row.ranges.count()));
            }
            looked += 1;
        }
    }
    let seconds = at.elapsed().as_secs_f64();
    println!(
        "hits      {:.0} look-ups/s a core, {:.1} rows each, all ranges read",
        looked as f64 / seconds,
        rows as f64 / looked as f64
    );
    let at = Instant::now();
    let mut looked = 0usize;
    while at.elapsed().as_secs_f64() < 1.0 {
        for (_, name) in &names {
            black_box(db.look_up("debian:99", name).next().is_none());
            looked += 1;
        }
    }
    println!("misses    {:.0} look-ups/s a core", looked as f64 / at.elapsed().as_secs_f64());
    let at = Instant::now();
    for number in 0..db.vulnerabilities() {
        black_box(db.vulnerability(number));
    }
    println!(
        "texts     {:.0} vulnerabilities/s a core, {} in all; {} names",
        f64::from(db.vulnerabilities()) / at.elapsed().as_secs_f64(),
        db.vulnerabilities(),
        names.len()
    );
}

/// Reads a file of the feed folder, as published or with `.zst`.
fn read(feeds: &Path, url: &str) -> Option<Vec<u8>> {
    let path = url.strip_prefix("https://")?.replacen(".storage.googleapis.com", "", 1);
    std::fs::read(feeds.join(&path)).or_else(|_| std::fs::read(feeds.join(format!("{path}.zst")))).ok()
}

/// Returns the most memory that this process ever held.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) / 1024
}
