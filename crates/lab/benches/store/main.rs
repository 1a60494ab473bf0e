//! The store at the size of a fleet, on both engines: start, what changes cost in the store and in the index, what is kept.
//!
//! `cargo bench -p lab --bench store`; `FLEET_IMAGES=200000` chooses the size, `PORTWARDEN_TEST_POSTGRES=postgres://…` names a
//! server for the second half, `STORE_ENGINES=postgres` (or `sqlite`) leaves the other one out. Times are p50 / p95 in milliseconds, then the same without the time in which a thread of this
//! process or of the server was ready and another one had the core (two that wait at once count twice: a lower bound).

mod measure;
mod walk;

use anyhow::{Context, Result, ensure};
use fleet::{Filter, Index, Query};
use lab::fleet::{DAY, NOW, fleet};
use lab::load::load;
use measure::resident;
use model::advisory::Category;
use model::facts::{Id, MatchFact, Snapshot};
use model::severity::Severity;
use model::time::Micros;
use std::collections::HashMap;
use std::time::Instant;
use store::{Settings, Store};

/// Names the folder, and the database if there is one, that a child process starts on.
const START: &str = "STORE_BENCH_START";
const STARTS: usize = 7;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let Ok(place) = std::env::var(START) {
        return runtime.block_on(runtime.spawn(async move { start(&place).await }))?;
    }
    let images = std::env::var("FLEET_IMAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let facts = fleet(images, 1);
    println!(
        "{images} images, {} inventories, {} packages, {} matches, {} vulnerabilities",
        facts.inventories.len(),
        facts.packages.len(),
        facts.matches.len(),
        facts.vulnerabilities.len()
    );
    let engines = std::env::var("STORE_ENGINES").unwrap_or_else(|_| "sqlite,postgres".to_owned());
    if engines.contains("sqlite") {
        let data = tempfile::tempdir()?;
        let settings = Settings { data: data.path().to_owned(), ..Settings::default() };
        runtime.block_on(engine("SQLite", &settings, &facts))?;
    }
    if !engines.contains("postgres") {
        return Ok(());
    }
    let Ok(server) = std::env::var("PORTWARDEN_TEST_POSTGRES") else {
        println!("\nPostgreSQL: not run, PORTWARDEN_TEST_POSTGRES is not set");
        return Ok(());
    };
    let data = tempfile::tempdir()?;
    let name = format!("portwarden_{}", std::process::id());
    let server = server.trim_end_matches('/');
    runtime.block_on(measure::admin(server, &format!("CREATE DATABASE {name}")))?;
    let database = Some(format!("{server}/{name}"));
    let settings = Settings { data: data.path().to_owned(), database, ..Settings::default() };
    let done = runtime.block_on(engine("PostgreSQL", &settings, &facts));
    runtime.block_on(measure::admin(server, &format!("DROP DATABASE {name} WITH (FORCE)")))?;
    done
}

async fn engine(name: &str, settings: &Settings, facts: &Snapshot) -> Result<()> {
    let since = Instant::now();
    load(settings, facts).await?;
    println!("\n{name}: loaded in {:.1} s", since.elapsed().as_secs_f64());
    disk(settings, facts.images.len()).await?;
    starts(settings)?;
    let store = Store::open(settings).await?;
    let index = Index::build(&store.snapshot().await?);
    check(&index, facts)?;
    let (table, index, store) = walk::Walk::new(store, settings, index, facts).run().await?;
    table.print();
    let kept = store.snapshot().await?;
    equal(&index, &Index::build(&kept))?;
    println!("  the index that followed every change equals one built anew");
    check(&index, &kept)?;
    let (now, most) = (resident("VmRSS"), resident("VmHWM"));
    println!("  this process, facts and two indexes included: {now:.0} MB, at most {most:.0} MB");
    Ok(())
}

async fn disk(settings: &Settings, images: usize) -> Result<()> {
    let mut tables = measure::bytes(settings).await?;
    let total: u64 = tables.iter().map(|(_, bytes)| bytes).sum();
    tables.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let largest = tables.iter().take(6).map(|(name, bytes)| format!("{name} {:.1}", *bytes as f64 / 1e6));
    println!(
        "  on disk {:.1} MB, {:.0} bytes an image ({} MB)",
        total as f64 / 1e6,
        total as f64 / images as f64,
        largest.collect::<Vec<_>>().join(", ")
    );
    Ok(())
}

/// Starts processes of their own, one after the other.
fn starts(settings: &Settings) -> Result<()> {
    let place = format!("{}\n{}", settings.data.display(), settings.database.as_deref().unwrap_or(""));
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for _ in 0..STARTS {
        let out = std::process::Command::new(std::env::current_exe()?).env(START, &place).output()?;
        ensure!(out.status.success(), "a start failed: {}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8(out.stdout)?;
        columns.push(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?);
    }
    let parts = ["opened", "facts read", "index built", "first page", "start until the first answer (bar 2000)"];
    let kinds = ["the same without waiting for a core", "MB resident", "MB at most"];
    for (n, what) in parts.iter().chain(&kinds).enumerate() {
        let mut values: Vec<f64> = columns.iter().filter_map(|row| row.get(n).copied()).collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (values.first().context("no start")?, values.last().context("no start")?);
        let middle = values[values.len() / 2];
        println!("  start: {what:<55} {middle:>9.1}   from {least:.1} to {most:.1}  n={STARTS}");
    }
    Ok(())
}

/// What a process does until it answers. Prints how long each part took.
async fn start(place: &str) -> Result<()> {
    let (data, database) = place.split_once('\n').context("folder and database")?;
    let database = (!database.is_empty()).then(|| database.to_owned());
    let settings = Settings { data: data.into(), database, ..Settings::default() };
    let (begin, waited) = (Instant::now(), measure::waited_here());
    let store = Store::open(&settings).await?;
    let opened = begin.elapsed();
    let snapshot = store.snapshot().await?;
    let read = begin.elapsed();
    let index = Index::build(&snapshot);
    drop(snapshot);
    let built = begin.elapsed();
    let page = index.findings(&query("")?)?;
    let done = begin.elapsed();
    ensure!(page.total > 0 && page.items.len() == 50, "no page");
    let waited = measure::waited_here() - waited;
    for part in [opened, read - opened, built - read, done - built, done] {
        print!("{} ", part.as_secs_f64() * 1e3);
    }
    println!("{} {} {}", done.as_secs_f64() * 1e3 - waited, resident("VmRSS"), resident("VmHWM"));
    Ok(())
}

fn query(words: &str) -> Result<Query> {
    let filter = Filter::parse(words)?;
    Ok(Query { filter, limit: 50, now: Micros(NOW + 400 * DAY), ..Query::default() })
}

/// Holds some answers against the facts, joined here row by row.
fn check(index: &Index, facts: &Snapshot) -> Result<()> {
    let mut open: HashMap<Id, Vec<&MatchFact>> = HashMap::new();
    for row in facts.matches.iter().filter(|m| m.until == Micros::FOREVER) {
        open.entry(row.package).or_default().push(row);
    }
    let contents: HashMap<Id, &[Id]> = facts.inventories.iter().map(|i| (i.id, i.packages.as_slice())).collect();
    let readings = facts.image_inventories.iter().filter(|i| i.until == Micros::FOREVER);
    let inventory: HashMap<Id, Id> = readings.map(|i| (i.image, i.inventory)).collect();
    let registry_of: HashMap<Id, Id> = facts.repositories.iter().map(|r| (r.id, r.registry)).collect();
    let wanted: [(&str, i64, Severity); 4] = [
        ("", 0, Severity::Unknown),
        ("severity:>=high", 0, Severity::High),
        ("registry:registry-07", 7, Severity::Unknown),
        ("registry:registry-07 severity:critical", 7, Severity::Critical),
    ];
    for (words, registry, least) in wanted {
        let shown = |m: &&&MatchFact| {
            let hidden = m.severity == Severity::Negligible || m.category == Category::KernelHeaders;
            !hidden && (least == Severity::Unknown || m.severity >= least)
        };
        let of_package = |id: &Id| open.get(id).map_or(0, |rows| rows.iter().filter(|m| shown(m)).count());
        let of_inventory: HashMap<Id, usize> =
            contents.iter().map(|(id, packages)| (*id, packages.iter().map(of_package).sum())).collect();
        let here = facts.presences.iter().filter(|p| p.until == Micros::FOREVER);
        let here = here.filter(|p| registry == 0 || registry_of.get(&p.repository) == Some(&registry));
        let want: usize = here.filter_map(|p| of_inventory.get(inventory.get(&p.image)?)).sum();
        let query = query(words)?;
        let (page, counts) = (index.findings(&query)?, index.counts(&query)?);
        let got = (page.total, counts.tally.findings());
        ensure!(got == (want as u64, want as u64), "'{words}': {got:?} findings, joined facts have {want}");
        println!("  '{words}': {want} findings, list, counts and joined rows agree");
    }
    Ok(())
}

fn equal(one: &Index, other: &Index) -> Result<()> {
    for words in ["", "hidden:all", "fix:yes severity:>=high", "registry:registry-07", "kev:yes"] {
        let query = query(words)?;
        ensure!(one.counts(&query)? == other.counts(&query)?, "counts of '{words}' differ");
        ensure!(one.findings(&query)?.items == other.findings(&query)?.items, "pages of '{words}' differ");
    }
    Ok(())
}
