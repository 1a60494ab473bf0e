//! Server-sent events: the revision of the index, as it moves. Nothing else is sent; pages ask again and meet the access check.

use crate::parts::Parts;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::{Stream, unfold};
use std::convert::Infallible;
use std::time::Duration;

/// The shortest time between two events.
const PAUSE: Duration = Duration::from_millis(250);

/// Streams revisions.
pub async fn revisions(State(parts): State<Parts>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stream = unfold((parts.index.revisions(), true), |(mut revisions, first)| async move {
        if !first {
            tokio::time::sleep(PAUSE).await;
            revisions.changed().await.ok()?;
        }
        let revision = *revisions.borrow_and_update();
        Some((Ok(Event::default().data(revision.to_string())), (revisions, false)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}
