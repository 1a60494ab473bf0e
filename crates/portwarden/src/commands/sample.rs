//! The sample image: made in code, pushed through the real registry, so that there is something to see.
//!
//! A Debian 12 with old packages, and a Python and a Node application. Facts only: names and versions, no program.
//! Each package has an advisory that is built in (`advisory::starter`), so it has findings without any network.

use crate::settings::Settings;
use anyhow::Context;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use model::Digest;
use oci::{Client, Location, Options};
use server::{Handle, SampleImage};
use std::time::{Duration, Instant};
use store::Store;
use tokio::net::TcpListener;

/// Debian packages: name, version, source.
const DEBIAN: &[(&str, &str, &str)] = &[
    ("base-files", "12.4+deb12u4", "base-files"),
    ("libc6", "2.36-9+deb12u3", "glibc"),
    ("libssl3", "3.0.11-1~deb12u2", "openssl"),
    ("openssl", "3.0.11-1~deb12u2", "openssl"),
    ("libcurl4", "7.88.1-10+deb12u4", "curl"),
    ("curl", "7.88.1-10+deb12u4", "curl"),
    ("libexpat1", "2.5.0-1", "expat"),
];
/// PyPI packages.
const PYTHON: &[(&str, &str)] = &[("Jinja2", "3.1.2"), ("urllib3", "1.26.16")];
/// npm packages.
const NODE: &[(&str, &str)] = &[("lodash", "4.17.20"), ("minimist", "1.2.5")];

/// The repository that the sample is pushed to.
const REPOSITORY: &str = "sample/shop";

/// Pushes the sample and prints its findings once it is judged; a failure is logged.
pub async fn show(settings: Settings, store: Store, handle: Handle, url: String, made: Option<String>) {
    if let Err(error) = shown(&settings, &store, &handle, &url, made).await {
        tracing::error!("the sample could not be shown: {}", crate::output::chain(&error));
    }
}

async fn shown(
    settings: &Settings,
    store: &Store,
    handle: &Handle,
    url: &str,
    made: Option<String>,
) -> anyhow::Result<()> {
    let file = settings.data.join("admin-password");
    let password = match std::env::var("PORTWARDEN_ADMIN_PASSWORD").ok().or(made) {
        Some(password) => password,
        None => {
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?.trim().to_owned()
        }
    };
    // A door of its own, open while the sample is pushed: what the others show (a certificate, a public address) is for others.
    let door = TcpListener::bind("127.0.0.1:0").await.context("no port for the sample")?;
    let host = door.local_addr()?.to_string();
    let registry = registry::router(store.clone(), registry::Settings::default()).await?;
    let serving = tokio::spawn(async move { axum::serve(door, registry).await });
    let started = Instant::now();
    let pushed = push(&host, &password).await;
    serving.abort();
    let digest = pushed?;
    let judged = async {
        loop {
            let row = store.image(&digest).await.ok().flatten();
            if row.is_some_and(|row| row.inventory != 0) && handle.catch_up(store).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, judged)
        .await
        .context("the sample image was pushed but not judged in time; see the log")?;
    print(handle, &digest, url, started.elapsed())
}

/// The sample image, or nothing where it cannot be made (it is made of constants: then the program is broken).
pub fn image_or_none() -> Option<SampleImage> {
    image().ok()
}

/// Makes the sample image.
fn image() -> anyhow::Result<SampleImage> {
    let made = [
        ("FROM debian:12.4", debian_layer()?),
        ("RUN pip install jinja2==3.1.2 urllib3==1.26.16", python_layer()?),
        ("RUN npm install lodash@4.17.20 minimist@1.2.5", node_layer()?),
    ];
    let (mut layers, mut descriptors, mut diff_ids, mut history) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (instruction, tar) in made {
        let zipped = Bytes::from(gzip(&tar)?);
        let (size, digest) = (zipped.len(), Digest::sha256(&zipped));
        descriptors.push(serde_json::json!({"mediaType": server::LAYER, "digest": digest, "size": size}));
        diff_ids.push(Digest::sha256(&tar));
        history.push(serde_json::json!({"created": "2024-01-01T00:00:00Z", "created_by": instruction}));
        layers.push(zipped);
    }
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
        "config": {"Labels": {"org.opencontainers.image.title": "sample shop"}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history});
    let config = Bytes::from(config.to_string());
    let (size, digest) = (config.len(), Digest::sha256(&config));
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": server::MANIFEST,
        "config": {"mediaType": server::CONFIG, "digest": digest, "size": size},
        "layers": descriptors});
    let manifest = Bytes::from(manifest.to_string());
    Ok(SampleImage { repository: REPOSITORY, tag: "1.0", platform: "linux/amd64", config, layers, manifest })
}

/// Pushes the sample to a registry of this process; returns the manifest's digest.
async fn push(host: &str, password: &str) -> anyhow::Result<Digest> {
    let options =
        Options { login: Some(("admin".into(), password.to_owned())), insecure_http: true, ..Options::default() };
    let client = Client::new(host, &options)?;
    let sample = image()?;
    let location = Location { host: host.to_owned(), repository: sample.repository.into(), name: sample.tag.into() };
    for blob in sample.layers.into_iter().chain([sample.config]) {
        client.push_blob(&location, blob).await?;
    }
    let pushed = client.push_manifest(&location, server::MANIFEST, sample.manifest).await;
    pushed.context("cannot push the sample image")
}

/// How long `serve --sample` waits for the sample's findings.
const PATIENCE: Duration = Duration::from_secs(20);

/// Prints the sample's worst findings and where the page is.
fn print(handle: &Handle, digest: &Digest, url: &str, took: Duration) -> anyhow::Result<()> {
    let mut filter = fleet::Filter::default();
    filter.field("image", digest.as_str())?;
    let query = fleet::Query { filter, limit: 8, now: crate::clock::now(), ..fleet::Query::default() };
    let asked = handle.ask(|index| Ok((index.findings(&query)?, index.images(&query)?)));
    let Ok((page, images)) = asked else { anyhow::bail!("the index did not answer") };
    let row = |f: &fleet::FindingRow| {
        let fixed = if f.fixed_version.is_empty() { "-".to_owned() } else { f.fixed_version.clone() };
        vec![
            f.severity.as_str().to_uppercase(),
            f.vulnerability.name.clone(),
            f.package.name.clone(),
            f.package.version.clone(),
            fixed,
        ]
    };
    let mut out = std::io::stdout().lock();
    use std::io::Write;
    writeln!(
        out,
        "\nThe sample image {REPOSITORY}:1.0 was pushed and judged in {:.1} s: {} findings, the worst of them",
        took.as_secs_f64(),
        page.total
    )?;
    crate::output::table(
        &mut out,
        &["SEVERITY", "FINDING", "PACKAGE", "INSTALLED", "FIXED IN"],
        &page.items.iter().map(row).collect::<Vec<_>>(),
    )?;
    let image = images.items.first();
    let reasons = image.map(|i| i.reason.replace(',', ", ")).unwrap_or_default();
    writeln!(
        out,
        "  verdict    {}{}",
        image.map_or("none", |i| i.verdict.as_str()),
        if reasons.is_empty() { String::new() } else { format!(" ({reasons})") }
    )?;
    if let Some(place) = image.and_then(|i| i.places.first()) {
        writeln!(out, "  see        {url}/s/{}/{}/{}@{digest}", place.subscription, place.registry, place.repository)?;
    }
    writeln!(out, "  or         portwarden finding list repo:{REPOSITORY}")?;
    Ok(())
}

fn debian_layer() -> anyhow::Result<Vec<u8>> {
    let mut status = String::new();
    let mut files = Vec::new();
    for (name, version, source) in DEBIAN {
        let source = if name == source { String::new() } else { format!("Source: {source}\n") };
        status.push_str(&format!(
            "Package: {name}\nStatus: install ok installed\nPriority: required\nSection: libs\nMaintainer: Debian Packaging Team \
             <packages@lists.debian.org>\nArchitecture: amd64\n{source}Version: {version}\nDescription: part of the sample\n\n"
        ));
        files.push((format!("var/lib/dpkg/info/{name}.list"), format!("/.\n/usr/share/doc/{name}\n")));
    }
    files.push(("var/lib/dpkg/status".into(), status));
    files.push((
        "etc/os-release".into(),
        "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n"
            .into(),
    ));
    tar(&files)
}

fn python_layer() -> anyhow::Result<Vec<u8>> {
    let metadata = |(name, version): &(&str, &str)| {
        let folder = format!("usr/local/lib/python3.11/site-packages/{name}-{version}.dist-info");
        (
            format!("{folder}/METADATA"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nA package.\n"),
        )
    };
    tar(&PYTHON.iter().map(metadata).collect::<Vec<_>>())
}

fn node_layer() -> anyhow::Result<Vec<u8>> {
    let package = |(name, version): &(&str, &str)| {
        let json = serde_json::json!({"name": name, "version": version}).to_string();
        (format!("app/node_modules/{name}/package.json"), json)
    };
    tar(&NODE.iter().map(package).collect::<Vec<_>>())
}

fn tar(files: &[(String, String)]) -> anyhow::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_704_067_200);
        header.set_cksum();
        tar.append_data(&mut header, path, text.as_bytes())?;
    }
    Ok(tar.into_inner()?)
}

fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    std::io::Write::write_all(&mut encoder, bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_has_the_same_bytes_every_time() {
        for make in [debian_layer, python_layer, node_layer] {
            let (first, second) = (make().unwrap(), make().unwrap());
            assert_eq!(first, second);
            assert_eq!(gzip(&first).unwrap(), gzip(&second).unwrap());
        }
    }
}
