//! One finding with everything that explains it.
//!
//! In: the finding's row of the index. Out: the same with texts, places in the image, remediation and why; read from the store,
//! one finding at a time.

use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::{CvssView, CvssViews, FindingView};
use assess::{remediation, why};
use fleet::FindingRow;
use model::config::Config;
use model::cvss::{self, Version};
use model::inventory::Placed;
use model::{Digest, advisory::CvssVector};
use serde::Serialize;
use utoipa::ToSchema;

/// A finding with everything that explains it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FindingDetail {
    /// What lists show.
    #[serde(flatten)]
    pub finding: FindingView,
    /// Scores by version of CVSS, each computed from its vector.
    pub cvss: CvssViews,
    /// Weaknesses, `CWE-79`.
    pub cwe: Vec<String>,
    /// Plain text.
    pub description: String,
    /// Links, vendor first.
    pub references: Vec<String>,
    /// Vendor advisories that fix it.
    pub related: Vec<String>,
    /// Where in the image.
    pub paths: Vec<PathView>,
    /// What to do, in order.
    pub steps: Vec<StepView>,
    /// Why it is there.
    pub why: WhyView,
    /// The day of the EPSS figure.
    pub epss_date: Option<String>,
}

/// Where a package stands in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PathView {
    /// The file that lists the package.
    pub path: String,
    /// The layer since which it is there.
    pub layer: LayerView,
}

/// A layer, as a finding names it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct LayerView {
    /// 0 = lowest.
    pub index: u32,
    /// Digest of the blob.
    pub digest: String,
    /// The instruction that made it, or empty.
    pub created_by: String,
}

/// A step of a remediation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StepView {
    /// One sentence.
    pub text: String,
    /// What to type, if it is a command.
    pub command: Option<String>,
}

/// Why a finding is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct WhyView {
    /// The file that lists the package.
    pub file: String,
    /// The layer since which it is there.
    pub layer: String,
    /// The package's entry.
    pub package: String,
    /// The advisory that decided.
    pub advisory: String,
    /// Its feed.
    pub source: &'static str,
    /// Version, interval and order.
    pub comparison: String,
    /// What follows.
    pub result: String,
    /// The severity and who said so.
    pub severity: String,
}

/// Reads what explains a finding.
pub async fn detail(parts: &Parts, row: FindingRow) -> Result<FindingDetail, Problem> {
    let absent = || Problem::absent("finding", &row.id.to_string());
    let found = parts.store.match_detail(row.package.id, row.vulnerability.id).await?.ok_or_else(absent)?;
    let text = parts.store.vulnerability(&row.vulnerability.name).await?.map(|(_, v)| v.text).unwrap_or_default();
    let digest = Digest::parse(&row.image).map_err(|_| absent())?;
    let layers = layers(parts, &digest).await?;
    let placed = placed(parts, &digest, &row).await?;
    let paths = placed.iter().map(|p| PathView { path: p.path.clone(), layer: layer(&layers, p.layer) }).collect();
    let first =
        placed.into_iter().next().unwrap_or_else(|| Placed { key: found.key.clone(), path: String::new(), layer: 0 });
    let reason = why(&first, &layer(&layers, first.layer).digest, &found.found);
    let todo = remediation(&found.key, &found.found);
    let mut finding = FindingView::from(row);
    finding.remediation = todo.summary;
    Ok(FindingDetail {
        finding,
        cvss: scores(&text.cvss),
        cwe: text.cwe,
        description: text.description,
        references: text.references,
        related: text.related,
        paths,
        steps: todo.steps.into_iter().map(|s| StepView { text: s.text, command: s.command }).collect(),
        why: WhyView {
            file: reason.file,
            layer: reason.layer,
            package: reason.package,
            advisory: reason.advisory,
            source: found.found.source.as_str(),
            comparison: reason.comparison,
            result: reason.result,
            severity: reason.severity,
        },
        epss_date: crate::view::moment(text.epss_date),
    })
}

async fn placed(parts: &Parts, digest: &Digest, row: &FindingRow) -> Result<Vec<Placed>, Problem> {
    let Some(image) = parts.store.image(digest).await? else { return Ok(Vec::new()) };
    let all = parts.store.placed(image.inventory).await?;
    let mine = all.into_iter().filter(|p| p.package == row.package.id);
    Ok(mine.map(|p| Placed { key: p.key, path: p.path, layer: p.layer }).collect())
}

/// The layers of an image with the instructions that made them, as far as its configuration says.
pub async fn layers(parts: &Parts, digest: &Digest) -> Result<Vec<LayerView>, Problem> {
    let Some(image) = parts.store.image(digest).await? else { return Ok(Vec::new()) };
    let config = match Digest::parse(&image.config) {
        Ok(config) => parts.store.blobs().bytes(&config, 4 << 20).await.ok().and_then(|b| Config::parse(&b).ok()),
        Err(_) => None,
    };
    let rows = parts.store.layers_of(image.id).await?;
    let created_by = |at: u32| config.as_ref()?.created_by(usize::try_from(at).ok()?).map(str::to_owned);
    let view = |row: store::LayerRow| LayerView {
        index: row.ordinal,
        digest: row.digest.to_string(),
        created_by: created_by(row.ordinal).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(view).collect())
}

fn layer(layers: &[LayerView], index: u32) -> LayerView {
    layers.iter().find(|l| l.index == index).cloned().unwrap_or(LayerView { index, ..LayerView::default() })
}

/// The best vector of each version of CVSS.
pub fn scores(vectors: &[CvssVector]) -> CvssViews {
    let view = |vector: &CvssVector| {
        let words =
            cvss::words(&vector.vector).iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>();
        Some(CvssView {
            score: f64::from(cvss::score_tenths(&vector.vector)?) / 10.0,
            vector: vector.vector.clone(),
            source: vector.source.as_str(),
            words: words.join(", "),
        })
    };
    CvssViews {
        v2: cvss::best_of(vectors, Version::V2).and_then(view),
        v3: cvss::best_v3(vectors).and_then(view),
        v4: cvss::best_of(vectors, Version::V4).and_then(view),
    }
}
