//! What changed between two images of a repository: by the push, and apart from it, by what was learned since.

use super::images;
use super::upgrades::{ALL, findings};
use crate::access;
use crate::params::{Name, Params};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::FindingView;
use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use fleet::{Filter, FindingRow, ImageRow, Place, Query, Sort};
use model::time::Micros;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use store::Principal;
use utoipa::ToSchema;

/// Images of a repository that one can be compared with, at most.
const OTHERS: usize = 100;

/// What changed between two images.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ChangesView {
    /// Digest of the image that it is compared with; `null` if there is none before it.
    pub against: Option<String>,
    /// Findings that the image brought.
    pub new: Vec<FindingView>,
    /// Findings that the image is rid of.
    pub fixed: Vec<FindingView>,
    /// Findings that both have.
    pub open: u64,
    /// Findings of both that became known after the push.
    pub learned: Vec<FindingView>,
    /// Findings of the other that advisories took back after the push; what disable rules hide is not among them.
    pub withdrawn: Vec<FindingView>,
    /// Packages that came, went or changed.
    pub packages: Vec<PackageChange>,
}

/// A package that came, went or changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct PackageChange {
    /// Kind and release.
    pub ecosystem: String,
    /// Name.
    pub name: String,
    /// Versions before; empty if it came.
    pub from: Vec<String>,
    /// Versions now; empty if it went.
    pub to: Vec<String>,
}

/// The same, as pages show it.
#[derive(Default)]
pub struct Changes {
    /// The other image, and its place.
    pub against: Option<(ImageRow, Place)>,
    /// Findings that the image brought.
    pub new: Vec<FindingRow>,
    /// Findings that the image is rid of.
    pub fixed: Vec<FindingRow>,
    /// Findings that both have.
    pub open: u64,
    /// Findings of both that became known after the push.
    pub learned: Vec<FindingRow>,
    /// Findings of the other that advisories took back after the push.
    pub withdrawn: Vec<FindingRow>,
    /// Packages that came, went or changed.
    pub packages: Vec<PackageChange>,
    /// Every image of the repository that it can be compared with, newest first.
    pub others: Vec<(ImageRow, Place)>,
}

/// An image at a place.
type Placed = (ImageRow, Place);

fn query(parts: &Parts, principal: &Principal, filter: Filter) -> Result<Query, Problem> {
    let scope = access::readable(parts, principal)?;
    Ok(Query { filter, scope, limit: OTHERS, now: (parts.now)(), ..Query::default() })
}

fn in_repository(place: &Place) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    let names =
        [("subscription", &place.subscription), ("registry", &place.registry), ("repository", &place.repository)];
    for (field, name) in names {
        filter.field(field, name)?;
    }
    Ok(filter)
}

/// The filter of one image at one place.
pub fn at(place: &Place, digest: &str) -> Result<Filter, Problem> {
    let mut filter = in_repository(place)?;
    filter.field("image", digest)?;
    Ok(filter)
}

/// The other images of the repository, newest first, and the one that the image took the tag from.
fn others(
    parts: &Parts,
    principal: &Principal,
    image: &ImageRow,
    place: &Place,
) -> Result<(Vec<Placed>, Option<String>), Problem> {
    let newest = Query { sort: Sort::parse("pushed")?, ..query(parts, principal, in_repository(place)?)? };
    let mut before = query(parts, principal, in_repository(place)?)?;
    before.as_of = Some(Micros(place.since.0 - 1));
    if !place.tags.is_empty() {
        before.filter.field("tag", &place.tags.join(","))?;
    }
    let (listed, tagged) = parts.index.ask(|index| Ok((index.images(&newest)?.items, index.images(&before)?.items)))?;
    let fits = |row: &ImageRow| row.digest != image.digest && row.inventory.is_some() && row.platform == image.platform;
    let here = |row: ImageRow| {
        let place = row.places.iter().find(|p| p.repository_id == place.repository_id)?.clone();
        Some((row, place))
    };
    let rows: Vec<_> = listed.into_iter().filter(&fits).filter_map(here).collect();
    let same_tag = tagged.into_iter().filter(&fits).max_by_key(|row| row.places.iter().map(|p| p.last_push).max());
    let earlier = rows.iter().filter(|(_, p)| p.since < place.since).max_by_key(|(_, p)| p.since);
    let chosen = same_tag.map(|row| row.digest).or_else(|| earlier.map(|(row, _)| row.digest.clone()));
    Ok((rows, chosen))
}

/// Compares an image with another of its repository: the one named, else the one before it.
pub async fn compare(
    parts: &Parts,
    principal: &Principal,
    (image, place): (&ImageRow, &Place),
    against: Option<&str>,
) -> Result<Changes, Problem> {
    let (others, before) = others(parts, principal, image, place)?;
    let Some(digest) = against.map(str::to_owned).or(before) else {
        return Ok(Changes { others, ..Changes::default() });
    };
    let found = others.iter().find(|(row, _)| row.digest == digest).cloned();
    let Some((other, other_place)) = found else {
        let known = against.is_none();
        return if known {
            Ok(Changes { others, ..Changes::default() })
        } else {
            Err(Problem::absent("image", &digest))
        };
    };
    let mine = findings(parts, principal, with_hidden(at(place, &image.digest)?)?)?;
    let theirs = findings(parts, principal, with_hidden(at(&other_place, &other.digest)?)?)?;
    let mut then = query(parts, principal, with_hidden(at(&other_place, &other.digest)?)?)?;
    (then.as_of, then.limit) = (Some(Micros(place.since.0.max(other_place.since.0 + 1))), ALL);
    let then = parts.index.ask(|index| Ok(index.findings(&then)?))?.items;
    let packages = packages(parts, &other, image).await?;
    Ok(Changes { packages, others, against: Some((other, other_place)), ..parted(mine, theirs, then) })
}

/// Takes in what disable rules hide, so that it is not taken for something that came or went.
fn with_hidden(mut filter: Filter) -> Result<Filter, Problem> {
    filter.field("status", "all")?;
    Ok(filter)
}

/// What makes two findings the same in two images: the vulnerability and the package, whatever its version.
type Same = (i64, i64);

fn same(row: &FindingRow) -> Same {
    (row.vulnerability.id, row.package.component)
}

/// Parts findings of an image and of another (now, and as they were known then) into what the push and what advisories did. Rules
/// decide what is shown of it, as they are now, or were then, and nothing else.
fn parted(mine: Vec<FindingRow>, theirs: Vec<FindingRow>, then: Vec<FindingRow>) -> Changes {
    let keys = |rows: &[FindingRow]| rows.iter().map(same).collect::<HashSet<Same>>();
    let (in_mine, in_theirs, in_then) = (keys(&mine), keys(&theirs), keys(&then));
    let once = |rows: Vec<FindingRow>, keep: &dyn Fn(&Same) -> bool| {
        let mut seen = HashSet::new();
        let open = rows.into_iter().filter(|row| row.rule.is_none());
        open.filter(|row| keep(&same(row)) && seen.insert(same(row))).collect::<Vec<_>>()
    };
    Changes {
        open: once(mine.clone(), &|key| in_theirs.contains(key)).len() as u64,
        learned: once(mine.clone(), &|key| in_theirs.contains(key) && !in_then.contains(key)),
        new: once(mine, &|key| !in_theirs.contains(key)),
        fixed: once(theirs, &|key| !in_mine.contains(key)),
        withdrawn: once(then, &|key| !in_theirs.contains(key) && !in_mine.contains(key)),
        ..Changes::default()
    }
}

async fn packages(parts: &Parts, before: &ImageRow, now: &ImageRow) -> Result<Vec<PackageChange>, Problem> {
    let mut versions: BTreeMap<(String, String), [BTreeSet<String>; 2]> = BTreeMap::new();
    for (side, image) in [before, now].into_iter().enumerate() {
        let Some(inventory) = image.inventory else { continue };
        for placed in parts.store.placed(inventory).await? {
            let sides = versions.entry((placed.key.ecosystem, placed.key.name)).or_default();
            sides.get_mut(side).map(|side| side.insert(placed.key.version));
        }
    }
    let changed = versions.into_iter().filter(|(_, [from, to])| from != to);
    let change = |((ecosystem, name), [from, to]): ((String, String), [BTreeSet<String>; 2])| PackageChange {
        ecosystem,
        name,
        from: from.into_iter().collect(),
        to: to.into_iter().collect(),
    };
    Ok(changed.map(change).collect())
}

/// What changed in an image against another of its repository.
pub async fn show(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Name(digest): Name,
    RawQuery(query): RawQuery,
) -> Result<Json<ChangesView>, Problem> {
    let mut params = Params::parse(query.as_deref());
    let (against, repository) = (params.take("against")?, params.take("repository")?);
    params.finish()?;
    let image = images::row(&parts, &principal, &digest)?;
    let wanted = |place: &&Place| repository.as_deref().is_none_or(|name| place.repository == name);
    let place = image.places.iter().find(wanted).ok_or_else(|| Problem::absent("image", &digest))?;
    let changes = compare(&parts, &principal, (&image, place), against.as_deref()).await?;
    let views = |rows: Vec<FindingRow>| rows.into_iter().map(FindingView::from).collect();
    Ok(Json(ChangesView {
        against: changes.against.map(|(row, _)| row.digest),
        new: views(changes.new),
        fixed: views(changes.fixed),
        open: changes.open,
        learned: views(changes.learned),
        withdrawn: views(changes.withdrawn),
        packages: changes.packages,
    }))
}
