//! `portwarden scan` as a gate: what a pipeline is told by the exit code.

use crate::hostile::write_layout;
use crate::house::House;
use crate::{feeds, images};
use serde_json::Value;

fn scan(house: &House, arguments: &[&str]) -> (Option<i32>, String) {
    let done = house.run(&[&["scan"], arguments].concat());
    (done.status.code(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
}

/// Makes the feeds of a house look as if they had been fetched so many hours ago.
fn age(house: &House, hours: i64) {
    let path = house.data().join("feeds/state.json");
    let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for feed in state["feeds"].as_object_mut().unwrap().values_mut() {
        feed["fetched"] = (feed["fetched"].as_i64().unwrap() - hours * 3_600_000_000).into();
    }
    std::fs::write(&path, state.to_string()).unwrap();
}

#[test]
fn a_gate_passes_only_on_fresh_advisories_and_only_what_it_says() {
    let house = House::new();
    let [layout, other, tree] = ["layout", "other", "tree"].map(|name| house.folder.path().join(name));
    write_layout(&layout, &images::good("gate"));
    write_layout(&other, &images::image(vec![images::debian(&images::OLD[..1], "other")]));
    let [layout, other] = [&layout, &other].map(|path| path.to_str().unwrap());
    let (code, said) = scan(&house, &[layout, "--fail-on", "critical,kev", "--allow-gaps"]);
    assert_eq!(code, Some(6), "starter advisories: {said}");
    assert!(said.contains("STALE") && said.contains("db update"), "{said}");

    feeds::write(&tree, &["openssl", "curl", "expat"], 2024, 3);
    feeds::update(&house, &tree);
    let write = |name: &str, image: &str, format: &str| {
        let path = house.folder.path().join(name);
        std::fs::write(&path, house.run(&["scan", image, "--format", format]).stdout).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (same, less) = (write("same.json", layout, "json"), write("less.jsonl", other, "jsonl"));
    for (hours, arguments, want, why) in [
        (0, &["--fail-on", "any"][..], 1, "there are findings"),
        (0, &["--fail-on", "medium,fixable"], 1, "and they can be mended"),
        (0, &["--fail-on", "critical"], 0, "none is critical"),
        (0, &["--fail-on", "any,new", "--baseline", &same], 0, "all were known"),
        (0, &["--fail-on", "any,new", "--baseline", &less], 1, "two packages were not there"),
        (0, &["--fail-on", "new"], 2, "nothing to compare with"),
        (0, &["--baseline", &same], 2, "nothing to compare for"),
        (0, &["--fail-on", "new", "--baseline", layout], 2, "a folder is no report"),
        (49, &["--fail-on", "critical"], 6, "two days and an hour"),
        (49, &["--fail-on", "critical", "--allow-gaps"], 6, "gaps are another thing"),
        (49, &["--fail-on", "critical", "--max-feed-age", "3d"], 0, "more is allowed"),
        (49, &["--fail-on", "any"], 1, "findings are no better for being old"),
        (49, &[], 0, "no gate"),
        (49, &["--fail-on", "any", "--max-feed-age", "soon"], 2, "no age"),
    ] {
        age(&house, hours);
        let (code, said) = scan(&house, &[&[layout], arguments].concat());
        age(&house, -hours);
        assert_eq!(code, Some(want), "{why}: {said}");
    }
}

#[test]
fn what_no_list_shows_fails_no_gate_unless_all_is_asked_for() {
    let house = House::new();
    let [layout, tree] = ["layout", "tree"].map(|name| house.folder.path().join(name));
    write_layout(&layout, &images::image(vec![images::debian(&images::OLD[2..], "minor")]));
    feeds::write(&tree, &["openssl", "expat"], 2024, 3);
    let tracker = tree.join(feeds::TRACKER);
    let mut records: Value = serde_json::from_slice(&std::fs::read(&tracker).unwrap()).unwrap();
    for record in records["expat"].as_object_mut().unwrap().values_mut() {
        record["releases"]["bookworm"]["urgency"] = "unimportant".into();
    }
    std::fs::write(&tracker, records.to_string()).unwrap();
    feeds::update(&house, &tree);
    for (arguments, want, said, why) in [
        (&["--fail-on", "any"][..], 0, "0 findings", "the table shows none"),
        (&["--fail-on", "any", "--all"], 1, "FAIL  3 findings", "all were asked for"),
        (&["--fail-on", "negligible"], 1, "3 negligible", "and so were these"),
    ] {
        let (code, text) = scan(&house, &[&[layout.to_str().unwrap()], arguments].concat());
        assert_eq!(code, Some(want), "{why}: {text}");
        assert!(text.contains(said), "{why}: {text}");
    }
}
