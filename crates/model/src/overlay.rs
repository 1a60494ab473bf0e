//! Layers laid over one another.
//!
//! In: the inventories of an image's layers, lowest first.
//! Out: the image's inventory: what is still visible, since which layer, of which distribution.

mod owners;

use crate::inventory::{
    Fact, FileReading, Found, Inventory, LayerInventory, Link, MERGED, Note, OsRelease, PathSet, Placed, Removed,
    path_hash, path_hash_step,
};
use crate::package::PackageKey;
use owners::Owners;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Where package databases and the release are looked for. What is found elsewhere counts only where a link leads to it.
pub const DATABASES: [&str; 9] = [
    "etc/os-release",
    "lib/apk/db/installed",
    "usr/lib/apk/db/installed",
    "usr/lib/os-release",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "var/lib/dpkg/info",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d",
    "var/lib/rpm/rpmdb.sqlite",
];

/// Returns whether a link at this path is kept and followed: one on the way to a database, or a folder that distributions merge
/// into `usr`. What is written through any other link stays under the name that it was written by.
pub fn followed(path: &str) -> bool {
    let leads = |full: &&str| full.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    DATABASES.iter().any(leads) || MERGED.contains(&path)
}

/// Links followed on the way to a file, as Linux does.
const HOPS: usize = 40;
/// The longest path that Linux takes.
const PATH_BYTES: usize = 4_096;

/// What hard links to files of layers below may repeat: packages, owned paths and notes. One list of packages under many names would
/// otherwise fill all memory; real images have no such link to a database at all.
const LINKED: usize = 500_000;

/// Lays layers over one another, lowest first.
///
/// A package keeps the ordinal of the layer in which its file first listed exactly it, as long as every later version of the file
/// still does. A language package whose file an installed package of the distribution owns gets the origin
/// `owned:<release>/<package>`.
///
/// What a layer writes or removes below a link that the layers so far left there happens where the link leads, as when the layers are
/// unpacked into one folder. A folder with an entry of its own takes the place of a link; one that a path only implies does not.
pub fn overlay(layers: &[&LayerInventory]) -> Inventory {
    let mut view = View::default();
    for (ordinal, layer) in (0..).zip(layers) {
        view.lay(ordinal, layer);
    }
    view.inventory()
}

/// A file that is visible.
struct Visible<'a> {
    reading: &'a FileReading,
    /// Hashes of the path and of every folder on the way to it.
    way: Vec<u64>,
    /// For each package of the reading, the layer since which the file lists it.
    since: Vec<u32>,
    /// The layer in which the file came to say something else than before, if it ever did.
    changed: Option<u32>,
    /// The layer since which there is a file of this path.
    first: u32,
    layer: u32,
}

/// What is visible when the layers so far lie over one another, by real paths.
#[derive(Default)]
struct View<'a> {
    files: BTreeMap<Cow<'a, str>, Visible<'a>>,
    links: BTreeMap<Cow<'a, str>, (&'a Link, Vec<u64>)>,
    notes: Vec<(&'a Note, Vec<u64>)>,
    /// What hard links repeated so far, against `LINKED`.
    linked: usize,
    /// Hard links that were not followed, over the limit.
    links_over: usize,
}

impl<'a> View<'a> {
    fn lay(&mut self, ordinal: u32, layer: &'a LayerInventory) {
        let hard = || layer.links.iter().filter(|link| link.hard);
        let below: Vec<_> = hard().map(|link| self.linked(link)).collect();
        let read = PathSet::new(layer.files.iter().map(|file| path_hash(&file.path)).collect());
        let replaced = |way: &[u64]| {
            way.iter().any(|hash| layer.others.contains(*hash) || read.contains(*hash))
                || way.last().is_some_and(|hash| layer.declared.contains(*hash))
        };
        self.links.retain(|_, (_, way)| !replaced(way));
        self.remove(&layer.removed);
        for link in layer.links.iter().filter(|link| !link.hard) {
            let path = self.written(&link.path);
            let way = way(&path);
            self.links.insert(path, (link, way));
        }
        let named: Vec<_> = layer.files.iter().map(|reading| (self.written(&reading.path), reading)).collect();
        let before = self.hide(layer, &named);
        for (path, reading) in named {
            self.place(ordinal, path, reading, &before);
        }
        for (link, below) in hard().zip(below) {
            let Some(reading) = below.or_else(|| self.linked(link)) else { continue };
            self.linked = self.linked.saturating_add(weight(reading));
            if self.linked > LINKED {
                self.links_over += 1;
                continue;
            }
            self.place(ordinal, self.written(&link.path), reading, &before);
        }
        let notes: Vec<_> = layer.notes.iter().map(|note| (note, way(&self.written(&note.path)))).collect();
        self.notes.extend(notes);
    }

    /// Finds the file that a hard link names.
    fn linked(&self, link: &'a Link) -> Option<&'a FileReading> {
        self.files.get(&self.written(&link.target)).map(|file| file.reading)
    }

    /// Returns where something that is written under this path comes to stand: its folder is followed, not itself.
    fn written<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let Some((folder, name)) = path.rsplit_once('/').filter(|_| !self.links.is_empty()) else { return path.into() };
        match self.resolve(folder).0 {
            Cow::Borrowed(_) => path.into(),
            Cow::Owned(real) if real.is_empty() => name.into(),
            Cow::Owned(real) => format!("{real}/{name}").into(),
        }
    }

    /// Takes away what whiteouts name. By hash, as `hide` does: each of many whiteouts must not cost a look at each of many files.
    fn remove(&mut self, removed: &[Removed]) {
        let (mut paths, mut folders, mut root) = (Vec::new(), Vec::new(), false);
        for removed in removed {
            match removed {
                Removed::Path(path) | Removed::Under(path) if path.is_empty() => root = true,
                Removed::Path(path) => paths.push(path_hash(&self.written(path))),
                Removed::Under(folder) => folders.push(path_hash(&self.resolve(folder).0)),
            }
        }
        let (paths, folders) = (PathSet::new(paths), PathSet::new(folders));
        let gone = |way: &[u64]| {
            let above = way.split_last().map_or(&[][..], |(_, above)| above);
            root || way.iter().any(|hash| paths.contains(*hash)) || above.iter().any(|hash| folders.contains(*hash))
        };
        self.files.retain(|_, file| !gone(&file.way));
        self.links.retain(|_, (_, way)| !gone(way));
        self.notes.retain(|(note, way)| note.path.is_empty() || !gone(way));
    }

    /// Takes away the files that the layer's entries hide, the files of the layer being named. Returns those that these replace.
    fn hide(
        &mut self,
        layer: &LayerInventory,
        named: &[(Cow<'a, str>, &FileReading)],
    ) -> BTreeMap<Cow<'a, str>, Visible<'a>> {
        let mut files: Vec<u64> = named.iter().map(|(path, _)| path_hash(path)).collect();
        files.sort_unstable();
        let through = self.through(layer);
        let hides = |path: &str, way: &[u64]| {
            let covers = |hash: &u64| layer.others.contains(*hash) || files.binary_search(hash).is_ok();
            way.iter().any(covers)
                || way.last().is_some_and(|hash| layer.folders.contains(*hash))
                || through.iter().any(|door| door.hides(path, layer))
        };
        self.notes.retain(|(note, way)| note.path.is_empty() || !hides(&note.path, way));
        self.files.extract_if(.., |path, file| hides(path, &file.way)).collect()
    }

    /// Returns the links below which the layer writes.
    fn through(&self, layer: &LayerInventory) -> Vec<Door> {
        let written = self.links.keys().filter(|path| layer.folders.contains(path_hash(path)));
        written.map(|path| Door { link: path.to_string(), target: self.resolve(path).0.into_owned() }).collect()
    }

    fn place(
        &mut self,
        ordinal: u32,
        path: Cow<'a, str>,
        reading: &'a FileReading,
        before: &BTreeMap<Cow<'a, str>, Visible<'a>>,
    ) {
        let before = before.get(&path);
        let listed: BTreeMap<&Found, u32> =
            before.iter().flat_map(|file| file.reading.packages.iter().zip(file.since.iter().copied())).collect();
        let since = reading.packages.iter().map(|found| listed.get(found).copied().unwrap_or(ordinal)).collect();
        let changed = match before {
            Some(file) if file.reading.says_as(reading) => file.changed,
            Some(_) => Some(ordinal),
            None => None,
        };
        let first = before.map_or(ordinal, |file| file.first);
        let way = way(&path);
        self.files.insert(path, Visible { reading, way, since, changed, first, layer: ordinal });
    }

    fn inventory(self) -> Inventory {
        let mut notes: Vec<Note> = self.notes.iter().map(|(note, _)| (*note).clone()).collect();
        let places = self.places(&mut notes);
        let counts =
            |path: &str, file: &Visible<'_>| !is_os(file.reading) || places.iter().any(|place| place.holds(path));
        let files: Vec<(&str, &Visible<'_>)> =
            self.files.iter().filter(|(path, file)| counts(path, file)).map(|(path, file)| (&**path, file)).collect();
        let os = release(&files, &places);
        let owners = Owners::of(&files, os.as_ref());
        let mut packages = Vec::new();
        for (path, file) in &files {
            notes.extend(file.reading.notes.iter().cloned());
            for (found, since) in file.reading.packages.iter().zip(&file.since) {
                let mut key = key(found, os.as_ref());
                let owned = owners.origin(path, file).filter(|_| !is_os_type(&found.purl_type));
                key.origin = owned.unwrap_or(key.origin);
                packages.push(Placed { key, path: (*path).to_owned(), layer: *since });
            }
        }
        if self.links_over > 0 {
            let text = format!("{} hard links to files of layers below were not followed", self.links_over);
            notes.push(Note { code: "limit-packages".to_owned(), path: String::new(), text, gap: true });
        }
        packages.sort();
        packages.dedup_by(|later, first| later.key == first.key && later.path == first.path);
        notes.sort();
        notes.dedup();
        Inventory { os, packages, notes }
    }

    /// Returns where databases really are, once links are followed.
    fn places(&self, notes: &mut Vec<Note>) -> Vec<Place> {
        let mut places = Vec::new();
        for database in DATABASES {
            let (path, last) = self.resolve(database);
            let place = Place { database, path: path.into_owned() };
            // `lib -> usr/lib` is on the way to databases that need not be there; `var/lib/dpkg -> x` says that one is.
            let meant = last.is_some_and(|link| link.split('/').count() >= 3);
            if meant && !self.files.keys().any(|path| place.holds_near(path)) {
                let text = format!("it leads to {}, where no package database was read", place.path);
                let code = "package-database".to_owned();
                notes.push(Note { code, path: database.to_owned(), text, gap: true });
            }
            places.push(place);
        }
        places
    }

    /// Follows links. Returns the path in the end and the last link that was followed; the path as it is where links lead in a
    /// circle, or to a longer path than Linux takes: each turn may add to it.
    fn resolve<'p>(&self, path: &'p str) -> (Cow<'p, str>, Option<&'a str>) {
        let (mut real, mut last) = (Cow::Borrowed(path), None);
        for _ in 0..HOPS {
            let mut ends = real.match_indices('/').map(|(at, _)| at).chain([real.len()]);
            let found = ends.find_map(|end| self.links.get(real.get(..end)?).map(|(link, _)| (*link, end)));
            let Some((link, end)) = found else { return (real, last) };
            let rest = real.get(end..).unwrap_or("");
            if link.target.len().saturating_add(rest.len()) > PATH_BYTES {
                break;
            }
            last = Some(link.path.as_str());
            real = format!("{}{rest}", link.target).trim_start_matches('/').to_owned().into();
        }
        (path.into(), last)
    }
}

/// A link below which a layer writes.
struct Door {
    link: String,
    target: String,
}

impl Door {
    /// Returns whether the layer puts something but a folder in the place of a file, by the name that it has behind the link.
    fn hides(&self, path: &str, layer: &LayerInventory) -> bool {
        let Some(rest) = path.strip_prefix(self.target.as_str()).filter(|rest| rest.starts_with('/')) else {
            return false;
        };
        let below = self.link.split('/').count();
        way(&format!("{}{rest}", self.link)).iter().skip(below).any(|hash| layer.others.contains(*hash))
    }
}

/// A database: where it is looked for, and where it is.
struct Place {
    database: &'static str,
    path: String,
}

impl Place {
    fn holds(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.path.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Returns whether a path is in the database or beside it: another form of the database may be there.
    fn holds_near(&self, path: &str) -> bool {
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.holds(path) || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Returns how much a reading says.
fn weight(reading: &FileReading) -> usize {
    let owned: usize = reading.owned.iter().map(|owned| owned.paths.as_slice().len()).sum();
    owned.saturating_add(reading.packages.len()).saturating_add(reading.notes.len())
}

/// Hashes every folder on the way to a path, then the path.
fn way(path: &str) -> Vec<u64> {
    let mut hash = path_hash("");
    let mut way = Vec::new();
    for byte in path.bytes() {
        if byte == b'/' {
            way.push(hash);
        }
        hash = path_hash_step(hash, byte);
    }
    way.push(hash);
    way
}

fn is_os_type(purl_type: &str) -> bool {
    matches!(purl_type, "deb" | "apk" | "rpm")
}

/// Returns whether a reading is of an OS package database or the release: it counts only in its place.
fn is_os(reading: &FileReading) -> bool {
    let os_package = |found: &Found| is_os_type(&found.purl_type);
    !reading.facts.is_empty() || !reading.owned.is_empty() || reading.packages.iter().any(os_package)
}

/// Returns the release: `etc/os-release` before `usr/lib/os-release`.
fn release(files: &[(&str, &Visible<'_>)], places: &[Place]) -> Option<OsRelease> {
    for database in ["etc/os-release", "usr/lib/os-release"] {
        let place = places.iter().find(|place| place.database == database)?;
        let file = files.iter().find(|(path, _)| *path == place.path);
        if let Some(Fact::OsRelease(os)) = file.and_then(|(_, file)| file.reading.facts.first()) {
            return Some(os.clone());
        }
    }
    None
}

fn key(found: &Found, os: Option<&OsRelease>) -> PackageKey {
    let is_os = is_os_type(&found.purl_type);
    let or = |text: &String, default: &String| if text.is_empty() && is_os { default.clone() } else { text.clone() };
    PackageKey {
        ecosystem: ecosystem(&found.purl_type, os),
        name: found.name.clone(),
        version: found.version.clone(),
        source: or(&found.source, &found.name),
        source_version: or(&found.source_version, &found.version),
        arch: found.arch.clone(),
        module: found.module.clone(),
        channel: found.channel.clone(),
        origin: found.origin.clone(),
    }
}

/// Returns the ecosystem, with the release for OS packages: `debian:12`, `alpine:3.18`, `rpm:rocky:9`, `pypi`, `go`. A distribution
/// that only uses the package format of another is named behind it: `deb:kali:2024.1`; without any release it is `deb` alone.
pub fn ecosystem(purl_type: &str, os: Option<&OsRelease>) -> String {
    if purl_type == "golang" {
        return "go".to_owned();
    }
    let Some(os) = os.filter(|os| is_os_type(purl_type) && !os.id.is_empty()) else { return purl_type.to_owned() };
    let version = os.version_id.as_str();
    let major = version.split('.').next().unwrap_or("");
    match (purl_type, os.id.as_str()) {
        ("deb", "debian") => format!("debian:{}", if major.is_empty() { debian_without_version(os) } else { major }),
        ("deb", "ubuntu") => format!("ubuntu:{version}"),
        ("apk", "alpine") => format!("alpine:{}", alpine(version)),
        ("apk", id @ ("wolfi" | "chainguard")) => id.to_owned(),
        (
            "rpm",
            id @ ("rhel" | "centos" | "rocky" | "almalinux" | "ol" | "fedora" | "amzn" | "azurelinux" | "mariner"),
        ) => {
            format!("rpm:{id}:{major}")
        }
        (kind, id) => format!("{kind}:{id}:{version}").trim_end_matches(':').to_owned(),
    }
}

/// Testing and unstable name no version; testing is kept as unstable, from which it comes.
fn debian_without_version(os: &OsRelease) -> &str {
    let released = [("buster", "10"), ("bullseye", "11"), ("bookworm", "12"), ("trixie", "13")];
    let known = released.iter().find(|(name, _)| os.codename == *name && !os.pretty_name.contains("/sid"));
    known.map_or("sid", |(_, version)| version)
}

/// `3.18.4` is of 3.18; what is not yet released is edge.
fn alpine(version: &str) -> String {
    let mut parts = version.split('.');
    let number = |part: Option<&str>| {
        part.filter(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())).map(str::to_owned)
    };
    match (number(parts.next()), number(parts.next())) {
        (Some(major), Some(minor)) if !version.contains("_alpha") => format!("{major}.{minor}"),
        _ => "edge".to_owned(),
    }
}

#[cfg(test)]
#[path = "overlay/tests.rs"]
mod tests;
