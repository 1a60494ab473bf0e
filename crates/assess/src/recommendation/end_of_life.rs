//! Until when distributions are supported, long-term support included.
//!
//! Source: the release pages of Debian, Alpine, Ubuntu and CentOS. A paid extension is not counted.

use model::Micros;

/// How an image names the release (its `PRETTY_NAME` begins so), and the last day.
static LAST_DAYS: &[(&str, &str)] = &[
    ("Debian GNU/Linux 8 ", "2020-06-30"),
    ("Debian GNU/Linux 9 ", "2022-06-30"),
    ("Debian GNU/Linux 10 ", "2024-06-30"),
    ("Debian GNU/Linux 11 ", "2026-08-31"),
    ("Debian GNU/Linux 12 ", "2028-06-30"),
    ("Debian GNU/Linux 13 ", "2030-06-30"),
    ("Alpine Linux v3.12", "2022-05-01"),
    ("Alpine Linux v3.13", "2022-11-01"),
    ("Alpine Linux v3.14", "2023-05-01"),
    ("Alpine Linux v3.15", "2023-11-01"),
    ("Alpine Linux v3.16", "2024-05-23"),
    ("Alpine Linux v3.17", "2024-11-22"),
    ("Alpine Linux v3.18", "2025-05-09"),
    ("Alpine Linux v3.19", "2025-11-01"),
    ("Alpine Linux v3.20", "2026-04-01"),
    ("Alpine Linux v3.21", "2026-11-01"),
    ("Alpine Linux v3.22", "2027-05-01"),
    ("Ubuntu 14.04", "2019-04-30"),
    ("Ubuntu 16.04", "2021-04-30"),
    ("Ubuntu 18.04", "2023-05-31"),
    ("Ubuntu 20.04", "2025-05-31"),
    ("Ubuntu 22.04", "2027-04-30"),
    ("Ubuntu 24.04", "2029-04-30"),
    ("CentOS Linux 6", "2020-11-30"),
    ("CentOS Linux 7", "2024-06-30"),
    ("CentOS Linux 8", "2021-12-31"),
    ("CentOS Stream 8", "2024-05-31"),
];

/// Returns how the releases whose support is over at a moment name themselves, as patterns: `Alpine Linux v3.12*`.
pub fn over(now: Micros) -> Vec<String> {
    let past = |day: &str| Micros::parse(day).is_some_and(|last| last < now);
    LAST_DAYS.iter().filter(|(_, day)| past(day)).map(|(name, _)| format!("{name}*")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_over_the_day_after_its_last() {
        let over_at = |text: &str| over(Micros::parse(text).expect("a moment"));
        assert!(over_at("2024-07-02T00:00:00Z").contains(&"Debian GNU/Linux 10 *".to_owned()));
        assert!(!over_at("2024-06-30T12:00:00Z").contains(&"Debian GNU/Linux 10 *".to_owned()));
        assert!(LAST_DAYS.iter().all(|(_, day)| Micros::parse(day).is_some()), "every day is a day");
    }
}
