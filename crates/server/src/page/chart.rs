//! Charts as SVG, each with the table that it was drawn from. Text stands beside the picture, so that it keeps its size.

use crate::history::Day;
use fleet::Tally;
use model::Severity;

/// Width of a picture in its own units; the page stretches it.
const WIDTH: u64 = 1_000;
/// Height of a picture in its own units.
const HEIGHT: u64 = 100;

/// Findings by severity over days, as areas upon each other that add up.
pub struct Trend {
    /// The areas, worst at the bottom.
    pub areas: Vec<Area>,
    /// Words for the height: top, half, nothing.
    pub levels: [u64; 3],
    /// Words for the width: first, middle, last day.
    pub dates: [String; 3],
    /// The table twin, newest day first.
    pub rows: Vec<TrendRow>,
    /// Days that are still being counted.
    pub missing: usize,
    /// How many days there are.
    pub days: usize,
}

/// One severity of a trend.
pub struct Area {
    /// The severity.
    pub word: &'static str,
    /// Its outline.
    pub path: String,
}

/// One day of a trend.
pub struct TrendRow {
    /// `2026-03-01`.
    pub date: String,
    /// Findings by severity, worst first.
    pub cells: Vec<u64>,
    /// All of them.
    pub total: u64,
}

/// The severities of a trend, worst first, as they are drawn and as the table has them.
pub const TREND: [Severity; 5] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Unknown];

fn of(tally: &Tally, severity: Severity) -> u64 {
    match severity {
        Severity::Unknown => tally.of(Severity::Unknown) + tally.of(Severity::Negligible),
        severity => tally.of(severity),
    }
}

impl Trend {
    /// Draws the days before today, and today as it is now. Days before the first finding are left out, but for two weeks.
    pub fn new(past: Vec<Day>, today: (&str, &Tally)) -> Self {
        let missing = past.iter().filter(|(_, counts)| counts.is_none()).count();
        let date = |at: model::time::Micros| at.rfc3339().get(..10).unwrap_or("").to_owned();
        let known = past.iter().filter_map(|(at, counts)| Some((date(*at), counts.as_ref()?.tally)));
        let mut days: Vec<(String, Tally)> = known.chain([(today.0.to_owned(), *today.1)]).collect();
        let first = days.iter().position(|(_, tally)| tally.findings() > 0).unwrap_or(days.len());
        let least = days.len().saturating_sub(14);
        days.drain(..first.saturating_sub(1).min(least));
        let top = nice(days.iter().map(|(_, tally)| tally.findings()).max().unwrap_or(0));
        let row = |(date, tally): &(String, Tally)| TrendRow {
            date: date.clone(),
            cells: TREND.iter().map(|severity| of(tally, *severity)).collect(),
            total: tally.findings(),
        };
        let rows: Vec<TrendRow> = days.iter().map(row).rev().collect();
        let at = |n: usize| days.get(n).map(|(date, _)| date.clone()).unwrap_or_default();
        Self {
            areas: areas(&days, top),
            levels: [top, top / 2, 0],
            dates: [at(0), at(days.len() / 2), at(days.len().saturating_sub(1))],
            rows,
            missing,
            days: days.len(),
        }
    }
}

fn areas(days: &[(String, Tally)], top: u64) -> Vec<Area> {
    let mut below = vec![0; days.len()];
    let mut out = Vec::new();
    for severity in TREND {
        let above: Vec<u64> = days.iter().zip(&below).map(|((_, tally), under)| under + of(tally, severity)).collect();
        if above != below {
            let there = above.iter().enumerate().map(|(n, level)| point(n, *level, days.len(), top));
            let back = below.iter().enumerate().rev().map(|(n, level)| point(n, *level, days.len(), top));
            let path = format!("M{}Z", there.chain(back).collect::<Vec<_>>().join("L"));
            out.push(Area { word: severity.as_str(), path });
        }
        below = above;
    }
    out
}

fn point(n: usize, level: u64, days: usize, top: u64) -> String {
    let x = n as u64 * WIDTH / (days.saturating_sub(1).max(1) as u64);
    let y = (HEIGHT * 10).saturating_sub(level * HEIGHT * 10 / top.max(1));
    format!("{x} {}.{}", y / 10, y % 10)
}

/// A round number that is not less: what the top of an axis says.
fn nice(most: u64) -> u64 {
    let mut step = 1;
    loop {
        for round in [2, 4, 6, 8, 10] {
            if round * step >= most {
                return round * step;
            }
        }
        step *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_of_an_axis_is_round_and_not_less() {
        for (most, want) in [(0, 2), (1, 2), (3, 4), (11, 20), (84, 100), (1021, 2000), (61_000, 80_000)] {
            assert_eq!(nice(most), want, "{most}");
        }
    }

    #[test]
    fn areas_stand_upon_each_other_and_add_up() {
        let tally = |critical, high| {
            let mut tally = Tally::default();
            tally.severities[Severity::Critical as usize] = critical;
            tally.severities[Severity::High as usize] = high;
            tally
        };
        let days = [("a".to_owned(), tally(0, 10)), ("b".to_owned(), tally(5, 5))];
        let got: Vec<_> = areas(&days, 10).into_iter().map(|area| (area.word, area.path)).collect();
        let want =
            [("critical", "M0 100.0L1000 50.0L1000 100.0L0 100.0Z"), ("high", "M0 0.0L1000 0.0L1000 50.0L0 100.0Z")];
        assert_eq!(got, want.map(|(word, path)| (word, path.to_owned())));
    }
}
