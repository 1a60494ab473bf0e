//! The past days that were counted.
//!
//! In: counts at the end of a day, how long findings stay. Out: the same again, from memory, until a new generation of advisories is in force. Nothing is
//! stored.

use fleet::{Counts, Remediation, ScoreTally};
use model::time::Micros;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;
/// At most so many days are kept: about 2 MB.
const MOST: usize = 8_192;

/// At most so many parts of the tree whose remediation is kept.
const MOST_SCOPES: usize = 256;

/// The past days that were counted.
#[derive(Default)]
pub struct History(Mutex<Known>);

#[derive(Default)]
pub(crate) struct Known {
    generation: i64,
    pub(crate) days: HashMap<(String, i64), Counts>,
    /// Images by what was found in them.
    pub(crate) scores: HashMap<(String, i64), ScoreTally>,
    /// How long findings stay, and when that was asked.
    pub(crate) remediation: HashMap<String, (Micros, Arc<Remediation>)>,
    pub(crate) counting: HashSet<String>,
}

/// A day: its last microsecond, and what was counted then; `None` where that is still to come.
pub type Day<T = Counts> = (Micros, Option<T>);

impl History {
    /// Forgets what was counted.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Known::default();
    }

    /// Forgets how images stood.
    pub(crate) fn forget_scores(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).scores.clear();
    }

    pub(crate) fn known(&self, generation: i64) -> MutexGuard<'_, Known> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = known.days.len() + known.scores.len();
        if known.generation != generation || kept > MOST || known.remediation.len() > MOST_SCOPES {
            *known = Known { generation, counting: std::mem::take(&mut known.counting), ..Known::default() };
        }
        known
    }
}
