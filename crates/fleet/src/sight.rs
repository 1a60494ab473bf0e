//! How places are looked at: at which moment, through which rules, and which matches are seen in one.
//!
//! In: the view of the moment, what is asked of rules and of first seen. Out: by place its group, its class and the inventory
//! it is seen with; by match, class and group whether it is shown.

use crate::index::{Index, Matched, holds};
use crate::marks::{Marks, Mode};
use crate::view::View;
use std::sync::Arc;

/// How places are looked at.
pub(crate) struct Sight<'a> {
    pub index: &'a Index,
    pub at: Option<i64>,
    /// A finding must be first seen after this moment.
    pub after: Option<i64>,
    pub view: Arc<View>,
    /// Whether every place is seen plainly, so that rules and plans make no difference.
    pub plain: bool,
    pub marks: Marks,
}

impl<'a> Sight<'a> {
    pub fn new(index: &'a Index, at: Option<i64>, after: Option<i64>, view: Arc<View>, marks: Marks) -> Self {
        let plain = view.is_plain() || (marks.mode == Mode::All && !view.any_frozen());
        Self { index, at, after, view, plain, marks }
    }

    /// Returns whether places are seen as what is kept for everything was seen.
    pub fn is_kept(&self) -> bool {
        match self.marks.mode {
            Mode::Open => true,
            Mode::All | Mode::Except => self.plain,
            Mode::Only => false,
        }
    }

    /// Returns how a presence is seen: its group in the view.
    pub fn group_of(&self, presence: usize) -> usize {
        if self.plain { 0 } else { self.view.group_of(presence) }
    }

    /// Returns the moment of which a group of places is seen, if their plan is off.
    pub fn frozen(&self, group: usize) -> Option<i64> {
        if self.plain { None } else { self.view.groups[group].frozen }
    }

    /// Returns the inventory that a presence is seen with.
    pub fn inventory_of(&self, presence: usize) -> Option<usize> {
        self.index.inventory_in(presence, self.frozen(self.group_of(presence)), self.at)
    }

    /// Returns the class of a presence: 0 if every match passes there, 1 if only young ones.
    pub fn class_of(&self, presence: usize) -> usize {
        usize::from(self.after.is_some_and(|after| self.index.presences[presence].since <= after))
    }

    /// Returns whether a match passes where places are of a class.
    pub fn in_class(&self, row: &Matched, class: usize) -> bool {
        class == 0 || self.after.is_none_or(|after| row.first > after)
    }

    /// Returns the groups in which a match is marked, one bit each; nothing at all if it is marked nowhere.
    pub fn marks_of(&self, matched: usize) -> &[u64] {
        if self.plain { &[] } else { self.marks.of_kind(&self.view, self.view.kinds.of(matched)) }
    }

    /// Returns whether a match is shown (`true`), disabled or neither where places are of a class and a group.
    pub fn shows(&self, matched: usize, class: usize, group: usize) -> Option<bool> {
        let row = &self.index.matches[matched];
        if !self.in_class(row, class) || !holds(row.since, row.until, self.frozen(group).or(self.at)) {
            return None;
        }
        if self.marks.shows(crate::kinds::has(self.marks_of(matched), group) != 0) {
            return Some(true);
        }
        (self.marks.mode == Mode::Open).then_some(false)
    }
}
