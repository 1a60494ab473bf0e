//! Plans: where images are scanned and metered, and what switching one on would do.
//!
//! What REST, the console and the command line do to them is done here.

use super::tree::{Tree, can, place_of, scope_of};
use crate::access::may_in;
use crate::asker::Asker;
use crate::body::Body;
use crate::export::{self, Asked};
use crate::params::Params;
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::moment;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use model::facts::{Id, PlanFact};
use model::plan::{NAMES, spans};
use model::role::{Action, Scope};
use serde::{Deserialize, Serialize};
use store::{NewPlan, PlanNode, Registry, Subscription};
use utoipa::ToSchema;

/// A plan's tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum Tier {
    /// Images are scanned and metered.
    Standard,
    /// Images are neither scanned nor metered.
    Free,
}

/// What becomes of a plan.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanBody {
    /// `ContainerRegistry` or `Containers`: both are the same plan.
    pub name: String,
    /// `Standard` or `Free`, in any case.
    pub tier: String,
    /// GUID or name of a subscription; left out where there is one alone.
    #[serde(default)]
    pub subscription: Option<String>,
    /// A registry that differs from its subscription.
    #[serde(default)]
    pub registry: Option<String>,
    /// Whether the registries of the subscription may not differ; left out: as it was.
    #[serde(default)]
    pub enforce: Option<bool>,
}

/// The plan of a subscription or a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanView {
    /// Path of the scope.
    pub scope: String,
    /// `ContainerRegistry`.
    pub name: &'static str,
    /// GUID of the subscription.
    pub subscription: String,
    /// Name of the subscription.
    pub subscription_name: String,
    /// Name of the registry; empty: the plan of the subscription.
    pub registry: String,
    /// What holds.
    pub tier: Tier,
    /// Since when it holds; `null`: since ever.
    pub since: Option<String>,
    /// Whether registries may not differ.
    pub enforce: bool,
    /// Whether a registry follows its subscription.
    pub inherited: bool,
    /// The tier that a registry asks for and does not get, because its subscription enforces another; else `null`.
    pub overruled: Option<Tier>,
    /// Who set it; empty: it came with the installation, or is inherited.
    pub actor: String,
    /// Of a subscription: `FullyCovered`, `PartiallyCovered`, `NotCovered`; of a registry empty.
    pub coverage: &'static str,
    /// Days for which an image that was pushed or pulled is kept judged.
    pub window_days: i64,
    /// How far judging has come; `null` to whom may not read all of it.
    pub reach: Option<ReachView>,
}

/// What a part of the tree holds, and how far its judging has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReachView {
    /// Repositories that hold something.
    pub repositories: u64,
    /// Images, each once.
    pub images: u64,
    /// Images that are kept judged: the plan is on, and they were pushed or pulled within the window.
    pub in_window: u64,
    /// Those of them that are judged, with nothing waiting.
    pub judged: u64,
}

/// What switching a plan on would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanPreviewView {
    /// Path of the scope.
    pub scope: String,
    /// What holds there now.
    pub tier: Tier,
    /// Images that are there.
    pub images: u64,
    /// Those of them that were pushed or pulled within the window: they are taken in.
    pub in_window: u64,
    /// Those of these that the subscription was never metered for: so many more it is.
    pub to_meter: u64,
    /// Days of the window.
    pub window_days: i64,
}

/// What holds at a node.
pub struct PlanState {
    /// What holds.
    pub tier: Tier,
    /// Whether a registry follows its subscription.
    pub inherited: bool,
    /// The row that is in force, unless it is inherited.
    own: Option<(PlanFact, String)>,
    overruled: Option<Tier>,
    since: model::Micros,
}

impl Tier {
    /// Reads the word, in any case.
    pub fn parse(word: &str) -> Result<Self, Problem> {
        match word.to_ascii_lowercase().as_str() {
            "standard" => Ok(Self::Standard),
            "free" => Ok(Self::Free),
            _ => Err(Problem::parameter("tier", format!("{word:?} is not a tier; there are Standard and Free"))),
        }
    }

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::Free => "Free",
        }
    }

    fn of(standard: bool) -> Self {
        if standard { Self::Standard } else { Self::Free }
    }
}

impl ReachView {
    /// Asks the index, if the asker may read all of a scope.
    pub fn of(parts: &Parts, asker: &Asker, scope: &Scope, registries: &[Id]) -> Result<Option<Self>, Problem> {
        if !can(asker, Action::Read, scope) {
            return Ok(None);
        }
        let reach = parts.index.ask(|index| Ok(index.reach(registries)))?;
        let fleet::Reach { repositories, images, in_window, judged } = reach;
        Ok(Some(Self { repositories, images, in_window, judged }))
    }
}

/// Works out what holds at a subscription, or at one of its registries.
pub fn state_of(tree: &Tree, subscription: &Subscription, registry: Option<&Registry>) -> PlanState {
    let rows = |scope: Scope| tree.plans.iter().filter(move |row| row.fact.scope == scope);
    let facts = |scope: Scope| rows(scope).map(|row| &row.fact).collect::<Vec<_>>();
    let above = facts(scope_of(subscription));
    let own = registry.map(|r| facts(r.scope())).unwrap_or_default();
    let now = spans(&own, &above).pop();
    let (standard, since) = now.map_or((false, model::Micros(0)), |span| (span.standard, span.since));
    let enforced = above.iter().any(|row| row.until == model::Micros::FOREVER && row.enforce);
    let at = registry.map_or_else(|| scope_of(subscription), Registry::scope);
    let open = rows(at).find(|row| row.fact.until == model::Micros::FOREVER);
    let overruled = open.filter(|row| registry.is_some() && enforced && row.fact.standard != standard);
    PlanState {
        tier: Tier::of(standard),
        inherited: registry.is_some() && (enforced || open.is_none()),
        own: open.map(|row| (row.fact.clone(), row.actor.clone())),
        overruled: overruled.map(|row| Tier::of(row.fact.standard)),
        since,
    }
}

/// Plans as lists show them: each subscription, then its registries.
pub fn views(parts: &Parts, asker: &Asker, tree: &Tree) -> Result<Vec<PlanView>, Problem> {
    let mut views = Vec::new();
    for subscription in &tree.subscriptions {
        let held: Vec<&Registry> = tree.registries.iter().filter(|r| r.subscription == subscription.id).collect();
        let below: Vec<Tier> = held.iter().map(|r| state_of(tree, subscription, Some(r)).tier).collect();
        let mut view = view(tree, subscription, None);
        let on = below.iter().filter(|tier| **tier == Tier::Standard).count();
        view.coverage = match (on, below.len()) {
            (0, 0) if view.tier == Tier::Standard => "FullyCovered",
            (0, _) => "NotCovered",
            (on, all) if on == all => "FullyCovered",
            _ => "PartiallyCovered",
        };
        let ids: Vec<Id> = held.iter().map(|r| r.id).collect();
        view.reach = ReachView::of(parts, asker, &scope_of(subscription), &ids)?;
        views.push(view);
        for registry in held {
            let mut view = self::view(tree, subscription, Some(registry));
            view.reach = ReachView::of(parts, asker, &place_of(registry), &[registry.id])?;
            views.push(view);
        }
    }
    Ok(views)
}

fn view(tree: &Tree, subscription: &Subscription, registry: Option<&Registry>) -> PlanView {
    let state = state_of(tree, subscription, registry);
    let own = state.own.as_ref().filter(|_| !state.inherited);
    PlanView {
        scope: registry.map_or_else(|| scope_of(subscription), Registry::scope).to_path(),
        name: NAMES[0],
        subscription: subscription.guid.clone(),
        subscription_name: subscription.name.clone(),
        registry: registry.map_or_else(String::new, |r| r.name.clone()),
        tier: state.tier,
        since: moment(state.since).filter(|_| state.since.0 > 0),
        enforce: registry.is_none() && own.is_some_and(|(fact, _)| fact.enforce),
        inherited: state.inherited,
        overruled: state.overruled,
        actor: own.map(|(_, actor)| actor.clone()).unwrap_or_default(),
        coverage: "",
        window_days: subscription.window_days,
        reach: None,
    }
}

/// A node that is named by subscription or registry, with its scope.
fn node(tree: &Tree, subscription: Option<&str>, registry: Option<&str>) -> Result<(PlanNode, Scope), Problem> {
    let Some(name) = registry else {
        let found = tree.subscription(subscription)?;
        return Ok((PlanNode::Subscription(found.id), scope_of(found)));
    };
    let found = tree.registry(name)?;
    if let Some(text) = subscription
        && tree.subscription(Some(text))?.id != found.subscription
    {
        return Err(Problem::parameter("registry", format!("registry {name} is not in subscription {text}")));
    }
    Ok((PlanNode::Registry(found.id), place_of(found)))
}

/// Switches a plan; answers with how it stands.
pub async fn set(parts: &Parts, asker: &Asker, body: PlanBody) -> Result<PlanView, Problem> {
    if !NAMES.iter().any(|name| name.eq_ignore_ascii_case(&body.name)) {
        let detail = format!("{:?} is not a plan; there is {}, also called {}", body.name, NAMES[0], NAMES[1]);
        return Err(Problem::parameter("name", detail));
    }
    let tier = Tier::parse(&body.tier)?;
    let tree = Tree::read(parts, asker).await?;
    let (node, scope) = node(&tree, body.subscription.as_deref(), body.registry.as_deref())?;
    may_in(&asker.principal, Action::Secure, &scope)?;
    let wanted = NewPlan { standard: tier == Tier::Standard, enforce: body.enforce };
    parts.store.set_plan(node, wanted, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    stands(parts, asker, &scope).await
}

async fn stands(parts: &Parts, asker: &Asker, scope: &Scope) -> Result<PlanView, Problem> {
    let tree = Tree::read(parts, asker).await?;
    let path = scope.to_path();
    let view = views(parts, asker, &tree)?.into_iter().find(|view| view.scope == path);
    view.ok_or_else(|| Problem::absent("plan", &path))
}

/// Lets a registry follow its subscription again.
pub async fn unset(parts: &Parts, asker: &Asker, registry: &str) -> Result<(), Problem> {
    let tree = Tree::read(parts, asker).await?;
    let found = tree.registry(registry)?;
    may_in(&asker.principal, Action::Secure, &place_of(found))?;
    parts.store.drop_plan(found.id, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(())
}

/// Says what switching a plan on would do.
pub async fn look_ahead(
    parts: &Parts,
    asker: &Asker,
    subscription: Option<&str>,
    registry: Option<&str>,
) -> Result<PlanPreviewView, Problem> {
    let tree = Tree::read(parts, asker).await?;
    let (node, scope) = node(&tree, subscription, registry)?;
    may_in(&asker.principal, Action::Secure, &scope)?;
    let preview = parts.store.plan_preview(node).await?;
    let found = registry.map(|name| tree.registry(name)).transpose()?;
    let above = match found {
        Some(registry) => tree.above(registry).ok_or_else(|| Problem::absent("subscription", &registry.name))?,
        None => tree.subscription(subscription)?,
    };
    Ok(PlanPreviewView {
        scope: scope.to_path(),
        tier: state_of(&tree, above, found).tier,
        images: preview.images,
        in_window: preview.in_window,
        to_meter: preview.to_meter,
        window_days: above.window_days,
    })
}

/// `GET /plans`
pub async fn list(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tree = Tree::read(&parts, &asker).await?;
    let views = views(&parts, &asker, &tree)?;
    let query = query.as_deref();
    let asked = Asked { path: "plans", query, headers: &headers };
    export::short(&parts, Params::parse(query), &asked, views, |view| view.scope.clone())
}

/// `PUT /plans`
pub async fn put(State(parts): State<Parts>, asker: Asker, body: Body<PlanBody>) -> Result<Json<PlanView>, Problem> {
    set(&parts, &asker, body.0).await.map(Json)
}

/// `DELETE /plans`
pub async fn delete(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Problem> {
    let mut params = Params::parse(query.as_deref());
    let registry = params.take("registry")?;
    params.finish()?;
    let wanted = || Problem::parameter("registry", "name the registry that is to follow its subscription again");
    unset(&parts, &asker, &registry.ok_or_else(wanted)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /plans/preview`
pub async fn preview(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
) -> Result<Json<PlanPreviewView>, Problem> {
    let mut params = Params::parse(query.as_deref());
    let (subscription, registry) = (params.take("subscription")?, params.take("registry")?);
    params.finish()?;
    look_ahead(&parts, &asker, subscription.as_deref(), registry.as_deref()).await.map(Json)
}
