//! The scope tree: subscriptions and registries are listed, made, changed, taken away.
//!
//! What REST, the console and the command line do to them is done here. A node that the asker has no role in is absent.

use super::plans::{ReachView, Tier, state_of};
use crate::access::may_in;
use crate::asker::Asker;
use crate::body::Body;
use crate::export::{self, Asked};
use crate::params::{Name, Params};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::moment;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::role::{Action, Scope, allowed};
use serde::{Deserialize, Serialize};
use store::{NewRegistry, NewSubscription, PlanRow, Registry, RegistryChange, Subscription, SubscriptionChange};
use utoipa::ToSchema;

/// A subscription to be made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionBody {
    /// Name for people.
    pub name: String,
    /// GUID; left out: one is made.
    #[serde(default)]
    pub guid: Option<String>,
    /// `Standard` or `Free`; left out: `Free`.
    #[serde(default)]
    pub tier: Option<String>,
}

/// What becomes of a subscription; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionPatch {
    /// Name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// Days for which an image that was pushed or pulled is kept judged, 1 to 3,650.
    #[serde(default)]
    pub window_days: Option<i64>,
}

/// A new name of a resource group.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupPatch {
    /// The name.
    pub name: String,
}

/// An embedded registry to be made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryBody {
    /// Name, as paths have it.
    pub name: String,
    /// Host by which clients find it, with its port or without: `team.registry.example`.
    pub host: String,
    /// GUID or name of its subscription; left out where there is one alone.
    #[serde(default)]
    pub subscription: Option<String>,
    /// Resource group; left out: `default`.
    #[serde(default)]
    pub resource_group: Option<String>,
}

/// What becomes of a registry; what is left out stays. What was granted, ruled or planned for it stays its own, and so do the ids of
/// its findings.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryPatch {
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// Host by which clients find it.
    #[serde(default)]
    pub host: Option<String>,
    /// GUID or name of the subscription that it moves to.
    #[serde(default)]
    pub subscription: Option<String>,
    /// The resource group that it moves to.
    #[serde(default)]
    pub resource_group: Option<String>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubscriptionView {
    /// GUID.
    pub guid: String,
    /// Name for people.
    pub name: String,
    /// Path of its scope.
    pub scope: String,
    /// `Standard` or `Free`.
    pub tier: Tier,
    /// Days for which an image that was pushed or pulled is kept judged.
    pub window_days: i64,
    /// Its resource groups.
    pub resource_groups: Vec<String>,
    /// Its registries.
    pub registries: Vec<String>,
    /// What is in it; `null` to whom may not read all of it.
    pub reach: Option<ReachView>,
    /// When it was made.
    pub created: Option<String>,
}

/// A registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RegistryView {
    /// Name.
    pub name: String,
    /// Path of its scope.
    pub scope: String,
    /// GUID of its subscription.
    pub subscription: String,
    /// Name of its subscription.
    pub subscription_name: String,
    /// Resource group.
    pub resource_group: String,
    /// `embedded`.
    pub kind: String,
    /// Host by which clients find it; empty: every name that is no other registry's.
    pub host: String,
    /// `Standard` or `Free`: what holds there.
    pub tier: Tier,
    /// Whether it follows its subscription.
    pub inherited: bool,
    /// What is in it; `null` to whom may not read all of it.
    pub reach: Option<ReachView>,
    /// When it was made.
    pub created: Option<String>,
}

/// The nodes that somebody may see, and everything that is said of plans.
pub struct Tree {
    /// Subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// Registries.
    pub registries: Vec<Registry>,
    /// Plan rows, past ones included.
    pub plans: Vec<PlanRow>,
}

/// The scope of a subscription.
pub fn scope_of(subscription: &Subscription) -> Scope {
    Scope { subscription: Some(subscription.guid.clone()), ..Scope::ALL }
}

/// The scope of a registry, with its resource group: what rights are asked in.
pub fn place_of(registry: &Registry) -> Scope {
    Scope { resource_group: Some(registry.resource_group.clone()), ..registry.scope() }
}

impl Tree {
    /// Reads the tree as somebody may see it.
    pub async fn read(parts: &Parts, asker: &Asker) -> Result<Self, Problem> {
        let mut tree = Self {
            subscriptions: parts.store.subscriptions().await?,
            registries: parts.store.registries().await?,
            plans: parts.store.plan_rows().await?,
        };
        let grants = &asker.principal.grants;
        let near = |scope: &Scope| grants.iter().any(|grant| grant.scope.holds(scope) || scope.holds(&grant.scope));
        // A grant below a registry does not name the group.
        tree.registries.retain(|registry| near(&place_of(registry)) || near(&registry.scope()));
        let seen: Vec<_> = tree.registries.iter().map(|registry| registry.subscription).collect();
        tree.subscriptions.retain(|s| near(&scope_of(s)) || seen.contains(&s.id));
        tree.subscriptions.sort_by_key(|s| s.name.to_lowercase());
        tree.registries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tree)
    }

    /// Finds a subscription by GUID or name; without either, the only one.
    pub fn subscription(&self, text: Option<&str>) -> Result<&Subscription, Problem> {
        let Some(text) = text else {
            return match self.subscriptions.as_slice() {
                [only] => Ok(only),
                _ => {
                    Err(Problem::parameter("subscription", "there are several subscriptions: name one by GUID or name"))
                }
            };
        };
        let is = |s: &&Subscription| s.guid.eq_ignore_ascii_case(text) || s.name.to_lowercase() == text.to_lowercase();
        let absent = || Problem { field: "subscription".into(), ..Problem::absent("subscription", text) };
        self.subscriptions.iter().find(is).ok_or_else(absent)
    }

    /// Finds a registry by name.
    pub fn registry(&self, name: &str) -> Result<&Registry, Problem> {
        let absent = || Problem { field: "registry".into(), ..Problem::absent("registry", name) };
        self.registries.iter().find(|registry| registry.name == name).ok_or_else(absent)
    }

    /// The subscription of a registry.
    pub fn above(&self, registry: &Registry) -> Option<&Subscription> {
        self.subscriptions.iter().find(|s| s.id == registry.subscription)
    }
}

/// Subscriptions as lists show them.
pub fn subscription_views(parts: &Parts, asker: &Asker, tree: &Tree) -> Result<Vec<SubscriptionView>, Problem> {
    let view = |s: &Subscription| {
        let held: Vec<&Registry> = tree.registries.iter().filter(|r| r.subscription == s.id).collect();
        let mut groups: Vec<String> = held.iter().map(|r| r.resource_group.clone()).collect();
        groups.sort();
        groups.dedup();
        let ids: Vec<_> = held.iter().map(|r| r.id).collect();
        Ok(SubscriptionView {
            guid: s.guid.clone(),
            name: s.name.clone(),
            scope: scope_of(s).to_path(),
            tier: state_of(tree, s, None).tier,
            window_days: s.window_days,
            resource_groups: groups,
            registries: held.iter().map(|r| r.name.clone()).collect(),
            reach: ReachView::of(parts, asker, &scope_of(s), &ids)?,
            created: moment(s.since),
        })
    };
    tree.subscriptions.iter().map(view).collect()
}

/// Registries as lists show them.
pub fn registry_views(parts: &Parts, asker: &Asker, tree: &Tree) -> Result<Vec<RegistryView>, Problem> {
    let view = |(r, s): (&Registry, &Subscription)| {
        let state = state_of(tree, s, Some(r));
        Ok(RegistryView {
            name: r.name.clone(),
            scope: r.scope().to_path(),
            subscription: s.guid.clone(),
            subscription_name: s.name.clone(),
            resource_group: r.resource_group.clone(),
            kind: r.kind.clone(),
            host: r.host.clone(),
            tier: state.tier,
            inherited: state.inherited,
            reach: ReachView::of(parts, asker, &place_of(r), &[r.id])?,
            created: moment(r.since),
        })
    };
    tree.registries.iter().filter_map(|r| Some((r, tree.above(r)?))).map(view).collect()
}

/// Makes a subscription.
pub async fn make_subscription(parts: &Parts, asker: &Asker, body: SubscriptionBody) -> Result<Subscription, Problem> {
    may_in(&asker.principal, Action::Own, &Scope::ALL)?;
    let tier = body.tier.as_deref().map_or(Ok(Tier::Free), Tier::parse)?;
    let new =
        NewSubscription { guid: body.guid.unwrap_or_default(), name: body.name, standard: tier == Tier::Standard };
    let made = parts.store.make_subscription(&new, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(made)
}

/// Changes a subscription: its name by its owner, its window by who looks after security there.
pub async fn change_subscription(
    parts: &Parts,
    asker: &Asker,
    text: &str,
    body: SubscriptionPatch,
) -> Result<Subscription, Problem> {
    let tree = Tree::read(parts, asker).await?;
    let found = tree.subscription(Some(text))?;
    if body.name.is_some() {
        may_in(&asker.principal, Action::Own, &scope_of(found))?;
    }
    if body.window_days.is_some() || body.name.is_none() {
        may_in(&asker.principal, Action::Secure, &scope_of(found))?;
    }
    let change = SubscriptionChange { name: body.name, window_days: body.window_days };
    let changed = parts.store.change_subscription(found.id, &change, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(changed)
}

/// Takes a subscription away.
pub async fn drop_subscription(parts: &Parts, asker: &Asker, text: &str) -> Result<(), Problem> {
    let tree = Tree::read(parts, asker).await?;
    let found = tree.subscription(Some(text))?;
    may_in(&asker.principal, Action::Own, &Scope::ALL)?;
    parts.store.drop_subscription(found.id, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(())
}

/// Renames a resource group.
pub async fn rename_group(
    parts: &Parts,
    asker: &Asker,
    subscription: &str,
    group: &str,
    body: GroupPatch,
) -> Result<(), Problem> {
    let tree = Tree::read(parts, asker).await?;
    let found = tree.subscription(Some(subscription))?;
    let is_there = tree.registries.iter().any(|r| r.subscription == found.id && r.resource_group == group);
    if !is_there {
        return Err(Problem::absent("resource group", group));
    }
    // It may become a group that is there already: that is the subscription's affair.
    may_in(&asker.principal, Action::Own, &scope_of(found))?;
    parts.store.rename_group(found.id, group, &body.name, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(())
}

/// Makes an embedded registry.
pub async fn make_registry(parts: &Parts, asker: &Asker, body: RegistryBody) -> Result<Registry, Problem> {
    let tree = Tree::read(parts, asker).await?;
    let found = tree.subscription(body.subscription.as_deref())?;
    let resource_group = body.resource_group.unwrap_or_else(|| "default".into());
    may_in(&asker.principal, Action::Own, &Scope { resource_group: Some(resource_group.clone()), ..scope_of(found) })?;
    let new = NewRegistry { subscription: found.id, resource_group, name: body.name, host: body.host };
    let made = parts.store.make_registry(&new, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(made)
}

/// Changes a registry: whoever moves it owns it where it is and where it goes.
pub async fn change_registry(
    parts: &Parts,
    asker: &Asker,
    name: &str,
    body: RegistryPatch,
) -> Result<Registry, Problem> {
    let tree = Tree::read(parts, asker).await?;
    let found = tree.registry(name)?;
    may_in(&asker.principal, Action::Own, &place_of(found))?;
    let subscription = body.subscription.as_deref().map(|text| tree.subscription(Some(text))).transpose()?;
    if subscription.is_some() || body.resource_group.is_some() {
        let group = body.resource_group.clone().unwrap_or_else(|| found.resource_group.clone());
        let guid = subscription.map_or(&found.subscription_guid, |s| &s.guid).clone();
        let stays = guid == found.subscription_guid && group == found.resource_group;
        let to = Scope { subscription: Some(guid), resource_group: Some(group), ..Scope::ALL };
        if !stays {
            may_in(&asker.principal, Action::Own, &to)?;
        }
    }
    let change = RegistryChange {
        name: body.name,
        subscription: subscription.map(|s| s.id),
        resource_group: body.resource_group,
        host: body.host,
    };
    let changed = parts.store.change_registry(found.id, &change, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(changed)
}

/// Takes a registry away.
pub async fn drop_registry(parts: &Parts, asker: &Asker, name: &str) -> Result<(), Problem> {
    let tree = Tree::read(parts, asker).await?;
    let found = tree.registry(name)?;
    may_in(&asker.principal, Action::Own, &place_of(found))?;
    parts.store.drop_registry(found.id, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(())
}

async fn one_subscription(parts: &Parts, asker: &Asker, guid: &str) -> Result<Json<SubscriptionView>, Problem> {
    let tree = Tree::read(parts, asker).await?;
    let found = tree.subscription(Some(guid))?.guid.clone();
    let view = subscription_views(parts, asker, &tree)?.into_iter().find(|view| view.guid == found);
    view.map(Json).ok_or_else(|| Problem::absent("subscription", guid))
}

async fn one_registry(parts: &Parts, asker: &Asker, name: &str) -> Result<Json<RegistryView>, Problem> {
    let tree = Tree::read(parts, asker).await?;
    let view = registry_views(parts, asker, &tree)?.into_iter().find(|view| view.name == name);
    view.map(Json).ok_or_else(|| Problem::absent("registry", name))
}

/// `GET /subscriptions`
pub async fn subscriptions(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tree = Tree::read(&parts, &asker).await?;
    let views = subscription_views(&parts, &asker, &tree)?;
    let query = query.as_deref();
    let asked = Asked { path: "subscriptions", query, headers: &headers };
    export::short(&parts, Params::parse(query), &asked, views, |view| view.guid.clone())
}

/// `GET /subscriptions/{id}`
pub async fn subscription(
    State(parts): State<Parts>,
    asker: Asker,
    id: Name,
    RawQuery(query): RawQuery,
) -> Result<Json<SubscriptionView>, Problem> {
    Params::parse(query.as_deref()).finish()?;
    one_subscription(&parts, &asker, &id.0).await
}

/// `POST /subscriptions`
pub async fn create_subscription(
    State(parts): State<Parts>,
    asker: Asker,
    body: Body<SubscriptionBody>,
) -> Result<Response, Problem> {
    let made = make_subscription(&parts, &asker, body.0).await?;
    Ok((StatusCode::CREATED, one_subscription(&parts, &asker, &made.guid).await?).into_response())
}

/// `PATCH /subscriptions/{id}`
pub async fn patch_subscription(
    State(parts): State<Parts>,
    asker: Asker,
    id: Name,
    body: Body<SubscriptionPatch>,
) -> Result<Json<SubscriptionView>, Problem> {
    let changed = change_subscription(&parts, &asker, &id.0, body.0).await?;
    one_subscription(&parts, &asker, &changed.guid).await
}

/// `DELETE /subscriptions/{id}`
pub async fn delete_subscription(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<StatusCode, Problem> {
    drop_subscription(&parts, &asker, &id.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PATCH /subscriptions/{id}/groups/{group}`
pub async fn patch_group(
    State(parts): State<Parts>,
    asker: Asker,
    Path((id, group)): Path<(String, String)>,
    body: Body<GroupPatch>,
) -> Result<Json<SubscriptionView>, Problem> {
    rename_group(&parts, &asker, &id, &group, body.0).await?;
    one_subscription(&parts, &Asker::local(""), &id).await
}

/// `GET /registries`
pub async fn registries(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tree = Tree::read(&parts, &asker).await?;
    let views = registry_views(&parts, &asker, &tree)?;
    let query = query.as_deref();
    let asked = Asked { path: "registries", query, headers: &headers };
    export::short(&parts, Params::parse(query), &asked, views, |view| view.name.clone())
}

/// `GET /registries/{name}`
pub async fn registry(
    State(parts): State<Parts>,
    asker: Asker,
    name: Name,
    RawQuery(query): RawQuery,
) -> Result<Json<RegistryView>, Problem> {
    Params::parse(query.as_deref()).finish()?;
    one_registry(&parts, &asker, &name.0).await
}

/// `POST /registries`
pub async fn create_registry(
    State(parts): State<Parts>,
    asker: Asker,
    body: Body<RegistryBody>,
) -> Result<Response, Problem> {
    let made = make_registry(&parts, &asker, body.0).await?;
    Ok((StatusCode::CREATED, one_registry(&parts, &asker, &made.name).await?).into_response())
}

/// `PATCH /registries/{name}`
pub async fn patch_registry(
    State(parts): State<Parts>,
    asker: Asker,
    name: Name,
    body: Body<RegistryPatch>,
) -> Result<Json<RegistryView>, Problem> {
    let changed = change_registry(&parts, &asker, &name.0, body.0).await?;
    // Its owner is answered, whatever path the right has now.
    one_registry(&parts, &Asker::local(""), &changed.name).await
}

/// `DELETE /registries/{name}`
pub async fn delete_registry(State(parts): State<Parts>, asker: Asker, name: Name) -> Result<StatusCode, Problem> {
    drop_registry(&parts, &asker, &name.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns whether somebody may do something in a scope.
pub fn can(asker: &Asker, action: Action, scope: &Scope) -> bool {
    allowed(&asker.principal.grants, action, scope)
}
