//! Channels, notices, the outbox: told once, sent by one, in order.

use super::{caller, on_every_engine};
use crate::engine::values;
use crate::{ChannelSecret, ChannelSpec, Message, MessageState, NewNotice, NoticePosition, Store};
use model::notice::{ChannelKind, Kind};
use model::role::Scope;
use model::{Micros, Severity};

fn spec(name: &str) -> ChannelSpec {
    ChannelSpec {
        name: name.into(),
        kind: ChannelKind::Webhook,
        target: "https://hooks.test/…".into(),
        kinds: vec![Kind::NewFinding, Kind::KnownExploited],
        scope: Scope::ALL,
        severity: Severity::High,
        digest_minutes: 60,
        internal: false,
        paused: false,
    }
}

fn secret() -> ChannelSecret {
    ChannelSecret {
        address: "https://hooks.test/secret-path".into(),
        keys: vec!["whsec_AAAA".into()],
        old_until: Micros(0),
    }
}

fn notice(channel: i64, key: &str, urgent: bool) -> NewNotice {
    let (kind, item) = (Kind::NewFinding, format!("{{\"key\":\"{key}\"}}"));
    let (key, thread) = (key.to_owned(), format!("thread:{key}"));
    NewNotice { channel, kind, key, thread, urgent, digest_minutes: 60, item }
}

fn at(moment: i64) -> NoticePosition {
    NoticePosition { moment: Micros(moment), ..NoticePosition::default() }
}

/// Lets the time come for everything that waits.
async fn hasten(store: &Store) {
    let mut tx = store.engine().begin().await.unwrap();
    tx.run("UPDATE notice SET due = 0 WHERE message = 0", values![]).await.unwrap();
    tx.run("UPDATE outbox SET due = 0", values![]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn claimed(store: &Store) -> Message {
    store.claim_message().await.unwrap().expect("a message whose time has come")
}

#[test]
fn what_is_secret_of_a_channel_is_sealed_and_goes_with_it() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let id = store.add_channel(&spec("ops"), &secret(), &caller()).await.unwrap();
        assert!(store.channel_secret(id).await.unwrap() == secret());
        let rows = store.engine().all("SELECT secret FROM channel", values![]).await.unwrap();
        let kept = rows[0].blob(0).unwrap();
        assert!(!kept.windows(11).any(|w| w == b"secret-path") && !kept.windows(6).any(|w| w == b"whsec_"));
        let other = ChannelSpec { severity: Severity::Low, ..spec("ops 2") };
        store.change_channel(id, &other, None, &caller()).await.unwrap();
        assert!(store.channel_secret(id).await.unwrap() == secret(), "a change of the rest leaves it");
        assert!(store.mute_channel(id, Kind::KnownExploited, &caller()).await.unwrap());
        assert!(!store.mute_channel(id, Kind::KnownExploited, &caller()).await.unwrap(), "once");
        let found = store.channels().await.unwrap();
        assert_eq!(found[0].spec, ChannelSpec { kinds: vec![Kind::NewFinding], ..other });
        store.end_channel(id, &caller()).await.unwrap();
        assert_eq!(store.channels().await.unwrap(), []);
        assert!(store.channel_secret(id).await.is_err());
        let rows = store.engine().all("SELECT secret FROM channel", values![]).await.unwrap();
        assert!(rows[0].blob(0).unwrap().is_empty());
        let (lines, _) = store.audit(&crate::AuditFilter::default(), 10).await.unwrap();
        let shown = format!("{lines:?}");
        assert!(lines.len() == 4 && !shown.contains("secret-path") && !shown.contains("whsec_"), "{shown}");
    });
}

#[test]
fn what_follows_from_the_same_facts_is_written_once() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let id = store.add_channel(&spec("ops"), &secret(), &caller()).await.unwrap();
        assert_eq!(store.notice_position().await.unwrap(), None);
        assert!(store.add_notices(None, &at(10), &[]).await.unwrap());
        assert!(!store.add_notices(None, &at(11), &[notice(id, "a", true)]).await.unwrap(), "another was first");
        assert!(!store.add_notices(Some(&at(9)), &at(11), &[notice(id, "a", true)]).await.unwrap(), "from elsewhere");
        let twice = [notice(id, "a", true), notice(id, "a", true), notice(id, "b", false)];
        assert!(store.add_notices(Some(&at(10)), &at(11), &twice).await.unwrap());
        assert!(!store.add_notices(Some(&at(10)), &at(11), &twice).await.unwrap());
        assert_eq!(store.notice_position().await.unwrap(), Some(at(11)));
        assert!(store.add_notices(Some(&at(11)), &at(12), &[notice(id, "a", true)]).await.unwrap(), "damped");
        let count = async || {
            let rows = store.engine().all("SELECT COUNT(*) FROM notice", values![]).await.unwrap();
            rows[0].int(0).unwrap()
        };
        assert_eq!(count().await, 2);
        let mut tx = store.engine().begin().await.unwrap();
        tx.run("UPDATE told SET at = at - $1", values![86_400_000_000i64]).await.unwrap();
        tx.commit().await.unwrap();
        assert!(store.add_notices(Some(&at(12)), &at(13), &[notice(id, "a", true)]).await.unwrap());
        assert_eq!(count().await, 3, "a day later it is told again");
        assert_eq!(store.open_threads().await.unwrap().len(), 2);
        let end = NewNotice { kind: Kind::Resolved, thread: "thread:a".into(), ..notice(id, "resolved:a", false) };
        assert!(store.add_notices(Some(&at(13)), &at(14), &[end]).await.unwrap());
        let open = store.open_threads().await.unwrap();
        assert_eq!(open.iter().map(|t| t.thread.as_str()).collect::<Vec<_>>(), ["thread:b"]);
    });
}

#[test]
fn urgent_notices_go_at_once_and_the_others_together() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let id = store.add_channel(&spec("ops"), &secret(), &caller()).await.unwrap();
        let all = [notice(id, "slow", false), notice(id, "fast", true)];
        assert!(store.add_notices(None, &at(1), &all).await.unwrap());
        assert_eq!(store.compose().await.unwrap(), 0, "the urgent one is gathered for a moment");
        let mut tx = store.engine().begin().await.unwrap();
        tx.run("UPDATE notice SET due = 0 WHERE urgent = 1", values![]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.compose().await.unwrap(), 1);
        assert_eq!(store.compose().await.unwrap(), 0);
        let urgent = claimed(store).await;
        assert_eq!((urgent.kind.as_str(), urgent.attempt), ("urgent", 1));
        assert_eq!(urgent.body, "{\"items\":[{\"key\":\"fast\"}],\"more\":0}");
        assert!(store.delivered(&urgent, "").await.unwrap());
        let many: Vec<NewNotice> = (0..150).map(|n| notice(id, &format!("n{n}"), false)).collect();
        assert!(store.add_notices(Some(&at(1)), &at(2), &many).await.unwrap());
        hasten(store).await;
        assert_eq!(store.compose().await.unwrap(), 1);
        let digest = claimed(store).await;
        assert!(digest.kind == "digest" && digest.body.ends_with("\"more\":51}"), "151 in one message");
        assert!(store.delivered(&digest, "").await.unwrap());
        assert!(store.claim_message().await.unwrap().is_none());
    });
}

#[test]
fn messages_of_a_channel_go_in_order_and_by_one_sender() {
    on_every_engine(|fresh| async move {
        let (store, other) = (&fresh.store, Store::open(&fresh.settings).await.unwrap());
        let id = store.add_channel(&spec("ops"), &secret(), &caller()).await.unwrap();
        let second = store.add_channel(&spec("second"), &secret(), &caller()).await.unwrap();
        let first = store.test_channel(id, "{\"n\":1}", &caller()).await.unwrap();
        let later = store.test_channel(id, "{\"n\":2}", &caller()).await.unwrap();
        store.test_channel(second, "{\"n\":3}", &caller()).await.unwrap();
        let one = claimed(store).await;
        assert_eq!(one.id, first);
        assert_eq!(claimed(&other).await.channel, second, "a channel that is slow holds up no other");
        assert!(other.claim_message().await.unwrap().is_none(), "the second message waits for the first");
        let again = store.not_delivered(&one, "503", false).await.unwrap();
        assert!(
            again.is_some() && other.claim_message().await.unwrap().is_none(),
            "also while that waits for its time"
        );
        hasten(store).await;
        let one = claimed(&other).await;
        assert_eq!((one.id, one.attempt), (first, 2));
        // A process that hung comes back: its lease is over, and what it says counts for nothing.
        let mut tx = store.engine().begin().await.unwrap();
        tx.run("UPDATE outbox SET leased_until = 0 WHERE id = $1", values![first]).await.unwrap();
        tx.commit().await.unwrap();
        let newer = claimed(store).await;
        assert_eq!((newer.id, &newer.uid), (first, &one.uid), "the same id");
        assert!(!other.delivered(&one, "").await.unwrap());
        assert!(store.delivered(&newer, "").await.unwrap());
        assert_eq!(claimed(store).await.id, later);
    });
}

#[test]
fn a_message_is_given_up_visibly_and_can_be_sent_again() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let id = store.add_channel(&spec("ops"), &secret(), &caller()).await.unwrap();
        store.test_channel(id, "{}", &caller()).await.unwrap();
        for tried in 1..=7 {
            hasten(store).await;
            let message = claimed(store).await;
            assert_eq!(message.attempt, tried);
            let again = store.not_delivered(&message, "the receiver answered 503", false).await.unwrap();
            assert_eq!(again.is_some(), tried < 7, "{tried}");
        }
        let (shown, total) = store.messages(&[id], None, 10).await.unwrap();
        let last = shown.last().unwrap();
        assert_eq!((total, last.state, last.error.as_str()), (1, MessageState::GivenUp, "the receiver answered 503"));
        assert!(store.channel(id).await.unwrap().unwrap().failing.0 > 0);
        store.send_again(last, &caller()).await.unwrap();
        let message = claimed(store).await;
        assert_eq!(message.uid, last.uid);
        assert!(store.delivered(&message, "").await.unwrap());
        assert!(store.send_again(&message, &caller()).await.is_err(), "what was delivered is not sent again");
        assert_eq!(store.channel(id).await.unwrap().unwrap().failing.0, 0);
        store.test_channel(id, "{}", &caller()).await.unwrap();
        let refused = claimed(store).await;
        assert_eq!(store.not_delivered(&refused, "410", true).await.unwrap(), None, "for good at the first try");
        let mut tx = store.engine().begin().await.unwrap();
        tx.run("UPDATE channel SET failing = 1", values![]).await.unwrap();
        tx.commit().await.unwrap();
        store.test_channel(id, "{}", &caller()).await.unwrap();
        let failed = claimed(store).await;
        store.not_delivered(&failed, "503", false).await.unwrap();
        assert!(store.channel(id).await.unwrap().unwrap().spec.paused, "after days of failures it is switched off");
    });
}
