//! What happened and what is being done: events, jobs, the advisory database.

use crate::params::Params;
use crate::parts::{DatabaseView, Parts};
use crate::problem::Problem;
use crate::view::moment;
use axum::Json;
use axum::extract::{RawQuery, State};
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

fn page(query: Option<&str>) -> Result<(Option<i64>, u32), Problem> {
    let mut params = Params::parse(query);
    let limit = u32::try_from(params.take_limit()?).unwrap_or(50);
    let before = params.take("before")?;
    let wrong = |text: &String| Problem::parameter("before", format!("before={text:?} is not an id"));
    let before = before.map(|text| text.parse().map_err(|_| wrong(&text))).transpose()?;
    params.finish()?;
    Ok((before, limit))
}

/// Events, newest first.
pub async fn events(State(parts): State<Parts>, RawQuery(query): RawQuery) -> Result<Json<serde_json::Value>, Problem> {
    let (before, limit) = page(query.as_deref())?;
    let rows = parts.store.events(before, limit).await?;
    let next = if rows.len() < limit as usize { None } else { rows.last().map(|r| r.id) };
    let items: Vec<EventView> = rows.into_iter().map(EventView::from).collect();
    Ok(Json(serde_json::json!({"items": items, "next": next})))
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
pub async fn jobs(State(parts): State<Parts>, RawQuery(query): RawQuery) -> Result<Json<serde_json::Value>, Problem> {
    let (before, limit) = page(query.as_deref())?;
    if before.is_some() {
        return Err(Problem::parameter("before", "before is not a parameter of this route"));
    }
    let items: Vec<JobView> = parts.store.jobs(limit).await?.into_iter().map(JobView::from).collect();
    Ok(Json(serde_json::json!({"items": items, "next": null})))
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

/// The advisory database in force. A process without the file (its workers have it) knows the generation, not the feeds.
pub async fn database(State(parts): State<Parts>, RawQuery(query): RawQuery) -> Result<Json<DatabaseView>, Problem> {
    Params::parse(query.as_deref()).finish()?;
    let (held, known) = ((parts.database)(), parts.store.generation().await?);
    if known.target == 0 || known.content_hash == held.content_hash {
        return Ok(Json(held));
    }
    let elsewhere =
        DatabaseView { generation: known.target, content_hash: known.content_hash, ..DatabaseView::default() };
    Ok(Json(elsewhere))
}
