//! The images that are kept judged.
//!
//! In: when an image was pushed and pulled. Out: whether it is in the window.

use model::Micros;
use std::time::Duration;

/// The window where nobody set another. Source: "Scan registry images", 2024-09-19: images pulled within the last 30 days.
pub const WINDOW: Duration = Duration::from_secs(30 * 24 * 3600);

/// Returns whether an image is in the window that is kept judged.
///
/// All times are microseconds since the Unix epoch, UTC. A clock that went back counts as no time passed. Cannot fail.
pub fn in_window(last_push: Micros, last_pull: Option<Micros>, window: Duration, now: Micros) -> bool {
    last_pull.into_iter().chain([last_push]).any(|seen| now.saturating_since(seen) <= window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_in_the_window_as_long_as_it_is_pushed_or_pulled() {
        let day = |n: i64| Micros(n * 86_400_000_000);
        for (push, pull, now, want, why) in [
            (day(0), None, day(30), true, "the last moment"),
            (day(0), None, Micros(day(30).0 + 1), false, "a microsecond later"),
            (day(0), Some(day(20)), day(50), true, "pulled since"),
            (day(20), Some(day(0)), day(50), true, "pushed again since"),
            (day(0), Some(day(1)), day(32), false, "both too long ago"),
            (day(40), None, day(10), true, "a clock that went back"),
            (Micros(i64::MIN), None, Micros(i64::MAX), false, "the ends of time"),
        ] {
            assert_eq!(in_window(push, pull, WINDOW, now), want, "{why}");
        }
    }
}
