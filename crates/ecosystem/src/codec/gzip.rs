//! gzip, unpacked where it is read: the history of a stream and its new bytes stand in one buffer, the caller's.
//!
//! In: the bytes of any number of members. Out: unpacked bytes behind those that the buffer holds already. What is wrong with a
//! stream is what zlib and flate2 hold to be wrong; the bytes before it are given first.

mod bits;
mod block;
mod symbols;
mod table;

use bits::Bits;
pub(super) use bits::zeros;
use block::Block;
use std::io::{self, Read};
use symbols::{Codes, Stop};

/// Bytes that a match may reach back: as many as there are must stand before the place that is unpacked to.
pub(super) const HISTORY: usize = 32 << 10;
/// Bytes of the caller's buffer: the history, and as many as still stay in the second-level cache until they are hashed and read.
pub(super) const BUFFER_BYTES: usize = HISTORY + (256 << 10);
/// The caller's buffer. An array, so that the bounds of most accesses are known when the program is built.
pub(super) type Buffer = [u8; BUFFER_BYTES];
/// Room that a call needs to get on: three literals, the longest match, and what its copy writes beyond.
pub(super) const ROOM: usize = 3 + 258 + 32;
/// Bytes of a name or a comment at most, as flate2 has it.
const TEXT_BYTES: usize = 65_535;

/// What is wrong with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    /// Other bytes where a member begins.
    #[error("not a gzip header")]
    Header,
    /// A name or a comment without an end.
    #[error("a field of the gzip header is too long")]
    Field,
    /// A block of a type that there is not.
    #[error("a block of unknown type")]
    Block,
    /// The length of a stored block and its complement differ.
    #[error("a stored block without a valid length")]
    Stored,
    /// The tables of a block.
    #[error("lengths of codes that make no code")]
    Lengths,
    /// Bits that no symbol has.
    #[error("bits that are no code")]
    Symbol,
    /// A match that begins before the member.
    #[error("a match from before the beginning")]
    Distance,
    /// The trailer of a member, or the checksum of its header.
    #[error("the checksum or the length does not match")]
    Checksum,
}

impl From<Wrong> for io::Error {
    fn from(wrong: Wrong) -> Self {
        Self::new(io::ErrorKind::InvalidData, wrong)
    }
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Member,
    Block,
    Stored(usize),
    Symbols,
    Trailer,
    End,
}

/// A stream on its way.
pub(super) struct Gzip<R> {
    bits: Bits<R>,
    codes: Box<Codes>,
    state: State,
    /// Whether the block is the last one of its member.
    last: bool,
    crc: crc32fast::Hasher,
    /// Bytes of the member so far.
    unpacked: u64,
    /// What is told once the bytes before it are taken.
    error: Option<io::Error>,
}

impl<R: Read> Gzip<R> {
    /// Begins.
    pub(super) fn new(inner: R) -> Self {
        Self {
            bits: Bits::new(inner),
            codes: Box::new(Codes { literals: table::Table::new(), distances: table::Table::new() }),
            state: State::Member,
            last: false,
            crc: crc32fast::Hasher::new(),
            unpacked: 0,
            error: None,
        }
    }

    /// Unpacks behind `at`; what stands before is the history. Returns how many bytes; none at the end, or if there is no `ROOM`.
    /// What the buffer holds behind them may change.
    pub(super) fn unpack(&mut self, out: &mut Buffer, at: usize) -> io::Result<usize> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let mut end = at;
        loop {
            let before = end;
            let step = self.step(out, &mut end);
            self.crc.update(out.get(before..end).unwrap_or(&[]));
            self.unpacked = self.unpacked.saturating_add(end.saturating_sub(before) as u64);
            match step {
                Ok(true) => {}
                Err(error) if end == at => return Err(error),
                result => {
                    self.error = result.err();
                    return Ok(end.saturating_sub(at));
                }
            }
        }
    }

    /// Does what comes next. Returns whether there is more to do and room for it.
    fn step(&mut self, out: &mut Buffer, end: &mut usize) -> io::Result<bool> {
        if out.len().saturating_sub(*end) < ROOM {
            return Ok(false);
        }
        self.bits.ensure()?;
        match self.state {
            State::Member => self.member()?,
            State::Block => self.block()?,
            State::Stored(left) => self.stored(left, out, end)?,
            State::Symbols => self.symbols(out, end)?,
            State::Trailer => self.trailer()?,
            State::End => {}
        }
        Ok(self.state != State::End)
    }

    /// Fails if bits were taken that are not there.
    fn whole(&self) -> io::Result<()> {
        if self.bits.overrun() { Err(truncated()) } else { Ok(()) }
    }

    fn member(&mut self) -> io::Result<()> {
        let mut crc = crc32fast::Hasher::new();
        let mut head = [0; 10];
        for byte in &mut head {
            *byte = self.header_byte(&mut crc)?;
        }
        let [0x1f, 0x8b, 8, flags @ 0..=0x1f, ..] = head else { return Err(Wrong::Header.into()) };
        if flags & 4 != 0 {
            let length = [self.header_byte(&mut crc)?, self.header_byte(&mut crc)?];
            for _ in 0..u16::from_le_bytes(length) {
                self.header_byte(&mut crc)?;
            }
        }
        for flag in [8, 16] {
            if flags & flag != 0 {
                self.header_text(&mut crc)?;
            }
        }
        if flags & 2 != 0 {
            let want = crc.clone().finalize() as u16;
            let there = [self.header_byte(&mut crc)?, self.header_byte(&mut crc)?];
            if u16::from_le_bytes(there) != want {
                return Err(Wrong::Checksum.into());
            }
        }
        self.crc.reset();
        self.unpacked = 0;
        self.state = State::Block;
        Ok(())
    }

    fn header_byte(&mut self, crc: &mut crc32fast::Hasher) -> io::Result<u8> {
        self.bits.ensure()?;
        let byte = self.bits.take(8) as u8;
        self.whole()?;
        crc.update(&[byte]);
        Ok(byte)
    }

    /// Passes over a text that ends with a zero.
    fn header_text(&mut self, crc: &mut crc32fast::Hasher) -> io::Result<()> {
        for _ in 0..=TEXT_BYTES {
            if self.header_byte(crc)? == 0 {
                return Ok(());
            }
        }
        Err(Wrong::Field.into())
    }

    fn block(&mut self) -> io::Result<()> {
        self.last = self.bits.take(1) == 1;
        let block = block::read(&mut self.bits, &mut self.codes);
        self.whole()?;
        self.state = match block? {
            Block::Stored(0) => self.after_block(),
            Block::Stored(length) => State::Stored(length),
            Block::Coded => State::Symbols,
        };
        Ok(())
    }

    fn after_block(&self) -> State {
        if self.last { State::Trailer } else { State::Block }
    }

    fn stored(&mut self, left: usize, out: &mut Buffer, end: &mut usize) -> io::Result<()> {
        let room = out.get_mut(*end..).unwrap_or(&mut []);
        let most = room.len().min(left);
        let count = self.bits.copy(room.get_mut(..most).unwrap_or(&mut []));
        if count == 0 {
            return Err(truncated());
        }
        *end = end.saturating_add(count);
        self.state = if count < left { State::Stored(left.saturating_sub(count)) } else { self.after_block() };
        Ok(())
    }

    fn symbols(&mut self, out: &mut Buffer, end: &mut usize) -> io::Result<()> {
        let base = end.saturating_sub(usize::try_from(self.unpacked).unwrap_or(usize::MAX));
        let result = symbols::unpack(&mut self.bits, &self.codes, out, *end, base);
        self.whole()?;
        let (to, stop) = result?;
        *end = to;
        if stop == Stop::End {
            self.state = self.after_block();
        }
        Ok(())
    }

    fn trailer(&mut self) -> io::Result<()> {
        self.bits.align();
        let (crc, length) = (self.bits.take(32), self.bits.take(32));
        self.whole()?;
        if crc != self.crc.clone().finalize() || length != self.unpacked as u32 {
            return Err(Wrong::Checksum.into());
        }
        self.bits.ensure()?;
        self.state = if self.bits.is_empty() { State::End } else { State::Member };
        Ok(())
    }
}

fn truncated() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the stream stops")
}

#[cfg(test)]
#[path = "gzip/tests.rs"]
mod tests;
