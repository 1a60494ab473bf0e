//! Recommendations, the resources that they are asked of, exemptions, owners and dates.

use crate::access;
use crate::asker::Asker;
use crate::body::Body;
use crate::export::{self, Asked};
use crate::params::{Format, Name, Params, accepted, encoded};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::recommend::{self, Question, RegistryState, Standing, Summary};
use crate::view::{CountsView, List, PlaceView, moment};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use fleet::{ImageState, Index, Query, StateRow};
use model::Micros;
use model::role::{Action, Scope};
use serde::{Deserialize, Serialize};
use store::{Assignment, Exemption, NewExemption};
use utoipa::ToSchema;

/// Longest reason, note or name of an owner.
const TEXT: usize = 2_000;

/// A recommendation and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RecommendationView {
    /// Stable key.
    pub key: String,
    /// What should be.
    pub title: String,
    /// The same in Azure's words, or empty.
    pub azure_title: String,
    /// `critical`, `high`, …
    pub severity: String,
    /// `unhealthy`, `unverified`, `healthy`, `not-applicable`: the worst of its resources.
    pub status: String,
    /// `images` or `registries`.
    pub asked_of: String,
    /// Control of the secure score, or empty.
    pub control: String,
    /// Points that following it everywhere would add to its control.
    pub score_gain: f64,
    /// Resources that do not follow it.
    pub unhealthy: u64,
    /// Resources that do.
    pub healthy: u64,
    /// Resources that it is not asked of.
    pub not_applicable: u64,
    /// Resources of which it is not known.
    pub unverified: u64,
    /// Why.
    pub description: String,
    /// What to do, in order.
    pub remediation: Vec<RemediationStep>,
    /// Who looks after it, or empty.
    pub owner: String,
    /// Until when; `null` = no date.
    pub due: Option<String>,
    /// What they should know.
    pub note: String,
}

/// A step of a remediation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RemediationStep {
    /// What to do.
    pub text: String,
    /// What to type, if it is a command.
    pub command: Option<String>,
}

/// A resource that a recommendation is asked of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResourceView {
    /// `image` or `registry`.
    pub kind: String,
    /// Digest of the image, or name of the registry.
    pub name: String,
    /// `unhealthy`, `unverified`, `healthy`, `not-applicable`.
    pub state: String,
    /// Why.
    pub reasons: Vec<String>,
    /// GUID of the subscription.
    pub subscription: String,
    /// Name of the registry of the first place.
    pub registry: String,
    /// Platform of the image, or empty.
    pub platform: String,
    /// Where the image is.
    pub places: Vec<PlaceView>,
    /// Its findings by severity.
    pub counts: CountsView,
}

impl From<&Summary> for RecommendationView {
    fn from(summary: &Summary) -> Self {
        let (r, tally) = (&summary.recommendation, &summary.tally);
        let status = match (tally.unhealthy, tally.unverified, tally.healthy) {
            (0, 0, 0) => ImageState::NotApplicable,
            (0, 0, _) => ImageState::Healthy,
            (0, ..) => ImageState::Unverified,
            _ => ImageState::Unhealthy,
        };
        let assigned = summary.assignment.as_ref();
        let steps = r.remediation().into_iter().map(|s| RemediationStep { text: s.text, command: s.command });
        Self {
            key: r.key.into(),
            title: r.title.into(),
            azure_title: r.azure_title.into(),
            severity: r.severity.as_str().into(),
            status: status.as_str().into(),
            asked_of: if r.asked.of_images() { "images" } else { "registries" }.into(),
            control: r.control.unwrap_or_default().into(),
            score_gain: (summary.gain * 100.0).round() / 100.0,
            unhealthy: tally.unhealthy,
            healthy: tally.healthy,
            not_applicable: tally.not_applicable,
            unverified: tally.unverified,
            description: r.description.into(),
            remediation: steps.collect(),
            owner: assigned.map(|a| a.owner.clone()).unwrap_or_default(),
            due: assigned.filter(|a| a.due.0 > 0).and_then(|a| moment(a.due)),
            note: assigned.map(|a| a.note.clone()).unwrap_or_default(),
        }
    }
}

impl From<StateRow> for ResourceView {
    fn from(row: StateRow) -> Self {
        let first = row.places.first();
        Self {
            kind: "image".into(),
            name: row.image,
            state: row.state.as_str().into(),
            reasons: row.reasons.into_iter().map(str::to_owned).collect(),
            subscription: first.map(|p| p.subscription.clone()).unwrap_or_default(),
            registry: first.map(|p| p.registry.clone()).unwrap_or_default(),
            platform: row.platform,
            places: row.places.into_iter().map(PlaceView::from).collect(),
            counts: row.tally.into(),
        }
    }
}

impl From<RegistryState> for ResourceView {
    fn from(state: RegistryState) -> Self {
        Self {
            kind: "registry".into(),
            name: state.registry.name.clone(),
            state: state.state.as_str().into(),
            reasons: state.reasons,
            subscription: state.subscription.guid,
            registry: state.registry.name,
            platform: String::new(),
            places: Vec::new(),
            counts: fleet::Tally::default().into(),
        }
    }
}

/// Reads `scope` and `as_of`; what is left must be for the caller.
pub async fn asked(parts: &Parts, asker: &Asker, params: &mut Params) -> Result<Question, Problem> {
    let path = params.take("scope")?.unwrap_or_else(|| "/".into());
    let node = access::scope_at(parts, &asker.principal, "scope", &path)?;
    let as_of = params.take_moment("as_of")?;
    let query = Query { limit: 1, as_of, now: (parts.now)(), ..Query::default() };
    recommend::question(parts, &asker.principal, node, query).await
}

/// Every recommendation of a scope.
pub fn all(parts: &Parts, question: &Question) -> Result<Vec<RecommendationView>, Problem> {
    parts
        .index
        .ask(|index| Ok(Standing::of(index, question)?.summaries()?.iter().map(RecommendationView::from).collect()))
}

/// A page of the resources of one recommendation; of registries there are few, they come on one page.
pub fn resources(
    index: &Index,
    question: &Question,
    key: &str,
    state: Option<ImageState>,
) -> Result<List<ResourceView>, Problem> {
    let recommendation = recommend::find(key)?;
    if let Some(settings) = recommend::image_settings(&recommendation, question) {
        let page = index.states(&question.query, &settings, state)?;
        return Ok(List::of(page, question.query.as_of, ResourceView::from));
    }
    let mut rows = recommend::registries(index, question, &recommendation)?;
    rows.retain(|row| state.is_none_or(|state| row.state == state));
    rows.sort_by_key(|row| std::cmp::Reverse(row.state));
    let total = rows.len() as u64;
    let (revision, generation) = (index.revision(), index.generation());
    let page = fleet::Page { items: rows, total, hidden: 0, disabled: 0, next: None, revision, generation };
    Ok(List::of(page, question.query.as_of, ResourceView::from))
}

/// `GET /recommendations`
pub async fn list(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let question = asked(&parts, &asker, &mut params).await?;
    let (items, as_of) = (all(&parts, &question)?, question.query.as_of);
    let asked = Asked { path: "recommendations", query: query.as_deref(), headers: &headers };
    export::short_at(&parts, params, &asked, as_of, items, |item| item.key.clone())
}

/// `GET /recommendations/{key}`
pub async fn one(
    State(parts): State<Parts>,
    asker: Asker,
    key: Name,
    RawQuery(query): RawQuery,
) -> Result<Json<RecommendationView>, Problem> {
    let mut params = Params::parse(query.as_deref());
    let question = asked(&parts, &asker, &mut params).await?;
    params.finish()?;
    let found = recommend::find(&key.0)?;
    parts.index.ask(|index| Ok(Json(RecommendationView::from(&Standing::of(index, &question)?.summary(found)?))))
}

/// `GET /recommendations/{key}/resources`
pub async fn of_one(
    State(parts): State<Parts>,
    asker: Asker,
    key: Name,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let format: Format = params.take_format(accepted(&headers))?;
    let state = params.take("state")?.map(|word| {
        let all = ImageState::ALL.map(ImageState::as_str).join(", ");
        ImageState::parse(&word).ok_or_else(|| Problem::parameter("state", format!("state={word:?}; allowed: {all}")))
    });
    let state = state.transpose()?;
    let mut question = asked(&parts, &asker, &mut params).await?;
    question.query.limit = params.take_limit()?;
    question.query.after = params.take("after")?.map(|cursor| fleet::Cursor::parse(&cursor));
    params.finish()?;
    let list = parts.index.ask(|index| resources(index, &question, &key.0, state))?;
    let path = format!("recommendations/{}/resources", encoded(&key.0));
    Ok(export::linked(&list, format, &path, query.as_deref()))
}

/// Who is to look after a recommendation.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignmentBody {
    /// In which scope; left out: everywhere.
    #[serde(default)]
    pub scope: Option<String>,
    /// Who; left out: nobody.
    #[serde(default)]
    pub owner: Option<String>,
    /// Until when, RFC 3339 or a date; left out: no date.
    #[serde(default)]
    pub due: Option<String>,
    /// What they should know.
    #[serde(default)]
    pub note: Option<String>,
}

/// A text of a request, trimmed and of a bearable length.
pub(super) fn text(field: &'static str, given: Option<String>) -> Result<String, Problem> {
    let text = given.unwrap_or_default().trim().to_owned();
    let fine = text.chars().count() <= TEXT && !text.chars().any(|c| c.is_control() && c != '\n' && c != '\r');
    let wrong =
        || Problem::parameter(field, format!("{field} has at most {TEXT} characters, and no control characters"));
    if fine { Ok(text) } else { Err(wrong()) }
}

fn known(key: &str) -> Result<(), Problem> {
    recommend::find(key).map(drop).map_err(|absent| Problem { field: "recommendation".into(), ..absent })
}

/// Says who looks after a recommendation.
pub async fn assign(parts: &Parts, asker: &Asker, key: &str, body: AssignmentBody) -> Result<(), Problem> {
    known(key)?;
    let path = body.scope.as_deref().unwrap_or("/");
    let scope = access::scope_at(parts, &asker.principal, "scope", path)?;
    access::may_in(&asker.principal, Action::Secure, &scope)?;
    let due = match body.due.as_deref().filter(|text| !text.is_empty()) {
        None => Micros(0),
        Some(text) => Micros::parse(text)
            .ok_or_else(|| Problem::parameter("due", format!("due={text:?} is not RFC 3339 or a date")))?,
    };
    let assignment = Assignment {
        recommendation: key.to_owned(),
        scope,
        owner: text("owner", body.owner)?,
        due,
        note: text("note", body.note)?,
        actor: String::new(),
        at: Micros(0),
    };
    Ok(parts.store.assign(&assignment, &asker.caller()).await?)
}

/// `PUT /recommendations/{key}/assignment`
pub async fn put_assignment(
    State(parts): State<Parts>,
    asker: Asker,
    key: Name,
    body: Body<AssignmentBody>,
) -> Result<StatusCode, Problem> {
    assign(&parts, &asker, &key.0, body.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An exemption to be made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExemptionBody {
    /// Key of the recommendation.
    pub recommendation: String,
    /// In which scope.
    pub scope: String,
    /// The image; left out: everything in the scope.
    #[serde(default)]
    pub digest: Option<String>,
    /// `waiver` (the risk is accepted) or `mitigated` (something else takes care of it).
    pub kind: String,
    /// Why.
    pub reason: String,
    /// When it ends, RFC 3339 or a date; left out: never.
    #[serde(default)]
    pub expires: Option<String>,
}

/// An exemption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExemptionView {
    /// Stable id.
    pub id: String,
    /// Key of the recommendation.
    pub recommendation: String,
    /// Where.
    pub scope: String,
    /// The image, or empty for everything in the scope.
    pub digest: String,
    /// `waiver` or `mitigated`.
    pub kind: String,
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

impl ExemptionView {
    fn of(exemption: Exemption, now: Micros) -> Self {
        let Exemption { uid, what, author, since } = exemption;
        Self {
            id: uid,
            recommendation: what.recommendation,
            scope: what.scope.to_path(),
            digest: what.digest,
            kind: what.kind,
            reason: what.reason,
            author,
            since: moment(since),
            expires: moment(what.expires),
            expired: what.expires <= now,
        }
    }
}

/// The exemptions that the asker may see.
pub async fn exemptions(parts: &Parts, asker: &Asker) -> Result<Vec<ExemptionView>, Problem> {
    let now = (parts.now)();
    let seen = |e: &Exemption| access::may_in(&asker.principal, Action::Read, &placed(parts, &e.what.scope)).is_ok();
    let all = parts.store.exemptions().await?;
    Ok(all.into_iter().filter(seen).map(|e| ExemptionView::of(e, now)).collect())
}

/// A scope that knows its resource group, if it is still there.
pub(super) fn placed(parts: &Parts, scope: &Scope) -> Scope {
    access::placed(parts, scope).unwrap_or_else(|| scope.clone())
}

/// When something ends, that has not ended yet; left out: never.
pub(super) fn expiry(parts: &Parts, given: Option<String>) -> Result<Micros, Problem> {
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(Micros::FOREVER) };
    let wrong = || format!("expires={text:?} is not RFC 3339 or a date, or is over already");
    let at = Micros::parse(&text).filter(|at| *at > (parts.now)());
    at.ok_or_else(|| Problem::parameter("expires", wrong()))
}

/// Makes an exemption.
pub async fn exempt(parts: &Parts, asker: &Asker, body: ExemptionBody) -> Result<String, Problem> {
    known(&body.recommendation)?;
    let scope = access::scope_at(parts, &asker.principal, "scope", &body.scope)?;
    access::may_in(&asker.principal, Action::EditPolicy, &scope)?;
    if !matches!(body.kind.as_str(), "waiver" | "mitigated") {
        return Err(Problem::parameter("kind", format!("kind={:?}; allowed: waiver, mitigated", body.kind)));
    }
    let reason = text("reason", Some(body.reason))?;
    if reason.is_empty() {
        return Err(Problem::parameter("reason", "reason must say why the resource is exempt"));
    }
    let digest = body.digest.filter(|d| !d.is_empty());
    if let Some(digest) = &digest {
        model::Digest::parse(digest)
            .map_err(|_| Problem::parameter("digest", format!("digest={digest:?} is not sha256:… of an image")))?;
    }
    let expires = expiry(parts, body.expires)?;
    let what = NewExemption {
        recommendation: body.recommendation,
        scope,
        digest: digest.unwrap_or_default(),
        kind: body.kind,
        reason,
        expires,
    };
    let uid = parts.store.make_exemption(&what, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(uid)
}

/// Ends an exemption.
pub async fn end_exemption(parts: &Parts, asker: &Asker, id: &str) -> Result<(), Problem> {
    let all = parts.store.exemptions().await?;
    let found = all.into_iter().find(|e| e.uid == id).ok_or_else(|| Problem::absent("exemption", id))?;
    let scope = placed(parts, &found.what.scope);
    access::may_in(&asker.principal, Action::Read, &scope).map_err(|_| Problem::absent("exemption", id))?;
    access::may_in(&asker.principal, Action::EditPolicy, &scope)?;
    parts.store.end_exemption(id, &asker.caller()).await?;
    Ok(parts.index.catch_up(&parts.store).await?)
}

/// `GET /exemptions`
pub async fn list_exemptions(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let items = exemptions(&parts, &asker).await?;
    let asked = Asked { path: "exemptions", query: query.as_deref(), headers: &headers };
    export::short(&parts, Params::parse(query.as_deref()), &asked, items, |item| item.id.clone())
}

/// `POST /exemptions`
pub async fn create_exemption(
    State(parts): State<Parts>,
    asker: Asker,
    body: Body<ExemptionBody>,
) -> Result<Response, Problem> {
    let id = exempt(&parts, &asker, body.0).await?;
    let made = exemptions(&parts, &asker).await?.into_iter().find(|e| e.id == id);
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// `DELETE /exemptions/{id}`
pub async fn delete_exemption(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<StatusCode, Problem> {
    end_exemption(&parts, &asker, &id.0).await?;
    Ok(StatusCode::NO_CONTENT)
}
