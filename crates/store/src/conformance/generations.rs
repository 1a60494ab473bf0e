//! Generations and the work that they bring: never given up, done in pieces, under one number for one content.

use super::results::{assessment, inventory, package};
use super::{Fresh, on_every_engine};
use crate::engine::values;
use crate::{Class, Error, Failure, FeedRow, Job, JobKind, OfferedDatabase, Recheck, Rematched};
use model::verdict::{Verdict, Work};
use model::{Micros, PackageKey};
use std::collections::BTreeSet;

impl Fresh {
    async fn run(&self, sql: &str) {
        let mut tx = self.store.engine().begin().await.unwrap();
        tx.run(sql, values![]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Lets everything that was put off be due, and every lease be over, as time does.
    async fn later(&self) {
        self.run("UPDATE job SET due = 0, leased_until = 0").await;
    }

    /// An image with one package, judged.
    async fn holding(&self, seed: &str, key: PackageKey) -> i64 {
        let image = self.push_image("app", seed, seed).await.image;
        let job = self.store.claim("w").await.unwrap().unwrap();
        let judged = [(key.clone(), Vec::new())];
        let generation = self.store.generation().await.unwrap().target;
        self.store.record(&assessment(&job, &inventory(&[key]), &judged, generation)).await.unwrap();
        image
    }

    /// The images that wait to be judged again, taken from the queue.
    async fn queued(&self) -> BTreeSet<i64> {
        let mut images = BTreeSet::new();
        for job in self.store.jobs(99).await.unwrap().iter().filter(|job| job.kind == "image") {
            assert_eq!((job.class, job.state), (Class::Coverage, "queued"));
        }
        let rows = self.store.engine().all("SELECT image FROM job WHERE kind = 1", values![]).await.unwrap();
        for row in rows {
            images.insert(row.int(0).unwrap());
        }
        for image in &images {
            assert_eq!(self.image_of(*image).await.work, Work::Queued);
        }
        self.run("DELETE FROM job WHERE kind = 1").await;
        self.run("UPDATE image SET work = 0").await;
        images
    }

    async fn rematch(&self) -> Job {
        let job = self.store.claim("w").await.unwrap().expect("a re-match waits");
        assert_eq!(job.kind, JobKind::Rematch);
        job
    }
}

fn python(name: &str) -> PackageKey {
    PackageKey { ecosystem: "pypi".into(), name: name.into(), version: "1".into(), ..PackageKey::default() }
}

#[test]
fn a_re_match_comes_again_however_often_it_failed_or_its_worker_died() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        fresh.holding("a", package("zlib", "1")).await;
        store.adopt(1, "one").await.unwrap();
        for failed in 1..=20 {
            let job = fresh.rematch().await;
            assert_eq!(job.attempt, failed);
            if failed % 2 == 0 {
                let due = store.retry(&job, "a defect").await.unwrap().expect("never given up");
                assert!(due.0 - job.claimed.0 <= 760_000_000, "within ten minutes and the jitter");
            }
            fresh.later().await;
        }
        assert_eq!(store.queue().await.unwrap().rematch, Some((20, "a defect".into())), "people are told");
        store.finish_sweep(&fresh.rematch().await, 1).await.unwrap();
        assert_eq!(store.generation().await.unwrap().swept, 1);
        assert!(store.jobs(9).await.unwrap().is_empty());
    });
}

#[test]
fn a_re_match_that_ends_its_workers_lets_other_work_be_done_in_between() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        fresh.holding("a", package("zlib", "1")).await;
        store.adopt(1, "one").await.unwrap();
        fresh.push_image("app", "b", "b").await;
        for _ in 0..4 {
            fresh.rematch().await;
            fresh.run("UPDATE job SET leased_until = 0").await;
        }
        let next = store.claim("w").await.unwrap().unwrap();
        assert!(matches!(next.kind, JobKind::Image(_)), "{next:?}");
        assert!(store.queue().await.unwrap().rematch.unwrap().1.contains("ended 3 times"));
    });
}

#[test]
fn a_new_generation_renews_a_re_match_that_failed_and_an_end_with_more_to_do_begins_it_anew() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        fresh.holding("a", package("zlib", "1")).await;
        store.adopt(1, "one").await.unwrap();
        for _ in 0..9 {
            store.retry(&fresh.rematch().await, "a defect").await.unwrap().unwrap();
            fresh.later().await;
        }
        store.retry(&fresh.rematch().await, "a defect").await.unwrap().unwrap();
        assert!(store.claim("w").await.unwrap().is_none(), "put off");
        store.adopt(2, "two").await.unwrap();
        let job = fresh.rematch().await;
        assert_eq!(job.attempt, 1, "another database may do what the last one did not");
        store.finish(&job).await.unwrap();
        assert_eq!(fresh.rematch().await.attempt, 1, "a generation waits, so that it is not over");
    });
}

#[test]
fn a_number_stands_for_one_content() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        store.adopt(7, "one").await.unwrap();
        store.adopt(7, "one").await.unwrap();
        let other = store.adopt(7, "other").await;
        assert!(matches!(other, Err(Error::StaleGeneration { given: 7, current: 7 })), "{other:?}");
        assert_eq!(store.known_database(7).await.unwrap().unwrap().content_hash, "one");
        assert_eq!(store.adopt(8, "other").await.unwrap().target, 8);
        for generation in 9..40 {
            store.adopt(generation, &generation.to_string()).await.unwrap();
        }
        assert_eq!(store.known_database(20).await.unwrap(), None, "old ones are forgotten");
        assert_eq!(store.known_database(39).await.unwrap().unwrap().content_hash, "39");
    });
}

#[test]
fn a_database_goes_through_the_blob_store_whole_or_not_at_all_and_three_stay() {
    on_every_engine(|fresh| async move {
        let (store, data) = (&fresh.store, fresh.settings.data.clone());
        let (file, arrived) = (data.join("file"), data.join("arrived"));
        let mut digests = Vec::new();
        for generation in 1..=5 {
            std::fs::write(&file, format!("the advisories of {generation}")).unwrap();
            let (digest, bytes) = store.put_database(&file).await.unwrap();
            assert_eq!(store.put_database(&file).await.unwrap(), (digest.clone(), bytes), "once");
            let hash = generation.to_string();
            let built = Micros(generation);
            store
                .adopt_database(&OfferedDatabase {
                    generation,
                    content_hash: &hash,
                    built,
                    file: Some((&digest, bytes)),
                })
                .await
                .unwrap();
            let known = store.known_database(generation).await.unwrap().unwrap();
            assert_eq!((known.built, known.file), (built, Some((digest.clone(), bytes))));
            store.adopt(generation, &hash).await.unwrap();
            assert!(
                store.known_database(generation).await.unwrap().unwrap().file.is_some(),
                "what is known stays known"
            );
            digests.push((digest, bytes));
        }
        let (digest, bytes) = digests.last().unwrap();
        store.get_database(digest, *bytes, &arrived).await.unwrap();
        assert_eq!(std::fs::read(&arrived).unwrap(), b"the advisories of 5");
        assert!(matches!(store.get_database(digest, bytes - 1, &arrived).await, Err(Error::Damaged { .. })), "longer");

        let folder = data.join("blobs/databases");
        let kept = folder.join(format!("{}.pwdb", digest.hex()));
        std::fs::write(&kept, "the advisories of 6").unwrap();
        assert!(matches!(store.get_database(digest, *bytes, &arrived).await, Err(Error::DigestMismatch { .. })));
        let there = || std::fs::read_dir(&folder).unwrap().count();
        store.trim_databases().await.unwrap();
        assert_eq!(there(), 5, "what is young may be on its way");
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
        for entry in std::fs::read_dir(&folder).unwrap() {
            std::fs::File::open(entry.unwrap().path()).unwrap().set_modified(old).unwrap();
        }
        store.trim_databases().await.unwrap();
        assert_eq!((there(), store.known_database(2).await.unwrap().unwrap().file), (3, None));
        std::fs::remove_file(&kept).unwrap();
        assert!(matches!(store.get_database(digest, *bytes, &arrived).await, Err(Error::NoBlob(_))));
    });
}

#[test]
fn only_images_with_what_is_covered_or_compared_otherwise_are_judged_again_and_each_once() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let debian = fresh.holding("a", package("zlib", "1")).await;
        let django = fresh.holding("b", python("django")).await;
        let flask = fresh.holding("c", python("flask")).await;
        let failed = fresh.push_image("app", "d", "d").await.image;
        let job = store.claim("w").await.unwrap().unwrap();
        let failure = Failure {
            job: &job,
            verdict: Verdict::Failed,
            code: "no-database".into(),
            notes: Vec::new(),
            revision: 1,
            started: job.claimed,
            tier: String::new(),
        };
        store.record_failure(&failure).await.unwrap();
        assert_eq!(store.ecosystems().await.unwrap(), ["debian:12", "pypi"]);

        store.adopt(1, "one").await.unwrap();
        store.recheck(1, &[]).await.unwrap();
        assert_eq!(store.queue_rechecks(1).await.unwrap(), 1);
        assert_eq!(fresh.queued().await, [failed].into(), "there is a database now");
        fresh.run("UPDATE image SET reason = 'manifest' WHERE verdict = 4").await;

        let rows = store.to_rematch(Some(&[("pypi".into(), "flask".into())])).await.unwrap();
        let rematched = Rematched { package: rows[0].id, matches: Vec::new(), notes_changed: true };
        store.sweep(1, &[rematched], &[]).await.unwrap();
        store.recheck(1, &[Recheck::Ecosystem("debian:12".into())]).await.unwrap();
        assert_eq!(store.queue_rechecks(1).await.unwrap(), 2);
        assert_eq!(fresh.queued().await, [debian, flask].into());
        store.recheck(1, &[Recheck::Ecosystem("debian:12".into())]).await.unwrap();
        assert_eq!(store.queue_rechecks(1).await.unwrap(), 0, "a re-match that was cut off goes on where it was");

        store.adopt(2, "two").await.unwrap();
        assert!(matches!(store.recheck(1, &[]).await, Err(Error::StaleGeneration { given: 1, current: 2 })));
        store.recheck(2, &[Recheck::Ecosystem("pypi".into())]).await.unwrap();
        assert_eq!(store.queue_rechecks(2).await.unwrap(), 3);
        assert_eq!(fresh.queued().await, [debian, django, flask].into(), "what the one before it left is done with it");
        store.finish_sweep(&fresh.rematch().await, 2).await.unwrap();
        assert_eq!(store.queue_rechecks(2).await.unwrap(), 0);

        store.adopt(3, "three").await.unwrap();
        store.recheck(3, &[Recheck::All]).await.unwrap();
        assert_eq!(store.queue_rechecks(3).await.unwrap(), 3);
        assert_eq!(fresh.queued().await, [debian, django, flask].into());
    });
}

#[test]
fn every_process_knows_how_old_the_feeds_in_force_are() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let feed =
            |name: &str, fetched| FeedRow { name: name.into(), records: 5, date: Micros(1), fetched: Micros(fetched) };
        store.note_feeds("one", &[feed("debian", 1)]).await.unwrap();
        assert_eq!(store.feeds().await.unwrap(), [], "not in force");
        store.adopt(1, "one").await.unwrap();
        store.note_feeds("one", &[feed("debian", 20), feed("kev", 20)]).await.unwrap();
        store.note_feeds("one", &[feed("debian", 30), feed("kev", 10)]).await.unwrap();
        assert_eq!(store.feeds().await.unwrap(), [feed("debian", 30), feed("kev", 20)], "whoever asked last");
        store.note_feeds("one", &[feed("kev", 40)]).await.unwrap();
        assert_eq!(store.feeds().await.unwrap(), [feed("kev", 40)], "a feed that is no more is not stale for ever");
    });
}

#[test]
fn the_queue_says_how_long_the_oldest_job_waits() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        assert_eq!(store.queue().await.unwrap(), Default::default());
        for seed in ["a", "b", "c", "d"] {
            fresh.push_image("app", seed, seed).await;
        }
        let job = store.claim("w").await.unwrap().unwrap();
        let put_off = store.claim("w").await.unwrap().unwrap();
        store.retry(&put_off, "upstream").await.unwrap();
        let queue = store.queue().await.unwrap();
        let first = store.jobs(9).await.unwrap().iter().filter(|j| j.state == "queued").map(|j| j.since).min().unwrap();
        assert_eq!((queue.running, queue.again, queue.waiting, queue.oldest), (1, 1, 2, first));
        store.release(&job, "not here").await.unwrap();
        let row = store.jobs(9).await.unwrap().into_iter().find(|row| row.id == job.id).unwrap();
        assert_eq!((row.state, row.attempt, row.reason.as_str()), ("queued", 0, "not here"));
    });
}

#[test]
fn nobody_has_more_than_a_hundred_uploads_under_way_however_many_begin_at_once() {
    on_every_engine(|fresh| async move {
        let registry = fresh.registry().await;
        let mut beginning = tokio::task::JoinSet::new();
        for _ in 0..160 {
            let store = fresh.store.clone();
            beginning.spawn(async move { store.begin_upload(registry, "app", "me").await });
        }
        let begun = beginning.join_all().await;
        assert_eq!(begun.iter().filter(|made| made.is_ok()).count(), 100);
        let refused = begun.iter().filter(|made| matches!(made, Err(Error::TooManyUploads(100)))).count();
        assert_eq!(refused, 60);
        assert_eq!(
            std::fs::read_dir(fresh.settings.data.join("uploads")).unwrap().count(),
            100,
            "nothing is left of these"
        );
    });
}
