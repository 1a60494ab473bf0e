//! Which places and which matches pass a query, and in how many places each match stands.
//!
//! A finding passes if its place passes and its match passes. So a list looks once at every match, and multiplies by the
//! number of places. First seen alone needs both: a finding is first seen at the later of the place's and the match's
//! beginning. Being older than a moment is asked of both, each for itself; being younger splits the places into two classes:
//! the young ones, where every match passes, and the old ones, where only young matches do.
//! Disable rules and plans that are off are seen to by the selection: it says how many findings of a match they take away.

use crate::adding::add_up;
use crate::cells::{Found, Selection};
use crate::error::QueryError;
use crate::filter::{Condition, Test, TextIn};
use crate::ids::NONE;
use crate::index::{Index, Reading, holds};
use crate::lanes::Lanes;
use crate::marks::{Marks, Mode};
use crate::match_tests::MatchTests;
use crate::place_tests::PlaceTests;
use crate::query::Query;
use crate::selection::Held;
use crate::sight::Sight;
use std::borrow::Cow;

/// The places of a plan.
enum Places {
    /// Every place that holds, now, in one class: what is kept for everything can be used.
    Everything,
    /// These.
    Selected(Selection),
}

/// A query, worked out against the index.
pub(crate) struct Plan<'a> {
    pub index: &'a Index,
    pub sight: Sight<'a>,
    places: Places,
    pub matches: MatchTests,
    /// By match, if every one that passes was counted.
    counted: Vec<Found>,
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
        let sight = Sight::new(index, at, after, view, marks);
        let matches = MatchTests::new(index, conditions, text_in, until);
        let places = select(&sight, query, text_in, until);
        Ok(Self { index, sight, places, matches, counted: Vec::new() })
    }

    /// Returns whether findings are asked for by something of theirs, so that what has none does not pass.
    pub fn wants_findings(&self) -> bool {
        let asks_rules = matches!(self.sight.marks.mode, Mode::Only | Mode::Except);
        !self.matches.pass_all_of_package() || self.sight.after.is_some() || asks_rules
    }

    /// What is selected.
    pub fn selection(&self) -> &Selection {
        match &self.places {
            Places::Everything => &self.sight.everything().selection,
            Places::Selected(selection) => selection,
        }
    }

    /// Returns the findings of every cell, if they are kept: also for some of the places, where they were worked out for all.
    pub fn kept_lanes(&self) -> Option<Cow<'_, [Lanes]>> {
        let sight = &self.sight;
        if !sight.is_kept() || !self.matches.pass_all() || sight.after.is_some() || sight.at.is_some() {
            return None;
        }
        let Places::Selected(selection) = &self.places else {
            return Some(Cow::Borrowed(&sight.everything().lanes));
        };
        let kept = sight.view.everything[usize::from(sight.plain)].get()?;
        let mut lanes = vec![Lanes::default(); selection.cells.len() + 1];
        let cells = selection.cell_of.iter().zip(&kept.selection.cell_of).filter(|(cell, _)| **cell != NONE);
        for (cell, known) in cells {
            lanes[*cell as usize] = *kept.lanes.get(*known as usize)?;
        }
        Some(Cow::Owned(lanes))
    }

    /// Returns whether a presence passes.
    pub fn place_passes(&self, presence: usize) -> bool {
        self.selection().selected[presence]
    }

    /// Calls with every presence that passes.
    pub fn each_place(&self, call: impl FnMut(usize)) {
        let selected = self.selection().selected.iter().enumerate();
        selected.filter(|(_, selected)| **selected).map(|(presence, _)| presence).for_each(call);
    }

    /// Returns the cell of a presence.
    pub fn cell_of(&self, presence: usize) -> Option<usize> {
        let cell = self.selection().cell_of[presence];
        (cell != NONE).then_some(cell as usize)
    }

    /// Calls with every presence that passes and holds a package.
    pub fn each_place_with(&self, package: usize, mut call: impl FnMut(usize)) {
        let (index, selection) = (self.index, self.selection());
        let mut inventories: Vec<u32> = Vec::new();
        selection.each_cell_with(&self.sight, package, |cell| inventories.push(selection.cells[cell].inventory));
        inventories.sort_unstable();
        inventories.dedup();
        for inventory in inventories {
            for reading in index.readings_of_inventory(inventory as usize).map(|r| &index.readings[r]) {
                let passing = index.presences_of_image(reading.image as usize).filter(|p| self.place_passes(*p));
                passing.filter(|p| self.sees(*p, reading)).for_each(&mut call);
            }
        }
    }

    /// Returns whether a presence is seen with a reading of its image.
    fn sees(&self, presence: usize, reading: &Reading) -> bool {
        match self.sight.frozen(self.sight.group_of(presence)) {
            None => holds(reading.since, reading.until, self.sight.at),
            Some(moment) => {
                holds(reading.since, reading.until, Some(moment)) && self.index.presences[presence].since <= moment
            }
        }
    }

    /// Returns whether a match passes in a place that holds its package.
    pub fn finding_passes(&self, matched: usize, presence: usize) -> bool {
        let sight = &self.sight;
        sight.shows(matched, sight.class_of(presence), sight.group_of(presence)) == Some(true)
            && self.verdict(matched) == Some(true)
    }

    /// Calls with every match that has a finding: position, how many, and whether they are hidden by default.
    pub fn each_match(&self, mut call: impl FnMut(usize, Found, bool)) {
        self.each_row(|at, held| {
            let Some(visible) = self.verdict(at) else { return };
            let found = self.found(at, held);
            if found != Found::default() {
                call(at, found, !visible);
            }
        });
    }

    /// Calls with every match that can have a finding; those of a package one after the other, with what is known of it.
    fn each_row<'s>(&'s self, mut call: impl FnMut(usize, &mut Held<'s>)) {
        let index = self.index;
        if let Some(named) = &self.matches.named {
            let matches = named.iter().flat_map(|v| index.matches_of_vulnerability(*v as usize));
            matches.for_each(|matched| call(matched, &mut Held::default()));
            return;
        }
        let mut take = |package: usize| {
            let mut held = Held::default();
            index.matches_of_package(package).for_each(|matched| call(matched, &mut held));
        };
        match (&self.places, self.selection().packages()) {
            (Places::Everything, _) => (0..index.matches.len()).for_each(|m| call(m, &mut Held::default())),
            (_, Some(packages)) => packages.iter().for_each(|package| take(*package as usize)),
            _ => (0..index.packages.len()).for_each(take),
        }
    }

    /// Counts every match that passes, and adds up every cell: for who asks for both.
    pub fn count(&mut self) -> Vec<Lanes> {
        let everything = matches!(self.places, Places::Everything);
        let mut counted = Vec::new();
        let to = (!everything).then_some(&mut counted);
        let lanes = self.kept_lanes().map(Cow::into_owned);
        let lanes = lanes.unwrap_or_else(|| add_up(&self.sight, self.selection(), &self.matches, to));
        self.counted = counted;
        lanes
    }

    fn found<'s>(&'s self, matched: usize, held: &mut Held<'s>) -> Found {
        if let Some(found) = self.counted.get(matched) {
            return *found;
        }
        match &self.places {
            Places::Everything => self.sight.everything().found[matched],
            Places::Selected(selection) => selection.found(&self.sight, matched, held),
        }
    }

    /// Returns whether a place that passes holds a package.
    pub fn holds(&self, package: usize) -> bool {
        self.selection().holds(&self.sight, package)
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

fn select(sight: &Sight<'_>, query: &Query, text_in: TextIn, until: Option<i64>) -> Places {
    let index = sight.index;
    let tests = PlaceTests::new(index, &sight.view, query, text_in);
    if sight.is_kept() && tests.pass_all() && sight.at.is_none() && sight.after.is_none() && until.is_none() {
        return Places::Everything;
    }
    let mut places: Vec<(usize, usize)> = Vec::new();
    tests.each_candidate(index, |presence| {
        let row = &index.presences[presence];
        let in_time = holds(row.since, row.until, sight.at) && until.is_none_or(|u| row.since <= u);
        if in_time && tests.pass(index, presence, sight.at) {
            places.push((presence, sight.class_of(presence)));
        }
    });
    Places::Selected(Selection::new(sight, places.into_iter()))
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
