//! What a feed is, and what reading one gives.

use crate::Error;
use model::advisory::Advisory;
use model::time::Micros;

/// A publisher of knowledge: where its files are and how to read them. One file in `kind/` each.
pub trait Feed: Sync {
    /// The feed's name, and what `FeedState::name` says: `debian`, `alpine`, `osv-pypi`, `kev`.
    fn name(&self) -> &'static str;
    /// The files to fetch.
    fn files(&self) -> Vec<SourceFile>;
    /// Reads the files that could be had, in any order; each as published or compressed once more (gzip, zstd).
    ///
    /// Gives every fact to `out`. A record that cannot be read is counted in `Read::skipped`; a file that cannot be read is an
    /// error, so that half a feed never passes for the whole.
    fn read(&self, files: &[FeedFile<'_>], out: &mut dyn FnMut(Fact)) -> Result<Read, Error>;
}

/// A file of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where the publisher has it.
    pub url: String,
    /// Whether the feed is whole without it (a release that has ended, or has not begun).
    pub optional: bool,
}

/// The bytes of a file of a feed.
#[derive(Debug, Clone, Copy)]
pub struct FeedFile<'a> {
    /// As in `SourceFile::url`.
    pub url: &'a str,
    /// As published, or that compressed with gzip or zstd.
    pub bytes: &'a [u8],
}

/// One thing that a feed says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A vulnerability, or part of what is said about it.
    Advisory(Advisory),
    /// A CVE is known to be exploited.
    Kev {
        /// The CVE.
        cve: String,
        /// When it was added to the list.
        added: Micros,
    },
    /// How likely a CVE is to be exploited within 30 days.
    Epss {
        /// The CVE.
        cve: String,
        /// Probability in millionths.
        probability: u32,
        /// Share of CVEs that are less likely, in millionths.
        percentile: u32,
        /// The day of the score.
        date: Micros,
    },
}

/// What reading a feed gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    /// Records that were understood, withdrawn ones included.
    pub records: u64,
    /// Records that were left out, and why: `("withdrawn", 269)`.
    pub skipped: Vec<(&'static str, u64)>,
    /// The newest date that the feed itself names; 0 = none.
    pub date: Micros,
    /// Records of each file, by its URL, where a feed has several.
    pub files: Vec<(String, u64)>,
}

impl Read {
    pub(crate) fn skip(&mut self, why: &'static str) {
        match self.skipped.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.skipped.push((why, 1)),
        }
    }

    /// Ends a file: its records are those that were not there before it.
    pub(crate) fn end_file(&mut self, url: &str, before: u64) {
        self.files.push((url.to_owned(), self.records.saturating_sub(before)));
    }
}
