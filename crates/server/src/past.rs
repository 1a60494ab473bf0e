//! What charts over time are drawn from: counts at the end of past days, and how long findings stay.
//!
//! In: a question to the index. Out: its counts at the end of each UTC day; the days until findings were gone. What was asked once is
//! kept in memory (`history`); what takes long is counted behind the answer.

use crate::history::{DAY, Day, Known};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::recommend::{self, Question};
use fleet::{Counts, Index, Query, Remediation, ScoreTally};
use model::role::Scope;
use model::time::Micros;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an answer waits for days that nobody counted yet.
pub const PATIENCE: Duration = Duration::from_millis(40);

/// What is counted of past days and kept.
trait Counted: Copy + Send + 'static {
    fn kept(known: &mut Known) -> &mut HashMap<(String, i64), Self>;
}

impl Counted for Counts {
    fn kept(known: &mut Known) -> &mut HashMap<(String, i64), Self> {
        &mut known.days
    }
}

impl Counted for ScoreTally {
    fn kept(known: &mut Known) -> &mut HashMap<(String, i64), Self> {
        &mut known.scores
    }
}

/// Counts findings at the ends of the last days before today, oldest first. `key` tells questions apart that differ in filter or scope.
pub fn days(parts: &Parts, key: &str, query: &Query, days: i64) -> Vec<Day> {
    let (query, today) = (query.clone(), query.now.0.div_euclid(DAY));
    let ask = move |index: &Index, at| Ok(index.counts(&Query { as_of: Some(at), ..query.clone() })?);
    ends(parts, key, today - days..today, PATIENCE, ask)
}

/// Counts images by what was found in them at the ends of some days, oldest first, as the score of a question counts them.
pub fn scores(parts: &Parts, question: &Question, days: Range<i64>, patience: Duration) -> Vec<Day<ScoreTally>> {
    let query = &question.query;
    let key = format!("{} {:?} {:?}", question.node.to_path(), query.scope, query.filter);
    let question = question.clone();
    ends(parts, &key, days, patience, move |index, at| recommend::past(index, &question, at))
}

/// Asks the ends of some days, the youngest first; what nobody has the patience for is counted after the answer.
fn ends<T: Counted>(
    parts: &Parts,
    key: &str,
    days: Range<i64>,
    patience: Duration,
    ask: impl Fn(&Index, Micros) -> Result<T, Problem> + Send + 'static,
) -> Vec<Day<T>> {
    let began = Instant::now();
    let generation = parts.index.ask(|index| Ok(index.generation())).unwrap_or_default();
    let mut out = Vec::new();
    let mut missing = Vec::new();
    for day in days.rev() {
        let kept = T::kept(&mut parts.index.history().known(generation)).get(&(key.to_owned(), day)).copied();
        let counted = match kept {
            None if began.elapsed() < patience => count(parts, key, generation, day, &ask),
            kept => kept,
        };
        if counted.is_none() {
            missing.push(day);
        }
        out.push((Micros((day + 1) * DAY - 1), counted));
    }
    out.reverse();
    count_behind(parts, key, generation, missing, ask);
    out
}

fn count<T: Counted>(
    parts: &Parts,
    key: &str,
    generation: i64,
    day: i64,
    ask: &impl Fn(&Index, Micros) -> Result<T, Problem>,
) -> Option<T> {
    // Kept within the question: else a change that lets go of what was counted could come between.
    let counted = parts.index.ask(|index| {
        let counted = ask(index, Micros((day + 1) * DAY - 1))?;
        T::kept(&mut parts.index.history().known(generation)).insert((key.to_owned(), day), counted);
        Ok(counted)
    });
    counted.ok()
}

/// Counts what is missing after the answer; each question once at a time.
fn count_behind<T: Counted>(
    parts: &Parts,
    key: &str,
    generation: i64,
    missing: Vec<i64>,
    ask: impl Fn(&Index, Micros) -> Result<T, Problem> + Send + 'static,
) {
    let name = format!("{} {key}", std::any::type_name::<T>());
    if missing.is_empty() || !parts.index.history().known(generation).counting.insert(name.clone()) {
        return;
    }
    let (parts, key) = (parts.clone(), key.to_owned());
    tokio::task::spawn_blocking(move || {
        for day in missing {
            count(&parts, &key, generation, day, &ask);
        }
        parts.index.history().known(generation).counting.remove(&name);
    });
}

/// Days of findings that are gone.
const GONE_DAYS: i64 = 90;
/// How long an answer about findings that stay is good enough: it is told in days.
const GOOD_FOR: i64 = 600_000_000;
/// A fleet of so many images is looked through while somebody waits.
const SMALL: u64 = 500;

/// Says how long findings stay in a part of the tree; `None` while that is being counted for the first time.
pub fn remediation(parts: &Parts, key: &str, node: &Scope, query: &Query) -> Option<Arc<Remediation>> {
    let few = Query { limit: 1, after: None, sort: Default::default(), ..query.clone() };
    let (generation, images) = parts.index.ask(|i| Ok((i.generation(), i.images(&few)?.total))).unwrap_or_default();
    let kept = parts.index.history().known(generation).remediation.get(key).cloned();
    let found = kept.as_ref().map(|(_, found)| Arc::clone(found));
    if kept.is_some_and(|(at, _)| query.now.0.saturating_sub(at.0) < GOOD_FOR) {
        return found;
    }
    if images <= SMALL {
        return remediated(parts, key, node, query, generation);
    }
    let name = format!("remediation {key}");
    if parts.index.history().known(generation).counting.insert(name.clone()) {
        let (parts, key, node, query) = (parts.clone(), key.to_owned(), node.clone(), query.clone());
        tokio::task::spawn_blocking(move || {
            remediated(&parts, &key, &node, &query, generation);
            parts.index.history().known(generation).counting.remove(&name);
        });
    }
    found
}

fn remediated(parts: &Parts, key: &str, node: &Scope, query: &Query, generation: i64) -> Option<Arc<Remediation>> {
    let since = Micros(query.now.0.saturating_sub(GONE_DAYS * DAY));
    let found = parts.index.ask(|index| {
        let found = Arc::new(index.remediation(node, &query.scope, since, query.now));
        parts.index.history().known(generation).remediation.insert(key.to_owned(), (query.now, Arc::clone(&found)));
        Ok(found)
    });
    found.ok()
}
