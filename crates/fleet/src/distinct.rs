//! Counting what is distinct: rows in rounds, and the images of cells.

use crate::cells::Selection;
use crate::ids::NONE;
use crate::index::Index;

/// Counts what is distinct, round after round, without clearing in between.
pub(crate) struct Distinct {
    marks: Vec<u32>,
    round: u32,
}

impl Distinct {
    pub fn new(rows: usize) -> Self {
        Self { marks: vec![0; rows], round: 1 }
    }

    pub fn next_round(&mut self) {
        self.round += 1;
    }

    /// Returns whether a row is new in this round.
    pub fn add(&mut self, row: u32) -> bool {
        std::mem::replace(&mut self.marks[row as usize], self.round) != self.round
    }
}

/// The images of cells. Most have one place, and so one cell: they are counted by cell and not looked at.
pub(crate) struct CellImages {
    /// By cell: images that are in no other place.
    pub alone: Vec<u32>,
    /// The others: cell and image, in order.
    others: Vec<(u32, u32)>,
}

impl CellImages {
    pub fn new(index: &Index, selection: &Selection) -> Self {
        let mut places = vec![0_u8; index.images.len()];
        let cells = || selection.cell_of.iter().enumerate().filter(|(_, cell)| **cell != NONE);
        let image = |presence: usize| index.presences[presence].image;
        cells().for_each(|(p, _)| places[image(p) as usize] = places[image(p) as usize].saturating_add(1));
        let mut images = Self { alone: vec![0; selection.cells.len()], others: Vec::new() };
        for (presence, cell) in cells() {
            match places[image(presence) as usize] {
                1 => images.alone[*cell as usize] += 1,
                _ => images.others.push((*cell, image(presence))),
            }
        }
        images.others.sort_unstable();
        images
    }

    /// Returns the images of a cell that are in other places as well.
    pub fn others(&self, cell: u32) -> impl Iterator<Item = u32> {
        let first = self.others.partition_point(|other| other.0 < cell);
        self.others[first..].iter().take_while(move |other| other.0 == cell).map(|other| other.1)
    }
}
