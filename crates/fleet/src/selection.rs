//! Which places are selected, and what that makes of packages and matches.
//!
//! In: places that pass, the view of the moment, what is asked of rules. Out: places by package; and by match, where rules
//! or a plan that is off make a difference, how many findings more or less there are than places of its package.
//! Places that hold the same inventory, are in one group of the view and of one class of age are one cell.

use crate::ids::NONE;
use crate::index::{Index, holds};
use crate::marks::{Marks, Mode};
use crate::view::{Cell, Correction, Marked, Selection, View};

/// Places by package and class, of one group at a time.
struct Counts {
    places: Vec<[i32; 2]>,
    packages: Vec<u32>,
}

impl Counts {
    fn add(&mut self, packages: &[u32], cell: &Cell) {
        let (class, places) = (usize::from(cell.class & 1), cell.places as i32);
        for package in packages {
            let count = &mut self.places[*package as usize];
            if *count == [0; 2] {
                self.packages.push(*package);
            }
            count[class] += places;
        }
    }
}

impl Selection {
    /// Adds the places of a package in one group.
    fn add(&mut self, package: u32, count: [i32; 2]) {
        let sum = &mut self.places[package as usize];
        if *sum == [0; 2] {
            self.packages.push(package);
        }
        *sum = [sum[0] + count[0] as u32, sum[1] + count[1] as u32];
    }
}

/// What a selection is made with.
pub(crate) struct Selecting<'a> {
    pub index: &'a Index,
    pub at: Option<i64>,
    /// `None` where every place is seen plainly.
    pub view: Option<&'a View>,
    pub marks: &'a Marks,
}

impl Selecting<'_> {
    /// Takes places, each with its class; no place twice.
    pub fn take(&self, places: impl Iterator<Item = (usize, usize)>) -> Selection {
        let index = self.index;
        let presences = index.presences.len();
        let mut to =
            Selection { selected: vec![false; presences], cell_of: vec![NONE; presences], ..Selection::default() };
        let mut held: Vec<(u64, u32)> = Vec::new();
        for (presence, class) in places {
            to.selected[presence] = true;
            let group = self.view.map_or(0, |view| view.group_of(presence));
            let frozen = self.view.and_then(|view| view.groups[group].frozen);
            if let Some(inventory) = index.inventory_in(presence, frozen, self.at) {
                held.push(((group as u64) << 34 | (inventory as u64) << 1 | class as u64, presence as u32));
            }
        }
        held.sort_unstable();
        for same in held.chunk_by(|a, b| a.0 == b.0) {
            let key = same.first().map_or(0, |(key, _)| *key);
            let (group, inventory) = ((key >> 34) as u32, (key >> 1 & u64::from(u32::MAX)) as u32);
            same.iter().for_each(|(_, presence)| to.cell_of[*presence as usize] = to.cells.len() as u32);
            to.cells.push(Cell { group, inventory, class: (key & 1) as u8, places: same.len() as u32 });
        }
        self.add_up(&mut to);
        to
    }

    /// Adds up places by package, and what there is to correct by match, group by group: a package is then looked at once a
    /// group, not once a place.
    fn add_up(&self, to: &mut Selection) {
        let index = self.index;
        to.places = vec![[0; 2]; index.packages.len()];
        if self.view.is_some() {
            to.corrections = vec![Correction::default(); index.matches.len()];
        }
        let mut counts = Counts { places: vec![[0; 2]; index.packages.len()], packages: Vec::new() };
        let cells = std::mem::take(&mut to.cells);
        for cells in cells.chunk_by(|a, b| a.group == b.group) {
            cells.iter().for_each(|cell| counts.add(&index.inventories[cell.inventory as usize].packages, cell));
            let group = cells.first().map_or(0, |cell| cell.group as usize);
            let packages = std::mem::take(&mut counts.packages);
            packages.iter().for_each(|p| to.add(*p, counts.places[*p as usize]));
            self.correct(to, group, &packages, &counts.places);
            packages.iter().for_each(|p| counts.places[*p as usize] = [0; 2]);
        }
        to.cells = cells;
    }

    fn correct(&self, to: &mut Selection, group: usize, packages: &[u32], counts: &[[i32; 2]]) {
        let Some(view) = self.view else { return };
        let (frozen, marked) = (view.groups[group].frozen, self.marks.of(view, group));
        let corrects = |p: &&u32| frozen.is_some() || marked.is_some_and(|m| m.packages.get(**p as usize));
        for package in packages.iter().filter(corrects).map(|p| *p as usize) {
            let rows = self.index.matches_of_package(package);
            rows.for_each(|m| self.correct_match(&mut to.corrections[m], m, counts[package], marked, frozen));
        }
    }

    fn correct_match(
        &self,
        to: &mut Correction,
        matched: usize,
        places: [i32; 2],
        marked: Option<&Marked>,
        frozen: Option<i64>,
    ) {
        let row = &self.index.matches[matched];
        let plainly = holds(row.since, row.until, self.at);
        let here = frozen.map_or(plainly, |moment| holds(row.since, row.until, Some(moment)));
        let marked = marked.is_some_and(|m| m.matches.get(matched));
        let shown = here && self.marks.shows(marked);
        let counted = plainly && self.marks.mode != Mode::Only;
        let more = i32::from(shown) - i32::from(counted);
        let disabled = i32::from(here && marked && self.marks.mode == Mode::Open);
        for (class, places) in places.into_iter().enumerate() {
            to.shown[class] += more * places;
            to.disabled[class] += disabled * places;
        }
    }
}
