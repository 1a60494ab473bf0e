//! What a disable rule would do, before there is one.
//!
//! In: criteria and a scope. Out: the findings it would hide of those that are open there now, in how many images and
//! repositories, examples, what other rules hide already, and how images stand before and after.

use crate::adding::add_up;
use crate::cells::{Cell, Selection};
use crate::criteria::{RuleTests, match_part};
use crate::cursor::Smallest;
use crate::filter::TextIn;
use crate::index::{Index, hidden_bits, holds};
use crate::kinds::has;
use crate::lanes::Lanes;
use crate::marks::{Marks, Mode};
use crate::match_tests::MatchTests;
use crate::rows::{FindingRow, Tally};
use crate::score::{ImageState, ScoreSettings, ScoreTally, States};
use crate::sets::RowSet;
use crate::sight::Sight;
use model::role::Scope;
use model::rule::Criteria;
use model::time::Micros;
use std::borrow::Cow;
use std::sync::Arc;
use uuid::Uuid;

/// At most so many examples.
const MOST_EXAMPLES: usize = 10;

/// A rule that is not there yet.
#[derive(Debug, Clone)]
pub struct Proposal<'a> {
    /// What it would hide.
    pub criteria: &'a Criteria,
    /// Where.
    pub scope: &'a Scope,
    /// The rules that it would take the place of: one that is to be changed, or overridden. They are taken to be gone in the scope.
    pub instead_of: &'a [Uuid],
    /// What makes an image unhealthy.
    pub score: ScoreSettings,
    /// The asker's clock.
    pub now: Micros,
}

/// What a rule would do now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preview {
    /// Findings that it would hide and no other rule does; those hidden by default are in none of the figures.
    pub tally: Tally,
    /// Distinct images that have such a finding.
    pub images: u64,
    /// Distinct repositories that have such a finding.
    pub repositories: u64,
    /// Some of these findings, the worst first, one a match.
    pub examples: Vec<FindingRow>,
    /// Open findings in the scope, before.
    pub in_scope: u64,
    /// Findings that it speaks of and other rules hide already.
    pub hidden_already: u64,
    /// Known exploited ones among these: as soon as the other rules end, this one alone hides them.
    pub exploited_already: u64,
    /// Images in the scope by state, before; each once in a subscription.
    pub before: ScoreTally,
    /// The same, after.
    pub after: ScoreTally,
}

impl Preview {
    /// Returns how many findings it would hide.
    pub fn findings(&self) -> u64 {
        self.tally.findings()
    }

    /// Returns how many known exploited findings it speaks of, whether other rules hide them or not.
    pub fn known_exploited(&self) -> u64 {
        self.tally.kev + self.exploited_already
    }

    /// Returns whether it would hide more than half of what is open in its scope.
    pub fn hides_most(&self) -> bool {
        self.findings() * 2 > self.in_scope
    }
}

/// Class of places that do not pass the rule's place part.
const NOT_THERE: usize = 1;

/// A proposal that is being looked at.
struct Looking<'a> {
    sight: &'a Sight<'a>,
    tests: &'a RuleTests,
    /// Matches that the rule speaks of.
    set: &'a RowSet,
    selection: &'a Selection,
    /// By cell: what would be hidden in one place; one more, for inventories that no cell is of.
    less: Vec<Lanes>,
    /// By match: findings that would be hidden.
    hidden: Vec<u64>,
    already: u64,
    exploited_already: u64,
}

impl Index {
    /// Says what a rule would do.
    pub fn preview(&self, proposal: &Proposal<'_>) -> Preview {
        let clock = proposal.now.0;
        let plain = proposal.instead_of.is_empty();
        let view = if plain { self.view(None, clock) } else { Arc::new(self.view_without(clock, proposal.instead_of)) };
        let sight = Sight::new(self, None, None, view, Marks::unasked(Mode::Open));
        let (tests, set) = (RuleTests::new(proposal.criteria), self.matches_of_criteria(proposal.criteria));
        let selection = Selection::new(&sight, self.asked(&tests, proposal.scope).into_iter());
        let mut looking = Looking {
            sight: &sight,
            tests: &tests,
            set: &set,
            selection: &selection,
            less: vec![Lanes::default(); selection.cells.len() + 1],
            hidden: vec![0; self.matches.len()],
            already: 0,
            exploited_already: 0,
        };
        looking.look();
        let (hidden_already, exploited_already) = (looking.already, looking.exploited_already);
        let mut preview = Preview { hidden_already, exploited_already, ..Preview::default() };
        for (matched, count) in looking.hidden.iter().enumerate().filter(|(_, count)| **count > 0) {
            preview.tally.add(&self.matches[matched].lanes_as(self, false).tally(), *count);
        }
        let states = States::new(self, &proposal.score, None, clock);
        looking.count_places(&mut preview, &states, plain);
        looking.examples(&mut preview);
        preview
    }

    /// The open places of a scope, with their class.
    fn asked(&self, tests: &RuleTests, scope: &Scope) -> Vec<(usize, usize)> {
        let mut places = Vec::new();
        for repository in self.repositories_in(scope) {
            let all = tests.repository_passes(self, repository);
            let open = self.presences_of_repository(repository).filter(|p| self.presences[*p].until == i64::MAX);
            let passes = |p: usize| all && (!tests.asks_image() || tests.image_passes(self, p, None));
            places.extend(open.map(|p| (p, if passes(p) { 0 } else { NOT_THERE })));
        }
        places
    }

    /// Returns what criteria speak of: what is known from a rule that asks the same of matches, or worked out now.
    fn matches_of_criteria(&self, criteria: &Criteria) -> Cow<'_, RowSet> {
        let asked = match_part(criteria);
        match self.rule_set_keys.get(format!("{asked:?}").as_str()) {
            Some(known) => Cow::Borrowed(self.matches_of_set(*known as usize)),
            None => Cow::Owned(RuleTests::new(&asked).matches(self)),
        }
    }
}

impl Looking<'_> {
    fn look(&mut self) {
        let cells = self.selection.cells.iter().copied().enumerate();
        let one_by_one = if self.tests.paths.is_empty() { self.selection.apart } else { 0 };
        cells.skip(one_by_one).for_each(|(at, cell)| self.look_at_cell(at, &cell));
        if one_by_one > 0 {
            let set = self.set;
            set.each(|matched| self.look_at_match(matched));
        }
    }

    /// Returns whether a match is open in a group of places, and not hidden by default. Group 0 is seen as of now.
    fn is_open(&self, matched: usize, group: usize) -> bool {
        let row = &self.sight.index.matches[matched];
        hidden_bits(row.severity, row.category, row.state) == 0 && holds(row.since, row.until, self.sight.frozen(group))
    }

    /// Counts what would be hidden of a match in the cells that are counted by inventory.
    fn look_at_match(&mut self, matched: usize) {
        if !self.is_open(matched, 0) {
            return;
        }
        let index = self.sight.index;
        let row = &index.matches[matched];
        let (bits, lanes) = (self.sight.marks_of(matched), row.lanes_as(index, false));
        let (mut hidden, mut already) = (0, 0);
        let less = [Lanes::default(), lanes];
        self.selection.each_counted(&index.postings[row.package as usize], |at, cell| {
            let there = u32::from(cell.class as usize != NOT_THERE);
            let marked = has(bits, cell.group as usize) as u32;
            already += u64::from(cell.places * there * marked);
            hidden += u64::from(cell.places * there * (1 - marked));
            self.less[at].add(&less[(there * (1 - marked)) as usize & 1]);
        });
        self.hidden[matched] += hidden;
        self.count_already(matched, already);
    }

    /// Counts findings of a match that other rules hide already.
    fn count_already(&mut self, matched: usize, places: u64) {
        let index = self.sight.index;
        let vulnerability = index.matches[matched].vulnerability as usize;
        self.already += places;
        self.exploited_already += if index.vulnerabilities[vulnerability].kev > 0 { places } else { 0 };
    }

    fn look_at_cell(&mut self, at: usize, cell: &Cell) {
        if cell.class as usize == NOT_THERE {
            return;
        }
        let index = self.sight.index;
        for matched in self.matches_in(cell) {
            match self.sight.shows(matched, 0, cell.group as usize) {
                Some(true) => {
                    self.hidden[matched] += u64::from(cell.places);
                    self.less[at].add(&index.matches[matched].lanes_as(index, false));
                }
                Some(false) => self.count_already(matched, u64::from(cell.places)),
                None => {}
            }
        }
    }

    /// The matches of a cell that the rule speaks of there, open and not hidden by default.
    fn matches_in(&self, cell: &Cell) -> Vec<usize> {
        let index = self.sight.index;
        let here =
            (!self.tests.paths.is_empty()).then(|| index.hidden_by_path(self.tests, self.set, cell.inventory as usize));
        let set = here.as_ref().unwrap_or(self.set);
        let packages = index.inventories[cell.inventory as usize].packages.iter();
        let matches = packages.flat_map(|package| index.matches_of_package(*package as usize));
        matches.filter(|m| set.contains(*m) && self.is_open(*m, cell.group as usize)).collect()
    }

    /// Counts how images stand before and after, and which are hit. `kept`: the view is the one that everything is kept for.
    fn count_places(&self, preview: &mut Preview, states: &States<'_>, kept: bool) {
        let index = self.sight.index;
        let tests = MatchTests::new(index, &[], TextIn::Matches, None);
        let kept = kept.then(|| self.sight.everything());
        let worked_out = if kept.is_none() { add_up(self.sight, self.selection, &tests, None) } else { Vec::new() };
        let mut standing: Vec<(u32, u32, ImageState, ImageState)> = Vec::new();
        let (mut images, mut repositories) = (vec![false; index.images.len()], vec![false; index.repositories.len()]);
        let selected = self.selection.selected.iter().zip(&self.selection.cell_of).enumerate();
        for (presence, (_, cell)) in selected.filter(|(_, (selected, _))| **selected) {
            let row = &index.presences[presence];
            let registry = index.repositories[row.repository as usize].registry as usize;
            let less = self.less.get(*cell as usize).copied().unwrap_or_default();
            let before = match kept {
                Some(kept) => kept.lanes.get(kept.selection.cell_of[presence] as usize),
                None => worked_out.get(*cell as usize),
            };
            let before = before.copied().unwrap_or_default();
            let mut after = before;
            after.take(&less);
            if less != Lanes::default() {
                (images[row.image as usize], repositories[row.repository as usize]) = (true, true);
            }
            preview.in_scope += before.tally().findings();
            let state = |lanes| states.of(presence, self.sight.view.frozen(registry).is_some(), lanes).0;
            standing.push((index.subscription_at(registry), row.image, state(&before), state(&after)));
        }
        let count = |hit: &[bool]| hit.iter().filter(|hit| **hit).count() as u64;
        (preview.images, preview.repositories) = (count(&images), count(&repositories));
        standing.sort_unstable_by_key(|place| (place.0, place.1));
        for places in standing.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            places.iter().map(|place| place.2).max().into_iter().for_each(|state| preview.before.count(state));
            places.iter().map(|place| place.3).max().into_iter().for_each(|state| preview.after.count(state));
        }
    }

    /// The worst findings that would be hidden, one a match.
    fn examples(&self, preview: &mut Preview) {
        let index = self.sight.index;
        let mut worst = Smallest::new(MOST_EXAMPLES);
        for matched in (0..self.hidden.len()).filter(|m| self.hidden[*m] > 0) {
            let row = &index.matches[matched];
            worst.push((index.default_order(row), index.match_ids(row), matched));
        }
        let mut cells: Vec<u32> = vec![u32::MAX; self.selection.cells.len()];
        for (presence, cell) in (0..).zip(&self.selection.cell_of) {
            if let Some(of) = cells.get_mut(*cell as usize) {
                *of = presence;
            }
        }
        for (.., matched) in worst.in_order() {
            let mut place = None;
            self.selection.each_cell_showing(self.sight, matched, |at| {
                let cell = &self.selection.cells[at];
                let here = place.is_none() && cell.class as usize != NOT_THERE;
                let presence = cells.get(at).filter(|_| here && self.matches_in(cell).contains(&matched));
                place = place.or(presence.map(|presence| *presence as usize));
            });
            let row = place.map(|place| index.finding_row((matched, place), i64::MAX, None, &self.sight.view));
            preview.examples.extend(row);
        }
    }
}
