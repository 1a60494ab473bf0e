//! Texts: titles, descriptions and links, in compressed blocks apart from what matching reads.
//!
//! In: the texts of one advisory. Out: a place (block, from, length); equal texts are kept once.

use crate::format::{BLOCK, BLOCK_BYTES, Cursor, entry, put, put_bytes, u32_at};
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_128;

/// A block is closed once it is this long: large enough to compress well, small enough to unpack for one page.
const CLOSE_AT: usize = 1 << 16;
/// zstd's level; 9 gains 8 % and takes four times as long.
const LEVEL: i32 = 3;

/// Where a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub block: u32,
    pub from: u32,
    pub length: u32,
}

/// The texts of one advisory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Text {
    pub title: String,
    pub description: String,
    pub references: Vec<String>,
}

/// Collects texts into blocks.
#[derive(Default)]
pub(crate) struct Writer {
    open: Vec<u8>,
    index: Vec<u8>,
    blocks: Vec<u8>,
    closed: u32,
    known: HashMap<u128, Place>,
    scratch: Vec<u8>,
}

impl Writer {
    /// Keeps a text and returns its place and hash; `None` for an empty one.
    pub fn add(&mut self, title: &str, description: &str, references: &[String]) -> Option<(Place, u64)> {
        if title.is_empty() && description.is_empty() && references.is_empty() {
            return None;
        }
        self.scratch.clear();
        put_bytes(&mut self.scratch, title.as_bytes());
        put_bytes(&mut self.scratch, description.as_bytes());
        put(&mut self.scratch, references.len() as u64);
        for reference in references {
            put_bytes(&mut self.scratch, reference.as_bytes());
        }
        let hash = xxh3_128(&self.scratch);
        if let Some(place) = self.known.get(&hash) {
            return Some((*place, hash as u64));
        }
        if self.open.len().saturating_add(self.scratch.len()) > CLOSE_AT {
            self.close();
        }
        let place = Place { block: self.closed, from: to_u32(self.open.len()), length: to_u32(self.scratch.len()) };
        self.open.extend_from_slice(&self.scratch);
        self.known.insert(hash, place);
        Some((place, hash as u64))
    }

    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        // Compressing into memory fails only for want of memory; an empty block then reads as "no text".
        let packed = zstd::bulk::compress(&self.open, LEVEL).unwrap_or_default();
        for number in [to_u32(self.blocks.len()), to_u32(packed.len()), to_u32(self.open.len())] {
            self.index.extend_from_slice(&number.to_le_bytes());
        }
        self.blocks.extend_from_slice(&packed);
        self.open.clear();
        self.closed = self.closed.saturating_add(1);
    }

    /// Returns the index of the blocks, and the blocks.
    pub fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        self.close();
        (self.index, self.blocks)
    }
}

/// Reads one text; a place that does not exist gives none.
pub(crate) fn read(index: &[u8], blocks: &[u8], place: Place) -> Option<Text> {
    let block = unpack(index, blocks, place.block)?;
    let from = usize::try_from(place.from).ok()?;
    let to = from.checked_add(usize::try_from(place.length).ok()?)?;
    let mut cursor = Cursor { rest: block.get(from..to)? };
    let mut text = Text { title: cursor.text()?.into(), description: cursor.text()?.into(), references: Vec::new() };
    for _ in 0..cursor.number()? {
        text.references.push(cursor.text()?.into());
    }
    Some(text)
}

fn unpack(index: &[u8], blocks: &[u8], number: u32) -> Option<Vec<u8>> {
    let entry = entry(index, number, BLOCK)?;
    let from = usize::try_from(u32_at(entry, 0)?).ok()?;
    let to = from.checked_add(usize::try_from(u32_at(entry, 4)?).ok()?)?;
    let unpacked = usize::try_from(u32_at(entry, 8)?).ok()?;
    if unpacked > BLOCK_BYTES {
        return None;
    }
    zstd::bulk::decompress(blocks.get(from..to)?, unpacked).ok()
}

/// Narrows a length; what does not fit cannot be read back and gives nothing.
pub(crate) fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_equal_ones_are_kept_once() {
        let mut writer = Writer::default();
        let long = "x".repeat(CLOSE_AT);
        let links = ["https://example.org/1".to_owned()];
        let (a, hash) = writer.add("title", "description", &links).unwrap();
        let (b, _) = writer.add("", &long, &[]).unwrap();
        assert_eq!(writer.add("title", "description", &links), Some((a, hash)));
        assert_eq!(writer.add("", "", &[]), None);
        let (index, blocks) = writer.finish();
        let text = read(&index, &blocks, a).unwrap();
        assert_eq!(
            (text.title.as_str(), text.description.as_str(), text.references.len()),
            ("title", "description", 1)
        );
        assert_eq!(read(&index, &blocks, b).unwrap().description, long);
        assert_eq!(read(&index, &blocks, Place { block: 9, ..a }), None);
        assert_eq!(read(&index, &blocks, Place { from: 70_000, ..a }), None);
    }
}
