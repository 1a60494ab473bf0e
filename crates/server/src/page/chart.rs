//! Charts as SVG, each with the table that it was drawn from. Text stands beside the picture, so that it keeps its size.

mod health;
mod remediation;
mod timeline;

pub use health::{DAYS as HEALTH_DAYS, Health};
pub use remediation::Remediation;
pub use timeline::{IN_USE_DAYS, Place, Timeline};

use crate::history::{DAY, Day};
use fleet::{ReadState, Tally};
use model::Severity;
use model::time::Micros;

/// Width of a picture in its own units; the page stretches it.
const WIDTH: u64 = 1_000;
/// Height of a picture in its own units.
const HEIGHT: u64 = 100;

/// Numbers over days, as areas upon each other that add up.
pub struct Trend {
    /// What it shows, for those who do not see it.
    pub label: String,
    /// The areas, the first at the bottom.
    pub areas: Vec<Area>,
    /// What the areas are, where nothing else on the page says it: name of the colour, word.
    pub legend: Vec<(&'static str, &'static str)>,
    /// Words for the height: top, half, nothing.
    pub levels: [u64; 3],
    /// Words for the width: first, middle, last day.
    pub dates: [String; 3],
    /// The heads of the table twin, but for the first and the last.
    pub heads: Vec<&'static str>,
    /// The table twin, newest day first.
    pub rows: Vec<TrendRow>,
    /// Days that are still being counted.
    pub missing: usize,
}

/// One part of a trend.
pub struct Area {
    /// The name of its colour.
    pub word: &'static str,
    /// Its outline.
    pub path: String,
}

/// One day of a trend.
pub struct TrendRow {
    /// `2026-03-01`.
    pub date: String,
    /// The numbers, as they stand upon each other.
    pub cells: Vec<u64>,
    /// All of them.
    pub total: u64,
}

/// The severities of a trend, worst first, as they are drawn and as the table has them.
pub const TREND: [Severity; 5] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Unknown];

/// What was read, as it is drawn: name of the colour, word.
const COVERAGE: [(&str, &str); 4] =
    [("good", "Read in full"), ("medium", "With gaps"), ("critical", "Not readable"), ("unknown", "Not read yet")];

fn of(tally: &Tally, severity: Severity) -> u64 {
    match severity {
        Severity::Unknown => tally.of(Severity::Unknown) + tally.of(Severity::Negligible),
        severity => tally.of(severity),
    }
}

fn date(at: Micros) -> String {
    at.rfc3339().get(..10).unwrap_or("").to_owned()
}

/// The ends of the last days before today, oldest first, and now.
pub fn moments(now: Micros, days: i64) -> Vec<Micros> {
    let today = now.0.div_euclid(DAY);
    (today - days..today).map(|day| Micros((day + 1) * DAY - 1)).chain([now]).collect()
}

impl Trend {
    /// Draws findings by severity: the days before today, and today as it is now.
    pub fn new(past: Vec<Day>, today: (&str, &Tally)) -> Self {
        let missing = past.iter().filter(|(_, counts)| counts.is_none()).count();
        let cells = |tally: &Tally| TREND.iter().map(|severity| of(tally, *severity)).collect();
        let known = past.iter().filter_map(|(at, counts)| Some((date(*at), cells(&counts.as_ref()?.tally))));
        let days = known.chain([(today.0.to_owned(), cells(today.1))]).collect();
        let words: Vec<&str> = TREND.iter().map(|severity| severity.as_str()).collect();
        let heads = vec!["Critical", "High", "Medium", "Low", "Other"];
        Self { missing, ..Self::drawn("Open findings by severity", days, &words, heads) }
    }

    /// Draws images by whether they had been read: the last days, and now.
    pub fn coverage(moments: &[Micros], states: &[ReadState]) -> Self {
        let day = |(n, (at, state)): (usize, (&Micros, &ReadState))| {
            let name = if n + 1 == moments.len() { "now".to_owned() } else { date(*at) };
            (name, vec![state.complete, state.gaps, state.unreadable, state.unread])
        };
        let days = moments.iter().zip(states).enumerate().map(day).collect();
        let heads = COVERAGE.iter().map(|(_, head)| *head).collect();
        let trend = Self::drawn("Images by whether they were read", days, &COVERAGE.map(|(word, _)| word), heads);
        Self { legend: COVERAGE.to_vec(), ..trend }
    }

    /// Draws days of numbers. Days before the first number are left out, but for two weeks.
    fn drawn(what: &str, mut days: Vec<(String, Vec<u64>)>, words: &[&'static str], heads: Vec<&'static str>) -> Self {
        let sum = |cells: &[u64]| cells.iter().sum::<u64>();
        let first = days.iter().position(|(_, cells)| sum(cells) > 0).unwrap_or(days.len());
        let least = days.len().saturating_sub(14);
        days.drain(..first.saturating_sub(1).min(least));
        let top = nice(days.iter().map(|(_, cells)| sum(cells)).max().unwrap_or(0));
        let row = |(date, cells): &(String, Vec<u64>)| TrendRow {
            date: date.clone(),
            total: sum(cells),
            cells: cells.clone(),
        };
        let at = |n: usize| days.get(n).map(|(date, _)| date.clone()).unwrap_or_default();
        Self {
            label: format!("{what} over {} days; the table below has the numbers", days.len()),
            areas: areas(&days, words, top),
            legend: Vec::new(),
            levels: [top, top / 2, 0],
            dates: [at(0), at(days.len() / 2), at(days.len().saturating_sub(1))],
            rows: days.iter().map(row).rev().collect(),
            heads,
            missing: 0,
        }
    }
}

fn areas(days: &[(String, Vec<u64>)], words: &[&'static str], top: u64) -> Vec<Area> {
    let mut below = vec![0; days.len()];
    let mut out = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let number = |cells: &[u64]| cells.get(at).copied().unwrap_or(0);
        let above: Vec<u64> = days.iter().zip(&below).map(|((_, cells), under)| under + number(cells)).collect();
        if above != below {
            let there = above.iter().enumerate().map(|(n, level)| point(n, *level, days.len(), top));
            let back = below.iter().enumerate().rev().map(|(n, level)| point(n, *level, days.len(), top));
            let path = format!("M{}Z", there.chain(back).collect::<Vec<_>>().join("L"));
            out.push(Area { word, path });
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
        let days = [("a".to_owned(), vec![0, 10, 0]), ("b".to_owned(), vec![5, 5, 0])];
        let got: Vec<_> =
            areas(&days, &["critical", "high", "low"], 10).into_iter().map(|a| (a.word, a.path)).collect();
        let want =
            [("critical", "M0 100.0L1000 50.0L1000 100.0L0 100.0Z"), ("high", "M0 0.0L1000 0.0L1000 50.0L0 100.0Z")];
        assert_eq!(got, want.map(|(word, path)| (word, path.to_owned())));
    }

    #[test]
    fn the_days_of_a_chart_end_with_now() {
        let now = Micros(3 * DAY + 5);
        assert_eq!(moments(now, 2), [Micros(2 * DAY - 1), Micros(3 * DAY - 1), now]);
        let states = [
            ReadState::default(),
            ReadState { unread: 1, ..Default::default() },
            ReadState { complete: 1, ..Default::default() },
        ];
        let trend = Trend::coverage(&moments(now, 2), &states);
        let rows: Vec<_> = trend.rows.iter().map(|row| (row.date.as_str(), row.total)).collect();
        assert_eq!(rows, [("now", 1), ("1970-01-03", 1), ("1970-01-02", 0)]);
    }
}
