//! The filter words of `q=`, which are plain parameters as well.
//!
//! In: `severity:>=high fix:yes age:>30d -pkg:openssl "heap overflow"`, or a name and a value.
//! Out: conditions that must all hold. A comma means "or" within a word, `-` before a word means "not", `*` stands for any
//! text in a name, quotes keep spaces together. A word without a colon is searched in the names and titles that a list shows:
//! vulnerability, aliases, title and package for findings and vulnerabilities; the package for packages; path, tags,
//! digest and distribution for images and repositories. What is not understood is an error that points at it, never dropped.
//!
//! Hidden by default, and counted apart: severity `negligible` (until a `severity:` word speaks), category `kernel-headers`
//! (until a `category:` word speaks), state `under-investigation` (until a `state:` word speaks). A word that only takes
//! away (`-severity:low`) does not speak. `hidden:yes` shows exactly the hidden ones, `hidden:all` everything.
//!
//! Disable rules are another matter: what one hides leaves every answer and is counted as disabled. `status:disabled` shows
//! exactly those, as `rule:*` does, `status:all` both; `rule:NAME` (or the rule's id) those that this rule hides, alone or with
//! others; `-rule:NAME` leaves them out. What is hidden by default is so among the disabled as well.

use crate::error::QueryError;
use model::advisory::{Category, VendorState};
use model::finding::split_halves;
use model::pattern::Pattern;
use model::severity::Severity;
use model::verdict::{Coverage, Verdict, Work};

/// At most so many conditions: more is no question of a person, and each costs a look at every row.
const MOST_CONDITIONS: usize = 64;

/// Which rows pass: conditions that must all hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    pub(crate) conditions: Vec<Condition>,
}

/// A test and whether it must fail.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    pub not: bool,
    pub test: Test,
}

/// What is tested. Enumerations are bit masks of their numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Severity(u8),
    State(u8),
    Category(u8),
    Fixable(bool),
    Kev(bool),
    /// Millionths; unknown never passes.
    Epss(Span),
    /// Tenths; unknown never passes.
    Cvss(Span),
    Package(Vec<Pattern>),
    Kind(Vec<Pattern>),
    Vulnerability(Vec<Pattern>),
    Text(Pattern),
    Subscription(Vec<Pattern>),
    Registry(Vec<Pattern>),
    Repository(Vec<Pattern>),
    Tag(Vec<Pattern>),
    /// Digests, or their beginnings.
    Image(Vec<String>),
    Os(Vec<Pattern>),
    Platform(Vec<Pattern>),
    Verdict(u8),
    Work(u8),
    Coverage(u8),
    /// Microseconds since first seen.
    Age(Span),
    /// Microseconds since the last pull, in the repository; never pulled never passes.
    Pulled(Span),
    /// Codes of reasons, of which an image has one.
    Reason(Vec<Pattern>),
    /// Halves of a finding id.
    Id(u64, u64),
    Hidden(Hidden),
    Status(Status),
    /// Disable rules that hide it, by name or stable id.
    Rule(Vec<Pattern>),
}

/// What a word without a colon is searched in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextIn {
    /// Vulnerability, aliases, title and package.
    Matches,
    /// The package.
    Packages,
    /// Path, tags, digest and distribution.
    Places,
}

/// Whether rows that are hidden by default pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hidden {
    No,
    Only,
    All,
}

/// Whether findings that a disable rule hides pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Open,
    Disabled,
    All,
}

/// Numbers from `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub low: i64,
    pub high: i64,
}

impl Span {
    pub fn holds(self, number: i64) -> bool {
        self.low <= number && number <= self.high
    }
}

/// A word of the filter language.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// Its names; the first is the one of the REST parameter.
    pub names: &'static [&'static str],
    /// What it takes, by values or examples.
    pub takes: &'static [&'static str],
    make: fn(&str) -> Option<Test>,
}

/// Every word.
pub static WORDS: &[Word] = &[
    Word {
        names: &["severity"],
        takes: &["critical", "high", "medium", "low", "negligible", "unknown", ">=high", "high,critical"],
        make: severity,
    },
    Word { names: &["fixable", "fix"], takes: YES_NO, make: |v| yes(v).map(Test::Fixable) },
    Word { names: &["age"], takes: AGES, make: |v| age(v).map(Test::Age) },
    Word { names: &["pulled"], takes: AGES, make: |v| age(v).map(Test::Pulled) },
    Word { names: &["package", "pkg"], takes: &["openssl", "libssl*", "deb/debian/openssl@3.0.11-1"], make: package },
    Word { names: &["vulnerability", "cve", "vuln"], takes: &["CVE-2021-44228", "GHSA-*"], make: vulnerability },
    Word { names: &["id"], takes: &["the id of a finding"], make: id },
    Word { names: &["kev"], takes: YES_NO, make: |v| yes(v).map(Test::Kev) },
    Word { names: &["epss"], takes: &[">0.1", "<=0.5"], make: |v| numbers(v, 6).map(Test::Epss) },
    Word { names: &["cvss"], takes: &[">=7", "<4.5"], make: |v| numbers(v, 1).map(Test::Cvss) },
    Word {
        names: &["state"],
        takes: &["fixed", "open", "will-not-fix", "deferred", "end-of-life", "under-investigation"],
        make: |v| mask(v, |w| VendorState::ALL.into_iter().find(|s| s.as_str() == w).map(|s| s as u8)).map(Test::State),
    },
    Word { names: &["repository", "repo"], takes: NAME, make: |v| patterns(v).map(Test::Repository) },
    Word { names: &["registry"], takes: NAME, make: |v| patterns(v).map(Test::Registry) },
    Word { names: &["subscription", "sub"], takes: NAME, make: |v| patterns(v).map(Test::Subscription) },
    Word { names: &["tag"], takes: NAME, make: |v| patterns(v).map(Test::Tag) },
    Word { names: &["image", "digest"], takes: &["sha256:…", "the first 6 hex digits or more"], make: image },
    Word { names: &["os"], takes: &["debian", "alpine"], make: |v| within(v).map(Test::Os) },
    Word {
        names: &["type"],
        takes: &["deb", "apk", "pypi", "npm", "debian:12"],
        make: |v| patterns(v).map(Test::Kind),
    },
    Word {
        names: &["verdict"],
        takes: &["none", "complete", "gaps", "unsupported", "failed"],
        make: |v| mask(v, |w| Verdict::ALL.into_iter().find(|s| s.as_str() == w).map(|s| s as u8)).map(Test::Verdict),
    },
    Word {
        names: &["work"],
        takes: &["idle", "queued", "running", "retry-at"],
        make: |v| mask(v, |w| Work::ALL.into_iter().find(|s| s.as_str() == w).map(|s| s as u8)).map(Test::Work),
    },
    Word {
        names: &["coverage"],
        takes: &["in-window", "outside-window", "plan-off", "blocked-by-network", "accessory"],
        make: |v| mask(v, |w| Coverage::ALL.into_iter().find(|s| s.as_str() == w).map(|s| s as u8)).map(Test::Coverage),
    },
    Word { names: &["reason"], takes: &["feeds", "limit-*"], make: |v| patterns(v).map(Test::Reason) },
    Word {
        names: &["category"],
        takes: &["vulnerability", "unmaintained", "notice", "kernel-headers", "malware"],
        make: |v| mask(v, |w| Category::ALL.into_iter().find(|s| s.as_str() == w).map(|s| s as u8)).map(Test::Category),
    },
    Word { names: &["platform"], takes: &["linux/amd64", "linux/arm*"], make: |v| patterns(v).map(Test::Platform) },
    Word { names: &["hidden"], takes: &["yes", "no", "all"], make: hidden },
    Word { names: &["status"], takes: &["open", "disabled", "all"], make: status },
    Word { names: &["rule"], takes: &["*", "the name or id of a disable rule"], make: |v| patterns(v).map(Test::Rule) },
];

const AGES: &[&str] = &[">30d", "<12h", ">=2w", "<=90m"];
const YES_NO: &[&str] = &["yes", "no"];
const NAME: &[&str] = &["a name", "a name with * for any text"];

impl Filter {
    /// Parses filter words, as they are typed: `severity:>=high fix:yes -pkg:openssl`.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let mut filter = Self::default();
        for (at, token) in tokens(text)? {
            let (not, body) = token.strip_prefix('-').map_or((false, token), |rest| (true, rest));
            let fail = |problem, allowed| QueryError::Word { word: token.to_owned(), at, problem, allowed };
            let test = if body.starts_with('"') {
                free_text(body)
            } else if let Some((name, value)) = body.split_once(':') {
                let word = word(name).ok_or_else(|| fail("there is no such word", word_names()))?;
                (word.make)(&value.replace('"', ""))
                    .ok_or_else(|| fail("cannot read the value", word.takes.to_vec()))?
            } else {
                free_text(body)
            };
            let empty = matches!(&test, Test::Text(pattern) if pattern.is_any());
            if empty || (not && matches!(test, Test::Id(..) | Test::Hidden(_) | Test::Status(_))) {
                return Err(fail("cannot be taken away", word_names()));
            }
            filter.push(not, test).map_err(|problem| fail(problem, Vec::new()))?;
        }
        Ok(filter)
    }

    /// Adds a plain parameter: `severity` with `high`. Names and values are those of the words.
    pub fn field(&mut self, name: &str, value: &str) -> Result<(), QueryError> {
        let fail = |problem, allowed| QueryError::Word { word: format!("{name}={value}"), at: 0, problem, allowed };
        let word = word(name).ok_or_else(|| fail("there is no such parameter", word_names()))?;
        let test = (word.make)(value).ok_or_else(|| fail("cannot read the value", word.takes.to_vec()))?;
        self.push(false, test).map_err(|problem| fail(problem, Vec::new()))
    }

    pub(crate) fn push(&mut self, not: bool, test: Test) -> Result<(), &'static str> {
        if self.conditions.len() >= MOST_CONDITIONS {
            return Err("is one word too many: 64 are the most");
        }
        self.conditions.push(Condition { not, test });
        Ok(())
    }
}

fn word(name: &str) -> Option<&'static Word> {
    WORDS.iter().find(|w| w.names.contains(&name))
}

fn word_names() -> Vec<&'static str> {
    WORDS.iter().filter_map(|w| w.names.first().copied()).collect()
}

fn free_text(body: &str) -> Test {
    Test::Text(Pattern::within(&body.replace(['"', '*'], "")))
}

/// Splits at white space outside quotes; gives each token with its first byte.
fn tokens(text: &str) -> Result<Vec<(usize, &str)>, QueryError> {
    let mut found = Vec::new();
    let (mut start, mut quoted) = (None, None);
    for (at, c) in text.char_indices() {
        if c == '"' {
            quoted = if quoted.is_none() { Some(at) } else { None };
        }
        if c.is_whitespace() && quoted.is_none() {
            found.extend(start.take().map(|from| (from, &text[from..at])));
        } else {
            start = start.or(Some(at));
        }
    }
    if let Some(at) = quoted {
        return Err(QueryError::Word {
            word: text[at..].to_owned(),
            at,
            problem: "this quote is never closed",
            allowed: vec!["\"some words\""],
        });
    }
    found.extend(start.map(|from| (from, &text[from..])));
    Ok(found)
}

fn yes(value: &str) -> Option<bool> {
    match value {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

fn hidden(value: &str) -> Option<Test> {
    match value {
        "yes" => Some(Test::Hidden(Hidden::Only)),
        "no" => Some(Test::Hidden(Hidden::No)),
        "all" => Some(Test::Hidden(Hidden::All)),
        _ => None,
    }
}

fn status(value: &str) -> Option<Test> {
    match value {
        "open" => Some(Test::Status(Status::Open)),
        "disabled" => Some(Test::Status(Status::Disabled)),
        "all" => Some(Test::Status(Status::All)),
        _ => None,
    }
}

/// A comma list of words as a bit mask of their numbers.
fn mask(value: &str, number: impl Fn(&str) -> Option<u8>) -> Option<u8> {
    let mut mask = 0;
    for part in value.split(',') {
        mask |= 1 << number(&part.to_ascii_lowercase())?;
    }
    Some(mask)
}

fn severity(value: &str) -> Option<Test> {
    let (operator, word) = operator(value);
    let Some(operator) = operator else {
        return mask(word, |w| Severity::parse(w).map(|s| s as u8)).map(Test::Severity);
    };
    let bound = Severity::parse(word)?;
    let span = operator.span(i64::from(bound as u8), 0);
    let of = |s: &Severity| span.holds(i64::from(*s as u8));
    Some(Test::Severity(Severity::WORST_FIRST.iter().filter(|s| of(s)).fold(0, |mask, s| mask | 1 << *s as u8)))
}

fn patterns(value: &str) -> Option<Vec<Pattern>> {
    value.split(',').map(|part| (!part.is_empty()).then(|| Pattern::new(part))).collect()
}

fn within(value: &str) -> Option<Vec<Pattern>> {
    value.split(',').map(|part| (!part.is_empty()).then(|| Pattern::within(part))).collect()
}

/// Names, or package URLs with or without `pkg:`, which is also the name of the word.
fn package(value: &str) -> Option<Test> {
    let parts = value.split(',').map(|part| part.strip_prefix("pkg:").unwrap_or(part));
    parts.map(|part| (!part.is_empty()).then(|| Pattern::new(part))).collect::<Option<_>>().map(Test::Package)
}

fn vulnerability(value: &str) -> Option<Test> {
    patterns(value).map(Test::Vulnerability)
}

fn image(value: &str) -> Option<Test> {
    let one = |part: &str| {
        let part = part.to_ascii_lowercase();
        let hex = part.split_once(':').map_or(part.as_str(), |(_, hex)| hex);
        let known = part.starts_with("sha256:") || part.starts_with("sha512:") || !part.contains(':');
        let good = known && hex.len() >= 6 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        good.then_some(part)
    };
    value.split(',').map(one).collect::<Option<_>>().map(Test::Image)
}

fn id(value: &str) -> Option<Test> {
    let (place, matched) = split_halves(value.parse().ok()?)?;
    Some(Test::Id(place, matched))
}

/// `>30d` and the like; a bare span would mean an age to the microsecond, so it is refused.
fn age(value: &str) -> Option<Span> {
    let (operator, span) = operator(value);
    let digits = span.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &span[digits.len()..] {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros = digits.parse::<i64>().ok()?.checked_mul(seconds)?.checked_mul(1_000_000)?;
    Some(operator?.span(micros, i64::MIN))
}

/// A number with at most `digits` decimals, as an integer of that scale; with an operator, or exactly that number.
fn numbers(value: &str, digits: u32) -> Option<Span> {
    let (operator, text) = operator(value);
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let decimal = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 6 || part.len() > digits as usize || !decimal(whole) || !decimal(part) {
        return None;
    }
    let padded = format!("{part:0<width$}", width = digits as usize);
    let number = whole.parse::<i64>().ok()? * 10_i64.pow(digits) + padded.parse::<i64>().ok()?;
    Some(operator.map_or(Span { low: number, high: number }, |o| o.span(number, 0)))
}

#[derive(Clone, Copy)]
enum Operator {
    Less,
    AtMost,
    AtLeast,
    More,
}

impl Operator {
    fn span(self, bound: i64, least: i64) -> Span {
        let (low, high) = match self {
            Self::Less => (least, bound - 1),
            Self::AtMost => (least, bound),
            Self::AtLeast => (bound, i64::MAX),
            Self::More => (bound + 1, i64::MAX),
        };
        Span { low, high }
    }
}

fn operator(value: &str) -> (Option<Operator>, &str) {
    let operators = [("<=", Operator::AtMost), (">=", Operator::AtLeast), ("<", Operator::Less), (">", Operator::More)];
    for (sign, operator) in operators {
        if let Some(rest) = value.strip_prefix(sign) {
            return (Some(operator), rest);
        }
    }
    (None, value)
}

#[cfg(test)]
mod tests;
