//! Repositories are renamed and moved, images and tags deleted: by REST and by the console.

use crate::fleet::{Answer, Fleet};
use axum::http::Method;
use model::role::Role;
use serde_json::{Value, json};

async fn sent(fleet: &Fleet, user: &str, method: Method, path: &str, body: &Value) -> Answer {
    let json = [("content-type", "application/json")];
    fleet.send_as(user, method, &format!("/api/v1{path}"), &body.to_string(), &json).await
}

async fn posted(fleet: &Fleet, path: &str, body: &str) -> Answer {
    let form = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
    fleet.send_as("admin", Method::POST, path, body, &form).await
}

const ONE: &str = "/registries/local/repositories/team%2Fone";

#[tokio::test]
async fn a_renamed_repository_keeps_its_findings_rules_and_past() {
    let fleet = Fleet::new().await;
    let rule = fleet.rule("team/one").await;
    let before = fleet.finding("repository=team/one").await;
    let view = sent(&fleet, "admin", Method::PATCH, ONE, &json!({"name": "shop/web"})).await.is(200, "renamed").json();
    assert_eq!((&view["name"], &view["registry"]), (&json!("shop/web"), &json!("local")));
    assert!(view["counts"]["findings"].as_u64().unwrap() > 0);
    let after = fleet.finding("repository=shop/web").await;
    assert_eq!((&after["id"], &after["first_seen"]), (&before["id"], &before["first_seen"]));
    assert_eq!(fleet.list("/api/v1/repositories?repository=team/one").await["total"], 0);
    let rule = fleet.list(&format!("/api/v1/rules/{rule}")).await;
    assert_eq!(rule["scope"], format!("/{}/local/shop/web", fleet.subscription));
    fleet.page(&fleet.image_page("shop/web", &fleet.one)).await;
    fleet.get(&fleet.image_page("team/one", &fleet.one)).await.is(404, "nothing has the old name");
    let audit = fleet.list("/api/v1/audit?action=repository.update").await;
    assert_eq!(audit["items"][0]["before"], json!({"registry": "local", "name": "team/one"}));
}

#[tokio::test]
async fn who_renames_or_deletes_owns_or_may_delete_and_bad_names_are_told() {
    let fleet = Fleet::new().await;
    fleet.user("reader", Role::Reader, None).await;
    fleet.user("deleter", Role::AcrDelete, None).await;
    fleet.user("other", Role::Owner, Some("team/two")).await;
    let image = format!("{ONE}/images/{}", fleet.one);
    for (user, method, path, body, status, says) in [
        ("reader", Method::PATCH, ONE, json!({"name": "x"}), 403, "Owner"),
        ("reader", Method::DELETE, &*image, json!({}), 403, "AcrDelete"),
        ("reader", Method::DELETE, &format!("{ONE}/tags/v1"), json!({}), 403, "AcrDelete"),
        ("other", Method::DELETE, &image, json!({}), 403, "AcrDelete"),
        (
            "other",
            Method::PATCH,
            "/registries/local/repositories/team%2Ftwo",
            json!({"name": "team/one"}),
            403,
            "Owner",
        ),
        ("admin", Method::PATCH, ONE, json!({"name": "Team One"}), 400, "\"field\":\"name\""),
        ("admin", Method::PATCH, ONE, json!({"name": "team/two"}), 409, "team/two"),
        ("admin", Method::PATCH, ONE, json!({"nmae": "x"}), 400, "nmae"),
        ("admin", Method::PATCH, ONE, json!({"registry": "none"}), 404, "none"),
        ("admin", Method::PATCH, "/registries/local/repositories/none", json!({"name": "x"}), 404, "none"),
        ("admin", Method::DELETE, &format!("{ONE}/tags/none"), json!({}), 404, "none"),
        ("admin", Method::DELETE, &format!("{ONE}/tags/{}", fleet.one), json!({}), 404, "tag"),
        ("admin", Method::DELETE, &format!("{ONE}/images/sha256:none"), json!({}), 404, "sha256:none"),
        ("deleter", Method::DELETE, &format!("{ONE}/tags/v1"), json!({}), 204, ""),
        ("deleter", Method::DELETE, &image, json!({}), 204, ""),
        ("deleter", Method::DELETE, &image, json!({}), 404, "sha256"),
    ] {
        let answer = sent(&fleet, user, method.clone(), path, &body).await;
        let why = format!("{user} {method} {path} {body}");
        let answer = answer.is(status, &why);
        assert!(answer.text().contains(says), "{why}: {}", answer.text());
    }
    assert_eq!(fleet.list("/api/v1/findings?repository=team/one").await["total"], 0, "gone at once");
    let audit = fleet.list("/api/v1/audit?actor=deleter").await;
    let actions: Vec<&Value> = audit["items"].as_array().unwrap().iter().map(|line| &line["action"]).collect();
    assert_eq!(actions, ["image.delete", "tag.delete"]);
}

#[tokio::test]
async fn the_console_says_what_goes_before_an_image_is_deleted() {
    let fleet = Fleet::new().await;
    let (page, at) = (fleet.image_page("team/one", &fleet.one), format!("/{}/local/team/one", fleet.subscription));
    let ask = format!("/images/{}/delete?at={}", fleet.one, at.replace('/', "%2F"));
    assert!(fleet.page(&page).await.contains(&format!("href=\"{}\"", ask.replace('&', "&#38;"))), "the button");
    let asked = fleet.page(&ask).await;
    for part in ["Delete the image?", "team/one", "<b>v1</b>", "Remove the tag v1", "no other repository", &fleet.one] {
        assert!(asked.contains(part), "{part} is not on {asked}");
    }
    fleet.user("reader", Role::Reader, None).await;
    let seen = fleet.get_as("reader", &page, &[("accept", "text/html")]).await.is(200, "a reader reads").text();
    assert!(!seen.contains("/delete?at="), "a reader is not offered it");
    fleet.get_as("reader", &ask, &[("accept", "text/html")]).await.is(403, "nor may ask for it");
    let body = format!("at={}", at.replace('/', "%2F"));
    let untagged = posted(&fleet, &format!("/images/{}/untag", fleet.one), &format!("{body}&tag=v1")).await;
    assert_eq!((untagged.status.as_u16(), untagged.header("location")), (303, &*page));
    assert!(fleet.page(&ask).await.contains("none"), "no tag is on it");
    let gone = posted(&fleet, &format!("/images/{}/delete", fleet.one), &body).await;
    assert_eq!(gone.status.as_u16(), 303, "{}", gone.text());
    fleet.page(gone.header("location")).await;
    fleet.get(&page).await.is(404, "the image");
    let again = posted(&fleet, &format!("/images/{}/delete", fleet.one), &body).await;
    assert_eq!(again.status.as_u16(), 404, "twice");
}

#[tokio::test]
async fn the_console_renames_a_repository() {
    let fleet = Fleet::new().await;
    let here = "/settings/registries/local/repositories/team%2Fone";
    let list = fleet.page(&format!("/s/{}/local/team/one", fleet.subscription)).await;
    assert!(list.contains(&format!("href=\"{here}\"")), "the button");
    assert!(fleet.page(here).await.contains("value=\"team/one\""));
    let wrong = posted(&fleet, here, "name=No&registry=local").await;
    assert_eq!(wrong.status.as_u16(), 400);
    assert!(wrong.text().contains("value=\"No\""), "what was typed is kept");
    let done = posted(&fleet, here, "name=shop%2Fweb&registry=local").await;
    let to = format!("/s/{}/local/shop/web", fleet.subscription);
    assert_eq!((done.status.as_u16(), done.header("location")), (303, &*to));
    assert!(fleet.page(&to).await.contains("shop/web"));
    fleet.user("reader", Role::Reader, None).await;
    fleet.get_as("reader", here, &[("accept", "text/html")]).await.is(403, "a reader");
    let seen = fleet.get_as("reader", &to, &[("accept", "text/html")]).await.is(200, "a reader reads").text();
    assert!(!seen.contains("Rename or move"));
}

#[tokio::test]
async fn a_repository_that_is_moved_to_where_the_plan_is_off_keeps_its_findings_as_they_were() {
    let fleet = Fleet::new().await;
    let off = sent(&fleet, "admin", Method::POST, "/subscriptions", &json!({"name": "off", "tier": "free"})).await;
    off.is(201, "a subscription without a plan");
    let registry = json!({"name": "cold", "host": "cold.example", "subscription": "off"});
    sent(&fleet, "admin", Method::POST, "/registries", &registry).await.is(201, "a registry there");
    let before = fleet.list("/api/v1/findings?repository=team/one").await;
    sent(&fleet, "admin", Method::PATCH, ONE, &json!({"registry": "cold"})).await.is(200, "moved");
    let after = fleet.list("/api/v1/findings?repository=team/one").await;
    assert_eq!((&after["total"], &after["disabled"]), (&before["total"], &before["disabled"]));
    assert_eq!(after["items"][0]["id"], before["items"][0]["id"], "{after}");
    let image = fleet.list(&format!("/api/v1/images/{}", fleet.one)).await;
    assert_eq!(image["coverage"], "plan-off", "{image}");
    let since = image["coverage_since"].as_str().and_then(model::time::Micros::parse).unwrap();
    assert!(since > model::time::Micros(0) && since <= crate::fleet::now(), "with the day on which it came: {image}");
}
