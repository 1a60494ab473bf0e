//! Moments and spans of time.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A moment: microseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// The `until` of what still holds.
    pub const FOREVER: Self = Self(i64::MAX);

    /// Returns the time passed since an earlier moment; a clock that went back counts as no time.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the moment a span later, at most `FOREVER`.
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns RFC 3339 in UTC, e.g. `2026-11-21T14:00:00Z`, with microseconds only where there are some.
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_microsecond(self.0).map_or_else(|_| "forever".to_owned(), |t| t.to_string())
    }

    /// Parses RFC 3339, or a date alone, which means the end of that UTC day.
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text, 23 * 3600 + 59 * 60 + 59, 999_999)
    }

    /// Parses RFC 3339, or a date alone, which means the beginning of that UTC day.
    pub fn parse_begin(text: &str) -> Option<Self> {
        Self::read(text, 0, 0)
    }

    /// Parses a moment, or a date at so many seconds and microseconds of that day.
    fn read(text: &str, seconds: i64, micros: i64) -> Option<Self> {
        if let Ok(t) = text.parse::<jiff::Timestamp>() {
            return Some(Self(t.as_microsecond()));
        }
        let date: jiff::civil::Date = text.parse().ok()?;
        let begin = date.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond();
        Some(Self(begin.checked_add(seconds * 1_000_000 + micros)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_alone_means_the_end_of_that_day_or_its_beginning() {
        assert_eq!(Micros::parse("1970-01-01"), Some(Micros(86_399_999_999)));
        assert_eq!(Micros::parse_begin("1970-01-02"), Some(Micros(86_400_000_000)));
        assert_eq!(Micros::parse_begin("1970-01-01T00:00:01Z"), Some(Micros(1_000_000)));
        assert_eq!(Micros::parse("1970-01-01T00:00:01Z"), Some(Micros(1_000_000)));
        assert_eq!(Micros::parse("yesterday"), None);
        assert_eq!(Micros(1_000_000).rfc3339(), "1970-01-01T00:00:01Z");
    }
}
