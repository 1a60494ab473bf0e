//! Every kind of notice, from the fact to the receiver: what webhooks, Slack and Teams are sent of it.

use crate::feeds::{self, TRACKER};
use crate::house::{House, Server, engines, until};
use crate::images;
use crate::notices::{hasten, post, python, signed, told};
use crate::receiver::{Got, Receiver};
use model::advisory::FeedState;
use model::notice::Kind;
use scan::database::Folder;
use serde_json::{Value, json};
use std::path::Path;

/// Three channels that are told of the same.
struct Channels {
    hook: Receiver,
    slack: Receiver,
    teams: Receiver,
    key: String,
}

fn channels(server: &Server) -> Channels {
    let kinds = Kind::CHOICES.map(Kind::as_str);
    let make = |kind: &str| {
        let receiver = Receiver::new(&[]);
        let body = json!({"name": kind, "kind": kind, "address": receiver.url(), "kinds": kinds, "digest_minutes": 0});
        let made = post(server, "/notifications/channels", &body);
        (receiver, made["key"].as_str().unwrap().to_owned())
    };
    let ((hook, key), (slack, _), (teams, _)) = (make("webhook"), make("slack"), make("teams"));
    Channels { hook, slack, teams, key }
}

/// Waits until the webhook was told of a kind with a thread that begins so; returns the item.
fn wait(house: &House, hook: &Receiver, kind: &str, thread: &str) -> Value {
    until(&format!("{kind} {thread}"), || {
        hasten(house);
        told(hook).iter().any(|(k, t)| k == kind && t.starts_with(thread)).then_some(())
    });
    let all = hook.taken().iter().flat_map(crate::notices::items).collect::<Vec<Value>>();
    let fits = |item: &&Value| item["kind"] == kind && item["thread"].as_str().unwrap().starts_with(thread);
    all.iter().find(fits).unwrap().clone()
}

/// Lets the tracker say that a fix is known, or not.
fn fix(tree: &Path, source: &str, known: bool) {
    let path = tree.join(TRACKER);
    let mut tracker: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (_, record) in tracker[source].as_object_mut().unwrap() {
        record["releases"]["bookworm"] = if known {
            json!({"status": "resolved", "repositories": {"bookworm": "1"}, "fixed_version": "99:1", "urgency": "medium"})
        } else {
            json!({"status": "open", "repositories": {"bookworm": "1"}, "urgency": "medium"})
        };
    }
    std::fs::write(path, tracker.to_string()).unwrap();
}

/// Puts an advisory database into force whose one feed was fetched three days ago.
fn old_feed(house: &House) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    let fetched = model::Micros(now - 3 * 86_400_000_000);
    let feed = FeedState { name: "debian".into(), records: 1, fetched, ..FeedState::default() };
    let generation = feeds::generation(house) + 1;
    let bytes = advisory::Builder::new().finish(generation, fetched, vec![feed]);
    Folder::of(&house.data()).publish(generation, bytes.as_ref()).unwrap();
}

fn put(server: &Server, path: &str, body: &Value) {
    let head = [("Content-Type", "application/json")];
    let reply = server.send("PUT", &format!("/api/v1{path}"), &head, body.to_string().as_bytes());
    assert!(reply.status < 300, "{path}: {} {}", reply.status, reply.text());
}

#[test]
fn every_kind_of_notice_reaches_its_receivers_from_the_fact_on() {
    for house in engines() {
        let tree = house.folder.path().join("feeds");
        feeds::write(&tree, &["curl", "zlib"], 2023, 1);
        fix(&tree, "zlib", false);
        feeds::update(&house, &tree);
        let server = house.start();
        let calm = images::image(vec![images::debian(&[("calm", "1.0")], "calm")]);
        assert_eq!(server.push("team/calm", "1", &calm).status, 201);
        server.judged(&calm.digest());
        let to = channels(&server);
        let looked =
            "SELECT COUNT(*) FROM setting WHERE name = 'notice-position' AND value LIKE '%\"scores\":{\"/\":%'";
        until("a score to hold others against", || (house.count(looked) == 1).then_some(()));

        let weak = images::image(vec![images::debian(&[("zlib", "1.0"), ("expat", "1.0")], "weak")]);
        assert_eq!(server.push("team/weak", "1", &weak).status, 201);
        server.judged(&weak.digest());
        let item = wait(&house, &to.hook, "new-finding", "image:");
        assert_eq!(item["ids"]["image"].as_str(), Some(weak.digest().as_str()));
        let item = wait(&house, &to.hook, "score-drop", "score:/");
        assert!(item["old_state"].as_str().unwrap() > item["new_state"].as_str().unwrap(), "{item}");

        feeds::write(&tree, &["curl", "zlib", "expat"], 2023, 1);
        fix(&tree, "zlib", false);
        feeds::update(&house, &tree);
        let item = wait(&house, &to.hook, "new-vulnerability", "vulnerability:CVE-2023-10002");
        assert!(item["subject"].as_str().unwrap().contains(" in 1 image of 1 repository"), "{item}");

        fix(&tree, "zlib", true);
        feeds::update(&house, &tree);
        let item = wait(&house, &to.hook, "fix-available", "vulnerability:CVE-2023-10001");
        assert!(item["subject"].as_str().unwrap().contains("zlib 1.0 -> 99:1"), "{item}");

        let list = tree.join("www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json");
        let text = std::fs::read_to_string(&list).unwrap().replace("CVE-2024-10000", "CVE-2023-10001");
        std::fs::write(&list, text).unwrap();
        feeds::update(&house, &tree);
        assert_eq!(wait(&house, &to.hook, "known-exploited", "vulnerability:CVE-2023-10001")["urgent"], true);

        let mut broken = images::debian(&[], "broken");
        broken.bytes = images::gzip(&[b'x'; 5_000]); // no tar
        let broken = images::image(vec![broken]);
        assert_eq!(server.push("team/broken", "1", &broken).status, 201);
        let thread = format!("scan:{}", broken.digest());
        assert!(
            wait(&house, &to.hook, "scan-problem", &thread)["what"].as_str().unwrap().contains("cannot be scanned")
        );
        let path = format!("/v2/team/broken/manifests/{}", broken.digest());
        assert_eq!(server.send("DELETE", &path, &[], b"").status, 202);
        wait(&house, &to.hook, "resolved", &thread);

        let rule = |expires: &str| {
            json!({"name": "hide it", "scope": "/", "criteria": {"finding_ids": ["CVE-2023-10002"]}, "reason": "accepted-risk",
            "justification": "until the move", "expires": expires, "confirm": true})
        };
        let made = post(&server, "/rules", &rule("3d"));
        let thread = format!("rule:{}", made["id"].as_str().unwrap());
        let item = wait(&house, &to.hook, "rule-expiring", &thread);
        assert_eq!(item["subject"], "[rule ends in 2 days] hide it");
        put(&server, &format!("/rules/{}", made["id"].as_str().unwrap()), &rule("never"));
        wait(&house, &to.hook, "resolved", &thread);

        let guid = server.get("/subscriptions")["items"][0]["guid"].as_str().unwrap().to_owned();
        post(&server, "/registries", &json!({"name": "other", "host": "other.example", "subscription": guid}));
        put(&server, "/plans", &json!({"name": "ContainerRegistry", "registry": "other", "tier": "Free"}));
        assert!(
            wait(&house, &to.hook, "plan-change", "audit:")["what"].as_str().unwrap().starts_with("admin did plan.")
        );
        post(&server, "/users", &json!({"name": "ann", "password": "correct horse battery"}));
        let item = wait(&house, &to.hook, "access-change", "audit:");
        assert_eq!(item["what"], "admin did user.create of ann in /.");
        assert!(!item.to_string().contains("battery"), "{item}");

        old_feed(&house);
        let item = wait(&house, &to.hook, "feed-stale", "feed:debian");
        assert_eq!(item["subject"], "[feed stale] debian, fetched 72 hours ago");
        feeds::update(&house, &tree);
        wait(&house, &to.hook, "resolved", "feed:debian");

        arrived(&house, &to);
    }
}

/// What arrived has the form that each receiver documents, and everybody was told the same.
fn arrived(house: &House, to: &Channels) {
    let all = told(&to.hook);
    for kind in Kind::CHOICES {
        assert!(all.iter().any(|(k, _)| k == kind.as_str()), "{}: {all:?}", kind.as_str());
    }
    for got in to.hook.taken() {
        assert!(signed(&got, &to.key));
        event(&got);
    }
    python(&to.hook.taken(), &to.key);
    let subjects = |got: &Got| {
        crate::notices::items(got).iter().map(|i| i["subject"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let told: Vec<String> = to.hook.taken().iter().flat_map(subjects).collect();
    until("the others are told as well", || {
        hasten(house);
        let waits =
            "SELECT (SELECT COUNT(*) FROM notice WHERE message = 0) + (SELECT COUNT(*) FROM outbox WHERE state = 0)";
        (house.count(waits) == 0).then_some(())
    });
    let mut sections = Vec::new();
    for got in to.slack.taken() {
        sections.extend(slack(&got));
    }
    let mut cards = Vec::new();
    for got in to.teams.taken() {
        cards.extend(teams(&got));
    }
    for subject in told {
        let slack = subject.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        assert!(sections.iter().any(|text| text.contains(&slack)), "Slack was not told {subject}: {sections:?}");
        assert!(cards.iter().any(|text| text.replace('\\', "") == subject), "Teams was not told {subject}: {cards:?}");
    }
    println!(
        "{:<10} {} facts of {} kinds arrived by webhook, Slack and Teams",
        house.engine(),
        all.len(),
        Kind::CHOICES.len()
    );
}

/// CloudEvents 1.0: what must be there, of its type; and what an item always says.
fn event(got: &Got) {
    let event = got.json();
    for name in ["id", "source", "type", "subject", "time", "datacontenttype"] {
        assert!(event[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {event}");
    }
    assert!(event.as_object().unwrap().keys().all(|name| name.bytes().all(|b| b.is_ascii_lowercase())), "{event}");
    assert!(
        event["source"].as_str().unwrap().starts_with("urn:uuid:")
            && model::Micros::parse(event["time"].as_str().unwrap()).is_some()
    );
    for item in crate::notices::items(got) {
        for name in ["kind", "thread", "scope", "subject", "what", "link"] {
            assert!(item[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {item}");
        }
        assert!(item["link"].as_str().unwrap().starts_with("http://localhost:"), "{item}");
        let ends = item["kind"] != "resolved";
        assert_eq!(item["unsubscribe"].as_str().is_some_and(|link| link.contains("/unsubscribe/")), ends, "{item}");
    }
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What Slack documents of incoming webhooks and section blocks: the names, the types, the limits. Returns the texts.
fn slack(got: &Got) -> Vec<String> {
    let message = got.json();
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(names(&message), ["blocks", "text"]);
    assert!(message["text"].as_str().is_some_and(|text| !text.is_empty() && text.len() <= 40_000));
    let blocks = message["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    let section = |block: &Value| {
        assert_eq!((names(block), block["type"].as_str()), (vec!["text", "type"], Some("section")));
        let text = &block["text"];
        assert_eq!(
            (names(text), text["type"].as_str(), text["verbatim"].as_bool()),
            (vec!["text", "type", "verbatim"], Some("mrkdwn"), Some(true))
        );
        let text = text["text"].as_str().unwrap().to_owned();
        assert!((1..=3_000).contains(&text.chars().count()));
        text
    };
    blocks.iter().map(section).collect()
}

/// What Microsoft documents of workflows' webhooks and adaptive cards 1.4. Returns the heads.
fn teams(got: &Got) -> Vec<String> {
    assert!(got.body.len() <= 28_000 && got.header("content-type") == "application/json");
    let message = got.json();
    assert_eq!((names(&message), message["type"].as_str()), (vec!["attachments", "summary", "type"], Some("message")));
    let attachments = message["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 1);
    let attachment = &attachments[0];
    assert_eq!(names(attachment), ["content", "contentType", "contentUrl"]);
    assert_eq!(
        (attachment["contentType"].as_str(), &attachment["contentUrl"]),
        (Some("application/vnd.microsoft.card.adaptive"), &Value::Null)
    );
    let card = &attachment["content"];
    assert_eq!(names(card), ["$schema", "body", "type", "version"]);
    assert_eq!((card["type"].as_str(), card["version"].as_str()), (Some("AdaptiveCard"), Some("1.4")));
    let mut heads = Vec::new();
    for block in card["body"].as_array().unwrap() {
        let known = ["separator", "text", "type", "weight", "wrap"];
        assert!(
            names(block).iter().all(|name| known.contains(name))
                && block["type"] == "TextBlock"
                && block["wrap"] == true,
            "{block}"
        );
        let text = block["text"].as_str().unwrap();
        assert!(!text.is_empty());
        if block["separator"] == true {
            assert_eq!(block["weight"], "Bolder");
            heads.push(text.to_owned());
        }
    }
    heads
}
