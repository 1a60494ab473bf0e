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
        }
    }
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
    let found = parts.index.ask(|index| Ok(index.blast_radius(id, &query)?))?;
    // To somebody who sees a part of the fleet, what is in none of it is not there at all.
    let seen = |found: &fleet::BlastRadius| everything || found.row.findings > 0;
    let found = found.filter(seen).ok_or_else(|| Problem::absent("vulnerability of these images named", id))?;
    let text = parts.store.vulnerability(&found.row.fact.name).await?.map(|(_, v)| v.text).unwrap_or_default();
    Ok(VulnerabilityDetail {
        vulnerability: found.row.into(),
        cvss: detail::scores(&text.cvss),
        cwe: text.cwe,
        description: text.description,
        references: text.references,
        related: text.related,
        hits: found.repositories.into_iter().map(HitView::from).collect(),
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
