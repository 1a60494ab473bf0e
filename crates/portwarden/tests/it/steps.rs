//! The program ends itself at named steps inside its transactions: what was acknowledged is there, nothing is there twice.
//!
//! `PORTWARDEN_KILLS` says how often at each step.

use crate::feeds;
use crate::house::{House, Server, engines, pause, until};
use crate::http;
use crate::images::{self, Image, OLD};
use crate::kill::{READY, noise, tree};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

pub fn kills() -> usize {
    std::env::var("PORTWARDEN_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// The variable that names the step.
const KILL_AT: &str = "PORTWARDEN_KILL_AT";
/// What `abort` ends a process with.
const ABORTED: i32 = 6;

/// Steps of a push and its scan, in the order in which they are passed.
const PUSH: [&str; 20] = [
    "blob:synced#2",
    "blob:renamed#2",
    "blob:linked#2",
    "blob:committed#2",
    "manifest:image",
    "manifest:tagged",
    "manifest:queued",
    "manifest:committed",
    "claim:taken",
    "claim:committed",
    "scan:layers",
    "scan:judged",
    "record:begun",
    "record:packages",
    "record:vulnerabilities",
    "record:matches",
    "record:inventory",
    "record:described",
    "record:ended",
    "record:committed",
];

/// Steps of a generation that comes into force.
const GENERATION: [&str; 12] = [
    "adopt:knowledge",
    "adopt:queued",
    "adopt:committed",
    "rematch:listed",
    "sweep:matches",
    "sweep:packages",
    "sweep:committed",
    "sweep:matches#2",
    "rematch:swept",
    "finish:swept",
    "finish:ended",
    "finish:committed",
];

/// Steps at which a new database takes the place of the old one.
const SWAP: [&str; 5] = ["publish:begun", "durably:synced", "publish:written", "durably:synced#2", "publish:named"];

pub fn armed(house: &mut House, step: &str) -> Server {
    house.environment = vec![(KILL_AT.into(), step.into())];
    let server = house.start();
    house.environment.clear();
    server
}

/// Waits until the server has ended itself at the step.
pub fn dies(server: &mut Server, step: &str) {
    let status = until(step, || server.child.try_wait().unwrap());
    assert_eq!(status.signal(), Some(ABORTED), "{step}: {status}: {}", server.log_text());
}

/// Starts a server that must be ready soon.
pub fn again(house: &House, slowest: &mut Duration) -> Server {
    let server = house.start();
    *slowest = server.ready_after.max(*slowest);
    assert!(*slowest <= READY, "ready after {slowest:?}: {}", server.log_text());
    server
}

/// What the client was told before the line went dead.
#[derive(Default)]
pub struct Told {
    blobs: usize,
    manifest: bool,
}

/// Pushes until the server is gone.
pub fn push(server: &Server, repository: &str, image: &Image) -> Told {
    let mut told = Told::default();
    let send = |method: &str, path: &str, kind: &str, body: &[u8]| {
        http::send(server.port, method, path, &[("Content-Type", kind)], body).ok().filter(|reply| reply.status < 300)
    };
    let octets = "application/octet-stream";
    for blob in image.blobs() {
        let begun = send("POST", &format!("/v2/{repository}/blobs/uploads/"), octets, b"");
        let Some(place) = begun.map(|reply| crate::house::place(&reply)) else { return told };
        let end = format!("{place}?digest={}", images::sha(blob));
        if send("PUT", &end, octets, blob).is_none() {
            return told;
        }
        told.blobs += 1;
    }
    let place = format!("/v2/{repository}/manifests/1");
    told.manifest = send("PUT", &place, &image.media_type, &image.manifest).is_some();
    told
}

/// Goes on as a client does, which repeats what it was not told.
fn go_on(server: &Server, repository: &str, image: &Image, told: &Told) {
    for (n, blob) in image.blobs().into_iter().enumerate() {
        if n < told.blobs {
            server.pulls_blob(repository, blob);
        } else {
            server.push_blob(repository, blob);
        }
    }
    if told.manifest {
        server.pulls(repository, "1", image);
    } else {
        assert_eq!(server.put_manifest(repository, "1", image).status, 201);
    }
}

fn once(server: &Server, house: &House, repository: &str, image: &Image, told: &Told, findings: u64) {
    let digest = image.digest();
    assert_eq!(server.judged(&digest)["reasons"], serde_json::json!(["feeds"]));
    server.pulls(repository, "1", image);
    assert_eq!(server.findings_of(&digest), findings, "findings of {repository}");
    let scans = format!("SELECT COUNT(*) FROM scan s JOIN image i ON i.id = s.image WHERE i.digest = '{digest}'");
    assert_eq!(house.count(&scans), 1, "scans of {repository}");
    assert_eq!(house.count(&format!("SELECT COUNT(*) FROM usage WHERE digest = '{digest}'")), 1);
    let events = server.get("/events?limit=1000");
    let pushes = events["items"].as_array().unwrap().iter();
    let pushes = pushes.filter(|e| e["action"] == "push" && e["digest"] == digest.as_str()).count();
    assert!((1..=if told.manifest { 1 } else { 2 }).contains(&pushes), "{pushes} pushes of {repository}");
}

#[test]
fn a_kill_at_any_step_inside_a_push_or_scan_loses_nothing_and_doubles_nothing() {
    for mut house in engines() {
        let server = house.start();
        let calm = images::image(vec![images::debian(OLD, "calm"), noise("calm", 4096)]);
        assert_eq!(server.push("calm", "1", &calm).status, 201);
        server.judged(&calm.digest());
        let findings = server.findings_of(&calm.digest());
        assert!(findings > 0);
        drop(server);
        let mut pushed = 1;
        for step in PUSH {
            let (mut slowest, begun) = (Duration::ZERO, Instant::now());
            for n in 0..kills() {
                let repository = format!("{}-{n}", step.replace([':', '#'], "-"));
                // Packages of its own, so that every part of the record is written.
                let own = format!("1.{n}-{pushed}");
                let packages: Vec<(&str, &str)> = OLD.iter().copied().chain([("own", own.as_str())]).collect();
                let image = images::image(vec![images::debian(&packages, &repository), noise(&repository, 4096)]);
                let mut server = armed(&mut house, step);
                let told = push(&server, &repository, &image);
                dies(&mut server, step);
                let server = again(&house, &mut slowest);
                go_on(&server, &repository, &image, &told);
                once(&server, &house, &repository, &image, &told, findings);
                until("no jobs", || (server.get("/jobs")["items"] == serde_json::json!([])).then_some(()));
                pushed += 1;
            }
            println!(
                "{:<10} {step}: {} kills, ready again <= {slowest:?}, {:?}",
                house.engine(),
                kills(),
                begun.elapsed()
            );
        }
        for (what, sql) in [
            ("usage", "SELECT COUNT(*) FROM usage"),
            ("scans", "SELECT COUNT(*) FROM scan"),
            ("images", "SELECT COUNT(*) FROM image"),
            ("inventories", "SELECT COUNT(*) FROM inventory"),
        ] {
            assert_eq!(house.count(sql), pushed, "{what}");
        }
        let doubled = "SELECT COUNT(*) FROM (SELECT package, vulnerability FROM match WHERE until = 9223372036854775807 GROUP BY package, vulnerability HAVING COUNT(*) > 1) AS twice";
        assert_eq!(house.count(doubled), 0, "matches twice");
    }
}

#[test]
fn a_kill_at_any_step_of_a_new_generation_leaves_every_match_once() {
    const PACKAGES: usize = 700;
    for mut house in engines() {
        let trees: Vec<_> = [2023, 2024].map(|year| tree(&house, year, PACKAGES, 1)).into();
        feeds::update(&house, &trees[0]);
        let names: Vec<String> = (0..PACKAGES).map(|n| format!("package{n}")).collect();
        let packages: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "1.0")).collect();
        let image = images::image(vec![images::debian(&packages, "generation")]);
        let server = house.start();
        assert_eq!(server.push("swept", "1", &image).status, 201);
        server.judged(&image.digest());
        drop(server);
        let mut generations = 1;
        for step in GENERATION {
            let (mut slowest, begun) = (Duration::ZERO, Instant::now());
            for _ in 0..kills() {
                let year = 2023 + generations % 2;
                let mut server = armed(&mut house, step);
                let generation = feeds::update(&house, &trees[generations % 2]);
                dies(&mut server, step);
                let server = again(&house, &mut slowest);
                until("the sweep's end", || (house.count("SELECT swept FROM knowledge") == generation).then_some(()));
                until("no jobs", || (server.get("/jobs")["items"] == serde_json::json!([])).then_some(()));
                generations += 1;
                let open = format!("SELECT COUNT(*) FROM match WHERE until = {}", model::Micros::FOREVER.0);
                assert_eq!(house.count(&open), PACKAGES as i64, "{step}");
                let rows = i64::try_from(PACKAGES * generations).unwrap();
                assert_eq!(house.count("SELECT COUNT(*) FROM match"), rows, "{step}: one row a match and generation");
                let shown = || server.get(&format!("/findings?q=CVE-{year}-&image={}&limit=1", image.digest()));
                until("the new findings", || (shown()["total"].as_u64() == Some(PACKAGES as u64)).then_some(()));
            }
            println!(
                "{:<10} {step}: {} kills, ready again <= {slowest:?}, {:?}",
                house.engine(),
                kills(),
                begun.elapsed()
            );
        }
        assert_eq!(house.count("SELECT COUNT(*) FROM scan"), 1, "no layer was touched");
    }
}

#[test]
fn a_kill_while_databases_are_swapped_leaves_the_old_or_the_new_one_whole() {
    let house = House::new();
    let trees: Vec<_> = [2023, 2024].map(|year| tree(&house, year, 20, 5)).into();
    let mut generation = feeds::update(&house, &trees[0]);
    let mut turn = 0;
    for step in SWAP {
        let mut newer = 0;
        for _ in 0..kills() {
            turn += 1;
            let from = trees[turn % 2].to_str().unwrap();
            let killed = house.command(&["db", "update", "--from", from]).env(KILL_AT, step).output().unwrap();
            if step.starts_with("durably") {
                // The feeds' own files come first: how many, is theirs to say.
                assert!(killed.status.signal() == Some(ABORTED) || killed.status.success());
            } else {
                assert_eq!(killed.status.signal(), Some(ABORTED), "{step}");
            }
            let left = feeds::generation(&house);
            assert!(left >= generation, "{left} after {generation}");
            newer += usize::from(left > generation);
            assert_eq!(house.run(&["db", "status"]).status.code(), Some(0), "{step}: it opens");
            generation = feeds::update(&house, &trees[turn % 2]);
            assert!(generation >= left);
            pause();
        }
        println!("{step}: {} kills, {newer} left the new generation", kills());
    }
}
