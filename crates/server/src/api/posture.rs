//! Posture of the registries: what the rules say, the registries as an export, and rules that are suppressed somewhere.

use super::recommendations::{asked, expiry, placed, text};
use crate::access;
use crate::asker::Asker;
use crate::body::Body;
use crate::export::{self, Asked};
use crate::params::{Name, Params};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::recommend::{self, Question};
use crate::view::{List, moment};
use assess::posture::{self, Record};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::Micros;
use model::role::{Action, Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{NewSuppression, Suppression};
use utoipa::ToSchema;

/// What a posture rule says of a registry.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PostureView {
    /// Name of the rule.
    pub rule: String,
    /// Stable reference, or empty.
    pub reference: String,
    /// `Critical`, `Important`, `Awareness`.
    pub severity: String,
    /// Name of the registry.
    pub resource: String,
    /// Its type, in the words of the export.
    pub resource_type: String,
    /// Its scope.
    pub scope: String,
    /// `Pass`, `Fail`, `Error`; `Suppressed` does not count.
    pub outcome: String,
    /// Why.
    pub reasons: Vec<String>,
    /// What to do.
    pub recommendation: String,
}

impl PostureView {
    fn of((scope, record): &(Scope, Record)) -> Self {
        Self {
            rule: record.rule.name.into(),
            reference: record.rule.reference.into(),
            severity: record.rule.weight.as_str().into(),
            resource: record.target_name.clone(),
            resource_type: record.target_type.clone(),
            scope: scope.to_path(),
            outcome: record.outcome.into(),
            reasons: record.reasons.clone(),
            recommendation: record.rule.recommendation.into(),
        }
    }
}

/// What the posture rules say of the registries of a question.
pub fn records(parts: &Parts, question: &Question) -> Result<Vec<(Scope, Record)>, Problem> {
    parts.index.ask(|index| recommend::posture(index, question))
}

/// The rule of a name or reference.
fn rule(field: &str, name: &str) -> Result<&'static posture::Rule, Problem> {
    let all = || posture::ALL.iter().map(|rule| rule.name).collect::<Vec<_>>().join(", ");
    posture::rule(name)
        .ok_or_else(|| Problem::parameter(field, format!("there is no rule {name:?}; there are {}", all())))
}

/// `GET /posture`
pub async fn list(State(parts): State<Parts>, asker: Asker, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let format = params.take("format")?.unwrap_or_else(|| "json".into());
    let only = params.take("rule")?.unwrap_or_default();
    let only: Vec<_> =
        only.split(',').filter(|name| !name.is_empty()).map(|n| rule("rule", n)).collect::<Result<_, _>>()?;
    let question = asked(&parts, &asker, &mut params).await?;
    params.finish()?;
    let known = posture::format(&format).ok_or_else(|| {
        let names: Vec<&str> = posture::FORMATS.iter().map(|f| f.name).collect();
        Problem::parameter("format", format!("format={format:?}; allowed: {}", names.join(", ")))
    })?;
    let mut found = records(&parts, &question)?;
    found.retain(|(_, record)| only.is_empty() || only.iter().any(|rule| rule.name == record.rule.name));
    if known.name == "json" {
        let items: Vec<PostureView> = found.iter().map(PostureView::of).collect();
        return Ok(Json(List::whole(items, &parts.index, question.query.as_of)?).into_response());
    }
    let kind = HeaderValue::from_static(known.media_type);
    let records: Vec<Record> = found.into_iter().map(|(_, record)| record).collect();
    Ok(([(header::CONTENT_TYPE, kind)], (known.write)(&records)).into_response())
}

/// `GET /posture/resources`
pub async fn resources(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<Value>>, Problem> {
    let mut params = Params::parse(query.as_deref());
    let question = asked(&parts, &asker, &mut params).await?;
    params.finish()?;
    parts.index.ask(|index| recommend::resources(index, &question)).map(Json)
}

/// A suppression to be made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuppressionBody {
    /// Name or reference of the posture rule.
    pub rule: String,
    /// A registry, or what holds registries: `/SUBSCRIPTION/REGISTRY`.
    pub scope: String,
    /// Why.
    pub reason: String,
    /// When it ends, RFC 3339 or a date; left out: never.
    #[serde(default)]
    pub expires: Option<String>,
}

/// A posture rule that does not count somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SuppressionView {
    /// Its id.
    pub id: String,
    /// Name of the rule.
    pub rule: String,
    /// Where.
    pub scope: String,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub author: String,
    /// When it was made.
    pub since: Option<String>,
    /// When it ends; `null` = never.
    pub expires: Option<String>,
    /// Whether it is over.
    pub expired: bool,
}

impl SuppressionView {
    fn of(suppression: Suppression, now: Micros) -> Self {
        let Suppression { id, what, author, since } = suppression;
        Self {
            id: id.to_string(),
            rule: what.rule,
            scope: what.scope.to_path(),
            reason: what.reason,
            author,
            since: moment(since),
            expires: moment(what.expires),
            expired: what.expires <= now,
        }
    }
}

/// The suppressions that the asker may see.
pub async fn suppressions(parts: &Parts, asker: &Asker) -> Result<Vec<SuppressionView>, Problem> {
    let now = (parts.now)();
    let seen = |s: &Suppression| access::may_in(&asker.principal, Action::Read, &placed(parts, &s.what.scope)).is_ok();
    let all = parts.store.suppressions().await?;
    Ok(all.into_iter().filter(seen).map(|s| SuppressionView::of(s, now)).collect())
}

/// Makes a suppression.
pub async fn suppress(parts: &Parts, asker: &Asker, body: SuppressionBody) -> Result<String, Problem> {
    let rule = rule("rule", &body.rule)?.name.to_owned();
    let scope = access::scope_at(parts, &asker.principal, "scope", &body.scope)?;
    access::may_in(&asker.principal, Action::EditPolicy, &scope)?;
    if scope.repository.is_some() {
        return Err(Problem::parameter("scope", "posture is judged of registries: name one, or what holds registries"));
    }
    let reason = text("reason", Some(body.reason))?;
    if reason.is_empty() {
        return Err(Problem::parameter("reason", "reason must say why the rule does not count"));
    }
    let what = NewSuppression { rule, scope, reason, expires: expiry(parts, body.expires)? };
    Ok(parts.store.make_suppression(&what, &asker.caller()).await?.to_string())
}

/// Ends a suppression.
pub async fn end_suppression(parts: &Parts, asker: &Asker, id: &str) -> Result<(), Problem> {
    let all = parts.store.suppressions().await?;
    let found = all.into_iter().find(|s| s.id.to_string() == id).ok_or_else(|| Problem::absent("suppression", id))?;
    let scope = placed(parts, &found.what.scope);
    access::may_in(&asker.principal, Action::Read, &scope).map_err(|_| Problem::absent("suppression", id))?;
    access::may_in(&asker.principal, Action::EditPolicy, &scope)?;
    parts.store.end_suppression(found.id, &asker.caller()).await?;
    Ok(())
}

/// `GET /posture/suppressions`
pub async fn list_suppressions(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let items = suppressions(&parts, &asker).await?;
    let asked = Asked { path: "posture/suppressions", query: query.as_deref(), headers: &headers };
    export::short(&parts, Params::parse(query.as_deref()), &asked, items, |item| item.id.clone())
}

/// `POST /posture/suppressions`
pub async fn create_suppression(
    State(parts): State<Parts>,
    asker: Asker,
    body: Body<SuppressionBody>,
) -> Result<Response, Problem> {
    let id = suppress(&parts, &asker, body.0).await?;
    let made = suppressions(&parts, &asker).await?.into_iter().find(|s| s.id == id);
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// `DELETE /posture/suppressions/{id}`
pub async fn delete_suppression(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<StatusCode, Problem> {
    end_suppression(&parts, &asker, &id.0).await?;
    Ok(StatusCode::NO_CONTENT)
}
