//! Channels of notices and what was sent on them. What REST, the console and the command line do to them is done here.

pub mod relay;
mod view;

pub use view::{ChannelBody, ChannelView, DeliveryView, MadeChannelView};

use crate::access;
use crate::asker::{Asker, Secret};
use crate::body::Body;
use crate::export;
use crate::notices::{mail_addresses, test_item};
use crate::params::{Name, Params, accepted};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::List;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::facts::Id;
use model::notice::{ChannelKind, Kind};
use model::role::{Action, Scope, allowed};
use model::{Micros, Severity};
use oci::post::Target;
use std::time::Duration;
use store::{Channel, ChannelSecret, ChannelSpec, Message};

/// Longest name of a channel.
const NAME_CHARS: usize = 80;
/// Longest address of one.
const ADDRESS_CHARS: usize = 2_000;
/// Longest time that notices are gathered: a day.
const MOST_MINUTES: u32 = 24 * 60;
/// Minutes that notices are gathered without another word.
const USUAL_MINUTES: u32 = 60;
/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// How long an older key is used beside the new one.
const OLD_KEY: Duration = Duration::from_secs(24 * 3600);

fn may_see(asker: &Asker, channel: &Channel) -> bool {
    allowed(&asker.principal.grants, Action::Secure, &channel.spec.scope)
}

/// The channels that somebody may see.
pub async fn visible(parts: &Parts, asker: &Asker) -> Result<Vec<Channel>, Problem> {
    let all = parts.store.channels().await?.into_iter();
    Ok(all.map(|channel| placed(parts, channel)).filter(|channel| may_see(asker, channel)).collect())
}

/// A channel whose scope knows its resource group.
fn placed(parts: &Parts, mut channel: Channel) -> Channel {
    if let Some(scope) = access::placed(parts, &channel.spec.scope) {
        channel.spec.scope = scope;
    }
    channel
}

/// One channel that somebody may see.
pub async fn one(parts: &Parts, asker: &Asker, id: &str) -> Result<Channel, Problem> {
    let absent = || Problem::absent("channel", id);
    let number: Id = id.parse().map_err(|_| absent())?;
    let found = parts.store.channel(number).await?.map(|channel| placed(parts, channel));
    found.filter(|channel| may_see(asker, channel)).ok_or_else(absent)
}

/// Makes a channel. A webhook's key is in the answer, this once.
pub async fn make(parts: &Parts, asker: &Asker, body: ChannelBody) -> Result<MadeChannelView, Problem> {
    let kind = ChannelKind::parse(body.kind.as_deref().unwrap_or("webhook"));
    let kind = kind.ok_or_else(|| {
        let all = ChannelKind::ALL.map(ChannelKind::as_str).join(", ");
        Problem::parameter("kind", format!("kind is one of {all}"))
    })?;
    let Some(address) = body.address.as_deref().map(str::trim).filter(|text| !text.is_empty()) else {
        return Err(Problem::parameter("address", "a channel needs an address: a URL, or where mail goes"));
    };
    let (target, internal) = reach(asker, kind, address)?;
    if kind == ChannelKind::Mail && parts.store.mail_relay().await?.is_none() {
        let next =
            "An owner of everything names it first: `notification relay set`, or Settings, Notifications, Mail relay.";
        return Err(Problem { field: "kind".into(), ..Problem::conflict("no mail relay is named yet", next) });
    }
    let spec = ChannelSpec { target, internal, ..spec(parts, asker, kind, &body)? };
    let keys = if kind == ChannelKind::Webhook { vec![key()?] } else { Vec::new() };
    let secret = ChannelSecret { address: address.to_owned(), keys, old_until: Micros(0) };
    let id = parts.store.add_channel(&spec, &secret, &asker.caller()).await?;
    let made = one(parts, asker, &id.to_string()).await?;
    Ok(MadeChannelView { key: secret.keys.into_iter().next().unwrap_or_default(), channel: (&made).into() })
}

/// Lets a channel be something else. Without an address it keeps its own.
pub async fn change(parts: &Parts, asker: &Asker, id: &str, body: ChannelBody) -> Result<ChannelView, Problem> {
    let before = one(parts, asker, id).await?;
    let kind = before.spec.kind;
    if body.kind.as_deref().is_some_and(|word| word != kind.as_str()) {
        return Err(Problem::parameter(
            "kind",
            format!("the channel is of kind {} and stays so; make another", kind.as_str()),
        ));
    }
    let address = body.address.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let (target, internal) = match address {
        None => (before.spec.target.clone(), before.spec.internal),
        Some(address) => reach(asker, kind, address)?,
    };
    let spec = ChannelSpec { target, internal, ..spec(parts, asker, kind, &body)? };
    let secret = match address {
        None => None,
        Some(address) => {
            Some(ChannelSecret { address: address.to_owned(), ..parts.store.channel_secret(before.id).await? })
        }
    };
    parts.store.change_channel(before.id, &spec, secret.as_ref(), &asker.caller()).await?;
    Ok((&one(parts, asker, id).await?).into())
}

/// Takes a channel away.
pub async fn end(parts: &Parts, asker: &Asker, id: &str) -> Result<(), Problem> {
    let channel = one(parts, asker, id).await?;
    Ok(parts.store.end_channel(channel.id, &asker.caller()).await?)
}

/// Makes another key; the one before is used beside it for a day.
pub async fn rotate(parts: &Parts, asker: &Asker, id: &str) -> Result<MadeChannelView, Problem> {
    let channel = one(parts, asker, id).await?;
    if channel.spec.kind != ChannelKind::Webhook {
        return Err(Problem::conflict("only signed webhooks have a key", "Change the address of the channel instead."));
    }
    let mut secret = parts.store.channel_secret(channel.id).await?;
    secret.keys.insert(0, key()?);
    secret.keys.truncate(2);
    secret.old_until = (parts.now)().saturating_add(OLD_KEY);
    parts.store.change_channel(channel.id, &channel.spec, Some(&secret), &asker.caller()).await?;
    Ok(MadeChannelView { key: secret.keys.swap_remove(0), channel: (&channel).into() })
}

/// Has a message sent that only says that the channel works.
pub async fn test(parts: &Parts, asker: &Asker, id: &str) -> Result<DeliveryView, Problem> {
    let channel = one(parts, asker, id).await?;
    let item = test_item(parts, &channel)?;
    let message = parts.store.test_channel(channel.id, &item, &asker.caller()).await?;
    let message = parts.store.message(message).await?;
    message.map(|message| DeliveryView::of(&message, &channel)).ok_or_else(|| Problem::absent("delivery", id))
}

/// Has a message sent again at once.
pub async fn again(parts: &Parts, asker: &Asker, id: &str) -> Result<DeliveryView, Problem> {
    let absent = || Problem::absent("delivery", id);
    let message = parts.store.message(id.parse().map_err(|_| absent())?).await?.ok_or_else(absent)?;
    let channel = one(parts, asker, &message.channel.to_string()).await.map_err(|_| absent())?;
    parts.store.send_again(&message, &asker.caller()).await?;
    let message = parts.store.message(message.id).await?.ok_or_else(absent)?;
    Ok(DeliveryView::of(&message, &channel))
}

/// What a channel is told of, checked; address and reach are the caller's affair.
fn spec(parts: &Parts, asker: &Asker, kind: ChannelKind, body: &ChannelBody) -> Result<ChannelSpec, Problem> {
    let name = body.name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Problem::parameter(
            "name",
            format!("name must say whom it tells, in 1 to {NAME_CHARS} characters"),
        ));
    }
    let scope = access::scope_at(parts, &asker.principal, "scope", body.scope.as_deref().unwrap_or("/"))?;
    access::may_in(&asker.principal, Action::Secure, &scope)?;
    let severity = body.severity.as_deref().unwrap_or("unknown");
    let severity = Severity::parse(severity).ok_or_else(|| {
        let all = Severity::WORST_FIRST.map(Severity::as_str).join(", ");
        Problem::parameter("severity", format!("severity={severity:?} is none; there are {all}"))
    })?;
    let digest_minutes = body.digest_minutes.unwrap_or(USUAL_MINUTES);
    if digest_minutes > MOST_MINUTES {
        let detail = format!("digest_minutes is 0 to {MOST_MINUTES}");
        return Err(Problem::parameter("digest_minutes", detail));
    }
    let kinds = kinds(asker, body.kinds.as_deref(), &scope)?;
    let (name, target, internal, paused) = (name.to_owned(), String::new(), false, body.paused);
    Ok(ChannelSpec { name, kind, target, kinds, scope, severity, digest_minutes, internal, paused })
}

/// The kinds that are wanted: those that are named, or all that the asker may be told of.
fn kinds(asker: &Asker, words: Option<&[String]>, scope: &Scope) -> Result<Vec<Kind>, Problem> {
    let may_audit = allowed(&asker.principal.grants, Action::Audit, scope);
    let Some(words) = words else {
        return Ok(Kind::CHOICES.into_iter().filter(|kind| may_audit || *kind != Kind::AccessChange).collect());
    };
    let mut kinds = Vec::new();
    for word in words {
        let kind = Kind::parse(word).ok_or_else(|| {
            let all = Kind::CHOICES.map(Kind::as_str).join(", ");
            Problem::parameter("kinds", format!("{word:?} is no kind of notice; there are {all}"))
        })?;
        if kind == Kind::AccessChange {
            access::may_in(&asker.principal, Action::Audit, scope)?; // it tells what only the audit does
        }
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        return Err(Problem::parameter("kinds", "choose at least one kind of notice; or pause the channel"));
    }
    Ok(kinds)
}

/// What may be shown of an address, and whether an operator named it: only then it may be inside.
fn reach(asker: &Asker, kind: ChannelKind, address: &str) -> Result<(String, bool), Problem> {
    let wrong = |why: &str| Problem::parameter("address", format!("the address {why}"));
    if address.len() > ADDRESS_CHARS {
        return Err(wrong("is too long"));
    }
    if kind == ChannelKind::Mail {
        let all = mail_addresses(address).map_err(|why| Problem::parameter("address", why))?;
        let all: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
        return Ok((all.join(", "), false)); // the relay alone is spoken to, which an owner named
    }
    let target = Target::parse(address).map_err(wrong)?;
    let owns = allowed(&asker.principal.grants, Action::Own, &Scope::ALL);
    match target.inside {
        Some(why) if !owns => {
            let detail = format!("{} is {why}, which only an owner of everything may name", target.shown);
            Err(Problem { detail, field: "address".into(), ..Problem::forbidden(Action::Own.as_str()) })
        }
        _ => Ok((target.shown, owns)), // a host that an operator names is allowed, whatever its address
    }
}

fn key() -> Result<String, Problem> {
    let mut bytes = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Problem::conflict("the system gives no randomness", "Try again."))?;
    Ok(format!("{}{}", crate::notices::KEY_PREFIX, STANDARD.encode(bytes)))
}

/// What was sent, newest first: of one channel, or of all that somebody may see.
pub async fn deliveries(
    parts: &Parts,
    asker: &Asker,
    channel: Option<&str>,
    before: Option<Id>,
    limit: usize,
) -> Result<List<DeliveryView>, Problem> {
    let channels = match channel {
        Some(id) => vec![one(parts, asker, id).await?],
        None => visible(parts, asker).await?,
    };
    let ids: Vec<Id> = channels.iter().map(|channel| channel.id).collect();
    let (mut found, total) = parts.store.messages(&ids, before, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|message| message.id.to_string());
    let view = |message: &Message| {
        let channel = channels.iter().find(|channel| channel.id == message.channel);
        channel.map(|channel| DeliveryView::of(message, channel))
    };
    let items = found.iter().filter_map(view).collect();
    let (revision, generation) = parts.index.ask(|index| Ok((index.revision(), index.generation())))?;
    Ok(List { items, total, hidden: 0, disabled: 0, next, as_of: None, revision, generation })
}

/// `GET /notifications/channels`
pub async fn list(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let items: Vec<ChannelView> = visible(&parts, &asker).await?.iter().map(ChannelView::from).collect();
    let asked = export::Asked { path: "notifications/channels", query: query.as_deref(), headers: &headers };
    export::short(&parts, Params::parse(query.as_deref()), &asked, items, |item| item.id.to_string())
}

/// `POST /notifications/channels`
pub async fn create(State(parts): State<Parts>, asker: Asker, body: Body<ChannelBody>) -> Result<Response, Problem> {
    let made = make(&parts, &asker, body.0).await?;
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    response.extensions_mut().insert(Secret);
    Ok(response)
}

/// `GET /notifications/channels/{id}`
pub async fn get(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<Json<ChannelView>, Problem> {
    Ok(Json((&one(&parts, &asker, &id.0).await?).into()))
}

/// `PUT /notifications/channels/{id}`
pub async fn replace(
    State(parts): State<Parts>,
    asker: Asker,
    id: Name,
    body: Body<ChannelBody>,
) -> Result<Json<ChannelView>, Problem> {
    Ok(Json(change(&parts, &asker, &id.0, body.0).await?))
}

/// `DELETE /notifications/channels/{id}`
pub async fn delete(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<StatusCode, Problem> {
    end(&parts, &asker, &id.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /notifications/channels/{id}/test`
pub async fn try_out(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<Response, Problem> {
    Ok((StatusCode::CREATED, Json(test(&parts, &asker, &id.0).await?)).into_response())
}

/// `POST /notifications/channels/{id}/key`
pub async fn new_key(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<Response, Problem> {
    let mut response = (StatusCode::CREATED, Json(rotate(&parts, &asker, &id.0).await?)).into_response();
    response.extensions_mut().insert(Secret);
    Ok(response)
}

/// `GET /notifications/deliveries`
pub async fn sent(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let (format, limit) = (params.take_format(accepted(&headers))?, params.take_limit()?);
    let wrong = || Problem::parameter("after", "after is not what a list of deliveries answered as next");
    let after = params.take("after")?.map(|text| text.parse::<Id>().map_err(|_| wrong())).transpose()?;
    let channel = params.take("channel")?;
    params.finish()?;
    let list = deliveries(&parts, &asker, channel.as_deref(), after, limit).await?;
    Ok(export::linked(&list, format, "notifications/deliveries", query.as_deref()))
}

/// `POST /notifications/deliveries/{id}/retry`
pub async fn retry(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<Json<DeliveryView>, Problem> {
    Ok(Json(again(&parts, &asker, &id.0).await?))
}
