//! The list of findings, over all images.

use super::frame::{self, Counts, Export, Frame, Head, Pager, When, visible};
use super::visit::Visit;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::FindingRow;
use model::time::Micros;

#[derive(Template)]
#[template(path = "findings.html")]
struct Page {
    frame: Frame,
    counts: Counts,
    problem: Option<String>,
    q: String,
    sort: String,
    heads: Vec<Head>,
    rows: Vec<Row>,
    total: u64,
    pager: Pager,
    export: Export,
}

struct Row {
    severity: &'static str,
    finding: String,
    link: String,
    kev: bool,
    package: String,
    version: String,
    fixed: String,
    state: &'static str,
    cvss: String,
    epss: String,
    image: String,
    image_link: String,
    first_seen: When,
}

const COLUMNS: [(&str, &str, bool); 9] = [
    ("Severity", "severity", false),
    ("Finding", "vulnerability", false),
    ("Package", "package", false),
    ("Installed", "", false),
    ("Fixed in", "fixable", false),
    ("CVSS", "cvss", true),
    ("EPSS", "epss", true),
    ("Image", "image", false),
    ("First seen", "first_seen", false),
];

/// Shows the findings.
pub async fn page(visit: Visit) -> Response {
    frame::answer(&visit, build(&visit))
}

fn build(visit: &Visit) -> Result<Page, Problem> {
    let parts = &visit.parts;
    let frame::Asked { q, sort, after, question, problem } = frame::asked(visit)?;
    let (page, counts) = parts.index.ask(|index| Ok((index.findings(&question)?, index.counts(&question)?)))?;
    let address = "/findings";
    let next = page.next.as_ref().map(|c| c.as_str());
    let within = if problem.is_some() { "" } else { q.as_str() };
    Ok(Page {
        frame: Frame::new(visit, "inventory").programs(
            visit,
            &frame::link("/findings", &[("q", &q), ("sort", &sort)]),
            &frame::command("portwarden finding list", &q, &sort),
        ),
        counts: Counts::new(&counts.tally, address, Some(within)),
        problem,
        heads: frame::heads(&COLUMNS, address, &q, &sort),
        pager: Pager::new(address, &q, &sort, after.as_deref(), next),
        rows: page.items.into_iter().map(|finding| row(finding, question.now)).collect(),
        total: page.total,
        export: Export::new("/findings", &[("q", &q), ("sort", &sort)]),
        q,
        sort,
    })
}

fn row(row: FindingRow, now: Micros) -> Row {
    let image_link = frame::image_address(&row.place, &row.image);
    Row {
        link: frame::link(&image_link, &[("finding", &row.id.to_string())]),
        severity: row.severity.as_str(),
        finding: visible(&row.vulnerability.name),
        kev: row.vulnerability.kev.0 != 0,
        package: visible(&row.package.name),
        version: visible(&row.package.version),
        fixed: visible(&row.fixed_version),
        state: row.state.as_str(),
        cvss: frame::tenths(row.vulnerability.cvss),
        epss: frame::percent(row.vulnerability.epss),
        image: visible(&match row.place.tags.first() {
            Some(tag) => format!("{}:{tag}", row.place.repository),
            None => row.place.repository,
        }),
        image_link,
        first_seen: When::of(row.first_seen, now),
    }
}
