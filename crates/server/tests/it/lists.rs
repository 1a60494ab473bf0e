//! REST: what a route answers is what the document promises; totals, pages, orders and filters agree.

use crate::fleet::{Fleet, MANY};
use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What the document says of a schema: a reference is followed, `allOf` is joined.
fn properties(document: &Value, schema: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => &document["components"]["schemas"][name.trim_start_matches("#/components/schemas/")],
        None => schema,
    };
    let mut all = BTreeSet::new();
    let mut required = BTreeSet::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let (more, needed) = properties(document, part);
        all.extend(more);
        required.extend(needed);
    }
    all.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    required.extend(schema["required"].as_array().into_iter().flatten().map(|v| v.as_str().unwrap().to_owned()));
    (all, required)
}

fn fields(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object")).keys().cloned().collect()
}

async fn made(fleet: &Fleet, path: &str, body: Value) -> Value {
    fleet.post_as("admin", &format!("/api/v1/{path}"), &body).await.is(201, path).json()
}

async fn relay(fleet: &Fleet) {
    let relay = json!({"host": "mail.example", "from": "pw@mail.example"}).to_string();
    let kind = [("content-type", "application/json")];
    fleet.send_as("admin", http::Method::PUT, "/api/v1/notifications/relay", &relay, &kind).await.is(200, "a relay");
}

/// Makes one of everything, so that each list has something to look at; returns the ids of an import and of a channel.
async fn one_of_everything(fleet: &Fleet) -> (String, String) {
    made(fleet, "tokens", json!({"name": "ci"})).await;
    made(fleet, "views", json!({"name": "worst", "address": "/findings?q=severity:critical"})).await;
    let exemption = json!({"recommendation": "end-of-life", "scope": "/", "kind": "waiver", "reason": "to list"});
    made(fleet, "exemptions", exemption).await;
    made(fleet, "posture/suppressions", json!({"rule": "Azure.ACR.Name", "scope": "/", "reason": "to list"})).await;
    let import = made(fleet, "imports", json!({"source": "registry.example/app:1"})).await["id"].to_string();
    let hook = json!({"name": "ops", "address": "https://hooks.example/here"});
    let hook = made(fleet, "notifications/channels", hook).await["channel"]["id"].to_string();
    made(fleet, &format!("notifications/channels/{hook}/test"), json!({})).await;
    relay(fleet).await;
    fleet.store.log(store::LogEntry { login: true, ..store::LogEntry::default() });
    (import, hook)
}

#[tokio::test]
async fn every_route_answers_the_fields_of_its_schema() {
    let fleet = Fleet::new().await;
    let document = fleet.list("/api/v1/openapi.json").await;
    let finding = fleet.finding("severity=critical").await["id"].as_str().unwrap().to_owned();
    let period = fleet.list("/api/v1/usage").await["items"][0]["period"].as_str().unwrap().to_owned();
    let rule = fleet.rule("team/one").await;
    let admin = fleet.store.principal_named("admin").await.unwrap().unwrap();
    fleet.store.begin_session(&admin, &store::Caller::default()).await.unwrap();
    let recommendations = fleet.list("/api/v1/recommendations").await;
    let key = recommendations["items"][0]["key"].as_str().unwrap();
    let (import, hook) = one_of_everything(&fleet).await;
    let mut heads = Vec::new();
    for route in fleet.routes().await {
        let id = match route.split('/').nth(3) {
            Some("findings") => finding.as_str(),
            Some("rules") => rule.as_str(),
            Some("imports") => import.as_str(),
            Some("notifications") => hook.as_str(),
            Some("subscriptions") => "default",
            _ => "CVE-2024-0000",
        };
        let path = route.replace("{digest}", &fleet.one).replace("{id}", id);
        let path = path.replace("{name}", "local").replace("{period}", &period).replace("{key}", key);
        let answer = fleet.get(&path).await.is(200, &path);
        let kinds = &document["paths"][&route]["get"]["responses"]["200"]["content"];
        if kinds.get("application/json").is_none() {
            assert!(kinds.get(answer.header("content-type")).is_some(), "{path}: {}", answer.header("content-type"));
            assert!(answer.json().is_object(), "{path}");
            continue;
        }
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        let body = answer.json();
        if route.ends_with("/posture/resources") {
            assert!(body[0].is_object(), "an array, as PSRule reads it");
            continue;
        }
        let schema = &document["paths"][&route]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let (all, required) = properties(&document, schema);
        assert!(fields(&body).is_subset(&all), "{path}: {:?} are not in the document", fields(&body));
        assert!(required.is_subset(&fields(&body)), "{path}: {required:?} are promised");
        let item = &schema["properties"]["items"]["items"];
        if item.is_null() {
            continue;
        }
        let (all, required) = properties(&document, item);
        assert!(!all.is_empty(), "{route} has items without a schema");
        let items = body["items"].as_array().unwrap();
        assert!(!items.is_empty(), "{path} has nothing to look at");
        for item in items {
            assert!(fields(item).is_subset(&all) && required.is_subset(&fields(item)), "{path}: {item}");
        }
        heads.push((head(&fleet, &path, items.len()).await, route));
    }
    lists_without_rows_have_the_same_heads(&fleet, heads).await;
}

/// The head of a list as CSV, which has so many rows below it.
async fn head(fleet: &Fleet, path: &str, rows: usize) -> String {
    let answer = fleet.get(&format!("{path}?format=csv")).await.is(200, path);
    assert!(answer.header("content-type").starts_with("text/csv"), "{path}: {}", answer.header("content-type"));
    let text = answer.text();
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_else(|| panic!("{path} as CSV has no head")).to_owned();
    assert_eq!(lines.count(), rows, "{path} as CSV");
    head
}

/// Every list, where nothing was ever pushed or made; what is of an image, of one that was not read.
async fn lists_without_rows_have_the_same_heads(fleet: &Fleet, heads: Vec<(String, String)>) {
    let empty = Fleet::empty().await;
    let mut bare = 0;
    for (want, route) in heads {
        let (fleet, path) = match route.contains("{digest}") {
            true => (fleet, route.replace("{digest}", &fleet.queued)),
            false => (&empty, route.clone()),
        };
        // There is no rule to have a history; of what there always is, see above.
        if path.contains('{') {
            continue;
        }
        let rows = fleet.list(&path).await["items"].as_array().unwrap().len();
        assert_eq!(head(fleet, &path, rows).await, want, "{route} with {rows} rows");
        bare += usize::from(rows == 0);
    }
    assert!(bare >= 15, "only {bare} lists had no rows");
}

#[tokio::test]
async fn pages_of_every_size_hold_every_row_once_and_the_exact_total() {
    let fleet = Fleet::new().await;
    let findings = MANY as u64 + 3 + 1;
    for (list, key, total) in [
        ("findings", "id", findings),
        ("images", "digest", 6),
        ("repositories", "name", 3),
        ("vulnerabilities", "id", findings - 1),
        ("packages", "purl", MANY as u64 + 3),
    ] {
        for (limit, sort) in [(1000, ""), (50, ""), (7, ""), (7, "&sort=severity"), (7, "&sort=-severity")] {
            let mut seen = BTreeSet::new();
            let mut after = String::new();
            loop {
                let page = fleet.list(&format!("/api/v1/{list}?limit={limit}{sort}{after}")).await;
                assert_eq!(page["total"], total, "{list} {limit}{sort}");
                for item in page["items"].as_array().unwrap() {
                    assert!(seen.insert(item[key].as_str().unwrap().to_owned()), "{list} gives {item} twice");
                }
                match page["next"].as_str() {
                    Some(next) => after = format!("&after={next}"),
                    None => break,
                }
            }
            assert_eq!(seen.len() as u64, total, "{list} {limit}{sort}");
        }
    }
}

#[tokio::test]
async fn orders_are_kept_and_turned_round() {
    let fleet = Fleet::new().await;
    let rank = |word: &Value| {
        let words = ["critical", "high", "medium", "low", "negligible", "unknown"];
        words.iter().position(|w| word == w).unwrap()
    };
    let severities = async |sort: &str| {
        let page = fleet.list(&format!("/api/v1/findings?limit=1000&sort={sort}")).await;
        page["items"].as_array().unwrap().iter().map(|f| rank(&f["severity"])).collect::<Vec<_>>()
    };
    let down = severities("severity").await;
    assert!(down.is_sorted() && down.first() < down.last(), "worst first: {down:?}");
    let up = severities("-severity").await;
    assert!(up.is_sorted_by(|a, b| a >= b), "worst last: {up:?}");
}

#[tokio::test]
async fn a_filter_gives_the_same_as_words_and_as_parameters() {
    let fleet = Fleet::new().await;
    for (words, parameters, total) in [
        ("severity:critical", "severity=critical", 1),
        ("severity:>=high", "severity=%3E%3Dhigh", 3),
        ("repo:team/two fix:yes", "repository=team/two&fixable=yes", 44),
        ("kev:yes", "kev=yes", 1),
        ("pkg:openssl cve:CVE-2024-0001", "package=openssl&vulnerability=CVE-2024-0001", 2),
        ("hidden:yes", "hidden=yes", 1),
        ("severity:negligible", "severity=negligible", 1),
        ("repo:nowhere", "repository=nowhere", 0),
    ] {
        let encoded = words.replace(' ', "+").replace('>', "%3E").replace('=', "%3D");
        let by_words = fleet.list(&format!("/api/v1/findings?limit=1000&q={encoded}")).await;
        let by_parameters = fleet.list(&format!("/api/v1/findings?limit=1000&{parameters}")).await;
        assert_eq!(by_words["items"], by_parameters["items"], "{words}");
        assert_eq!(by_words["total"], total, "{words}");
        let counts = fleet.list(&format!("/api/v1/counts?{parameters}")).await;
        assert_eq!(counts["counts"]["findings"], total, "{words}: a count is its list");
    }
}

#[tokio::test]
async fn severities_of_an_image_add_up_and_each_is_its_list() {
    let fleet = Fleet::new().await;
    let words = ["critical", "high", "medium", "low", "negligible", "unknown"];
    for image in fleet.list("/api/v1/images").await["items"].as_array().unwrap() {
        let counts = &image["counts"];
        let sum: u64 = words.iter().map(|w| counts[w].as_u64().unwrap()).sum();
        assert_eq!(counts["findings"], sum, "{image}");
        let digest = image["digest"].as_str().unwrap();
        // Negligible ones are hidden until they are asked for.
        for word in words.into_iter().filter(|w| *w != "negligible") {
            let list = fleet.list(&format!("/api/v1/findings?image={digest}&severity={word}")).await;
            assert_eq!(list["total"], counts[word], "{word} of {digest}");
        }
        for (field, filter) in [("fixable", "fixable=yes"), ("kev", "kev=yes"), ("hidden", "hidden=yes")] {
            let list = fleet.list(&format!("/api/v1/findings?image={digest}&{filter}")).await;
            assert_eq!(list["total"], counts[field], "{field} of {digest}");
        }
    }
}

#[tokio::test]
async fn the_past_is_as_it_was_known() {
    let fleet = Fleet::new().await;
    for (as_of, total) in [("2020-01-01", 0), ("2999-01-01T00:00:00Z", MANY as u64 + 4)] {
        let list = fleet.list(&format!("/api/v1/findings?as_of={as_of}")).await;
        assert_eq!(list["total"], total, "{as_of}");
    }
    let list = fleet.list("/api/v1/findings?as_of=2020-01-01").await;
    assert_eq!(list["as_of"], "2020-01-01T23:59:59.999999Z", "a date is its end");
    let id = fleet.finding("severity=critical").await["id"].as_str().unwrap().to_owned();
    fleet.get(&format!("/api/v1/findings/{id}?as_of=2020-01-01")).await.is(404, "not known yet");
}

#[tokio::test]
async fn what_is_not_understood_is_a_problem_that_names_it() {
    let fleet = Fleet::new().await;
    let one = format!("/api/v1/images/{}", fleet.one);
    let packages = format!("{one}/packages");
    let lists = ["repositories", "images", "findings", "vulnerabilities", "packages", "counts"];
    let mut rows: Vec<(String, &str, &str)> = Vec::new();
    for list in lists {
        let list = format!("/api/v1/{list}");
        for (query, field) in [
            ("colour=red", "colour"),
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("q=colour:red", "q"),
            ("q=%22open", "q"),
            ("sort=beauty", "sort"),
            ("severity=dire", "severity"),
            ("as_of=soon", "as_of"),
            ("severity=low&severity=high", "severity"),
        ] {
            rows.push((list.clone(), query, field));
        }
        if list != "/api/v1/counts" {
            rows.push((list.clone(), "format=xml", "format"));
            rows.push((list, "after=nonsense", "after"));
        }
    }
    for path in [one.as_str(), &packages, "/api/v1/vulnerabilities/CVE-2024-0000", "/api/v1/db"] {
        rows.push((path.to_owned(), "colour=red", "colour"));
    }
    rows.push(("/api/v1/events".into(), "before=x", "before"));
    rows.push(("/api/v1/jobs".into(), "colour=red", "colour"));
    for (path, query, field) in rows {
        let path = format!("{path}?{query}");
        let answer = fleet.get(&path).await.is(400, &path);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        let problem = answer.json();
        assert_eq!(problem["field"], field, "{path}: {problem}");
        assert!(problem["type"].as_str().unwrap().starts_with("urn:portwarden:problem:"), "{path}");
        assert!(problem["detail"].as_str().unwrap().len() > 10, "{path}: {problem}");
    }
}

#[tokio::test]
async fn strange_addresses_and_methods_are_problems_too() {
    let fleet = Fleet::new().await;
    for (path, status) in [
        ("/api/v1/nothing", 404),
        ("/api/v1/images/latest", 400),
        ("/api/v1/findings/1", 404),
        ("/api/v1/images/%FF", 400),
        ("/api/v1/findings/%FF", 400),
        ("/api/v1/vulnerabilities/%FF", 400),
    ] {
        let answer = fleet.get(path).await.is(status, path);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
    }
    let login = "Basic YWRtaW46Y29ycmVjdCBob3JzZQ==";
    for method in ["POST", "DELETE", "PUT", "PATCH"] {
        let request = Request::builder().method(method).uri("/api/v1/findings").header("authorization", login);
        let answer = fleet.raw(request.body(Body::empty()).unwrap()).await.is(405, method);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{method}");
        assert!(answer.header("allow").contains("GET"), "{method}");
    }
}

#[tokio::test]
async fn exports_say_where_they_go_on() {
    let fleet = Fleet::new().await;
    let mut path = "/api/v1/findings?format=jsonl&limit=60&q=severity%3A%3E%3Dlow".to_owned();
    let mut rows = 0;
    loop {
        let answer = fleet.get(&path).await.is(200, &path);
        rows += answer.text().lines().count();
        let Some(next) = answer.header("link").strip_prefix('<') else { break };
        let (next, kind) = next.split_once('>').unwrap();
        assert_eq!(kind, "; rel=\"next\"");
        path = next.to_owned();
    }
    assert_eq!(rows, MANY + 3, "every finding but the unknown one");
}
