//! An image as other programs want it: CycloneDX and SPDX (what it holds), SARIF (what was found).

use super::images;
use super::upgrades::findings;
use crate::params::{Name, Params};
use crate::parts::Parts;
use crate::problem::Problem;
use assess::sbom::{Subject, cyclonedx, spdx};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use fleet::{Filter, FindingRow, ImageRow};
use model::Severity;
use model::inventory::Placed;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::Principal;

/// The bill of materials of an image, `?format=cyclonedx` (or nothing) or `spdx`.
pub async fn sbom(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Name(digest): Name,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let format = params.take("format")?.unwrap_or_else(|| "cyclonedx".into());
    params.finish()?;
    if !["cyclonedx", "spdx"].contains(&format.as_str()) {
        return Err(Problem::parameter("format", format!("format={format:?}; allowed: cyclonedx, spdx")));
    }
    let image = images::row(&parts, &principal, &digest)?;
    let Some(inventory) = image.inventory else {
        return Err(Problem::absent("inventory of image", &digest));
    };
    let placed = parts.store.placed(inventory).await?.into_iter();
    let packages: Vec<Placed> = placed.map(|p| Placed { key: p.key, path: p.path, layer: p.layer }).collect();
    let (name, created) = (named(&image), (parts.now)().rfc3339());
    let subject = Subject {
        name: &name,
        digest: &image.digest,
        platform: &image.platform,
        os: &image.os,
        created: &created,
        version: env!("CARGO_PKG_VERSION"),
        packages: &packages,
    };
    Ok(match format.as_str() {
        "spdx" => file(spdx(&subject), "application/spdx+json", &image, "spdx.json"),
        _ => file(cyclonedx(&subject), "application/vnd.cyclonedx+json", &image, "cdx.json"),
    })
}

/// The findings of an image as SARIF 2.1.0.
pub async fn sarif(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Name(digest): Name,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::parse(query.as_deref()).finish()?;
    let image = images::row(&parts, &principal, &digest)?;
    let mut filter = Filter::default();
    filter.field("image", &digest)?;
    let rows = findings(&parts, &principal, filter)?;
    let mut paths: BTreeMap<i64, String> = BTreeMap::new();
    if let Some(inventory) = image.inventory {
        for placed in parts.store.placed(inventory).await? {
            paths.entry(placed.package).or_insert(placed.path);
        }
    }
    Ok(file(log(&image, &rows, &paths), "application/sarif+json", &image, "sarif"))
}

fn named(image: &ImageRow) -> String {
    match image.places.first() {
        Some(place) => match place.tags.first() {
            Some(tag) => format!("{}:{tag}", place.repository),
            None => place.repository.clone(),
        },
        None => image.digest.clone(),
    }
}

fn file(document: Value, kind: &'static str, image: &ImageRow, ending: &str) -> Response {
    let hex = image.digest.split(':').nth(1).and_then(|hex| hex.get(..12)).unwrap_or("image");
    let mut response = Json(document).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{hex}.{ending}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

fn log(image: &ImageRow, rows: &[FindingRow], paths: &BTreeMap<i64, String>) -> Value {
    let rules: BTreeMap<&str, Value> = rows.iter().map(|row| (row.vulnerability.name.as_str(), rule(row))).collect();
    let results: Vec<Value> = rows.iter().map(|row| result(image, row, paths)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "Portwarden",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_values().collect::<Vec<_>>(),
            }},
            "results": results,
        }],
    })
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

fn result(image: &ImageRow, row: &FindingRow, paths: &BTreeMap<i64, String>) -> Value {
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
    let path = paths.get(&row.package.id).map_or("", String::as_str);
    let uri: String = path.split('/').map(crate::params::encoded).collect::<Vec<_>>().join("/");
    json!({
        "ruleId": row.vulnerability.name,
        "level": level,
        "message": {"text": text},
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}},
            "message": {"text": format!("{} {}", named(image), image.digest)},
        }],
        "partialFingerprints": {"portwarden/finding": row.id.to_string()},
        "properties": {"purl": row.package.purl, "fixable": row.fixable},
    })
}
