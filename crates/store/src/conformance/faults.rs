//! Races and faults: several processes on one database, a full disk, a database that hangs up.

use super::results::{assessment, found, inventory, package};
use super::{Fresh, on_every_engine};
use crate::engine::values;
use crate::{Error, JobKind, Store};
use model::Severity;
use model::verdict::Verdict;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

#[test]
fn two_processes_with_four_workers_each_do_every_job_once() {
    on_every_engine(|fresh| async move {
        for n in 0..40 {
            fresh.push_image("app", "v", &n.to_string()).await;
        }
        let other = Store::open(&fresh.settings).await.unwrap();
        let done = Arc::new(Mutex::new(Vec::new()));
        let workers = (0..8).map(|n| {
            let store = if n % 2 == 0 { fresh.store.clone() } else { other.clone() };
            tokio::spawn(work(store, format!("w{n}"), done.clone()))
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.unwrap();
        }
        let done = done.lock().unwrap().clone();
        assert_eq!((done.len(), done.iter().collect::<HashSet<_>>().len()), (40, 40), "each once");
        let snapshot = fresh.store.snapshot().await.unwrap();
        assert!(snapshot.images.iter().all(|image| image.verdict == Verdict::Complete));
        assert_eq!((snapshot.packages.len(), snapshot.vulnerabilities.len()), (8, 4), "no row twice");
        let changes = fresh.store.changes(0).await.unwrap().unwrap();
        assert_eq!(changes.rows.images.len(), 40, "every change is in the log, in order");
    });
}

/// Claims and records until nothing is left; packages overlap, so that the workers make the same rows.
async fn work(store: Store, name: String, done: Arc<Mutex<Vec<i64>>>) {
    while let Some(job) = store.claim(&name).await.unwrap() {
        let JobKind::Image(image) = job.kind else { continue };
        let version = (image % 2).to_string();
        let keys = ["zlib", "curl", "bash", "perl"].map(|name| package(name, &version));
        let judged = keys.clone().map(|key| {
            let found = found(&format!("CVE-{}", key.name), Severity::High);
            (key, vec![found])
        });
        assert!(store.heartbeat(&job).await.unwrap());
        store.record(&assessment(&job, &inventory(&keys), &judged, 0)).await.unwrap();
        done.lock().unwrap().push(image);
    }
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost_when_there_is_room_again() {
    on_every_engine(|fresh| async move {
        if fresh.store.engine().is_shared() {
            return; // the server's disk is not ours to fill
        }
        fresh.push_image("app", "v1", "a").await;
        let manifest = fresh.image("app", "v2", "b").await;
        let pages = limit_pages(&fresh, 1).await;
        let large = crate::NewManifest { bytes: vec![0; 1 << 20].into(), ..manifest.clone() };
        let error = fresh.store.put_manifest(large).await.unwrap_err();
        assert!(
            matches!(&error, Error::Disk { source, .. } if source.kind() == std::io::ErrorKind::StorageFull),
            "{error:?}"
        );
        let registry = fresh.registry().await;
        assert!(fresh.store.manifest(registry, "app", "v1").await.unwrap().is_some(), "pulls go on");
        limit_pages(&fresh, pages + 10_000).await; // on the same connection, or on a new one without a limit
        assert!(fresh.store.put_manifest(manifest).await.unwrap().created);
    });
}

/// Limits the database file; returns what the limit became (never less than what is in use).
async fn limit_pages(fresh: &Fresh, pages: i64) -> i64 {
    let mut tx = fresh.store.engine().begin().await.unwrap();
    let limit = tx.int(&format!("PRAGMA max_page_count = {pages}"), values![]).await.unwrap();
    tx.commit().await.unwrap();
    limit
}

#[test]
fn a_database_that_hung_up_is_back_with_the_next_call() {
    on_every_engine(|fresh| async move {
        fresh.push_image("app", "v1", "a").await;
        if fresh.store.engine().is_shared() {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
            fresh.store.engine().all(sql, values![]).await.unwrap();
        }
        fresh.push_image("app", "v2", "b").await;
        assert_eq!(fresh.store.snapshot().await.unwrap().images.len(), 2);
    });
}
