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
use crate::sets::RowSet;
use crate::sight::Sight;
use model::facts::Id;
use model::time::Micros;
use std::collections::HashSet;
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
    /// Says what some rules do (by stable id) that are there now, as far as it is seen in a part of the tree, in order of row id.
    pub fn rule_effects(&self, of: &[Uuid], scope: &Scope, now: Micros) -> Vec<RuleEffect> {
        let asked: HashSet<&Uuid> = of.iter().collect();
        let there = |rule: &Rule| rule.fact.until == Micros::FOREVER && asked.contains(&rule.fact.uid);
        let wanted: Vec<bool> = self.rules.iter().map(there).collect();
        let counted = self.counting(scope, now, wanted.clone(), |all| all.count());
        let there = self.rules.iter().enumerate().filter(|(at, _)| wanted[*at]);
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

    /// Names the rules in force that hide nothing in a part of the tree, each with the last moment at which it did.
    pub fn idle_rules(&self, scope: &Scope, now: Micros) -> Vec<(Uuid, Option<Micros>)> {
        let in_force = |rule: &Rule| rule.holds(None, now.0) && !rule.fact.paused;
        let wanted: Vec<bool> = self.rules.iter().map(in_force).collect();
        let busy = self.counting(scope, now, wanted.clone(), |all| all.busy());
        let idle = (0..self.rules.len()).filter(|at| wanted[*at] && !busy[*at]);
        idle.map(|at| (self.rules[at].fact.uid, self.last_hidden(at, now).map(Micros))).collect()
    }

    /// Counts by the rules that are wanted, in a part of the tree.
    fn counting<T>(&self, scope: &Scope, now: Micros, wanted: Vec<bool>, count: impl FnOnce(Counting<'_>) -> T) -> T {
        let sight = Sight::new(self, None, None, self.view(None, now.0), Marks::unasked(Mode::Open));
        if *scope == Scope::Everything {
            return count(Counting::new(&sight, &sight.everything().selection, wanted));
        }
        let open = |presence: &usize| self.presences[*presence].until == i64::MAX;
        let here = |presence: &usize| self.in_scope(self.presences[*presence].repository as usize, scope);
        let places = (0..self.presences.len()).filter(open).filter(here).map(|presence| (presence, 0));
        count(Counting::new(&sight, &Selection::new(&sight, places), wanted))
    }
}

/// Counts by rule, one set of matches after the other.
struct Counting<'a> {
    sight: &'a Sight<'a>,
    selection: &'a Selection,
    /// By rule.
    wanted: Vec<bool>,
    images_of: CellImages,
    /// By group: cells.
    cells: Vec<Vec<u32>>,
    /// By group, of the set that is looked at: findings.
    findings: Vec<u64>,
    /// By package, of the set that is looked at: what is open now and not hidden by default.
    of_package: Vec<u32>,
    /// By cell, of the set that is looked at: whether it has one; one more, for inventories that no cell is of.
    hit: Vec<bool>,
    to: Counted,
    /// Rule and image, where an image is in several places.
    others: Vec<(u32, u32)>,
}

impl<'a> Counting<'a> {
    fn new(sight: &'a Sight<'a>, selection: &'a Selection, wanted: Vec<bool>) -> Self {
        let (groups, rules) = (sight.view.groups.len(), sight.index.rules.len());
        let mut cells: Vec<Vec<u32>> = vec![Vec::new(); groups];
        let numbered = (0..).zip(&selection.cells);
        numbered.for_each(|(at, cell)| cells[cell.group as usize].push(at));
        Self {
            sight,
            selection,
            wanted,
            images_of: CellImages::new(sight.index, selection),
            cells,
            findings: vec![0; groups],
            of_package: vec![0; sight.index.packages.len()],
            hit: vec![false; selection.cells.len() + 1],
            to: Counted { findings: vec![0; rules], images: vec![0; rules] },
            others: Vec::new(),
        }
    }

    fn count(mut self) -> Counted {
        for (set, of) in self.sets() {
            self.count_set(set, &of);
        }
        self.others.sort_unstable();
        self.others.dedup();
        self.others.iter().for_each(|(rule, _)| self.to.images[*rule as usize] += 1);
        self.to
    }

    /// The sets that wanted rules speak of: each with group and rule, wherever such a rule is in force.
    fn sets(&self) -> Vec<(&'a RowSet, Vec<(u32, u32)>)> {
        let (sight, index): (&'a Sight<'a>, _) = (self.sight, self.sight.index);
        let mut whole: Vec<Vec<(u32, u32)>> = vec![Vec::new(); index.rule_sets.len()];
        let mut by_path: Vec<Vec<(u32, u32)>> = vec![Vec::new(); sight.view.path_sets.len()];
        for (number, group) in (0..).zip(&sight.view.groups) {
            let rules = group.rules.iter().filter(|r| self.wanted[**r as usize]);
            rules.for_each(|r| whole[index.rules[*r as usize].set as usize].push((number, *r)));
            let by_paths = group.by_path.iter().filter(|(r, _)| self.wanted[*r as usize]);
            by_paths.for_each(|(r, set)| by_path[*set as usize].push((number, *r)));
        }
        let whole = whole.into_iter().enumerate().filter(|(_, of)| !of.is_empty());
        let whole = whole.map(|(set, of)| (index.matches_of_set(set), of));
        let by_path = sight.view.path_sets.iter().zip(by_path).filter(|(_, of)| !of.is_empty());
        whole.chain(by_path).collect()
    }

    /// Returns, by rule, whether it hides something.
    fn busy(mut self) -> Vec<bool> {
        let mut busy = vec![false; self.sight.index.rules.len()];
        for (set, of) in self.sets() {
            self.glance(set, &of, &mut busy);
            let left: Vec<(u32, u32)> = of.into_iter().filter(|(_, rule)| !busy[*rule as usize]).collect();
            let mut groups: Vec<u32> = left.iter().map(|(group, _)| *group).collect();
            groups.dedup();
            self.look(set, &groups);
            left.iter().for_each(|(group, rule)| busy[*rule as usize] |= self.findings[*group as usize] > 0);
            for group in groups.into_iter().map(|group| group as usize) {
                self.findings[group] = 0;
                self.cells[group].iter().for_each(|cell| self.hit[*cell as usize] = false);
            }
        }
        busy
    }

    /// Marks rules that hide something in the first place of a group; one of the rules of a group is enough, as they speak of the
    /// same.
    fn glance(&self, set: &RowSet, of: &[(u32, u32)], busy: &mut [bool]) {
        let mut looked = u32::MAX;
        for (group, rule) in of {
            if looked == *group || (!busy[*rule as usize] && self.hides_in_first(set, *group)) {
                looked = *group;
                busy[*rule as usize] = true;
            }
        }
    }

    /// Returns whether a set has a finding in the first cell of a group: of most it has.
    fn hides_in_first(&self, set: &RowSet, group: u32) -> bool {
        let (index, cells) = (self.sight.index, &self.cells[group as usize]);
        let inventories = cells.iter().take(1).map(|cell| self.selection.cells[*cell as usize].inventory);
        let packages = inventories.flat_map(|inventory| &index.inventories[inventory as usize].packages);
        let mut matches = packages.flat_map(|package| index.matches_of_package(*package as usize));
        matches.any(|m| set.contains(m) && self.is_open(m, group))
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
        let packages = |at: usize| &index.inventories[selection.cells[at].inventory as usize].packages;
        let cells = || groups.iter().flat_map(|group| &self.cells[*group as usize]).map(|cell| *cell as usize);
        let (counted, frozen): (Vec<usize>, Vec<usize>) =
            cells().partition(|cell| self.sight.frozen(selection.cells[*cell].group as usize).is_none());
        let spoken = self.speak(set);
        let by_inventory = counted.iter().all(|cell| *cell < selection.apart);
        let held: usize = counted.iter().map(|cell| packages(*cell).len()).sum();
        let holders: usize = spoken.iter().map(|package| index.postings[*package as usize].len()).sum();
        if by_inventory && holders < held {
            self.look_by_inventory(&spoken, groups);
        } else {
            for at in counted {
                let hidden: u32 = packages(at).iter().map(|package| self.of_package[*package as usize]).sum();
                self.add(at, u64::from(hidden));
            }
        }
        for at in frozen {
            let matches = packages(at).iter().flat_map(|package| index.matches_of_package(*package as usize));
            let group = selection.cells[at].group;
            self.add(at, matches.filter(|m| set.contains(*m) && self.is_open(*m, group)).count() as u64);
        }
        spoken.into_iter().for_each(|package| self.of_package[package as usize] = 0);
    }

    /// Adds findings of one place of a cell.
    fn add(&mut self, at: usize, hidden: u64) {
        let cell = &self.selection.cells[at];
        self.findings[cell.group as usize] += hidden * u64::from(cell.places);
        self.hit[at] |= hidden > 0;
    }

    /// Counts by package what of a set is open now; returns the packages that have some.
    fn speak(&mut self, set: &RowSet) -> Vec<u32> {
        let index = self.sight.index;
        let mut spoken = Vec::new();
        set.each(|matched| {
            let row = &index.matches[matched];
            if !holds(row.since, row.until, None) || hidden_bits(row.severity, row.category, row.state) != 0 {
                return;
            }
            let count = &mut self.of_package[row.package as usize];
            if *count == 0 {
                spoken.push(row.package);
            }
            *count += 1;
        });
        spoken
    }

    fn look_by_inventory(&mut self, spoken: &[u32], groups: &[u32]) {
        let (index, selection) = (self.sight.index, self.selection);
        let mut wanted = vec![0_u32; self.cells.len()];
        groups.iter().for_each(|group| wanted[*group as usize] = 1);
        for package in spoken.iter().map(|package| *package as usize) {
            let count = self.of_package[package];
            selection.each_counted(&index.postings[package], |at, cell| {
                let here = wanted[cell.group as usize];
                self.findings[cell.group as usize] += u64::from(cell.places * here) * u64::from(count);
                self.hit[at] |= here != 0;
            });
        }
    }

    /// Returns whether a match is open in a group of places, and not hidden by default. Group 0 is seen as of now.
    fn is_open(&self, matched: usize, group: u32) -> bool {
        let row = &self.sight.index.matches[matched];
        hidden_bits(row.severity, row.category, row.state) == 0
            && holds(row.since, row.until, self.sight.frozen(group as usize))
    }
}
