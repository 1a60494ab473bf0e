//! One finding, one vulnerability.

use crate::access;
use crate::api::lists::PackageRowView;
use crate::detail::{self, FindingDetail};
use crate::params::{Name, Params};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::{CvssViews, VulnerabilityView, moment};
use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use fleet::{Hit, Query};
use serde::Serialize;
use store::Principal;
use utoipa::ToSchema;

/// A vulnerability with everything known of it and where it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct VulnerabilityDetail {
    /// What lists show.
    #[serde(flatten)]
    pub vulnerability: VulnerabilityView,
    /// Scores by version of CVSS.
    pub cvss: CvssViews,
    /// Weaknesses.
    pub cwe: Vec<String>,
    /// Plain text.
    pub description: String,
    /// Links, vendor first.
    pub references: Vec<String>,
    /// Vendor advisories that fix it.
    pub related: Vec<String>,
    /// Repositories hit, most images first.
    pub hits: Vec<HitView>,
    /// Packages hit, most images first.
    pub held: Vec<PackageRowView>,
}

/// A repository hit by a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HitView {
    /// Name of the registry.
    pub registry: String,
    /// Name of the repository.
    pub repository: String,
    /// Images hit.
    pub images: u64,
    /// Findings.
    pub findings: u64,
    /// Last pull of one of the images.
    pub last_pull: Option<String>,
    /// When it was there, without a gap each; of the first hundred repositories, and not of past moments.
    pub exposed: Vec<ExposedView>,
}

/// A span of time in which something was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExposedView {
    /// First moment.
    pub since: Option<String>,
    /// First moment after; `null` while it lasts.
    pub until: Option<String>,
}

impl From<Hit> for HitView {
    fn from(hit: Hit) -> Self {
        let last_pull = moment(hit.last_pull);
        Self {
            registry: hit.registry,
            repository: hit.repository,
            images: hit.images,
            findings: hit.findings,
            last_pull,
            exposed: Vec::new(),
        }
    }
}

/// Repositories of which it is said when they were exposed.
const EXPOSED: usize = 100;

fn exposed(index: &fleet::Index, found: &fleet::BlastRadius) -> Vec<Vec<ExposedView>> {
    let span =
        |(since, until): &(model::Micros, model::Micros)| ExposedView { since: moment(*since), until: moment(*until) };
    let of = |hit: &Hit| index.exposure_to(hit.repository_id, found.row.fact.id).spans.iter().map(span).collect();
    found.repositories.iter().take(EXPOSED).map(of).collect()
}

/// The row of a finding that the asker may see; any other is absent.
pub fn row(parts: &Parts, principal: &Principal, id: &str, params: Params) -> Result<fleet::FindingRow, Problem> {
    let mut params = params;
    let as_of = params.take_moment("as_of")?;
    params.finish()?;
    let absent = || Problem::absent("finding", id);
    let parsed = uuid::Uuid::parse_str(id).map_err(|_| absent())?;
    let scope = access::readable(parts, principal)?;
    parts.index.ask(|index| index.finding(parsed, &scope, as_of, (parts.now)()).ok_or_else(absent))
}

/// One finding.
pub async fn finding(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Name(id): Name,
    RawQuery(query): RawQuery,
) -> Result<Json<FindingDetail>, Problem> {
    let row = row(&parts, &principal, &id, Params::parse(query.as_deref()))?;
    detail::detail(&parts, row).await.map(Json)
}

/// Where a vulnerability is and what is known of it.
pub async fn radius(
    parts: &Parts,
    principal: &Principal,
    id: &str,
    as_of: Option<model::Micros>,
) -> Result<VulnerabilityDetail, Problem> {
    let scope = access::readable(parts, principal)?;
    let everything = scope == fleet::Scope::Everything;
    let query = Query { scope, limit: 1, as_of, now: (parts.now)(), ..Query::default() };
    let (found, spans) = parts.index.ask(|index| {
        let found = index.blast_radius(id, &query)?;
        let now = found.as_ref().filter(|_| as_of.is_none());
        Ok((found.clone(), now.map(|found| exposed(index, found)).unwrap_or_default()))
    })?;
    // To somebody who sees a part of the fleet, what is in none of it is not there at all.
    let seen = |found: &fleet::BlastRadius| everything || found.row.findings > 0;
    let found = found.filter(seen).ok_or_else(|| Problem::absent("vulnerability of these images named", id))?;
    let mut hits: Vec<HitView> = found.repositories.iter().cloned().map(HitView::from).collect();
    hits.iter_mut().zip(spans).for_each(|(hit, spans)| hit.exposed = spans);
    let text = parts.store.vulnerability(&found.row.fact.name).await?.map(|(_, v)| v.text).unwrap_or_default();
    Ok(VulnerabilityDetail {
        vulnerability: found.row.into(),
        cvss: detail::scores(&text.cvss),
        cwe: text.cwe,
        description: text.description,
        references: text.references,
        related: text.related,
        hits,
        held: found.packages.into_iter().map(PackageRowView::from).collect(),
    })
}

/// One vulnerability.
pub async fn vulnerability(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Name(id): Name,
    RawQuery(query): RawQuery,
) -> Result<Json<VulnerabilityDetail>, Problem> {
    let mut params = Params::parse(query.as_deref());
    let as_of = params.take_moment("as_of")?;
    params.finish()?;
    radius(&parts, &principal, &id, as_of).await.map(Json)
}
