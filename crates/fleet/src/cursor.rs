//! The order of a list, and the cursors that stand between two of its rows.
//!
//! A cursor holds the values that the row before it was ordered by, so that the next page begins at the right place even
//! if that row is gone. Names are not in it but the ids they are read from. It is bound to its question by a hash:
//! a cursor of another list, filter, order or time is refused, and so is one that was altered or cut.

use crate::error::QueryError;
use crate::index::Index;
use crate::query::{Cursor, Page, Query};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Raised when the meaning of the numbers in a cursor changes.
const VERSION: &str = "2";

/// What rows are ordered by: numbers, then names, then ids, which no two rows share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key<'a> {
    pub numbers: [i64; 6],
    pub names: Names<'a>,
    pub ids: [i64; 4],
}

/// Names to order by, one after the other, forwards or backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Names<'a> {
    pub texts: [&'a str; 3],
    pub backwards: bool,
}

impl Ord for Names<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.texts.cmp(&other.texts);
        if self.backwards { order.reverse() } else { order }
    }
}

impl PartialOrd for Names<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Puts numbers into the direction of a list: from much to little, or the other way round.
pub(crate) fn falling(reverse: bool, number: i64) -> i64 {
    if reverse { number } else { number.saturating_neg() }
}

/// Numbers of a cursor: those of a key, its ids, and up to six more where a row is part of a block.
pub(crate) type Numbers = [i64; 16];

/// Reads the cursor of a query; `list` names the list.
pub(crate) fn read(query: &Query, list: &str) -> Result<Option<Numbers>, QueryError> {
    let Some(Cursor(text)) = &query.after else { return Ok(None) };
    let fail = |problem| Err(QueryError::Cursor { problem });
    let mut parts = text.split('.');
    if parts.next() != Some(VERSION) {
        return fail("is of another version");
    }
    let (question, check) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let Some(body) = text.splitn(4, '.').nth(3).filter(|body| check == hash(&[question, body])) else {
        return fail("is damaged");
    };
    if question != fingerprint(query, list) {
        return fail("belongs to another list, filter, order or time");
    }
    let mut numbers = Numbers::default();
    let mut parts = body.split('.');
    for number in &mut numbers {
        let Some(parsed) = parts.next().and_then(|part| part.parse().ok()) else { return fail("is damaged") };
        *number = parsed;
    }
    Ok(Some(numbers))
}

/// Writes the cursor that continues a query after a row.
pub(crate) fn write(query: &Query, list: &str, numbers: &Numbers) -> Cursor {
    let body: Vec<String> = numbers.iter().map(i64::to_string).collect();
    let (body, question) = (body.join("."), fingerprint(query, list));
    Cursor(format!("{VERSION}.{question}.{}.{body}", hash(&[&question, &body])))
}

fn fingerprint(query: &Query, list: &str) -> String {
    let question = format!("{:?} {:?} {:?} {:?}", query.filter, query.sort, query.as_of, query.scope);
    hash(&[list, &question])
}

/// FNV-1a: the same in every process and build. It finds mistakes; nobody gains by making a cursor up.
fn hash(parts: &[&str]) -> String {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}

/// Keeps the smallest of what it is given, at most so many.
pub(crate) struct Smallest<T> {
    most: usize,
    heap: BinaryHeap<T>,
}

impl<T: Ord> Smallest<T> {
    pub fn new(most: usize) -> Self {
        Self { most, heap: BinaryHeap::new() }
    }

    pub fn push(&mut self, item: T) {
        if self.heap.len() < self.most {
            self.heap.push(item);
        } else if let Some(mut largest) = self.heap.peek_mut()
            && item < *largest
        {
            *largest = item;
        }
    }

    pub fn in_order(self) -> Vec<T> {
        self.heap.into_sorted_vec()
    }
}

/// Pages a list whose rows each have a key: `rows` gives key and position of all of them, `names` the names of a cursor's
/// id, `make` the row of a position.
pub(crate) fn page<'a, T>(
    index: &Index,
    query: &Query,
    list: &str,
    rows: impl Iterator<Item = (Key<'a>, u32)>,
    names: impl FnOnce(i64) -> Option<Names<'a>>,
    mut make: impl FnMut(usize) -> T,
) -> Result<Page<T>, QueryError> {
    let after = match read(query, list)? {
        None => None,
        Some(numbers) => {
            let [n0, n1, n2, n3, n4, n5, i0, i1, i2, i3, ..] = numbers;
            let gone = QueryError::Cursor { problem: "names a row that is gone" };
            let ids = [i0, i1, i2, i3];
            Some(Key { numbers: [n0, n1, n2, n3, n4, n5], names: names(i0).ok_or(gone)?, ids })
        }
    };
    let mut total = 0;
    let mut smallest = Smallest::new(query.limit.saturating_add(1));
    for (key, position) in rows {
        total += 1;
        if after.is_none_or(|after| key > after) {
            smallest.push((key, position));
        }
    }
    let found = smallest.in_order();
    let shown = found.len().min(query.limit);
    let next = (found.len() > shown).then(|| write(query, list, &numbers(&found[shown - 1].0)));
    let items = found[..shown].iter().map(|(_, position)| make(*position as usize)).collect();
    Ok(Page { items, total, hidden: 0, disabled: 0, next, revision: index.revision, generation: index.generation })
}

/// Returns a key as the numbers of a cursor, with nothing after it.
pub(crate) fn numbers(key: &Key<'_>) -> Numbers {
    let mut numbers = Numbers::default();
    for (to, from) in numbers.iter_mut().zip(key.numbers.into_iter().chain(key.ids)) {
        *to = from;
    }
    numbers
}
