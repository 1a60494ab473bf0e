//! `/score`: the secure score, its arithmetic, its past, and what would raise it.

use super::frame::{self, Frame, Step};
use super::recommendations::question;
use super::scope::Scoped;
use super::visit::Visit;
use crate::api::score::{self as api, ScoreDay, ScoreView};
use crate::params::Params;
use crate::past;
use crate::problem::Problem;
use crate::recommend::{self, Standing};
use askama::Template;
use axum::response::Response;

/// Days of the chart.
const DAYS: i64 = 30;

#[derive(Template)]
#[template(path = "score.html")]
struct ScorePage {
    frame: Frame,
    score: ScoreView,
    percent: String,
    fixed: String,
    if_fixed: String,
    what_if: Option<ScoreView>,
    days: Vec<ScoreDay>,
    line: String,
    /// Days that are still being counted.
    missing: i64,
    gains: Vec<Step>,
}

/// `GET /score`
pub async fn score(visit: Visit) -> Response {
    frame::answer(&visit, build(&visit).await)
}

async fn build(visit: &Visit) -> Result<ScorePage, Problem> {
    let mut params = Params::parse(visit.query.as_deref());
    let scoped = Scoped::read(visit, &params.take("scope")?.unwrap_or_default())?;
    let fixed = params.take("fixed")?.unwrap_or_default();
    params.finish()?;
    let question = question(visit, &scoped, 1).await?;
    let path = scoped.path();
    let (score, what_if, images, best) = visit.parts.index.ask(|index| {
        let standing = Standing::of(index, &question)?;
        let (score, best, images) = (api::view(index, &question, &standing), standing.summaries()?, standing.images());
        let fixed = (!fixed.is_empty()).then(|| standing.fixed(&fixed)).transpose()?;
        Ok((score, fixed.map(|standing| api::view(index, &question, &standing)), images, best))
    })?;
    let days = api::history(&visit.parts, &question, &images, DAYS, past::PATIENCE);
    let gain = |s: recommend::Summary| Step {
        link: frame::link(&format!("/recommendations/{}", s.recommendation.key), &[("scope", &path)]),
        text: format!("{}: +{:.2}", s.recommendation.title, s.gain),
    };
    let frame = Frame::new(visit, "recommendations");
    let frame = frame.programs(visit, &frame::link("/score", &[("scope", &path)]), "portwarden score show");
    Ok(ScorePage {
        frame: frame.scoped(visit, &scoped, "/score", "")?,
        percent: percent(&score),
        line: line(&days),
        missing: DAYS.saturating_sub(days.len() as i64),
        gains: best.into_iter().filter(|s| s.gain > 0.0).take(3).map(gain).collect(),
        score,
        if_fixed: what_if.as_ref().map(percent).unwrap_or_default(),
        fixed,
        what_if,
        days,
    })
}

fn percent(score: &ScoreView) -> String {
    score.percentage.map_or_else(|| "none yet".to_owned(), |ratio| format!("{:.0} %", ratio * 100.0))
}

/// The points of the days as a line in a field of 1,000 by 100; a day without images breaks it.
fn line(days: &[ScoreDay]) -> String {
    let step = 1000.0 / (days.len().saturating_sub(1).max(1) as f64);
    let mut path = String::new();
    let mut on = false;
    for (at, day) in days.iter().enumerate() {
        let Some(current) = day.current else {
            on = false;
            continue;
        };
        let share = current / f64::from(assess::score::VULNERABILITIES_MAX);
        path.push_str(&format!("{}{:.1} {:.1}", if on { "L" } else { "M" }, at as f64 * step, 100.0 - share * 100.0));
        on = true;
    }
    path
}
