//! Hostile images among good ones: each gets the verdict that it deserves, and nobody else is hurt.
//!
//! With `PORTWARDEN_TEST_IMAGES`, a folder of OCI layouts, those named `hostile-*` as well, scanned and pushed.

use crate::feeds;
use crate::house::{House, Server, children_of, until};
use crate::http::Reply;
use crate::images::{
    self, GZIP, Image, Layer, OLD, OS_RELEASE, debian, entry, gzip, image, layer, sha, tar, with_config,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What becomes of an image.
#[derive(Debug)]
enum Want {
    /// Refused at the push with this status; nothing is kept.
    Refused(u16),
    /// Verdict and reason codes; packages that must be there, and how many in all.
    Judged(&'static str, &'static [&'static str], usize),
    /// Kept, and not an image.
    Accessory,
}
use Want::{Accessory, Judged, Refused};

struct Row {
    name: &'static str,
    image: Image,
    want: Want,
}

fn raw(bytes: Vec<u8>, diff_id: String) -> Layer {
    Layer { media_type: GZIP.into(), bytes, diff_id }
}

fn base() -> Vec<(&'static str, Vec<u8>)> {
    vec![("etc/os-release", OS_RELEASE.into()), ("var/lib/dpkg/status", images::status(OLD).into_bytes())]
}

/// A layer with the ordinary packages and whatever else is written behind them.
fn with(more: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, data) in base() {
        entry(&mut out, name.as_bytes(), b'0', b"", &data);
    }
    more(&mut out);
    out.resize(out.len() + 1024, 0);
    out
}

fn tars() -> Vec<Row> {
    let forged = images::status(&[("forged", "1")]);
    let outside = with(|out| {
        entry(out, b"../../../../portwarden-escaped", b'0', b"", b"x");
        entry(out, b"/portwarden-escaped", b'0', b"", b"x");
        entry(out, b"etc/evil", b'2', b"/", b"");
        entry(out, b"etc/evil/portwarden-escaped", b'0', b"", b"x");
        entry(out, b"etc/hard", b'1', b"../../../../etc/passwd", b"");
        entry(out, b"dev/sda", b'4', b"", b"");
        entry(out, b"run/fifo", b'6', b"", b"");
    });
    let database_outside = {
        let mut out = Vec::new();
        entry(&mut out, b"/etc/os-release", b'0', b"", OS_RELEASE.as_bytes());
        entry(&mut out, b"../../var/lib/dpkg/status", b'0', b"", images::status(OLD).as_bytes());
        out.resize(out.len() + 1024, 0);
        out
    };
    let twice = with(|out| entry(out, b"var/lib/dpkg/status", b'0', b"", forged.as_bytes()));
    let names = with(|out| {
        for name in ["usr/\u{1b}[31mred", "usr/\u{202e}evil", "usr/new\nline", "usr/a\u{200b}b"] {
            entry(out, name.as_bytes(), b'0', b"", b"x");
        }
        entry(out, b"usr/\xff\xfe", b'0', b"", b"x");
    });
    let mut wrong_sum = with(|_| {});
    wrong_sum[150] ^= 1;
    let row = |name, tar: Vec<u8>, want| Row { name, image: image(vec![layer(&tar)]), want };
    vec![
        row("names that lead outside, links, devices", outside, Judged("complete", &[], 3)),
        row("a database under names that lead outside", database_outside, Judged("complete", &[], 3)),
        row("the database twice, the last one counts", twice, Judged("complete", &[], 1)),
        row("names with escapes, bidi, newline, no UTF-8", names, Judged("complete", &[], 3)),
        row("a wrong checksum in the tar", wrong_sum, Judged("failed", &["layer-unreadable"], 0)),
        row(
            "whiteouts of the root and of nothing",
            with(|out| {
                for name in [".wh..wh..opq", ".wh.", "etc/.wh...", "etc/.wh.."] {
                    entry(out, name.as_bytes(), b'0', b"", b"");
                }
            }),
            Judged("complete", &[], 3),
        ),
    ]
}

fn compression() -> Vec<Row> {
    let plain = with(|_| {});
    let zipped = gzip(&plain);
    let mut bad_crc = zipped.clone();
    let crc = bad_crc.len() - 6;
    bad_crc[crc] ^= 0xff;
    let large = with(|out| entry(out, b"noise", b'0', b"", &vec![7; 1 << 20]));
    let cut = gzip(&large)[..gzip(&large).len() / 2].to_vec();
    let inner = [zipped.clone(), zipped.clone(), zipped.clone(), zipped.clone()].concat();
    let text = b"hello, this is no layer; ".repeat(100);
    let mut xz = b"\xfd7zXZ\0".to_vec();
    xz.extend_from_slice(&zipped);
    let row = |name, layers: Vec<Layer>, want| Row { name, image: image(layers), want };
    vec![
        row("a diff id that lies", vec![raw(zipped.clone(), sha(b"another"))], Judged("failed", &["diff-id"], 0)),
        row(
            "a truncated layer",
            vec![debian(OLD, "cut"), raw(cut, sha(&large))],
            Judged("gaps", &["layer-truncated"], 3),
        ),
        row("a bad CRC", vec![raw(bad_crc, sha(&plain))], Judged("failed", &["layer-unreadable"], 0)),
        row(
            "a compression that is not supported",
            vec![raw(xz, sha(&plain))],
            Judged("unsupported", &["compression-unsupported"], 0),
        ),
        row(
            "two gigabytes of zeros",
            vec![debian(OLD, "bomb"), images::zeros(2048, "bomb")],
            Judged("complete", &[], 3),
        ),
        row("gzip in gzip", vec![raw(gzip(&inner), sha(&inner))], Judged("failed", &["layer-unreadable"], 0)),
        row("not an archive at all", vec![raw(text.clone(), sha(&text))], Judged("failed", &["layer-unreadable"], 0)),
    ]
}

fn manifests() -> Vec<Row> {
    let good = |salt: &str| image(vec![debian(OLD, salt)]);
    let with_manifest = |salt: &str, change: &dyn Fn(&mut Value)| {
        let mut image = good(salt);
        let mut manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
        change(&mut manifest);
        image.manifest = manifest.to_string().into_bytes();
        image
    };
    let mut deep = good("deep");
    deep.manifest =
        [b"{\"schemaVersion\":2,\"x\":".to_vec(), vec![b'['; 100_000], vec![b']'; 100_000], b"}".to_vec()].concat();
    let both = with_manifest("both", &|m| m["manifests"] = json!([]));
    let missing = with_manifest("missing", &|m| m["config"]["digest"] = json!(sha(b"never pushed")));
    let negative = with_manifest("negative", &|m| m["layers"][0]["size"] = json!(-1));
    let size = with_manifest("size", &|m| m["layers"][0]["size"] = json!(7));
    let foreign = with_manifest("foreign", &|m| {
        m["layers"]
            .as_array_mut()
            .unwrap()
            .push(json!({"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "digest": sha(b"elsewhere"), "size": 9, "urls": ["http://169.254.169.254/latest/meta-data/"]}));
    });
    let mut large = good("large");
    large.manifest.extend(vec![b' '; 5 << 20]);
    let copies = vec![debian(OLD, "copies"); 500];
    let no_json = with_config(vec![debian(OLD, "nojson")], b"this is no JSON".to_vec(), images::CONFIG);
    let one = debian(OLD, "windows");
    let windows = with_config(
        vec![one.clone()],
        images::config("windows", &[one.diff_id]).to_string().into_bytes(),
        images::CONFIG,
    );
    let chart = with_config(
        vec![Layer {
            media_type: "application/vnd.cncf.helm.chart.content.v1.tar+gzip".into(),
            ..debian(&[], "chart")
        }],
        br#"{"name":"chart"}"#.to_vec(),
        "application/vnd.cncf.helm.config.v1+json",
    );
    let attestation = image(vec![Layer {
        media_type: "application/vnd.in-toto+json".into(),
        bytes: b"{}".to_vec(),
        diff_id: sha(b"{}"),
    }]);
    let row = |name, image, want| Row { name, image, want };
    vec![
        row("JSON 100,000 deep", deep, Refused(400)),
        row("both layers and manifests", both, Refused(400)),
        row("a configuration that is not there", missing, Refused(400)),
        row("a negative size", negative, Refused(400)),
        row("a size that lies", size, Judged("failed", &["size"], 0)),
        row("a manifest of 5 MB", large, Refused(413)),
        row("a foreign layer at an internal address", foreign, Judged("gaps", &["diff-id", "foreign-layer"], 3)),
        row("500 copies of one layer", image(copies), Judged("complete", &[], 3)),
        row("no layers at all", image(vec![]), Judged("gaps", &["no-packages"], 0)),
        row("a configuration that is no JSON", no_json, Judged("gaps", &["config"], 3)),
        row("Windows", windows, Judged("unsupported", &["os-windows"], 0)),
        row("a Helm chart", chart, Accessory),
        row("an attestation", attestation, Accessory),
    ]
}

fn packages() -> Vec<Row> {
    let without = layer(&tar(&[("var/lib/dpkg/.wh.status", b"")]));
    let mut line = images::status(OLD);
    line.push_str("Package: long\nStatus: install ok installed\nVersion: 1\nDescription: ");
    line.push_str(&"x".repeat(8 << 20));
    line.push('\n');
    let long = tar(&[("etc/os-release", OS_RELEASE.as_bytes()), ("var/lib/dpkg/status", line.as_bytes())]);
    let names = images::status(&[("../../evil", "1"), ("<script>alert(1)</script>", "1"), ("\u{1b}[31mred", "1")]);
    let names = tar(&[("etc/os-release", OS_RELEASE.as_bytes()), ("var/lib/dpkg/status", names.as_bytes())]);
    let forged = "ID=\u{1b}[31mforged\u{202e}\nVERSION_ID=\"$(id)\"\nNAME=<script>\n";
    let forged = tar(&[("etc/os-release", forged.as_bytes()), ("var/lib/dpkg/status", images::status(OLD).as_bytes())]);
    let nameless = tar(&[("var/lib/dpkg/status", images::status(OLD).as_bytes())]);
    let fedora = "ID=fedora\nVERSION_ID=40\n";
    let sqlite = [b"SQLite format 3\0".to_vec(), vec![0xff; 8192]].concat();
    let rpm = tar(&[("etc/os-release", fedora.as_bytes()), ("usr/lib/sysimage/rpm/rpmdb.sqlite", &sqlite)]);
    let row = |name, layers, want| Row { name, image: image(layers), want };
    vec![
        row(
            "the database deleted by a whiteout",
            vec![debian(OLD, "deleted"), without],
            Judged("gaps", &["no-packages"], 0),
        ),
        row("one huge line in the database", vec![layer(&long)], Judged("complete", &[], 4)),
        row("package names with tags, escapes and paths", vec![layer(&names)], Judged("complete", &[], 3)),
        row("a forged os-release", vec![layer(&forged)], Judged("gaps", &["distro-unsupported"], 3)),
        row("no os-release", vec![layer(&nameless)], Judged("gaps", &["distro-unknown"], 3)),
        row("a damaged rpm database", vec![layer(&rpm)], Judged("gaps", &["no-packages", "package-database"], 0)),
    ]
}

/// The most memory that a process and all below it held together, looked at every few milliseconds.
struct Memory {
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Memory {
    fn watch(parent: u32) -> Self {
        let (peak, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, end) = (Arc::clone(&peak), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let starters = children_of(parent);
                let readers: Vec<u32> = starters.iter().copied().flat_map(children_of).collect();
                let all = readers.into_iter().chain(starters).chain([parent]);
                seen.fetch_max(all.map(resident).sum(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { peak, stop }
    }
    fn megabytes(&self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.peak.load(Ordering::Relaxed) >> 20
    }
}

fn resident(process: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn house_with_feeds() -> House {
    let house = House::new();
    let tree = house.folder.path().join("feeds");
    feeds::write(&tree, &["openssl", "curl", "expat"], 2024, 3);
    feeds::update(&house, &tree);
    house
}

/// Pushes what can be pushed; a layer that the registry refuses ends the push.
fn push(server: &Server, repository: &str, image: &Image) -> Reply {
    server.push(repository, "1", image)
}

fn shown(image: &Value) -> String {
    let reasons =
        image["reasons"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    format!("{} [{}] {} packages", image["verdict"].as_str().unwrap(), reasons.join(","), image["packages"])
}

/// Returns what happened, and whether it is what was wanted.
fn outcome(server: &Server, row: &Row, reply: &Reply) -> (String, bool) {
    if let Refused(status) = row.want {
        let told = reply.text();
        let named = told.contains("\"code\"") && told.contains("\"message\"");
        return (
            format!("refused {}: {}", reply.status, told.chars().take(160).collect::<String>()),
            reply.status == status && named,
        );
    }
    if reply.status != 201 {
        return (format!("refused {}: {}", reply.status, reply.text()), false);
    }
    let digest = row.image.digest();
    if matches!(row.want, Accessory) {
        let image = until("the accessory is settled", || {
            server.image(&digest).map_or(Some(Value::Null), |i| (i["work"] == "idle").then_some(i))
        });
        let fine = image.is_null() || image["coverage"] == "accessory";
        return (format!("accessory {}", image["verdict"]), fine && image["verdict"] != "failed");
    }
    let image = server.judged(&digest);
    let Judged(verdict, codes, packages) = row.want else { return (shown(&image), false) };
    let reasons: Vec<&str> = image["reasons"].as_array().unwrap().iter().map(|r| r.as_str().unwrap()).collect();
    let fine =
        image["verdict"] == verdict && reasons == codes && image["packages"].as_u64().unwrap_or(0) == packages as u64;
    (shown(&image), fine)
}

#[test]
fn a_hostile_image_gets_its_verdict_and_hurts_no_other() {
    let house = house_with_feeds();
    let server = house.start();
    let memory = Memory::watch(server.child.id());
    let rows: Vec<Row> = [tars(), compression(), manifests(), packages()].into_iter().flatten().collect();
    let mut pushed = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        let reply = push(&server, &format!("hostile/{n}"), &row.image);
        let good = images::good(&format!("among {n}"));
        assert_eq!(push(&server, &format!("good/{n}"), &good).status, 201);
        // The good image is judged, whatever the hostile one before it is doing.
        let judged = server.judged(&good.digest());
        assert_eq!(
            (judged["verdict"].as_str(), server.findings_of(&good.digest())),
            (Some("complete"), 9),
            "beside {}",
            row.name
        );
        pushed.push(reply);
    }
    let mut wrong = Vec::new();
    for (row, reply) in rows.iter().zip(&pushed) {
        let (told, fine) = outcome(&server, row, reply);
        println!("{} {:<45} {told}", if fine { "ok   " } else { "WRONG" }, row.name);
        if !fine {
            wrong.push(format!("{}: {told}, wanted {:?}", row.name, row.want));
        }
    }
    println!("peak memory of all processes: {} MB", memory.megabytes());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!std::path::Path::new("/portwarden-escaped").exists());
    assert!(!server.log_text().contains("panicked"));
    assert_eq!(server.get("/jobs")["items"], json!([]), "work that never ends");
}

#[test]
fn hostile_text_of_an_image_reaches_no_terminal() {
    let house = house_with_feeds();
    let mut out = Vec::new();
    entry(&mut out, b"etc/os-release", b'0', b"", b"ID=debian\nVERSION_ID=\x1b[31m\nPRETTY_NAME=\"\x1b]0;x\x07\"\n");
    entry(&mut out, b"var/lib/dpkg/status", b'0', b"", images::status(&[("openssl", "1\u{202e}\u{1b}[2J")]).as_bytes());
    entry(
        &mut out,
        "app/node_modules/\u{1b}[31mx/package.json".as_bytes(),
        b'0',
        b"",
        "{\"name\":\"\u{1b}[31mx\u{202e}\",\"version\":\"1.0.0\"}".as_bytes(),
    );
    out.resize(out.len() + 1024, 0);
    let layout = house.folder.path().join("layout");
    write_layout(&layout, &image(vec![layer(&out)]));
    for format in ["table", "json", "csv", "jsonl"] {
        let done = house.run(&["scan", layout.to_str().unwrap(), "--packages", "--all", "--format", format]);
        let text = [done.stdout, done.stderr].concat();
        assert!(!text.contains(&0x1b), "{format}: {}", String::from_utf8_lossy(&text));
        let bidi = String::from_utf8_lossy(&text).contains('\u{202e}');
        assert!(!bidi || format != "table", "{format}");
    }
}

/// Writes an OCI layout.
pub fn write_layout(folder: &std::path::Path, image: &Image) {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    for blob in image.blobs().into_iter().chain([image.manifest.as_slice()]) {
        std::fs::write(blobs.join(&sha(blob)[7..]), blob).unwrap();
    }
    let index = json!({"schemaVersion": 2, "manifests": [images::descriptor(&image.media_type, &image.manifest)]});
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

#[test]
fn the_hostile_layouts_of_the_test_images_end_in_a_verdict_or_a_refusal() {
    let Some(folder) = std::env::var_os("PORTWARDEN_TEST_IMAGES") else {
        println!("1 check not run: no test data (PORTWARDEN_TEST_IMAGES)");
        return;
    };
    let house = house_with_feeds();
    let server = house.start();
    let memory = Memory::watch(server.child.id());
    let mut layouts: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|e| e.path()).collect();
    layouts.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("hostile-")));
    layouts.sort();
    for layout in layouts {
        let name = layout.file_name().unwrap().to_string_lossy().into_owned();
        let begun = std::time::Instant::now();
        let scanned = house.run(&["--quiet", "scan", layout.to_str().unwrap()]);
        let text = String::from_utf8_lossy(&[scanned.stdout, scanned.stderr].concat()).into_owned();
        assert!(!text.contains("panicked"), "{text}");
        println!("{name}: scan ends with {:?} after {:?}\n{text}", scanned.status.code(), begun.elapsed());
        for (digest, bytes, media_type) in manifests_of(&layout) {
            let pushed = push_layout(&server, &format!("layouts/{name}"), &layout, &bytes, &media_type);
            println!("{name}: push of {digest}: {pushed}");
            let good = images::good(&digest);
            assert_eq!(server.push("beside", &digest[7..20], &good).status, 201);
            assert_eq!(server.judged(&good.digest())["verdict"], "complete", "beside {name}");
        }
    }
    println!("peak memory of all processes: {} MB", memory.megabytes());
    assert!(!server.log_text().contains("panicked"));
}

/// The manifests of a layout, those of images alone.
fn manifests_of(layout: &std::path::Path) -> Vec<(String, Vec<u8>, String)> {
    let mut left = vec![std::fs::read(layout.join("index.json")).unwrap()];
    let mut found: Vec<(String, Vec<u8>, String)> = Vec::new();
    while let Some(index) = left.pop() {
        let index: Value = serde_json::from_slice(&index).unwrap();
        for entry in index["manifests"].as_array().into_iter().flatten() {
            let digest = entry["digest"].as_str().unwrap().to_owned();
            let bytes = std::fs::read(layout.join("blobs/sha256").join(&digest[7..])).unwrap_or_default();
            let media_type = entry["mediaType"].as_str().unwrap_or(images::MANIFEST).to_owned();
            match media_type.contains("index") {
                true if !bytes.is_empty() => left.push(bytes),
                _ => found.push((digest, bytes, media_type)),
            }
        }
    }
    found
}

/// Pushes a manifest of a layout with all blobs that it can; tells what became of it.
fn push_layout(
    server: &Server,
    repository: &str,
    layout: &std::path::Path,
    manifest: &[u8],
    media_type: &str,
) -> String {
    let parsed: Value = serde_json::from_slice(manifest).unwrap_or_default();
    let mut names: Vec<Value> = parsed["layers"].as_array().cloned().unwrap_or_default();
    names.push(parsed["config"].clone());
    for name in names.iter().filter_map(|n| n["digest"].as_str()).filter(|n| n.len() == 71) {
        let Ok(bytes) = std::fs::read(layout.join("blobs/sha256").join(&name[7..])) else { continue };
        let upload = server.begin(repository);
        let reply = server.put(&upload, name, &bytes);
        if reply.status != 201 {
            return format!("blob refused {}: {}", reply.status, reply.text());
        }
    }
    let reply = server.send(
        "PUT",
        &format!("/v2/{repository}/manifests/{}", sha(manifest)),
        &[("Content-Type", media_type)],
        manifest,
    );
    if reply.status != 201 {
        return format!("manifest refused {}: {}", reply.status, reply.text().chars().take(150).collect::<String>());
    }
    shown(&server.judged(&sha(manifest)))
}
