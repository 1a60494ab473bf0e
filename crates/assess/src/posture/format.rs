//! What posture records are written as, one file a format.

mod csv;
mod json;
mod markdown;
mod nunit3;
mod sarif;

use super::Record;

/// A format.
#[derive(Debug)]
pub struct Format {
    /// Its name on the command line and in `?format=`.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Writes the records.
    pub write: fn(&[Record]) -> String,
}

/// Every format.
pub static FORMATS: &[&Format] = &[&json::FORMAT, &csv::FORMAT, &sarif::FORMAT, &nunit3::FORMAT, &markdown::FORMAT];

/// Finds a format by its name.
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().copied().find(|format| format.name == name)
}
