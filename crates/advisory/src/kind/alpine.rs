//! Alpine's secdb: which version of a package fixes what.
//!
//! In: one JSON file a branch and repository: package (the origin) → version → ids. Out: one advisory an id, package and branch.
//! What is not fixed is not in it. Version `0` means never affected. A string may hold several ids of one vulnerability.

use crate::{Error, Fact, Feed, FeedFile, Read, SourceFile, unpack};
use ecosystem::order;
use model::advisory::{Advisory, Affected, End, Names, Range, Source, VendorState};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

const HOST: &str = "https://secdb.alpinelinux.org";
/// Branches `v3.10` to this one are asked for; those that have not begun answer 404.
const NEWEST: u32 = 26;
/// Ids in one string; known are 9 at most.
const TOGETHER: usize = 32;

/// The feed.
pub(super) struct Alpine;

#[derive(Deserialize)]
struct Branch {
    #[serde(default)]
    distroversion: String,
    packages: Vec<Value>,
}

#[derive(Deserialize)]
struct Entry {
    pkg: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    secfixes: BTreeMap<String, Option<Vec<String>>>,
}

impl Feed for Alpine {
    fn name(&self) -> &'static str {
        "alpine"
    }

    fn files(&self) -> Vec<SourceFile> {
        let mut branches: Vec<(String, bool)> = (10..=NEWEST).map(|minor| (format!("v3.{minor}"), true)).collect();
        branches.push(("edge".into(), false));
        let mut files = Vec::new();
        for (branch, optional) in branches {
            for repository in ["main", "community"] {
                files.push(SourceFile { url: format!("{HOST}/{branch}/{repository}.json"), optional });
            }
        }
        files
    }

    fn read(&self, files: &[FeedFile<'_>], out: &mut dyn FnMut(Fact)) -> Result<Read, Error> {
        if files.is_empty() {
            return Err(Error::Missing { feed: self.name(), file: format!("{HOST}/edge/main.json") });
        }
        let mut read = Read::default();
        for file in files {
            let bytes = unpack::bytes(self.name(), *file)?;
            let branch: Branch = serde_json::from_slice(&bytes).map_err(|e| unpack::failed(self.name(), *file, &e))?;
            let Some(ecosystem) = release(&branch.distroversion).or_else(|| release_of_url(file.url)) else {
                return Err(unpack::failed(self.name(), *file, &"it names no branch"));
            };
            let before = read.records;
            for entry in branch.packages {
                match serde_json::from_value::<Entry>(entry) {
                    Ok(entry) => read_package(&ecosystem, &entry.pkg, &mut read, out),
                    Err(_) => read.skip("unreadable"),
                }
            }
            read.end_file(file.url, before);
        }
        Ok(read)
    }
}

/// Returns `alpine:3.18` for `v3.18`, `alpine:edge` for `edge`.
fn release(branch: &str) -> Option<String> {
    let version = branch.strip_prefix('v').unwrap_or(branch);
    let numbered = version.starts_with(|c: char| c.is_ascii_digit());
    (numbered || version == "edge").then(|| format!("alpine:{version}"))
}

fn release_of_url(url: &str) -> Option<String> {
    release(url.rsplit('/').nth(1)?)
}

fn read_package(ecosystem: &str, package: &Package, read: &mut Read, out: &mut dyn FnMut(Fact)) {
    // An id that stands at several versions is fixed by the last of them; `0` counts only where it stands alone.
    let mut fixes: BTreeMap<Vec<String>, &str> = BTreeMap::new();
    for (version, ids) in &package.secfixes {
        for text in ids.iter().flatten() {
            let ids = split(text);
            if let Some(why) = no_vulnerability(&ids) {
                read.skip(why);
                continue;
            }
            let kept = fixes.entry(ids).or_insert(version);
            if *kept == "0" || (version != "0" && order::apk::compare(kept, version).is_lt()) {
                *kept = version;
            }
        }
    }
    for (ids, version) in fixes {
        read.records = read.records.saturating_add(1);
        let (cves, others): (Vec<String>, Vec<String>) = ids.into_iter().partition(|id| id.starts_with("CVE-"));
        let heads = if cves.is_empty() { others.get(..1).unwrap_or_default() } else { &cves };
        for id in heads {
            let aliases = others.iter().filter(|o| *o != id).cloned().collect();
            out(Fact::Advisory(advisory(id, aliases, ecosystem, &package.name, version)));
        }
    }
}

/// Returns why the ids of one string name no vulnerability, if they do not.
fn no_vulnerability(ids: &[String]) -> Option<&'static str> {
    match ids.len() {
        0 => Some("no id"),
        1..=TOGETHER => None,
        _ => Some("too many ids"),
    }
}

/// Splits `CVE-2026-3832 GNUTLS-SA-2026-04-29-7`; words that are no ids are dropped.
fn split(text: &str) -> Vec<String> {
    let is_id = |word: &&str| word.contains('-') && word.contains(|c: char| c.is_ascii_digit());
    text.split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()))
        .map(|word| word.strip_prefix("CVE_").map_or(word.to_owned(), |rest| format!("CVE-{rest}")))
        .filter(|word| is_id(&word.as_str()))
        .collect()
}

fn advisory(id: &str, aliases: Vec<String>, ecosystem: &str, name: &str, version: &str) -> Advisory {
    let affected = match version {
        "0" => Affected { state: VendorState::NotAffected, ..Affected::default() },
        fixed => Affected {
            state: VendorState::Fixed,
            ranges: vec![Range { introduced: String::new(), end: End::Fixed(fixed.to_owned()) }],
            ..Affected::default()
        },
    };
    Advisory {
        id: id.to_owned(),
        source: Source::Alpine,
        aliases,
        affected: vec![Affected { ecosystem: ecosystem.into(), name: name.into(), names: Names::Source, ..affected }],
        ..Advisory::default()
    }
}
