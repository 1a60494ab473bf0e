//! One image: what it is, what it holds, its layers, what was done to judge it.

use crate::access;
use crate::detail::{self, LayerView};
use crate::export;
use crate::params::{Name, Params};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::ImageView;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Json};
use fleet::{Filter, Query};
use model::Digest;
use serde::Serialize;
use store::Principal;
use utoipa::ToSchema;

/// A package of an image, at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlacedView {
    /// `deb`, `apk`, `rpm`, `pypi`, `npm`, `golang`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Package URL.
    pub purl: String,
    /// Kind and release: `debian:12`, `pypi`.
    pub ecosystem: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Source package, or empty.
    pub source_name: String,
    /// Version of the source package, or empty.
    pub source_version: String,
    /// Architecture, or empty.
    pub arch: String,
    /// Empty, `third-party:<who>`, or `owned:<release>/<OS package>`.
    pub origin: String,
    /// The file that lists it.
    pub path: String,
    /// The layer since which it is there, 0 = lowest.
    pub layer: u32,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImageLayerView {
    /// The layer.
    #[serde(flatten)]
    pub layer: LayerView,
    /// Length of the blob, as the manifest says.
    pub bytes: i64,
}

/// A scan that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScanView {
    /// When it began.
    pub started: String,
    /// When its result was there.
    pub finished: String,
    /// `push`, `import`, `on-demand`, …
    pub reason: &'static str,
    /// The verdict.
    pub verdict: &'static str,
    /// Reason codes.
    pub codes: Vec<String>,
    /// What could not be read.
    pub notes: Vec<NoteView>,
    /// Generation of the advisory database.
    pub generation: i64,
    /// Sandbox tier that was in force.
    pub sandbox: String,
    /// Bytes that were read.
    pub bytes: i64,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NoteView {
    /// Reason code.
    pub code: String,
    /// The path concerned, or empty.
    pub path: String,
    /// One sentence.
    pub text: String,
    /// Whether something may have been missed.
    pub gap: bool,
}

/// The row of an image that the asker may see; any other is absent.
pub fn row(parts: &Parts, principal: &Principal, digest: &str) -> Result<fleet::ImageRow, Problem> {
    let mut filter = Filter::default();
    filter.field("image", digest).map_err(|_| Problem::absent("image", digest))?;
    let scope = access::readable(parts, principal)?;
    let query = Query { filter, scope, limit: 1, now: (parts.now)(), ..Query::default() };
    let page = parts.index.ask(|index| Ok(index.images(&query)?))?;
    let found = page.items.into_iter().find(|row| row.digest == digest);
    found.ok_or_else(|| Problem::absent("image", digest))
}

fn known(parts: &Parts, principal: &Principal, digest: &str) -> Result<(Digest, fleet::ImageRow), Problem> {
    let parsed = Digest::parse(digest).map_err(|e| Problem::parameter("digest", e.to_string()))?;
    Ok((parsed, row(parts, principal, digest)?))
}

/// One image.
pub async fn image(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Name(digest): Name,
    RawQuery(query): RawQuery,
) -> Result<Json<ImageView>, Problem> {
    Params::parse(query.as_deref()).finish()?;
    known(&parts, &principal, &digest).map(|(_, row)| Json(row.into()))
}

/// What an image holds.
pub async fn packages(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Name(digest): Name,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = export::format_alone(query.as_deref(), &headers)?;
    let (_, row) = known(&parts, &principal, &digest)?;
    let placed = match row.inventory {
        Some(inventory) => parts.store.placed(inventory).await?,
        None => Vec::new(),
    };
    let view = |p: store::PlacedPackage| PlacedView {
        kind: p.key.purl_type().to_owned(),
        purl: p.key.purl(),
        ecosystem: p.key.ecosystem,
        name: p.key.name,
        version: p.key.version,
        source_name: p.key.source,
        source_version: p.key.source_version,
        arch: p.key.arch,
        origin: p.key.origin,
        path: p.path,
        layer: p.layer,
    };
    export::whole(&parts, format, placed.into_iter().map(view).collect())
}

/// The layers of an image.
pub async fn layers(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Name(digest): Name,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = export::format_alone(query.as_deref(), &headers)?;
    let (digest, _) = known(&parts, &principal, &digest)?;
    let bytes: Vec<i64> = match parts.store.image(&digest).await? {
        Some(image) => parts.store.layers_of(image.id).await?.into_iter().map(|row| row.bytes).collect(),
        None => Vec::new(),
    };
    let layers = detail::layers(&parts, &digest).await?.into_iter().zip(bytes);
    export::whole(&parts, format, layers.map(|(layer, bytes)| ImageLayerView { layer, bytes }).collect())
}

/// What was done to judge an image.
pub async fn scans(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Name(digest): Name,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = export::format_alone(query.as_deref(), &headers)?;
    let (_, row) = known(&parts, &principal, &digest)?;
    let scans = parts.store.scans(row.id, 100).await?;
    export::whole(&parts, format, scans.into_iter().map(ScanView::from).collect::<Vec<_>>())
}

impl From<store::ScanRow> for ScanView {
    fn from(scan: store::ScanRow) -> Self {
        let note = |n: model::inventory::Note| NoteView { code: n.code, path: n.path, text: n.text, gap: n.gap };
        Self {
            started: scan.started.rfc3339(),
            finished: scan.finished.rfc3339(),
            reason: scan.class,
            verdict: scan.verdict.as_str(),
            codes: scan.codes.split(',').filter(|c| !c.is_empty()).map(str::to_owned).collect(),
            notes: scan.notes.into_iter().map(note).collect(),
            generation: scan.generation,
            sandbox: scan.tier,
            bytes: scan.bytes,
        }
    }
}
