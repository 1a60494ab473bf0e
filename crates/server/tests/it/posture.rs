//! Posture of the registries: what network rules change, what is suppressed and by whom, the export.

use crate::fleet::{Fleet, now};
use axum::http::Method;
use model::Micros;
use model::role::Role;
use serde_json::{Value, json};

const FIREWALL: &str = "Azure.ACR.Firewall";
const FORM: [(&str, &str); 2] = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
const LIST: &str = "/api/v1/posture/suppressions";

/// What the rule of the firewall says of the registry: outcome and first reason.
async fn firewall(fleet: &Fleet) -> (String, String) {
    let records = fleet.list(&format!("/api/v1/posture?rule={FIREWALL}")).await["items"].clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&records[0]["outcome"]), text(&records[0]["reasons"][0]))
}

/// Healthy and unhealthy resources of the control that the rule counts towards.
async fn control(fleet: &Fleet) -> (u64, u64) {
    let score = fleet.list("/api/v1/score").await;
    let all = score["controls"].as_array().unwrap();
    let network = all.iter().find(|c| c["name"] == "Restrict unauthorized network access").unwrap();
    (network["healthy"].as_u64().unwrap(), network["unhealthy"].as_u64().unwrap())
}

/// What the recommendation that the rule is counts: healthy, unhealthy, not applicable.
async fn recommended(fleet: &Fleet) -> [u64; 3] {
    let one = fleet.list(&format!("/api/v1/recommendations/{FIREWALL}")).await;
    ["healthy", "unhealthy", "not_applicable"].map(|name| one[name].as_u64().unwrap())
}

async fn suppressed(fleet: &Fleet, expires: Option<&str>) -> Value {
    let body = json!({"rule": "AZR-000402", "scope": "/", "reason": "behind the gateway", "expires": expires});
    fleet.post_as("admin", LIST, &body).await.is(201, "made").json()
}

#[tokio::test]
async fn the_control_of_networks_follows_the_network_rules() {
    let fleet = Fleet::new().await;
    let (outcome, why) = firewall(&fleet).await;
    assert_eq!(outcome, "Fail", "a registry begins open");
    assert!(why.contains("publicNetworkAccess") && why.contains("'Enabled'"), "{why}");
    assert_eq!((control(&fleet).await, recommended(&fleet).await), ((0, 1), [0, 1, 0]));
    let body = json!({"default_action": "Deny", "confirm": true}).to_string();
    let headers = [("content-type", "application/json")];
    fleet.send_as("admin", Method::PUT, "/api/v1/registries/local/network", &body, &headers).await.is(200, "closed");
    assert_eq!(firewall(&fleet).await, ("Pass".into(), String::new()));
    assert_eq!((control(&fleet).await, recommended(&fleet).await), ((1, 0), [1, 0, 0]));
}

#[tokio::test]
async fn a_registry_that_keeps_the_scanner_out_is_recommended_to_let_it_in() {
    let fleet = Fleet::new().await;
    let one = async || fleet.list("/api/v1/recommendations/registry-unreachable").await;
    let before = one().await;
    assert_eq!((&before["status"], &before["healthy"]), (&"healthy".into(), &1.into()), "{before}");
    let body = json!({"default_action": "Deny", "allow_trusted_services": false, "confirm": true}).to_string();
    let headers = [("content-type", "application/json")];
    fleet.send_as("admin", Method::PUT, "/api/v1/registries/local/network", &body, &headers).await.is(200, "closed");
    let after = one().await;
    assert_eq!((&after["status"], &after["unhealthy"]), (&"unhealthy".into(), &1.into()), "{after}");
    let page = fleet.page("/recommendations/registry-unreachable").await;
    assert!(page.contains("trusted services may not pass"), "{page}");
}

#[tokio::test]
async fn what_is_suppressed_or_exempt_is_shown_apart_and_counts_nowhere() {
    let fleet = Fleet::new().await;
    let made = suppressed(&fleet, None).await;
    assert_eq!((&made["rule"], &made["expires"], &made["author"]), (&FIREWALL.into(), &Value::Null, &"admin".into()));
    assert_eq!(firewall(&fleet).await, ("Suppressed".into(), "suppressed: behind the gateway.".into()));
    assert_eq!((control(&fleet).await, recommended(&fleet).await), ((0, 0), [0, 0, 1]));
    let page = fleet.page("/posture").await;
    assert!(page.contains("1 suppressed or exempt: not counted") && page.contains("1 suppression"), "{page}");
    let csv = fleet.get(&format!("/api/v1/posture?rule={FIREWALL}&format=csv")).await.text();
    assert!(csv.contains("Suppressed"), "{csv}");
    let path = format!("{LIST}/{}", made["id"].as_str().unwrap());
    fleet.send_as("admin", Method::DELETE, &path, "", &[]).await.is(204, "ended");
    fleet.send_as("admin", Method::DELETE, &path, "", &[]).await.is(404, "and is no more");
    assert_eq!((firewall(&fleet).await.0.as_str(), control(&fleet).await), ("Fail", (0, 1)));

    let waiver = json!({"recommendation": FIREWALL, "scope": "/", "kind": "waiver", "reason": "a test"});
    fleet.post_as("admin", "/api/v1/exemptions", &waiver).await.is(201, "exempt");
    assert_eq!(firewall(&fleet).await, ("Suppressed".into(), "exempt: a test".into()));
    assert_eq!((control(&fleet).await, recommended(&fleet).await), ((0, 0), [0, 0, 1]));
    let audit = fleet.list("/api/v1/audit?limit=10").await["items"].to_string();
    assert!(audit.contains("suppression.create") && audit.contains("suppression.delete"), "{audit}");
}

#[tokio::test]
async fn a_suppression_ends_with_its_expiry() {
    let fleet = Fleet::new().await;
    let soon = Micros(now().0 + 60_000_000).rfc3339();
    assert_eq!(suppressed(&fleet, Some(&soon)).await["expired"], false);
    assert_eq!(firewall(&fleet).await.0, "Suppressed");
    let later = fleet.at(|| Micros(now().0 + 120_000_000));
    assert_eq!((firewall(&later).await.0.as_str(), control(&later).await), ("Fail", (0, 1)), "it counts again");
    assert_eq!(later.list(LIST).await["items"][0]["expired"], true, "and is listed as over");
}

#[tokio::test]
async fn a_wrong_suppression_names_its_field_and_a_missing_right_its_role() {
    let fleet = Fleet::new().await;
    fleet.user("reader", Role::Reader, None).await;
    fleet.user("narrow", Role::PolicyEditor, Some("team/one")).await;
    let good = json!({"rule": FIREWALL, "scope": "/", "reason": "a test"});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let repository = format!("/{}/local/team/one", fleet.subscription);
    for (body, status, field) in [
        (with("rule", "Azure.ACR.Nothing".into()), 400, "rule"),
        (with("scope", "/nowhere".into()), 404, "scope"),
        (with("scope", repository.into()), 400, "scope"),
        (with("reason", "  ".into()), 400, "reason"),
        (with("expires", "2001-01-01".into()), 400, "expires"),
        (with("colour", "red".into()), 400, "colour"),
    ] {
        let answer = fleet.post_as("admin", LIST, &body).await.is(status, field).json();
        assert_eq!(answer["field"], field, "{answer}");
    }
    let refused = fleet.post_as("reader", LIST, &good).await.is(403, "a reader").json();
    assert!(refused["detail"].as_str().unwrap().contains("needs Policy Editor"), "{refused}");
    fleet.post_as("narrow", LIST, &good).await.is(403, "an editor of one repository");
    let made = suppressed(&fleet, None).await;
    let path = format!("{LIST}/{}", made["id"].as_str().unwrap());
    fleet.send_as("reader", Method::DELETE, &path, "", &[]).await.is(403, "a reader sees it and may not end it");
    assert_eq!(fleet.get_as("narrow", LIST, &[]).await.json()["total"], 0, "what is of everything is not theirs");

    let form = "rule=Azure.ACR.Firewall&scope=%2F&reason=&expires=&_key=1";
    let wrong =
        fleet.send_as("admin", Method::POST, "/posture/suppress", form, &FORM).await.is(400, "no reason").text();
    assert!(wrong.contains("aria-invalid") && wrong.contains("value=\"/\""), "{wrong}");
    let form = "rule=Azure.ACR.Firewall&scope=%2F&reason=of+the+page&expires=&_key=2";
    fleet.send_as("admin", Method::POST, "/posture/suppress", form, &FORM).await.is(303, "made on the page");
    let all = fleet.list(LIST).await;
    assert_eq!((&all["total"], &all["items"][0]["reason"]), (&2.into(), &"of the page".into()));
}

#[tokio::test]
async fn the_export_is_judged_elsewhere_as_the_registries_are_here() {
    let fleet = Fleet::new().await;
    let export = fleet.get("/api/v1/posture/resources").await.is(200, "the export");
    let resources = assess::posture::read(export.text().as_bytes()).unwrap();
    let there = assess::posture::check(&resources, assess::posture::ALL, &assess::posture::Settings::default());
    let there: Vec<_> = there.iter().map(|r| json!([r.rule.name, r.target_name, r.outcome, r.reasons])).collect();
    let here = fleet.list("/api/v1/posture").await["items"].as_array().unwrap().clone();
    let here: Vec<_> = here.iter().map(|r| json!([r["rule"], r["resource"], r["outcome"], r["reasons"]])).collect();
    assert_eq!(here, there);
    let registry = &export.json()[0];
    assert_eq!(
        (&registry["ResourceType"], &registry["Sku"]["name"]),
        (&assess::posture::REGISTRY.into(), &"Premium".into())
    );
    let properties = &registry["Properties"];
    assert_eq!(properties["networkRuleSet"], json!({"defaultAction": "Allow", "ipRules": []}));
    assert_eq!(properties["networkRuleBypassOptions"], "AzureServices");
}
