//! apk.

use crate::{Ecosystem, Entry, File, Wants};
use model::inventory::FileReading;
use std::cmp::Ordering;

/// apk.
pub struct Apk;

impl Ecosystem for Apk {
    fn purl_type(&self) -> &'static str {
        "apk"
    }
    fn revision(&self) -> u32 {
        1
    }
    fn wants(&self, _entry: &Entry<'_>) -> Wants {
        Wants::Skip
    }
    fn read(&self, _file: &mut File<'_>) -> FileReading {
        FileReading::default()
    }
    fn compare(&self, a: &str, b: &str) -> Ordering {
        a.cmp(b)
    }
}
