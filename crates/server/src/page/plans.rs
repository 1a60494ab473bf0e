//! `/settings/plans`: where images are scanned and metered, how far judging has come, and what a switch would do.

use super::edit::{Edit, Sure};
use super::filled::Filled;
use super::form::Field;
use super::frame::{self, Frame, Step, When, page as render, visible};
use super::list::{Export, link};
use super::visit::Visit;
use crate::api::plans::{self, PlanBody, PlanPreviewView, PlanView, Tier};
use crate::api::tree::{Tree, can, place_of, scope_of};
use crate::body::Form;
use crate::params::{Params, encoded};
use crate::problem::Problem;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use model::role::Action;
use serde::Deserialize;

const HERE: &str = "/settings/plans";

#[derive(Template)]
#[template(path = "plans.html")]
struct Plans {
    frame: Frame,
    rows: Vec<Row>,
    export: Export,
}

struct Row {
    name: String,
    /// Whether it is a registry, which stands below its subscription.
    is_registry: bool,
    tier: &'static str,
    tone: &'static str,
    /// Where the plan comes from, or what it covers.
    from: String,
    since: When,
    by: String,
    images: u64,
    images_link: String,
    in_window: u64,
    in_window_link: String,
    judged: u64,
    counted: bool,
    change: String,
}

/// The form that switches a plan.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanForm {
    tier: String,
    subscription: Option<String>,
    registry: Option<String>,
    #[serde(default)]
    enforce: bool,
}

fn row(visit: &Visit, tree: &Tree, view: PlanView, enforced: &[String], now: model::Micros) -> Row {
    let is_registry = !view.registry.is_empty();
    let found = tree.registries.iter().find(|r| is_registry && r.name == view.registry);
    let scope = match (found, tree.subscriptions.iter().find(|s| s.guid == view.subscription)) {
        (Some(registry), _) => Some(place_of(registry)),
        (None, above) => above.map(scope_of),
    };
    // Where the subscription enforces its plan there is nothing to switch; what waits below it can still be dropped.
    let bound = is_registry && enforced.contains(&view.subscription) && view.overruled.is_none();
    let may = !bound && scope.is_some_and(|scope| can(&visit.asker, Action::Secure, &scope));
    let list = |word: &str| link("/inventory", &[("scope", &view.scope), ("q", word)]);
    let from = match (&view.overruled, view.inherited, view.enforce, view.coverage) {
        (Some(tier), ..) => format!("its subscription, which enforces it; its own {} waits", tier.as_str()),
        (None, true, ..) => "its subscription".to_owned(),
        (None, false, true, _) => "itself; its registries may not differ".to_owned(),
        (None, false, false, "PartiallyCovered") => "itself; some registries differ".to_owned(),
        _ => "itself".to_owned(),
    };
    let named =
        if is_registry { ("registry", view.registry.as_str()) } else { ("subscription", view.subscription.as_str()) };
    let other = if view.tier == Tier::Standard { "Free" } else { "Standard" };
    let change = link("/settings/plans/change", &[named, ("tier", other)]);
    let reach = view.reach;
    Row {
        name: visible(if is_registry { &view.registry } else { &view.subscription_name }),
        is_registry,
        tier: if view.tier == Tier::Standard { "on" } else { "off" },
        tone: if view.tier == Tier::Standard { "good" } else { "warn" },
        from,
        since: When::parse(view.since.as_deref(), now),
        by: visible(&view.actor),
        images: reach.map_or(0, |r| r.images),
        images_link: list("-coverage:accessory"),
        in_window: reach.map_or(0, |r| r.in_window),
        in_window_link: list("coverage:in-window"),
        judged: reach.map_or(0, |r| r.judged),
        counted: reach.is_some(),
        change: if may { change } else { String::new() },
    }
}

/// `GET /settings/plans`
pub async fn page(visit: Visit) -> Response {
    let built = build(&visit).await;
    frame::answer(&visit, built)
}

async fn build(visit: &Visit) -> Result<Plans, Problem> {
    let now = (visit.parts.now)();
    let tree = Tree::read(&visit.parts, &visit.asker).await?;
    let views = plans::views(&visit.parts, &visit.asker, &tree)?;
    let enforced: Vec<String> = views.iter().filter(|v| v.enforce).map(|v| v.subscription.clone()).collect();
    let rows = views.into_iter().map(|view| row(visit, &tree, view, &enforced, now)).collect();
    let frame = Frame::new(visit, "settings").programs(visit, "/plans", "portwarden plan list");
    Ok(Plans { frame, rows, export: Export::whole("/plans", &[]) })
}

/// `GET /settings/plans/change`: what the switch does, and the button that does it.
pub async fn ask(visit: Visit) -> Result<Response, Problem> {
    let mut params = Params::parse(visit.query.as_deref());
    let [subscription, registry, tier] = ["subscription", "registry", "tier"].map(|name| params.take(name));
    let (subscription, registry, tier) = (subscription?, registry?, tier?);
    params.finish()?;
    let plan = plan_of(&visit, subscription.as_deref(), registry.as_deref()).await?.1;
    let (subscription, registry) = (subscription.unwrap_or_default(), registry.unwrap_or_default());
    let tier = tier.unwrap_or_else(|| "Standard".into());
    let enforce = if plan.enforce { "yes" } else { "" };
    let values = [("subscription", &*subscription), ("registry", &registry), ("tier", &tier), ("enforce", enforce)];
    show(&visit, Filled::new(&visit.asker, &values)).await
}

/// What a switch would do, and how the plan stands.
async fn plan_of(
    visit: &Visit,
    subscription: Option<&str>,
    registry: Option<&str>,
) -> Result<(PlanPreviewView, PlanView), Problem> {
    let preview = plans::look_ahead(&visit.parts, &visit.asker, subscription, registry).await?;
    let tree = Tree::read(&visit.parts, &visit.asker).await?;
    let plan = plans::views(&visit.parts, &visit.asker, &tree)?.into_iter().find(|view| view.scope == preview.scope);
    let plan = plan.ok_or_else(|| Problem::absent("plan", &preview.scope))?;
    Ok((preview, plan))
}

async fn show(visit: &Visit, form: Filled) -> Result<Response, Problem> {
    let named = |name: &str| Some(form.value(name)).filter(|value| !value.is_empty());
    let (subscription, registry) = (named("subscription"), named("registry"));
    let (preview, plan) = plan_of(visit, subscription, registry).await?;
    let on = form.value("tier").eq_ignore_ascii_case("standard");
    let name = visible(if plan.registry.is_empty() { &plan.subscription_name } else { &plan.registry });
    let mut fields = Vec::new();
    if plan.registry.is_empty() {
        let field = Field::check("enforce", "No registry of it may differ", false);
        fields.push(form.field(field.hint("What a registry says of itself is kept, and waits.")));
    }
    let trouble = form.trouble(&fields);
    let word = if on { "on" } else { "off" };
    let hidden = ["subscription", "registry", "tier"].map(|name| (name, visible(form.value(name))));
    let path = format!("/plans/preview?{}", query(subscription, registry));
    let option = registry.map_or_else(
        || subscription.map(|s| format!(" --subscription {s}")).unwrap_or_default(),
        |name| format!(" --registry {name}"),
    );
    let command = format!("portwarden plan set --tier {}{option}", if on { "standard" } else { "free" });
    let follows = !plan.registry.is_empty() && !plan.inherited || plan.overruled.is_some();
    let shown = render(&Edit {
        frame: Frame::new(visit, "settings").still().programs(visit, &path, &command),
        title: format!("Switch the plan of {name} {word}"),
        crumbs: vec![Step { text: "Plans".into(), link: HERE.into() }],
        more: Vec::new(),
        says: says(&preview, on),
        guard: form.guard(),
        trouble,
        action: HERE.into(),
        hidden: hidden.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        fields,
        button: format!("Switch it {word}"),
        sure: follows.then(|| Sure {
            summary: "Let it follow its subscription…".into(),
            text: "What it says of itself is dropped; the plan of its subscription holds at once.".into(),
            action: format!("/settings/plans/{}/follow", encoded(&plan.registry)),
            button: format!("Let {name} follow its subscription"),
        }),
    });
    Ok(form.answer(shown))
}

fn query(subscription: Option<&str>, registry: Option<&str>) -> String {
    let named = [("subscription", subscription), ("registry", registry)];
    let named = named.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded((*value)?))));
    named.collect::<Vec<_>>().join("&")
}

/// What the switch does, in sentences.
fn says(preview: &PlanPreviewView, on: bool) -> Vec<String> {
    let images = |n: u64| if n == 1 { "1 image".to_owned() } else { format!("{n} images") };
    let PlanPreviewView { window_days, in_window, to_meter, .. } = preview;
    let now =
        format!("{} here, {in_window} of them pushed or pulled within {window_days} days.", images(preview.images));
    if on {
        let rest = preview.images.saturating_sub(*in_window);
        vec![
            now,
            format!("These {in_window} are taken in and judged; {} more will be metered.", images(*to_meter)),
            format!("The other {rest} stay outside the window until somebody pushes or pulls them."),
        ]
    } else {
        vec![
            now,
            "Pushes are accepted and recorded as before; nothing is scanned and nothing is metered.".into(),
            "Findings stay as they are now, with the date of the switch. What waits to be scanned is cancelled.".into(),
        ]
    }
}

/// `POST /settings/plans`
pub async fn save(visit: Visit, form: Form) -> Result<Response, Problem> {
    let done = match form.read::<PlanForm>() {
        Ok(read) => {
            let enforce = read.registry.is_none().then_some(read.enforce);
            let (subscription, registry) = (read.subscription, read.registry);
            let name = model::plan::NAMES[0].to_owned();
            let body = PlanBody { name, tier: read.tier, subscription, registry, enforce };
            plans::set(&visit.parts, &visit.asker, body).await
        }
        Err(problem) => Err(problem),
    };
    match done {
        Ok(_) => Ok(Redirect::to(HERE).into_response()),
        Err(problem) => show(&visit, Filled::again(&visit.asker, form, problem)).await,
    }
}

/// `POST /settings/plans/{registry}/follow`
pub async fn follow(visit: Visit, name: crate::params::Name) -> Result<Response, Problem> {
    plans::unset(&visit.parts, &visit.asker, &name.0).await?;
    Ok(Redirect::to(HERE).into_response())
}
