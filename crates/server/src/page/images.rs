//! The list of images.

use super::columns::{Chooser, Column, Columns};
use super::frame::{self, Counts, Export, Frame, Head, Pager, When, visible};
use super::list::Kept;
use super::scope::{self, Scoped};
use super::visit::Visit;
use super::{list, nav, overview, repository};
use crate::params::Params;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::ImageRow;
use model::Severity;
use model::role::Action;
use model::time::Micros;

#[derive(Template)]
#[template(path = "images.html")]
struct Page {
    frame: Frame,
    title: String,
    about: String,
    address: String,
    /// Whether the list is of everything.
    everywhere: bool,
    /// Where the repository is renamed, or empty.
    rename: String,
    kept: Kept,
    counts: Counts,
    problem: Option<String>,
    narrow: Option<list::Narrow>,
    q: String,
    may_disable: bool,
    rows: Vec<Row>,
    columns: Columns,
    chooser: Chooser,
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
    whole_digest: String,
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
    /// The head of its column.
    name: &'static str,
    /// The severity, for its colour.
    tone: &'static str,
    count: u64,
    link: String,
}

const COLUMNS: [Column; 15] = [
    Column::text("Image", "image").lead(),
    Column::text("State", ""),
    Column::number("Critical", "severity"),
    Column::number("High", ""),
    Column::number("Medium", ""),
    Column::number("Low", ""),
    Column::number("Negligible", ""),
    Column::number("Unknown", ""),
    Column::number("Findings", "findings"),
    Column::number("Fixable", ""),
    Column::number("Exploited", "").on_request(),
    Column::number("Hidden", "").on_request(),
    Column::number("Disabled", "").on_request(),
    Column::text("Pushed", "pushed"),
    Column::text("Pulled", "pulled"),
];

const SEVERITIES: [(&str, Severity); 6] = [
    ("Critical", Severity::Critical),
    ("High", Severity::High),
    ("Medium", Severity::Medium),
    ("Low", Severity::Low),
    ("Negligible", Severity::Negligible),
    ("Unknown", Severity::Unknown),
];

/// Shows the images.
pub async fn page(visit: Visit) -> Response {
    let built = frame::asked(&visit, &COLUMNS).and_then(|asked| {
        let frame = Frame::new(&visit, "inventory").scoped(
            &visit,
            &asked.scoped,
            &asked.columns.keep("/inventory"),
            &asked.q,
        )?;
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
    let asked = list::asked_in(visit, Params::parse(visit.query.as_deref()), scoped, &COLUMNS)?;
    build(visit, asked, frame, (title, format!("Repository in {registry}")), address)
}

fn build(
    visit: &Visit,
    mut asked: list::Asked,
    frame: Frame,
    (title, about): (String, String),
    address: String,
) -> Result<Page, Problem> {
    let question = asked.question.clone();
    let ask = |index: &fleet::Index| Ok((index.images(&question)?, index.counts_of_places(&question)?));
    let (page, counts) = visit.parts.index.ask(ask)?;
    if !page.items.iter().any(|row| row.tally.of(Severity::Negligible) > 0) {
        asked.columns.leave_out("negligible");
    }
    let address = asked.columns.keep(&address);
    let (q, sort, within) = (asked.q.clone(), asked.sort.clone(), asked.within());
    let parameters = asked.parameters();
    let cli = frame::command("portwarden image list", &q, &sort);
    Ok(Page {
        frame: frame.programs(visit, &frame::link("/images", &parameters), &cli),
        title,
        about,
        counts: Counts::new(&counts.tally, &asked.address("/findings"), frame::portable(within)),
        heads: asked.columns.heads(&address, &q, &sort),
        chooser: asked.columns.chooser(&address, &q, &sort),
        kept: Kept::of(&address, &[("sort", &sort)]),
        may_disable: nav::sees(&visit.who, Action::EditPolicy),
        pager: Pager::new(&address, &q, &sort, asked.after.as_deref(), page.next.as_ref().map(|c| c.as_str())),
        rows: page.items.into_iter().map(|image| row(image, within, &asked.scoped, question.now)).collect(),
        total: page.total,
        repositories: counts.repositories,
        export: Export::whole("/images", &parameters),
        push: overview::push(&visit.parts.public_url).into(),
        narrow: if page.total > 0 {
            None
        } else {
            list::narrowest(visit, &asked, &address, |i, q| Ok(i.images(q)?.total))?
        },
        problem: asked.problem.clone(),
        everywhere: asked.scoped.path().is_empty(),
        rename: repository::link(visit, &asked.scoped),
        columns: asked.columns,
        address,
        q,
    })
}

fn row(row: ImageRow, within: &str, scoped: &Scoped, now: Micros) -> Row {
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
    let cell = |name, tone, count, word: &str| Cell { name, tone, count, link: listed(word) };
    let severity = |(name, severity): (&'static str, Severity)| {
        cell(name, severity.as_str(), row.tally.of(severity), &format!("severity:{}", severity.as_str()))
    };
    let others = [
        cell("Findings", "", row.tally.findings(), ""),
        cell("Fixable", "", row.tally.fixable, "fix:yes"),
        cell("Exploited", "", row.tally.kev, "kev:yes"),
        cell("Hidden", "", row.tally.hidden, "hidden:yes"),
        cell("Disabled", "", row.tally.disabled, "status:disabled"),
    ];
    Row {
        cells: SEVERITIES.into_iter().map(severity).chain(others).collect(),
        name: visible(&name),
        more: row.places.len().saturating_sub(1),
        digest: row.digest.split(':').nth(1).and_then(|hex| hex.get(..12)).unwrap_or("").to_owned(),
        whole_digest: visible(&row.digest),
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
