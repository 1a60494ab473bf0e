//! OSV events → intervals.
//!
//! In: the events of a range, in any order. Out: intervals, ascending and apart. Walking up the versions, `introduced` opens,
//! `fixed` and `last_affected` close, what repeats says nothing. `limit` caps what the range speaks of.

use super::record;
use crate::once;
use model::advisory::{End, Range};
use std::cmp::Ordering;

/// How a scheme orders versions.
type Compare = fn(&str, &str) -> Ordering;

/// What happens at a version.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    Opens,
    Fixes,
    Lasts,
}

/// Returns the intervals of the ranges that speak of versions.
pub(super) fn of(ranges: &[record::Range], compare: Compare) -> Vec<Range> {
    let spoken = ranges.iter().filter(|r| r.kind == "SEMVER" || r.kind == "ECOSYSTEM");
    let all = spoken.flat_map(|range| intervals(&range.events, compare));
    let mut all: Vec<(String, End)> = all.map(|range| (range.introduced, range.end)).collect();
    once::keep_first(&mut all);
    all.into_iter().map(|(introduced, end)| Range { introduced, end }).collect()
}

fn intervals(events: &[record::Event], compare: Compare) -> Vec<Range> {
    let mut steps: Vec<(&str, Step)> = Vec::with_capacity(events.len());
    for event in events {
        let known =
            [(&event.introduced, Step::Opens), (&event.fixed, Step::Fixes), (&event.last_affected, Step::Lasts)];
        steps.extend(known.iter().filter_map(|(version, step)| Some((version.as_deref()?, *step))));
    }
    // Events at one version stay in the order in which they were written.
    steps.sort_by(|(a, _), (b, _)| order(a, b, compare));
    let mut all = Vec::new();
    let mut open: Option<&str> = None;
    for (version, step) in steps {
        match (step, open) {
            (Step::Opens, None) => open = Some(version),
            (Step::Opens, Some(_)) | (_, None) => {}
            (Step::Fixes, Some(from)) => {
                if order(from, version, compare).is_lt() {
                    all.push(interval(from, End::Fixed(version.to_owned())));
                }
                open = None;
            }
            (Step::Lasts, Some(from)) => {
                all.push(interval(from, End::LastAffected(version.to_owned())));
                open = None;
            }
        }
    }
    all.extend(open.map(|from| interval(from, End::Open)));
    cap(all, events, compare)
}

fn interval(from: &str, end: End) -> Range {
    Range { introduced: if from == "0" { String::new() } else { from.to_owned() }, end }
}

/// Orders versions; `0` as an event is before every version, even before `0-alpha`.
fn order(a: &str, b: &str, compare: Compare) -> Ordering {
    match (a == "0", b == "0") {
        (false, false) => compare(a, b),
        (a, b) => b.cmp(&a),
    }
}

/// Cuts intervals at the limit, if there is one and none is `*`.
fn cap(all: Vec<Range>, events: &[record::Event], compare: Compare) -> Vec<Range> {
    let limits = || events.iter().filter_map(|e| e.limit.as_deref());
    let Some(limit) = limits().max_by(|a, b| compare(a, b)).filter(|_| !limits().any(|l| l == "*")) else {
        return all;
    };
    let mut kept = Vec::new();
    for mut range in all {
        if !range.introduced.is_empty() && compare(&range.introduced, limit).is_ge() {
            continue;
        }
        let reaches = match &range.end {
            End::Open => true,
            End::Fixed(version) | End::Limit(version) => compare(version, limit).is_gt(),
            End::LastAffected(version) => compare(version, limit).is_ge(),
        };
        if reaches {
            range.end = End::Limit(limit.to_owned());
        }
        kept.push(range);
    }
    kept
}

/// Which versions some intervals hold, to be asked for each of many.
pub(super) struct Held<'a> {
    /// Where an interval begins, ascending, and the furthest end of those that begin there or before.
    steps: Vec<(&'a str, &'a End)>,
    compare: Compare,
}

impl<'a> Held<'a> {
    pub(super) fn by(ranges: &'a [Range], compare: Compare) -> Self {
        let mut steps: Vec<(&str, &End)> = ranges.iter().map(|r| (r.introduced.as_str(), &r.end)).collect();
        steps.sort_by(|(a, _), (b, _)| match (a.is_empty(), b.is_empty()) {
            (false, false) => compare(a, b),
            (a, b) => b.cmp(&a),
        });
        let mut furthest: Option<&End> = None;
        for (_, end) in &mut steps {
            *end = furthest.filter(|before| !reaches_further(end, before, compare)).unwrap_or(*end);
            furthest = Some(*end);
        }
        Self { steps, compare }
    }

    /// Returns whether an interval holds a version.
    pub(super) fn holds(&self, version: &str) -> bool {
        let begun = self.steps.partition_point(|(from, _)| from.is_empty() || (self.compare)(version, from).is_ge());
        let last = begun.checked_sub(1).and_then(|at| self.steps.get(at));
        last.is_some_and(|(_, end)| match bound(end) {
            None => true,
            Some((end, true)) => (self.compare)(version, end).is_le(),
            Some((end, false)) => (self.compare)(version, end).is_lt(),
        })
    }
}

/// Returns whether an end is behind another.
fn reaches_further(end: &End, other: &End, compare: Compare) -> bool {
    match (bound(end), bound(other)) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some((a, a_holds)), Some((b, b_holds))) => compare(a, b).then(a_holds.cmp(&b_holds)).is_gt(),
    }
}

/// Returns the version at which an interval ends, and whether it holds that one.
fn bound(end: &End) -> Option<(&str, bool)> {
    match end {
        End::Open => None,
        End::Fixed(version) | End::Limit(version) => Some((version, false)),
        End::LastAffected(version) => Some((version, true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_become_intervals() {
        for (events, want, why) in [
            ("i0 f2", ", <2", "from the start"),
            ("i1.5 f2 i3 f3.1", "1.5, <2 | 3, <3.1", "two pairs"),
            ("f3.1 i3 f2 i1.5", "1.5, <2 | 3, <3.1", "in any order"),
            ("i1 f10 i9", "1, <10", "9 is before 10"),
            ("i0", ", ", "no fix"),
            ("i0 l1.9", ", <=1.9", "last affected"),
            ("i0 l1.9 l1.5", ", <=1.5", "the first end counts"),
            ("i0 f2 f3", ", <2", "the first fix counts"),
            ("i0 f2 i2 f3", ", <2 | 2, <3", "fixed and broken again at one version"),
            ("i2 f2", "", "nothing"),
            ("i2 l2", "2, <=2", "one version"),
            ("f2", "", "never introduced"),
            ("i1 f2 i3", "1, <2 | 3, ", "open again"),
            ("i0 m3", ", ^3", "a limit"),
            ("i0 f2 m3", ", <2", "fixed before the limit"),
            ("i0 f4 i5 f6 m3", ", ^3", "cut at the limit"),
            ("i0 m*", ", ", "no limit"),
        ] {
            let events: Vec<record::Event> = events
                .split(' ')
                .map(|e| {
                    let version = Some(e[1..].to_owned());
                    match &e[..1] {
                        "i" => record::Event { introduced: version, ..Default::default() },
                        "f" => record::Event { fixed: version, ..Default::default() },
                        "l" => record::Event { last_affected: version, ..Default::default() },
                        _ => record::Event { limit: version, ..Default::default() },
                    }
                })
                .collect();
            let shown: Vec<String> = intervals(&events, ecosystem::order::pep440::compare)
                .iter()
                .map(|r| match &r.end {
                    End::Open => format!("{}, ", r.introduced),
                    End::Fixed(v) => format!("{}, <{v}", r.introduced),
                    End::LastAffected(v) => format!("{}, <={v}", r.introduced),
                    End::Limit(v) => format!("{}, ^{v}", r.introduced),
                })
                .collect();
            assert_eq!(shown.join(" | "), want, "{why}");
        }
    }

    fn range(introduced: &str, end: End) -> Range {
        Range { introduced: introduced.into(), end }
    }

    #[test]
    fn a_version_is_held_where_any_interval_holds_it() {
        let (fixed, last) = (|v: &str| End::Fixed(v.into()), |v: &str| End::LastAffected(v.into()));
        for (ranges, held, not, why) in [
            (vec![], "", "0 1", "nothing"),
            (vec![range("", fixed("2"))], "0 1.9", "2 3", "from the start to a fix"),
            (vec![range("1", last("2"))], "1 2", "0.9 2.1", "the last one is held"),
            (vec![range("3", End::Open), range("1", fixed("2"))], "1 3 99", "0 2 2.5", "written in any order"),
            (
                vec![range("", fixed("9")), range("2", fixed("3"))],
                "1 4 8",
                "9",
                "a long one goes on behind a short one",
            ),
            (vec![range("1", fixed("2")), range("1", last("2"))], "1 2", "2.1", "two that begin and end alike"),
            (vec![range("1", last("2")), range("1.5", End::Limit("2".into()))], "2", "0 3", "and in the other order"),
        ] {
            let asked = Held::by(&ranges, ecosystem::order::pep440::compare);
            for version in held.split_whitespace() {
                assert!(asked.holds(version), "{why}: {version}");
            }
            for version in not.split_whitespace() {
                assert!(!asked.holds(version), "{why}: {version}");
            }
        }
    }

    /// Each pair of events and each version costs a few comparisons, not one with every other.
    #[test]
    fn what_a_record_costs_grows_with_its_length_alone() {
        use std::cell::Cell;
        thread_local!(static COMPARED: Cell<u64> = const { Cell::new(0) });
        fn counted(a: &str, b: &str) -> Ordering {
            COMPARED.set(COMPARED.get() + 1);
            (a.len(), a).cmp(&(b.len(), b))
        }
        const EVENTS: u64 = 200_000;
        let event = |n: u64| match n % 2 {
            0 => record::Event { introduced: Some(n.to_string()), ..Default::default() },
            _ => record::Event { fixed: Some(n.to_string()), ..Default::default() },
        };
        for a_range in [EVENTS, 2] {
            let ranges = (0..EVENTS).step_by(usize::try_from(a_range).unwrap()).map(|from| record::Range {
                kind: "SEMVER".into(),
                events: (from..from + a_range).map(event).collect(),
            });
            COMPARED.set(0);
            let all = of(&ranges.collect::<Vec<_>>(), counted);
            assert_eq!(all.len() as u64, EVENTS / 2);
            let asked = Held::by(&all, counted);
            assert_eq!((0..EVENTS).filter(|n| asked.holds(&n.to_string())).count() as u64, EVENTS / 2);
            assert!(COMPARED.get() < EVENTS * 64, "{} comparisons, {a_range} events a range", COMPARED.get());
        }
    }
}
