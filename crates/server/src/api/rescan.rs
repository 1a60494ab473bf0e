//! Scans on demand: a person or a program asks, and the image is read before all that is done by itself.

use super::images;
use crate::access;
use crate::asker::Asker;
use crate::body::Body;
use crate::params::{LIMIT, Name};
use crate::parts::Parts;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fleet::{Filter, ImageRow, Query};
use model::role::{Action, Scope};
use model::verdict::Coverage;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which images.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RescanBody {
    /// The filter words of a list of images: `repo:team/* verdict:gaps`.
    pub q: String,
}

/// What became of the wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AskedView {
    /// The image.
    pub digest: String,
    /// The job.
    pub job: i64,
    /// Whether it waited or ran already.
    pub known: bool,
    /// Jobs before it; 0 = it is next, or runs.
    pub before: u64,
}

/// What became of many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AskedManyView {
    /// Images that were queued.
    pub queued: u64,
    /// Images that waited or ran already.
    pub known: u64,
    /// Images that are never read, or that the asker may not have read: accessories, plan off, another's scope.
    pub passed_over: u64,
}

/// The places of an image as scopes.
fn scopes(image: &ImageRow) -> Vec<Scope> {
    let scope = |p: &fleet::Place| Scope {
        subscription: Some(p.subscription.clone()),
        resource_group: None,
        registry: Some(p.registry.clone()),
        repository: Some(p.repository.clone()),
    };
    image.places.iter().map(scope).collect()
}

/// Returns the first of an image's places where a role allows to have it scanned; refuses whom none does.
fn may(parts: &Parts, asker: &Asker, image: &ImageRow) -> Result<Scope, Problem> {
    let mut refused = None;
    for scope in scopes(image) {
        let scope = access::scope_at(parts, &asker.principal, "digest", &scope.to_path())?;
        match access::may_in(&asker.principal, Action::Secure, &scope) {
            Ok(()) => return Ok(scope),
            Err(problem) => refused = refused.or(Some(problem)),
        }
    }
    Err(refused.unwrap_or_else(|| Problem::absent("image", &image.digest)))
}

/// Why an image is never read, if so.
fn unread(image: &ImageRow) -> Option<Problem> {
    let (why, next) = match image.coverage {
        Coverage::Accessory => ("is no image, it belongs to one", "Ask for the image that it belongs to."),
        Coverage::PlanOff => ("is where the plan is off", "Switch the plan on first."),
        _ => return None,
    };
    Some(Problem::conflict(format!("{} {why}", image.digest), next))
}

/// Has an image scanned.
pub async fn ask(parts: &Parts, asker: &Asker, digest: &str) -> Result<AskedView, Problem> {
    let image = images::row(parts, &asker.principal, digest)?;
    let scope = may(parts, asker, &image)?;
    if let Some(problem) = unread(&image) {
        return Err(problem);
    }
    let asked = parts.store.ask_for_scan(image.id, digest, &scope, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(AskedView { digest: digest.to_owned(), job: asked.job, known: asked.known, before: asked.before })
}

/// Has the images of a filter scanned.
pub async fn ask_for_many(parts: &Parts, asker: &Asker, body: &RescanBody) -> Result<AskedManyView, Problem> {
    let filter = Filter::parse(&body.q).map_err(|why| Problem::parameter("q", why.to_string()))?;
    let scope = access::readable(parts, &asker.principal)?;
    let query = Query { filter, scope, limit: LIMIT, now: (parts.now)(), ..Query::default() };
    let page = parts.index.ask(|index| Ok(index.images(&query)?))?;
    if page.total > LIMIT as u64 {
        let detail = format!("{} images pass this filter, more than {LIMIT}", page.total);
        return Err(Problem::parameter("q", detail));
    }
    // The key of the request is noted once.
    let mut by = asker.caller();
    let mut many = AskedManyView { queued: 0, known: 0, passed_over: 0 };
    for image in page.items {
        let (None, Ok(scope)) = (unread(&image), may(parts, asker, &image)) else {
            many.passed_over += 1;
            continue;
        };
        let asked = parts.store.ask_for_scan(image.id, &image.digest, &scope, &by).await?;
        by.key.clear();
        many.known += u64::from(asked.known);
        many.queued += u64::from(!asked.known);
    }
    parts.index.catch_up(&parts.store).await?;
    Ok(many)
}

/// `POST /images/{digest}/scan`
pub async fn one(State(parts): State<Parts>, asker: Asker, digest: Name) -> Result<Response, Problem> {
    let asked = ask(&parts, &asker, &digest.0).await?;
    Ok((StatusCode::CREATED, Json(asked)).into_response())
}

/// `POST /images/scan`
pub async fn many(State(parts): State<Parts>, asker: Asker, body: Body<RescanBody>) -> Result<Response, Problem> {
    let asked = ask_for_many(&parts, &asker, &body.0).await?;
    Ok((StatusCode::CREATED, Json(asked)).into_response())
}
