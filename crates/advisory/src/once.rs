//! Lists in which everything stands once.
//!
//! In: a list that others wrote, of any length. Out: the first of what is equal, in the order of the list, in one pass.

use std::collections::HashSet;
use std::hash::Hash;

/// Keeps the first of equal items.
pub(crate) fn keep_first<T: Clone + Eq + Hash>(list: &mut Vec<T>) {
    if list.len() > 1 {
        let mut seen = HashSet::with_capacity(list.len());
        list.retain(|item| seen.insert(item.clone()));
    }
}
