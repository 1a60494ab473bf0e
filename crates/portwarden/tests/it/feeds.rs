//! A tree of feeds as `db update --from` reads it, as small as can be.

use crate::house::House;
use crate::images;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

pub const TRACKER: &str = "security-tracker.debian.org/tracker/data/json";

/// Writes the tree. Each source named gets `each` ids of the year, fixed in a version that no image has.
pub fn write(tree: &Path, sources: &[&str], year: u32, each: usize) {
    let list = "salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data";
    let mut tracker = serde_json::Map::new();
    for (i, source) in sources.iter().enumerate() {
        let release = json!({"status": "resolved", "repositories": {"bookworm": "1"}, "fixed_version": "99:1", "urgency": "medium"});
        let id = |n: usize| format!("CVE-{year}-{}", 10_000 + i * each + n);
        let record = json!({"description": "a weakness", "scope": "remote", "releases": {"bookworm": release}});
        let ids: serde_json::Map<String, Value> = (0..each).map(|n| (id(n), record.clone())).collect();
        tracker.insert((*source).to_owned(), Value::Object(ids));
    }
    let dsa = format!("[01 Jan {year}] DSA-1-1 none - security update\n\t[bookworm] - none 1\n");
    let alpine = |repository: &str| json!({"distroversion": "edge", "reponame": repository, "packages": [{"pkg": {"name": "zlib", "secfixes": {"1.2.12-r0": ["CVE-2018-25032"]}}}]});
    let kev = json!({"title": "x", "catalogVersion": "1", "dateReleased": "2026-01-01T00:00:00Z", "count": 1,
        "vulnerabilities": [{"cveID": "CVE-2024-10000", "dateAdded": "2026-01-01"}]});
    let epss = "#model_version:v1,score_date:2026-01-01T00:00:00Z\ncve,epss,percentile\nCVE-2024-10000,0.5,0.9\n";
    let files: Vec<(String, Vec<u8>)> = vec![
        (TRACKER.into(), Value::Object(tracker).to_string().into_bytes()),
        (format!("{list}/DSA/list"), dsa.clone().into_bytes()),
        (format!("{list}/DLA/list"), dsa.replace("DSA", "DLA").into_bytes()),
        ("secdb.alpinelinux.org/edge/main.json".into(), alpine("main").to_string().into_bytes()),
        ("secdb.alpinelinux.org/edge/community.json".into(), alpine("community").to_string().into_bytes()),
        (
            "www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json".into(),
            kev.to_string().into_bytes(),
        ),
        ("epss.empiricalsecurity.com/epss_scores-current.csv.gz".into(), images::gzip(epss.as_bytes())),
        ("osv-vulnerabilities/PyPI/all.zip".into(), osv("PyPI", "jinja2")),
        ("osv-vulnerabilities/npm/all.zip".into(), osv("npm", "lodash")),
        ("osv-vulnerabilities/Go/all.zip".into(), osv("Go", "example.com/x")),
    ];
    for (path, bytes) in files {
        let path = tree.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// Updates from a tree; returns the generation in force.
pub fn update(house: &House, tree: &Path) -> i64 {
    let done = house.run(&["db", "update", "--from", tree.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{text}");
    generation(house)
}

/// Returns the generation in force.
pub fn generation(house: &House) -> i64 {
    let told = house.run(&["db", "status", "--format", "json"]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    told["status"]["generation"].as_i64().unwrap()
}

fn osv(ecosystem: &str, name: &str) -> Vec<u8> {
    let id = format!("GHSA-aaaa-bbbb-{}", ecosystem.to_lowercase());
    let record = json!({"id": id, "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z", "summary": "a weakness",
        "affected": [{"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "99.0.0"}]}]}]});
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(format!("{id}.json"), zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(record.to_string().as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}
