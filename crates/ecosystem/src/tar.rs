//! A tar archive, entry by entry, as Go's `archive/tar` reads it: that is what unpacks images.
//!
//! In: unpacked bytes (`codec::Stream`): ustar, GNU long names and links, PAX headers, sparse files, base-256 numbers.
//! Out: one member after the other, its body only if asked for. Where common readers would disagree, or a header is malformed, the
//! archive is refused with the place and the reason; nothing is passed over in silence.

mod header;
mod pax;
mod sparse;

use crate::codec::Stream;
use crate::failure::Failure;
use header::Block;
use pax::Pax;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 512;
/// What is over whole blocks.
const BLOCK_MASK: u64 = 511;
/// Bytes of a body that `Walk::head` gives.
pub const HEAD_BYTES: usize = 4096;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// Another name of an earlier file.
    Hardlink,
    /// A device or a pipe.
    Special,
    /// A type that no common extractor takes; its body is passed over.
    Unknown(u8),
}

/// The member at which a walk stands.
#[derive(Debug)]
pub struct Member {
    /// What it is.
    pub kind: Kind,
    /// Name, as written.
    pub name: Vec<u8>,
    /// Where a link leads, as written.
    pub link: Vec<u8>,
    /// Size of the file that it would unpack to.
    pub size: u64,
    /// Where a sparse file's bytes go: (offset, length), in order; `None` for an ordinary file.
    sparse: Option<Vec<(u64, u64)>>,
}

/// A walk through an archive.
pub struct Walk<'s, 'r> {
    stream: &'s mut Stream<'r>,
    header_limit: u64,
    member: Member,
    /// Bytes of the body that are still in the stream.
    stored: u64,
    padding: u64,
    sparse_head: Vec<u8>,
    end_marker: bool,
}

/// Headers that come before the one they speak about.
#[derive(Default)]
struct Ahead {
    pax: Option<Pax>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl<'s, 'r> Walk<'s, 'r> {
    /// Begins; `header_limit` is the most bytes of one extended header.
    pub fn new(stream: &'s mut Stream<'r>, header_limit: u64) -> Self {
        let member = Member { kind: Kind::File, name: Vec::new(), link: Vec::new(), size: 0, sparse: None };
        Self { stream, header_limit, member, stored: 0, padding: 0, sparse_head: Vec::new(), end_marker: false }
    }

    /// Goes to the next member. Returns false at the end of the archive.
    pub fn advance(&mut self) -> Result<bool, Failure> {
        if self.stream.skip(self.stored)? < self.stored {
            return Err(self.truncated("a file"));
        }
        // As Go does: an archive may end within the padding of its last file.
        self.stream.skip(self.padding)?;
        (self.stored, self.padding) = (0, 0);
        let mut ahead = Ahead::default();
        while let Some(block) = self.block()? {
            match block.typeflag() {
                b'x' => self.pax(&block, &mut ahead.pax)?,
                b'g' => self.global(&block)?,
                b'L' => self.long(&block, &mut ahead.name)?,
                b'K' => self.long(&block, &mut ahead.link)?,
                b'X' => return Err(self.refused("a Solaris extended header, which readers take differently")),
                _ => return self.enter(&block, ahead).map(|()| true),
            }
        }
        if ahead.pax.is_some() || ahead.name.is_some() || ahead.link.is_some() {
            return Err(self.refused("an extended header without a file"));
        }
        Ok(false)
    }

    /// Returns the member at which the walk stands.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// Returns whether the end of the archive was marked as it should be.
    pub fn end_marker(&self) -> bool {
        self.end_marker
    }

    /// Returns the first bytes of the member's body, 4,096 or fewer. To be called before `body`.
    pub fn head(&mut self) -> Result<&[u8], Failure> {
        let want = usize::try_from(self.stored).unwrap_or(HEAD_BYTES).min(HEAD_BYTES);
        let there = self.stream.peek(want)?;
        if let Some(map) = &self.member.sparse {
            sparse::head(map, self.member.size, there, &mut self.sparse_head);
            return Ok(&self.sparse_head);
        }
        Ok(there)
    }

    /// Gives the member's body in pieces; a sparse file's holes as zeros. To be called once at most.
    pub fn body(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let Some(map) = self.member.sparse.take() else {
            return self.copy(self.stored, sink);
        };
        let mut at = 0;
        for (offset, length) in map {
            sparse::zeros(offset.saturating_sub(at), sink);
            self.copy(length, sink)?;
            at = offset.saturating_add(length);
        }
        sparse::zeros(self.member.size.saturating_sub(at), sink);
        Ok(())
    }

    fn copy(&mut self, count: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let mut left = count.min(self.stored);
        while left > 0 {
            let chunk = self.stream.chunk()?;
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            if step == 0 {
                return Err(self.truncated("a file"));
            }
            sink(chunk.get(..step).unwrap_or(chunk));
            self.stream.consume(step);
            left = left.saturating_sub(step as u64);
            self.stored = self.stored.saturating_sub(step as u64);
        }
        Ok(())
    }

    /// Takes the next header block; `None` at the end of the archive.
    fn block(&mut self) -> Result<Option<Block>, Failure> {
        let bytes = self.stream.peek(BLOCK)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let Some(block) = Block::new(bytes) else { return Err(self.truncated("a header")) };
        if block.is_zero() {
            self.stream.consume(BLOCK);
            let next = self.stream.peek(BLOCK)?;
            let short = next.len() < BLOCK;
            self.end_marker = !short && next.iter().all(|b| *b == 0);
            if self.end_marker || short {
                self.stream.consume(BLOCK);
                return Ok(None);
            }
            return Err(self.refused("a block of zeros with data behind it"));
        }
        if let Err(text) = block.check() {
            return Err(self.refused(text));
        }
        self.stream.consume(BLOCK);
        Ok(Some(block))
    }

    /// Reads the body of an extended header.
    fn extension(&mut self, block: &Block) -> Result<Vec<u8>, Failure> {
        let size = block.size().map_err(|text| self.refused(text))?;
        if size > self.header_limit {
            return Err(self.refused(format!("an extended header of {size} bytes")));
        }
        self.stored = size;
        let mut body = Vec::new();
        self.copy(size, &mut |piece| body.extend_from_slice(piece))?;
        let padding = usize::try_from(padding_of(size)).unwrap_or(0);
        // Some readers take whole blocks, others only what the size says.
        if self.stream.peek(padding)?.iter().any(|byte| *byte != 0) {
            return Err(self.refused("an extended header with data behind its end"));
        }
        self.stream.consume(padding);
        Ok(body)
    }

    fn pax(&mut self, block: &Block, slot: &mut Option<Pax>) -> Result<(), Failure> {
        let body = self.extension(block)?;
        let pax = Pax::parse(&body).map_err(|text| self.refused(text))?;
        if slot.replace(pax).is_some() {
            return Err(self.refused("two PAX headers for one file"));
        }
        Ok(())
    }

    /// Passes over a global header. Go applies none, GNU tar and Python do: one that would move a file is refused.
    fn global(&mut self, block: &Block) -> Result<(), Failure> {
        let body = self.extension(block)?;
        if Pax::parse(&body).map_err(|text| self.refused(text))?.moves_anything() {
            return Err(self.refused("a global PAX header sets a path or a size, which readers take differently"));
        }
        Ok(())
    }

    fn long(&mut self, block: &Block, slot: &mut Option<Vec<u8>>) -> Result<(), Failure> {
        let mut body = self.extension(block)?;
        let end = body.iter().position(|b| *b == 0).unwrap_or(body.len());
        if body.iter().skip(end).any(|b| *b != 0) {
            return Err(self.refused("a long name with a NUL in it"));
        }
        body.truncate(end);
        if slot.replace(body).is_some() {
            return Err(self.refused("two long names for one file"));
        }
        Ok(())
    }

    /// Makes the block, with what was said ahead of it, the current member.
    fn enter(&mut self, block: &Block, ahead: Ahead) -> Result<(), Failure> {
        let mut pax = ahead.pax.unwrap_or_default();
        self.member.name.clear();
        self.member.link.clear();
        let conflict = |long: &Option<Vec<u8>>, pax: &Option<Vec<u8>>| long.is_some() && pax.is_some() && long != pax;
        if conflict(&ahead.name, &pax.path) || conflict(&ahead.link, &pax.link) {
            return Err(self.refused("a PAX header and a GNU long name that differ"));
        }
        match pax.path.take().or(ahead.name) {
            Some(name) => self.member.name = name,
            None => block.name(&mut self.member.name),
        }
        match pax.link.take().or(ahead.link) {
            Some(link) => self.member.link = link,
            None => self.member.link.extend_from_slice(block.link()),
        }
        let stored = match pax.size {
            Some(size) => size,
            None => block.size().map_err(|text| self.refused(text))?,
        };
        self.member.kind = kind_of(block.typeflag(), &self.member.name);
        let has_body = matches!(self.member.kind, Kind::File | Kind::Unknown(_));
        self.stored = if has_body { stored } else { 0 };
        self.padding = padding_of(self.stored);
        self.member.size = self.stored;
        self.member.sparse = None;
        if block.typeflag() == b'S' {
            self.old_sparse(block)?;
        } else if self.member.kind == Kind::File && pax.sparse.is_some() {
            self.pax_sparse(pax)?;
        }
        Ok(())
    }

    fn old_sparse(&mut self, block: &Block) -> Result<(), Failure> {
        let mut map = Vec::new();
        let mut more = block.sparse_entries(&mut map).map_err(|text| self.refused(text))?;
        while more {
            let bytes = self.stream.peek(BLOCK)?;
            let Some(extension) = Block::new(bytes) else { return Err(self.truncated("a sparse header")) };
            self.stream.consume(BLOCK);
            more = extension.more_sparse_entries(&mut map).map_err(|text| self.refused(text))?;
            self.check_map_size(map.len())?;
        }
        let size = block.sparse_size().map_err(|text| self.refused(text))?;
        self.set_sparse(map, size)
    }

    fn pax_sparse(&mut self, pax: Pax) -> Result<(), Failure> {
        let Some(sparse) = pax.sparse else { return Ok(()) };
        if let Some(name) = sparse.name {
            self.member.name = name;
        }
        let map = if sparse.map_in_body { self.sparse_map_of_body()? } else { sparse.map };
        self.check_map_size(map.len())?;
        self.set_sparse(map, sparse.size)
    }

    /// Reads the map that PAX 1.0 puts in whole blocks before the data.
    fn sparse_map_of_body(&mut self) -> Result<Vec<(u64, u64)>, Failure> {
        let mut numbers = sparse::Numbers::default();
        while !numbers.complete() {
            if self.stored < BLOCK as u64 {
                return Err(self.refused("a sparse map that does not end"));
            }
            let mut result = Ok(());
            self.copy(BLOCK as u64, &mut |piece| result = result.and_then(|()| numbers.take(piece)))?;
            result.map_err(|text| self.refused(text))?;
            self.check_map_size(numbers.len())?;
        }
        numbers.map().map_err(|text| self.refused(text))
    }

    fn set_sparse(&mut self, map: Vec<(u64, u64)>, size: u64) -> Result<(), Failure> {
        sparse::check(&map, size, self.stored).map_err(|text| self.refused(text))?;
        self.member.size = size;
        self.member.sparse = Some(map);
        Ok(())
    }

    fn check_map_size(&self, entries: usize) -> Result<(), Failure> {
        if (entries as u64).saturating_mul(16) > self.header_limit {
            return Err(self.refused("a sparse map over the limit"));
        }
        Ok(())
    }

    fn refused(&self, text: impl std::fmt::Display) -> Failure {
        Failure::Unreadable(format!("{text}, at byte {} of the tar", self.stream.position()))
    }

    fn truncated(&self, what: &str) -> Failure {
        Failure::Truncated(format!("the tar stops within {what}, at byte {}", self.stream.position()))
    }
}

fn padding_of(size: u64) -> u64 {
    size.wrapping_neg() & BLOCK_MASK
}

fn kind_of(typeflag: u8, name: &[u8]) -> Kind {
    match typeflag {
        0 if name.last() == Some(&b'/') => Kind::Folder,
        b'0' | 0 | b'7' | b'S' => Kind::File,
        b'1' => Kind::Hardlink,
        b'2' => Kind::Symlink,
        b'3' | b'4' | b'6' => Kind::Special,
        b'5' => Kind::Folder,
        other => Kind::Unknown(other),
    }
}

#[cfg(test)]
#[path = "tar/tests.rs"]
mod tests;
