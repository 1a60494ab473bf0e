//! Which places and which matches pass a query, and in how many places each package stands.
//!
//! A finding passes if its place passes and its match passes. So a list looks once at every match, and multiplies by the
//! number of places. First seen alone needs both: a finding is first seen at the later of the place's and the match's
//! beginning. Being older than a moment is asked of both, each for itself; being younger splits the places into two classes:
//! the young ones, where every match passes, and the old ones, where only young matches do.
//! Disable rules and plans that are off are seen to by the selection: it says how many findings of a match they take away.

use crate::error::QueryError;
use crate::filter::{Condition, Test, TextIn};
use crate::ids::NONE;
use crate::index::{Index, Matched, holds};

use crate::marks::{Marks, Mode};
use crate::match_tests::MatchTests;
use crate::place_tests::PlaceTests;
use crate::query::Query;
use crate::selection::Selecting;
use crate::view::{Classes, Correction, Marked, Selection, View};
use std::sync::Arc;

/// Findings of a match that passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// How many there are to show.
    pub shown: u64,
    /// How many a disable rule hides.
    pub disabled: u64,
}

/// Where a match passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// In all places of its package.
    Everywhere,
    /// In the young ones.
    Young,
    /// It depends on the place.
    Apart,
}

/// The places of a plan.
enum Places {
    /// Every place that holds, now, in one class and seen plainly: the sums of the index can be used.
    All,
    /// Every place that holds, now and in one class: the sums of the view can be used.
    AllOfView,
    /// These.
    Selected(Selection),
}

/// A query, worked out against the index.
pub(crate) struct Plan<'a> {
    pub index: &'a Index,
    pub at: Option<i64>,
    /// A finding must be first seen after this moment.
    after: Option<i64>,
    pub view: Arc<View>,
    /// Whether every place is seen plainly, so that rules and plans make no difference.
    plain: bool,
    pub marks: Marks,
    places: Places,
    matches: MatchTests,
    /// Whether every match that holds and is not hidden passes.
    pub all_matches: bool,
}

impl<'a> Plan<'a> {
    pub fn new(index: &'a Index, query: &Query, text_in: TextIn) -> Result<Self, QueryError> {
        if query.limit == 0 {
            return Err(QueryError::Limit);
        }
        let at = query.as_of.map(|t| t.0);
        let clock = at.unwrap_or(query.now.0);
        let conditions = &query.filter.conditions;
        let (after, until) = first_seen_bounds(conditions, clock);
        let view = index.view(at, clock);
        let marks = Marks::new(index, &view, conditions);
        let plain = view.is_plain() || (marks.mode == Mode::All && !view.any_frozen());
        let matches = MatchTests::new(index, conditions, text_in, until);
        let all_matches = matches.pass_all() && after.is_none() && at.is_none();
        let places = Places::All;
        let mut plan = Self { index, at, after, view, plain, marks, places, matches, all_matches };
        plan.select(query, text_in, until);
        Ok(plan)
    }

    /// Returns whether findings are asked for by something of theirs, so that what has none does not pass.
    pub fn wants_findings(&self) -> bool {
        let asks_rules = matches!(self.marks.mode, Mode::Only | Mode::Except);
        !self.matches.pass_all_of_package() || self.after.is_some() || asks_rules
    }

    fn select(&mut self, query: &Query, text_in: TextIn, until: Option<i64>) {
        let index = self.index;
        let tests = PlaceTests::new(index, &self.view, query, text_in);
        if tests.pass_all() && self.at.is_none() && self.after.is_none() && until.is_none() {
            if self.plain {
                return;
            }
            if self.marks.mode == Mode::Open {
                self.view.everything(index);
                self.places = Places::AllOfView;
                return;
            }
        }
        let mut places: Vec<(usize, usize)> = Vec::new();
        tests.each_candidate(index, |presence| {
            let row = &index.presences[presence];
            let in_time = holds(row.since, row.until, self.at) && until.is_none_or(|u| row.since <= u);
            if in_time && tests.pass(index, presence, self.at) {
                places.push((presence, class(self.after, row.since)));
            }
        });
        let view = (!self.plain).then_some(&*self.view);
        let selecting = Selecting { index, at: self.at, view, marks: &self.marks };
        self.places = Places::Selected(selecting.take(places.into_iter()));
    }

    /// What is selected; `None` where everything is, seen plainly.
    pub fn selection(&self) -> Option<&Selection> {
        match &self.places {
            Places::All => None,
            Places::AllOfView => Some(&self.view.everything(self.index).selection),
            Places::Selected(selection) => Some(selection),
        }
    }

    /// Returns whether the view keeps the findings of every place.
    pub fn kept_lanes(&self) -> bool {
        self.all_matches && matches!(self.places, Places::AllOfView)
    }

    /// Returns whether a presence passes.
    pub fn place_passes(&self, presence: usize) -> bool {
        match self.selection() {
            None => self.index.presences[presence].until == i64::MAX,
            Some(selection) => selection.selected[presence],
        }
    }

    /// Calls with every presence that passes.
    pub fn each_place(&self, mut call: impl FnMut(usize)) {
        for presence in 0..self.index.presences.len() {
            if self.place_passes(presence) {
                call(presence);
            }
        }
    }

    /// Returns the cell of a presence among those of the view.
    pub fn cell_of(&self, presence: usize) -> Option<usize> {
        let cell = self.selection().map_or(NONE, |s| s.cell_of[presence]);
        (cell != NONE).then_some(cell as usize)
    }

    /// Returns how a presence is seen: its group in the view.
    pub fn group_of(&self, presence: usize) -> usize {
        if self.plain { 0 } else { self.view.group_of(presence) }
    }

    /// Returns the moment of which a group of places is seen, if their plan is off.
    pub fn frozen(&self, group: usize) -> Option<i64> {
        if self.plain { None } else { self.view.groups[group].frozen }
    }

    /// Returns what rules mark in a group of places.
    pub fn marked(&self, group: usize) -> Option<&Marked> {
        if self.plain { None } else { self.marks.of(&self.view, group) }
    }

    /// Returns whether only what rules mark is shown.
    pub fn starts_from_nothing(&self) -> bool {
        self.marks.mode == Mode::Only
    }

    /// Returns whether something can be hidden from a group of places, or seen of another moment.
    pub fn is_plain(&self, group: usize) -> bool {
        self.marks.mode != Mode::Only && (self.plain || group == 0)
    }

    /// Returns the inventory that a presence is seen with.
    pub fn inventory_of(&self, presence: usize) -> Option<usize> {
        self.index.inventory_in(presence, self.frozen(self.group_of(presence)), self.at)
    }

    /// Calls with every presence that passes and holds a package.
    pub fn each_place_with(&self, package: usize, mut call: impl FnMut(usize)) {
        let index = self.index;
        let holders = &index.postings[package];
        // A search in the few inventories of the selected places, or a walk over all that hold the package.
        let cells = self.selection().map_or(&[][..], |s| &s.cells);
        let few = matches!(self.places, Places::Selected(_)) && cells.len() * 8 < holders.len();
        if !few {
            holders.iter().for_each(|i| self.each_place_of(*i as usize, &mut call));
            return;
        }
        let holds_it = |i: &u32| index.inventories[*i as usize].packages.binary_search(&(package as u32)).is_ok();
        let mut inventories: Vec<u32> = cells.iter().map(|cell| cell.inventory).filter(holds_it).collect();
        inventories.sort_unstable();
        inventories.dedup();
        inventories.iter().for_each(|i| self.each_place_of(*i as usize, &mut call));
    }

    fn each_place_of(&self, inventory: usize, call: &mut impl FnMut(usize)) {
        let index = self.index;
        for reading in index.readings_of_inventory(inventory).map(|r| &index.readings[r]) {
            let now = holds(reading.since, reading.until, self.at);
            if self.plain && !now {
                continue;
            }
            let then = |presence: usize, moment: i64| {
                holds(reading.since, reading.until, Some(moment)) && index.presences[presence].since <= moment
            };
            let here = |p: &usize| self.frozen(self.group_of(*p)).map_or(now, |moment| then(*p, moment));
            let passing = index.presences_of_image(reading.image as usize).filter(|p| self.place_passes(*p));
            passing.filter(here).for_each(&mut *call);
        }
    }

    /// Returns the class of a presence: 0 if every match passes there, 1 if only young ones.
    pub fn class_of(&self, presence: usize) -> usize {
        class(self.after, self.index.presences[presence].since)
    }

    /// Returns in how many of the places that pass a package stands.
    pub fn places_of(&self, package: usize) -> Classes {
        match self.selection() {
            None => [self.index.package_places[package], 0],
            Some(selection) => selection.places[package],
        }
    }

    /// Returns whether a match passes in a place that holds its package.
    pub fn finding_passes(&self, matched: usize, presence: usize) -> bool {
        self.shows(matched, self.class_of(presence), self.group_of(presence)) == Some(true)
            && self.matches.verdict(self.index, &self.index.matches[matched]) == Some(true)
    }

    /// Returns whether a match is shown (`true`), disabled or neither where places are of a class and a group.
    pub fn shows(&self, matched: usize, class: usize, group: usize) -> Option<bool> {
        let row = &self.index.matches[matched];
        let frozen = self.frozen(group);
        if !self.in_class(row, class) || !holds(row.since, row.until, frozen.or(self.at)) {
            return None;
        }
        if self.plain {
            return (self.marks.mode != Mode::Only).then_some(true);
        }
        let marked = self.marks.of(&self.view, group).is_some_and(|m| m.matches.get(matched));
        if self.marks.shows(marked) {
            return Some(true);
        }
        (self.marks.mode == Mode::Open).then_some(false)
    }

    /// Returns in which of the places that hold its package a match that passes does.
    pub fn reach(&self, matched: usize) -> Reach {
        let apart = self.marks.mode == Mode::Only || self.correction(matched) != Correction::default();
        // Classes and groups together, or two inventories of one image, are not told apart by inventory.
        if apart || (!self.plain && (self.after.is_some() || self.view.any_frozen())) {
            return Reach::Apart;
        }
        if self.in_class(&self.index.matches[matched], 1) { Reach::Everywhere } else { Reach::Young }
    }

    fn correction(&self, matched: usize) -> Correction {
        self.selection().and_then(|s| s.corrections.get(matched)).copied().unwrap_or_default()
    }

    pub fn in_class(&self, row: &Matched, class: usize) -> bool {
        class == 0 || self.after.is_none_or(|after| row.first > after)
    }

    /// Calls with every match that has a finding: position, how many, and whether they are hidden by default.
    pub fn each_match(&self, mut call: impl FnMut(usize, Found, bool)) {
        self.each_row(|at| {
            let found = self.found(at);
            if found != Found::default()
                && let Some(visible) = self.matches.verdict(self.index, &self.index.matches[at])
            {
                call(at, found, !visible);
            }
        });
    }

    /// Calls with every match that can have a finding.
    fn each_row(&self, mut call: impl FnMut(usize)) {
        let index = self.index;
        let packages = match &self.places {
            Places::Selected(selection) => Some(&selection.packages).filter(|p| p.len() < index.packages.len() / 4),
            _ => None,
        };
        if let Some(named) = &self.matches.named {
            named.iter().for_each(|v| index.matches_of_vulnerability(*v as usize).for_each(&mut call));
        } else if let Some(packages) = packages {
            packages.iter().for_each(|p| index.matches_of_package(*p as usize).for_each(&mut call));
        } else {
            (0..index.matches.len()).for_each(call);
        }
    }

    fn found(&self, matched: usize) -> Found {
        let row = &self.index.matches[matched];
        let plainly = self.marks.mode != Mode::Only && holds(row.since, row.until, self.at);
        let places = if plainly { self.places_of(row.package as usize) } else { [0; 2] };
        let correction = self.correction(matched);
        let old = i64::from(self.in_class(row, 1));
        let sum = |[young, more]: [i64; 2]| u64::try_from(young + more * old).unwrap_or(0);
        let shown = [0, 1].map(|class| i64::from(places[class]) + i64::from(correction.shown[class]));
        Found { shown: sum(shown), disabled: sum(correction.disabled.map(i64::from)) }
    }

    /// Calls with every match that passes what is asked of matches, at any moment: position, and whether it is hidden.
    pub fn each_passing_row(&self, mut call: impl FnMut(usize, bool)) {
        self.each_row(|at| {
            if let Some(visible) = self.matches.verdict(self.index, &self.index.matches[at]) {
                call(at, !visible);
            }
        });
    }

    /// Returns whether a match is a finding (`true`), one that is only counted as hidden, or nothing, moments aside.
    pub fn verdict(&self, matched: usize) -> Option<bool> {
        self.matches.verdict(self.index, &self.index.matches[matched])
    }

    /// Returns whether a package passes what is asked of packages, with or without matches.
    pub fn package_passes(&self, package: usize) -> bool {
        self.matches.packages.get(package).is_none_or(|p| *p)
    }

    /// Returns whether something is asked of packages.
    pub fn asks_packages(&self) -> bool {
        !self.matches.packages.is_empty()
    }
}

/// Turns ages into bounds of first seen: after the one, at the latest at the other.
fn first_seen_bounds(conditions: &[Condition], clock: i64) -> (Option<i64>, Option<i64>) {
    let (mut after, mut until): (Option<i64>, Option<i64>) = (None, None);
    for Condition { not, test } in conditions {
        let Test::Age(span) = test else { continue };
        let older = span.high == i64::MAX;
        let bound =
            if older { clock.saturating_sub(span.low) } else { clock.saturating_sub(span.high).saturating_sub(1) };
        if older != *not {
            until = Some(until.map_or(bound, |u| u.min(bound)));
        } else {
            after = Some(after.map_or(bound, |a| a.max(bound)));
        }
    }
    (after, until)
}

fn class(after: Option<i64>, since: i64) -> usize {
    usize::from(after.is_some_and(|after| since <= after))
}
