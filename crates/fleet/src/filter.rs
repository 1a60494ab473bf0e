//! The filter words of `q=` and of plain parameters.

use crate::query::QueryError;

/// A word of the filter language: `severity`, with the other spellings it goes by.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// Names, the first is the one of REST parameters.
    pub names: &'static [&'static str],
    /// What it takes, for people: `>=high`.
    pub takes: &'static str,
}

/// Every word.
pub static WORDS: &[Word] = &[];

/// Which rows pass: conditions that must all hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {}

impl Filter {
    /// Parses filter words: `severity:>=high fix:yes -pkg:openssl`.
    pub fn parse(_text: &str) -> Result<Self, QueryError> {
        Ok(Self {})
    }

    /// Adds a plain parameter: `severity` `high`.
    pub fn field(&mut self, _name: &str, _value: &str) -> Result<(), QueryError> {
        Ok(())
    }
}
