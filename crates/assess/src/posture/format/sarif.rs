//! SARIF 2.1.0: the rules, and a result for each that does not pass.

use super::Format;
use crate::posture::{Record, Rule};
use serde_json::{Value, json};

/// The format.
pub static FORMAT: Format = Format { name: "sarif", media_type: "application/sarif+json", write };

fn write(records: &[Record]) -> String {
    let mut rules: Vec<&Rule> = Vec::new();
    for record in records {
        if !rules.iter().any(|rule| rule.name == record.rule.name) {
            rules.push(record.rule);
        }
    }
    let results: Vec<Value> =
        records.iter().filter(|r| r.outcome != "Pass").map(|record| result(record, &rules)).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "Portwarden",
                "rules": rules.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
            }},
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": if rule.reference.is_empty() { rule.name } else { rule.reference },
        "name": rule.name,
        "shortDescription": {"text": rule.synopsis},
        "help": {"text": rule.recommendation},
        "properties": {"severity": rule.weight.as_str(), "Azure.WAF/pillar": rule.pillar},
    })
}

fn result(record: &Record, rules: &[&Rule]) -> Value {
    let rule = record.rule;
    let mut result = json!({
        "ruleId": if rule.reference.is_empty() { rule.name } else { rule.reference },
        "ruleIndex": rules.iter().position(|known| known.name == rule.name),
        "kind": if record.outcome == "Fail" { "fail" } else { "review" },
        "level": if record.outcome == "Fail" { rule.level() } else { "none" },
        "message": {"text": record.reasons.join(" ")},
        "locations": [{"logicalLocations": [{"name": record.target_name, "kind": "resource", "fullyQualifiedName": format!("{}/{}", record.target_type, record.target_name)}]}],
    });
    if record.outcome == "Suppressed" {
        result["suppressions"] = json!([{"kind": "external", "justification": record.reasons.join(" ")}]);
    }
    result
}
