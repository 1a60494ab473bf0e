//! Disable rules by REST: who may, what is lawful, what they hide at once, files that are applied as a whole.

use crate::fleet::{Answer, Fleet, MANY};
use http::Method;
use model::role::Role;
use model::time::Micros;
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");
const RULES: &str = "/api/v1/rules";

fn body(scope: &str, criteria: Value) -> Value {
    json!({"name": "a rule", "scope": scope, "criteria": criteria, "reason": "accepted-risk", "justification": "known",
        "confirm": true})
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

async fn put_as(fleet: &Fleet, user: &str, path: &str, body: &Value) -> Answer {
    fleet.send_as(user, Method::PUT, path, &body.to_string(), &[JSON]).await
}

async fn total(fleet: &Fleet, user: &str, filter: &str) -> u64 {
    let path = format!("/api/v1/findings?limit=1&{filter}");
    fleet.get_as(user, &path, &[]).await.is(200, filter).json()["total"].as_u64().unwrap()
}

async fn actions(fleet: &Fleet) -> Vec<String> {
    let (rows, _) = fleet.store.audit(&store::AuditFilter::default(), 100).await.unwrap();
    rows.into_iter().map(|row| format!("{} {}", row.actor, row.action)).filter(|a| a.contains("rule.")).collect()
}

#[tokio::test]
async fn a_rule_hides_at_once_and_what_it_hid_comes_back_at_once() {
    let fleet = Fleet::new().await;
    let all = total(&fleet, "admin", "").await;
    let low = total(&fleet, "admin", "severity=low").await;
    let made = fleet.post_as("admin", RULES, &body("/", json!({"severity_below": "medium"}))).await;
    let made = made.is(201, "made").json();
    assert_eq!((made["state"].as_str(), made["hides"].as_u64()), (Some("in-force"), Some(low)), "{made}");
    let id = made["id"].as_str().unwrap();
    let path = format!("{RULES}/{id}");
    for (filter, want, why) in [
        ("", all - low, "they leave the list"),
        ("severity=low", 0, "whatever is asked"),
        ("rule=*", low, "they can be listed"),
        (&format!("rule={id}"), low, "by the rule"),
        ("status=all", all, "none is gone"),
    ] {
        assert_eq!(total(&fleet, "admin", filter).await, want, "{why}");
    }
    let hidden = fleet.list("/api/v1/findings?limit=1&rule=*").await["items"][0].clone();
    assert_eq!(hidden["status"], "disabled", "{hidden}");
    fleet.post_as("admin", &format!("{path}/pause"), &json!({})).await.is(200, "paused");
    assert_eq!(total(&fleet, "admin", "").await, all);
    let resumed = fleet.post_as("admin", &format!("{path}/resume"), &json!({"confirm": true})).await.is(200, "resumed");
    assert_eq!(resumed.json()["id"], id, "it is the same rule");
    let narrower = with(body("/", json!({"finding_ids": ["ghsa-2023-0001"]})), "seen", resumed.json()["row"].clone());
    let changed = put_as(&fleet, "admin", &path, &narrower).await.is(200, "changed").json();
    assert_eq!(changed["hides"], 1, "an alias, in any case: {changed}");
    put_as(&fleet, "admin", &path, &narrower).await.is(409, "the row that was seen is not the last one any more");
    fleet.send_as("admin", Method::DELETE, &path, "", &[]).await.is(204, "ended");
    assert_eq!(total(&fleet, "admin", "").await, all);
    fleet.get(&path).await.is(404, "it is no more");
    let history = fleet.list(&format!("{path}/history")).await;
    assert_eq!(history["total"], 4, "and its history stays: {history}");
    assert_eq!(history["items"][0]["ended_by"], "admin");
    let want = ["rule.delete", "rule.change", "rule.resume", "rule.pause", "rule.create"].map(|a| format!("admin {a}"));
    assert_eq!(actions(&fleet).await, want);
}

#[tokio::test]
async fn a_wrong_rule_names_its_field_and_a_missing_right_its_role_and_scope() {
    let fleet = Fleet::new().await;
    fleet.user("reader", Role::Reader, None).await;
    fleet.user("editor", Role::PolicyEditor, Some("team/one")).await;
    fleet.user("security", Role::SecurityAdmin, None).await;
    let guid = &fleet.subscription;
    let one = format!("/{guid}/local/team/one");
    let good = || body(&one, json!({"finding_ids": ["CVE-2024-0001"]}));
    let criteria = |criteria: Value| body(&one, criteria);
    let nowhere = "/00000000-0000-0000-0000-000000000000";
    for (user, body, status, field) in [
        ("editor", criteria(json!({"cvss_below": 11})), 400, "criteria.cvss_below"),
        ("editor", criteria(json!({"cvss_below": 6.55})), 400, "criteria.cvss_below"),
        ("editor", criteria(json!({"severity_below": "worse"})), 400, "criteria.severity_below"),
        ("editor", criteria(json!({"packages": ["*"]})), 400, "criteria.packages"),
        ("editor", criteria(json!({})), 400, "criteria"),
        ("editor", criteria(json!({"epss_below": 0.5})), 400, "epss_below"),
        ("editor", with(good(), "colour", json!("red")), 400, "colour"),
        ("editor", with(good(), "expires", json!("2020-01-01")), 400, "expires"),
        ("editor", with(good(), "expires", json!("never")), 403, "expires"),
        ("editor", with(good(), "reason", json!("because")), 400, "reason"),
        ("editor", with(good(), "justification", json!("")), 400, "justification"),
        ("editor", with(good(), "overrides", json!("00000000-0000-0000-0000-000000000000")), 404, "overrides"),
        ("editor", with(good(), "scope", json!("x")), 400, "scope"),
        ("editor", with(good(), "scope", json!(nowhere)), 404, "scope"),
        ("editor", with(good(), "scope", json!(format!("/{guid}/local/team/two"))), 404, "scope"),
        ("editor", with(good(), "scope", json!("/")), 403, ""),
        ("reader", good(), 403, ""),
    ] {
        let answer = fleet.post_as(user, RULES, &body).await.is(status, &body.to_string()).json();
        assert_eq!(answer["field"].as_str().unwrap_or(""), field, "{body}: {answer}");
    }
    assert_eq!(actions(&fleet).await, Vec::<String>::new(), "nothing was done");
    let refused = fleet.post_as("reader", RULES, &good()).await.json()["detail"].as_str().unwrap().to_owned();
    let above = fleet.post_as("editor", RULES, &with(good(), "scope", json!("/"))).await.json();
    assert!(above["detail"].as_str().unwrap().contains("Policy Editor"), "{above}");
    assert!(refused.contains("Policy Editor"), "{refused}");
    fleet.post_as("security", RULES, &with(good(), "expires", json!("never"))).await.is(201, "a security admin may");
    fleet.post_as("editor", RULES, &good()).await.is(409, "the name is taken");
    fleet.post_as("editor", RULES, &with(good(), "name", json!("another"))).await.is(201, "in its own scope");
}

#[tokio::test]
async fn a_rule_is_as_absent_as_one_that_never_was_to_whom_its_scope_is() {
    let fleet = Fleet::new().await;
    fleet.user("one", Role::PolicyEditor, Some("team/one")).await;
    fleet.user("two", Role::Reader, Some("team/two")).await;
    let guid = &fleet.subscription;
    let place = format!("/{guid}/local/team/one");
    let made =
        fleet.post_as("one", RULES, &body(&place, json!({"finding_ids": ["CVE-2024-0001"]}))).await.is(201, "own");
    let own = format!("{RULES}/{}", made.json()["id"].as_str().unwrap());
    let wide = body("/", json!({"finding_ids": ["CVE-2023-0001"]}));
    let wide = fleet.post_as("admin", RULES, &with(wide, "name", json!("wide"))).await.is(201, "everywhere").json();
    let wide = format!("{RULES}/{}", wide["id"].as_str().unwrap());
    let never = format!("{RULES}/00000000-0000-0000-0000-000000000000");
    for (user, path, status, why) in [
        ("one", &own, 200, "its own"),
        ("two", &own, 404, "of another repository"),
        ("two", &wide, 200, "it holds there as well"),
        ("one", &wide, 200, "it holds there as well"),
        ("one", &never, 404, "there is none"),
    ] {
        fleet.get_as(user, path, &[]).await.is(status, why);
        fleet.get_as(user, &format!("{path}/history"), &[]).await.is(status, why);
    }
    let names =
        |list: Value| list["items"].as_array().unwrap().iter().map(|r| r["name"].to_string()).collect::<Vec<_>>();
    assert_eq!(names(fleet.get_as("two", RULES, &[]).await.json()), ["\"wide\""]);
    for (user, path, status) in [("one", &wide, 403), ("two", &own, 403), ("two", &wide, 403)] {
        fleet.send_as(user, Method::DELETE, path, "", &[]).await.is(status, user);
        fleet.post_as(user, &format!("{path}/pause"), &json!({})).await.is(status, user);
    }
    let hides = fleet.get_as("one", &wide, &[]).await.json()["hides"].as_u64();
    assert_eq!(hides, Some(0), "what it hides elsewhere is not counted for somebody who cannot see it");
}

#[tokio::test]
async fn what_nobody_may_want_hidden_asks_again_with_the_numbers() {
    let fleet = Fleet::new().await;
    let unsure = |criteria: Value| with(body("/", criteria), "confirm", json!(false));
    for (criteria, reason) in [
        (json!({"finding_ids": ["CVE-2024-0000"]}), "known-exploited"),
        (json!({"severity_below": "high"}), "most-of-the-scope"),
        (json!({"finding_ids": ["CVE-1999-0001"]}), "nothing"),
    ] {
        let answer = fleet.post_as("admin", RULES, &unsure(criteria.clone())).await.is(409, reason).json();
        assert_eq!(answer["field"], "confirm", "{answer}");
        assert!(answer["would"]["asks"].as_array().unwrap().contains(&json!(reason)), "{answer}");
        let sure = with(unsure(criteria), "confirm", json!(true));
        let made = fleet.post_as("admin", RULES, &sure).await.is(201, reason).json();
        let path = format!("{RULES}/{}", made["id"].as_str().unwrap());
        fleet.send_as("admin", Method::DELETE, &path, "", &[]).await.is(204, reason);
    }
    let little = unsure(json!({"finding_ids": ["CVE-2023-0001"]}));
    let preview = json!({"scope": "/", "criteria": little["criteria"]});
    let preview = fleet.post_as("admin", &format!("{RULES}/preview"), &preview).await.is(200, "looked at").json();
    assert_eq!((preview["findings"].as_u64(), preview["images"].as_u64()), (Some(1), Some(1)), "{preview}");
    assert_eq!(preview["open"].as_u64(), Some(total(&fleet, "admin", "").await));
    assert_eq!(preview["examples"][0]["vulnerability"], "CVE-2023-0001");
    fleet.post_as("admin", RULES, &little).await.is(201, "little is not asked about");
}

#[tokio::test]
async fn what_is_known_exploited_asks_again_although_another_rule_hides_it() {
    let fleet = Fleet::new().await;
    let unsure = |name: &str, id: &str| {
        let rule = body("/", json!({"finding_ids": [id]}));
        with(with(rule, "confirm", json!(false)), "name", json!(name))
    };
    let short = with(with(unsure("short", "CVE-2024-0000"), "confirm", json!(true)), "expires", json!("1d"));
    fleet.post_as("admin", RULES, &short).await.is(201, "a rule for a day");
    for (id, findings, why) in [("CVE-2024-0000", 0, "the same"), ("CVE-2024-*", 3, "a wider one")] {
        let answer = fleet.post_as("admin", RULES, &unsure("long", id)).await.is(409, why).json();
        let would = &answer["would"];
        assert_eq!((&would["asks"], &would["known_exploited"]), (&json!(["known-exploited"]), &json!(1)), "{would}");
        assert_eq!(would["findings"], findings, "{would}");
        assert!(answer["detail"].as_str().unwrap().contains("1 known exploited"), "{answer}");
    }
    let file = json!({"rules": [with(unsure("long", "CVE-2024-0000"), "scope", json!("/default"))]});
    let mut file = file;
    file["rules"][0].as_object_mut().unwrap().remove("confirm");
    fleet.post_as("admin", &format!("{RULES}/apply"), &file).await.is(409, "in a file as well");
}

#[tokio::test]
async fn what_lets_a_wider_rule_hide_the_known_exploited_again_asks() {
    let fleet = Fleet::new().await;
    let guid = &fleet.subscription;
    let wide =
        fleet.post_as("admin", RULES, &body("/", json!({"finding_ids": ["CVE-2024-0000"]}))).await.is(201, "wide");
    let wide = format!("{RULES}/{}", wide.json()["id"].as_str().unwrap());
    let scope = format!("/{guid}/local/team/one");
    let narrow = json!({"scope": scope, "paused": true, "justification": "shows everything", "expires": "30d"});
    let made =
        fleet.post_as("admin", &format!("{wide}/override"), &narrow).await.is(201, "nothing is hidden here").json();
    let own = format!("{RULES}/{}", made["id"].as_str().unwrap());
    let says = |field: &str, value: Value| {
        let kept = ["name", "scope", "criteria", "reason", "justification", "paused", "overrides", "expires"];
        let body: serde_json::Map<String, Value> =
            kept.iter().map(|name| ((*name).to_owned(), made[*name].clone())).collect();
        with(body.into(), field, value)
    };
    for (change, why) in [
        (says("expires", json!("1d")), "it holds again sooner"),
        (says("overrides", json!("")), "it holds again at once"),
    ] {
        let answer = put_as(&fleet, "admin", &own, &change).await.is(409, why).json();
        assert_eq!(
            (&answer["field"], &answer["would"]["asks"]),
            (&json!("confirm"), &json!(["known-exploited"])),
            "{answer}"
        );
    }
    put_as(&fleet, "admin", &own, &says("expires", json!("60d"))).await.is(200, "later is no matter");
    let sooner = put_as(&fleet, "admin", &own, &with(says("expires", json!("1d")), "confirm", json!(true))).await;
    let ends = Micros::parse(sooner.is(200, "meant").json()["expires"].as_str().unwrap()).unwrap();
    assert!(
        ends < crate::fleet::now().saturating_add(std::time::Duration::from_secs(86_400)),
        "days from now: {ends:?}"
    );
    assert_eq!(total(&fleet, "admin", "kev=yes").await, 1, "it shows there");
    let prune = json!({"rules": [], "prune": true, "scope": scope});
    fleet.post_as("admin", &format!("{RULES}/apply"), &prune).await.is(409, "a file that ends it");
    let answer = fleet.send_as("admin", Method::DELETE, &own, "", &[]).await.is(409, "its end").json();
    assert!(answer["detail"].as_str().unwrap().contains("would hold in"), "{answer}");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let page = format!("/rules/{}/delete", made["id"].as_str().unwrap());
    let asked =
        fleet.send_as("admin", Method::POST, &page, "", &[form, ("accept", "text/html")]).await.is(409, "the page");
    assert!(
        asked.text().contains("name=\"confirm\"") && asked.text().contains("Delete it although"),
        "{}",
        asked.text()
    );
    fleet.send_as("admin", Method::DELETE, &format!("{own}?confirm=true"), "", &[]).await.is(204, "meant");
    assert_eq!(total(&fleet, "admin", "kev=yes").await, 0);
}

#[tokio::test]
async fn a_narrower_rule_holds_instead_of_a_wider_one() {
    let fleet = Fleet::new().await;
    let guid = &fleet.subscription;
    let all = total(&fleet, "admin", "").await;
    let of_two = total(&fleet, "admin", "repository=team/two&severity=medium,low").await;
    let wide =
        fleet.post_as("admin", RULES, &body("/default", json!({"severity_below": "high"}))).await.is(201, "wide");
    let path = format!("{RULES}/{}", wide.json()["id"].as_str().unwrap());
    assert_eq!(wide.json()["scope"], format!("/{guid}"), "the name of a subscription is understood");
    let rest = total(&fleet, "admin", "").await;
    let place = format!("/{guid}/local/team/two");
    let not_here = json!({"scope": place, "paused": true, "justification": "takes cards"});
    let made =
        fleet.post_as("admin", &format!("{path}/override"), &not_here).await.is(201, "nothing holds there").json();
    assert_eq!(made["criteria"], wide.json()["criteria"], "what is not said is as in the wider rule");
    assert_eq!(total(&fleet, "admin", "").await, rest + of_two);
    let by = fleet.get(&path).await.json()["overridden_by"].clone();
    assert_eq!(by, json!([made["id"]]));
    let sideways = json!({"scope": format!("/{guid}"), "justification": "no narrower"});
    let refused = fleet.post_as("admin", &format!("{path}/override"), &sideways).await.is(400, "not narrower").json();
    assert_eq!(refused["field"], "scope");
    let own = format!("{RULES}/{}", made["id"].as_str().unwrap());
    fleet.send_as("admin", Method::DELETE, &own, "", &[]).await.is(204, "the override ends");
    assert_eq!(total(&fleet, "admin", "").await, rest, "the wider rule holds again");
    fleet.send_as("admin", Method::DELETE, &path, "", &[]).await.is(204, "and ends");
    assert_eq!(total(&fleet, "admin", "").await, all);
}

#[tokio::test]
async fn a_file_is_applied_as_a_whole_or_not_at_all() {
    let fleet = Fleet::new().await;
    let apply = format!("{RULES}/apply");
    let rule = |name: &str, scope: &str, id: &str| {
        let mut rule = body(scope, json!({"finding_ids": [id]}));
        rule["name"] = json!(name);
        rule.as_object_mut().unwrap().remove("confirm");
        rule
    };
    let file = |rules: Value| json!({"rules": rules, "confirm": true});
    let mut narrow = rule("narrow", "/default/local/team/two", "CVE-2023-0002");
    narrow["overrides"] = json!("wide");
    let both = json!([narrow, rule("wide", "/default", "CVE-2023-0001")]);
    let dry = with(file(both.clone()), "dry_run", json!(true));
    let told = fleet.post_as("admin", &apply, &dry).await.is(200, "told").json();
    assert_eq!((told["created"].as_u64(), told["steps"].as_array().unwrap().len()), (Some(2), 2), "{told}");
    assert_eq!(fleet.list(RULES).await["total"], 0, "and not done");
    fleet.post_as("admin", &apply, &file(both.clone())).await.is(200, "done, the wider one first");
    let again = fleet.post_as("admin", &apply, &file(both.clone())).await.is(200, "the same again").json();
    assert_eq!((again["unchanged"].as_u64(), again["steps"].as_array().unwrap().len()), (Some(2), 0), "{again}");
    let exported = fleet.list(&format!("{RULES}/export")).await;
    let back =
        fleet.post_as("admin", &apply, &file(exported["rules"].clone())).await.is(200, "what was written").json();
    assert_eq!(back["unchanged"], 2, "is read back: {back} {exported}");
    let yaml = fleet.get(&format!("{RULES}/export?format=yaml&scope=/default")).await.is(200, "as YAML").text();
    assert!(yaml.contains("- name: narrow") && yaml.contains("overrides: wide"), "{yaml}");
    for (rules, status, field) in [
        (json!([rule("new", "/", "CVE-1"), rule("bad", "/", "CVE 1")]), 400, "rules[1].criteria.finding_ids"),
        (json!([rule("new", "/", "CVE-1"), rule("new", "/", "CVE-1")]), 400, "rules[1].name"),
        (json!([rule("new", "/", "CVE-1"), rule("bad", "/nowhere", "CVE-1")]), 404, "rules[1].scope"),
        (json!([with(rule("new", "/default", "CVE-1"), "overrides", json!("none"))]), 400, "rules[0].overrides"),
        (json!([with(rule("new", "/", "CVE-1"), "colour", json!("red"))]), 400, "colour"),
    ] {
        let answer = fleet.post_as("admin", &apply, &file(rules)).await.is(status, field).json();
        assert_eq!(answer["field"], field, "{answer}");
    }
    assert_eq!(fleet.list(RULES).await["total"], 2, "nothing of these was done");
    let one = json!([rule("wide", "/default", "CVE-2023-0003")]);
    let prune = with(with(file(one), "prune", json!(true)), "scope", json!("/default"));
    let done = fleet.post_as("admin", &apply, &prune).await.is(200, "pruned").json();
    assert_eq!((done["changed"].as_u64(), done["deleted"].as_u64()), (Some(1), Some(1)), "{done}");
    assert_eq!(done["steps"][0]["fields"][0]["field"], "criteria.finding_ids");
    let unsure = with(file(json!([rule("kev", "/", "CVE-2024-0000")])), "confirm", json!(false));
    fleet.post_as("admin", &apply, &unsure).await.is(409, "a file asks again as well");
    let prune = json!({"rules": [], "prune": true});
    assert_eq!(fleet.post_as("admin", &apply, &prune).await.is(400, "of what").json()["field"], "scope");
}

#[tokio::test]
async fn a_thousand_rules_are_applied_at_once_and_all_of_them_hide() {
    let fleet = Fleet::new().await;
    let all = total(&fleet, "admin", "").await;
    let rules: Vec<Value> = (0..1_000)
        .map(|n| {
            let mut rule = body("/default/local", json!({"finding_ids": [format!("CVE-2023-{n:04}")]}));
            rule["name"] = json!(format!("rule {n}"));
            rule.as_object_mut().unwrap().remove("confirm");
            rule
        })
        .collect();
    let file = json!({"rules": rules, "confirm": true});
    let began = std::time::Instant::now();
    let done = fleet.post_as("admin", &format!("{RULES}/apply"), &file).await.is(200, "applied").json();
    println!("1,000 rules applied in {:?}", began.elapsed());
    assert_eq!(done["created"], 1_000);
    assert_eq!(total(&fleet, "admin", "").await, all - (MANY as u64 - 1));
    let list = fleet.list(&format!("{RULES}?limit=1000")).await;
    assert_eq!((list["total"].as_u64(), list["next"].is_null()), (Some(1_000), true));
    let mut seen = std::collections::BTreeSet::new();
    let mut next = Some(String::new());
    while let Some(after) = next {
        let page = fleet
            .list(&format!("{RULES}?limit=300&after={}", after.replace('\u{1f}', "%1F").replace(' ', "%20")))
            .await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|rule| rule["id"].to_string()));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(seen.len(), 1_000, "page by page each comes once");
}

#[tokio::test]
async fn a_rule_ends_at_the_second_of_its_expiry() {
    fn before() -> Micros {
        Micros(Micros::parse("2099-12-31T23:59:59Z").unwrap().0 + 999_999)
    }
    fn after() -> Micros {
        Micros::parse("2100-01-01T00:00:00Z").unwrap()
    }
    let fleet = Fleet::new().await;
    let all = total(&fleet, "admin", "").await;
    let early = fleet.at(before);
    let rule = with(body("/", json!({"finding_ids": ["CVE-2023-0001"]})), "expires", json!("2100-01-01T00:00:00Z"));
    let made = early.post_as("admin", RULES, &rule).await.is(201, "made").json();
    let path = format!("{RULES}/{}", made["id"].as_str().unwrap());
    assert_eq!(total(&early, "admin", "").await, all - 1, "a microsecond before, it hides");
    assert_eq!(early.get(&path).await.json()["state"], "in-force");
    let late = fleet.at(after);
    assert_eq!(total(&late, "admin", "").await, all, "at the second, it does not");
    assert_eq!(late.get(&path).await.json()["state"], "expired");
    late.post_as("admin", &format!("{path}/resume"), &json!({})).await.is(409, "an expired rule is not resumed");
    put_as(&late, "admin", &path, &with(rule, "expires", json!("30d"))).await.is(200, "another day revives it");
    assert_eq!(total(&late, "admin", "").await, all - 1);
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let text = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    fields.iter().map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>().join("&")
}

#[tokio::test]
async fn the_form_looks_asks_and_applies_without_a_script() {
    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
    let fleet = Fleet::new().await;
    fleet.user("reader", Role::Reader, None).await;
    let send = |user: &'static str, path: String, fields: Vec<(&'static str, String)>| {
        let fleet = &fleet;
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let headers = [FORM, ("accept", "text/html")];
            fleet.send_as(user, Method::POST, &path, &encoded(&fields), &headers).await
        }
    };
    let one = fleet.finding("package=pkg000").await["id"].as_str().unwrap().to_owned();
    let html = fleet.page(&format!("/rules/new?finding={one}")).await;
    assert!(html.contains("CVE-2023-0000") && html.contains("hides 1 of"), "a finding fills the form in: {html}");
    let typed = |verb: &str, severity: &str, more: &[(&'static str, &str)]| {
        let scope = format!("/{}/local/team/two", fleet.subscription);
        let mut all = vec![("do", verb.to_owned()), ("scope", scope), ("severity_below", severity.to_owned())];
        all.extend([("reason", "other".to_owned()), ("justification", "as it <b>is</b>".to_owned())]);
        all.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        all
    };
    let new = || "/rules/new".to_owned();
    let looked = send("admin", new(), typed("preview", "medium", &[])).await.is(200, "looked at").text();
    assert!(looked.contains("hides 64 of 130 open findings") && looked.contains("as it &#60;b&#62;is"), "{looked}");
    let wrong = send("admin", new(), typed("apply", "medium", &[("cvss_below", "11")])).await.is(400, "wrong").text();
    assert!(wrong.contains("CVSS ends at 10") && wrong.contains("value=\"11\""), "what was typed is kept: {wrong}");
    let asked = send("admin", new(), typed("apply", "high", &[])).await.is(409, "asked again").text();
    assert!(asked.contains("name=\"confirm\"") && asked.contains("hides 129 of 130"), "{asked}");
    send("reader", new(), typed("apply", "medium", &[])).await.is(403, "a reader");
    assert!(!fleet.get_as("reader", "/rules", &[("accept", "text/html")]).await.text().contains("/rules/new"));
    let made = send("admin", new(), typed("apply", "high", &[("confirm", "on"), ("name", "not now")])).await;
    let at = made.is(303, "made").header("location").to_owned();
    let list = fleet.page("/rules").await;
    assert!(list.contains("not now") && list.contains(">129</a>"), "{list}");
    let page = fleet.page(&at).await;
    assert!(page.contains("other") && page.contains("/edit"), "{page}");
    fleet.page(&format!("{at}/edit")).await;
    fleet.page(&format!("/rules/new?override={}", at.trim_start_matches("/rules/"))).await;
    for (verb, state) in [("pause", "disabled for now"), ("resume", "in force")] {
        let fields = if verb == "resume" { vec![("confirm", "on".to_owned())] } else { Vec::new() };
        send("admin", format!("{at}/{verb}"), fields).await.is(303, verb);
        assert!(fleet.page(&at).await.contains(state), "{verb}");
    }
    let delete = || format!("{at}/delete");
    send("admin", delete(), vec![]).await.is(400, "129 findings come back only for who types the name");
    send("admin", delete(), vec![("typed", "not now".to_owned())]).await.is(303, "typed");
    assert!(fleet.page("/rules").await.contains("No rule hides anything"));
}
