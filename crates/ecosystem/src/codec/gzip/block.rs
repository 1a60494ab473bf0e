//! The header of a block.
//!
//! In: bits; all of the header are there, or the stream ends. Out: the kind of the block, and its tables filled in.

use super::Wrong;
use super::bits::Bits;
use super::symbols::Codes;
use super::table::{self, DISTANCE_AT, LENGTH_ENTRIES, RARE, Table};
use std::io::Read;

/// Literals and lengths of a block at most, and distances.
const MOST: (usize, usize) = (286, 30);
/// The symbol that ends a block, without which no block may be.
const END_SYMBOL: usize = 256;
/// The order in which the lengths of the code of lengths stand.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// What follows the header.
pub(super) enum Block {
    /// So many bytes as they are.
    Stored(usize),
    /// Symbols.
    Coded,
}

/// Reads the type of a block and what comes with it.
pub(super) fn read<R: Read>(bits: &mut Bits<R>, codes: &mut Codes) -> Result<Block, Wrong> {
    match bits.take(2) {
        0 => stored(bits),
        1 => {
            fixed(codes);
            Ok(Block::Coded)
        }
        2 => dynamic(bits, codes).map(|()| Block::Coded),
        _ => Err(Wrong::Block),
    }
}

fn stored<R: Read>(bits: &mut Bits<R>) -> Result<Block, Wrong> {
    bits.align();
    let (length, complement) = (bits.take(16), bits.take(16));
    bits.align();
    if length ^ 0xffff == complement { Ok(Block::Stored(length as usize)) } else { Err(Wrong::Stored) }
}

fn fixed(codes: &mut Codes) {
    let lengths: [u8; 288] = std::array::from_fn(|symbol| match symbol {
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    });
    codes.literals.build(&table::LITERALS, &lengths);
    codes.distances.build(&table::DISTANCES, &[5; 32]);
}

fn dynamic<R: Read>(bits: &mut Bits<R>, codes: &mut Codes) -> Result<(), Wrong> {
    let literals = (bits.take(5) as usize).saturating_add(257);
    let distances = (bits.take(5) as usize).saturating_add(1);
    let given = (bits.take(4) as usize).saturating_add(4);
    if literals > MOST.0 || distances > MOST.1 {
        return Err(Wrong::Lengths);
    }
    let mut of_lengths = [0; 19];
    for place in ORDER.iter().take(given) {
        if let Some(length) = of_lengths.get_mut(*place) {
            *length = bits.take(3) as u8;
        }
    }
    if of_lengths == [0; 19] {
        // zlib sees that there is no code once it has read all lengths, of a bit each: a stream that stops before is cut.
        for _ in 0..literals.saturating_add(distances) {
            bits.take(1);
        }
    }
    let mut table = Table::new();
    if !table.build(&table::LENGTHS, &of_lengths) {
        return Err(Wrong::Lengths);
    }
    let mut lengths = [0; MOST.0 + MOST.1];
    let lengths = lengths.get_mut(..literals.saturating_add(distances)).ok_or(Wrong::Lengths)?;
    read_lengths(bits, &table, lengths)?;
    let (of_literals, of_distances) = lengths.split_at_checked(literals).ok_or(Wrong::Lengths)?;
    let ends = of_literals.get(END_SYMBOL).is_some_and(|length| *length > 0);
    let built = ends
        && codes.literals.build(&table::LITERALS, of_literals)
        && codes.distances.build(&table::DISTANCES, of_distances);
    if built { Ok(()) } else { Err(Wrong::Lengths) }
}

/// Reads the lengths of the codes: as they are, the last one repeated, or a run of zeros.
fn read_lengths<R: Read>(bits: &mut Bits<R>, table: &Table<LENGTH_ENTRIES>, lengths: &mut [u8]) -> Result<(), Wrong> {
    let (mut at, mut last) = (0usize, None);
    while at < lengths.len() {
        let entry = table.at(bits.peek(table::LENGTHS.bits));
        if entry & RARE != 0 {
            return Err(Wrong::Lengths);
        }
        bits.cursor.take(entry);
        let (length, count) = match entry >> DISTANCE_AT {
            16 => (last.ok_or(Wrong::Lengths)?, bits.take(2).saturating_add(3)),
            17 => (0, bits.take(3).saturating_add(3)),
            18 => (0, bits.take(7).saturating_add(11)),
            symbol => (symbol as u8, 1),
        };
        let end = at.saturating_add(count as usize);
        lengths.get_mut(at..end).ok_or(Wrong::Lengths)?.fill(length);
        (at, last) = (end, Some(length));
    }
    Ok(())
}
