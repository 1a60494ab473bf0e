//! The readers of Python, Node and Go on real files: fixtures with what real tools say of them.
#![allow(clippy::unwrap_used)]

use ecosystem::{ALL, Content, Ecosystem, Entry, File, Wants};
use model::inventory::FileReading;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
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
