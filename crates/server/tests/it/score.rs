//! The secure score: one figure on every surface, and what moves it.

use crate::fleet::Fleet;
use http::Method;
use serde_json::{Value, json};

const FINDINGS: &str = "dbd0cb49-b563-45e7-9724-889e799fa648";

/// The control of findings in a scope: healthy, unhealthy, and its sum as it is written.
async fn control(fleet: &Fleet, query: &str) -> (u64, u64, String) {
    let score = fleet.list(&format!("/api/v1/score?{query}")).await;
    let all = score["controls"].as_array().unwrap();
    let control = all.iter().find(|c| c["name"] == "Remediate vulnerabilities").unwrap();
    let number = |name: &str| control[name].as_u64().unwrap();
    (number("healthy"), number("unhealthy"), control["formula"].as_str().unwrap().to_owned())
}

impl Fleet {
    /// Has the image judged that waits, `team/two:new`, without a finding; another one waits then.
    async fn one_healthy(&self) {
        self.judged("team/three", "v1", "three", Vec::new(), "lib").await;
        self.index.catch_up(&self.store).await.unwrap();
    }
}

async fn resources(fleet: &Fleet, key: &str, state: &str) -> u64 {
    let path = format!("/api/v1/recommendations/{key}/resources?limit=1&state={state}");
    fleet.list(&path).await["total"].as_u64().unwrap()
}

fn rounded(number: &Value) -> i64 {
    (number.as_f64().unwrap() * 100.0).round() as i64
}

#[tokio::test]
async fn the_score_is_the_documented_sum_and_the_same_on_every_surface() {
    let fleet = Fleet::new().await;
    fleet.one_healthy().await;
    let (healthy, unhealthy, formula) = control(&fleet, "").await;
    assert_eq!(
        (healthy, unhealthy),
        (1, 3),
        "three images have findings, one has none; two are not verified, a signature is not asked"
    );
    assert_eq!(formula, "6 / 4 × 1 = 1.50");
    let summary = fleet.list(&format!("/api/v1/recommendations/{FINDINGS}")).await;
    for (state, count) in [("healthy", healthy), ("unhealthy", unhealthy), ("unverified", 2), ("not-applicable", 1)] {
        assert_eq!(resources(&fleet, FINDINGS, state).await, count, "the list behind {state}");
        assert_eq!(summary[state.replace('-', "_")], count, "the summary's {state}");
    }
    let score = fleet.list("/api/v1/score").await;
    let of = |name: &str| score["controls"].as_array().unwrap().iter().map(|c| rounded(&c[name])).sum::<i64>();
    let counted: Vec<&Value> =
        score["controls"].as_array().unwrap().iter().filter(|c| !c["current"].is_null()).collect();
    let current: i64 = counted.iter().map(|c| rounded(&c["current"])).sum();
    let max: i64 = counted.iter().map(|c| c["max"].as_i64().unwrap()).sum();
    assert_eq!((rounded(&score["current"]), score["max"].as_i64()), (current, Some(max)), "{score}");
    assert!(of("gain") > 0);
    let page = fleet.page("/score").await;
    for text in [formula.as_str(), score["formula"].as_str().unwrap()] {
        assert!(page.contains(text), "the page says {text}");
    }
    let today = fleet.list("/api/v1/score/history?days=1").await["items"][0].clone();
    assert_eq!(today["formula"], formula.as_str(), "the history ends with now");
}

#[tokio::test]
async fn posture_counts_each_registry_as_its_recommendation_says() {
    let fleet = Fleet::new().await;
    fleet
        .post_as("admin", "/api/v1/registries", &json!({"name": "second", "host": "second.test"}))
        .await
        .is(201, "made");
    let records = fleet.list("/api/v1/posture").await["items"].as_array().unwrap().clone();
    let all = fleet.list("/api/v1/recommendations").await["items"].as_array().unwrap().clone();
    let posture: Vec<&Value> = all.iter().filter(|r| r["key"].as_str().unwrap().starts_with("Azure.")).collect();
    assert!(!posture.is_empty(), "rules that count are recommendations");
    for one in posture {
        let key = one["key"].as_str().unwrap();
        let count =
            |pass: bool| records.iter().filter(|r| r["rule"] == key && (r["outcome"] == "Pass") == pass).count();
        assert_eq!(one["healthy"].as_u64(), Some(count(true) as u64), "{key}");
        assert_eq!(one["unhealthy"].as_u64(), Some(count(false) as u64), "{key}");
        let of_it = fleet.list(&format!("/api/v1/recommendations/{key}/resources")).await;
        assert_eq!(of_it["total"].as_u64(), Some(2), "{key}: both registries are asked");
    }
}

#[tokio::test]
async fn what_hides_exempts_or_switches_off_moves_the_score_by_its_share() {
    let fleet = Fleet::new().await;
    fleet.one_healthy().await;
    let what_if = control(&fleet, &format!("fixed={}", fleet.two)).await;
    assert_eq!(what_if.2, "6 / 4 × 2 = 3.00", "as if one more were fixed");

    let scope = format!("/{}/local/team/two", fleet.subscription);
    let rule = json!({"name": "all of two", "scope": scope, "criteria": {"severity_below": "critical"},
        "reason": "accepted-risk", "justification": "known", "confirm": true});
    let asked = json!({"scope": scope, "criteria": {"severity_below": "critical"}});
    let preview = fleet.post_as("admin", "/api/v1/rules/preview", &asked).await.is(200, "preview").json();
    let rule = fleet.post_as("admin", "/api/v1/rules", &rule).await.is(201, "a rule").json();
    assert_eq!(control(&fleet, "").await, (2, 2, "6 / 4 × 2 = 3.00".into()), "what is hidden does not hurt");
    let here = control(&fleet, &format!("scope={scope}")).await;
    assert_eq!((here.0, here.1), (2, 0), "in its own repository it is all");
    assert_eq!(rounded(&preview["score_gain"]), 300, "and the preview said so for that scope: {preview}");
    let path = format!("/api/v1/rules/{}", rule["id"].as_str().unwrap());
    fleet.send_as("admin", Method::DELETE, &path, "", &[]).await.is(204, "deleted");
    assert_eq!(control(&fleet, "").await.2, "6 / 4 × 1 = 1.50", "and back");

    let waiver = |key: &str| json!({"recommendation": key, "scope": "/", "digest": fleet.two, "kind": "waiver", "reason": "a test"});
    fleet.post_as("admin", "/api/v1/exemptions", &waiver("end-of-life")).await.is(201, "of something else");
    assert_eq!(control(&fleet, "").await.2, "6 / 4 × 1 = 1.50", "an exemption of another recommendation is none");
    let made = fleet.post_as("admin", "/api/v1/exemptions", &waiver(FINDINGS)).await.is(201, "of findings").json();
    assert_eq!(control(&fleet, "").await.2, "6 / 3 × 1 = 2.00", "an exempt image does not count");
    assert_eq!(resources(&fleet, FINDINGS, "not-applicable").await, 2, "beside the signature");
    let path = format!("/api/v1/exemptions/{}", made["id"].as_str().unwrap());
    fleet.send_as("admin", Method::DELETE, &path, "", &[]).await.is(204, "ended");
    assert_eq!(control(&fleet, "").await.2, "6 / 4 × 1 = 1.50", "and counts again");
}
