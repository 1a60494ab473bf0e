//! From a push to its findings, and a cold scan beside only unpacking and hashing the same bytes: with the real binary.
//!
//! `cargo build --release && cargo bench -p lab --bench walk`. `WALK_PUSHES=50` chooses how many pushes; `PORTWARDEN_TEST_IMAGES`
//! names a folder of OCI layouts for the cold scans; skopeo pushes. Every ratio is of one run: the two sides take turns. Words after
//! `--` choose parts by the start of their names: `cargo bench -p lab --bench walk -- layers-40 "all layers"`.

use anyhow::{Context, bail};
use aws_lc_rs::digest::{Context as Hash, SHA256};
use lab::pushes::{Body, layout};
use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MB: usize = 1_000_000;
/// Rounds of a cold scan and its baseline.
const ROUNDS: usize = 7;
/// Scans whose memory is looked at, which takes time of its own and so is not measured at once.
const LOOKS: usize = 3;

fn main() -> anyhow::Result<()> {
    let binary = binary()?;
    cold_scans(&binary)?;
    pushes(&binary)
}

/// The release binary beside this bench.
fn binary() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let found = here.ancestors().map(|a| a.join("portwarden")).find(|p| p.is_file());
    found.context("there is no release binary: run `cargo build --release` first")
}

/// Returns whether a part is to be run.
fn chosen(part: &str) -> bool {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    words.is_empty() || words.iter().any(|word| part.starts_with(word.as_str()))
}

fn percentile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * share).round() as usize]
}

// ---- cold scan

fn cold_scans(binary: &Path) -> anyhow::Result<()> {
    let Some(folder) = std::env::var_os("PORTWARDEN_TEST_IMAGES").map(PathBuf::from) else {
        println!("cold scans: not run, PORTWARDEN_TEST_IMAGES names no folder of layouts");
        return Ok(());
    };
    let data = tempfile::tempdir()?;
    println!(
        "cold scan of a layout, wall time, medians of {ROUNDS} rounds in turn; memory is the sum over all processes"
    );
    println!(
        "{:<24} {:>9} {:>12} {:>7} {:>9} {:>8}",
        "image", "scan s", "unpack+hash", "ratio", "CPU ratio", "peak MB"
    );
    for name in [
        "debian-bookworm-nosec",
        "layers-40",
        "python-app",
        "node-app",
        "deleted-package",
        "big-desktop",
        "big-npm",
        "hostile-bomb",
    ] {
        if !chosen(name) {
            continue;
        }
        let image = folder.join(name);
        if !image.join("index.json").exists() {
            println!("{name:<24} not there");
            continue;
        }
        let layers = layers(&image)?;
        let (mut scans, mut bases, mut ratios, mut cpus, mut peak) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0.0_f64);
        for _ in 0..ROUNDS {
            let cpu = children_cpu();
            let scan = scan(binary, data.path(), &image)?;
            let scan_cpu = children_cpu() - cpu;
            let cpu = own_cpu();
            let base = unpack_and_hash(&layers)?;
            let base_cpu = own_cpu() - cpu;
            ratios.push(scan / base);
            cpus.push(scan_cpu / base_cpu);
            scans.push(scan);
            bases.push(base);
        }
        for _ in 0..LOOKS {
            peak = peak.max(scan_memory(binary, data.path(), &image)?);
        }
        let half = |times: &mut Vec<f64>| percentile(times, 0.5);
        println!(
            "{name:<24} {:>9.3} {:>12.3} {:>7.2} {:>9.2} {peak:>8.0}",
            half(&mut scans),
            half(&mut bases),
            half(&mut ratios),
            half(&mut cpus)
        );
    }
    Ok(())
}

/// The files of the layers that an image of a layout has, through one level of index.
fn layers(image: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let blob = |digest: &str| image.join("blobs").join(digest.replace(':', "/"));
    let read =
        |path: &Path| -> anyhow::Result<serde_json::Value> { Ok(serde_json::from_slice(&std::fs::read(path)?)?) };
    let index = read(&image.join("index.json"))?;
    let mut out = Vec::new();
    for entry in index["manifests"].as_array().into_iter().flatten() {
        let manifest = read(&blob(entry["digest"].as_str().unwrap_or("")))?;
        for layer in manifest["layers"].as_array().into_iter().flatten() {
            out.push(blob(layer["digest"].as_str().unwrap_or("")));
        }
    }
    Ok(out)
}

/// Inflates and hashes layers, both the compressed and the plain bytes, one thread a core. gzip is inflated by zlib-rs, so that the
/// yardstick stays the same: the product's own code for it is faster.
fn unpack_and_hash(layers: &[PathBuf]) -> anyhow::Result<f64> {
    let start = Instant::now();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let cores = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let work = || {
            while let Some(layer) = layers.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                one(layer)?;
            }
            anyhow::Ok(())
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| anyhow::anyhow!("a thread broke"))?)
    })?;
    Ok(start.elapsed().as_secs_f64())
}

struct Hashed<R>(R, Hash);

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(buffer)?;
        self.1.update(&buffer[..n]);
        Ok(n)
    }
}

fn one(layer: &Path) -> anyhow::Result<()> {
    let mut head = [0; 4];
    let n = std::fs::File::open(layer)?.read(&mut head)?;
    let file = std::io::BufReader::with_capacity(256 << 10, Hashed(std::fs::File::open(layer)?, Hash::new(&SHA256)));
    let mut plain: Box<dyn Read> = match head.get(..n) {
        Some([0x1f, 0x8b, ..]) => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Some([0x28, 0xb5, 0x2f, 0xfd]) => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
        _ => Box::new(file),
    };
    let mut hash = Hash::new(&SHA256);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = plain.read(&mut buffer)?;
        if n == 0 {
            std::hint::black_box(hash.finish());
            return Ok(());
        }
        hash.update(&buffer[..n]);
    }
}

fn command(binary: &Path, data: &Path, image: &Path) -> Command {
    let mut command = Command::new(binary);
    command.arg("--data").arg(data).args(["scan", "--quiet", "--format", "jsonl"]).arg(image);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Scans once; returns seconds.
fn scan(binary: &Path, data: &Path, image: &Path) -> anyhow::Result<f64> {
    let start = Instant::now();
    command(binary, data, image).status()?;
    Ok(start.elapsed().as_secs_f64())
}

/// Scans once; returns the peak of the memory of all processes together, in MB.
fn scan_memory(binary: &Path, data: &Path, image: &Path) -> anyhow::Result<f64> {
    let mut child = command(binary, data, image).spawn()?;
    let mut peak = 0.0_f64;
    while child.try_wait()?.is_none() {
        peak = peak.max(tree(child.id()));
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(peak)
}

/// Memory of a process and all below it (proportional set size: shared pages count once), in MB.
fn tree(pid: u32) -> f64 {
    let (mut all, mut at) = (vec![pid.to_string()], 0);
    while let Some(pid) = all.get(at) {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let lists = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
        let below: Vec<String> =
            lists.flat_map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
        all.extend(below);
        at += 1;
    }
    all.iter().map(|pid| pss(pid)).sum()
}

fn pss(pid: &str) -> f64 {
    let read = |file: &str, name: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let line = text.lines().find(|l| l.starts_with(name)).map(str::to_owned);
        line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok())
    };
    read("smaps_rollup", "Pss:").or_else(|| read("status", "VmRSS:")).unwrap_or(0.0) / 1024.0
}

fn cpu(first: usize) -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(first) + ticks(first + 1)) / 100.0
}

fn own_cpu() -> f64 {
    cpu(11)
}

fn children_cpu() -> f64 {
    cpu(13)
}

// ---- push to findings

/// What the server says about an image that it judged: microseconds of reading layers after the manifest, matching, writing.
type Judged = Arc<Mutex<HashMap<String, [f64; 3]>>>;

struct Server {
    child: Child,
    host: String,
    password: String,
    judged: Judged,
    _data: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(binary: &Path) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let host = format!("127.0.0.1:{port}");
        let mut child = Command::new(binary)
            .arg("--data")
            .arg(data.path())
            .args(["--log", "json", "serve", "--offline", "--listen", &host])
            .env("PORTWARDEN_ADMIN_PASSWORD", "bench-password-1")
            .env("RUST_LOG", "error,scan::story=debug")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let judged = Judged::default();
        let (log, kept) = (child.stderr.take().context("no log")?, Arc::clone(&judged));
        std::thread::spawn(move || listen(log, &kept));
        let server = Self { child, host, password: "bench-password-1".into(), judged, _data: data };
        for _ in 0..200 {
            if server.get("/readyz").is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        bail!("the server did not start")
    }

    /// A plain HTTP/1.1 request on a connection of its own.
    fn get(&self, path: &str) -> anyhow::Result<String> {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(&self.host)?;
        let login =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("admin:{}", self.password));
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {login}\r\nConnection: close\r\n\r\n",
            self.host
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        match text.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
            _ => bail!("{path}: {}", text.lines().next().unwrap_or("no answer")),
        }
    }

    fn json(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        let body = self.get(path)?;
        let start = body.find('{').unwrap_or(0);
        let end = body.rfind('}').map_or(body.len(), |e| e + 1);
        Ok(serde_json::from_str(body.get(start..end).unwrap_or(""))?)
    }

    /// Asks until there are findings; returns when that was.
    fn seen(&self, path: &str) -> Option<i64> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(120) {
            let answer = self.json(path);
            if answer.is_ok_and(|a| a["total"].as_u64().unwrap_or(0) > 0) {
                return Some(now());
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        None
    }

    /// Pushes a layout with skopeo while another thread looks for its findings.
    fn push(&self, image: &Path, digest: &str, name: &str) -> anyhow::Result<Push> {
        let path = format!("/api/v1/findings?image={digest}&limit=1");
        std::thread::scope(|scope| {
            let seen = scope.spawn(|| self.seen(&path).with_context(|| format!("{name} was not judged in time")));
            let start = Instant::now();
            let status = Command::new("skopeo")
                .args(["copy", "-q", "--dest-tls-verify=false", "--dest-creds", &format!("admin:{}", self.password)])
                .arg(format!("oci:{}", image.display()))
                .arg(format!("docker://{}/{name}", self.host))
                .status()
                .context("skopeo is not installed")?;
            if !status.success() {
                bail!("skopeo failed on {name}");
            }
            let took = start.elapsed().as_secs_f64();
            let seen = seen.join().map_err(|_| anyhow::anyhow!("the watcher broke"))??;
            let events = self.json("/api/v1/events?limit=5")?;
            let of_this = |e: &&serde_json::Value| e["digest"] == digest && e["action"] == "push";
            let event =
                events["items"].as_array().into_iter().flatten().find(of_this).context("the push left no event")?;
            let at = model::Micros::parse(event["at"].as_str().unwrap_or("")).context("the event has no time")?;
            let parts = self.judged.lock().ok().and_then(|mut judged| judged.remove(digest));
            let [reading, matching, writing] = parts.context("the server did not say how long it took")?;
            Ok(Push { findings: (seen - at.0) as f64 / 1e3, reading, matching, writing, whole: took })
        })
    }
}

/// Times of one push.
struct Push {
    /// From the manifest's event to the first answer with findings, in ms.
    findings: f64,
    /// Of these: waiting for the layers, which are read while they arrive.
    reading: f64,
    matching: f64,
    writing: f64,
    /// The whole push, in seconds.
    whole: f64,
}

/// Keeps what a server's log says about the images that it judged.
fn listen(log: impl Read, judged: &Judged) {
    for line in std::io::BufReader::new(log).lines().map_while(Result::ok) {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let fields = &line["fields"];
        let Some(image) = fields["image"].as_str() else { continue };
        let times = ["reading", "matching", "writing"].map(|name| fields[name].as_f64().unwrap_or(0.0) / 1e3);
        if let Ok(mut judged) = judged.lock() {
            judged.insert(image.to_owned(), times);
        }
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

const NEW: [(&str, usize, usize, u32); 3] = [
    ("5 layers of 40 MB, all new", 40 * MB, 5, 500),
    ("1 layer of 200 MB, new", 200 * MB, 1, 1000),
    ("1 small layer, new", 100_000, 1, 500),
];
const KNOWN: [(&str, usize, usize); 2] =
    [("all layers known: 5 of 40 MB", 40 * MB, 5), ("all layers known: 1 small", 100_000, 1)];

fn pushes(binary: &Path) -> anyhow::Result<()> {
    let runs: usize = std::env::var("WALK_PUSHES").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    if !NEW.iter().map(|c| c.0).chain(KNOWN.iter().map(|c| c.0)).any(chosen) {
        return Ok(());
    }
    let server = Server::start(binary)?;
    println!("\nmanifest PUT -> findings readable through the API, pushed by skopeo, embedded defaults, n={runs}");
    println!(
        "reading, matching, writing are parts of it, p95: layers are read while they arrive, what is left is waited for"
    );
    println!(
        "{:<30} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>12}",
        "image", "p50 ms", "p95 ms", "max ms", "reading", "matching", "writing", "push p50 s"
    );
    for (what, bytes, layers, bar) in NEW.into_iter().filter(|case| chosen(case.0)) {
        let body = Body::new(bytes)?;
        let mut times = Vec::new();
        for run in 0..runs {
            let folder = tempfile::tempdir()?;
            let digest = layout(folder.path(), &body, layers, &format!("u{bytes}x{run}"))?;
            times.push(server.push(folder.path(), digest.as_str(), &format!("bench/b{bytes}:{run}"))?);
        }
        report(what, &times, bar);
    }
    // The same layers under other configurations: nothing is read anew.
    for (what, bytes, layers) in KNOWN.into_iter().filter(|case| chosen(case.0)) {
        let folder = tempfile::tempdir()?;
        let digest = layout(folder.path(), &Body::new(bytes)?, layers, &format!("k{bytes}"))?;
        server.push(folder.path(), digest.as_str(), &format!("bench/known{bytes}:first"))?;
        let mut times = Vec::new();
        for run in 0..runs {
            let digest = relabel(folder.path(), run)?;
            times.push(server.push(folder.path(), digest.as_str(), &format!("bench/known{bytes}:{run}"))?);
        }
        report(what, &times, 50);
    }
    println!("memory of the server after all of it: {:.0} MB", tree(server.child.id()));
    Ok(())
}

fn report(what: &str, pushes: &[Push], bar: u32) {
    let at = |share: f64, of: fn(&Push) -> f64| percentile(&mut pushes.iter().map(of).collect::<Vec<_>>(), share);
    let [p50, p95, max] = [0.5, 0.95, 1.0].map(|share| at(share, |push| push.findings));
    let [reading, matching, writing] =
        [at(0.95, |push| push.reading), at(0.95, |push| push.matching), at(0.95, |push| push.writing)];
    println!(
        "{what:<30} {p50:>8.0} {p95:>8.0} {max:>8.0} {reading:>9.1} {matching:>9.1} {writing:>9.1} {:>12.2}   (bar {bar} ms)",
        at(0.5, |push| push.whole)
    );
}

/// Makes another image of the layers of a layout: the same layers, another label.
fn relabel(folder: &Path, run: usize) -> anyhow::Result<model::Digest> {
    let blob = |digest: &str| folder.join("blobs").join(digest.replace(':', "/"));
    let read =
        |path: &Path| -> anyhow::Result<serde_json::Value> { Ok(serde_json::from_slice(&std::fs::read(path)?)?) };
    let put = |value: &serde_json::Value| -> anyhow::Result<(model::Digest, usize)> {
        let bytes = value.to_string().into_bytes();
        let digest = model::Digest::sha256(&bytes);
        std::fs::write(blob(digest.as_str()), &bytes)?;
        Ok((digest, bytes.len()))
    };
    let mut index = read(&folder.join("index.json"))?;
    let mut manifest = read(&blob(index["manifests"][0]["digest"].as_str().unwrap_or("")))?;
    let mut config = read(&blob(manifest["config"]["digest"].as_str().unwrap_or("")))?;
    config["config"] = serde_json::json!({"Labels": {"run": run.to_string()}});
    let (digest, size) = put(&config)?;
    manifest["config"]["digest"] = digest.as_str().into();
    manifest["config"]["size"] = size.into();
    let (digest, size) = put(&manifest)?;
    index["manifests"][0]["digest"] = digest.as_str().into();
    index["manifests"][0]["size"] = size.into();
    std::fs::write(folder.join("index.json"), index.to_string())?;
    Ok(digest)
}
