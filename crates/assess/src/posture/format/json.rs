//! JSON, with the field names of PSRule's records.

use super::Format;
use crate::posture::Record;
use serde_json::{Value, json};

/// The format.
pub static FORMAT: Format = Format { name: "json", media_type: "application/json", write };

fn write(records: &[Record]) -> String {
    let records: Vec<Value> = records.iter().map(record).collect();
    format!("{:#}\n", Value::Array(records))
}

fn record(record: &Record) -> Value {
    let rule = record.rule;
    json!({
        "ruleName": rule.name,
        "ref": rule.reference,
        "level": rule.level(),
        "outcome": record.outcome,
        "targetName": record.target_name,
        "targetType": record.target_type,
        "reason": record.reasons,
        "info": {"name": rule.name, "synopsis": rule.synopsis, "recommendation": rule.recommendation},
        "tag": {"Azure.WAF/pillar": rule.pillar, "severity": rule.weight.as_str(), "release": if rule.preview { "preview" } else { "GA" }},
    })
}
