//! What a view of the fleet is made of: groups of places that are seen alike, and what was worked out for them.
//!
//! In: –. Out: the shapes that `index` keeps and `lens`, `everything` and `selection` fill.

use crate::lanes::Lanes;
use crate::sets::{Bits, RowSet};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Places by class: young ones, old ones.
pub(crate) type Classes = [u32; 2];

/// Every place as it is seen at a moment.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// It is the same at every moment from the one until the other.
    pub since: i64,
    pub until: i64,
    pub groups: Vec<Arc<Group>>,
    /// What makes each group but the first.
    pub keys: HashMap<GroupKey, u32>,
    /// By presence: its group; empty where there is only one.
    pub of_presence: Vec<u32>,
    /// By registry: the moment of which it is seen, if its plan is off.
    pub frozen: Vec<Option<i64>>,
    /// Everything that is selected where nothing is asked, now.
    pub everything: OnceLock<Everything>,
    /// The view before, if nothing but rules changed since.
    pub before: Mutex<Option<Arc<View>>>,
}

/// Places that are seen alike.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Positions of the rules in force, ascending; those that hold for no match left out.
    pub rules: Vec<u32>,
    /// Rules that ask for paths, with the matches they hide here, ascending.
    pub by_path: Vec<(u32, RowSet)>,
    /// The moment of which the places are seen, if their plan is off.
    pub frozen: Option<i64>,
    pub hides: Marked,
}

/// Matches, and the packages they are of.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    pub matches: Bits,
    pub packages: Bits,
}

/// The view of now, kept until a fact changes or a rule expires; and whether only rules changed since it was made.
#[derive(Debug, Default)]
pub(crate) struct Now(pub Mutex<(Option<Arc<View>>, bool)>);

impl Now {
    /// Forgets the view, and all that was worked out for it.
    pub fn forget(&mut self) {
        *self.0.get_mut().unwrap_or_else(PoisonError::into_inner) = (None, false);
    }

    /// Forgets the view, but not what the next one may take over: rules came or went, and nothing else.
    pub fn forget_rules(&mut self) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).1 = true;
    }
}

/// What makes two places alike: rules, what rules that ask for paths hide, the moment.
pub(crate) type GroupKey = (Vec<u32>, Vec<(u32, RowSet)>, Option<i64>);

impl View {
    /// Returns whether every place is seen plainly.
    pub fn is_plain(&self) -> bool {
        self.groups.len() <= 1
    }

    /// Returns whether some place is seen as of a past moment.
    pub fn any_frozen(&self) -> bool {
        self.groups.iter().any(|g| g.frozen.is_some())
    }

    /// Returns the group that is as one of another view: in force are the same rules.
    pub fn group_like(&self, other: &Self, group: usize) -> Option<usize> {
        if group == 0 {
            return Some(0);
        }
        let group = &other.groups[group];
        let key = (group.rules.clone(), group.by_path.clone(), group.frozen);
        self.keys.get(&key).map(|same| *same as usize)
    }

    pub fn before(&self) -> Option<Arc<View>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn forget_before(&self) {
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub fn group_of(&self, presence: usize) -> usize {
        self.of_presence.get(presence).map_or(0, |g| *g as usize)
    }

    pub fn frozen(&self, registry: usize) -> Option<i64> {
        self.frozen.get(registry).copied().flatten()
    }
}

/// Everything.
#[derive(Debug)]
pub(crate) struct Everything {
    pub selection: Selection,
    /// By cell.
    pub lanes: Vec<Lanes>,
    /// By group.
    pub parts: Vec<Arc<Part>>,
}

/// What a group of places adds up to.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Inventory and presence, in order.
    pub members: Vec<(u32, u32)>,
    /// By inventory, in order.
    pub cells: Vec<(u32, u32)>,
    pub lanes: Vec<Lanes>,
    pub corrections: Vec<(u32, Correction)>,
}

/// Selected places and what they add up to.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// By presence.
    pub selected: Vec<bool>,
    /// In order of group, then inventory.
    pub cells: Vec<Cell>,
    /// By presence: its cell, or `NONE` where it holds no inventory or is not selected.
    pub cell_of: Vec<u32>,
    /// By package.
    pub places: Vec<Classes>,
    /// Packages that the places hold.
    pub packages: Vec<u32>,
    /// By match; empty where there is nothing to correct.
    pub corrections: Vec<Correction>,
}

/// Selected places that hold the same and are seen alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub group: u32,
    pub inventory: u32,
    pub class: u8,
    pub places: u32,
}

/// By class: findings that are shown beyond one for each place of the package, and those that rules hide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Correction {
    pub shown: [i32; 2],
    pub disabled: [i32; 2],
}
