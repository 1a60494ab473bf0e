//! Notices: told once, in order, signed, whatever the receiver and the processes do.

use crate::feeds;
use crate::house::{House, Server, engines, until};
use crate::images::{self, OLD};
use crate::receiver::{Got, Receiver};
use crate::steps;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// What `abort` ends a process with.
pub const ABORTED: i32 = 6;

pub fn post(server: &Server, path: &str, body: &Value) -> Value {
    let head = [("Content-Type", "application/json")];
    let reply = server.send("POST", &format!("/api/v1{path}"), &head, body.to_string().as_bytes());
    assert!(reply.status < 300, "{path}: {} {}", reply.status, reply.text());
    reply.json()
}

/// Makes a webhook that is told at once; returns its id and its key.
fn hook(server: &Server, receiver: &Receiver, kinds: &[&str]) -> (i64, String) {
    let body =
        json!({"name": "ops", "address": receiver.url(), "severity": "unknown", "digest_minutes": 0, "kinds": kinds});
    let made = post(server, "/notifications/channels", &body);
    (made["channel"]["id"].as_i64().unwrap(), made["key"].as_str().unwrap().to_owned())
}

/// Lets the time come for everything that waits.
pub fn hasten(house: &House) {
    house.execute("UPDATE notice SET due = 0 WHERE message = 0");
    house.execute("UPDATE outbox SET due = 0 WHERE state = 0 AND due > 0");
}

pub fn items(got: &Got) -> Vec<Value> {
    got.json()["data"]["items"].as_array().unwrap().clone()
}

/// Every fact that was told, as kind and thread, in order.
pub fn told(receiver: &Receiver) -> Vec<(String, String)> {
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    receiver.taken().iter().flat_map(items).map(|item| (text(&item, "kind"), text(&item, "thread"))).collect()
}

pub fn signed(got: &Got, key: &str) -> bool {
    let secret = STANDARD.decode(key.trim_start_matches("whsec_")).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let text = format!("{}.{}.{}", got.header("webhook-id"), got.header("webhook-timestamp"), got.body);
    let signatures = got.header("webhook-signature").split(' ').filter_map(|s| s.strip_prefix("v1,"));
    signatures.map(|s| STANDARD.decode(s).unwrap()).any(|tag| hmac::verify(&key, text.as_bytes(), &tag).is_ok())
}

#[test]
fn a_push_is_told_once_and_in_order_to_a_receiver_that_fails_five_times() {
    for house in engines() {
        let (server, receiver) = (house.start(), Receiver::new(&[503, 500, 429, 408, 502]));
        let (channel, key) = hook(&server, &receiver, &["new-finding"]);
        let shown = server.get("/notifications/channels");
        let text = shown.to_string();
        assert!(!text.contains("geheim") && !text.contains(&key), "what is secret is not shown: {text}");
        let image = images::good("told");
        assert_eq!(server.push("team/app", "v1", &image).status, 201);
        server.judged(&image.digest());
        until("the notice", || (house.count("SELECT COUNT(*) FROM notice") > 0).then_some(()));
        // A second image without anything that the repository did not have says nothing.
        let same = images::good("the same packages again");
        assert_eq!(server.push("team/app", "v2", &same).status, 201);
        server.judged(&same.digest());
        post(&server, &format!("/notifications/channels/{channel}/test"), &json!({}));
        for tried in 1..=5 {
            until("the next try", || {
                hasten(&house);
                (receiver.got().len() >= tried).then_some(())
            });
        }
        until("both messages", || {
            hasten(&house);
            (house.count("SELECT COUNT(*) FROM outbox WHERE state = 1") == 2).then_some(())
        });
        let got = receiver.got();
        assert_eq!(got.iter().map(|g| g.status).collect::<Vec<_>>(), [503, 500, 429, 408, 502, 200, 200]);
        let ids: Vec<&str> = got.iter().map(|g| g.header("webhook-id")).collect();
        let test = got.iter().position(|g| items(g)[0]["kind"] == "test").unwrap();
        assert!(ids[..6].iter().all(|id| *id == ids[0]) || test == 0, "one message after the other: {ids:?}");
        assert_eq!(
            got[..6].iter().map(|g| &g.body).collect::<std::collections::HashSet<_>>().len(),
            1,
            "the same body"
        );
        let event = receiver.taken().iter().find(|g| items(g)[0]["kind"] == "new-finding").cloned().unwrap();
        for got in receiver.got() {
            assert!(signed(&got, &key) && !signed(&got, "whsec_AAAA"));
            assert_eq!(got.header("content-type"), "application/cloudevents+json; charset=utf-8");
        }
        let (body, item) = (event.json(), items(&event).remove(0));
        assert_eq!(
            (body["specversion"].as_str(), body["id"].as_str()),
            (Some("1.0"), Some(event.header("webhook-id")))
        );
        assert_eq!((body["data"]["schema_version"].as_u64(), items(&event).len()), (Some(1), 1));
        let subject = item["subject"].as_str().unwrap();
        assert!(subject.contains(" in local/team/app (tag v1, never pulled)") && subject.starts_with('['), "{subject}");
        assert_eq!(item["ids"]["image"].as_str(), Some(image.digest().as_str()));
        assert!(item["description"].as_str().unwrap_or("").chars().count() <= 500);
        let link = item["link"].as_str().unwrap().split_once("/findings").unwrap().1;
        let exactly = server.get(&format!("/findings{link}"));
        assert_eq!(exactly["total"].as_u64(), Some(server.findings_of(&image.digest())), "the link shows its rows");
        let sent = server.get(&format!("/notifications/deliveries?channel={channel}"));
        assert!(sent["items"].as_array().unwrap().iter().all(|d| d["state"] == "delivered"), "{sent}");
        python(&receiver.got(), &key);
    }
}

/// A second implementation verifies the signatures: Python's own hmac, and that it refuses another body and another key.
pub fn python(all: &[Got], key: &str) {
    let script = "import base64,hashlib,hmac,json,sys\ndef genuine(m,body,key):\n text=(m['id']+'.'+m['at']+'.').encode()+body\n\
        \x20key=base64.b64decode(key.removeprefix('whsec_'))\n want=base64.b64encode(hmac.new(key,text,hashlib.sha256).digest()).decode()\n\
        \x20return any(hmac.compare_digest(s,'v1,'+want) for s in m['signature'].split())\n\
        said=json.load(sys.stdin)\nother='whsec_'+base64.b64encode(bytes(32)).decode()\nfor m in said['all']:\n body=m['body'].encode()\n\
        \x20assert genuine(m,body,said['key']) and not genuine(m,body+b' ',said['key']) and not genuine(m,body,other)\nprint(len(said['all']))";
    let message = |got: &Got| json!({"id": got.header("webhook-id"), "at": got.header("webhook-timestamp"), "signature": got.header("webhook-signature"), "body": got.body});
    let said = json!({"key": key, "all": all.iter().map(message).collect::<Vec<_>>()}).to_string();
    let mut command = Command::new("python3");
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        println!("1 check not run: no python3");
        return;
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), said.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let number = String::from_utf8_lossy(&done.stdout).trim().parse();
    assert_eq!(number, Ok(all.len()), "Python's hmac says that a signature is wrong");
}

#[test]
fn a_kill_at_any_step_of_telling_loses_nothing_and_tells_twice_only_under_the_same_id() {
    for mut house in engines() {
        let receiver = Receiver::new(&[]);
        let server = house.start();
        hook(&server, &receiver, &["new-finding"]);
        assert_eq!(server.push("calm", "1", &images::image(vec![images::debian(&[], "calm")])).status, 201);
        let looked = "SELECT COUNT(*) FROM setting WHERE name = 'notice-position'";
        until("the first look", || (house.count(looked) == 1).then_some(()));
        drop(server);
        // Between the receiver's answer and the note of it lies the one step at which a message is sent again.
        let steps = ["notices:locked", "notices:written", "notices:committed", "outbox:composed", "outbox:claimed"];
        for (n, step) in steps.into_iter().chain(["outbox:sent", "outbox:noted"]).enumerate() {
            let before = receiver.taken().len();
            house.environment = vec![("PORTWARDEN_KILL_AT".into(), step.into())];
            let mut server = house.start();
            house.environment.clear();
            let repository = format!("kill/{}", step.replace(':', "-"));
            let image = images::image(vec![images::debian(OLD, &repository)]);
            steps::push(&server, &repository, &image);
            let status = until(step, || server.child.try_wait().unwrap());
            assert_eq!(status.signal(), Some(ABORTED), "{step}: {}", server.log_text());
            house.execute("UPDATE outbox SET leased_until = 0"); // what else takes a minute
            let server = house.start();
            assert_eq!(server.push(&repository, "1", &image).status, 201, "what was not acknowledged is pushed again");
            server.judged(&image.digest());
            let thread = |server: &Server| {
                let rows = server.get("/notifications/deliveries?limit=1000");
                let rows = rows["items"].as_array().unwrap().clone();
                rows.iter()
                    .filter(|d| d["subject"].as_str().unwrap().contains(&repository))
                    .cloned()
                    .collect::<Vec<_>>()
            };
            until("it is told", || {
                hasten(&house);
                let rows = thread(&server);
                (rows.len() == 1 && rows[0]["state"] == "delivered").then_some(())
            });
            let mine: Vec<Got> =
                receiver.taken().into_iter().skip(before).filter(|g| g.body.contains(&repository)).collect();
            let ids: std::collections::HashSet<&str> = mine.iter().map(|g| g.header("webhook-id")).collect();
            let bodies: std::collections::HashSet<&str> = mine.iter().map(|g| g.body.as_str()).collect();
            assert_eq!((ids.len(), bodies.len()), (1, 1), "{step}: one id, one body");
            assert_eq!(mine.len(), if step == "outbox:sent" { 2 } else { 1 }, "{step}: how often it came");
            println!("{:<10} {step}: told {} time(s) under one id", house.engine(), mine.len());
            let all = house.count("SELECT COUNT(*) FROM notice");
            assert_eq!(all, n as i64 + 1, "{step}: one notice a push");
        }
    }
}

#[test]
fn a_new_vulnerability_is_told_with_its_reach_then_that_it_is_exploited_and_then_that_it_is_over() {
    for house in engines() {
        let (tree, receiver) = (house.folder.path().join("feeds"), Receiver::new(&[]));
        feeds::write(&tree, &["curl"], 2023, 1);
        feeds::update(&house, &tree);
        let server = house.start();
        let both = images::image(vec![images::debian(&[("zlib", "1.0")], "a")]);
        for repository in ["team/one", "team/two"] {
            assert_eq!(server.push(repository, "1", &both).status, 201);
        }
        server.judged(&both.digest());
        hook(&server, &receiver, &["new-finding", "new-vulnerability", "known-exploited"]);
        feeds::write(&tree, &["curl", "zlib"], 2023, 1);
        feeds::update(&house, &tree);
        let thread = "vulnerability:CVE-2023-10001".to_owned();
        let wait = |kind: &str| {
            until(kind, || {
                hasten(&house);
                told(&receiver).contains(&(kind.to_owned(), thread.clone())).then_some(())
            });
        };
        wait("new-vulnerability");
        let first = receiver.taken().iter().flat_map(items).find(|i| i["kind"] == "new-vulnerability").unwrap();
        let subject = first["subject"].as_str().unwrap();
        assert!(subject.ends_with("zlib 1.0 -> 99:1 in 1 image of 2 repositories"), "{subject}");
        assert_eq!(first["description"], "a weakness");
        let list = tree.join("www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json");
        let text = std::fs::read_to_string(&list).unwrap().replace("CVE-2024-10000", "CVE-2023-10001");
        std::fs::write(&list, text).unwrap();
        feeds::update(&house, &tree);
        wait("known-exploited");
        let urgent = receiver.taken().iter().flat_map(items).find(|i| i["kind"] == "known-exploited").unwrap();
        assert_eq!((&urgent["urgent"], &urgent["new_state"]), (&json!(true), &json!("open, known exploited")));
        let rule = json!({"name": "hide it", "scope": "/", "criteria": {"finding_ids": ["CVE-2023-10001"]}, "reason": "accepted-risk",
            "justification": "a test of what is over", "confirm": true});
        let head = [("Content-Type", "application/json")];
        let made = server.send("POST", "/api/v1/rules", &head, rule.to_string().as_bytes());
        assert_eq!(made.status, 201, "{}", made.text());
        wait("resolved");
        let all = told(&receiver);
        for kind in ["new-vulnerability", "known-exploited", "resolved"] {
            assert_eq!(all.iter().filter(|(k, t)| k == kind && *t == thread).count(), 1, "{kind} once: {all:?}");
        }
    }
}

#[test]
fn two_processes_that_follow_the_same_store_tell_everything_once() {
    let Some(house) = House::on_postgres() else {
        println!("1 check not run: no PostgreSQL (PORTWARDEN_TEST_POSTGRES)");
        return;
    };
    let (first, second, receiver) = (house.start(), house.start(), Receiver::new(&[]));
    hook(&first, &receiver, &["new-finding"]);
    const IMAGES: usize = 12;
    for n in 0..IMAGES {
        let image = images::image(vec![images::debian(OLD, &format!("two {n}"))]);
        let server = if n % 2 == 0 { &first } else { &second };
        assert_eq!(server.push(&format!("two/app{n}"), "1", &image).status, 201);
    }
    until("all of them", || {
        hasten(&house);
        (told(&receiver).len() >= IMAGES).then_some(())
    });
    // Whatever is still to come would come now.
    until("nothing waits", || {
        let waits =
            "SELECT (SELECT COUNT(*) FROM notice WHERE message = 0) + (SELECT COUNT(*) FROM outbox WHERE state = 0)";
        (house.count(waits) == 0).then_some(())
    });
    let all = told(&receiver);
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (IMAGES, IMAGES), "{all:?}");
}

#[test]
fn who_may_be_told_of_what_and_where_is_asked() {
    let house = House::new();
    let (server, receiver) = (house.start(), Receiver::new(&[]));
    let guid = server.get("/subscriptions")["items"][0]["guid"].as_str().unwrap().to_owned();
    let scope = format!("/{guid}/local");
    for (arguments, why) in [
        (vec!["user", "create", "sam"], "a user"),
        (vec!["role", "assign", "--principal", "sam", "--role", "security-admin", "--scope", &scope], "a role"),
    ] {
        let mut command = house.command(&arguments);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"correct horse battery\n").unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{why}: {}", String::from_utf8_lossy(&done.stderr));
    }
    let sam = "Basic c2FtOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==";
    let ask = |who: &str, body: Value| {
        let head = [("Content-Type", "application/json"), ("Authorization", who)];
        let reply = server.send("POST", "/api/v1/notifications/channels", &head, body.to_string().as_bytes());
        (reply.status, reply.json()["field"].as_str().unwrap_or("").to_owned())
    };
    let outside = "https://hooks.example.com/x";
    for (body, want, why) in [
        (json!({"name": "a", "address": outside, "scope": scope}), (201, ""), "in the scope of the role"),
        (json!({"name": "a", "address": outside, "scope": "/"}), (403, ""), "beyond it"),
        (json!({"name": "a", "address": receiver.url(), "scope": scope}), (403, "address"), "an address inside"),
        (json!({"name": "a", "address": "https://169.254.169.254/", "scope": scope}), (403, "address"), "metadata"),
        (json!({"name": "a", "address": "ftp://x/", "scope": scope}), (400, "address"), "another scheme"),
        (json!({"name": "a", "scope": scope}), (400, "address"), "no address"),
        (json!({"name": "", "address": outside, "scope": scope}), (400, "name"), "no name"),
        (
            json!({"name": "a", "address": outside, "scope": scope, "kinds": ["access-change"]}),
            (403, ""),
            "the audit's news",
        ),
        (json!({"name": "a", "address": outside, "scope": scope, "kinds": ["x"]}), (400, "kinds"), "no such kind"),
        (json!({"name": "a", "address": outside, "scope": scope, "kinds": []}), (400, "kinds"), "no kind at all"),
        (json!({"name": "a", "address": outside, "scope": scope, "severity": "x"}), (400, "severity"), "no severity"),
        (json!({"name": "a", "address": outside, "scope": scope, "secret": "x"}), (400, "secret"), "an unknown field"),
    ] {
        let (status, field) = ask(sam, body);
        assert_eq!((status, field.as_str()), want, "{why}");
    }
    let (all, _) = hook(&server, &receiver, &["new-finding"]);
    let head = [("Authorization", sam)];
    let shown = server.send("GET", "/api/v1/notifications/channels", &head, b"").json();
    assert_eq!(shown["items"].as_array().unwrap().len(), 1, "the channel of the scope alone: {shown}");
    let absent = server.send("GET", &format!("/api/v1/notifications/channels/{all}"), &head, b"");
    assert_eq!(absent.status, 404);
    let link = format!("/unsubscribe/{all}/new-finding/AAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(server.send("POST", &link, &[], b"").status, 404, "a code that was guessed ends nothing");
}
