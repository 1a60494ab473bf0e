//! What each disable rule does.
//!
//! In: the view of now. Out: by rule, the findings it hides, alone or with others, in how many images; and when it last hid
//! one, if it hides none. A rule that has hidden nothing for long is one to look at.

use crate::criteria::Rule;
use crate::index::{Index, hidden_bits, holds};
use crate::sets::{Bits, RowSet};
use crate::view::{Cell, Group, View};
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

/// Counts by rule.
struct Counting<'a> {
    index: &'a Index,
    findings: Vec<u64>,
    /// Rule and image.
    images: Vec<(u32, u32)>,
    /// By package of the group that is looked at: where its rules begin in `hits`, and how many there are.
    of_package: Vec<(u32, u32)>,
    /// Rules that hide findings of a package in one place: the rule, and how many.
    hits: Vec<(u32, u32)>,
    /// By rule: the last cell that it hid something in.
    seen: Vec<u32>,
}

impl Index {
    /// Says what every rule does that is there now, in order of row id.
    pub fn rule_effects(&self, now: Micros) -> Vec<RuleEffect> {
        let view = self.view(None, now.0);
        let mut counting = Counting {
            index: self,
            findings: vec![0; self.rules.len()],
            images: Vec::new(),
            of_package: vec![(u32::MAX, 0); self.packages.len()],
            hits: Vec::new(),
            seen: vec![u32::MAX; self.rules.len()],
        };
        if !view.is_plain() {
            counting.count(&view);
        }
        counting.images.sort_unstable();
        counting.images.dedup();
        let mut images = vec![0; self.rules.len()];
        counting.images.iter().for_each(|(rule, _)| images[*rule as usize] += 1);
        let there = self.rules.iter().enumerate().filter(|(_, rule)| rule.fact.until == Micros::FOREVER);
        let mut effects: Vec<RuleEffect> = there
            .map(|(at, rule)| {
                let (uid, id, findings) = (rule.fact.uid, rule.fact.id, counting.findings[at]);
                let in_force = rule.holds(None, now.0) && !rule.fact.paused;
                let last = match (findings, in_force) {
                    (0, true) => self.last_hidden(rule, now).map(Micros),
                    (0, false) => None,
                    _ => Some(now),
                };
                RuleEffect { uid, id, findings, images: images[at], last }
            })
            .collect();
        effects.sort_unstable_by_key(|effect| effect.id);
        effects
    }

    /// Returns the last moment at which a rule would have hidden a finding, since there is such a rule; overrides aside.
    fn last_hidden(&self, rule: &Rule, now: Micros) -> Option<i64> {
        let same = self.rules.iter().filter(|r| r.fact.uid == rule.fact.uid);
        let since = same.map(|r| r.fact.since.0).min().unwrap_or(rule.fact.since.0);
        let mut here = Bits::default();
        let inside = self.repositories_in(&rule.fact.scope).into_iter();
        inside.filter(|r| rule.tests.repository_passes(self, *r)).for_each(|r| here.set(r));
        let mut past = Past { index: self, rule, since, now: now.0, here, last: None };
        match rule.matches(self) {
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

impl Counting<'_> {
    fn count(&mut self, view: &View) {
        let everything = &view.everything(self.index).selection;
        let mut members: Vec<(u32, u32)> = Vec::new();
        for (presence, cell) in everything.cell_of.iter().enumerate().filter(|(_, cell)| **cell != crate::ids::NONE) {
            members.push((*cell, self.index.presences[presence].image));
        }
        members.sort_unstable();
        let mut by_cell = members.chunk_by(|a, b| a.0 == b.0);
        let mut number = 0;
        for cells in everything.cells.chunk_by(|a, b| a.group == b.group) {
            let group = cells.first().map_or(0, |cell| cell.group as usize);
            for cell in cells {
                self.count_cell(&view.groups[group], number, cell, by_cell.next().unwrap_or_default());
                number += 1;
            }
            self.hits.clear();
            let packages = view.groups[group].hides.packages.iter();
            packages.for_each(|package| self.of_package[package] = (u32::MAX, 0));
        }
    }

    fn count_cell(&mut self, group: &Group, number: u32, cell: &Cell, images: &[(u32, u32)]) {
        let index = self.index;
        let packages = index.inventories[cell.inventory as usize].packages.iter().map(|p| *p as usize);
        for package in packages.filter(|p| group.hides.packages.get(*p)) {
            if self.of_package[package].0 == u32::MAX {
                self.find_hits(group, package);
            }
            let (start, count) = self.of_package[package];
            for (rule, findings) in &self.hits[start as usize..(start + count) as usize] {
                self.findings[*rule as usize] += u64::from(cell.places * findings);
                let new = std::mem::replace(&mut self.seen[*rule as usize], number) != number;
                let images = images.iter().filter(|_| new);
                self.images.extend(images.map(|(_, image)| (*rule, *image)));
            }
        }
    }

    /// Works out which rules hide how many findings of a package in one place of a group.
    fn find_hits(&mut self, group: &Group, package: usize) {
        let (index, start) = (self.index, self.hits.len());
        for matched in index.matches_of_package(package).filter(|m| group.hides.matches.get(*m)) {
            let row = &index.matches[matched];
            let open = holds(row.since, row.until, group.frozen);
            if open && hidden_bits(row.severity, row.category, row.state) == 0 {
                self.hits.extend(group.rules_of(index, matched).map(|rule| (rule, 1)));
            }
        }
        self.of_package[package] = (start as u32, (self.hits.len() - start) as u32);
    }
}
