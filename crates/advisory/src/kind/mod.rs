//! Every feed, one file each.

use crate::{Error, Feed, FeedFile};
use model::time::Micros;

mod alpine;
mod debian;
mod epss;
mod kev;
mod osv;

/// Every feed, in the order in which they are read: one line a feed.
pub static ALL: &[&dyn Feed] =
    &[&debian::Debian, &alpine::Alpine, &osv::PYPI, &osv::NPM, &osv::GO, &kev::Kev, &epss::Epss];

/// Returns the one file of a feed that has one.
fn only<'a>(feed: &'static str, url: &str, files: &[FeedFile<'a>]) -> Result<FeedFile<'a>, Error> {
    files.iter().copied().find(|f| f.url == url).ok_or_else(|| Error::Missing { feed, file: url.to_owned() })
}

/// Returns the first moment of a day, `2025-06-13`.
fn day(date: &str) -> Option<Micros> {
    Micros::parse(&format!("{date}T00:00:00Z"))
}

#[cfg(test)]
mod tests;
