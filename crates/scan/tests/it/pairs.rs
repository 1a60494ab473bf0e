//! Two scans stand still at two steps while the advisory database is swapped up to a third; then they go on, in each order.
//!
//! Both scans bring one new package, and each one of its own; what the two databases know of them differs. `PORTWARDEN_PAIRS` says
//! how many of the interleavings have their turn, spread over all of them.

use crate::walk::{World, judged, open_matches, wheels};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use store::trial::Trial;
use tokio::task::Id;

/// Steps of a scan, between transactions.
const SCAN: [&str; 8] = [
    "scan:claimed",
    "scan:manifest",
    "scan:layers",
    "scan:inventory",
    "scan:database",
    "scan:generation",
    "scan:unjudged",
    "scan:judged",
];
/// Where a scan has written what it found.
const WRITTEN: &str = "record:committed";
/// How far the swap has come: the file is there, this process has it, the store has it in force, and steps of the re-match.
const SWAP: [&str; 10] = [
    "published",
    "held",
    "adopted",
    "rematch:generation",
    "rematch:database",
    "rematch:compared",
    "rematch:listed",
    "rematch:judged",
    "sweep:committed",
    "rematch:swept",
];

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    First,
    Second,
    Swap,
}
use Who::{First, Second, Swap};
/// Who goes on before whom.
const ORDERS: [[Who; 3]; 3] = [[First, Second, Swap], [Swap, First, Second], [First, Swap, Second]];

/// One interleaving.
#[derive(Debug, Clone, Copy)]
struct Case {
    first: &'static str,
    second: &'static str,
    swap: &'static str,
    order: [Who; 3],
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for first in SCAN {
        for second in SCAN {
            for swap in SWAP {
                all.extend(ORDERS.map(|order| Case { first, second, swap, order }));
            }
        }
    }
    all
}

/// Where everybody is to stand still, and where they are.
#[derive(Default)]
struct Stage {
    halts: HashMap<Who, &'static str>,
    /// Which task is whom, in this interleaving.
    tasks: HashMap<Id, Who>,
    passed: HashMap<Who, Vec<&'static str>>,
}

#[derive(Default)]
struct Director {
    stage: Mutex<Stage>,
    moved: Condvar,
}

impl Director {
    fn begin(&self, case: &Case) {
        let mut stage = self.stage.lock().unwrap();
        *stage = Stage::default();
        stage.halts = [(First, case.first), (Second, case.second), (Swap, case.swap)].into();
    }

    /// A step is passed: who it is becomes known by where their tasks begin; one that is to stand still waits here.
    fn pass(&self, step: &'static str) {
        let Some(task) = tokio::task::try_id() else { return };
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let scans = stage.tasks.values().filter(|who| **who != Swap).count();
        let new = match step {
            "scan:claimed" => [First, Second].get(scans).copied(),
            "rematch:generation" => Some(Swap),
            _ => None,
        };
        let Some(who) = stage.tasks.get(&task).copied().or(new) else { return };
        stage.tasks.insert(task, who);
        stage.passed.entry(who).or_default().push(step);
        self.moved.notify_all();
        if stage.halts.get(&who) == Some(&step) {
            let waiting = |stage: &mut Stage| stage.halts.get(&who) == Some(&step);
            let wait = || drop(self.moved.wait_while(stage, waiting));
            tokio::task::block_in_place(wait);
        }
    }

    fn release(&self, who: Who) {
        self.stage.lock().unwrap().halts.remove(&who);
        self.moved.notify_all();
    }

    /// Waits until somebody has passed a step.
    fn until(&self, who: Who, step: &str, case: &Case) {
        let there = |stage: &mut Stage| !stage.passed.get(&who).is_some_and(|passed| passed.contains(&step));
        let wait = || self.moved.wait_timeout_while(self.stage.lock().unwrap(), Duration::from_secs(600), there);
        let (stage, late) = tokio::task::block_in_place(wait).unwrap();
        assert!(!late.timed_out(), "{who:?} never came to {step}: {case:?}, {:?}", stage.passed);
    }
}

/// What a generation knows: of each package something else than its neighbours.
fn known(generation: i64, pair: usize) -> Vec<(String, String)> {
    let fixed = |n: usize| ["2", "4"][(usize::try_from(generation).unwrap() + n) % 2].to_owned();
    let names = [pair.saturating_sub(1), pair, pair + 1];
    names.iter().flat_map(|n| ["shared", "first", "second"].map(|of| (format!("{of}{n}"), fixed(*n)))).collect()
}

async fn swap_until(world: &World, generation: i64, pair: usize, case: &Case, director: &Director) {
    let known = known(generation, pair);
    let known: Vec<(&str, &str)> = known.iter().map(|(name, fixed)| (name.as_str(), fixed.as_str())).collect();
    world.write(generation, &known);
    if case.swap == "published" {
        return;
    }
    world.knowledge.refresh().unwrap();
    if case.swap == "held" {
        return;
    }
    adopt(world).await;
    if case.swap != "adopted" {
        director.until(Swap, case.swap, case);
    }
}

async fn adopt(world: &World) {
    let held = world.knowledge.current();
    world.store.adopt(held.generation(), held.content_hash()).await.unwrap();
}

async fn play(world: &World, pair: usize, case: &Case, director: &Director) {
    director.begin(case);
    let name = |of: &str| format!("{of}{pair}");
    for (n, own) in [name("first"), name("second")].iter().enumerate() {
        let wheels = wheels(&[(&name("shared"), "3"), (own, "3")], u32::try_from(2 * pair + n).unwrap());
        world.push(&wheels).await;
        // The first one to be claimed is the first one.
        director.until([First, Second][n], [case.first, case.second][n], case);
    }
    let generation = i64::try_from(pair).unwrap() + 1;
    swap_until(world, generation, pair, case, director).await;
    for who in case.order {
        director.release(who);
        if who != Swap {
            director.until(who, WRITTEN, case);
        }
    }
    world.knowledge.refresh().unwrap();
    adopt(world).await;
    let facts = world.at_rest().await;
    assert_eq!(facts.images.len(), 2 * pair);
    assert_eq!(open_matches(&facts), judged(&facts, &world.knowledge), "pair {pair}: {case:?}");
}

async fn every_pair(world: World, engine: &str) {
    let all = cases();
    let wanted = std::env::var("PORTWARDEN_PAIRS").ok().and_then(|n| n.parse().ok()).unwrap_or(97_usize);
    let (director, world, begun) = (Arc::new(Director::default()), Arc::new(world), Instant::now());
    let first = known(1, 1);
    world.publish(1, &first.iter().map(|(name, fixed)| (name.as_str(), fixed.as_str())).collect::<Vec<_>>());
    adopt(&world).await;
    let (passing, here): (_, Weak<World>) = (director.clone(), Arc::downgrade(&world));
    world.store.on_steps(move |step| here.upgrade().map_or((), |_| passing.pass(step)));
    world.start_workers();
    let wanted = wanted.min(all.len());
    for pair in 1..=wanted {
        play(&world, pair, &all[(pair - 1) * all.len() / wanted], &director).await;
    }
    println!("{engine}: {wanted} of {} interleavings of two scans and a swap, {:?}", all.len(), begun.elapsed());
    world.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn no_match_is_missing_however_two_scans_and_a_swap_interleave() {
    if Trial::wanted().await.is_none() {
        every_pair(World::on(None).await, "SQLite").await;
    }
    match Trial::new().await {
        Some(trial) => every_pair(World::on(Some(trial)).await, "PostgreSQL").await,
        None => println!("1 check not run: no PostgreSQL (PORTWARDEN_TEST_POSTGRES)"),
    }
}
