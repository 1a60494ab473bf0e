//! Debian's packages, and those of its descendants.
//!
//! In: `var/lib/dpkg/status`, `var/lib/dpkg/status.d/*` (distroless): stanzas split by blank lines, `Field: value`, lines that
//! begin with a blank continue. `info/*.list`, `info/*.md5sums`, `status.d/*.md5sums`: what a package owns.
//! Out: one package a stanza whose files are there; a stanza without name or version becomes a note.

use crate::kind::note;
use crate::{Ecosystem, Entry, File, Wants, order};
use model::inventory::{FileReading, Found, Owned, PathSet, owned_hash, worth_owning};
use std::cmp::Ordering;

/// Debian packages.
pub struct Dpkg;

impl Ecosystem for Dpkg {
    fn purl_type(&self) -> &'static str {
        "deb"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Wants {
        let (folder, name) = entry.path.rsplit_once('/').unwrap_or(("", entry.path));
        let wanted = match folder.rsplit('/').next() {
            // A database behind a link stands elsewhere: told by its first line. The overlay drops what no link leads to.
            _ if entry.path == "var/lib/dpkg/status" => true,
            _ if name == "status" => entry.head.starts_with(b"Package: "),
            Some("status.d") => {
                folder == "var/lib/dpkg/status.d" || name.ends_with(".md5sums") || entry.head.starts_with(b"Package: ")
            }
            Some("info") => name.ends_with(".list") || name.ends_with(".md5sums"),
            _ => false,
        };
        if wanted { Wants::Whole } else { Wants::Skip }
    }

    fn read(&self, file: &mut File<'_>) -> FileReading {
        let name = file.path.rsplit('/').next().unwrap_or("");
        let text = String::from_utf8_lossy(file.whole());
        if let Some(owner) = name.strip_suffix(".list") {
            return owned(owner, text.lines().filter_map(|line| line.strip_prefix('/')));
        }
        if let Some(owner) = name.strip_suffix(".md5sums") {
            return owned(owner, text.lines().filter_map(|line| line.split_once("  ").map(|(_, path)| path)));
        }
        packages(&text)
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        order::dpkg::compare(a, b)
    }
}

/// Reads what a package owns. A folder of a list stands before what is in it; only metadata folders are of use.
fn owned<'t>(owner: &str, paths: impl Iterator<Item = &'t str>) -> FileReading {
    let mut hashes = Vec::new();
    let mut paths = paths.map(|path| path.trim_start_matches("./")).peekable();
    while let Some(path) = paths.next() {
        let is_folder =
            paths.peek().is_some_and(|next| next.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
        let metadata = path.ends_with(".dist-info") || path.ends_with(".egg-info");
        if worth_owning(path) && (metadata || !is_folder) {
            hashes.push(owned_hash(path));
        }
    }
    if hashes.is_empty() {
        return FileReading::default();
    }
    // `libc6:amd64.list` belongs to libc6.
    let owner = owner.split(':').next().unwrap_or(owner).to_owned();
    FileReading { owned: vec![Owned { owner, paths: PathSet::new(hashes) }], ..FileReading::default() }
}

/// The fields of a stanza that matter.
#[derive(Default)]
struct Stanza<'t> {
    package: &'t str,
    version: &'t str,
    arch: &'t str,
    source: &'t str,
    status: &'t str,
    maintainer: &'t str,
    origin: &'t str,
    any: bool,
}

impl<'t> Stanza<'t> {
    fn take(&mut self, line: &'t str) {
        self.any = true;
        let Some((field, value)) = line.split_once(':') else { return };
        let slot = match field {
            f if f.eq_ignore_ascii_case("package") => &mut self.package,
            f if f.eq_ignore_ascii_case("version") => &mut self.version,
            f if f.eq_ignore_ascii_case("architecture") => &mut self.arch,
            f if f.eq_ignore_ascii_case("source") => &mut self.source,
            f if f.eq_ignore_ascii_case("status") => &mut self.status,
            f if f.eq_ignore_ascii_case("maintainer") => &mut self.maintainer,
            f if f.eq_ignore_ascii_case("origin") => &mut self.origin,
            _ => return,
        };
        *slot = value.trim();
    }

    /// Returns whether the package's files are there: every state but "removed" and "never installed". What dpkg is told to do
    /// next (`hold`, `deinstall`) does not change what is there. A list without states holds what is there.
    fn is_there(&self) -> bool {
        !matches!(self.status.split_ascii_whitespace().nth(2), Some("config-files" | "not-installed"))
    }

    fn found(&self) -> Found {
        let (source, source_version) = match self.source.split_once('(') {
            Some((name, version)) => (name.trim(), version.trim_end_matches(')').trim()),
            None => (self.source, ""),
        };
        Found {
            purl_type: "deb".to_owned(),
            name: self.package.to_owned(),
            version: self.version.to_owned(),
            source: source.to_owned(),
            source_version: source_version.to_owned(),
            arch: self.arch.to_owned(),
            origin: third_party(self).map_or_else(String::new, |who| format!("third-party:{who}")),
            ..Found::default()
        }
    }
}

fn packages(text: &str) -> FileReading {
    let mut reading = FileReading::default();
    let mut stanza = Stanza::default();
    let mut incomplete = 0u32;
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            let done = std::mem::take(&mut stanza);
            match () {
                () if !done.any || !done.is_there() => {}
                () if done.package.is_empty() || done.version.is_empty() => incomplete = incomplete.saturating_add(1),
                () => reading.packages.push(done.found()),
            }
        } else if !line.starts_with([' ', '\t']) {
            stanza.take(line);
        }
    }
    if incomplete > 0 {
        reading.notes.push(note("package-database", format!("{incomplete} entries have no name or no version"), true));
    }
    reading
}

/// Publishers that are neither Debian nor Ubuntu, by the domain of their maintainer address. Debian's own maintainers use any
/// address, so only domains under which no package of Debian or Ubuntu is maintained stand here.
const PUBLISHERS: [&str; 20] = [
    "cloudflare.com",
    "confluent.io",
    "datadoghq.com",
    "docker.com",
    "elastic.co",
    "f5.com",
    "gitlab.com",
    "grafana.com",
    "hashicorp.com",
    "influxdata.com",
    "lists.mariadb.org",
    "mongodb.com",
    "newrelic.com",
    "nginx.com",
    "nodesource.com",
    "nvidia.com",
    "oss.oracle.com",
    "percona.com",
    "tailscale.com",
    "yarnpkg.com",
];

/// Marks in versions that repositories of packages rebuilt for Debian and Ubuntu leave.
const VERSION_MARKS: [(&str, &str); 4] = [
    (".pgdg", "postgresql.org"),
    ("nodesource", "nodesource.com"),
    ("+maria~", "mariadb.org"),
    ("deb.sury.org", "sury.org"),
];

/// Returns who made the package, where the entry itself says that it was not the distribution.
fn third_party(stanza: &Stanza<'_>) -> Option<String> {
    let own = |origin: &str| ["debian", "ubuntu", "canonical", "raspbian"].iter().any(|name| origin.contains(name));
    let origin = stanza.origin.to_lowercase();
    if !origin.is_empty() && !own(&origin) {
        return Some(origin);
    }
    let mark = VERSION_MARKS.iter().find(|(mark, _)| stanza.version.contains(mark));
    if let Some((_, who)) = mark {
        return Some((*who).to_owned());
    }
    let address = stanza.maintainer.rsplit_once('@')?.1.trim_end_matches('>').to_lowercase();
    let of = |domain: &&&str| address.strip_suffix(**domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    PUBLISHERS.iter().find(of).map(|domain| (*domain).to_owned())
}

#[cfg(test)]
#[path = "dpkg/tests.rs"]
mod tests;
