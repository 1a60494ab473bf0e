//! A new generation of the advisory database: what changed is matched again, no layer is touched.
//!
//! In: the databases before and after. Out: the matches of the packages that the difference names, a few hundred a transaction.
//! Cut off anywhere, it goes on where it was: the store knows which packages agree with the generation in force.

use crate::error::in_full;
use crate::{Error, Knowledge, feeds, shared, vulnerability};
use advisory::{Database, diff};
use assess::end_of_life::last_day;
use std::collections::HashSet;
use std::time::Duration;
use store::{FeedRow, Generation, Job, PackageRow, Recheck, Rematched, Store};
use tokio_util::sync::CancellationToken;

/// Packages a transaction: short enough that a push never waits long behind it.
const CHUNK: usize = 500;
/// How often new generations may come into force under a re-match before its job is put back.
const TRIES: u32 = 20;
/// How often other processes' databases are looked for.
const LOOK: Duration = Duration::from_secs(5);

/// Puts every generation that appears in the data folder in force, and takes over what other workers put in force, until the end is
/// asked for.
pub async fn follow_generations(store: Store, knowledge: Knowledge, shutdown: CancellationToken) {
    let mut generations = knowledge.generations();
    let mut told = Told::default();
    loop {
        if let Err(error) = knowledge.refresh() {
            tracing::warn!(error = in_full(&error), "a new advisory database cannot be opened; the present one stays");
        }
        if let Err(error) = keep_up(&store, &knowledge, &mut told).await {
            tracing::warn!(error = in_full(&error), "this worker and the database in force cannot be brought together");
        }
        tokio::select! {
            _ = generations.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// What the store was told by this process.
#[derive(Default)]
struct Told {
    /// The content of which the file was offered to others.
    offered: Option<String>,
    /// How the feeds stand.
    feeds: Vec<FeedRow>,
}

async fn keep_up(store: &Store, knowledge: &Knowledge, told: &mut Told) -> Result<(), Error> {
    let (known, db) = (store.generation().await?, knowledge.current());
    if known.content_hash != db.content_hash() {
        if db.generation() > known.target {
            adopt(store, knowledge).await?;
        } else if known.target > 0 {
            shared::take_over(store, knowledge, known.target).await?;
        }
    } else if told.offered.as_deref() != Some(db.content_hash()) {
        shared::offer(store, knowledge, &db, known.target).await?;
        told.offered = Some(db.content_hash().to_owned());
    }
    if store.generation().await?.content_hash == knowledge.current().content_hash() {
        let feeds = feeds::rows_of(&knowledge.current(), knowledge.folder().data());
        if feeds != told.feeds {
            store.note_feeds(knowledge.current().content_hash(), &feeds).await?;
            told.feeds = feeds;
        }
    }
    Ok(())
}

/// Returns the number under which a database is known to the store. Processes that fetch for themselves give the same content
/// different numbers, and in the same second different contents the same number: what counts is the content.
pub(crate) async fn number(store: &Store, db: &Database) -> Result<i64, Error> {
    let known = store.generation().await?;
    Ok(match db.generation() {
        _ if known.content_hash == db.content_hash() => known.target,
        // Something else than what is in force: as good as an older one.
        same if same == known.target && !known.content_hash.is_empty() => same - 1,
        own => own,
    })
}

/// Puts this process's generation in force, unless a newer one is, or the same content under another number.
async fn adopt(store: &Store, knowledge: &Knowledge) -> Result<(), Error> {
    let (known, db) = (store.generation().await?, knowledge.current());
    if known.target < db.generation() && known.content_hash != db.content_hash() {
        shared::offer(store, knowledge, &db, db.generation()).await?;
    }
    Ok(())
}

/// Brings this process and the store to one generation, after a result was refused for having been made with another.
pub(crate) async fn catch_up(store: &Store, knowledge: &Knowledge, given: i64, current: i64) -> Result<(), Error> {
    if given > current {
        return adopt(store, knowledge).await;
    }
    knowledge.refresh()?;
    let held = number(store, &knowledge.current()).await?;
    if held >= current {
        return Ok(());
    }
    match shared::take_over(store, knowledge, current).await {
        Ok(true) => return Ok(()),
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(error = in_full(&error), "the database in force cannot be had from the blob store")
        }
    }
    Err(Error::Behind { held, wanted: current })
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
        let old = older(store, knowledge, generation.swept).await?;
        match bring_to(store, &generation, old.as_ref(), &db, job).await {
            // A newer one came into force meanwhile: what was done counts, the rest is done with that one.
            Err(Error::Store(store::Error::StaleGeneration { .. })) => {}
            done => return done,
        }
    }
    Err(Error::Restless(TRIES))
}

/// The database that all packages agree with, where this process still has it.
async fn older(store: &Store, knowledge: &Knowledge, swept: i64) -> Result<Option<Database>, Error> {
    if swept == 0 {
        return Ok(advisory::starter().ok());
    }
    // By what it says: another process may have given its number to another content.
    let known = store.known_database(swept).await?;
    Ok(known.and_then(|known| knowledge.that_says(&known.content_hash)))
}

async fn bring_to(
    store: &Store,
    generation: &Generation,
    old: Option<&Database>,
    db: &Database,
    job: &Job,
) -> Result<(), Error> {
    let otherwise = covered_otherwise(store, old, db).await?;
    sweep(store, generation, old, db, &otherwise).await?;
    store.step("rematch:swept");
    let target = generation.target;
    store.recheck(target, &otherwise).await?;
    let images = store.queue_rechecks(target).await?;
    if images > 0 {
        tracing::info!(
            images,
            "what feeds cover, or what can be compared, is not what it was: images are judged again"
        );
    }
    Ok(store.finish_sweep(job, target).await?)
}

/// Returns whose verdicts may change though no package's match did: a verdict says `gaps` for packages that no feed speaks of, and
/// for releases whose support is over.
async fn covered_otherwise(store: &Store, old: Option<&Database>, new: &Database) -> Result<Vec<Recheck>, Error> {
    let Some(old) = old.filter(|old| old.starter_only() == new.starter_only()) else { return Ok(vec![Recheck::All]) };
    let standing = |db: &Database, ecosystem: &str| (db.covers(ecosystem), last_day(ecosystem, db.built()).is_some());
    let mut ecosystems = store.ecosystems().await?;
    ecosystems.retain(|ecosystem| standing(old, ecosystem) != standing(new, ecosystem));
    Ok(ecosystems.into_iter().map(Recheck::Ecosystem).collect())
}

/// `otherwise` is what is covered otherwise than before: a language package is judged by itself where the release of its owner is
/// not, and no name tells which are.
async fn sweep(
    store: &Store,
    generation: &Generation,
    old: Option<&Database>,
    db: &Database,
    otherwise: &[Recheck],
) -> Result<(), Error> {
    let (swept, target) = (generation.swept, generation.target);
    // Without the old file nobody can say what changed: then every package is matched again.
    let delta = old.filter(|_| otherwise.is_empty()).map(|old| diff(old, db));
    store.step("rematch:compared");
    let packages = store.to_rematch(delta.as_ref().map(|delta| delta.names.as_slice())).await?;
    store.step("rematch:listed");
    tracing::info!(generation = target, packages = packages.len(), "matching again");
    for chunk in packages.chunks(CHUNK) {
        let (rematched, vulnerabilities) = judge(chunk, old.map(|old| (swept, old)), db);
        store.step("rematch:judged");
        store.sweep(target, &rematched, &vulnerabilities).await?;
    }
    if let Some(delta) = delta {
        refresh_texts(store, db, &delta.vulnerabilities).await?;
    }
    Ok(())
}

/// Matches packages; `before` is the generation that they agree with. Without it all images are judged again, whatever changed.
fn judge(
    packages: &[PackageRow],
    before: Option<(i64, &Database)>,
    db: &Database,
) -> (Vec<Rematched>, Vec<store::Vulnerability>) {
    let judge = |row: &PackageRow| {
        let judged = assess::matches(&row.key, db);
        // What was judged in between, by a generation that is gone, may have said anything.
        let otherwise =
            |(swept, old)| row.matched_generation > swept || assess::matches(&row.key, old).notes != judged.notes;
        Rematched { package: row.id, notes_changed: before.is_some_and(otherwise), matches: judged.matches }
    };
    let rematched: Vec<Rematched> = packages.iter().map(judge).collect();
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
