//! EPSS: how likely a CVE is to be exploited within 30 days.
//!
//! In: `#model_version:…,score_date:…`, then `cve,epss,percentile`, then a line a CVE; gzip. Out: both numbers in millionths, with
//! the day of the score.

use crate::{Error, Fact, Feed, FeedFile, Read, SourceFile, unpack};
use model::time::Micros;

const URL: &str = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz";

/// The feed.
pub(super) struct Epss;

impl Feed for Epss {
    fn name(&self) -> &'static str {
        "epss"
    }

    fn files(&self) -> Vec<SourceFile> {
        vec![SourceFile { url: URL.into(), optional: false }]
    }

    fn read(&self, files: &[FeedFile<'_>], out: &mut dyn FnMut(Fact)) -> Result<Read, Error> {
        let file = super::only(self.name(), URL, files)?;
        let text = unpack::text(self.name(), file)?;
        let Some(date) = text.lines().next().and_then(score_date) else {
            return Err(unpack::failed(self.name(), file, &"its first line names no score_date"));
        };
        let mut read = Read { date, ..Read::default() };
        for line in text.lines().filter(|l| !l.starts_with('#') && !l.starts_with("cve,")) {
            match scores(line) {
                Some((cve, probability, percentile)) => {
                    read.records = read.records.saturating_add(1);
                    out(Fact::Epss { cve: cve.to_owned(), probability, percentile, date });
                }
                None => read.skip("unreadable"),
            }
        }
        Ok(read)
    }
}

fn score_date(line: &str) -> Option<Micros> {
    let (_, date) = line.split_once("score_date:")?;
    super::day(date.get(..10)?)
}

fn scores(line: &str) -> Option<(&str, u32, u32)> {
    let mut parts = line.split(',');
    let (cve, probability, percentile) = (parts.next()?, parts.next()?, parts.next()?);
    cve.starts_with("CVE-").then_some((cve, millionths(probability)?, millionths(percentile)?))
}

/// Reads a share, `0.15958`, as millionths.
fn millionths(text: &str) -> Option<u32> {
    let share: f64 = text.trim().parse().ok()?;
    // In range, so that the cast is exact.
    (0.0..=1.0).contains(&share).then(|| (share * 1e6).round() as u32)
}
