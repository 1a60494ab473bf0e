//! Mail: what a relay takes, refuses or puts off; what a kill leaves. The relay is aiosmtpd.

use crate::feeds;
use crate::house::{House, Server, engines, free_port, until};
use crate::images::{self, OLD};
use crate::notices::{ABORTED, hasten, post};
use crate::steps;
use serde_json::{Value, json};
use std::io::BufRead;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Takes mail and writes each into a file. Who is called `gone` is not there, who is called `full` is not there for now.
const RELAY: &str = r#"
import json, ssl, sys, time
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
folder, port, how = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
class Take:
    taken = 0
    fails = how.get('fails', 0)
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('gone@'):
            return '550 5.1.1 no such person here'
        if address.startswith('full@'):
            return '452 4.2.2 the box is full'
        envelope.rcpt_tos.append(address)
        return '250 OK'
    async def handle_DATA(self, server, session, envelope):
        if Take.fails:
            Take.fails -= 1
            return '451 4.3.0 later'
        Take.taken += 1
        with open('%s/%d.json' % (folder, Take.taken), 'w') as f:
            json.dump({'to': envelope.rcpt_tos, 'from': envelope.mail_from, 'tls': server.transport.get_extra_info('ssl_object') is not None, 'login': bool(session.authenticated)}, f)
        with open('%s/%d.new' % (folder, Take.taken), 'wb') as f:
            f.write(envelope.original_content)
        import os
        os.rename('%s/%d.new' % (folder, Take.taken), '%s/%d.eml' % (folder, Take.taken))
        return '250 taken'
def login(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b'pw' and data.password == b'ge:heim', handled=False)
more = {}
if how.get('login'):
    more.update(authenticator=login, auth_required=True, auth_require_tls=False)
if how.get('tls'):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + '/relay.crt', folder + '/relay.key')
    more.update({'ssl_context': context} if how['tls'] == 'tls' else {'tls_context': context, 'require_starttls': True})
c = Controller(Take(), hostname='127.0.0.1', port=port, **more)
c.start()
print('ready', flush=True)
time.sleep(3600)
"#;
/// Reads a mail as Python's own parser does.
const PARSE: &str = "import email,email.policy,json,sys\nm=email.message_from_binary_file(open(sys.argv[1],'rb'),policy=email.policy.default)\n\
    print(json.dumps({'heads':{k.lower():v for k,v in m.items()},'count':len(m.items()),'text':m.get_body(('plain',)).get_content(),'html':m.get_body(('html',)).get_content(),'parts':[p.get_content_type() for p in m.walk()],'defects':[str(d) for d in m.defects]}))";

struct Relay {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Relay {
    /// Starts a relay; `None` = there is no aiosmtpd.
    fn new(folder: &Path, how: &Value) -> Option<Self> {
        let has = |python: &&str| {
            let asked = Command::new(python).args(["-c", "import aiosmtpd.controller"]).stderr(Stdio::null()).status();
            asked.is_ok_and(|status| status.success())
        };
        let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has) else {
            println!("1 check not run: no aiosmtpd for python3");
            return None;
        };
        let port = free_port();
        let folder = folder.join(format!("relay-{port}"));
        std::fs::create_dir(&folder).unwrap();
        let mut names = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        names.distinguished_name.push(rcgen::DnType::CommonName, "relay");
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(folder.join("relay.crt"), names.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(folder.join("relay.key"), key.serialize_pem()).unwrap();
        let mut command = Command::new(python);
        command.args(["-c", RELAY, folder.to_str().unwrap(), &port.to_string(), &how.to_string()]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut ready = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready.trim(), "ready");
        Some(Self { child, folder, port })
    }

    /// The mails that were taken, in order.
    fn taken(&self) -> Vec<Value> {
        let path = |n: usize, what: &str| self.folder.join(format!("{n}.{what}"));
        let numbers = (1..).take_while(|n| path(*n, "eml").exists());
        let read = |n: usize| {
            let mail = path(n, "eml");
            let parsed = Command::new("python3").args(["-c", PARSE, mail.to_str().unwrap()]).output().unwrap();
            let mut parsed: Value = serde_json::from_slice(&parsed.stdout).unwrap();
            parsed["how"] = serde_json::from_str(&std::fs::read_to_string(path(n, "json")).unwrap()).unwrap();
            parsed
        };
        numbers.map(read).collect()
    }
}

fn put(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    let head = [("Content-Type", "application/json")];
    let reply = server.send("PUT", &format!("/api/v1{path}"), &head, body.to_string().as_bytes());
    (reply.status, reply.json())
}

/// Names the relay, and makes a channel of mail that is told at once; returns its id.
fn channel(server: &Server, relay: &Value, to: &str) -> i64 {
    let (status, shown) = put(server, "/notifications/relay", relay);
    assert_eq!(status, 200, "{shown}");
    assert!(!shown.to_string().contains("heim"), "the password is not shown: {shown}");
    let body =
        json!({"name": "security", "kind": "mail", "address": to, "kinds": ["new-finding"], "digest_minutes": 0});
    post(server, "/notifications/channels", &body)["channel"]["id"].as_i64().unwrap()
}

fn at(port: u16, tls: &str) -> Value {
    json!({"host": "127.0.0.1", "port": port, "tls": tls, "user": "pw", "password": "ge:heim", "from": "pw@ports.test"})
}

fn open(port: u16) -> Value {
    json!({"host": "127.0.0.1", "port": port, "tls": "none", "from": "pw@ports.test"})
}

/// Has a test sent and waits until it was tried; returns what became of it.
fn tested(server: &Server, channel: i64) -> Value {
    let sent = post(server, &format!("/notifications/channels/{channel}/test"), &json!({}));
    until("the first try", || {
        let all = server.get(&format!("/notifications/deliveries?channel={channel}"));
        let found = all["items"].as_array().unwrap().iter().find(|one| one["id"] == sent["id"]).unwrap().clone();
        (found["state"] != "waiting" || found["error"] != "").then_some(found)
    })
}

#[test]
fn a_mail_is_taken_by_a_relay_that_fails_five_times_and_its_link_ends_the_kind() {
    for house in engines() {
        let Some(relay) = Relay::new(house.folder.path(), &json!({"fails": 5, "login": true})) else { return };
        let server = house.start();
        let channel = channel(&server, &at(relay.port, "none"), "sec@ports.test, ops@ports.test");
        let image = images::good("mailed");
        assert_eq!(server.push("team/mail", "v1", &image).status, 201);
        server.judged(&image.digest());
        let sent = until("the mail", || {
            hasten(&house);
            let sent = server.get(&format!("/notifications/deliveries?channel={channel}"))["items"][0].clone();
            (sent["state"] == "delivered").then_some(sent)
        });
        assert_eq!((&sent["attempts"], &sent["error"]), (&json!(6), &json!("")), "five times put off, then taken");
        let taken = relay.taken();
        assert_eq!(taken.len(), 1, "{taken:?}");
        let (heads, text) = (&taken[0]["heads"], taken[0]["text"].as_str().unwrap());
        assert_eq!(taken[0]["defects"], json!([]));
        assert_eq!(taken[0]["parts"], json!(["multipart/alternative", "text/plain", "text/html"]));
        assert!(taken[0]["html"].as_str().unwrap().contains("<a href=\"http"), "{}", taken[0]["html"]);
        assert_eq!(
            taken[0]["how"],
            json!({"to": ["sec@ports.test", "ops@ports.test"], "from": "pw@ports.test", "tls": false, "login": true})
        );
        assert_eq!(heads["message-id"], format!("<{}@ports.test>", sent["message"].as_str().unwrap()));
        assert_eq!(heads["subject"], sent["subject"]);
        assert_eq!(heads["auto-submitted"], "auto-generated");
        assert!(text.contains("in local/team/mail") && text.contains("No more of new-finding: http"), "{text}");
        let link = heads["list-unsubscribe"].as_str().unwrap().trim_matches(['<', '>']).to_owned();
        let path = link.split_once("/unsubscribe").map(|(_, rest)| format!("/unsubscribe{rest}")).unwrap();
        let head = [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", "none")];
        let ended = server.send("POST", &path, &head, b"List-Unsubscribe=One-Click");
        assert_eq!(ended.status, 200, "what a mail program sends by itself: {}", ended.text());
        assert_eq!(server.get(&format!("/notifications/channels/{channel}"))["kinds"], json!([]));
        println!("{:<10} mail: {} tries, taken once", house.engine(), sent["attempts"]);
    }
}

#[test]
fn what_a_relay_refuses_is_said_in_its_words_and_keeps_the_mail_from_nobody_else() {
    let house = House::new();
    let Some(relay) = Relay::new(house.folder.path(), &json!({"login": true})) else { return };
    let free = Relay::new(house.folder.path(), &json!({})).unwrap();
    let server = house.start();
    let gone = free_port();
    let wrong = json!({"host": "127.0.0.1", "port": relay.port, "tls": "none", "user": "pw", "password": "other", "from": "pw@ports.test"});
    for (named, to, state, words, why) in [
        (at(relay.port, "none"), "sec@ports.test", "delivered", "", "as it shall be"),
        (open(free.port), "sec@ports.test", "delivered", "", "without a login"),
        (
            at(relay.port, "none"),
            "sec@ports.test,gone@ports.test",
            "delivered",
            "not to gone@ports.test: ",
            "one of two",
        ),
        (at(relay.port, "none"), "gone@ports.test", "given-up", "(550): 5.1.1 no such person here", "nobody"),
        (at(relay.port, "none"), "full@ports.test", "waiting", "(452): 4.2.2 the box is full", "for now"),
        (wrong, "sec@ports.test", "waiting", "to the login: permanent error (535)", "somebody will put it right"),
        (open(relay.port), "sec@ports.test", "waiting", "(530)", "a login is wanted"),
        (open(gone), "sec@ports.test", "waiting", "cannot be used", "no relay"),
        (at(relay.port, "starttls"), "sec@ports.test", "waiting", "does not offer STARTTLS", "no password without TLS"),
        (at(relay.port, "tls"), "sec@ports.test", "waiting", "cannot be used", "no TLS there"),
    ] {
        let before = relay.taken().len() + free.taken().len();
        let channel = channel(&server, &named, to);
        let sent = tested(&server, channel);
        assert_eq!(sent["state"], state, "{why}: {sent}");
        assert!(sent["error"].as_str().unwrap().contains(words), "{why}: {sent}");
        assert!(!sent["error"].as_str().unwrap().contains("heim"), "{why}: {sent}");
        assert_eq!(relay.taken().len() + free.taken().len() - before, usize::from(state == "delivered"), "{why}");
        let page = server.send("GET", &format!("/settings/notifications/{channel}"), &[], b"").text();
        assert!(page.contains(words), "{why}: the page of the channel says so");
        assert_eq!(server.send("DELETE", &format!("/api/v1/notifications/channels/{channel}"), &[], b"").status, 204);
    }
    // A box that stays full does not keep the mail from the others for ever.
    let channel = channel(&server, &open(free.port), "sec@ports.test,full@ports.test");
    tested(&server, channel);
    let sent = until("the others have it", || {
        hasten(&house);
        let sent = server.get(&format!("/notifications/deliveries?channel={channel}"))["items"][0].clone();
        (sent["state"] == "delivered").then_some(sent)
    });
    assert_eq!(sent["attempts"], 3, "{sent}");
    assert!(sent["error"].as_str().unwrap().starts_with("not to full@ports.test: "), "{sent}");
}

#[test]
fn a_password_goes_over_tls_that_is_trusted_alone() {
    let mut house = House::new();
    let Some(start) = Relay::new(house.folder.path(), &json!({"login": true, "tls": "starttls"})) else { return };
    let first = Relay::new(house.folder.path(), &json!({"login": true, "tls": "tls"})).unwrap();
    let trusted = house.folder.path().join("trusted.pem");
    let both = [&start, &first].map(|relay| std::fs::read_to_string(relay.folder.join("relay.crt")).unwrap());
    std::fs::write(&trusted, both.concat()).unwrap();
    let strange = Relay::new(house.folder.path(), &json!({"login": true, "tls": "starttls"})).unwrap();
    house.environment = vec![("SSL_CERT_FILE".into(), trusted.to_str().unwrap().into())];
    let server = house.start();
    for (relay, how, state) in
        [(&start, "starttls", "delivered"), (&first, "tls", "delivered"), (&strange, "starttls", "waiting")]
    {
        let channel = channel(&server, &at(relay.port, how), "sec@ports.test");
        let sent = tested(&server, channel);
        assert_eq!(sent["state"], state, "{how}: {sent}");
        let taken = relay.taken();
        assert_eq!(taken.len(), usize::from(state == "delivered"), "{how}");
        assert!(taken.iter().all(|mail| mail["how"]["tls"] == true && mail["how"]["login"] == true), "{taken:?}");
    }
}

#[test]
fn a_kill_while_mail_is_sent_loses_nothing_and_what_comes_twice_has_one_id() {
    for mut house in engines() {
        let Some(relay) = Relay::new(house.folder.path(), &json!({})) else { return };
        let server = house.start();
        channel(&server, &open(relay.port), "sec@ports.test");
        assert_eq!(server.push("calm", "1", &images::image(vec![images::debian(&[], "calm")])).status, 201);
        let looked = "SELECT COUNT(*) FROM setting WHERE name = 'notice-position'";
        until("the first look", || (house.count(looked) == 1).then_some(()));
        drop(server);
        for (step, times) in [("outbox:composed", 1), ("outbox:claimed", 1), ("outbox:sent", 2), ("outbox:noted", 1)] {
            let before = relay.taken().len();
            house.environment = vec![("PORTWARDEN_KILL_AT".into(), step.into())];
            let mut server = house.start();
            house.environment.clear();
            let repository = format!("mail/{}", step.replace(':', "-"));
            let image = images::image(vec![images::debian(OLD, &repository)]);
            steps::push(&server, &repository, &image);
            let status = until(step, || server.child.try_wait().unwrap());
            assert_eq!(status.signal(), Some(ABORTED), "{step}: {}", server.log_text());
            house.execute("UPDATE outbox SET leased_until = 0"); // what else takes a minute
            let server = house.start();
            assert_eq!(server.push(&repository, "1", &image).status, 201, "what was not acknowledged is pushed again");
            server.judged(&image.digest());
            until("it is told", || {
                hasten(&house);
                let rows = server.get("/notifications/deliveries?limit=1000");
                let mut mine = rows["items"].as_array().unwrap().iter();
                let mine = mine.find(|one| one["subject"].as_str().unwrap().contains(&repository));
                mine.is_some_and(|one| one["state"] == "delivered").then_some(())
            });
            let mails: Vec<Value> = relay.taken().split_off(before);
            let ids: std::collections::HashSet<&str> =
                mails.iter().map(|mail| mail["heads"]["message-id"].as_str().unwrap()).collect();
            assert_eq!((mails.len(), ids.len()), (times, 1), "{step}: {mails:?}");
            assert!(
                mails.iter().all(|mail| mail["text"] == mails[0]["text"] && mail["html"] == mails[0]["html"]),
                "{step}: the same text"
            );
            println!("{:<10} mail {step}: taken {} time(s) under one id", house.engine(), mails.len());
        }
    }
}

#[test]
fn what_an_image_is_called_is_no_header_of_a_mail() {
    let house = House::new();
    let Some(relay) = Relay::new(house.folder.path(), &json!({})) else { return };
    let tree = house.folder.path().join("feeds");
    feeds::write(&tree, &["zlib"], 2023, 1);
    feeds::update(&house, &tree);
    let server = house.start();
    channel(&server, &open(relay.port), "sec@ports.test");
    let hostile = "1.0\u{1b}[31m\u{202e}ü=?utf-8?B?QmNj?=";
    let image = images::image(vec![images::debian(&[("zlib", hostile)], "hostile")]);
    assert_eq!(server.push("team/hostile", "v1", &image).status, 201);
    server.judged(&image.digest());
    let mail = until("the mail", || {
        hasten(&house);
        relay.taken().into_iter().next()
    });
    let heads = &mail["heads"];
    assert_eq!((heads["to"].as_str(), &heads["bcc"]), (Some("sec@ports.test"), &Value::Null), "{mail}");
    assert_eq!(mail["count"].as_u64(), Some(heads.as_object().unwrap().len() as u64), "no header twice: {mail}");
    let seen = format!("{}{}{}", heads["subject"], mail["text"], mail["html"]);
    assert!(!seen.contains('\u{1b}') && !seen.contains('\u{202e}'), "{seen}");
}

#[test]
fn the_relay_is_named_by_an_owner_of_everything_and_what_is_wrong_names_its_field() {
    let house = House::new();
    let server = house.start();
    let none = json!({"name": "a", "kind": "mail", "address": "a@b.test"});
    let head = [("Content-Type", "application/json")];
    let refused = server.send("POST", "/api/v1/notifications/channels", &head, none.to_string().as_bytes());
    assert_eq!((refused.status, refused.json()["field"].as_str()), (409, Some("kind")), "no relay yet");
    assert_eq!(server.send("GET", "/api/v1/notifications/relay", &[], b"").status, 404);
    let good = json!({"host": "mail.test", "user": "pw", "password": "ge:heim", "from": "pw@ports.test"});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for (body, want, why) in [
        (good.clone(), (200, ""), "STARTTLS at 587"),
        (with("password", Value::Null), (200, ""), "the password stays for the same host and user"),
        (
            json!({"host": "other.test", "user": "pw", "from": "pw@ports.test"}),
            (400, "password"),
            "another host does not get it",
        ),
        (json!({"host": "mail.test", "user": "ann", "from": "pw@ports.test"}), (400, "password"), "nor another user"),
        (with("user", Value::Null), (400, "user"), "a password without a user"),
        (with("tls", "none".into()), (400, "tls"), "a password in the clear"),
        (with("tls", "ssl".into()), (400, "tls"), "no such word"),
        (with("host", "mail.test:25".into()), (400, "host"), "a port in the host"),
        (with("host", "".into()), (400, "host"), "no host"),
        (with("host", "a\r\nb".into()), (400, "host"), "two lines"),
        (with("port", 0.into()), (400, "port"), "no port"),
        (with("port", 70_000.into()), (400, "port"), "beyond ports"),
        (with("from", "pw".into()), (400, "from"), "no address"),
        (with("from", "pw@a.test\r\nBcc: x@y.test".into()), (400, "from"), "two lines"),
        (with("password", "a\nb".into()), (400, "password"), "a line break"),
        (with("more", "a".into()), (400, "more"), "an unknown field"),
    ] {
        let (status, answer) = put(&server, "/notifications/relay", &body);
        assert_eq!((status, answer["field"].as_str().unwrap_or("")), want, "{why}: {answer}");
    }
    for (address, ok) in [("a@b.test, c@d.test", true), ("a@b@c", false), ("a@b.test\r\nBcc: x@y.test", false)] {
        let body = json!({"name": "a", "kind": "mail", "address": address}).to_string();
        let answer = server.send("POST", "/api/v1/notifications/channels", &head, body.as_bytes());
        assert_eq!(answer.status, if ok { 201 } else { 400 }, "{address}: {}", answer.text());
    }
    let shown = house.run(&["notification", "relay", "show"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("mail.test") && shown.contains("587") && !shown.contains("heim"), "{shown}");
    let audit = server.get("/audit?limit=100").to_string();
    assert!(audit.contains("relay.set") && !audit.contains("heim"), "{audit}");
    let page = server.send("GET", "/settings/notifications/relay", &[], b"").text();
    assert!(page.contains("value=\"mail.test\"") && !page.contains("heim"), "{page}");
    assert!(house.run(&["notification", "relay", "delete"]).status.success());
    assert_eq!(server.send("GET", "/api/v1/notifications/relay", &[], b"").status, 404);
    assert_eq!(server.send("DELETE", "/api/v1/notifications/relay", &[], b"").status, 404);
}
