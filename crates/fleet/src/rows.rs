//! What the index answers with: rows that own their texts, so that a page outlives the index it came from.

use model::advisory::{Category, VendorState};
use model::facts::{Id, PackageFact, VulnerabilityFact};
use model::severity::{Severity, SeveritySource};
use model::time::Micros;
use model::verdict::{Coverage, Verdict, Work};
use uuid::Uuid;

/// An image in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Row id of the presence.
    pub presence: Id,
    /// Row id of the subscription.
    pub subscription_id: Id,
    /// GUID of the subscription.
    pub subscription: String,
    /// Row id of the registry.
    pub registry_id: Id,
    /// Name of the registry.
    pub registry: String,
    /// Row id of the repository.
    pub repository_id: Id,
    /// Name of the repository, without the registry.
    pub repository: String,
    /// Tags that name the image here, in order of name.
    pub tags: Vec<String>,
    /// First moment.
    pub since: Micros,
    /// First moment after, or `FOREVER`.
    pub until: Micros,
    /// Last push.
    pub last_push: Micros,
    /// Last pull by somebody else than the scanner; 0 = never.
    pub last_pull: Micros,
    /// The moment of which findings here are seen, where the registry's plan is off: before all time if it never was on.
    pub frozen: Option<Micros>,
}

/// A disable rule that hides a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleMark {
    /// The stable id.
    pub uid: Uuid,
    /// Name for people.
    pub name: String,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingRow {
    /// The stable id.
    pub id: Uuid,
    /// Where.
    pub place: Place,
    /// Row id of the image.
    pub image_id: Id,
    /// Digest of the image.
    pub image: String,
    /// Platform of the image.
    pub platform: String,
    /// The package.
    pub package: PackageFact,
    /// The vulnerability; its severity is the one of the best source that is no vendor.
    pub vulnerability: VulnerabilityFact,
    /// Other names of the vulnerability, in order of name.
    pub aliases: Vec<String>,
    /// The severity shown.
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
    /// The later of: the image came into this repository; the package was first matched with the vulnerability.
    pub first_seen: Micros,
    /// When it was gone, or `FOREVER` for one that holds at the moment asked for.
    pub until: Micros,
    /// The disable rule that hides it: of several one that the filter asks for, else the oldest.
    pub rule: Option<RuleMark>,
}

/// Findings by severity; hidden and disabled ones apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Findings by `Severity as usize`.
    pub severities: [u64; 6],
    /// How many of them have a fixed version.
    pub fixable: u64,
    /// How many of them are known to be exploited.
    pub kev: u64,
    /// Findings that pass the filter but for being hidden by default; in none of the figures above.
    pub hidden: u64,
    /// Findings that pass the filter but for a disable rule that hides them; in none of the figures above.
    pub disabled: u64,
}

impl Tally {
    /// Returns the number of findings, hidden and disabled ones not counted.
    pub fn findings(&self) -> u64 {
        self.severities.iter().sum()
    }

    /// Returns the number of findings of a severity.
    pub fn of(&self, severity: Severity) -> u64 {
        self.severities[severity as usize]
    }

    /// Adds another tally, `times` times.
    pub(crate) fn add(&mut self, other: &Self, times: u64) {
        for (to, from) in self.severities.iter_mut().zip(other.severities) {
            *to += from * times;
        }
        self.fixable += other.fixable * times;
        self.kev += other.kev * times;
        self.hidden += other.hidden * times;
        self.disabled += other.disabled * times;
    }
}

/// An image and the places of it that pass the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
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
    /// Whether it is kept judged, as far as the places that pass go.
    pub coverage: Coverage,
    /// Since when it is not; 0 = it is, or nobody knows.
    pub coverage_since: Micros,
    /// Reason codes, comma-separated, or empty.
    pub reason: String,
    /// Row id of the inventory; `None` if it was never read.
    pub inventory: Option<Id>,
    /// Distinct packages of the inventory.
    pub packages: u64,
    /// Where it is, in order of path.
    pub places: Vec<Place>,
    /// Findings that pass the filter, in these places together.
    pub tally: Tally,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRow {
    /// Row id.
    pub id: Id,
    /// Row id of the subscription.
    pub subscription_id: Id,
    /// GUID of the subscription.
    pub subscription: String,
    /// Row id of the registry.
    pub registry_id: Id,
    /// Name of the registry.
    pub registry: String,
    /// Name of the repository, without the registry.
    pub name: String,
    /// Images that pass the filter.
    pub images: u64,
    /// Images among them with a finding that passes the filter.
    pub affected: u64,
    /// Last push; 0 = never.
    pub last_push: Micros,
    /// Last pull by somebody else than the scanner; 0 = never.
    pub last_pull: Micros,
    /// Findings that pass the filter.
    pub tally: Tally,
}

/// A vulnerability that something has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VulnerabilityRow {
    /// The vulnerability.
    pub fact: VulnerabilityFact,
    /// Other names, in order of name.
    pub aliases: Vec<String>,
    /// The worst severity among the findings.
    pub severity: Severity,
    /// Whether a fixed version exists for at least one of the packages.
    pub fixable: bool,
    /// The earliest moment at which one of the packages was matched with it.
    pub first_seen: Micros,
    /// Names of the packages hit, in order, each once.
    pub packages: Vec<String>,
    /// Distinct images hit.
    pub images: u64,
    /// Distinct repositories hit.
    pub repositories: u64,
    /// Findings.
    pub findings: u64,
    /// Findings that a disable rule hides; a vulnerability that has no other is not listed.
    pub disabled: u64,
}

/// A package that some image holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRow {
    /// The package.
    pub fact: PackageFact,
    /// Distinct images that hold it.
    pub images: u64,
    /// Places (repository × image) that hold it.
    pub places: u64,
    /// Findings that pass the filter, in these places together.
    pub tally: Tally,
}

/// How many, of everything that passes a filter, from one state of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Findings by severity; `tally.findings()` is their number.
    pub tally: Tally,
    /// Distinct vulnerabilities among the findings.
    pub vulnerabilities: u64,
    /// Distinct images with a finding.
    pub affected: u64,
    /// Distinct images in the places that pass, with or without findings.
    pub images: u64,
    /// Distinct images by `Verdict as usize`.
    pub verdicts: [u64; 5],
    /// Distinct repositories with at least one image in the places that pass.
    pub repositories: u64,
}

/// Where a vulnerability is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlastRadius {
    /// The vulnerability; its counts are of the places that pass.
    pub row: VulnerabilityRow,
    /// Repositories hit, most images first.
    pub repositories: Vec<Hit>,
    /// Distinct packages hit, most images first; `tally` is of this vulnerability alone.
    pub packages: Vec<PackageRow>,
}

/// A repository hit by a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Row id of the repository.
    pub repository_id: Id,
    /// Name of the registry.
    pub registry: String,
    /// Name of the repository.
    pub repository: String,
    /// Images hit.
    pub images: u64,
    /// Findings.
    pub findings: u64,
    /// Last pull of one of the images by somebody else than the scanner; 0 = never.
    pub last_pull: Micros,
}

/// How long a repository was exposed to a vulnerability through a package, whatever its version and image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exposure {
    /// Spans without a gap, in order: first moment, first moment after (`FOREVER` while it lasts).
    pub spans: Vec<(Micros, Micros)>,
}

impl Exposure {
    /// Returns since when it has been open; `None` if it is not.
    pub fn open_since(&self) -> Option<Micros> {
        self.spans.last().filter(|span| span.1 == Micros::FOREVER).map(|span| span.0)
    }

    /// Returns when it was closed for the last time; `None` while it is open or if it never was.
    pub fn closed(&self) -> Option<Micros> {
        self.spans.last().filter(|span| span.1 != Micros::FOREVER).map(|span| span.1)
    }

    /// Returns how often it came back after it was gone.
    pub fn reopened(&self) -> usize {
        self.spans.len().saturating_sub(1)
    }
}
