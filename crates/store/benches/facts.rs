//! What it costs to write and read facts: pushes, claims, results, pulls, a re-match, a snapshot, on SQLite and, where
//! `PORTWARDEN_TEST_POSTGRES` names a database, on PostgreSQL.
//!
//! Usage: `cargo bench -p store [-- IMAGES]`. Prints p50 and p95 in milliseconds.

use bytes::Bytes;
use model::finding::Match;
use model::inventory::{Inventory, Placed};
use model::verdict::Verdict;
use model::{Digest, PackageKey, Severity};
use std::time::Instant;
use store::{
    Assessment, Caller, Class, Descriptor, ManifestKind, NewManifest, Rematched, Settings, Store, Vulnerability,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Images of the fleet unless a number is given.
const IMAGES: usize = 2_000;
/// Packages of an image, and how many of them no image before it had.
const PACKAGES: usize = 250;
const NEW: usize = 3;
/// Matches of a package.
const MATCHES: usize = 4;

fn main() -> Outcome {
    let images = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(IMAGES);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = tempfile::tempdir()?;
    runtime.block_on(run("sqlite", Settings { data: folder.path().to_owned(), ..Settings::default() }, images))?;
    let Ok(url) = std::env::var("PORTWARDEN_TEST_POSTGRES") else {
        println!("1 check not run: PORTWARDEN_TEST_POSTGRES is not set");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let settings = Settings { data: folder.path().to_owned(), database: Some(url), ..Settings::default() };
    runtime.block_on(run("postgres", settings, images))
}

/// Durations of one step.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn add(&mut self, since: Instant) {
        self.0.push(since.elapsed().as_secs_f64() * 1000.0);
    }

    fn print(&mut self, what: &str) {
        self.0.sort_by(f64::total_cmp);
        let at = |part: f64| self.0.get((self.0.len() as f64 * part) as usize).copied().unwrap_or(0.0);
        println!("  {what:<48} p50 {:7.2}  p95 {:7.2}", at(0.5), at(0.95));
    }
}

async fn run(engine: &str, settings: Settings, images: usize) -> Outcome {
    let store = Store::open(&settings).await?;
    let registry = store.registry("local").await?.ok_or("no registry")?.id;
    println!("{engine}: {images} images, {PACKAGES} packages each, {NEW} of them new, {MATCHES} matches a package");
    let (mut push, mut claim, mut first, mut result) = <(Times, Times, Times, Times)>::default();
    let whole = Instant::now();
    for n in 0..images {
        let inventory = inventory(n);
        let manifest = manifest(&store, registry, n).await?;
        let since = Instant::now();
        store.put_manifest(manifest).await?;
        push.add(since);
        let since = Instant::now();
        let job = store.claim("bench").await?.ok_or("no job")?;
        claim.add(since);
        let assessment = assessment(&store, &job, &inventory).await?;
        let since = Instant::now();
        store.record(&assessment).await?;
        if n == 0 { first.add(since) } else { result.add(since) }
    }
    let seconds = whole.elapsed().as_secs_f64();
    println!("  whole walk, blobs and all: {:.0} images a minute", images as f64 * 60.0 / seconds);
    push.print("manifest");
    claim.print("claim");
    first.print("first result: 250 packages, 1,000 matches");
    result.print("result: 3 new packages, 12 matches");
    pulls(&store, registry).await?;
    rematch(&store).await?;
    let since = Instant::now();
    let snapshot = store.snapshot().await?;
    println!(
        "  snapshot of {} images, {} packages, {} matches: {:.0} ms",
        snapshot.images.len(),
        snapshot.packages.len(),
        snapshot.matches.len(),
        since.elapsed().as_secs_f64() * 1000.0
    );
    let since = Instant::now();
    Store::open(&settings).await?;
    println!("  opened again in {:.0} ms", since.elapsed().as_secs_f64() * 1000.0);
    Ok(())
}

async fn pulls(store: &Store, registry: i64) -> Outcome {
    let found = store.manifest(registry, "app", "v0").await?.ok_or("no manifest")?;
    let mut times = Times::default();
    for _ in 0..200 {
        let since = Instant::now();
        store.record_pull(registry, "app", "v0", &found, &Caller::default()).await?;
        times.add(since);
    }
    times.print("pull");
    Ok(())
}

/// A new generation that moves a thousand names.
async fn rematch(store: &Store) -> Outcome {
    let target = store.generation().await?.target + 1;
    store.adopt(target, "bench").await?;
    let job = store.claim("bench").await?.ok_or("no re-match")?;
    let names: Vec<_> = (0..1000).map(|n| ("debian:12".to_owned(), format!("package-{n}"))).collect();
    let since = Instant::now();
    let rows = store.to_rematch(Some(&names)).await?;
    let (mut changed, mut given) = (0, Vec::new());
    for chunk in rows.chunks(500) {
        let mut rematched = Vec::new();
        for row in chunk {
            let mut matches = matches(&row.key);
            if let Some(last) = matches.last_mut() {
                last.severity = Severity::Critical;
            }
            given.extend(matches.iter().map(|m| vulnerability(&m.vulnerability)));
            rematched.push(Rematched { package: row.id, matches, notes_changed: false });
        }
        changed += store.sweep(target, &rematched, &given).await?;
        given.clear();
    }
    store.finish_sweep(&job, target).await?;
    let ms = since.elapsed().as_secs_f64() * 1000.0;
    println!("  re-match of {} packages, {changed} matches changed: {ms:.0} ms", rows.len());
    let since = Instant::now();
    let changes = store.changes(store.snapshot().await?.revision - 1).await?;
    let rows = changes.map_or(0, |changes| changes.rows.matches.len());
    println!("  (snapshot and) the last change, {rows} rows: {:.0} ms", since.elapsed().as_secs_f64() * 1000.0);
    Ok(())
}

async fn manifest(store: &Store, registry: i64, n: usize) -> Result<NewManifest, Box<dyn std::error::Error>> {
    let bytes = Bytes::from(format!("config {n}"));
    let id = store.begin_upload(registry, "app", "bench").await?;
    let mut upload = store.upload(id, registry, "app", "bench").await?;
    upload.append(bytes.clone()).await?;
    let digest = upload.finish(&Digest::sha256(&bytes)).await?;
    let config = Descriptor { digest, bytes: 10, media_type: "config".into(), foreign: false };
    let bytes = Bytes::from(format!("manifest {n}"));
    Ok(NewManifest {
        registry,
        repository: "app".into(),
        tags: vec![format!("v{n}")],
        digest: Digest::sha256(&bytes),
        media_type: "application/vnd.oci.image.manifest.v1+json".into(),
        bytes,
        kind: ManifestKind::Image { config, layers: Vec::new(), platform: "linux/amd64".into() },
        subject: None,
        artifact_type: String::new(),
        annotations: "{}".into(),
        class: Class::Push,
        caller: Caller::default(),
    })
}

/// The n-th rebuild of one line: each brings new versions of three packages.
fn inventory(n: usize) -> Inventory {
    let place = |slot: usize| {
        let rebuilds = (n * NEW + PACKAGES - 1 - slot) / PACKAGES;
        let name = format!("package-{slot}");
        let version = format!("{}.{rebuilds}", slot + 1);
        let key = PackageKey {
            ecosystem: "debian:12".into(),
            source: name.clone(),
            source_version: version.clone(),
            name,
            version,
            arch: "amd64".into(),
            ..PackageKey::default()
        };
        Placed { key, path: "var/lib/dpkg/status".into(), layer: 0 }
    };
    Inventory { os: None, packages: (0..PACKAGES).map(place).collect(), notes: Vec::new() }
}

fn matches(key: &PackageKey) -> Vec<Match> {
    let found = |n: usize| Match {
        vulnerability: format!("CVE-{}-{n}", key.name),
        severity: Severity::High,
        severity_source: Default::default(),
        state: Default::default(),
        fixed_version: "99.1-2".into(),
        advisory: format!("CVE-{}-{n}", key.name),
        source: Default::default(),
        category: Default::default(),
        comparison: format!("{} < 99.1-2", key.version),
    };
    (0..MATCHES).map(found).collect()
}

fn vulnerability(name: &str) -> Vulnerability {
    Vulnerability { name: name.into(), title: format!("something wrong in {name}"), ..Vulnerability::default() }
}

async fn assessment<'a>(
    store: &Store,
    job: &'a store::Job,
    inventory: &'a Inventory,
) -> Result<Assessment<'a>, Box<dyn std::error::Error>> {
    let unjudged = store.unjudged(inventory).await?;
    let judged: Vec<(PackageKey, Vec<Match>)> = unjudged.into_iter().map(|key| (key.clone(), matches(&key))).collect();
    let names = judged.iter().flat_map(|(_, found)| found).map(|m| vulnerability(&m.vulnerability));
    Ok(Assessment {
        job,
        inventory,
        platform: String::new(),
        revision: 1,
        verdict: Verdict::Complete,
        reasons: Vec::new(),
        notes: Vec::new(),
        generation: store.generation().await?.target,
        vulnerabilities: names.collect(),
        judged,
        started: job.claimed,
        tier: "none".into(),
        bytes: 0,
    })
}
