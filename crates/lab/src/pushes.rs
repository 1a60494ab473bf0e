//! Images to push: layers of a given size that compress like real trees, each different, made without compressing anew.
//!
//! In: sizes. Out: OCI layout folders. A layer is two gzip members: one large, made once, and a small one that makes it unique.

use anyhow::Context;
use aws_lc_rs::digest::{Context as Hash, SHA256};
use flate2::Compression;
use flate2::write::GzEncoder;
use model::Digest;
use model::digest::Algorithm;
use std::io::Write;
use std::path::Path;

/// The part that all layers of a size share.
pub struct Body {
    gzipped: Vec<u8>,
    /// Hash of the plain bytes, to be gone on with.
    plain: Hash,
}

impl Body {
    /// Makes a body of about so many compressed bytes: words and numbers that compress about three to one.
    pub fn new(bytes: usize) -> anyhow::Result<Self> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
        let mut plain = Hash::new(&SHA256);
        let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
        let mut file = 0;
        while encoder.get_ref().len() < bytes {
            let tar = entry(&format!("opt/app/data/{file}.txt"), &text(&mut dice, 1 << 20))?;
            plain.update(&tar);
            encoder.write_all(&tar)?;
            file += 1;
        }
        Ok(Self { gzipped: encoder.finish()?, plain })
    }

    /// Makes a layer: this body, then files, then the end of the archive. Returns the blob and its diff id.
    fn layer(&self, files: &[(String, String)]) -> anyhow::Result<(Vec<u8>, Digest)> {
        let mut tail = Vec::new();
        for (path, content) in files {
            tail.extend(entry(path, content.as_bytes())?);
        }
        tail.extend([0; 1024]);
        let mut plain = self.plain.clone();
        plain.update(&tail);
        let mut encoder = GzEncoder::new(self.gzipped.clone(), Compression::fast());
        encoder.write_all(&tail)?;
        Ok((encoder.finish()?, Digest::from_hash(Algorithm::Sha256, plain.finish().as_ref())))
    }
}

/// Text of words and numbers.
fn text(dice: &mut u64, bytes: usize) -> Vec<u8> {
    const WORDS: [&str; 8] = ["return ", "self", "import ", "static ", "value", "    ", "function", "\n"];
    let mut out = Vec::with_capacity(bytes + 32);
    while out.len() < bytes {
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        out.extend_from_slice(WORDS[usize::try_from(*dice % 8).unwrap_or(0)].as_bytes());
        out.extend_from_slice(format!("{:x}", *dice >> 44).as_bytes());
    }
    out
}

fn entry(path: &str, content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_path(path)?;
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(content);
    out.resize(out.len().div_ceil(512) * 512, 0);
    Ok(out)
}

/// What an image holds: a Debian 12 with packages that have findings, and one that is its own.
fn files(unique: &str, layer: usize) -> Vec<(String, String)> {
    let mark = (format!("opt/app/{unique}-{layer}"), unique.to_owned());
    if layer > 0 {
        return vec![mark];
    }
    let mut status = String::new();
    for (name, source, version) in [
        ("libssl3", "openssl", "3.0.11-1~deb12u2"),
        ("libexpat1", "expat", "2.5.0-1"),
        ("curl", "curl", "7.88.1-10+deb12u4"),
    ] {
        status.push_str(&format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nSource: {source}\nVersion: {version}\n\n"));
    }
    status.push_str(&format!(
        "Package: own-{unique}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0\n\n"
    ));
    let release =
        "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
    vec![mark, ("var/lib/dpkg/status".into(), status), ("etc/os-release".into(), release.into())]
}

/// Writes an OCI layout of an image of so many layers; `unique` makes it different from every other. Returns its digest.
pub fn layout(folder: &Path, body: &Body, layers: usize, unique: &str) -> anyhow::Result<Digest> {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).with_context(|| format!("cannot make {}", blobs.display()))?;
    let put = |bytes: &[u8]| -> anyhow::Result<Digest> {
        let digest = Digest::sha256(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes)?;
        Ok(digest)
    };
    let (mut descriptors, mut diff_ids) = (Vec::new(), Vec::new());
    for layer in 0..layers {
        let (blob, diff_id) = body.layer(&files(unique, layer))?;
        let digest = put(&blob)?;
        descriptors.push(serde_json::json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": blob.len()}));
        diff_ids.push(diff_id);
    }
    let config =
        serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
            .to_string();
    let size = config.len();
    let config = put(config.as_bytes())?;
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = serde_json::json!({"schemaVersion": 2, "mediaType": media_type, "layers": descriptors,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": size}});
    let manifest = manifest.to_string();
    let digest = put(manifest.as_bytes())?;
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [{"mediaType": media_type, "digest": digest, "size": manifest.len()}]});
    std::fs::write(folder.join("index.json"), index.to_string())?;
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(digest)
}
