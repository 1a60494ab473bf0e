//! The findings of an image, and the pane of one of them.

use super::{Head, Here};
use crate::access;
use crate::api::findings;
use crate::page::frame::{self, Export, Frame, Pager, When, visible};
use crate::page::pane::{self, Pane};
use crate::page::visit::Visit;
use crate::params::Params;
use crate::parts::Parts;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::{Filter, FindingRow, Place, Query};
use model::time::Micros;
use store::Principal;

#[derive(Template)]
#[template(path = "image_findings.html")]
struct Page {
    frame: Frame,
    image: Head,
    problem: Option<String>,
    address: String,
    q: String,
    sort: String,
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

struct Row {
    id: String,
    link: String,
    current: bool,
    severity: &'static str,
    finding: String,
    kev: bool,
    package: String,
    version: String,
    fixed: String,
    state: &'static str,
    cvss: String,
    epss: String,
    first_seen: When,
}

const COLUMNS: [(&str, &str, bool); 8] = [
    ("Severity", "severity", false),
    ("Finding", "vulnerability", false),
    ("Package", "package", false),
    ("Installed", "", false),
    ("Fixed in", "fixable", false),
    ("CVSS", "cvss", true),
    ("EPSS", "epss", true),
    ("First seen", "first_seen", false),
];

/// Shows the findings.
pub async fn page(visit: &Visit, here: Here) -> Response {
    frame::answer(visit, build(visit, here).await)
}

async fn build(visit: &Visit, here: Here) -> Result<Page, Problem> {
    let Asked { shown, q, sort, after } = Asked::of(visit.query.as_deref())?;
    let (question, problem) = question(visit, &here, &q, &sort, after.as_deref())?;
    let page = visit.parts.index.ask(|index| Ok(index.findings(&question)?))?;
    let finding = shown_finding(&visit.parts, &visit.who, shown.as_deref()).await?;
    let address = here.tab("findings");
    let to = |id: &str| {
        frame::link(&address, &[("q", &q), ("sort", &sort), ("after", after.as_deref().unwrap_or("")), ("finding", id)])
    };
    let rows: Vec<Row> = page.items.into_iter().map(|r| row(r, shown.as_deref(), here.now, to)).collect();
    let [before, following] = neighbours(&rows);
    Ok(Page {
        frame: here.frame(visit, "findings")?,
        problem,
        heads: frame::heads(&COLUMNS, &address, &q, &sort),
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
        sort,
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
}

impl Asked {
    fn of(query: Option<&str>) -> Result<Self, Problem> {
        let mut params = Params::parse(query);
        params.take("tab")?;
        let asked = Self {
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
    Export::new("/findings", &parameters)
}

/// The findings before and after the one that is shown, as addresses; empty where there is none.
fn neighbours(rows: &[Row]) -> [String; 2] {
    let Some(at) = rows.iter().position(|row| row.current) else { return Default::default() };
    let link = |at: Option<usize>| at.and_then(|at| rows.get(at)).map(|row| row.link.clone()).unwrap_or_default();
    [link(at.checked_sub(1)), link(at.checked_add(1))]
}

fn row(row: FindingRow, current: Option<&str>, now: Micros, to: impl Fn(&str) -> String) -> Row {
    let id = row.id.to_string();
    Row {
        link: to(&id),
        current: current == Some(id.as_str()),
        id,
        severity: row.severity.as_str(),
        finding: visible(&row.vulnerability.name),
        kev: row.vulnerability.kev.0 != 0,
        package: visible(&row.package.name),
        version: visible(&row.package.version),
        fixed: visible(&row.fixed_version),
        state: row.state.as_str(),
        cvss: frame::tenths(row.vulnerability.cvss),
        epss: frame::percent(row.vulnerability.epss),
        first_seen: When::of(row.first_seen, now),
    }
}
