//! The secure score: its controls, its past, what it would be.

use super::recommendations::asked;
use crate::asker::Asker;
use crate::export;
use crate::history::DAY;
use crate::params::{Params, accepted};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::recommend::{self, Question};
use assess::score::{self, Control, Score};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use fleet::Index;
use model::Micros;
use model::role::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// The most days of a history.
const MOST_DAYS: i64 = 365;

/// A secure score.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ScoreView {
    /// The part of the tree that it is of.
    pub scope: String,
    /// Points, to two digits.
    pub current: f64,
    /// The most points of the controls that count.
    pub max: u32,
    /// Points ÷ most points, to four digits; `null` if nothing counts. Of several subscriptions: each weighed by its resources.
    pub percentage: Option<f64>,
    /// Resources that count.
    pub weight: u64,
    /// The sum with its numbers.
    pub formula: String,
    /// The controls.
    pub controls: Vec<ControlView>,
    /// The subscriptions of the scope, where it is everything.
    pub subscriptions: Vec<SubscriptionScore>,
    /// The past moment that was asked for.
    pub as_of: Option<String>,
    /// Generation of the advisory database in force.
    pub generation: i64,
}

/// A control.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ControlView {
    /// Name.
    pub name: String,
    /// The most points that it gives.
    pub max: u32,
    /// Points, to two digits; `null` if no resource counts.
    pub current: Option<f64>,
    /// Points that its unhealthy resources would add.
    pub gain: f64,
    /// Healthy resources.
    pub healthy: u64,
    /// Unhealthy resources.
    pub unhealthy: u64,
    /// Resources that do not count: exempt, outside the window, plan off, not verified.
    pub not_applicable: u64,
    /// The sum with its numbers: `6 / 78 × 4 = 0.31`.
    pub formula: String,
}

/// The score of one subscription.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SubscriptionScore {
    /// GUID.
    pub subscription: String,
    /// Name.
    pub name: String,
    /// Points ÷ most points.
    pub percentage: Option<f64>,
    /// Resources that count.
    pub weight: u64,
    /// The sum with its numbers.
    pub formula: String,
}

/// The control of findings at the end of a day.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ScoreDay {
    /// The day, UTC.
    pub date: String,
    /// Points of the control "Remediate vulnerabilities"; `null` if no image counted.
    pub current: Option<f64>,
    /// Healthy images.
    pub healthy: u64,
    /// Unhealthy images.
    pub unhealthy: u64,
    /// The sum with its numbers.
    pub formula: String,
}

fn two(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

impl From<&Control> for ControlView {
    fn from(control: &Control) -> Self {
        Self {
            name: control.name.clone(),
            max: control.max,
            current: control.current().map(two),
            gain: two(control.gain()),
            healthy: control.healthy,
            unhealthy: control.unhealthy,
            not_applicable: control.not_applicable,
            formula: control.formula(),
        }
    }
}

/// The score of a question; of everything it is made of its subscriptions.
pub fn view(index: &Index, question: &Question, fixed: Option<&str>) -> Result<ScoreView, Problem> {
    let whole = match fixed {
        Some(digests) => recommend::what_if(index, question, digests)?,
        None => recommend::score(index, question)?,
    };
    let parts = if question.node.subscription.is_none() { split(index, question, fixed)? } else { Vec::new() };
    let scores: Vec<Score> = parts.iter().map(|(_, score)| score.clone()).collect();
    Ok(ScoreView {
        scope: question.node.to_path(),
        current: two(whole.current()),
        max: whole.max(),
        percentage: if parts.len() > 1 { score::together(&scores) } else { whole.ratio() },
        weight: whole.weight(),
        formula: whole.formula(),
        controls: whole.controls.iter().map(ControlView::from).collect(),
        subscriptions: parts.into_iter().map(|(view, _)| view).collect(),
        as_of: question.query.as_of.map(Micros::rfc3339),
        generation: index.generation(),
    })
}

fn split(index: &Index, question: &Question, fixed: Option<&str>) -> Result<Vec<(SubscriptionScore, Score)>, Problem> {
    let mut all = Vec::new();
    for subscription in index.subscriptions() {
        let node = Scope { subscription: Some(subscription.guid.clone()), ..Scope::ALL };
        let narrow = question.within(node)?;
        let score = match fixed {
            Some(digests) => recommend::what_if(index, &narrow, digests)?,
            None => recommend::score(index, &narrow)?,
        };
        if score.weight() == 0 {
            continue;
        }
        let view = SubscriptionScore {
            subscription: subscription.guid.clone(),
            name: subscription.name.clone(),
            percentage: score.ratio(),
            weight: score.weight(),
            formula: score.formula(),
        };
        all.push((view, score));
    }
    Ok(all)
}

/// By how many points the control of findings has changed in some days; `None` where one of the two days has none.
pub fn change(index: &Index, question: &Question, days: i64) -> Result<Option<f64>, Problem> {
    let now = question.query.now;
    let before = recommend::past(index, question, Micros(now.0.saturating_sub(days * DAY)))?.current();
    let after = recommend::past(index, question, now)?.current();
    Ok(after.zip(before).map(|(after, before)| two(after) - two(before)))
}

/// The control of findings at the end of the last days, and now.
pub fn history(index: &Index, question: &Question, days: i64) -> Result<Vec<ScoreDay>, Problem> {
    let now = question.query.now;
    let today = now.0.div_euclid(DAY);
    let mut all = Vec::new();
    for day in today - days + 1..=today {
        let at = if day == today { now } else { Micros((day + 1) * DAY - 1) };
        let control = recommend::past(index, question, at)?;
        all.push(ScoreDay {
            date: Micros(day * DAY).rfc3339().chars().take(10).collect(),
            current: control.current().map(two),
            healthy: control.healthy,
            unhealthy: control.unhealthy,
            formula: control.formula(),
        });
    }
    Ok(all)
}

/// `GET /score`
pub async fn score(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
) -> Result<Json<ScoreView>, Problem> {
    let mut params = Params::parse(query.as_deref());
    let fixed = params.take("fixed")?;
    let question = asked(&parts, &asker, &mut params).await?;
    params.finish()?;
    parts.index.ask(|index| Ok(Json(view(index, &question, fixed.as_deref())?)))
}

/// `GET /score/history`
pub async fn past(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let format = params.take_format(accepted(&headers))?;
    let days = match params.take("days")? {
        None => 30,
        Some(text) => text.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days)).ok_or_else(|| {
            Problem::parameter("days", format!("days={text:?} is not a number from 1 to {MOST_DAYS}"))
        })?,
    };
    let question = asked(&parts, &asker, &mut params).await?;
    params.finish()?;
    let items = parts.index.ask(|index| history(index, &question, days))?;
    export::whole(&parts, format, items)
}
