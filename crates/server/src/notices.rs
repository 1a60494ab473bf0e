//! Notices: who wants to be told of something is told, once.
//!
//! In: facts, by their moments; channels. Out: messages to webhooks and mail boxes. `follow` derives from the facts what is to be
//! said and lets it wait in the store; `send` carries what waits to its receivers. They meet in the store alone.

mod facts;
mod findings;
mod follow;
mod http;
mod item;
mod mail;
mod send;
mod shapes;
mod text;
mod unsubscribe;

pub use follow::follow;
pub use send::send;

pub(crate) use http::KEY_PREFIX;
pub(crate) use item::Said;
pub(crate) use mail::{address as mail_address, addresses as mail_addresses};
pub(crate) use unsubscribe::named;

use crate::parts::Parts;
use crate::problem::Problem;
use findings::Around;
use store::Channel;

/// What a channel is sent to see whether it works, as JSON.
pub(crate) fn test_item(parts: &Parts, channel: &Channel) -> Result<String, Problem> {
    let scope = channel.spec.scope.to_path();
    let now = (parts.now)();
    let around = Around { base: &parts.public_url, scope: &scope, words: "", now, until: now };
    let item = facts::test(&channel.spec.name, &around);
    serde_json::to_string(&item).map_err(|why| Problem::parameter("item", why.to_string()))
}
