//! The shape of a database file: a header of 512 bytes, then twelve sections.
//!
//! Numbers are little-endian; small ones are LEB128. A string is a number into the string sections. Everything is read with
//! checks: bytes that are not what was written give nothing or too little, never a panic.

use crate::Error;
use std::ops::Range;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// The first bytes of a file; the line ends in it show a transfer that changed them.
pub(crate) const MAGIC: &[u8; 8] = b"PWDB\r\n\x1a\n";
/// Raised when older programs cannot read newer files, or newer programs older ones.
pub(crate) const FORMAT: u32 = 1;
/// Length of the header; its last eight bytes are its checksum.
pub(crate) const HEADER: usize = 512;
/// Flag: the advisories that are built in, and no feed.
pub(crate) const STARTER: u32 = 1;
/// Fixed length of a name: ecosystem, name, rows from, rows length, hash.
pub(crate) const NAME: usize = 24;
/// Fixed length of a vulnerability; see `builder::pack`.
pub(crate) const VULNERABILITY: usize = 40;
/// Fixed length of a text block's place: from, packed length, unpacked length.
pub(crate) const BLOCK: usize = 12;
/// Longest text block, unpacked; a hostile file may claim more.
pub(crate) const BLOCK_BYTES: usize = 1 << 26;
/// Most slots that are looked at for one key; a table that is written here never needs as many.
pub(crate) const PROBES: usize = 1024;

/// The sections, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Section {
    StringOffsets = 0,
    StringData = 1,
    NameTable = 2,
    Names = 3,
    Rows = 4,
    Ecosystems = 5,
    Vulnerabilities = 6,
    Details = 7,
    AliasTable = 8,
    BlockIndex = 9,
    Blocks = 10,
    Feeds = 11,
}

/// How many sections there are.
pub(crate) const SECTIONS: usize = 12;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub flags: u32,
    pub generation: i64,
    pub built: i64,
    pub body_hash: u128,
    pub content_hash: u128,
    pub sections: [Range<usize>; SECTIONS],
}

impl Header {
    /// Lays a file out: header and sections, each aligned to eight bytes.
    pub fn write(&mut self, sections: &[Vec<u8>; SECTIONS]) -> Vec<u8> {
        let total = sections.iter().fold(HEADER, |sum, s| sum.saturating_add(s.len()).saturating_add(7));
        let mut file = Vec::with_capacity(total);
        file.resize(HEADER, 0);
        for (bytes, place) in sections.iter().zip(&mut self.sections) {
            let from = file.len();
            file.extend_from_slice(bytes);
            *place = from..file.len();
            while !file.len().is_multiple_of(8) {
                file.push(0);
            }
        }
        self.body_hash = xxh3_128(file.get(HEADER..).unwrap_or_default());
        let head = self.bytes(file.len());
        if let Some(place) = file.get_mut(..HEADER) {
            place.copy_from_slice(&head);
        }
        file
    }

    fn bytes(&self, length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.built.to_le_bytes());
        out.extend_from_slice(&(length as u64).to_le_bytes());
        out.extend_from_slice(&self.body_hash.to_le_bytes());
        out.extend_from_slice(&self.content_hash.to_le_bytes());
        for section in &self.sections {
            out.extend_from_slice(&(section.start as u64).to_le_bytes());
            out.extend_from_slice(&(section.end as u64).to_le_bytes());
        }
        out.resize(HEADER.saturating_sub(8), 0);
        let hash = xxh3_64(&out);
        out.extend_from_slice(&hash.to_le_bytes());
        out
    }

    /// Reads and checks the header of a file.
    pub fn read(file: &[u8]) -> Result<Self, Error> {
        let head = file.get(..HEADER).ok_or(Error::NotADatabase("shorter than its header"))?;
        if !head.starts_with(MAGIC) {
            return Err(Error::NotADatabase("other first bytes"));
        }
        let found = u32_at(head, 8).unwrap_or(0);
        if found != FORMAT {
            return Err(Error::Format { found, known: FORMAT });
        }
        let (covered, hash) = head.split_at(HEADER.saturating_sub(8));
        if u64_at(hash, 0) != Some(xxh3_64(covered)) {
            return Err(Error::Damaged("its header fails its checksum"));
        }
        if u64_at(head, 32) != Some(file.len() as u64) {
            return Err(Error::Damaged("its length is not the one it was written with"));
        }
        let wide = |at| u64_at(head, at).map_or(0, u128::from);
        let hash_at = |at: usize| wide(at) | (wide(at.saturating_add(8)) << 64);
        let mut sections: [Range<usize>; SECTIONS] = std::array::from_fn(|_| 0..0);
        for (i, section) in sections.iter_mut().enumerate() {
            let at = 72usize.saturating_add(i.saturating_mul(16));
            let edge = |at| u64_at(head, at).and_then(|v| usize::try_from(v).ok()).filter(|v| *v <= file.len());
            let (Some(from), Some(to)) = (edge(at), edge(at.saturating_add(8))) else {
                return Err(Error::Damaged("a section lies outside the file"));
            };
            *section = from..to.max(from);
        }
        Ok(Self {
            flags: u32_at(head, 12).unwrap_or(0),
            generation: u64_at(head, 16).unwrap_or(0).cast_signed(),
            built: u64_at(head, 24).unwrap_or(0).cast_signed(),
            body_hash: hash_at(40),
            content_hash: hash_at(56),
            sections,
        })
    }
}

/// Reads four bytes.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let end = at.checked_add(4)?;
    bytes.get(at..end)?.try_into().ok().map(u32::from_le_bytes)
}

/// Reads eight bytes.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let end = at.checked_add(8)?;
    bytes.get(at..end)?.try_into().ok().map(u64::from_le_bytes)
}

/// Returns entry `number` of an array of entries of one length.
pub(crate) fn entry(bytes: &[u8], number: u32, length: usize) -> Option<&[u8]> {
    let from = usize::try_from(number).ok()?.checked_mul(length)?;
    bytes.get(from..from.checked_add(length)?)
}

/// Hash of a key in the name table.
pub(crate) fn name_hash(ecosystem: &str, name: &str) -> u64 {
    xxh3_64(name.as_bytes()) ^ xxh3_64(ecosystem.as_bytes()).rotate_left(32)
}

/// Returns the slots of a table of `count` slots in the order in which a key's hash meets them.
pub(crate) fn probe(hash: u64, count: usize) -> impl Iterator<Item = usize> {
    let mask = count.saturating_sub(1);
    let first = usize::try_from(hash & 0xffff_ffff).unwrap_or(0);
    (0..count.min(PROBES)).map(move |step| first.wrapping_add(step) & mask)
}

/// Returns how many slots a table for so many keys has: a power of two, at most half full.
pub(crate) fn slots(keys: usize) -> usize {
    keys.saturating_mul(2).max(2).next_power_of_two()
}

/// Reads numbers from bytes, one after another; `None` once they end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor<'a> {
    pub rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    pub fn signed(&mut self) -> Option<i64> {
        let raw = self.number()?;
        Some((raw >> 1).cast_signed() ^ (raw & 1).cast_signed().wrapping_neg())
    }

    /// Takes bytes that come after their length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

/// Writes a number as `Cursor::number` reads it.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a signed number as `Cursor::signed` reads it.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Writes bytes after their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut out = Vec::new();
        for n in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            put(&mut out, n);
            put_signed(&mut out, n.cast_signed());
            put_signed(&mut out, n.cast_signed().wrapping_neg());
        }
        let mut cursor = Cursor { rest: &out };
        for n in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(cursor.number(), Some(n));
            assert_eq!(cursor.signed(), Some(n.cast_signed()));
            assert_eq!(cursor.signed(), Some(n.cast_signed().wrapping_neg()));
        }
        assert_eq!(cursor.number(), None, "and then there are no more");
    }
}
