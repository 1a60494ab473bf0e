//! The secure score: its controls, its past, what it would be.

use super::recommendations::asked;
use crate::asker::Asker;
use crate::export;
use crate::history::DAY;
use crate::params::{Params, accepted};
use crate::parts::Parts;
use crate::past;
use crate::problem::Problem;
use crate::recommend::{self, Question, Standing};
use assess::score::{self, Control, Score};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use fleet::{Index, ScoreTally};
use model::Micros;
use model::facts::SubscriptionFact;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// The most days of a history.
const MOST_DAYS: i64 = 365;

/// A secure score.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ScoreView {
    /// The part of the tree that it is of.
    pub scope: String,
    /// Points, to two digits; of several subscriptions `percentage` × `max`.
    pub current: f64,
    /// The most points of the controls that count.
    pub max: u32,
    /// Points ÷ most points, to four digits; `null` if nothing counts. Of several subscriptions each is weighed by its resources.
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

/// The score of what stands; of everything it is made of its subscriptions.
pub fn view(index: &Index, question: &Question, standing: &Standing<'_>) -> ScoreView {
    let whole = standing.score();
    let parts = if question.node.subscription.is_none() { standing.split() } else { Vec::new() };
    let scores: Vec<Score> = parts.iter().map(|(_, score)| score.clone()).collect();
    let several = scores.len() > 1;
    let ratio = if several { score::together(&scores) } else { whole.ratio() };
    let current = ratio.filter(|_| several).map_or(whole.current(), |ratio| ratio * f64::from(whole.max()));
    ScoreView {
        scope: question.node.to_path(),
        current: two(current),
        max: whole.max(),
        percentage: ratio,
        weight: whole.weight(),
        formula: if several { score::together_formula(&scores) } else { whole.formula() },
        controls: whole.controls.iter().map(ControlView::from).collect(),
        subscriptions: parts.into_iter().map(SubscriptionScore::from).collect(),
        as_of: question.query.as_of.map(Micros::rfc3339),
        generation: index.generation(),
    }
}

impl From<(&SubscriptionFact, Score)> for SubscriptionScore {
    fn from((subscription, score): (&SubscriptionFact, Score)) -> Self {
        Self {
            subscription: subscription.guid.clone(),
            name: subscription.name.clone(),
            percentage: score.ratio(),
            weight: score.weight(),
            formula: score.formula(),
        }
    }
}

/// By how many points the control of findings has changed since the end of a day some days ago; `None` where it had none then, has
/// none now, or nobody counted that day yet.
pub fn change(parts: &Parts, question: &Question, images: &ScoreTally, days: i64) -> Option<f64> {
    let day = question.query.now.0.div_euclid(DAY) - days;
    let before = past::scores(parts, question, day..day + 1, past::PATIENCE).pop()?.1?;
    let points = |tally: &ScoreTally| recommend::control(tally).current();
    points(images).zip(points(&before)).map(|(after, before)| two(after) - two(before))
}

/// The control of findings at the end of the last days, and as it is now; days that nobody counted yet are left out.
pub fn history(
    parts: &Parts,
    question: &Question,
    images: &ScoreTally,
    days: i64,
    patience: Duration,
) -> Vec<ScoreDay> {
    let today = question.query.now.0.div_euclid(DAY);
    let past = past::scores(parts, question, today - days + 1..today, patience);
    let now = (question.query.now, Some(*images));
    past.into_iter().chain([now]).filter_map(|(at, tally)| Some(ScoreDay::new(at, &tally?))).collect()
}

impl ScoreDay {
    fn new(at: Micros, tally: &ScoreTally) -> Self {
        let control = recommend::control(tally);
        Self {
            date: at.rfc3339().chars().take(10).collect(),
            current: control.current().map(two),
            healthy: control.healthy,
            unhealthy: control.unhealthy,
            formula: control.formula(),
        }
    }
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
    parts.index.ask(|index| {
        let standing = Standing::of(index, &question)?;
        let standing = match &fixed {
            Some(digests) => standing.fixed(digests)?,
            None => standing,
        };
        Ok(Json(view(index, &question, &standing)))
    })
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
    if question.query.as_of.is_some() {
        return Err(Problem::parameter("as_of", "a history is of the days before today; as_of is not taken here"));
    }
    let images = parts.index.ask(|index| recommend::images(index, &question))?;
    // A year takes seconds where nobody asked for it before.
    let (asked, counted) = (parts.clone(), question);
    let all = tokio::task::spawn_blocking(move || history(&asked, &counted, &images, days, Duration::MAX));
    let items = all.await.map_err(|_| Problem::starting())?;
    export::whole(&parts, format, items)
}
