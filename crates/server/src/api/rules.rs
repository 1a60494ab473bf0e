//! Disable rules by REST.
//!
//! In: rules as people write them. Out: rules, what they hide, what they said before. Who may change what stands in `change`, when
//! somebody is asked to look twice in `look`; files of rules in `apply`.

pub mod apply;
pub mod change;
pub mod effect;
pub mod file;
pub mod look;
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
use std::collections::HashSet;
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

/// A page of rules.
pub struct Listed {
    /// The page.
    pub list: List<RuleView>,
    /// How many there are in any state, then in each of `STATES`; stale ones, which are dear to find, only where they are listed.
    pub tally: Vec<Option<usize>>,
}

/// What a list of rules can be narrowed to.
pub const STATES: [&str; 4] = ["in-force", "paused", "expired", "stale"];

/// Lists rules by name; `next` of a page says where the following one begins. Only for those of the page the index is asked what
/// they hide.
pub async fn listed(parts: &Parts, asker: &Asker, which: &Which) -> Result<Listed, Problem> {
    let rows = visible(parts, asker).await?;
    let now = (parts.now)();
    let asks_stale = which.state == "stale";
    let stale = if asks_stale { effect::stale(parts, asker, &rows)? } else { HashSet::new() };
    let is_in = |row: &RuleRow, state: &str| match state {
        "" => true,
        "stale" => stale.contains(&row.uid),
        state => row.rule.state(now).as_str() == state,
    };
    let passing: Vec<&RuleRow> = rows.iter().filter(|row| passes(row, which)).collect();
    let count = |state: &str| passing.iter().filter(|row| is_in(row, state)).count();
    let tally = [""].into_iter().chain(STATES).map(|state| (state != "stale" || asks_stale).then(|| count(state)));
    let tally = tally.collect();
    let shown = passing.iter().filter(|row| is_in(row, &which.state));
    let mut shown: Vec<(String, &RuleRow)> =
        shown.map(|row| (mark(&row.rule.name, &row.uid.to_string()), *row)).collect();
    shown.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let total = shown.len() as u64;
    shown.retain(|(mark, _)| which.after.as_ref().is_none_or(|after| mark > after));
    let more = shown.len() > which.limit;
    shown.truncate(which.limit);
    let next = shown.last().filter(|_| more).map(|(mark, _)| mark.clone());
    let page: Vec<&RuleRow> = shown.into_iter().map(|(_, row)| row).collect();
    let effects = effect::effects(parts, asker, &page)?;
    let items = page.into_iter().map(|row| {
        let mut view = RuleView::new(row, &rows, now);
        effects.fill(&mut view, row);
        view
    });
    let items = items.collect();
    parts.index.ask(|index| {
        let (revision, generation) = (index.revision(), index.generation());
        Ok(Listed { list: List { items, total, next, revision, generation, ..List::default() }, tally })
    })
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
    if !state.is_empty() && !STATES.contains(&state.as_str()) {
        return Err(Problem::parameter("state", format!("state={state:?}; allowed: in-force, paused, expired, stale")));
    }
    let inherited = match params.take("inherited")?.as_deref() {
        None | Some("no" | "false") => false,
        Some("yes" | "true") => true,
        Some(other) => return Err(Problem::parameter("inherited", format!("inherited={other:?}; allowed: yes, no"))),
    };
    let text = params.take("q")?.unwrap_or_default();
    let (after, limit) = (params.take("after")?, params.take_limit()?);
    Ok(Which { scope, inherited, state, text, after, limit })
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
    Ok(export::linked(&listed(&parts, &asker, &which).await?.list, format, "rules", query.as_deref()))
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
    let confirm = params.take_confirm()?.unwrap_or(false);
    params.finish()?;
    change::end(&parts, &asker, &id.0, Intent { confirm, seen }).await?;
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
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = export::format_alone(query.as_deref(), &headers)?;
    export::whole(&parts, format, past(&parts, &asker, &id.0).await?)
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
    Ok(Json(effect::preview(&parts, &criteria, &scope, &[]).await?))
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
