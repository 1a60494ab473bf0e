//! What every list has: the question, sortable heads, the tally of findings, pages, the same for programs.

use super::columns::{Column, Columns};
use super::frame::visible;
use super::scope::Scoped;
use super::visit::Visit;
use crate::access;
use crate::params::{Params, encoded, form_pairs};
use crate::problem::Problem;
use fleet::{Filter, Index, Query, QueryError, Tally};
use model::Severity;

/// One part of the bar of severities.
pub struct Part {
    /// The severity.
    pub word: &'static str,
    /// How many.
    pub count: u64,
    /// Where exactly these are listed, or empty.
    pub link: String,
    /// Left edge, of 1,000.
    pub x: u64,
    /// Width, of 1,000.
    pub width: u64,
}

/// Findings by severity, adding up.
pub struct Counts {
    /// All.
    pub total: u64,
    /// By severity, worst first, without zeros.
    pub parts: Vec<Part>,
    /// Hidden by default.
    pub hidden: u64,
    /// Where exactly the hidden ones are listed, or empty.
    pub hidden_link: String,
}

impl Counts {
    /// Lays the bar out. `address` is where the findings are listed, `within` the filter that was counted with; without one
    /// (a text that another list would look for elsewhere) nothing is linked.
    pub fn new(tally: &Tally, address: &str, within: Option<&str>) -> Self {
        let total = tally.findings();
        let listed = |word: &str| within.map(|q| link(address, &[("q", &also(q, word))])).unwrap_or_default();
        let mut parts = Vec::new();
        let mut before = 0;
        for severity in Severity::WORST_FIRST {
            let count = tally.of(severity);
            if count == 0 {
                continue;
            }
            let edge = |n: u64| n * 1000 / total.max(1);
            parts.push(Part {
                word: severity.as_str(),
                count,
                link: listed(&format!("severity:{}", severity.as_str())),
                x: edge(before),
                width: edge(before + count) - edge(before),
            });
            before += count;
        }
        Self { total, parts, hidden: tally.hidden, hidden_link: listed("hidden:yes") }
    }
}

/// A filter with one more word.
pub fn also(q: &str, word: &str) -> String {
    [q, word].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The filter, unless it holds a text without a word in front: such a text means another thing in another list.
pub fn portable(q: &str) -> Option<&str> {
    q.split_whitespace().all(|word| word.contains(':')).then_some(q)
}

/// The same list for programs.
pub struct Export {
    /// As CSV.
    pub csv: String,
    /// As JSON.
    pub json: String,
    /// As SARIF, or empty.
    pub sarif: String,
}

impl Export {
    /// Makes the addresses of a list of REST: its path, the parameters.
    pub fn new(path: &str, parameters: &[(&str, &str)]) -> Self {
        let json = link(&format!("/api/v1{path}"), parameters);
        let csv = link(&json, &[("format", "csv")]);
        Self { csv, json, sarif: String::new() }
    }

    /// The same for a list of findings: every row of it, as SARIF too.
    pub fn whole(path: &str, parameters: &[(&str, &str)]) -> Self {
        let all = link(&format!("/api/v1{path}"), &[parameters, &[("limit", "all")]].concat());
        let of = |format| link(&all, &[("format", format)]);
        let sarif = if path == "/findings" { of("sarif") } else { String::new() };
        Self { csv: of("csv"), json: of("json"), sarif }
    }
}

/// What a form keeps that asks for the same list again: its address, and the parameters of it as hidden fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The address without parameters.
    pub action: String,
    /// The parameters.
    pub hidden: Vec<(String, String)>,
}

impl Kept {
    /// Keeps an address, and more; what is empty is left out.
    pub fn of(address: &str, more: &[(&str, &str)]) -> Self {
        let (action, query) = address.split_once('?').unwrap_or((address, ""));
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let hidden = form_pairs(query).into_iter().chain(more).filter(|(_, value)| !value.is_empty()).collect();
        Self { action: action.to_owned(), hidden }
    }

    /// Lets go of a parameter.
    pub fn without(mut self, name: &str) -> Self {
        self.hidden.retain(|(known, _)| known != name);
        self
    }
}

/// What was asked of a list.
pub struct Asked {
    /// The filter as typed.
    pub q: String,
    /// The order as asked for.
    pub sort: String,
    /// The cursor.
    pub after: Option<String>,
    /// The part of the tree that the list is of.
    pub scoped: Scoped,
    /// The columns that are shown.
    pub columns: Columns,
    /// The question to the index.
    pub question: Query,
    /// What was wrong with it; then the question is the whole list.
    pub problem: Option<String>,
}

impl Asked {
    /// The address of a list, in its scope.
    pub fn address(&self, list: &str) -> String {
        link(list, &[("scope", &self.scoped.path())])
    }

    /// The filter that was counted with: none where it was not understood.
    pub fn within(&self) -> &str {
        if self.problem.is_some() { "" } else { &self.q }
    }

    /// The parameters of the same question to REST.
    pub fn parameters(&self) -> Vec<(&'static str, &str)> {
        [("q", self.q.as_str()), ("sort", self.sort.as_str())].into_iter().chain(self.scoped.fields()).collect()
    }
}

/// Reads the query of a list that has these columns to choose from. A filter with a wrong word keeps what was typed and says what is
/// wrong, above the whole list.
pub fn asked(visit: &Visit, columns: &[Column]) -> Result<Asked, Problem> {
    let mut params = Params::parse(visit.query.as_deref());
    let scoped = Scoped::read(visit, &params.take("scope")?.unwrap_or_default())?;
    asked_in(visit, params, scoped, columns)
}

/// The same within a part of the tree.
pub fn asked_in(visit: &Visit, mut params: Params, scoped: Scoped, columns: &[Column]) -> Result<Asked, Problem> {
    let columns = Columns::read(&mut params, columns)?;
    let scope = access::readable(&visit.parts, &visit.who)?;
    let now = (visit.parts.now)();
    let (mut question, problem) = match params.clone().into_query(now) {
        Ok(question) => (question, None),
        Err(problem) => (Query { limit: 50, now, ..Query::default() }, Some(visible(&problem.detail))),
    };
    for (name, value) in scoped.fields() {
        question.filter.field(name, value)?;
    }
    Ok(Asked {
        q: params.take("q").ok().flatten().unwrap_or_default(),
        sort: params.take("sort").ok().flatten().unwrap_or_default(),
        after: params.take("after").ok().flatten(),
        scoped,
        columns,
        question: Query { scope, ..question },
        problem,
    })
}

/// The word of a filter that keeps most rows away.
pub struct Narrow {
    /// The word, as typed.
    pub word: String,
    /// The list without it.
    pub link: String,
    /// How many rows that has.
    pub count: u64,
}

/// Finds the word to drop from a filter that nothing passes; none where no single word is to blame.
pub fn narrowest(
    visit: &Visit,
    asked: &Asked,
    address: &str,
    count: impl Fn(&Index, &Query) -> Result<u64, QueryError>,
) -> Result<Option<Narrow>, Problem> {
    let words: Vec<&str> = asked.within().split_whitespace().take(MOST_WORDS).collect();
    let mut best: Option<Narrow> = None;
    for at in 0..words.len() {
        let rest = words.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, word)| *word);
        let rest = rest.collect::<Vec<_>>().join(" ");
        // A quote that is cut in two is no filter.
        let Ok(mut filter) = Filter::parse(&rest) else { continue };
        for (name, value) in asked.scoped.fields() {
            filter.field(name, value)?;
        }
        let query = Query { filter, limit: 1, after: None, ..asked.question.clone() };
        let rows = visit.parts.index.ask(|index| Ok(count(index, &query)?))?;
        if rows > best.as_ref().map_or(0, |best| best.count) {
            let word = words.get(at).map(|word| visible(word)).unwrap_or_default();
            best = Some(Narrow { word, link: link(address, &[("q", &rest), ("sort", &asked.sort)]), count: rows });
        }
    }
    Ok(best)
}

/// At most so many words are tried.
const MOST_WORDS: usize = 8;

/// A head of a column.
pub struct Head {
    /// The word.
    pub text: &'static str,
    /// Where the list is sorted by it, or empty.
    pub link: String,
    /// An arrow where the list is.
    pub mark: &'static str,
    /// The same for `aria-sort`, or empty.
    pub order: &'static str,
    /// Whether the column holds numbers.
    pub numeric: bool,
}

/// Makes the heads of a list: word, sort key (or empty), whether it holds numbers.
pub fn heads(columns: &[(&'static str, &str, bool)], address: &str, q: &str, sort: &str) -> Vec<Head> {
    let head = |(text, key, numeric): &(&'static str, &str, bool)| {
        let reversed = format!("-{key}");
        let (next, mark, order) = match sort {
            s if s == *key && !key.is_empty() => (reversed.as_str(), " ↓", "descending"),
            s if s == reversed => (*key, " ↑", "ascending"),
            _ => (*key, "", ""),
        };
        let link = if key.is_empty() { String::new() } else { link(address, &[("q", q), ("sort", next)]) };
        Head { text, link, mark, order, numeric: *numeric }
    };
    columns.iter().map(head).collect()
}

/// An address with parameters; empty ones are left out.
pub fn link(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut out = address.to_owned();
    for (name, value) in parameters.iter().filter(|(_, v)| !v.is_empty()) {
        out.push(if out.contains('?') { '&' } else { '?' });
        out.push_str(&format!("{name}={}", encoded(value)));
    }
    out
}

/// A command with the filter and the order of a list.
pub fn command(verb: &str, q: &str, sort: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let mut out = verb.to_owned();
    if !sort.is_empty() {
        out.push_str(&format!(" --sort={}", quoted(sort)));
    }
    if !q.is_empty() {
        out.push_str(&format!(" -- {}", quoted(q))); // a word may begin with -
    }
    out
}

/// The links below a list.
pub struct Pager {
    /// First page, or empty on it.
    pub first: String,
    /// Next page, or empty on the last.
    pub next: String,
}

impl Pager {
    /// Makes the links.
    pub fn new(address: &str, q: &str, sort: &str, after: Option<&str>, next: Option<&str>) -> Self {
        let to = |after: &str| link(address, &[("q", q), ("sort", sort), ("after", after)]);
        Self { first: after.map(|_| to("")).unwrap_or_default(), next: next.map(to).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_keeps_the_parameters_of_its_address() {
        let kept = Kept::of("/findings?scope=%2Fa%2Fb&cols=cvss", &[("sort", "-cvss"), ("q", "")]);
        assert_eq!(kept.action, "/findings");
        let of = |kept: &Kept| kept.hidden.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ");
        assert_eq!(of(&kept), "scope=/a/b cols=cvss sort=-cvss");
        assert_eq!(of(&kept.without("cols")), "scope=/a/b sort=-cvss");
    }

    #[test]
    fn the_bar_adds_up_and_names_its_rows() {
        let mut tally = Tally::default();
        tally.severities[Severity::Critical as usize] = 1;
        tally.severities[Severity::Low as usize] = 2;
        let counts = Counts::new(&tally, "/x", Some("fix:yes"));
        let got: Vec<_> = counts.parts.iter().map(|p| (p.word, p.count, p.x, p.width)).collect();
        assert_eq!(got, [("critical", 1, 0, 333), ("low", 2, 333, 667)]);
        assert_eq!(counts.parts[0].link, "/x?q=fix%3Ayes%20severity%3Acritical");
        assert_eq!(Counts::new(&tally, "/x", portable("openssl")).parts[0].link, "", "a text has no link");
    }
}
