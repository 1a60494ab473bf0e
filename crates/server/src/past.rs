//! Counts at the end of past days: what charts over time are drawn from.
//!
//! In: a question to the index. Out: its counts at the end of each UTC day. A past day is asked from the index once (`history` keeps it);
//! what takes long is counted behind the answer.

use crate::history::{DAY, Day};
use crate::parts::Parts;
use fleet::{Counts, Query};
use model::time::Micros;
use std::time::{Duration, Instant};

/// How long an answer waits for days that nobody counted yet.
const PATIENCE: Duration = Duration::from_millis(40);

/// Counts the ends of the last days before today, oldest first. `key` tells questions apart that differ in filter or scope.
pub fn days(parts: &Parts, key: &str, query: &Query, days: i64) -> Vec<Day> {
    let today = query.now.0.div_euclid(DAY);
    let began = Instant::now();
    let generation = parts.index.ask(|index| Ok(index.generation())).unwrap_or_default();
    let mut out = Vec::new();
    let mut missing = Vec::new();
    for day in (today - days..today).rev() {
        let kept = parts.index.history().known(generation).days.get(&(key.to_owned(), day)).copied();
        let counted = match kept {
            None if began.elapsed() < PATIENCE => count(parts, key, query, generation, day),
            kept => kept,
        };
        if counted.is_none() {
            missing.push(day);
        }
        out.push((Micros((day + 1) * DAY - 1), counted));
    }
    out.reverse();
    count_behind(parts, key, query, generation, missing);
    out
}

fn count(parts: &Parts, key: &str, query: &Query, generation: i64, day: i64) -> Option<Counts> {
    let query = Query { as_of: Some(Micros((day + 1) * DAY - 1)), ..query.clone() };
    let counts = parts.index.ask(|index| Ok(index.counts(&query)?)).ok()?;
    parts.index.history().known(generation).days.insert((key.to_owned(), day), counts);
    Some(counts)
}

/// Counts what is missing after the answer; each question once at a time.
fn count_behind(parts: &Parts, key: &str, query: &Query, generation: i64, missing: Vec<i64>) {
    if missing.is_empty() || !parts.index.history().known(generation).counting.insert(key.to_owned()) {
        return;
    }
    let (parts, key, query) = (parts.clone(), key.to_owned(), query.clone());
    tokio::task::spawn_blocking(move || {
        for day in missing {
            count(&parts, &key, &query, generation, day);
        }
        parts.index.history().known(generation).counting.remove(&key);
    });
}
