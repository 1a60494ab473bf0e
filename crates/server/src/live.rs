//! Server-sent events: the revision of the index, as it moves. Nothing else is sent; pages ask again and meet the access check.
//!
//! Out: events until whoever asks may not any more: before each event and each sign of life it is asked whether the session, the token
//! or the user is still there.

use crate::asker::Asker;
use crate::parts::Parts;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::Event;
use futures_util::stream::{Stream, unfold};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;

/// The shortest time between two events.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest time between two signs of life.
const BEAT: Duration = Duration::from_secs(15);

/// A stream that is open.
struct Open {
    parts: Parts,
    asker: Asker,
    revisions: watch::Receiver<i64>,
    first: bool,
}

/// Streams revisions.
pub async fn revisions(State(parts): State<Parts>, asker: Asker) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let revisions = parts.index.revisions();
    let open = Open { parts, asker, revisions, first: true };
    Sse::new(unfold(open, |mut open| async move { Some((Ok(open.next().await?), open)) }))
}

impl Open {
    /// The next event; `None` = the end.
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.first) {
            return Some(self.revision());
        }
        tokio::time::sleep(PAUSE).await;
        let moved = tokio::time::timeout(BEAT, self.revisions.changed()).await;
        let (who, session) = (&self.asker.principal, &self.asker.session);
        if !self.parts.store.is_still_in(who, session).await.unwrap_or(false) {
            return None;
        }
        match moved {
            Ok(Ok(())) => Some(self.revision()),
            Ok(Err(_)) => None,
            Err(_) => Some(Event::default().comment("")),
        }
    }

    fn revision(&mut self) -> Event {
        Event::default().data(self.revisions.borrow_and_update().to_string())
    }
}
