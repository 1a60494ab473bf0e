//! Cells: selected places that hold the same and are seen alike.
//!
//! In: –. Out: the shapes that `selection` fills, and walks over the inventories that hold something.

/// Findings of a match that passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// How many there are to show.
    pub shown: u64,
    /// How many a disable rule hides.
    pub disabled: u64,
}

/// Selected places that hold the same and are seen alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub inventory: u32,
    pub group: u32,
    pub class: u32,
    pub places: u32,
}

/// Selected places.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// By presence.
    pub selected: Vec<bool>,
    /// Those that are counted by inventory, in order of inventory, then those that are looked at one by one.
    pub cells: Vec<Cell>,
    /// By presence: its cell, or `NONE` where it holds no inventory or is not selected.
    pub cell_of: Vec<u32>,
    /// By inventory: its cell among those that are counted by inventory; empty if none is.
    pub one: Vec<One>,
    /// By inventory: places of these cells in which every match passes, and all.
    pub places: [Vec<u32>; 2],
    /// The first cell that is looked at by itself.
    pub apart: usize,
    /// By match: findings of the cells that are looked at one by one; empty if none is.
    pub found: Vec<Found>,
    /// What these cells hold, ascending.
    pub packages: Vec<u32>,
}

/// The cell of an inventory, at hand where inventories are walked. Where there is none it is a cell beyond the last, without
/// places: adding that up is cheaper than to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct One {
    /// Its position; `SEVERAL` and the first position where the inventory has more than one.
    pub at: u32,
    pub cell: Cell,
}

/// A bit beyond every position: the cells that follow are of the same inventory.
pub(crate) const SEVERAL: u32 = 1 << 31;

impl Selection {
    /// Counts the places of inventories: young ones, and all. `apart`: the two can differ.
    pub fn count(&self, posting: &[u32], apart: bool) -> [u64; 2] {
        let count = |places: &[u32]| posting.iter().map(|i| u64::from(places[*i as usize])).sum::<u64>();
        let all = count(&self.places[1]);
        [if apart { count(&self.places[0]) } else { all }, all]
    }

    /// Calls with every cell of some inventories that is counted by inventory, and for each inventory that has none with one
    /// beyond the last, without places.
    #[inline(always)]
    pub fn each_counted(&self, posting: &[u32], mut call: impl FnMut(usize, &Cell)) {
        for inventory in posting {
            let one = &self.one[*inventory as usize];
            if one.at & SEVERAL == 0 {
                call(one.at as usize, &one.cell);
                continue;
            }
            let first = (one.at ^ SEVERAL) as usize;
            let cells = (first..).zip(&self.cells[first..self.apart]);
            let same = cells.take_while(|(_, cell)| cell.inventory == *inventory);
            same.for_each(|(at, cell)| call(at, cell));
        }
    }
}
