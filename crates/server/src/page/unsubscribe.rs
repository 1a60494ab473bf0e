//! `/unsubscribe`: the page behind the link that ends one kind of notice for its channel, without a login.
//!
//! In: the link. Out: a page that asks (a program that follows every link ends nothing), and the end of it, noted in the audit.

use super::frame::{Frame, page as render, visible};
use crate::asker::Asker;
use crate::notices::named;
use crate::parts::Parts;
use crate::problem::Problem;
use crate::sender;
use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Extensions, HeaderMap};
use axum::response::Response;
use axum::routing::get;
use model::notice::Kind;
use store::Channel;

#[derive(Template)]
#[template(path = "unsubscribe.html")]
struct Unsubscribe {
    frame: Frame,
    name: String,
    title: &'static str,
    done: bool,
}

fn shown(channel: &Channel, kind: Kind, done: bool) -> Response {
    let name = visible(&channel.spec.name);
    render(&Unsubscribe { frame: Frame::default(), name, title: kind.title(), done })
}

/// The router of the page; it stands before the sign-in.
pub fn router() -> Router<Parts> {
    Router::new().route("/unsubscribe/{channel}/{kind}/{code}", get(ask).post(end))
}

type Link = Path<(String, String, String)>;

async fn ask(State(parts): State<Parts>, Path((channel, kind, code)): Link) -> Result<Response, Problem> {
    let (channel, kind) = named(&parts, &channel, &kind, &code).await?;
    Ok(shown(&channel, kind, false))
}

/// Ends it; the code says that whoever got the message wants it.
async fn end(
    State(parts): State<Parts>,
    extensions: Extensions,
    headers: HeaderMap,
    Path((channel, kind, code)): Link,
) -> Result<Response, Problem> {
    let (channel, kind) = named(&parts, &channel, &kind, &code).await?;
    let mut asker = Asker::local("unsubscribe");
    asker.principal.name = "unsubscribe link".into();
    asker.address = sender::address(&extensions);
    asker.user_agent = sender::user_agent(&headers);
    parts.store.mute_channel(channel.id, kind, &asker.caller()).await?;
    Ok(shown(&channel, kind, true))
}
