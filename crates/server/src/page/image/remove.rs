//! An image is deleted from a repository, or a tag is taken off it: what goes is said before.

use super::{Here, crumbs, elsewhere, name};
use crate::access::may_in;
use crate::api::repositories;
use crate::api::tree::can;
use crate::body::Form;
use crate::page::filled::Filled;
use crate::page::frame::{Counts, Frame, Step, When, image_address, page as render, visible};
use crate::page::scope::walk;
use crate::page::visit::Visit;
use crate::params::{Name, Params, encoded};
use crate::problem::Problem;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use fleet::Place;
use model::role::{Action, Scope};

#[derive(Template)]
#[template(path = "remove.html")]
struct Remove {
    frame: Frame,
    crumbs: Vec<Step>,
    name: String,
    digest: String,
    at: String,
    guard: String,
    trouble: String,
    counts: Counts,
    /// Tags that name it.
    own: Vec<String>,
    /// Every tag by which it is found.
    tags: Vec<String>,
    indexes: Vec<String>,
    pushed: When,
    pulled: When,
    puller: String,
    others: Vec<Step>,
}

/// The path of a place.
fn path(place: &Place) -> String {
    format!("/{}/{}/{}", place.subscription, place.registry, place.repository)
}

/// The scope of a place, with its resource group.
fn scope(place: &Place, group: &str) -> Scope {
    Scope::repository(&place.subscription, group, &place.registry, &place.repository)
}

/// Where an image may be deleted from its place; empty to whom may not.
pub fn link(visit: &Visit, place: &Place, group: &str, digest: &str) -> String {
    if !can(&visit.asker, Action::Delete, &scope(place, group)) {
        return String::new();
    }
    format!("/images/{digest}/delete?at={}", encoded(&path(place)))
}

/// `GET /images/{digest}/delete`
pub async fn ask(visit: Visit, digest: Name) -> Result<Response, Problem> {
    let mut params = Params::parse(visit.query.as_deref());
    let at = params.take("at")?.unwrap_or_default();
    params.finish()?;
    show(&visit, &digest.0, &at, Filled::new(&visit.asker, &[])).await
}

async fn show(visit: &Visit, digest: &str, at: &str, form: Filled) -> Result<Response, Problem> {
    let here = Here::read(visit, &format!("{}@{digest}", at.trim_start_matches('/'))).await?;
    let Here { image, place, now, .. } = &here;
    let group = here.scoped.registry.as_ref().map_or("", |registry| registry.resource_group.as_str());
    may_in(&visit.who, Action::Delete, &scope(place, group))?;
    let hanging = visit.parts.store.hanging(place.registry_id, &place.repository, image.id, place.last_pull).await?;
    let mut steps = crumbs(place);
    steps.push(Step { text: visible(&name(place)), link: here.address.clone() });
    let api =
        format!("/registries/{}/repositories/{}/images/{digest}", encoded(&place.registry), encoded(&place.repository));
    let frame = Frame::new(visit, "inventory").still();
    let mut frame = frame.programs(visit, &api, &format!("portwarden image delete {}@{digest}", place.repository));
    frame.api = frame.api.replacen("curl ", "curl -X DELETE ", 1);
    Ok(form.answer(render(&Remove {
        frame,
        crumbs: steps,
        name: visible(&name(place)),
        digest: visible(digest),
        at: path(place),
        guard: form.guard(),
        trouble: form.trouble(&[]),
        counts: Counts::new(&here.counts.tally, &here.tab("findings"), Some("")),
        own: hanging.tags.iter().map(|tag| visible(tag)).collect(),
        tags: place.tags.clone(),
        indexes: hanging.indexes,
        pushed: When::of(place.last_push, *now),
        pulled: When::of(place.last_pull, *now),
        puller: visible(&hanging.puller),
        others: elsewhere(image, place),
    })))
}

/// The registry and the repository that a form names.
fn place_of(form: &Form) -> Result<(String, String, String), Problem> {
    let at = form.typed("at");
    let scope = Scope::parse(at).unwrap_or_default();
    let (Some(registry), Some(repository)) = (scope.registry, scope.repository) else {
        return Err(Problem::parameter("at", format!("{at:?} is no repository")));
    };
    Ok((at.to_owned(), registry, repository))
}

/// `POST /images/{digest}/delete`
pub async fn image(visit: Visit, digest: Name, form: Form) -> Result<Response, Problem> {
    let (at, registry, repository) = place_of(&form)?;
    let place = (registry.as_str(), repository.as_str());
    match repositories::delete_image(&visit.parts, &visit.asker, place, &digest.0).await {
        Ok(()) => Ok(Redirect::to(&left(&visit, &at, &registry)).into_response()),
        Err(problem) => show(&visit, &digest.0, &at, Filled::again(&visit.asker, form, problem)).await,
    }
}

/// Where one is when an image is gone: at its repository, or above it if that was the last one.
fn left(visit: &Visit, at: &str, registry: &str) -> String {
    let stays = crate::page::scope::Scoped::read(visit, at).is_ok();
    let above = at.split_once(&format!("/{registry}/")).map_or("", |(above, _)| above);
    if stays { walk(at) } else { walk(&format!("{above}/{registry}")) }
}

/// `POST /images/{digest}/untag`
pub async fn tag(visit: Visit, digest: Name, form: Form) -> Result<Response, Problem> {
    let (at, registry, repository) = place_of(&form)?;
    let place = (registry.as_str(), repository.as_str());
    match repositories::delete_tag(&visit.parts, &visit.asker, place, form.typed("tag")).await {
        Ok(()) => {
            let here = Here::read(&visit, &format!("{}@{}", at.trim_start_matches('/'), digest.0)).await;
            let to = here.map_or_else(|_| walk(&at), |here| image_address(&here.place, &here.image.digest));
            Ok(Redirect::to(&to).into_response())
        }
        Err(problem) => show(&visit, &digest.0, &at, Filled::again(&visit.asker, form, problem)).await,
    }
}
