//! Which places are selected, and what that makes of packages and matches.
//!
//! In: places that pass, the view of the moment, what is asked of rules. Out: places by package; and by match, where rules
//! or a plan that is off make a difference, how many findings more or less there are than places of its package.
//! Places that hold the same inventory, are in one group of the view and of one class of age are one cell.

use crate::ids::NONE;
use crate::index::{Index, holds};
use crate::lens::{Marked, View};
use crate::marks::{Marks, Mode};
use crate::plan::Classes;

/// Selected places and what they add up to.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// By presence.
    pub selected: Vec<bool>,
    /// In order of group, then inventory.
    pub cells: Vec<Cell>,
    /// By presence: its cell, or `NONE` where it holds no inventory or is not selected.
    pub cell_of: Vec<u32>,
    /// By package.
    pub places: Vec<Classes>,
    /// Packages that the places hold.
    pub packages: Vec<u32>,
    /// By match; empty where there is nothing to correct.
    pub corrections: Vec<Correction>,
}

/// Selected places that hold the same and are seen alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub group: u32,
    pub inventory: u32,
    pub class: u8,
    pub places: u32,
}

/// By class: findings that are shown beyond one for each place of the package, and those that rules hide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Correction {
    pub shown: [i32; 2],
    pub disabled: [i32; 2],
}

/// Places by package and class, for a few of the packages at a time.
struct Counts {
    places: Vec<[i32; 2]>,
    packages: Vec<u32>,
}

impl Counts {
    fn add(&mut self, package: u32, cell: &Cell) {
        let places = &mut self.places[package as usize];
        if *places == [0; 2] {
            self.packages.push(package);
        }
        places[cell.class as usize] += cell.places as i32;
    }

    fn drain(&mut self, mut call: impl FnMut(u32, [i32; 2])) {
        for package in self.packages.drain(..) {
            call(package, std::mem::take(&mut self.places[package as usize]));
        }
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
        self.add_places(&mut to);
        self.correct(&mut to);
        to
    }

    fn add_places(&self, to: &mut Selection) {
        to.places = vec![[0; 2]; self.index.packages.len()];
        let held = |cell: &Cell| self.index.inventories[cell.inventory as usize].packages.iter();
        for (package, cell) in to.cells.iter().flat_map(|cell| held(cell).map(move |p| (*p, cell))) {
            let places = &mut to.places[package as usize];
            if *places == [0; 2] {
                to.packages.push(package);
            }
            places[cell.class as usize] += cell.places;
        }
    }

    fn correct(&self, to: &mut Selection) {
        let (Some(view), index) = (self.view, self.index) else { return };
        to.corrections = vec![Correction::default(); index.matches.len()];
        let mut counts = Counts { places: vec![[0; 2]; index.packages.len()], packages: Vec::new() };
        for cells in to.cells.chunk_by(|a, b| a.group == b.group) {
            let group = cells.first().map_or(0, |cell| cell.group as usize);
            let frozen = view.groups[group].frozen;
            let marked = self.marks.of(view, group);
            if frozen.is_none() && marked.is_none_or(|m| m.matches.is_empty()) {
                continue;
            }
            for cell in cells {
                let packages = &index.inventories[cell.inventory as usize].packages;
                let some = |p: u32| frozen.is_some() || marked.is_some_and(|m| m.packages.get(p as usize));
                packages.iter().filter(|p| some(**p)).for_each(|p| counts.add(*p, cell));
            }
            let rows = |p: u32| index.matches_of_package(p as usize);
            counts.drain(|package, places| {
                rows(package).for_each(|m| self.correct_match(&mut to.corrections[m], m, places, marked, frozen));
            });
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
