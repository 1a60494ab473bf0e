//! The columns of a list: which there are, which are shown.
//!
//! In: `cols=severity,package`, or one `cols=` for each box of the chooser. Out: heads, whether a cell is shown, the boxes. What was
//! chosen is a part of the address, and so of a saved view; without it a list has its usual columns.

use super::list::{Head, Kept, heads, link};
use crate::params::Params;
use crate::problem::Problem;

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// What people read; in the address it is in small letters with `-` for a blank.
    pub text: &'static str,
    sort: &'static str,
    numeric: bool,
    shown: Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// It names the row.
    Always,
    Usually,
    OnRequest,
}

impl Column {
    /// A column of words; without a word for the order the list is not sorted by it.
    pub const fn text(text: &'static str, sort: &'static str) -> Self {
        Self { text, sort, numeric: false, shown: Shown::Usually }
    }

    /// A column of numbers.
    pub const fn number(text: &'static str, sort: &'static str) -> Self {
        Self { numeric: true, ..Self::text(text, sort) }
    }

    /// The column that names the row.
    pub const fn lead(self) -> Self {
        Self { shown: Shown::Always, ..self }
    }

    /// A column that is shown where somebody wants it.
    pub const fn on_request(self) -> Self {
        Self { shown: Shown::OnRequest, ..self }
    }

    fn key(&self) -> String {
        self.text.to_lowercase().replace(' ', "-")
    }
}

/// A box of the chooser.
#[allow(dead_code)] // read by the macro `chooser` alone
pub struct Choice {
    /// The word in the address.
    pub key: String,
    /// What people read.
    pub text: &'static str,
    /// Whether the column is shown.
    pub shown: bool,
}

/// The form that chooses columns.
#[allow(dead_code)] // read by the macro `chooser` alone
pub struct Chooser {
    /// What the form keeps.
    pub kept: Kept,
    /// Its boxes.
    pub choices: Vec<Choice>,
}

/// The columns of a list, with what was chosen.
#[derive(Debug, Clone, Default)]
pub struct Columns(Vec<One>);

#[derive(Debug, Clone)]
struct One {
    column: Column,
    key: String,
    shown: bool,
}

impl Columns {
    /// Takes what was chosen out of the parameters. A list without columns to choose from takes nothing.
    pub fn read(params: &mut Params, all: &[Column]) -> Result<Self, Problem> {
        if all.is_empty() {
            return Ok(Self::default());
        }
        let chosen = params.take_all("cols").join(",");
        let words: Vec<&str> = chosen.split(',').filter(|word| !word.is_empty()).collect();
        if let Some(word) = words.iter().find(|word| !all.iter().any(|column| column.key() == **word)) {
            let known: Vec<String> = all.iter().map(Column::key).collect();
            let detail = format!("{word:?} is no column of this list; it has {}", known.join(", "));
            return Err(Problem::parameter("cols", detail));
        }
        let one = |column: &Column| {
            let key = column.key();
            let shown = match column.shown {
                Shown::Always => true,
                usual if words.is_empty() => usual == Shown::Usually,
                _ => words.contains(&key.as_str()),
            };
            One { column: *column, key, shown }
        };
        Ok(Self(all.iter().map(one).collect()))
    }

    /// Leaves a column out, unless it was asked for by name.
    pub fn leave_out(&mut self, key: &str) {
        let usual = self.is_usual();
        self.0.retain(|one| !usual || one.key != key);
    }

    /// Whether a column is shown.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|one| one.shown && one.key == key)
    }

    /// Whether the column with a head is shown.
    pub fn has_head(&self, text: &str) -> bool {
        self.0.iter().any(|one| one.shown && one.column.text == text)
    }

    fn is_usual(&self) -> bool {
        self.0.iter().all(|one| one.shown != (one.column.shown == Shown::OnRequest))
    }

    /// The address of the list with these columns.
    pub fn keep(&self, address: &str) -> String {
        let chosen = self.0.iter().filter(|one| one.shown && one.column.shown != Shown::Always);
        let words: Vec<&str> = chosen.map(|one| one.key.as_str()).collect();
        let words = if self.is_usual() { String::new() } else { words.join(",") };
        link(address, &[("cols", &words)])
    }

    /// The heads of the columns that are shown.
    pub fn heads(&self, address: &str, q: &str, sort: &str) -> Vec<Head> {
        let shown = self.0.iter().filter(|one| one.shown).map(|one| one.column);
        let columns: Vec<_> = shown.map(|column| (column.text, column.sort, column.numeric)).collect();
        heads(&columns, address, q, sort)
    }

    /// The form that chooses others.
    pub fn chooser(&self, address: &str, q: &str, sort: &str) -> Chooser {
        let choice = |one: &One| Choice { key: one.key.clone(), text: one.column.text, shown: one.shown };
        let choices = self.0.iter().filter(|one| one.column.shown != Shown::Always).map(choice).collect();
        Chooser { kept: Kept::of(address, &[("q", q), ("sort", sort)]).without("cols"), choices }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Column; 4] = [
        Column::text("Finding", "vulnerability").lead(),
        Column::text("Fixed in", "fixable"),
        Column::number("CVSS", "cvss"),
        Column::text("Title", "").on_request(),
    ];

    fn read(query: &str) -> Result<Columns, Problem> {
        Columns::read(&mut Params::parse(Some(query)), &ALL)
    }

    #[test]
    fn columns_are_those_of_the_address_or_the_usual_ones() {
        for (query, shown, kept, why) in [
            ("", "Finding Fixed in CVSS", "/x", "the usual ones are not said"),
            ("cols=title", "Finding Title", "/x?cols=title", "what names the row is always there"),
            ("cols=cvss&cols=title", "Finding CVSS Title", "/x?cols=cvss%2Ctitle", "as the boxes of a form come"),
            ("cols=fixed-in,cvss", "Finding Fixed in CVSS", "/x", "the usual ones by name"),
        ] {
            let columns = read(query).unwrap();
            let heads = columns.heads("/x", "", "");
            assert_eq!(heads.iter().map(|head| head.text).collect::<Vec<_>>().join(" "), shown, "{why}");
            assert_eq!(columns.keep("/x"), kept, "{why}");
        }
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let problem = read("cols=cvss,colour").unwrap_err();
        assert_eq!((problem.field.as_str(), problem.status), ("cols", 400));
        assert!(problem.detail.contains("colour") && problem.detail.contains("fixed-in"), "{}", problem.detail);
    }
}
