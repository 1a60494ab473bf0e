//! Guessing passwords is slowed down: ten wrong ones a minute for one account from one address.
//!
//! In: failures. Out: whether to look at a credential at all. An account is never closed for other addresses, so nobody
//! can lock somebody else out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const TRIES: u32 = 10;
const SPAN: Duration = Duration::from_secs(60);
/// Bounds memory; when full, the oldest half goes.
const ACCOUNTS: usize = 20_000;

/// Counts failures by account and address.
#[derive(Default)]
pub(crate) struct Throttle {
    failures: Mutex<HashMap<(String, String), (Instant, u32)>>,
}

impl Throttle {
    /// Returns whether another try is allowed now.
    pub(crate) fn allows(&self, account: &str, address: &str, now: Instant) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failures.get(&key(account, address)) {
            Some((since, count)) => *count < TRIES || now.saturating_duration_since(*since) >= SPAN,
            None => true,
        }
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, account: &str, address: &str, now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ACCOUNTS {
            let mut times: Vec<Instant> = failures.values().map(|(since, _)| *since).collect();
            times.sort_unstable();
            let middle = times.get(times.len() / 2).copied().unwrap_or(now);
            failures.retain(|_, (since, _)| *since > middle);
        }
        let entry = failures.entry(key(account, address)).or_insert((now, 0));
        if now.saturating_duration_since(entry.0) >= SPAN {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}

fn key(account: &str, address: &str) -> (String, String) {
    (account.chars().take(64).collect(), address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_close_an_account_to_one_address_for_a_minute() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for try_ in 0..TRIES {
            assert!(throttle.allows("a", "1", start), "try {try_}");
            throttle.failed("a", "1", start);
        }
        assert!(!throttle.allows("a", "1", start + SPAN / 2), "the eleventh");
        assert!(throttle.allows("a", "2", start), "another address");
        assert!(throttle.allows("b", "1", start), "another account");
        assert!(throttle.allows("a", "1", start + SPAN), "a minute later");
    }

    #[test]
    fn memory_is_bounded_whatever_names_are_tried() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for n in 0..u32::try_from(ACCOUNTS).unwrap() * 3 {
            throttle.failed(&n.to_string(), "1", start + Duration::from_micros(n.into()));
        }
        assert!(throttle.failures.lock().unwrap().len() <= ACCOUNTS);
    }
}
