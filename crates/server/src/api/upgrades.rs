//! What to upgrade in an image: one line for each package, with everything that it fixes.

use super::images;
use crate::access;
use crate::detail::{self, LayerView};
use crate::export;
use crate::params::Name;
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::CountsView;
use assess::{together, upgrade};
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use fleet::{Filter, FindingRow, ImageRow, Query, Tally};
use model::package::PackageKey;
use model::{Digest, Severity};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::Principal;
use utoipa::ToSchema;

/// More findings than an image has: an answer holds all of them.
pub const ALL: usize = 200_000;

/// An upgrade of one package, or of the packages of one source.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct UpgradeView {
    /// The package, or the source package.
    pub name: String,
    /// The installed packages that go with it.
    pub packages: Vec<String>,
    /// `deb`, `npm`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Installed.
    pub from: String,
    /// The version that fixes everything that has a fix.
    pub to: String,
    /// What to type, or the line of the Dockerfile.
    pub command: Option<String>,
    /// Findings that it fixes.
    pub counts: CountsView,
    /// The layers that brought it.
    pub layers: Vec<LayerView>,
}

/// An upgrade, as pages show it.
pub struct Upgrade {
    /// The same as REST has it, but for the counts.
    pub view: UpgradeView,
    /// Findings that it fixes.
    pub tally: Tally,
    /// The packages as a word of a filter: exactly these findings.
    pub word: String,
}

/// What there is to upgrade.
pub struct Plan {
    /// The upgrades, worst first.
    pub upgrades: Vec<Upgrade>,
    /// Open findings, fixable or not.
    pub findings: u64,
    /// Findings that the upgrades fix.
    pub fixed: u64,
}

/// Every finding of an image that passes a filter, each once however many places it has.
pub fn findings(parts: &Parts, principal: &Principal, filter: Filter) -> Result<Vec<FindingRow>, Problem> {
    let scope = access::readable(parts, principal)?;
    let query = Query { filter, scope, limit: ALL, now: (parts.now)(), ..Query::default() };
    let mut rows = parts.index.ask(|index| Ok(index.findings(&query)?))?.items;
    let mut seen = BTreeSet::new();
    rows.retain(|row| seen.insert((row.package.id, row.vulnerability.id)));
    Ok(rows)
}

/// Adds a finding to a tally.
pub fn count(tally: &mut Tally, row: &FindingRow) {
    if let Some(cell) = tally.severities.get_mut(row.severity as usize) {
        *cell += 1;
    }
    tally.fixable += u64::from(row.fixable);
    tally.kev += u64::from(row.vulnerability.kev.0 != 0);
}

#[derive(Default)]
struct Group<'a> {
    tally: Tally,
    fixes: Vec<&'a str>,
    packages: BTreeMap<String, &'a PackageKey>,
    purls: BTreeSet<&'a str>,
    layers: BTreeSet<u32>,
}

/// Plans the upgrades of an image for the findings that pass a filter.
pub async fn plan(parts: &Parts, principal: &Principal, image: &ImageRow, filter: Filter) -> Result<Plan, Problem> {
    let rows = findings(parts, principal, filter)?;
    let placed = match image.inventory {
        Some(inventory) => parts.store.placed(inventory).await?,
        None => Vec::new(),
    };
    let mut places: HashMap<i64, Vec<&store::PlacedPackage>> = HashMap::new();
    for one in &placed {
        places.entry(one.package).or_default().push(one);
    }
    let mut groups: BTreeMap<(String, String, String), Group<'_>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.fixable) {
        let Some((first, all)) = places.get(&row.package.id).and_then(|all| Some((all.first()?, all))) else {
            continue;
        };
        let group = groups.entry(together(&first.key)).or_default();
        count(&mut group.tally, row);
        group.fixes.push(&row.fixed_version);
        group.packages.insert(first.key.name.clone(), &first.key);
        group.purls.insert(&row.package.purl);
        group.layers.extend(all.iter().map(|one| one.layer));
    }
    let digest = Digest::parse(&image.digest).map_err(|_| Problem::absent("image", &image.digest))?;
    let layers = detail::layers(parts, &digest).await?;
    let mut upgrades: Vec<Upgrade> = groups.into_iter().filter_map(|(key, group)| made(key, group, &layers)).collect();
    let rank = |tally: &Tally| (tally.kev, Severity::WORST_FIRST.map(|severity| tally.of(severity)));
    upgrades.sort_by_key(|upgrade| Reverse(rank(&upgrade.tally)));
    let fixed = upgrades.iter().map(|upgrade| upgrade.tally.findings()).sum();
    Ok(Plan { upgrades, findings: rows.len() as u64, fixed })
}

fn made((_, name, from): (String, String, String), group: Group<'_>, layers: &[LayerView]) -> Option<Upgrade> {
    let packages: Vec<&PackageKey> = group.packages.values().copied().collect();
    let found = upgrade(&packages, &group.fixes)?;
    let purls: Vec<&str> = group.purls.iter().map(|purl| purl.trim_start_matches("pkg:")).collect();
    Some(Upgrade {
        view: UpgradeView {
            name,
            kind: packages.first()?.purl_type().to_owned(),
            packages: group.packages.keys().cloned().collect(),
            from,
            to: found.to,
            command: found.command,
            counts: group.tally.into(),
            layers: layers.iter().filter(|layer| group.layers.contains(&layer.index)).cloned().collect(),
        },
        tally: group.tally,
        word: format!("pkg:{} fix:yes", purls.join(",")),
    })
}

/// What there is to upgrade in an image.
pub async fn list(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Name(digest): Name,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = export::format_alone(query.as_deref(), &headers)?;
    let image = images::row(&parts, &principal, &digest)?;
    let mut filter = Filter::default();
    filter.field("image", &digest)?;
    let plan = plan(&parts, &principal, &image, filter).await?;
    export::whole(&parts, format, plan.upgrades.into_iter().map(|upgrade| upgrade.view).collect())
}
