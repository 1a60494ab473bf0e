//! `/recommendations`: what should be done; one recommendation with its registries, images, steps, exemptions.

mod picked;

use super::filled::Filled;
use super::form::Field;
use super::frame::{self, Counts, Export, Frame, Tab, page as render, visible};
use super::scope::{self, Names, Scoped};
use super::visit::Visit;
use crate::access;
use crate::api::recommendations::{self as api, ExemptionView, RecommendationView};
use crate::body::Form;
use crate::params::{Name, Params, encoded};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::recommend::{self, Question, Standing};
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use fleet::{ImageState, Index, Query, StateRow};
use model::role::{Action, Scope, allowed};

const HERE: &str = "/recommendations";
/// Rows of a page of images.
const ROWS: usize = 50;

#[derive(Template)]
#[template(path = "recommendations.html")]
struct ListPage {
    frame: Frame,
    export: Export,
    rows: Vec<Row>,
    feeds: String,
    node: String,
    guard: String,
    trouble: String,
    /// What was typed: owner, last day, note.
    fields: [String; 3],
    may_assign: bool,
}

struct Row {
    link: String,
    title: String,
    key: String,
    severity: String,
    status: String,
    tone: &'static str,
    affected: String,
    gain: String,
    owner: String,
    due: String,
}

#[derive(Template)]
#[template(path = "recommendation.html")]
struct OnePage {
    frame: Frame,
    one: RecommendationView,
    tone: &'static str,
    gain: String,
    due: String,
    tabs: Vec<Tab>,
    tab: String,
    registries: Vec<RegistryRow>,
    images: Vec<ImageRow>,
    states: Vec<Tab>,
    next: String,
    exemptions: Vec<ExemptionView>,
    guard: String,
    trouble: String,
    exempt_fields: Vec<Field>,
    assign_fields: Vec<Field>,
    may_exempt: bool,
    may_assign: bool,
    node: String,
    disable: String,
    rules: String,
}

struct RegistryRow {
    name: String,
    path: String,
    link: String,
    subscription: String,
    state: &'static str,
    tone: &'static str,
    unhealthy: u64,
    healthy: u64,
    unverified: u64,
    not_applicable: u64,
    reasons: String,
}

struct ImageRow {
    name: String,
    whole_digest: String,
    link: String,
    digest: String,
    state: &'static str,
    tone: &'static str,
    reasons: String,
    counts: Counts,
}

fn tone(state: &str) -> &'static str {
    match state {
        "unhealthy" => "bad",
        "unverified" => "warn",
        "healthy" => "good",
        _ => "",
    }
}

/// What is asked of the scope of a page.
pub async fn question(visit: &Visit, scoped: &Scoped, limit: usize) -> Result<Question, Problem> {
    let path = scoped.path();
    let path = if path.is_empty() { "/" } else { &path };
    let node = access::scope_at(&visit.parts, &visit.who, "scope", path)?;
    let query = Query { limit, now: (visit.parts.now)(), ..Query::default() };
    recommend::question(&visit.parts, &visit.who, node, query).await
}

/// `GET /recommendations`
pub async fn list(visit: Visit) -> Response {
    let form = Filled::new(&visit.asker, &[]);
    frame::answer(&visit, build_list(&visit, &form).await)
}

async fn build_list(visit: &Visit, form: &Filled) -> Result<ListPage, Problem> {
    let mut params = Params::parse(visit.query.as_deref());
    let scoped = Scoped::read(visit, &params.take("scope")?.unwrap_or_default())?;
    params.finish()?;
    let question = question(visit, &scoped, ROWS).await?;
    let path = scoped.path();
    let rows = api::all(&visit.parts, &question)?.into_iter().map(|one| row(one, &path)).collect();
    let api = frame::link("/recommendations", &[("scope", &path)]);
    let frame = Frame::new(visit, "recommendations").programs(visit, &api, "portwarden recommendation list");
    let frame = frame.scoped(visit, &scoped, HERE, "")?;
    let may_assign = allowed(&visit.who.grants, Action::Secure, &question.node);
    let (node, guard, trouble) = (node_path(&question.node), form.guard(), form.trouble(&[]));
    let fields = assign_words(form);
    let export = Export::whole("/recommendations", &[("scope", &path)]);
    Ok(ListPage { feeds: frame.feeds.clone(), frame, export, rows, node, guard, trouble, fields, may_assign })
}

/// The path of a node as forms send it.
fn node_path(node: &Scope) -> String {
    if *node == Scope::ALL { "/".into() } else { node.to_path() }
}

fn assign_words(form: &Filled) -> [String; 3] {
    ["owner", "due", "note"].map(|name| form.value(name).to_owned())
}

fn row(one: RecommendationView, path: &str) -> Row {
    let counted = one.unhealthy + one.healthy;
    Row {
        link: frame::link(&format!("{HERE}/{}", encoded(&one.key)), &[("scope", path)]),
        tone: tone(&one.status),
        affected: format!("{} of {counted} {}", one.unhealthy, one.asked_of),
        gain: if one.score_gain > 0.0 { format!("+{:.2}", one.score_gain) } else { String::new() },
        due: one.due.as_deref().and_then(|due| due.get(..10)).unwrap_or_default().to_owned(),
        title: one.title,
        key: one.key,
        severity: one.severity,
        status: one.status,
        owner: visible(&one.owner),
    }
}

/// `GET /recommendations/{key}`
pub async fn one(visit: Visit, key: Name) -> Response {
    let form = Filled::new(&visit.asker, &[]);
    show(&visit, &key.0, form).await.unwrap_or_else(|problem| frame::trouble(&visit, problem))
}

async fn show(visit: &Visit, key: &str, form: Filled) -> Result<Response, Problem> {
    let mut params = Params::parse(visit.query.as_deref());
    let scoped = Scoped::read(visit, &params.take("scope")?.unwrap_or_default())?;
    let tab = params.take("tab")?.unwrap_or_else(|| "registries".into());
    let state = params.take("state")?.as_deref().and_then(ImageState::parse);
    let mut question = question(visit, &scoped, ROWS).await?;
    question.query.after = params.take("after")?.map(|cursor| fleet::Cursor::parse(&cursor));
    params.finish()?;
    let mut exemptions = shown(&visit.parts, api::exemptions(&visit.parts, &visit.asker).await?);
    exemptions.retain(|e| e.recommendation == key);
    // The frame asks the index as well: never within a question to it, for whoever waits to write stands between the two.
    let path = scoped.path();
    let frame = Frame::new(visit, "recommendations");
    let api = frame::link(&format!("/recommendations/{key}/resources"), &[("scope", &path)]);
    let frame = frame.programs(visit, &api, &format!("portwarden recommendation show {key}"));
    let frame = frame.scoped(visit, &scoped, &format!("{HERE}/{}", encoded(key)), "")?.still();
    let page = visit
        .parts
        .index
        .ask(|index| build((visit, frame), index, &question, &scoped, key, &tab, state, &form, exemptions))?;
    Ok(form.answer(render(&page)))
}

#[allow(clippy::too_many_arguments)] // one call, each its own thing
fn build(
    (visit, frame): (&Visit, Frame),
    index: &Index,
    question: &Question,
    scoped: &Scoped,
    key: &str,
    tab: &str,
    state: Option<ImageState>,
    form: &Filled,
    exemptions: Vec<ExemptionView>,
) -> Result<OnePage, Problem> {
    let summary = Standing::of(index, question)?.summary(recommend::find(key)?)?;
    let settings = recommend::image_settings(&summary.recommendation, question);
    let one = RecommendationView::from(&summary);
    let path = scoped.path();
    let here = Here { key, path: &path };
    let (mut images, mut next) = (Vec::new(), String::new());
    if let (Some(settings), "images") = (&settings, tab) {
        let page = index.states(&question.query, settings, state)?;
        let word = state.map(ImageState::as_str).unwrap_or_default();
        let link = |after: &str| here.link(&[("tab", "images"), ("state", word), ("after", after)]);
        next = page.next.as_ref().map(|c| link(c.as_str())).unwrap_or_default();
        images = page.items.into_iter().map(image_row).collect();
    }
    let registries = match &settings {
        Some(settings) => of_images(index, question, settings)?,
        None => of_registries(index, question, &summary)?,
    };
    let grants = &visit.who.grants;
    let node = node_path(&question.node);
    let (exempt_fields, assign_fields) = (exempt_fields(form, &node), assign_fields(form, &one, &node));
    Ok(OnePage {
        frame,
        tone: tone(&one.status),
        gain: format!("+{:.2}", one.score_gain),
        due: one.due.as_deref().and_then(|due| due.get(..10)).unwrap_or_default().to_owned(),
        tabs: tabs(tab, settings.is_some(), exemptions.len(), &here),
        tab: tab.to_owned(),
        registries,
        images,
        states: states(&one, state, &here),
        next,
        exemptions,
        guard: form.guard(),
        trouble: form.trouble(&exempt_fields),
        exempt_fields,
        assign_fields,
        may_exempt: allowed(grants, Action::EditPolicy, &question.node),
        may_assign: allowed(grants, Action::Secure, &question.node),
        node,
        disable: frame::link("/rules/new", &[("scope", &path)]),
        rules: frame::link("/rules", &[("scope", &path), ("state", "in-force")]),
        one,
    })
}

/// A recommendation in a scope.
struct Here<'a> {
    key: &'a str,
    path: &'a str,
}

impl Here<'_> {
    /// Returns the address of its page with more parameters.
    fn link(&self, more: &[(&str, &str)]) -> String {
        let mut parameters = vec![("scope", self.path)];
        parameters.extend_from_slice(more);
        frame::link(&format!("{HERE}/{}", encoded(self.key)), &parameters)
    }
}

fn tabs(here: &str, images: bool, exemptions: usize, at: &Here<'_>) -> Vec<Tab> {
    let all = [
        ("registries", "Affected resources"),
        ("images", "Images"),
        ("remediation", "Remediation"),
        ("exemptions", "Exemptions"),
    ];
    let shown = all.into_iter().filter(|(name, _)| images || *name != "images");
    shown
        .map(|(name, text)| Tab {
            text: text.into(),
            link: at.link(&[("tab", name)]),
            count: if name == "exemptions" && exemptions > 0 { exemptions.to_string() } else { String::new() },
            here: name == here,
        })
        .collect()
}

fn states(one: &RecommendationView, here: Option<ImageState>, at: &Here<'_>) -> Vec<Tab> {
    let count = |state| match state {
        ImageState::Unhealthy => one.unhealthy,
        ImageState::Unverified => one.unverified,
        ImageState::Healthy => one.healthy,
        ImageState::NotApplicable => one.not_applicable,
    };
    let state = |state: ImageState| Tab {
        text: state.as_str().replace('-', " "),
        link: at.link(&[("tab", "images"), ("state", state.as_str())]),
        count: count(state).to_string(),
        here: here == Some(state),
    };
    ImageState::ALL.into_iter().rev().map(state).collect()
}

fn of_images(index: &Index, question: &Question, settings: &fleet::ScoreSettings) -> Result<Vec<RegistryRow>, Problem> {
    let score = index.score(&question.query, settings)?;
    let mut rows = Vec::new();
    for (id, tally) in score.registries {
        let Some(registry) = index.registries().iter().find(|r| r.id == id) else { continue };
        let Some(subscription) = index.subscriptions().iter().find(|s| s.id == registry.subscription) else { continue };
        let state = match (tally.unhealthy, tally.unverified, tally.healthy) {
            (0, 0, 0) => "not-applicable",
            (0, 0, _) => "healthy",
            (0, ..) => "unverified",
            _ => "unhealthy",
        };
        rows.push(RegistryRow {
            path: format!("/{}/{}", subscription.guid, registry.name),
            link: scope::walk(&format!("/{}/{}", subscription.guid, registry.name)),
            name: visible(&registry.name),
            subscription: visible(&subscription.name),
            state,
            tone: tone(state),
            unhealthy: tally.unhealthy,
            healthy: tally.healthy,
            unverified: tally.unverified,
            not_applicable: tally.not_applicable,
            reasons: String::new(),
        });
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.unhealthy));
    Ok(rows)
}

fn of_registries(
    index: &Index,
    question: &Question,
    summary: &recommend::Summary,
) -> Result<Vec<RegistryRow>, Problem> {
    let states = recommend::registries(index, question, &summary.recommendation)?;
    let row = |state: recommend::RegistryState| RegistryRow {
        path: format!("/{}/{}", state.subscription.guid, state.registry.name),
        link: scope::walk(&format!("/{}/{}", state.subscription.guid, state.registry.name)),
        name: visible(&state.registry.name),
        subscription: visible(&state.subscription.name),
        state: state.state.as_str(),
        tone: tone(state.state.as_str()),
        unhealthy: 0,
        healthy: 0,
        unverified: 0,
        not_applicable: 0,
        reasons: visible(&state.reasons.join(" ")),
    };
    Ok(states.into_iter().map(row).collect())
}

fn image_row(row: StateRow) -> ImageRow {
    let place = row.places.first();
    let link = place.map(|place| frame::image_address(place, &row.image)).unwrap_or_default();
    let name = place.map(|p| match p.tags.first() {
        Some(tag) => format!("{}:{tag}", p.repository),
        None => p.repository.clone(),
    });
    ImageRow {
        name: visible(&name.unwrap_or_default()),
        counts: Counts::new(&row.tally, &link, None),
        link,
        digest: row.image.split(':').nth(1).and_then(|hex| hex.get(..12)).unwrap_or("").to_owned(),
        whole_digest: visible(&row.image),
        state: row.state.as_str(),
        tone: tone(row.state.as_str()),
        reasons: row.reasons.join(", "),
    }
}

fn exempt_fields(form: &Filled, node: &str) -> Vec<Field> {
    let kinds =
        [("waiver", "Waiver: the risk is accepted"), ("mitigated", "Mitigated: something else takes care of it")];
    let all = [
        Field::text("scope", "Scope", node)
            .required()
            .hint("/ is everything; /SUBSCRIPTION/REGISTRY/REPOSITORY one repository."),
        Field::text("digest", "Only this image", "").example("sha256:…"),
        Field::select("kind", "Kind", "waiver", &kinds),
        Field::text("reason", "Why", "").required(),
        Field::text("expires", "Last day", "").kind("date").hint("UTC; empty: it does not end."),
    ];
    all.into_iter().map(|field| form.field(field)).collect()
}

fn assign_fields(form: &Filled, one: &RecommendationView, node: &str) -> Vec<Field> {
    let due = one.due.as_deref().and_then(|due| due.get(..10)).unwrap_or_default();
    let all = [
        Field::text("assign_scope", "Scope", node).required(),
        Field::text("owner", "Owner", one.owner.as_str()).example("team-payments@example.com"),
        Field::text("due", "Due", due).kind("date"),
        Field::text("note", "Note", one.note.as_str()),
    ];
    all.into_iter().map(|field| form.field(field)).collect()
}

fn back(key: &str, tab: &str) -> Response {
    Redirect::to(&format!("{HERE}/{}?tab={tab}", encoded(key))).into_response()
}

/// `POST /recommendations/{key}/exempt`
pub async fn exempt(visit: Visit, key: Name, form: Form) -> Result<Response, Problem> {
    match picked::exempt(&visit, &key.0, &form).await {
        Ok(()) => Ok(back(&key.0, "exemptions")),
        Err(problem) => {
            let visit = Visit { query: Some("tab=exemptions".into()), ..visit };
            show(&visit, &key.0, Filled::again(&visit.asker, form, problem)).await
        }
    }
}

/// `POST /recommendations/{key}/assign`
pub async fn assign(visit: Visit, key: Name, form: Form) -> Result<Response, Problem> {
    match picked::assign(&visit, Some(&key.0), &form).await {
        Ok(()) => Ok(back(&key.0, "remediation")),
        Err(problem) => {
            let visit = Visit { query: Some("tab=remediation".into()), ..visit };
            show(&visit, &key.0, Filled::again(&visit.asker, form, problem)).await
        }
    }
}

/// `POST /recommendations/assign`: those that are picked in the list.
pub async fn assign_picked(visit: Visit, form: Form) -> Result<Response, Problem> {
    let done = picked::assign(&visit, None, &form).await;
    let scope = form.typed("assign_scope");
    let scope = if scope == "/" { "" } else { scope };
    let here = frame::link(HERE, &[("scope", scope)]);
    match done {
        Ok(()) => Ok(Redirect::to(&here).into_response()),
        Err(problem) => {
            let query = here.split_once('?').map(|(_, query)| query.to_owned());
            let visit = Visit { query, path: HERE.into(), ..visit };
            let form = Filled::again(&visit.asker, form, problem);
            let page = build_list(&visit, &form).await?;
            Ok(form.answer(render(&page)))
        }
    }
}

#[derive(Template)]
#[template(path = "exemptions.html")]
struct ExemptionsPage {
    frame: Frame,
    export: Export,
    rows: Vec<ExemptionView>,
    guard: String,
}

/// Exemptions as pages show them.
fn shown(parts: &Parts, mut rows: Vec<ExemptionView>) -> Vec<ExemptionView> {
    let names = Names::read(parts);
    for row in &mut rows {
        (row.reason, row.scope, row.author) = (visible(&row.reason), names.of(&row.scope), visible(&row.author));
        row.expires = row.expires.take().map(|at| at.get(..10).unwrap_or(&at).to_owned());
    }
    rows
}

/// `GET /exemptions`
pub async fn exemptions(visit: Visit) -> Result<Response, Problem> {
    let rows = shown(&visit.parts, api::exemptions(&visit.parts, &visit.asker).await?);
    let frame = Frame::new(&visit, "recommendations").still();
    let frame = frame.programs(&visit, "/exemptions", "portwarden exemption list");
    let (export, guard) = (Export::whole("/exemptions", &[]), Filled::new(&visit.asker, &[]).guard());
    Ok(render(&ExemptionsPage { frame, export, rows, guard }))
}

/// `POST /exemptions/{id}/delete`
pub async fn end(visit: Visit, id: Name) -> Result<Response, Problem> {
    api::end_exemption(&visit.parts, &visit.asker, &id.0).await?;
    Ok(Redirect::to("/exemptions").into_response())
}
