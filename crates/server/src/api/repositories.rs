//! A repository is renamed or moved; images and tags are taken out of it.
//!
//! What REST, the console and the command line do to it is done here. A registry that the asker has no role in is absent.

use super::tree::{Tree, place_of};
use crate::access::may_in;
use crate::asker::Asker;
use crate::body::Body;
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::RepositoryView;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use fleet::{Filter, Query};
use model::Digest;
use model::facts::Id;
use model::role::{Action, Scope};
use serde::Deserialize;
use store::{Registry, RepositoryChange};
use utoipa::ToSchema;

/// What becomes of a repository; what is left out stays. Its images, tags and history, the ids of its findings, and what was granted or
/// ruled for it stay its own. Nothing has the old name then.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RepositoryPatch {
    /// Name, with slashes.
    #[serde(default)]
    pub name: Option<String>,
    /// Name of the registry that it moves to.
    #[serde(default)]
    pub registry: Option<String>,
}

/// A repository that somebody named, whether it is there or not.
pub struct Named {
    /// Its registry.
    pub registry: Registry,
    /// Where it is in the tree, with the resource group.
    pub scope: Scope,
}

/// Finds the place that a registry and a repository name.
pub async fn named(parts: &Parts, asker: &Asker, registry: &str, repository: &str) -> Result<Named, Problem> {
    let tree = Tree::read(parts, asker).await?;
    let registry = tree.registry(registry)?.clone();
    let scope = Scope { repository: Some(repository.to_owned()), ..place_of(&registry) };
    Ok(Named { registry, scope })
}

/// Changes a repository: whoever moves it owns it where it is and where it goes. Returns its new place.
pub async fn change(
    parts: &Parts,
    asker: &Asker,
    (registry, repository): (&str, &str),
    body: RepositoryPatch,
) -> Result<Scope, Problem> {
    let from = named(parts, asker, registry, repository).await?;
    may_in(&asker.principal, Action::Own, &from.scope)?;
    let wanted = body.name.as_deref().unwrap_or(repository);
    let to = named(parts, asker, body.registry.as_deref().unwrap_or(registry), wanted).await?;
    may_in(&asker.principal, Action::Own, &to.scope)?;
    let change = RepositoryChange { name: body.name, registry: Some(to.registry.id) };
    let scope = parts.store.change_repository(from.registry.id, repository, &change, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(scope)
}

/// Takes an image, named by its digest or by a tag exactly, and every tag on it out of a repository.
pub async fn delete_image(
    parts: &Parts,
    asker: &Asker,
    (registry, repository): (&str, &str),
    digest: &str,
) -> Result<(), Problem> {
    let at = named(parts, asker, registry, repository).await?;
    may_in(&asker.principal, Action::Delete, &at.scope)?;
    let absent = || Problem::absent("image", digest);
    let parsed = match Digest::parse(digest) {
        Ok(parsed) => parsed,
        Err(_) if digest.contains(':') => return Err(absent()),
        Err(_) => tagged(parts, (at.registry.id, repository), digest).await?.ok_or_else(absent)?,
    };
    if !parts.store.delete_manifest(at.registry.id, repository, &parsed, &asker.caller()).await? {
        return Err(absent());
    }
    Ok(parts.index.catch_up(&parts.store).await?)
}

/// The one image that a tag names.
async fn tagged(parts: &Parts, (registry, repository): (Id, &str), tag: &str) -> Result<Option<Digest>, Problem> {
    let Some(named) = parts.store.manifest(registry, repository, tag).await? else { return Ok(None) };
    if parts.store.image(&named.digest).await?.is_some_and(|image| image.is_index) {
        let why = format!("{tag} names an index of images");
        return Err(Problem::conflict(
            why,
            "Name one of its images, or the index, by digest; or take the tag off alone.",
        ));
    }
    Ok(Some(named.digest))
}

/// Takes a tag out of a repository; what it named stays.
pub async fn delete_tag(
    parts: &Parts,
    asker: &Asker,
    (registry, repository): (&str, &str),
    tag: &str,
) -> Result<(), Problem> {
    let at = named(parts, asker, registry, repository).await?;
    may_in(&asker.principal, Action::Delete, &at.scope)?;
    let is_tag = !tag.contains(':'); // else it would be a digest to the store
    if !is_tag || !parts.store.delete_tag(at.registry.id, repository, tag, &asker.caller()).await? {
        return Err(Problem::absent("tag", tag));
    }
    Ok(parts.index.catch_up(&parts.store).await?)
}

/// The repository at a place, as lists show it.
fn one(parts: &Parts, scope: &Scope) -> Result<Json<RepositoryView>, Problem> {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let (registry, name) = (part(&scope.registry), part(&scope.repository));
    let mut filter = Filter::default();
    filter.field("registry", &registry)?;
    filter.field("repository", &name)?;
    let query = Query { filter, limit: crate::params::LIMIT, now: (parts.now)(), ..Query::default() };
    let rows = parts.index.ask(|index| Ok(index.repositories(&query)?))?.items;
    let row = rows.into_iter().find(|row| row.registry == registry && row.name == name);
    row.map(|row| Json(row.into())).ok_or_else(|| Problem::absent("repository", &name))
}

/// `PATCH /registries/{name}/repositories/{repository}`
pub async fn patch(
    State(parts): State<Parts>,
    asker: Asker,
    Path((registry, repository)): Path<(String, String)>,
    body: Body<RepositoryPatch>,
) -> Result<Json<RepositoryView>, Problem> {
    let scope = change(&parts, &asker, (&registry, &repository), body.0).await?;
    // Its owner is answered, whatever path the right has now.
    one(&parts, &scope)
}

/// `DELETE /registries/{name}/repositories/{repository}/images/{digest}`
pub async fn remove_image(
    State(parts): State<Parts>,
    asker: Asker,
    Path((registry, repository, digest)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    delete_image(&parts, &asker, (&registry, &repository), &digest).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /registries/{name}/repositories/{repository}/tags/{tag}`
pub async fn remove_tag(
    State(parts): State<Parts>,
    asker: Asker,
    Path((registry, repository, tag)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    delete_tag(&parts, &asker, (&registry, &repository), &tag).await?;
    Ok(StatusCode::NO_CONTENT)
}
