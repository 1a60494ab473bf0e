//! New generations: what they change is matched again, whatever happens in between; what they do not change costs nothing.

use super::results::{assessment, found, inventory, package, vulnerability};
use super::{Fresh, on_every_engine};
use crate::{Error, Job, JobKind, Rematched, Vulnerability};
use model::finding::Match;
use model::{Micros, Severity};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn generations_without_news_write_no_row() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let job = fresh.claimed("a").await;
        let key = package("zlib", "1");
        let judged = [(key.clone(), vec![found("CVE-1", Severity::High)])];
        store.record(&assessment(&job, &inventory(&[key]), &judged, 0)).await.unwrap();
        store.adopt(1, "content").await.unwrap();
        settle(&fresh, &Knowledge { generations: vec![all_high(1), all_high(1)] }).await;
        let before = store.snapshot().await.unwrap();
        for generation in 2..367 {
            let now = store.adopt(generation, "content").await.unwrap();
            assert_eq!((now.swept, now.target), (generation, generation));
        }
        assert!(store.jobs(9).await.unwrap().is_empty());
        let after = store.snapshot().await.unwrap();
        assert_eq!((before.revision, before.matches, before.packages), (after.revision, after.matches, after.packages));
        assert!(matches!(store.adopt(3, "old").await, Err(Error::StaleGeneration { given: 3, current: 366 })));
    });
}

#[test]
fn a_re_match_moves_only_what_changed_and_remembers_since_when() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let job = fresh.claimed("a").await;
        let key = package("zlib", "1");
        let judged = [(
            key.clone(),
            vec![found("CVE-1", Severity::High), found("CVE-2", Severity::Low), found("CVE-3", Severity::Low)],
        )];
        store.record(&assessment(&job, &inventory(&[key]), &judged, 0)).await.unwrap();
        store.adopt(1, "one").await.unwrap();
        let row = store.to_rematch(Some(&[("debian:12".into(), "zlib".into())])).await.unwrap().remove(0);
        let matches =
            vec![found("CVE-1", Severity::High), found("CVE-2", Severity::Critical), found("CVE-4", Severity::Low)];
        let given: Vec<Vulnerability> = ["CVE-1", "CVE-2", "CVE-4"].map(vulnerability).to_vec();
        let rematched = [Rematched { package: row.id, matches, notes_changed: false }];
        assert_eq!(store.sweep(1, &rematched, &given).await.unwrap(), 3);
        assert_eq!(store.to_rematch(None).await.unwrap(), [], "done");
        assert_eq!(store.sweep(1, &rematched, &given).await.unwrap(), 0, "once more changes nothing");
        let snapshot = store.snapshot().await.unwrap();
        let rows = |name: &str| -> Vec<(bool, bool, Severity)> {
            let id = snapshot.vulnerabilities.iter().find(|v| v.name == name).unwrap().id;
            let rows = snapshot.matches.iter().filter(|m| m.vulnerability == id);
            rows.map(|m| (m.until == Micros::FOREVER, m.first == m.since, m.severity)).collect()
        };
        assert_eq!(rows("CVE-1"), [(true, true, Severity::High)], "untouched");
        assert_eq!(
            rows("CVE-2"),
            [(false, true, Severity::Low), (true, false, Severity::Critical)],
            "one closed, one opened"
        );
        assert_eq!(rows("CVE-3"), [(false, true, Severity::Low)], "closed");
        assert_eq!(rows("CVE-4"), [(true, true, Severity::Low)], "new");
    });
}

/// What each generation says: for each package name, how bad its one vulnerability is.
type Says = BTreeMap<&'static str, Severity>;

struct Knowledge {
    generations: Vec<Says>,
}

const NAMES: [&str; 4] = ["zlib", "curl", "bash", "perl"];

fn all_high(_: u32) -> Says {
    NAMES.into_iter().map(|name| (name, Severity::High)).collect()
}

impl Knowledge {
    fn matches(&self, generation: i64, name: &str) -> Vec<Match> {
        let severity = self.generations[generation as usize].get(name);
        severity.map(|severity| vec![found(&format!("CVE-{name}"), *severity)]).unwrap_or_default()
    }

    fn diff(&self, old: i64, new: i64) -> Vec<(String, String)> {
        let (old, new) = (&self.generations[old as usize], &self.generations[new as usize]);
        let changed = NAMES.into_iter().filter(|name| old.get(name) != new.get(name));
        changed.map(|name| ("debian:12".to_owned(), name.to_owned())).collect()
    }

    fn rematched(&self, generation: i64, row: &crate::PackageRow) -> Rematched {
        Rematched { package: row.id, matches: self.matches(generation, &row.key.name), notes_changed: false }
    }
}

fn vulnerabilities() -> Vec<Vulnerability> {
    NAMES.iter().map(|name| vulnerability(&format!("CVE-{name}"))).collect()
}

/// Runs the re-match that waits, to its end.
async fn settle(fresh: &Fresh, knowledge: &Knowledge) {
    while let Some(job) = fresh.store.claim("settle").await.unwrap() {
        assert_eq!(job.kind, JobKind::Rematch);
        let now = fresh.store.generation().await.unwrap();
        if now.swept == now.target {
            fresh.store.finish(&job).await.unwrap();
            continue;
        }
        let changed = knowledge.diff(now.swept, now.target);
        for row in fresh.store.to_rematch(Some(&changed)).await.unwrap() {
            let rematched = knowledge.rematched(now.target, &row);
            fresh.store.sweep(now.target, &[rematched], &vulnerabilities()).await.unwrap();
        }
        fresh.store.finish_sweep(&job, now.target).await.unwrap();
    }
}

/// The law: a package whose matches are not those of the generation in force waits for a re-match that will visit it.
async fn check(fresh: &Fresh, knowledge: &Knowledge, step: usize) {
    let store = &fresh.store;
    let snapshot = store.snapshot().await.unwrap();
    let now = store.generation().await.unwrap();
    let waits: BTreeSet<i64> =
        if store.jobs(99).await.unwrap().iter().any(|job| job.kind == "rematch") && now.swept < now.target {
            let rows = store.to_rematch(Some(&knowledge.diff(now.swept, now.target))).await.unwrap();
            rows.into_iter().map(|row| row.id).collect()
        } else {
            BTreeSet::new()
        };
    for package in &snapshot.packages {
        let open = snapshot.matches.iter().filter(|m| m.package == package.id && m.until == Micros::FOREVER);
        let has: Vec<Severity> = open.map(|m| m.severity).collect();
        let want: Vec<Severity> = knowledge.matches(now.target, &package.name).iter().map(|m| m.severity).collect();
        assert!(
            has == want || waits.contains(&package.id),
            "step {step}: {package:?} has {has:?}, want {want:?}, at {now:?}"
        );
    }
}

/// What goes on at once in one fleet: workers with databases of different age, a re-match that may be cut off anywhere.
struct Run {
    knowledge: Knowledge,
    scanner: i64,
    sweeping: Option<(Job, i64, Vec<crate::PackageRow>)>,
    images: u32,
}

impl Run {
    async fn adopt(&mut self, fresh: &Fresh, dice: u32) {
        let mut says = self.knowledge.generations.last().unwrap().clone();
        let name = NAMES[dice as usize % 4];
        // Now and then something comes back to what it was: the hard case for a difference of two generations.
        match (dice / 4) % 3 {
            0 => says.remove(name),
            1 => says.insert(name, Severity::Low),
            _ => says.insert(name, Severity::High),
        };
        self.knowledge.generations.push(says.clone());
        let generation = self.knowledge.generations.len() as i64 - 1;
        fresh.store.adopt(generation, &format!("{says:?}")).await.unwrap();
    }

    async fn record(&mut self, fresh: &Fresh, dice: u32) {
        self.images += 1;
        fresh.push_image("app", "v", &self.images.to_string()).await;
        let jobs = fresh.store.jobs(99).await.unwrap();
        let job = loop {
            match fresh.store.claim("scanner").await.unwrap() {
                Some(job) if job.kind == JobKind::Rematch => self.sweeping = Some(self.begin(fresh, job).await),
                Some(job) => break job,
                None => panic!("no image among {jobs:?}"),
            }
        };
        let keys: Vec<_> = NAMES
            .iter()
            .enumerate()
            .filter(|(n, _)| dice >> n & 1 == 1)
            .map(|(_, name)| package(name, &(dice / 16 % 3).to_string()))
            .collect();
        loop {
            let judged: Vec<_> =
                keys.iter().map(|key| (key.clone(), self.knowledge.matches(self.scanner, &key.name))).collect();
            match fresh.store.record(&assessment(&job, &inventory(&keys), &judged, self.scanner)).await {
                Ok(_) => return,
                Err(Error::StaleGeneration { current, .. }) => self.scanner = current,
                Err(other) => panic!("{other}"),
            }
        }
    }

    async fn begin(&self, fresh: &Fresh, job: Job) -> (Job, i64, Vec<crate::PackageRow>) {
        let now = fresh.store.generation().await.unwrap();
        let rows = fresh.store.to_rematch(Some(&self.knowledge.diff(now.swept, now.target))).await.unwrap();
        (job, now.target, rows)
    }

    async fn sweep(&mut self, fresh: &Fresh) {
        let Some((job, generation, mut rows)) = self.sweeping.take() else {
            // Only a re-match may be claimed here: image jobs are claimed and recorded in one step.
            if let Some(job) = fresh.store.claim("sweeper").await.unwrap() {
                self.sweeping = Some(self.begin(fresh, job).await);
            }
            return;
        };
        let done = match rows.pop() {
            Some(row) => {
                let rematched = self.knowledge.rematched(generation, &row);
                fresh.store.sweep(generation, &[rematched], &vulnerabilities()).await.map(|_| false)
            }
            None => fresh.store.finish_sweep(&job, generation).await.map(|()| true),
        };
        match done {
            Ok(true) => {}
            Ok(false) => self.sweeping = Some((job, generation, rows)),
            Err(Error::StaleGeneration { .. }) => self.sweeping = Some(self.begin(fresh, job).await),
            Err(other) => panic!("{other}"),
        }
    }

    /// The re-matching worker dies; its lease is freed as at a restart.
    async fn crash(&mut self, fresh: &Fresh) {
        self.sweeping = None;
        let lock = std::fs::read_to_string(fresh.settings.data.join("lock")).unwrap();
        fresh.store.release_leases_of(&lock).await.unwrap();
    }
}

#[test]
fn no_interleaving_of_results_generations_re_matches_and_crashes_leaves_a_match_missing() {
    on_every_engine(|fresh| async move {
        fresh.store.adopt(0, "start").await.unwrap();
        let knowledge = Knowledge { generations: vec![all_high(0)] };
        let mut run = Run { knowledge, scanner: 0, sweeping: None, images: 0 };
        let mut dice = 88_172_645_463_325_252u64;
        for step in 0..400 {
            // xorshift: the same steps in every run
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let throw = (dice >> 33) as u32;
            match dice % 10 {
                0 | 1 => run.adopt(&fresh, throw).await,
                2 | 3 => run.record(&fresh, throw).await,
                4 => run.crash(&fresh).await,
                _ => run.sweep(&fresh).await,
            }
            check(&fresh, &run.knowledge, step).await;
        }
        run.crash(&fresh).await;
        settle(&fresh, &run.knowledge).await;
        let now = fresh.store.generation().await.unwrap();
        assert_eq!(now.swept, now.target);
        check(&fresh, &run.knowledge, 400).await;
    });
}
