//! What the document promises of a request that makes or does something is what is answered. (Every other test holds the statuses of
//! what it asks against the document as well: `Fleet::raw`.)

use crate::fleet::Fleet;
use serde_json::{Value, json};

#[tokio::test]
async fn every_route_that_takes_a_post_answers_what_the_document_promises() {
    let fleet = Fleet::new().await;
    let here = format!("/{}/local/team/one", fleet.subscription);
    let rule = fleet.rule("team/one").await;
    let criteria = json!({"finding_ids": ["CVE-2024-0000"]});
    let named = |name: &str| json!({"name": name, "scope": here, "criteria": criteria, "reason": "other", "justification": "a test", "confirm": true});
    let as_code =
        json!({"name": "as code", "scope": here, "criteria": criteria, "reason": "other", "justification": "a test"});
    let narrow = json!({"scope": here, "justification": "nothing is hidden here", "paused": true});
    let wide = json!({"name": "wide", "scope": "/", "criteria": criteria, "reason": "other", "justification": "a test", "confirm": true});
    let wide = fleet.post_as("admin", "/api/v1/rules", &wide).await.is(201, "a rule to override").json();
    let hook = json!({"name": "ops", "address": "https://hooks.example/here"});
    let hook = fleet.post_as("admin", "/api/v1/notifications/channels", &hook).await.is(201, "a channel").json();
    let hook = format!("/notifications/channels/{}", hook["channel"]["id"]);
    let sent = fleet.post_as("admin", &format!("/api/v1{hook}/test"), &json!({})).await.is(201, "a message").json();
    let sent = sent["id"].to_string();
    for (path, body) in [
        (&*format!("{hook}/key"), json!({})),
        (&format!("/notifications/deliveries/{}/retry", sent.trim_matches('"')), json!({})),
        ("/tokens", json!({"name": "ci"})),
        ("/users", json!({"name": "pipeline", "kind": "robot"})),
        ("/roles", json!({"principal": "pipeline", "role": "reader", "scope": "/"})),
        ("/rules", named("another")),
        ("/rules/preview", json!({"scope": here, "criteria": criteria})),
        ("/rules/apply", json!({"rules": [as_code], "dry_run": true, "confirm": true})),
        (&format!("/rules/{rule}/pause"), json!({})),
        (&format!("/rules/{rule}/resume"), json!({"confirm": true})),
        (&format!("/rules/{}/override", wide["id"].as_str().unwrap()), narrow),
        ("/exemptions", json!({"recommendation": "end-of-life", "scope": "/", "kind": "waiver", "reason": "a test"})),
        ("/posture/suppressions", json!({"rule": "Azure.ACR.Firewall", "scope": "/", "reason": "a test"})),
        ("/subscriptions", json!({"name": "second"})),
        ("/registries", json!({"name": "team", "host": "team.example", "subscription": "default"})),
        ("/registries/local/network/ip-rules", json!({"ip_address": "203.0.113.7"})),
        ("/imports", json!({"source": "registry.example/app:1", "registry": "local"})),
        ("/sample", json!({})),
        (&format!("/images/{}/scan", fleet.one), json!({})),
        ("/images/scan", json!({"q": "repo:team/two"})),
        ("/views", json!({"name": "worst", "address": "/findings?q=severity%3Acritical"})),
    ] {
        let answer = fleet.post_as("admin", &format!("/api/v1{path}"), &body).await;
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text());
    }
    let document: Value = fleet.list("/api/v1/openapi.json").await;
    let posts = document["paths"].as_object().unwrap().iter().filter(|(_, methods)| methods.get("post").is_some());
    let answered = fleet.answered.lock().unwrap();
    for (path, _) in posts {
        assert!(answered.contains(&("post".to_owned(), path.clone())), "{path} has no line in this table");
    }
}

#[tokio::test]
async fn the_sample_image_is_in_the_inventory_at_once() {
    let fleet = Fleet::empty().await;
    fleet.user("reader", model::role::Role::Reader, None).await;
    let refused = fleet.post_as("reader", "/api/v1/sample", &json!({})).await.is(403, "a reader pushes nothing");
    assert!(refused.text().contains("next_step"), "{}", refused.text());
    assert!(fleet.page("/").await.contains("action=\"/sample\""), "the first page has the button");
    let made = fleet.post_as("admin", "/api/v1/sample", &json!({})).await.is(201, "pushed").json();
    let images = fleet.list("/api/v1/images").await;
    assert_eq!((&images["items"][0]["digest"], &images["items"][0]["work"]), (&made["digest"], &json!("queued")));
    let again = fleet.post_as("admin", "/api/v1/sample", &json!({})).await.is(201, "pushed again").json();
    assert_eq!(
        (again["digest"].as_str(), fleet.list("/api/v1/images").await["total"].as_u64()),
        (made["digest"].as_str(), Some(1))
    );
    assert!(!fleet.page("/").await.contains("action=\"/sample\""), "there is an image");
}
