//! From the store's row ids to positions in a column, and texts in one piece of memory.

use std::collections::HashMap;

/// The end of a chain, and the position of nothing.
pub(crate) const NONE: u32 = u32::MAX;

/// Ids far beyond the number of rows go to a map, so that one huge id does not cost memory.
const SPARSE_BEYOND: usize = 1 << 16;

/// Positions by row id. The store gives ids densely from 1, so that most are found by one look into a vector.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    dense: Vec<u32>,
    sparse: HashMap<i64, u32>,
    rows: usize,
}

impl Ids {
    pub fn get(&self, id: i64) -> Option<u32> {
        let found = usize::try_from(id).ok().and_then(|at| self.dense.get(at).copied());
        found.filter(|at| *at != NONE).or_else(|| self.sparse.get(&id).copied())
    }

    pub fn insert(&mut self, id: i64, position: u32) {
        self.rows += 1;
        match usize::try_from(id) {
            Ok(at) if at < self.dense.len() => self.dense[at] = position,
            Ok(at) if at < self.rows * 2 + SPARSE_BEYOND => {
                self.dense.resize(at + 1, NONE);
                self.dense[at] = position;
            }
            _ => {
                self.sparse.insert(id, position);
            }
        }
    }

    pub fn shrink(&mut self) {
        self.dense.shrink_to_fit();
    }
}

/// Where a text stands in `Texts`: first byte and length in one number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Text(u64);

const LENGTH_BITS: u32 = 20;

/// Every text of the index, end to end: a package costs no allocation for each of its names.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    bytes: String,
}

impl Texts {
    /// Keeps a text; what is over 1 MiB is cut (no name, title or version is).
    pub fn add(&mut self, text: &str) -> Text {
        let mut end = text.len().min((1 << LENGTH_BITS) - 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let at = self.bytes.len() as u64;
        self.bytes.push_str(&text[..end]);
        Text(at << LENGTH_BITS | end as u64)
    }

    /// Keeps a text in the place of another, which is used again where it says the same.
    pub fn replace(&mut self, old: Text, text: &str) -> Text {
        if self.get(old) == text { old } else { self.add(text) }
    }

    pub fn get(&self, text: Text) -> &str {
        let (at, length) = ((text.0 >> LENGTH_BITS) as usize, (text.0 & ((1 << LENGTH_BITS) - 1)) as usize);
        self.bytes.get(at..at + length).unwrap_or("")
    }

    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_whether_dense_or_far_out() {
        let mut ids = Ids::default();
        for (position, id) in [1, 7, 1 << 40, 65_000, i64::MAX, -3].into_iter().enumerate() {
            ids.insert(id, position as u32);
        }
        for (id, want) in [(1, Some(0)), (7, Some(1)), (1 << 40, Some(2)), (i64::MAX, Some(4)), (-3, Some(5))] {
            assert_eq!(ids.get(id), want, "{id}");
        }
        assert_eq!((ids.get(0), ids.get(2), ids.get(1 << 41)), (None, None, None));
    }

    #[test]
    fn texts_come_back_as_they_were() {
        let mut texts = Texts::default();
        let (a, b) = (texts.add("zlib1g"), texts.add("é"));
        assert_eq!((texts.get(a), texts.get(b), texts.get(Text::default())), ("zlib1g", "é", ""));
        assert_eq!(texts.replace(a, "zlib1g"), a);
        let long = "é".repeat(1 << 20);
        let kept = texts.add(&long);
        assert!(long.starts_with(texts.get(kept)) && texts.get(kept).len() > 1 << 19);
    }
}
