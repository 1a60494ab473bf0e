//! A new generation of the advisory database: what changed is matched again, no layer is touched.
//!
//! In: the databases before and after. Out: the matches of the packages that the difference names, a few hundred a transaction.
//! Cut off anywhere, it goes on where it was: the store knows which packages agree with the generation in force.

use crate::error::in_full;
use crate::{Error, Knowledge, vulnerability};
use advisory::{Database, diff};
use std::collections::HashSet;
use std::time::Duration;
use store::{Job, PackageRow, Rematched, Store};
use tokio_util::sync::CancellationToken;

/// Packages a transaction: short enough that a push never waits long behind it.
const CHUNK: usize = 500;
/// How often new generations may come into force under a re-match before its job is put back.
const TRIES: u32 = 20;
/// How often other processes' databases are looked for.
const LOOK: Duration = Duration::from_secs(5);

/// Puts every generation that appears in the data folder in force, until the end is asked for.
pub async fn follow_generations(store: Store, knowledge: Knowledge, shutdown: CancellationToken) {
    let mut generations = knowledge.generations();
    let mut adopted = None;
    loop {
        if let Err(error) = knowledge.refresh() {
            tracing::warn!(error = in_full(&error), "a new advisory database cannot be opened; the present one stays");
        }
        let db = knowledge.current();
        if adopted != Some(db.generation()) {
            match adopt(&store, &db).await {
                Ok(()) => adopted = Some(db.generation()),
                Err(error) => tracing::warn!(error = in_full(&error), "a new generation cannot be put in force"),
            }
        }
        tokio::select! {
            _ = generations.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Returns the number under which a database is known to the store. Processes that fetch for themselves give the same content
/// different numbers: what counts is the content.
pub(crate) async fn number(store: &Store, db: &Database) -> Result<i64, Error> {
    let known = store.generation().await?;
    Ok(if known.content_hash == db.content_hash() { known.target } else { db.generation() })
}

/// Puts a generation in force, unless a newer one is, or the same content under another number.
async fn adopt(store: &Store, db: &Database) -> Result<(), Error> {
    let known = store.generation().await?;
    if known.target < db.generation() && known.content_hash != db.content_hash() {
        store.adopt(db.generation(), db.content_hash()).await?;
    }
    Ok(())
}

/// Brings this process and the store to one generation, after a result was refused for having been made with another.
pub(crate) async fn catch_up(store: &Store, knowledge: &Knowledge, given: i64, current: i64) -> Result<(), Error> {
    if given > current {
        return adopt(store, &knowledge.current()).await;
    }
    knowledge.refresh()?;
    let held = number(store, &knowledge.current()).await?;
    if held < current { Err(Error::Behind { held, wanted: current }) } else { Ok(()) }
}

/// Matches again what differs between the generation that all packages agree with and the one in force, and ends the job.
pub(crate) async fn rematch(store: &Store, knowledge: &Knowledge, job: &Job) -> Result<(), Error> {
    for _ in 0..TRIES {
        let generation = store.generation().await?;
        store.step("rematch:generation");
        let db = knowledge.current();
        store.step("rematch:database");
        if number(store, &db).await? != generation.target {
            catch_up(store, knowledge, db.generation(), generation.target).await?;
            continue;
        }
        if generation.swept == generation.target {
            return Ok(store.finish(job).await?);
        }
        let old = knowledge.older(generation.swept);
        match bring_to(store, generation.target, old.as_ref(), &db, job).await {
            // A newer one came into force meanwhile: what was done counts, the rest is done with that one.
            Err(Error::Store(store::Error::StaleGeneration { .. })) => {}
            done => return done,
        }
    }
    Err(Error::Restless(TRIES))
}

async fn bring_to(store: &Store, target: i64, old: Option<&Database>, db: &Database, job: &Job) -> Result<(), Error> {
    sweep(store, target, old, db).await?;
    store.step("rematch:swept");
    if old.is_none_or(|old| covers_other(old, db)) {
        let images = store.judge_again().await?;
        tracing::info!(images, "the feeds cover other packages than before: verdicts are made anew");
    }
    Ok(store.finish_sweep(job, target).await?)
}

/// Returns whether verdicts may change though no package's match did: a verdict says `gaps` for packages that no feed speaks of.
fn covers_other(old: &Database, new: &Database) -> bool {
    old.starter_only() != new.starter_only() || !old.ecosystems().eq(new.ecosystems())
}

async fn sweep(store: &Store, target: i64, old: Option<&Database>, db: &Database) -> Result<(), Error> {
    // Without the old file nobody can say what changed: then every package is matched again.
    let delta = old.map(|old| diff(old, db));
    store.step("rematch:compared");
    let packages = store.to_rematch(delta.as_ref().map(|delta| delta.names.as_slice())).await?;
    store.step("rematch:listed");
    tracing::info!(generation = target, packages = packages.len(), "matching again");
    for chunk in packages.chunks(CHUNK) {
        let (rematched, vulnerabilities) = judge(chunk, db);
        store.step("rematch:judged");
        store.sweep(target, &rematched, &vulnerabilities).await?;
    }
    if let Some(delta) = delta {
        refresh_texts(store, db, &delta.vulnerabilities).await?;
    }
    Ok(())
}

fn judge(packages: &[PackageRow], db: &Database) -> (Vec<Rematched>, Vec<store::Vulnerability>) {
    let rematched: Vec<Rematched> = packages
        .iter()
        .map(|row| Rematched { package: row.id, matches: assess::matches(&row.key, db).matches })
        .collect();
    let vulnerabilities = vulnerability::named_by(rematched.iter().flat_map(|row| &row.matches), db);
    (rematched, vulnerabilities)
}

/// Writes new texts and scores of the vulnerabilities that the fleet has.
async fn refresh_texts(store: &Store, db: &Database, changed: &[String]) -> Result<(), Error> {
    for chunk in changed.chunks(CHUNK) {
        let known: HashSet<String> = store.known_vulnerabilities(chunk).await?.into_iter().collect();
        let named = chunk.iter().filter(|name| known.contains(*name)).map(String::as_str);
        let rows = vulnerability::named(named, db);
        if !rows.is_empty() {
            store.refresh_vulnerabilities(&rows).await?;
        }
    }
    Ok(())
}
