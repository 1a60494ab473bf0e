//! What an advisory says of a package, and why it calls a version affected.

use advisory::Row;
use model::advisory::End;

/// An advisory that speaks of the package, and which of the package's versions it is compared with.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    pub row: Row<'a>,
    pub name: &'a str,
    pub version: &'a str,
}

/// Why an advisory calls a version affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hit<'a> {
    /// It lists this very version.
    Listed,
    /// The version lies in this interval.
    Within(&'a str, End<&'a str>),
}
