//! A command asks a running server and the data of its own machine, and both answer the same.

use crate::house::House;
use crate::images;

/// The rows of a table without what the clock says.
fn said(house: &House, words: &[&str]) -> (Option<i32>, String) {
    let done = house.run(words);
    let errors = String::from_utf8_lossy(&done.stderr).into_owned();
    (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned() + &errors)
}

#[test]
fn lists_and_details_are_the_same_from_a_server_and_from_its_data() {
    let house = House::new();
    let server = house.start();
    let image = images::good("answers");
    server.push("team/app", "1.0", &image);
    let digest = image.digest();
    server.judged(&digest);
    let url = format!("http://admin:secret@127.0.0.1:{}", server.port);
    let found = server.get("/findings?limit=1")["items"][0].clone();
    let (id, cve) = (found["id"].as_str().unwrap(), found["finding_id"].as_str().unwrap());
    for words in [
        &["image", "list"][..],
        &["image", "list", "--format", "csv"],
        &["image", "list", "repo:team/app", "--sort", "-severity", "--limit", "1", "--format", "json"],
        &["image", "show", "team/app:1.0"],
        &["image", "show", &digest, "--format", "json"],
        &["finding", "list"],
        &["finding", "list", "severity:>=low", "--format", "jsonl"],
        &["finding", "list", "--as-of", "2020-01-01"],
        &["finding", "show", id],
        &["finding", "show", cve, "--image", "team/app:1.0", "--format", "json"],
        &["finding", "explain", cve],
        &["repository", "list"],
        &["image", "list", "colour:red"],
        &["image", "show", "team/none:1.0"],
        &["finding", "show", "CVE-1999-0001"],
        &["finding", "show", "00000000-0000-8000-8000-000000000000"],
        &["finding", "list", "--as-of", "yesterday"],
    ] {
        let here = said(&house, words);
        let there = said(&house, &[words, &["--server", &url]].concat());
        assert_eq!(here, there, "{words:?}");
        assert!(here.0.is_some_and(|exit| exit == 0 || exit == 2), "{words:?}: {here:?}");
    }
    let (exit, text) = said(&house, &["finding", "list"]);
    assert!(exit == Some(0) && text.contains(cve) && text.contains("findings"), "{text}");
}

#[test]
fn a_command_renames_a_repository_and_deletes_tags_and_images() {
    let house = House::new();
    let server = house.start();
    let image = images::good("answers");
    for tag in ["1.0", "old"] {
        server.push("team/app", tag, &image);
    }
    let digest = image.digest();
    server.judged(&digest);
    let url = format!("http://admin:secret@127.0.0.1:{}", server.port);
    let run = |words: &[&str]| said(&house, &[words, &["--server", &url]].concat());
    let tags = |repository: &str| {
        server.get(&format!("/images?repository={repository}"))["items"][0]["places"][0]["tags"].clone()
    };
    for (words, exit, says) in [
        (&["repository", "update", "local/team/app", "--name", "shop/web"][..], 0, "shop/web"),
        (&["repository", "update", "local/team/app", "--name", "x"], 2, "team/app"),
        (&["repository", "update", "nothing", "--name", "x"], 2, "REGISTRY/NAME"),
        (&["image", "delete", "shop/web"], 2, "REPOSITORY:TAG"),
        (&["image", "delete", "shop/web:none"], 2, "none"),
        (&["image", "delete", "shop/other:old"], 2, "no repository"),
        (&["image", "delete", "shop/web:*"], 2, "*"),
        (&["image", "delete", "shop/web:OLD"], 2, "OLD"),
        (&["image", "delete", "shop/web:OLD", "--tag-only"], 2, "OLD"),
        (&["image", "delete", "shop/web:old", "--tag-only"], 0, "deleted old"),
    ] {
        let (got, text) = run(words);
        assert!(got == Some(exit) && text.contains(says), "{words:?}: {got:?} {text}");
    }
    assert_eq!(tags("shop/web"), serde_json::json!(["1.0"]));
    let (got, text) = run(&["image", "delete", &format!("shop/web@{digest}")]);
    assert!(got == Some(0) && text.contains(&digest), "{text}");
    assert_eq!(server.get("/images")["total"], 0);
    assert_eq!(server.send("GET", "/v2/shop/web/manifests/1.0", &[("Accept", "*/*")], b"").status, 404);
}
