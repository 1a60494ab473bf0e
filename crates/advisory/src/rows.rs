//! What is said about one package, borrowed from the file.
//!
//! A row: feed, names, state, severity, category (a byte each), then advisory, vulnerability and module (numbers), then three
//! runs of numbers, each after its length in bytes: architectures, ranges (introduced, kind of end, end), versions.

use crate::format::{Cursor, put, put_bytes};
use crate::strings::Reader;
use model::advisory::{Category, End, Names, Source, VendorState};
use model::severity::Severity;

/// The number of "the vendor says nothing" in place of a severity.
pub(crate) const SILENT: u8 = 255;

/// What is said about one package by one advisory.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Id of the advisory: `CVE-2023-45853`, `PYSEC-2021-9`.
    pub advisory: &'a str,
    /// Its feed.
    pub source: Source,
    /// The vulnerability.
    pub vulnerability: u32,
    /// Which name and version of the package to compare.
    pub names: Names,
    /// What the vendor does.
    pub state: VendorState,
    /// What the vendor says how bad it is.
    pub severity: Option<Severity>,
    /// What it is about.
    pub category: Category,
    /// Architectures it is limited to; empty = all.
    pub arch: Strings<'a>,
    /// Module stream it is limited to; empty = none.
    pub module: &'a str,
    /// Affected intervals.
    pub ranges: Ranges<'a>,
    /// Affected versions beside the intervals.
    pub versions: Strings<'a>,
}

/// Rows, in order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rows<'a> {
    pub(crate) cursor: Cursor<'a>,
    pub(crate) strings: Reader<'a>,
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let (cursor, strings) = (&mut self.cursor, self.strings);
        let source = Source::from_number(cursor.byte()?.into());
        let names = match cursor.byte()? {
            0 => Names::Source,
            1 => Names::Binary,
            _ => Names::Language,
        };
        let state = VendorState::from_number(cursor.byte()?.into());
        let severity = cursor.byte().map(|b| (b != SILENT).then(|| Severity::from_number(b.into())))?;
        let category = Category::from_number(cursor.byte()?.into());
        let advisory = strings.get(cursor.small()?);
        let vulnerability = cursor.small()?;
        let module = strings.get(cursor.small()?);
        let arch = Strings { cursor: Cursor { rest: cursor.bytes()? }, strings };
        let ranges = Ranges { cursor: Cursor { rest: cursor.bytes()? }, strings };
        let versions = Strings { cursor: Cursor { rest: cursor.bytes()? }, strings };
        Some(Row { advisory, source, vulnerability, names, state, severity, category, arch, module, ranges, versions })
    }
}

/// Strings, in order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Strings<'a> {
    cursor: Cursor<'a>,
    strings: Reader<'a>,
}

impl Strings<'_> {
    /// Returns whether there is none left.
    pub fn is_empty(&self) -> bool {
        self.cursor.rest.is_empty()
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        Some(self.strings.get(self.cursor.small()?))
    }
}

/// Intervals, in order: first affected version (empty = from the start), end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ranges<'a> {
    cursor: Cursor<'a>,
    strings: Reader<'a>,
}

impl<'a> Iterator for Ranges<'a> {
    type Item = (&'a str, End<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        let introduced = self.strings.get(self.cursor.small()?);
        let kind = self.cursor.byte()?;
        let version = self.strings.get(self.cursor.small()?);
        let end = match kind {
            0 => End::Open,
            1 => End::Fixed(version),
            2 => End::LastAffected(version),
            _ => End::Limit(version),
        };
        Some((introduced, end))
    }
}

/// Splits an end into the byte and the version that stand for it.
pub(crate) fn end_parts(end: &End) -> (u8, &str) {
    match end {
        End::Open => (0, ""),
        End::Fixed(version) => (1, version),
        End::LastAffected(version) => (2, version),
        End::Limit(version) => (3, version),
    }
}

/// Writes numbers as `Strings` reads them.
pub(crate) fn put_numbers(out: &mut Vec<u8>, numbers: &[u32]) {
    let mut run = Vec::with_capacity(numbers.len().saturating_mul(3));
    for number in numbers {
        put(&mut run, (*number).into());
    }
    put_bytes(out, &run);
}
