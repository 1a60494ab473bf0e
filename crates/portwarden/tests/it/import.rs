//! Images come from a registry that people use (Debian's docker-registry), through a gate that can be shut in the middle; the window of
//! images that are kept judged, with facts as old as they would be after days; scans on demand.

use crate::house::{House, PATIENCE, Server, free_port, pause, until};
use crate::http;
use crate::images::{self, Image, OLD, sha};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// `admin:secret`, as the tests' client sends it.
const HTPASSWD: &str = "admin:$2y$05$6UQofnDW/H70.mCcUi0rZ.ZjMq6zsH8n2AXZjfZKy/vpiuy.Fc2Oy\n";
const DAY: i64 = 86_400_000_000;

/// A registry of another make; `None` = it is not installed.
struct Source {
    server: Server,
    _folder: tempfile::TempDir,
}

impl Source {
    fn start(with_login: bool) -> Option<Self> {
        let program = "/usr/bin/docker-registry";
        if !std::path::Path::new(program).exists() {
            println!("1 check not run: no docker-registry");
            return None;
        }
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("htpasswd"), HTPASSWD).unwrap();
        let auth = if with_login {
            format!("auth: {{htpasswd: {{realm: source, path: {}}}}}\n", path("htpasswd").display())
        } else {
            String::new()
        };
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\", secret: x}}\n{auth}",
            path("blobs").display()
        );
        std::fs::write(path("config.yml"), config).unwrap();
        let log = path("log");
        let file = std::fs::File::create(&log).unwrap();
        let child = Command::new(program)
            .args(["serve", path("config.yml").to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let server = Server { child, port, log, ready_after: Duration::ZERO };
        until("docker-registry answers", || http::send(port, "GET", "/v2/", &[], b"").ok().filter(|r| r.status == 200));
        Some(Self { server, _folder: folder })
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.server.port)
    }
}

/// Between the importer and the source: lets so many bytes through, then holds them or cuts the line.
#[derive(Clone)]
struct Gate {
    port: u16,
    left: Arc<AtomicI64>,
    passed: Arc<AtomicI64>,
    cuts: Arc<AtomicBool>,
}

impl Gate {
    fn before(source: &Source, bytes: i64, cuts: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Self {
            port: listener.local_addr().unwrap().port(),
            left: Arc::new(bytes.into()),
            passed: Arc::default(),
            cuts: Arc::new(cuts.into()),
        };
        let (own, to) = (gate.clone(), source.server.port);
        std::thread::spawn(move || listener.incoming().flatten().for_each(|client| own.join(client, to)));
        gate
    }

    fn join(&self, client: TcpStream, to: u16) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { return };
        let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut up, &mut down);
            let _ = down.shutdown(std::net::Shutdown::Write);
        });
        let own = self.clone();
        std::thread::spawn(move || own.let_through(server, client));
    }

    fn let_through(&self, mut server: TcpStream, mut client: TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n @ 1..) = server.read(&mut buffer) {
            if !self.may_pass() || client.write_all(&buffer[..n]).is_err() {
                break;
            }
            self.left.fetch_sub(n as i64, Ordering::SeqCst);
            self.passed.fetch_add(n as i64, Ordering::SeqCst);
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
    }

    /// Waits until bytes may pass; false = the line is cut.
    fn may_pass(&self) -> bool {
        while self.left.load(Ordering::SeqCst) <= 0 {
            if self.cuts.load(Ordering::SeqCst) {
                return false;
            }
            pause();
        }
        true
    }

    fn open(&self) {
        self.left.store(i64::MAX / 2, Ordering::SeqCst);
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// An image whose layer does not compress.
fn large(salt: &str, bytes: usize) -> Image {
    let mut state =
        salt.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |s, b| (s ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mut noise = Vec::with_capacity(bytes);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    images::image(vec![images::debian(OLD, salt), images::layer(&images::tar(&[("noise", &noise)]))])
}

/// An index of three platforms; returns it with its images.
fn three(source: &Source, repository: &str, tag: &str) -> (Vec<u8>, Vec<Image>) {
    let all: Vec<Image> =
        ["amd64", "arm64", "s390x"].iter().map(|arch| images::good(&format!("{repository} {arch}"))).collect();
    let child = |(image, arch): (&Image, &str)| {
        assert_eq!(source.server.push(repository, &image.digest(), image).status, 201);
        let mut child = images::descriptor(&image.media_type, &image.manifest);
        child["platform"] = json!({"os": "linux", "architecture": arch});
        child
    };
    let children: Vec<Value> = all.iter().zip(["amd64", "arm64", "s390x"]).map(child).collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).to_string().into_bytes();
    let head = [("Content-Type", INDEX)];
    let reply = source.server.send("PUT", &format!("/v2/{repository}/manifests/{tag}"), &head, &index);
    assert_eq!(reply.status, 201, "{}", reply.text());
    (index, all)
}

fn post(server: &Server, path: &str, body: &Value) -> http::Reply {
    let head = [("Content-Type", "application/json")];
    server.send("POST", &format!("/api/v1{path}"), &head, body.to_string().as_bytes())
}

fn begin(server: &Server, body: &Value) -> i64 {
    let reply = post(server, "/imports", body);
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["id"].as_i64().unwrap()
}

fn when(server: &Server, id: i64, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let now = server.get(&format!("/imports/{id}"));
        if is(&now) {
            return now;
        }
        assert!(begun.elapsed() < PATIENCE, "never {what}: {now}; {}", server.log_text());
        pause();
    }
}

fn ended(server: &Server, id: i64) -> Value {
    when(server, id, "over", |import| import["finished"].is_string())
}

fn manifest(server: &Server, repository: &str, name: &str) -> Vec<u8> {
    let reply = server.send("GET", &format!("/v2/{repository}/manifests/{name}"), &[("Accept", "*/*")], b"");
    assert_eq!(reply.status, 200, "{repository}:{name}");
    reply.body
}

#[test]
fn an_index_comes_with_its_platforms_and_what_is_here_is_not_fetched() {
    let Some(source) = Source::start(false) else { return };
    let (index, all) = three(&source, "tools/shell", "1");
    let (house, gate) = (House::new(), Gate::before(&source, i64::MAX / 2, true));
    let server = house.start();
    let from = format!("{}/tools/shell:1", gate.host());

    let done = ended(&server, begin(&server, &json!({"source": from, "as": "team/shell:1"})));
    assert_eq!((done["state"].as_str(), done["digest"].as_str()), (Some("done"), Some(sha(&index).as_str())), "{done}");
    assert_eq!(done["done_bytes"], done["total_bytes"], "{done}");
    assert_eq!(manifest(&server, "team/shell", "1"), index);
    for image in &all {
        assert_eq!(server.judged(&image.digest())["verdict"], "gaps", "starter advisories");
        server.pulls("team/shell", &image.digest(), image);
        assert!(server.findings_of(&image.digest()) > 0);
    }
    let scans = server.get(&format!("/images/{}/scans", all[0].digest()));
    assert_eq!(scans["items"][0]["reason"], "import", "{scans}");
    let events = server.get("/events?limit=50");
    let imported = |event: &&Value| event["action"] == "import" && event["actor"] == "admin";
    assert_eq!(events["items"].as_array().unwrap().iter().filter(imported).count(), 4, "{events}");

    // The same again fetches nothing but manifests; elsewhere, only manifests come; of one platform, only that one.
    let before = gate.passed.load(Ordering::SeqCst);
    assert_eq!(ended(&server, begin(&server, &json!({"source": from, "as": "team/shell:1"})))["state"], "done");
    assert_eq!(ended(&server, begin(&server, &json!({"source": from, "as": "other/shell:2"})))["state"], "done");
    let one = json!({"source": from, "as": "one/shell:1", "platform": "linux/arm64"});
    assert_eq!(ended(&server, begin(&server, &one))["digest"], all[1].digest());
    let blob = all.iter().flat_map(Image::blobs).map(<[u8]>::len).sum::<usize>() as i64;
    let passed = gate.passed.load(Ordering::SeqCst) - before;
    assert!(passed < blob + 16_000, "{passed} bytes came for {blob} bytes of blobs that are here");
    let absent =
        ended(&server, begin(&server, &json!({"source": from, "as": "one/shell:3", "platform": "linux/riscv64"})));
    let said = absent["error"].as_str().unwrap();
    assert!(said.contains("linux/riscv64") && said.contains("linux/s390x"), "{said}");
}

#[test]
fn an_import_of_what_is_here_counts_as_a_push_and_mends_what_is_missing() {
    let Some(source) = Source::start(false) else { return };
    let (index, all) = three(&source, "tools/shell", "1");
    let house = House::new();
    let server = house.start();
    let body = json!({"source": format!("{}/tools/shell:1", source.host()), "as": "team/shell:1"});
    assert_eq!(ended(&server, begin(&server, &body))["state"], "done");
    all.iter().for_each(|image| drop(server.judged(&image.digest())));
    let path = format!("/v2/team/shell/manifests/{}", all[0].digest());
    assert_eq!(server.send("DELETE", &path, &[], b"").status, 202, "one of its images is deleted");
    let lost = sha(all[1].blobs().last().unwrap());
    let lost = lost.trim_start_matches("sha256:");
    std::fs::remove_file(house.data().join("blobs/sha256").join(&lost[..2]).join(lost)).unwrap();
    assert_eq!(ended(&server, begin(&server, &body))["state"], "done");
    assert_eq!(manifest(&server, "team/shell", "1"), index);
    all.iter().for_each(|image| server.pulls("team/shell", &image.digest(), image));
    let events = server.get("/events?limit=50");
    let imported = |event: &&Value| event["action"] == "import" && event["digest"] == sha(&index);
    assert_eq!(events["items"].as_array().unwrap().iter().filter(imported).count(), 2, "each time: {events}");
}

#[test]
fn a_tag_that_names_something_else_moves_only_by_force() {
    let Some(source) = Source::start(false) else { return };
    let (old, new) = (images::good("here"), images::good("there"));
    assert_eq!(source.server.push("app", "1", &new).status, 201);
    let house = House::new();
    let server = house.start();
    assert_eq!(server.push("app", "1", &old).status, 201);
    let mut body = json!({"source": format!("{}/app:1", source.host())});
    let refused = ended(&server, begin(&server, &body));
    let said = refused["error"].as_str().unwrap();
    assert_eq!(refused["state"], "failed");
    for part in ["app:1 is there already", &old.digest(), &new.digest(), "--force"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(manifest(&server, "app", "1"), old.manifest);
    body["force"] = json!(true);
    assert_eq!(ended(&server, begin(&server, &body))["state"], "done");
    assert_eq!(manifest(&server, "app", "1"), new.manifest);
}

#[test]
fn a_source_that_wants_a_login_gets_the_one_that_was_given_and_it_is_not_kept() {
    let Some(source) = Source::start(true) else { return };
    let image = images::good("private");
    assert_eq!(source.server.push("private/app", "1", &image).status, 201);
    let house = House::new();
    let server = house.start();
    let from = format!("{}/private/app:1", source.host());
    let cases = [
        (json!({"source": from}), "failed", "refused"),
        (json!({"source": from, "username": "admin", "password": "wrong"}), "failed", "refused"),
        (
            json!({"source": format!("{}/private/none:1", source.host()), "username": "admin", "password": "secret"}),
            "failed",
            "has no private/none:1",
        ),
        (json!({"source": from, "username": "admin", "password": "secret"}), "done", ""),
    ];
    for (body, state, says) in cases {
        let import = ended(&server, begin(&server, &body));
        assert_eq!(import["state"], state, "{import}");
        assert!(import["error"].as_str().unwrap().contains(says), "{import}");
    }
    server.pulls("private/app", "1", &image);
    assert_eq!(house.count("SELECT COUNT(*) FROM import WHERE length(credential) > 0"), 0);
    assert_eq!(house.count("SELECT COUNT(*) FROM audit WHERE detail LIKE '%wrong%' OR detail LIKE '%\"secret\"%'"), 0);
    // The command line, without a server: the copy is made by that process, and read.
    let other = House::new();
    let mut command =
        other.command(&["import", &from, "--as", "mine/app:2", "--username", "admin", "--password-stdin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"secret\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("is local/mine/app:2 now") && text.contains(&image.digest()), "{text}");
    let list = other.run(&["image", "list", "--format", "json"]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!((&list["items"][0]["digest"], &list["items"][0]["verdict"]), (&json!(image.digest()), &json!("gaps")));
}

#[test]
fn a_source_that_goes_away_is_taken_up_where_it_broke_off() {
    let Some(source) = Source::start(false) else { return };
    let image = large("gone", 12 << 20);
    assert_eq!(source.server.push("big", "1", &image).status, 201);
    let (house, gate) = (House::new(), Gate::before(&source, 5 << 20, true));
    let server = house.start();
    let id = begin(&server, &json!({"source": format!("{}/big:1", gate.host())}));
    let waits = when(&server, id, "to be tried again", |import| import["state"] == "retry-at");
    assert!(waits["again"].is_string() && waits["done_bytes"].as_u64().unwrap() > 3 << 20, "{waits}");
    gate.open();
    let done = ended(&server, id);
    assert_eq!(done["state"], "done", "{done}");
    server.pulls("big", "1", &image);
    let (size, passed) =
        (image.blobs().iter().map(|b| b.len()).sum::<usize>() as i64, gate.passed.load(Ordering::SeqCst));
    assert!(passed < size + (1 << 20), "{passed} bytes came for {size}");
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was_and_one_can_be_cancelled() {
    let Some(source) = Source::start(false) else { return };
    let image = large("killed", 12 << 20);
    assert_eq!(source.server.push("big", "1", &image).status, 201);
    let (house, gate) = (House::new(), Gate::before(&source, 6 << 20, false));
    let server = house.start();
    let body = json!({"source": format!("{}/big:1", gate.host())});
    let id = begin(&server, &body);
    when(&server, id, "in the middle", |import| import["done_bytes"].as_u64().unwrap() > 4 << 20);
    server.kill();
    let server = house.start();
    gate.open();
    let done = ended(&server, id);
    assert_eq!(done["state"], "done", "{done}");
    server.pulls("big", "1", &image);
    assert_eq!(server.judged(&image.digest())["work"], "idle");
    let (size, passed) =
        (image.blobs().iter().map(|b| b.len()).sum::<usize>() as i64, gate.passed.load(Ordering::SeqCst));
    assert!(passed < size + (3 << 20), "{passed} bytes came for {size}");
    assert_eq!(house.count("SELECT COUNT(*) FROM event WHERE action = 'import'"), 1);

    // Another one is cancelled in the middle: nothing of it stays.
    let image = large("cancelled", 12 << 20);
    assert_eq!(source.server.push("big", "2", &image).status, 201);
    gate.left.store(4 << 20, Ordering::SeqCst);
    let id = begin(&server, &json!({"source": format!("{}/big:2", gate.host())}));
    when(&server, id, "in the middle", |import| import["done_bytes"].as_u64().unwrap() > 2 << 20);
    let cancel = |id: i64| server.send("DELETE", &format!("/api/v1/imports/{id}"), &[], b"").status;
    assert_eq!((cancel(id), cancel(id)), (204, 409));
    assert_eq!(server.get(&format!("/imports/{id}"))["state"], "cancelled");
    gate.open();
    until("its uploads are gone", || (house.count("SELECT COUNT(*) FROM upload") == 0).then_some(()));
    assert_eq!(server.send("GET", "/v2/big/manifests/2", &[("Accept", "*/*")], b"").status, 404);
}

#[test]
fn an_import_whose_token_is_revoked_meanwhile_pushes_nothing() {
    let Some(source) = Source::start(false) else { return };
    let image = large("revoked", 6 << 20);
    assert_eq!(source.server.push("big", "1", &image).status, 201);
    let (house, gate) = (House::new(), Gate::before(&source, 3 << 20, false));
    let server = house.start();
    let grants = json!([{"role": "owner", "scope": "/"}]);
    let made = post(&server, "/tokens", &json!({"name": "ci", "principal": "admin", "grants": grants})).json();
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let head = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let body = json!({"source": format!("{}/big:1", gate.host())}).to_string();
    let begun = server.send("POST", "/api/v1/imports", &head, body.as_bytes()).json();
    let id = begun["id"].as_i64().unwrap_or_else(|| panic!("{begun}"));
    when(&server, id, "in the middle", |import| import["done_bytes"].as_u64().unwrap() > 2 << 20);
    let token = format!("/api/v1/tokens/{}", made["id"]);
    assert_eq!(server.send("DELETE", &token, &[], b"").status, 204);
    gate.open();
    let over = ended(&server, id);
    assert_eq!(over["state"], "failed", "{over}");
    assert!(over["error"].as_str().unwrap().contains("may no longer push to big"), "{over}");
    assert_eq!(server.send("GET", "/v2/big/manifests/1", &[("Accept", "*/*")], b"").status, 404);
}

#[test]
fn who_may_not_push_there_or_name_that_host_is_told_so() {
    let house = House::new();
    let server = house.start();
    let guid = server.get("/subscriptions")["items"][0]["guid"].as_str().unwrap().to_owned();
    let scope = format!("/{guid}/local/team/app");
    let grants = json!([{"role": "acr-push", "scope": scope}]);
    let made = post(&server, "/tokens", &json!({"name": "robot", "principal": "admin", "grants": grants}));
    let bearer = format!("Bearer {}", made.json()["token"].as_str().unwrap());
    let cases = [
        (json!({"source": "docker.io/library/alpine:3.18", "as": "team/other:1"}), 404, "as"),
        (json!({"source": "127.0.0.1:5000/app:1", "as": "team/app:1"}), 403, "source"),
        (json!({"source": "10.0.0.1/app:1", "as": "team/app:1"}), 403, "source"),
        (json!({"source": "metadata.google.internal/app:1", "as": "team/app:1"}), 403, "source"),
        (json!({"source": "https://r.example/app:1", "as": "team/app:1"}), 400, "source"),
        (json!({"source": "/etc/passwd", "as": "team/app:1"}), 400, "source"),
        (json!({"source": "r.example/app:1", "as": "team/app:1", "platform": "arm64"}), 400, "platform"),
        (json!({"source": "r.example/app:1", "as": "Team/App"}), 400, "as"),
        (json!({"source": "r.example/app:1", "as": "team/app:1", "username": "a"}), 400, "password"),
        (json!({"source": "r.example/app:1", "as": "team/app:1", "registry": "nowhere"}), 404, "registry"),
        (json!({"source": "r.example/app:1", "colour": "red"}), 400, "colour"),
        (json!({}), 400, "source"),
    ];
    for (body, status, field) in cases {
        let head = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
        let reply = server.send("POST", "/api/v1/imports", &head, body.to_string().as_bytes());
        let problem = reply.json();
        assert_eq!((reply.status, problem["field"].as_str()), (status, Some(field)), "{body}: {problem}");
    }
    assert_eq!(server.get("/imports")["total"], 0);
}

/// Facts as old as they would be after so many days.
fn days_pass(house: &House, days: i64) {
    let span = days * DAY;
    house.execute(&format!(
        "UPDATE repository_image SET last_push = last_push - {span}, last_pull = CASE WHEN last_pull = 0 THEN 0 ELSE last_pull - {span} END"
    ));
}

#[test]
fn images_that_nobody_uses_leave_the_window_after_thirty_days_and_a_pull_brings_them_back() {
    let house = House::new();
    let (used, image) = (images::good("used"), images::good("unused"));
    let server = house.start();
    for (repository, image) in [("used", &used), ("unused", &image)] {
        assert_eq!(server.push(repository, "1", image).status, 201);
        server.judged(&image.digest());
    }
    let coverage = |server: &Server, image: &Image| server.image(&image.digest()).map(|i| i["coverage"].clone());
    let mut server = Some(server);
    for (days, pulled, want) in [(0, false, "in-window"), (29, true, "in-window"), (2, false, "outside-window")] {
        server.take().unwrap().kill();
        days_pass(&house, days);
        let now = house.start();
        until("the window is kept", || (coverage(&now, &image)? == want).then_some(()));
        assert_eq!(coverage(&now, &used).unwrap(), "in-window", "pulled lately");
        if pulled {
            manifest(&now, "used", "1");
            until("the pull is seen", || {
                now.image(&used.digest())?["places"][0]["last_pull"].is_string().then_some(())
            });
        }
        server = Some(now);
    }
    let server = server.unwrap();
    let shown = server.image(&image.digest()).unwrap();
    assert!(shown["coverage_since"].is_string(), "{shown}");
    assert_eq!(shown["verdict"], "gaps", "the last verdict stays");

    // A HEAD is no pull; a GET is, and the image is judged anew.
    let head = server.send("HEAD", "/v2/unused/manifests/1", &[("Accept", "*/*")], b"");
    assert_eq!(head.status, 200);
    assert_eq!(coverage(&server, &image).unwrap(), "outside-window", "after HEAD");
    manifest(&server, "unused", "1");
    until("a pull brings it back", || (coverage(&server, &image)? == "in-window").then_some(()));
    let scans = || server.get(&format!("/images/{}/scans", image.digest()));
    until("it is judged anew", || (scans()["items"][0]["reason"] == "recent-pull").then_some(()));
    assert_eq!(house.count("SELECT COUNT(*) FROM event WHERE action = 'pull'"), 2, "the scanner's reading is no pull");
}

#[test]
fn who_asks_for_a_scan_is_told_what_is_before_it_and_asking_twice_is_asking_once() {
    let house = House::new();
    let server = house.start();
    let image = images::good("asked");
    assert_eq!(server.push("asked", "1", &image).status, 201);
    server.judged(&image.digest());
    let ask = || post(&server, &format!("/images/{}/scan", image.digest()), &json!({}));
    let first = ask();
    assert_eq!(first.status, 201, "{}", first.text());
    assert_eq!((&first.json()["before"], &first.json()["known"]), (&json!(0), &json!(false)), "{}", first.text());
    let scans = || server.get(&format!("/images/{}/scans", image.digest()));
    until("it is scanned", || (scans()["items"][0]["reason"] == "on-demand").then_some(()));
    server.judged(&image.digest());
    let many = post(&server, "/images/scan", &json!({"q": "repo:asked"}));
    assert_eq!((many.status, &many.json()["queued"]), (201, &json!(1)), "{}", many.text());
    assert_eq!(post(&server, "/images/scan", &json!({"q": "nonsense:"})).json()["field"], "q");
    let missing = post(&server, &format!("/images/{}/scan", sha(b"nobody")), &json!({}));
    assert_eq!(missing.status, 404);
    let grants = json!([{"role": "reader", "scope": "/"}]);
    let made = post(&server, "/tokens", &json!({"name": "reader", "principal": "admin", "grants": grants}));
    let bearer = format!("Bearer {}", made.json()["token"].as_str().unwrap());
    let head = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
    let refused = server.send("POST", &format!("/api/v1/images/{}/scan", image.digest()), &head, b"{}");
    assert_eq!(refused.status, 403, "{}", refused.text());
    // Two wishes while the worker stands still are one job.
    drop(server);
    let idle = house.start_as(&["--role", "server"]);
    let ask = || post(&idle, &format!("/images/{}/scan", image.digest()), &json!({})).json();
    let (first, second) = (ask(), ask());
    assert_eq!((&first["job"], &first["known"], &second["known"]), (&second["job"], &json!(false), &json!(true)));
}
