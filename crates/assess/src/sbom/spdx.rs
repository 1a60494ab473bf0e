//! SPDX 2.3, JSON.
//!
//! Source: the specification of SPDX 2.3, ISO/IEC 5962.

use super::{Subject, components, hex};
use model::inventory::Placed;
use serde_json::{Value, json};

const IMAGE: &str = "SPDXRef-Image";

/// Writes the document.
pub fn spdx(subject: &Subject<'_>) -> Value {
    let all = components(subject);
    let image = json!({
        "SPDXID": IMAGE,
        "name": subject.name,
        "versionInfo": subject.digest,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": "SHA256", "checksumValue": hex(subject)}],
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "comment": format!("{} {}", subject.platform, subject.os).trim(),
    });
    let packages: Vec<Value> = std::iter::once(image)
        .chain(all.iter().enumerate().map(|(n, (purl, places))| package(n, purl, places)))
        .collect();
    let describes =
        json!({"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": IMAGE});
    let contains = (0..all.len())
        .map(|n| json!({"spdxElementId": IMAGE, "relationshipType": "CONTAINS", "relatedSpdxElement": id(n)}));
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": subject.name,
        "documentNamespace": format!("urn:portwarden:spdx:{}", hex(subject)),
        "creationInfo": {
            "created": seconds(subject.created),
            "creators": [format!("Tool: Portwarden-{}", subject.version)],
        },
        "packages": packages,
        "relationships": std::iter::once(describes).chain(contains).collect::<Vec<_>>(),
    })
}

/// The id of the nth package.
fn id(n: usize) -> String {
    format!("SPDXRef-Package-{n}")
}

/// SPDX wants whole seconds.
fn seconds(moment: &str) -> String {
    format!("{}Z", moment.get(..19).unwrap_or(moment))
}

fn package(n: usize, purl: &str, places: &[&Placed]) -> Value {
    let Some(first) = places.first() else { return Value::Null };
    let paths: Vec<&str> = places.iter().map(|placed| placed.path.as_str()).collect();
    json!({
        "SPDXID": id(n),
        "name": first.key.name,
        "versionInfo": first.key.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "sourceInfo": format!("listed in {}", paths.join(", ")),
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
    })
}
