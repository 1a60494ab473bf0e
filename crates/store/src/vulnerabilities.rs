//! Vulnerabilities: one row each under a surrogate id, every name that means it, and the text that is shown on one page.

use model::advisory::CvssVector;
use model::severity::SeveritySource;
use model::{Micros, Severity};
use serde::{Deserialize, Serialize};

/// A vulnerability as the advisory database has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vulnerability {
    /// Heading: CVE if there is one, else GHSA, else the feed's id.
    pub name: String,
    /// Every other id of it.
    pub aliases: Vec<String>,
    /// One line, or empty.
    pub title: String,
    /// Severity by the best source that is not a package's vendor.
    pub severity: Severity,
    /// CVSS v3 base score in tenths.
    pub cvss: Option<u16>,
    /// When it was added to the known exploited list; 0 = not on it.
    pub kev: Micros,
    /// EPSS probability in millionths.
    pub epss: Option<u32>,
    /// Published; 0 = unknown.
    pub published: Micros,
    /// Modified; 0 = unknown.
    pub modified: Micros,
    /// What is shown on its page only.
    pub text: VulnerabilityText,
}

/// What is shown of a vulnerability on one page at a time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VulnerabilityText {
    /// Plain text.
    pub description: String,
    /// `CWE-79`.
    pub cwe: Vec<String>,
    /// Vectors with who gave them.
    pub cvss: Vec<CvssVector>,
    /// Links.
    pub references: Vec<String>,
    /// Vendor advisories that fix it.
    pub related: Vec<String>,
    /// Who gave the severity.
    pub severity_source: SeveritySource,
    /// EPSS percentile in millionths.
    pub epss_percentile: Option<u32>,
    /// The day of the EPSS figures; 0 = none.
    pub epss_date: Micros,
}
