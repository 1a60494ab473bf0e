//! CISA's list of known exploited vulnerabilities.
//!
//! In: the catalogue, one JSON object. Out: the CVEs on it, with the day on which each was added.

use crate::{Error, Fact, Feed, FeedFile, Read, SourceFile, unpack};
use model::time::Micros;
use serde::Deserialize;

const URL: &str = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json";

/// The feed.
pub(super) struct Kev;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Catalogue {
    #[serde(default)]
    date_released: String,
    vulnerabilities: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "cveID")]
    cve: String,
    date_added: String,
}

impl Feed for Kev {
    fn name(&self) -> &'static str {
        "kev"
    }

    fn files(&self) -> Vec<SourceFile> {
        vec![SourceFile { url: URL.into(), optional: false }]
    }

    fn read(&self, files: &[FeedFile<'_>], out: &mut dyn FnMut(Fact)) -> Result<Read, Error> {
        let file = super::only(self.name(), URL, files)?;
        let bytes = unpack::bytes(self.name(), file)?;
        let catalogue: Catalogue = serde_json::from_slice(&bytes).map_err(|e| unpack::failed(self.name(), file, &e))?;
        let mut read = Read { date: Micros::parse(&catalogue.date_released).unwrap_or_default(), ..Read::default() };
        for entry in catalogue.vulnerabilities {
            let Ok(entry) = serde_json::from_value::<Entry>(entry) else {
                read.skip("unreadable");
                continue;
            };
            let Some(added) = super::day(&entry.date_added) else {
                read.skip("no date");
                continue;
            };
            read.records = read.records.saturating_add(1);
            out(Fact::Kev { cve: entry.cve, added });
        }
        Ok(read)
    }
}
