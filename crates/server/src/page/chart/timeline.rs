//! When something was where: a row for each place, a bar for each span, a mark for the last use, and where the last 30 days begin.

use super::{WIDTH, date};
use crate::history::DAY;
use model::time::Micros;

/// Rows that are drawn; the table has all of them.
const ROWS: usize = 12;
/// Height of a row.
const ROW: u64 = 22;
/// What is in use: pulled within so many days.
pub const IN_USE_DAYS: i64 = 30;

/// A place and when it had something.
pub struct Place {
    /// Its name.
    pub name: String,
    /// Where it is shown.
    pub link: String,
    /// Spans, `FOREVER` while one lasts.
    pub spans: Vec<(Micros, Micros)>,
    /// Last use, or 0.
    pub used: Micros,
}

/// The picture.
pub struct Timeline {
    /// The places that are drawn.
    pub names: Vec<(String, String)>,
    /// Its height.
    pub height: u64,
    /// Where the last 30 days begin.
    pub window: u64,
    /// Left edge, upper edge, width, whether it lasts.
    pub bars: Vec<(u64, u64, u64, bool)>,
    /// Where something was used last: left, top, whether within 30 days.
    pub uses: Vec<(u64, u64, bool)>,
    /// Words for the width: first day, now.
    pub dates: [String; 2],
    /// Places that are not drawn.
    pub more: usize,
}

impl Timeline {
    /// Draws the places until now, since the first span, and 45 days at least.
    pub fn new(places: &[Place], now: Micros) -> Self {
        let shown = || places.iter().take(ROWS);
        let first = shown().flat_map(|place| place.spans.iter().map(|span| span.0.0)).min().unwrap_or(now.0);
        let start = first.min(now.0 - IN_USE_DAYS * 3 / 2 * DAY);
        let long = (now.0 - start).max(1);
        let x = |at: Micros| {
            let at = i128::from(at.0.clamp(start, now.0) - start) * i128::from(WIDTH) / i128::from(long);
            u64::try_from(at).unwrap_or(0)
        };
        let window = Micros(now.0 - IN_USE_DAYS * DAY);
        let (mut bars, mut uses) = (Vec::new(), Vec::new());
        for (row, place) in shown().enumerate() {
            let y = row as u64 * ROW;
            let bar = |(since, until): &(Micros, Micros)| {
                (x(*since), y + 7, x(*until).saturating_sub(x(*since)).max(3), *until == Micros::FOREVER)
            };
            bars.extend(place.spans.iter().map(bar));
            if place.used.0 >= start {
                uses.push((x(place.used).clamp(2, WIDTH - 2), y + 3, place.used >= window));
            }
        }
        Self {
            names: shown().map(|place| (place.name.clone(), place.link.clone())).collect(),
            height: shown().count().max(1) as u64 * ROW,
            window: x(window),
            bars,
            uses,
            dates: [date(Micros(start)), "now".into()],
            more: places.len().saturating_sub(ROWS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_line_goes_from_the_first_span_to_now_and_shows_the_last_30_days() {
        let (day, now) = (|n: i64| Micros(n * DAY), Micros(100 * DAY));
        let place = |spans: Vec<(Micros, Micros)>, used| Place { name: "a".into(), link: String::new(), spans, used };
        for (places, window, bars, uses, why) in [
            (
                vec![place(vec![(day(0), Micros::FOREVER)], day(90))],
                700,
                vec![(0, 7, 1000, true)],
                vec![(900, 3, true)],
                "open",
            ),
            (
                vec![place(vec![(day(0), day(50))], day(20))],
                700,
                vec![(0, 7, 500, false)],
                vec![(200, 3, false)],
                "over",
            ),
            (
                vec![place(vec![(day(91), Micros::FOREVER)], Micros(0))],
                333,
                vec![(800, 7, 200, true)],
                vec![],
                "45 days at least",
            ),
        ] {
            let line = Timeline::new(&places, now);
            assert_eq!((line.window, line.bars, line.uses), (window, bars, uses), "{why}");
        }
    }
}
