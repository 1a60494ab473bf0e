//! `kill -9` at each step of the walk: what was acknowledged is there, what was not can be done again, nothing is there twice.
//!
//! `PORTWARDEN_KILLS` says how often at each step.

use crate::feeds;
use crate::house::{House, Server, engines, pause, until};
use crate::http;
use crate::images::{self, Image, OLD};
use std::io::Write;
use std::time::{Duration, Instant};

/// The bar is 5 s on a machine that does nothing else; this is what no machine may need.
pub const READY: Duration = Duration::from_secs(15);

fn kills() -> usize {
    std::env::var("PORTWARDEN_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(2)
}

/// Where the process is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    InThePatch,
    BetweenLastByteAndPut,
    InThePut,
    AfterBlob,
    AfterManifest,
    WhileALayerIsRead,
    AfterFindings,
}
use Step::*;
const STEPS: [Step; 7] =
    [InThePatch, BetweenLastByteAndPut, InThePut, AfterBlob, AfterManifest, WhileALayerIsRead, AfterFindings];

/// What the client was told before the kill.
#[derive(Default)]
struct Told {
    blobs: Vec<Vec<u8>>,
    /// An upload under way: its path, and how many bytes were acknowledged.
    upload: Option<(String, usize)>,
    manifest: bool,
}

/// A layer that does not compress, so that its upload has a middle.
pub fn noise(salt: &str, length: usize) -> images::Layer {
    let mut state =
        salt.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |s, b| (s ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    images::layer(&images::tar(&[("noise", &bytes)]))
}

fn image_for(step: Step, salt: &str) -> Image {
    let second = match step {
        WhileALayerIsRead => images::zeros(512, salt),
        _ => noise(salt, 3 << 20),
    };
    images::image(vec![images::debian(OLD, salt), second])
}

/// Pushes as far as the step.
fn drive(server: &Server, step: Step, repository: &str, image: &Image) -> Told {
    let mut told = Told::default();
    let mut blobs = image.blobs();
    let big = blobs.remove(1);
    for blob in blobs {
        server.push_blob(repository, blob);
        told.blobs.push(blob.to_vec());
    }
    let octets = [("Content-Type", "application/octet-stream")];
    let upload = server.begin(repository);
    match step {
        InThePatch | InThePut => {
            let (method, path) = match step {
                InThePatch => ("PATCH", upload.clone()),
                _ => ("PUT", format!("{upload}?digest={}", images::sha(big))),
            };
            let mut stream = http::begin(server.port, method, &path, &octets, big.len()).unwrap();
            stream.write_all(&big[..big.len() / 2]).unwrap();
            staged(server, big.len() / 4);
            told.upload = Some((upload, 0));
            std::mem::forget(stream); // the client still holds the line when the server dies
            return told;
        }
        BetweenLastByteAndPut => {
            let reply = server.send("PATCH", &upload, &octets, big);
            assert_eq!(reply.status, 202, "{}", reply.text());
            told.upload = Some((upload, big.len()));
            return told;
        }
        _ => {}
    }
    assert_eq!(server.put(&upload, &images::sha(big), big).status, 201);
    told.blobs.push(big.to_vec());
    if step == AfterBlob {
        return told;
    }
    let reply = server.put_manifest(repository, "1", image);
    assert_eq!(reply.status, 201, "{}", reply.text());
    told.manifest = true;
    if step == WhileALayerIsRead {
        until("a layer is read", || (!server.children().is_empty() || judged_already(server, image)).then_some(()));
    }
    if step == AfterFindings {
        until("findings", || (server.findings_of(&image.digest()) > 0).then_some(()));
    }
    told
}

fn judged_already(server: &Server, image: &Image) -> bool {
    server.image(&image.digest()).is_some_and(|i| i["verdict"] != "none")
}

/// Waits until a staged file is on its way.
fn staged(server: &Server, bytes: usize) {
    let folder = server.log.parent().unwrap().join("data/uploads");
    until("staged bytes", || {
        let files = std::fs::read_dir(&folder).unwrap().flatten();
        files.filter_map(|f| f.metadata().ok()).any(|m| m.len() >= bytes as u64).then_some(())
    });
}

/// Goes on after the kill as a client does.
fn go_on(server: &Server, step: Step, repository: &str, image: &Image, told: &Told) {
    for blob in &told.blobs {
        server.pulls_blob(repository, blob);
    }
    if let Some((upload, acknowledged)) = &told.upload {
        resume(server, repository, upload, *acknowledged, image.blobs()[1]);
    } else if !told.manifest {
        assert_eq!(step, AfterBlob);
    }
    if !told.manifest {
        assert_eq!(server.put_manifest(repository, "1", image).status, 201);
    }
}

fn resume(server: &Server, repository: &str, upload: &str, acknowledged: usize, blob: &[u8]) {
    let reply = server.send("GET", upload, &[], b"");
    if reply.status == 404 {
        assert_eq!(acknowledged, 0, "an acknowledged chunk is gone");
        return server.push_blob(repository, blob);
    }
    assert_eq!(reply.status, 204, "{}", reply.text());
    let last: usize = reply.header("range").rsplit('-').next().unwrap().parse().unwrap();
    let offset = if last == 0 { 0 } else { last + 1 };
    assert!(offset >= acknowledged && offset <= blob.len(), "{offset} of {acknowledged}");
    if offset < blob.len() {
        let range = format!("{offset}-{}", blob.len() - 1);
        let head = [("Content-Type", "application/octet-stream"), ("Content-Range", range.as_str())];
        let reply = server.send("PATCH", upload, &head, &blob[offset..]);
        assert_eq!(reply.status, 202, "{}", reply.text());
    }
    let reply = server.put(upload, &images::sha(blob), b"");
    assert_eq!(reply.status, 201, "{}", reply.text());
}

/// The image is there once, judged once, as if nothing had happened.
fn as_if_nothing_had_happened(server: &Server, house: &House, repository: &str, image: &Image, findings: u64) {
    let digest = image.digest();
    let shown = server.judged(&digest);
    assert_eq!(shown["verdict"], "gaps", "{shown}");
    assert_eq!(shown["reasons"], serde_json::json!(["feeds"]), "{shown}");
    server.pulls(repository, "1", image);
    assert_eq!(server.findings_of(&digest), findings, "findings of {repository}");
    let scans = server.get(&format!("/images/{digest}/scans"));
    assert_eq!(scans["items"].as_array().map(Vec::len), Some(1), "{scans}");
    let events = server.get("/events?limit=1000");
    let pushes =
        events["items"].as_array().unwrap().iter().filter(|e| e["action"] == "push" && e["digest"] == digest.as_str());
    assert_eq!(pushes.count(), 1, "pushes of {repository}");
    assert_eq!(house.count(&format!("SELECT COUNT(*) FROM usage WHERE digest = '{digest}'")), 1);
}

#[test]
fn a_kill_at_any_step_of_a_push_loses_nothing_and_doubles_nothing() {
    for house in engines() {
        let mut server = house.start();
        let undisturbed = image_for(AfterFindings, "undisturbed");
        assert_eq!(server.push("calm", "1", &undisturbed).status, 201);
        server.judged(&undisturbed.digest());
        let findings = server.findings_of(&undisturbed.digest());
        assert!(findings > 0);
        let mut pushed = 1;
        for step in STEPS {
            let (mut slowest, mut judged, mut reading) = (Duration::ZERO, Duration::ZERO, 0);
            for n in 0..kills() {
                let repository = format!("trial/{}-{n}", format!("{step:?}").to_lowercase());
                let image = image_for(step, &repository);
                let told = drive(&server, step, &repository, &image);
                let children = server.children();
                reading += usize::from(!children.is_empty());
                server.kill();
                server = house.start();
                slowest = slowest.max(server.ready_after);
                assert!(slowest <= READY, "ready after {slowest:?}");
                let again = Instant::now();
                go_on(&server, step, &repository, &image, &told);
                as_if_nothing_had_happened(&server, &house, &repository, &image, findings);
                judged = judged.max(again.elapsed());
                until("the dead server's readers end", || children.iter().all(|id| gone(*id)).then_some(()));
                pushed += 1;
            }
            println!(
                "{:<10} {step:?}: {} kills, {reading} with a reader at work, ready again <= {slowest:?}, judged <= {judged:?}",
                house.engine(),
                kills()
            );
        }
        let images = server.get("/images?limit=1");
        assert_eq!(images["total"], pushed);
        assert_eq!(house.count("SELECT COUNT(*) FROM usage"), pushed);
        assert_eq!(house.count("SELECT COUNT(*) FROM scan"), pushed);
        assert_eq!(house.count("SELECT COUNT(*) FROM upload"), 0);
        assert_eq!(server.get("/jobs")["items"], serde_json::json!([]));
        assert!(!server.log_text().contains("panicked"));
    }
}

fn gone(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|s| s.contains(") Z "))
        || !std::path::Path::new(&format!("/proc/{id}")).exists()
}

#[test]
fn a_kill_during_an_update_of_the_feeds_leaves_the_old_or_the_new_generation() {
    let house = House::new();
    let trees: Vec<_> = [2023, 2024].map(|year| tree(&house, year, 40, 50)).into();
    let begun = Instant::now();
    let mut generation = feeds::update(&house, &trees[0]);
    let takes = begun.elapsed();
    let mut whole = 0;
    for n in 0..kills() {
        let tree = &trees[(n + 1) % 2];
        let from = tree.to_str().unwrap();
        let mut updating = house
            .command(&["db", "update", "--from", from])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let moment = takes * u32::try_from(n + 1).unwrap() / u32::try_from(kills() + 1).unwrap();
        std::thread::sleep(moment);
        updating.kill().unwrap();
        updating.wait().unwrap();
        let left = feeds::generation(&house);
        let finished = left > generation;
        let next = feeds::update(&house, tree);
        assert!(left >= generation && next > generation, "{left} and {next} after {generation}");
        assert!(!finished || next == left, "the same feeds gave {next} after {left}");
        whole += usize::from(finished);
        generation = next;
    }
    println!("{} kills during updates of {takes:?}: {whole} left the new generation, the others the old one", kills());
}

pub fn tree(house: &House, year: u32, packages: usize, each: usize) -> std::path::PathBuf {
    let tree = house.folder.path().join(format!("feeds-{year}"));
    let names: Vec<String> = (0..packages).map(|n| format!("package{n}")).collect();
    feeds::write(&tree, &names.iter().map(String::as_str).collect::<Vec<_>>(), year, each);
    tree
}

#[test]
fn a_kill_while_a_new_generation_is_adopted_or_swept_leaves_every_match_once() {
    const PACKAGES: usize = 2000;
    for house in engines() {
        let trees: Vec<_> = [2023, 2024].map(|year| tree(&house, year, PACKAGES, 1)).into();
        let mut generation = feeds::update(&house, &trees[0]);
        let mut server = house.start();
        let names: Vec<String> = (0..PACKAGES).map(|n| format!("package{n}")).collect();
        let packages: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "1.0")).collect();
        let image = images::image(vec![images::debian(&packages, "sweep")]);
        assert_eq!(server.push("swept", "1", &image).status, 201);
        assert_eq!(server.judged(&image.digest())["verdict"], "complete");
        let (mut slowest, mut swept) = (Duration::ZERO, 0);
        for n in 0..kills() {
            let next = feeds::update(&house, &trees[(n + 1) % 2]);
            assert!(next > generation);
            generation = next;
            let target = || house.count("SELECT target FROM knowledge");
            until("adoption", || (target() == generation).then_some(()));
            // From right at the adoption to well into the sweep.
            let moment = Instant::now();
            while moment.elapsed() < Duration::from_millis(40) * u32::try_from(n % 10).unwrap() {
                pause();
            }
            swept += usize::from(house.count("SELECT swept FROM knowledge") == generation);
            server.kill();
            server = house.start();
            slowest = slowest.max(server.ready_after);
            assert!(slowest <= READY, "ready after {slowest:?}");
            until("the sweep's end", || (house.count("SELECT swept FROM knowledge") == generation).then_some(()));
            until("no jobs", || (server.get("/jobs")["items"] == serde_json::json!([])).then_some(()));
            let year = 2023 + (n + 1) % 2;
            let shown = || server.get(&format!("/findings?image={}&limit=1000", image.digest()));
            let page =
                until("the new findings", || Some(shown()).filter(|p| p["generation"].as_i64() == Some(generation)));
            assert_eq!(page["total"].as_u64(), Some(PACKAGES as u64));
            let prefix = format!("CVE-{year}-");
            let strays = page["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|f| !f["finding_id"].as_str().unwrap().starts_with(&prefix));
            assert_eq!(strays.count(), 0, "findings of the old generation");
        }
        let rows = i64::try_from(PACKAGES * (kills() + 1)).unwrap();
        assert_eq!(house.count("SELECT COUNT(*) FROM match"), rows, "one row a match and generation");
        let open = format!("SELECT COUNT(*) FROM match WHERE until = {}", model::Micros::FOREVER.0);
        assert_eq!(house.count(&open), PACKAGES as i64);
        assert_eq!(house.count("SELECT COUNT(*) FROM scan"), 1, "no layer was touched");
        println!(
            "{:<10} {} kills at adoption and sweep ({swept} after its end), ready again <= {slowest:?}",
            house.engine(),
            kills()
        );
    }
}
