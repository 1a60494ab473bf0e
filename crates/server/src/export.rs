//! Lists as programs want them: JSON, JSON Lines, CSV.

use crate::params::Format;
use crate::view::List;
use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use model::text::csv_row;
use serde::Serialize;
use serde_json::Value;

/// Writes a list in a format.
pub fn list<T: Serialize>(list: &List<T>, format: Format) -> Response {
    match format {
        Format::Json => Json(list).into_response(),
        Format::Jsonl => {
            let mut body = String::new();
            for item in &list.items {
                body.push_str(&serde_json::to_string(item).unwrap_or_default());
                body.push('\n');
            }
            ([(header::CONTENT_TYPE, "application/jsonl")], body).into_response()
        }
        Format::Csv => ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], csv(&list.items)).into_response(),
    }
}

/// One row an item; objects inside become `outer.inner` columns, lists are joined by blanks.
fn csv<T: Serialize>(items: &[T]) -> String {
    let mut out = String::new();
    let mut head: Vec<String> = Vec::new();
    for item in items {
        let mut cells = Vec::new();
        flatten("", &serde_json::to_value(item).unwrap_or_default(), &mut cells);
        if head.is_empty() {
            head = cells.iter().map(|(name, _)| name.clone()).collect();
            csv_row(&mut out, head.iter().map(String::as_str));
        }
        let value = |name: &String| cells.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
        csv_row(&mut out, head.iter().map(value));
    }
    out
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

    #[test]
    fn csv_has_a_head_flat_columns_and_no_formulas() {
        let items = [serde_json::json!({"a": "=1", "b": {"c": null, "d": ["x", "y"]}, "e": "q\"r\ns"})];
        assert_eq!(csv(&items), "a,b.c,b.d,e\r\n'=1,,x y,\"q\"\"r s\"\r\n");
    }
}
