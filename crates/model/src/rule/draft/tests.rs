use super::*;
use serde_json::{Value, json};

const NOW: Micros = Micros(1_800_000_000_000_000);

fn lawful() -> Value {
    json!({"name": "below medium", "scope": "/guid/local/app", "reason": "accepted-risk", "justification": "sandboxed",
        "criteria": {"severity_below": "medium"}})
}

fn with(path: &str, value: Value) -> Value {
    let mut draft = lawful();
    let pointer = format!("/{}", path.replace('.', "/"));
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    draft.pointer_mut(parent).unwrap()[name] = value;
    draft
}

fn read(draft: Value) -> Result<Rule, Vec<Fault>> {
    serde_json::from_value::<Draft>(draft).unwrap().read(NOW, None)
}

#[test]
fn a_fault_names_its_field() {
    let many: Vec<String> = (0..1_001).map(|n| format!("CVE-2024-{n}")).collect();
    for (field, value, why) in [
        ("criteria.cvss_below", json!(11), "CVSS ends at 10"),
        ("criteria.cvss_below", json!(10.1), "CVSS ends at 10"),
        ("criteria.cvss_below", json!(-1), "no sign"),
        ("criteria.cvss_below", json!(6.55), "finer than tenths"),
        ("criteria.cvss_below", json!("six"), "no number"),
        ("criteria.cvss_below", json!(0), "nothing is below 0"),
        ("criteria.cvss_below", json!(1e300), "far too much"),
        ("criteria.severity_below", json!("mediun"), "no such severity"),
        ("criteria.severity_below", json!("unknown"), "unknown is below none"),
        ("criteria.severity_below", json!("negligible"), "nothing shown is below it"),
        ("criteria.states", json!(["mended"]), "no such state"),
        ("criteria.states", json!(["not-affected"]), "that is no finding"),
        ("criteria.finding_ids", json!(["CVE 2024"]), "a blank"),
        ("criteria.finding_ids", json!(["*"]), "everything"),
        ("criteria.finding_ids", json!([""]), "empty"),
        ("criteria.packages", json!(["a*b*c*d*e*f*g*h*i*"]), "too many stars"),
        ("criteria.packages", json!(["open ssl"]), "a blank"),
        ("criteria.digests", json!(["sha256:abc"]), "not the whole digest"),
        ("criteria.tags", json!(["a\u{7}"]), "a control character"),
        ("criteria.security_checks", json!(["x".repeat(301)]), "too long"),
        ("criteria.categories", json!(["Debian!"]), "no such word"),
        ("criteria", json!({}), "asks nothing"),
        ("criteria", json!({"finding_ids": many}), "too many values"),
        ("name", json!("x".repeat(101)), "too long"),
        ("name", json!("a, b"), "a filter word cannot hold it"),
        ("name", json!("a\nb"), "two lines"),
        ("scope", json!("guid"), "no path"),
        ("scope", json!(""), "none given"),
        ("reason", json!("because"), "no such reason"),
        ("justification", json!(" "), "none given"),
        ("justification", json!("x".repeat(4_001)), "too long"),
        ("owner", json!("x".repeat(301)), "too long"),
        ("ticket", json!("a\nb"), "two lines"),
        ("expires", json!("2026-01-01"), "has passed"),
        ("expires", json!("2027-01-15T08:00:00Z"), "this very moment"),
        ("expires", json!("0d"), "this very moment"),
        ("expires", json!("4000d"), "more than ten years"),
        ("expires", json!("soon"), "no time"),
        ("overrides", json!("below medium"), "no id"),
    ] {
        let faults = read(with(field, value.clone())).expect_err(why);
        assert_eq!(faults.iter().map(|f| f.field.as_str()).collect::<Vec<_>>(), [field], "{why}: {faults:?}");
    }
    let two = json!({"criteria": {"cvss_below": 11}, "scope": "/", "reason": "other"});
    let fields: Vec<String> = read(two).unwrap_err().into_iter().map(|fault| fault.field).collect();
    assert_eq!(fields, ["criteria.cvss_below", "justification"], "every fault is told at once");
}

#[test]
fn an_unknown_field_is_refused_by_name() {
    for (path, value) in
        [("criteria.epss_below", json!(0.1)), ("expiry", json!("90d")), ("criteria.patchable", json!(false))]
    {
        let wrong = serde_json::from_value::<Draft>(with(path, value)).unwrap_err().to_string();
        assert!(wrong.contains(path.rsplit('.').next().unwrap()), "{wrong}");
    }
}

#[test]
fn what_is_lawful_is_read_as_meant() {
    let rule = read(lawful()).unwrap();
    assert_eq!(rule.expires, NOW.saturating_add(Duration::from_secs(90 * DAY)), "90 days");
    assert_eq!(rule.criteria.severity_below, Some(Severity::Medium));
    let criteria = |value| read(with("criteria", value)).unwrap().criteria;
    for (value, tenths) in
        [(json!(6.5), 65), (json!("6.5"), 65), (json!(7), 70), (json!("7.00"), 70), (json!(10), 100), (json!(0.1), 1)]
    {
        assert_eq!(criteria(json!({"cvss_below": value})).cvss_below, Some(tenths), "{value}");
    }
    let many = criteria(
        json!({"finding_ids": "cve-2024-1", "paths": ["/usr/lib/*", "usr/lib/*"], "states": ["open"], "os_releases": "Debian GNU/Linux 12*"}),
    );
    assert_eq!(many.finding_ids, ["cve-2024-1"], "one value without a list");
    assert_eq!(many.paths, ["usr/lib/*"], "no slash at the front, and each once");
    let unnamed = read(with("name", json!(""))).unwrap();
    assert_eq!(unnamed.name, "severity below medium", "a name is made of the criteria");
    assert_eq!(read(with("expires", json!("never"))).unwrap().expires, Micros::FOREVER);
    let date = read(with("expires", json!("2027-01-31"))).unwrap().expires;
    assert_eq!(date.rfc3339(), "2027-01-31T23:59:59.999999Z", "a date ends with its day");
}

#[test]
fn what_is_written_is_read_back() {
    let full = json!({"name": "n", "scope": "/guid/@prod", "reason": "other", "justification": "a\nb", "owner": "o", "ticket": "t",
        "expires": "2027-02-01T00:00:00Z", "paused": true, "overrides": "6f8f9d2e-6a50-4f53-9d4c-0c6c3f1ad001",
        "criteria": {"finding_ids": ["CVE-1"], "categories": ["npm"], "security_checks": ["overflow"], "cvss_below": 6.5,
            "severity_below": "high", "not_patchable": true, "not_known_exploited": true, "packages": ["lib*"],
            "states": ["will-not-fix"], "digests": [format!("sha256:{}", "a".repeat(64))], "tags": ["v1*"],
            "repositories": ["team/*"], "paths": ["usr/*"], "os_releases": ["Alpine*"]}});
    let rule = read(full.clone()).unwrap();
    assert_eq!(serde_json::to_value(Draft::of(&rule)).unwrap(), full, "nothing is lost, nothing is added");
    assert_eq!(rule.criteria.terms().len(), 14, "every criterion is told in words");
}

#[test]
fn a_change_keeps_an_expiry_that_it_does_not_speak_of() {
    let mut before = read(with("expires", json!("10d"))).unwrap();
    let again = |expires: &str, before: &Rule| {
        let draft: Draft = serde_json::from_value(with("expires", json!(expires))).unwrap();
        draft.read(NOW, Some(before)).map(|rule| rule.expires)
    };
    assert_eq!(again("", &before), Ok(before.expires), "not named");
    assert_eq!(again("1d", &before), Ok(NOW.saturating_add(Duration::from_secs(86_400))), "days from now");
    let file = |expires: &str| {
        let draft = Draft { expires: expires.into(), ..Draft::default() };
        draft.without_longer_expiry(NOW, before.expires).expires
    };
    assert_eq!([file("90d"), file("10d"), file("")], ["", "", ""], "a file that is applied again does not prolong");
    assert_eq!(file("9d"), "9d", "but it may shorten");
    assert_eq!([file("2027-12-31"), file("never")], ["2027-12-31", "never"]);
    assert_ne!(again("2027-12-31", &before), Ok(before.expires), "named");
    before.expires = Micros(1);
    assert_eq!(again(&Micros(1).rfc3339(), &before), Ok(Micros(1)), "as it was");
    assert!(again("90d", &before).unwrap() > NOW, "an expired rule lives again");
    assert!(again("2020-01-01", &before).is_err(), "another past moment");
}

#[test]
fn only_a_narrower_scope_overrides() {
    let at = |path: &str| Rule { scope: Scope::parse(path).unwrap(), ..read(lawful()).unwrap() };
    let place = Rule { scope: Scope::repository("guid", "prod", "local", "app"), ..at("/") };
    for (narrow, wide, want) in [
        (&at("/guid"), &at("/"), true),
        (&place, &at("/guid/@prod"), true),
        (&place, &at("/guid/@test"), false),
        (&at("/guid"), &at("/guid"), false),
        (&at("/"), &at("/guid"), false),
        (&at("/guid/local/a"), &at("/guid/local/b"), false),
    ] {
        assert_eq!(narrow.stands_in_for(wide).is_ok(), want, "{:?} within {:?}", narrow.scope, wide.scope);
    }
}

#[test]
fn a_rule_ends_at_the_moment_of_its_expiry() {
    let mut rule = read(with("expires", json!("1d"))).unwrap();
    let end = rule.expires;
    assert_eq!(rule.state(Micros(end.0 - 1)), crate::rule::State::InForce);
    assert_eq!(rule.state(end), crate::rule::State::Expired);
    rule.paused = true;
    assert_eq!(rule.state(Micros(end.0 - 1)), crate::rule::State::Paused);
}
