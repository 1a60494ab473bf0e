//! The shapes of a message: CloudEvents, Slack, Teams, plain text. Each escapes what its reader would take for its own.

use super::item::{Item, SCHEMA, Said};
use model::text::visible;
use serde_json::{Value, json};
use store::{Channel, Message};

/// Items that a chat shows; of the others it says how many.
const IN_CHAT: usize = 15;
/// Bytes of items in a card: Teams refuses messages above 28 KB, and the frame wants some.
const CARD_BYTES: usize = 24_000;
/// Longest text of a block of Slack.
const BLOCK_CHARS: usize = 2_900;

/// CloudEvents 1.0, structured JSON.
pub fn event(message: &Message, channel: &Channel, said: &Said, source: &str) -> Value {
    let scope = channel.spec.scope.to_path();
    json!({
        "specversion": "1.0",
        "id": message.uid,
        "source": source,
        "type": format!("io.portwarden.notices.{}", message.kind),
        "subject": scope,
        "time": message.at.rfc3339(),
        "datacontenttype": "application/json",
        "data": {
            "schema_version": SCHEMA,
            "channel": channel.spec.name,
            "scope": scope,
            "subject": said.subject(),
            "items": said.items,
            "more": said.more,
        },
    })
}

/// The lines of an item, in the order in which they are read.
pub fn lines(item: &Item) -> Vec<(&'static str, &str)> {
    let all = [
        ("", item.what.as_str()),
        ("What to do", &item.remedy),
        ("Where", &item.place),
        ("Why", &item.why),
        ("About it", &item.description),
    ];
    all.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

/// Who else was told, or nothing.
pub fn others(item: &Item) -> String {
    match item.others {
        0 => String::new(),
        1 => "One other channel was told as well.".into(),
        n => format!("{n} other channels were told as well."),
    }
}

/// Plain text, for mail.
pub fn plain(channel: &Channel, said: &Said) -> String {
    let mut text = String::new();
    for item in &said.items {
        text.push_str(&format!("{}\n", item.subject));
        for (name, line) in lines(item) {
            text.push_str(&if name.is_empty() { format!("  {line}\n") } else { format!("  {name}: {line}\n") });
        }
        text.push_str(&format!("  See: {}\n", item.link));
        if !item.rule_link.is_empty() {
            text.push_str(&format!("  Hide it by a rule: {}\n", item.rule_link));
        }
        let others = others(item);
        if !others.is_empty() {
            text.push_str(&format!("  {others}\n"));
        }
        if !item.unsubscribe.is_empty() {
            text.push_str(&format!("  No more of {}: {}\n", item.kind, item.unsubscribe));
        }
        text.push('\n');
    }
    if said.more > 0 {
        text.push_str(&format!("And {} more, which are not listed here.\n\n", said.more));
    }
    text.push_str(&format!("-- \nSent by Portwarden to the channel {}.\n", visible(&channel.spec.name)));
    text
}

fn slack_escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(text: String) -> String {
    if text.chars().count() <= BLOCK_CHARS { text } else { text.chars().take(BLOCK_CHARS).collect::<String>() + "…" }
}

/// What Slack takes.
pub fn slack(said: &Said) -> Value {
    let section =
        |text: String| json!({"type": "section", "text": {"type": "mrkdwn", "text": cut(text), "verbatim": true}});
    let mut blocks = Vec::new();
    for item in said.items.iter().take(IN_CHAT) {
        let mut text = format!("*{}*", slack_escaped(&item.subject).replace('*', "∗"));
        for (name, line) in lines(item) {
            let name = if name.is_empty() { String::new() } else { format!("_{name}:_ ") };
            text.push_str(&format!("\n{name}{}", slack_escaped(line)));
        }
        text.push_str(&format!("\n<{}|See it>", item.link));
        if !item.rule_link.is_empty() {
            text.push_str(&format!(" · <{}|Hide it by a rule>", item.rule_link));
        }
        blocks.push(section(text));
    }
    let more = said.items.len().saturating_sub(IN_CHAT) + said.more;
    if more > 0 {
        blocks.push(section(format!("And {more} more.")));
    }
    json!({"text": slack_escaped(&said.subject()), "blocks": blocks})
}

/// Text in which a reader of Markdown finds none.
fn teams_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\`*_{}[]()#+-!|<>~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// What Microsoft Teams takes: an adaptive card.
pub fn teams(said: &Said) -> Value {
    let block = |text: String| json!({"type": "TextBlock", "text": text, "wrap": true});
    let mut body: Vec<Value> = Vec::new();
    let (mut shown, mut bytes) = (0, 0);
    for item in said.items.iter().take(IN_CHAT) {
        let head = teams_escaped(&item.subject);
        let mut blocks =
            vec![json!({"type": "TextBlock", "text": head, "wrap": true, "weight": "Bolder", "separator": true})];
        for (name, line) in lines(item) {
            let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
            blocks.push(block(format!("{name}{}", teams_escaped(line))));
        }
        let rule = if item.rule_link.is_empty() {
            String::new()
        } else {
            format!(" · [Hide it by a rule]({})", item.rule_link)
        };
        blocks.push(block(format!("[See it]({}){rule}", item.link)));
        bytes += blocks.iter().map(|block| block.to_string().len() + 1).sum::<usize>();
        if bytes > CARD_BYTES && shown > 0 {
            break;
        }
        shown += 1;
        body.extend(blocks);
    }
    let more = said.items.len().saturating_sub(shown) + said.more;
    if more > 0 {
        body.push(block(format!("And {more} more.")));
    }
    let card = json!({"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body});
    let attachment =
        json!({"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card});
    json!({"type": "message", "summary": said.subject(), "attachments": [attachment]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostile() -> Said {
        let item = Item {
            subject: "[high] <!channel> *x* in a/b".into(),
            what: "<https://evil.test|click> & [click](https://evil.test)".into(),
            link: "https://pw.test/findings".into(),
            ..Item::default()
        };
        Said { items: vec![item.tidy()], more: 2 }
    }

    #[test]
    fn text_of_others_stays_text_in_every_shape() {
        let slack = slack(&hostile());
        let text = slack["blocks"][0]["text"]["text"].as_str().unwrap();
        assert!(text.contains("&lt;!channel&gt;") && text.contains("&lt;https://evil.test|click&gt; &amp;"), "{text}");
        assert_eq!(text.matches('<').count(), 1, "our own link alone: {text}");
        assert!(slack["text"].as_str().unwrap().contains("&lt;!channel&gt;"));
        let teams = teams(&hostile());
        let body = &teams["attachments"][0]["content"]["body"];
        assert_eq!(body[0]["text"], "\\[high\\] \\<\\!channel\\> \\*x\\* in a/b");
        assert!(body[1]["text"].as_str().unwrap().contains("\\[click\\]\\(https://evil.test\\)"));
        assert_eq!(body[3]["text"], "And 2 more.");
    }

    #[test]
    fn a_message_is_no_longer_than_its_receiver_takes_and_says_what_it_leaves_out() {
        let long = |c: char| c.to_string().repeat(5_000);
        for c in ['a', '*', 'ü', '\u{1f600}', '"'] {
            let item = Item {
                subject: long(c),
                what: long(c),
                remedy: long(c),
                place: long(c),
                why: long(c),
                description: long(c),
                link: format!("https://pw.test/{}", long('x').get(..500).unwrap()),
                ..Item::default()
            };
            let said = Said { items: vec![item.tidy(); 40], more: 2 };
            let card = teams(&said);
            assert!(card.to_string().len() <= 28_000, "{c}: {}", card.to_string().len());
            let body = card["attachments"][0]["content"]["body"].as_array().unwrap();
            let shown = body.iter().filter(|block| block["separator"] == true).count();
            assert!(shown > 0);
            assert_eq!(body.last().unwrap()["text"], format!("And {} more.", 42 - shown), "{c}");
            let slack = slack(&said);
            let blocks = slack["blocks"].as_array().unwrap();
            assert!(blocks.len() <= 50 && slack["text"].as_str().unwrap().chars().count() <= 4_000, "{c}");
            assert!(blocks.iter().all(|block| block["text"]["text"].as_str().unwrap().chars().count() <= 3_000), "{c}");
            assert_eq!(blocks.last().unwrap()["text"]["text"], "And 27 more.", "{c}");
        }
    }

    #[test]
    fn a_line_break_in_a_name_is_no_line_of_a_message() {
        let item = Item { subject: "a\r\nBcc: x@y".into(), what: "b\nc".into(), ..Item::default() }.tidy();
        assert_eq!((item.subject.as_str(), item.what.as_str()), ("a Bcc: x@y", "b c"));
    }
}
