//! The list of findings, over all images.

use super::frame::{self, Counts, Export, Frame, Head, Pager, When, visible};
use super::list;
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
    vulnerabilities: u64,
    affected: u64,
    address: String,
    scope: String,
    problem: Option<String>,
    narrow: Option<list::Narrow>,
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
    let asked = frame::asked(visit)?;
    let question = &asked.question;
    let ask = |index: &fleet::Index| Ok((index.findings(question)?, index.counts(question)?));
    let (page, counts) = visit.parts.index.ask(ask)?;
    let address = asked.address("/findings");
    let (q, sort) = (asked.q.clone(), asked.sort.clone());
    let parameters = asked.parameters();
    let cli = frame::command("portwarden finding list", &q, &sort);
    Ok(Page {
        frame: Frame::new(visit, "inventory").programs(visit, &frame::link("/findings", &parameters), &cli).scoped(
            visit,
            &asked.scoped,
            "/findings",
            &q,
        )?,
        counts: Counts::new(&counts.tally, &address, Some(asked.within())),
        vulnerabilities: counts.vulnerabilities,
        affected: counts.affected,
        heads: frame::heads(&COLUMNS, &address, &q, &sort),
        pager: Pager::new(&address, &q, &sort, asked.after.as_deref(), page.next.as_ref().map(|c| c.as_str())),
        rows: page.items.into_iter().map(|finding| row(finding, question.now)).collect(),
        total: page.total,
        export: Export::new("/findings", &parameters),
        narrow: if page.total > 0 {
            None
        } else {
            list::narrowest(visit, &asked, &address, |i, q| Ok(i.findings(q)?.total))?
        },
        problem: asked.problem.clone(),
        scope: asked.scoped.path(),
        address,
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
