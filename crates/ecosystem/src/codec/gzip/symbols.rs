//! The symbols of a block, as fast as safe code goes.
//!
//! In: bits, the tables of the block, and what was unpacked before. Out: more unpacked bytes. The loop runs while a whole turn stays
//! within its buffers, so that nothing is ever half done. What makes it fast is fewer branches that cannot be foreseen: most turns
//! are none or one literal and a match, and the first literal is written whether it is one or not.

use super::bits::{Bits, Bytes, Cursor};
use super::table::{
    DISTANCE_AT, DISTANCE_BITS, DISTANCE_ENTRIES, END, FURTHER, LENGTH_AT, LITERAL, LITERAL_BITS, LITERAL_ENTRIES,
    RARE, Table,
};
use super::{BUFFER_BYTES, Buffer, ROOM, Wrong};
use std::io::Read;

/// Bytes copied at a time.
const CHUNK: usize = 16;
/// By a number of bits: a mask of so many.
static MASKS: [u32; 256] = masks();

/// Why the loop stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The block is at its end.
    End,
    /// Bits or room may not last for another turn.
    Edge,
}

/// The tables of a block.
pub(super) struct Codes {
    /// Of literals and lengths.
    pub(super) literals: Table<LITERAL_ENTRIES>,
    /// Of distances.
    pub(super) distances: Table<DISTANCE_ENTRIES>,
}

/// What stands behind the first literal of a turn.
enum Symbol {
    /// Literals, which are written.
    Literal,
    /// A match of so many bytes.
    Length(usize),
    /// The end of the block.
    End,
    /// Bits that are no code.
    None,
}

/// Unpacks symbols behind `at`. A match reaches back to `base` at most. Returns where the bytes end, and why it stopped.
#[inline(never)]
pub(super) fn unpack<R: Read>(
    bits: &mut Bits<R>,
    codes: &Codes,
    out: &mut Buffer,
    at: usize,
    base: usize,
) -> Result<(usize, Stop), Wrong> {
    let cursor = bits.cursor;
    let mut turns = Turns { bytes: bits.bytes(), limit: bits.limit(), codes, out, base, cursor, at, entry: 0 };
    let result = turns.run();
    let (cursor, at) = (turns.cursor, turns.at);
    bits.cursor = cursor;
    result.map(|stop| (at, stop))
}

/// The loop's state. All its functions are inlined, so that the compiler keeps it in registers.
struct Turns<'a> {
    bytes: &'a Bytes,
    limit: usize,
    codes: &'a Codes,
    out: &'a mut Buffer,
    base: usize,
    cursor: Cursor,
    at: usize,
    /// What the next bits mean; they are not yet taken.
    entry: u32,
}

impl Turns<'_> {
    #[inline(always)]
    fn run(&mut self) -> Result<Stop, Wrong> {
        // The compiler cannot know it: with it, loads need no check of their own.
        self.limit = self.limit.min(self.bytes.len().wrapping_sub(CHUNK));
        if self.at > BUFFER_BYTES.wrapping_sub(ROOM) || self.cursor.at > self.limit {
            return Ok(Stop::Edge);
        }
        self.cursor.refill(self.bytes);
        self.look();
        loop {
            self.literal_or_nothing();
            match self.symbol() {
                Symbol::Literal => {}
                Symbol::Length(length) => self.repeat(length)?,
                Symbol::End => return Ok(Stop::End),
                Symbol::None => return Err(Wrong::Symbol),
            }
            self.look();
            self.cursor.refill(self.bytes);
            if self.at > BUFFER_BYTES.wrapping_sub(ROOM) || self.cursor.at > self.limit {
                return Ok(Stop::Edge);
            }
        }
    }

    #[inline(always)]
    fn look(&mut self) {
        self.entry = self.codes.literals.at(self.cursor.low(LITERAL_BITS));
    }

    #[inline(always)]
    fn write(&mut self, entry: u32) {
        if let Some(place) = self.out.get_mut(self.at) {
            *place = (entry >> 16) as u8;
        }
    }

    /// Takes the literal that is looked at; anything else stays.
    #[inline(always)]
    fn literal_or_nothing(&mut self) {
        self.write(self.entry);
        self.at = self.at.wrapping_add((self.entry >> 31) as usize);
        self.cursor.take(self.entry);
    }

    /// Takes the next symbol, whatever it is. Returns its entry, and the bits as they were before.
    #[inline(always)]
    fn next(&mut self) -> (u32, u64) {
        let entry = self.codes.literals.at(self.cursor.low(LITERAL_BITS));
        let before = self.cursor.value;
        self.cursor.take(entry >> 8);
        (entry, before)
    }

    /// Takes one or two literals, or none, and what comes then: 11 + 20 bits at most after the 11 of the first literal.
    #[inline(always)]
    fn symbol(&mut self) -> Symbol {
        let (mut entry, mut before) = self.next();
        if entry & LITERAL != 0 {
            self.write(entry);
            self.at = self.at.wrapping_add(1);
            (entry, before) = self.next();
            if entry & LITERAL != 0 {
                self.write(entry);
                self.at = self.at.wrapping_add(1);
                return Symbol::Literal;
            }
        }
        if entry & RARE != 0 {
            if entry & FURTHER != 0 {
                let index = (entry >> 16 & 0xfff) as usize;
                entry = self.codes.literals.at(index.wrapping_add(self.cursor.low((entry >> 14 & 3).wrapping_add(1))));
                before = self.cursor.value;
                self.cursor.take(entry >> 8);
            }
            if entry & (LITERAL | RARE) != 0 {
                return self.rare(entry);
            }
        }
        Symbol::Length(((entry >> LENGTH_AT) as usize).wrapping_add(extra(before, entry >> 8, entry >> 16)))
    }

    /// Does what an entry wants that is no length.
    #[inline(always)]
    fn rare(&mut self, entry: u32) -> Symbol {
        if entry & LITERAL != 0 {
            self.write(entry);
            self.at = self.at.wrapping_add(1);
            Symbol::Literal
        } else if entry & END != 0 {
            Symbol::End
        } else {
            Symbol::None
        }
    }

    /// Takes a distance and copies the match.
    #[inline(always)]
    fn repeat(&mut self, length: usize) -> Result<(), Wrong> {
        let mut entry = self.codes.distances.at(self.cursor.low(DISTANCE_BITS));
        self.cursor.refill(self.bytes);
        if entry & RARE != 0 {
            if entry & FURTHER != 0 {
                self.cursor.take(DISTANCE_BITS);
                let index = (entry >> 16 & 0x1ff) as usize;
                entry = self.codes.distances.at(index.wrapping_add(self.cursor.low((entry >> 6 & 7).wrapping_add(1))));
            }
            if entry & RARE != 0 {
                // Taken all the same, so that a stream that stops within it is cut and not damaged.
                self.cursor.take(entry);
                return Err(Wrong::Symbol);
            }
        }
        let before = self.cursor.value;
        self.cursor.take(entry);
        let distance = ((entry >> DISTANCE_AT) as usize).wrapping_add(extra(before, entry, entry >> 8));
        if distance > self.at.wrapping_sub(self.base) {
            return Err(Wrong::Distance);
        }
        copy(self.out, self.at, distance, length);
        self.at = self.at.wrapping_add(length);
        Ok(())
    }
}

/// Gives the extra bits: of all bits of a symbol those above its code.
#[inline(always)]
fn extra(before: u64, all: u32, code: u32) -> usize {
    let mask = MASKS.get(usize::from(all as u8)).copied().unwrap_or(0);
    (before as u32 & mask).wrapping_shr(code) as usize
}

/// Copies a match; may write up to two chunks, less a byte, beyond it.
#[inline(always)]
fn copy(out: &mut Buffer, at: usize, distance: usize, length: usize) {
    let from = at.wrapping_sub(distance);
    chunk(out, from, at);
    if distance < length.min(CHUNK) {
        return copy_overlapping(out, from, at, length);
    }
    // Two chunks without asking: a branch that is taken once in eight times costs more than the bytes.
    chunk(out, from.wrapping_add(CHUNK), at.wrapping_add(CHUNK));
    let mut done = 2 * CHUNK;
    while done < length {
        chunk(out, from.wrapping_add(done), at.wrapping_add(done));
        chunk(out, from.wrapping_add(done).wrapping_add(CHUNK), at.wrapping_add(done).wrapping_add(CHUNK));
        done = done.wrapping_add(2 * CHUNK);
    }
}

/// Copies a match that repeats fewer bytes than a chunk has.
#[inline(always)]
fn copy_overlapping(out: &mut Buffer, mut from: usize, mut at: usize, length: usize) {
    let end = at.wrapping_add(length);
    // Each step doubles how often the bytes stand there, until a whole chunk can be copied at a time.
    while at.wrapping_sub(from) < CHUNK && at < end {
        let distance = at.wrapping_sub(from);
        chunk(out, from, at);
        at = at.wrapping_add(distance);
    }
    while at < end {
        chunk(out, from, at);
        (from, at) = (from.wrapping_add(CHUNK), at.wrapping_add(CHUNK));
    }
}

#[inline(always)]
fn chunk(out: &mut Buffer, from: usize, to: usize) {
    let Some(bytes) = out.get(from..).and_then(|rest| rest.first_chunk::<CHUNK>()).copied() else { return };
    if let Some(place) = out.get_mut(to..).and_then(|rest| rest.first_chunk_mut()) {
        *place = bytes;
    }
}

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // runs when the program is built
const fn masks() -> [u32; 256] {
    let mut out = [u32::MAX; 256];
    let mut bits = 0;
    while bits < 32 {
        out[bits] = (1 << bits) - 1;
        bits += 1;
    }
    out
}
