//! Text of images and feeds is data everywhere: on pages, in exports.

use crate::fleet::{Fleet, Known, addresses, known, package};
use model::severity::Severity;

/// What an image may try.
pub const ALL: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "\u{1b}[31mred\u{7}",
    "a\u{202e}gpj.exe",
    "{{ 7 * 7 }}",
    "' onmouseover='alert(1)",
];

/// Pushes an image whose every text is hostile.
pub async fn push(fleet: &Fleet) -> String {
    let text = ALL.join(" ");
    let (mut found, mut fact): Known = known("CVE-2022-0001", Severity::Medium, &text);
    found.comparison.clone_from(&text);
    found.advisory.clone_from(&text);
    fact.title.clone_from(&text);
    fact.aliases = vec![format!("=cmd|'/c calc'!A1 {text}"), "javascript:alert(1)".into()];
    fact.text.description.clone_from(&text);
    fact.text.cwe = vec![text.clone()];
    fact.text.references =
        vec!["javascript:alert(1)".into(), "data:text/html,x".into(), format!("https://example.org/{text}")];
    let held = vec![(package(&format!("=1+1{text}"), &text), vec![(found, fact)])];
    fleet.judged("evil", "v1", "evil", held, &text).await
}

#[tokio::test]
async fn hostile_text_is_inert_on_every_page() {
    let fleet = Fleet::new().await;
    let image = fleet.image_page("evil", &fleet.evil);
    let finding = fleet.finding(&format!("image={}", fleet.evil)).await["id"].as_str().unwrap().to_owned();
    let query = "q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E%22";
    let mut pages = vec![
        "/".to_owned(),
        format!("/?{query}"),
        "/?q=%3Cscript%3E:1".into(),
        "/findings".into(),
        format!("/findings?{query}"),
        "/vulnerabilities".into(),
        "/vulnerabilities/CVE-2022-0001".into(),
        image.clone(),
        format!("{image}?finding={finding}"),
        format!("{image}?{query}"),
        format!("/findings/{finding}"),
        fleet.image_page("team/one", &fleet.failed),
    ];
    pages.extend(["/%3Cscript%3Ealert(1)", "/vulnerabilities/%3Cscript%3E", "/findings/%1b%5b31m"].map(str::to_owned));
    for path in pages {
        let html = fleet.get_as("admin", &path, &[("accept", "text/html")]).await.text();
        assert!(html.starts_with("<!doctype html>"), "{path}");
        let scripts: Vec<_> = html.match_indices("<script").map(|(at, _)| &html[at..at + 28]).collect();
        assert_eq!(scripts, ["<script src=\"/assets/app.js\""], "{path}");
        assert!(!html.contains("<img"), "{path}");
        assert!(!html.contains(" onmouseover='") && !html.contains(" onerror=alert(1)>"), "{path}");
        let unseen = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!html.contains(unseen), "{path}");
        for link in addresses(&html, "href").into_iter().chain(addresses(&html, "action")) {
            let web = link.starts_with("https://") || link.starts_with('/') || link.starts_with('#');
            assert!(web && !link.starts_with("//"), "{path} links to {link}");
        }
    }
}

#[tokio::test]
async fn exports_hold_no_formula_and_no_control_character() {
    let fleet = Fleet::new().await;
    for list in ["findings", "packages", "vulnerabilities", "images", "repositories"] {
        let csv = fleet.get(&format!("/api/v1/{list}?format=csv")).await.is(200, list);
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
        let text = csv.text();
        assert!(text.ends_with("\r\n"), "{list}");
        assert!(!text.replace("\r\n", "").contains(|c: char| c.is_control()), "{list}");
        for cell in text.split("\r\n").flat_map(|row| row.split(',')) {
            assert!(!cell.trim_start_matches('"').starts_with(['=', '@', '+']), "{list}: {cell}");
        }
        let jsonl = fleet.get(&format!("/api/v1/{list}?format=jsonl")).await.is(200, list).text();
        assert!(!jsonl.replace('\n', "").contains(|c: char| c.is_control()), "{list}");
        for line in jsonl.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{list}: {e}"));
        }
    }
}
