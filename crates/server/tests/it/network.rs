//! Network rules and resource logs by REST and on their pages: who may, what is refused and by which field.

use crate::fleet::Fleet;
use axum::http::Method;
use model::role::Role;
use serde_json::json;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
const FORM: [(&str, &str); 2] = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
const PATH: &str = "/api/v1/registries/local/network";

#[tokio::test]
async fn network_rules_are_set_by_the_owner_alone_and_faults_are_named() {
    let fleet = Fleet::new().await;
    fleet.user("reader", Role::Reader, None).await;
    fleet.user("narrow", Role::Owner, Some("team/one")).await;
    let put = async |user: &str, body: &serde_json::Value| {
        fleet.send_as(user, Method::PUT, PATH, &body.to_string(), &JSON).await
    };
    let deny = json!({"default_action": "deny", "ip_rules": ["10.1.2.3/8", "::ffff:192.0.2.1"]});
    for user in ["reader", "narrow"] {
        let refused = put(user, &deny).await.is(403, user).json();
        assert!(refused["detail"].as_str().unwrap().contains("needs Owner in"), "{refused}");
    }
    for (body, status, field) in [
        (json!({"default_action": "maybe"}), 400, "default_action"),
        (json!({"ip_rules": ["10.0.0.0/33"]}), 400, "ip_rules"),
        (json!({"public_network_enabled": "off"}), 400, "public_network_enabled"),
        (json!({"colour": "red"}), 400, "colour"),
    ] {
        let answer = put("admin", &body).await.is(status, field).json();
        assert_eq!(answer["field"], field, "{answer}");
    }
    let shown = put("admin", &deny).await.is(200, "set").json();
    assert_eq!(shown["ip_rules"], json!(["10.0.0.0/8", "192.0.2.1"]), "written one way");
    assert_eq!((&shown["default_action"], &shown["scanner_allowed"]), (&"Deny".into(), &true.into()));
    assert_eq!(shown["scanner_identity"].as_str().map(str::len), Some(32));
    assert_eq!(fleet.get_as("reader", PATH, &[]).await.is(200, "a reader sees them").json()["default_action"], "Deny");
    let rules = format!("{PATH}/ip-rules");
    fleet.post_as("admin", &rules, &json!({"ip_address": "2001:db8::/32"})).await.is(201, "one more");
    fleet.send_as("admin", Method::DELETE, &format!("{rules}/10.0.0.0%2F8"), "", &[]).await.is(204, "one less");
    fleet.send_as("admin", Method::DELETE, &format!("{rules}/10.0.0.0%2F8"), "", &[]).await.is(404, "gone already");
    fleet.get("/api/v1/registries/other/network").await.is(404, "no such registry");
    let body = "public_network_enabled=true&default_action=Deny&allow_trusted_services=false&_key=1";
    let page = "/settings/registries/local/network";
    fleet.send_as("reader", Method::POST, page, body, &FORM).await.is(403, "a reader");
    assert_eq!(fleet.send_as("admin", Method::POST, page, body, &FORM).await.is(303, "set").header("location"), page);
    let html = fleet.page(page).await;
    assert!(html.contains("The scanner is kept out") && html.contains("2001:db8::/32"), "{html}");
    let wrong = fleet.send_as("admin", Method::POST, &format!("{page}/allow"), "ip_address=here&_key=2", &FORM).await;
    let wrong = wrong.is(400, "no address").text();
    assert!(wrong.contains("value=\"here\"") && wrong.contains("aria-invalid"), "{wrong}");
    let image = fleet.page(&fleet.image_page("team/one", &fleet.one)).await;
    assert!(image.contains("Blocked by network rules; allow trusted services."), "{image}");
}

#[tokio::test]
async fn the_logs_show_each_what_they_may_audit_and_refuse_what_is_not_understood() {
    let fleet = Fleet::new().await;
    fleet.user("auditor", Role::Auditor, None).await;
    fleet.user("narrow", Role::Auditor, Some("team/one")).await;
    fleet.user("reader", Role::Reader, None).await;
    let local = fleet.store.registry("local").await.unwrap().unwrap();
    let line = |login, repository: &str| store::LogEntry {
        login,
        operation: if login { "login" } else { "pull" }.into(),
        registry: local.id,
        repository: repository.into(),
        result: 403,
        caller: store::Caller { actor: "ann".into(), ..store::Caller::default() },
        ..store::LogEntry::default()
    };
    for entry in [line(true, ""), line(false, "team/one"), line(false, "team/two")] {
        fleet.store.log(entry);
    }
    for (user, path, want) in [
        ("auditor", "/logs/login?result=403", 1),
        ("auditor", "/logs/repository?result=failed", 2),
        ("auditor", "/logs/repository?operation=pull&repository=team/two", 1),
        ("narrow", "/logs/login", 0),
        ("narrow", "/logs/repository?result=failed", 1),
        ("narrow", "/logs/repository?result=failed&repository=team/two", 0),
    ] {
        let answer = fleet.get_as(user, &format!("/api/v1{path}"), &[]).await.is(200, path).json();
        assert_eq!(
            (&answer["total"], answer["items"].as_array().map(Vec::len)),
            (&want.into(), Some(want)),
            "{user} {path}"
        );
    }
    fleet.get_as("reader", "/api/v1/logs/login", &[]).await.is(403, "a reader");
    for (path, field) in [
        ("/logs/login?repository=a", "repository"),
        ("/logs/login?result=good", "result"),
        ("/logs/login?since=yesterday", "since"),
        ("/logs/repository?scanner=perhaps", "scanner"),
        ("/logs/repository?names=theirs", "names"),
        ("/logs/repository?after=x", "after"),
        ("/logs/repository?registry=other", "registry"),
    ] {
        let answer = fleet.get(&format!("/api/v1{path}")).await;
        assert_eq!(answer.json()["field"], field, "{path}");
    }
    let lines = fleet.get("/api/v1/logs/repository?result=failed&format=jsonl&limit=1").await.is(200, "lines");
    assert!(lines.header("link").contains("rel=\"next\"") && lines.text().contains("\"OperationName\":\"pull\""));
    let page = fleet.page("/activity/logs?log=login&result=failed").await;
    assert!(page.contains("1 line, newest first") && page.contains("The scanner's identity is"), "{page}");
    let body = |days: &str| json!({"days": days.parse::<i64>().unwrap()}).to_string();
    let put = async |user: &str, days: &str| {
        fleet.send_as(user, Method::PUT, "/api/v1/logs/settings", &body(days), &JSON).await
    };
    put("auditor", "30").await.is(403, "an auditor changes nothing");
    assert_eq!(put("admin", "0").await.is(400, "no day").json()["field"], "days");
    assert_eq!(put("admin", "30").await.is(200, "set").json()["days"], 30);
}
