//! Passwords, tokens, roles; a newer schema.

use super::on_every_engine;
use crate::engine::values;
use crate::{Credential, Error, NewToken, Store};
use model::Micros;
use model::role::{Grant, Role, Scope};

fn basic(user: &str, password: &str) -> Credential {
    Credential::Basic { user: user.into(), password: password.into() }
}

#[test]
fn only_the_right_password_or_a_living_token_is_somebody() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let made = store.ensure_admin(None).await.unwrap().unwrap();
        assert_eq!(store.ensure_admin(Some("other")).await.unwrap(), None, "only the first time");
        let file = fresh.settings.data.join("admin-password");
        assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), made);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let admin = store.authenticate(&basic("admin", &made), "").await.unwrap();
        assert_eq!(admin.grants, [Grant { role: Role::Owner, scope: Scope::ALL }]);

        let robot = store.make_principal("robot", "robot", "", &super::caller()).await.unwrap();
        let place = Grant { role: Role::AcrPull, scope: Scope::parse("/guid/local").unwrap() };
        store.grant(robot, &place, &super::caller()).await.unwrap();
        let token = NewToken { principal: robot, name: "ci".into(), expires: Micros::FOREVER, grants: Vec::new() };
        let by = super::caller();
        let (id, text) = store.make_token(&token, &by).await.unwrap();
        let (_, expired) = store.make_token(&NewToken { expires: Micros(1), ..token }, &by).await.unwrap();
        assert!(text.starts_with("pw_") && text.len() == 46);
        for good in [Credential::Bearer(text.clone()), basic("robot", &text)] {
            assert_eq!(store.authenticate(&good, "").await.unwrap().grants, std::slice::from_ref(&place));
        }
        for (bad, why) in [
            (basic("admin", "wrong"), "wrong password"),
            (basic("admin", ""), "no password"),
            (basic("nobody", &made), "unknown name"),
            (basic("robot", ""), "a principal without a password has none, not an empty one"),
            (basic("admin", &text), "somebody else's token"),
            (Credential::Bearer(made.clone()), "a password is no token"),
            (Credential::Bearer(expired), "expired"),
            (Credential::Bearer(String::new()), "empty"),
        ] {
            assert!(matches!(store.authenticate(&bad, "").await, Err(Error::WrongCredentials)), "{why}");
        }
        assert_eq!(store.tokens(None).await.unwrap().len(), 1, "expired ones are not listed");
        store.revoke(robot, &place, &super::caller()).await.unwrap();
        assert_eq!(store.authenticate(&Credential::Bearer(text.clone()), "").await.unwrap().grants, []);
        assert!(store.end_token(id, &by).await.unwrap());
        assert!(matches!(store.authenticate(&Credential::Bearer(text), "").await, Err(Error::WrongCredentials)));
    });
}

#[test]
fn data_of_a_newer_program_are_refused_with_a_sentence() {
    on_every_engine(|fresh| async move {
        let mut tx = fresh.store.engine().begin().await.unwrap();
        tx.run("INSERT INTO schema_version (version) VALUES (99)", values![]).await.unwrap();
        tx.commit().await.unwrap();
        let error = Store::open(&fresh.settings).await.unwrap_err();
        assert!(matches!(error, Error::Newer { found: 99, .. }));
        assert!(error.to_string().contains("install the newer program"), "{error}");
    });
}

#[test]
fn what_the_store_knows_survives_a_restart() {
    on_every_engine(|fresh| async move {
        fresh.push_image("app", "v1", "a").await;
        let before = fresh.store.snapshot().await.unwrap();
        let again = Store::open(&fresh.settings).await.unwrap();
        let after = again.snapshot().await.unwrap();
        assert_eq!((before.revision, before.images, before.tags), (after.revision, after.images, after.tags));
        assert_eq!(after.subscriptions, before.subscriptions, "the defaults are made once");
    });
}
