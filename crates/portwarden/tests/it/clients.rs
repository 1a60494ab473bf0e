//! The clients that people use push and pull, over plain HTTP and over TLS with the installation's own authority.

use crate::hostile::write_layout;
use crate::house::{House, Server};
use crate::images::{self, Image, sha};
use crate::tls;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A client, by the name of its program.
type Walk = fn(&Trial);
const CLIENTS: [(&str, Walk); 4] = [("skopeo", skopeo), ("podman", podman), ("crane", crane), ("oras", oras)];

/// One client against one server.
struct Trial<'a> {
    client: &'static str,
    host: String,
    layout: PathBuf,
    image: &'a Image,
    folder: PathBuf,
    /// The folder of the authority, where the server speaks TLS.
    authority: Option<PathBuf>,
}

impl Trial<'_> {
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.client);
        command.args(arguments).stdin(Stdio::null()).current_dir(&self.folder);
        command.env("HOME", &self.folder).env("XDG_RUNTIME_DIR", &self.folder).env_remove("DOCKER_CONFIG");
        if let Some(authority) = &self.authority {
            command.env("SSL_CERT_FILE", authority.join("ca.crt"));
        }
        command.output().unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = [output.stdout.as_slice(), &output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "{} {arguments:?}: {text}", self.client);
        text
    }

    /// The flags that a client wants for this server's kind of connection.
    fn flags(&self, plain: &str, folder: &str) -> Vec<String> {
        match &self.authority {
            None => plain.split_whitespace().map(str::to_owned).collect(),
            Some(authority) => vec![folder.replace("DIR", authority.to_str().unwrap())],
        }
    }

    /// The image came back as it was pushed.
    fn same(&self, layout: &Path) {
        let manifest = layout.join("blobs/sha256").join(&self.image.digest()[7..]);
        assert_eq!(std::fs::read(&manifest).unwrap(), self.image.manifest, "{}", self.client);
        for blob in self.image.blobs() {
            assert_eq!(std::fs::read(layout.join("blobs/sha256").join(&sha(blob)[7..])).unwrap(), blob);
        }
    }
}

fn words(parts: &[&[String]]) -> Vec<String> {
    parts.concat()
}

fn line(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn told(trial: &Trial, parts: &[&[String]]) -> String {
    let words = words(parts);
    trial.done(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn skopeo(trial: &Trial) {
    let (host, layout) = (&trial.host, trial.layout.display());
    let to = trial.flags("--dest-tls-verify=false", "--dest-cert-dir=DIR");
    told(
        trial,
        &[
            &line("--insecure-policy copy --dest-creds admin:secret"),
            &to,
            &line(&format!("oci:{layout} docker://{host}/skopeo:1")),
        ],
    );
    let from = trial.flags("--src-tls-verify=false", "--src-cert-dir=DIR");
    told(
        trial,
        &[
            &line("--insecure-policy copy --src-creds admin:secret"),
            &from,
            &line(&format!("docker://{host}/skopeo:1 oci:back")),
        ],
    );
    trial.same(&trial.folder.join("back"));
}

fn podman(trial: &Trial) {
    let host = &trial.host;
    let own = line("--root store --runroot run --storage-driver vfs --cgroup-manager cgroupfs --events-backend none");
    let policy = trial.folder.join("policy.json");
    std::fs::write(&policy, r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
    let policy = line(&format!("--signature-policy {}", policy.display()));
    let speak = trial.flags("--tls-verify=false", "--cert-dir=DIR");
    let pulled = told(trial, &[&own, &line("pull"), &policy, &line("oci:layout")]);
    let id = pulled.lines().rev().find(|l| l.len() == 64).expect("an image id").to_owned();
    told(
        trial,
        &[&own, &line("push --creds admin:secret"), &policy, &speak, &line(&format!("{id} docker://{host}/podman:1"))],
    );
    told(trial, &[&own, &line(&format!("rmi --force {id}"))]);
    told(trial, &[&own, &line("pull --creds admin:secret"), &policy, &speak, &line(&format!("{host}/podman:1"))]);
    let listed = told(trial, &[&own, &line("images --no-trunc")]);
    assert!(listed.contains(&format!("{host}/podman")), "{listed}");
}

fn crane(trial: &Trial) {
    let (host, layout) = (&trial.host, trial.layout.display());
    told(trial, &[&line(&format!("auth login {host} -u admin -p secret"))]);
    told(trial, &[&line(&format!("push {layout} {host}/crane:1"))]);
    assert_eq!(told(trial, &[&line(&format!("digest {host}/crane:1"))]).trim(), trial.image.digest());
    assert_eq!(told(trial, &[&line(&format!("ls {host}/crane"))]).trim(), "1");
    told(trial, &[&line(&format!("copy {host}/crane:1 {host}/crane-copy:2"))]);
    told(trial, &[&line(&format!("pull --format oci {host}/crane-copy:2 back"))]);
    trial.same(&trial.folder.join("back"));
    told(trial, &[&line(&format!("delete {host}/crane-copy@{}", trial.image.digest()))]);
}

fn oras(trial: &Trial) {
    let (host, layout, digest) = (&trial.host, trial.layout.display(), trial.image.digest());
    let login = line("--username admin --password secret");
    let speak = match &trial.authority {
        None => line("--plain-http"),
        Some(authority) => line(&format!("--plain-http=false --ca-file {}", authority.join("ca.crt").display())),
    };
    let side = |side: &str, flags: &[String]| -> Vec<String> {
        flags.iter().map(|f| f.replace("--", &format!("--{side}-"))).collect()
    };
    let (to, from) = ([login.clone(), speak.clone()].concat(), [login.clone(), speak.clone()].concat());
    told(trial, &[&line("cp --from-oci-layout"), &side("to", &to), &line(&format!("{layout}@{digest} {host}/oras:1"))]);
    std::fs::write(trial.folder.join("note.txt"), "a note").unwrap();
    told(
        trial,
        &[
            &line("attach --artifact-type application/vnd.example.note"),
            &login,
            &speak,
            &line(&format!("{host}/oras:1 note.txt:text/plain")),
        ],
    );
    let tree = told(trial, &[&line("discover"), &login, &speak, &line(&format!("{host}/oras:1"))]);
    assert!(tree.contains("application/vnd.example.note"), "{tree}");
    told(trial, &[&line("cp --to-oci-layout"), &side("from", &from), &line(&format!("{host}/oras:1 back:1"))]);
    trial.same(&trial.folder.join("back"));
}

fn is_here(client: &str) -> bool {
    let mut version = Command::new(client);
    version.arg(if client.starts_with("cr") || client == "oras" { "version" } else { "--version" });
    version.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Every client that is here, one after the other; says which are not.
fn walk(house: &House, server: &Server, authority: Option<&Path>) {
    let kind = if authority.is_some() { "TLS" } else { "plain HTTP" };
    let missing: Vec<&str> = CLIENTS.iter().map(|(client, _)| *client).filter(|client| !is_here(client)).collect();
    if !missing.is_empty() {
        println!("{} checks not run over {kind}: no {}", missing.len(), missing.join(", no "));
    }
    for (client, walk) in CLIENTS.into_iter().filter(|(client, _)| !missing.contains(client)) {
        let image = images::good(&format!("{client} {kind}"));
        let folder = house.folder.path().join(client);
        std::fs::create_dir(&folder).unwrap();
        let trial = Trial {
            client,
            host: format!("localhost:{}", server.port),
            layout: folder.join("layout"),
            image: &image,
            folder,
            authority: authority.map(|file| file.parent().unwrap().to_owned()),
        };
        write_layout(&trial.layout, &image);
        let begun = std::time::Instant::now();
        walk(&trial);
        println!("{client} over {kind}: pushed, pulled, the same ({:?})", begun.elapsed());
    }
    assert!(!server.log_text().contains("panicked"));
}

#[test]
fn the_usual_clients_push_and_pull_over_plain_http() {
    let house = House::new();
    let server = house.start();
    walk(&house, &server, None);
}

#[test]
fn the_usual_clients_push_and_pull_over_tls_with_the_own_authority() {
    let house = House::new();
    let authority = house.data().join("tls/ca.crt");
    let server = tls::start(&house, "auto", &authority);
    walk(&house, &server, Some(&authority));
}
