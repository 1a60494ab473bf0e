//! Which places are selected, and how many findings of a match they have.
//!
//! In: places that pass, how they are looked at. Out: cells: places that hold the same inventory, are in one group of the view
//! and of one class of age. Few places are looked at one by one, match by match. Of many, a match is counted when it is asked
//! for: by the inventories that hold its package. Places whose plan is off are always looked at one by one: what they hold, and
//! what is matched with it, is of another moment.

use crate::cells::{Cell, Found, One, SEVERAL, Selection};
use crate::ids::NONE;
use crate::index::holds;
use crate::kinds::{bit, has};
use crate::marks::Mode;
use crate::sight::Sight;

/// Few is less than this part of all that inventories hold.
const FEW: usize = 8;

/// What was counted of a package: kept between its matches.
#[derive(Default)]
pub(crate) struct Held<'a> {
    /// Its places: young ones, and all.
    places: Option<[u64; 2]>,
    /// Its places by where a match is marked, and in which class.
    marked: Vec<(&'a [u64], usize, u64)>,
}

/// A place that holds something: whether it is looked at by itself, inventory, group, class, presence.
type Holder = (bool, u32, u32, u32, u32);

impl Found {
    /// Adds a match as it is seen in a cell.
    fn add(&mut self, sight: &Sight<'_>, matched: usize, cell: &Cell) {
        match sight.shows(matched, cell.class as usize, cell.group as usize) {
            Some(true) => self.shown += u64::from(cell.places),
            Some(false) => self.disabled += u64::from(cell.places),
            None => {}
        }
    }
}

impl Selection {
    /// Takes places, each with its class; no place twice.
    pub fn new(sight: &Sight<'_>, places: impl Iterator<Item = (usize, usize)>) -> Self {
        let index = sight.index;
        let presences = index.presences.len();
        let mut to = Self { selected: vec![false; presences], cell_of: vec![NONE; presences], ..Self::default() };
        let mut holders: Vec<Holder> = Vec::new();
        for (presence, class) in places {
            to.selected[presence] = true;
            let group = sight.group_of(presence);
            let frozen = sight.frozen(group);
            if let Some(inventory) = index.inventory_in(presence, frozen, sight.at) {
                holders.push((frozen.is_some(), inventory as u32, group as u32, class as u32, presence as u32));
            }
        }
        let held: usize = holders.iter().map(|h| index.inventories[h.1 as usize].packages.len()).sum();
        let few = held < index.held / FEW + FEW;
        if few {
            holders.iter_mut().for_each(|holder| holder.0 = true);
        }
        holders.sort_unstable();
        for same in holders.chunk_by(|a, b| (a.0, a.1, a.2, a.3) == (b.0, b.1, b.2, b.3)) {
            let Some((alone, inventory, group, class, _)) = same.first().copied() else { continue };
            same.iter().for_each(|holder| to.cell_of[holder.4 as usize] = to.cells.len() as u32);
            to.cells.push(Cell { inventory, group, class, places: same.len() as u32 });
            to.apart += usize::from(!alone);
        }
        if !few {
            to.spread(sight);
        }
        to.look(sight);
        to
    }

    /// Adds up by inventory.
    fn spread(&mut self, sight: &Sight<'_>) {
        let inventories = sight.index.inventories.len();
        let nowhere = Cell { inventory: NONE, group: 0, class: 0, places: 0 };
        self.one = vec![One { at: self.cells.len() as u32, cell: nowhere }; inventories];
        let mut places = [vec![0; inventories], vec![0; inventories]];
        for (at, cell) in (0..).zip(&self.cells[..self.apart]) {
            let inventory = cell.inventory as usize;
            let one = &mut self.one[inventory];
            if one.cell.places == 0 {
                *one = One { at, cell: *cell };
            } else {
                one.at |= SEVERAL;
            }
            places[0][inventory] += if cell.class == 0 { cell.places } else { 0 };
            places[1][inventory] += cell.places;
        }
        self.places = places;
    }

    /// Looks at cells one by one.
    fn look(&mut self, sight: &Sight<'_>) {
        let index = sight.index;
        if self.apart == self.cells.len() {
            return;
        }
        self.found = vec![Found::default(); index.matches.len()];
        let mut seen = vec![false; index.packages.len()];
        for cell in &self.cells[self.apart..] {
            for package in index.inventories[cell.inventory as usize].packages.iter().map(|p| *p as usize) {
                seen[package] = true;
                let matches = index.matches_of_package(package);
                matches.for_each(|matched| self.found[matched].add(sight, matched, cell));
            }
        }
        let held = seen.iter().enumerate().filter(|(_, seen)| **seen);
        self.packages = held.map(|(package, _)| package as u32).collect();
    }

    /// Returns the packages that can have a finding, if they are few.
    pub fn packages(&self) -> Option<&[u32]> {
        (self.apart == 0).then_some(&self.packages)
    }

    /// Returns whether a selected place holds a package.
    pub fn holds(&self, sight: &Sight<'_>, package: usize) -> bool {
        let counted = |inventory: &u32| self.places[1].get(*inventory as usize).is_some_and(|n| *n > 0);
        self.packages.binary_search(&(package as u32)).is_ok() || sight.index.postings[package].iter().any(counted)
    }

    /// Returns the findings of a match. `held` is kept between the matches of one package.
    pub fn found<'a>(&self, sight: &'a Sight<'_>, matched: usize, held: &mut Held<'a>) -> Found {
        let mut found = self.found.get(matched).copied().unwrap_or_default();
        let row = &sight.index.matches[matched];
        if self.one.is_empty() || !holds(row.since, row.until, sight.at) {
            return found;
        }
        let class = usize::from(sight.in_class(row, 1));
        let posting = &sight.index.postings[row.package as usize];
        let bits = sight.marks_of(matched);
        let marked = if bits.is_empty() { 0 } else { self.count_marked(posting, class, bits, held) };
        if sight.marks.mode == Mode::Only {
            found.shown += marked;
            return found;
        }
        let places = held.places.get_or_insert_with(|| self.count(posting, sight.after.is_some()));
        found.shown += places[class] - marked;
        found.disabled += if sight.marks.mode == Mode::Open { marked } else { 0 };
        found
    }

    /// Counts the places of inventories whose group has its bit.
    fn count_marked<'a>(&self, posting: &[u32], class: usize, bits: &'a [u64], held: &mut Held<'a>) -> u64 {
        let known = held.marked.iter().find(|known| std::ptr::eq(known.0, bits) && known.1 == class);
        if let Some((.., sum)) = known {
            return *sum;
        }
        let mut sum = 0;
        self.each_counted(posting, |_, cell| {
            let here = bit(bits, cell.group) & u32::from(cell.class as usize <= class);
            sum += u64::from(cell.places * here);
        });
        held.marked.push((bits, class, sum));
        sum
    }

    /// Calls with every cell that holds a package.
    pub fn each_cell_with(&self, sight: &Sight<'_>, package: usize, mut call: impl FnMut(usize)) {
        if !self.one.is_empty() {
            self.each_counted(&sight.index.postings[package], |at, cell| {
                (cell.places > 0).then(|| call(at));
            });
        }
        self.each_apart_with(sight, package, call);
    }

    fn each_apart_with(&self, sight: &Sight<'_>, package: usize, mut call: impl FnMut(usize)) {
        if self.packages.binary_search(&(package as u32)).is_err() {
            return;
        }
        let (index, apart) = (sight.index, &self.cells[self.apart..]);
        let posting = &index.postings[package];
        if apart.len() <= posting.len() {
            let holds =
                |cell: &Cell| index.inventories[cell.inventory as usize].packages.binary_search(&(package as u32));
            let holding = apart.iter().enumerate().filter(|(_, cell)| holds(cell).is_ok());
            holding.for_each(|(at, _)| call(self.apart + at));
            return;
        }
        for inventory in posting {
            let first = apart.partition_point(|cell| cell.inventory < *inventory);
            let same = apart[first..].iter().take_while(|cell| cell.inventory == *inventory);
            (first..first + same.count()).for_each(|at| call(self.apart + at));
        }
    }

    /// Calls with every cell in which a match is shown.
    pub fn each_cell_showing(&self, sight: &Sight<'_>, matched: usize, mut call: impl FnMut(usize)) {
        let row = &sight.index.matches[matched];
        let package = row.package as usize;
        if !self.one.is_empty() && holds(row.since, row.until, sight.at) {
            let (bits, old) = (sight.marks_of(matched), sight.in_class(row, 1));
            self.each_counted(&sight.index.postings[package], |at, cell| {
                let here = cell.places > 0 && (old || cell.class == 0);
                (here && sight.marks.shows(has(bits, cell.group as usize) != 0)).then(|| call(at));
            });
        }
        self.each_apart_with(sight, package, |at| {
            let cell = &self.cells[at];
            if sight.shows(matched, cell.class as usize, cell.group as usize) == Some(true) {
                call(at);
            }
        });
    }
}
