//! What happened and what is being done: events, jobs, the advisory database.

use crate::export;
use crate::params::{Format, Params, accepted};
use crate::parts::{DatabaseView, Parts};
use crate::problem::Problem;
use crate::view::moment;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventView {
    /// Rises with time; `before=` takes it.
    pub id: i64,
    /// When.
    pub at: String,
    /// `push`, `import`, `pull`, `delete`, `untag`.
    pub action: String,
    /// Name of the registry.
    pub registry: String,
    /// Name of the repository.
    pub repository: String,
    /// The tag, or empty.
    pub tag: String,
    /// Digest of the manifest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its length, bytes.
    pub bytes: i64,
    /// Who.
    pub actor: String,
    /// From where.
    pub address: String,
    /// With what.
    pub user_agent: String,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobView {
    /// Row id.
    pub id: i64,
    /// `image` or `rematch`.
    pub kind: &'static str,
    /// Why: `push`, `import`, …
    pub class: &'static str,
    /// The image, or empty.
    pub digest: String,
    /// The repository, or empty.
    pub repository: String,
    /// `queued`, `running`, `retry-at`.
    pub state: &'static str,
    /// When it may be taken.
    pub due: Option<String>,
    /// How often it was taken.
    pub attempt: i64,
    /// Why it was put back.
    pub reason: String,
    /// Who holds it, or empty.
    pub worker: String,
    /// When it was queued.
    pub since: Option<String>,
}

/// What was asked of a log: how it is written, before which id, how many rows.
fn page(query: Option<&str>, headers: &HeaderMap) -> Result<(Format, Option<i64>, u32), Problem> {
    let mut params = Params::parse(query);
    let format = params.take_format(accepted(headers))?;
    let limit = u32::try_from(params.take_limit()?).unwrap_or(50);
    let before = params.take("before")?;
    let wrong = |text: &String| Problem::parameter("before", format!("before={text:?} is not an id"));
    let before = before.map(|text| text.parse().map_err(|_| wrong(&text))).transpose()?;
    params.finish()?;
    Ok((format, before, limit))
}

/// Events, newest first.
pub async fn events(
    State(parts): State<Parts>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (format, before, limit) = page(query.as_deref(), &headers)?;
    let rows = parts.store.events(before, limit).await?;
    let next = if rows.len() < limit as usize { None } else { rows.last().map(|r| r.id) };
    let items: Vec<EventView> = rows.into_iter().map(EventView::from).collect();
    Ok(written(format, items, next))
}

/// A log has no total; its `next` is an id.
fn written<T: Serialize + ToSchema>(format: Format, items: Vec<T>, next: Option<i64>) -> Response {
    match format {
        Format::Json => Json(serde_json::json!({"items": items, "next": next})).into_response(),
        _ => export::lines(&items, format),
    }
}

impl From<store::Event> for EventView {
    fn from(event: store::Event) -> Self {
        Self {
            id: event.id,
            at: event.at.rfc3339(),
            action: event.action,
            registry: event.registry,
            repository: event.repository,
            tag: event.tag,
            digest: event.digest,
            media_type: event.media_type,
            bytes: event.bytes,
            actor: event.caller.actor,
            address: event.caller.address,
            user_agent: event.caller.user_agent,
        }
    }
}

/// Jobs that are not finished.
pub async fn jobs(
    State(parts): State<Parts>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (format, before, limit) = page(query.as_deref(), &headers)?;
    if before.is_some() {
        return Err(Problem::parameter("before", "before is not a parameter of this route"));
    }
    let items: Vec<JobView> = parts.store.jobs(limit).await?.into_iter().map(JobView::from).collect();
    Ok(written(format, items, None))
}

impl From<store::JobRow> for JobView {
    fn from(job: store::JobRow) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            class: job.class.as_str(),
            digest: job.digest,
            repository: job.repository,
            state: job.state,
            due: moment(job.due),
            attempt: job.attempt,
            reason: job.reason,
            worker: job.worker,
            since: moment(job.since),
        }
    }
}

/// The advisory database in force, with its feeds as any process asked them last.
pub async fn database(State(parts): State<Parts>, RawQuery(query): RawQuery) -> Result<Json<DatabaseView>, Problem> {
    Params::parse(query.as_deref()).finish()?;
    Ok(Json(DatabaseView::in_force((parts.database)(), &parts.store).await?))
}
