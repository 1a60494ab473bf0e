//! What every page has: the frame, sortable heads, the tally of findings, pages of a list, addresses.

use crate::params::encoded;
use crate::parts::Parts;
use crate::problem::Problem;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use fleet::{Place, Tally};
use model::Severity;
use model::time::Micros;
use model::verdict::{Coverage, Verdict, Work};

/// The frame around a page.
pub struct Frame {
    /// Which entry of the navigation is this one.
    pub here: &'static str,
    /// Revision that the page shows.
    pub revision: i64,
    /// How fresh the knowledge is, in words.
    pub feeds: String,
}

impl Frame {
    /// Makes the frame of a page.
    pub fn new(parts: &Parts, here: &'static str) -> Self {
        let revision = *parts.index.revisions().borrow();
        let database = (parts.database)();
        let records: u64 = database.feeds.iter().map(|f| f.records).sum();
        let feeds = match (database.starter_only, database.built) {
            (false, Some(built)) => {
                format!("Advisories: generation {}, {records} records, built {}", database.generation, short(&built))
            }
            _ => "Starter advisories only: run portwarden db update".to_owned(),
        };
        Self { here, revision, feeds }
    }
}

fn short(moment: &str) -> String {
    moment.get(..16).unwrap_or(moment).replace('T', " ") + " UTC"
}

/// Renders a page.
pub fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written; see the server's log\n").into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    title: &'static str,
    detail: String,
    next_step: &'static str,
}

/// A problem as a page.
pub fn trouble(parts: &Parts, problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let frame = Frame::new(parts, "");
    let shown =
        ProblemPage { frame, title: problem.title, detail: visible(&problem.detail), next_step: problem.next_step };
    (status, page(&shown)).into_response()
}

/// One part of the bar of severities.
pub struct Part {
    /// The severity.
    pub word: &'static str,
    /// How many.
    pub count: u64,
    /// Where exactly these are listed.
    pub link: String,
    /// Left edge, of 1,000.
    pub x: u64,
    /// Width, of 1,000.
    pub width: u64,
}

/// Findings by severity, adding up.
pub struct Counts {
    /// All.
    pub total: u64,
    /// By severity, worst first, without zeros.
    pub parts: Vec<Part>,
    /// Hidden by default.
    pub hidden: u64,
    /// Where the hidden ones are listed too.
    pub hidden_link: String,
}

impl Counts {
    /// Lays the bar out; `address` is where the list is.
    pub fn new(tally: &Tally, address: &str) -> Self {
        let total = tally.findings();
        let mut parts = Vec::new();
        let mut before = 0;
        for severity in Severity::WORST_FIRST {
            let count = tally.of(severity);
            if count == 0 {
                continue;
            }
            let edge = |n: u64| n * 1000 / total.max(1);
            let link = format!("{address}?q=severity:{}", severity.as_str());
            parts.push(Part {
                word: severity.as_str(),
                count,
                link,
                x: edge(before),
                width: edge(before + count) - edge(before),
            });
            before += count;
        }
        Self { total, parts, hidden: tally.hidden, hidden_link: format!("{address}?q=hidden:any") }
    }
}

/// A head of a column.
pub struct Head {
    /// The word.
    pub text: &'static str,
    /// Where the list is sorted by it, or empty.
    pub link: String,
    /// An arrow where the list is.
    pub mark: &'static str,
    /// Whether the column holds numbers.
    pub numeric: bool,
}

/// Makes the heads of a list: word, sort key (or empty), whether it holds numbers.
pub fn heads(columns: &[(&'static str, &str, bool)], address: &str, q: &str, sort: &str) -> Vec<Head> {
    let head = |(text, key, numeric): &(&'static str, &str, bool)| {
        let reversed = format!("-{key}");
        let (next, mark) = match sort {
            s if s == *key && !key.is_empty() => (reversed.as_str(), " ↓"),
            s if s == reversed => (*key, " ↑"),
            _ => (*key, ""),
        };
        let link = if key.is_empty() { String::new() } else { link(address, &[("q", q), ("sort", next)]) };
        Head { text, link, mark, numeric: *numeric }
    };
    columns.iter().map(head).collect()
}

/// An address with parameters; empty ones are left out.
pub fn link(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut out = address.to_owned();
    for (name, value) in parameters.iter().filter(|(_, v)| !v.is_empty()) {
        out.push(if out.contains('?') { '&' } else { '?' });
        out.push_str(&format!("{name}={}", encoded(value)));
    }
    out
}

/// The links below a list.
pub struct Pager {
    /// First page, or empty on it.
    pub first: String,
    /// Next page, or empty on the last.
    pub next: String,
}

impl Pager {
    /// Makes the links.
    pub fn new(address: &str, q: &str, sort: &str, after: Option<&str>, next: Option<&str>) -> Self {
        let to = |after: &str| link(address, &[("q", q), ("sort", sort), ("after", after)]);
        Self { first: after.map(|_| to("")).unwrap_or_default(), next: next.map(to).unwrap_or_default() }
    }
}

/// The address of an image in a repository; names keep their slashes.
pub fn image_address(place: &Place, digest: &str) -> String {
    let path = place.repository.split('/').map(encoded).collect::<Vec<_>>().join("/");
    format!("/s/{}/{}/{path}@{digest}", encoded(&place.subscription), encoded(&place.registry))
}

/// How an image stands, in a word and a tone: what is being done comes before what was found.
pub fn state(verdict: Verdict, work: Work, coverage: Coverage, reason: &str) -> (String, &'static str) {
    let reasons = if reason.is_empty() { String::new() } else { format!(" ({})", reason.replace(',', ", ")) };
    match (work, verdict, coverage) {
        (Work::Running, ..) => ("scanning".into(), "busy"),
        (Work::Queued, ..) => ("queued".into(), "busy"),
        (Work::RetryAt, ..) => (format!("to be tried again{reasons}"), "warn"),
        (_, Verdict::None, Coverage::Accessory) => ("not an image".into(), ""),
        (_, Verdict::None, _) => ("never scanned".into(), "warn"),
        (_, Verdict::Complete, _) => ("scanned".into(), "good"),
        (_, Verdict::Gaps, _) => (format!("gaps{reasons}"), "warn"),
        (_, Verdict::Unsupported, _) => (format!("not scannable{reasons}"), "warn"),
        (_, Verdict::Failed, _) => (format!("failed{reasons}"), "bad"),
    }
}

/// RFC 3339, or empty where there is none.
pub fn when(at: Micros) -> String {
    crate::view::moment(at).unwrap_or_default()
}

/// Makes text of strangers safe to look at.
pub fn visible(text: &str) -> String {
    let unseen = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if !text.contains(unseen) {
        return text.to_owned();
    }
    text.chars().map(|c| if unseen(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// 12.3 MB, for people.
pub fn size(bytes: i64) -> String {
    let bytes = bytes.max(0) as f64;
    match bytes {
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b if b >= 1e3 => format!("{:.0} kB", b / 1e3),
        b => format!("{b:.0} B"),
    }
}

/// A score with one decimal, or empty.
pub fn tenths(score: i32) -> String {
    crate::view::tenths(score).map(|s| format!("{s:.1}")).unwrap_or_default()
}

/// A probability in per cent, or empty.
pub fn percent(millionths: i32) -> String {
    crate::view::millionths(millionths).map(|p| format!("{:.1} %", p * 100.0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_adds_up_and_names_its_rows() {
        let mut tally = Tally::default();
        tally.severities[Severity::Critical as usize] = 1;
        tally.severities[Severity::Low as usize] = 2;
        let counts = Counts::new(&tally, "/x");
        let got: Vec<_> = counts.parts.iter().map(|p| (p.word, p.count, p.x, p.width)).collect();
        assert_eq!(got, [("critical", 1, 0, 333), ("low", 2, 333, 667)]);
        assert_eq!(counts.parts[0].link, "/x?q=severity:critical");
    }

    #[test]
    fn grey_is_not_green() {
        for (verdict, work, want) in [
            (Verdict::None, Work::Idle, "warn"),
            (Verdict::Complete, Work::Idle, "good"),
            (Verdict::Gaps, Work::Idle, "warn"),
            (Verdict::Failed, Work::Idle, "bad"),
            (Verdict::Complete, Work::Running, "busy"),
        ] {
            assert_eq!(state(verdict, work, Coverage::InWindow, "x").1, want, "{verdict:?} {work:?}");
        }
    }
}
