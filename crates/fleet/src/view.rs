//! What a view of the fleet is made of: groups of places that are seen alike, and what rules hide from them.
//!
//! In: –. Out: the shapes that `lens` and `everything` fill.

use crate::cells::{Found, Selection};
use crate::kinds::{Group, KindBits, Kinds, has};
use crate::lanes::Lanes;
use crate::sets::RowSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Every place as it is seen at a moment.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// It is the same at every moment from the one until the other.
    pub since: i64,
    pub until: i64,
    pub groups: Vec<Group>,
    /// By presence: its group; empty where there is only one.
    pub of_presence: Vec<u32>,
    /// By registry: the moment of which it is seen, if its plan is off.
    pub frozen: Vec<Option<i64>>,
    /// What rules that ask for paths hide.
    pub path_sets: Vec<RowSet>,
    pub kinds: Kinds,
    /// By kind of matches: the groups that they are hidden from.
    pub hides: KindBits,
    /// Everything that is there now: through the rules, and seen plainly.
    pub everything: [OnceLock<Arc<Everything>>; 2],
    /// The view before, if only rules differ and everything was worked out for it.
    pub before: Mutex<Option<Arc<View>>>,
}

/// Everything that is there now: what a question that asks nothing of places selects.
#[derive(Debug)]
pub(crate) struct Everything {
    pub selection: Selection,
    /// By match.
    pub found: Vec<Found>,
    /// By cell.
    pub lanes: Vec<Lanes>,
}

/// The view of now, kept until a fact changes or a rule expires.
#[derive(Debug, Default)]
pub(crate) struct Now(pub Mutex<Kept>);

/// A view that is kept.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kept {
    pub view: Option<Arc<View>>,
    /// Rules changed since, and nothing else.
    pub outdated: bool,
}

impl Now {
    /// Forgets the view, and all that was worked out for it.
    pub fn forget(&mut self) {
        *self.0.get_mut().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }

    /// Notes that rules changed, and nothing else: what was worked out for the view goes into the next one.
    pub fn outdate(&mut self) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).outdated = true;
    }
}

impl Kept {
    /// Returns the view if it is the one of a moment.
    pub fn at(&self, clock: i64) -> Option<Arc<View>> {
        let view = self.view.as_ref().filter(|view| !self.outdated && view.since <= clock && clock < view.until);
        view.cloned()
    }
}

impl View {
    /// Makes this the view after another: only rules differ.
    pub fn follow(&mut self, before: &Arc<View>) {
        if let Some(plain) = before.everything[1].get() {
            self.everything[1] = OnceLock::from(Arc::clone(plain)); // nothing of it comes from rules
        }
        let older = || before.before.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let before = before.seen().get().map(|_| Arc::clone(before)).or_else(older);
        self.before = Mutex::new(before.filter(|before| !before.any_frozen() && !self.any_frozen()));
    }

    /// Everything as it is seen through the rules in force, whether there are some or none.
    pub fn seen(&self) -> &OnceLock<Arc<Everything>> {
        &self.everything[usize::from(self.is_plain())]
    }

    /// Returns whether every place is seen plainly.
    pub fn is_plain(&self) -> bool {
        self.groups.len() <= 1
    }

    /// Returns whether some place is seen as of a past moment.
    pub fn any_frozen(&self) -> bool {
        self.groups.iter().any(|g| g.frozen.is_some())
    }

    pub fn group_of(&self, presence: usize) -> usize {
        self.of_presence.get(presence).map_or(0, |g| *g as usize)
    }

    pub fn frozen(&self, registry: usize) -> Option<i64> {
        self.frozen.get(registry).copied().flatten()
    }

    /// Returns whether a rule hides a match from a group.
    pub fn hides(&self, matched: usize, group: usize) -> bool {
        has(self.hides.row(self.kinds.of(matched)), group) != 0
    }
}
