//! The shape of an OSV record, as far as it is read.
//!
//! Fields that are not known are passed over. A field of another shape than the schema's costs that field, not the record.

use crate::Read;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// One record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub id: String,
    pub withdrawn: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub published: String,
    #[serde(deserialize_with = "nullable")]
    pub modified: String,
    #[serde(deserialize_with = "nullable")]
    pub aliases: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub related: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub upstream: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub summary: String,
    #[serde(deserialize_with = "nullable")]
    pub details: String,
    #[serde(deserialize_with = "nullable")]
    pub references: Vec<Reference>,
    #[serde(deserialize_with = "nullable")]
    pub severity: Vec<Said>,
    #[serde(deserialize_with = "nullable")]
    pub affected: Vec<Affected>,
    #[serde(deserialize_with = "nullable")]
    pub database_specific: Specific,
}

/// A link.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    pub url: Option<String>,
}

/// A severity: `CVSS_V3` and a vector.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    #[serde(deserialize_with = "nullable")]
    pub score: String,
}

/// What a database adds to the schema; GitHub's severity word and weaknesses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Specific {
    #[serde(deserialize_with = "nullable")]
    pub severity: String,
    #[serde(deserialize_with = "nullable")]
    pub cwe_ids: Vec<String>,
}

/// An affected package.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Affected {
    #[serde(deserialize_with = "nullable")]
    pub package: Package,
    #[serde(deserialize_with = "nullable")]
    pub ranges: Vec<Range>,
    #[serde(deserialize_with = "nullable")]
    pub versions: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub severity: Vec<Said>,
}

/// A package's name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Package {
    #[serde(deserialize_with = "nullable")]
    pub ecosystem: String,
    #[serde(deserialize_with = "nullable")]
    pub name: String,
}

/// A range of versions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Range {
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    #[serde(deserialize_with = "nullable")]
    pub events: Vec<Event>,
}

/// Where a range begins or ends; one of the four is there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    pub introduced: Option<String>,
    pub fixed: Option<String>,
    pub last_affected: Option<String>,
    pub limit: Option<String>,
}

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Reads a record; `None` for what is not an object with an id.
pub(super) fn read(json: &[u8], read: &mut Read) -> Option<Record> {
    let record = match serde_json::from_slice(json) {
        Ok(record) => record,
        Err(_) => lenient(serde_json::from_slice(json).ok()?, read),
    };
    (!record.id.is_empty()).then_some(record)
}

/// Reads a record field by field, and leaves out what has another shape.
fn lenient(mut object: Map<String, Value>, read: &mut Read) -> Record {
    Record {
        id: field(&mut object, "id", read),
        withdrawn: field(&mut object, "withdrawn", read),
        published: field(&mut object, "published", read),
        modified: field(&mut object, "modified", read),
        aliases: items(&mut object, "aliases", read),
        related: items(&mut object, "related", read),
        upstream: items(&mut object, "upstream", read),
        summary: field(&mut object, "summary", read),
        details: field(&mut object, "details", read),
        references: items(&mut object, "references", read),
        severity: items(&mut object, "severity", read),
        affected: items(&mut object, "affected", read),
        database_specific: field(&mut object, "database_specific", read),
    }
}

fn field<T: Default + serde::de::DeserializeOwned>(object: &mut Map<String, Value>, name: &str, read: &mut Read) -> T {
    match object.remove(name) {
        None | Some(Value::Null) => T::default(),
        Some(value) => serde_json::from_value(value).unwrap_or_else(|_| {
            read.skip("field of another shape");
            T::default()
        }),
    }
}

fn items<T: serde::de::DeserializeOwned>(object: &mut Map<String, Value>, name: &str, read: &mut Read) -> Vec<T> {
    let list: Vec<Value> = field(object, name, read);
    let mut items = Vec::with_capacity(list.len());
    for value in list {
        match serde_json::from_value(value) {
            Ok(item) => items.push(item),
            Err(_) => read.skip("field of another shape"),
        }
    }
    items
}
