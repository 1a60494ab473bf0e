//! The form that makes, changes or overrides a rule: scope, criteria, why, preview.
//!
//! In: what somebody typed, or a finding, or a rule to begin from. Out: the form with what it would do; a rule once it is sent to be
//! applied. It is the same page with and without a script.

mod tree;
mod typed;

use super::filled::Filled;
use super::form::Field;
use super::frame::{self, Frame, visible};
use super::rules::scope_words;
use super::scope::Names;
use super::visit::Visit;
use crate::access;
use crate::api::rules::change;
use crate::api::rules::effect;
use crate::api::rules::view::{PreviewView, RuleBody, SeverityCount};
use crate::asker::Asker;
use crate::body::Form;
use crate::form;
use crate::params::{Name, form_pairs};
use crate::parts::Parts;
use crate::problem::Problem;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use fleet::{Filter, Query};
use model::role::{Action, Scope};
use model::rule::{Reason, USUAL_DAYS};
use std::time::Duration;
use store::RuleRow;
use tree::Node;
use typed::Typed;
use uuid::Uuid;

/// What the form is for.
enum Purpose {
    Create,
    /// A rule says something else.
    Change(Box<RuleRow>),
    /// A rule stands in for this one.
    Override(Box<RuleRow>),
}

#[derive(Template)]
#[template(path = "rule_form.html")]
struct FormPage {
    frame: Frame,
    guard: String,
    title: String,
    under: String,
    trouble: String,
    action: String,
    back: String,
    apply: &'static str,
    seen: String,
    overrides: String,
    /// What comes back where the wider rule is to hide nothing; empty where that is not asked for.
    comes_back: String,
    nothing: Option<Field>,
    fixed_scope: bool,
    scope: String,
    scope_words: String,
    scope_error: String,
    nodes: Vec<Node>,
    more: u64,
    criteria_error: String,
    criteria: Vec<Field>,
    more_criteria: Vec<Field>,
    more_open: bool,
    why: Vec<Field>,
    asks: bool,
    asks_words: String,
    preview: Option<Preview>,
}

/// What the rule would do, on the page.
struct Preview {
    sentence: String,
    parts: Vec<SeverityCount>,
    findings: u64,
    open: u64,
    images: u64,
    repositories: u64,
    known_exploited: u64,
    already_hidden: u64,
    gain: String,
    examples: Vec<Example>,
}

/// A finding that would be hidden.
struct Example {
    id: String,
    vulnerability: String,
    severity: &'static str,
    package: String,
    image: String,
}

impl From<PreviewView> for Preview {
    fn from(view: PreviewView) -> Self {
        let example = |e: crate::api::rules::view::ExampleView| Example {
            id: e.id,
            vulnerability: visible(&e.vulnerability),
            severity: e.severity,
            package: visible(&e.package),
            image: visible(&e.image),
        };
        Self {
            sentence: visible(&view.sentence),
            parts: view.severities,
            findings: view.findings,
            open: view.open,
            images: view.images,
            repositories: view.repositories,
            known_exploited: view.known_exploited,
            already_hidden: view.already_hidden,
            gain: view.score_gain.map(|gain| format!("{gain:+.1}")).unwrap_or_default(),
            examples: view.examples.into_iter().map(example).collect(),
        }
    }
}

/// `GET /rules/new`: from nothing, from findings (`finding=ID`, several times) or images (`digests=DIGEST`), from a rule to override (`override=ID`), or from values.
pub async fn new(visit: Visit) -> Response {
    let built = match begin(&visit.parts, &visit.asker, &visit).await {
        Ok((purpose, typed)) => show(&visit.parts, &visit.asker, &visit, &purpose, &typed, None).await,
        Err(problem) => Err(problem),
    };
    frame::answer(&visit, built)
}

async fn begin(parts: &Parts, asker: &Asker, visit: &Visit) -> Result<(Purpose, Typed), Problem> {
    let mut pairs = form_pairs(visit.query.as_deref().unwrap_or(""));
    let mut taken = |name: &str| -> Vec<String> {
        let found = pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.clone()).collect();
        pairs.retain(|(n, _)| n != name);
        found
    };
    let (findings, wider, digests) = (taken("finding"), taken("override"), taken("digests"));
    let mut typed: Typed = form::read(&pairs).map_err(|wrong| Problem::parameter(&wrong.field, wrong.message))?;
    if let Some(id) = wider.first() {
        let (row, _) = change::find(parts, asker, id).await?;
        let scope = std::mem::take(&mut typed.scope);
        typed = Typed { scope, overrides: row.uid.to_string(), expires: String::new(), ..Typed::of(&row.rule) };
        return Ok((Purpose::Override(Box::new(row)), typed));
    }
    typed.digests = digests.join("\n");
    if !findings.is_empty() {
        from_findings(parts, asker, &findings, &mut typed)?;
    }
    Ok((Purpose::Create, typed))
}

/// Fills in what hides findings: their vulnerabilities, in the scope that all of them lie in.
fn from_findings(parts: &Parts, asker: &Asker, ids: &[String], typed: &mut Typed) -> Result<(), Problem> {
    let readable = access::readable(parts, &asker.principal)?;
    let mut names: Vec<String> = Vec::new();
    let mut scope: Option<Scope> = None;
    for id in ids {
        let absent = || Problem::absent("finding", id);
        let uuid = Uuid::try_parse(id).map_err(|_| absent())?;
        let now = (parts.now)();
        let row = parts.index.ask(|index| Ok(index.finding(uuid, &readable, None, now)))?.ok_or_else(absent)?;
        let place = &row.place;
        let here = Scope {
            subscription: Some(place.subscription.clone()),
            resource_group: None,
            registry: Some(place.registry.clone()),
            repository: Some(place.repository.clone()),
        };
        scope = Some(scope.map_or(here.clone(), |scope| common(&scope, &here)));
        if !names.contains(&row.vulnerability.name) {
            names.push(row.vulnerability.name.clone());
        }
    }
    typed.finding_ids = names.join("\n");
    if typed.scope.is_empty() {
        typed.scope = scope.unwrap_or_default().to_path();
    }
    Ok(())
}

/// The narrowest scope that holds two places.
fn common(a: &Scope, b: &Scope) -> Scope {
    let mut both = Scope::ALL;
    if a.subscription == b.subscription {
        both.subscription = a.subscription.clone();
        if a.registry == b.registry {
            both.registry = a.registry.clone();
            both.repository = a.repository.clone().filter(|_| a.repository == b.repository);
        }
    }
    both
}

/// `POST /rules/new`
pub async fn create(visit: Visit, form: Form) -> Response {
    let read = form.read::<Typed>();
    let typed = match read {
        Ok(typed) => typed,
        Err(problem) => return frame::trouble(&visit, problem),
    };
    let purpose = match typed.overrides.as_str() {
        "" => Purpose::Create,
        id => match change::find(&visit.parts, &visit.asker, id).await {
            Ok((row, _)) => Purpose::Override(Box::new(row)),
            Err(problem) => return frame::trouble(&visit, problem),
        },
    };
    sent(&visit.parts, &visit.asker, &visit, purpose, typed).await
}

/// `GET /rules/{id}/edit`
pub async fn edit(visit: Visit, id: Name) -> Response {
    let built = match change::find(&visit.parts, &visit.asker, &id.0).await {
        Ok((row, _)) => {
            let typed = Typed { seen: Some(row.id), ..Typed::of(&row.rule) };
            show(&visit.parts, &visit.asker, &visit, &Purpose::Change(Box::new(row)), &typed, None).await
        }
        Err(problem) => Err(problem),
    };
    frame::answer(&visit, built)
}

/// `POST /rules/{id}/edit`
pub async fn replace(visit: Visit, id: Name, form: Form) -> Response {
    let found = change::find(&visit.parts, &visit.asker, &id.0).await;
    match (found, form.read::<Typed>()) {
        (Ok((row, _)), Ok(typed)) => {
            sent(&visit.parts, &visit.asker, &visit, Purpose::Change(Box::new(row)), typed).await
        }
        (Err(problem), _) | (_, Err(problem)) => frame::trouble(&visit, problem),
    }
}

/// Does what the button says.
async fn sent(parts: &Parts, asker: &Asker, visit: &Visit, purpose: Purpose, mut typed: Typed) -> Response {
    let problem = if typed.verb == "apply" {
        let done = match &purpose {
            Purpose::Change(row) => {
                let body = RuleBody { paused: row.rule.paused, ..typed.body() };
                change::change(parts, asker, &row.uid.to_string(), body).await
            }
            _ => change::create(parts, asker, typed.body()).await,
        };
        match done {
            Ok(row) => return Redirect::to(&format!("/rules/{}", row.uid)).into_response(),
            Err(problem) => Some(problem),
        }
    } else {
        typed.confirm = false;
        None
    };
    match show(parts, asker, visit, &purpose, &typed, problem.clone()).await {
        Ok(shown) => match problem {
            Some(problem) => Filled::again(asker, Form::default(), problem).answer(frame::page(&shown)),
            None => frame::page(&shown),
        },
        Err(problem) => frame::trouble(visit, problem),
    }
}

async fn show(
    parts: &Parts,
    asker: &Asker,
    visit: &Visit,
    purpose: &Purpose,
    typed: &Typed,
    problem: Option<Problem>,
) -> Result<FormPage, Problem> {
    let rows = change::visible(parts, asker).await?;
    let look = typed.verb.strip_prefix("look:").unwrap_or(&typed.scope);
    let below = if let Purpose::Override(row) = purpose { Some(&row.rule.scope) } else { None };
    let tree = tree::nodes(parts, asker, &typed.scope, look, below, &rows)?;
    let (preview, fault) = previewed(parts, asker, purpose, typed).await;
    // While somebody only looks, an empty form has no faults.
    let problem = problem.or(fault.filter(|_| typed.verb == "preview"));
    let problem = problem.as_ref();
    let on = |field: &str| problem.filter(|p| p.field == field).map(|p| visible(&p.detail)).unwrap_or_default();
    let known: Vec<Field> = all_fields(typed, parts);
    let named = known.iter().any(|field| problem.is_some_and(|p| is_of(field, p)));
    let elsewhere = problem.filter(|p| !named && !["scope", "criteria", "confirm"].contains(&p.field.as_str()));
    let asks_words = problem.filter(|p| p.field == "confirm").map(|p| visible(&p.detail)).unwrap_or_default();
    let mut fields = known.into_iter().map(|field| judged(field, problem)).collect::<Vec<_>>();
    let why = fields.split_off(14);
    let more_criteria = fields.split_off(7);
    let (title, under, action, back, apply) = words_of(purpose);
    let scope = Scope::parse(&typed.scope).unwrap_or_default();
    Ok(FormPage {
        frame: Frame::new(visit, "rules").still().programs(visit, "/rules", "portwarden rule create --help"),
        guard: Filled::new(asker, &[]).guard(),
        title,
        under,
        trouble: elsewhere.map(|p| format!("{}. {}", visible(&p.detail), p.next_step)).unwrap_or_default(),
        action,
        back,
        apply,
        seen: typed.seen.map(|row| row.to_string()).unwrap_or_default(),
        overrides: typed.overrides.clone(),
        comes_back: if typed.paused { comes_back(parts, purpose, &scope)? } else { String::new() },
        nothing: matches!(purpose, Purpose::Override(_)).then(|| {
            Field::check(
                "paused",
                "Hide nothing there: the wider rule is not in force where this one stands",
                typed.paused,
            )
        }),
        fixed_scope: matches!(purpose, Purpose::Change(_)),
        scope: typed.scope.clone(),
        scope_words: scope_words(&Names::read(parts), &scope),
        scope_error: on("scope"),
        nodes: tree.nodes,
        more: tree.more,
        criteria_error: on("criteria"),
        more_open: typed.has_more() || more_criteria.iter().any(|field| !field.error.is_empty()),
        criteria: fields,
        more_criteria,
        why,
        asks: !asks_words.is_empty(),
        asks_words,
        preview: preview.filter(|_| !typed.paused).map(Preview::from),
    })
}

/// What the wider rule hides in a scope, and would not hide there any more.
fn comes_back(parts: &Parts, purpose: &Purpose, scope: &Scope) -> Result<String, Problem> {
    let Purpose::Override(wider) = purpose else { return Ok(String::new()) };
    let mut filter = Filter::parse(&format!("rule:{}", wider.uid))?;
    let names =
        [("subscription", &scope.subscription), ("registry", &scope.registry), ("repository", &scope.repository)];
    for (field, name) in names.into_iter().filter_map(|(field, name)| Some((field, name.as_deref()?))) {
        filter.field(field, name)?;
    }
    let query = Query { filter, limit: 1, now: (parts.now)(), ..Query::default() };
    let count = parts.index.ask(|index| Ok(index.counts(&query)?))?.tally.findings();
    let name = visible(&wider.rule.name);
    Ok(match count {
        0 => format!("{name} hides nothing there now; nothing comes back."),
        1 => format!("1 finding that {name} hides there comes back."),
        count => format!("{count} findings that {name} hides there come back."),
    })
}

fn words_of(purpose: &Purpose) -> (String, String, String, String, &'static str) {
    match purpose {
        Purpose::Create => (
            "New rule".into(),
            "Hides findings in a scope, until a day. Nothing is removed.".into(),
            "/rules/new".into(),
            "/rules".into(),
            "Apply rule",
        ),
        Purpose::Change(row) => {
            let at = format!("/rules/{}", row.uid);
            (format!("Edit {}", visible(&row.rule.name)), String::new(), format!("{at}/edit"), at, "Apply")
        }
        Purpose::Override(row) => (
            format!("Override {}", visible(&row.rule.name)),
            "In the narrower scope that you choose this rule holds instead.".into(),
            "/rules/new".into(),
            format!("/rules/{}", row.uid),
            "Apply here",
        ),
    }
}

/// What the form as typed would do; `None` while there is nothing to look at.
async fn previewed(
    parts: &Parts,
    asker: &Asker,
    purpose: &Purpose,
    typed: &Typed,
) -> (Option<PreviewView>, Option<Problem>) {
    let other = match purpose {
        Purpose::Create => None,
        Purpose::Change(row) | Purpose::Override(row) => Some(row.uid),
    };
    let looked = async {
        let criteria = typed.criteria().read().map_err(|faults| change::wrong(&faults))?;
        let scope = access::scope_at(parts, &asker.principal, "scope", typed.scope.trim())?;
        access::may_in(&asker.principal, Action::Read, &scope)?;
        effect::preview(parts, &criteria, &scope, other.as_slice()).await
    };
    match looked.await {
        Ok(preview) => (Some(preview), None),
        Err(problem) => (None, Some(problem)),
    }
}

fn is_of(field: &Field, problem: &Problem) -> bool {
    problem.field == field.name || problem.field.strip_prefix("criteria.") == Some(field.name)
}

fn judged(field: Field, problem: Option<&Problem>) -> Field {
    let mine = problem.filter(|problem| is_of(&field, problem));
    Field { error: mine.map(|problem| visible(&problem.detail)).unwrap_or_default(), ..field }
}

/// Seven criteria that most rules use, seven more, then why.
fn all_fields(typed: &Typed, parts: &Parts) -> Vec<Field> {
    let area = |name, label, value: &String| Field { rows: 2, ..Field::area(name, label, value.clone()) };
    let severities = [("", "any"), ("critical", "critical"), ("high", "high"), ("medium", "medium"), ("low", "low")];
    let reasons = Reason::ALL.map(|reason| (reason.as_str().to_owned(), reason.label()));
    let usual = (parts.now)().saturating_add(Duration::from_secs(USUAL_DAYS * 86_400)).rfc3339();
    let usual = usual.get(..10).unwrap_or_default();
    let expires = if typed.expires.is_empty() { usual } else { &typed.expires };
    vec![
        area("finding_ids", "Finding id", &typed.finding_ids)
            .hint("CVE, GHSA or another name, one a line; * stands for any text."),
        Field::select("severity_below", "Severity below", typed.severity_below.clone(), &severities),
        Field::text("cvss_below", "CVSS v3 below", typed.cvss_below.clone()).example("6.5"),
        Field::check("not_patchable", "Not patchable: no fixed version exists", typed.not_patchable),
        area("security_checks", "Security check contains", &typed.security_checks)
            .hint("A text in the title, one a line."),
        Field::text("categories", "Category", typed.categories.replace('\n', " ")).example("vulnerability debian npm"),
        area("packages", "Package", &typed.packages).hint("Name or package URL, one a line; * stands for any text."),
        Field::check("not_known_exploited", "Not known to be exploited", typed.not_known_exploited),
        Field::text("states", "Vendor state", typed.states.replace('\n', " "))
            .example("will-not-fix deferred end-of-life"),
        area("digests", "Image digest", &typed.digests),
        Field::text("tags", "Tag", typed.tags.replace('\n', " ")).example("1.* latest"),
        Field::text("repositories", "Repository", typed.repositories.replace('\n', " ")).example("payments/*"),
        area("paths", "Path in the image", &typed.paths),
        area("os_releases", "Distribution", &typed.os_releases).hint("As the image names it: Debian GNU/Linux 12*."),
        Field::select("reason", "Reason", typed.reason.clone(), &reasons),
        Field { rows: 3, ..Field::area("justification", "Justification", typed.justification.clone()) }.required(),
        Field::text("expires", "Expires", expires)
            .hint("A day (its end, UTC), a moment, 30d, or never (needs Security Admin)."),
        Field::text("owner", "Owner", typed.owner.clone()),
        Field::text("ticket", "Ticket", typed.ticket.clone()),
        Field::text("name", "Name", typed.name.clone()).hint("Without one it is made of the criteria."),
    ]
}
