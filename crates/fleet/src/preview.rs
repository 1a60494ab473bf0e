//! What a disable rule would do, before there is one.
//!
//! In: criteria and a scope. Out: the findings it would hide of those that are open there now, in how many images and
//! repositories, examples, what other rules hide already, and how images stand before and after.

use crate::criteria::{Rule, RuleTests};
use crate::filter::TextIn;
use crate::index::{Index, hidden_bits, holds};
use crate::lanes::Lanes;
use crate::plan::Plan;
use crate::query::Query;
use crate::rows::{FindingRow, Tally};
use crate::score::{ImageState, ScoreSettings, ScoreTally, States};
use crate::sets::{Bits, RowSet};
use crate::sums::Sums;
use crate::view::{Group, Marked, View};
use model::facts::RuleFact;
use model::role::Scope;
use model::rule::Criteria;
use model::time::Micros;
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
    /// The rule that it would take the place of: one that is to be changed, or overridden. It is taken to be gone in the scope.
    pub instead_of: Option<Uuid>,
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

    /// Returns whether it would hide more than half of what is open in its scope.
    pub fn hides_most(&self) -> bool {
        self.findings() * 2 > self.in_scope
    }
}

/// Places that hold the same inventory and are seen alike, and pass the rule's place part or not.
struct Alike {
    group: usize,
    inventory: usize,
    passes: bool,
    presences: Vec<u32>,
}

/// What is known of a package in the group that is looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    places: u32,
    example: u32,
    /// What would be hidden in one place.
    less: Lanes,
    already: u32,
}

/// A proposal that is being looked at.
struct Looking<'a> {
    index: &'a Index,
    view: Arc<View>,
    rule: Rule,
    /// Packages of the matches that the rule speaks of.
    packages: Bits,
    /// The group that is looked at, and what is known of packages there.
    group: usize,
    known: Vec<Known>,
    touched: Vec<u32>,
    /// By match: findings that would be hidden.
    hidden: Vec<u32>,
    /// By match: a place of an example.
    example: Vec<u32>,
    preview: Preview,
}

impl Index {
    /// Says what a rule would do.
    pub fn preview(&self, proposal: &Proposal<'_>) -> Preview {
        let clock = proposal.now.0;
        let view = match proposal.instead_of {
            None => self.view(None, clock),
            Some(uid) => Arc::new(self.view_without(clock, uid)),
        };
        let rule = Rule::new(proposed(proposal));
        let packages = Marked::new(self, rule.matches(self).to_bits()).packages;
        let mut looking = Looking {
            index: self,
            view,
            rule,
            packages,
            group: 0,
            known: vec![Known::default(); self.packages.len()],
            touched: Vec::new(),
            hidden: vec![0; self.matches.len()],
            example: vec![0; self.matches.len()],
            preview: Preview::default(),
        };
        let repositories = self.repositories_in(proposal.scope);
        let query = Query { limit: 1, now: proposal.now, ..Query::default() };
        let Ok(plan) = Plan::new(self, &query, TextIn::Places) else { return looking.preview };
        let kept = proposal.instead_of.is_none().then(|| Sums::new(&plan));
        let (alike, bare) = looking.alike(&repositories);
        let states = States::new(self, &proposal.score, None, clock);
        let mut standing: Vec<(u32, u32, ImageState, ImageState)> = Vec::new();
        let mut hit: Vec<(u32, u32)> = Vec::new();
        for places in &alike {
            let presence = places.presences.first().map_or(0, |p| *p as usize);
            let before = kept.as_ref().map_or_else(|| looking.lanes(places), |sums| sums.place(presence));
            let less = looking.look(places);
            looking.preview.in_scope += before.tally().findings() * places.presences.len() as u64;
            let mut after = before;
            after.take(&less);
            let rows = places.presences.iter().map(|p| (*p, &self.presences[*p as usize]));
            if less != Lanes::default() {
                hit.extend(rows.clone().map(|(_, row)| (row.image, row.repository)));
            }
            for (presence, row) in rows {
                let state = |lanes: &Lanes| looking.state(&states, presence, lanes);
                standing.push((looking.unit(presence), row.image, state(&before), state(&after)));
            }
        }
        looking.settle();
        for presence in bare {
            let state = looking.state(&states, presence, &Lanes::default());
            standing.push((looking.unit(presence), self.presences[presence as usize].image, state, state));
        }
        looking.count(standing, hit);
        looking.examples();
        looking.preview
    }
}

impl Index {
    /// Says what a rule would hide of a package in one place of a group.
    fn less(&self, group: &Group, set: &RowSet, package: usize) -> Known {
        let mut known = Known::default();
        for matched in self.matches_of_package(package).filter(|m| set.contains(*m)) {
            match self.would_hide(group, matched) {
                Some(true) => known.less.add(&self.matches[matched].lanes_as(self, false)),
                Some(false) => known.already += 1,
                None => {}
            }
        }
        known
    }

    /// Returns whether a match that a rule speaks of is open in a group, or hidden already; by default hidden ones are neither.
    fn would_hide(&self, group: &Group, matched: usize) -> Option<bool> {
        let row = &self.matches[matched];
        let hidden = hidden_bits(row.severity, row.category, row.state) != 0;
        let counts = !hidden && holds(row.since, row.until, group.frozen);
        counts.then(|| !group.hides.matches.get(matched))
    }
}

/// A rule as it would be.
fn proposed(proposal: &Proposal<'_>) -> RuleFact {
    RuleFact {
        id: 0,
        uid: Uuid::nil(),
        name: String::new(),
        scope: proposal.scope.clone(),
        criteria: proposal.criteria.clone(),
        expires: Micros::FOREVER,
        paused: false,
        overrides: None,
        since: proposal.now,
        until: Micros::FOREVER,
    }
}

impl Looking<'_> {
    /// The open places of repositories: those that hold the same and are seen alike together, and those that hold nothing.
    fn alike(&self, repositories: &[usize]) -> (Vec<Alike>, Vec<u32>) {
        let (index, tests) = (self.index, &self.rule.tests);
        let (mut held, mut bare) = (Vec::new(), Vec::new());
        for repository in repositories {
            let all = tests.repository_passes(index, *repository);
            for presence in index.presences_of_repository(*repository).filter(|p| index.presences[*p].until == i64::MAX)
            {
                let group = self.view.group_of(presence);
                let passes = all && (!tests.asks_image() || tests.image_passes(index, presence, None));
                match index.inventory_in(presence, self.view.groups[group].frozen, None) {
                    Some(inventory) => held.push((group, inventory, passes, presence as u32)),
                    None => bare.push(presence as u32),
                }
            }
        }
        held.sort_unstable();
        let same = held.chunk_by(|a, b| (a.0, a.1, a.2) == (b.0, b.1, b.2));
        let alike = same.filter_map(|places| {
            let (group, inventory, passes, _) = *places.first()?;
            Some(Alike { group, inventory, passes, presences: places.iter().map(|place| place.3).collect() })
        });
        (alike.collect(), bare)
    }

    /// The open findings of one of the places, where the view is not the one that the index keeps.
    fn lanes(&self, places: &Alike) -> Lanes {
        let (index, group) = (self.index, &self.view.groups[places.group]);
        let mut sum = Lanes::default();
        let packages = index.inventories[places.inventory].packages.iter();
        for matched in packages.flat_map(|p| index.matches_of_package(*p as usize)) {
            let row = &index.matches[matched];
            if holds(row.since, row.until, group.frozen) && !group.hides.matches.get(matched) {
                sum.add(&row.lanes(index.vulnerabilities[row.vulnerability as usize].kev > 0, 0));
            }
        }
        sum
    }

    /// Counts what would be hidden in places that are alike; returns the findings of one of them.
    fn look(&mut self, places: &Alike) -> Lanes {
        let mut less = Lanes::default();
        if !places.passes {
            return less;
        }
        let index = self.index;
        let here = self.rule_here(places.inventory);
        if here.is_some() || self.group != places.group {
            self.settle();
            self.group = places.group;
        }
        let set = here.as_ref().unwrap_or_else(|| self.rule.matches(index));
        let (count, example) = (places.presences.len() as u32, places.presences.first().copied().unwrap_or(0));
        let spoken_of = index.inventories[places.inventory].packages.iter().map(|p| *p as usize);
        for package in spoken_of.filter(|p| self.packages.get(*p)) {
            if self.known[package].places == 0 {
                self.touched.push(package as u32);
                self.known[package] = index.less(&self.view.groups[places.group], set, package);
                self.known[package].example = example;
            }
            let known = &mut self.known[package];
            known.places += count;
            less.add(&known.less);
            self.preview.hidden_already += u64::from(count * known.already);
        }
        if let Some(set) = here {
            self.settle_with(&set);
        }
        less
    }

    /// Counts by match what was counted by package in one group.
    fn settle(&mut self) {
        let set = self.rule.matches(self.index).clone();
        self.settle_with(&set);
    }

    fn settle_with(&mut self, set: &RowSet) {
        let view = Arc::clone(&self.view);
        for package in std::mem::take(&mut self.touched) {
            let Known { places, example, .. } = std::mem::take(&mut self.known[package as usize]);
            let rows = self.index.matches_of_package(package as usize);
            let (index, group) = (self.index, &view.groups[self.group]);
            let new = |m: &usize| set.contains(*m) && index.would_hide(group, *m) == Some(true);
            for matched in rows.filter(new) {
                self.hidden[matched] += places;
                self.example[matched] = example;
            }
        }
    }

    /// What the rule hides where an image has an inventory, if it asks for paths.
    fn rule_here(&self, inventory: usize) -> Option<RowSet> {
        let tests: &RuleTests = &self.rule.tests;
        (!tests.paths.is_empty()).then(|| self.index.hidden_by_path(&self.rule, inventory))
    }

    fn state(&self, states: &States<'_>, presence: u32, lanes: &Lanes) -> ImageState {
        let frozen = self.view.frozen(self.registry(presence)).is_some();
        states.of(presence as usize, frozen, lanes).0
    }

    fn registry(&self, presence: u32) -> usize {
        let repository = self.index.presences[presence as usize].repository as usize;
        self.index.repositories[repository].registry as usize
    }

    /// The subscription of a presence.
    fn unit(&self, presence: u32) -> u32 {
        self.index.subscription_at(self.registry(presence))
    }

    fn count(&mut self, mut standing: Vec<(u32, u32, ImageState, ImageState)>, mut hit: Vec<(u32, u32)>) {
        standing.sort_unstable_by_key(|place| (place.0, place.1));
        for places in standing.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let worst = |of: fn(&(u32, u32, ImageState, ImageState)) -> ImageState| places.iter().map(of).max();
            worst(|place| place.2).into_iter().for_each(|state| self.preview.before.count(state));
            worst(|place| place.3).into_iter().for_each(|state| self.preview.after.count(state));
        }
        hit.sort_unstable();
        self.preview.images = hit.chunk_by(|a, b| a.0 == b.0).count() as u64;
        hit.sort_unstable_by_key(|place| place.1);
        self.preview.repositories = hit.chunk_by(|a, b| a.1 == b.1).count() as u64;
        for (matched, count) in self.hidden.iter().enumerate().filter(|(_, count)| **count > 0) {
            let lanes = self.index.matches[matched].lanes_as(self.index, false);
            self.preview.tally.add(&lanes.tally(), u64::from(*count));
        }
    }

    fn examples(&mut self) {
        let index = self.index;
        let mut worst: Vec<usize> = (0..self.hidden.len()).filter(|m| self.hidden[*m] > 0).collect();
        worst.sort_by_key(|m| (index.default_order(&index.matches[*m]), index.match_ids(&index.matches[*m])));
        for matched in worst.into_iter().take(MOST_EXAMPLES) {
            let place = (matched, self.example[matched] as usize);
            self.preview.examples.push(index.finding_row(place, i64::MAX, None, &self.view));
        }
    }
}
