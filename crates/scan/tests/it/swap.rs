//! The advisory database is swapped at each named step of a running scan or re-match; no match may be missing afterwards.
//!
//! `PORTWARDEN_INTERLEAVINGS` says how many; every step has its turn in each of the ways to swap.

use crate::walk::{World, judged, open_matches, wheel};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How a new database appears.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Swap {
    /// Its file is there, as another process leaves it.
    Published,
    /// This process has it as well.
    Held,
    /// The store has put it in force.
    Adopted,
}
const SWAPS: [Swap; 3] = [Swap::Published, Swap::Held, Swap::Adopted];

/// Steps outside of transactions: everything can happen there.
const BETWEEN: [&str; 19] = [
    "manifest:committed",
    "claim:committed",
    "scan:claimed",
    "scan:manifest",
    "scan:layers",
    "scan:inventory",
    "scan:database",
    "scan:generation",
    "scan:unjudged",
    "scan:judged",
    "record:committed",
    "rematch:generation",
    "rematch:database",
    "rematch:compared",
    "rematch:listed",
    "rematch:judged",
    "sweep:committed",
    "rematch:swept",
    "finish:committed",
];
/// Steps within transactions: another one has to wait, so a generation cannot come into force there.
const WITHIN: [&str; 14] = [
    "claim:taken",
    "record:begun",
    "record:packages",
    "record:vulnerabilities",
    "record:matches",
    "record:inventory",
    "record:placed",
    "record:described",
    "record:ended",
    "adopt:knowledge",
    "adopt:queued",
    "sweep:matches",
    "sweep:packages",
    "finish:swept",
];

/// Every step with every way to swap that is possible there.
fn plan() -> Vec<(&'static str, Swap)> {
    let between = BETWEEN.iter().flat_map(|step| SWAPS.map(|swap| (*step, swap)));
    let within = WITHIN.iter().flat_map(|step| [Swap::Published, Swap::Held].map(|swap| (*step, swap)));
    between.chain(within).collect()
}

/// What a generation knows: it differs from its neighbours in every name.
fn known(generation: i64) -> [(&'static str, &'static str); 3] {
    let fixed = ["1", "2", "3", "4"];
    let at = |n: i64| fixed[usize::try_from((generation + n) % 4).unwrap()];
    [("a", at(0)), ("b", at(1)), ("c", at(2))]
}

/// What happens at the steps of a world.
struct Trials {
    world: Weak<World>,
    plan: Vec<(&'static str, Swap)>,
    /// The trial that waits for its step, from 1; 0 = none does.
    armed: AtomicUsize,
    hits: AtomicUsize,
    newest: AtomicI64,
}

impl Trials {
    fn next(&self) -> i64 {
        self.newest.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn of(&self, trial: usize) -> (&'static str, Swap) {
        self.plan[(trial - 1) % self.plan.len()]
    }

    /// Swaps if this is the step of the trial, once.
    fn pass(&self, step: &str) {
        let trial = self.armed.load(Ordering::SeqCst);
        let Some(world) = self.world.upgrade().filter(|_| trial > 0) else { return };
        let (wanted, swap) = self.of(trial);
        let mine = || self.armed.compare_exchange(trial, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if step != wanted || !mine() {
            return;
        }
        let generation = self.next();
        world.write(generation, &known(generation));
        if swap != Swap::Published {
            world.knowledge.refresh().unwrap();
        }
        if swap == Swap::Adopted {
            let held = world.knowledge.current();
            let adopt = world.store.adopt(held.generation(), held.content_hash());
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(adopt)).unwrap();
        }
        self.hits.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_match_is_missing_at_whichever_step_the_database_is_swapped() {
    let wanted = std::env::var("PORTWARDEN_INTERLEAVINGS").ok().and_then(|n| n.parse().ok()).unwrap_or(85_usize);
    let world = Arc::new(World::new().await);
    let trials = Arc::new(Trials {
        world: Arc::downgrade(&world),
        plan: plan(),
        armed: AtomicUsize::new(0),
        hits: AtomicUsize::new(0),
        newest: AtomicI64::new(1),
    });
    world.publish(1, &known(1));
    let passing = trials.clone();
    world.store.on_steps(move |step| passing.pass(step));
    world.start();
    let begun = Instant::now();
    for trial in 1..=wanted {
        let (step, swap) = trials.of(trial);
        trials.armed.store(trial, Ordering::SeqCst);
        let number = u32::try_from(trial).unwrap();
        world.push(&wheel(["a", "b", "c"][trial % 3], &format!("{}.{trial}", trial % 5), number)).await;
        if ["adopt", "rematch", "sweep", "finish"].iter().any(|of| step.starts_with(of)) {
            let generation = trials.next();
            world.publish(generation, &known(generation));
        }
        while trials.hits.load(Ordering::SeqCst) < trial {
            assert!(begun.elapsed() < Duration::from_secs(3600), "{step} was not passed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.knowledge.refresh().unwrap();
        let facts = world.at_rest().await;
        assert_eq!(facts.images.len(), trial);
        assert_eq!(open_matches(&facts), judged(&facts, &world.knowledge), "trial {trial}: {swap:?} at {step}");
    }
    println!("{wanted} interleavings, each of {} in its turn, {:?}", trials.plan.len(), begun.elapsed());
    world.shutdown.cancel();
}
