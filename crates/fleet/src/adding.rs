//! What the findings of cells add up to.
//!
//! In: a selection, how it is looked at, what is asked of matches. Out: numbers by cell, and by match. Of many cells it goes
//! package by package, by the inventories that hold it, so that matches that do not pass cost nothing.

use crate::cells::{Found, Selection};
use crate::index::holds;
use crate::kinds::bit;
use crate::lanes::Lanes;
use crate::marks::Mode;
use crate::match_tests::MatchTests;
use crate::sight::Sight;

/// Adds up every cell of a selection; and the findings of every match that passes, where `found` is given.
pub(crate) fn add_up(
    sight: &Sight<'_>,
    selection: &Selection,
    tests: &MatchTests,
    mut found: Option<&mut Vec<Found>>,
) -> Vec<Lanes> {
    let index = sight.index;
    let plainly = tests.pass_all() && sight.after.is_none() && sight.at.is_none() && sight.marks.mode != Mode::Only;
    let counts = found.is_some();
    let mut adding =
        Adding { sight, tests, plainly, counts, parts: Vec::new(), rest: Default::default(), members: Vec::new() };
    // One more, for inventories that no cell is of.
    let mut lanes = vec![Lanes::default(); selection.cells.len() + 1];
    for (sum, cell) in lanes[selection.apart..].iter_mut().zip(&selection.cells[selection.apart..]) {
        let packages = &index.inventories[cell.inventory as usize].packages;
        let matches = packages.iter().flat_map(|package| index.matches_of_package(*package as usize));
        matches.for_each(|matched| sum.add(&adding.finding(matched, cell.class as usize, cell.group as usize)));
    }
    if let Some(found) = &mut found {
        found.clone_from(&selection.found);
        found.resize(index.matches.len(), Found::default());
    }
    if selection.apart == 0 {
        return lanes;
    }
    if plainly {
        let cells = lanes.iter_mut().zip(&selection.cells[..selection.apart]);
        cells.for_each(|(sum, cell)| *sum = index.inventory_lanes[cell.inventory as usize]);
    }
    for package in 0..index.packages.len() {
        adding.take(package);
        adding.spread(selection, package, &mut lanes);
        if let Some(found) = &mut found {
            adding.count(selection, package, found);
        }
    }
    lanes
}

/// What the matches of one kind, of the package that is looked at, are in one place.
struct Part<'a> {
    /// The groups in which they are marked.
    bits: &'a [u64],
    /// By class, then: not marked, marked.
    lanes: [[Lanes; 2]; 2],
    /// By class: places in which they are marked.
    marked: [u64; 2],
}

/// Adds up package by package.
struct Adding<'a> {
    sight: &'a Sight<'a>,
    tests: &'a MatchTests,
    /// Whether cells begin with what the index keeps of their inventory, so that only what is marked makes a difference.
    plainly: bool,
    /// Whether matches are counted as well.
    counts: bool,
    parts: Vec<Part<'a>>,
    /// By class: matches that are not marked anywhere.
    rest: [Lanes; 2],
    /// Matches that are counted: position, its part (beyond the end: none), whether it passes in old places.
    members: Vec<(usize, usize, bool)>,
}

impl<'a> Adding<'a> {
    /// Returns a match as it is seen in one place.
    fn finding(&self, matched: usize, class: usize, group: usize) -> Lanes {
        let row = &self.sight.index.matches[matched];
        let Some(shown) = self.sight.shows(matched, class, group) else { return Lanes::default() };
        match (self.tests.verdict(self.sight.index, row), shown) {
            (Some(visible), true) => row.lanes_as(self.sight.index, !visible),
            (Some(true), false) => Lanes::DISABLED,
            _ => Lanes::default(),
        }
    }

    /// Takes the matches of a package that pass.
    fn take(&mut self, package: usize) {
        let (sight, index) = (self.sight, self.sight.index);
        self.parts.clear();
        self.members.clear();
        self.rest = [Lanes::default(); 2];
        for matched in index.matches_of_package(package) {
            let row = &index.matches[matched];
            let bits = sight.marks_of(matched);
            let marked = !bits.is_empty();
            if !holds(row.since, row.until, sight.at) || (self.plainly && !marked && !self.counts) {
                continue;
            }
            let Some(visible) = self.tests.verdict(index, row) else { continue };
            let (lanes, none) = (row.lanes_as(index, !visible), Lanes::default());
            let disabled = if visible { Lanes::DISABLED } else { none };
            let mut pair = match sight.marks.mode {
                Mode::Open => [lanes, disabled],
                Mode::All => [lanes, lanes],
                Mode::Except => [lanes, none],
                Mode::Only => [none, lanes],
            };
            if self.plainly {
                pair.iter_mut().for_each(|one| one.take(&lanes));
            }
            let old = sight.in_class(row, 1);
            let part = if marked { self.part(bits) } else { usize::MAX };
            if self.counts {
                self.members.push((matched, part, old));
            }
            if let Some(part) = self.parts.get_mut(part) {
                part.add(&pair, old);
            } else {
                self.rest[0].add(&pair[0]);
                self.rest[1].add(&[none, pair[0]][usize::from(old)]);
            }
        }
    }

    /// Returns the part of matches that are marked in the same groups.
    fn part(&mut self, bits: &'a [u64]) -> usize {
        let known = self.parts.iter().position(|part| std::ptr::eq(part.bits, bits));
        known.unwrap_or_else(|| {
            self.parts.push(Part { bits, lanes: Default::default(), marked: [0; 2] });
            self.parts.len() - 1
        })
    }

    /// Adds what was taken to every cell that holds the package.
    fn spread(&mut self, selection: &Selection, package: usize, lanes: &mut [Lanes]) {
        let posting = &self.sight.index.postings[package];
        match self.parts.as_mut_slice() {
            [] if self.rest[0] == Lanes::default() => {}
            [] => selection.each_counted(posting, |at, cell| lanes[at].add(&self.rest[cell.class as usize])),
            [first, ..] => {
                for (pair, rest) in first.lanes.iter_mut().zip(&self.rest) {
                    pair.iter_mut().for_each(|one| one.add(rest));
                }
                self.spread_parts(selection, posting, lanes);
            }
        }
    }

    fn spread_parts(&mut self, selection: &Selection, posting: &[u32], lanes: &mut [Lanes]) {
        for part in &mut self.parts {
            let (bits, of, marked) = (part.bits, &part.lanes, &mut part.marked);
            selection.each_counted(posting, |at, cell| {
                let (class, here) = (cell.class as usize & 1, bit(bits, cell.group));
                lanes[at].add(&of[class][here as usize & 1]);
                marked[class] += u64::from(cell.places * here);
            });
        }
    }

    /// Counts the matches of the package.
    fn count(&self, selection: &Selection, package: usize, found: &mut [Found]) {
        if self.members.is_empty() {
            return;
        }
        let (sight, only) = (self.sight, self.sight.marks.mode == Mode::Only);
        let places = selection.count(&sight.index.postings[package], sight.after.is_some());
        for (matched, part, old) in &self.members {
            let [young, rest] = self.parts.get(*part).map_or([0; 2], |part| part.marked);
            let marked = if *old { young + rest } else { young };
            found[*matched].shown += if only { marked } else { places[usize::from(*old)] - marked };
            found[*matched].disabled += if sight.marks.mode == Mode::Open { marked } else { 0 };
        }
    }
}

impl Part<'_> {
    fn add(&mut self, pair: &[Lanes; 2], old: bool) {
        for class in self.lanes.iter_mut().take(1 + usize::from(old)) {
            class.iter_mut().zip(pair).for_each(|(to, from)| to.add(from));
        }
    }
}
