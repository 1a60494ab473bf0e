//! Disable rules: intervals, all or none, conflicts, a thousand at once.

use super::on_every_engine;
use crate::{AuditFilter, Caller, Error, RuleChange, RuleRow, Store};
use model::Micros;
use model::role::Scope;
use model::rule::{Criteria, Reason, Rule};
use uuid::Uuid;

fn by(actor: &str) -> Caller {
    Caller { actor: actor.into(), ..Caller::default() }
}

pub(super) fn rule(name: &str) -> Rule {
    Rule {
        name: name.into(),
        scope: Scope::parse("/guid/local").unwrap(),
        criteria: Criteria { finding_ids: vec!["CVE-2024-1".into()], cvss_below: Some(65), ..Criteria::default() },
        reason: Reason::NotReachable,
        justification: "not linked".into(),
        owner: "payments".into(),
        ticket: "SEC-1".into(),
        expires: Micros::FOREVER,
        paused: false,
        overrides: None,
    }
}

async fn create(store: &Store, rule: Rule) -> RuleRow {
    let made = RuleChange::Create { uid: Uuid::new_v4(), rule };
    store.change_rules(&[made], "", &by("ada")).await.unwrap().remove(0)
}

async fn audit(store: &Store) -> Vec<String> {
    let (rows, _) = store.audit(&AuditFilter::default(), 100).await.unwrap();
    rows.into_iter().map(|row| format!("{} {} {} {}", row.actor, row.action, row.object, row.scope)).collect()
}

#[test]
fn a_change_closes_a_row_and_opens_another_of_the_same_rule() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let before = store.snapshot().await.unwrap().revision;
        let first = create(store, rule("a")).await;
        assert_eq!(store.rules().await.unwrap(), std::slice::from_ref(&first), "it is read back as written");
        let changed = Rule { paused: true, ..rule("b") };
        let change = RuleChange::Change { uid: first.uid, rule: changed.clone(), seen: Some(first.id) };
        let second = store.change_rules(&[change], "", &by("bob")).await.unwrap().remove(0);
        assert_eq!((second.uid, second.rule.clone()), (first.uid, changed));
        let history = store.rule_history(first.uid).await.unwrap();
        assert_eq!(history[0], second);
        assert_eq!((history[1].until, history[1].ended_by.as_str()), (second.since, "bob"), "no gap between them");
        let facts = store.changes(before).await.unwrap().unwrap().rows.rules;
        assert_eq!(
            facts.iter().map(|f| (f.uid, f.name.as_str())).collect::<Vec<_>>(),
            [(first.uid, "a"), (first.uid, "b")]
        );
        assert_eq!(store.snapshot().await.unwrap().rules, facts, "changes and snapshot agree");
        let delete = RuleChange::Delete { uid: first.uid, seen: None };
        assert_eq!(store.change_rules(&[delete], "", &by("eve")).await.unwrap(), []);
        assert_eq!(store.rules().await.unwrap(), []);
        assert_eq!(store.rule_history(first.uid).await.unwrap()[0].ended_by, "eve", "its history stays");
        let lines = ["eve rule.delete b /guid/local", "bob rule.pause b /guid/local", "ada rule.create a /guid/local"];
        assert_eq!(audit(store).await, lines);
    });
}

#[test]
fn changes_are_done_together_or_not_at_all() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let first = create(store, rule("a")).await;
        let (before, lines) = (store.snapshot().await.unwrap(), audit(store).await);
        let new = |name: &str| RuleChange::Create { uid: Uuid::new_v4(), rule: rule(name) };
        let change = |rule: Rule, seen: i64| RuleChange::Change { uid: first.uid, rule, seen: Some(seen) };
        let moved = Rule { scope: Scope::parse("/guid").unwrap(), ..rule("a") };
        let stray = Rule { overrides: Some(Uuid::new_v4()), ..rule("c") };
        for (last, why) in [
            (new("a"), "the name is taken in this scope"),
            (new("b"), "the name was taken by this batch"),
            (change(rule("c"), first.id + 1), "somebody else changed it"),
            (change(moved, first.id), "a rule stays in its scope"),
            (RuleChange::Delete { uid: Uuid::new_v4(), seen: None }, "there is no such rule"),
            (RuleChange::Create { uid: Uuid::new_v4(), rule: stray }, "it overrides no rule"),
        ] {
            let done = store.change_rules(&[new("b"), last], "", &by("ada")).await;
            assert!(matches!(done, Err(Error::Conflict(_) | Error::NotFound { .. })), "{why}");
        }
        let after = store.snapshot().await.unwrap();
        assert_eq!((after.revision, after.rules), (before.revision, before.rules), "nothing was done");
        assert_eq!(audit(store).await, lines);
        let freed = [RuleChange::Delete { uid: first.uid, seen: None }, new("a")];
        assert_eq!(store.change_rules(&freed, "", &by("ada")).await.unwrap().len(), 1, "a name that was freed is free");
        let elsewhere = Rule { scope: Scope::ALL, ..rule("a") };
        create(store, elsewhere).await; // the same name in another scope
    });
}

#[test]
fn of_two_that_make_the_same_rule_at_once_one_is_told() {
    on_every_engine(|fresh| async move {
        let both = (0..2).map(|_| {
            let store = fresh.store.clone();
            let made = [RuleChange::Create { uid: Uuid::new_v4(), rule: rule("a") }];
            tokio::spawn(async move { store.change_rules(&made, "", &by("ada")).await.is_ok() })
        });
        let good =
            futures_util::future::join_all(both).await.into_iter().filter(|done| *done.as_ref().unwrap()).count();
        assert_eq!((good, fresh.store.rules().await.unwrap().len()), (1, 1));
        let keyed = Caller { key: "k".into(), ..by("ada") };
        let made = |name: &str| [RuleChange::Create { uid: Uuid::new_v4(), rule: rule(name) }];
        fresh.store.change_rules(&made("b"), "", &keyed).await.unwrap();
        let again = fresh.store.change_rules(&made("c"), "", &keyed).await;
        assert!(matches!(again, Err(Error::Repeated)), "a request that is sent twice is done once");
    });
}

#[test]
fn a_thousand_rules_are_made_and_ended_at_once() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let many: Vec<RuleChange> =
            (0..1_000).map(|n| RuleChange::Create { uid: Uuid::new_v4(), rule: rule(&format!("rule {n}")) }).collect();
        let began = std::time::Instant::now();
        let rows = store.change_rules(&many, "apply", &by("ada")).await.unwrap();
        println!("1,000 rules made in {:?}", began.elapsed());
        assert_eq!(rows.len(), 1_000);
        assert!(
            rows.iter().zip(&many).all(|(row, made)| matches!(made, RuleChange::Create { uid, .. } if *uid == row.uid))
        );
        assert_eq!(store.snapshot().await.unwrap().rules.len(), 1_000);
        assert_eq!(store.verify_audit(0).await.unwrap().0.broken, None);
        let end: Vec<RuleChange> =
            rows.iter().map(|row| RuleChange::Delete { uid: row.uid, seen: Some(row.id) }).collect();
        store.change_rules(&end, "apply", &by("ada")).await.unwrap();
        assert_eq!(store.rules().await.unwrap(), []);
    });
}

#[test]
fn rules_that_end_soon_are_found_by_the_moment() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        for (name, expires, paused) in
            [("soon", 200, false), ("late", 400, false), ("paused", 200, true), ("over", 100, false)]
        {
            create(store, Rule { expires: Micros(expires), paused, ..rule(name) }).await;
        }
        let names = |after: i64, until: i64| async move {
            let rows = store.rules_expiring(Micros(after), Micros(until)).await.unwrap();
            rows.into_iter().map(|row| row.rule.name).collect::<Vec<_>>()
        };
        assert_eq!(names(100, 200).await, ["soon"], "the end is included, the beginning is not");
        assert_eq!(names(0, 400).await, ["over", "soon", "late"]);
        assert_eq!(names(200, 399).await, Vec::<String>::new());
    });
}
