//! Strings, each kept once and named by a number.

use crate::format::u32_at;
use crate::texts::to_u32;
use std::collections::HashMap;
use std::rc::Rc;

/// Collects strings. Number 0 is the empty string.
pub(crate) struct Writer {
    numbers: HashMap<Rc<str>, u32>,
    all: Vec<Rc<str>>,
}

impl Default for Writer {
    fn default() -> Self {
        let mut writer = Self { numbers: HashMap::new(), all: Vec::new() };
        writer.add("");
        writer
    }
}

impl Writer {
    /// Returns the number of a string.
    pub fn add(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = to_u32(self.all.len());
        let kept: Rc<str> = text.into();
        self.all.push(Rc::clone(&kept));
        self.numbers.insert(kept, number);
        number
    }

    /// Returns the string of a number.
    pub fn get(&self, number: u32) -> &str {
        usize::try_from(number).ok().and_then(|n| self.all.get(n)).map_or("", |s| s)
    }

    /// Returns where each string ends, and all of them.
    pub fn finish(self) -> (Vec<u8>, Vec<u8>) {
        let mut offsets = Vec::with_capacity(self.all.len().saturating_mul(4));
        let mut data = Vec::new();
        for text in &self.all {
            data.extend_from_slice(text.as_bytes());
            offsets.extend_from_slice(&to_u32(data.len()).to_le_bytes());
        }
        (offsets, data)
    }
}

/// The strings of a file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reader<'a> {
    pub ends: &'a [u8],
    pub data: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Returns a string; a number that is not there, or bytes that are not text, give the empty one.
    pub fn get(&self, number: u32) -> &'a str {
        self.bytes(number).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }

    /// Returns whether a string is this one.
    pub fn is(&self, number: u32, text: &str) -> bool {
        self.bytes(number) == Some(text.as_bytes())
    }

    fn bytes(&self, number: u32) -> Option<&'a [u8]> {
        let at = usize::try_from(number).ok()?.checked_mul(4)?;
        let from = match at.checked_sub(4) {
            Some(before) => usize::try_from(u32_at(self.ends, before)?).ok()?,
            None => 0,
        };
        self.data.get(from..usize::try_from(u32_at(self.ends, at)?).ok()?)
    }
}
