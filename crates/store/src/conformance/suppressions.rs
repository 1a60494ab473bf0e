//! Suppressions of posture rules.

use super::{caller, on_every_engine};
use crate::{NewSuppression, RegistryChange};
use model::Micros;

#[test]
fn a_suppression_follows_its_registry_and_ends_once() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let local = store.registry("local").await.unwrap().unwrap();
        let what = NewSuppression {
            rule: "Azure.ACR.Firewall".into(),
            scope: local.scope(),
            reason: "behind the gateway".into(),
            expires: Micros::FOREVER,
        };
        let id = store.make_suppression(&what, &caller()).await.unwrap();
        let change = RegistryChange { name: Some("front".into()), ..RegistryChange::default() };
        store.change_registry(local.id, &change, &caller()).await.unwrap();
        let front = store.registry("front").await.unwrap().unwrap().scope();
        let all = store.suppressions().await.unwrap();
        let one = all.first().unwrap();
        assert_eq!((one.id, one.what.scope.to_path()), (id, front.to_path()), "it was renamed with it");
        let (rule, at) = ("Azure.ACR.Firewall", Micros(one.since.0 + 1));
        assert!(one.holds(rule, &front, at) && !one.holds("Azure.ACR.AdminUser", &front, at));
        assert!(!one.holds(rule, &local.scope(), at) && !one.holds(rule, &front, Micros(one.since.0 - 1)));
        assert!(store.end_suppression(id, &caller()).await.unwrap());
        assert!(!store.end_suppression(id, &caller()).await.unwrap(), "it was ended already");
        assert!(store.suppressions().await.unwrap().is_empty());
    });
}
