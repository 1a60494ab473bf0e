//! What every page has: the frame, sortable heads, the tally of findings, pages of a list, addresses.

pub use super::list::{Counts, Export, Head, Pager, also, asked, command, heads, link, portable};
use super::nav::{self, Shown};
use super::scope::{self, Scoped};
use super::visit::{Look, Visit};
use crate::params::{accepted, encoded};
use crate::parts::Parts;
use crate::problem::Problem;
use askama::Template;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use fleet::Place;
use model::role::Action;
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
    /// Where the page is kept as a view.
    pub keep: String,
    /// Whether they may ask for scans somewhere.
    pub may_scan: bool,
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
    /// Parts of it and where they are listed.
    pub more: Vec<Step>,
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
            may_scan: nav::sees(&visit.who, Action::Secure),
            look: visit.look,
            keep: keep(visit),
            address: visit.address(),
            ..Self::default()
        }
    }

    /// Says how programs get the same: a path of REST (below `/api/v1`) and a command, either may be empty.
    pub fn programs(mut self, visit: &Visit, api: &str, cli: &str) -> Self {
        if !api.is_empty() {
            let (who, url) = (encoded(&visit.who.name), &visit.parts.public_url);
            self.api = visible(&format!("curl -u {who} '{url}/api/v1{api}'"));
        }
        self.cli = visible(cli);
        self
    }

    /// Adds the scope bar of a list: another scope keeps the list and its filter.
    pub fn scoped(self, visit: &Visit, scoped: &Scoped, list: &str, q: &str) -> Result<Self, Problem> {
        self.with_scope(visit, scoped, &|path| scope::listed(list, q, path))
    }

    /// Adds the scope bar of a page of the walk.
    pub fn walked(self, visit: &Visit, scoped: &Scoped) -> Result<Self, Problem> {
        self.with_scope(visit, scoped, &scope::walk)
    }

    fn with_scope(mut self, visit: &Visit, scoped: &Scoped, to: &dyn Fn(&str) -> String) -> Result<Self, Problem> {
        self.scope = scoped.steps(to);
        (self.below_name, self.below) = scoped.below(visit, to)?;
        Ok(self)
    }

    /// The frame of a page that does not change by itself, such as a form.
    pub fn still(self) -> Self {
        Self { revision: 0, ..self }
    }
}

/// Where a page is kept as a view; the list of views itself is not.
fn keep(visit: &Visit) -> String {
    if visit.path == "/views" { String::new() } else { link("/views", &[("address", &visit.address())]) }
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

/// A wrong login that came with the request, as a page.
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
    accepted(headers).contains("text/html") && !path.starts_with("/api/")
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
        (_, Verdict::None, Coverage::PlanOff) => ("never scanned, the plan is off".into(), "warn"),
        (_, Verdict::None, Coverage::OutsideWindow) => ("never scanned, outside the window".into(), "warn"),
        (_, Verdict::None, Coverage::BlockedByNetwork) => ("blocked by network rules".into(), "warn"),
        (_, Verdict::None, _) => ("never scanned".into(), "warn"),
        (_, Verdict::Complete, Coverage::PlanOff) => ("scanned, the plan is off".into(), "warn"),
        (_, Verdict::Complete, Coverage::OutsideWindow) => ("scanned, outside the window".into(), "warn"),
        (_, Verdict::Complete, _) => ("scanned".into(), "good"),
        (_, Verdict::Gaps, _) => (format!("gaps{reasons}"), "warn"),
        (_, Verdict::Unsupported, _) => (format!("not scannable{reasons}"), "warn"),
        (_, Verdict::Failed, _) => (format!("failed{reasons}"), "bad"),
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
