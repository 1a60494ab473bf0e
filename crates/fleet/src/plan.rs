//! Which places and which matches pass a query, and in how many places each package stands.
//!
//! A finding passes if its place passes and its match passes. So a list looks once at every match, and multiplies by the
//! number of places. First seen alone needs both: a finding is first seen at the later of the place's and the match's
//! beginning. Being older than a moment is asked of both, each for itself; being younger splits the places into two classes:
//! the young ones, where every match passes, and the old ones, where only young matches do.

use crate::error::QueryError;
use crate::filter::{Condition, Test, TextIn};
use crate::index::{Index, Lanes, Matched, holds};
use crate::match_tests::MatchTests;
use crate::place_tests::PlaceTests;
use crate::query::Query;

/// Places by class: young ones, old ones.
pub(crate) type Classes = [u32; 2];

/// A query, worked out against the index.
pub(crate) struct Plan<'a> {
    pub index: &'a Index,
    pub at: Option<i64>,
    /// A finding must be first seen after this moment.
    after: Option<i64>,
    /// Every place that holds passes, now and in one class: the sums of the index can be used.
    pub all_places: bool,
    /// By presence; empty if `all_places`.
    selected: Vec<bool>,
    /// Inventories of the selected places; empty if `all_places`.
    pub inventories: Vec<(u32, Classes)>,
    /// By package: selected places; empty if `all_places`.
    places: Vec<Classes>,
    /// Packages that the selected places hold; empty if `all_places`.
    packages: Vec<u32>,
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
        let (after, until) = first_seen_bounds(&query.filter.conditions, clock);
        let mut plan = Self {
            index,
            at,
            after,
            all_places: false,
            selected: Vec::new(),
            inventories: Vec::new(),
            places: Vec::new(),
            packages: Vec::new(),
            matches: MatchTests::new(index, &query.filter.conditions, text_in, until),
            all_matches: false,
        };
        plan.all_matches = plan.matches.pass_all() && after.is_none() && at.is_none();
        plan.select(query, text_in, until);
        Ok(plan)
    }

    /// Returns whether findings are asked for by something of theirs, so that what has none does not pass.
    pub fn wants_findings(&self) -> bool {
        !self.matches.pass_all_of_package() || self.after.is_some()
    }

    /// Returns whether an image with this inventory passes what is asked of findings and packages.
    pub fn inventory_passes(&self, sums: &Sums<'_>, inventory: Option<usize>, class: usize) -> bool {
        let packages = inventory.map_or(&[][..], |i| &self.index.inventories[i].packages);
        match inventory {
            Some(inventory) if self.wants_findings() => sums.any(inventory, class),
            None if self.wants_findings() => false,
            _ => self.matches.packages.is_empty() || packages.iter().any(|p| self.package_passes(*p as usize)),
        }
    }

    fn select(&mut self, query: &Query, text_in: TextIn, until: Option<i64>) {
        let tests = PlaceTests::new(self.index, query, text_in);
        self.all_places = tests.pass_all() && self.at.is_none() && self.after.is_none() && until.is_none();
        if self.all_places {
            return;
        }
        let index = self.index;
        self.selected = vec![false; index.presences.len()];
        let mut counts: Vec<Classes> = vec![[0; 2]; index.inventories.len()];
        let mut touched = Vec::new();
        tests.each_candidate(index, |presence| {
            let row = &index.presences[presence];
            let in_time = holds(row.since, row.until, self.at) && until.is_none_or(|u| row.since <= u);
            if !in_time || !tests.pass(index, presence, self.at) {
                return;
            }
            self.selected[presence] = true;
            let Some(inventory) = index.inventory_of(row.image as usize, self.at) else { return };
            if counts[inventory] == [0; 2] {
                touched.push(inventory as u32);
            }
            counts[inventory][class(self.after, row.since)] += 1;
        });
        self.places = vec![[0; 2]; index.packages.len()];
        for inventory in &touched {
            self.add_places(&index.inventories[*inventory as usize].packages, counts[*inventory as usize]);
        }
        self.inventories = touched.iter().map(|i| (*i, counts[*i as usize])).collect();
    }

    fn add_places(&mut self, packages: &[u32], [young, old]: Classes) {
        for package in packages {
            let places = &mut self.places[*package as usize];
            if *places == [0; 2] {
                self.packages.push(*package);
            }
            places[0] += young;
            places[1] += old;
        }
    }

    /// Returns whether a presence passes.
    pub fn place_passes(&self, presence: usize) -> bool {
        if self.all_places {
            return self.index.presences[presence].until == i64::MAX;
        }
        self.selected[presence]
    }

    /// Calls with every presence that passes.
    pub fn each_place(&self, mut call: impl FnMut(usize)) {
        for presence in 0..self.index.presences.len() {
            if self.place_passes(presence) {
                call(presence);
            }
        }
    }

    /// Calls with every presence that passes with what it holds, and its inventory.
    pub fn each_passing_place(&self, sums: &Sums<'_>, mut call: impl FnMut(usize, Option<usize>)) {
        self.each_place(|presence| {
            let inventory = self.index.inventory_of(self.index.presences[presence].image as usize, self.at);
            if self.inventory_passes(sums, inventory, self.class_of(presence)) {
                call(presence, inventory);
            }
        });
    }

    /// Calls with every presence that passes and holds a package.
    pub fn each_place_with(&self, package: usize, mut call: impl FnMut(usize)) {
        let index = self.index;
        let holders = &index.postings[package];
        // A search in the few inventories of the selected places, or a walk over all that hold the package.
        let few = !self.all_places && self.inventories.len() * 8 < holders.len();
        let holds_it = |i: &u32| index.inventories[*i as usize].packages.binary_search(&(package as u32)).is_ok();
        if few {
            let selected = self.inventories.iter().map(|(inventory, _)| inventory).filter(|i| holds_it(i));
            selected.for_each(|i| self.each_place_of(*i as usize, &mut call));
        } else {
            holders.iter().for_each(|i| self.each_place_of(*i as usize, &mut call));
        }
    }

    fn each_place_of(&self, inventory: usize, call: &mut impl FnMut(usize)) {
        let index = self.index;
        let readings = index.readings_of_inventory(inventory).map(|r| &index.readings[r]);
        for reading in readings.filter(|r| holds(r.since, r.until, self.at)) {
            let passing = |p: &usize| self.place_passes(*p);
            index.presences_of_image(reading.image as usize).filter(passing).for_each(&mut *call);
        }
    }

    /// Returns the class of a presence: 0 if every match passes there, 1 if only young ones.
    pub fn class_of(&self, presence: usize) -> usize {
        class(self.after, self.index.presences[presence].since)
    }

    /// Returns in how many of the places that pass a package stands.
    pub fn places_of(&self, package: usize) -> Classes {
        if self.all_places { [self.index.package_places[package], 0] } else { self.places[package] }
    }

    /// Returns whether a match passes in places of a class.
    pub fn match_passes(&self, matched: usize, class: usize) -> bool {
        let row = &self.index.matches[matched];
        self.in_class(row, class) && self.verdict(row) == Some(true)
    }

    fn in_class(&self, row: &Matched, class: usize) -> bool {
        class == 0 || self.after.is_none_or(|after| row.first > after)
    }

    /// Calls with every match that passes in at least one place: position, findings, and whether it is counted as hidden.
    pub fn each_match(&self, mut call: impl FnMut(usize, u64, bool)) {
        let index = self.index;
        let mut look = |at: usize| {
            let row = &index.matches[at];
            let [young, old] = self.places_of(row.package as usize);
            let findings = u64::from(young) + if self.in_class(row, 1) { u64::from(old) } else { 0 };
            if findings > 0
                && let Some(visible) = self.verdict(row)
            {
                call(at, findings, !visible);
            }
        };
        if let Some(named) = &self.matches.named {
            named.iter().for_each(|v| index.matches_of_vulnerability(*v as usize).for_each(&mut look));
        } else if !self.all_places && self.packages.len() < index.packages.len() / 4 {
            self.packages.iter().for_each(|p| index.matches_of_package(*p as usize).for_each(&mut look));
        } else {
            (0..index.matches.len()).for_each(look);
        }
    }

    /// Returns whether a match is a finding (`true`), one that is only counted as hidden, or nothing.
    fn verdict(&self, row: &Matched) -> Option<bool> {
        if !holds(row.since, row.until, self.at) {
            return None;
        }
        self.matches.verdict(self.index, row)
    }

    /// Returns whether a package passes what is asked of packages, with or without matches.
    pub fn package_passes(&self, package: usize) -> bool {
        self.matches.packages.get(package).is_none_or(|p| *p)
    }

    /// Returns the findings of every package, by class.
    pub fn sums(&self) -> Sums<'_> {
        if self.all_matches {
            return Sums { index: self.index, own: None };
        }
        let mut own = [vec![Lanes::default(); self.index.packages.len()], Vec::new()];
        if self.after.is_some() {
            own[1] = own[0].clone();
        }
        self.each_match(|at, _, hidden| {
            let row = &self.index.matches[at];
            let kev = self.index.vulnerabilities[row.vulnerability as usize].kev > 0;
            let mut lanes = row.lanes(kev, u8::MAX);
            if hidden {
                lanes = Lanes([0, 0, 0, 0, 0, 0, 0, 0, 1]);
            }
            for (_, sums) in own.iter_mut().enumerate().filter(|(class, _)| self.in_class(row, *class)) {
                sums.get_mut(row.package as usize).into_iter().for_each(|to| to.add(&lanes));
            }
        });
        Sums { index: self.index, own: Some(own) }
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

/// Findings by package, of one place: those of the index, or a plan's own by class.
pub(crate) struct Sums<'a> {
    index: &'a Index,
    own: Option<[Vec<Lanes>; 2]>,
}

impl Sums<'_> {
    pub fn package(&self, package: usize, class: usize) -> Lanes {
        let Some(own) = &self.own else { return self.index.package_lanes[package] };
        own[class].get(package).copied().unwrap_or_default()
    }

    pub fn inventory(&self, inventory: usize, class: usize) -> Lanes {
        let Some(own) = &self.own else { return self.index.inventory_lanes[inventory] };
        let mut sum = Lanes::default();
        for package in &self.index.inventories[inventory].packages {
            own[class].get(*package as usize).into_iter().for_each(|lanes| sum.add(lanes));
        }
        sum
    }

    /// Returns whether an inventory has a finding that is not hidden.
    pub fn any(&self, inventory: usize, class: usize) -> bool {
        let Some(own) = &self.own else { return self.index.inventory_lanes[inventory].any() };
        let packages = &self.index.inventories[inventory].packages;
        packages.iter().any(|p| own[class].get(*p as usize).is_some_and(Lanes::any))
    }
}
