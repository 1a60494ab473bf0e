//! The images that are kept judged.
//!
//! In: when an image was pushed and pulled. Out: whether it is in the window; images of it that older readers read are read again.

use crate::error::in_full;
use crate::story::now;
use model::Micros;
use std::time::Duration;
use store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often images of the window are looked for that older readers read.
const ROUND: Duration = Duration::from_secs(60);
/// How often images that nobody uses leave the window: a day has many of these.
const CLOSING: Duration = Duration::from_secs(600);
/// Images that are queued in one round, so that what is pushed meanwhile is not behind them.
const A_ROUND: u32 = 500;

/// Keeps the window, now and from time to time, until the end is asked for.
pub(crate) async fn keep(store: Store, shutdown: CancellationToken) {
    let mut closed: Option<Instant> = None;
    while !shutdown.is_cancelled() {
        if closed.is_none_or(|at| at.elapsed() >= CLOSING) {
            match store.close_window(now()).await {
                Ok(0) => {}
                Ok(images) => {
                    tracing::info!(images, "nobody used these images lately; they are not kept judged any more")
                }
                Err(error) => tracing::warn!(error = in_full(&error), "the window could not be kept"),
            }
            closed = Some(Instant::now());
        }
        match store.requeue_outdated(ecosystem::revision(), A_ROUND).await {
            Ok(0) => {}
            Ok(images) => tracing::info!(images, "older readers read these images; they are read again"),
            Err(error) => tracing::warn!(error = in_full(&error), "images of older readers could not be queued"),
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

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
