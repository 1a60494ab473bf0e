//! Feeds → advisory database: `portwarden db update`.
//!
//! In: every feed's files, from their publishers, from a host in front of them, or from a folder. Out: a new generation of the
//! advisory database, put in force as a whole; or none, when nothing that is said has changed.
//! Last good copies stay in `DATA/feeds`. A feed that cannot be had, cannot be read or lost more than a tenth of its records, or of
//! those of a file or a release, is an outage and not news: its last good copy is used, and the trouble is reported with the result.

mod fetch;
mod loss;
mod shelf;

use crate::database::{self, Folder};
use advisory::{Builder, Database, Feed};
use futures_util::StreamExt;
use model::advisory::FeedState;
use model::time::Micros;
use reqwest::Url;
use serde::Serialize;
use shelf::{Candidate, Plan, Shelf};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use store::FeedRow;

/// Files asked for at the same time: enough to hide the way to the servers, few enough to be a polite guest.
const AT_ONCE: usize = 6;

/// Where an update looks, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// A host in front of the publishers: `BASE/<upstream host>/<path>`.
    pub base: Option<Url>,
    /// A folder laid out as `<upstream host>/<path>`, files packed with `.zst` allowed; nothing is asked for over the network.
    pub from: Option<PathBuf>,
    /// A proxy for every request.
    pub proxy: Option<Url>,
    /// Certificates to trust beside the platform's own, PEM.
    pub ca_bundle: Option<PathBuf>,
    /// Takes a feed even if it lost a file, a release, or more than a tenth of their records or of its own.
    pub accept_loss: bool,
    /// Pause before the second try; four times as long before the third. A server may ask for another one, up to a minute.
    pub retry_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base: None,
            from: None,
            proxy: None,
            ca_bundle: None,
            accept_loss: false,
            retry_pause: Duration::from_secs(2),
        }
    }
}

impl Options {
    /// Returns where files come from, as `FeedState::source` names it.
    fn source(&self) -> String {
        match (&self.from, &self.base) {
            (Some(folder), _) => folder.display().to_string(),
            (None, Some(base)) => base.to_string(),
            (None, None) => "upstream".to_owned(),
        }
    }
}

/// What an update gave.
#[derive(Debug, Clone, Serialize)]
pub struct Updated {
    /// The generation in force now.
    pub generation: i64,
    /// Whether it is a new one; else everything that feeds say was known already.
    pub changed: bool,
    /// Hash over everything that it says.
    pub content_hash: String,
    /// How each feed fared.
    pub feeds: Vec<Report>,
}

/// How a feed fared.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What is in the database of it.
    pub state: FeedState,
    /// Why its last good copy was used, or nothing of it at all; `None` if all went well.
    pub trouble: Option<String>,
}

/// What is in force, and how its feeds fare; for `db status`.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The generation in force; 0 = the built-in starter advisories.
    pub generation: i64,
    /// When it was built.
    pub built: Micros,
    /// Hash over everything that it says.
    pub content_hash: String,
    /// Size of its file; 0 = built in.
    pub bytes: u64,
    /// Vulnerabilities in it.
    pub vulnerabilities: u32,
    /// Feeds in it, with the trouble of the last update.
    pub feeds: Vec<Report>,
}

/// Why an update gave nothing.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // for the fields, which the message names; variants are documented
pub enum Error {
    /// Not a URL that a feed can have.
    #[error("{url} is not a URL that a feed can have")]
    Url { url: String },
    /// The network failed.
    #[error("cannot fetch {url}; check the network, a proxy (--proxy), or use --feeds-base or --from")]
    Network { url: String, source: reqwest::Error },
    /// The client could not be made.
    #[error("cannot set up the HTTP client; check the proxy and the CA bundle")]
    Client(#[source] reqwest::Error),
    /// The server refused.
    #[error("{url} answers with status {status}; try again later, or use --feeds-base or --from")]
    Status { url: String, status: u16 },
    /// The server compressed in a way that was not asked for.
    #[error("{url} comes with the unknown encoding {encoding:?}")]
    Encoding { url: String, encoding: String },
    /// More bytes than any feed has.
    #[error("{what} is larger than {limit} bytes and cannot be a feed", limit = fetch::FILE_LIMIT_BYTES)]
    TooLarge { what: String },
    /// The disk failed.
    #[error("cannot read or write {path}; check free space and permissions")]
    File { path: PathBuf, source: std::io::Error },
    /// Another update is running in the same data folder.
    #[error("another update is running in {path}; wait for it to end")]
    Busy { path: PathBuf },
    /// Nothing could be had.
    #[error("no feed could be had: {first}")]
    Nothing { first: String },
    /// The database could not be written or read.
    #[error(transparent)]
    Database(#[from] database::Error),
    /// The database that was built cannot be opened: a fault of ours, never put in force.
    #[error("the database that was built cannot be opened; the old one stays in force")]
    Built(#[source] advisory::Error),
    /// The work was stopped.
    #[error("the update was stopped before its end")]
    Stopped(#[source] tokio::task::JoinError),
}

/// Fetches every feed that has news, and puts a new database in force if anything that feeds say has changed.
pub async fn update(options: &Options, data: &Path) -> Result<Updated, Error> {
    update_of(advisory::ALL, options, data).await
}

/// The same for some feeds only; so tests bring their own.
pub(crate) async fn update_of(
    feeds: &'static [&'static dyn Feed],
    options: &Options,
    data: &Path,
) -> Result<Updated, Error> {
    let opened = data.to_path_buf();
    let shelf = blocking(move || Shelf::open(&opened)).await??;
    let answers = fetch_all(feeds, options, &shelf).await?;
    let (options, data) = (options.clone(), data.to_path_buf());
    blocking(move || {
        let (mut shelf, source) = (shelf, options.source());
        let mut plans: Vec<Plan> = feeds.iter().map(|feed| Plan::new(*feed, &shelf, &source)).collect();
        for (feed, candidate) in answers {
            if let Some(plan) = plans.get_mut(feed) {
                plan.add(candidate, options.accept_loss)?;
            }
        }
        let updated = build(&mut plans, &shelf, &options, &Folder::of(&data))?;
        shelf.keep(&plans, &updated)?;
        Ok(updated)
    })
    .await?
}

/// Returns what is in force in a data folder.
pub fn status(data: &Path) -> Result<Status, Error> {
    let folder = Folder::of(data);
    let (database, bytes) = match folder.open_current() {
        Ok(database) => {
            let bytes = std::fs::metadata(folder.path(database.generation())).map_or(0, |m| m.len());
            (database, bytes)
        }
        Err(database::Error::None { .. }) => (advisory::starter().map_err(Error::Built)?, 0),
        Err(error) => return Err(error.into()),
    };
    let last = shelf::last_update(data);
    let states = asked_last(&database, &last);
    let mut troubles = last.troubles;
    let report = |state: FeedState, troubles: &mut BTreeMap<String, String>| Report {
        trouble: troubles.remove(&state.name),
        state,
    };
    let mut feeds: Vec<Report> = states.into_iter().map(|state| report(state, &mut troubles)).collect();
    let absent = |(name, trouble)| Report { state: FeedState { name, ..FeedState::default() }, trouble: Some(trouble) };
    feeds.extend(troubles.into_iter().map(absent));
    Ok(Status {
        generation: database.generation(),
        built: database.built(),
        content_hash: database.content_hash().to_owned(),
        bytes,
        vulnerabilities: database.vulnerabilities(),
        feeds,
    })
}

/// Returns the feeds of a database as they were asked last.
pub fn feeds_of(database: &Database, data: &Path) -> Vec<FeedState> {
    asked_last(database, &shelf::last_update(data))
}

/// The same as the store keeps it for processes that ask no feed themselves.
pub(crate) fn rows_of(database: &Database, data: &Path) -> Vec<FeedRow> {
    let row =
        |feed: FeedState| FeedRow { name: feed.name, records: feed.records, date: feed.date, fetched: feed.fetched };
    feeds_of(database, data).into_iter().map(row).collect()
}

/// An update without news leaves the file alone and knows better when its feeds were asked.
fn asked_last(database: &Database, last: &shelf::LastUpdate) -> Vec<FeedState> {
    let asked =
        |state: &FeedState| last.feeds.get(&state.name).filter(|_| last.generation == database.generation()).cloned();
    database.feeds().iter().map(|state| asked(state).unwrap_or_else(|| state.clone())).collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(Error::Stopped)
}

/// Asks for every file of every feed; nothing that is kept is touched yet. Answers come with the feed's number.
async fn fetch_all(
    feeds: &[&'static dyn Feed],
    options: &Options,
    shelf: &Shelf,
) -> Result<Vec<(usize, Candidate)>, Error> {
    let client = if options.from.is_none() { Some(fetch::client(options)?) } else { None };
    let (client, source) = (&client, &options.source());
    let wanted = feeds.iter().enumerate().flat_map(|(number, feed)| {
        feed.files().into_iter().map(move |file| (number, Candidate::new(shelf, feed.name(), file, source)))
    });
    let ask = |(number, candidate): (usize, Candidate)| async move {
        let fetched = match (&options.from, client) {
            (Some(folder), _) => fetch::from_folder(folder, &candidate.url, &candidate.staging),
            (None, Some(client)) => {
                fetch::get(client, options, &candidate.url, &candidate.validators, &candidate.staging).await
            }
            (None, None) => Ok(fetch::Fetched::Missing),
        };
        (number, candidate.with(fetched))
    };
    Ok(futures_util::stream::iter(wanted.map(ask)).buffered(AT_ONCE).collect().await)
}

/// Builds from what was fetched; a feed that does not hold falls back to its last good copy, then to nothing.
fn build(plans: &mut [Plan], shelf: &Shelf, options: &Options, folder: &Folder) -> Result<Updated, Error> {
    let current = folder.open_current().ok();
    let now = now();
    let built = loop {
        if let Some(current) = current.as_ref().filter(|db| shelf.built_from(plans, db)) {
            plans.iter_mut().for_each(|plan| plan.settle(now));
            return Ok(unchanged(plans, current));
        }
        let mut builder = Builder::new();
        let mut states = Vec::new();
        let bad = plans.iter_mut().position(|plan| match plan.read(&mut builder, options.accept_loss, now) {
            Ok(state) => {
                states.extend(state);
                false
            }
            Err(trouble) => {
                plan.fall_back(trouble);
                true
            }
        });
        if bad.is_none() {
            break (!states.is_empty()).then_some((builder, states));
        }
    };
    let Some((builder, states)) = built else {
        let first = plans.iter().find_map(|plan| plan.trouble.clone());
        return Err(Error::Nothing { first: first.unwrap_or_else(|| "no feed is known".into()) });
    };
    // Seconds of the clock, so that processes that update each on their own agree on what is newer; never below the present one.
    let generation = current.as_ref().map_or(1, |db| db.generation() + 1).max(now.0 / 1_000_000);
    let bytes = Bytes(Arc::new(builder.finish(generation, now, states)));
    let new = Database::open(Box::new(bytes.clone())).map_err(Error::Built)?;
    if let Some(current) = current.as_ref().filter(|db| db.content_hash() == new.content_hash()) {
        return Ok(unchanged(plans, current));
    }
    folder.publish(generation, bytes.as_ref())?;
    Ok(Updated { generation, changed: true, content_hash: new.content_hash().to_owned(), feeds: reports(plans) })
}

#[derive(Clone)]
struct Bytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn unchanged(plans: &[Plan], current: &Database) -> Updated {
    Updated {
        generation: current.generation(),
        changed: false,
        content_hash: current.content_hash().to_owned(),
        feeds: reports(plans),
    }
}

fn reports(plans: &[Plan]) -> Vec<Report> {
    plans.iter().map(|plan| Report { state: plan.state.clone(), trouble: plan.trouble.clone() }).collect()
}

fn now() -> Micros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Returns an error with all its causes, one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
