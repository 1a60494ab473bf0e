//! Lines of the resource logs that anybody can cause: logins that failed, clients that network rules keep out.
//!
//! In: a line. Out: whether it is written. One stands for all that are alike within a minute, and there are so many a minute at most: who
//! is nobody can neither fill the disk nor crowd out the lines of those who are somebody.

use crate::LogEntry;
use model::facts::Id;
use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// For how long a line stands for all that are alike.
const MINUTE: Duration = Duration::from_secs(60);
/// Lines a minute: those of 90 days at the worst are some gigabytes.
const LINES: usize = 300;

/// What lines of strangers were written within the minute.
#[derive(Default)]
pub(crate) struct Strangers {
    began: Option<Instant>,
    seen: HashSet<Kind>,
}

/// What makes lines alike.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    network: String,
    operation: String,
    registry: Id,
    result: i64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chance {
    /// It is written.
    Written,
    /// One like it was written a moment ago.
    Alike,
    /// It finds no room.
    Lost,
}

impl Strangers {
    /// Decides about a line. `now` never goes back.
    pub(crate) fn judge(&mut self, line: &LogEntry, now: Instant) -> Chance {
        let failed_login = line.login && line.result >= 400;
        if line.caller.scanner || !(failed_login || line.caller.actor.is_empty()) {
            return Chance::Written;
        }
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= MINUTE) {
            self.began = Some(now);
            self.seen.clear();
        }
        let kind = Kind {
            network: network(&line.caller.address),
            operation: line.operation.clone(),
            registry: line.registry,
            result: line.result,
        };
        if self.seen.contains(&kind) {
            return Chance::Alike;
        }
        if self.seen.len() >= LINES {
            return Chance::Lost;
        }
        self.seen.insert(kind);
        Chance::Written
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

    fn line(address: &str, actor: &str, operation: &str, result: i64) -> LogEntry {
        let caller = Caller { address: address.into(), actor: actor.into(), ..Caller::default() };
        LogEntry { login: operation == "login", operation: operation.into(), caller, result, ..LogEntry::default() }
    }

    #[test]
    fn one_line_stands_for_what_is_alike_and_nobody_crowds_out_anybody() {
        let (mut strangers, start) = (Strangers::default(), Instant::now());
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
            (59, "192.0.2.1", "ann", "login", 200, Chance::Written, "somebody"),
            (59, "192.0.2.1", "ann", "pull", 404, Chance::Written, "somebody"),
            (60, "192.0.2.1", "", "login", 401, Chance::Written, "a minute later"),
        ] {
            let chance =
                strangers.judge(&line(address, actor, operation, result), start + Duration::from_secs(seconds));
            assert_eq!(chance, want, "{address} {operation}: {why}");
        }
        let later = start + 3 * MINUTE;
        let many = (0..1_000)
            .map(|n| strangers.judge(&line(&format!("10.0.{}.{}", n / 200, n % 200), "", "login", 401), later));
        assert_eq!(many.filter(|chance| *chance == Chance::Written).count(), LINES);
        assert_eq!(strangers.judge(&line("192.0.2.9", "", "login", 401), later), Chance::Lost, "no room");
        assert_eq!(strangers.judge(&line("192.0.2.9", "ann", "pull", 404), later), Chance::Written, "somebody");
        let scanner = LogEntry { caller: Caller { scanner: true, ..Caller::default() }, ..line("", "", "login", 403) };
        assert_eq!(strangers.judge(&scanner, later), Chance::Written, "the scanner is no stranger");
    }
}
