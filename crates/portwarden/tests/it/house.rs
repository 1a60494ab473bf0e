//! A server in a folder of its own, on SQLite or PostgreSQL: started, watched, killed, started again.

use crate::http::{self, Reply};
use crate::images::{self, Image};
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use store::trial::Trial;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_portwarden");
/// Longer than anything takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Where a server keeps its things; it outlives the server.
pub struct House {
    pub folder: tempfile::TempDir,
    pub database: Option<String>,
    pub blobs: Option<String>,
    pub environment: Vec<(String, String)>,
    /// Ends the database with the house.
    pub _trial: Option<Trial>,
}

/// A server that runs.
pub struct Server {
    pub child: Child,
    pub port: u16,
    pub log: PathBuf,
    pub ready_after: Duration,
}

/// SQLite, and PostgreSQL where there is one.
pub fn engines() -> Vec<House> {
    let mut houses = vec![House::on_sqlite()];
    match House::on_postgres() {
        Some(house) => houses.push(house),
        None => println!("1 check not run: no PostgreSQL (PORTWARDEN_TEST_POSTGRES)"),
    }
    houses
}

/// Runs something that only the asynchronous driver of the databases can do.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

impl House {
    /// On SQLite, unless `PORTWARDEN_TEST_ENGINE` says otherwise.
    pub fn new() -> Self {
        Self::on(block_on(Trial::wanted()))
    }

    pub fn on_sqlite() -> Self {
        Self::on(None)
    }

    pub fn on_postgres() -> Option<Self> {
        Some(Self::on(Some(block_on(Trial::new())?)))
    }

    fn on(trial: Option<Trial>) -> Self {
        let (folder, database) = (tempfile::tempdir().unwrap(), trial.as_ref().map(Trial::url));
        Self { folder, database, blobs: None, environment: Vec::new(), _trial: trial }
    }

    pub fn engine(&self) -> &'static str {
        if self.database.is_some() { "PostgreSQL" } else { "SQLite" }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The program, with the house's data and no setting of the caller's.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        for (name, _) in std::env::vars().filter(|(n, _)| n.starts_with("PORTWARDEN_")) {
            command.env_remove(name);
        }
        command.arg("--data").arg(self.data());
        if let Some(url) = &self.database {
            command.args(["--database", url]);
        }
        if let Some(place) = &self.blobs {
            command.args(["--blobs", place]);
        }
        command
            .args(arguments)
            .envs(self.environment.iter().map(|(n, v)| (n, v)))
            .env("PORTWARDEN_ADMIN_PASSWORD", "secret");
        command.current_dir(self.folder.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    pub fn start(&self) -> Server {
        self.start_as(&["--role", "all"])
    }

    /// Starts a server and waits until it is ready.
    pub fn start_as(&self, arguments: &[&str]) -> Server {
        let port = free_port();
        let mut server = self.spawn(port, arguments);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if http::send(port, "GET", "/readyz", &[], b"").is_ok_and(|r| r.status == 200) {
                server.ready_after = begun.elapsed();
                return server;
            }
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}", server.log_text());
            }
            pause();
        }
        panic!("the server is not ready: {}", server.log_text());
    }

    /// Starts a server and does not wait.
    pub fn spawn(&self, port: u16, arguments: &[&str]) -> Server {
        let log = self.folder.path().join("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let listen = format!("127.0.0.1:{port}");
        let mut command = self.command(&["serve", "--offline", "--listen", &listen]);
        command.args(arguments).stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Server { child: command.spawn().unwrap(), port, log, ready_after: Duration::ZERO }
    }

    /// Returns the one number that a query gives.
    pub fn count(&self, sql: &str) -> i64 {
        use sqlx::Connection;
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        block_on(async {
            match &self.database {
                Some(url) => {
                    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
                    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
                }
                None => {
                    let url = format!("sqlite://{}", self.data().join("portwarden.db").display());
                    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
                }
            }
        })
    }

    /// Changes the database behind the program's back.
    pub fn execute(&self, sql: &str) {
        use sqlx::Connection;
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        block_on(async {
            match &self.database {
                Some(url) => {
                    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
                    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                }
                None => {
                    let url = format!("sqlite://{}", self.data().join("portwarden.db").display());
                    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                }
            }
        });
    }
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Between two looks.
pub fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// Looks until something is so.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(found) = look() {
            return found;
        }
        pause();
    }
    panic!("never: {what}");
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub fn send(&self, method: &str, path: &str, head: &[(&str, &str)], body: &[u8]) -> Reply {
        http::send(self.port, method, path, head, body)
            .unwrap_or_else(|e| panic!("{method} {path}: {e}: {}", self.log_text()))
    }

    pub fn get(&self, path: &str) -> Value {
        let reply = self.send("GET", &format!("/api/v1{path}"), &[], b"");
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    /// Begins an upload; returns its path.
    pub fn begin(&self, repository: &str) -> String {
        let reply = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
        assert_eq!(reply.status, 202, "{}", reply.text());
        place(&reply)
    }

    /// Ends an upload with the bytes.
    pub fn put(&self, upload: &str, digest: &str, bytes: &[u8]) -> Reply {
        let mark = if upload.contains('?') { '&' } else { '?' };
        let head = [("Content-Type", "application/octet-stream")];
        self.send("PUT", &format!("{upload}{mark}digest={digest}"), &head, bytes)
    }

    pub fn push_blob(&self, repository: &str, bytes: &[u8]) {
        let upload = self.begin(repository);
        let reply = self.put(&upload, &images::sha(bytes), bytes);
        assert_eq!(reply.status, 201, "{}", reply.text());
    }

    pub fn put_manifest(&self, repository: &str, tag: &str, image: &Image) -> Reply {
        let head = [("Content-Type", image.media_type.as_str())];
        self.send("PUT", &format!("/v2/{repository}/manifests/{tag}"), &head, &image.manifest)
    }

    /// Pushes an image as clients do.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) -> Reply {
        for blob in image.blobs() {
            self.push_blob(repository, blob);
        }
        self.put_manifest(repository, tag, image)
    }

    /// The image as the API shows it, or `None` while the index does not know it.
    pub fn image(&self, digest: &str) -> Option<Value> {
        let reply = self.send("GET", &format!("/api/v1/images/{digest}"), &[], b"");
        (reply.status == 200).then(|| reply.json())
    }

    /// Waits until an image is judged and nothing more is to be done for it.
    pub fn judged(&self, digest: &str) -> Value {
        let done = |v: &Value| v["verdict"] != "none" && v["work"] == "idle";
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(image) = self.image(digest).filter(done) {
                return image;
            }
            pause();
        }
        panic!("{digest} is not judged: {:?}; {}; {}", self.image(digest), self.get("/jobs"), self.log_text());
    }

    pub fn findings_of(&self, digest: &str) -> u64 {
        self.get(&format!("/findings?image={digest}&limit=1"))["total"].as_u64().unwrap()
    }

    /// Everything of an image can be pulled, byte for byte.
    pub fn pulls(&self, repository: &str, tag: &str, image: &Image) {
        let reply = self.send("GET", &format!("/v2/{repository}/manifests/{tag}"), &[("Accept", "*/*")], b"");
        assert_eq!((reply.status, reply.body == image.manifest), (200, true), "{repository}:{tag}");
        for blob in image.blobs() {
            self.pulls_blob(repository, blob);
        }
    }

    pub fn pulls_blob(&self, repository: &str, blob: &[u8]) {
        let reply = self.send("GET", &format!("/v2/{repository}/blobs/{}", images::sha(blob)), &[], b"");
        assert_eq!((reply.status, reply.body == blob), (200, true), "{repository} {}", images::sha(blob));
    }

    /// Ids of the processes that read layers now: the children of those that start them.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.child.id()).into_iter().flat_map(children_of).collect()
    }
}

/// The path of a `Location`.
pub fn place(reply: &Reply) -> String {
    let place = reply.header("location");
    place.split_once("://").map_or(place.to_owned(), |(_, rest)| format!("/{}", rest.split_once('/').unwrap().1))
}

pub fn children_of(parent: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}
