//! Disable rules: what they say, and where they stand.
//!
//! A rule hides findings; it never removes a fact. Fields of a rule are joined by AND, the values of one field by OR; a field
//! without values asks nothing. The part that speaks of a match (finding id, category, check, CVSS, severity, patchable,
//! package, state, known exploited) depends on the match alone; the part that speaks of a place (digest, tag, repository, path, distribution)
//! on the image and where it is.

mod content;
mod draft;
mod value;

pub use content::{Reason, Rule, State, Term, tenths_text};
pub use draft::{CriteriaDraft, Draft, Fault, NEVER, USUAL_DAYS};

use crate::advisory::VendorState;
use crate::id::Id;
use crate::role::Scope;
use crate::severity::Severity;
use crate::time::Micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a rule asks of a finding. At least one field asks something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Criteria {
    /// Ids of the vulnerability: any alias, any case; `*` stands for any text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finding_ids: Vec<String>,
    /// Category: `vulnerability`, `malware`, …, or the kind of package or distribution: `debian`, `npm`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Texts of which the security check (the title) contains one, in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_checks: Vec<String>,
    /// CVSS v3 base score below so many tenths, strictly; without a score it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cvss_below: Option<u32>,
    /// Severity below, strictly; `unknown` is below none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity_below: Option<Severity>,
    /// Whether no fixed version exists.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_patchable: bool,
    /// Whether it is not on the list of known exploited vulnerabilities.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_known_exploited: bool,
    /// Names of packages, or package URLs; `*` stands for any text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// What the vendor does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<VendorState>,
    /// Digests of images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<String>,
    /// Tags; `*` stands for any text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Names of repositories; `*` stands for any text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// Paths in the image, without a slash at the front; `*` stands for any text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Distributions and their releases, as the image names them; `*` stands for any text: `Debian GNU/Linux 12*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub os_releases: Vec<String>,
}

/// A disable rule as the index needs it: one row, one interval. A change of a rule closes its row and opens another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFact {
    /// Row id.
    pub id: Id,
    /// The stable id over all rows of the rule.
    pub uid: Uuid,
    /// Name for people.
    pub name: String,
    /// Where it holds.
    pub scope: Scope,
    /// What it hides; nothing at all if `paused`.
    pub criteria: Criteria,
    /// First moment at which it no longer holds; `FOREVER` = never.
    pub expires: Micros,
    /// Whether it hides nothing for now.
    pub paused: bool,
    /// The rule that it stands in for within its narrower scope: there the other is not in force.
    pub overrides: Option<Uuid>,
    /// First moment.
    pub since: Micros,
    /// First moment after, or `FOREVER`.
    pub until: Micros,
}
