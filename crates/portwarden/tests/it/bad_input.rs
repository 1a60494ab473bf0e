//! Bad input and bad days: each ends with its exit code and a sentence that names the thing and the next step; nothing is lost.

use crate::feeds;
use crate::hostile::write_layout;
use crate::house::{House, Server, block_on, free_port, until};
use crate::http;
use crate::images::{self, OLD, debian, image, sha};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The program ended with this code, and said all of this.
pub fn ended(what: &str, output: &Output, exit: i32, said: &[&str]) {
    let text = String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
    println!("{what}: exit {:?}\n    {}", output.status.code(), text.trim().replace('\n', "\n    "));
    assert_eq!(output.status.code(), Some(exit), "{what}: {text}");
    for word in said {
        assert!(text.contains(word), "{what} does not say {word:?}: {text}");
    }
    assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE") && !text.contains("src/"), "{what}: {text}");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

#[test]
fn a_command_line_or_setting_that_is_not_understood_is_named() {
    let house = House::new();
    std::fs::write(house.folder.path().join("bad.toml"), "lisen = \"127.0.0.1:1\"\n").unwrap();
    std::fs::write(house.folder.path().join("broken.toml"), "listen = \n").unwrap();
    let rows: &[(&str, &[&str], i32, &[&str])] = &[
        ("unknown flag", &["serve", "--lisen", "127.0.0.1:1"], 2, &["--lisen", "--listen"]),
        ("unknown command", &["serv"], 2, &["serv", "serve"]),
        ("unknown key", &["--config", "bad.toml", "serve"], 2, &["bad.toml", "line 1", "lisen", "listen"]),
        ("no TOML", &["--config", "broken.toml", "serve"], 2, &["broken.toml", "line 1"]),
        ("no settings file", &["--config", "nowhere.toml", "serve"], 2, &["nowhere.toml"]),
        ("no address", &["serve", "--listen", "5000"], 2, &["5000", "127.0.0.1:5000"]),
        (
            "open address",
            &["serve", "--listen", "0.0.0.0:0"],
            2,
            &["--tls auto", "--trusted-proxies", "--insecure-http"],
        ),
        ("neither auto nor two files", &["serve", "--tls", "cert.pem"], 2, &["cert.pem", "auto", "CERT.pem,KEY.pem"]),
        ("unknown role", &["serve", "--role", "king"], 2, &["king", "worker"]),
        (
            "unknown database",
            &["--database", "mysql://x/y", "serve", "--listen", "127.0.0.1:0"],
            2,
            &["database", "postgres://"],
        ),
        ("nothing there", &["image", "list"], 2, &["no data", "--data", "portwarden serve"]),
    ];
    for (what, arguments, exit, said) in rows {
        let mut command = Command::new(crate::house::PROGRAM);
        command.current_dir(house.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(n, _)| n.starts_with("PORTWARDEN_")) {
            command.env_remove(name);
        }
        ended(what, &command.args(*arguments).output().unwrap(), *exit, said);
    }
}

#[test]
fn a_port_that_is_taken_is_named_and_another_one_works() {
    let house = House::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    ended("port taken", &house.run(&["serve", "--offline", "--listen", &address]), 2, &[&address, "taken", "--listen"]);
    drop(taken);
    house.start();
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    if !is_root() {
        println!("1 check not run: only root can become somebody else");
        return;
    }
    let house = House::new();
    std::fs::set_permissions(house.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = house.folder.path().join("portwarden");
    std::fs::copy(crate::house::PROGRAM, &program).unwrap();
    let data = house.data();
    let listen = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program).arg("--data").arg(&data);
    let output = command.args(["serve", "--offline", "--listen", &listen]).output().unwrap();
    ended("data not writable", &output, 2, &[data.to_str().unwrap(), "ermission denied", "--data"]);
    std::fs::write(&data, "a file").unwrap();
    let output = house.run(&["serve", "--offline", "--listen", &listen]);
    ended("data is a file", &output, 2, &[data.to_str().unwrap(), "--data"]);
}

#[test]
fn data_of_a_newer_program_are_refused_and_stay_as_they_are() {
    for house in crate::house::engines() {
        let server = house.start();
        let image = images::good("newer");
        assert_eq!(server.push("kept", "1", &image).status, 201);
        server.judged(&image.digest());
        drop(server);
        house.execute("INSERT INTO schema_version (version) VALUES (999)");
        let listen = format!("127.0.0.1:{}", free_port());
        let output = house.run(&["serve", "--offline", "--listen", &listen]);
        ended("newer data", &output, 2, &["schema 999", "newer program", "backup"]);
        ended("newer data, read", &house.run(&["image", "list"]), 2, &["schema 999"]);
        house.execute("DELETE FROM schema_version WHERE version = 999");
        let server = house.start();
        server.pulls("kept", "1", &image);
        assert!(server.findings_of(&image.digest()) > 0);
    }
}

#[test]
fn what_is_not_an_image_is_named() {
    let house = House::new();
    let folder = house.folder.path();
    std::fs::write(folder.join("letter.txt"), "Dear reader").unwrap();
    std::fs::create_dir(folder.join("empty")).unwrap();
    let whole = images::good("cut");
    let mut cut = whole.clone();
    cut.layers[0].bytes.truncate(60);
    let cut = image(cut.layers);
    write_layout(&folder.join("cut"), &cut);
    write_layout(&folder.join("lies"), &whole);
    let blob = folder.join("lies/blobs/sha256").join(&sha(&whole.layers[0].bytes)[7..]);
    std::fs::write(blob, &debian(OLD, "other").bytes).unwrap();
    let rows: &[(&str, &str, i32, &[&str])] = &[
        ("a text file", "letter.txt", 4, &["letter.txt", "not an image"]),
        ("an empty folder", "empty", 4, &["empty", "not an image"]),
        ("a path that is not there", "./nowhere", 4, &["nowhere"]),
        ("a truncated layer", "cut", 3, &["layer-truncated", "in the middle"]),
        ("a layer under the digest of another", "lies", 4, &["digest", &sha(&whole.layers[0].bytes)]),
    ];
    for (what, reference, exit, said) in rows {
        ended(what, &house.run(&["scan", reference]), *exit, said);
    }
}

#[test]
fn wrong_credentials_are_told_from_a_registry_that_is_away() {
    let house = House::new();
    let server = house.start();
    let good = images::good("login");
    assert_eq!(server.push("app", "1", &good).status, 201);
    let host = format!("127.0.0.1:{}", server.port);
    let reference = format!("{host}/app:1");
    let scan = |login: &str, reference: &str| house.run(&["scan", "--insecure-http", "--login", login, reference]);
    ended("wrong password", &scan("admin:wrong", &reference), 5, &[&host, "refused admin", "log in"]);
    ended("no such tag", &scan("admin:secret", &format!("{host}/app:none")), 5, &["app", "none"]);
    let away = format!("127.0.0.1:{}/app:1", free_port());
    ended("registry away", &scan("admin:secret", &away), 5, &[away.split('/').next().unwrap()]);
    let wrong = [("Authorization", "Basic YWRtaW46d3Jvbmc=")];
    let reply = server.send("GET", "/api/v1/images", &wrong, b"");
    assert_eq!((reply.status, reply.json()["next_step"].is_string()), (401, true), "{}", reply.text());
    let reply = server.send("GET", "/v2/", &wrong, b"");
    assert_eq!((reply.status, reply.json()["errors"][0]["code"].as_str()), (401, Some("UNAUTHORIZED")));
    let fine = scan("admin:secret", &reference);
    assert_eq!(fine.status.code(), Some(3), "{}", String::from_utf8_lossy(&fine.stderr));
}

#[test]
fn a_digest_that_lies_is_refused_and_the_honest_one_taken() {
    let house = House::new();
    let server = house.start();
    let good = images::good("honest");
    let (bytes, other) = (good.layers[0].bytes.clone(), sha(b"other"));
    let upload = server.begin("app");
    let reply = server.put(&upload, &other, &bytes);
    assert_eq!((reply.status, reply.json()["errors"][0]["code"].as_str()), (400, Some("DIGEST_INVALID")));
    assert!(reply.text().contains(&other) && reply.text().contains(&sha(&bytes)), "{}", reply.text());
    println!("digest that lies: {}", reply.text());
    assert_eq!(server.send("HEAD", &format!("/v2/app/blobs/{other}"), &[], b"").status, 404);
    let head = [("Content-Type", images::MANIFEST)];
    let reply = server.send("PUT", &format!("/v2/app/manifests/{other}"), &head, &good.manifest);
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(server.push("app", "1", &good).status, 201);
    server.judged(&good.digest());
}

#[test]
fn a_feed_that_is_cut_in_half_leaves_the_last_good_one_in_force() {
    let house = House::new();
    let tree = house.folder.path().join("feeds");
    feeds::write(&tree, &["openssl", "curl", "expat"], 2024, 3);
    let generation = feeds::update(&house, &tree);
    let file = tree.join(feeds::TRACKER);
    let whole = std::fs::read(&file).unwrap();
    let from = tree.to_str().unwrap().to_owned();
    let cut: &[(&str, &[u8])] =
        &[("cut in half", &whole[..whole.len() / 2]), ("empty", b""), ("a page of HTML", b"<html>busy</html>")];
    for (what, bytes) in cut {
        std::fs::write(&file, bytes).unwrap();
        ended(what, &house.run(&["db", "update", "--from", &from]), 6, &["debian", feeds::TRACKER]);
        ended("status after it", &house.run(&["db", "status"]), 0, &["debian", feeds::TRACKER]);
        assert_eq!(feeds::generation(&house), generation, "{what}");
    }
    std::fs::remove_file(&file).unwrap();
    ended("gone", &house.run(&["db", "update", "--from", &from]), 6, &["debian", feeds::TRACKER, "not there"]);
    assert_eq!(feeds::generation(&house), generation);
    let layout = house.folder.path().join("layout");
    write_layout(&layout, &images::good("feeds"));
    let scanned = house.run(&["scan", layout.to_str().unwrap(), "--format", "json"]);
    assert_eq!(scanned.status.code(), Some(0), "{}", String::from_utf8_lossy(&scanned.stderr));
    assert!(String::from_utf8_lossy(&scanned.stdout).contains("CVE-2024-1000"));
    feeds::write(&tree, &["openssl", "curl", "expat"], 2025, 3);
    assert!(feeds::update(&house, &tree) > generation);
    ended(
        "no such folder",
        &house.run(&["db", "update", "--from", "/nowhere/feeds"]),
        2,
        &["--from", "/nowhere/feeds", "folder"],
    );
    ended("no feeds host", &house.run(&["db", "update", "--feeds-base", "not a url"]), 2, &["--feeds-base", "http://"]);
}

/// Stands between the program and PostgreSQL, and can be away.
struct Door {
    port: u16,
    open: Arc<AtomicBool>,
    lines: Arc<Mutex<Vec<TcpStream>>>,
}

impl Door {
    fn new(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, lines) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let (is_open, all) = (Arc::clone(&open), Arc::<Mutex<Vec<TcpStream>>>::clone(&lines));
        std::thread::spawn(move || {
            let clients = listener.incoming().flatten().filter(|_| is_open.load(Ordering::SeqCst));
            for (client, server) in clients.filter_map(|client| Some((client, TcpStream::connect(&to).ok()?))) {
                all.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                carry(client.try_clone().unwrap(), server.try_clone().unwrap());
                carry(server, client);
            }
        });
        Self { port, open, lines }
    }
    fn shut(&self) {
        self.open.store(false, Ordering::SeqCst);
        for line in self.lines.lock().unwrap().drain(..) {
            let _ = line.shutdown(Shutdown::Both);
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

#[test]
fn postgresql_that_is_away_is_named_and_work_goes_on_when_it_is_back() {
    let mut house = House::on_sqlite();
    let closed = format!("127.0.0.1:{}", free_port());
    house.database = Some(format!("postgres://somebody:hidden-word@{closed}/portwarden"));
    let listen = format!("127.0.0.1:{}", free_port());
    let begun = Instant::now();
    let output = house.run(&["serve", "--offline", "--listen", &listen]);
    ended("PostgreSQL down at start", &output, 2, &[&closed, "refused", "--database"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hidden-word"));
    println!("    after {:?}", begun.elapsed());
    let Some(trial) = block_on(store::trial::Trial::new()) else {
        println!("1 check not run: no PostgreSQL (PORTWARDEN_TEST_POSTGRES)");
        return;
    };
    let url = trial.url();
    let host = url.split('@').nth(1).unwrap().split('/').next().unwrap().to_owned();
    let door = Door::new(host.clone());
    house.database = Some(url.replace(&host, &format!("127.0.0.1:{}", door.port)));
    let server = house.start();
    let before = images::good("before");
    assert_eq!(server.push("app", "before", &before).status, 201);
    server.judged(&before.digest());
    door.shut();
    away(&server);
    door.open.store(true, Ordering::SeqCst);
    let back = Instant::now();
    until("ready again", || {
        http::send(server.port, "GET", "/readyz", &[], b"").is_ok_and(|r| r.status == 200).then_some(())
    });
    let ready = back.elapsed();
    server.pulls("app", "before", &before);
    let after = images::good("after");
    assert_eq!(server.push("app", "after", &after).status, 201);
    server.judged(&after.digest());
    println!("PostgreSQL back: ready after {ready:?}, a push judged after {:?}", back.elapsed());
    assert!(ready < Duration::from_secs(10));
    assert!(!server.log_text().contains("panicked"));
    assert!(!server.log_text().contains("hidden-word"));
}

/// While the database is away every request ends with a 5xx that says so.
fn away(server: &Server) {
    for (method, path) in [
        ("POST", "/v2/app/blobs/uploads/"),
        ("GET", "/v2/app/manifests/before"),
        ("GET", "/api/v1/events"),
        ("GET", "/readyz"),
    ] {
        let begun = Instant::now();
        let reply = server.send(method, path, &[], b"");
        println!(
            "    {method} {path} while PostgreSQL is away: {} {} after {:?}",
            reply.status,
            reply.text().trim(),
            begun.elapsed()
        );
        assert_eq!(reply.status, 503, "{method} {path}: {}", reply.text());
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}

/// A small disk of its own.
struct Disk(std::path::PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_refuses_pushes_loses_nothing_and_recovers() {
    let house = House::new();
    std::fs::create_dir(house.data()).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
        .arg(house.data())
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|s| s.success()) {
        println!("1 check not run: a small disk can only be mounted by root");
        return;
    }
    let disk = Disk(house.data());
    let server = house.start();
    let small = images::good("small");
    assert_eq!(server.push("app", "small", &small).status, 201);
    server.judged(&small.digest());
    let bytes: Vec<u8> = (0u32..6 << 20).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let large = image(vec![debian(OLD, "large"), images::layer(&images::tar(&[("noise", &bytes)]))]);
    let upload = server.begin("app");
    let reply = server.put(&upload, &sha(&large.layers[1].bytes), &large.layers[1].bytes);
    println!("disk full: {} {}", reply.status, reply.text());
    assert_eq!(reply.status, 507);
    assert!(reply.text().contains("disk is full"), "{}", reply.text());
    server.pulls("app", "small", &small);
    assert!(server.findings_of(&small.digest()) > 0);
    assert!(matches!(server.send("DELETE", &upload, &[], b"").status, 204 | 404));
    let begun = Instant::now();
    until("space is given back", || {
        let reply = server.send("POST", "/v2/app/blobs/uploads/", &[], b"");
        (reply.status == 202).then(|| server.send("DELETE", &crate::house::place(&reply), &[], b""))
    });
    println!("space is given back after {:?}", begun.elapsed());
    let again = images::good("again");
    assert_eq!(server.push("app", "again", &again).status, 201, "space is given back");
    server.judged(&again.digest());
    // Full to the last byte: not even a row can be written.
    let filler = house.data().join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let told = server.send("POST", "/v2/app/blobs/uploads/", &[], b"");
    println!("disk full to the last byte: {} {}", told.status, told.text());
    if told.status == 202 {
        let reply = server.put(&crate::house::place(&told), &sha(&large.layers[0].bytes), &large.layers[0].bytes);
        println!("    and the bytes: {} {}", reply.status, reply.text());
        assert_eq!(reply.status, 507, "{}", reply.text());
    } else {
        assert_eq!(told.status, 507, "{}", told.text());
    }
    server.pulls("app", "small", &small);
    server.kill();
    let listen = format!("127.0.0.1:{}", free_port());
    let mut starting = house
        .command(&["serve", "--offline", "--listen", &listen])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let _ = starting.kill();
    let said = starting.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    println!("start on a full disk: {said}");
    assert!(said.is_empty() || said.contains("make room"), "{said}");
    std::fs::remove_file(&filler).unwrap();
    Command::new("mount").args(["-o", "remount,size=256m"]).arg(&disk.0).status().unwrap();
    let server = house.start();
    for (tag, image) in [("small", &small), ("again", &again)] {
        server.pulls("app", tag, image);
    }
    assert_eq!(server.push("app", "large", &large).status, 201);
    server.judged(&large.digest());
    assert!(!server.log_text().contains("panicked"));
    drop(server);
}
