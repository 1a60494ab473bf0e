//! Two processes do what one does: a registry with the console, and a worker, on one PostgreSQL and one blob store.

use crate::house::{House, Server, free_port, pause, until};
use crate::images::{self, Image, OLD};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Two houses that share database and blobs; each has a data folder of its own.
pub struct Pair {
    pub front: House,
    pub back: House,
}

impl Pair {
    pub fn new() -> Option<Self> {
        let front = House::on_postgres()?;
        let back = House { database: front.database.clone(), ..House::on_sqlite() };
        Some(Self { front, back })
    }

    pub fn with_blobs(mut self, place: &str) -> Self {
        self.front.blobs = Some(place.to_owned());
        self.back.blobs = Some(place.to_owned());
        self
    }

    pub fn start_front(&self) -> Server {
        self.front.start_as(&["--role", "registry,server"])
    }

    /// A worker opens no port.
    fn start_worker(&self) -> Server {
        self.back.spawn(free_port(), &["--role", "worker"])
    }
}

/// An image whose second layer takes a while.
pub fn slow(salt: &str) -> Image {
    images::image(vec![images::debian(OLD, salt), images::zeros(512, salt)])
}

pub fn once(pair: &Pair, server: &Server, repository: &str, image: &Image) {
    let digest = image.digest();
    let shown = server.judged(&digest);
    assert_eq!(shown["verdict"], "gaps", "{shown}");
    assert!(server.findings_of(&digest) > 0);
    server.pulls(repository, "1", image);
    assert_eq!(server.get(&format!("/images/{digest}/scans"))["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(pair.front.count(&format!("SELECT COUNT(*) FROM usage WHERE digest = '{digest}'")), 1);
}

fn walk(pair: &Pair) {
    let server = pair.start_front();
    let worker = pair.start_worker();
    let first = images::good("two roles");
    assert_eq!(server.push("walk", "1", &first).status, 201);
    let begun = Instant::now();
    once(pair, &server, "walk", &first);
    println!("push to findings across two processes: {:?}", begun.elapsed());

    // Without a worker pushes are taken, and wait.
    worker.kill();
    let waiting = images::good("no worker");
    assert_eq!(server.push("waiting", "1", &waiting).status, 201);
    let work = until("the image is known", || server.image(&waiting.digest()));
    assert_eq!((work["verdict"].as_str(), work["work"].as_str()), (Some("none"), Some("queued")));
    let worker = pair.start_worker();
    once(pair, &server, "waiting", &waiting);

    // A worker that dies while it reads; another one takes over, here the same folder started again.
    server.kill();
    let server = pair.front.start_as(&["--role", "server,registry"]);
    let image = slow("worker dies");
    assert_eq!(server.push("dies", "1", &image).status, 201);
    until("the worker works", || (!worker.children().is_empty() || is_judged(&server, &image)).then_some(()));
    worker.kill();
    let begun = Instant::now();
    let worker = pair.start_worker();
    once(pair, &server, "dies", &image);
    println!("worker killed at work and started again: judged after {:?}", begun.elapsed());

    // The registry dies right after it said 201: the worker goes on without it.
    let image = slow("registry dies");
    assert_eq!(server.push("gone", "1", &image).status, 201);
    server.kill();
    let digest = image.digest();
    let judged = format!("SELECT COUNT(*) FROM scan s JOIN image i ON i.id = s.image WHERE i.digest = '{digest}'");
    until("the worker goes on alone", || (pair.front.count(&judged) == 1).then_some(()));
    let server = pair.start_front();
    once(pair, &server, "gone", &image);
    for (server, name) in [(&server, "front"), (&worker, "worker")] {
        assert!(!server.log_text().contains("panicked"), "{name}");
    }
}

fn is_judged(server: &Server, image: &Image) -> bool {
    server.image(&image.digest()).is_some_and(|i| i["verdict"] != "none")
}

#[test]
fn two_roles_on_one_database_and_one_folder_lose_nothing_whichever_dies() {
    let Some(pair) = Pair::new() else {
        println!("1 check not run: no PostgreSQL (PORTWARDEN_TEST_POSTGRES)");
        return;
    };
    let blobs = tempfile::tempdir().unwrap();
    walk(&pair.with_blobs(blobs.path().to_str().unwrap()));
}

struct S3(Child);

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn s3() -> Option<(S3, String)> {
    let port = free_port();
    let started = Command::new("moto_server")
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let server = S3(started.ok()?);
    until("the S3 server", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    until("the bucket", || {
        pause();
        crate::http::send(port, "PUT", "/portwarden", &[("Authorization", "AWS test:test")], b"")
            .ok()
            .filter(|r| r.status == 200)
    });
    Some((server, format!("http://127.0.0.1:{port}")))
}

#[test]
fn two_roles_on_one_database_and_one_bucket_lose_nothing_whichever_dies() {
    let Some(mut pair) = Pair::new() else {
        println!("1 check not run: no PostgreSQL (PORTWARDEN_TEST_POSTGRES)");
        return;
    };
    let Some((_s3, endpoint)) = s3() else {
        println!("1 check not run: no S3 server (moto_server)");
        return;
    };
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ENDPOINT", &endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    for house in [&mut pair.front, &mut pair.back] {
        house.environment = environment.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    }
    walk(&pair.with_blobs("s3://portwarden/blobs"));
}
