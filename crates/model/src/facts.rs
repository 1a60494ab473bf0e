//! The facts that the fleet index is built from, and the changes that it follows. Rows of the store, without texts.

use crate::advisory::{Category, VendorState};
pub use crate::id::Id;
use crate::role::Scope;
pub use crate::rule::RuleFact;
use crate::severity::{Severity, SeveritySource};
use crate::time::Micros;
use crate::verdict::{Coverage, Verdict, Work};

/// Everything, as of one revision of the store.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The revision at which every row below was read.
    pub revision: i64,
    /// Generation of the advisory database in force.
    pub generation: i64,
    /// Subscriptions.
    pub subscriptions: Vec<SubscriptionFact>,
    /// Registries.
    pub registries: Vec<RegistryFact>,
    /// Repositories.
    pub repositories: Vec<RepositoryFact>,
    /// Images (indexes are not images).
    pub images: Vec<ImageFact>,
    /// Which image is in which repository, since when.
    pub presences: Vec<PresenceFact>,
    /// Tags with their intervals.
    pub tags: Vec<TagFact>,
    /// Which inventory an image has, since when.
    pub image_inventories: Vec<ImageInventoryFact>,
    /// Inventories.
    pub inventories: Vec<InventoryFact>,
    /// Packages.
    pub packages: Vec<PackageFact>,
    /// Vulnerabilities.
    pub vulnerabilities: Vec<VulnerabilityFact>,
    /// Other names of vulnerabilities.
    pub aliases: Vec<(String, Id)>,
    /// Matches with their intervals.
    pub matches: Vec<MatchFact>,
    /// Disable rules with their intervals.
    pub rules: Vec<RuleFact>,
    /// Plans with their intervals.
    pub plans: Vec<PlanFact>,
    /// Exemptions with their intervals.
    pub exemptions: Vec<ExemptionFact>,
    /// Where the packages of inventories are; only while a disable rule asks for paths.
    pub paths: Vec<InventoryPathsFact>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionFact {
    /// Row id.
    pub id: Id,
    /// GUID.
    pub guid: String,
    /// Name for people.
    pub name: String,
    /// Days for which an image that was pushed or pulled is kept judged.
    pub window_days: i64,
    /// First moment at which it is no more, or `FOREVER`.
    pub until: Micros,
}

/// The plan of a subscription, or of a registry that differs from its subscription, over an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFact {
    /// Row id.
    pub id: Id,
    /// `/GUID` or `/GUID/registry`.
    pub scope: Scope,
    /// Whether images are scanned and metered.
    pub standard: bool,
    /// Whether a registry below may not differ.
    pub enforce: bool,
    /// First moment.
    pub since: Micros,
    /// First moment after, or `FOREVER`.
    pub until: Micros,
}

/// A resource that a recommendation is not asked of, over an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExemptionFact {
    /// Row id.
    pub id: Id,
    /// Key of the recommendation.
    pub recommendation: String,
    /// Where.
    pub scope: Scope,
    /// The image, or empty for all within the scope.
    pub digest: String,
    /// First moment at which it no longer holds; `FOREVER` = never.
    pub expires: Micros,
    /// First moment.
    pub since: Micros,
    /// First moment after, or `FOREVER`.
    pub until: Micros,
}

/// A registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryFact {
    /// Row id.
    pub id: Id,
    /// The subscription it belongs to.
    pub subscription: Id,
    /// Resource group.
    pub resource_group: String,
    /// Name: `local` for the embedded one.
    pub name: String,
    /// What finding ids are made of: the name that it began with, whatever it is called now.
    pub key: String,
    /// Kind: `embedded`, `distribution`, …
    pub kind: String,
    /// Host by which clients find it, or empty.
    pub host: String,
    /// First moment at which it is no more, or `FOREVER`.
    pub until: Micros,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryFact {
    /// Row id.
    pub id: Id,
    /// The registry it belongs to.
    pub registry: Id,
    /// Name, with slashes.
    pub name: String,
    /// What finding ids are made of: the registry's key and the name that it began with, wherever it is now and whatever it is called.
    pub key: String,
    /// When it came to its registry from another one; 0 = it did not.
    pub moved: Micros,
    /// As of which moment its images were seen when it came: that moment, or an earlier one if the plan was off where it was.
    pub seen: Micros,
}

/// An image: one manifest for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFact {
    /// Row id.
    pub id: Id,
    /// Manifest digest.
    pub digest: String,
    /// `linux/amd64`, or empty.
    pub platform: String,
    /// Pretty name of the distribution, or empty.
    pub os: String,
    /// Sum of the layers as pushed.
    pub bytes: i64,
    /// What the last reading gave.
    pub verdict: Verdict,
    /// What is being done.
    pub work: Work,
    /// Whether it is kept judged.
    pub coverage: Coverage,
    /// Reason codes, comma-separated, or empty.
    pub reason: String,
}

/// An image in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceFact {
    /// Row id.
    pub id: Id,
    /// The repository.
    pub repository: Id,
    /// The image.
    pub image: Id,
    /// First moment.
    pub since: Micros,
    /// First moment after, or `FOREVER`.
    pub until: Micros,
    /// Last push.
    pub last_push: Micros,
    /// Last pull by somebody else than the scanner; 0 = never.
    pub last_pull: Micros,
}

/// A tag over an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagFact {
    /// The repository.
    pub repository: Id,
    /// The tag.
    pub name: String,
    /// First moment.
    pub since: Micros,
    /// First moment after, or `FOREVER`.
    pub until: Micros,
    /// The image, or 0 where the tag names an index (whose children carry the tag as well, one fact each).
    pub image: Id,
}

/// The inventory of an image over an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInventoryFact {
    /// The image.
    pub image: Id,
    /// First moment.
    pub since: Micros,
    /// First moment after, or `FOREVER`.
    pub until: Micros,
    /// The inventory.
    pub inventory: Id,
}

/// An inventory: the distinct packages of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryFact {
    /// Row id.
    pub id: Id,
    /// Package ids, ascending, each once.
    pub packages: Vec<Id>,
}

/// The paths at which an inventory's language packages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryPathsFact {
    /// The inventory.
    pub inventory: Id,
    /// Package and path, without a slash at the front; a package at several places has several.
    pub paths: Vec<(Id, String)>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFact {
    /// Row id.
    pub id: Id,
    /// Row id of (ecosystem, name).
    pub component: Id,
    /// Kind and release.
    pub ecosystem: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// The package URL, for finding ids.
    pub purl: String,
}

/// A vulnerability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VulnerabilityFact {
    /// Row id.
    pub id: Id,
    /// Heading.
    pub name: String,
    /// Title, one line.
    pub title: String,
    /// Severity by the best source that is not a package's vendor.
    pub severity: Severity,
    /// CVSS v3 base score in tenths; −1 = no v3 vector.
    pub cvss: i32,
    /// When it was added to the known exploited list; 0 = not on it.
    pub kev: Micros,
    /// EPSS probability in millionths; −1 = unknown.
    pub epss: i32,
    /// Published; 0 = unknown.
    pub published: Micros,
    /// Modified; 0 = unknown.
    pub modified: Micros,
}

/// A match over an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchFact {
    /// The package.
    pub package: Id,
    /// The vulnerability.
    pub vulnerability: Id,
    /// First moment of this row (a changed severity or fix closes a row and opens another).
    pub since: Micros,
    /// First moment after, or `FOREVER`.
    pub until: Micros,
    /// First moment of the match itself, whatever changed since.
    pub first: Micros,
    /// Severity shown.
    pub severity: Severity,
    /// Who said so.
    pub severity_source: SeveritySource,
    /// Whether a fixed version exists.
    pub fixable: bool,
    /// What the vendor does.
    pub state: VendorState,
    /// The version that fixes it, or empty.
    pub fixed_version: String,
    /// What it is about.
    pub category: Category,
}

/// What changed, one transaction of the store. Rows are as they are now; a closed row comes with its `until`.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Revision after which these changes hold.
    pub revision: i64,
    /// Every row that is new or different, in the same shape as the snapshot (`revision` and `generation` included).
    pub rows: Snapshot,
}
