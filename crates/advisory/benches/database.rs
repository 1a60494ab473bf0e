//! The advisory database from real feeds: time and memory to build it, time to open it, look-ups a second.
//!
//! In: the feed folder of `PORTWARDEN_TESTDATA` (default `../shared`), laid out as host and path. Out: one line a figure. Seconds are
//! those on the processor (one thread does it all), so that what else runs on the machine does not count.

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
    let (began, wall) = (cpu_seconds(), Instant::now());
    let mut builder = Builder::new();
    let mut states = Vec::new();
    let (mut bytes_in, mut uncounted) = (0usize, 0.0);
    for feed in ALL {
        let files: Vec<(String, Vec<u8>)> = feed
            .files()
            .into_iter()
            .filter_map(|f| Some((read(&feeds, &f.url)?, f.url)))
            .map(|(b, u)| (u, b))
            .collect();
        let at = cpu_seconds();
        let bytes: usize = files.iter().map(|(_, b)| unpacked(b)).sum();
        bytes_in += bytes;
        uncounted += cpu_seconds() - at;
        let given: Vec<FeedFile<'_>> = files.iter().map(|(url, bytes)| FeedFile { url, bytes }).collect();
        let at = cpu_seconds();
        let read = feed.read(&given, &mut |fact| builder.take(fact)).expect("real feeds are read");
        println!(
            "{:9} {:7} records, {:8.2} MB unpacked, {:5.2} s, peak {} MB, skipped {:?}",
            feed.name(),
            read.records,
            bytes as f64 / 1e6,
            cpu_seconds() - at,
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
    let at = cpu_seconds();
    let file = builder.finish(1, Micros(0), states);
    println!("pack      {:.2} s", cpu_seconds() - at);
    let seconds = cpu_seconds() - began - uncounted;
    println!(
        "build     {seconds:.2} s ({:.2} s by the clock), {:.1} MB in = {:.1} MB/s, {:.1} MB out, peak memory {} MB",
        wall.elapsed().as_secs_f64(),
        bytes_in as f64 / 1e6,
        bytes_in as f64 / 1e6 / seconds,
        file.len() as f64 / 1e6,
        peak_mb()
    );
    ask(file);
}

fn ask(file: Vec<u8>) {
    let file: &'static [u8] = Vec::leak(file);
    // Too short for the processor clock.
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
    let at = cpu_seconds();
    while cpu_seconds() - at < 1.0 {
        for (ecosystem, name) in &names {
            for row in db.look_up(ecosystem, name) {
                rows += 1;
                black_box((row.advisory, row.ranges.count()));
            }
            looked += 1;
        }
    }
    let seconds = cpu_seconds() - at;
    println!(
        "hits      {:.0} look-ups/s a core, {:.1} rows each, all ranges read",
        looked as f64 / seconds,
        rows as f64 / looked as f64
    );
    let at = cpu_seconds();
    let mut looked = 0usize;
    while cpu_seconds() - at < 1.0 {
        for (_, name) in &names {
            black_box(db.look_up("debian:99", name).next().is_none());
            looked += 1;
        }
    }
    println!("misses    {:.0} look-ups/s a core", looked as f64 / (cpu_seconds() - at));
    let at = cpu_seconds();
    for number in 0..db.vulnerabilities() {
        black_box(db.vulnerability(number));
    }
    println!(
        "texts     {:.0} vulnerabilities/s a core, {} in all; {} names",
        f64::from(db.vulnerabilities()) / (cpu_seconds() - at),
        db.vulnerabilities(),
        names.len()
    );
}

/// Reads a file of the feed folder, as published or with `.zst`.
fn read(feeds: &Path, url: &str) -> Option<Vec<u8>> {
    let path = url.strip_prefix("https://")?.replacen(".storage.googleapis.com", "", 1);
    std::fs::read(feeds.join(&path)).or_else(|_| std::fs::read(feeds.join(format!("{path}.zst")))).ok()
}

/// Returns how long a file is once it is unpacked; counted before the clock starts.
fn unpacked(bytes: &[u8]) -> usize {
    let count =
        |mut from: Box<dyn std::io::Read + '_>| std::io::copy(&mut from, &mut std::io::sink()).unwrap_or(0) as usize;
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let Ok(mut decoder) = zstd::Decoder::with_buffer(bytes) else { return 0 };
        let _ = decoder.window_log_max(27);
        return count(Box::new(decoder));
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return count(Box::new(flate2::read::MultiGzDecoder::new(bytes)));
    }
    let Ok(mut zip) = zip::ZipArchive::new(std::io::Cursor::new(bytes)) else { return bytes.len() };
    (0..zip.len()).filter_map(|n| Some(zip.by_index(n).ok()?.size() as usize)).sum()
}

/// Returns the seconds that this thread has had on a processor.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// Returns the most memory that this process ever held.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) / 1024
}
