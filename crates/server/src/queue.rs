//! What is wrong with the queue, in words.
//!
//! In: how the queue stands. Out: what people are told of it, on the page of problems and by `doctor`, and what to do.

use model::Micros;
use store::QueueState;

/// A job that waits, or runs, longer is told of: 15 minutes.
pub const STUCK: i64 = 15 * MINUTE;
const MINUTE: i64 = 60_000_000;

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A sentence.
    pub what: String,
    /// Another one.
    pub remedy: &'static str,
}

/// Says what is wrong with the queue.
pub fn troubles(queue: &QueueState, now: Micros) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    if let Some((tried, why)) = &queue.rematch {
        troubles.push(Trouble {
            what: format!("The re-match against newer advisories does not come to its end, after {tried} tries: {why}."),
            remedy: "It is tried again by itself; until then findings are those of older advisories. See the logs of the workers.",
        });
    }
    let waited = now.0.saturating_sub(queue.oldest.0);
    if queue.waiting > 0 && waited > STUCK {
        let jobs = if queue.waiting == 1 { "1 job waits".to_owned() } else { format!("{} jobs wait", queue.waiting) };
        troubles.push(Trouble {
            what: format!("{jobs} for a worker, the oldest for {}.", span(waited)),
            remedy: "See that a process with the role worker runs and reaches the database, look at its log, and give it more scans at a time (--scans) or another worker beside it.",
        });
    }
    troubles
}

fn span(micros: i64) -> String {
    match micros / MINUTE {
        minutes if minutes < 120 => format!("{minutes} min"),
        minutes if minutes < 48 * 60 => format!("{} h", minutes / 60),
        minutes => format!("{} days", minutes / (24 * 60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_too_long_or_does_not_end_is_told_with_what_to_do() {
        let at = |minutes: i64| Micros(minutes * MINUTE);
        let waiting = |waiting| QueueState { waiting, oldest: at(100), ..QueueState::default() };
        let failing = QueueState { rematch: Some((9, "a defect".into())), ..waiting(1) };
        for (queue, now, told, reason) in [
            (QueueState::default(), at(1000), vec![], "nothing waits"),
            (waiting(3), at(110), vec![], "ten minutes are nothing"),
            (waiting(3), at(116), vec!["3 jobs wait for a worker, the oldest for 16 min."], "a quarter of an hour"),
            (waiting(1), at(400), vec!["1 job waits for a worker, the oldest for 5 h."], "hours"),
            (waiting(1), at(9000), vec!["1 job waits for a worker, the oldest for 6 days."], "days"),
            (waiting(1), at(50), vec![], "a clock that is behind"),
            (
                failing,
                at(100),
                vec!["The re-match against newer advisories does not come to its end, after 9 tries: a defect."],
                "a re-match that fails",
            ),
        ] {
            let what: Vec<String> = troubles(&queue, now).into_iter().map(|trouble| trouble.what).collect();
            assert_eq!(what, told, "{reason}");
        }
    }
}
