//! An image as other programs want it: CycloneDX and SPDX (what it holds), SARIF (what was found in it).

use super::images;
use super::upgrades::findings;
use crate::export;
use crate::params::{Name, Params};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::sarif::Log;
use assess::sbom::{Subject, cyclonedx, spdx};
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use fleet::{Filter, ImageRow};
use model::inventory::Placed;
use serde_json::Value;
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
    let mut log = Log::default();
    for row in &rows {
        log.add(row, paths.get(&row.package.id).map_or("", String::as_str));
    }
    Ok(file(log.document(), "application/sarif+json", &image, "sarif"))
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
    export::attached(Json(document).into_response(), kind, &format!("{hex}.{ending}"))
}
