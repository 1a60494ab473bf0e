//! Whole images, made here, read through real children.

use model::Digest;
use scan::report::Report;
use scan::sandbox::{Sandbox, Settings};
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
}

impl Made {
    pub fn of(layers: &[&[(&str, &str)]]) -> Self {
        let layers = layers.iter().map(|files| tar_of(files)).collect();
        Self { layers, os: "linux", diff_ids: None, without: None, cut: None, forged: None }
    }

    /// Returns the blobs by digest, the manifest last.
    pub fn blobs(&self) -> Vec<(Digest, Vec<u8>)> {
        let mut blobs = Vec::new();
        let mut descriptors = Vec::new();
        for (n, layer) in self.layers.iter().enumerate() {
            let mut blob = gzip(layer);
            if self.cut == Some(n) {
                blob.truncate(blob.len() / 2);
            }
            let digest = Digest::sha256(&blob);
            let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
            descriptors.push(format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{}}}"#, blob.len()));
            if self.forged == Some(n) {
                blob = gzip(&tar_of(&[("other", "x")]));
            }
            if self.without != Some(n) {
                blobs.push((digest, blob));
            }
        }
        let truth = || self.layers.iter().map(|tar| Digest::sha256(tar).to_string()).collect();
        let ids = self.diff_ids.clone().unwrap_or_else(truth);
        let config =
            serde_json::json!({"os": self.os, "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ids}});
        let config = config.to_string().into_bytes();
        let kind = "application/vnd.oci.image.config.v1+json";
        let named =
            format!(r#"{{"mediaType":"{kind}","digest":"{}","size":{}}}"#, Digest::sha256(&config), config.len());
        blobs.push((Digest::sha256(&config), config));
        let kind = model::manifest::OCI_IMAGE;
        let layers = descriptors.join(",");
        let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{named},"layers":[{layers}]}}"#);
        blobs.push((Digest::sha256(manifest.as_bytes()), manifest.into_bytes()));
        blobs
    }

    fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let blobs = self.blobs();
        for (digest, bytes) in &blobs {
            std::fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        }
        let (digest, manifest) = blobs.last().unwrap();
        let kind = model::manifest::OCI_IMAGE;
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{kind}","digest":"{digest}","size":{}}}]}}"#,
            manifest.len()
        );
        std::fs::write(folder.join("index.json"), index).unwrap();
    }
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
    let reference = folder.path().display().to_string();
    let source = oci::Source::open(&reference, &oci::Options::default()).await.unwrap();
    let db = advisory::starter().unwrap();
    let mut reports = scan::scan(&source, &reference, None, &sandbox(), &db).await.unwrap();
    assert_eq!(reports.len(), 1);
    reports.remove(0)
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
