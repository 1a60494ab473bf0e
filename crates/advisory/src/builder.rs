//! Builds the advisory database.

use crate::Fact;
use model::advisory::{Advisory, FeedState};
use model::time::Micros;

/// Collects facts and packs them into the file that `Database` opens.
#[derive(Default)]
pub struct Builder {
    starter: bool,
}

impl Builder {
    /// Returns an empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a builder for the built-in database.
    pub(crate) fn starter() -> Self {
        Self { starter: true }
    }

    /// Takes one fact of a feed.
    pub fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Advisory(advisory) => self.add(advisory),
            Fact::Kev { cve, added } => self.kev(&cve, added),
            Fact::Epss { cve, probability, percentile, date } => self.epss(&cve, probability, percentile, date),
        }
    }

    /// Takes one advisory. Several may share an id: what they say is added up.
    pub fn add(&mut self, _advisory: Advisory) {}

    /// Marks a CVE as known to be exploited.
    pub fn kev(&mut self, _cve: &str, _added: Micros) {}

    /// Keeps a CVE's probability and percentile, in millionths.
    pub fn epss(&mut self, _cve: &str, _probability: u32, _percentile: u32, _date: Micros) {}

    /// Packs everything into the bytes of a database file.
    pub fn finish(self, _generation: i64, _built: Micros, _feeds: Vec<FeedState>) -> Vec<u8> {
        Vec::new()
    }
}
