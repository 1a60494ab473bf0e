//! Findings as SARIF 2.1.0, for programs that show the results of scanners.
//!
//! In: rows of the index, each with the path of its package where that is known. Out: one log with one run.

use crate::params::encoded;
use fleet::FindingRow;
use model::Severity;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A log that is being written.
#[derive(Default)]
pub struct Log {
    rules: BTreeMap<String, Value>,
    results: Vec<Value>,
}

impl Log {
    /// Adds a finding; without a path its place is the image.
    pub fn add(&mut self, row: &FindingRow, path: &str) {
        self.rules.entry(row.vulnerability.name.clone()).or_insert_with(|| rule(row));
        self.results.push(result(row, path));
    }

    /// The document.
    pub fn document(self) -> Value {
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "Portwarden",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": self.rules.into_values().collect::<Vec<_>>(),
                }},
                "results": self.results,
            }],
        })
    }
}

fn rule(row: &FindingRow) -> Value {
    let title = if row.vulnerability.title.is_empty() { &row.vulnerability.name } else { &row.vulnerability.title };
    let score = match row.vulnerability.cvss {
        tenths if tenths >= 0 => format!("{}.{}", tenths / 10, tenths % 10),
        _ => "0.0".to_owned(),
    };
    json!({
        "id": row.vulnerability.name,
        "shortDescription": {"text": title},
        "properties": {"security-severity": score, "tags": ["vulnerability", row.severity.as_str()]},
    })
}

fn result(row: &FindingRow, path: &str) -> Value {
    let level = match row.severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        _ => "note",
    };
    let fix = match row.fixed_version.as_str() {
        "" => "no fixed version is known".to_owned(),
        fixed => format!("fixed in {fixed}"),
    };
    let text = format!("{} in {} {}: {fix}", row.vulnerability.name, row.package.name, row.package.version);
    let image = match row.place.tags.first() {
        Some(tag) => format!("{}:{tag}", row.place.repository),
        None => row.place.repository.clone(),
    };
    let place = if path.is_empty() { &image } else { path };
    let uri: String = place.split('/').map(encoded).collect::<Vec<_>>().join("/");
    json!({
        "ruleId": row.vulnerability.name,
        "level": level,
        "message": {"text": text},
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}},
            "message": {"text": format!("{image} {}", row.image)},
        }],
        "partialFingerprints": {"portwarden/finding": row.id.to_string()},
        "properties": {"purl": row.package.purl, "fixable": row.fixable},
    })
}
