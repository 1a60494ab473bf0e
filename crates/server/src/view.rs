//! The JSON shapes of REST. Field names are stable; times are RFC 3339 UTC; an unknown value is `null`, never 0.

use fleet::{FindingRow, ImageRow, Place, RepositoryRow, Tally, VulnerabilityRow};
use model::Severity;
use model::advisory::VendorState;
use model::facts::{PackageFact, VulnerabilityFact};
use model::time::Micros;
use serde::Serialize;
use utoipa::ToSchema;

/// A moment, or `null` where it is unknown or has not come.
pub fn moment(at: Micros) -> Option<String> {
    (at.0 != 0 && at != Micros::FOREVER).then(|| at.rfc3339())
}

/// A page of a list.
#[derive(Debug, Default, Serialize)]
pub struct List<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many rows the list has, exactly.
    pub total: u64,
    /// Findings that pass the filter and are hidden by default (kernel headers, negligible, notices).
    pub hidden: u64,
    /// Findings that pass the filter and that a disable rule hides (`status:disabled` lists them).
    pub disabled: u64,
    /// What to send as `after` for the next page; `null` on the last.
    pub next: Option<String>,
    /// The past moment that was asked for.
    pub as_of: Option<String>,
    /// Revision of the store that the answer was given at.
    pub revision: i64,
    /// Generation of the advisory database in force.
    pub generation: i64,
}

impl<T> List<T> {
    /// A list that is not cut into pages.
    pub fn whole(
        items: Vec<T>,
        index: &crate::index::Handle,
        as_of: Option<Micros>,
    ) -> Result<Self, crate::problem::Problem> {
        let total = items.len() as u64;
        let (revision, generation) = index.ask(|index| Ok((index.revision(), index.generation())))?;
        let as_of = as_of.map(Micros::rfc3339);
        Ok(Self { items, total, hidden: 0, disabled: 0, next: None, as_of, revision, generation })
    }

    /// Turns a page of the index into a list.
    pub fn of<R>(page: fleet::Page<R>, as_of: Option<Micros>, view: impl FnMut(R) -> T) -> Self {
        Self {
            items: page.items.into_iter().map(view).collect(),
            total: page.total,
            hidden: page.hidden,
            disabled: page.disabled,
            next: page.next.map(|c| c.as_str().to_owned()),
            as_of: as_of.map(Micros::rfc3339),
            revision: page.revision,
            generation: page.generation,
        }
    }
}

/// Findings by severity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CountsView {
    /// All of the following together.
    pub findings: u64,
    /// Critical.
    pub critical: u64,
    /// High.
    pub high: u64,
    /// Medium.
    pub medium: u64,
    /// Low.
    pub low: u64,
    /// Negligible.
    pub negligible: u64,
    /// Unknown.
    pub unknown: u64,
    /// How many have a fixed version.
    pub fixable: u64,
    /// How many are known to be exploited.
    pub kev: u64,
    /// Hidden by default, in none of the above.
    pub hidden: u64,
    /// Hidden by a disable rule, in none of the above.
    pub disabled: u64,
}

impl From<Tally> for CountsView {
    fn from(tally: Tally) -> Self {
        Self {
            findings: tally.findings(),
            critical: tally.of(Severity::Critical),
            high: tally.of(Severity::High),
            medium: tally.of(Severity::Medium),
            low: tally.of(Severity::Low),
            negligible: tally.of(Severity::Negligible),
            unknown: tally.of(Severity::Unknown),
            fixable: tally.fixable,
            kev: tally.kev,
            hidden: tally.hidden,
            disabled: tally.disabled,
        }
    }
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlaceView {
    /// GUID of the subscription.
    pub subscription: String,
    /// Name of the registry.
    pub registry: String,
    /// Name of the repository.
    pub repository: String,
    /// Tags that name the image here.
    pub tags: Vec<String>,
    /// Since when it is here.
    pub since: Option<String>,
    /// When it was deleted here.
    pub until: Option<String>,
    /// Last push.
    pub last_push: Option<String>,
    /// Last pull by somebody else than the scanner.
    pub last_pull: Option<String>,
    /// Since when the plan of the registry is off: findings here are those of that moment.
    pub plan_off: Option<String>,
}

impl From<Place> for PlaceView {
    fn from(place: Place) -> Self {
        Self {
            subscription: place.subscription,
            registry: place.registry,
            repository: place.repository,
            tags: place.tags,
            since: moment(place.since),
            until: moment(place.until),
            last_push: moment(place.last_push),
            last_pull: moment(place.last_pull),
            plan_off: place.frozen.filter(|at| at.0 > 0).and_then(moment),
        }
    }
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImageView {
    /// Manifest digest.
    pub digest: String,
    /// `linux/amd64`, or empty.
    pub platform: String,
    /// Name of the distribution, or empty.
    pub os: String,
    /// Sum of the layers as pushed, bytes.
    pub bytes: i64,
    /// `none`, `complete`, `gaps`, `unsupported`, `failed`.
    pub verdict: &'static str,
    /// Reason codes of the verdict; docs/reasons.md explains each.
    pub reasons: Vec<String>,
    /// `idle`, `queued`, `running`, `retry-at`.
    pub work: &'static str,
    /// `in-window`, `outside-window`, `plan-off`, `blocked-by-network`, `accessory`.
    pub coverage: &'static str,
    /// Since when its plan is off, or it is outside the window; `null` where neither is so.
    pub coverage_since: Option<String>,
    /// Distinct packages; `null` if it was never read.
    pub packages: Option<u64>,
    /// Findings by severity.
    pub counts: CountsView,
    /// Where it is.
    pub places: Vec<PlaceView>,
}

impl From<ImageRow> for ImageView {
    fn from(row: ImageRow) -> Self {
        Self {
            digest: row.digest,
            platform: row.platform,
            os: row.os,
            bytes: row.bytes,
            verdict: row.verdict.as_str(),
            reasons: row.reason.split(',').filter(|r| !r.is_empty()).map(str::to_owned).collect(),
            work: row.work.as_str(),
            coverage: row.coverage.as_str(),
            coverage_since: moment(row.coverage_since),
            packages: row.inventory.map(|_| row.packages),
            counts: row.tally.into(),
            places: row.places.into_iter().map(PlaceView::from).collect(),
        }
    }
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RepositoryView {
    /// GUID of the subscription.
    pub subscription: String,
    /// Name of the registry.
    pub registry: String,
    /// Name of the repository.
    pub name: String,
    /// Images.
    pub images: u64,
    /// Images with a finding.
    pub affected: u64,
    /// Findings by severity.
    pub counts: CountsView,
    /// Last push.
    pub last_push: Option<String>,
    /// Last pull by somebody else than the scanner.
    pub last_pull: Option<String>,
}

impl From<RepositoryRow> for RepositoryView {
    fn from(row: RepositoryRow) -> Self {
        Self {
            subscription: row.subscription,
            registry: row.registry,
            name: row.name,
            images: row.images,
            affected: row.affected,
            counts: row.tally.into(),
            last_push: moment(row.last_push),
            last_pull: moment(row.last_pull),
        }
    }
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PackageView {
    /// Package URL.
    pub purl: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// `deb`, `apk`, `rpm`, `pypi`, `npm`, `golang`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Kind and release: `debian:12`, `pypi`.
    pub ecosystem: String,
}

impl From<PackageFact> for PackageView {
    fn from(fact: PackageFact) -> Self {
        let kind = fact.purl.strip_prefix("pkg:").and_then(|p| p.split('/').next()).unwrap_or("").to_owned();
        Self { purl: fact.purl, name: fact.name, version: fact.version, kind, ecosystem: fact.ecosystem }
    }
}

/// A score and the vector it is computed from.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CvssView {
    /// Base score, 0.0 to 10.0, computed from the vector.
    pub score: f64,
    /// The vector.
    pub vector: String,
    /// Who gave it: `vendor`, `cna`, `adp`, `nvd`, `other`.
    pub source: &'static str,
    /// The vector in words.
    pub words: String,
}

/// Scores by version of CVSS.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct CvssViews {
    /// Version 2.
    pub v2: Option<CvssView>,
    /// Version 3.0 or 3.1. `null` where only another version was given: then there is no v3 score, which is not 0.
    pub v3: Option<CvssView>,
    /// Version 4.0.
    pub v4: Option<CvssView>,
}

/// A finding in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FindingView {
    /// Stable id of this finding, of this repository, image, package and vulnerability.
    pub id: String,
    /// CVE, or the source's id where there is none.
    pub finding_id: String,
    /// Title.
    pub security_check: String,
    /// `vulnerability`, `unmaintained`, `notice`, `kernel-headers`, `malware`.
    pub category: &'static str,
    /// `critical` … `unknown`.
    pub severity: &'static str,
    /// Who said so.
    pub severity_source: &'static str,
    /// CVSS v3 base score; `null` where there is no v3 vector.
    pub cvss_v3: Option<f64>,
    /// CVE ids.
    pub cves: Vec<String>,
    /// Every other id.
    pub aliases: Vec<String>,
    /// The package.
    pub package: PackageView,
    /// The version that fixes it; `null` if none is known.
    pub fixed_version: Option<String>,
    /// Whether an upgrade removes it.
    pub patchable: bool,
    /// `fixed`, `open`, `will-not-fix`, `deferred`, `end-of-life`.
    pub vendor_state: &'static str,
    /// What to do, one line.
    pub remediation: String,
    /// When the vulnerability was published.
    pub published: Option<String>,
    /// When it was added to the list of known exploited vulnerabilities.
    pub kev: Option<String>,
    /// Probability of exploitation within 30 days, 0 to 1.
    pub epss: Option<f64>,
    /// When it was first seen here.
    pub first_seen: Option<String>,
    /// `open`, `disabled` (a rule hides it) or `fixed`.
    pub status: &'static str,
    /// The disable rule that hides it.
    pub rule: Option<RuleView>,
    /// Digest of the image.
    pub image: String,
    /// Platform of the image.
    pub platform: String,
    /// Where.
    pub place: PlaceView,
}

/// A disable rule, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RuleMark)]
pub struct RuleView {
    /// The stable id.
    pub id: String,
    /// Name for people.
    pub name: String,
}

fn status(row: &FindingRow) -> &'static str {
    match (row.until == Micros::FOREVER, &row.rule) {
        (false, _) => "fixed",
        (true, Some(_)) => "disabled",
        (true, None) => "open",
    }
}

impl From<FindingRow> for FindingView {
    fn from(row: FindingRow) -> Self {
        let status = status(&row);
        let names = || std::iter::once(&row.vulnerability.name).chain(&row.aliases);
        let cves = names().filter(|n| n.starts_with("CVE-")).cloned().collect();
        let fixed = (!row.fixed_version.is_empty()).then(|| row.fixed_version.clone());
        Self {
            id: row.id.to_string(),
            finding_id: row.vulnerability.name.clone(),
            security_check: title(&row.vulnerability, &row.package),
            category: row.category.as_str(),
            severity: row.severity.as_str(),
            severity_source: row.severity_source.as_str(),
            cvss_v3: tenths(row.vulnerability.cvss),
            cves,
            aliases: row.aliases.iter().filter(|a| !a.starts_with("CVE-")).cloned().collect(),
            remediation: short_remediation(&row.package.name, row.state, fixed.as_deref()),
            package: row.package.into(),
            patchable: row.fixable,
            fixed_version: fixed,
            vendor_state: row.state.as_str(),
            published: moment(row.vulnerability.published),
            kev: moment(row.vulnerability.kev),
            epss: millionths(row.vulnerability.epss),
            first_seen: moment(row.first_seen),
            status,
            rule: row.rule.map(|rule| RuleView { id: rule.uid.to_string(), name: rule.name }),
            image: row.image,
            platform: row.platform,
            place: row.place.into(),
        }
    }
}

/// The title shown: the feed's, else made from the package and the id.
pub fn title(vulnerability: &VulnerabilityFact, package: &PackageFact) -> String {
    match vulnerability.title.as_str() {
        "" => format!("{} in {}", vulnerability.name, package.name),
        title => title.to_owned(),
    }
}

/// One line on what to do.
pub fn short_remediation(package: &str, state: VendorState, fixed: Option<&str>) -> String {
    match (fixed, state) {
        (Some(version), _) => format!("Upgrade {package} to {version} or later"),
        (None, VendorState::WillNotFix) => format!("No fix: the vendor will not fix {package}"),
        (None, VendorState::Deferred) => format!("No fix yet: the vendor defers it to a later update of {package}"),
        (None, VendorState::EndOfLife) => format!("No fix: {package} is out of support; move to a supported release"),
        (None, _) => format!("No fix is known yet for {package}"),
    }
}

/// A stored score.
pub fn tenths(score: i32) -> Option<f64> {
    (score >= 0).then(|| f64::from(score) / 10.0)
}

/// A stored probability.
pub fn millionths(probability: i32) -> Option<f64> {
    (probability >= 0).then(|| f64::from(probability) / 1_000_000.0)
}

/// A vulnerability that something has.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct VulnerabilityView {
    /// CVE, or the source's id where there is none.
    pub id: String,
    /// Title; may be empty.
    pub title: String,
    /// Every other id.
    pub aliases: Vec<String>,
    /// The worst severity among the findings.
    pub severity: &'static str,
    /// CVSS v3 base score.
    pub cvss_v3: Option<f64>,
    /// When it was added to the list of known exploited vulnerabilities.
    pub kev: Option<String>,
    /// Probability of exploitation within 30 days, 0 to 1.
    pub epss: Option<f64>,
    /// Published.
    pub published: Option<String>,
    /// First seen here.
    pub first_seen: Option<String>,
    /// Whether a fixed version exists for one of the packages.
    pub fixable: bool,
    /// Packages hit.
    pub packages: Vec<String>,
    /// Images hit.
    pub images: u64,
    /// Repositories hit.
    pub repositories: u64,
    /// Findings.
    pub findings: u64,
    /// Findings that a disable rule hides, in none of the figures above.
    pub disabled: u64,
}

impl From<VulnerabilityRow> for VulnerabilityView {
    fn from(row: VulnerabilityRow) -> Self {
        Self {
            id: row.fact.name,
            title: row.fact.title,
            aliases: row.aliases,
            severity: row.severity.as_str(),
            cvss_v3: tenths(row.fact.cvss),
            kev: moment(row.fact.kev),
            epss: millionths(row.fact.epss),
            published: moment(row.fact.published),
            first_seen: moment(row.first_seen),
            fixable: row.fixable,
            packages: row.packages,
            images: row.images,
            repositories: row.repositories,
            findings: row.findings,
            disabled: row.disabled,
        }
    }
}
