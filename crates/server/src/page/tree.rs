//! `/settings/subscriptions` and `/settings/registries`: the scope tree, and the forms that change it.

use super::edit::{Edit, Sure};
use super::filled::Filled;
use super::form::Field;
use super::frame::{Frame, Step, page as render, visible};
use super::list::{Export, link};
use super::visit::Visit;
use crate::api::plans::Tier;
use crate::api::tree::{
    self as api, GroupPatch, RegistryBody, RegistryPatch, RegistryView, SubscriptionBody, SubscriptionPatch,
    SubscriptionView, Tree, can, place_of, scope_of,
};
use crate::body::Form;
use crate::params::{Name, encoded};
use crate::problem::Problem;
use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use model::role::{Action, Scope};
use store::{Registry, Subscription};

const SUBSCRIPTIONS: &str = "/settings/subscriptions";
const REGISTRIES: &str = "/settings/registries";

#[derive(Template)]
#[template(path = "subscriptions.html")]
struct Subscriptions {
    frame: Frame,
    rows: Vec<SubscriptionRow>,
    export: Export,
    guard: String,
    trouble: String,
    /// Empty for whom may make none.
    fields: Vec<Field>,
}

struct SubscriptionRow {
    name: String,
    link: String,
    guid: String,
    plan: &'static str,
    tone: &'static str,
    window: String,
    registries: Vec<Step>,
    groups: Vec<Step>,
    images: u64,
    images_link: String,
    counted: bool,
}

#[derive(Template)]
#[template(path = "registries.html")]
struct Registries {
    frame: Frame,
    rows: Vec<RegistryRow>,
    export: Export,
    guard: String,
    trouble: String,
    /// Empty for whom may make none.
    fields: Vec<Field>,
}

struct RegistryRow {
    name: String,
    link: String,
    host: String,
    subscription: String,
    group: String,
    plan: &'static str,
    tone: &'static str,
    repositories: u64,
    images: u64,
    images_link: String,
    counted: bool,
}

fn plan(tier: Tier) -> (&'static str, &'static str) {
    if tier == Tier::Standard { ("on", "good") } else { ("off", "warn") }
}

fn subscription_row(visit: &Visit, view: SubscriptionView) -> SubscriptionRow {
    let (plan, tone) = plan(view.tier);
    let scope = Scope { subscription: Some(view.guid.clone()), ..Scope::ALL };
    let may = can(&visit.asker, Action::Secure, &scope);
    let registry = |name: &String| Step { text: name.clone(), link: format!("{REGISTRIES}/{}", encoded(name)) };
    SubscriptionRow {
        name: visible(&view.name),
        link: if may { format!("{SUBSCRIPTIONS}/{}", view.guid) } else { String::new() },
        plan,
        tone,
        window: format!("{} days", view.window_days),
        registries: view.registries.iter().map(registry).collect(),
        groups: view.resource_groups.iter().map(|name| group_step(visit, &scope, name)).collect(),
        images: view.reach.map_or(0, |r| r.images),
        images_link: link("/inventory", &[("scope", &view.scope), ("q", "-coverage:accessory")]),
        counted: view.reach.is_some(),
        guid: view.guid,
    }
}

/// A resource group, and where its owner renames it.
fn group_step(visit: &Visit, of: &Scope, name: &str) -> Step {
    let guid = of.subscription.as_deref().unwrap_or("");
    let link = format!("{SUBSCRIPTIONS}/{guid}/groups/{}", encoded(name));
    Step { text: visible(name), link: if can(&visit.asker, Action::Own, of) { link } else { String::new() } }
}

fn registry_row(view: RegistryView) -> RegistryRow {
    let (plan, tone) = plan(view.tier);
    RegistryRow {
        link: format!("{REGISTRIES}/{}", encoded(&view.name)),
        host: if view.host.is_empty() { "every other name".into() } else { view.host },
        subscription: visible(&view.subscription_name),
        group: view.resource_group,
        plan,
        tone,
        repositories: view.reach.map_or(0, |r| r.repositories),
        images: view.reach.map_or(0, |r| r.images),
        images_link: link("/inventory", &[("scope", &view.scope), ("q", "-coverage:accessory")]),
        counted: view.reach.is_some(),
        name: view.name,
    }
}

/// `GET /settings/subscriptions`
pub async fn subscriptions(visit: Visit) -> Result<Response, Problem> {
    show_subscriptions(&visit, Filled::new(&visit.asker, &[("tier", "Free")])).await
}

async fn show_subscriptions(visit: &Visit, form: Filled) -> Result<Response, Problem> {
    let tree = Tree::read(&visit.parts, &visit.asker).await?;
    let views = api::subscription_views(&visit.parts, &visit.asker, &tree)?;
    let tiers = [("Free", "off: nothing is scanned or metered"), ("Standard", "on")];
    let fields = [
        Field::text("name", "Name", "").required().example("production"),
        Field::text("guid", "GUID", "").hint("One is made where it is left empty."),
        Field::select("tier", "Plan", "", &tiers),
    ];
    let fields: Vec<Field> = if can(&visit.asker, Action::Own, &Scope::ALL) {
        fields.into_iter().map(|field| form.field(field)).collect()
    } else {
        Vec::new()
    };
    let frame = Frame::new(visit, "settings").still();
    Ok(form.answer(render(&Subscriptions {
        frame: frame.programs(visit, "/subscriptions", "portwarden subscription list"),
        rows: views.into_iter().map(|view| subscription_row(visit, view)).collect(),
        export: Export::whole("/subscriptions", &[]),
        guard: form.guard(),
        trouble: form.trouble(&fields),
        fields,
    })))
}

/// `POST /settings/subscriptions`
pub async fn make_subscription(visit: Visit, form: Form) -> Result<Response, Problem> {
    let done = match form.read::<SubscriptionBody>() {
        Ok(body) => api::make_subscription(&visit.parts, &visit.asker, body).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(_) => Ok(Redirect::to(SUBSCRIPTIONS).into_response()),
        Err(problem) => show_subscriptions(&visit, Filled::again(&visit.asker, form, problem)).await,
    }
}

/// `GET /settings/subscriptions/{guid}`
pub async fn subscription(visit: Visit, guid: Name) -> Result<Response, Problem> {
    let tree = Tree::read(&visit.parts, &visit.asker).await?;
    let found = tree.subscription(Some(&guid.0))?;
    let days = found.window_days.to_string();
    let form = Filled::new(&visit.asker, &[("name", found.name.as_str()), ("window_days", &days)]);
    Ok(show_subscription(&visit, found, form))
}

fn show_subscription(visit: &Visit, found: &Subscription, form: Filled) -> Response {
    let mut fields = Vec::new();
    if can(&visit.asker, Action::Own, &scope_of(found)) {
        fields.push(form.field(Field::text("name", "Name", "").required()));
    }
    let window = Field::text("window_days", "Days of the window", "").kind("number").required();
    fields.push(
        form.field(window.hint("An image that was pushed, or pulled by somebody, within so many days is kept judged.")),
    );
    let here = format!("{SUBSCRIPTIONS}/{}", found.guid);
    let name = visible(&found.name);
    let sure = can(&visit.asker, Action::Own, &Scope::ALL).then(|| Sure {
        summary: "Delete…".into(),
        text: "Only a subscription without registries can go. What was metered for it stays listed.".into(),
        action: format!("{here}/delete"),
        button: format!("Delete {name}"),
    });
    let command = format!("portwarden subscription update {} --window-days {}", found.guid, found.window_days);
    let frame = Frame::new(visit, "settings").still();
    form.answer(render(&Edit {
        frame: frame.programs(visit, &format!("/subscriptions/{}", found.guid), &command),
        title: format!("Subscription {name}"),
        crumbs: vec![Step { text: "Subscriptions".into(), link: SUBSCRIPTIONS.into() }],
        more: Vec::new(),
        says: vec![format!("GUID {}", found.guid)],
        guard: form.guard(),
        trouble: form.trouble(&fields),
        action: here,
        hidden: Vec::new(),
        fields,
        button: "Save".into(),
        sure,
    }))
}

/// `POST /settings/subscriptions/{guid}`
pub async fn change_subscription(visit: Visit, guid: Name, form: Form) -> Result<Response, Problem> {
    let tree = Tree::read(&visit.parts, &visit.asker).await?;
    let found = tree.subscription(Some(&guid.0))?;
    let done = match form.read::<SubscriptionPatch>() {
        Ok(mut body) => {
            // The form says everything again: what stays is not asked for.
            body.name = body.name.filter(|name| *name != found.name);
            body.window_days = body.window_days.filter(|days| *days != found.window_days || body.name.is_none());
            api::change_subscription(&visit.parts, &visit.asker, &found.guid, body).await
        }
        Err(problem) => Err(problem),
    };
    match done {
        Ok(_) => Ok(Redirect::to(SUBSCRIPTIONS).into_response()),
        Err(problem) => Ok(show_subscription(&visit, found, Filled::again(&visit.asker, form, problem))),
    }
}

/// `GET /settings/subscriptions/{guid}/groups/{group}`
pub async fn group(visit: Visit, Path((guid, group)): Path<(String, String)>) -> Result<Response, Problem> {
    let tree = Tree::read(&visit.parts, &visit.asker).await?;
    let found = tree.subscription(Some(&guid))?;
    if !tree.registries.iter().any(|r| r.subscription == found.id && r.resource_group == group) {
        return Err(Problem::absent("resource group", &group));
    }
    let form = Filled::new(&visit.asker, &[("name", &group)]);
    Ok(show_group(&visit, found, &group, form))
}

fn show_group(visit: &Visit, of: &Subscription, group: &str, form: Filled) -> Response {
    let hint =
        "Grants, rules and plans that stand in it follow. The name of a group that is there already joins the two.";
    let fields = vec![form.field(Field::text("name", "Name", "").required().hint(hint))];
    let here = format!("{SUBSCRIPTIONS}/{}/groups/{}", of.guid, encoded(group));
    let api = format!("/subscriptions/{}", of.guid);
    form.answer(render(&Edit {
        frame: Frame::new(visit, "settings").still().programs(visit, &api, ""),
        title: format!("Resource group {}", visible(group)),
        crumbs: vec![
            Step { text: "Subscriptions".into(), link: SUBSCRIPTIONS.into() },
            Step { text: visible(&of.name), link: format!("{SUBSCRIPTIONS}/{}", of.guid) },
        ],
        says: Vec::new(),
        guard: form.guard(),
        trouble: form.trouble(&fields),
        action: here,
        hidden: Vec::new(),
        fields,
        button: "Rename".into(),
        more: Vec::new(),
        sure: None,
    }))
}

/// `POST /settings/subscriptions/{guid}/groups/{group}`
pub async fn rename_group(
    visit: Visit,
    Path((guid, group)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Problem> {
    let tree = Tree::read(&visit.parts, &visit.asker).await?;
    let found = tree.subscription(Some(&guid))?;
    let done = match form.read::<GroupPatch>() {
        Ok(body) => api::rename_group(&visit.parts, &visit.asker, &found.guid, &group, body).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(()) => Ok(Redirect::to(SUBSCRIPTIONS).into_response()),
        Err(problem) => Ok(show_group(&visit, found, &group, Filled::again(&visit.asker, form, problem))),
    }
}

/// `POST /settings/subscriptions/{guid}/delete`
pub async fn drop_subscription(visit: Visit, guid: Name) -> Result<Response, Problem> {
    api::drop_subscription(&visit.parts, &visit.asker, &guid.0).await?;
    Ok(Redirect::to(SUBSCRIPTIONS).into_response())
}

fn choices(tree: &Tree) -> Vec<(String, String)> {
    tree.subscriptions.iter().map(|s| (s.guid.clone(), visible(&s.name))).collect()
}

/// `GET /settings/registries`
pub async fn registries(visit: Visit) -> Result<Response, Problem> {
    show_registries(&visit, Filled::new(&visit.asker, &[("resource_group", "default")])).await
}

async fn show_registries(visit: &Visit, form: Filled) -> Result<Response, Problem> {
    let tree = Tree::read(&visit.parts, &visit.asker).await?;
    let views = api::registry_views(&visit.parts, &visit.asker, &tree)?;
    let may = tree.subscriptions.iter().any(|s| can(&visit.asker, Action::Own, &scope_of(s)));
    let fields = [
        Field::text("name", "Name", "").required().example("team").hint("a-z 0-9 - _ . ; part of paths and addresses."),
        Field::text("host", "Host", "")
            .required()
            .example("team.registry.example")
            .hint("Clients find it by this name, on the same port. A name without a port means any."),
        Field::select("subscription", "Subscription", "", &choices(&tree)),
        Field::text("resource_group", "Resource group", "").required(),
    ];
    let fields: Vec<Field> = if may { fields.into_iter().map(|field| form.field(field)).collect() } else { Vec::new() };
    let frame = Frame::new(visit, "settings").still();
    Ok(form.answer(render(&Registries {
        frame: frame.programs(visit, "/registries", "portwarden registry list"),
        rows: views.into_iter().map(registry_row).collect(),
        export: Export::whole("/registries", &[]),
        guard: form.guard(),
        trouble: form.trouble(&fields),
        fields,
    })))
}

/// `POST /settings/registries`
pub async fn make_registry(visit: Visit, form: Form) -> Result<Response, Problem> {
    let done = match form.read::<RegistryBody>() {
        Ok(body) => api::make_registry(&visit.parts, &visit.asker, body).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(_) => Ok(Redirect::to(REGISTRIES).into_response()),
        Err(problem) => show_registries(&visit, Filled::again(&visit.asker, form, problem)).await,
    }
}

/// `GET /settings/registries/{name}`
pub async fn registry(visit: Visit, name: Name) -> Result<Response, Problem> {
    let tree = Tree::read(&visit.parts, &visit.asker).await?;
    let found = tree.registry(&name.0)?;
    let values = [
        ("name", found.name.as_str()),
        ("host", &found.host),
        ("subscription", &found.subscription_guid),
        ("resource_group", &found.resource_group),
    ];
    let form = Filled::new(&visit.asker, &values);
    Ok(show_registry(&visit, &tree, found, form))
}

fn show_registry(visit: &Visit, tree: &Tree, found: &Registry, form: Filled) -> Response {
    let may = can(&visit.asker, Action::Own, &place_of(found));
    let mut fields =
        vec![Field::text("name", "Name", "").required().hint("Ids of findings stay whatever it is called.")];
    if !found.host.is_empty() {
        fields.push(Field::text("host", "Host", "").required());
    }
    fields.push(
        Field::select("subscription", "Subscription", "", &choices(tree))
            .hint("Its plan and grants hold from then on."),
    );
    fields.push(Field::text("resource_group", "Resource group", "").required());
    let fields: Vec<Field> = fields.into_iter().map(|field| form.field(field)).collect();
    let here = format!("{REGISTRIES}/{}", encoded(&found.name));
    let mut says = Vec::new();
    if found.host.is_empty() {
        says.push("It takes every host name that is no other registry's, and so cannot go.".to_owned());
    }
    if !may {
        says.push("Only its owner can change it.".to_owned());
    }
    let sure = (may && !found.host.is_empty()).then(|| Sure {
        summary: "Delete…".into(),
        text: "Only a registry without images can go; delete these first.".into(),
        action: format!("{here}/delete"),
        button: format!("Delete {}", found.name),
    });
    let command = format!("portwarden registry update {}", found.name);
    let frame = Frame::new(visit, "settings").still();
    form.answer(render(&Edit {
        frame: frame.programs(visit, &format!("/registries/{}", encoded(&found.name)), &command),
        title: format!("Registry {}", found.name),
        crumbs: vec![Step { text: "Registries".into(), link: REGISTRIES.into() }],
        more: vec![Step { text: "Network rules".into(), link: format!("{here}/network") }],
        says,
        guard: form.guard(),
        trouble: form.trouble(&fields),
        action: here,
        hidden: Vec::new(),
        fields: if may { fields } else { Vec::new() },
        button: if may { "Save".into() } else { String::new() },
        sure,
    }))
}

/// `POST /settings/registries/{name}`
pub async fn change_registry(visit: Visit, name: Name, form: Form) -> Result<Response, Problem> {
    let tree = Tree::read(&visit.parts, &visit.asker).await?;
    let found = tree.registry(&name.0)?;
    let done = match form.read::<RegistryPatch>() {
        Ok(body) => api::change_registry(&visit.parts, &visit.asker, &found.name, body).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(changed) => Ok(Redirect::to(&format!("{REGISTRIES}/{}", encoded(&changed.name))).into_response()),
        Err(problem) => Ok(show_registry(&visit, &tree, found, Filled::again(&visit.asker, form, problem))),
    }
}

/// `POST /settings/registries/{name}/delete`
pub async fn drop_registry(visit: Visit, name: Name) -> Result<Response, Problem> {
    api::drop_registry(&visit.parts, &visit.asker, &name.0).await?;
    Ok(Redirect::to(REGISTRIES).into_response())
}
