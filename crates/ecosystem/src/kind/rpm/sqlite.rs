//! The rows of one table of an SQLite file.
//!
//! In: a database file to seek in, never trusted: no query, no view, no trigger is looked at.
//! Out: the first blob of each row of the table. Every page is visited once at most, and the rows of a page hold no more bytes than
//! the page, so the work is bounded by the file's size.
//! Format: "Database File Format", sqlite.org/fileformat2.html.

use crate::ReadSeek;
use std::io::SeekFrom;

/// How every SQLite file begins.
pub const MAGIC: &[u8] = b"SQLite format 3\0";

const HEADER_BYTES: usize = 100;
const TABLE_LEAF: u8 = 13;
const TABLE_INNER: u8 = 5;
/// Bytes of the text of one entry of the schema.
const SCHEMA_BYTES: usize = 1 << 20;

type Damage = &'static str;
const OUTSIDE: Damage = "a cell outside of its page";

/// Memory used again for every row.
#[derive(Default)]
struct Buffers {
    /// The most bytes of a row.
    limit: usize,
    payload: Vec<u8>,
    overflow: Vec<u8>,
}

/// Gives the first blob of every row of a table to `row`; one over `limit` bytes is damage.
pub fn rows(
    content: &mut dyn ReadSeek,
    size: u64,
    table: &str,
    limit: usize,
    row: &mut dyn FnMut(&[u8]),
) -> Result<(), Damage> {
    let mut pages = Pages::open(content, size)?;
    let mut root = None;
    pages.walk(1, SCHEMA_BYTES, &mut |payload| {
        let schema = Record::parse(payload);
        let name = |at: usize| schema.as_ref().and_then(|schema| schema.value(at));
        if name(0) == Some(b"table") && name(2) == Some(table.as_bytes()) {
            root = name(3).and_then(integer);
        }
    })?;
    let root = root.ok_or("it has no table of packages")?;
    let mut bad = None;
    pages.walk(root, limit, &mut |payload| match Record::parse(payload).and_then(Record::first_blob) {
        Some(blob) => row(blob),
        None => bad = Some("a row is no record"),
    })?;
    bad.map_or(Ok(()), Err)
}

/// The pages of a file.
struct Pages<'c> {
    content: &'c mut dyn ReadSeek,
    page_bytes: usize,
    /// Bytes of a page that hold data.
    usable: usize,
    count: u64,
    visited: Vec<bool>,
}

impl<'c> Pages<'c> {
    fn open(content: &'c mut dyn ReadSeek, size: u64) -> Result<Self, Damage> {
        let mut head = [0; HEADER_BYTES];
        content.seek(SeekFrom::Start(0)).and_then(|_| content.read_exact(&mut head)).map_err(|_| "it is too short")?;
        if !head.starts_with(MAGIC) {
            return Err("it is no SQLite file");
        }
        let page_bytes = match u16_at(&head, 16) {
            Some(1) => 65536,
            Some(bytes) if bytes >= 512 && bytes.is_power_of_two() => usize::from(bytes),
            _ => return Err("its page size is none"),
        };
        let reserved = head.get(20).copied().map_or(0, usize::from);
        let usable = page_bytes.saturating_sub(reserved);
        if usable < 480 {
            return Err("its pages have no room");
        }
        let count = size.checked_div(page_bytes as u64).unwrap_or(0);
        let visited = vec![false; usize::try_from(count).map_err(|_| "it is too large")?];
        Ok(Self { content, page_bytes, usable, count, visited })
    }

    /// Reads a page; each once at most.
    fn page(&mut self, number: u64, out: &mut Vec<u8>) -> Result<(), Damage> {
        let index = number.checked_sub(1).filter(|_| number <= self.count).ok_or("a page outside of the file")?;
        let seen = usize::try_from(index).ok().and_then(|index| self.visited.get_mut(index));
        match seen {
            Some(seen) if !*seen => *seen = true,
            _ => return Err("a page is used twice"),
        }
        out.resize(self.page_bytes, 0);
        let at = SeekFrom::Start(index.saturating_mul(self.page_bytes as u64));
        self.content.seek(at).and_then(|_| self.content.read_exact(out)).map_err(|_| "a page cannot be read")
    }

    /// Gives the payload of every row of the tree at `root`. Goes on behind damage, and tells the first of it.
    fn walk(&mut self, root: u64, limit: usize, row: &mut dyn FnMut(&[u8])) -> Result<(), Damage> {
        let (mut todo, mut damage) = (vec![root], None);
        let (mut page, mut buffers) = (Vec::new(), Buffers { limit, ..Buffers::default() });
        while let Some(number) = todo.pop() {
            let read = self.page(number, &mut page);
            let result = read.and_then(|()| self.node(&page, number, &mut buffers, &mut todo, row));
            damage = damage.or(result.err());
        }
        damage.map_or(Ok(()), Err)
    }

    /// Gives the rows of a leaf, or appends the children of an inner page to `todo`.
    fn node(
        &mut self,
        page: &[u8],
        number: u64,
        buffers: &mut Buffers,
        todo: &mut Vec<u64>,
        row: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Damage> {
        let node = Node::parse(page, number).ok_or("a page is no part of a table")?;
        let mut room = page.len();
        for at in node.cells() {
            let at = at.ok_or(OUTSIDE)?;
            if node.leaf {
                let local = self.payload(page, at, buffers)?;
                room = room.checked_sub(local).ok_or("cells that lie over one another")?;
                row(&buffers.payload);
            } else {
                todo.push(u64::from(u32_at(page, at).ok_or(OUTSIDE)?));
            }
        }
        todo.extend(node.right);
        Ok(())
    }

    /// Puts together the payload of the cell at `at`, from the page and the overflow pages behind it. Returns how
    /// many bytes of it stand on the page itself.
    fn payload(&mut self, page: &[u8], at: usize, buffers: &mut Buffers) -> Result<usize, Damage> {
        let Buffers { limit, payload: out, overflow: next } = buffers;
        let (length, rest) = varint(page.get(at..).ok_or(OUTSIDE)?).ok_or(OUTSIDE)?;
        let (_row_id, rest) = varint(rest).ok_or(OUTSIDE)?;
        let length = usize::try_from(length).ok().filter(|length| length <= limit).ok_or("a row over the limit")?;
        let local = local_bytes(length, self.usable);
        out.clear();
        out.extend_from_slice(rest.get(..local).ok_or(OUTSIDE)?);
        let mut follow = if local < length { u32_at(rest, local).map(u64::from) } else { Some(0) }.ok_or(OUTSIDE)?;
        let room = self.usable.saturating_sub(4);
        while out.len() < length {
            self.page(follow, next)?;
            follow = u32_at(next, 0).map(u64::from).ok_or(OUTSIDE)?;
            let left = length.saturating_sub(out.len()).min(room);
            out.extend_from_slice(next.get(4..).and_then(|data| data.get(..left)).ok_or(OUTSIDE)?);
        }
        Ok(local)
    }
}

/// Returns how many bytes of a payload stand on the leaf itself.
fn local_bytes(length: usize, usable: usize) -> usize {
    let most = usable.saturating_sub(35);
    if length <= most {
        return length;
    }
    let least = (usable.saturating_sub(12).saturating_mul(32) / 255).saturating_sub(23);
    let tail = length.saturating_sub(least).checked_rem(usable.saturating_sub(4)).unwrap_or(0);
    let fits = least.saturating_add(tail);
    if fits <= most { fits } else { least }
}

/// A page of a table's tree.
struct Node<'p> {
    page: &'p [u8],
    leaf: bool,
    pointers: &'p [u8],
    right: Option<u64>,
}

impl<'p> Node<'p> {
    fn parse(page: &'p [u8], number: u64) -> Option<Self> {
        let start = if number == 1 { HEADER_BYTES } else { 0 };
        let header = page.get(start..)?;
        let leaf = match *header.first()? {
            TABLE_LEAF => true,
            TABLE_INNER => false,
            _ => return None,
        };
        let cells = usize::from(u16_at(header, 3)?);
        let right = if leaf { None } else { Some(u64::from(u32_at(header, 8)?)) };
        let pointers = header.get(if leaf { 8 } else { 12 }..)?.get(..cells.checked_mul(2)?)?;
        Some(Self { page, leaf, pointers, right })
    }

    /// Returns where each cell begins; `None` for one outside of the page.
    fn cells(&self) -> impl Iterator<Item = Option<usize>> {
        let inside = |at: usize| (at < self.page.len()).then_some(at);
        self.pointers.as_chunks::<2>().0.iter().map(move |bytes| inside(usize::from(u16::from_be_bytes(*bytes))))
    }
}

/// A row.
struct Record<'p> {
    types: &'p [u8],
    values: &'p [u8],
}

impl<'p> Record<'p> {
    fn parse(payload: &'p [u8]) -> Option<Self> {
        let (header, rest) = varint(payload)?;
        let header = usize::try_from(header).ok()?;
        let types = rest.get(..header.checked_sub(payload.len().checked_sub(rest.len())?)?)?;
        Some(Self { types, values: payload.get(header..)? })
    }

    /// Returns the bytes of a column.
    fn value(&self, column: usize) -> Option<&'p [u8]> {
        self.columns().nth(column)?.map(|(_, value)| value)
    }

    fn first_blob(self) -> Option<&'p [u8]> {
        self.columns()
            .map_while(|column| column)
            .find(|(kind, _)| *kind >= 12 && kind.is_multiple_of(2))
            .map(|(_, value)| value)
    }

    /// Returns type and bytes of each column; `None` for one that does not fit.
    fn columns(&self) -> impl Iterator<Item = Option<(u64, &'p [u8])>> + use<'p> {
        let (mut types, mut values) = (self.types, self.values);
        std::iter::from_fn(move || {
            let (kind, rest) = varint(types)?;
            types = rest;
            let length = match kind {
                0 | 8 | 9 => 0,
                1..=4 => kind,
                5 => 6,
                6 | 7 => 8,
                _ => kind.saturating_sub(12) / 2,
            };
            let split = usize::try_from(length).ok().and_then(|length| values.split_at_checked(length));
            Some(split.map(|(value, rest)| {
                values = rest;
                (kind, value)
            }))
        })
    }
}

fn integer(bytes: &[u8]) -> Option<u64> {
    (1..=8)
        .contains(&bytes.len())
        .then(|| bytes.iter().fold(0, |sum: u64, byte| sum.wrapping_shl(8) | u64::from(*byte)))
}

/// Splits off a number of one to nine bytes, seven bits each, eight in the ninth.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value: u64 = 0;
    for (i, byte) in bytes.iter().take(9).enumerate() {
        let next = i.checked_add(1)?;
        if next == 9 {
            return Some((value.wrapping_shl(8) | u64::from(*byte), bytes.get(next..)?));
        }
        value = value.wrapping_shl(7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(next..)?));
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
