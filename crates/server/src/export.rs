//! Lists as programs want them: JSON, JSON Lines, CSV.

mod columns;

use crate::params::{Format, Params, accepted, encoded, form_pairs};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::List;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use columns::Column;
use model::text::csv_row;
use model::time::Micros;
use serde::Serialize;
use serde_json::Value;
use std::marker::PhantomData;
use utoipa::ToSchema;

/// Writes a list in a format.
pub fn list<T: Serialize + ToSchema>(list: &List<T>, format: Format) -> Response {
    match format {
        Format::Json => Json(list).into_response(),
        Format::Jsonl | Format::Csv => lines(&list.items, format),
    }
}

/// Writes rows as CSV or JSON Lines, which say nothing around them.
pub fn lines<T: Serialize + ToSchema>(rows: &[T], format: Format) -> Response {
    let mut sheet = Sheet::new(format);
    rows.iter().for_each(|row| sheet.add(row));
    let kind = if format == Format::Csv { "text/csv; charset=utf-8" } else { "application/jsonl" };
    ([(header::CONTENT_TYPE, kind)], sheet.body).into_response()
}

/// Writes a list that is not cut into pages.
pub fn whole<T: Serialize + ToSchema>(parts: &Parts, format: Format, items: Vec<T>) -> Result<Response, Problem> {
    Ok(list(&List::whole(items, &parts.index, None)?, format))
}

/// How a list is wanted that takes nothing else.
pub fn format_alone(query: Option<&str>, headers: &HeaderMap) -> Result<Format, Problem> {
    let mut params = Params::parse(query);
    let format = params.take_format(accepted(headers))?;
    params.finish().map(|()| format)
}

/// Writes a page of a list in a format, with the header `Link` to the next page, which lines and CSV have no other place for.
pub fn linked<T: Serialize + ToSchema>(list: &List<T>, format: Format, path: &str, asked: Option<&str>) -> Response {
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
pub fn short<T: Serialize + ToSchema>(
    parts: &Parts,
    params: Params,
    asked: &Asked<'_>,
    rows: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<Response, Problem> {
    short_at(parts, params, asked, None, rows, key)
}

/// The same of what was known at a past moment.
pub fn short_at<T: Serialize + ToSchema>(
    parts: &Parts,
    mut params: Params,
    asked: &Asked<'_>,
    as_of: Option<Micros>,
    rows: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<Response, Problem> {
    let format = params.take_format(accepted(asked.headers))?;
    let limit = if params.take_all_rows() { usize::MAX } else { params.take_limit()? };
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
    let more = rows.len() > start.saturating_add(limit);
    let items: Vec<T> = rows.into_iter().skip(start).take(limit).collect();
    let next = items.last().filter(|_| more).map(key);
    let (revision, generation) = parts.index.ask(|index| Ok((index.revision(), index.generation())))?;
    let as_of = as_of.map(Micros::rfc3339);
    let list = List { items, total, hidden: 0, disabled: 0, next, as_of, revision, generation };
    Ok(linked(&list, format, asked.path, asked.query))
}

/// A whole list as a file, written row by row. In CSV objects inside become `outer.inner` columns, lists are joined by blanks.
pub struct Sheet<T> {
    format: Format,
    columns: Vec<Column>,
    body: String,
    rows: PhantomData<T>,
}

impl<T: Serialize + ToSchema> Sheet<T> {
    /// A file of a format, without rows; CSV has its head.
    pub fn new(format: Format) -> Self {
        let mut sheet = Self { format, columns: Vec::new(), body: String::new(), rows: PhantomData };
        if format == Format::Csv {
            sheet.columns = columns::of::<T>();
            let names: Vec<String> = sheet.columns.iter().map(Column::name).collect();
            csv_row(&mut sheet.body, names.iter().map(String::as_str));
        }
        sheet
    }

    /// Adds a row.
    pub fn add(&mut self, item: &T) {
        match self.format {
            Format::Csv => {
                let row = serde_json::to_value(item).unwrap_or_default();
                let cells: Vec<String> = self.columns.iter().map(|column| column.cell(&row)).collect();
                csv_row(&mut self.body, cells.iter().map(String::as_str));
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Serialize, ToSchema)]
    struct Inner {
        c: Option<u32>,
        d: Vec<String>,
    }

    #[derive(Default, Serialize, ToSchema)]
    struct Row {
        e: String,
        a: String,
        b: Option<Inner>,
        f: Value,
        #[serde(flatten)]
        more: Inner,
    }

    #[tokio::test]
    async fn a_whole_list_is_the_same_rows_in_every_format() {
        let rows = ["x\"items\":[]", "2"].map(|a| Row { a: a.into(), ..Row::default() });
        let around = List { total: 2, ..List::default() };
        for (format, want, total) in [
            (Format::Csv, "a,b.c,b.d,c,d,e,f\r\n", None),
            (Format::Jsonl, "{\"e\":", None),
            (Format::Json, "{\"items\":[{\"e\":", Some(2)),
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
            assert_eq!(read["total"].as_i64(), total);
            assert_eq!(read["items"][1]["a"].as_str(), total.map(|_| "2"));
        }
    }

    #[test]
    fn csv_has_the_same_head_whatever_the_rows_and_no_formulas() {
        let inner = || Inner { c: Some(1), d: vec!["x".into(), "y".into()] };
        let full =
            || Row { e: "q\"r\ns".into(), a: "=1".into(), b: Some(inner()), f: [1].as_slice().into(), more: inner() };
        let bare = Row { f: serde_json::json!({"g": 1}), ..Row::default() };
        for (rows, want) in [
            (vec![], ""),
            (vec![bare, full()], ",,,,,,\"{\"\"g\"\":1}\"\r\n'=1,1,x y,1,x y,\"q\"\"r s\",1\r\n"),
            (vec![full()], "'=1,1,x y,1,x y,\"q\"\"r s\",1\r\n"),
        ] {
            let mut sheet = Sheet::new(Format::Csv);
            rows.iter().for_each(|row| sheet.add(row));
            assert_eq!(sheet.body, format!("a,b.c,b.d,c,d,e,f\r\n{want}"));
        }
    }
}
