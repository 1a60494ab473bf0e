//! Columns that are chosen, rows that are picked, whole lists as files.

use crate::fleet::{Fleet, MANY, addresses};
use serde_json::Value;

#[tokio::test]
async fn chosen_columns_are_shown_and_stay_in_every_address_of_the_list() {
    let fleet = Fleet::new().await;
    for (page, usual, other) in [
        ("/findings", "CVSS", "vendor-state"),
        ("/inventory", "Fixable", "exploited"),
        ("/inventory/repositories", "Affected", "fixable-share"),
        ("/vulnerabilities", "Packages", "published"),
    ] {
        let html = fleet.page(page).await;
        let head = |html: &str, text: &str| {
            let heads = html.split("<thead>").nth(1).unwrap().split("</thead>").next().unwrap();
            heads.split("<th").any(|cell| cell.split('>').any(|part| part.starts_with(text)))
        };
        assert!(head(&html, usual), "{page} has {usual} without being asked");
        assert!(html.contains(&format!("name=\"cols\" value=\"{other}\"> ")), "{page} offers {other}");
        let chosen = fleet.page(&format!("{page}?cols={other}&q=")).await;
        assert!(!head(&chosen, usual), "{page} does not show what was not chosen");
        let sorts =
            addresses(&chosen, "href").into_iter().filter(|link| link.starts_with(page) && link.contains("sort="));
        for link in sorts.collect::<Vec<_>>() {
            assert!(link.contains(&format!("cols={other}")), "{link}");
            fleet.page(&link).await;
        }
        assert!(chosen.contains(&format!("name=\"cols\" value=\"{other}\">")), "the filter of {page} keeps them");
        let wrong = fleet.get_as("admin", &format!("{page}?cols=colour"), &[("accept", "text/html")]).await;
        let text = wrong.is(400, page).text();
        assert!(text.contains("colour"), "{page} names it");
    }
}

#[tokio::test]
async fn picked_findings_are_written_in_every_format_and_make_a_rule() {
    let fleet = Fleet::new().await;
    let items = fleet.list("/api/v1/findings?limit=3").await["items"].as_array().unwrap().clone();
    let ids: Vec<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    let picked = ids.iter().map(|id| format!("finding={id}")).collect::<Vec<_>>().join("&");
    let list = fleet.list(&format!("/api/v1/findings?{picked}")).await;
    assert_eq!((list["items"].as_array().unwrap(), list["total"].as_u64()), (&items, Some(3)));
    let lines = fleet.get(&format!("/api/v1/findings?{picked}&format=jsonl")).await.is(200, "lines").text();
    assert_eq!(lines.lines().count(), 3);
    let csv = fleet.get(&format!("/api/v1/findings?{picked}&format=csv")).await.is(200, "csv").text();
    assert_eq!(csv.lines().count(), 4);
    let sarif = fleet.get(&format!("/api/v1/findings?{picked}&format=sarif")).await.is(200, "sarif");
    assert_eq!(sarif.header("content-type"), "application/sarif+json");
    let results = sarif.json()["runs"][0]["results"].clone();
    let marks: Vec<&str> = results
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["partialFingerprints"]["portwarden/finding"].as_str().unwrap())
        .collect();
    assert_eq!(marks, ids);
    fleet.get(&format!("/api/v1/findings?{picked}&finding=nothing")).await.is(404, "one that is not there");
    let form = fleet.page(&format!("/rules/new?{picked}")).await;
    for item in &items {
        assert!(form.contains(item["finding_id"].as_str().unwrap()), "the form has {}", item["finding_id"]);
    }
    let page = fleet.page("/findings").await;
    assert!(page.contains("formaction=\"/rules/new\"") && page.contains("form=\"picked\""));
}

#[tokio::test]
async fn a_whole_list_is_one_file() {
    let fleet = Fleet::new().await;
    for (list, least) in
        [("findings", MANY), ("images", 3), ("repositories", 3), ("vulnerabilities", MANY), ("packages", 3)]
    {
        let total = fleet.list(&format!("/api/v1/{list}?limit=1")).await["total"].as_u64().unwrap() as usize;
        assert!(total >= least, "{list}: {total}");
        let lines = fleet.get(&format!("/api/v1/{list}?limit=all&format=jsonl")).await.is(200, list);
        assert!(lines.header("content-disposition").contains(&format!("{list}.jsonl")), "{list} is a file");
        assert_eq!(lines.text().lines().count(), total, "{list}");
        let whole: Value = fleet.get(&format!("/api/v1/{list}?limit=all")).await.is(200, list).json();
        assert_eq!(
            (whole["items"].as_array().unwrap().len(), whole["total"].as_u64()),
            (total, Some(total as u64)),
            "{list}"
        );
        assert!(whole["revision"].is_i64(), "{list}");
    }
    let sarif = fleet.get("/api/v1/findings?limit=all&format=sarif").await.is(200, "sarif").json();
    let total = fleet.list("/api/v1/findings?limit=1").await["total"].as_u64().unwrap() as usize;
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), total);
    fleet.get("/api/v1/images?format=sarif").await.is(400, "images are no results");
    fleet.get("/api/v1/findings?limit=most").await.is(400, "no number");
}

#[tokio::test]
async fn picked_images_are_scanned_again() {
    let fleet = Fleet::new().await;
    let body = format!("digests={}&digests={}&back=%2Finventory", fleet.one, fleet.two);
    let kind = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
    let answer = fleet.send_as("admin", http::Method::POST, "/inventory/scan", &body, &kind).await.is(303, "asked");
    assert_eq!(answer.header("location"), "/inventory");
    let waiting = fleet.list("/api/v1/images?work=queued").await;
    let digests: Vec<&str> =
        waiting["items"].as_array().unwrap().iter().map(|i| i["digest"].as_str().unwrap()).collect();
    assert!(digests.contains(&fleet.one.as_str()) && digests.contains(&fleet.two.as_str()), "{digests:?}");
}

const FORM: [(&str, &str); 2] = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];

#[tokio::test]
async fn picked_recommendations_are_assigned_and_picked_resources_exempted() {
    let fleet = Fleet::new().await;
    let list = fleet.list("/api/v1/recommendations").await;
    let keys: Vec<&str> =
        list["items"].as_array().unwrap().iter().take(2).map(|r| r["key"].as_str().unwrap()).collect();
    let post = |path: &'static str, body: String| {
        let fleet = &fleet;
        async move { fleet.send_as("admin", http::Method::POST, path, &body, &FORM).await }
    };
    post("/recommendations/assign", "assign_scope=%2F&owner=me".into()).await.is(400, "nothing is picked");
    let body = format!("assign_scope=%2F&owner=me&key={}&key={}", keys[0], keys[1]);
    post("/recommendations/assign", body).await.is(303, "two at once");
    let list = fleet.list("/api/v1/recommendations").await;
    let owned = list["items"].as_array().unwrap().iter().filter(|r| r["owner"] == "me").count();
    assert_eq!(owned, 2);
    let picked = format!("scope=%2F&kind=waiver&reason=old&picked=%2F+{}&picked=%2F+{}", fleet.one, fleet.two);
    post("/recommendations/end-of-life/exempt", picked).await.is(303, "two images");
    let list = fleet.list("/api/v1/exemptions").await;
    let digests: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|e| e["digest"].as_str().unwrap_or("")).collect();
    assert!(digests.contains(&fleet.one.as_str()) && digests.contains(&fleet.two.as_str()), "{digests:?}");
}

#[tokio::test]
async fn a_resource_group_has_a_form_with_its_name() {
    let fleet = Fleet::empty().await;
    let here = format!("/settings/subscriptions/{}/groups/default", fleet.subscription);
    assert!(fleet.page("/settings/subscriptions").await.contains(&here), "the list leads there");
    assert!(fleet.page(&here).await.contains("value=\"default\""));
    let send = |body: &'static str| {
        let (fleet, here) = (&fleet, here.clone());
        async move { fleet.send_as("admin", http::Method::POST, &here, body, &FORM).await }
    };
    assert!(
        send("name=a%2Fb").await.is(400, "no name of a group").text().contains("value=\"a/b\""),
        "it keeps what was typed"
    );
    send("name=crew").await.is(303, "renamed");
    let registry = fleet.list("/api/v1/registries/local").await;
    assert_eq!(registry["resource_group"], "crew");
    fleet.get_as("admin", &here, &[("accept", "text/html")]).await.is(404, "it has another name");
}

#[tokio::test]
async fn an_override_that_hides_nothing_says_what_comes_back() {
    let fleet = Fleet::new().await;
    let body = serde_json::json!({"name": "wide", "scope": "/", "criteria": {"finding_ids": ["CVE-2024-0001"]},
        "reason": "other", "justification": "a test", "confirm": true});
    let wide = fleet.post_as("admin", "/api/v1/rules", &body).await.is(201, "a wide rule").json();
    let hidden = fleet.list("/api/v1/counts").await["counts"]["disabled"].as_u64().unwrap();
    let id = wide["id"].as_str().unwrap();
    assert!(fleet.page(&format!("/rules/new?override={id}")).await.contains("name=\"paused\""));
    let scope = format!("%2F{}%2Flocal%2Fteam%2Fone", fleet.subscription);
    let form = |verb: &str| {
        format!(
            "do={verb}&overrides={id}&scope={scope}&paused=yes&finding_ids=CVE-2024-0001&reason=other&justification=shown&name=here"
        )
    };
    let looked =
        fleet.send_as("admin", http::Method::POST, "/rules/new", &form("preview"), &FORM).await.is(200, "preview");
    assert!(looked.text().contains("1 finding that wide hides there comes back."), "{}", looked.text());
    fleet.send_as("admin", http::Method::POST, "/rules/new", &form("apply"), &FORM).await.is(303, "applied");
    assert_eq!(fleet.list("/api/v1/counts").await["counts"]["disabled"].as_u64(), Some(hidden - 1));
}

#[tokio::test]
async fn pages_say_what_was_asked_for() {
    let fleet = Fleet::new().await;
    for (page, texts) in [
        ("/", vec!["Secure score", "Rules that expire soon", "Coverage", "Time to remediate", "Open findings by age"]),
        ("/vulnerabilities/CVE-2024-0001", vec!["30 days ago", "There since", "plot lines"]),
        ("/activity/problems", vec!["layer-truncated", "Try now", "Queue"]),
        ("/settings/feeds", vec!["debian", "Generation"]),
    ] {
        let html = fleet.page(page).await;
        for text in texts {
            assert!(html.contains(text), "{page} says {text}");
        }
    }
    let later = fleet.at(|| model::Micros(4_000_000_000_000_000)).page("/activity/problems").await;
    assert!(later.contains("for a worker, the oldest for") && later.contains("the role worker"), "{later}");
    fleet.user("narrow", model::role::Role::Reader, Some("team/one")).await;
    let html =
        fleet.get_as("narrow", "/activity/problems", &[("accept", "text/html")]).await.is(200, "a reader").text();
    assert!(!html.contains("Queue") && !html.contains("Try now"), "the queue is for whom may see all of it");
}

/// A server whose workers, and the advisory database, are elsewhere.
#[tokio::test]
async fn a_server_without_the_database_in_force_says_how_old_its_feeds_are() {
    let fleet = Fleet::new().await;
    fleet.store.adopt(9, "built elsewhere").await.unwrap();
    let row = |name: &str, fetched| store::FeedRow { name: name.into(), records: 7, date: model::Micros(0), fetched };
    let feeds = [row("debian", model::Micros(1_000_000)), row("kev", model::Micros(2_000_000))];
    fleet.store.note_feeds("built elsewhere", &feeds).await.unwrap();
    let told = fleet.list("/api/v1/db").await;
    assert_eq!((&told["generation"], &told["content_hash"]), (&9.into(), &"built elsewhere".into()));
    assert_eq!(told["feeds"].as_array().unwrap().len(), 2);
    assert_eq!(told["feeds"][0]["fetched"], "1970-01-01T00:00:01Z");
    fleet.store.adopt(10, "facts").await.unwrap();
    let held = fleet.list("/api/v1/db").await;
    assert_eq!(
        (&held["generation"], &held["feeds"][0]["records"]),
        (&7.into(), &7.into()),
        "what it holds, and what others know"
    );
}
