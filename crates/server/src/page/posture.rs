//! `/posture`: how the registries are configured, what does not count, and the form that says so.

use super::filled::Filled;
use super::form::Field;
use super::frame::{Export, Frame, link, page as render, visible};
use super::recommendations::question;
use super::scope::{Names, Scoped};
use super::visit::Visit;
use crate::api::posture::{self as api, SuppressionBody, SuppressionView};
use crate::body::Form;
use crate::params::{Name, Params};
use crate::problem::Problem;
use askama::Template;
use assess::posture::{ALL, Record};
use axum::response::{IntoResponse, Redirect, Response};
use model::role::{Action, Scope, allowed};

const HERE: &str = "/posture";

#[derive(Template)]
#[template(path = "posture.html")]
struct PosturePage {
    frame: Frame,
    export: Export,
    failed: usize,
    passed: usize,
    counted: Vec<RuleRow>,
    suppressed: Vec<RuleRow>,
    suppressions: Vec<SuppressionView>,
    may: bool,
    fields: Vec<Field>,
    trouble: String,
    guard: String,
}

struct RuleRow {
    rule: &'static str,
    reference: &'static str,
    weight: &'static str,
    resource: String,
    outcome: &'static str,
    tone: &'static str,
    reasons: String,
    recommendation: &'static str,
    suppress: String,
}

fn row((scope, record): (Scope, Record)) -> RuleRow {
    RuleRow {
        rule: record.rule.name,
        reference: record.rule.reference,
        weight: record.rule.weight.as_str(),
        resource: visible(&record.target_name),
        outcome: record.outcome,
        tone: match record.outcome {
            "Pass" => "good",
            "Suppressed" => "",
            _ => "warn",
        },
        reasons: visible(&record.reasons.join(" ")),
        recommendation: record.rule.recommendation,
        suppress: link(HERE, &[("rule", record.rule.name), ("at", &scope.to_path())]) + "#suppress",
    }
}

fn fields(form: &Filled) -> Vec<Field> {
    let rules: Vec<(&str, &str)> = ALL.iter().map(|rule| (rule.name, rule.name)).collect();
    let all = [
        Field::select("rule", "Rule", "", &rules),
        Field::text("scope", "Scope", "").required().hint("/SUBSCRIPTION/REGISTRY is one registry, / is everything."),
        Field::text("reason", "Why", "").required(),
        Field::text("expires", "Last day", "").kind("date").hint("UTC; empty: it does not end."),
    ];
    all.into_iter().map(|field| form.field(field)).collect()
}

/// `GET /posture`
pub async fn page(visit: Visit) -> Result<Response, Problem> {
    let mut params = Params::parse(visit.query.as_deref());
    let scope = params.take("scope")?.unwrap_or_default();
    let (rule, at) = (params.take("rule")?.unwrap_or_default(), params.take("at")?.unwrap_or_default());
    params.finish()?;
    let form = Filled::new(&visit.asker, &[("rule", rule.as_str()), ("scope", at.as_str())]);
    show(&visit, &scope, form).await
}

async fn show(visit: &Visit, scope: &str, form: Filled) -> Result<Response, Problem> {
    let scoped = Scoped::read(visit, scope)?;
    let question = question(visit, &scoped, 1).await?;
    let mut records = api::records(&visit.parts, &question)?;
    records.sort_by_key(|(_, r)| (r.outcome == "Pass", std::cmp::Reverse(r.rule.weight)));
    let (suppressed, counted): (Vec<_>, Vec<_>) = records.into_iter().partition(|(_, r)| r.outcome == "Suppressed");
    let passed = counted.iter().filter(|(_, r)| r.outcome == "Pass").count();
    let mut suppressions = api::suppressions(&visit.parts, &visit.asker).await?;
    let names = Names::read(&visit.parts);
    for one in &mut suppressions {
        (one.reason, one.scope, one.author) = (visible(&one.reason), names.of(&one.scope), visible(&one.author));
    }
    let path = scoped.path();
    let command = if path.is_empty() { String::new() } else { format!(" --scope {path}") };
    let frame = Frame::new(visit, "recommendations");
    let frame = frame.programs(visit, &link(HERE, &[("scope", &path)]), &format!("portwarden check --live{command}"));
    let fields = fields(&form);
    let format = |format| link(&format!("/api/v1{HERE}"), &[("scope", path.as_str()), ("format", format)]);
    let page = PosturePage {
        frame: frame.scoped(visit, &scoped, HERE, "")?,
        export: Export { sarif: format("sarif"), ..Export::new(HERE, &[("scope", &path)]) },
        failed: counted.len() - passed,
        passed,
        counted: counted.into_iter().map(row).collect(),
        suppressed: suppressed.into_iter().map(row).collect(),
        suppressions,
        may: allowed(&visit.who.grants, Action::EditPolicy, &question.node),
        trouble: form.trouble(&fields),
        fields,
        guard: form.guard(),
    };
    Ok(form.answer(render(&page)))
}

/// `POST /posture/suppress`
pub async fn suppress(visit: Visit, form: Form) -> Result<Response, Problem> {
    let made = match form.read::<SuppressionBody>() {
        Ok(body) => api::suppress(&visit.parts, &visit.asker, body).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(_) => Ok(Redirect::to(HERE).into_response()),
        Err(problem) => show(&visit, "", Filled::again(&visit.asker, form, problem)).await,
    }
}

/// `POST /posture/suppressions/{id}/end`
pub async fn end(visit: Visit, id: Name) -> Result<Response, Problem> {
    api::end_suppression(&visit.parts, &visit.asker, &id.0).await?;
    Ok(Redirect::to(HERE).into_response())
}
