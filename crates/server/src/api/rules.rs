//! Disable rules by REST.
//!
//! In: rules as people write them. Out: rules, what they hide, what they said before. Who may change what, and when somebody is asked
//! to look twice, stands in `change`; files of rules in `apply`.

pub mod apply;
pub mod change;
pub mod effect;
pub mod file;
pub mod view;

use crate::access::{self, scope_at};
use crate::asker::Asker;
use crate::body::Body;
use crate::export;
use crate::params::{Name, Params, accepted};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::List;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use change::{find, near, readable, visible};
use model::role::{Action, Scope};
use store::RuleRow;
use view::{ApplyBody, ApplyView, Intent, PreviewBody, PreviewView, RuleBody, RuleFileView, RuleHistoryView, RuleView};

/// Which rules of a list.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Only those that stand in this scope or below it; with `inherited` also above it.
    pub scope: Option<Scope>,
    /// Also those above `scope`.
    pub inherited: bool,
    /// `in-force`, `paused`, `expired`, `stale`; empty = all.
    pub state: String,
    /// Only those whose name, criteria, owner or ticket hold this text.
    pub text: String,
    /// After this rule, as `next` of the page before says it.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Lists rules by name; `next` of a page says where the following one begins.
pub async fn listed(parts: &Parts, asker: &Asker, which: &Which) -> Result<List<RuleView>, Problem> {
    let rows = visible(parts, asker).await?;
    let now = (parts.now)();
    let passing: Vec<&RuleRow> = rows.iter().filter(|row| passes(row, which)).collect();
    let effects = effect::effects(parts, asker, &passing)?;
    let shown = passing.into_iter().map(|row| {
        let mut view = RuleView::new(row, &rows, now);
        effects.fill(&mut view, row);
        view
    });
    let mut views: Vec<RuleView> = shown.filter(|view| is_in(view, &which.state)).collect();
    views.sort_by_cached_key(|view| mark(&view.name, &view.id));
    let total = views.len() as u64;
    let (items, next) = cut(views, which.after.as_deref(), which.limit);
    parts.index.ask(|index| {
        let (revision, generation) = (index.revision(), index.generation());
        Ok(List { items, total, next, revision, generation, ..List::default() })
    })
}

/// Returns whether a rule is in a state; empty = any.
pub fn is_in(view: &RuleView, state: &str) -> bool {
    match state {
        "" => true,
        "stale" => view.stale,
        state => view.state == state,
    }
}

/// Takes a page out of a list in order, and says where the next one begins.
pub fn cut(mut views: Vec<RuleView>, after: Option<&str>, limit: usize) -> (Vec<RuleView>, Option<String>) {
    if let Some(after) = after {
        views.retain(|view| mark(&view.name, &view.id).as_str() > after);
    }
    let more = views.len() > limit;
    views.truncate(limit);
    let next = views.last().filter(|_| more).map(|view| mark(&view.name, &view.id));
    (views, next)
}

/// What rules are ordered by, and what a page ends with: the name in any case, then the id.
fn mark(name: &str, id: &str) -> String {
    format!("{}\u{1f}{id}", name.to_lowercase())
}

fn passes(row: &RuleRow, which: &Which) -> bool {
    let rule = &row.rule;
    let stands = which
        .scope
        .as_ref()
        .is_none_or(|scope| scope.holds(&rule.scope) || (which.inherited && rule.scope.holds(scope)));
    let wanted = which.text.to_lowercase();
    let words = rule.criteria.words();
    let texts = [&rule.name, &words, &rule.owner, &rule.ticket, &rule.justification];
    stands && (wanted.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&wanted)))
}

/// One rule as it is shown.
pub fn shown(parts: &Parts, asker: &Asker, row: &RuleRow, all: &[RuleRow]) -> Result<RuleView, Problem> {
    let mut view = RuleView::new(row, all, (parts.now)());
    effect::effects(parts, asker, &[row])?.fill(&mut view, row);
    Ok(view)
}

async fn answered(parts: &Parts, asker: &Asker, row: &RuleRow) -> Result<RuleView, Problem> {
    shown(parts, asker, row, &visible(parts, asker).await?)
}

fn which(parts: &Parts, asker: &Asker, params: &mut Params) -> Result<Which, Problem> {
    let scope = params.take("scope")?.map(|path| scope_at(parts, &asker.principal, "scope", &path)).transpose()?;
    let state = params.take("state")?.unwrap_or_default();
    const STATES: [&str; 5] = ["", "in-force", "paused", "expired", "stale"];
    if !STATES.contains(&state.as_str()) {
        return Err(Problem::parameter("state", format!("state={state:?}; allowed: in-force, paused, expired, stale")));
    }
    let inherited = match params.take("inherited")?.as_deref() {
        None | Some("no" | "false") => false,
        Some("yes" | "true") => true,
        Some(other) => return Err(Problem::parameter("inherited", format!("inherited={other:?}; allowed: yes, no"))),
    };
    let text = params.take("q")?.unwrap_or_default();
    Ok(Which { scope, inherited, state, text, after: params.take("after")?, limit: params.take_limit()? })
}

/// `GET /rules`
pub async fn list(
    State(parts): State<Parts>,
    asker: Asker,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let format = params.take_format(accepted(&headers))?;
    let which = which(&parts, &asker, &mut params)?;
    params.finish()?;
    Ok(export::list(&listed(&parts, &asker, &which).await?, format))
}

/// `POST /rules`
pub async fn create(
    State(parts): State<Parts>,
    asker: Asker,
    Body(body): Body<RuleBody>,
) -> Result<(StatusCode, Json<RuleView>), Problem> {
    let row = change::create(&parts, &asker, body).await?;
    Ok((StatusCode::CREATED, Json(answered(&parts, &asker, &row).await?)))
}

/// `GET /rules/{id}`
pub async fn one(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<Json<RuleView>, Problem> {
    let (row, all) = find(&parts, &asker, &id.0).await?;
    Ok(Json(shown(&parts, &asker, &row, &all)?))
}

/// `PUT /rules/{id}`
pub async fn replace(
    State(parts): State<Parts>,
    asker: Asker,
    id: Name,
    Body(body): Body<RuleBody>,
) -> Result<Json<RuleView>, Problem> {
    let row = change::change(&parts, &asker, &id.0, body).await?;
    Ok(Json(answered(&parts, &asker, &row).await?))
}

/// `DELETE /rules/{id}`
pub async fn delete(
    State(parts): State<Parts>,
    asker: Asker,
    id: Name,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Problem> {
    let mut params = Params::parse(query.as_deref());
    let wrong = |text: String| Problem::parameter("seen", format!("seen={text:?} is not the row of a rule"));
    let seen = params.take("seen")?.map(|text| text.parse().map_err(|_| wrong(text))).transpose()?;
    params.finish()?;
    change::end(&parts, &asker, &id.0, seen).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /rules/{id}/pause`
pub async fn pause(
    State(parts): State<Parts>,
    asker: Asker,
    id: Name,
    Body(intent): Body<Intent>,
) -> Result<Json<RuleView>, Problem> {
    let row = change::pause(&parts, &asker, &id.0, true, intent).await?;
    Ok(Json(answered(&parts, &asker, &row).await?))
}

/// `POST /rules/{id}/resume`
pub async fn resume(
    State(parts): State<Parts>,
    asker: Asker,
    id: Name,
    Body(intent): Body<Intent>,
) -> Result<Json<RuleView>, Problem> {
    let row = change::pause(&parts, &asker, &id.0, false, intent).await?;
    Ok(Json(answered(&parts, &asker, &row).await?))
}

/// `POST /rules/{id}/override`
pub async fn stand_in(
    State(parts): State<Parts>,
    asker: Asker,
    id: Name,
    Body(body): Body<RuleBody>,
) -> Result<(StatusCode, Json<RuleView>), Problem> {
    let row = change::stand_in(&parts, &asker, &id.0, body).await?;
    Ok((StatusCode::CREATED, Json(answered(&parts, &asker, &row).await?)))
}

/// What a rule said, the newest first; also of one that has ended.
pub async fn past(parts: &Parts, asker: &Asker, id: &str) -> Result<Vec<RuleHistoryView>, Problem> {
    let uid = match uuid::Uuid::try_parse(id) {
        Ok(uid) => uid,
        Err(_) => find(parts, asker, id).await?.0.uid,
    };
    let mut rows = parts.store.rule_history(uid).await?;
    let Some(newest) = rows.first_mut() else { return Err(Problem::absent("rule", id)) };
    let mut scope = newest.rule.scope.clone();
    parts.index.ask(|index| Ok(access::located(index, &mut scope)))?;
    if !near(&readable(parts, asker)?, &scope) {
        return Err(Problem::absent("rule", id));
    }
    Ok(rows.into_iter().map(RuleHistoryView::from).collect())
}

/// `GET /rules/{id}/history`
pub async fn history(
    State(parts): State<Parts>,
    asker: Asker,
    id: Name,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let format = params.take_format("")?;
    params.finish()?;
    let items = past(&parts, &asker, &id.0).await?;
    Ok(export::list(&List { total: items.len() as u64, items, ..List::default() }, format))
}

/// `POST /rules/preview`
pub async fn preview(
    State(parts): State<Parts>,
    asker: Asker,
    Body(body): Body<PreviewBody>,
) -> Result<Json<PreviewView>, Problem> {
    let scope = scope_at(&parts, &asker.principal, "scope", body.scope.trim())?;
    access::may_in(&asker.principal, Action::Read, &scope)?;
    let criteria = body.criteria.read().map_err(|faults| change::wrong(&faults))?;
    Ok(Json(effect::preview(&parts, &criteria, &scope, None).await?))
}

/// `GET /rules/export`
pub async fn exported(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let path = params.take("scope")?.unwrap_or_else(|| "/".into());
    let yaml = match params.take("format")?.as_deref() {
        Some("yaml") => true,
        None | Some("json") => false,
        Some(other) => return Err(Problem::parameter("format", format!("format={other:?}; allowed: json, yaml"))),
    };
    params.finish()?;
    let scope = scope_at(&parts, &asker.principal, "scope", &path)?;
    let rules = apply::export(&parts, &asker, &scope).await?;
    if !yaml {
        return Ok(Json(RuleFileView { rules }).into_response());
    }
    let named = "attachment; filename=\"rules.yaml\"";
    let head = [(header::CONTENT_TYPE, "application/yaml"), (header::CONTENT_DISPOSITION, named)];
    Ok((head, file::write(&rules)).into_response())
}

/// `POST /rules/apply`
pub async fn applied(
    State(parts): State<Parts>,
    asker: Asker,
    Body(body): Body<ApplyBody>,
) -> Result<Json<ApplyView>, Problem> {
    Ok(Json(apply::apply(&parts, &asker, body).await?))
}
