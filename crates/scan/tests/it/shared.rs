//! Workers with data folders of their own: all judge by the database in force, whoever built it.

use crate::walk::{World, judged, open_matches, wheel};
use model::verdict::Verdict;
use scan::database::Folder;
use std::time::Duration;
use store::trial::Trial;

/// Waits until something is so.
async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let wait = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), wait).await.expect(what);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_fetch_each_for_itself_judge_by_one_database_and_none_fails() {
    let Some(trial) = Trial::new().await else {
        println!("1 check not run: PORTWARDEN_TEST_POSTGRES is not set");
        return;
    };
    let blobs = tempfile::tempdir().unwrap();
    let place = || (Some(trial.url()), Some(blobs.path().display().to_string()));
    let at = async || {
        let (database, blobs) = place();
        World::at(database, blobs).await
    };
    let (one, other) = (at().await, at().await);
    one.publish(10, &[("a", "2"), ("b", "2")]);
    // The same second, another content: a number alone says nothing.
    other.publish(10, &[("a", "3"), ("b", "1")]);
    one.start();
    other.start();
    let mut pushed = 0;
    for round in 0..6u32 {
        for world in [&one, &other] {
            pushed += 1;
            world.push(&wheel("a", &format!("{}.{pushed}", round % 3), pushed)).await;
        }
        let newer = if round % 2 == 0 { &other } else { &one };
        let fixed = ["1", "2", "3"][round as usize % 3];
        newer.publish(20 + i64::from(round), &[("a", fixed), ("b", &round.to_string())]);
        if round % 3 == 2 {
            let facts = one.at_rest().await;
            assert_eq!(open_matches(&facts), judged(&facts, &one.knowledge));
        }
    }
    let same = async || one.knowledge.current().content_hash() == other.knowledge.current().content_hash();
    until("both have the same database", same).await;
    let late = at().await;
    late.start();
    let taken = async || late.knowledge.current().content_hash() == one.knowledge.current().content_hash();
    until("one that comes late has it without asking a feed", taken).await;
    pushed += 1;
    late.push(&wheel("b", "0.1", pushed)).await;
    let facts = late.at_rest().await;
    assert_eq!(facts.images.len(), pushed as usize);
    for image in &facts.images {
        assert_eq!(image.verdict, Verdict::Gaps, "{image:?}: of Debian nothing is known");
    }
    assert_eq!(open_matches(&facts), judged(&facts, &late.knowledge));
    assert_eq!(late.knowledge.current().generation(), 25);
    for world in [one, other, late] {
        world.shutdown.cancel();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_waits_for_a_worker_that_has_the_database_in_force_and_does_not_fail() {
    let world = World::new().await;
    world.publish(5, &[("a", "2")]);
    world.store.adopt(50, "built elsewhere, and lost").await.unwrap();
    world.start();
    world.push(&wheel("a", "1", 0)).await;
    let told = async || {
        let jobs = world.store.jobs(9).await.unwrap();
        jobs.iter().any(|job| job.state == "queued" && job.reason.contains("50 is in force"))
    };
    until("the job says what it waits for", told).await;
    world.publish(60, &[("a", "2")]);
    let facts = world.at_rest().await;
    assert_eq!(facts.images[0].verdict, Verdict::Gaps);
    assert_eq!(open_matches(&facts), judged(&facts, &world.knowledge));
    world.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_arrives_damaged_or_says_something_else_is_not_taken_over() {
    let Some(trial) = Trial::new().await else {
        println!("1 check not run: PORTWARDEN_TEST_POSTGRES is not set");
        return;
    };
    let blobs = tempfile::tempdir().unwrap();
    let at = async || World::at(Some(trial.url()), Some(blobs.path().display().to_string())).await;
    let (one, other) = (at().await, at().await);
    one.publish(10, &[("a", "2")]);
    one.start();
    one.push(&wheel("a", "1", 1)).await;
    one.at_rest().await;
    one.shutdown.cancel();
    let folder = blobs.path().join("databases");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    let held = other.knowledge.current().content_hash().to_owned();
    for (n, (bytes, reason)) in
        [(&whole[..whole.len() - 1], "cut short"), (b"hello".as_slice(), "a text")].into_iter().enumerate()
    {
        std::fs::write(&file, bytes).unwrap();
        other.push(&wheel("a", &n.to_string(), 2 + n as u32)).await;
        if n == 0 {
            other.start();
        }
        let waits = async || {
            let jobs = other.store.jobs(9).await.unwrap();
            jobs.len() == n + 1 && jobs.iter().all(|job| job.reason.contains("10 is in force"))
        };
        until(reason, waits).await;
        assert_eq!(other.knowledge.current().content_hash(), held, "{reason}");
    }
    std::fs::write(&file, &whole).unwrap();
    let taken = async || other.knowledge.current().generation() == 10;
    until("the whole one is taken over", taken).await;
    assert!(Folder::of(other.data()).open_current().unwrap().verify().is_ok());
    other.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_whose_version_cannot_be_compared_is_a_gap_as_soon_as_an_advisory_names_it() {
    let world = World::new().await;
    world.publish(1, &[("other", "1")]);
    world.start();
    let odd = world.push(&wheel("odd", "0.0.0-unknown", 1)).await;
    let plain = world.push(&wheel("plain", "1", 2)).await;
    let facts = world.at_rest().await;
    let reason = |facts: &model::facts::Snapshot, digest: &model::Digest| {
        facts.images.iter().find(|i| i.digest == digest.as_str()).unwrap().reason.clone()
    };
    let before = reason(&facts, &odd);
    assert!(!before.contains("version-unreadable"), "{before}");
    world.publish(2, &[("odd", "1"), ("other", "1"), ("plain", "2")]);
    let facts = world.at_rest().await;
    assert_eq!(reason(&facts, &odd), format!("{before},version-unreadable"));
    assert_eq!(reason(&facts, &plain), before);
    let image = async |digest: &model::Digest| world.store.image(digest).await.unwrap().unwrap().id;
    assert_eq!(world.store.scans(image(&odd).await, 9).await.unwrap().len(), 2);
    assert_eq!(world.store.scans(image(&plain).await, 9).await.unwrap().len(), 1, "nobody else is judged again");
    world.publish(3, &[("other", "1")]);
    assert_eq!(reason(&world.at_rest().await, &odd), before, "and no gap any more when nothing names it");
    world.shutdown.cancel();
}
