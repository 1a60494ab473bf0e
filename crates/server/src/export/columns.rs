//! The columns of a list as CSV: those of the schema of its rows, so that a list without rows has the same head as one with many.

use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One column: the fields that lead to its value.
pub struct Column(Vec<String>);

impl Column {
    /// Its name: `outer.inner`.
    pub fn name(&self) -> String {
        self.0.join(".")
    }

    /// What a row has there: lists are joined by blanks, an object whose fields nobody knows beforehand is JSON.
    pub fn cell(&self, row: &Value) -> String {
        match self.0.iter().fold(row, |at, name| &at[name.as_str()]) {
            Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
            other => text(other),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The columns of rows of a type, by name.
pub fn of<T: ToSchema>() -> Vec<Column> {
    let mut named = Vec::new();
    T::schemas(&mut named);
    let known = named.into_iter().map(|(name, schema)| (name, json(&schema))).collect();
    let mut found = Vec::new();
    walk(&json(&T::schema()), &known, &[], &mut found);
    found.sort();
    found.dedup();
    found.into_iter().map(Column).collect()
}

fn json(schema: &impl serde::Serialize) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

/// Deepest object within an object; a type that holds itself ends there.
const DEPTH: usize = 8;

fn walk(schema: &Value, known: &BTreeMap<String, Value>, path: &[String], found: &mut Vec<Vec<String>>) {
    let name = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next());
    if let Some(inner) = name.and_then(|name| known.get(name)).filter(|_| path.len() < DEPTH) {
        return walk(inner, known, path, found);
    }
    let parts = ["allOf", "oneOf", "anyOf"].iter().filter_map(|word| schema[word].as_array());
    let parts: Vec<&Value> = parts.flatten().filter(|part| part["type"] != "null").collect();
    for part in &parts {
        walk(part, known, path, found);
    }
    let fields = schema["properties"].as_object();
    for (name, field) in fields.into_iter().flatten() {
        walk(field, known, &[path, std::slice::from_ref(name)].concat(), found);
    }
    if parts.is_empty() && fields.is_none() && !path.is_empty() {
        found.push(path.to_vec());
    }
}
