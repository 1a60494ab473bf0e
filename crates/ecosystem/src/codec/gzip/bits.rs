//! The bits of a compressed stream.
//!
//! In: a reader. Out: bits, lowest first, as DEFLATE packs them. Bytes are held so far ahead that a header of a block is there as a
//! whole, or the stream ends. Behind the end stand zeros: whoever took bits asks `overrun` whether they were there.

use std::io::{self, Read};

/// Bytes read at a time.
const READ_BYTES: usize = 128 << 10;
/// Bytes that are there after `ensure`, unless the stream ends: more than the longest header of a block (570).
const AHEAD: usize = 1 << 10;
/// Bytes that are there as long as the cursor is within `limit`: more than a turn of the loop over symbols takes.
const NEAR: usize = 64;
/// Zeros behind the end of the stream, so that a load of eight bytes gives its last ones.
const ZEROS: usize = 32;
/// Bits that are there after `refill`.
const REFILLED: u32 = 56;

/// The bytes that were read, and zeros. An array, so that the bounds of most loads are known when the program is built.
pub(super) type Bytes = [u8; READ_BYTES + ZEROS];

/// Bits that were read and not taken.
pub(super) struct Bits<R> {
    inner: R,
    bytes: Box<Bytes>,
    end: usize,
    ended: bool,
    /// Where it stands.
    pub(super) cursor: Cursor,
}

/// A place between two bits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    /// The next bits, lowest first. What stands above `count` is right too, or zero.
    pub(super) value: u64,
    /// How many of them are there, in the lowest six bits; what stands above has no meaning.
    pub(super) count: u32,
    /// The byte behind them.
    pub(super) at: usize,
}

impl Cursor {
    /// Fills up to 56 bits at least, whatever is there.
    #[inline(always)]
    pub(super) fn refill(&mut self, bytes: &Bytes) {
        let word = bytes.get(self.at..).and_then(<[u8]>::first_chunk).map_or(0, |eight| u64::from_le_bytes(*eight));
        self.value |= word.wrapping_shl(self.count);
        self.at = self.at.wrapping_add(7).wrapping_sub((self.count >> 3) as usize & 7);
        self.count |= REFILLED;
    }

    /// Takes as many bits as the lowest six bits of a number say; they must be there.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) {
        self.value = self.value.wrapping_shr(count);
        self.count = self.count.wrapping_sub(count);
    }

    /// Gives the lowest bits, 32 or fewer.
    #[inline(always)]
    pub(super) fn low(&self, count: u32) -> usize {
        (self.value & 1u64.wrapping_shl(count).wrapping_sub(1)) as usize
    }

    /// The byte within which it stands, or at whose end.
    fn byte(&self) -> usize {
        self.at.saturating_sub((self.count >> 3) as usize & 7)
    }

    /// Gives whole bytes back that were loaded and not taken.
    fn give_back(&mut self) {
        self.at = self.byte();
        self.count &= 7;
        self.value = self.low(self.count) as u64;
    }
}

impl<R: Read> Bits<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, bytes: zeros(), end: 0, ended: false, cursor: Cursor::default() }
    }

    /// Reads until enough bytes are there, or the stream ends.
    pub(super) fn ensure(&mut self) -> io::Result<()> {
        if self.ended || self.end.saturating_sub(self.cursor.at) >= AHEAD {
            return Ok(());
        }
        self.cursor.give_back();
        let at = self.cursor.at.min(self.end);
        self.bytes.copy_within(at..self.end, 0);
        self.end = self.end.saturating_sub(at);
        self.cursor.at = 0;
        while self.end < AHEAD && !self.ended {
            let room = self.bytes.get_mut(self.end..READ_BYTES).unwrap_or(&mut []);
            let count = self.inner.read(room)?;
            self.ended = count == 0;
            self.end = self.end.saturating_add(count).min(READ_BYTES);
        }
        if self.ended {
            self.bytes.get_mut(self.end..).unwrap_or(&mut []).fill(0);
        }
        Ok(())
    }

    /// The bytes, with zeros behind the end.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How far `cursor.at` may be for another turn. At the end of the stream it may go beyond by what a cursor holds: there, bits
    /// were taken for certain that are not there.
    pub(super) fn limit(&self) -> usize {
        if self.ended { self.end.saturating_add(8) } else { self.end.saturating_sub(NEAR) }
    }

    /// Returns whether bits were taken that are not there.
    pub(super) fn overrun(&self) -> bool {
        self.cursor.byte() > self.end
    }

    /// Returns whether there is no further byte. To be called after `ensure`.
    pub(super) fn is_empty(&self) -> bool {
        self.cursor.byte() >= self.end
    }

    /// Gives the next bits, 32 or fewer, without taking them.
    pub(super) fn peek(&mut self, count: u32) -> usize {
        if self.cursor.count & 63 < count {
            self.cursor.refill(&self.bytes);
        }
        self.cursor.low(count)
    }

    /// Takes up to 32 bits.
    pub(super) fn take(&mut self, count: u32) -> u32 {
        let value = self.peek(count);
        self.cursor.take(count);
        value as u32
    }

    /// Passes over bits up to the next whole byte.
    pub(super) fn align(&mut self) {
        self.cursor.take(self.cursor.count & 7);
        self.cursor.give_back();
    }

    /// Copies whole bytes, as many as are at hand and asked for. Returns how many. To be called when aligned.
    pub(super) fn copy(&mut self, into: &mut [u8]) -> usize {
        let there = self.bytes.get(self.cursor.at..self.end).unwrap_or(&[]);
        let count = there.len().min(into.len());
        if let (Some(into), Some(there)) = (into.get_mut(..count), there.get(..count)) {
            into.copy_from_slice(there);
        }
        self.cursor.at = self.cursor.at.saturating_add(count);
        count
    }
}

/// Gives zeros that never stood on the stack.
pub(in super::super) fn zeros<const N: usize>() -> Box<[u8; N]> {
    vec![0; N].into_boxed_slice().try_into().unwrap_or_else(|_| Box::new([0; N]))
}
