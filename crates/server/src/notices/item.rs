//! What is said of one fact: the same for every channel.

use model::notice::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the shape; raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;
/// Longest description.
const DESCRIPTION_CHARS: usize = 500;
/// Longest of the other texts: they hold names that somebody else chose.
const TEXT_CHARS: usize = 400;

/// What is said of one fact.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Item {
    /// `new-finding`, …
    pub kind: String,
    /// What it belongs to: a later message about the same carries the same.
    pub thread: String,
    /// Whether it was told at once.
    pub urgent: bool,
    /// The worst severity, where it is about findings.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub severity: String,
    /// The part of the tree that it is about.
    pub scope: String,
    /// One line.
    pub subject: String,
    /// What happened, in one sentence with numbers.
    pub what: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// Where it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// Why we think so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What the vulnerability is, shortened.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How it was.
    #[serde(default)]
    pub old_state: String,
    /// How it is.
    #[serde(default)]
    pub new_state: String,
    /// Stable names of what it is about.
    #[serde(default)]
    pub ids: BTreeMap<String, String>,
    /// The page that shows exactly this.
    pub link: String,
    /// The page that hides it, by a rule.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule_link: String,
    /// The page that ends this kind of notice for the channel.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unsubscribe: String,
    /// To how many other channels it went.
    #[serde(default)]
    pub others: usize,
}

impl Item {
    /// Begins an item.
    pub fn new(kind: Kind, thread: impl Into<String>) -> Self {
        Self { kind: kind.as_str().into(), thread: thread.into(), ..Self::default() }
    }

    /// Adds a stable name.
    pub fn id(mut self, name: &str, value: impl Into<String>) -> Self {
        self.ids.insert(name.into(), value.into());
        self
    }

    /// Cuts what is too long, and makes visible what is not.
    pub fn tidy(mut self) -> Self {
        for text in [&mut self.subject, &mut self.what, &mut self.remedy, &mut self.place, &mut self.why] {
            *text = shortened(text, TEXT_CHARS);
        }
        for state in [&mut self.old_state, &mut self.new_state] {
            *state = shortened(state, TEXT_CHARS);
        }
        self.description = shortened(&self.description, DESCRIPTION_CHARS);
        self
    }
}

/// One line of at most so many characters; what would not be seen is made visible.
fn shortened(text: &str, most: usize) -> String {
    let line = model::text::visible(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    if line.chars().count() <= most {
        return line;
    }
    let cut: String = line.chars().take(most - 1).collect();
    format!("{}…", cut.trim_end())
}

/// What a message of the store says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Said {
    /// What is said of each fact.
    pub items: Vec<Item>,
    /// Facts that did not fit.
    pub more: usize,
}

impl Said {
    /// The line above a message.
    pub fn subject(&self) -> String {
        let Some(first) = self.items.first() else { return "Portwarden: nothing new".into() };
        match self.items.len() - 1 + self.more {
            0 => first.subject.clone(),
            others => format!("{}, and {others} more", first.subject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_visible_line_and_not_too_long() {
        for (text, want) in [
            ("a  b\r\nBcc: c@d", "a b Bcc: c@d"),
            ("\u{202e}gpj", "\\u{202e}gpj"),
            ("\u{1b}[31m", "\\u{1b}[31m"),
            ("0123456789 0", "012345678…"),
        ] {
            assert_eq!(shortened(text, 12).chars().take(12).collect::<String>(), shortened(text, 12));
            assert_eq!(shortened(text, if want.ends_with('…') { 10 } else { 40 }), want, "{text:?}");
        }
        let long = Item { description: "x ".repeat(5_000), ..Item::new(Kind::Test, "t") }.tidy();
        assert!(long.description.chars().count() <= DESCRIPTION_CHARS);
    }
}
