//! Query parameters of lists. Unknown ones are refused, never dropped.

use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use fleet::{Cursor, Filter, Query, Sort};
use model::time::Micros;

/// The largest page.
pub const LIMIT: usize = 1_000;
/// The page without `limit`.
const USUAL: usize = 50;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One JSON document with `items`, `total`, `next`.
    #[default]
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values.
    Csv,
}

/// The parameters of one request.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Splits and decodes a query string.
    pub fn parse(query: Option<&str>) -> Self {
        Self(form_pairs(query.unwrap_or("")))
    }

    /// Takes a parameter out; a second one of the same name is refused.
    pub fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let Some(at) = self.0.iter().position(|(n, _)| n == name) else { return Ok(None) };
        let (_, value) = self.0.remove(at);
        if self.0.iter().any(|(n, _)| n == name) {
            return Err(Problem::parameter(name, format!("{name} is given twice")));
        }
        Ok(Some(value))
    }

    /// Takes every value of a parameter out that may be given several times.
    pub fn take_all(&mut self, name: &str) -> Vec<String> {
        let (taken, rest) = std::mem::take(&mut self.0).into_iter().partition(|(n, _)| n == name);
        self.0 = rest;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// Takes a moment out; a date is the end of that day.
    pub fn take_moment(&mut self, name: &str) -> Result<Option<Micros>, Problem> {
        self.take_time(name, Micros::parse)
    }

    /// Takes the moment out that something begins with; a date is the beginning of that day.
    pub fn take_begin(&mut self, name: &str) -> Result<Option<Micros>, Problem> {
        self.take_time(name, Micros::parse_begin)
    }

    fn take_time(&mut self, name: &str, parse: fn(&str) -> Option<Micros>) -> Result<Option<Micros>, Problem> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        let moment = parse(&text);
        let wrong = || Problem::parameter(name, format!("{name}={text:?} is not RFC 3339 or a date"));
        moment.ok_or_else(wrong).map(Some)
    }

    /// Takes out whether somebody looked twice.
    pub fn take_confirm(&mut self) -> Result<Option<bool>, Problem> {
        match self.take("confirm")?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Problem::parameter("confirm", format!("confirm={other:?}; allowed: true, false"))),
        }
    }

    /// Takes the size of a page out, 1 to 1,000.
    pub fn take_limit(&mut self) -> Result<usize, Problem> {
        let Some(text) = self.take("limit")? else { return Ok(USUAL) };
        let limit = text.parse().ok().filter(|n| (1..=LIMIT).contains(n));
        limit.ok_or_else(|| Problem::parameter("limit", format!("limit={text:?} is not a number from 1 to {LIMIT}")))
    }

    /// Takes `limit=all` out, which asks for a whole list; a number stays.
    pub fn take_all_rows(&mut self) -> bool {
        let before = self.0.len();
        self.0.retain(|(name, value)| name != "limit" || value != "all");
        self.0.len() < before
    }

    /// Takes the format out: `?format=`, else the `Accept` header.
    pub fn take_format(&mut self, accept: &str) -> Result<Format, Problem> {
        match self.take("format")?.as_deref() {
            Some("json") => Ok(Format::Json),
            Some("jsonl") => Ok(Format::Jsonl),
            Some("csv") => Ok(Format::Csv),
            Some(other) => Err(Problem::parameter("format", format!("format={other:?}; allowed: json, jsonl, csv"))),
            None if accept.contains("text/csv") => Ok(Format::Csv),
            None if accept.contains("application/jsonl") || accept.contains("application/x-ndjson") => {
                Ok(Format::Jsonl)
            }
            None => Ok(Format::Json),
        }
    }

    /// Takes `format=sarif` out, or hears it from the `Accept` header.
    pub fn take_sarif(&mut self, accept: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(name, value)| name != "format" || value != "sarif");
        let asked = self.0.iter().any(|(name, _)| name == "format");
        self.0.len() < before || (!asked && accept.contains("application/sarif+json"))
    }

    /// Reads what is left as a question to the index: `q`, `sort`, `limit`, `after`, `as_of`, and one filter field each.
    pub fn into_query(mut self, now: Micros) -> Result<Query, Problem> {
        let mut filter = Filter::parse(&self.take("q")?.unwrap_or_default())?;
        let sort = self.take("sort")?.map(|s| Sort::parse(&s)).transpose()?.unwrap_or_default();
        let limit = self.take_limit()?;
        let after = self.take("after")?.map(|c| Cursor::parse(&c));
        let as_of = self.take_moment("as_of")?;
        for (at, (name, value)) in self.0.iter().enumerate() {
            if self.0.iter().take(at).any(|(before, _)| before == name) {
                return Err(Problem::parameter(name, format!("{name} is given twice; a comma means or")));
            }
            filter.field(name, value).map_err(|e| Problem::parameter(name, e.to_string()))?;
        }
        Ok(Query { filter, sort, limit, after, as_of, now, ..Query::default() })
    }

    /// Refuses whatever was not taken.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            Some((name, _)) => Err(Problem::parameter(name, format!("{name} is not a parameter of this route"))),
            None => Ok(()),
        }
    }
}

/// What a client accepts.
pub fn accepted(headers: &HeaderMap) -> &str {
    headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("")
}

/// The name in a path, decoded.
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<String>::from_request_parts(head, state).await {
            Ok(path) => Ok(Self(path.0)),
            Err(_) => Err(Problem::parameter("path", "the name in the path is not UTF-8")),
        }
    }
}

/// Decodes `a=b&c=d` as forms do.
pub fn form_pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|p| !p.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let hex = bytes
            .get(at..at + 2)
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match (byte, hex) {
            (b'+', _) => out.push(b' '),
            (b'%', Some(value)) => {
                out.push(value);
                at += 2;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// An address of this server to go to, from text of a form; anything else is the first page.
pub fn local(address: &str) -> HeaderValue {
    let here = address.starts_with('/') && !address.starts_with("//") && !address.starts_with("/\\");
    let plain = address.bytes().all(|b| b.is_ascii_graphic());
    let address = if here && plain { address } else { "/" };
    HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("/"))
}

/// Encodes a value for a query string.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_strings_are_decoded_as_forms() {
        let got = form_pairs("q=severity%3A%3E%3Dhigh+fix%3Ayes&x=&y&z=%zz%4");
        let want = [("q", "severity:>=high fix:yes"), ("x", ""), ("y", ""), ("z", "%zz%4")];
        assert_eq!(got, want.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(encoded("a b/é"), "a%20b%2F%C3%A9");
    }

    #[test]
    fn nobody_is_sent_to_another_host() {
        for (address, want) in [
            ("/rules?q=a%20b", "/rules?q=a%20b"),
            ("//evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("https://evil.example/", "/"),
            ("/a\r\nSet-Cookie: x=y", "/"),
            ("", "/"),
        ] {
            assert_eq!(local(address), want, "{address:?}");
        }
    }

    #[test]
    fn since_a_day_and_until_it_hold_that_day() {
        let mut params = Params::parse(Some("since=1970-01-02&until=1970-01-02"));
        let (since, until) = (params.take_begin("since").unwrap(), params.take_moment("until").unwrap());
        assert_eq!((since, until), (Some(Micros(86_400_000_000)), Some(Micros(2 * 86_400_000_000 - 1))));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_name() {
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=5&limit=6", "limit"),
            ("as_of=yesterday", "as_of"),
            ("sort=beauty", "sort"),
            ("colour=red", "colour"),
        ] {
            let problem = Params::parse(Some(query)).into_query(Micros(0)).err().map(|p| p.field);
            assert_eq!(problem.as_deref(), Some(field), "{query}");
        }
    }
}
