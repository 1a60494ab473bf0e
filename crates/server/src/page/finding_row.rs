//! A finding as a row of a list: the same in the list of all findings and in that of an image.

use super::columns::Column;
use super::frame::{self, When, visible};
use crate::view;
use fleet::FindingRow;
use model::time::Micros;

/// A row; `finding_rows.html` shows it.
pub struct Row {
    /// The id of the finding.
    pub id: String,
    /// Where it is shown.
    pub link: String,
    /// Whether it is shown beside the list.
    pub current: bool,
    /// Whether it opens beside the list.
    pub pane: bool,
    /// The severity.
    pub severity: &'static str,
    /// The heading of the vulnerability.
    pub finding: String,
    /// Whether it is known to be exploited.
    pub kev: bool,
    /// Since when, or empty.
    pub exploited: String,
    /// The title.
    pub title: String,
    /// The category.
    pub category: &'static str,
    /// Name of the package.
    pub package: String,
    /// Kind and release of the package.
    pub kind: String,
    /// The version that is installed.
    pub version: String,
    /// The version that fixes it, or empty.
    pub fixed: String,
    /// What the vendor does.
    pub state: &'static str,
    /// CVSS v3.
    pub cvss: String,
    /// Probability of exploitation.
    pub epss: String,
    /// Repository and tag.
    pub image: String,
    /// Where the image is shown.
    pub image_link: String,
    /// Platform of the image.
    pub platform: String,
    /// When the vulnerability was published, or empty.
    pub published: String,
    /// First seen here.
    pub first_seen: When,
}

/// The columns of findings wherever they are.
pub const COLUMNS: [Column; 14] = [
    Column::text("Severity", "severity"),
    Column::text("Finding", "vulnerability").lead(),
    Column::text("Title", "").on_request(),
    Column::text("Category", "").on_request(),
    Column::text("Package", "package"),
    Column::text("Type", "").on_request(),
    Column::text("Installed", ""),
    Column::text("Fixed in", "fixable"),
    Column::text("Vendor state", "").on_request(),
    Column::number("CVSS", "cvss"),
    Column::number("EPSS", "epss"),
    Column::text("Exploited since", "kev").on_request(),
    Column::text("Published", "").on_request(),
    Column::text("First seen", "first_seen"),
];

/// The columns that say where, which a list over several images has as well.
pub const PLACES: [Column; 2] = [Column::text("Image", "image"), Column::text("Platform", "").on_request()];

fn day(at: Micros) -> String {
    view::moment(at).and_then(|text| text.get(..10).map(str::to_owned)).unwrap_or_default()
}

impl Row {
    /// Makes the row.
    pub fn of(row: FindingRow, now: Micros) -> Self {
        let image_link = frame::image_address(&row.place, &row.image);
        let id = row.id.to_string();
        Self {
            link: frame::link(&image_link, &[("finding", &id)]),
            id,
            current: false,
            pane: false,
            severity: row.severity.as_str(),
            finding: visible(&row.vulnerability.name),
            kev: row.vulnerability.kev.0 != 0,
            exploited: day(row.vulnerability.kev),
            title: visible(&row.vulnerability.title),
            category: row.category.as_str(),
            package: visible(&row.package.name),
            kind: visible(&row.package.ecosystem),
            version: visible(&row.package.version),
            fixed: visible(&row.fixed_version),
            state: row.state.as_str(),
            cvss: frame::tenths(row.vulnerability.cvss),
            epss: frame::percent(row.vulnerability.epss),
            image: visible(&match row.place.tags.first() {
                Some(tag) => format!("{}:{tag}", row.place.repository),
                None => row.place.repository,
            }),
            image_link,
            platform: visible(&row.platform),
            published: day(row.vulnerability.published),
            first_seen: When::of(row.first_seen, now),
        }
    }

    /// The row in the list of an image, where it opens beside the list.
    pub fn beside(self, link: String, current: Option<&str>) -> Self {
        Self { current: current == Some(self.id.as_str()), pane: true, link, ..self }
    }
}
