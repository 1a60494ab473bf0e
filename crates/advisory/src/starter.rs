//! The advisories that are built in, so that the sample image has findings before the first update.
//!
//! In: `data/starter.json`: ids, versions and scores of published advisories, with titles of our own.
//! Out: a database that says `starter_only`. Each advisory equals a record of a feed (see the tests).

use crate::{Builder, Database, Error};
use model::advisory::{Advisory, Affected, CvssVector, End, Names, Range, Source, VendorState};
use model::severity::{Severity, SeveritySource};
use model::time::Micros;
use serde::Deserialize;

static DATA: &str = include_str!("../data/starter.json");

/// One advisory for one package.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    title: String,
    ecosystem: String,
    name: String,
    /// First affected version (empty = from the start), and the one that fixes it.
    ranges: Vec<(String, String)>,
    references: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    related: Vec<String>,
    #[serde(default)]
    cwe: Vec<String>,
    #[serde(default)]
    cvss: Vec<String>,
    #[serde(default)]
    severity: Option<Severity>,
    #[serde(default)]
    published: String,
}

/// Returns the built-in database: facts for the packages of the sample image, and nothing else.
pub fn starter() -> Result<Database, Error> {
    let mut builder = Builder::starter();
    for advisory in advisories()? {
        builder.add(&advisory);
    }
    Database::open(Box::new(builder.finish(0, Micros(0), Vec::new())))
}

fn advisories() -> Result<Vec<Advisory>, Error> {
    let entries: Vec<Entry> =
        serde_json::from_str(DATA).map_err(|_| Error::Damaged("the built-in advisories cannot be read"))?;
    Ok(entries.into_iter().map(advisory).collect())
}

fn advisory(entry: Entry) -> Advisory {
    let source = if entry.id.starts_with("GHSA-") { SeveritySource::Vendor } else { SeveritySource::Other };
    let distribution = entry.ecosystem.contains(':');
    let ranges = entry.ranges.into_iter().map(|(introduced, fixed)| Range { introduced, end: End::Fixed(fixed) });
    Advisory {
        id: entry.id,
        source: Source::Starter,
        aliases: entry.aliases,
        related: entry.related,
        title: entry.title,
        published: Micros::parse(&entry.published).unwrap_or_default(),
        cwe: entry.cwe,
        cvss: entry.cvss.into_iter().map(|vector| CvssVector { vector, source }).collect(),
        references: entry.references,
        affected: vec![Affected {
            ecosystem: entry.ecosystem,
            name: entry.name,
            names: if distribution { Names::Source } else { Names::Language },
            ranges: ranges.collect(),
            state: VendorState::Fixed,
            severity: entry.severity,
            ..Affected::default()
        }],
        ..Advisory::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ALL, Fact, Feed, FeedFile};

    #[test]
    fn the_built_in_database_says_what_it_is() {
        let db = starter().unwrap();
        db.verify().unwrap();
        assert!(db.starter_only() && db.covers("debian:12") && db.covers("pypi") && db.covers("npm"));
        assert_eq!(db.look_up("debian:12", "openssl").count(), 5);
        let lodash = db.vulnerability(db.find("GHSA-35jh-r3h4-6jhm").unwrap()).unwrap();
        assert_eq!((lodash.heading.as_str(), lodash.cvss_v3), ("CVE-2021-23337", Some(72)));
    }

    /// Returns a bulk file with the records that are built in as well, and no others: all of them take long to read.
    fn only_ours(bytes: &[u8]) -> Vec<u8> {
        let mut all = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut kept = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for one in advisories().unwrap() {
            let name = format!("{}.json", one.id);
            if all.index_for_name(&name).is_some()
                && kept.start_file(&*name, zip::write::SimpleFileOptions::default()).is_ok()
            {
                std::io::copy(&mut all.by_name(&name).unwrap(), &mut kept).unwrap();
            }
        }
        kept.finish().unwrap().into_inner()
    }

    /// Returns the files of a feed.
    fn files(feed: &dyn Feed, folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
        let read = |url: String| {
            let path = url.replacen("https://", "", 1).replacen(".storage.googleapis.com", "", 1);
            let bytes = std::fs::read(folder.join(&path));
            let bytes = bytes.or_else(|_| std::fs::read(folder.join(format!("{path}.zst")))).unwrap();
            if path.ends_with(".zip") { (url, only_ours(&bytes)) } else { (url, bytes) }
        };
        feed.files().into_iter().map(|file| read(file.url)).collect()
    }

    /// Reads the feeds of the test data.
    fn real(folder: &std::path::Path) -> Vec<Advisory> {
        let mut all = Vec::new();
        for feed in ALL.iter().filter(|f| ["debian", "osv-pypi", "osv-npm"].contains(&f.name())) {
            let files = files(*feed, folder);
            let given: Vec<FeedFile<'_>> = files.iter().map(|(url, bytes)| FeedFile { url, bytes }).collect();
            let mut take = |fact| all.extend(if let Fact::Advisory(advisory) = fact { Some(advisory) } else { None });
            feed.read(&given, &mut take).unwrap();
        }
        all
    }

    #[test]
    fn every_built_in_advisory_equals_a_record_of_a_feed() {
        let root = std::env::var_os("PORTWARDEN_TESTDATA").map_or_else(
            || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
            std::path::PathBuf::from,
        );
        let ours = advisories().unwrap();
        if !root.join("feeds").exists() {
            println!("{} checks not run: no test data", ours.len());
            return;
        }
        let real = real(&root.join("feeds"));
        for one in ours {
            let [affected] = one.affected.as_slice() else { panic!("one package each") };
            let key = (&one.id, &affected.name);
            let same = |a: &&Advisory| a.id == one.id && a.affected.contains(affected);
            let feed = real.iter().find(same).unwrap_or_else(|| panic!("{key:?} is in no feed as {affected:?}"));
            assert_eq!((&one.aliases, &one.related), (&feed.aliases, &feed.related), "{key:?}");
            assert_eq!((&one.cvss, &one.cwe, one.published), (&feed.cvss, &feed.cwe, feed.published), "{key:?}");
            assert!(!one.title.is_empty() && one.title != feed.title, "{key:?} has a title of our own");
        }
    }
}
