//! Distinct vulnerabilities, and where one of them is.

use super::frame::{self, Frame, Head, Pager, visible};
use crate::access;
use crate::api::findings::{VulnerabilityDetail, radius};
use crate::params::Params;
use crate::parts::Parts;
use crate::problem::Problem;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use fleet::{Query, VulnerabilityRow};
use store::Principal;

#[derive(Template)]
#[template(path = "vulnerabilities.html")]
struct ListPage {
    frame: Frame,
    problem: Option<String>,
    q: String,
    sort: String,
    heads: Vec<Head>,
    rows: Vec<Row>,
    total: u64,
    images: u64,
    pager: Pager,
}

struct Row {
    severity: &'static str,
    id: String,
    link: String,
    kev: bool,
    title: String,
    packages: String,
    cvss: String,
    epss: String,
    images: u64,
    findings: u64,
}

#[derive(Template)]
#[template(path = "vulnerability.html")]
struct OnePage {
    frame: Frame,
    id: String,
    title: String,
    severity: &'static str,
    kev: String,
    aliases: String,
    description: String,
    images: u64,
    findings: u64,
    repositories: Vec<Hit>,
    packages: Vec<Held>,
}

struct Hit {
    name: String,
    link: String,
    images: u64,
    findings: u64,
    pulled: String,
}

struct Held {
    name: String,
    version: String,
    ecosystem: String,
    images: u64,
}

const COLUMNS: [(&str, &str, bool); 8] = [
    ("Severity", "severity", false),
    ("Id", "vulnerability", false),
    ("Title", "", false),
    ("Packages", "", false),
    ("CVSS", "cvss", true),
    ("EPSS", "epss", true),
    ("Images", "images", true),
    ("Findings", "findings", true),
];

/// Shows the vulnerabilities.
pub async fn list(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Response {
    match build(&parts, &principal, query.as_deref()) {
        Ok(page) => frame::page(&page),
        Err(problem) => frame::trouble(&parts, problem),
    }
}

/// Shows one vulnerability.
pub async fn one(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
) -> Response {
    match radius(&parts, &principal, &id, None).await {
        Ok(found) => frame::page(&one_page(&parts, found)),
        Err(problem) => frame::trouble(&parts, problem),
    }
}

fn build(parts: &Parts, principal: &Principal, query: Option<&str>) -> Result<ListPage, Problem> {
    let mut params = Params::parse(query);
    let asked = Params::parse(query);
    let q = params.take("q")?.unwrap_or_default();
    let sort = params.take("sort")?.unwrap_or_default();
    let after = params.take("after")?;
    let scope = access::readable(parts, principal)?;
    let (question, problem) = match asked.into_query((parts.now)()) {
        Ok(question) => (question, None),
        Err(problem) => (Query { limit: 50, now: (parts.now)(), ..Query::default() }, Some(visible(&problem.detail))),
    };
    let question = Query { scope: scope.clone(), ..question };
    let everything = Query { scope, limit: 1, now: question.now, ..Query::default() };
    let (page, counts) =
        parts.index.ask(|index| Ok((index.vulnerabilities(&question)?, index.counts(&everything)?)))?;
    let address = "/vulnerabilities";
    let next = page.next.as_ref().map(|c| c.as_str());
    Ok(ListPage {
        frame: Frame::new(parts, "vulnerabilities"),
        problem,
        heads: frame::heads(&COLUMNS, address, &q, &sort),
        pager: Pager::new(address, &q, &sort, after.as_deref(), next),
        rows: page.items.into_iter().map(row).collect(),
        total: page.total,
        images: counts.images,
        q,
        sort,
    })
}

fn row(row: VulnerabilityRow) -> Row {
    let shown = 4;
    let mut packages = row.packages.iter().take(shown).map(|p| visible(p)).collect::<Vec<_>>().join(", ");
    if row.packages.len() > shown {
        packages.push_str(&format!(" and {} more", row.packages.len() - shown));
    }
    Row {
        severity: row.severity.as_str(),
        link: format!("/vulnerabilities/{}", crate::params::encoded(&row.fact.name)),
        id: visible(&row.fact.name),
        kev: row.fact.kev.0 != 0,
        title: visible(&row.fact.title),
        packages,
        cvss: frame::tenths(row.fact.cvss),
        epss: frame::percent(row.fact.epss),
        images: row.images,
        findings: row.findings,
    }
}

fn one_page(parts: &Parts, found: VulnerabilityDetail) -> OnePage {
    let it = found.vulnerability;
    let hit = |h: crate::api::findings::HitView| Hit {
        link: frame::link("/", &[("q", &format!("repo:{} cve:{}", h.repository, it.id))]),
        name: visible(&format!("{}/{}", h.registry, h.repository)),
        images: h.images,
        findings: h.findings,
        pulled: h.last_pull.unwrap_or_default(),
    };
    let held = |p: crate::api::lists::PackageRowView| Held {
        name: visible(&p.package.name),
        version: visible(&p.package.version),
        ecosystem: visible(&p.package.ecosystem),
        images: p.images,
    };
    OnePage {
        frame: Frame::new(parts, "vulnerabilities"),
        title: visible(&it.title),
        severity: it.severity,
        kev: it.kev.as_deref().and_then(|k| k.get(..10)).unwrap_or("").to_owned(),
        aliases: visible(&it.aliases.join(", ")),
        description: visible(&found.description),
        images: it.images,
        findings: it.findings,
        repositories: found.hits.into_iter().map(hit).collect(),
        packages: found.held.into_iter().map(held).collect(),
        id: visible(&it.id),
    }
}
