//! What an image holds, and where; also what has no finding.

use super::{Head, Here};
use crate::access;
use crate::page::frame::{self, Counts, Export, Frame, Pager, visible};
use crate::page::list::Kept;
use crate::page::visit::Visit;
use crate::params::{Params, encoded};
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::{Filter, PackageRow, Query};
use std::collections::HashMap;

#[derive(Template)]
#[template(path = "image_packages.html")]
struct Page {
    frame: Frame,
    image: Head,
    problem: Option<String>,
    address: String,
    kept: Kept,
    q: String,
    heads: Vec<frame::Head>,
    rows: Vec<Row>,
    total: u64,
    pager: Pager,
    export: Export,
}

struct Row {
    name: String,
    link: String,
    version: String,
    ecosystem: String,
    counts: Counts,
    path: String,
    more: usize,
    layer: u32,
    origin: String,
}

const COLUMNS: [(&str, &str, bool); 6] = [
    ("Package", "package", false),
    ("Version", "", false),
    ("Type", "", false),
    ("Findings", "severity", false),
    ("Path", "", false),
    ("Layer", "", true),
];

/// Shows the packages.
pub async fn page(visit: &Visit, here: Here) -> Response {
    frame::answer(visit, build(visit, here).await)
}

async fn build(visit: &Visit, here: Here) -> Result<Page, Problem> {
    let mut params = Params::parse(visit.query.as_deref());
    params.take("tab")?;
    let q = params.take("q")?.unwrap_or_default();
    let sort = params.take("sort")?.unwrap_or_default();
    let after = params.take("after")?;
    params.finish()?;
    let (mut filter, problem) = match Filter::parse(&q) {
        Ok(filter) => (filter, None),
        Err(error) => (Filter::default(), Some(visible(&error.to_string()))),
    };
    for (name, value) in here.fields() {
        filter.field(name, value)?;
    }
    let order = if sort.is_empty() { fleet::Sort::default() } else { fleet::Sort::parse(&sort)? };
    let scope = access::readable(&visit.parts, &visit.who)?;
    let after_row = after.as_deref().map(fleet::Cursor::parse);
    let query = Query { filter, scope, sort: order, limit: 100, after: after_row, as_of: None, now: here.now };
    let page = visit.parts.index.ask(|index| Ok(index.packages(&query)?))?;
    let placed = match here.image.inventory {
        Some(inventory) => visit.parts.store.placed(inventory).await?,
        None => Vec::new(),
    };
    let mut places: HashMap<i64, Vec<&store::PlacedPackage>> = HashMap::new();
    for one in &placed {
        places.entry(one.package).or_default().push(one);
    }
    let address = here.tab("packages");
    let findings = here.tab("findings");
    Ok(Page {
        frame: here.frame(visit, "packages")?,
        image: Head::new(&here, "packages"),
        problem,
        heads: frame::heads(&COLUMNS, &address, &q, &sort),
        rows: page.items.iter().map(|package| row(package, places.get(&package.fact.id), &findings)).collect(),
        total: page.total,
        pager: Pager::new(&address, &q, &sort, after.as_deref(), page.next.as_ref().map(|c| c.as_str())),
        export: Export::whole("/packages", &[&[("q", q.as_str())], here.fields().as_slice()].concat()),
        kept: Kept::of(&address, &[("sort", &sort)]),
        address,
        q,
    })
}

fn row(package: &PackageRow, places: Option<&Vec<&store::PlacedPackage>>, findings: &str) -> Row {
    let first = places.and_then(|places| places.first());
    let word = format!("pkg:{}", package.fact.purl.trim_start_matches("pkg:"));
    Row {
        name: visible(&package.fact.name),
        link: format!("/packages/{}", encoded(&package.fact.purl)),
        version: visible(&package.fact.version),
        ecosystem: visible(&package.fact.ecosystem),
        counts: Counts::new(&package.tally, findings, Some(&word)),
        path: visible(first.map_or("", |one| one.path.as_str())),
        more: places.map_or(0, |places| places.len().saturating_sub(1)),
        layer: first.map_or(0, |one| one.layer),
        origin: visible(first.map_or("", |one| one.key.origin.as_str())),
    }
}
