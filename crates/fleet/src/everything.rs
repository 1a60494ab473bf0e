//! Everything that is there now, through the view of now: what a question that asks nothing of places selects.
//!
//! In: the groups of the view. Out: the selection, and the findings of every cell, put together from one part a group. A part
//! is taken over from the view before, where the group has the same rules and the same places and nothing but rules changed.

use crate::ids::NONE;
use crate::index::{Index, holds};
use crate::lanes::Lanes;
use crate::view::{Cell, Correction, Everything, Group, Part, Selection, View};
use std::sync::Arc;

/// By package, of the group that is looked at: in how many places it is, and what rules change in one.
struct Packages {
    places: Vec<u32>,
    changes: Vec<Lanes>,
    touched: Vec<u32>,
}

impl View {
    /// Works out everything, once.
    pub fn everything(&self, index: &Index) -> &Everything {
        self.everything.get_or_init(|| {
            let everything = self.put_together(index);
            self.forget_before();
            everything
        })
    }

    fn put_together(&self, index: &Index) -> Everything {
        let mut members: Vec<Vec<(u32, u32)>> = vec![Vec::new(); self.groups.len()];
        let mut selected = vec![false; index.presences.len()];
        let mut places: Vec<[u32; 2]> = index.package_places.iter().map(|n| [*n, 0]).collect();
        let open = |presence: &usize| index.presences[*presence].until == i64::MAX;
        for presence in (0..index.presences.len()).filter(open) {
            selected[presence] = true;
            let group = self.group_of(presence);
            let frozen = self.groups[group].frozen;
            let inventory = index.inventory_in(presence, frozen, None);
            members[group].extend(inventory.map(|i| (i as u32, presence as u32)));
            if frozen.is_some() {
                let now = index.inventory_in(presence, None, None);
                let packages = |i: Option<usize>| i.map_or(&[][..], |i| &index.inventories[i].packages);
                packages(now).iter().for_each(|p| places[*p as usize][0] -= 1);
                packages(inventory).iter().for_each(|p| places[*p as usize][0] += 1);
            }
        }
        let before = self.before();
        let none = Lanes::default();
        let count = index.packages.len();
        let mut packages = Packages { places: vec![0; count], changes: vec![none; count], touched: Vec::new() };
        let mut parts: Vec<Arc<Part>> = Vec::with_capacity(members.len());
        for (group, mut members) in members.into_iter().enumerate() {
            members.sort_unstable();
            let known = before.as_ref().and_then(|before| before.part_like(self, group));
            let known = known.filter(|part| part.members == members);
            parts.push(known.unwrap_or_else(|| Arc::new(index.part(&self.groups[group], members, &mut packages))));
        }
        let cell_of = vec![NONE; index.presences.len()];
        let corrections = vec![Correction::default(); index.matches.len()];
        let mut selection = Selection { selected, cell_of, places, corrections, ..Selection::default() };
        let mut lanes = Vec::new();
        for (group, part) in parts.iter().enumerate() {
            selection.take_part(group as u32, part);
            lanes.extend_from_slice(&part.lanes);
        }
        Everything { selection, lanes, parts }
    }

    /// Returns the part of a group that is like one of another view.
    fn part_like(&self, other: &Self, group: usize) -> Option<Arc<Part>> {
        let same = self.group_like(other, group)?;
        self.everything.get().and_then(|everything| everything.parts.get(same).cloned())
    }
}

impl Selection {
    fn take_part(&mut self, group: u32, part: &Part) {
        let mut members = part.members.chunk_by(|a, b| a.0 == b.0);
        for (inventory, places) in &part.cells {
            let cell = self.cells.len() as u32;
            let presences = members.next().unwrap_or_default();
            presences.iter().for_each(|(_, presence)| self.cell_of[*presence as usize] = cell);
            self.cells.push(Cell { group, inventory: *inventory, class: 0, places: *places });
        }
        for (matched, correction) in &part.corrections {
            let to = &mut self.corrections[*matched as usize];
            to.shown[0] += correction.shown[0];
            to.disabled[0] += correction.disabled[0];
        }
    }
}

impl Index {
    fn part(&self, group: &Group, members: Vec<(u32, u32)>, packages: &mut Packages) -> Part {
        let mut part = Part::default();
        for places in members.chunk_by(|a, b| a.0 == b.0) {
            let inventory = places.first().map_or(0, |place| place.0);
            part.cells.push((inventory, places.len() as u32));
            part.lanes.push(self.cell_lanes(group, inventory as usize, places.len() as u32, packages));
        }
        for package in packages.touched.drain(..) {
            let places = std::mem::take(&mut packages.places[package as usize]) as i32;
            self.correct(group, package as usize, places, &mut part.corrections);
        }
        part.members = members;
        part
    }

    /// Adds up a cell, and counts its places by package where rules, or a plan that is off, change something.
    fn cell_lanes(&self, group: &Group, inventory: usize, places: u32, packages: &mut Packages) -> Lanes {
        let all = group.frozen.is_some();
        let mut sum = if all { Lanes::default() } else { self.inventory_lanes[inventory] };
        for package in self.inventories[inventory].packages.iter().map(|p| *p as usize) {
            if !all && !group.hides.packages.get(package) {
                continue;
            }
            if packages.places[package] == 0 {
                packages.touched.push(package as u32);
                packages.changes[package] = self.change(group, package);
            }
            packages.places[package] += places;
            sum.add(&packages.changes[package]);
        }
        sum
    }

    /// Returns what is to be added for a package in one place.
    fn change(&self, group: &Group, package: usize) -> Lanes {
        let mut sum = Lanes::default();
        for matched in self.matches_of_package(package) {
            let row = &self.matches[matched];
            if !holds(row.since, row.until, group.frozen) {
                continue;
            }
            let lanes = row.lanes(self.vulnerabilities[row.vulnerability as usize].kev > 0, 0);
            let hides = group.hides.matches.get(matched);
            match (hides, group.frozen) {
                (true, None) => sum.take(&lanes),
                (false, Some(_)) => sum.add(&lanes),
                _ => {}
            }
            if hides && lanes != Lanes::HIDDEN {
                sum.add(&Lanes::DISABLED);
            }
        }
        sum
    }

    fn correct(&self, group: &Group, package: usize, places: i32, to: &mut Vec<(u32, Correction)>) {
        for matched in self.matches_of_package(package) {
            let row = &self.matches[matched];
            let plainly = row.until == i64::MAX;
            let here = holds(row.since, row.until, group.frozen);
            let hides = group.hides.matches.get(matched);
            let more = (i32::from(here && !hides) - i32::from(plainly)) * places;
            let disabled = i32::from(here && hides) * places;
            if (more, disabled) != (0, 0) {
                to.push((matched as u32, Correction { shown: [more, 0], disabled: [disabled, 0] }));
            }
        }
    }
}
