//! The walk: subscription, registry, repository, image. Names of repositories keep their slashes.

use super::columns::{Chooser, Column, Columns};
use super::frame::{self, Counts, Export, Frame, Head, Pager, When, visible};
use super::list::Kept;
use super::scope::{self, Scoped};
use super::visit::Visit;
use super::{image, images, list, overview};
use crate::params::{Name, Params};
use crate::problem::Problem;
use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleet::{Filter, Query, RepositoryRow};
use model::time::Micros;

#[derive(Template)]
#[template(path = "repositories.html")]
struct Repositories {
    frame: Frame,
    title: String,
    about: String,
    facts: Vec<(&'static str, String)>,
    counts: Counts,
    problem: Option<String>,
    narrow: Option<list::Narrow>,
    address: String,
    kept: Kept,
    q: String,
    columns: Columns,
    chooser: Chooser,
    heads: Vec<Head>,
    rows: Vec<Row>,
    total: u64,
    pager: Pager,
    export: Export,
    push: Vec<(&'static str, String)>,
}

struct Row {
    name: String,
    registry: String,
    link: String,
    images: u64,
    images_link: String,
    affected: u64,
    counts: Counts,
    findings: u64,
    findings_link: String,
    fixable: u64,
    fixable_link: String,
    share: String,
    more: [More; 3],
    pushed: When,
    pulled: When,
}

/// A number with the address of exactly its findings.
struct More {
    /// The column.
    key: &'static str,
    count: u64,
    link: String,
}

const COLUMNS: [Column; 12] = [
    Column::text("Repository", "image").lead(),
    Column::number("Images", "images"),
    Column::number("Affected", ""),
    Column::text("By severity", "severity"),
    Column::number("Findings", "findings"),
    Column::number("Fixable", ""),
    Column::number("Fixable share", "").on_request(),
    Column::number("Exploited", "").on_request(),
    Column::number("Hidden", "").on_request(),
    Column::number("Disabled", "").on_request(),
    Column::text("Last push", "pushed"),
    Column::text("Last pull", "pulled"),
];

/// Shows every repository.
pub async fn repositories(visit: Visit) -> Response {
    let built = frame::asked(&visit, &COLUMNS).and_then(|asked| {
        let here = asked.columns.keep("/inventory/repositories");
        let frame = Frame::new(&visit, "inventory").scoped(&visit, &asked.scoped, &here, &asked.q)?;
        let address = asked.address("/inventory/repositories");
        listed(&visit, asked, frame, "Repositories".into(), address)
    });
    frame::answer(&visit, built)
}

/// Shows what an address of the walk names: `/s/{subscription}/{registry}/{repository…}@{digest}` is an image,
/// `…:{tag}` leads to the image in force, what is shorter lists what is below it.
pub async fn page(visit: Visit, Name(path): Name) -> Response {
    if path.contains('@') {
        return image::page(visit, path).await;
    }
    let last = path.rsplit('/').next().unwrap_or("");
    if last.contains(':') && path.matches('/').count() >= 2 {
        return match tagged(&visit, &path) {
            Ok(address) => {
                (StatusCode::SEE_OTHER, [(header::LOCATION, crate::params::local(&address))]).into_response()
            }
            Err(problem) => frame::trouble(&visit, problem),
        };
    }
    match Scoped::read(&visit, &format!("/{}", path.trim_end_matches('/'))) {
        Ok(scoped) if scoped.repository.is_some() => images::of_repository(&visit, scoped),
        Ok(scoped) => frame::answer(&visit, of_registry(&visit, scoped)),
        Err(problem) => frame::trouble(&visit, problem),
    }
}

/// The address of the image that a tag names now.
fn tagged(visit: &Visit, path: &str) -> Result<String, Problem> {
    let absent = || Problem::absent("image", path);
    let (repository, tag) = path.rsplit_once(':').ok_or_else(absent)?;
    let scoped = Scoped::read(visit, &format!("/{repository}"))?;
    let mut filter = Filter::default();
    for (name, value) in scoped.fields().into_iter().chain([("tag", tag)]) {
        filter.field(name, value)?;
    }
    let scope = crate::access::readable(&visit.parts, &visit.who)?;
    let query = Query { filter, scope, limit: 1, now: (visit.parts.now)(), ..Query::default() };
    let found =
        visit.parts.index.ask(|index| Ok(index.images(&query)?))?.items.into_iter().next().ok_or_else(absent)?;
    let place = found.places.first().ok_or_else(absent)?;
    let query = visit.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("{}{query}", frame::image_address(place, &found.digest)))
}

/// A subscription or a registry: the repositories in it.
fn of_registry(visit: &Visit, scoped: Scoped) -> Result<Repositories, Problem> {
    let address = scope::walk(&scoped.path());
    let frame = Frame::new(visit, "inventory").walked(visit, &scoped)?;
    let subscription = scoped.subscription.as_ref().map(|s| s.name.clone()).unwrap_or_default();
    let title = scoped.registry.as_ref().map_or(subscription.clone(), |r| r.name.clone());
    let facts = match &scoped.registry {
        Some(registry) => vec![
            ("Subscription", visible(&subscription)),
            ("Resource group", visible(&registry.resource_group)),
            ("Kind", visible(&registry.kind)),
            ("Address", visible(visit.parts.public_url.split("//").last().unwrap_or(""))),
        ],
        None => vec![
            ("Id", visible(scoped.subscription.as_ref().map_or("", |s| s.guid.as_str()))),
            ("Window", format!("{} days", scoped.subscription.as_ref().map_or(30, |s| s.window_days))),
        ],
    };
    let what = if scoped.registry.is_some() { "Registry" } else { "Subscription" };
    let asked = list::asked_in(visit, Params::parse(visit.query.as_deref()), scoped, &COLUMNS)?;
    let page = listed(visit, asked, frame, visible(&title), address)?;
    Ok(Repositories { about: what.into(), facts, ..page })
}

fn listed(
    visit: &Visit,
    asked: list::Asked,
    frame: Frame,
    title: String,
    address: String,
) -> Result<Repositories, Problem> {
    let question = &asked.question;
    let ask = |index: &fleet::Index| Ok((index.repositories(question)?, index.counts_of_places(question)?));
    let (page, counts) = visit.parts.index.ask(ask)?;
    let (q, sort, within) = (asked.q.clone(), asked.sort.clone(), asked.within());
    let parameters = asked.parameters();
    let address = asked.columns.keep(&address);
    Ok(Repositories {
        frame: frame.programs(visit, &frame::link("/repositories", &parameters), ""),
        title,
        about: String::new(),
        facts: Vec::new(),
        counts: Counts::new(&counts.tally, &asked.address("/findings"), frame::portable(within)),
        heads: asked.columns.heads(&address, &q, &sort),
        chooser: asked.columns.chooser(&address, &q, &sort),
        kept: Kept::of(&address, &[("sort", &sort)]),
        rows: page.items.into_iter().map(|row| row_of(row, within, &asked.scoped, question.now)).collect(),
        total: page.total,
        pager: Pager::new(&address, &q, &sort, asked.after.as_deref(), page.next.as_ref().map(|c| c.as_str())),
        export: Export::whole("/repositories", &parameters),
        push: overview::push(&visit.parts.public_url).into(),
        narrow: if page.total > 0 {
            None
        } else {
            list::narrowest(visit, &asked, &address, |i, q| Ok(i.repositories(q)?.total))?
        },
        problem: asked.problem.clone(),
        columns: asked.columns,
        address,
        q,
    })
}

fn row_of(row: RepositoryRow, within: &str, scoped: &Scoped, now: Micros) -> Row {
    let path = format!("/{}/{}/{}", row.subscription, row.registry, row.name);
    let portable = frame::portable(within);
    let findings =
        |word: &str| portable.map(|q| scope::listed("/findings", &frame::also(q, word), &path)).unwrap_or_default();
    Row {
        link: scope::walk(&path),
        images_link: portable.map(|q| frame::link(&scope::walk(&path), &[("q", q)])).unwrap_or_default(),
        counts: Counts::new(&row.tally, &frame::link("/findings", &[("scope", &path)]), portable),
        findings: row.tally.findings(),
        findings_link: findings(""),
        fixable: row.tally.fixable,
        fixable_link: findings("fix:yes"),
        share: match (row.tally.fixable * 100).checked_div(row.tally.findings()) {
            Some(share) => format!("{share} %"),
            None => String::new(),
        },
        more: [
            More { key: "exploited", count: row.tally.kev, link: findings("kev:yes") },
            More { key: "hidden", count: row.tally.hidden, link: findings("hidden:yes") },
            More { key: "disabled", count: row.tally.disabled, link: findings("status:disabled") },
        ],
        name: visible(&row.name),
        registry: if scoped.registry.is_some() { String::new() } else { visible(&row.registry) },
        images: row.images,
        affected: row.affected,
        pushed: When::of(row.last_push, now),
        pulled: When::of(row.last_pull, now),
    }
}
