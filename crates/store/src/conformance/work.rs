//! The queue.

use super::results::{assessment, inventory, package};
use super::{caller, on_every_engine};
use crate::{Class, Error, JobKind, NewJob, Store};
use model::verdict::{Coverage, Verdict};
use std::time::Duration;

#[test]
fn a_job_is_held_by_one_worker_and_a_lost_lease_writes_nothing() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let image = fresh.push_image("app", "v1", "a").await;
        let job = store.claim("one").await.unwrap().unwrap();
        assert_eq!((job.kind, job.class, job.attempt), (JobKind::Image(image.image), Class::Push, 1));
        assert!(store.claim("two").await.unwrap().is_none());
        assert!(store.heartbeat(&job).await.unwrap());
        assert_eq!(store.jobs(10).await.unwrap()[0].state, "running");
        let mut stolen = job.clone();
        stolen.lease += 1;
        assert!(!store.heartbeat(&stolen).await.unwrap());
        assert!(matches!(store.finish(&stolen).await, Err(Error::LeaseLost(_))));
        let due = store.retry(&job, "upstream").await.unwrap().unwrap();
        assert!(due.0 - job.claimed.0 >= 10_000_000, "first after ten seconds");
        assert!(!store.heartbeat(&job).await.unwrap(), "it was given back");
        assert!(matches!(store.finish(&job).await, Err(Error::LeaseLost(_))));
        let row = store.jobs(10).await.unwrap().remove(0);
        assert_eq!((row.state, row.reason.as_str(), row.repository.as_str()), ("retry-at", "upstream", "local/app"));
    });
}

#[test]
fn urgent_jobs_come_first_and_registries_take_turns() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let first = fresh.push_image("app", "v1", "a").await.image;
        let second = fresh.push_image("app", "v2", "b").await.image;
        let job = store.claim("w").await.unwrap().unwrap();
        store.finish(&job).await.unwrap();
        let asked = NewJob { kind: JobKind::Image(first), class: Class::OnDemand };
        let id = store.enqueue(asked).await.unwrap();
        assert_eq!(store.enqueue(asked).await.unwrap(), id, "once");
        let order: Vec<(i64, Class)> =
            [store.claim("w").await.unwrap().unwrap(), store.claim("w").await.unwrap().unwrap()]
                .map(|job| (if let JobKind::Image(image) = job.kind { image } else { 0 }, job.class))
                .to_vec();
        assert_eq!(order, [(second, Class::Push), (first, Class::OnDemand)]);
    });
}

#[test]
fn a_restart_frees_the_leases_of_the_process_before_it() {
    on_every_engine(|fresh| async move {
        fresh.push_image("app", "v1", "a").await;
        for lost in 1..3 {
            let store = Store::open(&fresh.settings).await.unwrap();
            assert!(store.claim("w").await.unwrap().is_some(), "attempt {lost}");
            assert!(store.claim("w").await.unwrap().is_none());
            let lock = std::fs::read_to_string(fresh.settings.data.join("lock")).unwrap();
            store.release_leases_of(&lock).await.unwrap();
        }
        assert!(fresh.store.claim("w").await.unwrap().is_some(), "a third try");
        let lock = std::fs::read_to_string(fresh.settings.data.join("lock")).unwrap();
        fresh.store.release_leases_of(&lock).await.unwrap();
        assert!(fresh.store.claim("w").await.unwrap().is_none(), "poison is not given out for ever");
        let image = fresh.store.snapshot().await.unwrap().images.remove(0);
        assert_eq!((image.verdict.as_str(), image.reason.as_str()), ("failed", "crash"));
    });
}

#[test]
fn waiting_for_work_ends_when_work_comes() {
    on_every_engine(|fresh| async move {
        let waiting = fresh.store.clone();
        let waiter = tokio::spawn(async move {
            waiting.wait_for_work(Duration::from_secs(60)).await;
        });
        tokio::task::yield_now().await;
        // Several pushes: the waiter may begin to wait only after the first.
        for n in 0.. {
            fresh.push_image("app", "v", &n.to_string()).await;
            if waiter.is_finished() {
                break;
            }
            assert!(n < 100);
        }
    });
}

#[test]
fn an_image_leaves_the_window_when_nobody_uses_it_and_comes_back_with_a_pull() {
    on_every_engine(|fresh| async move {
        let (store, registry) = (&fresh.store, fresh.registry().await);
        let job = fresh.claimed("a").await;
        let held = inventory(&[package("zlib", "1")]);
        store.record(&assessment(&job, &held, &[(package("zlib", "1"), Vec::new())], 0)).await.unwrap();
        let clock = store.snapshot().await.unwrap().presences[0].last_push;
        let in_days = |days: i64| model::Micros(clock.0 + days * 86_400_000_000);
        let coverage = async || store.snapshot().await.unwrap().images[0].coverage;
        assert_eq!(store.close_window(in_days(29)).await.unwrap(), 0, "used 29 days ago");
        assert_eq!(store.requeue_outdated(1, 10).await.unwrap(), 0, "read by these readers");
        assert_eq!(store.close_window(in_days(31)).await.unwrap(), 1);
        assert_eq!(coverage().await, Coverage::OutsideWindow);
        assert_eq!(store.requeue_outdated(2, 10).await.unwrap(), 0, "nobody uses it");
        let manifest = store.manifest(registry, "app", "v1").await.unwrap().unwrap();
        store.record_pull(registry, "app", "v1", &manifest, &caller()).await.unwrap();
        assert_eq!(coverage().await, Coverage::InWindow);
        assert_eq!(store.requeue_outdated(2, 10).await.unwrap(), 0, "the pull asked for it already");
        assert_eq!(store.claim("w").await.unwrap().unwrap().class, Class::RecentPull);
    });
}

#[test]
fn an_image_is_read_again_once_by_newer_readers_whatever_became_of_it() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let held = inventory(&[package("zlib", "1")]);
        let judged = [(package("zlib", "1"), Vec::new())];
        let refuse = async |job: &crate::Job, verdict, revision| {
            let (code, started) = ("layer-truncated".into(), job.claimed);
            let failure =
                crate::Failure { job, verdict, code, notes: Vec::new(), revision, started, tier: String::new() };
            store.record_failure(&failure).await.unwrap();
        };
        let good = fresh.claimed("good").await;
        store.record(&assessment(&good, &held, &judged, 0)).await.unwrap();
        let bad = fresh.claimed("bad").await;
        refuse(&bad, Verdict::Failed, 1).await;
        let strange = fresh.claimed("strange").await;
        refuse(&strange, Verdict::Unsupported, 1).await;
        assert_eq!(store.requeue_outdated(1, 10).await.unwrap(), 0, "by these readers");
        assert_eq!(store.requeue_outdated(2, 10).await.unwrap(), 3, "each of them");
        let first = store.claim("w").await.unwrap().unwrap();
        refuse(&first, Verdict::Failed, 2).await;
        let second = store.claim("w").await.unwrap().unwrap();
        refuse(&second, Verdict::Unsupported, 2).await;
        let third = store.claim("w").await.unwrap().unwrap();
        let newer = crate::Assessment { revision: 2, ..assessment(&third, &held, &judged, 0) };
        store.record(&newer).await.unwrap();
        for revision in [1, 2] {
            assert_eq!(store.requeue_outdated(revision, 10).await.unwrap(), 0, "tried; older readers ask for nothing");
        }
        assert_eq!(store.requeue_outdated(3, 2).await.unwrap(), 2);
        assert_eq!(store.requeue_outdated(3, 2).await.unwrap(), 1, "those before are in nobody's way");
        while let Some(job) = store.claim("w").await.unwrap() {
            store.finish(&job).await.unwrap();
        }
        assert_eq!(store.requeue_outdated(3, 10).await.unwrap(), 0, "though none came to a result");
        let image = fresh.image("app", "bad", "bad").await;
        assert!(store.put_manifest(image).await.unwrap().job.is_some(), "pushed again, it is tried again");
    });
}
