//! Lists as programs want them: JSON, JSON Lines, CSV.

use crate::params::{Format, Params, accepted, encoded, form_pairs};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::List;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use model::text::csv_row;
use serde::Serialize;
use serde_json::Value;

/// Writes a list in a format.
pub fn list<T: Serialize>(list: &List<T>, format: Format) -> Response {
    match format {
        Format::Json => Json(list).into_response(),
        Format::Jsonl => {
            let mut sheet = Sheet::new(format);
            list.items.iter().for_each(|item| sheet.add(item));
            ([(header::CONTENT_TYPE, "application/jsonl")], sheet.body).into_response()
        }
        Format::Csv => ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], csv(&list.items)).into_response(),
    }
}

/// Writes a page of a list in a format, with the header `Link` to the next page, which lines and CSV have no other place for.
pub fn linked<T: Serialize>(list: &List<T>, format: Format, path: &str, asked: Option<&str>) -> Response {
    let mut response = self::list(list, format);
    let Some(after) = list.next.as_deref() else { return response };
    let mut link = format!("/api/v1/{path}?after={}", encoded(after));
    for (name, value) in form_pairs(asked.unwrap_or("")).iter().filter(|(name, _)| name != "after") {
        link.push_str(&format!("&{}={}", encoded(name), encoded(value)));
    }
    if let Ok(value) = HeaderValue::from_str(&format!("<{link}>; rel=\"next\"")) {
        response.headers_mut().insert(header::LINK, value);
    }
    response
}

/// A list that was asked for: its path below `/api/v1`, the query, the headers.
pub struct Asked<'a> {
    /// The path.
    pub path: &'a str,
    /// The query as it came.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// Writes a page of a list that is short enough to be made as a whole. `params` is what is left of the query; each row has a key of
/// its own, after which the next page goes on.
pub fn short<T: Serialize>(
    parts: &Parts,
    mut params: Params,
    asked: &Asked<'_>,
    rows: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<Response, Problem> {
    let format = params.take_format(accepted(asked.headers))?;
    let limit = params.take_limit()?;
    let after = params.take("after")?;
    params.finish()?;
    let total = rows.len() as u64;
    let start = match after {
        None => 0,
        Some(after) => {
            let found = rows.iter().position(|row| key(row) == after);
            1 + found.ok_or_else(|| Problem::parameter("after", "this is not what a page gave as next"))?
        }
    };
    let more = rows.len() > start + limit;
    let items: Vec<T> = rows.into_iter().skip(start).take(limit).collect();
    let next = items.last().filter(|_| more).map(key);
    let (revision, generation) = parts.index.ask(|index| Ok((index.revision(), index.generation())))?;
    let list = List { items, total, hidden: 0, disabled: 0, next, as_of: None, revision, generation };
    Ok(linked(&list, format, asked.path, asked.query))
}

/// One row an item; objects inside become `outer.inner` columns, lists are joined by blanks.
fn csv<T: Serialize>(items: &[T]) -> String {
    let mut sheet = Sheet::new(Format::Csv);
    items.iter().for_each(|item| sheet.add(item));
    sheet.body
}

/// A whole list as a file, written row by row.
pub struct Sheet {
    format: Format,
    head: Vec<String>,
    body: String,
}

impl Sheet {
    /// An empty file of a format.
    pub fn new(format: Format) -> Self {
        Self { format, head: Vec::new(), body: String::new() }
    }

    /// Adds a row.
    pub fn add<T: Serialize>(&mut self, item: &T) {
        match self.format {
            Format::Csv => self.add_cells(item),
            Format::Jsonl => {
                self.body.push_str(&serde_json::to_string(item).unwrap_or_default());
                self.body.push('\n');
            }
            Format::Json => {
                self.body.push_str(if self.body.is_empty() { "" } else { "," });
                self.body.push_str(&serde_json::to_string(item).unwrap_or_default());
            }
        }
    }

    fn add_cells<T: Serialize>(&mut self, item: &T) {
        let mut cells = Vec::new();
        flatten("", &serde_json::to_value(item).unwrap_or_default(), &mut cells);
        if self.head.is_empty() {
            self.head = cells.iter().map(|(name, _)| name.clone()).collect();
            csv_row(&mut self.body, self.head.iter().map(String::as_str));
        }
        let value = |name: &String| cells.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
        csv_row(&mut self.body, self.head.iter().map(value));
    }

    /// The file; `around` is the list without its rows, which a JSON document says as well.
    pub fn file(self, name: &str, around: &List<Value>) -> Response {
        let (kind, ending, body) = match self.format {
            Format::Csv => ("text/csv; charset=utf-8", "csv", self.body),
            Format::Jsonl => ("application/jsonl", "jsonl", self.body),
            Format::Json => {
                let around = serde_json::to_string(around).unwrap_or_default();
                let rows = format!("\"items\":[{}]", self.body);
                ("application/json", "json", around.replacen("\"items\":[]", &rows, 1))
            }
        };
        attached(body.into_response(), kind, &format!("{name}.{ending}"))
    }
}

/// An answer that a browser keeps as a file.
pub fn attached(mut response: Response, kind: &'static str, name: &str) -> Response {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

fn flatten(prefix: &str, value: &Value, cells: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&name, value, cells);
            }
        }
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(text).collect();
            cells.push((prefix.to_owned(), texts.join(" ")));
        }
        other => cells.push((prefix.to_owned(), text(other))),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_whole_list_is_the_same_rows_in_every_format() {
        let rows = [serde_json::json!({"a": "x\"items\":[]"}), serde_json::json!({"a": 2})];
        let around = List { total: 2, ..List::default() };
        for (format, want, total) in [
            (Format::Csv, "a\r\n", None),
            (Format::Jsonl, "{\"a\":", None),
            (Format::Json, "{\"items\":[{\"a\":", Some(2)),
        ] {
            let mut sheet = Sheet::new(format);
            rows.iter().for_each(|row| sheet.add(row));
            let response = sheet.file("things", &around);
            let name = response.headers()[header::CONTENT_DISPOSITION].to_str().unwrap().to_owned();
            assert!(name.contains("things."), "{name}");
            let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            assert!(text.starts_with(want), "{text}");
            let read: Value = serde_json::from_str(&text).unwrap_or_default();
            assert_eq!((read["items"][1]["a"].as_i64(), read["total"].as_i64()), (total, total));
        }
    }

    #[test]
    fn csv_has_a_head_flat_columns_and_no_formulas() {
        let items = [serde_json::json!({"a": "=1", "b": {"c": null, "d": ["x", "y"]}, "e": "q\"r\ns"})];
        assert_eq!(csv(&items), "a,b.c,b.d,e\r\n'=1,,x y,\"q\"\"r s\"\r\n");
    }
}
