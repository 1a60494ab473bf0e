//! Until when distributions are supported, long-term support included.
//!
//! In: a moment. Out: which releases are over by then. After its last day nobody reports what is new in a release: that few
//! advisories speak of it is no sign of health.
//! Source: the release pages of Debian, Alpine, Ubuntu and CentOS. A paid extension is not counted.

use model::Micros;

/// The release as packages name it, how an image names it (`PRETTY_NAME`), and the last day. CentOS Linux 8 and Stream 8 are one
/// release to packages: the later day counts.
static LAST_DAYS: &[(&str, &str, &str)] = &[
    ("debian:6", "Debian GNU/Linux 6 *", "2016-02-29"),
    ("debian:7", "Debian GNU/Linux 7 *", "2018-05-31"),
    ("debian:8", "Debian GNU/Linux 8 *", "2020-06-30"),
    ("debian:9", "Debian GNU/Linux 9 *", "2022-06-30"),
    ("debian:10", "Debian GNU/Linux 10 *", "2024-06-30"),
    ("debian:11", "Debian GNU/Linux 11 *", "2026-08-31"),
    ("debian:12", "Debian GNU/Linux 12 *", "2028-06-30"),
    ("debian:13", "Debian GNU/Linux 13 *", "2030-06-30"),
    ("alpine:3.0", "Alpine Linux v3.0", "2016-05-01"),
    ("alpine:3.1", "Alpine Linux v3.1", "2016-11-01"),
    ("alpine:3.2", "Alpine Linux v3.2", "2017-05-01"),
    ("alpine:3.3", "Alpine Linux v3.3", "2017-11-01"),
    ("alpine:3.4", "Alpine Linux v3.4", "2018-05-01"),
    ("alpine:3.5", "Alpine Linux v3.5", "2018-11-01"),
    ("alpine:3.6", "Alpine Linux v3.6", "2019-05-01"),
    ("alpine:3.7", "Alpine Linux v3.7", "2019-11-01"),
    ("alpine:3.8", "Alpine Linux v3.8", "2020-05-01"),
    ("alpine:3.9", "Alpine Linux v3.9", "2020-11-01"),
    ("alpine:3.10", "Alpine Linux v3.10", "2021-05-01"),
    ("alpine:3.11", "Alpine Linux v3.11", "2021-11-01"),
    ("alpine:3.12", "Alpine Linux v3.12", "2022-05-01"),
    ("alpine:3.13", "Alpine Linux v3.13", "2022-11-01"),
    ("alpine:3.14", "Alpine Linux v3.14", "2023-05-01"),
    ("alpine:3.15", "Alpine Linux v3.15", "2023-11-01"),
    ("alpine:3.16", "Alpine Linux v3.16", "2024-05-23"),
    ("alpine:3.17", "Alpine Linux v3.17", "2024-11-22"),
    ("alpine:3.18", "Alpine Linux v3.18", "2025-05-09"),
    ("alpine:3.19", "Alpine Linux v3.19", "2025-11-01"),
    ("alpine:3.20", "Alpine Linux v3.20", "2026-04-01"),
    ("alpine:3.21", "Alpine Linux v3.21", "2026-11-01"),
    ("alpine:3.22", "Alpine Linux v3.22", "2027-05-01"),
    ("alpine:3.23", "Alpine Linux v3.23", "2027-11-01"),
    ("alpine:3.24", "Alpine Linux v3.24", "2028-06-01"),
    ("ubuntu:14.04", "Ubuntu 14.04*", "2019-04-30"),
    ("ubuntu:16.04", "Ubuntu 16.04*", "2021-04-30"),
    ("ubuntu:18.04", "Ubuntu 18.04*", "2023-05-31"),
    ("ubuntu:20.04", "Ubuntu 20.04*", "2025-05-31"),
    ("ubuntu:22.04", "Ubuntu 22.04*", "2027-04-30"),
    ("ubuntu:24.04", "Ubuntu 24.04*", "2029-04-30"),
    ("rpm:centos:6", "CentOS Linux 6*", "2020-11-30"),
    ("rpm:centos:7", "CentOS Linux 7*", "2024-06-30"),
    ("", "CentOS Linux 8*", "2021-12-31"),
    ("rpm:centos:8", "CentOS Stream 8*", "2024-05-31"),
];

fn is_past(day: &str, now: Micros) -> bool {
    Micros::parse(day).is_some_and(|last| last < now)
}

/// Returns how the releases whose support is over at a moment name themselves, as patterns: `Ubuntu 18.04*`.
pub fn over(now: Micros) -> Vec<String> {
    LAST_DAYS.iter().filter(|(_, _, day)| is_past(day, now)).map(|(_, name, _)| (*name).to_owned()).collect()
}

/// Returns the last day of a release (`debian:8`) whose support is over at a moment.
pub fn last_day(release: &str, now: Micros) -> Option<&'static str> {
    let known = LAST_DAYS.iter().find(|(known, _, _)| !known.is_empty() && *known == release);
    known.map(|(_, _, day)| *day).filter(|day| is_past(day, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        Micros::parse(text).expect("a moment")
    }

    #[test]
    fn a_release_is_over_the_day_after_its_last() {
        let over_at = |text: &str| over(at(text));
        assert!(over_at("2024-07-02T00:00:00Z").contains(&"Debian GNU/Linux 10 *".to_owned()));
        assert!(!over_at("2024-06-30T12:00:00Z").contains(&"Debian GNU/Linux 10 *".to_owned()));
        for (release, now, want) in [
            ("debian:8", "2026-01-01", Some("2020-06-30")),
            ("debian:11", "2026-08-31T23:00:00Z", None),
            ("debian:11", "2026-09-01T01:00:00Z", Some("2026-08-31")),
            ("debian:sid", "2036-01-01", None),
            ("alpine:3.2", "2026-01-01", Some("2017-05-01")),
            ("alpine:3.22", "2026-01-01", None),
            ("", "2036-01-01", None),
        ] {
            assert_eq!(last_day(release, at(now)), want, "{release} at {now}");
        }
    }

    #[test]
    fn every_row_is_a_release_and_a_day() {
        for (release, name, day) in LAST_DAYS {
            assert!(Micros::parse(day).is_some() && !name.is_empty(), "{name}");
            let same = LAST_DAYS.iter().filter(|(other, ..)| !release.is_empty() && other == release).count();
            assert!(same <= 1, "{release} is there twice");
            let named = |text: &str| model::pattern::Pattern::new(name).matches(text);
            assert!(!named("Alpine Linux v3.99") && !named("Alpine Linux edge"), "{name} stands for itself");
        }
    }
}
