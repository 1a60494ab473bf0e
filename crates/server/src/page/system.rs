//! `/settings/system`: how this process stands: what it is, what it keeps, its limits, what is wrong with it.

use super::frame::{self, Frame, Tile, When, visible};
use super::visit::Visit;
use crate::api::system;
use crate::params::Params;
use crate::problem::Problem;
use crate::system::SystemView;
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "system.html")]
struct Page {
    frame: Frame,
    tiles: Vec<Tile>,
    system: SystemView,
    checks: Vec<Row>,
    started: When,
}

/// A check as it is shown.
struct Row {
    name: String,
    word: &'static str,
    tone: &'static str,
    text: String,
}

/// `GET /settings/system`
pub async fn page(visit: Visit) -> Response {
    let built = build(&visit).await;
    frame::answer(&visit, built)
}

async fn build(visit: &Visit) -> Result<Page, Problem> {
    Params::parse(visit.query.as_deref()).finish()?;
    let mut system = system::view(&visit.parts).await?;
    for text in [&mut system.data, &mut system.blobs] {
        *text = visible(text);
    }
    let row = |check: &crate::system::CheckView| Row {
        name: visible(&check.name),
        word: check.state,
        tone: match check.state {
            "ok" => "good",
            "warn" => "warn",
            _ => "bad",
        },
        text: visible(&check.text),
    };
    let size = |bytes: i64| model::text::size(bytes);
    let tile =
        |label: &str, figure: String, note: String| Tile { label: label.into(), figure, note, ..Tile::default() };
    let kept = &system.storage;
    Ok(Page {
        frame: Frame::new(visit, "settings").still().programs(visit, "/system", "portwarden doctor"),
        tiles: vec![
            tile("Version", system.version.clone(), system.roles.join(", ")),
            tile("Blobs", size(kept.blob_bytes), format!("{} of them", kept.blobs)),
            tile("Database", size(kept.database_bytes), system.database.clone()),
        ],
        checks: system.checks.iter().map(row).collect(),
        started: When::parse(Some(&system.started), (visit.parts.now)()),
        system,
    })
}
