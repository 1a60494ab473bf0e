//! Requests that change something: read strictly, done once, written down, and not for other sites to send.

use crate::fleet::{Answer, Fleet};
use http::Method;
use model::role::Role;
use serde_json::json;
use store::AuditFilter;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

async fn lines(fleet: &Fleet) -> Vec<(String, String)> {
    let (rows, _) = fleet.store.audit(&AuditFilter::default(), 100).await.unwrap();
    let tokens = rows.into_iter().filter(|row| row.action.starts_with("token."));
    tokens.map(|row| (row.actor, row.action)).collect()
}

async fn tokens(fleet: &Fleet, user: &str) -> Vec<serde_json::Value> {
    let answer = fleet.get_as(user, "/api/v1/tokens", &[]).await.is(200, user);
    answer.json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_token_is_made_shown_once_and_ended() {
    let fleet = Fleet::empty().await;
    fleet.user("reader", Role::Reader, None).await;
    let body = json!({"name": "ci", "expires": "2999-01-01", "grants": [{"role": "reader", "scope": "/"}]});
    let made = fleet.post_as("reader", "/api/v1/tokens", &body).await.is(201, "a token of one's own").json();
    let text = made["token"].as_str().unwrap();
    let bearer = |text: &str| http::Request::get("/api/v1/images").header("authorization", format!("Bearer {text}"));
    fleet.raw(bearer(text).body(Default::default()).unwrap()).await.is(200, "it is a login");
    let listed = tokens(&fleet, "reader").await;
    assert_eq!((listed.len(), listed[0]["name"].as_str()), (1, Some("ci")));
    assert!(text.starts_with(listed[0]["hint"].as_str().unwrap()) && !listed[0].to_string().contains(text));
    assert!(listed[0]["last_use"].is_string(), "its use is noted");
    fleet.user("other", Role::Reader, None).await;
    let path = format!("/api/v1/tokens/{}", made["id"]);
    fleet.send_as("other", Method::DELETE, &path, "", &[]).await.is(404, "somebody else's");
    fleet.send_as("reader", Method::DELETE, &path, "", &[]).await.is(204, "one's own");
    fleet.raw(bearer(text).body(Default::default()).unwrap()).await.is(401, "it is over");
    fleet.send_as("reader", Method::DELETE, &path, "", &[]).await.is(404, "it is gone");
    let want = [("reader", "token.revoke"), ("reader", "token.create")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(lines(&fleet).await, want);
    assert_eq!(fleet.store.verify_audit(0).await.unwrap().0.broken, None);
}

#[tokio::test]
async fn a_wrong_token_names_its_field() {
    let fleet = Fleet::empty().await;
    fleet.user("narrow", Role::Reader, Some("team/one")).await;
    let other = "/00000000-0000-0000-0000-000000000000";
    for (user, body, status, field) in [
        ("admin", json!({}), 400, "name"),
        ("admin", json!({"name": " "}), 400, "name"),
        ("admin", json!({"name": "x".repeat(81)}), 400, "name"),
        ("admin", json!({"name": "a\u{0}b"}), 400, "name"),
        ("admin", json!({"name": "a", "expires": "soon"}), 400, "expires"),
        ("admin", json!({"name": "a", "expires": "2020-01-01"}), 400, "expires"),
        ("admin", json!({"name": "a", "colour": "red"}), 400, "colour"),
        ("admin", json!({"name": "a", "principal": "nobody"}), 404, "principal"),
        ("admin", json!({"name": "a", "grants": [{"role": "king", "scope": "/"}]}), 400, "role"),
        ("admin", json!({"name": "a", "grants": [{"role": "owner", "scope": "x"}]}), 400, "scope"),
        ("admin", json!({"name": "a", "grants": [{"role": "owner", "scope": other}]}), 404, "scope"),
        ("narrow", json!({"name": "a", "grants": [{"role": "reader", "scope": other}]}), 404, "scope"),
        ("narrow", json!({"name": "a", "grants": [{"role": "reader", "scope": "/"}]}), 403, "grants"),
        ("narrow", json!({"name": "a", "principal": "admin"}), 403, ""),
    ] {
        let answer = fleet.post_as(user, "/api/v1/tokens", &body).await.is(status, &body.to_string()).json();
        assert_eq!(answer["field"].as_str().unwrap_or(""), field, "{body}: {answer}");
    }
    fleet.send_as("admin", Method::POST, "/api/v1/tokens", "name=a", &[FORM]).await.is(400, "a form is not JSON");
    let long = format!("{{\"name\": \"{}\"}}", "x".repeat(5 << 20));
    fleet.send_as("admin", Method::POST, "/api/v1/tokens", &long, &[JSON]).await.is(400, "too long");
    assert_eq!(lines(&fleet).await, [], "nothing was done");
}

#[tokio::test]
async fn a_token_makes_no_token_and_a_narrow_one_knows_only_itself() {
    let fleet = Fleet::empty().await;
    let make = |body: serde_json::Value| {
        let fleet = &fleet;
        async move { fleet.post_as("admin", "/api/v1/tokens", &body).await.is(201, "made").json() }
    };
    let narrow = json!({"name": "narrow", "grants": [{"role": "reader", "scope": format!("/{}", fleet.subscription)}]});
    let (narrow, wide) = (make(narrow).await, make(json!({"name": "wide"})).await);
    let send = |token: &serde_json::Value, method: Method, path: String, body: &'static str| {
        let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
        let request = http::Request::builder().method(method).uri(path).header("authorization", bearer);
        fleet.raw(request.header(JSON.0, JSON.1).body(body.into()).unwrap())
    };
    let tokens_path = || "/api/v1/tokens".to_owned();
    for (token, why) in [(&narrow, "narrow"), (&wide, "wide")] {
        let refused = send(token, Method::POST, tokens_path(), r#"{"name": "x"}"#).await.is(403, why);
        assert!(refused.text().contains("a token makes no further token"), "{why}: {}", refused.text());
    }
    let seen = send(&narrow, Method::GET, tokens_path(), "").await.is(200, "its own").json();
    assert_eq!((seen["total"].as_u64(), &seen["items"][0]["id"]), (Some(1), &narrow["id"]), "{seen}");
    let sessions = send(&narrow, Method::GET, "/api/v1/sessions".into(), "").await.is(200, "none").json();
    assert_eq!(sessions["total"], 0);
    let of = |token: &serde_json::Value| format!("/api/v1/tokens/{}", token["id"]);
    send(&narrow, Method::DELETE, of(&wide), "").await.is(404, "another is not there for it");
    send(&narrow, Method::DELETE, of(&narrow), "").await.is(204, "but itself it ends");
    send(&narrow, Method::GET, tokens_path(), "").await.is(401, "and is over");
    send(&wide, Method::GET, tokens_path(), "").await.is(200, "the other one stands");
}

#[tokio::test]
async fn what_is_sent_twice_is_done_once() {
    let fleet = Fleet::empty().await;
    let body = json!({"name": "ci"}).to_string();
    let post = |key: &'static str, body: String| {
        let fleet = &fleet;
        async move {
            let headers = [JSON, ("idempotency-key", key)];
            fleet.send_as("admin", Method::POST, "/api/v1/tokens", &body, &headers).await
        }
    };
    post("a", body.clone()).await.is(201, "the first");
    let again = post("a", body.clone()).await.is(409, "its text was shown once");
    assert!(again.json()["type"].as_str().unwrap().ends_with(":repeated"));
    post("a", json!({"name": "other"}).to_string()).await.is(201, "another body is another request");
    post("b", body.clone()).await.is(201, "another key");
    assert_eq!(tokens(&fleet, "admin").await.len(), 3);
    let all: Vec<Answer> = futures_util::future::join_all((0..8).map(|_| post("c", body.clone()))).await;
    let good = all.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((good, tokens(&fleet, "admin").await.len()), (1, 4), "eight at once");
    let id = tokens(&fleet, "admin").await[0]["id"].to_string();
    let revoke = format!("/settings/tokens/{id}/revoke");
    for _ in 0..2 {
        let answer = fleet.send_as("admin", Method::POST, &revoke, "_key=k", &[FORM]).await.is(303, "a double click");
        assert_eq!(answer.header("location"), "/settings/tokens");
    }
    fleet.send_as("admin", Method::POST, &revoke, "_key=l", &[FORM]).await.is(404, "a later click");
}

#[tokio::test]
async fn a_form_with_a_mistake_comes_back_as_it_was_typed() {
    let fleet = Fleet::empty().await;
    let page = [FORM, ("accept", "text/html")];
    let form = "name=my+%3Cci%3E&role=acr-push&scope=/nowhere";
    let answer = fleet.send_as("admin", Method::POST, "/settings/tokens", form, &page).await.is(404, "no such scope");
    let html = answer.text();
    for part in ["my &#60;ci&#62;", "value=\"acr-push\" selected", "value=\"/nowhere\"", "there is no scope /nowhere"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let good = fleet.send_as("admin", Method::POST, "/settings/tokens", "name=a", &page).await.is(200, "made");
    assert!(good.text().contains("<pre tabindex=\"0\">pw_"));
    assert!(!fleet.page("/settings/tokens").await.contains("<pre tabindex=\"0\">pw_"), "its whole text only once");
}

#[tokio::test]
async fn another_site_cannot_make_a_browser_change_anything() {
    let fleet = Fleet::empty().await;
    for (headers, status) in [
        (vec![FORM, ("sec-fetch-site", "cross-site")], 403),
        (vec![FORM, ("origin", "http://evil.example"), ("host", "registry.test")], 403),
        (vec![FORM, ("origin", "null")], 403),
        (vec![FORM, ("sec-fetch-site", "same-origin")], 200),
    ] {
        let answer = fleet.send_as("admin", Method::POST, "/settings/tokens", "name=a", &headers).await;
        answer.is(status, &format!("{headers:?}"));
    }
    assert_eq!(tokens(&fleet, "admin").await.len(), 1);
}
