//! The scope tree, plans and usage: by REST, by role, and the index beside the facts whatever happens to the tree.

use crate::fleet::{Answer, Fleet, PASSWORD, known, now, package};
use bytes::Bytes;
use http::Method;
use model::facts::{Id, Snapshot};
use model::finding::finding_id;
use model::inventory::{Inventory, Placed};
use model::role::{Grant, Role, Scope};
use model::verdict::{Coverage, Verdict};
use model::{Digest, Micros, Severity};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::{
    Assessment, Caller, Class, Descriptor, ManifestKind, NewManifest, NewPlan, NewRegistry, NewSubscription, PlanNode,
    RegistryChange, RepositoryChange, SubscriptionChange,
};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

impl Fleet {
    async fn sends(&self, user: &str, method: Method, path: &str, body: &Value) -> Answer {
        self.send_as(user, method, &format!("/api/v1{path}"), &body.to_string(), &JSON).await
    }

    /// Makes a user with a role in a scope that is named by its path.
    async fn holder(&self, name: &str, role: Role, path: &str) {
        let id = self.store.make_principal(name, "user", PASSWORD, &store::Caller::default()).await.unwrap();
        self.store
            .grant(id, &Grant { role, scope: Scope::parse(path).unwrap() }, &store::Caller::default())
            .await
            .unwrap();
    }

    /// Pushes an image of one layer to any registry, where everything lies that it needs.
    async fn push(&self, registry: Id, repository: &str, seed: u64) {
        let (config, layer) = (format!("{{\"seed\":{seed}}}"), format!("layer {seed}"));
        let mut blobs = Vec::new();
        for bytes in [config.as_bytes(), layer.as_bytes()] {
            let id = self.store.begin_upload(registry, repository, "admin").await.unwrap();
            let mut upload = self.store.upload(id, registry, repository, "admin").await.unwrap();
            upload.append(Bytes::copy_from_slice(bytes)).await.unwrap();
            let digest = upload.finish(&Digest::sha256(bytes)).await.unwrap();
            let media_type = "application/octet-stream".into();
            blobs.push(Descriptor { digest, bytes: 10, media_type, foreign: false });
        }
        let kind = ManifestKind::Image {
            config: blobs[0].clone(),
            layers: vec![blobs[1].clone()],
            platform: "linux/amd64".into(),
        };
        let bytes = Bytes::from(format!("manifest {seed}"));
        let manifest = NewManifest {
            registry,
            repository: repository.into(),
            tags: vec!["v1".into()],
            digest: Digest::sha256(&bytes),
            media_type: "application/vnd.oci.image.manifest.v1+json".into(),
            bytes,
            kind,
            subject: None,
            artifact_type: String::new(),
            annotations: "{}".into(),
            class: Class::Push,
            caller: Caller::default(),
        };
        self.store.put_manifest(manifest).await.unwrap();
    }

    /// Judges whatever waits: every image has one finding.
    async fn judge(&self) {
        while let Some(job) = self.store.claim("test").await.unwrap() {
            let key = package("zlib1g", "1");
            let (found, fact) = known("CVE-2026-0001", Severity::High, "2");
            let packages = vec![Placed { key: key.clone(), path: "var/lib/dpkg/status".into(), layer: 0 }];
            let inventory = Inventory { os: None, packages, notes: Vec::new() };
            let assessment = Assessment {
                job: &job,
                inventory: &inventory,
                platform: "linux/amd64".into(),
                revision: 1,
                verdict: Verdict::Complete,
                reasons: Vec::new(),
                notes: Vec::new(),
                generation: 7,
                judged: vec![(key, vec![found])],
                vulnerabilities: vec![fact],
                started: now(),
                tier: "full".into(),
                bytes: 10,
            };
            self.store.record(&assessment).await.unwrap();
        }
        self.index.catch_up(&self.store).await.unwrap();
    }
}

#[tokio::test]
async fn the_tree_is_changed_by_its_owners_and_rights_follow_at_once() {
    let fleet = Fleet::empty().await;
    let production = json!({"name": "production", "tier": "standard"});
    let made = fleet.sends("admin", Method::POST, "/subscriptions", &production).await.is(201, "made").json();
    let guid = made["guid"].as_str().unwrap().to_owned();
    assert_eq!((made["tier"].as_str(), made["window_days"].as_i64()), (Some("Standard"), Some(30)));
    let team = json!({"name": "team", "host": "team.example", "subscription": "Production", "resource_group": "web"});
    fleet.sends("admin", Method::POST, "/registries", &team).await.is(201, "made");
    let team = fleet.store.registry("team").await.unwrap().unwrap();
    fleet.push(team.id, "app", 1).await;
    fleet.judge().await;
    let id = fleet.finding("registry=team").await["id"].clone();
    fleet.holder("by-group", Role::Reader, &format!("/{guid}/@web")).await;
    fleet.holder("by-registry", Role::Owner, &format!("/{guid}/team")).await;
    fleet.holder("by-subscription", Role::Reader, &format!("/{}", fleet.subscription)).await;
    let seen = async |user: &str| fleet.get_as(user, "/api/v1/findings", &[]).await.json()["total"].as_u64();
    assert_eq!(
        (seen("by-group").await, seen("by-registry").await, seen("by-subscription").await),
        (Some(1), Some(1), Some(0))
    );

    let renamed = json!({"name": "web"});
    fleet.sends("by-group", Method::PATCH, "/registries/team", &renamed).await.is(403, "a reader");
    fleet.sends("by-subscription", Method::PATCH, "/registries/team", &renamed).await.is(403, "no owner anywhere");
    let answer = fleet.sends("by-registry", Method::PATCH, "/registries/team", &renamed).await.is(200, "its owner");
    assert_eq!(answer.json()["name"], "web");
    assert_eq!(seen("by-registry").await, Some(1), "whatever it is called");
    assert_eq!(fleet.finding("registry=web").await["id"], id, "ids of findings stay");
    fleet.get(&format!("/api/v1/findings/{}", id.as_str().unwrap())).await.is(200, "and are found");

    let moved = json!({"subscription": fleet.subscription});
    let refused =
        fleet.sends("by-registry", Method::PATCH, "/registries/web", &moved).await.is(404, "not seen by its owner");
    assert_eq!(refused.json()["field"], "subscription");
    let moved_below = json!({"resource_group": "other"});
    let refused =
        fleet.sends("by-registry", Method::PATCH, "/registries/web", &moved_below).await.is(403, "no owner there");
    assert!(refused.json()["detail"].as_str().unwrap().contains("Owner"), "{refused:?}");
    fleet.sends("admin", Method::PATCH, "/registries/web", &moved).await.is(200, "moved");
    assert_eq!(
        (seen("by-group").await, seen("by-registry").await, seen("by-subscription").await),
        (Some(0), Some(1), Some(1))
    );
    assert_eq!(fleet.finding("registry=web").await["id"], id);
    let names = async |user: &str, path: &str, name: &str| {
        let list = fleet.get_as(user, &format!("/api/v1{path}"), &[]).await.is(200, path).json();
        list["items"].as_array().unwrap().iter().map(|row| row[name].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("by-registry", "/registries", "name").await, ["web"]);
    assert_eq!(names("by-registry", "/subscriptions", "name").await, ["default"]);
    assert_eq!(names("by-group", "/registries", "name").await, Vec::<String>::new());
    assert_eq!(names("admin", "/registries?limit=1", "name").await, ["local"]);
    assert_eq!(names("admin", "/registries?limit=1&after=local", "name").await, ["web"]);

    let taken = fleet.sends("admin", Method::DELETE, "/registries/web", &json!({})).await.is(409, "not empty").json();
    assert!(taken["detail"].as_str().unwrap().contains("holds 1 images"), "{taken}");
    fleet.sends("admin", Method::DELETE, "/subscriptions/production", &json!({})).await.is(204, "empty by now");
    fleet.sends("admin", Method::DELETE, "/subscriptions/production", &json!({})).await.is(404, "gone");
    let csv = fleet.get("/api/v1/registries?format=csv").await.is(200, "as CSV").text();
    assert_eq!(csv.lines().count(), 3, "{csv}");
}

#[tokio::test]
async fn a_wrong_change_of_the_tree_names_its_field() {
    let fleet = Fleet::empty().await;
    for (method, path, body, status, field) in [
        (Method::POST, "/subscriptions", json!({}), 400, "name"),
        (Method::POST, "/subscriptions", json!({"name": "a", "tier": "gold"}), 400, "tier"),
        (Method::POST, "/subscriptions", json!({"name": "a", "guid": "1"}), 400, "guid"),
        (Method::POST, "/subscriptions", json!({"name": "DEFAULT"}), 409, ""),
        (Method::PATCH, "/subscriptions/default", json!({"window_days": 0}), 400, "window_days"),
        (Method::PATCH, "/subscriptions/none", json!({"window_days": 5}), 404, "subscription"),
        (Method::POST, "/registries", json!({"name": "a b", "host": "x"}), 400, "name"),
        (Method::POST, "/registries", json!({"name": "a", "host": "x/y"}), 400, "host"),
        (Method::POST, "/registries", json!({"name": "local", "host": "x"}), 409, ""),
        (Method::PATCH, "/registries/none", json!({"name": "a"}), 404, "registry"),
        (Method::PATCH, "/registries/local", json!({"colour": "red"}), 400, "colour"),
        (Method::PATCH, "/subscriptions/default/groups/none", json!({"name": "a"}), 404, ""),
    ] {
        let answer = fleet.sends("admin", method, path, &body).await.is(status, &format!("{path} {body}")).json();
        assert_eq!(answer["field"].as_str().unwrap_or(""), field, "{path} {body}: {answer}");
    }
}

#[tokio::test]
async fn the_tree_is_read_by_whoever_has_a_role_in_it() {
    let fleet = Fleet::empty().await;
    let other = NewSubscription { name: "other".into(), ..NewSubscription::default() };
    let other = fleet.store.make_subscription(&other, &Caller::default()).await.unwrap();
    fleet.index.catch_up(&fleet.store).await.unwrap();
    for (name, role) in [("reader", Role::Reader), ("auditor", Role::Auditor), ("security", Role::SecurityAdmin)] {
        fleet.holder(name, role, &format!("/{}", fleet.subscription)).await;
    }
    fleet.holder("narrow", Role::Reader, &format!("/{}/local/team/app", fleet.subscription)).await;
    fleet.holder("puller", Role::AcrPull, "/").await;
    let foreign = format!("/subscriptions/{}", other.guid);
    let foreign_plan = format!("/plans/preview?subscription={}", other.guid);
    for (path, admin, security, auditor, reader, narrow, puller) in [
        ("/subscriptions", 200, 200, 200, 200, 200, 403),
        ("/subscriptions/default", 200, 200, 200, 200, 200, 403),
        (&*foreign, 200, 404, 404, 404, 404, 403),
        ("/subscriptions/none", 404, 404, 404, 404, 404, 403),
        ("/registries", 200, 200, 200, 200, 200, 403),
        ("/registries/local", 200, 200, 200, 200, 200, 403),
        ("/registries/none", 404, 404, 404, 404, 404, 403),
        ("/plans", 200, 200, 200, 200, 200, 403),
        ("/plans/preview?subscription=default", 200, 200, 403, 403, 403, 403),
        (&*foreign_plan, 200, 404, 403, 403, 403, 403),
        ("/usage", 200, 200, 200, 403, 403, 403),
        ("/usage/2026-11/images", 200, 200, 200, 403, 403, 403),
    ] {
        let users = ["admin", "security", "auditor", "reader", "narrow", "puller"];
        for (user, want) in users.into_iter().zip([admin, security, auditor, reader, narrow, puller]) {
            fleet.get_as(user, &format!("/api/v1{path}"), &[]).await.is(want, &format!("{user} {path}"));
        }
    }
    let seen = fleet.get_as("narrow", "/api/v1/registries/local", &[]).await.json();
    assert!(seen["reach"].is_null(), "who reads one repository does not learn how many there are: {seen}");
}

#[tokio::test]
async fn a_plan_is_switched_with_a_word_on_what_it_meters() {
    let fleet = Fleet::empty().await;
    fleet.user("reader", Role::Reader, None).await;
    fleet.user("security", Role::SecurityAdmin, None).await;
    let local = fleet.store.registry("local").await.unwrap().unwrap();
    let plan = |tier: &str| json!({"name": "ContainerRegistry", "tier": tier});
    let set = async |user: &str, body: Value| fleet.sends(user, Method::PUT, "/plans", &body).await;
    fleet.push(local.id, "app", 1).await;
    fleet.judge().await;
    let refused = set("reader", plan("free")).await.is(403, "a reader").json();
    assert!(!refused["detail"].as_str().unwrap().is_empty(), "{refused}");
    let off = set("security", plan("FREE")).await.is(200, "off").json();
    assert_eq!(
        (off["tier"].as_str(), off["coverage"].as_str(), off["actor"].as_str()),
        (Some("Free"), Some("NotCovered"), Some("security"))
    );
    fleet.push(local.id, "app", 2).await;
    fleet.push(local.id, "app", 3).await;
    fleet.judge().await;
    let preview = fleet.list("/api/v1/plans/preview").await;
    assert_eq!(
        (preview["images"].as_u64(), preview["in_window"].as_u64(), preview["to_meter"].as_u64()),
        (Some(3), Some(3), Some(2))
    );
    let on = set("security", json!({"name": "containers", "tier": "Standard"})).await.is(200, "on").json();
    assert_eq!(on["reach"], json!({"repositories": 1, "images": 3, "in_window": 3, "judged": 0}), "progress");
    fleet.judge().await;
    let plans = fleet.list("/api/v1/plans").await;
    assert_eq!((plans["total"].as_u64(), plans["items"][0]["reach"]["judged"].as_u64()), (Some(2), Some(3)));
    assert_eq!(
        (plans["items"][1]["inherited"].as_bool(), plans["items"][1]["tier"].as_str()),
        (Some(true), Some("Standard"))
    );

    let own = json!({"name": "ContainerRegistry", "tier": "free", "registry": "local"});
    set("security", own.clone()).await.is(200, "a registry may differ");
    let enforced = json!({"name": "ContainerRegistry", "tier": "standard", "enforce": true});
    let plan = set("security", enforced).await.is(200, "enforced").json();
    assert_eq!((plan["enforce"].as_bool(), plan["coverage"].as_str()), (Some(true), Some("FullyCovered")));
    let refused = set("security", own).await.is(409, "enforced above").json();
    assert!(refused["detail"].as_str().unwrap().contains("enforces its plan"), "{refused}");
    let registry = fleet.list("/api/v1/plans").await["items"][1].clone();
    assert_eq!((registry["inherited"].as_bool(), registry["overruled"].as_str()), (Some(true), Some("Free")));
    fleet.sends("security", Method::DELETE, "/plans?registry=local", &json!({})).await.is(204, "as its subscription");
    fleet.sends("security", Method::DELETE, "/plans?registry=local", &json!({})).await.is(404, "it is already");
    for (body, status, field) in [
        (json!({"tier": "free"}), 400, "name"),
        (json!({"name": "VirtualMachines", "tier": "free"}), 400, "name"),
        (json!({"name": "Containers", "tier": "gold"}), 400, "tier"),
        (json!({"name": "Containers", "tier": "free", "registry": "none"}), 404, "registry"),
        (json!({"name": "Containers", "tier": "free", "subscription": "none"}), 404, "subscription"),
        (json!({"name": "Containers", "tier": "free", "registry": "local", "enforce": true}), 400, "enforce"),
    ] {
        let answer = set("admin", body.clone()).await.is(status, &body.to_string()).json();
        assert_eq!(answer["field"].as_str().unwrap_or(""), field, "{body}: {answer}");
    }
}

#[tokio::test]
async fn usage_counts_each_digest_once_with_the_list_behind_the_number() {
    let fleet = Fleet::empty().await;
    for (name, role) in [("reader", Role::Reader), ("security", Role::SecurityAdmin), ("auditor", Role::Auditor)] {
        fleet.user(name, role, None).await;
    }
    let local = fleet.store.registry("local").await.unwrap().unwrap();
    for (repository, seed) in [("app", 1), ("team/app", 1), ("app", 2), ("app", 3)] {
        fleet.push(local.id, repository, seed).await;
    }
    fleet.judge().await;
    let usage = fleet.get_as("auditor", "/api/v1/usage", &[]).await.is(200, "an auditor").json();
    assert_eq!((usage["total"].as_u64(), usage["items"][0]["images"].as_u64()), (Some(1), Some(3)), "{usage}");
    let period = usage["items"][0]["period"].as_str().unwrap();
    let behind = fleet.list(&format!("/api/v1/usage/{period}/images?limit=2")).await;
    let next = behind["next"].as_str().unwrap();
    let rest = fleet.list(&format!("/api/v1/usage/{period}/images?limit=2&after={next}")).await;
    let rows = |list: &Value| list["items"].as_array().unwrap().clone();
    let digests: BTreeSet<String> = rows(&behind).iter().chain(&rows(&rest)).map(|r| r["digest"].to_string()).collect();
    assert_eq!((behind["total"].as_u64(), digests.len(), rest["next"].is_null()), (Some(3), 3, true));
    fleet.get_as("security", "/api/v1/usage?by=day", &[]).await.is(200, "who looks after plans");
    fleet.get_as("reader", "/api/v1/usage", &[]).await.is(403, "a reader");
    let csv = fleet.get(&format!("/api/v1/usage/{period}/images?format=csv")).await.is(200, "as CSV").text();
    assert_eq!(csv.lines().count(), 4, "{csv}");
    for path in ["/usage?by=year", "/usage/today/images", "/usage?colour=red", "/plans?limit=0", "/plans/preview?x=1"] {
        fleet.get(&format!("/api/v1{path}")).await.is(400, path);
    }
}

#[tokio::test]
async fn the_pages_do_what_rest_does_and_keep_what_was_typed() {
    const FORM: [(&str, &str); 2] = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
    let fleet = Fleet::empty().await;
    fleet.user("reader", Role::Reader, None).await;
    let local = fleet.store.registry("local").await.unwrap().unwrap();
    fleet.push(local.id, "app", 1).await;
    fleet.judge().await;
    let post = async |user: &str, path: &str, body: &str| fleet.send_as(user, Method::POST, path, body, &FORM).await;
    let made = post("admin", "/settings/subscriptions", "name=production&guid=&tier=Standard&_key=1").await;
    assert_eq!(made.is(303, "made").header("location"), "/settings/subscriptions");
    let again =
        post("admin", "/settings/subscriptions", "name=Production&guid=&tier=Free&_key=2").await.is(409, "taken");
    assert!(again.text().contains("value=\"Production\"") && again.text().contains("already"), "{}", again.text());
    let wrong =
        post("admin", "/settings/subscriptions", "name=x&guid=1&tier=Free&_key=3").await.is(400, "no GUID").text();
    assert!(wrong.contains("aria-invalid=\"true\"") && wrong.contains("not a GUID"), "{wrong}");
    let other = fleet.store.subscriptions().await.unwrap().into_iter().find(|s| s.name == "production").unwrap();
    let body = format!("name=team&host=team.example&subscription={}&resource_group=web&_key=4", other.guid);
    post("admin", "/settings/registries", &body).await.is(303, "made");
    let page = fleet.page("/settings/registries").await;
    assert!(page.contains("team.example") && page.contains("every other name"), "{page}");
    let body = format!("name=shop&host=shop.example&subscription={}&resource_group=web&_key=5", fleet.subscription);
    let moved = post("admin", "/settings/registries/team", &body).await.is(303, "renamed and moved");
    assert_eq!(moved.header("location"), "/settings/registries/shop");
    post("admin", "/settings/registries/local/delete", "_key=6").await.is(409, "it takes every other name");
    post("admin", "/settings/registries/shop/delete", "_key=7").await.is(303, "empty");
    let days = "name=production&window_days=90&_key=8";
    post("admin", &format!("/settings/subscriptions/{}", other.guid), days).await.is(303, "a window of its own");
    assert!(fleet.page("/settings/subscriptions").await.contains("90 days"));

    let change = format!("/settings/plans/change?subscription={}&tier=Free", fleet.subscription);
    let asked = fleet.page(&change).await;
    assert!(asked.contains("nothing is scanned and nothing is metered") && asked.contains("1 image here"), "{asked}");
    let body = format!("subscription={}&tier=Free&_key=9", fleet.subscription);
    post("reader", "/settings/plans", &body).await.is(403, "a reader");
    post("admin", "/settings/plans", &body).await.is(303, "off");
    let plans = fleet.page("/settings/plans").await;
    assert!(plans.contains("tier=Standard") && plans.contains("Change…"), "{plans}");
    fleet.push(local.id, "app", 2).await;
    fleet.judge().await;
    let asked = fleet.page(&change.replace("Free", "Standard")).await;
    assert!(asked.contains("1 image more will be metered"), "{asked}");
    let digest = Digest::sha256(b"manifest 2");
    let image = fleet.page(&fleet.image_page("app", digest.as_str())).await;
    assert!(image.contains("The plan is off here since"), "{image}");
    let view = fleet.list(&format!("/api/v1/images/{digest}")).await;
    assert_eq!((view["coverage"].as_str(), view["coverage_since"].is_string()), (Some("plan-off"), true), "{view}");

    let usage = fleet.page("/activity/usage").await;
    let link = crate::fleet::addresses(&usage, "href").into_iter().find(|a| a.starts_with("/activity/usage/")).unwrap();
    assert!(fleet.page(&link).await.contains("local/app"));
    fleet.get_as("reader", "/activity/usage", &[("accept", "text/html")]).await.is(403, "a reader");
    for path in ["/settings/plans", "/settings/subscriptions", "/settings/registries", "/settings/registries/local"] {
        let html = fleet.get_as("reader", path, &[("accept", "text/html")]).await.is(200, path).text();
        assert!(!html.contains("<button class=\"main\">"), "{path} offers a reader nothing that would fail");
    }
}

/// A small generator: the same seed, the same walk.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

impl Fleet {
    /// Does one thing to the tree, or pushes, deletes, judges. What the store refuses changes nothing.
    async fn step(&self, dice: &mut Dice, n: u64) {
        let by = Caller::default();
        let subscriptions = self.store.subscriptions().await.unwrap();
        let registries = self.store.registries().await.unwrap();
        let (subscription, registry) = (dice.pick(&subscriptions).id, dice.pick(&registries).clone());
        let repository = format!("team/app-{}", dice.below(2));
        match dice.below(12) {
            0..=4 => self.move_something(dice, n, subscription, &registry).await,
            5 => {
                let node = if dice.below(2) == 0 {
                    PlanNode::Registry(registry.id)
                } else {
                    PlanNode::Subscription(subscription)
                };
                let enforce =
                    (dice.below(3) == 0 && matches!(node, PlanNode::Subscription(_))).then(|| dice.below(2) == 0);
                let _ = self.store.set_plan(node, NewPlan { standard: dice.below(2) == 0, enforce }, &by).await;
            }
            6 => {
                let days = i64::try_from(dice.below(40)).unwrap();
                let change = SubscriptionChange { name: Some(format!("s{n}")), window_days: Some(days) };
                let _ = self.store.change_subscription(subscription, &change, &by).await;
            }
            7 => {
                let _ = self.store.drop_registry(registry.id, &by).await;
                let _ = self.store.drop_subscription(subscription, &by).await;
            }
            8 => {
                let digest = Digest::sha256(format!("manifest {}", dice.below(5)).as_bytes());
                let _ = self.store.delete_manifest(registry.id, &repository, &digest, &by).await;
            }
            9 => self.judge().await,
            _ => self.push(registry.id, &repository, dice.below(5)).await,
        }
    }

    /// Makes, renames or moves something of the tree.
    async fn move_something(&self, dice: &mut Dice, n: u64, subscription: Id, registry: &store::Registry) {
        let by = Caller::default();
        let group = format!("group-{}", dice.below(3));
        match dice.below(7) {
            0 => {
                let new = NewSubscription { name: format!("s{n}"), standard: dice.below(2) == 0, guid: String::new() };
                let _ = self.store.make_subscription(&new, &by).await;
            }
            1 => {
                let (name, host) = (format!("r{}", dice.below(4)), format!("h{n}.example"));
                let _ = self
                    .store
                    .make_registry(&NewRegistry { subscription, resource_group: group, name, host }, &by)
                    .await;
            }
            2 => {
                let change = RegistryChange { name: Some(format!("r{}", dice.below(6))), ..RegistryChange::default() };
                let _ = self.store.change_registry(registry.id, &change, &by).await;
            }
            3 => {
                let change = RegistryChange {
                    subscription: Some(subscription),
                    resource_group: Some(group),
                    ..RegistryChange::default()
                };
                let _ = self.store.change_registry(registry.id, &change, &by).await;
            }
            4 | 5 => {
                let to = dice.pick(&self.store.registries().await.unwrap()).id;
                let change = RepositoryChange { name: Some(format!("team/app-{}", dice.below(3))), registry: Some(to) };
                let from = format!("team/app-{}", dice.below(3));
                let _ = self.store.change_repository(registry.id, &from, &change, &by).await;
            }
            _ => {
                let _ = self.store.rename_group(registry.subscription, &registry.resource_group, &group, &by).await;
            }
        }
    }

    async fn total(&self, path: &str) -> u64 {
        self.list(&format!("/api/v1{path}")).await["total"].as_u64().unwrap()
    }
}

/// What the facts say of a registry: images in it, and the finding ids of its places.
fn plainly(facts: &Snapshot, registry: Id) -> (BTreeSet<Id>, BTreeSet<String>) {
    let (mut images, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for presence in facts.presences.iter().filter(|p| p.until == Micros::FOREVER) {
        let repository = facts.repositories.iter().find(|r| r.id == presence.repository).unwrap();
        let image = facts.images.iter().find(|i| i.id == presence.image).unwrap();
        if repository.registry != registry {
            continue;
        }
        images.insert(image.id);
        let held = facts.image_inventories.iter().any(|i| i.image == image.id && i.until == Micros::FOREVER);
        if let Some(package) = facts.packages.first().filter(|_| held) {
            ids.insert(finding_id(&repository.key, &image.digest, &package.purl, "CVE-2026-0001").to_string());
        }
    }
    (images, ids)
}

/// What the rows of plans say of a registry now.
fn is_on(facts: &Snapshot, registry: Id) -> bool {
    let registry = facts.registries.iter().find(|r| r.id == registry).unwrap();
    let guid = &facts.subscriptions.iter().find(|s| s.id == registry.subscription).unwrap().guid;
    let of = |path: String| facts.plans.iter().filter(|p| p.scope.to_path() == path).collect::<Vec<_>>();
    let (own, above) = (of(format!("/{guid}/{}", registry.name)), of(format!("/{guid}")));
    model::plan::spans(&own, &above).last().unwrap().standard
}

async fn same(fleet: &Fleet, seed: u64, n: u64) {
    fleet.index.catch_up(&fleet.store).await.unwrap();
    let facts = fleet.store.snapshot().await.unwrap();
    let live: Vec<_> = facts.registries.iter().filter(|r| r.until == Micros::FOREVER).collect();
    for registry in &live {
        let why = format!("seed {seed} step {n} registry {}", registry.name);
        let (images, ids) = plainly(&facts, registry.id);
        let of = format!("registry={}", registry.name);
        assert_eq!(fleet.total(&format!("/images?{of}")).await, images.len() as u64, "{why}");
        let listed = fleet.list(&format!("/api/v1/findings?{of}&limit=1000")).await;
        let listed: BTreeSet<String> =
            listed["items"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap().to_owned()).collect();
        let on = is_on(&facts, registry.id);
        assert_eq!(fleet.store.is_scanned(registry.id).await.unwrap(), on, "{why}: plan");
        if on {
            assert_eq!(listed, ids, "{why}: findings");
        }
        assert!(listed.is_subset(&ids), "{why}: a frozen view shows no more");
        let states = facts.images.iter().filter(|i| images.contains(&i.id)).map(|i| i.coverage);
        assert!(!on || states.clone().all(|c| c != Coverage::PlanOff), "{why}: what a plan covers is covered");
    }
    let row = fleet.list("/api/v1/subscriptions?limit=1000").await;
    for view in row["items"].as_array().unwrap() {
        let id = facts.subscriptions.iter().find(|s| s.guid == view["guid"].as_str().unwrap()).unwrap().id;
        let here = live.iter().filter(|r| r.subscription == id).map(|r| plainly(&facts, r.id).0);
        let images: BTreeSet<Id> = here.flatten().collect();
        assert_eq!(view["reach"]["images"].as_u64(), Some(images.len() as u64), "seed {seed} step {n}: {view}");
    }
}

#[tokio::test]
async fn whatever_happens_to_the_tree_the_index_says_what_the_facts_say() {
    for seed in 1..=4 {
        let fleet = Fleet::empty().await;
        let mut dice = Dice(seed);
        for n in 0..60 {
            fleet.step(&mut dice, n).await;
            if n % 10 == 9 {
                same(&fleet, seed, n).await;
            }
        }
    }
}
