//! The compression of a layer, told by its first bytes.
//!
//! In: the bytes of a blob: gzip (any number of members), zstd (any number of frames, skippable ones too) or plain tar.
//! Out: the tar's bytes in one large buffer, counted and hashed as they appear; each byte is written once and hashed while it is
//! still in the cache.

mod gzip;

use crate::failure::Failure;
use aws_lc_rs::digest;
use gzip::{BUFFER_BYTES, Buffer, Gzip, HISTORY};
use model::Digest;
use model::digest::Algorithm;
use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::rc::Rc;

/// Bytes that can be peeked at.
const PEEK_BYTES: usize = 128 << 10;
/// Bytes of compressed input read at a time.
const INPUT_BYTES: usize = 128 << 10;
/// Bytes looked at to tell the compression.
const HEAD_BYTES: usize = 512;

/// How a blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// None: a plain tar, or anything else, which the tar reader will refuse.
    Plain,
}

impl Compression {
    /// Tells the compression by the first bytes; one that is not supported is a failure.
    pub fn of(head: &[u8]) -> Result<Self, Failure> {
        let unsupported =
            |name: &str| Err(Failure::Compression(format!("compressed with {name}, which is not supported")));
        match head {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => unsupported("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => unsupported("xz"),
            [0x04, 0x22, 0x4d, 0x18, ..] => unsupported("lz4"),
            [b'L', b'Z', b'I', b'P', ..] => unsupported("lzip"),
            [b'P', b'K', 3, 4, ..] => unsupported("zip"),
            _ => Ok(Self::Plain),
        }
    }
}

/// The blob's bytes: counted, and with the error of the input kept apart from what a decoder makes of it.
struct Input<R> {
    inner: R,
    bytes: Rc<Cell<u64>>,
    error: Rc<RefCell<Option<io::Error>>>,
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                self.bytes.set(self.bytes.get().saturating_add(count as u64));
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                *self.error.borrow_mut() = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// Where unpacked bytes come from.
enum Source<'a> {
    /// What unpacks in place, and needs what it unpacked before.
    Gzip(Box<Gzip<Box<dyn Read + 'a>>>),
    /// Anything else.
    Other(Box<dyn Read + 'a>),
}

impl Source<'_> {
    /// Returns how many bytes must stay before the place that is unpacked to.
    fn history(&self) -> usize {
        if matches!(self, Self::Gzip(_)) { HISTORY } else { 0 }
    }

    /// Unpacks behind `at`. Returns how many bytes, none only at the end.
    fn unpack(&mut self, buffer: &mut Buffer, at: usize) -> io::Result<usize> {
        match self {
            Self::Gzip(gzip) => gzip.unpack(buffer, at),
            Self::Other(source) => source.read(buffer.get_mut(at..).unwrap_or(&mut [])),
        }
    }
}

/// The unpacked bytes of a blob.
pub struct Stream<'a> {
    source: Source<'a>,
    buffer: Box<Buffer>,
    start: usize,
    end: usize,
    ended: bool,
    unpacked: u64,
    limit: u64,
    hash: digest::Context,
    bytes: Rc<Cell<u64>>,
    error: Rc<RefCell<Option<io::Error>>>,
    compression: Compression,
}

impl<'a> Stream<'a> {
    /// Begins to unpack; `limit` is the most bytes it gives, `zstd_window` the most bytes of a zstd window.
    pub fn new(input: impl Read + 'a, limit: u64, zstd_window: u64) -> Result<Self, Failure> {
        let (bytes, error) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(None)));
        let mut input = Input { inner: input, bytes: bytes.clone(), error: error.clone() };
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let first = (&mut input).take(HEAD_BYTES as u64).read_to_end(&mut head);
        if let Err(kind) = first {
            return Err(Failure::Input(error.borrow_mut().take().unwrap_or(kind)));
        }
        let compression = Compression::of(&head)?;
        let input = Cursor::new(head).chain(input);
        let source = match compression {
            Compression::Gzip => Source::Gzip(Box::new(Gzip::new(Box::new(input)))),
            Compression::Zstd => Source::Other(Box::new(zstd_decoder(buffered(input), zstd_window)?)),
            Compression::Plain => Source::Other(Box::new(input)),
        };
        Ok(Self {
            source,
            buffer: gzip::zeros(),
            start: 0,
            end: 0,
            ended: false,
            unpacked: 0,
            limit,
            hash: digest::Context::new(&digest::SHA256),
            bytes,
            error,
            compression,
        })
    }

    /// Returns up to `count` of the next bytes without taking them: fewer only at the end. At most 128 KiB at a time.
    pub fn peek(&mut self, count: usize) -> Result<&[u8], Failure> {
        let count = count.min(PEEK_BYTES);
        while self.buffered().len() < count && !self.ended {
            self.fill()?;
        }
        let all = self.buffered();
        Ok(all.get(..count).unwrap_or(all))
    }

    /// Returns the next bytes, as many as are at hand, at least one unless at the end; does not take them.
    pub fn chunk(&mut self) -> Result<&[u8], Failure> {
        while self.start == self.end && !self.ended {
            self.fill()?;
        }
        Ok(self.buffered())
    }

    /// Takes bytes that were peeked at.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }

    /// Passes over bytes. Returns how many there were: fewer only at the end.
    pub fn skip(&mut self, count: u64) -> Result<u64, Failure> {
        let mut left = count;
        while left > 0 {
            let there = self.chunk()?.len();
            if there == 0 {
                break;
            }
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(there);
            self.consume(step);
            left = left.saturating_sub(step as u64);
        }
        Ok(count.saturating_sub(left))
    }

    /// Returns how many bytes were taken so far.
    pub fn position(&self) -> u64 {
        self.unpacked.saturating_sub(self.buffered().len() as u64)
    }

    /// Reads to the end. Returns how many bytes there were up to the last that is not zero.
    pub fn behind_end(&mut self) -> Result<u64, Failure> {
        let (start, mut last) = (self.position(), None);
        loop {
            let at = self.position();
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                break;
            }
            let count = chunk.len();
            if let Some(offset) = chunk.iter().rposition(|byte| *byte != 0) {
                last = Some(at.saturating_add(offset as u64));
            }
            self.consume(count);
        }
        Ok(last.map_or(0, |last| last.saturating_add(1).saturating_sub(start)))
    }

    /// Reads to the end. Returns the digest of all that was unpacked, its length, and the length of the blob.
    pub fn finish(mut self) -> Result<(Digest, u64, u64), Failure> {
        self.skip(u64::MAX)?;
        let hash = self.hash.finish();
        Ok((Digest::from_hash(Algorithm::Sha256, hash.as_ref()), self.unpacked, self.bytes.get()))
    }

    fn buffered(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or(&[])
    }

    /// Unpacks more behind what is there; moves that, and the history, to the front first.
    fn fill(&mut self) -> Result<(), Failure> {
        let from = self.start.min(self.end.saturating_sub(self.source.history()));
        if from > 0 {
            self.buffer.copy_within(from..self.end, 0);
            (self.start, self.end) = (self.start.saturating_sub(from), self.end.saturating_sub(from));
        }
        let count = match self.source.unpack(&mut self.buffer, self.end) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(self.failure(error)),
        };
        self.ended = count == 0;
        let end = self.end.saturating_add(count).min(BUFFER_BYTES);
        self.hash.update(self.buffer.get(self.end..end).unwrap_or(&[]));
        self.end = end;
        self.unpacked = self.unpacked.saturating_add(count as u64);
        if self.unpacked > self.limit { Err(Failure::LimitBytes(self.limit)) } else { Ok(()) }
    }

    fn failure(&mut self, error: io::Error) -> Failure {
        if let Some(input) = self.error.borrow_mut().take() {
            return Failure::Input(input);
        }
        let at = self.unpacked;
        let text = error.to_string();
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Failure::Truncated(format!("{:?} data stop after {at} unpacked bytes", self.compression))
        } else if text.contains("too much memory") {
            Failure::Compression("a zstd window over the limit".to_owned())
        } else {
            Failure::Unreadable(format!("{:?} data are damaged after {at} unpacked bytes: {text}", self.compression))
        }
    }
}

fn buffered(input: impl Read) -> impl BufRead {
    BufReader::with_capacity(INPUT_BYTES, input)
}

fn zstd_decoder<'a>(input: impl BufRead + 'a, window: u64) -> Result<impl Read + 'a, Failure> {
    let fail = |error: io::Error| Failure::Compression(format!("cannot set up the zstd decoder: {error}"));
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(fail)?;
    decoder.window_log_max(window.max(1 << 10).ilog2().min(31)).map_err(fail)?;
    Ok(decoder)
}

#[cfg(test)]
#[path = "codec/tests.rs"]
mod tests;
