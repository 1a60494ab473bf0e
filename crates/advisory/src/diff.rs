//! What differs between two databases.
//!
//! In: two databases. Out: the names to match again, and the vulnerabilities whose facts to write again. Cost: one look at each
//! name and vulnerability; rows and texts are compared by their hashes.

use crate::Database;
use std::cmp::Ordering;

/// What differs between two databases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    /// (ecosystem, name) whose rows, or anything a match takes from their vulnerabilities, changed; sorted.
    pub names: Vec<(String, String)>,
    /// Headings of vulnerabilities that are new, gone, or of which a text, score, alias, date, KEV or EPSS changed; sorted.
    pub vulnerabilities: Vec<String>,
}

/// Returns what differs between two databases.
pub fn diff(old: &Database, new: &Database) -> Delta {
    if old.content_hash() == new.content_hash() {
        return Delta::default();
    }
    let key = |n: crate::Name<'_>| ((n.ecosystem.to_owned(), n.name.to_owned()), n.hash);
    let heading = |db: &'_ Database, n| db.facts(n).map(|f| (f.heading.to_owned(), f.hash));
    Delta {
        names: changed(old.names().map(key), new.names().map(key)),
        vulnerabilities: changed(
            (0..old.vulnerabilities()).filter_map(|n| heading(old, n)),
            (0..new.vulnerabilities()).filter_map(|n| heading(new, n)),
        ),
    }
}

/// Returns the keys that only one side has, or that have different hashes. Both sides are sorted by key.
fn changed<K: Ord>(old: impl Iterator<Item = (K, u64)>, new: impl Iterator<Item = (K, u64)>) -> Vec<K> {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    let mut keys = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return keys,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        match order {
            Ordering::Less => keys.extend(old.next().map(|(key, _)| key)),
            Ordering::Greater => keys.extend(new.next().map(|(key, _)| key)),
            Ordering::Equal => {
                if let (Some((key, a)), Some((_, b))) = (old.next(), new.next())
                    && a != b
                {
                    keys.push(key);
                }
            }
        }
    }
}
