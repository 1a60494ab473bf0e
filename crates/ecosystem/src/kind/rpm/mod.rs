//! Packages of the RPM family.
//!
//! In: `var/lib/rpm/rpmdb.sqlite` or `usr/lib/sysimage/rpm/rpmdb.sqlite`: a header a row of table `Packages`.
//! Out: one package a header, and the paths it owns; keys that rpm keeps as `gpg-pubkey` are no packages. A damaged header or page
//! is a note, and so are databases in the forms of Berkeley DB and NDB.

mod header;
mod sqlite;

use crate::kind::note;
use crate::{Content, Ecosystem, Entry, File, Wants, order};
use header::Header;
use model::inventory::{FileReading, Found, Note, Owned, PathSet, owned_hash, worth_owning};
use std::cmp::Ordering;

/// RPM packages.
pub struct Rpm;

/// Bytes of one package's header; the largest real ones have some megabytes.
const HEADER_BYTES: usize = 32 << 20;
/// Bytes of a write-ahead log without a page in it.
const EMPTY_LOG: u64 = 32;

impl Ecosystem for Rpm {
    fn purl_type(&self) -> &'static str {
        "rpm"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Wants {
        let (folder, name) = entry.path.rsplit_once('/').unwrap_or(("", entry.path));
        let in_place = matches!(folder, "var/lib/rpm" | "usr/lib/sysimage/rpm");
        match name {
            // A database behind a link stands elsewhere. The overlay drops what no link leads to.
            "rpmdb.sqlite" if in_place || entry.head.starts_with(sqlite::MAGIC) => Wants::Seekable,
            "rpmdb.sqlite-wal" if in_place && entry.size > EMPTY_LOG => Wants::Whole,
            "Packages" | "Packages.db" if in_place && entry.size > 0 => Wants::Whole,
            _ => Wants::Skip,
        }
    }

    fn read(&self, file: &mut File<'_>) -> FileReading {
        let Content::Seekable(content) = &mut file.content else {
            let text = match file.path.rsplit('/').next() {
                Some("rpmdb.sqlite-wal") => {
                    "the database was not closed: its last changes stand in a log that is not read"
                }
                Some("Packages.db") => "the database is of the form NDB, which is not supported",
                _ => "the database is of the form Berkeley DB, which is not supported",
            };
            return FileReading { notes: vec![damage(text)], ..FileReading::default() };
        };
        let mut reading = FileReading::default();
        let mut bad = 0u32;
        let walked = sqlite::rows(&mut **content, file.size, "Packages", HEADER_BYTES, &mut |blob| {
            if package(blob, &mut reading).is_none() {
                bad = bad.saturating_add(1);
            }
        });
        if bad > 0 {
            reading.notes.push(damage(format!("{bad} package headers are damaged")));
        }
        if let Err(text) = walked {
            reading.notes.push(damage(format!("the database is damaged: {text}")));
        }
        reading
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        order::rpm::compare(a, b)
    }
}

fn damage(text: impl Into<String>) -> Note {
    note("package-database", text, true)
}

/// Reads one header into the reading; `None` when it is damaged.
fn package(blob: &[u8], reading: &mut FileReading) -> Option<()> {
    let header = Header::parse(blob)?;
    let name = header.text(header::NAME).filter(|name| !name.is_empty())?;
    if name == "gpg-pubkey" {
        return Some(());
    }
    let release = format!("{}-{}", header.text(header::VERSION)?, header.text(header::RELEASE)?);
    let version = match header.numbers(header::EPOCH).next() {
        Some(epoch) => format!("{epoch}:{release}"),
        None => release,
    };
    let source_file = header.text(header::SOURCE_RPM).unwrap_or_default();
    let (source, source_version) = source_of(&source_file);
    reading.packages.push(Found {
        purl_type: "rpm".to_owned(),
        name: name.clone(),
        version,
        source: source.to_owned(),
        source_version: source_version.to_owned(),
        arch: header.text(header::ARCH).unwrap_or_default(),
        module: header.text(header::MODULARITY_LABEL).map(|label| stream_of(&label)).unwrap_or_default(),
        channel: String::new(),
        origin: header.text(header::VENDOR).map(|vendor| origin_of(&vendor)).unwrap_or_default(),
    });
    let hashes = owned(&header);
    if !hashes.is_empty() {
        reading.owned.push(Owned { owner: name, paths: PathSet::new(hashes) });
    }
    Some(())
}

fn owned(header: &Header<'_>) -> Vec<u64> {
    let folders: Vec<&[u8]> = header.texts(header::DIR_NAMES).collect();
    let mut hashes = Vec::new();
    for (name, folder) in header.texts(header::BASE_NAMES).zip(header.numbers(header::DIR_INDEXES)) {
        let Some(folder) = usize::try_from(folder).ok().and_then(|at| folders.get(at)) else { continue };
        if folder.len().saturating_add(name.len()) > super::PATH_BYTES {
            continue;
        }
        let path = [*folder, name].concat();
        let path = String::from_utf8_lossy(path.strip_prefix(b"/").unwrap_or(&path));
        if worth_owning(&path) {
            hashes.push(owned_hash(&path));
        }
    }
    hashes
}

/// Splits `bash-5.1.8-4.el9.src.rpm` into name and version-release.
fn source_of(file: &str) -> (&str, &str) {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm")).unwrap_or("");
    let Some((rest, _)) = stem.rsplit_once('-') else { return ("", "") };
    let Some((name, _)) = rest.rsplit_once('-') else { return ("", "") };
    (name, stem.get(name.len()..).and_then(|rest| rest.strip_prefix('-')).unwrap_or(""))
}

/// `nodejs:18:8070020:abc` is of the stream `nodejs:18`.
fn stream_of(label: &str) -> String {
    let mut parts = label.split(':');
    match (parts.next(), parts.next()) {
        (Some(name), Some(stream)) => format!("{name}:{stream}"),
        _ => label.to_owned(),
    }
}

/// Vendors of distributions, as their packages begin to name them. Everybody else is a third party.
const VENDORS: [&str; 20] = [
    "AlmaLinux",
    "Amazon",
    "CentOS",
    "CloudLinux",
    "Fedora Project",
    "Microsoft",
    "Mageia",
    "Mariner",
    "OpenCloudOS",
    "Oracle America",
    "Photon",
    "Red Hat",
    "Rocky",
    "SUSE",
    "Scientific Linux",
    "VMware",
    "XCP-ng",
    "http://openeuler.org",
    "openEuler",
    "openSUSE",
];

fn origin_of(vendor: &str) -> String {
    let own = vendor.is_empty() || vendor == "(none)" || VENDORS.iter().any(|own| vendor.starts_with(own));
    if own { String::new() } else { format!("third-party:{}", vendor.to_lowercase()) }
}

#[cfg(test)]
mod tests;
