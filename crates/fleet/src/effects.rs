//! What each disable rule does.
//!
//! In: the view of now, a part of the tree. Out: by rule, the findings it hides there, alone or with others, in how many images;
//! and when it last hid one, if it hides none. A rule that has hidden nothing for long is one to look at.
//! Rules that ask the same of matches are counted together, by the groups of places in which they are in force.

use crate::cells::Selection;
use crate::criteria::Rule;
use crate::distinct::CellImages;
use crate::index::{Index, hidden_bits, holds};
use crate::marks::{Marks, Mode};
use crate::query::Scope;
use crate::sets::{Bits, RowSet};
use crate::sight::Sight;
use model::facts::Id;
use model::time::Micros;
use uuid::Uuid;

/// What a rule does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleEffect {
    /// The stable id.
    pub uid: Uuid,
    /// Row id of the rule as it is now.
    pub id: Id,
    /// Findings that it hides, alone or with others; as the list of `rule:ID` has.
    pub findings: u64,
    /// Distinct images with such a finding.
    pub images: u64,
    /// The last moment at which it hid a finding, as it is now; `None` if it never did. Only said of a rule that is in force.
    pub last: Option<Micros>,
}

/// What rules hide, by rule.
struct Counted {
    findings: Vec<u64>,
    images: Vec<u64>,
}

impl Index {
    /// Says what every rule does that is there now, as far as it is seen in a part of the tree, in order of row id.
    pub fn rule_effects(&self, scope: &Scope, now: Micros) -> Vec<RuleEffect> {
        let sight = Sight::new(self, None, None, self.view(None, now.0), Marks::unasked(Mode::Open));
        let counted = match scope {
            Scope::Everything => Counting::new(&sight, &sight.everything().selection).count(),
            Scope::Within { .. } => {
                let open = |presence: &usize| self.presences[*presence].until == i64::MAX;
                let here = |presence: &usize| self.in_scope(self.presences[*presence].repository as usize, scope);
                let places = (0..self.presences.len()).filter(open).filter(here).map(|presence| (presence, 0));
                Counting::new(&sight, &Selection::new(&sight, places)).count()
            }
        };
        let there = self.rules.iter().enumerate().filter(|(_, rule)| rule.fact.until == Micros::FOREVER);
        let mut effects: Vec<RuleEffect> = there
            .map(|(at, rule)| {
                let (uid, id, findings) = (rule.fact.uid, rule.fact.id, counted.findings[at]);
                let in_force = rule.holds(None, now.0) && !rule.fact.paused;
                let last = match (findings, in_force) {
                    (0, true) => self.last_hidden(at, now).map(Micros),
                    (0, false) => None,
                    _ => Some(now),
                };
                RuleEffect { uid, id, findings, images: counted.images[at], last }
            })
            .collect();
        effects.sort_unstable_by_key(|effect| effect.id);
        effects
    }

    /// Returns the last moment at which a rule would have hidden a finding, since there is such a rule; overrides aside.
    fn last_hidden(&self, rule: usize, now: Micros) -> Option<i64> {
        let (rule, set) = (&self.rules[rule], self.matches_of_rule(rule));
        let same = self.rules.iter().filter(|r| r.fact.uid == rule.fact.uid);
        let since = same.map(|r| r.fact.since.0).min().unwrap_or(rule.fact.since.0);
        let mut here = Bits::default();
        let inside = self.repositories_in(&rule.fact.scope).into_iter();
        inside.filter(|r| rule.tests.repository_passes(self, *r)).for_each(|r| here.set(r));
        let mut past = Past { index: self, rule, since, now: now.0, here, last: None };
        match set {
            RowSet::Few(rows) => rows.iter().for_each(|m| past.look_at_match(*m as usize)),
            set => past.here.clone().iter().for_each(|repository| past.look_at_repository(repository, set)),
        }
        past.last
    }
}

/// Looks for when a rule last hid something.
struct Past<'a> {
    index: &'a Index,
    rule: &'a Rule,
    since: i64,
    now: i64,
    /// Repositories in which the rule stands.
    here: Bits,
    last: Option<i64>,
}

impl Past<'_> {
    fn look_at_match(&mut self, matched: usize) {
        let index = self.index;
        let inventories = index.postings[index.matches[matched].package as usize].iter();
        for reading in inventories.flat_map(|i| index.readings_of_inventory(*i as usize)) {
            let presences = index.presences_of_image(index.readings[reading].image as usize);
            presences.for_each(|presence| self.look(matched, presence, reading));
        }
    }

    fn look_at_repository(&mut self, repository: usize, set: &RowSet) {
        let index = self.index;
        let readings = |presence: usize| index.readings_of_image(index.presences[presence].image as usize);
        let places = index.presences_of_repository(repository);
        let places = places.filter(|presence| self.rule.tests.ever_passes(index, *presence));
        for (presence, reading) in places.flat_map(|p| readings(p).map(move |r| (p, r))) {
            let packages = index.inventories[index.readings[reading].inventory as usize].packages.iter();
            let matches = packages.flat_map(|p| index.matches_of_package(*p as usize));
            matches.filter(|m| set.contains(*m)).for_each(|matched| self.look(matched, presence, reading));
        }
    }

    fn look(&mut self, matched: usize, presence: usize, reading: usize) {
        let index = self.index;
        let (m, p, r) = (&index.matches[matched], &index.presences[presence], &index.readings[reading]);
        let start = self.since.max(m.since).max(p.since).max(r.since);
        let end = self.now.min(m.until).min(p.until).min(r.until);
        let hidden = hidden_bits(m.severity, m.category, m.state) != 0;
        let later = self.last.is_none_or(|last| end > last);
        if start >= end || hidden || !later || !self.here.get(p.repository as usize) {
            return;
        }
        if self.rule.tests.image_passes(index, presence, Some(end - 1)) {
            self.last = Some(end);
        }
    }
}

/// Counts by rule, one set of matches after the other.
struct Counting<'a> {
    sight: &'a Sight<'a>,
    selection: &'a Selection,
    images_of: CellImages,
    /// By group: cells.
    cells: Vec<Vec<u32>>,
    /// By group, of the set that is looked at: findings.
    findings: Vec<u64>,
    /// By cell, of the set that is looked at: whether it has one; one more, for inventories that no cell is of.
    hit: Vec<bool>,
    to: Counted,
    /// Rule and image, where an image is in several places.
    others: Vec<(u32, u32)>,
}

impl<'a> Counting<'a> {
    fn new(sight: &'a Sight<'a>, selection: &'a Selection) -> Self {
        let (groups, rules) = (sight.view.groups.len(), sight.index.rules.len());
        let mut cells: Vec<Vec<u32>> = vec![Vec::new(); groups];
        let numbered = (0..).zip(&selection.cells);
        numbered.for_each(|(at, cell)| cells[cell.group as usize].push(at));
        Self {
            sight,
            selection,
            images_of: CellImages::new(sight.index, selection),
            cells,
            findings: vec![0; groups],
            hit: vec![false; selection.cells.len() + 1],
            to: Counted { findings: vec![0; rules], images: vec![0; rules] },
            others: Vec::new(),
        }
    }

    fn count(mut self) -> Counted {
        let (view, index) = (&self.sight.view, self.sight.index);
        // By set: group and rule, wherever a rule that speaks of the set is in force.
        let mut whole: Vec<Vec<(u32, u32)>> = vec![Vec::new(); index.rule_sets.len()];
        let mut by_path: Vec<Vec<(u32, u32)>> = vec![Vec::new(); view.path_sets.len()];
        for (number, group) in (0..).zip(&view.groups) {
            group.rules.iter().for_each(|r| whole[index.rules[*r as usize].set as usize].push((number, *r)));
            group.by_path.iter().for_each(|(r, set)| by_path[*set as usize].push((number, *r)));
        }
        let whole = whole.iter().enumerate().filter(|(_, of)| !of.is_empty());
        whole.for_each(|(set, of)| self.count_set(index.matches_of_set(set), of));
        view.path_sets.iter().zip(&by_path).for_each(|(set, of)| self.count_set(set, of));
        self.others.sort_unstable();
        self.others.dedup();
        self.others.iter().for_each(|(rule, _)| self.to.images[*rule as usize] += 1);
        self.to
    }

    fn count_set(&mut self, set: &RowSet, of: &[(u32, u32)]) {
        let mut groups: Vec<u32> = of.iter().map(|(group, _)| *group).collect();
        groups.dedup();
        self.look(set, &groups);
        for in_force in of.chunk_by(|a, b| a.0 == b.0) {
            let Some((group, _)) = in_force.first() else { continue };
            let findings = std::mem::take(&mut self.findings[*group as usize]);
            if findings == 0 {
                continue;
            }
            let (mut alone, mut others) = (0, Vec::new());
            for cell in &self.cells[*group as usize] {
                let hit = u64::from(std::mem::take(&mut self.hit[*cell as usize]));
                alone += hit * u64::from(self.images_of.alone[*cell as usize]);
                others.extend(self.images_of.others(*cell).filter(|_| hit > 0));
            }
            for (_, rule) in in_force {
                self.to.findings[*rule as usize] += findings;
                self.to.images[*rule as usize] += alone;
                self.others.extend(others.iter().map(|image| (*rule, *image)));
            }
        }
    }

    /// Counts the findings of a set by group: by the inventories that hold its packages, or cell by cell where that is less.
    fn look(&mut self, set: &RowSet, groups: &[u32]) {
        let (index, selection) = (self.sight.index, self.selection);
        let cells = || groups.iter().flat_map(|group| &self.cells[*group as usize]).map(|cell| *cell as usize);
        let mut apart: Vec<usize> = cells().filter(|cell| *cell >= selection.apart).collect();
        let counted: Vec<usize> = cells().filter(|cell| *cell < selection.apart).collect();
        let size = |cell: &usize| index.inventories[selection.cells[*cell].inventory as usize].packages.len();
        let held: usize = counted.iter().map(size).sum();
        let mut holders = 0;
        set.each(|m| holders += index.postings[index.matches[m].package as usize].len());
        if held < holders {
            apart.extend(counted);
        } else if !counted.is_empty() {
            self.look_by_inventory(set, groups);
        }
        for at in apart {
            let cell = selection.cells[at];
            let packages = index.inventories[cell.inventory as usize].packages.iter();
            let matches = packages.flat_map(|package| index.matches_of_package(*package as usize));
            let hidden = matches.filter(|m| set.contains(*m) && self.is_open(*m, cell.group)).count() as u64;
            self.findings[cell.group as usize] += hidden * u64::from(cell.places);
            self.hit[at] |= hidden > 0;
        }
    }

    fn look_by_inventory(&mut self, set: &RowSet, groups: &[u32]) {
        let (index, selection) = (self.sight.index, self.selection);
        let mut wanted = vec![0_u32; self.cells.len()];
        groups.iter().for_each(|group| wanted[*group as usize] = 1);
        set.each(|matched| {
            if !self.is_open(matched, 0) {
                return;
            }
            selection.each_counted(&index.postings[index.matches[matched].package as usize], |at, cell| {
                let here = wanted[cell.group as usize];
                self.findings[cell.group as usize] += u64::from(cell.places * here);
                self.hit[at] |= here != 0;
            });
        });
    }

    /// Returns whether a match is open in a group of places, and not hidden by default. Group 0 is seen as of now.
    fn is_open(&self, matched: usize, group: u32) -> bool {
        let row = &self.sight.index.matches[matched];
        hidden_bits(row.severity, row.category, row.state) == 0
            && holds(row.since, row.until, self.sight.frozen(group as usize))
    }
}
