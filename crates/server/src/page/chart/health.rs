//! How long scans waited and took: by day, as steps, with the table that they were drawn from.

use super::{HEIGHT, WIDTH, date, nice};
use crate::history::DAY;
use model::time::Micros;
use store::ScanTimes;

/// Days that are shown.
pub const DAYS: i64 = 30;
/// The lines: class of the stroke, what it is, and the share of scans that were as quick.
const LINES: [(&str, &str, Of, usize); 3] = [
    ("dashed", "Waited, 95 % at most", waited, 95),
    ("line", "Took, 95 % at most", took, 95),
    ("line pale", "Took, half at most", took, 50),
];

type Of = fn(&ScanTimes) -> Option<u64>;

/// Milliseconds from the order to the work; unknown of scans of older versions.
fn waited(scan: &ScanTimes) -> Option<u64> {
    (scan.queued.0 != 0).then(|| millis(scan.queued, scan.started))
}

fn took(scan: &ScanTimes) -> Option<u64> {
    Some(millis(scan.started, scan.finished))
}

fn millis(from: Micros, to: Micros) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0) / 1_000).unwrap_or(0)
}

/// The picture.
pub struct Health {
    /// The lines that have a step: class, outline.
    pub lines: Vec<(&'static str, String)>,
    /// What the lines are: class, words.
    pub legend: Vec<(&'static str, &'static str)>,
    /// Words for the height: top, half, nothing.
    pub levels: [String; 3],
    /// Words for the width: first day, today.
    pub dates: [String; 2],
    /// The table twin, newest day first; days without a scan are left out.
    pub rows: Vec<Row>,
    /// Scans that are shown.
    pub scans: usize,
}

/// One day.
pub struct Row {
    /// `2026-03-01`.
    pub date: String,
    /// How many scans ended.
    pub scans: usize,
    /// As the lines say it.
    pub cells: Vec<String>,
}

impl Health {
    /// Draws the scans of the last days, today included.
    pub fn new(scans: &[ScanTimes], now: Micros) -> Self {
        let today = now.0.div_euclid(DAY);
        let first = today - DAYS + 1;
        let mut days: Vec<Vec<&ScanTimes>> = vec![Vec::new(); DAYS as usize];
        for scan in scans {
            let day = usize::try_from(scan.finished.0.div_euclid(DAY) - first).ok();
            if let Some(day) = day.and_then(|day| days.get_mut(day)) {
                day.push(scan);
            }
        }
        let figures: Vec<Vec<Option<u64>>> =
            LINES.iter().map(|(_, _, of, share)| days.iter().map(|day| within(day, *of, *share)).collect()).collect();
        let top = nice(figures.iter().flatten().flatten().copied().max().unwrap_or(0));
        let mut lines: Vec<_> =
            LINES.iter().zip(&figures).map(|((class, ..), days)| (*class, steps(days, top))).collect();
        lines.retain(|(_, path)| !path.is_empty());
        let row = |day: usize| Row {
            date: date(Micros((first + day as i64) * DAY)),
            scans: days[day].len(),
            cells: figures.iter().map(|line| line[day].map(span).unwrap_or_default()).collect(),
        };
        Self {
            lines,
            legend: LINES.iter().map(|(class, words, ..)| (*class, *words)).collect(),
            levels: [top, top / 2, 0].map(span),
            dates: [date(Micros(first * DAY)), "today".into()],
            rows: (0..days.len()).rev().filter(|day| !days[*day].is_empty()).map(row).collect(),
            scans: days.iter().map(Vec::len).sum(),
        }
    }
}

/// The figure that so many per cent of the scans do not exceed.
fn within(scans: &[&ScanTimes], of: Of, share: usize) -> Option<u64> {
    let mut known: Vec<u64> = scans.iter().filter_map(|scan| of(scan)).collect();
    known.sort_unstable();
    known.get((known.len() * share).div_ceil(100).saturating_sub(1)).copied()
}

/// One step a day; a day without a figure has none.
fn steps(days: &[Option<u64>], top: u64) -> String {
    let edge = |day: usize| day as u64 * WIDTH / days.len() as u64;
    let step = |(day, figure): (usize, &Option<u64>)| {
        let y = (HEIGHT * 10).saturating_sub((*figure)? * HEIGHT * 10 / top.max(1));
        Some(format!("M{} {}.{}H{}", edge(day), y / 10, y % 10, edge(day + 1)))
    };
    days.iter().enumerate().filter_map(step).collect()
}

/// Milliseconds for people.
fn span(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..120_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        120_000..7_200_000 => format!("{} min", millis / 60_000),
        _ => format!("{} h", millis / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_are_told_by_the_day_on_which_they_ended() {
        let now = Micros(100 * DAY + 5);
        let scan = |day: i64, waited: i64, took: i64| {
            let finished = Micros(day * DAY);
            let started = Micros(finished.0 - took * 1_000);
            let queued = Micros(if waited == 0 { 0 } else { started.0 - waited * 1_000 });
            ScanTimes { queued, started, finished }
        };
        let mut scans: Vec<_> = (1..=20).map(|n| scan(100, 100 * n, 10 * n)).collect();
        scans.extend([scan(71, 0, 400), scan(70, 1, 1), scan(101, 1, 1)]);
        let health = Health::new(&scans, now);
        assert_eq!(health.scans, 21, "the first of 31 days and tomorrow are left out");
        let rows: Vec<_> = health.rows.iter().map(|row| (row.date.as_str(), row.scans, row.cells.join("|"))).collect();
        let want = [("1970-04-11", 20, "1.9 s|190 ms|100 ms".to_owned()), ("1970-03-13", 1, "|400 ms|400 ms".into())];
        assert_eq!(rows, want);
        assert_eq!(health.levels, ["2.0 s", "1.0 s", "0 ms"]);
        assert_eq!(health.lines[0], ("dashed", "M966 5.0H1000".to_owned()));
        assert!(health.lines[1].1.starts_with("M0 80.0H33M"), "{}", health.lines[1].1);
        assert_eq!(Health::new(&[], now).lines, []);
    }

    #[test]
    fn spans_are_short() {
        for (millis, want) in
            [(999, "999 ms"), (1_950, "1.9 s"), (119_999, "119.9 s"), (120_000, "2 min"), (7_200_000, "2 h")]
        {
            assert_eq!(span(millis), want);
        }
    }
}
