//! Users, roles, sessions, the lock-out, the audit, requests that come twice.

use super::{caller, on_every_engine};
use crate::engine::values;
use crate::{Caller, Credential, Error, ImportOptions, NewImport, NewToken, RegistryChange, Store};
use model::Micros;
use model::role::{Grant, Role, Scope};

const PASSWORD: &str = "correct horse";

fn owner() -> Grant {
    Grant { role: Role::Owner, scope: Scope::ALL }
}

fn basic(user: &str, password: &str) -> Credential {
    Credential::Basic { user: user.into(), password: password.into() }
}

#[test]
fn the_last_owner_of_everything_stays() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        store.ensure_admin(Some(PASSWORD)).await.unwrap();
        let admin = store.principal_named("admin").await.unwrap().unwrap().id;
        let narrow = Grant { role: Role::Owner, scope: Scope::parse("/guid").unwrap() };
        store.grant(admin, &narrow, &caller()).await.unwrap();
        for refused in [store.revoke(admin, &owner(), &caller()).await, store.end_principal(admin, &caller()).await] {
            let why = refused.unwrap_err();
            assert!(matches!(&why, Error::Conflict(text) if text.contains("last owner")), "{why}");
        }
        store.revoke(admin, &narrow, &caller()).await.unwrap();
        let ann = store.make_principal("ann", "user", PASSWORD, &caller()).await.unwrap();
        store.grant(ann, &owner(), &caller()).await.unwrap();
        assert!(matches!(store.grant(ann, &owner(), &caller()).await, Err(Error::Conflict(_))), "twice");
        store.end_principal(admin, &caller()).await.unwrap();
        assert!(matches!(store.authenticate(&basic("admin", PASSWORD), "").await, Err(Error::WrongCredentials)));
        let again = store.make_principal("admin", "user", PASSWORD, &caller()).await;
        assert!(matches!(again, Err(Error::Conflict(_))), "a name is used once");
        assert_eq!(store.ensure_admin(Some(PASSWORD)).await.unwrap(), None, "it is not made anew");
    });
}

#[test]
fn a_change_of_access_holds_at_once_in_every_process() {
    on_every_engine(|fresh| async move {
        let other = Store::open(&fresh.settings).await.unwrap();
        let store = &fresh.store;
        let ann = store.make_principal("ann", "user", PASSWORD, &caller()).await.unwrap();
        let who = other.authenticate(&basic("ann", PASSWORD), "").await.unwrap();
        assert_eq!(who.grants, []);
        store.grant(ann, &owner(), &caller()).await.unwrap();
        assert_eq!(other.authenticate(&basic("ann", PASSWORD), "").await.unwrap().grants, [owner()]);
        let secret = store.begin_session(&who, &caller()).await.unwrap();
        let token = NewToken { principal: ann, name: "t".into(), expires: Micros::FOREVER, grants: Vec::new() };
        let (_, token) = store.make_token(&token, &caller()).await.unwrap();
        assert!(other.session(&secret).await.unwrap().is_some());
        store.set_password(ann, "another battery", "", false, &caller()).await.unwrap();
        assert!(other.session(&secret).await.unwrap().is_none(), "another password ends sessions");
        assert!(
            other.authenticate(&Credential::Bearer(token.clone()), "").await.is_ok(),
            "tokens stay where they shall"
        );
        assert!(matches!(other.authenticate(&basic("ann", PASSWORD), "").await, Err(Error::WrongCredentials)));
        store.ensure_admin(Some(PASSWORD)).await.unwrap();
        store.end_principal(ann, &caller()).await.unwrap();
        let gone = other.authenticate(&Credential::Bearer(token), "").await;
        assert!(matches!(gone, Err(Error::WrongCredentials)), "tokens end with their principal");
    });
}

#[test]
fn another_password_ends_the_tokens_of_its_principal_and_nobody_elses() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let mut tokens = Vec::new();
        for name in ["ann", "ben"] {
            let id = store.make_principal(name, "user", PASSWORD, &caller()).await.unwrap();
            let token = NewToken { principal: id, name: "t".into(), expires: Micros::FOREVER, grants: Vec::new() };
            tokens.push((id, store.make_token(&token, &caller()).await.unwrap().1));
        }
        store.set_password(tokens[0].0, "another battery", "", true, &caller()).await.unwrap();
        for ((_, token), lives) in tokens.into_iter().zip([false, true]) {
            assert_eq!(store.authenticate(&Credential::Bearer(token), "").await.is_ok(), lives);
        }
        let (lines, _) = store.audit(&crate::AuditFilter::default(), 1).await.unwrap();
        assert!(lines[0].after.contains("\"tokens_revoked\":1"), "{}", lines[0].after);
    });
}

#[test]
fn a_token_never_has_more_than_its_principal() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let ann = store.make_principal("ann", "user", PASSWORD, &caller()).await.unwrap();
        let reader = |path: &str| Grant { role: Role::Reader, scope: Scope::parse(path).unwrap() };
        store.grant(ann, &reader("/guid"), &caller()).await.unwrap();
        let grants = vec![reader("/guid/local"), owner()];
        let token = NewToken { principal: ann, name: "t".into(), expires: Micros::FOREVER, grants };
        let (_, text) = store.make_token(&token, &caller()).await.unwrap();
        let who = store.authenticate(&Credential::Bearer(text.clone()), "").await.unwrap();
        assert_eq!((who.grants, who.limited), (vec![reader("/guid/local"), reader("/guid")], true));
        store.revoke(ann, &reader("/guid"), &caller()).await.unwrap();
        assert_eq!(store.authenticate(&Credential::Bearer(text), "").await.unwrap().grants, []);
    });
}

#[test]
fn what_was_begun_with_a_token_ends_with_it() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let ann = store.make_principal("ann", "user", PASSWORD, &caller()).await.unwrap();
        let bob = store.make_principal("bob", "user", PASSWORD, &caller()).await.unwrap();
        let push = |path: &str| Grant { role: Role::AcrPush, scope: Scope::parse(path).unwrap() };
        store.grant(ann, &push("/guid"), &caller()).await.unwrap();
        let narrow = vec![push("/guid/local/app")];
        let new = |name: &str| NewToken {
            principal: ann,
            name: name.into(),
            expires: Micros::FOREVER,
            grants: narrow.clone(),
        };
        let (revoked, text) = store.make_token(&new("revoked"), &caller()).await.unwrap();
        let (expired, _) = store.make_token(&new("expired"), &caller()).await.unwrap();
        assert_eq!(store.authenticate(&Credential::Bearer(text), "").await.unwrap().token, Some(revoked));
        assert_eq!(store.authenticate(&basic("ann", PASSWORD), "").await.unwrap().token, None);
        assert_eq!(store.holder(ann, None).await.unwrap().unwrap().grants, [push("/guid")], "all roles");
        for id in [revoked, expired] {
            let holder = store.holder(ann, Some(id)).await.unwrap().unwrap();
            assert_eq!((holder.grants, holder.limited, holder.token), (narrow.clone(), true, Some(id)));
        }
        store.end_token(revoked, &caller()).await.unwrap();
        let mut tx = store.engine().begin().await.unwrap();
        tx.run("UPDATE token SET expires = since WHERE id = $1", values![expired]).await.unwrap();
        tx.commit().await.unwrap();
        for (who, token, why) in [
            (ann, revoked, "revoked"),
            (ann, expired, "expired"),
            (bob, revoked, "somebody else's"),
            (ann, 4711, "never there"),
        ] {
            assert_eq!(store.holder(who, Some(token)).await.unwrap(), None, "{why}");
        }
    });
}

#[test]
fn an_import_has_the_rights_that_whoever_asked_has_now_and_the_scope_where_it_is_now() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let registry = store.registry("local").await.unwrap().unwrap();
        let scope = Scope::repository(&registry.subscription_guid, &registry.resource_group, "local", "app");
        // As roles are kept: a path of a registry leaves its group out.
        let push = Grant { role: Role::AcrPush, scope: Scope::parse(&scope.to_path()).unwrap() };
        store.ensure_admin(Some(PASSWORD)).await.unwrap();
        let ann = store.make_principal("ann", "user", PASSWORD, &caller()).await.unwrap();
        store.grant(ann, &push, &caller()).await.unwrap();
        let new = NewToken { principal: ann, name: "t".into(), expires: Micros::FOREVER, grants: vec![push.clone()] };
        let (token, _) = store.make_token(&new, &caller()).await.unwrap();
        let mut imports = Vec::new();
        for (principal, token, grants) in [(ann, None, vec![]), (ann, Some(token), vec![]), (0, None, vec![owner()])] {
            let new = NewImport {
                source: "r.example/app:1".into(),
                registry: registry.id,
                repository: "app".into(),
                tag: "1".into(),
                scope: scope.clone(),
                options: ImportOptions { principal, token, grants, ..ImportOptions::default() },
                login: None,
            };
            imports.push(store.add_import(&new, &caller()).await.unwrap());
        }
        let rights = async || {
            let mut held = Vec::new();
            for id in &imports {
                let import = store.import(*id).await.unwrap().unwrap();
                held.push(store.import_grants(&import).await.unwrap());
            }
            held
        };
        let own = Some(vec![owner()]);
        assert_eq!(rights().await, [Some(vec![push.clone()]), Some(vec![push.clone()]), own.clone()]);
        store.end_token(token, &caller()).await.unwrap();
        assert_eq!(rights().await, [Some(vec![push.clone()]), None, own.clone()], "the token ended");
        store.revoke(ann, &push, &caller()).await.unwrap();
        assert_eq!(rights().await, [Some(vec![]), None, own.clone()], "the role was taken away");
        store.end_principal(ann, &caller()).await.unwrap();
        assert_eq!(rights().await, [None, None, own], "the user is gone");
        let change = RegistryChange { name: Some("renamed".into()), ..RegistryChange::default() };
        store.change_registry(registry.id, &change, &caller()).await.unwrap();
        let import = store.import(imports[0]).await.unwrap().unwrap();
        assert_eq!(import.scope.to_path(), format!("/{}/renamed/app", registry.subscription_guid));
        assert!(store.cancel_import(import.id, &caller()).await.unwrap());
    });
}

#[test]
fn sessions_end_by_themselves() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        store.ensure_admin(Some(PASSWORD)).await.unwrap();
        let admin = store.principal_named("admin").await.unwrap().unwrap();
        for (column, hours, want) in
            [("seen", 11, true), ("seen", 13, false), ("expires", 6 * 24, true), ("expires", 8 * 24, false)]
        {
            let secret = store.begin_session(&admin, &caller()).await.unwrap();
            let mut tx = store.engine().begin().await.unwrap();
            let earlier = format!("UPDATE session SET {column} = {column} - $1");
            tx.run(&earlier, values![hours * 3_600_000_000i64]).await.unwrap();
            tx.commit().await.unwrap();
            let name: String = crate::access::token_hash(&secret).chars().take(16).collect();
            assert_eq!(store.is_still_in(&admin, &name).await.unwrap(), want, "{column} {hours} h ago");
            assert_eq!(store.session(&secret).await.unwrap().is_some(), want, "{column} {hours} h ago");
            store.forget_sessions().await.unwrap();
            assert_eq!(store.sessions(None).await.unwrap().len(), usize::from(want), "{column} {hours} h ago");
            for session in store.sessions(None).await.unwrap() {
                store.end_session(&session.id, &caller()).await.unwrap();
            }
        }
    });
}

#[test]
fn passwords_wait_for_their_turn_and_who_finds_no_seat_is_told_so() {
    on_every_engine(|fresh| async move {
        let store = fresh.store.clone();
        store.ensure_admin(Some(PASSWORD)).await.unwrap();
        let admin = store.principal_named("admin").await.unwrap().unwrap().id;
        let new = NewToken { principal: admin, name: "t".into(), expires: Micros::FOREVER, grants: Vec::new() };
        let (_, token) = store.make_token(&new, &caller()).await.unwrap();
        store.authenticate(&basic("admin", PASSWORD), "").await.unwrap();
        let seats = store.take_every_seat();
        for _ in 0..20 {
            let answer = store.authenticate(&basic("admin", "guess"), "").await;
            assert!(matches!(answer, Err(Error::Busy { .. })), "{answer:?}");
        }
        assert!(matches!(
            store.set_password(admin, "another battery", "", true, &caller()).await,
            Err(Error::Busy { .. })
        ));
        store.authenticate(&basic("admin", PASSWORD), "").await.expect("verified a moment ago");
        store.authenticate(&Credential::Bearer(token), "").await.expect("a token is not hashed");
        drop(seats);
        let answer = store.authenticate(&basic("admin", "guess"), "").await;
        assert!(
            matches!(answer, Err(Error::WrongCredentials)),
            "nothing was counted that was not looked at: {answer:?}"
        );
    });
}

#[test]
fn many_guesses_at_once_are_no_more_than_ten() {
    on_every_engine(|fresh| async move {
        let store = fresh.store.clone();
        store.ensure_admin(Some(PASSWORD)).await.unwrap();
        let mut guesses = tokio::task::JoinSet::new();
        for n in 0..30 {
            let store = store.clone();
            guesses.spawn(async move { store.authenticate(&basic("admin", &format!("guess {n}")), "192.0.2.1").await });
        }
        let (mut looked_at, mut refused) = (0, 0);
        while let Some(answer) = guesses.join_next().await {
            match answer.unwrap() {
                Err(Error::WrongCredentials) => looked_at += 1,
                // 61: whoever closed it may have read the clock a moment later.
                Err(Error::LockedOut { seconds }) if seconds <= 61 => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((looked_at, refused), (10, 20));
        store.authenticate(&basic("admin", PASSWORD), "192.0.2.2").await.unwrap();
        let other = Store::open(&fresh.settings).await.unwrap();
        let closed = other.authenticate(&basic("admin", PASSWORD), "192.0.2.1").await;
        assert!(matches!(closed, Err(Error::LockedOut { .. })), "another process knows");
        // The wait is over; the next wrong one doubles it, the right one ends it.
        for (guess, want) in [("wrong", Some(120)), ("wrong", Some(240)), (PASSWORD, None)] {
            let mut tx = store.engine().begin().await.unwrap();
            tx.run("UPDATE lock_out SET until = 1", values![]).await.unwrap();
            tx.commit().await.unwrap();
            let _ = store.authenticate(&basic("admin", guess), "192.0.2.1").await;
            let locked = store.authenticate(&basic("admin", PASSWORD), "192.0.2.1").await;
            let seconds = match locked {
                Err(Error::LockedOut { seconds }) => Some(seconds.next_multiple_of(60)),
                _ => None,
            };
            assert_eq!(seconds, want, "{guess}");
        }
    });
}

async fn run(store: &Store, sql: &str, id: i64) {
    let mut tx = store.engine().begin().await.unwrap();
    tx.run(sql, values![id]).await.unwrap();
    tx.commit().await.unwrap();
}

#[test]
fn an_audit_that_was_touched_is_found_out() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        store.ensure_admin(Some(PASSWORD)).await.unwrap();
        for n in 0..5 {
            store.make_principal(&format!("user{n}"), "robot", "", &caller()).await.unwrap();
        }
        let (rows, total) = store.audit(&crate::AuditFilter::default(), 100).await.unwrap();
        let (whole, fourth) = store.verify_audit(4).await.unwrap();
        assert_eq!(fourth, rows.get(3).map(|row| row.hash.clone()), "an end that was noted is found again");
        assert_eq!(store.verify_audit_on().await.unwrap(), whole);
        assert_eq!((whole.rows, whole.broken, total), (7, None, 7));
        let third = rows[4].id;
        for (change, undo, want, why) in [
            (
                "UPDATE audit SET actor = 'x' WHERE id = $1",
                "UPDATE audit SET actor = 'admin' WHERE id = $1",
                third,
                "changed",
            ),
            (
                "UPDATE audit SET at = at + 1 WHERE id = $1",
                "UPDATE audit SET at = at - 1 WHERE id = $1",
                third,
                "moved",
            ),
            ("DELETE FROM audit WHERE id > $1 + 1", "SELECT $1", 0, "the end cut off"),
            ("DELETE FROM audit WHERE id = $1", "SELECT $1", third + 1, "taken out"),
        ] {
            run(store, change, third).await;
            assert_eq!(store.verify_audit(0).await.unwrap().0.broken, Some(want), "{why}");
            run(store, undo, third).await;
        }
    });
}

#[test]
fn the_same_request_is_done_once() {
    on_every_engine(|fresh| async move {
        let by = Caller { key: "key".into(), ..caller() };
        fresh.store.make_principal("one", "robot", "", &by).await.unwrap();
        let again = fresh.store.make_principal("two", "robot", "", &by).await;
        assert!(matches!(again, Err(Error::Repeated)));
        assert_eq!(fresh.store.principal_named("two").await.unwrap(), None, "nothing of the second is kept");
        assert_eq!(fresh.store.answer_of("key").await.unwrap().as_deref(), Some(""));
        fresh.store.keep_answer("key", "the answer").await.unwrap();
        assert_eq!(fresh.store.answer_of("key").await.unwrap().as_deref(), Some("the answer"));
    });
}
