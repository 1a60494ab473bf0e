//! The header of one RPM package, as its database keeps it.
//!
//! In: big-endian counts of entries and of data bytes, the entries (tag, type, offset, count), the data.
//! Out: the values of a tag.

/// Tag of the name.
pub const NAME: u32 = 1000;
/// Tag of the version.
pub const VERSION: u32 = 1001;
/// Tag of the release.
pub const RELEASE: u32 = 1002;
/// Tag of the epoch; absent is not the same as 0 in the text.
pub const EPOCH: u32 = 1003;
/// Tag of the vendor.
pub const VENDOR: u32 = 1011;
/// Tag of the architecture.
pub const ARCH: u32 = 1022;
/// Tag of the source package's file name.
pub const SOURCE_RPM: u32 = 1044;
/// Tag of each file's folder, as an index.
pub const DIR_INDEXES: u32 = 1116;
/// Tag of each file's name.
pub const BASE_NAMES: u32 = 1117;
/// Tag of the folders.
pub const DIR_NAMES: u32 = 1118;
/// Tag of `name:stream:version:context`.
pub const MODULARITY_LABEL: u32 = 5096;

const ENTRY_BYTES: usize = 16;
const INT32: u32 = 4;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;

/// A header.
pub struct Header<'b> {
    entries: &'b [u8],
    data: &'b [u8],
}

struct Entry<'b> {
    kind: u32,
    count: usize,
    /// From the first value to the end of all data.
    data: &'b [u8],
}

impl<'b> Header<'b> {
    /// Splits a header; `None` when its counts do not fit its length.
    pub fn parse(blob: &'b [u8]) -> Option<Self> {
        let entries = usize::try_from(number(blob, 0)?).ok()?;
        let data = usize::try_from(number(blob, 4)?).ok()?;
        let (entries, rest) = blob.get(8..)?.split_at_checked(entries.checked_mul(ENTRY_BYTES)?)?;
        Some(Self { entries, data: rest.get(..data)? })
    }

    /// Returns the text of a tag, lossily decoded.
    pub fn text(&self, tag: u32) -> Option<String> {
        self.texts(tag).next().map(|text| String::from_utf8_lossy(text).into_owned())
    }

    /// Returns the texts of a tag.
    pub fn texts(&self, tag: u32) -> impl Iterator<Item = &'b [u8]> {
        let entry = self.entry(tag).filter(|entry| matches!(entry.kind, STRING | STRING_ARRAY | I18N_STRING));
        let (count, data) = entry.map_or((0, &[][..]), |entry| (entry.count, entry.data));
        // Each text ends with a NUL; what has none is damage.
        data.split_inclusive(|byte| *byte == 0).map_while(|text| text.strip_suffix(&[0])).take(count)
    }

    /// Returns the 32-bit numbers of a tag.
    pub fn numbers(&self, tag: u32) -> impl Iterator<Item = u32> {
        let entry = self.entry(tag).filter(|entry| entry.kind == INT32);
        let (count, data) = entry.map_or((0, &[][..]), |entry| (entry.count, entry.data));
        data.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes)).take(count)
    }

    fn entry(&self, tag: u32) -> Option<Entry<'b>> {
        let entry = self.entries.chunks_exact(ENTRY_BYTES).find(|entry| number(entry, 0) == Some(tag))?;
        let offset = usize::try_from(number(entry, 8)?).ok()?;
        let count = usize::try_from(number(entry, 12)?).ok()?;
        Some(Entry { kind: number(entry, 4)?, count, data: self.data.get(offset..)? })
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
