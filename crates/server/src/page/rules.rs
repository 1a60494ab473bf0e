//! `/rules`: what is hidden, where, by whom and until when; one rule with its history.

use super::filled::Filled;
use super::form::Field;
use super::frame::{self, Export, Frame, Pager, Tab, When, visible};
use super::scope::Names;
use super::visit::Visit;
use crate::access;
use crate::api::rules::view::{Intent, RuleHistoryView, RuleView};
use crate::api::rules::{self, Listed, Which, change};
use crate::asker::Asker;
use crate::body::Form;
use crate::params::{Name, Params};
use crate::parts::Parts;
use crate::problem::Problem;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use model::Micros;
use model::role::{Action, Scope};
use model::rule::Term;
use serde::Deserialize;
use store::RuleRow;

/// Rules of a page.
const PAGE: usize = 50;
/// More findings than this come back only for somebody who types the rule's name.
const TYPED_ABOVE: u64 = 20;
/// Days before its end in which a rule is marked.
const SOON_DAYS: u64 = 14;

/// A rule to begin with.
pub struct Beginning {
    /// Where its form is.
    pub link: &'static str,
    /// What it hides.
    pub text: &'static str,
    /// For whom it is.
    pub about: &'static str,
}

/// What most rules are.
static BEGINNINGS: [Beginning; 4] = [
    Beginning {
        link: "/rules/new?severity_below=medium",
        text: "Severity below medium",
        about: "to work on what is worst first",
    },
    Beginning {
        link: "/rules/new?not_patchable=yes&not_known_exploited=yes",
        text: "Not patchable",
        about: "nothing to install yet, and not known to be exploited",
    },
    Beginning { link: "/rules/new?cvss_below=6.5", text: "CVSS v3 below 6.5", about: "by score, whoever said it" },
    Beginning {
        link: "/rules/new?security_checks=",
        text: "A text in the security check, or a category",
        about: "a kind of problem that does not concern you",
    },
];

#[derive(Template)]
#[template(path = "rules.html")]
struct ListPage {
    frame: Frame,
    any: bool,
    may_edit: bool,
    templates: &'static [Beginning],
    yaml: &'static str,
    tabs: Vec<Tab>,
    q: String,
    state: String,
    rows: Vec<Row>,
    total: u64,
    pager: Pager,
    export: Export,
}

/// A rule in the list.
struct Row {
    link: String,
    name: String,
    words: String,
    scope: String,
    state: String,
    tone: &'static str,
    hides: u64,
    hides_link: String,
    images: u64,
    images_link: String,
    expires: String,
    left: String,
    author: String,
    owner: String,
}

/// The word and the colour of a rule's state.
fn state(view: &RuleView) -> (String, &'static str) {
    match view.state {
        _ if view.stale => ("stale".into(), "warn"),
        "in-force" => ("in force".into(), "good"),
        "paused" => ("disabled for now".into(), "warn"),
        other => (other.into(), ""),
    }
}

/// How long a rule has still, where that is little.
fn left(expires: Option<&str>, now: Micros) -> String {
    let Some(at) = expires.and_then(Micros::parse).filter(|at| *at > now) else { return String::new() };
    match at.saturating_since(now).as_secs() / 86_400 {
        0 => "less than a day left".into(),
        1 => "1 day left".into(),
        days if days <= SOON_DAYS => format!("{days} days left"),
        _ => String::new(),
    }
}

fn day(expires: Option<&str>) -> String {
    expires.and_then(|at| at.get(..10)).unwrap_or("").to_owned()
}

fn listed(list: &str, id: &str) -> String {
    frame::link(list, &[("q", &format!("rule:{id}"))])
}

fn row(view: RuleView, names: &Names, now: Micros) -> Row {
    let (state, tone) = state(&view);
    Row {
        link: format!("/rules/{}", view.id),
        name: visible(&view.name),
        words: visible(&view.words),
        scope: names.of(&view.scope),
        state,
        tone,
        hides: view.hides,
        hides_link: listed("/findings", &view.id),
        images: view.images,
        images_link: listed("/inventory", &view.id),
        expires: day(view.expires.as_deref()),
        left: left(view.expires.as_deref(), now),
        author: visible(&view.author),
        owner: visible(&view.owner),
    }
}

/// Whether somebody may make rules anywhere.
fn may_edit(asker: &Asker) -> bool {
    asker.principal.grants.iter().any(|grant| grant.role.allows(Action::EditPolicy))
}

/// `GET /rules`
pub async fn list(visit: Visit) -> Response {
    frame::answer(&visit, build(&visit.parts, &visit.asker, &visit).await)
}

async fn build(parts: &Parts, asker: &Asker, visit: &Visit) -> Result<ListPage, Problem> {
    let mut params = Params::parse(visit.query.as_deref());
    let (q, state) = (params.take("q")?.unwrap_or_default(), params.take("state")?.unwrap_or_default());
    let after = params.take("after")?;
    let scope = params.take("scope")?;
    let scope = scope.map(|path| access::scope_at(parts, &asker.principal, "scope", &path)).transpose()?;
    params.finish()?;
    let inherited = scope.is_some();
    let (text, state_asked) = (q.clone(), state.clone());
    let which = Which { scope, inherited, state: state_asked, text, after: after.clone(), limit: PAGE };
    let Listed { list, tally } = rules::listed(parts, asker, &which).await?;
    let texts = ["All", "In force", "Disabled for now", "Expired", "Stale"];
    let words = [""].into_iter().chain(rules::STATES);
    let tabs = words.zip(texts).zip(&tally).map(|((word, text), count)| Tab {
        text: text.to_owned(),
        link: frame::link("/rules", &[("q", &q), ("state", word)]),
        count: count.map(|count| count.to_string()).unwrap_or_default(),
        here: word == state,
    });
    let tabs: Vec<Tab> = tabs.collect();
    let any = tally.first().is_some_and(|all| *all != Some(0)) || !q.is_empty();
    let (now, names) = ((parts.now)(), Names::read(parts));
    let given = [("q", q.as_str()), ("state", state.as_str())];
    let address = |after: &str| frame::link("/rules", &[("q", &q), ("state", &state), ("after", after)]);
    let pager = Pager {
        first: if after.is_some() { address("") } else { String::new() },
        next: list.next.map(|mark| address(&mark)).unwrap_or_default(),
    };
    Ok(ListPage {
        frame: Frame::new(visit, "rules").programs(visit, &frame::link("/rules", &given), "portwarden rule list"),
        any,
        may_edit: may_edit(asker),
        templates: &BEGINNINGS,
        yaml: "/api/v1/rules/export?format=yaml",
        tabs,
        rows: list.items.into_iter().map(|view| row(view, &names, now)).collect(),
        total: list.total,
        pager,
        export: Export::new("/rules", &given),
        q: visible(&q),
        state,
    })
}

#[derive(Template)]
#[template(path = "rule.html")]
struct OnePage {
    frame: Frame,
    guard: String,
    may_edit: bool,
    trouble: String,
    asks: bool,
    asks_end: bool,
    rule: Shown,
    terms: Vec<String>,
    chain: Vec<Link>,
    history: Vec<Past>,
    history_link: String,
    typed_name: bool,
    asks_name: bool,
    name_field: Field,
}

/// A rule on its page.
struct Shown {
    id: String,
    row: i64,
    link: String,
    name: String,
    words: String,
    state: &'static str,
    state_words: String,
    paused: bool,
    stale: bool,
    scope_words: String,
    hides: u64,
    hides_link: String,
    images: u64,
    images_link: String,
    expires: String,
    day: String,
    left: String,
    reason: String,
    justification: String,
    owner: String,
    ticket: String,
    author: String,
    since: When,
    source: String,
}

/// A rule of a chain.
struct Link {
    name: String,
    scope: String,
    state: String,
    link: String,
    here: bool,
}

/// What a rule said before.
struct Past {
    since: When,
    until: When,
    author: String,
    ended_by: String,
    name: String,
    words: String,
    reason: String,
    paused: bool,
    expires: String,
}

/// What a form of the page came to.
#[derive(Default)]
struct Outcome {
    problem: Option<Problem>,
    deleting: bool,
    typed: String,
}

/// `GET /rules/{id}`
pub async fn one(visit: Visit, id: Name) -> Response {
    frame::answer(&visit, one_page(&visit.parts, &visit.asker, &visit, &id.0, Outcome::default()).await)
}

async fn one_page(parts: &Parts, asker: &Asker, visit: &Visit, id: &str, outcome: Outcome) -> Result<OnePage, Problem> {
    let (found, all) = change::find(parts, asker, id).await?;
    let view = rules::shown(parts, asker, &found, &all)?;
    let names = Names::read(parts);
    let history = rules::past(parts, asker, &view.id).await?;
    let now = (parts.now)();
    let problem = outcome.problem.as_ref();
    let name_field = Field::text("typed", "Type the name of the rule to delete it", &outcome.typed).required();
    let asks = problem.is_some_and(|problem| problem.field == "confirm");
    Ok(OnePage {
        frame: Frame::new(visit, "rules").still().programs(
            visit,
            &format!("/rules/{}", view.id),
            &format!("portwarden rule show {}", view.id),
        ),
        guard: Filled::new(asker, &[]).guard(),
        may_edit: access::may_in(&asker.principal, Action::EditPolicy, &found.rule.scope).is_ok(),
        trouble: problem
            .filter(|problem| problem.field != "typed")
            .map(|problem| format!("{}. {}", visible(&problem.detail), problem.next_step))
            .unwrap_or_default(),
        asks: asks && !outcome.deleting,
        asks_end: asks && outcome.deleting,
        terms: found.rule.criteria.terms().into_iter().map(|term: Term| visible(&term.words)).collect(),
        chain: chain(&found, &all, &names, now),
        history: history.into_iter().map(|row| past(row, now)).collect(),
        history_link: format!("/api/v1/rules/{}/history", view.id),
        typed_name: view.hides > TYPED_ABOVE,
        asks_name: outcome.deleting,
        name_field: name_field.judged(problem),
        rule: on_its_page(view, &found, &names, now),
    })
}

fn on_its_page(view: RuleView, row: &RuleRow, names: &Names, now: Micros) -> Shown {
    let (state_words, _) = state(&view);
    Shown {
        link: format!("/rules/{}", view.id),
        row: view.row,
        name: visible(&view.name),
        words: visible(&view.words),
        state: view.state,
        state_words,
        paused: view.paused,
        stale: view.stale,
        scope_words: scope_words(names, &row.rule.scope),
        hides: view.hides,
        hides_link: listed("/findings", &view.id),
        images: view.images,
        images_link: listed("/inventory", &view.id),
        expires: view.expires.clone().unwrap_or_default(),
        day: day(view.expires.as_deref()),
        left: left(view.expires.as_deref(), now),
        reason: row.rule.reason.label(),
        justification: visible(&view.justification),
        owner: visible(&view.owner),
        ticket: visible(&view.ticket),
        author: visible(&view.author),
        since: When::of(row.since, now),
        source: view.source,
        id: view.id,
    }
}

/// A scope for people.
pub fn scope_words(names: &Names, scope: &Scope) -> String {
    let words = match scope {
        Scope { repository: Some(name), registry: Some(registry), .. } => format!("repository {registry}/{name}"),
        Scope { registry: Some(name), .. } => format!("registry {name}"),
        Scope { resource_group: Some(name), .. } => format!("resource group {name}"),
        Scope { subscription: Some(_), .. } => format!("subscription {}", names.of(&scope.to_path())),
        _ => "everything".to_owned(),
    };
    visible(&words)
}

fn past(row: RuleHistoryView, now: Micros) -> Past {
    Past {
        since: When::parse(Some(&row.since), now),
        until: When::parse(row.until.as_deref(), now),
        author: visible(&row.author),
        ended_by: visible(&row.ended_by),
        name: visible(&row.name),
        words: visible(&row.words),
        reason: row.reason.replace('-', " "),
        paused: row.paused,
        expires: row.expires.as_deref().map_or_else(|| "never".to_owned(), |at| day(Some(at))),
    }
}

/// The rules that a rule stands in for, itself, and those that stand in for it, the widest first.
fn chain(found: &RuleRow, all: &[RuleRow], names: &Names, now: Micros) -> Vec<Link> {
    let mut rows = vec![found];
    while let Some(wider) = rows.first().and_then(|row| all.iter().find(|r| Some(r.uid) == row.rule.overrides)) {
        if rows.iter().any(|row| row.uid == wider.uid) {
            break;
        }
        rows.insert(0, wider);
    }
    let mut at = 0;
    let from = rows.len() - 1;
    while let Some(row) = rows.get(from + at).copied() {
        rows.extend(all.iter().filter(|r| r.rule.overrides == Some(row.uid)));
        at += 1;
    }
    rows.sort_by_key(|row| row.rule.scope.depth());
    let link = |row: &&RuleRow| Link {
        name: visible(&row.rule.name),
        scope: scope_words(names, &row.rule.scope),
        state: match row.rule.state(now) {
            model::rule::State::InForce => "in force".into(),
            model::rule::State::Paused => "hides nothing there".into(),
            model::rule::State::Expired => "expired".into(),
        },
        link: format!("/rules/{}", row.uid),
        here: row.uid == found.uid,
    };
    rows.iter().map(link).collect()
}

/// What the small forms of a rule's page say.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Act {
    seen: Option<i64>,
    confirm: bool,
    typed: Option<String>,
}

/// `POST /rules/{id}/pause`
pub async fn pause(visit: Visit, id: Name, form: Form) -> Response {
    switch(&visit.parts, &visit.asker, &visit, &id.0, &form, true).await
}

/// `POST /rules/{id}/resume`
pub async fn resume(visit: Visit, id: Name, form: Form) -> Response {
    switch(&visit.parts, &visit.asker, &visit, &id.0, &form, false).await
}

async fn switch(parts: &Parts, asker: &Asker, visit: &Visit, id: &str, form: &Form, paused: bool) -> Response {
    let done = match form.read::<Act>() {
        Ok(act) => change::pause(parts, asker, id, paused, Intent { confirm: act.confirm, seen: act.seen }).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(row) => Redirect::to(&format!("/rules/{}", row.uid)).into_response(),
        Err(problem) => {
            refused(parts, asker, visit, id, Outcome { problem: Some(problem), ..Outcome::default() }).await
        }
    }
}

/// `POST /rules/{id}/delete`
pub async fn delete(visit: Visit, id: Name, form: Form) -> Response {
    let act = match form.read::<Act>() {
        Ok(act) => act,
        Err(problem) => return frame::trouble(&visit, problem),
    };
    match ended(&visit.parts, &visit.asker, &id.0, &act).await {
        Ok(()) => Redirect::to("/rules").into_response(),
        Err(problem) => {
            let outcome = Outcome { problem: Some(problem), deleting: true, typed: act.typed.unwrap_or_default() };
            refused(&visit.parts, &visit.asker, &visit, &id.0, outcome).await
        }
    }
}

async fn ended(parts: &Parts, asker: &Asker, id: &str, act: &Act) -> Result<(), Problem> {
    let (row, all) = change::find(parts, asker, id).await?;
    let hides = rules::shown(parts, asker, &row, &all)?.hides;
    if hides > TYPED_ABOVE && act.typed.as_deref().map(str::trim) != Some(row.rule.name.as_str()) {
        let detail = format!("{hides} findings come back: type the name of the rule, {}", row.rule.name);
        return Err(Problem::parameter("typed", detail));
    }
    change::end(parts, asker, id, Intent { confirm: act.confirm, seen: act.seen }).await.map(|_| ())
}

/// The page again, with what was wrong; a rule that is gone is a problem page.
async fn refused(parts: &Parts, asker: &Asker, visit: &Visit, id: &str, outcome: Outcome) -> Response {
    let Some(problem) = outcome.problem.clone() else { return Redirect::to("/rules").into_response() };
    match one_page(parts, asker, visit, id, outcome).await {
        Ok(shown) => Filled::again(asker, Form::default(), problem).answer(frame::page(&shown)),
        Err(problem) => frame::trouble(visit, problem),
    }
}
