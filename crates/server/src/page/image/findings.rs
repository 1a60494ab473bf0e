//! The findings of an image, and the pane of one of them.

use super::{Head, Here};
use crate::access;
use crate::api::findings;
use crate::page::columns::{Chooser, Columns};
use crate::page::finding_row::{COLUMNS, Row};
use crate::page::frame::{self, Export, Frame, Pager, visible};
use crate::page::list::Kept;
use crate::page::nav;
use crate::page::pane::{self, Pane};
use crate::page::visit::Visit;
use crate::params::Params;
use crate::parts::Parts;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::{Filter, Place, Query};
use model::role::Action;
use store::Principal;

#[derive(Template)]
#[template(path = "image_findings.html")]
struct Page {
    frame: Frame,
    image: Head,
    problem: Option<String>,
    address: String,
    kept: Kept,
    q: String,
    may_disable: bool,
    columns: Columns,
    chooser: Chooser,
    heads: Vec<frame::Head>,
    rows: Vec<Row>,
    total: u64,
    hidden: u64,
    pager: Pager,
    export: Export,
    finding: Option<Pane>,
    close: String,
    before: String,
    after: String,
}

/// Shows the findings.
pub async fn page(visit: &Visit, here: Here) -> Response {
    frame::answer(visit, build(visit, here).await)
}

async fn build(visit: &Visit, here: Here) -> Result<Page, Problem> {
    let Asked { shown, q, sort, after, columns } = Asked::of(visit.query.as_deref())?;
    let (question, problem) = question(visit, &here, &q, &sort, after.as_deref())?;
    let page = visit.parts.index.ask(|index| Ok(index.findings(&question)?))?;
    let finding = shown_finding(&visit.parts, &visit.who, shown.as_deref()).await?;
    let address = columns.keep(&here.tab("findings"));
    let to = |id: &str| {
        frame::link(&address, &[("q", &q), ("sort", &sort), ("after", after.as_deref().unwrap_or("")), ("finding", id)])
    };
    let beside = |found: fleet::FindingRow| {
        let row = Row::of(found, here.now);
        let link = to(&row.id);
        row.beside(link, shown.as_deref())
    };
    let rows: Vec<Row> = page.items.into_iter().map(beside).collect();
    let [before, following] = neighbours(&rows);
    Ok(Page {
        frame: here.frame(visit, "findings")?,
        problem,
        heads: columns.heads(&address, &q, &sort),
        chooser: columns.chooser(&address, &q, &sort),
        columns,
        kept: Kept::of(&address, &[("sort", &sort)]),
        may_disable: nav::sees(&visit.who, Action::EditPolicy),
        pager: Pager::new(&address, &q, &sort, after.as_deref(), page.next.as_ref().map(|c| c.as_str())),
        rows,
        total: page.total,
        hidden: page.hidden,
        export: export(&here.place, &here.image.digest, &q, &sort),
        close: to(""),
        before,
        after: following,
        finding,
        image: Head::new(&here, "findings"),
        address,
        q,
    })
}

/// The question of the page; with a wrong word in the filter, the whole list and what is wrong.
fn question(
    visit: &Visit,
    here: &Here,
    q: &str,
    sort: &str,
    after: Option<&str>,
) -> Result<(Query, Option<String>), Problem> {
    let (mut filter, problem) = match Filter::parse(q) {
        Ok(filter) => (filter, None),
        Err(error) => (Filter::default(), Some(visible(&error.to_string()))),
    };
    for (name, value) in here.fields() {
        filter.field(name, value)?;
    }
    let sort = if sort.is_empty() { fleet::Sort::default() } else { fleet::Sort::parse(sort)? };
    let scope = access::readable(&visit.parts, &visit.who)?;
    let after = after.map(fleet::Cursor::parse);
    Ok((Query { filter, scope, sort, limit: 50, after, as_of: None, now: here.now }, problem))
}

async fn shown_finding(parts: &Parts, principal: &Principal, id: Option<&str>) -> Result<Option<Pane>, Problem> {
    let Some(id) = id else { return Ok(None) };
    let row = findings::row(parts, principal, id, Params::default())?;
    pane::read(parts, principal, row).await.map(Some)
}

/// What the address of the page asks for.
struct Asked {
    shown: Option<String>,
    q: String,
    sort: String,
    after: Option<String>,
    columns: Columns,
}

impl Asked {
    fn of(query: Option<&str>) -> Result<Self, Problem> {
        let mut params = Params::parse(query);
        params.take("tab")?;
        let asked = Self {
            columns: Columns::read(&mut params, &COLUMNS)?,
            shown: params.take("finding")?,
            q: params.take("q")?.unwrap_or_default(),
            sort: params.take("sort")?.unwrap_or_default(),
            after: params.take("after")?,
        };
        params.finish()?;
        Ok(asked)
    }
}

fn export(place: &Place, digest: &str, q: &str, sort: &str) -> Export {
    let here = [("image", digest), ("registry", &place.registry), ("repository", &place.repository)];
    let parameters = [&[("q", q), ("sort", sort)], here.as_slice()].concat();
    Export::whole("/findings", &parameters)
}

/// The findings before and after the one that is shown, as addresses; empty where there is none.
fn neighbours(rows: &[Row]) -> [String; 2] {
    let Some(at) = rows.iter().position(|row| row.current) else { return Default::default() };
    let link = |at: Option<usize>| at.and_then(|at| rows.get(at)).map(|row| row.link.clone()).unwrap_or_default();
    [link(at.checked_sub(1)), link(at.checked_add(1))]
}
