//! What channels are told of, from the audit and the rules on.

use crate::fleet::Fleet;
use serde_json::{Value, json};
use std::time::Duration;
use store::{NewPlan, PlanNode};
use tokio_util::sync::CancellationToken;

/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(60);

impl Fleet {
    /// Makes a channel that is told of a part of the tree; returns its id.
    async fn channel(&self, scope: &str) -> i64 {
        let kinds = ["access-change", "plan-change", "rule-expiring"];
        let body = json!({"name": "ops", "address": "https://hooks.example/here", "scope": scope, "kinds": kinds,
            "digest_minutes": 0});
        let made = self.post_as("admin", "/api/v1/notifications/channels", &body).await.is(201, scope).json();
        made["channel"]["id"].as_str().map_or_else(|| made["channel"]["id"].as_i64().unwrap(), |id| id.parse().unwrap())
    }

    /// Lets notices be derived until a channel is told of all of these; fails if it never is.
    async fn tells(&self, channel: i64, wanted: &[&str]) {
        let end = CancellationToken::new();
        let following = tokio::spawn(server::notices::follow(self.parts.clone(), end.clone()));
        let all_told = async {
            loop {
                self.store.compose().await.unwrap();
                let (messages, _) = self.store.messages(&[channel], None, 1_000).await.unwrap();
                let told = messages.iter().map(|message| message.body.as_str()).collect::<String>();
                if wanted.iter().all(|wanted| told.contains(wanted)) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let told = tokio::time::timeout(LONG, all_told).await;
        end.cancel();
        following.await.unwrap();
        told.unwrap_or_else(|_| panic!("not all of {wanted:?} was told"));
    }
}

fn rule(name: &str, scope: &str, expires: &str) -> Value {
    json!({"name": name, "scope": scope, "criteria": {"finding_ids": ["CVE-1999-0001"]}, "reason": "other",
        "justification": "a test", "expires": expires})
}

#[tokio::test]
async fn many_lines_of_the_audit_at_once_hide_none_that_is_told() {
    let fleet = Fleet::new().await;
    let channel = fleet.channel("/").await;
    fleet.post_as("admin", "/api/v1/users", &json!({"name": "pipeline", "kind": "robot"})).await.is(201, "made");
    let rules: Vec<Value> = (0..1_000).map(|n| rule(&format!("rule {n}"), "/default/local", "90d")).collect();
    let file = json!({"rules": rules, "confirm": true});
    fleet.post_as("admin", "/api/v1/rules/apply", &file).await.is(200, "a thousand lines");
    fleet.tells(channel, &["user.create"]).await;
}

#[tokio::test]
async fn who_is_told_of_a_resource_group_is_told_of_its_registries() {
    let fleet = Fleet::new().await;
    let guid = &fleet.subscription;
    let (group, registry) = (format!("/{guid}/@default"), format!("/{guid}/local"));
    let channel = fleet.channel(&group).await;
    let robot = json!({"name": "pipeline", "kind": "robot"});
    fleet.post_as("admin", "/api/v1/users", &robot).await.is(201, "a robot");
    let role = json!({"principal": "pipeline", "role": "reader", "scope": registry});
    fleet.post_as("admin", "/api/v1/roles", &role).await.is(201, "a role in a registry of the group");
    let mut soon = rule("ends soon", &registry, "1d");
    soon["confirm"] = json!(true);
    fleet.post_as("admin", "/api/v1/rules", &soon).await.is(201, "a rule there");
    let local = fleet.store.registry("local").await.unwrap().unwrap().id;
    let off = NewPlan { standard: false, enforce: None };
    let by = store::Caller { actor: "admin".into(), ..store::Caller::default() };
    fleet.store.set_plan(PlanNode::Registry(local), off, &by).await.unwrap();
    fleet.tells(channel, &["role.", "ends soon", "plan.set"]).await;
}
