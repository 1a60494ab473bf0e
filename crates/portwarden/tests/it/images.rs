//! Tiny images made in code, good and hostile.

use flate2::{Compression, write::GzEncoder};
use model::Digest;
use serde_json::{Value, json};
use std::io::Write;

pub const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OS_RELEASE: &str = "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
/// Packages that the feeds of the tests, and the built-in advisories, know.
pub const OLD: &[(&str, &str)] =
    &[("openssl", "3.0.11-1~deb12u2"), ("curl", "7.88.1-10+deb12u4"), ("expat", "2.5.0-1")];

pub fn sha(bytes: &[u8]) -> String {
    Digest::sha256(bytes).to_string()
}

#[derive(Clone)]
pub struct Layer {
    pub media_type: String,
    pub bytes: Vec<u8>,
    pub diff_id: String,
}

#[derive(Clone)]
pub struct Image {
    pub config: Vec<u8>,
    pub layers: Vec<Layer>,
    pub media_type: String,
    pub manifest: Vec<u8>,
}

impl Image {
    pub fn digest(&self) -> String {
        sha(&self.manifest)
    }
    /// Every blob once.
    pub fn blobs(&self) -> Vec<&[u8]> {
        let mut seen = std::collections::HashSet::new();
        let all = self.layers.iter().map(|l| l.bytes.as_slice()).chain([self.config.as_slice()]);
        all.filter(|b| seen.insert(sha(b))).collect()
    }
}

/// One tar entry, whatever its name is.
pub fn entry(out: &mut Vec<u8>, name: &[u8], kind: u8, link: &[u8], data: &[u8]) {
    let mut head = [0u8; 512];
    head[..name.len()].copy_from_slice(name);
    head[100..108].copy_from_slice(b"0000644\0");
    head[108..116].copy_from_slice(b"0000000\0");
    head[116..124].copy_from_slice(b"0000000\0");
    head[124..136].copy_from_slice(format!("{:011o}\0", data.len()).as_bytes());
    head[136..148].copy_from_slice(b"14541012000\0");
    head[148..156].fill(b' ');
    head[156] = kind;
    head[157..157 + link.len()].copy_from_slice(link);
    head[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = head.iter().map(|b| u32::from(*b)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(512), 0);
}

pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, data) in files {
        entry(&mut out, name.as_bytes(), b'0', b"", data);
    }
    out.resize(out.len() + 1024, 0);
    out
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn layer(tar: &[u8]) -> Layer {
    Layer { media_type: GZIP.into(), bytes: gzip(tar), diff_id: sha(tar) }
}

pub fn status(packages: &[(&str, &str)]) -> String {
    let stanza = |(name, version): &(&str, &str)| {
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\nDescription: x\n\n"
        )
    };
    packages.iter().map(stanza).collect()
}

/// A Debian 12 layer; the salt makes its bytes its own.
pub fn debian(packages: &[(&str, &str)], salt: &str) -> Layer {
    let status = status(packages);
    let files = [("etc/os-release", OS_RELEASE), ("var/lib/dpkg/status", &status), ("etc/salt", salt)];
    layer(&tar(&files.map(|(name, text)| (name, text.as_bytes()))))
}

/// A layer of zeros that takes a while to read; its own bytes by the salt.
pub fn zeros(mib: usize, salt: &str) -> Layer {
    let mut start = Vec::new();
    entry(&mut start, b"etc/big-salt", b'0', b"", salt.as_bytes());
    let mut head = Vec::new();
    entry(&mut head, b"big", b'0', b"", b"");
    head[124..136].copy_from_slice(format!("{:011o}\0", mib << 20).as_bytes());
    head[148..156].fill(b' ');
    let sum: u32 = head.iter().map(|b| u32::from(*b)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    start.extend_from_slice(&head);
    let chunk = vec![0u8; 1 << 20];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut hash = Sha::new();
    for piece in
        [start.as_slice()].into_iter().chain(std::iter::repeat_n(chunk.as_slice(), mib)).chain([&chunk[..1024]])
    {
        encoder.write_all(piece).unwrap();
        hash.add(piece);
    }
    Layer { media_type: GZIP.into(), bytes: encoder.finish().unwrap(), diff_id: hash.end() }
}

struct Sha(aws_lc_rs::digest::Context);

impl Sha {
    fn new() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256))
    }
    fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    fn end(self) -> String {
        let hex: String = self.0.finish().as_ref().iter().map(|b| format!("{b:02x}")).collect();
        format!("sha256:{hex}")
    }
}

pub fn config(os: &str, diff_ids: &[String]) -> Value {
    json!({"architecture": "amd64", "os": os, "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
}

pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": sha(bytes), "size": bytes.len()})
}

/// An honest image of layers.
pub fn image(layers: Vec<Layer>) -> Image {
    let diff_ids: Vec<String> = layers.iter().map(|l| l.diff_id.clone()).collect();
    with_config(layers, config("linux", &diff_ids).to_string().into_bytes(), CONFIG)
}

/// An image with whatever configuration.
pub fn with_config(layers: Vec<Layer>, config: Vec<u8>, config_type: &str) -> Image {
    let descriptors: Vec<Value> = layers.iter().map(|l| descriptor(&l.media_type, &l.bytes)).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(config_type, &config), "layers": descriptors});
    Image { config, layers, media_type: MANIFEST.into(), manifest: manifest.to_string().into_bytes() }
}

/// The ordinary image of the tests.
pub fn good(salt: &str) -> Image {
    image(vec![debian(OLD, salt)])
}
