//! A mail as HTML, beside its text: the same words, and links that can be followed.
//!
//! In: what is said. Out: a page that loads nothing: no picture, no style sheet, no script. Texts are escaped by the template; links
//! lead to this installation alone.

use crate::notices::item::{Item, Said};
use crate::notices::shapes;
use askama::Template;
use model::text::visible;
use store::Channel;

#[derive(Template)]
#[template(path = "mail.html")]
struct Page<'a> {
    subject: String,
    items: Vec<Shown<'a>>,
    more: usize,
    channel: String,
}

/// A fact as it is shown.
struct Shown<'a> {
    subject: &'a str,
    lines: Vec<(&'static str, &'a str)>,
    links: Vec<(String, &'a str)>,
    others: String,
}

/// Writes the page.
pub fn page(channel: &Channel, said: &Said) -> Result<String, String> {
    let page = Page {
        subject: said.subject(),
        items: said.items.iter().map(shown).collect(),
        more: said.more,
        channel: visible(&channel.spec.name),
    };
    page.render().map_err(|why| why.to_string())
}

fn shown(item: &Item) -> Shown<'_> {
    let mut links = vec![
        ("See it".to_owned(), item.link.as_str()),
        ("Hide it by a rule".to_owned(), &item.rule_link),
        (format!("No more of {}", item.kind), &item.unsubscribe),
    ];
    links.retain(|(_, link)| link.starts_with("https://") || link.starts_with("http://"));
    Shown { subject: &item.subject, lines: shapes::lines(item), links, others: shapes::others(item) }
}
