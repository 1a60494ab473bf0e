//! The readers of Python, Node and Go on real files: fixtures with what real tools say of them, and images built from real packages.
#![allow(clippy::unwrap_used)]

use ecosystem::{ALL, Content, Ecosystem, Entry, File, Wants};
use model::inventory::FileReading;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

const TYPES: [&str; 3] = ["pypi", "npm", "golang"];

fn testdata(sub: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PORTWARDEN_TESTDATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join(sub);
    path.exists().then_some(path)
}

/// Offers a file as the walker does; the first that wants it reads it.
fn offer(path: &str, bytes: &[u8]) -> Option<(&'static dyn Ecosystem, FileReading)> {
    let entry = Entry { path, size: bytes.len() as u64, head: &bytes[..bytes.len().min(4096)] };
    let (kind, wants) = ALL.iter().map(|kind| (*kind, kind.wants(&entry))).find(|(_, wants)| *wants != Wants::Skip)?;
    let mut cursor = Cursor::new(bytes);
    let content = match wants {
        Wants::Seekable => Content::Seekable(&mut cursor),
        _ => Content::Whole(bytes),
    };
    Some((kind, kind.read(&mut File { path, size: entry.size, content })))
}

/// `type name version` of each package, versions of Go without their mark.
fn rows(kind: &dyn Ecosystem, reading: &FileReading) -> BTreeSet<String> {
    let row = |name: &str, version: &str| format!("{} {name} {}", kind.purl_type(), version.trim_start_matches('v'));
    reading.packages.iter().map(|found| row(&found.name, &found.version)).collect()
}

#[test]
fn fixtures_give_what_real_tools_say() {
    let Some(folder) = testdata("fixtures") else {
        return println!("1 checks not run: no test data (fixtures)");
    };
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in std::fs::read_to_string(folder.join("expected.csv")).unwrap().lines() {
        let fields: Vec<_> = line.split(',').collect();
        let [file, ecosystem, name, version, "installed", ..] = fields[..] else { continue };
        if !TYPES.contains(&ecosystem) || !file.starts_with(ecosystem) {
            continue;
        }
        let rows = wanted.entry(file.into()).or_default();
        // A main module without a version is the user's program, no package.
        if !matches!(version, "" | "(devel)") {
            rows.insert(format!("{ecosystem} {name} {version}"));
        }
    }
    assert!(wanted.len() >= 11, "{} files", wanted.len());
    for (file, want) in wanted {
        let bytes = std::fs::read(folder.join(&file)).unwrap();
        let (kind, reading) = offer(&file, &bytes).unwrap_or_else(|| panic!("nobody wants {file}"));
        assert_eq!(rows(kind, &reading), want, "{file}");
        assert_eq!(reading.notes, [], "{file}");
    }
}

#[test]
fn images_hold_what_was_installed() {
    let Some(folder) = std::env::var_os("PORTWARDEN_IMAGES").map(PathBuf::from) else {
        return println!("4 checks not run: no test data (PORTWARDEN_IMAGES, a folder of built images)");
    };
    for image in ["python-app", "node-app", "debian-python-pkgs", "go-app"] {
        let expected = std::fs::read_to_string(folder.join(format!("expected/{image}.tsv"))).unwrap();
        let mut want = BTreeSet::new();
        for line in expected.lines() {
            let fields: Vec<_> = line.split('\t').collect();
            let kind = ALL.iter().find(|kind| kind.purl_type() == fields[0]).unwrap();
            if TYPES.contains(&fields[0]) && fields[2] != "(devel)" {
                want.insert(format!("{} {} {}", fields[0], kind.normalise(fields[1]), fields[2].trim_start_matches('v')));
            }
        }
        assert_eq!(read_image(&folder.join(image)), want, "{image}");
    }
}

/// Reads every file of every layer, without whiteouts: these images remove nothing.
fn read_image(layout: &Path) -> BTreeSet<String> {
    let blob = |digest: &str| layout.join("blobs").join(digest.replace(':', "/"));
    let json = |path: PathBuf| serde_json::from_slice::<serde_json::Value>(&std::fs::read(path).unwrap()).unwrap();
    let index = json(layout.join("index.json"));
    let manifest = json(blob(index["manifests"][0]["digest"].as_str().unwrap()));
    let mut all = BTreeSet::new();
    for layer in manifest["layers"].as_array().unwrap() {
        let bytes = std::fs::read(blob(layer["digest"].as_str().unwrap())).unwrap();
        let content: Box<dyn Read> = match bytes[..2] {
            [0x1f, 0x8b] => Box::new(flate2::read::MultiGzDecoder::new(Cursor::new(bytes))),
            [0x28, 0xb5] => Box::new(zstd::Decoder::new(Cursor::new(bytes)).unwrap()),
            _ => Box::new(Cursor::new(bytes)),
        };
        let mut archive = tar::Archive::new(content);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().trim_start_matches("./").to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            if let Some((kind, reading)) = offer(&path, &bytes).filter(|(kind, _)| TYPES.contains(&kind.purl_type())) {
                assert_eq!(reading.notes, [], "{path}");
                all.extend(rows(kind, &reading));
            }
        }
    }
    all
}
