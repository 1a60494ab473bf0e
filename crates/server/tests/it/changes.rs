//! What changed between two images: what the push did, what advisories did, and what neither did.

use crate::fleet::{Fleet, known, package};
use http::Method;
use model::severity::Severity;
use serde_json::{Value, json};

const RULES: &str = "/api/v1/rules";

impl Fleet {
    async fn hide(&self, id: &str, name: &str) -> String {
        let body = json!({"name": name, "scope": "/", "criteria": {"finding_ids": [id]}, "reason": "other",
            "justification": "a test", "confirm": true});
        let made = self.post_as("admin", RULES, &body).await.is(201, name).json();
        format!("{RULES}/{}", made["id"].as_str().unwrap())
    }

    /// How many findings the list of each name has, and how many are in both images.
    async fn changed(&self, digest: &str) -> Value {
        self.index.catch_up(&self.store).await.unwrap();
        let changes = self.list(&format!("/api/v1/images/{digest}/changes")).await;
        let many = |name: &str| changes[name].as_array().unwrap().len();
        json!([many("new"), many("fixed"), many("learned"), many("withdrawn"), changes["open"]])
    }
}

#[tokio::test]
async fn what_rules_hide_is_no_change_of_images_or_advisories() {
    let fleet = Fleet::empty().await;
    let held = |more: &str| {
        let ids = ["CVE-2024-0001", "CVE-2024-0002", more];
        vec![(package("openssl", more), ids.map(|id| known(id, Severity::High, "9")).to_vec())]
    };
    fleet.judged("app", "v1", "one", held("CVE-2024-0003"), "lib").await;
    let before = fleet.hide("CVE-2024-0001", "before the push").await;
    let two = fleet.judged("app", "v2", "two", held("CVE-2024-0004"), "lib").await;
    assert_eq!(fleet.changed(&two).await, json!([1, 1, 0, 0, 1]), "one came, one went, one is open, one is hidden");
    fleet.send_as("admin", Method::DELETE, &before, "", &[]).await.is(204, "ended");
    assert_eq!(fleet.changed(&two).await, json!([1, 1, 0, 0, 2]), "what a rule hid was known all the same");
    fleet.hide("CVE-2024-0002", "after the push").await;
    assert_eq!(fleet.changed(&two).await, json!([1, 1, 0, 0, 1]), "what a rule hides was taken back by nobody");
}
