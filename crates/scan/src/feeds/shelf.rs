//! The last good copies of feed files, and what is known of them.
//!
//! In: `DATA/feeds`: `<host>/<path>` as the publishers have them, `state.json`, and `.new/` for what is arriving.
//! Out: for each feed the files to read: those that arrived, else those that are kept. New files take their place only after
//! the feed was read from them as a whole; `state.json` is written last, so that a crash costs one more download at most.

use super::fetch::{Fetched, Validators, tree_path};
use super::loss::{self, Counts};
use super::{Error, Updated, chain};
use crate::database::{durably, map};
use advisory::{Builder, Database, Feed, FeedFile, SourceFile};
use model::advisory::{FeedState, FileState};
use model::time::Micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of last good copies, held by one update at a time.
pub(crate) struct Shelf {
    folder: PathBuf,
    state: State,
    /// Held until the update ends; the system lets go of it if the process dies.
    _lock: File,
}

/// `state.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    feeds: BTreeMap<String, FeedState>,
    troubles: BTreeMap<String, String>,
    /// What each feed said of each of its files and ecosystems when it was last read.
    #[serde(default)]
    counts: BTreeMap<String, Counts>,
    built: Option<Built>,
}

/// From what the generation in force was built.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Built {
    generation: i64,
    /// What it says: two processes may give two contents one number.
    #[serde(default)]
    content_hash: String,
    /// The program that built it: another one may read more out of the same bytes.
    program: String,
    /// Hash of every file that was read, by URL.
    files: BTreeMap<String, String>,
}

impl Shelf {
    /// Opens the folder, checks what is kept, and holds it.
    pub fn open(data: &Path) -> Result<Self, Error> {
        let folder = data.join("feeds");
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| Error::File { path, source }
        };
        let arriving = folder.join(".new");
        fs::create_dir_all(&arriving).map_err(failed(&arriving))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(failed(&path))?;
        lock.try_lock().map_err(|_| Error::Busy { path: folder.clone() })?;
        fs::remove_dir_all(&arriving).and_then(|()| fs::create_dir(&arriving)).map_err(failed(&arriving))?;
        let mut shelf = Self { state: load(&folder), folder, _lock: lock };
        shelf.forget_damaged();
        Ok(shelf)
    }

    /// A kept file that is gone or altered is asked for again, as if it had never been there.
    fn forget_damaged(&mut self) {
        let folder = self.folder.clone();
        let whole = |file: &FileState| {
            let path = tree_path(&file.url).map(|path| folder.join(path));
            path.and_then(|path| hash(&path).ok()).is_some_and(|(sha256, _)| sha256 == file.sha256)
        };
        for feed in self.state.feeds.values_mut() {
            feed.files.retain(whole);
        }
    }

    /// Returns whether the database in force was built from exactly what the plans would read now, by this very program.
    pub fn built_from(&self, plans: &[Plan], current: &Database) -> bool {
        self.state.built == Some(built(plans, current.generation(), current.content_hash()))
    }

    /// Lets new files take their place and writes down what is known now.
    pub fn keep(&mut self, plans: &[Plan], updated: &Updated) -> Result<(), Error> {
        self.state.troubles.clear();
        for plan in plans {
            for file in &plan.files {
                promote(file)?;
            }
            if let Some(trouble) = &plan.trouble {
                self.state.troubles.insert(plan.state.name.clone(), trouble.clone());
            }
            // A feed of which nothing was read keeps its count, so that a later remnant of it is not taken for the whole.
            if !plan.files.is_empty() {
                self.state.feeds.insert(plan.state.name.clone(), plan.state.clone());
                self.state.counts.insert(plan.state.name.clone(), plan.counts.clone());
            }
        }
        self.state.built = Some(built(plans, updated.generation, &updated.content_hash));
        let text = serde_json::to_vec_pretty(&self.state)
            .map_err(|error| Error::File { path: self.folder.join("state.json"), source: error.into() })?;
        durably(&self.folder.join("state.json"), |file| file.write_all(&text))?;
        Ok(())
    }
}

fn built(plans: &[Plan], generation: i64, content_hash: &str) -> Built {
    let files =
        plans.iter().flat_map(|plan| &plan.files).map(|file| (file.state.url.clone(), file.state.sha256.clone()));
    Built { generation, content_hash: content_hash.to_owned(), program: program(), files: files.collect() }
}

/// Names this build of the program: version, length and time of its file.
fn program() -> String {
    let file = std::env::current_exe().and_then(fs::metadata);
    let time = file.as_ref().ok().and_then(|f| f.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok());
    let (bytes, seconds) = (file.map_or(0, |f| f.len()), time.unwrap_or_default().as_secs());
    format!("{} {bytes} {seconds}", env!("CARGO_PKG_VERSION"))
}

fn load(folder: &Path) -> State {
    let path = folder.join("state.json");
    let Ok(text) = fs::read(&path) else { return State::default() };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), error = %error, "state of the feeds is damaged; every feed is fetched anew");
        State::default()
    })
}

/// What the last update left behind, for `db status`.
pub(crate) struct LastUpdate {
    /// The generation in force after it; 0 = none.
    pub generation: i64,
    /// Feeds as they were asked last.
    pub feeds: BTreeMap<String, FeedState>,
    /// What troubled them.
    pub troubles: BTreeMap<String, String>,
}

/// Returns what the last update left behind.
pub(crate) fn last_update(data: &Path) -> LastUpdate {
    let state = load(&data.join("feeds"));
    LastUpdate {
        generation: state.built.map_or(0, |built| built.generation),
        feeds: state.feeds,
        troubles: state.troubles,
    }
}

fn promote(file: &ReadFrom) -> Result<(), Error> {
    let Some(kept) = &file.becomes else { return Ok(()) };
    let failed = |source| Error::File { path: kept.clone(), source };
    if let Some(folder) = kept.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    File::open(&file.path).and_then(|arrived| arrived.sync_all()).map_err(failed)?;
    fs::rename(&file.path, kept).map_err(failed)
}

/// Returns the SHA-256 of a file, in hex, and its length.
fn hash(path: &Path) -> std::io::Result<(String, u64)> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let digest = model::digest::Digest::sha256(&map(&file)?);
    Ok((digest.as_str().trim_start_matches("sha256:").to_owned(), bytes))
}

/// A file that is being asked for.
pub(crate) struct Candidate {
    pub url: String,
    pub staging: PathBuf,
    pub validators: Validators,
    optional: bool,
    kept: PathBuf,
    known: Option<FileState>,
    fetched: Option<Result<Fetched, Error>>,
}

impl Candidate {
    pub fn new(shelf: &Shelf, feed: &str, file: SourceFile, source: &str) -> Self {
        let path = tree_path(&file.url).unwrap_or_else(|| "unnamed".into());
        let state = shelf.state.feeds.get(feed);
        let mut known = state.and_then(|state| state.files.iter().find(|known| known.url == file.url)).cloned();
        if let Some(known) = known.as_mut().filter(|_| state.is_none_or(|state| state.source != source)) {
            // What one server said of its copy means nothing to another.
            (known.etag, known.last_modified) = (String::new(), String::new());
        }
        let validators = known.as_ref().map_or_else(Validators::default, |known| Validators {
            // CISA sends an ETag and then heeds neither it nor the date beside it: the date alone works.
            etag: if file.url.starts_with("https://www.cisa.gov/") { String::new() } else { known.etag.clone() },
            last_modified: known.last_modified.clone(),
        });
        let staging = shelf.folder.join(".new").join(path.replace('/', "_"));
        Self {
            kept: shelf.folder.join(&path),
            url: file.url,
            optional: file.optional,
            staging,
            validators,
            known,
            fetched: None,
        }
    }

    /// Takes the answer.
    pub fn with(mut self, fetched: Result<Fetched, Error>) -> Self {
        self.fetched = Some(fetched);
        self
    }
}

/// A file to read, where it lies, and where it is to be kept if it is new.
pub(crate) struct ReadFrom {
    state: FileState,
    path: PathBuf,
    becomes: Option<PathBuf>,
}

/// What is read of a feed.
pub(crate) struct Plan {
    feed: &'static dyn Feed,
    /// What is known of the feed; complete once it was read.
    pub state: FeedState,
    /// Why not everything is as it should be.
    pub trouble: Option<String>,
    files: Vec<ReadFrom>,
    last_good: FeedState,
    /// As it was last read; of today's files once these are.
    counts: Counts,
    last_counts: Counts,
    folder: PathBuf,
}

impl Plan {
    pub fn new(feed: &'static dyn Feed, shelf: &Shelf, source: &str) -> Self {
        let unknown = || FeedState { name: feed.name().into(), source: source.into(), ..FeedState::default() };
        let last_good = shelf.state.feeds.get(feed.name()).cloned().unwrap_or_else(unknown);
        let state = FeedState { source: source.into(), ..last_good.clone() };
        let counts = shelf.state.counts.get(feed.name()).cloned().unwrap_or_default();
        let (last_counts, folder) = (counts.clone(), shelf.folder.clone());
        Self { feed, state, trouble: None, files: Vec::new(), last_good, counts, last_counts, folder }
    }

    /// Adds a file that was asked for: the new one, else the one that is kept. One that was there and is not any more is a loss, also
    /// where the feed is whole without it.
    pub fn add(&mut self, candidate: Candidate, accept_loss: bool) -> Result<(), Error> {
        let Candidate { url, staging, optional, kept, known, fetched, .. } = candidate;
        let kept_copy = |state: FileState| ReadFrom { state, path: kept.clone(), becomes: None };
        let trouble = match (fetched, known) {
            (Some(Ok(Fetched::New(said))), known) => {
                let (sha256, bytes) = hash(&staging).map_err(|source| Error::File { path: staging.clone(), source })?;
                let same = known.is_some_and(|known| known.sha256 == sha256);
                let state = FileState { url, etag: said.etag, last_modified: said.last_modified, sha256, bytes };
                self.files.push(if same {
                    kept_copy(state)
                } else {
                    ReadFrom { state, path: staging, becomes: Some(kept) }
                });
                None
            }
            (Some(Ok(Fetched::Unchanged)), Some(known)) => {
                self.files.push(kept_copy(known));
                None
            }
            (Some(Err(error)), known) => {
                self.files.extend(known.map(kept_copy));
                Some(chain(&error))
            }
            (_, known) => {
                let gone = format!("{url} is not there (status 404, or no such file in the folder)");
                let lost = known.is_some() && !(optional && accept_loss);
                let gone = match (optional, lost) {
                    (true, true) => Some(format!("{gone}, and was before; `--accept-loss` does without it")),
                    (true, false) => None,
                    (false, _) => Some(gone),
                };
                self.files.extend(known.filter(|_| lost).map(kept_copy));
                gone
            }
        };
        self.trouble = self.trouble.take().or(trouble);
        Ok(())
    }

    /// Reads the feed into a builder. Says in words why it must not be taken; the builder is spoiled then.
    pub fn read(&mut self, builder: &mut Builder, accept_loss: bool, now: Micros) -> Result<Option<FeedState>, String> {
        if self.files.is_empty() {
            self.trouble.get_or_insert_with(|| "none of its files could be found".into());
            return Ok(None);
        }
        let map = |file: &ReadFrom| {
            File::open(&file.path)
                .and_then(|opened| map(&opened))
                .map_err(|e| format!("cannot read {}: {e}", file.path.display()))
        };
        let maps = self.files.iter().map(map).collect::<Result<Vec<_>, _>>()?;
        let given: Vec<FeedFile<'_>> =
            self.files.iter().zip(&maps).map(|(file, map)| FeedFile { url: &file.state.url, bytes: map }).collect();
        let mut counts = Counts::new();
        let mut take = |fact| {
            loss::count(&mut counts, &fact);
            builder.take(fact);
        };
        let read = self.feed.read(&given, &mut take).map_err(|error| chain(&error))?;
        loss::count_files(&mut counts, &read);
        let lost = self.lost(read.records, &counts, now).filter(|_| self.has_news() && !accept_loss);
        if let Some(lost) = lost {
            return Err(format!("{lost} (`--accept-loss` takes it all the same)"));
        }
        self.counts = counts;
        (self.state.records, self.state.date) = (read.records, read.date);
        self.settle(now);
        Ok(Some(self.state.clone()))
    }

    /// Says what is lost against the last time that the feed was read.
    fn lost(&self, records: u64, counts: &Counts, now: Micros) -> Option<String> {
        let before = self.last_good.records;
        if records.saturating_mul(10) < before.saturating_mul(9) {
            return Some(format!("it has {records} records and had {before}: more than a tenth is lost"));
        }
        loss::lost(&self.last_counts, counts, now)
    }

    /// Writes down which files are in use; what troubles a feed leaves its age as it was.
    pub fn settle(&mut self, now: Micros) {
        self.state.files = self.files.iter().map(|file| file.state.clone()).collect();
        if self.trouble.is_none() {
            self.state.fetched = now;
        }
    }

    /// Turns to the last good copy; to nothing if that is what failed.
    pub fn fall_back(&mut self, trouble: String) {
        let news = self.has_news();
        self.files.clear();
        if news {
            let kept = |state: &FileState| {
                Some(ReadFrom { path: self.folder.join(tree_path(&state.url)?), state: state.clone(), becomes: None })
            };
            self.files.extend(self.last_good.files.iter().filter_map(kept));
        }
        self.state = self.last_good.clone();
        self.trouble = Some(trouble);
    }

    fn has_news(&self) -> bool {
        self.files.iter().any(|file| file.becomes.is_some())
    }
}
