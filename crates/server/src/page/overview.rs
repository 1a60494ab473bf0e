//! The overview: how things stand, what is new, where to begin.

mod begin;
mod rows;

pub use begin::push;

use super::chart::{Remediation, Trend, moments};
use super::frame::{self, Counts, Frame, Step, Tile};
use super::list::Asked;
use super::scope::{self, Names, Scoped};
use super::visit::Visit;
use crate::access;
use crate::api::rules::change;
use crate::api::{sample, score};
use crate::past;
use crate::problem::Problem;
use crate::recommend::{self, Standing};
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use begin::Begin;
use fleet::{Filter, Index, Query, Sort};
use model::role::Scope;
use model::time::Micros;
use rows::{Ending, FRESH, Fresh, SHORT, Top, Troubled, USED_DAYS, Weighed};

/// Days of the trend.
const DAYS: i64 = 90;
/// Days after which the score is compared.
const WEEK: i64 = 7;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    begin: Option<Begin>,
    findings_link: String,
    counts: Counts,
    tiles: Vec<Tile>,
    trend: Trend,
    fresh: Vec<Fresh>,
    fresh_total: u64,
    fresh_link: String,
    /// What is in use, by its weight; where nothing is, `top`.
    weighed: Vec<Weighed>,
    points: String,
    top: Vec<Top>,
    top_link: String,
    upgrades: Vec<Top>,
    troubled: Vec<Troubled>,
    troubled_total: u64,
    troubled_link: String,
    gains: Vec<Gain>,
    ending: Vec<Ending>,
    ending_total: usize,
    coverage: Trend,
    /// `None` while it is being counted.
    remediation: Option<Remediation>,
}

/// What would raise the score, and by how much.
struct Gain {
    text: &'static str,
    link: String,
    points: String,
}

/// Shows the overview.
pub async fn page(visit: Visit) -> Response {
    frame::answer(&visit, build(&visit).await)
}

/// `POST /sample`: pushes the sample image and goes where it is shown.
pub async fn sample(visit: Visit) -> Result<Response, Problem> {
    let made = sample::push(&visit.parts, &visit.asker).await?;
    Ok(Redirect::to(&format!("{}@{}", scope::walk(&made.scope), made.digest)).into_response())
}

/// What the index says, from one state of it.
struct Answers {
    counts: fleet::Counts,
    fresh: fleet::Page<fleet::VulnerabilityRow>,
    weights: Vec<fleet::Weight>,
    top: Vec<fleet::RepositoryRow>,
    upgrades: fleet::Page<fleet::PackageRow>,
    troubled: fleet::Page<fleet::ImageRow>,
}

/// What an upgrade takes away.
const FIXABLE: &str = "fix:yes";
/// What could not be judged, or not in full.
const TROUBLED: &str = "verdict:gaps,unsupported,failed";

fn answers(visit: &Visit, asked: &Asked, question: &Query) -> Result<Answers, Problem> {
    let more = |words: &str| -> Result<Query, Problem> {
        let mut filter = Filter::parse(words)?;
        for (name, value) in asked.scoped.fields() {
            filter.field(name, value)?;
        }
        Ok(Query { filter, ..question.clone() })
    };
    let (fresh, troubled) = (more(FRESH)?, more(TROUBLED)?);
    let upgrades = Query { sort: Sort::parse("findings")?, ..more(FIXABLE)? };
    let worst = Query { sort: Sort::parse("severity")?, ..question.clone() };
    let ask = |index: &Index| {
        let weights = index.weights(question, USED_DAYS)?;
        Ok(Answers {
            counts: index.counts(question)?,
            fresh: index.vulnerabilities(&fresh)?,
            top: if weights.is_empty() { index.repositories(&worst)?.items } else { Vec::new() },
            weights,
            upgrades: index.packages(&upgrades)?,
            troubled: index.images(&troubled)?,
        })
    };
    visit.parts.index.ask(ask)
}

async fn build(visit: &Visit) -> Result<Page, Problem> {
    let asked = frame::asked(visit, &[])?;
    let question = Query { limit: SHORT, ..asked.question.clone() };
    let answers = answers(visit, &asked, &question)?;
    let path = asked.scoped.path();
    let node = access::scope_at(&visit.parts, &visit.who, "scope", if path.is_empty() { "/" } else { &path })?;
    let (score, gains) = scored(visit, &node, &path, question.now).await?;
    let mut ending =
        rows::ending(&change::visible(&visit.parts, &visit.asker).await?, &Names::read(&visit.parts), question.now);
    let ending_total = ending.len();
    ending.truncate(SHORT);
    let days = moments(question.now, DAYS);
    let states = visit.parts.index.ask(|index| Ok(index.read_states(&node, &question.scope, &days)))?;
    let listed = |list: &str, q: &str| scope::listed(list, q, &path);
    let now = question.now;
    let key = format!("{path} {:?}", question.scope);
    let past = past::days(&visit.parts, &key, &question, DAYS);
    let found = past::remediation(&visit.parts, &key, &node, &question);
    Ok(Page {
        frame: framed(visit, &asked.scoped)?,
        begin: (answers.counts.images == 0 && path.is_empty()).then(|| begin::begin(visit)),
        findings_link: listed("/findings", ""),
        counts: Counts::new(&answers.counts.tally, &asked.address("/findings"), Some("")),
        tiles: std::iter::once(score).chain(tiles(&answers.counts, &listed)).collect(),
        gains,
        ending,
        ending_total,
        coverage: Trend::coverage(&days, &states),
        remediation: found.map(|found| Remediation::new(&found)),
        trend: Trend::new(past, ("now", &answers.counts.tally)),
        fresh: answers.fresh.items.into_iter().map(|row| rows::fresh_row(row, &listed)).collect(),
        fresh_total: answers.fresh.total,
        fresh_link: listed("/vulnerabilities", FRESH),
        weighed: weighed(answers.weights),
        points: fleet::POINTS.map(|(severity, points)| format!("{} {points}", severity.as_str())).join(", "),
        top: answers.top.into_iter().filter(|row| row.tally.findings() > 0).map(rows::top_row).collect(),
        top_link: frame::link(&asked.address("/inventory/repositories"), &[("sort", "severity")]),
        upgrades: answers.upgrades.items.into_iter().map(|row| rows::upgrade_row(row, &asked, FIXABLE)).collect(),
        troubled: answers.troubled.items.into_iter().filter_map(|row| rows::troubled_row(&row, now)).collect(),
        troubled_total: answers.troubled.total,
        troubled_link: listed("/inventory", TROUBLED),
    })
}

fn weighed(weights: Vec<fleet::Weight>) -> Vec<Weighed> {
    let most = weights.first().map_or(0, fleet::Weight::total);
    weights.into_iter().map(|weight| rows::weighed_row(weight, most)).collect()
}

/// The secure score as a tile, and what would raise it most.
async fn scored(visit: &Visit, node: &Scope, path: &str, now: Micros) -> Result<(Tile, Vec<Gain>), Problem> {
    let query = Query { limit: 1, now, ..Query::default() };
    let question = recommend::question(&visit.parts, &visit.who, node.clone(), query).await?;
    let (score, images, best) = visit.parts.index.ask(|index| {
        let standing = Standing::of(index, &question)?;
        Ok((score::view(index, &question, &standing), standing.images(), standing.summaries()?))
    })?;
    let change = score::change(&visit.parts, &question, &images, WEEK);
    let gain = |one: recommend::Summary| Gain {
        text: one.recommendation.title,
        link: frame::link(&format!("/recommendations/{}", one.recommendation.key), &[("scope", path)]),
        points: format!("+{:.2}", one.gain),
    };
    let tile = Tile {
        label: "Secure score".into(),
        figure: score.percentage.map_or_else(|| "none yet".into(), |ratio| format!("{:.0} %", ratio * 100.0)),
        link: frame::link("/score", &[("scope", path)]),
        note: format!("{:.2} of {} points{}", score.current, score.max, since_last_week(change)),
        ..Tile::default()
    };
    Ok((tile, best.into_iter().filter(|one| one.gain > 0.0).take(3).map(gain).collect()))
}

/// What findings did to the score in a week, for people.
fn since_last_week(change: Option<f64>) -> String {
    match change {
        None => String::new(),
        Some(change) if change.abs() < 0.005 => ", as a week ago".into(),
        Some(change) => format!(", {change:+.2} by findings in 7 days"),
    }
}

fn framed(visit: &Visit, scoped: &Scoped) -> Result<Frame, Problem> {
    let api = frame::link("/counts", &scoped.fields());
    Frame::new(visit, "overview").programs(visit, &api, "portwarden image list").scoped(visit, scoped, "/", "")
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn tiles(counts: &fleet::Counts, listed: &dyn Fn(&str, &str) -> String) -> Vec<Tile> {
    let [none, complete, gaps, unsupported, failed] = counts.verdicts;
    let verdicts = [
        (complete, "scanned", "complete"),
        (gaps, "with gaps", "gaps"),
        (unsupported, "not scannable", "unsupported"),
        (failed, "failed", "failed"),
        (none, "never scanned", "none"),
    ];
    let verdicts = verdicts.into_iter().filter(|(count, ..)| *count > 0);
    let part = |(count, text, word): (u64, &str, &str)| Step {
        text: format!("{count} {text}"),
        link: listed("/inventory", &format!("verdict:{word}")),
    };
    let findings = counts.tally.findings();
    let share = (counts.tally.fixable * 100).checked_div(findings).unwrap_or(0);
    vec![
        Tile {
            label: "Images".into(),
            figure: counts.images.to_string(),
            link: listed("/inventory", ""),
            more: verdicts.map(part).collect(),
            ..Tile::default()
        },
        Tile {
            label: "Vulnerabilities".into(),
            figure: counts.vulnerabilities.to_string(),
            link: listed("/vulnerabilities", ""),
            note: format!("distinct, in {}", plural(counts.affected, "image", "images")),
            ..Tile::default()
        },
        Tile {
            label: "Known exploited".into(),
            figure: counts.tally.kev.to_string(),
            link: if counts.tally.kev == 0 { String::new() } else { listed("/findings", "kev:yes") },
            note: "findings on CISA's list".into(),
            tone: if counts.tally.kev == 0 { "" } else { "bad" },
            ..Tile::default()
        },
        Tile {
            label: "Fix available".into(),
            figure: counts.tally.fixable.to_string(),
            link: if counts.tally.fixable == 0 { String::new() } else { listed("/findings", "fix:yes") },
            note: format!("{share} % of all findings"),
            ..Tile::default()
        },
    ]
}
