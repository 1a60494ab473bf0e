//! What every page has: the frame, sortable heads, the tally of findings, pages of a list, addresses.

use super::nav::{self, Shown};
use super::visit::{Look, Visit};
use crate::access;
use crate::params::{Params, encoded};
use crate::parts::Parts;
use crate::problem::Problem;
use askama::Template;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use fleet::{Place, Query, Tally};
use model::Severity;
pub use model::text::visible_lines as visible;
use model::time::Micros;
use model::verdict::{Coverage, Verdict, Work};

/// The frame around a page.
#[derive(Default)]
pub struct Frame {
    /// The entries of the navigation.
    pub nav: Vec<Shown>,
    /// The pages beside this one.
    pub sections: Vec<Tab>,
    /// Revision that the page shows; 0 = the page does not change by itself.
    pub revision: i64,
    /// How fresh the knowledge is, in words.
    pub feeds: String,
    /// Who looks.
    pub who: String,
    /// How they want it to look.
    pub look: Look,
    /// The address of the page.
    pub address: String,
    /// Where in the tree of subscriptions, registries and repositories the page is, from the top.
    pub scope: Vec<Step>,
    /// What is right below it.
    pub below: Vec<Step>,
    /// How many of what: `3 registries`.
    pub below_name: String,
    /// What every form carries to prove that this console made it.
    pub csrf: String,
    /// The same as an API call, or empty.
    pub api: String,
    /// The same as a command, or empty.
    pub cli: String,
}

/// A name and where it leads.
pub struct Step {
    /// What people read.
    pub text: String,
    /// Where it leads.
    pub link: String,
}

/// One of several views of the same thing.
pub struct Tab {
    /// What people read.
    pub text: String,
    /// Where it leads.
    pub link: String,
    /// How many it holds, or empty.
    pub count: String,
    /// Whether it is the one that is shown.
    pub here: bool,
}

/// One figure with its name.
#[allow(dead_code)] // read by the macro `tile` alone
#[derive(Default)]
pub struct Tile {
    /// What it counts.
    pub label: String,
    /// How many.
    pub figure: String,
    /// Where exactly these are listed, or empty.
    pub link: String,
    /// What to know about it, or empty.
    pub note: String,
    /// `good`, `warn`, `bad`, or empty.
    pub tone: &'static str,
}

impl Frame {
    /// Makes the frame of a page that belongs to an entry of the navigation.
    pub fn new(visit: &Visit, here: &'static str) -> Self {
        Self {
            nav: nav::entries(&visit.who, here),
            sections: nav::sections(&visit.who, here, &visit.path),
            revision: *visit.parts.index.revisions().borrow(),
            feeds: feeds(&visit.parts),
            who: visit.who.name.clone(),
            csrf: visit.asker.csrf.clone(),
            look: visit.look,
            address: visit.address(),
            ..Self::default()
        }
    }

    /// Says how programs get the same: a path of REST (below `/api/v1`) and a command, either may be empty.
    pub fn programs(mut self, visit: &Visit, api: &str, cli: &str) -> Self {
        if !api.is_empty() {
            let (who, url) = (encoded(&visit.who.name), &visit.parts.public_url);
            self.api = format!("curl -u {who} '{url}/api/v1{api}'");
        }
        self.cli = cli.to_owned();
        self
    }

    /// The frame of a page that does not change by itself, such as a form.
    pub fn still(self) -> Self {
        Self { revision: 0, ..self }
    }
}

fn feeds(parts: &Parts) -> String {
    let database = (parts.database)();
    let records: u64 = database.feeds.iter().map(|f| f.records).sum();
    match (database.starter_only, database.built) {
        (false, Some(built)) => format!("{} advisories, {}", grouped(records), short(&built)),
        _ => match parts.index.ask(|index| Ok(index.generation())) {
            Ok(generation) if generation > 0 => format!("Advisories of generation {generation}"),
            _ => "Starter advisories only".to_owned(),
        },
    }
}

/// 159,295, for people.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(",")
}

fn short(moment: &str) -> String {
    moment.get(..16).unwrap_or(moment).replace('T', " ") + " UTC"
}

/// Answers with a page, or with the problem as one.
pub fn answer(visit: &Visit, built: Result<impl Template, Problem>) -> Response {
    match built {
        Ok(template) => page(&template),
        Err(problem) => trouble(visit, problem),
    }
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
pub fn trouble(visit: &Visit, problem: Problem) -> Response {
    problem_page(Frame::new(visit, "").still(), problem)
}

/// A problem as a page for somebody who is not signed in, with the headers of the plain answer (the browser asks for a login by
/// them).
pub fn sign_in(problem: Problem) -> Response {
    let plain = problem.clone().into_response();
    let mut response = problem_page(Frame::default(), problem);
    if let Some(how) = plain.headers().get(header::WWW_AUTHENTICATE) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, how.clone());
    }
    response
}

fn problem_page(frame: Frame, problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let shown =
        ProblemPage { frame, title: problem.title, detail: visible(&problem.detail), next_step: problem.next_step };
    (status, page(&shown)).into_response()
}

/// Whether somebody looks at the answer, rather than a program.
pub fn wants_page(path: &str, headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
    accept.contains("text/html") && !path.starts_with("/api/")
}

/// One part of the bar of severities.
pub struct Part {
    /// The severity.
    pub word: &'static str,
    /// How many.
    pub count: u64,
    /// Where exactly these are listed, or empty.
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
    /// Where exactly the hidden ones are listed, or empty.
    pub hidden_link: String,
}

impl Counts {
    /// Lays the bar out. `address` is where the findings are listed, `within` the filter that was counted with; without one
    /// (a text that another list would look for elsewhere) nothing is linked.
    pub fn new(tally: &Tally, address: &str, within: Option<&str>) -> Self {
        let total = tally.findings();
        let listed = |word: &str| within.map(|q| link(address, &[("q", &also(q, word))])).unwrap_or_default();
        let mut parts = Vec::new();
        let mut before = 0;
        for severity in Severity::WORST_FIRST {
            let count = tally.of(severity);
            if count == 0 {
                continue;
            }
            let edge = |n: u64| n * 1000 / total.max(1);
            parts.push(Part {
                word: severity.as_str(),
                count,
                link: listed(&format!("severity:{}", severity.as_str())),
                x: edge(before),
                width: edge(before + count) - edge(before),
            });
            before += count;
        }
        Self { total, parts, hidden: tally.hidden, hidden_link: listed("hidden:yes") }
    }
}

/// A filter with one more word.
pub fn also(q: &str, word: &str) -> String {
    [q, word].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The filter, unless it holds a text without a word in front: such a text means another thing in another list.
pub fn portable(q: &str) -> Option<&str> {
    q.split_whitespace().all(|word| word.contains(':')).then_some(q)
}

/// The same list for programs.
pub struct Export {
    /// As CSV.
    pub csv: String,
    /// As JSON.
    pub json: String,
}

impl Export {
    /// Makes the addresses of a list of REST: its path, the parameters.
    pub fn new(path: &str, parameters: &[(&str, &str)]) -> Self {
        let json = link(&format!("/api/v1{path}"), parameters);
        let csv = link(&json, &[("format", "csv")]);
        Self { csv, json }
    }
}

/// A moment, for machines and for people.
#[derive(Default)]
pub struct When {
    /// RFC 3339, or empty where there is none.
    pub iso: String,
    /// The same for people: `2026-03-01 12:30 UTC`.
    pub exact: String,
    /// How long ago: `5 min ago`.
    pub text: String,
}

impl When {
    /// Says how long ago a moment was.
    pub fn of(at: Micros, now: Micros) -> Self {
        let Some(iso) = crate::view::moment(at) else { return Self::default() };
        let minutes = now.saturating_since(at).as_secs() / 60;
        let text = match minutes {
            0 => "just now".to_owned(),
            1..60 => format!("{minutes} min ago"),
            60..1440 => format!("{} h ago", minutes / 60),
            1440..86400 => format!("{} d ago", minutes / 1440),
            _ => iso.get(..10).unwrap_or(&iso).to_owned(),
        };
        Self { exact: short(&iso), text, iso }
    }

    /// The same for a moment that is text already.
    pub fn parse(at: Option<&str>, now: Micros) -> Self {
        at.and_then(Micros::parse).map(|at| Self::of(at, now)).unwrap_or_default()
    }
}

/// What was asked of a list.
pub struct Asked {
    /// The filter as typed.
    pub q: String,
    /// The order as asked for.
    pub sort: String,
    /// The cursor.
    pub after: Option<String>,
    /// The question to the index.
    pub question: Query,
    /// What was wrong with it; then the question is the whole list.
    pub problem: Option<String>,
}

/// Reads the query of a list. A filter with a wrong word keeps what was typed and says what is wrong, above the whole list.
pub fn asked(visit: &Visit) -> Result<Asked, Problem> {
    let scope = access::readable(&visit.parts, &visit.who)?;
    let now = (visit.parts.now)();
    let mut params = Params::parse(visit.query.as_deref());
    let (question, problem) = match params.clone().into_query(now) {
        Ok(question) => (question, None),
        Err(problem) => (Query { limit: 50, now, ..Query::default() }, Some(visible(&problem.detail))),
    };
    Ok(Asked {
        q: params.take("q").ok().flatten().unwrap_or_default(),
        sort: params.take("sort").ok().flatten().unwrap_or_default(),
        after: params.take("after").ok().flatten(),
        question: Query { scope, ..question },
        problem,
    })
}

/// A head of a column.
pub struct Head {
    /// The word.
    pub text: &'static str,
    /// Where the list is sorted by it, or empty.
    pub link: String,
    /// An arrow where the list is.
    pub mark: &'static str,
    /// The same for `aria-sort`, or empty.
    pub order: &'static str,
    /// Whether the column holds numbers.
    pub numeric: bool,
}

/// Makes the heads of a list: word, sort key (or empty), whether it holds numbers.
pub fn heads(columns: &[(&'static str, &str, bool)], address: &str, q: &str, sort: &str) -> Vec<Head> {
    let head = |(text, key, numeric): &(&'static str, &str, bool)| {
        let reversed = format!("-{key}");
        let (next, mark, order) = match sort {
            s if s == *key && !key.is_empty() => (reversed.as_str(), " ↓", "descending"),
            s if s == reversed => (*key, " ↑", "ascending"),
            _ => (*key, "", ""),
        };
        let link = if key.is_empty() { String::new() } else { link(address, &[("q", q), ("sort", next)]) };
        Head { text, link, mark, order, numeric: *numeric }
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

/// A command with the filter and the order of a list.
pub fn command(verb: &str, q: &str, sort: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let mut out = verb.to_owned();
    for (flag, value) in [("--query", q), ("--sort", sort)].into_iter().filter(|(_, v)| !v.is_empty()) {
        out.push_str(&format!(" {flag} {}", quoted(value)));
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
        let counts = Counts::new(&tally, "/x", Some("fix:yes"));
        let got: Vec<_> = counts.parts.iter().map(|p| (p.word, p.count, p.x, p.width)).collect();
        assert_eq!(got, [("critical", 1, 0, 333), ("low", 2, 333, 667)]);
        assert_eq!(counts.parts[0].link, "/x?q=fix%3Ayes%20severity%3Acritical");
        assert_eq!(Counts::new(&tally, "/x", portable("openssl")).parts[0].link, "", "a text has no link");
    }

    #[test]
    fn moments_are_told_as_people_do() {
        let now = Micros::parse("2026-03-10T12:00:00Z").expect("a moment");
        for (at, want) in [
            ("2026-03-10T11:59:30Z", "just now"),
            ("2026-03-10T12:00:30Z", "just now"),
            ("2026-03-10T11:01:00Z", "59 min ago"),
            ("2026-03-10T10:59:00Z", "1 h ago"),
            ("2026-03-08T11:00:00Z", "2 d ago"),
            ("2025-03-08T11:00:00Z", "2025-03-08"),
        ] {
            assert_eq!(When::parse(Some(at), now).text, want, "{at}");
        }
        assert_eq!(When::of(Micros(0), now).text, "", "unknown is not a moment");
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
