//! Package ecosystems and the reading of one layer.
//!
//! In: the bytes of one layer blob, and versions to compare.
//! Out: the layer's inventory (`layer::read`), and the order of versions (`Ecosystem::compare`, `order`).
//! Pure: no network, disk, database, clock or runtime. Foreign bytes meet only this crate.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod codec;
mod failure;
pub mod kind;
pub mod layer;
pub mod order;
pub mod tar;

pub use kind::{ALL, by_purl_type};

use model::inventory::FileReading;
use std::cmp::Ordering;
use std::io::{Read, Seek};

/// A file of a layer as it is offered to every ecosystem.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Path without a leading slash, normalised: `var/lib/dpkg/status`.
    pub path: &'a str,
    /// Size in bytes.
    pub size: u64,
    /// The first bytes, 4,096 or fewer (all of them when the file is smaller).
    pub head: &'a [u8],
}

/// How an ecosystem wants a file to be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Not at all.
    Skip,
    /// In memory; a file over `Limits::whole_bytes` becomes a note instead.
    Whole,
    /// As a stream that can seek; a file over `Limits::seekable_bytes` becomes a note instead.
    Seekable,
}

/// Something to read that can seek: a sealed memory file in production, a cursor in tests.
pub trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// A file's content, as its ecosystem asked for it.
pub enum Content<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// To seek in; stands at the start.
    Seekable(&'a mut dyn ReadSeek),
}

/// A file that an ecosystem wanted.
pub struct File<'a> {
    /// Path without a leading slash, normalised.
    pub path: &'a str,
    /// Size in bytes.
    pub size: u64,
    /// What is in it.
    pub content: Content<'a>,
}

impl File<'_> {
    /// Returns the content of a file that was wanted whole; empty for one that was wanted seekable.
    pub fn whole(&self) -> &[u8] {
        match &self.content {
            Content::Whole(bytes) => bytes,
            Content::Seekable(_) => &[],
        }
    }
}

/// Where an ecosystem keeps its package lists, how to read them, how its versions order.
pub trait Ecosystem: Sync {
    /// The purl type: `"apk"`.
    fn purl_type(&self) -> &'static str;
    /// Raised whenever the same bytes would give other packages; older inventories are then redone.
    fn revision(&self) -> u32;
    /// How to hand over this file. Asked of every file of every layer: must not allocate.
    fn wants(&self, entry: &Entry<'_>) -> Wants;
    /// What one file tells: packages, paths they own, facts about the image, notes on what could not be read.
    ///
    /// Never fails. The walker fills `FileReading::path` and the empty paths of notes.
    fn read(&self, file: &mut File<'_>) -> FileReading;
    /// Orders two versions as the ecosystem's own tool does. Total: any text has its place.
    fn compare(&self, a: &str, b: &str) -> Ordering;
    /// Returns whether a version follows the ecosystem's rules; one that does not is noted and not matched.
    fn valid(&self, _version: &str) -> bool {
        true
    }
    /// Normalises a package name as the ecosystem does (PEP 503 for PyPI).
    fn normalise(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// Returns the revision of the whole set: raised when any reader or the layer walker would give something else.
pub fn revision() -> u32 {
    ALL.iter().map(|kind| kind.revision()).fold(layer::REVISION, u32::saturating_add)
}
