//! Lines of the resource logs that stand for all that are alike within a minute: what anybody can cause (logins that failed, clients that
//! network rules keep out), and logins that come with every request of a client.
//!
//! In: lines. Out: whether each is written; and when the minute is over a line more for those that were not, with their number, so that
//! the numbers of all lines add up. Of strangers there are so many lines a minute at most: who is nobody can neither fill the disk nor
//! crowd out the lines of those who are somebody.

use crate::LogEntry;
use model::facts::Id;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// For how long a line stands for all that are alike.
const MINUTE: Duration = Duration::from_secs(60);
/// Lines of strangers a minute: those of 90 days at the worst are some gigabytes.
const STRANGERS: usize = 300;
/// Logins of somebody a minute that others are held against; beyond, each is a line. Bounds memory.
const LOGINS: usize = 20_000;

/// What was written within the minute.
#[derive(Default)]
pub(crate) struct Alike {
    began: Option<Instant>,
    strangers: HashMap<Kind, Rest>,
    logins: HashMap<Kind, Rest>,
}

/// What makes lines alike.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    /// Empty for strangers, whatever name they typed.
    actor: String,
    network: String,
    operation: String,
    registry: Id,
    result: i64,
}

/// What a line stands for beside itself: how many, and the first of them, at the moment of the last.
#[derive(Default)]
struct Rest {
    line: LogEntry,
    number: i64,
}

impl Rest {
    fn add(&mut self, line: &LogEntry) {
        if self.number == 0 {
            self.line = line.clone();
        }
        (self.line.at, self.number) = (line.at, self.number.saturating_add(1));
    }
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chance {
    /// It is written.
    Written,
    /// One like it was written a moment ago: it is counted with others.
    Alike,
    /// It finds no room.
    Lost,
}

impl Alike {
    /// Decides about a line. `now` never goes back.
    pub(crate) fn judge(&mut self, line: &LogEntry, now: Instant) -> Chance {
        let stranger = (line.login && line.result >= 400) || line.caller.actor.is_empty();
        // A login that was given a token is a line each; one without came with a request.
        let comes_along = line.login && line.operation == "login" && line.jwt.is_empty();
        if line.caller.scanner || !(stranger || comes_along) {
            return Chance::Written;
        }
        self.began.get_or_insert(now);
        let kind = Kind {
            actor: if stranger { String::new() } else { line.caller.actor.clone() },
            network: network(&line.caller.address),
            operation: line.operation.clone(),
            registry: line.registry,
            result: line.result,
        };
        let (seen, most) = if stranger { (&mut self.strangers, STRANGERS) } else { (&mut self.logins, LOGINS) };
        if let Some(rest) = seen.get_mut(&kind) {
            rest.add(line);
            return Chance::Alike;
        }
        if seen.len() < most {
            seen.insert(kind, Rest::default());
            return Chance::Written;
        }
        if stranger { Chance::Lost } else { Chance::Written }
    }

    /// Returns the lines for those that were not written, once their minute is over; `now`: `None` = it is over.
    pub(crate) fn over(&mut self, now: Option<Instant>) -> Vec<LogEntry> {
        let Some(began) = self.began else { return Vec::new() };
        if now.is_some_and(|now| now.saturating_duration_since(began) < MINUTE) {
            return Vec::new();
        }
        self.began = None;
        let all = self.strangers.drain().chain(self.logins.drain()).map(|(_, rest)| rest);
        let mut lines: Vec<LogEntry> =
            all.filter(|rest| rest.number > 0).map(|rest| LogEntry { times: rest.number, ..rest.line }).collect();
        lines.sort_by_key(|line| line.at);
        lines
    }
}

/// An address; of IPv6 the network, which one subscriber has to himself.
pub(crate) fn network(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => format!("{:x}/64", address.to_bits() >> 64),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Caller;
    use model::Micros;

    fn line(address: &str, actor: &str, operation: &str, result: i64) -> LogEntry {
        let caller = Caller { address: address.into(), actor: actor.into(), ..Caller::default() };
        LogEntry { login: operation == "login", operation: operation.into(), caller, result, ..LogEntry::default() }
    }

    #[test]
    fn one_line_stands_for_what_is_alike_and_nobody_crowds_out_anybody() {
        let (mut alike, start) = (Alike::default(), Instant::now());
        let mut written = 0;
        let mut told = 0;
        let mut all = 0;
        for (seconds, address, actor, operation, result, want, why) in [
            (0, "192.0.2.1", "", "login", 401, Chance::Written, "the first"),
            (59, "192.0.2.1", "", "login", 401, Chance::Alike, "within the minute"),
            (59, "192.0.2.1", "ann", "login", 401, Chance::Alike, "whatever name was typed"),
            (59, "192.0.2.1", "", "login", 429, Chance::Written, "another end"),
            (59, "192.0.2.1", "", "pull", 403, Chance::Written, "something else"),
            (59, "192.0.2.2", "", "login", 401, Chance::Written, "another address"),
            (59, "2001:db8::1", "", "login", 401, Chance::Written, "another address"),
            (59, "2001:db8::2", "", "login", 401, Chance::Alike, "the same subscriber"),
            (59, "192.0.2.1", "ann", "login", 200, Chance::Written, "somebody"),
            (59, "192.0.2.1", "ann", "login", 200, Chance::Alike, "with the next request"),
            (59, "192.0.2.1", "ben", "login", 200, Chance::Written, "somebody else"),
            (59, "192.0.2.1", "ann", "pull", 404, Chance::Written, "somebody does something"),
            (59, "192.0.2.1", "ann", "pull", 404, Chance::Written, "and again"),
            (60, "192.0.2.1", "", "login", 401, Chance::Written, "a minute later"),
        ] {
            let now = start + Duration::from_secs(seconds);
            told += alike.over(Some(now)).iter().map(|line| line.times).sum::<i64>();
            let chance = alike.judge(&line(address, actor, operation, result), now);
            assert_eq!(chance, want, "{address} {operation}: {why}");
            written += i64::from(chance == Chance::Written);
            all += 1;
        }
        assert_eq!(written + told, all, "the numbers add up");
        let token = LogEntry { jwt: "x".into(), ..line("192.0.2.1", "ann", "login", 200) };
        assert_eq!(alike.judge(&token, start), Chance::Written, "a login that was given a token");
        assert_eq!(alike.judge(&token, start), Chance::Written, "each of them");
        let later = start + 3 * MINUTE;
        alike.over(Some(later));
        let many =
            (0..1_000).map(|n| alike.judge(&line(&format!("10.0.{}.{}", n / 200, n % 200), "", "login", 401), later));
        assert_eq!(many.filter(|chance| *chance == Chance::Written).count(), STRANGERS);
        assert_eq!(alike.judge(&line("192.0.2.9", "", "login", 401), later), Chance::Lost, "no room");
        assert_eq!(alike.judge(&line("192.0.2.9", "ann", "pull", 404), later), Chance::Written, "somebody");
        let scanner = LogEntry { caller: Caller { scanner: true, ..Caller::default() }, ..line("", "", "login", 403) };
        assert_eq!(alike.judge(&scanner, later), Chance::Written, "the scanner is no stranger");
    }

    #[test]
    fn what_was_not_written_is_one_line_with_its_number_at_its_last_moment() {
        let (mut alike, start) = (Alike::default(), Instant::now());
        for at in 1..=5 {
            alike.judge(&LogEntry { at: Micros(at), ..line("192.0.2.1", "", "login", 401) }, start);
        }
        alike.judge(&line("192.0.2.2", "", "login", 401), start);
        assert_eq!(alike.over(Some(start + MINUTE / 2)), [], "not yet");
        let lines = alike.over(Some(start + MINUTE));
        assert_eq!(lines.iter().map(|line| (line.at.0, line.times)).collect::<Vec<_>>(), [(5, 4)]);
        assert_eq!(alike.over(None), [], "once");
    }
}
