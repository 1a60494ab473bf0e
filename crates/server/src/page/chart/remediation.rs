//! How long findings stay: by severity the days until half and until nine tenths of them were gone, and how old the open ones are.

use super::{HEIGHT, WIDTH, nice};
use fleet::Spread;
use model::Severity;

/// The severities that are shown, worst first.
const SHOWN: [Severity; 4] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
/// Ages in the table twin of the curve.
const AGES: [u32; 7] = [0, 7, 30, 60, 90, 180, 365];
/// Points of the curve.
const POINTS: u32 = 50;

/// How long findings stay.
pub struct Remediation {
    /// The rows of the table twin, worst first.
    pub rows: Vec<Row>,
    /// The bars: name of the colour, left edge, upper edge, width.
    pub bars: Vec<Bar>,
    /// Words for the width: nothing, half, all, in days.
    pub days: [u64; 3],
    /// Open findings that are at least so old, as a line.
    pub curve: String,
    /// Words for the height of the curve: top, half, nothing.
    pub levels: [u64; 3],
    /// Words for the width of the curve, in days.
    pub ages: [u64; 3],
    /// The table twin of the curve: days, findings.
    pub older: Vec<(u32, u64)>,
    /// What went, or is kept out, otherwise.
    pub apart: String,
    /// Whether there is anything to show.
    pub any: bool,
}

/// One severity.
pub struct Row {
    /// The severity.
    pub severity: &'static str,
    /// Those that were remediated, those that are open.
    pub figures: [Figures; 2],
}

/// How many, and within how many days half and nine tenths of them are.
pub struct Figures {
    /// How many.
    pub count: u64,
    /// Half.
    pub half: String,
    /// Nine tenths.
    pub most: String,
}

/// One bar.
pub struct Bar {
    /// The name of its colour.
    pub word: &'static str,
    /// Whether it is the pale part, from half to nine tenths.
    pub pale: bool,
    /// Left edge.
    pub x: u64,
    /// Upper edge.
    pub y: u64,
    /// Width.
    pub width: u64,
}

impl Remediation {
    /// Draws what the index says.
    pub fn new(found: &fleet::Remediation) -> Self {
        let of = |all: &[Spread; 6], severity: Severity| all[severity as usize].clone();
        let both = SHOWN.map(|severity| (severity, of(&found.remediated, severity), of(&found.open, severity)));
        let longest = both.iter().flat_map(|(_, gone, open)| [gone.within(90), open.within(90)]).flatten().max();
        let top = nice(u64::from(longest.unwrap_or(0)));
        let mut bars = Vec::new();
        for (row, (severity, gone, open)) in both.iter().enumerate() {
            let y = row as u64 * (HEIGHT / 4);
            bars.extend(bar(severity.as_str(), gone, top, y + 4));
            bars.extend(bar("unknown", open, top, y + 14));
        }
        let oldest = found.open.iter().filter_map(|spread| spread.within(100)).max().unwrap_or(0).max(1);
        let older = |days: u32| found.open.iter().map(|spread| spread.at_least(days)).sum::<u64>();
        let high = nice(older(0));
        let point = |n: u32| {
            let y =
                HEIGHT - older((u64::from(oldest) * u64::from(n) / u64::from(POINTS)) as u32) * HEIGHT / high.max(1);
            format!("{} {y}", u64::from(n) * WIDTH / u64::from(POINTS))
        };
        Self {
            any: both.iter().any(|(_, gone, open)| gone.count() + open.count() > 0),
            rows: both.iter().map(|(severity, gone, open)| row(*severity, gone, open)).collect(),
            bars,
            days: [0, top / 2, top],
            curve: format!("M{}", (0..=POINTS).map(point).collect::<Vec<_>>().join("L")),
            levels: [high, high / 2, 0],
            ages: [0, u64::from(oldest) / 2, u64::from(oldest)],
            older: AGES.iter().filter(|days| **days <= oldest).map(|days| (*days, older(*days))).collect(),
            apart: apart(found),
        }
    }
}

/// Up to half of them, and from there to nine tenths.
fn bar(word: &'static str, spread: &Spread, top: u64, y: u64) -> Vec<Bar> {
    let (Some(half), Some(most)) = (spread.within(50), spread.within(90)) else { return Vec::new() };
    // Less than a day is seen as well.
    let edge = |days: u32| (u64::from(days) * WIDTH / top.max(1)).max(4);
    let (half, most) = (edge(half), edge(most));
    vec![Bar { word, pale: false, x: 0, y, width: half }, Bar { word, pale: true, x: half, y, width: most - half }]
}

fn row(severity: Severity, gone: &Spread, open: &Spread) -> Row {
    let days = |days: Option<u32>| days.map(|days| days.to_string()).unwrap_or_default();
    let figures = |of: &Spread| Figures { count: of.count(), half: days(of.within(50)), most: days(of.within(90)) };
    Row { severity: severity.as_str(), figures: [figures(gone), figures(open)] }
}

/// What is in none of the figures.
fn apart(found: &fleet::Remediation) -> String {
    let parts = [
        (found.deleted, "went with a deleted tag"),
        (found.withdrawn, "went because an advisory changed"),
        (found.ignored, "are hidden by a rule"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if parts.is_empty() { String::new() } else { format!("Not counted: {}.", parts.join(", ")) }
}
