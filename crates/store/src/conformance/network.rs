//! Network rules, what they do to images, and the resource logs.

use super::{caller, on_every_engine};
use crate::{Caller, Error, LogColumn, LogEntry, LogFilter, NetworkChange, Pulled, ResultIs, Store};
use model::Micros;
use model::network::Network;
use model::verdict::{Coverage, Work};

fn closed(bypass: bool) -> NetworkChange {
    NetworkChange { default_allow: Some(false), trusted_bypass: Some(bypass), ..NetworkChange::default() }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

async fn coverage(store: &Store) -> Vec<(Coverage, Work)> {
    store.snapshot().await.unwrap().images.iter().map(|image| (image.coverage, image.work)).collect()
}

async fn logins_of_the_scanner(store: &Store) -> Vec<i64> {
    let filter = LogFilter { login: true, scanner: Some(true), ..LogFilter::default() };
    store.log_rows(&filter, 10).await.unwrap().0.iter().map(|row| row.entry.result).collect()
}

#[test]
fn rules_are_kept_and_a_change_that_cuts_off_its_asker_is_refused() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let id = fresh.registry().await;
        let network = |text: &str| Network::parse(text).unwrap();
        let all = NetworkChange {
            allowed: Some(vec![network("10.0.0.0/8"), network("2001:db8::/32"), network("10.0.0.0/8")]),
            ..closed(true)
        };
        let (made, settled) = store.change_network(id, &all, &caller()).await.unwrap();
        assert_eq!(settled, crate::Settled::default(), "the scanner is let in as before");
        assert_eq!(made.network.allowed, [network("10.0.0.0/8"), network("2001:db8::/32")], "each once");
        assert_eq!(store.registry("local").await.unwrap().unwrap(), made);
        let remove = NetworkChange {
            remove: Some(network("10.0.0.0/8")),
            keep: Some("10.0.0.1".parse().unwrap()),
            ..NetworkChange::default()
        };
        let refused = store.change_network(id, &remove, &caller()).await;
        assert!(matches!(refused, Err(Error::Conflict(why)) if why.contains("10.0.0.1")));
        let sure = NetworkChange { keep: None, ..remove };
        store.change_network(id, &sure, &caller()).await.unwrap();
        assert!(matches!(store.change_network(id, &sure, &caller()).await, Err(Error::NotFound { .. })));
        let many = (0..=100u8).map(|n| network(&format!("10.0.0.{n}"))).collect();
        let many = NetworkChange { allowed: Some(many), ..NetworkChange::default() };
        let refused = store.change_network(id, &many, &caller()).await;
        assert!(matches!(refused, Err(Error::Invalid { field: "ip_rules", .. })));
        let filter = crate::AuditFilter { action: Some("registry.network".into()), ..Default::default() };
        assert_eq!(store.audit(&filter, 10).await.unwrap().1, 2, "one line a change that was made");
    });
}

#[test]
fn images_are_blocked_where_the_scanner_is_kept_out_and_read_once_it_is_let_in() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let id = fresh.registry().await;
        fresh.push_image("app", "v1", "a").await;
        let (_, settled) = store.change_network(id, &closed(false), &caller()).await.unwrap();
        assert_eq!((settled.closed, settled.queued), (1, 0));
        assert_eq!(coverage(store).await, [(Coverage::BlockedByNetwork, Work::Idle)]);
        assert!(store.claim("w").await.unwrap().is_none(), "its job is gone");
        assert!(!store.is_scanned(id).await.unwrap(), "nothing is read early");
        let pushed = fresh.push_image("app", "v2", "b").await;
        assert_eq!(pushed.job, None);
        assert_eq!(coverage(store).await.len(), 2);
        assert!(coverage(store).await.iter().all(|state| *state == (Coverage::BlockedByNetwork, Work::Idle)));
        assert_eq!(logins_of_the_scanner(store).await, [403], "the scanner was sent away");
        store.close_window(Micros(i64::MAX / 2)).await.unwrap();
        assert!(coverage(store).await.iter().all(|(state, _)| *state == Coverage::OutsideWindow), "nobody wants them");
        store.close_window(Micros(0)).await.unwrap();
        let (_, settled) = store.change_network(id, &closed(true), &caller()).await.unwrap();
        assert_eq!((settled.opened, settled.queued), (2, 2));
        let job = store.claim("w").await.unwrap().unwrap();
        assert!(matches!(store.scanner_pull(&job).await.unwrap(), Pulled::Manifest(_)));
        assert_eq!(logins_of_the_scanner(store).await, [200, 403]);
        let filter = LogFilter { scanner: Some(true), ..LogFilter::default() };
        let (rows, _) = store.log_rows(&filter, 10).await.unwrap();
        assert_eq!(rows.len(), 1);
        let line = &rows[0].entry;
        assert_eq!((line.operation.as_str(), line.repository.as_str(), line.result), ("pull", "app", 200));
        assert_eq!(line.caller.actor, store.scanner_identity().await.unwrap());
        assert!(line.caller.actor.len() == 32 && line.caller.actor.bytes().all(|b| b.is_ascii_alphanumeric()));
    });
}

#[test]
fn lines_are_found_by_every_column_with_exact_totals() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let registry = fresh.registry().await;
        // Of today: what is older than lines are kept is trimmed at any moment.
        let start = now();
        for n in 0..30i64 {
            let caller = Caller {
                actor: format!("user{}", n % 3),
                address: format!("10.0.0.{}", n % 2),
                scanner: n % 10 == 0,
                ..Caller::default()
            };
            store.log(LogEntry {
                at: Micros(start + n),
                operation: if n % 2 == 0 { "pull" } else { "push" }.into(),
                caller,
                result: 200 + n % 2 * 204,
                registry: registry + n % 3,
                repository: format!("team/{}", n % 5),
                ..LogEntry::default()
            });
        }
        let base = LogFilter::default;
        let equal = |column, text: &str| LogFilter { equal: vec![(column, text.to_owned())], ..base() };
        for (filter, want, why) in [
            (base(), 30, "all"),
            (LogFilter { login: true, ..base() }, 0, "the other log"),
            (equal(LogColumn::Identity, "user1"), 10, "identity"),
            (equal(LogColumn::Address, "10.0.0.1"), 15, "address"),
            (equal(LogColumn::Repository, "team/4"), 6, "repository"),
            (equal(LogColumn::Operation, "push"), 15, "operation"),
            (equal(LogColumn::Tag, "x' OR 1=1 --"), 0, "text is text"),
            (LogFilter { result: Some(ResultIs::Good), ..base() }, 15, "good"),
            (LogFilter { result: Some(ResultIs::Bad), ..base() }, 15, "bad"),
            (LogFilter { result: Some(ResultIs::Status(404)), ..base() }, 15, "a status"),
            (LogFilter { scanner: Some(true), ..base() }, 3, "the scanner"),
            (LogFilter { since: Some(Micros(start + 10)), until: Some(Micros(start + 20)), ..base() }, 10, "a time"),
            (LogFilter { registry: Some(registry + 1), ..base() }, 10, "a registry"),
            (LogFilter { places: Some(Vec::new()), ..base() }, 0, "nowhere"),
            (LogFilter { places: Some(vec![(registry, String::new())]), ..base() }, 10, "one's registry"),
            (LogFilter { places: Some(vec![(registry, "team/0".into())]), ..base() }, 2, "one's repository"),
        ] {
            let (rows, total) = store.log_rows(&filter, 1_000).await.unwrap();
            assert_eq!((rows.len(), total), (want, want as u64), "{why}");
        }
        let (first, total) = store.log_rows(&base(), 20).await.unwrap();
        let after = LogFilter { before: first.last().map(|row| row.entry.id), ..base() };
        let (rest, again) = store.log_rows(&after, 20).await.unwrap();
        assert_eq!((first.len(), rest.len(), total, again), (20, 10, 30, 30), "page after page");
        assert!(first.last().unwrap().entry.id > rest[0].entry.id);
    });
}

#[test]
fn lines_that_are_alike_are_two_with_the_right_number() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        for _ in 0..100 {
            let caller = Caller { address: "192.0.2.1".into(), ..Caller::default() };
            store.log(LogEntry { login: true, operation: "login".into(), caller, result: 401, ..LogEntry::default() });
        }
        let filter = LogFilter { login: true, ..LogFilter::default() };
        let times = async || {
            let (rows, _) = store.log_rows(&filter, 10).await.unwrap();
            rows.iter().map(|row| row.entry.times).collect::<Vec<_>>()
        };
        assert_eq!(times().await, [1], "the first at once");
        store.close_logs().await.unwrap();
        assert_eq!(times().await, [99, 1], "the others when their minute, or the process, is over");
    });
}

#[test]
fn old_lines_go_and_lines_without_room_are_counted() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let line = || LogEntry { operation: "pull".into(), caller: caller(), ..LogEntry::default() };
        store.log(LogEntry { at: Micros(1), ..line() });
        store.log(line());
        let count = async || store.log_rows(&LogFilter::default(), 10).await.unwrap().1;
        store.flush_logs().await.unwrap();
        store.trim_logs().await.unwrap();
        assert_eq!(count().await, 1, "the old one is gone");
        for days in [0, -1, 3_651] {
            assert!(matches!(store.set_log_days(days, &caller()).await, Err(Error::Invalid { field: "days", .. })));
        }
        store.set_log_days(7, &caller()).await.unwrap();
        assert_eq!(store.log_days().await.unwrap(), 7);
        for _ in 0..20_010 {
            store.log(line());
        }
        store.flush_logs().await.unwrap();
        let lost = store.lost_log_lines().await.unwrap();
        assert_eq!(count().await as i64 + lost, 20_011, "each is there or counted");
    });
}
