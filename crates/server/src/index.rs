//! The fleet index of this process, kept current from the store's change log.
//!
//! In: facts, then changes by revision. Out: one consistent index for each answer. Built again when the log was trimmed.

use crate::history::History;
use crate::problem::Problem;
use fleet::Index;
use model::facts::Changes;
use std::cell::Cell;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use store::Store;
use tokio::sync::watch;

/// How long a question waits for what this process committed before it: many times what a change takes.
const PATIENCE: Duration = Duration::from_millis(100);

/// A handle on the index. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    index: Arc<RwLock<Option<Index>>>,
    revision: watch::Sender<i64>,
    history: Arc<History>,
}

impl Default for Handle {
    fn default() -> Self {
        Self { index: Arc::default(), revision: watch::Sender::new(0), history: Arc::default() }
    }
}

thread_local! {
    /// Whether this thread asks an index just now.
    static ASKS: Cell<bool> = const { Cell::new(false) };
}

/// The index while it is asked.
struct Asked<'a>(RwLockReadGuard<'a, Option<Index>>);

impl<'a> Asked<'a> {
    /// A question within a question waits for whoever waits to write between the two, who waits for the first: for ever, and
    /// everybody with them. Builds for tests refuse it always, not only where somebody happens to write.
    fn begin(index: &'a RwLock<Option<Index>>) -> Self {
        let nested = ASKS.replace(true);
        debug_assert!(!nested, "the index is asked within a question to the index");
        Self(index.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        ASKS.set(false);
    }
}

impl Handle {
    /// Asks the index; until it is built the answer is a problem that says so. The question itself must not ask.
    pub fn ask<T>(&self, question: impl FnOnce(&Index) -> Result<T, Problem>) -> Result<T, Problem> {
        question(Asked::begin(&self.index).0.as_ref().ok_or_else(Problem::starting)?)
    }

    /// Whether the index is built.
    pub fn ready(&self) -> bool {
        Asked::begin(&self.index).0.is_some()
    }

    /// The revision of the index, as it moves; 0 until it is built.
    pub fn revisions(&self) -> watch::Receiver<i64> {
        self.revision.subscribe()
    }

    /// The past days that were counted.
    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Builds the index and follows the store for ever.
    pub async fn follow(self, store: Store) {
        let mut moved = store.revision_watch();
        loop {
            if let Err(error) = self.catch_up(&store).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the index cannot follow the store; trying again"
                );
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                continue;
            }
            let known = *self.revision.borrow();
            let later = moved.wait_for(|revision| *revision > known).await.is_ok();
            if !later {
                return;
            }
        }
    }

    /// Takes every change that the store has and the index has not.
    pub async fn catch_up(&self, store: &Store) -> Result<(), store::Error> {
        let known = *self.revision.borrow();
        let changes = if self.ready() { store.changes(known).await? } else { None };
        let revision = match changes {
            Some(changes) => self.apply(&changes),
            None => self.replace(Index::build(&store.snapshot().await?)),
        };
        self.revision.send_replace(revision);
        Ok(())
    }

    /// Waits until the index has what this process committed, but not for ever: whoever was told that a push or a deletion is done sees it.
    pub async fn current(&self, store: &Store) {
        let committed = *store.revision_watch().borrow();
        let mut seen = self.revisions();
        if self.ready() && *seen.borrow() < committed {
            let _ = tokio::time::timeout(PATIENCE, seen.wait_for(|revision| *revision >= committed)).await;
        }
    }

    /// Takes the paths of packages, if the index has none yet: a rule that asks for them hides nothing without.
    pub async fn learn_paths(&self, store: &Store) -> Result<(), store::Error> {
        if self.ask(|index| Ok(index.knows_paths())).unwrap_or(true) {
            return Ok(());
        }
        let paths = store.paths().await?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.iter_mut().for_each(|index| index.learn_paths(&paths));
        Ok(())
    }

    fn apply(&self, changes: &Changes) -> i64 {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let Some(index) = index.as_mut() else { return 0 };
        // Two callers may have asked for the same changes: the second finds them applied.
        if changes.revision > index.revision() {
            let (moves, restates) = (index.moves(&changes.rows), index.restates(&changes.rows));
            index.apply(changes);
            if moves {
                self.history.forget(); // past days were counted where things were
            } else if restates {
                self.history.forget_scores();
            }
        }
        index.revision()
    }

    fn replace(&self, built: Index) -> i64 {
        let revision = built.revision();
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(built);
        self.history.forget(); // what moved, the changes would have said
        revision
    }
}
