use super::super::item::Item;
use super::*;
use model::notice::{ChannelKind, Kind};
use model::role::Scope;
use model::{Micros, Severity};
use store::{ChannelSpec, MessageState};

fn channel(name: &str) -> Channel {
    let spec = ChannelSpec {
        name: name.into(),
        kind: ChannelKind::Mail,
        target: String::new(),
        kinds: vec![Kind::NewFinding],
        scope: Scope::ALL,
        severity: Severity::Unknown,
        digest_minutes: 60,
        internal: false,
        paused: false,
    };
    Channel { id: 7, spec, author: "ann".into(), since: Micros(0), failing: Micros(0) }
}

fn message() -> Message {
    Message {
        id: 1,
        channel: 7,
        uid: "5f0c6a1e-0000-4000-8000-000000000000".into(),
        kind: "digest".into(),
        body: String::new(),
        at: Micros(1_795_274_711_000_000),
        state: MessageState::Waiting,
        attempt: 1,
        due: Micros(0),
        finished: Micros(0),
        error: String::new(),
        lease: 1,
    }
}

fn item(kind: &str, subject: &str, what: &str) -> Item {
    let unsubscribe = format!("https://pw.test/unsubscribe/7/{kind}/c0de");
    Item {
        kind: kind.into(),
        subject: subject.into(),
        what: what.into(),
        link: "https://pw.test/f".into(),
        unsubscribe,
        ..Item::default()
    }
    .tidy()
}

fn written(items: Vec<Item>) -> String {
    let (from, to) = (address("pw@ports.test").unwrap(), addresses("a@x.test, b@x.test").unwrap());
    let said = Said { items, more: 0 };
    let one = letter(&from, &to, &channel("on-call"), &message(), &said).unwrap();
    assert_eq!(one, letter(&from, &to, &channel("on-call"), &message(), &said).unwrap(), "the same bytes each time");
    String::from_utf8(one).unwrap()
}

#[test]
fn an_address_says_nothing_to_a_relay_but_where() {
    for (text, ok) in [
        ("security@example.com", true),
        ("a.b+c@mail.example.com", true),
        ("a@localhost", true),
        ("a@b@c", false),
        ("a", false),
        ("@b", false),
        ("a@", false),
        ("a..b@c", false),
        ("a@b>\r\nRCPT TO:<x@y", false),
        ("a@b\r\nBcc: x@y", false),
        ("a b@c", false),
        ("\"a\"@c", false),
        ("a@[127.0.0.1]", false),
        ("ä@c", false),
        ("A <a@b>", false),
    ] {
        assert_eq!(address(text).is_some(), ok, "{text:?}");
    }
}

#[test]
fn a_channel_has_a_few_addresses_and_none_twice() {
    let many = (0..=ADDRESSES).map(|n| format!("a{n}@b.test")).collect::<Vec<_>>().join(",");
    for (text, want, why) in [
        ("a@b.test", Some(1), "one"),
        ("a@b.test , c@d.test", Some(2), "two"),
        ("a@b.test,a@b.test", Some(1), "the same twice"),
        ("a@b.test,", None, "an empty one"),
        ("", None, "none"),
        ("a@b.test;c@d.test", None, "another sign between them"),
        (&many, None, "more than a channel has"),
    ] {
        assert_eq!(addresses(text).ok().map(|all| all.len()), want, "{why}");
    }
}

#[test]
fn a_hostile_name_is_no_header_and_a_long_one_no_long_subject() {
    let hostile = "x\r\nBcc: evil@x.test\r\n\r\n.\r\nDATA \u{1b}[31m =?utf-8?B?QmNj?= ü";
    let text = written(vec![item("new-finding", hostile, hostile)]);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let heads = body.split("\r\n").filter(|line| line.starts_with("Content-") || line.starts_with("Bcc"));
    assert_eq!(heads.count(), 4, "two parts, each with its kind and its encoding: {body}");
    let names: Vec<&str> = head
        .split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split_once(':').unwrap().0)
        .collect();
    let mut known = vec![
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
        "References",
        "In-Reply-To",
        "Auto-Submitted",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
    ];
    for name in &names {
        let at = known.iter().position(|k| k == name);
        known.remove(at.unwrap_or_else(|| panic!("{name} is no header of ours, or stands there twice: {head}")));
    }
    assert!(known.is_empty(), "{known:?} are missing: {head}");
    assert!(text.is_ascii() && !text.contains("\r\n.\r\n"), "every relay takes it as it is: {text}");
    assert!(head.split("\r\n").all(|line| line.len() <= 998), "{head}");
    let said = Said { items: vec![item("new-finding", &"ä".repeat(5_000), "b")], more: 3 };
    assert_eq!(subject(&said).chars().count(), SUBJECT_CHARS);
}

/// The tags of a page, without what is between them.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).filter_map(|piece| piece.split('>').next()).collect()
}

#[test]
fn text_of_others_is_no_markup_and_nothing_is_loaded() {
    let page = |text: &str| {
        let mut one = item("new-finding", text, text);
        one.remedy = text.into();
        one.place = text.into();
        one.why = text.into();
        one.description = text.into();
        one.rule_link = "https://pw.test/rules/new".into();
        let said = Said { items: vec![one.tidy()], more: 2 };
        html::page(&channel(text), &said).unwrap()
    };
    let plain = page("openssl");
    for text in [
        "<script>alert(1)</script>",
        "<img src=\"https://evil.test/x.png\">",
        "\"><a href='https://evil.test'>click</a>",
        "</p></body></html><h1>",
        "<!-- ",
        "]]> {{ 7 * 7 }} {% include \"base.html\" %}",
        "&lt;b&gt; &#60;b&#62;",
        "\u{202e}gnp.exe\u{1b}[31m\0",
        "<style>body{background:url(https://evil.test)}</style>",
    ] {
        assert_eq!(tags(&page(text)), tags(&plain), "{text:?}");
    }
    assert!(page("a & b <c>").contains("a &#38; b &#60;c&#62;"));
    assert!(!page("\u{202e}gnp").contains('\u{202e}'));
    for loads in ["src=", "url(", "<link", "<img", "<script", "@import", "<form"] {
        assert!(!plain.contains(loads), "{loads}: {plain}");
    }
    let links: Vec<&str> = plain.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let want = ["https://pw.test/f", "https://pw.test/rules/new", "https://pw.test/unsubscribe/7/new-finding/c0de"];
    assert_eq!(links, want);
    let odd = Item { link: "javascript:alert(1)".into(), ..item("new-finding", "a", "b") };
    assert!(!html::page(&channel("a"), &Said { items: vec![odd], more: 0 }).unwrap().contains("javascript"));
}

#[test]
fn a_mail_names_the_link_that_ends_its_kind_where_it_is_of_one_kind() {
    let (one, other) = (item("new-finding", "a", "b"), item("fix-available", "c", "d"));
    let plain_http = Item { unsubscribe: "http://pw.test/unsubscribe/7/a/c".into(), ..one.clone() };
    let broken = Item { unsubscribe: "https://pw.test/>\r\nBcc: x@y".into(), ..one.clone() };
    for (items, link, post, why) in [
        (vec![one.clone()], true, true, "one"),
        (vec![one.clone(), one.clone()], true, true, "two of a kind"),
        (vec![one.clone(), other], false, false, "two kinds"),
        (vec![plain_http], true, false, "without TLS"),
        (vec![broken], false, false, "no address"),
        (vec![Item { unsubscribe: String::new(), ..one }], false, false, "a test"),
    ] {
        let text = written(items);
        assert_eq!(text.contains("\r\nList-Unsubscribe: <http"), link, "{why}");
        assert_eq!(text.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"), post, "{why}");
    }
    let text = written(vec![item("new-finding", "a", "b")]);
    assert!(text.contains("Message-ID: <5f0c6a1e-0000-4000-8000-000000000000@ports.test>\r\n"), "{text}");
    assert!(text.contains("\r\nTo: a@x.test, b@x.test\r\n"), "{text}");
}
