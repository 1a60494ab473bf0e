//! OSV events → intervals.
//!
//! In: the events of a range, in any order. Out: intervals, ascending and apart. Walking up the versions, `introduced` opens,
//! `fixed` and `last_affected` close, what repeats says nothing. `limit` caps what the range speaks of.

use super::record;
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
    let mut all: Vec<Range> = Vec::new();
    for range in spoken {
        for interval in intervals(&range.events, compare) {
            if !all.contains(&interval) {
                all.push(interval);
            }
        }
    }
    all
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

/// Returns whether an interval holds a version.
pub(super) fn holds(range: &Range, version: &str, compare: Compare) -> bool {
    let begun = range.introduced.is_empty() || compare(version, &range.introduced).is_ge();
    begun
        && match &range.end {
            End::Open => true,
            End::Fixed(end) | End::Limit(end) => compare(version, end).is_lt(),
            End::LastAffected(end) => compare(version, end).is_le(),
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
}
