//! Workers that hang, are told to stop, or never come back: each job is done once, and soon.

use crate::house::{House, Server, engines, free_port, until};
use crate::images::{self, Image, OLD};
use crate::roles::{Pair, once, slow};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

fn signal(server: &Server, signal: Signal) {
    kill_process(Pid::from_child(&server.child), signal).unwrap();
}

/// Returns whether a process stands still.
fn stands(server: &Server) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.child.id())).unwrap();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

fn other_worker(pair: &Pair) -> (House, Server) {
    let other = House { database: pair.back.database.clone(), blobs: pair.back.blobs.clone(), ..House::on_sqlite() };
    let server = other.spawn(free_port(), &["--role", "worker", "--lease", "2"]);
    (other, server)
}

fn pair() -> Option<(Pair, tempfile::TempDir)> {
    let Some(pair) = Pair::new() else {
        println!("1 check not run: no PostgreSQL (PORTWARDEN_TEST_POSTGRES)");
        return None;
    };
    let blobs = tempfile::tempdir().unwrap();
    Some((pair.with_blobs(blobs.path().to_str().unwrap()), blobs))
}

/// A worker that stops right before it writes, and within the transaction in which it writes.
#[test]
fn a_worker_that_wakes_after_its_lease_writes_nothing() {
    for (step, test) in [("scan:judged", "zombie"), ("record:matches", "zombie_within")] {
        let Some((mut pair, _blobs)) = pair() else { return };
        let server = pair.start_front();
        pair.back.environment = vec![("PORTWARDEN_STOP_AT".into(), step.into())];
        let zombie = pair.back.spawn(free_port(), &["--role", "worker", "--lease", "2"]);
        let image = images::good(test);
        assert_eq!(server.push("zombie", "1", &image).status, 201);
        until("the worker stops", || stands(&zombie).then_some(()));
        let begun = Instant::now();
        let (_house, _other) = other_worker(&pair);
        once(&pair, &server, "zombie", &image);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(30), "{took:?}");
        signal(&zombie, Signal::CONT);
        until("the worker sees that it is late", || zombie.log_text().contains("lease").then_some(()));
        let second = images::good(&format!("{test} after"));
        assert_eq!(server.push("after", "1", &second).status, 201);
        once(&pair, &server, "after", &second);
        once(&pair, &server, "zombie", &image);
        assert!(!zombie.log_text().contains("panicked"));
        println!("stopped at {step}: the other worker judged after {took:?}, the late result was refused");
    }
}

/// A worker whose machine is gone for good: its lease runs out, and another worker takes the job.
#[test]
fn another_worker_takes_the_job_of_one_that_never_comes_back() {
    let Some((mut pair, _blobs)) = pair() else { return };
    let server = pair.start_front();
    pair.back.environment = vec![("PORTWARDEN_STOP_AT".into(), "scan:judged".into())];
    let worker = pair.back.spawn(free_port(), &["--role", "worker", "--lease", "3"]);
    let image = images::good("lease");
    assert_eq!(server.push("lease", "1", &image).status, 201);
    until("the worker stops", || stands(&worker).then_some(()));
    let begun = Instant::now();
    worker.kill();
    let (_house, _other) = other_worker(&pair);
    once(&pair, &server, "lease", &image);
    println!("another worker has judged the image {:?} after the first one died", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(60));
}

/// Waits until a layer of the image is being read.
fn reads(server: &Server, worker: &Server, image: &Image) {
    until("a layer is read", || {
        let judged = server.image(&image.digest()).is_some_and(|i| i["verdict"] != "none");
        assert!(!judged, "judged before it could be stopped");
        let running = server.image(&image.digest()).is_some_and(|i| i["work"] == "running");
        (running && !worker.children().is_empty()).then_some(())
    });
}

fn ended(server: &mut Server) -> Duration {
    let begun = Instant::now();
    signal(server, Signal::TERM);
    let status = until("the end", || server.child.try_wait().unwrap());
    assert!(status.success(), "{status}: {}", server.log_text());
    begun.elapsed()
}

#[test]
fn a_worker_that_is_told_to_stop_finishes_what_it_has() {
    let Some((pair, _blobs)) = pair() else { return };
    let server = pair.start_front();
    let mut worker = pair.back.spawn(free_port(), &["--role", "worker"]);
    let image = slow("drain");
    assert_eq!(server.push("drain", "1", &image).status, 201);
    until("the worker has the job", || {
        server.image(&image.digest()).filter(|i| i["work"] == "running" || i["verdict"] != "none")
    });
    let took = ended(&mut worker);
    once(&pair, &server, "drain", &image);
    println!("told to stop at work: judged, and ended after {took:?}");
}

#[test]
fn what_cannot_be_finished_is_given_back_at_once() {
    for house in engines() {
        let mut server = house.start_as(&["--role", "all", "--lease", "3"]);
        let image = images::image(vec![images::debian(OLD, "back"), images::zeros(4000, "back")]);
        assert_eq!(server.push("back", "1", &image).status, 201);
        reads(&server, &server, &image);
        let took = ended(&mut server);
        assert!(took < Duration::from_secs(15), "{took:?}");
        let free = "SELECT COUNT(*) FROM job WHERE worker = '' AND leased_until = 0 AND attempt = 0";
        assert_eq!(house.count(free), 1, "{}", server.log_text());
        assert!(server.log_text().contains("given back"));
        println!("{:<10} told to stop in the middle of a large layer: given back after {took:?}", house.engine());
    }
}

#[test]
fn two_servers_share_a_folder_by_roles_and_never_a_role() {
    let house = House::new();
    let front = house.start_as(&["--role", "registry,server"]);
    let _worker = house.spawn(free_port(), &["--role", "worker"]);
    let image = images::good("shared folder");
    assert_eq!(front.push("shared", "1", &image).status, 201);
    front.judged(&image.digest());
    for (roles, said) in [("all", "role registry"), ("server", "role server"), ("worker", "role worker")] {
        let listen = format!("127.0.0.1:{}", free_port());
        let output = house.run(&["serve", "--offline", "--listen", &listen, "--role", roles]);
        crate::bad_input::ended(roles, &output, 2, &[said, "--role", "--data", house.data().to_str().unwrap()]);
    }
}
