//! The knowledge in force: which advisory database judges now.
//!
//! In: a data folder, in which this or another process puts new generations. Out: the current database, swapped as a whole.
//! Who holds a database keeps it until dropping it; the next question gets the newer one. Without a file the built-in starter
//! advisories judge, and say so.

use crate::database::{Error, Folder};
use advisory::Database;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// A handle on the knowledge in force; cheap to clone.
#[derive(Clone)]
pub struct Knowledge(Arc<Inner>);

struct Inner {
    folder: Folder,
    current: RwLock<Arc<Database>>,
    generation: watch::Sender<i64>,
    arriving: tokio::sync::Mutex<()>,
}

impl Knowledge {
    /// Opens the database in force of a data folder; the newest older one if that is damaged; the starter if there is none.
    pub fn open(data: &Path) -> Result<Self, Error> {
        let folder = Folder::of(data);
        let database = match folder.open_current() {
            Ok(database) => database,
            Err(Error::None { .. }) => starter(data)?,
            Err(error) => {
                let older = folder.open_older();
                tracing::error!(error = %error, fallback = older.as_ref().map_or(0, Database::generation), "advisory database cannot be opened");
                older.map_or_else(|| starter(data), Ok)?
            }
        };
        Ok(Self::of(folder, database))
    }

    /// Returns a handle on the built-in advisories, for a data folder that may get a database later.
    pub fn starter(data: &Path) -> Result<Self, Error> {
        Ok(Self::of(Folder::of(data), starter(data)?))
    }

    fn of(folder: Folder, database: Database) -> Self {
        let (generation, _) = watch::channel(database.generation());
        let arriving = tokio::sync::Mutex::default();
        Self(Arc::new(Inner { folder, current: RwLock::new(Arc::new(database)), generation, arriving }))
    }

    /// Returns the database in force.
    pub fn current(&self) -> Arc<Database> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the database that says exactly this, where its file is still kept.
    pub(crate) fn that_says(&self, content_hash: &str) -> Option<Database> {
        self.0.folder.open_content(content_hash)
    }

    /// The folder in which its files are.
    pub(crate) fn folder(&self) -> &Folder {
        &self.0.folder
    }

    /// Waits until no other task of this process takes a database over.
    pub(crate) async fn arriving(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.arriving.lock().await
    }

    /// Puts a database that another worker built in force here, unless there is another one than `held` by now.
    pub(crate) fn put(&self, newer: Database, held: &str) -> bool {
        let generation = newer.generation();
        {
            let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
            if current.content_hash() != held {
                return false;
            }
            *current = Arc::new(newer);
        }
        self.0.generation.send_replace(generation);
        true
    }

    /// Returns a receiver that sees every generation that comes into force, the present one first.
    pub fn generations(&self) -> watch::Receiver<i64> {
        self.0.generation.subscribe()
    }

    /// Takes up a generation that was put in force since. Returns whether there was one; a failure leaves everything as it was.
    ///
    /// Reads one short file when there is nothing new. Never goes back to an older generation.
    pub fn refresh(&self) -> Result<bool, Error> {
        let held = self.current().generation();
        if self.0.folder.current()?.is_none_or(|named| named <= held) {
            return Ok(false);
        }
        let newer = Arc::new(self.0.folder.open_current()?);
        let generation = newer.generation();
        {
            let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
            if current.generation() >= generation {
                return Ok(false);
            }
            *current = newer;
        }
        self.0.generation.send_replace(generation);
        Ok(true)
    }

    /// Looks for new generations for ever, at this interval.
    pub async fn watch(self, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.refresh() {
                Ok(true) => tracing::info!(generation = self.current().generation(), "new advisory database in force"),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "new advisory database cannot be opened; the present one stays in force")
                }
            }
        }
    }
}

fn starter(data: &Path) -> Result<Database, Error> {
    advisory::starter().map_err(|source| Error::Open { path: data.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use advisory::Builder;
    use model::time::Micros;

    #[test]
    fn a_new_generation_is_taken_up_as_a_whole_and_never_an_older_one() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::of(data.path());
        let publish =
            |generation| folder.publish(generation, &Builder::new().finish(generation, Micros(1), Vec::new())).unwrap();
        let knowledge = Knowledge::open(data.path()).unwrap();
        assert!(knowledge.current().starter_only(), "nothing there yet");
        let mut seen = knowledge.generations();
        let held = knowledge.current();
        publish(5);
        assert!(knowledge.refresh().unwrap());
        assert_eq!((knowledge.current().generation(), *seen.borrow_and_update()), (5, 5));
        assert_eq!(held.generation(), 0, "who holds a database keeps it");
        assert!(!knowledge.refresh().unwrap(), "nothing new");
        publish(4);
        assert!(!knowledge.refresh().unwrap(), "an older one");
        publish(6);
        std::fs::write(folder.path(6), b"broken").unwrap();
        assert!(knowledge.refresh().is_err());
        assert_eq!(knowledge.current().generation(), 5, "a damaged one changes nothing");
        publish(5);
        std::fs::write(folder.path(5), b"broken").unwrap();
        assert_eq!(Knowledge::open(data.path()).unwrap().current().generation(), 4, "the newest whole one");
    }
}
