//! How this process stands.

use crate::params::Params;
use crate::parts::Parts;
use crate::problem::Problem;
use crate::system::{StorageView, SystemView};
use axum::Json;
use axum::extract::{RawQuery, State};

/// Says how the process stands, and what its store keeps.
pub async fn view(parts: &Parts) -> Result<SystemView, Problem> {
    let kept = parts.store.kept().await?;
    let storage = StorageView { blobs: kept.blobs, blob_bytes: kept.blob_bytes, database_bytes: kept.database_bytes };
    Ok(SystemView { database: kept.engine.to_owned(), storage, ..(parts.system)().await })
}

/// `GET /system`
pub async fn system(State(parts): State<Parts>, RawQuery(query): RawQuery) -> Result<Json<SystemView>, Problem> {
    Params::parse(query.as_deref()).finish()?;
    view(&parts).await.map(Json)
}
