//! Whole images, made here, read through real children.

use model::Digest;
use scan::Scanned;
use scan::report::Report;
use scan::sandbox::{Sandbox, Settings};
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// An image to be written as a layout.
pub struct Made {
    pub layers: Vec<Vec<u8>>,
    pub os: &'static str,
    /// What the configuration claims, where that is not the truth.
    pub diff_ids: Option<Vec<String>>,
    /// Number of a layer whose blob is left out.
    pub without: Option<usize>,
    /// Number of a layer whose blob is cut in half, under the digest of the half.
    pub cut: Option<usize>,
    /// Number of a layer whose blob is another one than its name says.
    pub forged: Option<usize>,
    pub config_type: &'static str,
    pub layer_type: &'static str,
    /// A further field of the manifest.
    pub says: Option<(&'static str, serde_json::Value)>,
}

pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const STATEMENT: &str = "application/vnd.in-toto+json";

impl Made {
    pub fn of(layers: &[&[(&str, &str)]]) -> Self {
        Self {
            layers: layers.iter().map(|files| tar_of(files)).collect(),
            os: "linux",
            diff_ids: None,
            without: None,
            cut: None,
            forged: None,
            config_type: CONFIG,
            layer_type: LAYER,
            says: None,
        }
    }

    /// Returns the blobs by digest, the manifest last.
    pub fn blobs(&self) -> Vec<(Digest, Vec<u8>)> {
        let mut blobs = Vec::new();
        let mut descriptors = Vec::new();
        for (n, layer) in self.layers.iter().enumerate() {
            let mut blob = if layer.starts_with(b"{") { layer.clone() } else { gzip(layer) };
            if self.cut == Some(n) {
                blob.truncate(blob.len() / 2);
            }
            let digest = Digest::sha256(&blob);
            descriptors.push(json!({"mediaType": self.layer_type, "digest": digest, "size": blob.len()}));
            if self.forged == Some(n) {
                blob = gzip(&tar_of(&[("other", "x")]));
            }
            if self.without != Some(n) {
                blobs.push((digest, blob));
            }
        }
        let truth = || self.layers.iter().map(|tar| Digest::sha256(tar).to_string()).collect();
        let ids = self.diff_ids.clone().unwrap_or_else(truth);
        let config = json!({"os": self.os, "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ids}});
        let config = config.to_string().into_bytes();
        let named = json!({"mediaType": self.config_type, "digest": Digest::sha256(&config), "size": config.len()});
        blobs.push((Digest::sha256(&config), config));
        let mut manifest = json!({"schemaVersion": 2, "mediaType": model::manifest::OCI_IMAGE, "config": named, "layers": descriptors});
        if let Some((field, value)) = &self.says {
            manifest[*field] = value.clone();
        }
        let manifest = manifest.to_string().into_bytes();
        blobs.push((Digest::sha256(&manifest), manifest));
        blobs
    }

    fn write(&self, folder: &Path) {
        let listed = self.put(folder);
        write_index(folder, &[listed]);
    }

    /// Writes the blobs; returns the descriptor of the manifest.
    fn put(&self, folder: &Path) -> serde_json::Value {
        std::fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        let blobs = self.blobs();
        for (digest, bytes) in &blobs {
            std::fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        }
        let (digest, manifest) = blobs.last().unwrap();
        json!({"mediaType": model::manifest::OCI_IMAGE, "digest": digest, "size": manifest.len()})
    }

    /// Images that engines run, whatever their manifests say beside; a reason for each.
    pub fn runnable() -> [(Self, &'static str); 5] {
        let made = |n: u32| crate::walk::wheel("django", "2.2", n);
        let about = json!({"mediaType": model::manifest::OCI_IMAGE, "digest": Digest::sha256(b"x"), "size": 1});
        let says = |field, value, n| Self { says: Some((field, value)), ..made(n) };
        [
            (says("subject", about, 1), "it refers to another"),
            (says("artifactType", json!("application/spdx+json"), 2), "it has an artifact type"),
            (Self { config_type: "application/octet-stream", ..made(3) }, "its configuration has a general type"),
            (Self { layer_type: STATEMENT, ..made(4) }, "its layers say that they are statements"),
            (Self { layer_type: "text/spdx", config_type: "text/html", ..made(5) }, "and both"),
        ]
    }

    /// A statement about an image, as BuildKit and cosign attach it.
    pub fn statement() -> Self {
        let text = br#"{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicate":{}}"#;
        Self { layers: vec![text.to_vec()], layer_type: STATEMENT, ..Self::of(&[]) }
    }
}

/// Names manifests in the index of a layout.
fn write_index(folder: &Path, manifests: &[serde_json::Value]) {
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = json!({"schemaVersion": 2, "manifests": manifests}).to_string();
    std::fs::write(folder.join("index.json"), index).unwrap();
}

pub fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn sandbox() -> Sandbox {
    Sandbox::new(Settings { program: crate::child(), children: 2, ..Settings::default() })
}

pub const DEBIAN: (&str, &str) = ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n");
pub const STATUS: (&str, &str) = (
    "var/lib/dpkg/status",
    "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nSource: zlib\nVersion: 1:1.2.13.dfsg-1\n\n",
);

async fn scanned(made: &Made) -> Report {
    let folder = tempfile::tempdir().unwrap();
    made.write(folder.path());
    let mut reports = scan_folder(folder.path(), None).await.reports;
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

async fn scan_folder(folder: &Path, platform: Option<&str>) -> Scanned {
    scan_with(folder, platform, &sandbox()).await
}

async fn scan_with(folder: &Path, platform: Option<&str>, sandbox: &Sandbox) -> Scanned {
    let reference = folder.display().to_string();
    let source = oci::Source::open(&reference, &oci::Options::default()).await.unwrap();
    let db = advisory::starter().unwrap();
    scan::scan(&source, &reference, platform, sandbox, &db).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_engine_would_run_is_scanned_whatever_is_said_of_it() {
    for (made, why) in Made::runnable() {
        let report = scanned(&made).await;
        assert_eq!((report.verdict, report.packages.len()), ("gaps", 2), "{why}: {:?}", report.notes);
    }
    let report = scanned(&Made::statement()).await;
    assert_eq!(
        (report.verdict, report.reasons),
        ("unsupported", vec!["accessory".to_owned()]),
        "what was named is answered for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_compressed_layers_is_read_and_its_diff_ids_are_checked() {
    let plain = tar_of(&[DEBIAN, STATUS]);
    for (claimed, layer, want, why) in [
        (&plain, gzip(&plain), ("gaps", 1), "gzip, as crane writes it"),
        (&plain, zstd::bulk::compress(&plain, 1).unwrap(), ("gaps", 1), "zstd"),
        (&plain, plain.clone(), ("gaps", 1), "plain, as Docker writes it"),
        (&tar_of(&[("x", "y")]), gzip(&plain), ("failed", 0), "another diff id than the bytes have"),
    ] {
        let ids = [Digest::sha256(claimed)];
        let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ids}});
        let (config, saved) = (config.to_string(), json!([{"Config": "c", "RepoTags": ["app:1"], "Layers": ["l"]}]));
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in [("manifest.json", saved.to_string().as_bytes()), ("c", config.as_bytes()), ("l", &layer)]
        {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        std::fs::write(&path, tar.into_inner().unwrap()).unwrap();
        let report = scan_folder(&path, None).await.reports.remove(0);
        assert_eq!((report.verdict, report.packages.len()), want, "{why}: {:?}", report.notes);
        if want.0 == "failed" {
            assert_eq!(report.reasons, ["diff-id"], "{why}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_layer_holds_does_not_depend_on_how_many_are_read_at_a_time() {
    // 12 MiB: under the limit of a file, over the part of one child among eight.
    let mut status = STATUS.1.trim_end().to_owned();
    status.push_str("\nDescription: long\n");
    status.push_str(&format!(" {}\n", "x".repeat(1022)).repeat(12 << 10));
    let made = Made::of(&[&[DEBIAN, (STATUS.0, &status)]]);
    let folder = tempfile::tempdir().unwrap();
    made.write(folder.path());
    for children in [1, 4, 8] {
        let sandbox = Sandbox::new(Settings { children, ..sandbox().settings().clone() });
        let report = scan_with(folder.path(), None, &sandbox).await.reports.remove(0);
        assert_eq!(report.packages.len(), 1, "{children} at a time: {:?}", report.notes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_word_of_an_index_keeps_a_child_from_being_scanned() {
    let unknown = json!({"os": "unknown", "architecture": "unknown"});
    let about = json!({"vnd.docker.reference.type": "attestation-manifest"});
    for (field, value, why) in [
        ("platform", unknown.clone(), "a platform that nobody has"),
        ("annotations", about.clone(), "an attestation, it says"),
        ("artifactType", json!("application/vnd.in-toto+json"), "an artifact type"),
    ] {
        for (n, child) in [(1, crate::walk::wheel("django", "2.2", 0)), (0, Made::statement())] {
            let folder = tempfile::tempdir().unwrap();
            let mut listed = child.put(folder.path());
            listed[field] = value.clone();
            let plain = crate::walk::wheel("a", "1", 0).put(folder.path());
            let mut absent = plain.clone();
            absent["digest"] = json!(Digest::sha256(b"not in the copy"));
            absent["annotations"] = about.clone();
            let index = json!({"schemaVersion": 2, "mediaType": model::manifest::OCI_INDEX, "manifests": [plain, listed, absent]});
            let index = index.to_string();
            let digest = Digest::sha256(index.as_bytes());
            std::fs::write(folder.path().join("blobs/sha256").join(digest.hex()), &index).unwrap();
            write_index(
                folder.path(),
                &[json!({"mediaType": model::manifest::OCI_INDEX, "digest": digest, "size": index.len()})],
            );
            let scanned = scan_folder(folder.path(), None).await;
            let verdicts: Vec<_> = scanned.reports.iter().map(|r| (r.verdict, r.packages.len())).collect();
            assert_eq!(verdicts, vec![("gaps", 2); 1 + n], "{why}: {:?}", scanned.left_out);
            let left_out: Vec<_> = scanned.left_out.iter().map(|l| (l.artifact_type.as_str(), l.present)).collect();
            let mut want = vec![(model::manifest::OCI_IMAGE, false), (STATEMENT, true)];
            want.truncate(2 - n);
            assert_eq!(left_out, want, "{why}");
            assert!(scanned.reports.iter().all(|r| r.left_out == scanned.left_out), "each report says so");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_read_through_children_and_reported() {
    let wheel =
        ("usr/lib/python3/dist-packages/a-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: a\nVersion: 1\n\n");
    let gone = ("app/.wh.b-2.dist-info", "");
    let removed = ("app/b-2.dist-info/METADATA", "Metadata-Version: 2.1\nName: b\nVersion: 2\n\n");
    let report = scanned(&Made::of(&[&[DEBIAN, STATUS, removed], &[wheel], &[gone]])).await;
    let packages: Vec<_> = report.packages.iter().map(|p| (p.ecosystem.as_str(), p.name.as_str(), p.layer)).collect();
    assert_eq!(packages, [("debian:12", "zlib1g", 0), ("pypi", "a", 1)], "{report:?}");
    assert_eq!(report.os.as_ref().map(|os| os.id.as_str()), Some("debian"));
    assert_eq!(
        (report.verdict, report.platform.as_str()),
        ("gaps", "linux/amd64"),
        "the starter knows little: {report:?}"
    );
    assert!(report.reasons.iter().any(|code| code == "feeds"), "{:?}", report.reasons);
    assert_eq!(report.sandbox, scan::sandbox::tier().to_string());
    assert_eq!(report.was_fully_sandboxed(), scan::sandbox::tier().is_full());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_image_stands_in_its_report() {
    let files: &[&[(&str, &str)]] = &[&[DEBIAN], &[STATUS]];
    let made = || Made::of(files);
    let lie = vec![Digest::sha256(b"another").to_string(), Digest::sha256(&tar_of(&[STATUS])).to_string()];
    let deep = Made { layers: vec![tar_of(&[("f", "x")]); 513], ..made() };
    for (made, verdict, code, why) in [
        (Made { diff_ids: Some(lie), ..made() }, "failed", "diff-id", "claims another image's content"),
        (Made { without: Some(0), ..made() }, "failed", "blob-missing", "a layer is not there"),
        (Made { forged: Some(1), ..made() }, "failed", "digest", "a blob is not what its name says"),
        (Made { cut: Some(1), ..made() }, "gaps", "layer-truncated", "a layer ends in the middle"),
        (Made { os: "windows", ..made() }, "unsupported", "os-windows", "Windows"),
        (deep, "unsupported", "limit-layers", "513 layers"),
        (Made { layers: Vec::new(), ..made() }, "gaps", "no-packages", "no layers"),
        (Made { layers: vec![b"no archive at all".repeat(100)], ..made() }, "failed", "layer-unreadable", "no tar"),
    ] {
        let report = scanned(&made).await;
        assert_eq!(report.verdict, verdict, "{why}: {:?}", report.notes);
        assert!(report.reasons.iter().any(|reason| reason == code), "{why}: {:?}", report.reasons);
        assert!(report.notes.iter().any(|note| note.code == code && note.gap), "{why}: {:?}", report.notes);
    }
}
