//! `/activity/audit`: who changed what, before and after, from where, and whether the chain is whole.

use super::filled::Filled;
use super::form::Field;
use super::frame::{Export, Frame, Pager, When, link, page as render, visible};
use super::scope::Names;
use super::visit::Visit;
use crate::api::audit::{self, AuditView};
use crate::body::Form;
use crate::params::Params;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use model::Micros;
use model::role::{Action, Scope, allowed};

const HERE: &str = "/activity/audit";
/// The filters of the page, which are those of REST.
const FILTERS: [&str; 6] = ["actor", "action", "object", "scope", "since", "until"];

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    frame: Frame,
    chain: String,
    whole: bool,
    fields: Vec<Field>,
    trouble: String,
    total: u64,
    rows: Vec<Row>,
    pager: Pager,
    export: Export,
}

/// A line as the page shows it.
struct Row {
    id: i64,
    at: When,
    actor: String,
    address: String,
    action: String,
    object: String,
    scope: String,
    path: String,
    before: String,
    after: String,
}

fn row(view: AuditView, names: &Names, now: Micros) -> Row {
    let json = |value: &serde_json::Value| if value.is_null() { String::new() } else { visible(&value.to_string()) };
    Row {
        id: view.id,
        at: When::parse(Some(&view.at), now),
        actor: visible(&view.actor),
        address: visible(&view.address),
        action: visible(&view.action),
        object: visible(&view.object),
        scope: names.of(&view.scope),
        path: visible(&view.scope),
        before: json(&view.before),
        after: json(&view.after),
    }
}

fn fields(form: &Filled) -> Vec<Field> {
    let all = [
        Field::text("actor", "Who", ""),
        Field::text("action", "Action", "").example("token"),
        Field::text("object", "What", ""),
        Field::text("scope", "Scope", ""),
        Field::text("since", "Since", "").hint("A time, or a day (its beginning, UTC)."),
        Field::text("until", "Until", ""),
    ];
    all.into_iter().map(|field| form.field(field)).collect()
}

/// In words, whether the chain is whole; only who may read all of it is told.
async fn chain(visit: &Visit) -> Result<(String, bool), Problem> {
    if !allowed(&visit.who.grants, Action::Audit, &Scope::ALL) {
        return Ok((String::new(), true));
    }
    let chain = visit.parts.store.verify_audit_on().await?;
    Ok(match chain.broken {
        None => (format!("Chain whole, {} rows", chain.rows), true),
        Some(0) => (format!("Rows at the end are missing; {} are there", chain.rows), false),
        Some(id) => (format!("Row {id} does not follow from those before it"), false),
    })
}

/// `GET /activity/audit`
pub async fn page(visit: Visit) -> Result<Response, Problem> {
    let now = (visit.parts.now)();
    let mut typed = Params::parse(visit.query.as_deref());
    let mut given = Vec::new();
    for name in FILTERS {
        given.push((name, typed.take(name)?.unwrap_or_default()));
    }
    let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let after = typed.take("after")?;
    typed.finish()?;
    let question = link("", &[given.as_slice(), &[("after", after.as_deref().unwrap_or(""))]].concat());
    let question = Params::parse(question.strip_prefix('?'));
    let (asked, form) = match audit::ask(&visit.parts, &visit.asker, question).await {
        Ok(asked) => (asked, Filled::new(&visit.asker, &given)),
        Err(problem) => {
            let asked = audit::ask(&visit.parts, &visit.asker, Params::default()).await?;
            (asked, Filled::again(&visit.asker, Form::of(&given), problem))
        }
    };
    let (fields, names) = (fields(&form), Names::read(&visit.parts));
    let (chain, whole) = chain(&visit).await?;
    let to = |after: &str| link(HERE, &[given.as_slice(), &[("after", after)]].concat());
    let pager = Pager {
        first: after.map(|_| to("")).unwrap_or_default(),
        next: if asked.next.is_empty() { String::new() } else { to(&asked.next) },
    };
    let frame = Frame::new(&visit, "activity").still();
    let shown = render(&Audit {
        frame: frame.programs(&visit, &link("/audit", &given), "portwarden audit list"),
        chain,
        whole,
        trouble: form.trouble(&fields),
        fields,
        total: asked.total,
        rows: asked.rows.into_iter().map(|view| row(view, &names, now)).collect(),
        pager,
        export: Export::new("/audit", &given),
    });
    Ok(form.answer(shown))
}
