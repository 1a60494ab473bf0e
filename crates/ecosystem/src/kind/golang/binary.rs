//! Finding Go's build information in an executable.
//!
//! In: the file, of which nothing is believed: every read is bounded. Out: the version of Go and the lines about modules.

use super::headers::{self, Layout, Region};
use crate::{Content, File};
use std::io::SeekFrom;

/// What the linker wrote.
pub(super) struct BuildInfo {
    /// `go1.22.1`.
    pub go: String,
    /// Lines of tab-separated fields; empty for a program built without modules.
    pub modules: String,
}

/// The mark of build information is there, and what follows is not understood.
#[derive(Debug)]
pub(super) struct Damaged;

/// Begins the build information, at an address that 16 divides.
const MARK: &[u8] = b"\xff Go buildinf:";

/// Large programs name a thousand modules in 100 KB.
const TEXT_BYTES: u64 = 4 << 20;

/// Read in pieces of this size when searching.
const PIECE_BYTES: usize = 1 << 16;

/// Returns the build information; `None` when the file is no program of Go.
pub(super) fn build_info(file: &mut File<'_>) -> Result<Option<BuildInfo>, Damaged> {
    let mut bytes = Bytes { size: file.size, content: &mut file.content };
    let Some(layout) = headers::layout(&mut bytes) else { return Ok(None) };
    let Some(at) = layout.candidate.and_then(|region| find(&mut bytes, region)) else { return Ok(None) };
    let info = bytes.at(at, 32).and_then(|head| decode(&mut bytes, &layout, at, &head));
    info.map(Some).ok_or(Damaged)
}

fn find(file: &mut Bytes<'_, '_>, region: Region) -> Option<u64> {
    let end = region.offset.checked_add(region.size)?.min(file.size);
    let mut at = region.offset;
    while at < end {
        let length = usize::try_from(end.saturating_sub(at)).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let piece = file.at(at, length)?;
        if let Some(slot) = piece.chunks(16).position(|slot| slot.starts_with(MARK)) {
            return at.checked_add(u64::try_from(slot).ok()?.checked_mul(16)?);
        }
        at = at.checked_add(u64::try_from(length).ok()?)?;
    }
    None
}

fn decode(file: &mut Bytes<'_, '_>, layout: &Layout, at: u64, head: &[u8]) -> Option<BuildInfo> {
    const INLINE: u8 = 2;
    const BIG: u8 = 1;
    let (pointer_size, flags) = (usize::from(*head.get(14)?), *head.get(15)?);
    let (go, modules) = if flags & INLINE != 0 {
        let (go, after) = inline(file, at.checked_add(32)?)?;
        (go, inline(file, after)?.0)
    } else {
        let pointers = Pointers { layout, size: pointer_size, big: flags & BIG != 0 };
        let second = pointer_size.checked_add(16)?;
        (pointers.string(file, head.get(16..)?)?, pointers.string(file, head.get(second..)?)?)
    };
    let go = String::from_utf8(go).ok().filter(|go| !go.is_empty())?;
    Some(BuildInfo { go, modules: unframed(&modules) })
}

/// Takes off the 16 bytes at each end by which the text is found in a running program; without them there is none.
fn unframed(text: &[u8]) -> String {
    let inner = text.get(16..text.len().saturating_sub(16)).filter(|inner| inner.ends_with(b"\n"));
    String::from_utf8_lossy(inner.unwrap_or_default()).into_owned()
}

/// Reads a length (7 bits a byte, low first) and as many bytes; returns where the next begins.
fn inline(file: &mut Bytes<'_, '_>, at: u64) -> Option<(Vec<u8>, u64)> {
    let mut length = 0_u64;
    let mut next = at;
    for shift in (0..28).step_by(7) {
        let byte = *file.at(next, 1)?.first()?;
        next = next.checked_add(1)?;
        length |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((file.text(next, length)?, next.checked_add(length)?));
        }
    }
    None
}

/// How pointers are written.
struct Pointers<'a> {
    layout: &'a Layout,
    size: usize,
    big: bool,
}

impl Pointers<'_> {
    /// Follows a pointer to a string of Go: address and length.
    fn string(&self, file: &mut Bytes<'_, '_>, pointer: &[u8]) -> Option<Vec<u8>> {
        if !matches!(self.size, 4 | 8) {
            return None;
        }
        let target = headers::number(pointer.get(..self.size)?, self.big)?;
        if target == 0 {
            return Some(Vec::new());
        }
        let header = file.at(self.offset(target)?, self.size.checked_mul(2)?)?;
        let (address, length) = header.split_at_checked(self.size)?;
        let (address, length) = (headers::number(address, self.big)?, headers::number(length, self.big)?);
        if length == 0 {
            return Some(Vec::new());
        }
        file.text(self.offset(address)?, length)
    }

    fn offset(&self, address: u64) -> Option<u64> {
        self.layout.loaded.iter().find_map(|region| {
            let inside = address.checked_sub(region.address).filter(|inside| *inside < region.size)?;
            region.offset.checked_add(inside)
        })
    }
}

/// The file, read by place.
pub(super) struct Bytes<'f, 'c> {
    pub size: u64,
    pub content: &'f mut Content<'c>,
}

impl Bytes<'_, '_> {
    /// Reads exactly `length` bytes; `None` past the end.
    pub fn at(&mut self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let end = offset.checked_add(u64::try_from(length).ok()?)?;
        if end > self.size {
            return None;
        }
        match self.content {
            Content::Whole(bytes) => Some(bytes.get(usize::try_from(offset).ok()?..)?.get(..length)?.to_vec()),
            Content::Seekable(file) => {
                let mut bytes = vec![0; length];
                file.seek(SeekFrom::Start(offset)).ok()?;
                file.read_exact(&mut bytes).ok()?;
                Some(bytes)
            }
        }
    }

    /// Reads text of a bounded length.
    fn text(&mut self, offset: u64, length: u64) -> Option<Vec<u8>> {
        let length = usize::try_from(length).ok().filter(|_| length <= TEXT_BYTES)?;
        self.at(offset, length)
    }

    /// Reads a table of headers.
    pub fn table(&mut self, offset: u64, size: usize, count: usize) -> Option<Vec<Vec<u8>>> {
        if count == 0 {
            return Some(Vec::new());
        }
        let bytes = headers::is_sane_table(size, count).then(|| size.checked_mul(count))??;
        Some(self.at(offset, bytes)?.chunks_exact(size).map(<[u8]>::to_vec).collect())
    }
}
