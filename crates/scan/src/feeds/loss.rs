//! What a feed has lost since it was last read.
//!
//! In: how many records each of its files has, and how many rows each ecosystem, then and now. Out: what lost too much of them.
//! A publisher's mishap must not turn into "no findings", and one release may go while the feed as a whole seems well.

use advisory::{Fact, Read};
use assess::end_of_life::last_day;
use model::time::Micros;
use std::collections::BTreeMap;

/// Where there are fewer, a tenth is nothing: releases begin with a handful of rows, which come and go.
const FEW: u64 = 100;

/// Records by file, rows by ecosystem (`debian:12`).
pub(super) type Counts = BTreeMap<String, u64>;

/// Counts the rows of a fact.
pub(super) fn count(counts: &mut Counts, fact: &Fact) {
    let Fact::Advisory(advisory) = fact else { return };
    for affected in &advisory.affected {
        match counts.get_mut(&affected.ecosystem) {
            Some(count) => *count = count.saturating_add(1),
            None => drop(counts.insert(affected.ecosystem.clone(), 1)),
        }
    }
}

/// Adds the records of files.
pub(super) fn count_files(counts: &mut Counts, read: &Read) {
    counts.extend(read.files.iter().cloned());
}

/// Says what is gone, or lost more than a tenth. A release whose support is over goes from its feed one day, and may.
pub(super) fn lost(before: &Counts, now: &Counts, at: Micros) -> Option<String> {
    let has = |what: &str| now.get(what).copied().unwrap_or(0);
    let lost = |what: &str, had: u64| match has(what) {
        0 => had > 0,
        left => had >= FEW && left.saturating_mul(10) < had.saturating_mul(9),
    };
    let (what, had) = before.iter().find(|(what, had)| lost(what, **had) && last_day(what, at).is_none())?;
    Some(match has(what) {
        0 => format!("nothing is said of {what}, and {had} records were"),
        left => format!("{what} has {left} records and had {had}: more than a tenth is lost"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_gone_or_lost_a_tenth_is_named() {
        let counts = |rows: &[(&str, u64)]| rows.iter().map(|(what, n)| ((*what).to_owned(), *n)).collect::<Counts>();
        let before = counts(&[("debian:8", 1_000), ("debian:12", 1_000), ("debian:15", 20), ("https://a/b.json", 500)]);
        let with = |what: &str, n: u64| {
            let mut now = before.clone();
            now.insert(what.to_owned(), n);
            now
        };
        let mut without = before.clone();
        without.remove("debian:12");
        for (now, want, why) in [
            (before.clone(), None, "as before"),
            (with("debian:12", 900), None, "exactly a tenth"),
            (with("debian:12", 899), Some("debian:12"), "over a tenth"),
            (without, Some("debian:12"), "gone"),
            (with("https://a/b.json", 0), Some("https://a/b.json"), "a file without records"),
            (with("debian:15", 5), None, "a release that has hardly begun"),
            (with("debian:15", 0), Some("debian:15"), "but it does not vanish"),
            (with("debian:8", 0), None, "its support is over"),
            (with("npm", 1), None, "what is new has lost nothing"),
        ] {
            let said = lost(&before, &now, Micros::parse("2026-11-01").unwrap());
            assert_eq!(said.is_some(), want.is_some(), "{why}: {said:?}");
            assert!(want.is_none_or(|name| said.unwrap().contains(name)), "{why}");
        }
        assert_eq!(lost(&Counts::new(), &before, Micros(0)), None, "nothing was known");
    }
}
