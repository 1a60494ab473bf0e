//! Opens feed files, as published or compressed once more.
//!
//! In: the bytes of a file. Out: a stream, a text, or JSON read from the stream without holding the file unpacked.

use crate::{Error, FeedFile};
use serde::de::DeserializeSeed;
use std::borrow::Cow;
use std::io::{self, BufReader, Read};

/// More than any feed file unpacks to (the largest known is under 1 GiB); what is longer is no feed.
const LIMIT_BYTES: u64 = 4 << 30;
/// More than any list or table that is read as one text.
const TEXT_BYTES: u64 = 256 << 20;
/// zstd windows of up to 128 MiB.
const WINDOW_LOG: u32 = 27;

/// A file, unpacked while it is read or as it lies in memory.
enum Opened<'a> {
    Plain(&'a [u8]),
    Packed(BufReader<Limited<'a>>),
}

/// A stream that fails, rather than ends, at the limit.
struct Limited<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
}

impl Read for Limited<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(out)?;
        self.left =
            self.left.checked_sub(got as u64).ok_or_else(|| io::Error::other("it unpacks to too many bytes"))?;
        Ok(got)
    }
}

fn open<'a>(file: FeedFile<'a>, limit_bytes: u64) -> io::Result<Opened<'a>> {
    let inner: Box<dyn Read + 'a> = if file.bytes.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::read::MultiGzDecoder::new(file.bytes))
    } else if file.bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder = zstd::Decoder::with_buffer(file.bytes)?;
        decoder.window_log_max(WINDOW_LOG)?;
        Box::new(decoder)
    } else {
        return Ok(Opened::Plain(file.bytes));
    };
    Ok(Opened::Packed(BufReader::with_capacity(1 << 16, Limited { inner, left: limit_bytes })))
}

/// Returns a file unpacked.
pub(crate) fn bytes<'a>(feed: &'static str, file: FeedFile<'a>) -> Result<Cow<'a, [u8]>, Error> {
    match open(file, TEXT_BYTES).map_err(|e| failed(feed, file, &e))? {
        Opened::Plain(bytes) => Ok(Cow::Borrowed(bytes)),
        Opened::Packed(mut stream) => {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).map_err(|e| failed(feed, file, &e))?;
            Ok(Cow::Owned(all))
        }
    }
}

/// Returns a file as text; bytes that are not UTF-8 become replacement characters.
pub(crate) fn text<'a>(feed: &'static str, file: FeedFile<'a>) -> Result<Cow<'a, str>, Error> {
    Ok(match bytes(feed, file)? {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    })
}

/// Reads a file as JSON, in one pass.
pub(crate) fn json<S>(feed: &'static str, file: FeedFile<'_>, seed: S) -> Result<(), Error>
where
    S: for<'de> DeserializeSeed<'de, Value = ()>,
{
    let read = match open(file, LIMIT_BYTES).map_err(|e| failed(feed, file, &e))? {
        Opened::Plain(bytes) => {
            let mut json = serde_json::Deserializer::from_slice(bytes);
            seed.deserialize(&mut json).and_then(|()| json.end())
        }
        Opened::Packed(stream) => {
            let mut json = serde_json::Deserializer::from_reader(stream);
            seed.deserialize(&mut json).and_then(|()| json.end())
        }
    };
    read.map_err(|e| failed(feed, file, &e))
}

/// Says that a file could not be read.
pub(crate) fn failed(feed: &'static str, file: FeedFile<'_>, why: &dyn std::fmt::Display) -> Error {
    Error::Feed { feed, file: file.url.to_owned(), reason: why.to_string() }
}
