//! The registry beside another one: the same images pushed and pulled by skopeo, on the same disk, in turn.
//!
//! `cargo build --release && cargo bench -p lab --bench registry`. Wants skopeo and `docker-registry` (CNCF distribution).
//! `REGISTRY_ROUNDS=5` chooses how many rounds. Processor time is the server's, all its processes; wall time is skopeo's whole run.

use anyhow::{Context, bail};
use lab::pushes::{Body, layout};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MB: usize = 1_000_000;
const PASSWORD: &str = "bench-password-1";

fn main() -> anyhow::Result<()> {
    let rounds: usize = std::env::var("REGISTRY_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    println!("push and pull by skopeo on loopback, medians of {rounds} rounds in turn; CPU is the server's");
    println!(
        "{:<24} {:<26} {:>9} {:>10} {:>9} {:>10}",
        "images", "registry", "push s", "push CPU s", "pull s", "pull CPU s"
    );
    for (what, bytes, layers) in [("5 layers of 40 MB", 40 * MB, 5), ("1 layer of 200 MB", 200 * MB, 1)] {
        let body = Body::new(bytes)?;
        let servers = servers()?;
        let mut times: Vec<Vec<[f64; 4]>> = vec![Vec::new(); servers.len()];
        for round in 0..rounds {
            let image = tempfile::tempdir()?;
            layout(image.path(), &body, layers, &format!("r{bytes}x{round}"))?;
            for (server, times) in servers.iter().zip(&mut times) {
                times.push(server.round(image.path(), round)?);
            }
        }
        for (server, times) in servers.iter().zip(&times) {
            let [push, push_cpu, pull, pull_cpu] = [0, 1, 2, 3].map(|of| median(times.iter().map(|t| t[of]).collect()));
            println!("{what:<24} {:<26} {push:>9.2} {push_cpu:>10.2} {pull:>9.2} {pull_cpu:>10.2}", server.name);
        }
    }
    Ok(())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

struct Server {
    name: &'static str,
    child: Child,
    host: String,
    _data: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ours as a registry alone and with its scanner, and the other one where it is installed.
fn servers() -> anyhow::Result<Vec<Server>> {
    let here = std::env::current_exe()?;
    let binary = here.ancestors().map(|a| a.join("portwarden")).find(|p| p.is_file());
    let binary = binary.context("there is no release binary: run `cargo build --release` first")?;
    let mut servers = vec![
        portwarden("portwarden, registry only", &binary, &["--role", "registry"])?,
        portwarden("portwarden, scanning", &binary, &[])?,
    ];
    match distribution() {
        Ok(server) => servers.push(server),
        Err(error) => println!("distribution: not run, {error:#}"),
    }
    servers.iter().try_for_each(Server::ready)?;
    Ok(servers)
}

fn free_host() -> anyhow::Result<String> {
    Ok(format!("127.0.0.1:{}", std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()))
}

fn portwarden(name: &'static str, binary: &Path, roles: &[&str]) -> anyhow::Result<Server> {
    let (data, host) = (tempfile::tempdir()?, free_host()?);
    let mut command = Command::new(binary);
    command.arg("--data").arg(data.path()).args(["--quiet", "serve", "--offline", "--listen", &host]).args(roles);
    command.env("PORTWARDEN_ADMIN_PASSWORD", PASSWORD).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Server { name, child: command.spawn()?, host, _data: data })
}

fn distribution() -> anyhow::Result<Server> {
    let (data, host) = (tempfile::tempdir()?, free_host()?);
    let config: PathBuf = data.path().join("config.yml");
    let root = data.path().join("blobs");
    let text = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{host}\"}}\n",
        root.display()
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().context("docker-registry is not installed")?;
    Ok(Server { name: "distribution", child, host, _data: data })
}

impl Server {
    fn ready(&self) -> anyhow::Result<()> {
        for _ in 0..200 {
            if std::net::TcpStream::connect(&self.host).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        bail!("{} did not start", self.name)
    }

    /// Pushes an image, then pulls it; returns wall and processor time of both.
    fn round(&self, image: &Path, round: usize) -> anyhow::Result<[f64; 4]> {
        let (away, out) = (format!("docker://{}/bench/app:{round}", self.host), tempfile::tempdir()?);
        let login = format!("admin:{PASSWORD}");
        let (push, push_cpu) = self.timed(&[
            "copy",
            "-q",
            "--dest-tls-verify=false",
            "--dest-creds",
            &login,
            &format!("oci:{}", image.display()),
            &away,
        ])?;
        let (pull, pull_cpu) = self.timed(&[
            "copy",
            "-q",
            "--src-tls-verify=false",
            "--src-creds",
            &login,
            &away,
            &format!("dir:{}", out.path().display()),
        ])?;
        Ok([push, push_cpu, pull, pull_cpu])
    }

    fn timed(&self, arguments: &[&str]) -> anyhow::Result<(f64, f64)> {
        let (start, cpu) = (Instant::now(), self.cpu());
        let status = Command::new("skopeo").args(arguments).status().context("skopeo is not installed")?;
        if !status.success() {
            bail!("skopeo failed with {}", self.name);
        }
        let wall = start.elapsed().as_secs_f64();
        // What is done behind the answer, as a scan, is this server's too, and must not be the next one's noise.
        let mut before = -1.0;
        while self.cpu() > before {
            before = self.cpu();
            std::thread::sleep(Duration::from_millis(150));
        }
        Ok((wall, self.cpu() - cpu))
    }

    /// Processor seconds of the server and of all below it, those that have ended included.
    fn cpu(&self) -> f64 {
        let (mut all, mut at, mut ticks) = (vec![self.child.id()], 0, 0.0);
        while let Some(&pid) = all.get(at) {
            let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields = text.rsplit(") ").next().unwrap_or("").split(' ');
            ticks += fields.skip(11).take(4).filter_map(|f| f.parse::<f64>().ok()).sum::<f64>();
            for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let list = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
                all.extend(list.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            }
            at += 1;
        }
        ticks / 100.0
    }
}
