//! Lists of the index: findings, images, repositories, vulnerabilities, packages, counts.

use crate::access;
use crate::export;
use crate::params::{Params, accepted};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::{CountsView, FindingView, ImageView, List, PackageView, RepositoryView, VulnerabilityView};
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Json};
use fleet::{Index, PackageRow, Query, QueryError};
use serde::Serialize;
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

fn answer<R, V: Serialize + From<R>>(
    parts: &Parts,
    principal: &Principal,
    query: Option<&str>,
    headers: &HeaderMap,
    path: &str,
    ask: Ask<R>,
) -> Result<Response, Problem> {
    let asked = query;
    let mut params = Params::parse(query);
    let format = params.take_format(accepted(headers))?;
    let mut query = params.into_query((parts.now)())?;
    query.scope = access::readable(parts, principal)?;
    let page = parts.index.ask(|index| Ok(ask(index, &query)?))?;
    let list = List::of(page, query.as_of, V::from);
    Ok(export::linked(&list, format, path, asked))
}

/// Lists findings.
pub async fn findings(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer::<_, FindingView>(&parts, &principal, query.as_deref(), &headers, "findings", Index::findings)
}

/// Lists images.
pub async fn images(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer::<_, ImageView>(&parts, &principal, query.as_deref(), &headers, "images", Index::images)
}

/// Lists repositories.
pub async fn repositories(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer::<_, RepositoryView>(&parts, &principal, query.as_deref(), &headers, "repositories", Index::repositories)
}

/// Lists vulnerabilities.
pub async fn vulnerabilities(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer::<_, VulnerabilityView>(
        &parts,
        &principal,
        query.as_deref(),
        &headers,
        "vulnerabilities",
        Index::vulnerabilities,
    )
}

/// Lists packages.
pub async fn packages(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer::<_, PackageRowView>(&parts, &principal, query.as_deref(), &headers, "packages", Index::packages)
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
