//! `/settings/feeds`: what is known: the advisories in force, from whom, how fresh.

use super::frame::{self, Frame, When, visible};
use super::visit::Visit;
use crate::params::Params;
use crate::parts::FeedView;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use model::time::Micros;

/// Data that was fetched longer ago is marked: 48 hours.
const STALE: i64 = 48 * 3_600_000_000;

#[derive(Template)]
#[template(path = "feeds.html")]
struct Page {
    frame: Frame,
    generation: i64,
    built: When,
    records: u64,
    hash: String,
    /// Whether only the advisories that are built in are there.
    starter: bool,
    /// Feeds that were fetched more than 48 hours ago.
    stale: usize,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    records: u64,
    date: When,
    fetched: When,
    state: &'static str,
    tone: &'static str,
}

/// `GET /settings/feeds`
pub async fn page(visit: Visit) -> Response {
    frame::answer(&visit, build(&visit))
}

fn build(visit: &Visit) -> Result<Page, Problem> {
    Params::parse(visit.query.as_deref()).finish()?;
    let (held, now) = ((visit.parts.database)(), (visit.parts.now)());
    let generation = visit.parts.index.ask(|index| Ok(index.generation()))?;
    let rows: Vec<Row> = held.feeds.iter().map(|feed| row(feed, now)).collect();
    Ok(Page {
        frame: Frame::new(visit, "settings").programs(visit, "/db", "portwarden db status"),
        generation,
        built: When::parse(held.built.as_deref(), now),
        records: held.feeds.iter().map(|feed| feed.records).sum(),
        hash: held.content_hash.chars().take(12).collect(),
        starter: held.starter_only,
        stale: rows.iter().filter(|row| row.tone == "warn").count(),
        rows,
    })
}

fn row(feed: &FeedView, now: Micros) -> Row {
    let fetched = feed.fetched.as_deref().and_then(Micros::parse);
    let (state, tone) = match fetched {
        Some(at) if now.0.saturating_sub(at.0) <= STALE => ("fresh", "good"),
        Some(_) => ("older than 48 h", "warn"),
        None => ("never fetched", "warn"),
    };
    Row {
        name: visible(&feed.name),
        records: feed.records,
        date: When::parse(feed.date.as_deref(), now),
        fetched: When::parse(feed.fetched.as_deref(), now),
        state,
        tone,
    }
}
