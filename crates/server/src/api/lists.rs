//! Lists of the index: findings, images, repositories, vulnerabilities, packages, counts.

use crate::access;
use crate::export;
use crate::params::{Params, accepted};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::sarif::Log;
use crate::view::{CountsView, FindingView, ImageView, List, PackageView, RepositoryView, VulnerabilityView};
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use fleet::{FindingRow, Index, PackageRow, Query, QueryError};
use model::Micros;
use serde::Serialize;
use serde_json::Value;
use store::Principal;
use utoipa::ToSchema;

/// A package and how many images hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PackageRowView {
    /// The package.
    #[serde(flatten)]
    pub package: PackageView,
    /// Images that hold it.
    pub images: u64,
    /// Places (repository × image) that hold it.
    pub places: u64,
    /// Findings by severity.
    pub counts: CountsView,
}

impl From<PackageRow> for PackageRowView {
    fn from(row: PackageRow) -> Self {
        Self { package: row.fact.into(), images: row.images, places: row.places, counts: row.tally.into() }
    }
}

/// How many, from one state of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TotalsView {
    /// Findings by severity.
    pub counts: CountsView,
    /// Distinct vulnerabilities among the findings.
    pub vulnerabilities: u64,
    /// Distinct images with a finding.
    pub affected: u64,
    /// Distinct images, with or without findings.
    pub images: u64,
    /// Distinct repositories.
    pub repositories: u64,
    /// Images by verdict.
    pub verdicts: Verdicts,
    /// Revision of the store that the answer was given at.
    pub revision: i64,
}

/// Images by verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Verdicts {
    /// Never read.
    pub none: u64,
    /// Everything was read.
    pub complete: u64,
    /// Something is missing.
    pub gaps: u64,
    /// Cannot be read.
    pub unsupported: u64,
    /// Reading failed.
    pub failed: u64,
}

type Ask<R> = fn(&Index, &Query) -> Result<fleet::Page<R>, QueryError>;

/// At most so many rows of a whole list: about 100 MB as JSON.
const WHOLE: u64 = 100_000;
/// The same as SARIF, of which readers take no more in a run.
const WHOLE_SARIF: u64 = 25_000;
/// Rows that are read at once.
const STRIDE: usize = 1_000;

/// A list that was asked for.
struct Asked<'a> {
    parts: &'a Parts,
    principal: &'a Principal,
    query: Option<&'a str>,
    headers: &'a HeaderMap,
    /// The path, which is the name of its file as well.
    path: &'static str,
}

async fn answer<R, V: Serialize + ToSchema + From<R>>(asked: Asked<'_>, ask: Ask<R>) -> Result<Response, Problem> {
    let parts = asked.parts;
    let mut params = Params::parse(asked.query);
    let format = params.take_format(accepted(asked.headers))?;
    let whole = params.take_all_rows();
    let mut query = params.into_query((parts.now)())?;
    query.scope = access::readable(parts, asked.principal)?;
    if whole {
        let (mut sheet, as_of) = (export::Sheet::<V>::new(format), query.as_of);
        let around = every(parts, query, WHOLE, ask, |row| sheet.add(&V::from(row))).await?;
        return Ok(sheet.file(asked.path, &List { as_of: as_of.map(Micros::rfc3339), ..around }));
    }
    let page = parts.index.ask(|index| Ok(ask(index, &query)?))?;
    let list = List::of(page, query.as_of, V::from);
    Ok(export::linked(&list, format, asked.path, asked.query))
}

/// Hands every row of a list over, page by page, and lets others in between; returns what is said around the rows.
async fn every<R>(
    parts: &Parts,
    mut query: Query,
    most: u64,
    ask: Ask<R>,
    mut take: impl FnMut(R),
) -> Result<List<Value>, Problem> {
    query.limit = STRIDE;
    loop {
        let page = parts.index.ask(|index| Ok(ask(index, &query)?))?;
        if page.total > most {
            let detail = format!("the list has {} rows, and limit=all gives {most} at most", page.total);
            return Err(Problem { next_step: NARROW, ..Problem::parameter("limit", detail) });
        }
        page.items.into_iter().for_each(&mut take);
        let Some(next) = page.next else {
            let (total, hidden, disabled) = (page.total, page.hidden, page.disabled);
            let (revision, generation) = (page.revision, page.generation);
            return Ok(List { total, hidden, disabled, revision, generation, ..List::default() });
        };
        query.after = Some(next);
        tokio::task::yield_now().await;
    }
}

const NARROW: &str = "Narrow the filter, or ask page by page with limit and after.";

/// Lists findings: those that pass a filter, or those that are picked by `finding`.
pub async fn findings(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let picked = params.take_all("finding");
    let sarif = params.take_sarif(accepted(&headers));
    if !picked.is_empty() {
        let rows = picked_rows(&parts, &principal, &picked)?;
        if sarif {
            params.finish()?;
            return Ok(sarif_of(&rows));
        }
        let format = params.take_format(accepted(&headers))?;
        params.finish()?;
        let items: Vec<FindingView> = rows.into_iter().map(FindingView::from).collect();
        return export::whole(&parts, format, items);
    }
    if !sarif {
        let asked = Asked {
            parts: &parts,
            principal: &principal,
            query: query.as_deref(),
            headers: &headers,
            path: "findings",
        };
        return answer::<_, FindingView>(asked, Index::findings).await;
    }
    let whole = params.take_all_rows();
    let mut query = params.into_query((parts.now)())?;
    query.scope = access::readable(&parts, &principal)?;
    if !whole {
        return Ok(sarif_of(&parts.index.ask(|index| Ok(index.findings(&query)?))?.items));
    }
    let mut log = Log::default();
    every(&parts, query, WHOLE_SARIF, Index::findings, |row| log.add(&row, "")).await?;
    Ok(sarif_file(log))
}

/// At most so many findings are picked one by one.
const PICKED: usize = 1_000;

fn picked_rows(parts: &Parts, principal: &Principal, ids: &[String]) -> Result<Vec<FindingRow>, Problem> {
    if ids.len() > PICKED {
        return Err(Problem::parameter("finding", format!("{} findings are picked; {PICKED} at most", ids.len())));
    }
    ids.iter().map(|id| super::findings::row(parts, principal, id, Params::default())).collect()
}

fn sarif_of(rows: &[FindingRow]) -> Response {
    let mut log = Log::default();
    rows.iter().for_each(|row| log.add(row, ""));
    sarif_file(log)
}

fn sarif_file(log: Log) -> Response {
    export::attached(Json(log.document()).into_response(), "application/sarif+json", "findings.sarif")
}

/// Lists images.
pub async fn images(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked =
        Asked { parts: &parts, principal: &principal, query: query.as_deref(), headers: &headers, path: "images" };
    answer::<_, ImageView>(asked, Index::images).await
}

/// Lists repositories.
pub async fn repositories(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked {
        parts: &parts,
        principal: &principal,
        query: query.as_deref(),
        headers: &headers,
        path: "repositories",
    };
    answer::<_, RepositoryView>(asked, Index::repositories).await
}

/// Lists vulnerabilities.
pub async fn vulnerabilities(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked {
        parts: &parts,
        principal: &principal,
        query: query.as_deref(),
        headers: &headers,
        path: "vulnerabilities",
    };
    answer::<_, VulnerabilityView>(asked, Index::vulnerabilities).await
}

/// Lists packages.
pub async fn packages(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked =
        Asked { parts: &parts, principal: &principal, query: query.as_deref(), headers: &headers, path: "packages" };
    answer::<_, PackageRowView>(asked, Index::packages).await
}

/// Counts.
pub async fn counts(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Result<Json<TotalsView>, Problem> {
    let mut params = Params::parse(query.as_deref());
    for name in ["sort", "limit", "after", "format"] {
        if params.take(name)?.is_some() {
            return Err(Problem::parameter(name, format!("{name} is not a parameter of this route: it gives no list")));
        }
    }
    let mut query = params.into_query((parts.now)())?;
    query.scope = access::readable(&parts, &principal)?;
    let (counts, revision) = parts.index.ask(|index| Ok((index.counts(&query)?, index.revision())))?;
    let [none, complete, gaps, unsupported, failed] = counts.verdicts;
    Ok(Json(TotalsView {
        counts: counts.tally.into(),
        vulnerabilities: counts.vulnerabilities,
        affected: counts.affected,
        images: counts.images,
        repositories: counts.repositories,
        verdicts: Verdicts { none, complete, gaps, unsupported, failed },
        revision,
    }))
}
