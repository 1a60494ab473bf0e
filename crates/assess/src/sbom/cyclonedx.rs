//! CycloneDX 1.6, JSON.
//!
//! Source: the schema bom-1.6 of the CycloneDX project.

use super::{Subject, components, hex};
use model::inventory::Placed;
use serde_json::{Value, json};

/// Writes the document.
pub fn cyclonedx(subject: &Subject<'_>) -> Value {
    let image = format!("image-{}", hex(subject));
    let all = components(subject);
    let refs: Vec<&str> = all.iter().map(|(purl, _)| purl.as_str()).collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial(subject),
        "version": 1,
        "metadata": {
            "timestamp": subject.created,
            "tools": {"components": [{"type": "application", "name": "Portwarden", "version": subject.version}]},
            "component": {
                "bom-ref": image,
                "type": "container",
                "name": subject.name,
                "version": subject.digest,
                "hashes": [{"alg": "SHA-256", "content": hex(subject)}],
                "properties": [
                    {"name": "portwarden:platform", "value": subject.platform},
                    {"name": "portwarden:os", "value": subject.os},
                ],
            },
        },
        "components": all.iter().map(|(purl, places)| component(purl, places)).collect::<Vec<_>>(),
        "dependencies": [{"ref": image, "dependsOn": refs}],
    })
}

/// A UUID of version 8 made from the digest: the same image has the same number.
fn serial(subject: &Subject<'_>) -> String {
    let hex: String =
        hex(subject).chars().filter(char::is_ascii_hexdigit).chain("0".repeat(32).chars()).take(32).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("");
    let (a, b, c, d, e) = (part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32));
    format!("urn:uuid:{a}-{b}-8{c}-8{d}-{e}")
}

fn component(purl: &str, places: &[&Placed]) -> Value {
    let Some(first) = places.first() else { return Value::Null };
    let occurrences: Vec<Value> = places
        .iter()
        .map(|placed| json!({"location": placed.path, "additionalContext": format!("layer {}", placed.layer)}))
        .collect();
    let mut properties = vec![json!({"name": "portwarden:ecosystem", "value": first.key.ecosystem})];
    if !first.key.source.is_empty() {
        let source = format!("{} {}", first.key.source, first.key.source_version);
        properties.push(json!({"name": "portwarden:source", "value": source.trim_end()}));
    }
    if !first.key.origin.is_empty() {
        properties.push(json!({"name": "portwarden:origin", "value": first.key.origin}));
    }
    json!({
        "bom-ref": purl,
        "type": "library",
        "name": first.key.name,
        "version": first.key.version,
        "purl": purl,
        "properties": properties,
        "evidence": {"occurrences": occurrences},
    })
}
