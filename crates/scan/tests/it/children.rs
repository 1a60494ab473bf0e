//! A child that misbehaves is that layer's outcome, in bounded time, and nothing else.

use bytes::Bytes;
use futures_util::stream;
use model::digest::Algorithm;
use scan::sandbox::{Error, Sandbox, Settings};
use std::io;
use std::time::{Duration, Instant};

fn sandbox(how: &str) -> Sandbox {
    let wall = if matches!(how, "hang" | "read-layer") { Duration::from_millis(300) } else { Duration::from_secs(60) };
    Sandbox::new(Settings {
        program: crate::child(),
        arguments: vec![how.into()],
        wall,
        children: 2,
        output_bytes: 8 << 20,
        ..Settings::default()
    })
}

fn blob() -> Vec<io::Result<Bytes>> {
    // More than a pipe holds, so that a child that does not read is noticed.
    (0..40).map(|_| Ok(Bytes::from(vec![b'x'; 100_000]))).collect()
}

#[tokio::test]
async fn every_way_to_misbehave_has_its_reason() {
    for (how, code, why) in [
        ("crash", "crash", "a wild pointer"),
        ("hang", "limit-time", "never reads, never answers"),
        ("flood", "limit-output", "10 GiB of output"),
        ("garbage", "crash", "bytes that are no answer"),
        ("nothing", "crash", "an end without an answer"),
        ("deaf", "crash", "closes its output and stays"),
        ("memory", "limit-memory", "allocates without end"),
        ("stack", "crash", "recurses without end"),
        ("busy", "limit-time", "computes without end"),
    ] {
        let started = Instant::now();
        let outcome = sandbox(how).read_layer(stream::iter(blob()), Algorithm::Sha256, false).await.unwrap();
        assert_eq!(outcome.result.as_ref().map_err(|f| f.code), Err(code), "{how}: {why}: {outcome:?}");
        assert_eq!(outcome.bytes, 4_000_000, "{how}: the parent hashes to the end");
        assert_eq!(outcome.digest, model::Digest::sha256(&[b'x'; 4_000_000]), "{how}");
        assert!(started.elapsed() < Duration::from_secs(60), "{how} took {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn input_that_breaks_is_no_fact_about_the_layer() {
    let input = vec![Ok(Bytes::from_static(b"x")), Err(io::Error::other("the registry went away"))];
    let error = sandbox("read-layer").read_layer(stream::iter(input), Algorithm::Sha256, false).await.unwrap_err();
    assert!(matches!(error, Error::Input { .. }), "{error:?}");
}

#[tokio::test]
async fn a_result_that_nobody_wants_ends_its_child_and_frees_its_place() {
    let sandbox = sandbox("hang");
    for _ in 0..4 {
        let endless = stream::pending::<io::Result<Bytes>>();
        let waited =
            tokio::time::timeout(Duration::from_millis(20), sandbox.read_layer(endless, Algorithm::Sha256, false))
                .await;
        assert!(waited.is_err(), "it was still reading");
    }
    // Places of children that were given up come free: both, or this would wait for ever.
    let outcome = sandbox.read_layer(stream::iter(blob()), Algorithm::Sha256, true).await.unwrap();
    assert_eq!(outcome.result.unwrap_err().code, "limit-time");
}

#[tokio::test]
async fn a_slow_source_is_not_held_against_the_layer() {
    // The stream takes longer than the child's whole wall time; the child is never waited for.
    let slow = stream::unfold(0, |n| async move {
        if n == 8 {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
        Some((Ok(Bytes::from_static(&[0; 1024])), n + 1))
    });
    let outcome = sandbox("read-layer").read_layer(slow, Algorithm::Sha256, false).await.unwrap();
    assert_ne!(outcome.result.map_err(|f| f.code), Err("limit-time"));
}

/// The processes with this word on their command line: starters, which are children of this one, and their own children.
fn called(word: &str) -> [Vec<i32>; 2] {
    let (mut starters, mut children) = (Vec::new(), Vec::new());
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| std::fs::read_to_string(process.path().join(file)).unwrap_or_default();
        if !read("cmdline").split('\0').any(|w| w == word) {
            continue;
        }
        let Ok(id) = process.file_name().to_string_lossy().parse() else { continue };
        let status = read("status");
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).map(|id| id.trim().parse());
        let ours = parent == Some(Ok(std::process::id()));
        if ours { starters.push(id) } else { children.push(id) }
    }
    [starters, children]
}

/// Ends a process, and returns once no process with the word has its id.
async fn kill(word: &str, id: i32) {
    let pid = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    while called(word).concat().contains(&id) {
        tokio::task::yield_now().await; // the signal is sent before it is felt
    }
}

#[tokio::test]
async fn one_starter_serves_layer_after_layer_and_is_replaced_once_it_or_the_child_that_waits_has_gone() {
    let word = format!("of-{}", std::process::id());
    let arguments = vec!["read-layer".into(), word.clone().into()];
    let sandbox = Sandbox::new(Settings { arguments, program: crate::child(), ..Settings::default() });
    let read = async |alone| {
        let layer = stream::iter([Ok(Bytes::from(vec![0; 1024]))]);
        sandbox.read_layer(layer, Algorithm::Sha256, alone).await.unwrap().result.unwrap()
    };
    // The next child, which gets ready on its own.
    let waiting = async || {
        loop {
            match called(&word) {
                [starters, children] if children.len() == starters.len() => return (starters, children),
                _ => tokio::task::yield_now().await,
            }
        }
    };
    read(false).await;
    let (first, children) = waiting().await;
    assert_eq!(first.len(), 1, "the child has ended, its starter has the next one");
    read(false).await;
    let (same, others) = waiting().await;
    assert_eq!(same, first, "the next layer has the same starter");
    assert_ne!(others, children, "and a child of its own");
    kill(&word, others[0]).await;
    read(false).await;
    let (second, children) = waiting().await;
    assert!(second.len() == 1 && second != first, "a child that has gone says nothing about the next layer");
    kill(&word, second[0]).await;
    read(false).await;
    let (third, _) = waiting().await;
    assert!(third.len() == 1 && third != second, "nor does a starter that has gone");
    while called(&word).concat().contains(&children[0]) {
        tokio::task::yield_now().await; // its child goes with it
    }
    read(true).await;
    let (both, _) = waiting().await;
    assert!(both.len() == 2 && both.contains(&third[0]), "a child with other limits has another starter");
    drop(sandbox);
    while !called(&word).concat().is_empty() {
        tokio::task::yield_now().await; // none outlives the sandbox
    }
}

#[tokio::test]
async fn a_starter_that_is_ended_before_it_has_a_child_says_nothing_about_the_layer() {
    let folder = tempfile::tempdir().unwrap();
    let once = folder.path().join("once");
    std::fs::write(&once, "").unwrap();
    for (ways, reads, why) in [
        (vec!["dies".into(), once.clone().into_os_string()], true, "another one is started and asked once more"),
        (vec!["dies".into()], false, "none can be had: an error, and no verdict"),
    ] {
        let sandbox = Sandbox::new(Settings { arguments: ways, program: crate::child(), ..Settings::default() });
        let layer = stream::iter([Ok(Bytes::from(vec![0; 1024]))]);
        match sandbox.read_layer(layer, Algorithm::Sha256, false).await {
            Ok(outcome) => assert!(reads && outcome.result.is_ok(), "{why}: {outcome:?}"),
            Err(error) => assert!(!reads && matches!(error, Error::Start { .. }), "{why}: {error:?}"),
        }
    }
    assert!(!once.exists(), "the first one was asked");
}
