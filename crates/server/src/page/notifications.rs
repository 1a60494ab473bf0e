//! `/settings/notifications`: who is told of what, and what was sent.

use super::filled::Filled;
use super::form::Field;
use super::frame::{Frame, Step, When, page as render, visible};
use super::scope::Names;
use super::visit::Visit;
use crate::api::notifications::{self as api, ChannelBody, ChannelView, DeliveryView};
use crate::asker::Secret;
use crate::body::Form;
use crate::params::Name;
use crate::problem::Problem;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use model::notice::{ChannelKind, Kind};
use model::role::{Action, Scope, allowed};
use model::{Micros, Severity};
use serde::Deserialize;
use store::Channel;

const HERE: &str = "/settings/notifications";
/// Messages that a page shows.
const SHOWN: usize = 20;

/// The form. What is not ticked is not told of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelForm {
    name: String,
    kind: Option<String>,
    address: Option<String>,
    #[serde(default)]
    kinds: Vec<String>,
    scope: Option<String>,
    severity: Option<String>,
    digest_minutes: Option<u32>,
    #[serde(default)]
    paused: bool,
}

impl From<ChannelForm> for ChannelBody {
    fn from(form: ChannelForm) -> Self {
        let ChannelForm { name, kind, address, kinds, scope, severity, digest_minutes, paused } = form;
        Self { name, kind, address, kinds: Some(kinds), scope, severity, digest_minutes, paused }
    }
}

#[derive(Template)]
#[template(path = "notifications.html")]
struct Channels {
    frame: Frame,
    owns: bool,
    guard: String,
    trouble: String,
    rows: Vec<Row>,
    asks: Asks,
}

#[derive(Template)]
#[template(path = "notification.html")]
struct OneChannel {
    frame: Frame,
    guard: String,
    crumbs: Vec<Step>,
    trouble: String,
    row: Row,
    key: String,
    asks: Asks,
    sent: Vec<Sent>,
    total: u64,
}

/// The fields of the form; `kinds` are boxes.
struct Asks {
    fields: Vec<Field>,
    kinds: Vec<Choice>,
    kinds_error: String,
}

struct Choice {
    word: &'static str,
    title: &'static str,
    ticked: bool,
}

/// A channel as the page shows it.
struct Row {
    id: i64,
    name: String,
    kind: &'static str,
    signed: bool,
    target: String,
    kinds: Vec<&'static str>,
    scope: String,
    severity: &'static str,
    state: &'static str,
    tone: &'static str,
    author: String,
    since: When,
}

struct Sent {
    id: i64,
    subject: String,
    kind: String,
    facts: usize,
    state: &'static str,
    tone: &'static str,
    attempts: i64,
    error: String,
    at: When,
    next: String,
    again: bool,
}

fn row(channel: &Channel, names: &Names, now: Micros) -> Row {
    let (spec, view) = (&channel.spec, ChannelView::from(channel));
    let (state, tone) = match (spec.paused, channel.failing.0 > 0) {
        (true, true) => ("switched off: it failed", "bad"),
        (true, false) => ("paused", "warn"),
        (false, true) => ("failing", "bad"),
        (false, false) => ("on", "good"),
    };
    Row {
        id: channel.id,
        name: visible(&spec.name),
        kind: spec.kind.title(),
        signed: spec.kind == ChannelKind::Webhook,
        target: visible(&spec.target),
        kinds: view.kinds,
        scope: names.of(&view.scope),
        severity: view.severity,
        state,
        tone,
        author: visible(&channel.author),
        since: When::of(channel.since, now),
    }
}

fn sent(delivery: DeliveryView, now: Micros) -> Sent {
    let tone = match delivery.state {
        "delivered" => "good",
        "given-up" => "bad",
        "waiting" if delivery.attempts > 0 => "warn",
        "waiting" => "busy",
        _ => "",
    };
    let next = delivery.next_try.filter(|_| delivery.attempts > 0);
    Sent {
        id: delivery.id,
        subject: visible(&delivery.subject),
        kind: delivery.kind,
        facts: delivery.facts,
        state: delivery.state,
        tone,
        attempts: delivery.attempts,
        error: visible(&delivery.error),
        at: When::parse(delivery.created.as_deref(), now),
        next: next.and_then(|at| at.get(..16).map(|at| at.replace('T', " "))).unwrap_or_default(),
        again: delivery.state == "given-up" || (delivery.state == "waiting" && delivery.attempts > 0),
    }
}

/// The fields; of a channel that is there its kind is not asked.
fn asks(form: &Filled, of: Option<&Channel>) -> Asks {
    let kinds = ChannelKind::ALL.map(|kind| (kind.as_str(), kind.title()));
    let any = |s: Severity| if s == Severity::Unknown { "any, unknown ones included" } else { s.as_str() };
    let severities = Severity::WORST_FIRST.map(|s| (s.as_str(), any(s)));
    let address = Field::text("address", "Address", "").complete("off").example("https://hooks.example.com/…");
    let address = match of {
        Some(channel) => address.hint(format!("Now {}; empty: it stays.", visible(&channel.spec.target))),
        None => address
            .required()
            .hint("A URL, which is kept sealed and not shown again; of mail the addresses, with commas between them."),
    };
    let mut all = vec![Field::text("name", "Whom it tells", "").required().example("on-call")];
    all.extend(of.is_none().then(|| Field::select("kind", "Kind", "", &kinds)));
    all.extend([
        address,
        Field::text("scope", "In the scope", "")
            .hint("/ is everything; /SUBSCRIPTION/REGISTRY/REPOSITORY one repository."),
        Field::select("severity", "Of findings of this severity and above", "", &severities),
        Field::text("digest_minutes", "Gather for minutes", "")
            .kind("number")
            .hint("What is urgent (known exploited, critical with a fix) is told at once."),
        Field::check("paused", "Send nothing for now", false),
    ]);
    let ticked = |kind: Kind| form.chosen("kinds").any(|word| word == kind.as_str());
    let choice = |kind: Kind| Choice { word: kind.as_str(), title: kind.title(), ticked: ticked(kind) };
    Asks {
        fields: all.into_iter().map(|field| form.field(field)).collect(),
        kinds: Kind::CHOICES.map(choice).into_iter().collect(),
        kinds_error: form.wrong("kinds"),
    }
}

/// What is wrong with no field.
fn trouble(form: &Filled, asks: &Asks) -> String {
    if asks.kinds_error.is_empty() { form.trouble(&asks.fields) } else { String::new() }
}

async fn show(visit: &Visit, form: Filled) -> Result<Response, Problem> {
    let (now, names) = ((visit.parts.now)(), Names::read(&visit.parts));
    let channels = api::visible(&visit.parts, &visit.asker).await?;
    let asks = asks(&form, None);
    let frame = Frame::new(visit, "settings").still();
    let owns = allowed(&visit.who.grants, Action::Own, &Scope::ALL);
    let shown = render(&Channels {
        owns,
        frame: frame.programs(visit, "/notifications/channels", "portwarden notification list"),
        guard: form.guard(),
        trouble: trouble(&form, &asks),
        rows: channels.iter().map(|channel| row(channel, &names, now)).collect(),
        asks,
    });
    Ok(form.answer(shown))
}

fn blank(visit: &Visit) -> Filled {
    let mut values = vec![("scope", "/"), ("severity", "unknown"), ("digest_minutes", "60")];
    let usual = Kind::CHOICES.into_iter().filter(|kind| *kind != Kind::AccessChange);
    values.extend(usual.map(|kind| ("kinds", kind.as_str())));
    Filled::new(&visit.asker, &values)
}

/// `GET /settings/notifications`
pub async fn page(visit: Visit) -> Result<Response, Problem> {
    show(&visit, blank(&visit)).await
}

/// `POST /settings/notifications`: shows the key of a signed webhook, this once.
pub async fn create(visit: Visit, form: Form) -> Result<Response, Problem> {
    let made = match form.read::<ChannelForm>() {
        Ok(body) => api::make(&visit.parts, &visit.asker, body.into()).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(made) if made.key.is_empty() => Ok(Redirect::to(&format!("{HERE}/{}", made.channel.id)).into_response()),
        Ok(made) => with_key(&visit, &made.channel.id.to_string(), made.key).await,
        Err(problem) => show(&visit, Filled::again(&visit.asker, form, problem)).await,
    }
}

async fn with_key(visit: &Visit, id: &str, key: String) -> Result<Response, Problem> {
    let channel = api::one(&visit.parts, &visit.asker, id).await?;
    let mut response = show_one(visit, &channel, as_it_is(visit, &channel), key).await?;
    response.extensions_mut().insert(Secret);
    Ok(response)
}

/// The form of a channel as it is.
fn as_it_is(visit: &Visit, channel: &Channel) -> Filled {
    let view = ChannelView::from(channel);
    let minutes = view.digest_minutes.to_string();
    let mut values = vec![
        ("name", view.name.as_str()),
        ("scope", &view.scope),
        ("severity", view.severity),
        ("digest_minutes", &minutes),
        ("paused", if view.paused { "yes" } else { "" }),
    ];
    values.extend(view.kinds.iter().map(|kind| ("kinds", *kind)));
    Filled::new(&visit.asker, &values)
}

async fn show_one(visit: &Visit, channel: &Channel, form: Filled, key: String) -> Result<Response, Problem> {
    let (now, id) = ((visit.parts.now)(), channel.id.to_string());
    let list = api::deliveries(&visit.parts, &visit.asker, Some(&id), None, SHOWN).await?;
    let asks = asks(&form, Some(channel));
    let frame = Frame::new(visit, "settings").still();
    let (rest, cli) = (format!("/notifications/channels/{id}"), format!("portwarden notification show {id}"));
    let shown = render(&OneChannel {
        frame: frame.programs(visit, &rest, &cli),
        guard: form.guard(),
        crumbs: vec![Step { text: "Notifications".into(), link: HERE.into() }],
        trouble: trouble(&form, &asks),
        row: row(channel, &Names::read(&visit.parts), now),
        key,
        asks,
        total: list.total,
        sent: list.items.into_iter().map(|delivery| sent(delivery, now)).collect(),
    });
    Ok(form.answer(shown))
}

/// `GET /settings/notifications/{id}`
pub async fn one(visit: Visit, id: Name) -> Result<Response, Problem> {
    let channel = api::one(&visit.parts, &visit.asker, &id.0).await?;
    show_one(&visit, &channel, as_it_is(&visit, &channel), String::new()).await
}

/// `POST /settings/notifications/{id}`
pub async fn change(visit: Visit, id: Name, form: Form) -> Result<Response, Problem> {
    let channel = api::one(&visit.parts, &visit.asker, &id.0).await?;
    let changed = match form.read::<ChannelForm>() {
        Ok(body) => api::change(&visit.parts, &visit.asker, &id.0, body.into()).await,
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(_) => back(&id.0),
        Err(problem) => {
            let form = Filled::again(&visit.asker, form, problem);
            show_one(&visit, &channel, form, String::new()).await
        }
    }
}

fn back(id: &str) -> Result<Response, Problem> {
    Ok(Redirect::to(&format!("{HERE}/{id}")).into_response())
}

/// `POST /settings/notifications/{id}/test`
pub async fn test(visit: Visit, id: Name) -> Result<Response, Problem> {
    api::test(&visit.parts, &visit.asker, &id.0).await?;
    back(&id.0)
}

/// `POST /settings/notifications/{id}/key`: shows the new key, this once.
pub async fn new_key(visit: Visit, id: Name) -> Result<Response, Problem> {
    let made = api::rotate(&visit.parts, &visit.asker, &id.0).await?;
    with_key(&visit, &id.0, made.key).await
}

/// `POST /settings/notifications/{id}/delete`
pub async fn delete(visit: Visit, id: Name) -> Result<Response, Problem> {
    api::end(&visit.parts, &visit.asker, &id.0).await?;
    Ok(Redirect::to(HERE).into_response())
}

/// `POST /settings/notifications/deliveries/{id}/retry`
pub async fn retry(visit: Visit, id: Name) -> Result<Response, Problem> {
    let delivery = api::again(&visit.parts, &visit.asker, &id.0).await?;
    back(&delivery.channel.to_string())
}
