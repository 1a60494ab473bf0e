//! Repositories that are renamed and moved.

use super::{Fresh, caller, on_every_engine};
use crate::{Error, RepositoryChange};
use bytes::Bytes;
use model::facts::RepositoryFact;
use model::role::{Grant, Role, Scope};
use model::verdict::Coverage;
use model::{Digest, Micros};

fn named(name: &str) -> RepositoryChange {
    RepositoryChange { name: Some(name.into()), registry: None }
}

async fn repositories(fresh: &Fresh) -> Vec<RepositoryFact> {
    let mut rows = fresh.store.snapshot().await.unwrap().repositories;
    rows.sort_by_key(|row| row.id);
    rows
}

/// The grants of a robot that has one in each of these places of the registry `local`.
async fn granted(fresh: &Fresh, places: &[&str]) -> i64 {
    let robot = fresh.store.make_principal("robot", "robot", "", &caller()).await.unwrap();
    let local = fresh.store.registry("local").await.unwrap().unwrap();
    for place in places {
        let scope = Scope { repository: Some((*place).into()), ..local.scope() };
        fresh.store.grant(robot, &Grant { role: Role::AcrPull, scope }, &caller()).await.unwrap();
    }
    robot
}

async fn places_of(fresh: &Fresh, robot: i64) -> Vec<String> {
    let grants = fresh.store.principal(robot).await.unwrap().unwrap().grants;
    let mut names: Vec<String> = grants.into_iter().filter_map(|grant| grant.scope.repository).collect();
    names.sort();
    names
}

#[test]
fn a_repository_keeps_images_tags_grants_and_key_whatever_it_is_called() {
    on_every_engine(|fresh| async move {
        let (store, local) = (&fresh.store, fresh.registry().await);
        let image = fresh.push_image("team/app", "v1", "a").await.image;
        fresh.push_image("team/app/api", "v1", "b").await;
        let robot = granted(&fresh, &["team/app", "team/app/api", "team/ap"]).await;
        let before = repositories(&fresh).await;
        let scope = store.change_repository(local, "team/app", &named("web/shop"), &caller()).await.unwrap();
        assert_eq!(scope.repository.as_deref(), Some("web/shop"));
        assert!(store.manifest(local, "team/app", "v1").await.unwrap().is_none(), "nothing has the old name");
        assert_eq!(store.manifest(local, "web/shop", "v1").await.unwrap().map(|m| m.image), Some(image));
        assert!(
            store.manifest(local, "team/app/api", "v1").await.unwrap().is_some(),
            "another one that begins so stays"
        );
        assert_eq!(store.repositories(local, "", 10).await.unwrap(), ["team/app/api", "web/shop"]);
        let layer = Digest::sha256(b"layer a");
        assert!(store.has_blob(local, "web/shop", &layer).await.unwrap().is_some());
        assert_eq!(places_of(&fresh, robot).await, ["team/ap", "team/app/api", "web/shop"]);
        let after = repositories(&fresh).await;
        assert_eq!(
            (after[0].id, after[0].key.as_str(), after[0].name.as_str()),
            (before[0].id, "local/team/app", "web/shop")
        );
        let (audit, _) = store.audit(&crate::AuditFilter::default(), 1).await.unwrap();
        assert_eq!((audit[0].action.as_str(), audit[0].object.as_str()), ("repository.update", "web/shop"));
    });
}

#[test]
fn a_push_that_is_under_way_loses_nothing_that_was_acknowledged() {
    on_every_engine(|fresh| async move {
        let (store, local) = (&fresh.store, fresh.registry().await);
        fresh.push_image("app", "v1", "a").await;
        let next = fresh.image("app", "v2", "b").await; // its blobs are here, its manifest is not
        let upload = store.begin_upload(local, "app", "admin").await.unwrap();
        store.change_repository(local, "app", &named("shop"), &caller()).await.unwrap();
        let mut upload = store.upload(upload, local, "app", "admin").await.unwrap();
        upload.append(Bytes::from_static(b"more")).await.unwrap();
        upload.finish(&Digest::sha256(b"more")).await.unwrap();
        let put = store.put_manifest(next.clone()).await.unwrap();
        assert!(put.created);
        assert_eq!(store.repositories(local, "", 10).await.unwrap(), ["app", "shop"]);
        assert!(store.manifest(local, "shop", "v1").await.unwrap().is_some());
        assert_eq!(store.manifest(local, "app", "v2").await.unwrap().map(|m| m.digest), Some(next.digest));
        assert!(store.manifest(local, "app", "v1").await.unwrap().is_none());
        let keys: Vec<String> = repositories(&fresh).await.into_iter().map(|row| row.key).collect();
        assert_eq!(keys[0], "local/app");
        assert!(keys[1].starts_with("local/app~"), "no two repositories share a key: {keys:?}");
    });
}

#[test]
fn a_place_that_is_taken_is_not_given_and_one_that_is_empty_is() {
    on_every_engine(|fresh| async move {
        let (store, local) = (&fresh.store, fresh.registry().await);
        fresh.push_image("app", "v1", "a").await;
        fresh.push_image("shop", "v1", "b").await;
        let by = caller();
        for (from, to, want) in [
            ("app", named("shop"), "registry local has a repository shop already; delete its images first"),
            ("app", named("No Name"), "name"),
            ("app", named("a~1"), "name"),
            ("none", named("x"), "repository none"),
            ("app", RepositoryChange { name: None, registry: Some(99) }, "registry 99"),
        ] {
            let said = store.change_repository(local, from, &to, &by).await.unwrap_err().to_string();
            assert!(said.contains(want), "{from}: {said}");
        }
        let revision = store.snapshot().await.unwrap().revision;
        store.change_repository(local, "app", &named("app"), &by).await.unwrap();
        assert_eq!(store.snapshot().await.unwrap().revision, revision, "the same place changes nothing");
        let robot = granted(&fresh, &["shop"]).await;
        let digest = store.manifest(local, "shop", "v1").await.unwrap().unwrap().digest;
        assert!(store.delete_manifest(local, "shop", &digest, &by).await.unwrap());
        assert!(matches!(store.change_repository(local, "shop", &named("x"), &by).await, Err(Error::NotFound { .. })));
        store.change_repository(local, "app", &named("shop"), &by).await.unwrap();
        assert_eq!(store.repositories(local, "", 10).await.unwrap(), ["shop"]);
        let past = repositories(&fresh).await.into_iter().find(|row| row.key == "local/shop").unwrap();
        assert_eq!(past.name, format!("shop~{}", past.id), "what was there keeps its past");
        assert_eq!(places_of(&fresh, robot).await, [past.name], "and what was granted there");
    });
}

#[test]
fn what_holds_in_the_registry_that_a_repository_goes_to_holds_for_its_images() {
    on_every_engine(|fresh| async move {
        let (store, local) = (&fresh.store, fresh.registry().await);
        let image = fresh.push_image("app", "v1", "a").await.image;
        fresh.judge_all().await;
        let off = fresh.subscription("off", false).await;
        let second = fresh.second_registry(off.id, "second").await;
        let robot = granted(&fresh, &["app"]).await;
        let change = RepositoryChange { name: Some("shop".into()), registry: Some(second.id) };
        let scope = store.change_repository(local, "app", &change, &caller()).await.unwrap();
        assert_eq!(scope.to_path(), format!("/{}/second/shop", off.guid));
        assert_eq!(fresh.image_of(image).await.coverage, Coverage::PlanOff);
        assert_eq!(store.manifest(second.id, "shop", "v1").await.unwrap().map(|m| m.image), Some(image));
        assert!(store.has_blob(second.id, "shop", &Digest::sha256(b"config a")).await.unwrap().is_some());
        let grants = store.principal(robot).await.unwrap().unwrap().grants;
        assert_eq!(grants[0].scope, scope);
        let here = |row: &&RepositoryFact| row.registry == second.id && row.name == "shop";
        assert_eq!(repositories(&fresh).await.iter().find(here).unwrap().key, "local/app");
        let back = RepositoryChange { name: None, registry: Some(local) };
        store.change_repository(second.id, "shop", &back, &caller()).await.unwrap();
        let found = fresh.image_of(image).await;
        assert_eq!(found.coverage, Coverage::InWindow, "the plan is on there");
        assert!(store.snapshot().await.unwrap().presences.iter().all(|p| p.until == Micros::FOREVER));
    });
}

#[test]
fn a_repository_that_comes_to_where_the_plan_is_off_is_seen_as_it_came_wherever_it_goes_on_to() {
    on_every_engine(|fresh| async move {
        let (store, local, by) = (&fresh.store, fresh.registry().await, caller());
        let off = fresh.subscription("off", false).await;
        let [second, third] =
            [fresh.second_registry(off.id, "second").await.id, fresh.second_registry(off.id, "third").await.id];
        fresh.push_image("app", "v1", "a").await;
        let row = async || repositories(&fresh).await.remove(0);
        assert_eq!((row().await.moved, row().await.seen), (Micros(0), Micros(0)), "it was always there");
        let to = |registry| RepositoryChange { name: None, registry: Some(registry) };
        store.change_repository(local, "app", &to(second), &by).await.unwrap();
        let came = row().await;
        assert!(came.moved.0 > 0 && came.seen == came.moved, "the plan was on until then: {came:?}");
        store.change_repository(second, "app", &to(third), &by).await.unwrap();
        let went = row().await;
        assert!(went.moved > came.moved && went.seen == came.seen, "it was off already: {went:?}");
        store.change_repository(third, "app", &named("shop"), &by).await.unwrap();
        assert_eq!((row().await.moved, row().await.seen), (went.moved, went.seen), "a name is no place");
    });
}
