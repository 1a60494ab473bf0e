//! The scope tree, plans, what they do to images and jobs, usage.

use super::results::{assessment, inventory, package};
use super::{Fresh, caller, on_every_engine};
use crate::{
    Error, NewPlan, NewRegistry, NewSubscription, NewToken, PlanNode, PlanPreview, RegistryChange, SubscriptionChange,
    UsageAfter, UsageFilter, UsageWithin,
};
use model::Micros;
use model::facts::{Id, ImageFact};
use model::role::{Grant, Role, Scope};
use model::verdict::{Coverage, Work};

const ON: NewPlan = NewPlan { standard: true, enforce: None };
const OFF: NewPlan = NewPlan { standard: false, enforce: None };
const DAY: i64 = 86_400_000_000;

impl Fresh {
    pub(super) async fn subscription(&self, name: &str, standard: bool) -> crate::Subscription {
        let new = NewSubscription { name: name.into(), standard, ..NewSubscription::default() };
        self.store.make_subscription(&new, &caller()).await.unwrap()
    }

    pub(super) async fn second_registry(&self, subscription: Id, name: &str) -> crate::Registry {
        let (resource_group, host) = ("prod".into(), format!("{name}.example"));
        let new = NewRegistry { subscription, resource_group, name: name.into(), host };
        self.store.make_registry(&new, &caller()).await.unwrap()
    }

    /// Pushes an image to a registry.
    async fn push_to(&self, registry: Id, tag: &str, seed: &str) -> crate::PutOutcome {
        let mut manifest = self.image("app", tag, seed).await;
        manifest.registry = registry;
        if registry != self.registry().await {
            for blob in [format!("config {seed}"), format!("layer {seed}")] {
                let id = self.store.begin_upload(registry, "app", "admin").await.unwrap();
                let mut upload = self.store.upload(id, registry, "app", "admin").await.unwrap();
                upload.append(bytes::Bytes::from(blob.clone())).await.unwrap();
                upload.finish(&model::Digest::sha256(blob.as_bytes())).await.unwrap();
            }
        }
        self.store.put_manifest(manifest).await.unwrap()
    }

    /// Judges whatever waits; returns how many images.
    pub(super) async fn judge_all(&self) -> usize {
        let mut judged = 0;
        while let Some(job) = self.store.claim("w").await.unwrap() {
            let held = inventory(&[package("zlib", "1")]);
            let found = [(package("zlib", "1"), Vec::new())];
            self.store.record(&assessment(&job, &held, &found, 0)).await.unwrap();
            judged += 1;
        }
        judged
    }

    pub(super) async fn image_of(&self, id: Id) -> ImageFact {
        self.store.snapshot().await.unwrap().images.into_iter().find(|image| image.id == id).unwrap()
    }

    async fn metered(&self) -> u64 {
        let days = self.store.usage_days(&ever()).await.unwrap();
        days.iter().map(|day| day.images).sum()
    }

    async fn node(&self) -> PlanNode {
        PlanNode::Subscription(self.store.registry("local").await.unwrap().unwrap().subscription)
    }
}

fn ever() -> UsageFilter {
    UsageFilter { until: Micros::FOREVER, ..UsageFilter::default() }
}

#[test]
fn with_the_plan_off_pushes_are_taken_and_nothing_is_scanned_or_metered() {
    on_every_engine(|fresh| async move {
        let (store, node) = (&fresh.store, fresh.node().await);
        let judged = fresh.push_image("app", "v1", "a").await.image;
        assert_eq!(fresh.judge_all().await, 1);
        let waiting = fresh.push_image("app", "v2", "b").await.image;
        let begun = store.claim("w").await.unwrap().unwrap();
        fresh.push_image("app", "v3", "c").await;

        let settled = store.set_plan(node, OFF, &caller()).await.unwrap();
        assert_eq!((settled.opened, settled.closed, settled.queued), (0, 3, 0));
        assert!(store.claim("w").await.unwrap().is_none(), "what waited is cancelled");
        assert!(!store.heartbeat(&begun).await.unwrap(), "what was begun is stopped");
        let held = inventory(&[package("zlib", "1")]);
        let late = store.record(&assessment(&begun, &held, &[(package("zlib", "1"), Vec::new())], 0)).await;
        assert!(matches!(late, Err(Error::LeaseLost(_))), "its result is refused");
        let pushed = fresh.push_image("app", "v4", "d").await;
        assert_eq!(pushed.job, None);
        for image in [judged, waiting, pushed.image] {
            let image = fresh.image_of(image).await;
            assert_eq!((image.coverage, image.work), (Coverage::PlanOff, Work::Idle));
        }
        assert_eq!(fresh.metered().await, 1, "the one that was judged in time");
        store.recheck(0, &[crate::Recheck::All]).await.unwrap();
        assert_eq!(store.queue_rechecks(0).await.unwrap(), 0, "feeds that cover more are no reason either");
        assert_eq!(store.set_plan(node, OFF, &caller()).await.unwrap().closed, 0, "it is off already");

        let preview = store.plan_preview(node).await.unwrap();
        assert_eq!(preview, PlanPreview { images: 4, in_window: 4, to_meter: 3 });
        let settled = store.set_plan(node, ON, &caller()).await.unwrap();
        assert_eq!((settled.opened, settled.queued, settled.metered), (4, 4, 0));
        assert_eq!(fresh.image_of(waiting).await.work, Work::Queued);
        assert_eq!(fresh.judge_all().await, 4);
        assert_eq!(fresh.metered().await, 4, "as the preview said: three more");
        assert_eq!(store.plan_preview(node).await.unwrap().to_meter, 0);
    });
}

#[test]
fn only_images_of_the_window_are_taken_in_and_the_window_is_a_setting() {
    on_every_engine(|fresh| async move {
        let (store, node) = (&fresh.store, fresh.node().await);
        let PlanNode::Subscription(subscription) = node else { panic!("a subscription") };
        store.set_plan(node, OFF, &caller()).await.unwrap();
        let (old, new) =
            (fresh.push_image("app", "v1", "a").await.image, fresh.push_image("app", "v2", "b").await.image);
        let now = store.snapshot().await.unwrap().presences.iter().map(|p| p.last_push.0).max().unwrap();
        fresh.age(old, now - 31 * DAY).await;
        fresh.age(new, now - 29 * DAY).await;
        let preview = store.plan_preview(node).await.unwrap();
        assert_eq!(preview, PlanPreview { images: 2, in_window: 1, to_meter: 1 });
        assert_eq!(store.set_plan(node, ON, &caller()).await.unwrap().queued, 1);
        assert_eq!(fresh.image_of(old).await.coverage, Coverage::OutsideWindow);
        assert_eq!(fresh.judge_all().await, 1);

        let days = |n| SubscriptionChange { window_days: Some(n), ..SubscriptionChange::default() };
        for (n, want) in [(0, false), (3_651, false), (90, true)] {
            assert_eq!(store.change_subscription(subscription, &days(n), &caller()).await.is_ok(), want, "{n} days");
        }
        assert_eq!(fresh.judge_all().await, 1, "the wider window takes the older one in");
        store.change_subscription(subscription, &days(7), &caller()).await.unwrap();
        assert_eq!(fresh.image_of(new).await.coverage, Coverage::OutsideWindow);
        let manifest = store.manifest(fresh.registry().await, "app", "v2").await.unwrap().unwrap();
        store.record_pull(fresh.registry().await, "app", "v2", &manifest, &caller()).await.unwrap();
        assert_eq!(fresh.image_of(new).await.coverage, Coverage::InWindow, "somebody uses it");
        assert_eq!(store.close_window(Micros(i64::MAX / 2)).await.unwrap(), 1, "a clock that moved");
    });
}

impl Fresh {
    /// Makes the last push of an image happen at a moment.
    async fn age(&self, image: Id, at: i64) {
        let mut tx = self.store.engine().begin().await.unwrap();
        let sql = "UPDATE repository_image SET last_push = $2 WHERE image = $1";
        tx.run(sql, crate::engine::values![image, at]).await.unwrap();
        tx.commit().await.unwrap();
    }
}

#[test]
fn a_registry_may_differ_from_its_subscription_unless_that_enforces_its_plan() {
    on_every_engine(|fresh| async move {
        let (store, node) = (&fresh.store, fresh.node().await);
        let local = fresh.registry().await;
        let own = PlanNode::Registry(local);
        store.set_plan(own, OFF, &caller()).await.unwrap();
        assert!(!store.is_scanned(local).await.unwrap());
        assert_eq!(fresh.push_image("app", "v1", "a").await.job, None);
        let enforced = NewPlan { standard: true, enforce: Some(true) };
        assert_eq!(store.set_plan(node, enforced, &caller()).await.unwrap().queued, 1);
        assert!(store.is_scanned(local).await.unwrap(), "the difference is kept, and means nothing");
        let refused = store.set_plan(own, ON, &caller()).await.unwrap_err();
        assert!(refused.to_string().contains("enforces its plan"), "{refused}");
        let wrong = store.set_plan(own, enforced, &caller()).await.unwrap_err();
        assert!(matches!(wrong, Error::Invalid { field: "enforce", .. }));
        let lifted = NewPlan { standard: true, enforce: Some(false) };
        store.set_plan(node, lifted, &caller()).await.unwrap();
        assert!(!store.is_scanned(local).await.unwrap(), "now it differs again");
        store.drop_plan(local, &caller()).await.unwrap();
        assert!(store.is_scanned(local).await.unwrap());
        assert!(matches!(store.drop_plan(local, &caller()).await, Err(Error::NotFound { .. })));
        // What the rows say at every moment is what the store did.
        let facts = store.snapshot().await.unwrap();
        let registry = &facts.registries[0];
        let guid = facts.subscriptions[0].guid.clone();
        let of = |path: String| facts.plans.iter().filter(|p| p.scope.to_path() == path).collect::<Vec<_>>();
        let spans = model::plan::spans(&of(format!("/{guid}/{}", registry.name)), &of(format!("/{guid}")));
        assert_eq!(spans.iter().map(|s| s.standard).collect::<Vec<_>>(), [false, true, false, true, false, true]);
    });
}

#[test]
fn a_digest_counts_once_for_each_subscription_with_the_list_behind_the_number() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let other = fresh.subscription("other", true).await;
        let second = fresh.second_registry(other.id, "second").await;
        fresh.push_image("app", "v1", "a").await;
        fresh.push_image("team/app", "v1", "a").await;
        fresh.push_image("app", "v2", "b").await;
        fresh.judge_all().await;
        assert_eq!(fresh.metered().await, 2, "the same digest in two repositories counts once");
        fresh.push_to(second.id, "v1", "a").await;
        assert_eq!(fresh.metered().await, 3, "and once for another subscription, though it was judged already");
        fresh.push_to(second.id, "again", "a").await;
        assert_eq!(fresh.metered().await, 3);

        let (all, total) = store.usage_images(&ever(), None, 100).await.unwrap();
        assert_eq!((all.len(), total), (3, 3));
        let mut paged = Vec::new();
        let mut after: Option<UsageAfter> = None;
        loop {
            let (rows, total) = store.usage_images(&ever(), after.as_ref(), 1).await.unwrap();
            let Some(row) = rows.into_iter().next() else { break };
            assert_eq!(total, 3);
            let (at, subscription, digest) = (row.at, row.subscription.clone(), row.digest.clone());
            after = Some(UsageAfter { at, subscription, digest });
            paged.push(row);
        }
        assert_eq!(paged, all, "page by page");
        let local = fresh.registry().await;
        let within = |within| UsageFilter { within: Some(within), ..ever() };
        for (filter, want, why) in [
            (UsageFilter { subscription: Some(other.id), ..ever() }, 1, "one subscription"),
            (
                within(UsageWithin { subscriptions: vec![other.id], ..UsageWithin::default() }),
                1,
                "seen by subscription",
            ),
            (within(UsageWithin { registries: vec![local], ..UsageWithin::default() }), 2, "seen by registry"),
            (within(UsageWithin::default()), 0, "nothing is seen"),
            (UsageFilter { until: all[0].at, ..ever() }, 2, "before the last one"),
            (UsageFilter { since: Micros(all[0].at.0 + 1), ..ever() }, 0, "after the last one"),
        ] {
            let (rows, total) = store.usage_images(&filter, None, 100).await.unwrap();
            let counted: u64 = store.usage_days(&filter).await.unwrap().iter().map(|day| day.images).sum();
            assert_eq!((rows.len() as u64, total, counted), (want, want, want), "{why}");
        }
    });
}

#[test]
fn switching_on_meters_what_was_judged_for_another_subscription() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let other = fresh.subscription("other", false).await;
        let second = fresh.second_registry(other.id, "second").await;
        fresh.push_image("app", "v1", "a").await;
        fresh.judge_all().await;
        fresh.push_to(second.id, "v1", "a").await;
        assert_eq!(fresh.metered().await, 1, "the plan is off there");
        let node = PlanNode::Subscription(other.id);
        assert_eq!(store.plan_preview(node).await.unwrap().to_meter, 1);
        let settled = store.set_plan(node, ON, &caller()).await.unwrap();
        assert_eq!((settled.queued, settled.metered), (0, 1));
        assert_eq!(fresh.metered().await, 2);
    });
}

#[test]
fn what_was_granted_or_planned_for_a_registry_stays_its_own_when_it_is_renamed_or_moved() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let (first, other) = (fresh.subscription("first", true).await, fresh.subscription("other", false).await);
        let registry = fresh.second_registry(first.id, "second").await;
        let image = fresh.push_to(registry.id, "v1", "a").await.image;
        assert_eq!(fresh.judge_all().await, 1);
        let robot = store.make_principal("robot", "robot", "", &super::caller()).await.unwrap();
        let place = |path: String| Grant { role: Role::AcrPull, scope: Scope::parse(&path).unwrap() };
        for path in
            [format!("/{}/second", first.guid), format!("/{}/second/app", first.guid), format!("/{}", first.guid)]
        {
            store.grant(robot, &place(path), &super::caller()).await.unwrap();
        }
        let host = Some("renamed.example".into());
        let change = RegistryChange { name: Some("renamed".into()), host, ..RegistryChange::default() };
        store.change_registry(registry.id, &change, &caller()).await.unwrap();
        let change = RegistryChange { subscription: Some(other.id), ..RegistryChange::default() };
        let moved = store.change_registry(registry.id, &change, &caller()).await.unwrap();
        assert_eq!((moved.name.as_str(), moved.subscription_guid.as_str()), ("renamed", other.guid.as_str()));
        let grants = store.principal(robot).await.unwrap().unwrap().grants;
        let mut paths: Vec<String> = grants.iter().map(|grant| grant.scope.to_path()).collect();
        paths.sort();
        let mut want =
            [format!("/{}", first.guid), format!("/{}/renamed", other.guid), format!("/{}/renamed/app", other.guid)];
        want.sort();
        assert_eq!(paths, want);
        // The plan of the new place holds from now on; until now it was the one of the old place.
        assert_eq!(fresh.image_of(image).await.coverage, Coverage::PlanOff);
        let facts = store.snapshot().await.unwrap();
        let of = |path: String| facts.plans.iter().filter(|p| p.scope.to_path() == path).collect::<Vec<_>>();
        let spans = model::plan::spans(&of(format!("/{}/renamed", other.guid)), &of(format!("/{}", other.guid)));
        assert_eq!(spans.iter().map(|s| s.standard).collect::<Vec<_>>(), [false, true, false]);
        let fact = facts.registries.iter().find(|r| r.id == registry.id).unwrap();
        assert_eq!((fact.key.as_str(), fact.name.as_str()), ("second", "renamed"));

        let again = fresh.second_registry(first.id, "second").await;
        let facts = store.snapshot().await.unwrap();
        let key = &facts.registries.iter().find(|r| r.id == again.id).unwrap().key;
        assert!(key.starts_with("second~"), "no two registries ever share a key: {key}");
    });
}

#[test]
fn names_and_hosts_are_checked_and_unique() {
    on_every_engine(|fresh| async move {
        let (store, by) = (&fresh.store, caller());
        let other = fresh.subscription("other", true).await;
        fresh.second_registry(other.id, "second").await;
        let new = |name: &str, group: &str, host: &str| NewRegistry {
            subscription: other.id,
            resource_group: group.into(),
            name: name.into(),
            host: host.into(),
        };
        for (new, want) in [
            (new("UPPER", "g", "a.example"), "name"),
            (new("a/b", "g", "a.example"), "name"),
            (new("", "g", "a.example"), "name"),
            (new("-a", "g", "a.example"), "name"),
            (new("a", "", "a.example"), "resource_group"),
            (new("a", "a/b", "a.example"), "resource_group"),
            (new("a", "g", ""), "host"),
            (new("a", "g", "http://x"), "host"),
            (new("a", "g", "a.example:0"), "host"),
            (new("second", "g", "a.example"), "conflict"),
            (new("a", "g", "SECOND.example"), "conflict"),
        ] {
            let got = match store.make_registry(&new, &by).await {
                Err(Error::Invalid { field, .. }) => field,
                Err(Error::Conflict(_)) => "conflict",
                other => panic!("{new:?}: {other:?}"),
            };
            assert_eq!(got, want, "{new:?}");
        }
        for (guid, name, want) in
            [("x", "y", "guid"), ("", " ", "name"), ("", "OTHER", "conflict"), (&other.guid, "y", "conflict")]
        {
            let new = NewSubscription { guid: guid.into(), name: name.into(), standard: false };
            let got = match store.make_subscription(&new, &by).await {
                Err(Error::Invalid { field, .. }) => field,
                Err(Error::Conflict(_)) => "conflict",
                made => panic!("{made:?}"),
            };
            assert_eq!(got, want, "{guid:?} {name:?}");
        }
    });
}

#[test]
fn a_place_that_moves_or_is_used_counts_for_the_subscription_that_it_is_in() {
    on_every_engine(|fresh| async move {
        let (store, by, local) = (&fresh.store, caller(), fresh.registry().await);
        let [second, third] = [fresh.subscription("two", true).await, fresh.subscription("three", true).await];
        let other = fresh.second_registry(second.id, "second").await;
        fresh.push_to(other.id, "v1", "a").await;
        assert_eq!((fresh.judge_all().await, fresh.metered().await), (1, 1));
        let to = RegistryChange { subscription: Some(third.id), ..RegistryChange::default() };
        store.change_registry(other.id, &to, &by).await.unwrap();
        assert_eq!(fresh.metered().await, 2, "a registry that moved");
        let moved = crate::RepositoryChange { name: Some("moved".into()), registry: Some(local) };
        store.change_repository(other.id, "app", &moved, &by).await.unwrap();
        assert_eq!(fresh.metered().await, 3, "a repository that moved");

        let image = fresh.push_to(other.id, "v2", "b").await.image;
        assert_eq!((fresh.judge_all().await, fresh.metered().await), (1, 4));
        let node = PlanNode::Registry(local);
        store.set_plan(node, OFF, &by).await.unwrap();
        assert_eq!(fresh.push_to(local, "v2", "b").await.image, image);
        let now = store.snapshot().await.unwrap().presences.iter().map(|p| p.last_push.0).max().unwrap();
        let mut tx = store.engine().begin().await.unwrap();
        let sql = "UPDATE repository_image SET last_push = $2 WHERE image = $1 AND repository IN (SELECT id FROM repository WHERE registry = $3)";
        tx.run(sql, crate::engine::values![image, now - 31 * DAY, local]).await.unwrap();
        tx.commit().await.unwrap();
        store.set_plan(node, ON, &by).await.unwrap();
        let manifest = store.manifest(local, "app", "v2").await.unwrap().unwrap();
        let scanner = crate::Caller { scanner: true, ..caller() };
        store.record_pull(local, "app", "v2", &manifest, &scanner).await.unwrap();
        assert_eq!(
            (fresh.image_of(image).await.coverage, fresh.metered().await),
            (Coverage::InWindow, 4),
            "used elsewhere"
        );
        for _ in 0..2 {
            store.record_pull(local, "app", "v2", &manifest, &by).await.unwrap();
            assert_eq!(fresh.metered().await, 5, "one that is judged for another subscription, pulled here");
        }
    });
}

fn assigned(scope: Scope, owner: &str) -> crate::Assignment {
    let (recommendation, owner, actor) = ("end-of-life".into(), owner.into(), "admin".into());
    let none = Micros(0);
    crate::Assignment { recommendation, scope, owner, due: none, note: String::new(), actor, at: none }
}

#[test]
fn groups_that_hold_the_same_do_not_become_one_and_what_is_in_the_way_is_named() {
    on_every_engine(|fresh| async move {
        let (store, by) = (&fresh.store, caller());
        let sub = fresh.subscription("other", true).await;
        let second = fresh.second_registry(sub.id, "second").await;
        let new = NewRegistry {
            subscription: sub.id,
            resource_group: "test".into(),
            name: "third".into(),
            host: "third.example".into(),
        };
        store.make_registry(&new, &by).await.unwrap();
        let group = |name: &str| Scope {
            subscription: Some(sub.guid.clone()),
            resource_group: Some(name.into()),
            ..Scope::ALL
        };
        let robot = store.make_principal("robot", "robot", "", &by).await.unwrap();
        let mut rules = Vec::new();
        for name in ["prod", "test"] {
            let rule = model::rule::Rule { scope: group(name), ..super::rules::rule("noise") };
            let change = crate::RuleChange::Create { uid: uuid::Uuid::new_v4(), rule };
            rules.push(store.change_rules(&[change], "", &by).await.unwrap().remove(0));
            store.grant(robot, &Grant { role: Role::Reader, scope: group(name) }, &by).await.unwrap();
            store.assign(&assigned(group(name), "me"), &by).await.unwrap();
        }
        let refused = async |want: &str| {
            let before = store.snapshot().await.unwrap().revision;
            let error = store.rename_group(sub.id, "prod", "test", &by).await.unwrap_err();
            assert!(matches!(error, Error::Conflict(_)) && error.to_string().contains(want), "{error}");
            assert_eq!(store.snapshot().await.unwrap().revision, before, "nothing was done");
            assert_eq!(store.registry("second").await.unwrap().unwrap().resource_group, second.resource_group);
        };
        refused("noise").await;
        let end = crate::RuleChange::Delete { uid: rules[0].uid, seen: None };
        store.change_rules(&[end], "", &by).await.unwrap();
        refused("end-of-life").await;
        store.assign(&assigned(group("prod"), ""), &by).await.unwrap();
        assert_eq!(store.rename_group(sub.id, "prod", "test", &by).await.unwrap(), 1);
        let grants = store.principal(robot).await.unwrap().unwrap().grants;
        assert_eq!(grants, [Grant { role: Role::Reader, scope: group("test") }], "a role on both is one");
    });
}

#[test]
fn only_what_is_empty_may_go_and_its_name_is_free_again() {
    on_every_engine(|fresh| async move {
        let (store, by) = (&fresh.store, caller());
        let other = fresh.subscription("other", true).await;
        let registry = fresh.second_registry(other.id, "second").await;
        let robot = store.make_principal("robot", "robot", "", &super::caller()).await.unwrap();
        let grant = Grant { role: Role::Owner, scope: registry.scope() };
        store.grant(robot, &grant, &super::caller()).await.unwrap();
        fresh.push_to(registry.id, "v1", "a").await;
        let digest = fresh.image("app", "v1", "a").await.digest;
        let refused = store.drop_registry(registry.id, &by).await.unwrap_err().to_string();
        assert!(refused.contains("holds 1 images"), "{refused}");
        let refused = store.drop_subscription(other.id, &by).await.unwrap_err().to_string();
        assert!(refused.contains("holds second"), "{refused}");
        let local = fresh.registry().await;
        assert!(matches!(store.drop_registry(local, &by).await, Err(Error::Conflict(_))), "it takes every host");
        assert!(store.delete_manifest(registry.id, "app", &digest, &by).await.unwrap());
        store.drop_registry(registry.id, &by).await.unwrap();
        store.drop_subscription(other.id, &by).await.unwrap();
        assert_eq!((store.registries().await.unwrap().len(), store.subscriptions().await.unwrap().len()), (1, 1));
        assert!(store.registry("second").await.unwrap().is_none());
        let other = fresh.subscription("other", true).await;
        let made = fresh.second_registry(other.id, "second").await;
        assert_ne!(made.id, registry.id);
        let grants = store.principal(robot).await.unwrap().unwrap().grants;
        assert!(
            grants.iter().all(|g| !g.scope.holds(&made.scope())),
            "a new node never inherits the grants of an old one"
        );
        let repository = Some("app".into());
        let scope = Scope { resource_group: Some("prod".into()), repository, ..made.scope() };
        let grants = vec![Grant { role: Role::AcrPush, scope }];
        let narrow = NewToken { principal: robot, name: "ci".into(), expires: Micros::FOREVER, grants };
        store.make_token(&narrow, &by).await.unwrap();
        assert_eq!(store.rename_group(other.id, "prod", "test", &by).await.unwrap(), 1);
        let token = store.tokens(Some(robot)).await.unwrap().into_iter().find(|token| token.name == "ci").unwrap();
        assert_eq!(token.grants[0].scope.resource_group.as_deref(), Some("test"), "a token of a repository goes along");
        assert!(store.rename_group(other.id, "prod", "test", &by).await.is_err(), "there is none any more");
        assert_eq!(store.registry("second").await.unwrap().unwrap().resource_group, "test");
    });
}
