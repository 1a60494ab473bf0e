//! Saved views: addresses of the console that the asker keeps under a name.

use crate::asker::Asker;
use crate::body::Body;
use crate::export;
use crate::params::Name;
use crate::parts::Parts;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// At most so many views a person.
const MOST: usize = 200;
/// Longest name, in bytes.
const NAME: usize = 100;
/// Longest address, in bytes.
const ADDRESS: usize = 4_000;

/// A view to be kept.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewBody {
    /// What it is called; another of that name is replaced.
    pub name: String,
    /// Path and query of a page: `/findings?q=severity%3A%3E%3Dhigh`.
    pub address: String,
}

/// A view that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SavedViewView {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// Path and query of the page.
    pub address: String,
    /// When it was kept.
    pub since: String,
}

/// Keeps a view.
pub async fn keep(parts: &Parts, asker: &Asker, body: ViewBody) -> Result<SavedViewView, Problem> {
    let name = body.name.trim();
    if name.is_empty() || name.len() > NAME {
        return Err(Problem::parameter("name", format!("the name of a view has 1 to {NAME} bytes")));
    }
    let is_page = body.address.len() <= ADDRESS && crate::params::local(&body.address) == body.address.as_str();
    if !is_page || body.address.starts_with("/api/") {
        return Err(Problem::parameter("address", "the address of a view is path and query of a page of this server"));
    }
    let known = parts.store.views(asker.principal.id).await?;
    if known.len() >= MOST && known.iter().all(|view| view.name != name) {
        return Err(Problem::parameter("name", format!("{MOST} views are kept at most: take one away first")));
    }
    let id = parts.store.save_view(asker.principal.id, name, &body.address, &asker.caller()).await?;
    let kept = parts.store.views(asker.principal.id).await?.into_iter().find(|view| view.id == id);
    kept.map(SavedViewView::from).ok_or_else(|| Problem::absent("view", name))
}

/// Takes a view away.
pub async fn end(parts: &Parts, asker: &Asker, id: &str) -> Result<(), Problem> {
    let absent = || Problem::absent("view", id);
    let number = id.parse().map_err(|_| absent())?;
    match parts.store.drop_view(asker.principal.id, number, &asker.caller()).await? {
        true => Ok(()),
        false => Err(absent()),
    }
}

impl From<store::SavedView> for SavedViewView {
    fn from(view: store::SavedView) -> Self {
        Self { id: view.id, name: view.name, address: view.address, since: view.since.rfc3339() }
    }
}

/// The asker's views.
pub async fn list(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = export::format_alone(query.as_deref(), &headers)?;
    let views = parts.store.views(asker.principal.id).await?;
    export::whole(&parts, format, views.into_iter().map(SavedViewView::from).collect())
}

/// Keeps a view.
pub async fn create(State(parts): State<Parts>, asker: Asker, Body(body): Body<ViewBody>) -> Result<Response, Problem> {
    let view = keep(&parts, &asker, body).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Takes a view away.
pub async fn delete(State(parts): State<Parts>, asker: Asker, Name(id): Name) -> Result<StatusCode, Problem> {
    end(&parts, &asker, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
