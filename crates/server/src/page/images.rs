//! The list of images.

use super::frame::{self, Counts, Export, Frame, Head, Pager, When, visible};
use super::scope::{self, Scoped};
use super::visit::Visit;
use super::{list, overview};
use crate::params::Params;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::ImageRow;
use model::Severity;
use model::time::Micros;

#[derive(Template)]
#[template(path = "images.html")]
struct Page {
    frame: Frame,
    title: String,
    about: String,
    address: String,
    scope: String,
    counts: Counts,
    problem: Option<String>,
    narrow: Option<list::Narrow>,
    q: String,
    sort: String,
    rows: Vec<Row>,
    heads: Vec<Head>,
    total: u64,
    repositories: u64,
    pager: Pager,
    export: Export,
    push: Vec<(&'static str, String)>,
}

struct Row {
    name: String,
    link: String,
    more: usize,
    digest: String,
    platform: String,
    os: String,
    state: String,
    tone: &'static str,
    cells: Vec<Cell>,
    size: String,
    pushed: When,
    pulled: When,
}

/// A number with the address of exactly its findings.
struct Cell {
    name: &'static str,
    /// The severity, for its colour.
    tone: &'static str,
    count: u64,
    link: String,
}

const COLUMNS: [(&str, &str, bool); 2] = [("Image", "image", false), ("State", "", false)];

/// The columns of numbers: head, sort key, severity or `None` for those that span severities.
const NUMBERS: [(&str, &str, Option<Severity>); 8] = [
    ("Critical", "severity", Some(Severity::Critical)),
    ("High", "", Some(Severity::High)),
    ("Medium", "", Some(Severity::Medium)),
    ("Low", "", Some(Severity::Low)),
    ("Negligible", "", Some(Severity::Negligible)),
    ("Unknown", "", Some(Severity::Unknown)),
    (FINDINGS, "findings", None),
    (FIXABLE, "", None),
];
const FINDINGS: &str = "Findings";
const FIXABLE: &str = "Fixable";

/// Shows the images.
pub async fn page(visit: Visit) -> Response {
    let built = frame::asked(&visit).and_then(|asked| {
        let frame = Frame::new(&visit, "inventory").scoped(&visit, &asked.scoped, "/inventory", &asked.q)?;
        let address = asked.address("/inventory");
        build(&visit, asked, frame, ("Images".into(), String::new()), address)
    });
    frame::answer(&visit, built)
}

/// Shows the images of a repository.
pub fn of_repository(visit: &Visit, scoped: Scoped) -> Response {
    frame::answer(visit, repository(visit, scoped))
}

fn repository(visit: &Visit, scoped: Scoped) -> Result<Page, Problem> {
    let address = scope::walk(&scoped.path());
    let frame = Frame::new(visit, "inventory").walked(visit, &scoped)?;
    let title = visible(scoped.repository.as_deref().unwrap_or(""));
    let registry = visible(scoped.registry.as_ref().map_or("", |r| r.name.as_str()));
    let asked = list::asked_in(visit, Params::parse(visit.query.as_deref()), scoped)?;
    build(visit, asked, frame, (title, format!("Repository in {registry}")), address)
}

fn build(
    visit: &Visit,
    asked: list::Asked,
    frame: Frame,
    (title, about): (String, String),
    address: String,
) -> Result<Page, Problem> {
    let question = &asked.question;
    let ask = |index: &fleet::Index| Ok((index.images(question)?, index.counts_of_places(question)?));
    let (page, counts) = visit.parts.index.ask(ask)?;
    let (q, sort, within) = (asked.q.clone(), asked.sort.clone(), asked.within());
    let parameters = asked.parameters();
    let negligible = page.items.iter().any(|row| row.tally.of(Severity::Negligible) > 0);
    let numbers: Vec<_> = NUMBERS.into_iter().filter(|n| negligible || n.2 != Some(Severity::Negligible)).collect();
    let mut columns = COLUMNS.to_vec();
    columns.extend(numbers.iter().map(|(head, sort, _)| (*head, *sort, true)));
    columns.extend([("Pushed", "pushed", false), ("Pulled", "pulled", false)]);
    let cli = frame::command("portwarden image list", &q, &sort);
    Ok(Page {
        frame: frame.programs(visit, &frame::link("/images", &parameters), &cli),
        title,
        about,
        counts: Counts::new(&counts.tally, &asked.address("/findings"), frame::portable(within)),
        heads: frame::heads(&columns, &address, &q, &sort),
        pager: Pager::new(&address, &q, &sort, asked.after.as_deref(), page.next.as_ref().map(|c| c.as_str())),
        rows: page.items.into_iter().map(|image| row(image, &numbers, within, &asked.scoped, question.now)).collect(),
        total: page.total,
        repositories: counts.repositories,
        export: Export::new("/images", &parameters),
        push: overview::push(&visit.parts.public_url).into(),
        narrow: if page.total > 0 {
            None
        } else {
            list::narrowest(visit, &asked, &address, |i, q| Ok(i.images(q)?.total))?
        },
        problem: asked.problem.clone(),
        scope: if address.contains("scope=") { asked.scoped.path() } else { String::new() },
        address,
        q,
        sort,
    })
}

fn row(
    row: ImageRow,
    numbers: &[(&'static str, &str, Option<Severity>)],
    within: &str,
    scoped: &Scoped,
    now: Micros,
) -> Row {
    let (state, tone) = frame::state(row.verdict, row.work, row.coverage, &row.reason);
    let first = row.places.first();
    let name = first.map_or_else(String::new, |place| match place.tags.first() {
        Some(tag) => format!("{}:{tag}", place.repository),
        None => place.repository.clone(),
    });
    let link = first.map(|place| frame::image_address(place, &row.digest)).unwrap_or_default();
    // In several places the findings of one are not all of them.
    let (list, within) = match row.places.len() {
        1 => (frame::link(&link, &[("tab", "findings")]), within.to_owned()),
        _ => {
            let all = frame::also(within, &format!("image:{}", row.digest));
            (frame::link("/findings", &[("scope", &scoped.path())]), all)
        }
    };
    let listed = |word: &str| match frame::portable(&within) {
        Some(q) => frame::link(&list, &[("q", &frame::also(q, word))]),
        None => String::new(),
    };
    let cell = |(head, _, severity): &(&'static str, &str, Option<Severity>)| match severity {
        Some(s) => Cell {
            name: head,
            tone: s.as_str(),
            count: row.tally.of(*s),
            link: listed(&format!("severity:{}", s.as_str())),
        },
        None if *head == FIXABLE => Cell { name: head, tone: "", count: row.tally.fixable, link: listed("fix:yes") },
        None => Cell { name: head, tone: "", count: row.tally.findings(), link: listed("") },
    };
    Row {
        cells: numbers.iter().map(cell).collect(),
        name: visible(&name),
        more: row.places.len().saturating_sub(1),
        digest: row.digest.split(':').nth(1).and_then(|hex| hex.get(..12)).unwrap_or("").to_owned(),
        platform: visible(&row.platform),
        os: visible(&row.os),
        state,
        tone,
        size: model::text::size(row.bytes),
        pushed: When::of(row.places.iter().map(|p| p.last_push).max().unwrap_or_default(), now),
        pulled: When::of(row.places.iter().map(|p| p.last_pull).max().unwrap_or_default(), now),
        link,
    }
}
