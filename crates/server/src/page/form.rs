//! Fields of forms: they keep what was typed and say what is wrong with it.

use super::frame::visible;
use crate::problem::Problem;

/// A field; the macro `field` shows it.
#[allow(dead_code)] // read by the macro `field` alone
#[derive(Debug, Clone, Default)]
pub struct Field {
    /// Its name in the form, which is the name in REST.
    pub name: &'static str,
    /// What people read.
    pub label: &'static str,
    /// `text`, `password`, `number`, `date`, `email`, `url`, `search`, `area`, `select`, `check`.
    pub kind: &'static str,
    /// What was typed, or what holds now.
    pub value: String,
    /// What it is for, below it.
    pub hint: String,
    /// What is wrong with it, or empty.
    pub error: String,
    /// Whether it must not be empty.
    pub required: bool,
    /// An example in the empty field.
    pub placeholder: &'static str,
    /// The browser's word for what it may fill in: `username`, `current-password`.
    pub complete: &'static str,
    /// Height of an area.
    pub rows: u8,
    /// What can be chosen: value and text.
    pub choices: Vec<(String, String)>,
}

#[allow(dead_code)] // each kind has its constructor; pages use those that they need
impl Field {
    /// One line of text.
    pub fn text(name: &'static str, label: &'static str, value: impl Into<String>) -> Self {
        Self { name, label, kind: "text", value: value.into(), rows: 4, ..Self::default() }
    }

    /// Several lines of text.
    pub fn area(name: &'static str, label: &'static str, value: impl Into<String>) -> Self {
        Self { kind: "area", ..Self::text(name, label, value) }
    }

    /// A box to tick; its value is `yes` or absent.
    pub fn check(name: &'static str, label: &'static str, ticked: bool) -> Self {
        Self { kind: "check", ..Self::text(name, label, if ticked { "yes" } else { "" }) }
    }

    /// One of several.
    pub fn select(
        name: &'static str,
        label: &'static str,
        value: impl Into<String>,
        choices: &[(impl AsRef<str>, impl AsRef<str>)],
    ) -> Self {
        let choices = choices.iter().map(|(value, text)| (value.as_ref().to_owned(), text.as_ref().to_owned()));
        Self { kind: "select", choices: choices.collect(), required: true, ..Self::text(name, label, value) }
    }

    /// Another kind of input.
    pub fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    /// Must not be empty.
    pub fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// What it is for.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// An example.
    pub fn example(self, placeholder: &'static str) -> Self {
        Self { placeholder, ..self }
    }

    /// What the browser may fill in.
    pub fn complete(self, complete: &'static str) -> Self {
        Self { complete, ..self }
    }

    /// Marks the field if the problem is about it.
    pub fn judged(self, problem: Option<&Problem>) -> Self {
        let mine = problem.filter(|problem| problem.field == self.name);
        Self { error: mine.map(|problem| visible(&problem.detail)).unwrap_or_default(), ..self }
    }
}
