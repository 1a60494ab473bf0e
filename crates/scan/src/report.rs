//! The report of one image, as programs read it.
//!
//! In: an image, its inventory, what it was judged to be.
//! Out: verdict, system, packages, findings, notes, in the words of the API. `schema` is raised when a field changes its meaning.

use crate::image::{Image, Refused};
use advisory::Database;
use assess::{Assessed, Remediation, Why};
use model::cvss;
use model::finding::{Match, finding_id};
use model::inventory::{Inventory, Note, Placed};
use model::manifest::{Descriptor, Kind, Manifest};
use model::package::PackageKey;
use model::{Digest, Micros};
use serde::Serialize;
use std::collections::BTreeMap;

/// Form of the report.
pub const SCHEMA: u32 = 1;

/// One image, judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Form of the report.
    pub schema: u32,
    /// What was asked for.
    pub reference: String,
    /// Digest of the image's manifest.
    pub digest: String,
    /// `linux/amd64`, or empty.
    pub platform: String,
    /// `complete`, `gaps`, `unsupported`, `failed`.
    pub verdict: &'static str,
    /// Reason codes of the verdict, each with a page in the documentation.
    pub reasons: Vec<String>,
    /// The distribution, if the image names one.
    pub os: Option<Os>,
    /// Generation of the advisory database.
    pub generation: i64,
    /// The sandbox that the readers of its layers had: `full (Landlock ABI 7, seccomp)`; empty where no layer was read.
    pub sandbox: String,
    /// Every package, owned ones included.
    pub packages: Vec<Package>,
    /// What is known against them, worst first.
    pub findings: Vec<Finding>,
    /// What could not be read or judged.
    pub notes: Vec<Note>,
    /// What the same reference lists beside its images and was not scanned: no container engine would run it.
    pub left_out: Vec<LeftOut>,
}

/// A manifest that a reference lists and that is no image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its digest.
    pub digest: String,
    /// What the index says that it is for: `unknown/unknown`, or empty.
    pub platform: String,
    /// What it is: `application/vnd.in-toto+json`.
    pub artifact_type: String,
    /// Whether it could be looked at; one that is not there is left out for what the index says of it.
    pub present: bool,
}

impl LeftOut {
    pub(crate) fn of(digest: &Digest, platform: String, manifest: &Manifest) -> Self {
        let artifact_type = match manifest.kind() {
            Kind::Accessory { artifact_type } => artifact_type,
            Kind::Image | Kind::Index => manifest.media_type.to_owned(),
        };
        Self { digest: digest.to_string(), platform, artifact_type, present: true }
    }

    pub(crate) fn absent(child: &Descriptor, platform: String) -> Self {
        let artifact_type = child.artifact_type.as_ref().unwrap_or(&child.media_type).clone();
        Self { digest: child.digest.to_string(), platform, artifact_type, present: false }
    }
}

/// The distribution of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Os {
    /// `debian`.
    pub id: String,
    /// `12`, or empty.
    pub version_id: String,
    /// `bookworm`, or empty.
    pub codename: String,
    /// Name for people.
    pub pretty_name: String,
}

/// A package and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Package {
    /// The purl type: `deb`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Kind and release: `debian:12`.
    pub ecosystem: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Source package; empty for language packages.
    pub source_name: String,
    /// Its version.
    pub source_version: String,
    /// Architecture, or empty.
    pub arch: String,
    /// The package URL.
    pub purl: String,
    /// The file that lists it.
    pub path: String,
    /// Ordinal of the layer since which it is there, 0 = lowest.
    pub layer: u32,
    /// `third-party:<who>`, or `owned:<release>/<package>` for a language package that an OS package brought: such a one has no
    /// findings where the advisories answer for the release.
    pub origin: String,
}

/// The package of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingPackage {
    /// The package URL.
    pub purl: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// The purl type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Source package; empty for language packages.
    pub source: String,
}

/// A layer of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Digest of its blob.
    pub digest: String,
    /// Ordinal, 0 = lowest.
    pub index: u32,
    /// The command that made it, or empty.
    pub created_by: String,
}

/// A CVSS vector with its score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Base score.
    pub score: f64,
    /// The vector.
    pub vector: String,
    /// Who gave it.
    pub source: &'static str,
}

/// Something known against a package of the image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Stable id of this reference, image, package and vulnerability.
    pub id: String,
    /// CVE, else the source's id.
    pub finding_id: String,
    /// Title.
    pub security_check: String,
    /// What it is about.
    pub category: &'static str,
    /// `critical` to `negligible`, or `unknown`.
    pub severity: &'static str,
    /// Who said so.
    pub severity_source: &'static str,
    /// Best vector of each version: `v2`, `v3`, `v4`.
    pub cvss: BTreeMap<&'static str, Score>,
    /// The CVEs among its names.
    pub cves: Vec<String>,
    /// All other names.
    pub aliases: Vec<String>,
    /// The package.
    pub package: FindingPackage,
    /// The files that list the package.
    pub paths: Vec<String>,
    /// The layer since which it is there.
    pub layer: Layer,
    /// The version that fixes it, or empty.
    pub fixed_version: String,
    /// Whether an upgrade removes it.
    pub patchable: bool,
    /// What the vendor does about it.
    pub vendor_state: &'static str,
    /// What to do.
    pub remediation: Remediation,
    /// Plain text.
    pub description: String,
    /// Links.
    pub references: Vec<String>,
    /// When it was published, if known.
    pub published: Option<String>,
    /// When it was added to the list of known exploited ones.
    pub kev: Option<String>,
    /// Probability of being exploited within 30 days.
    pub epss: Option<f64>,
    /// `open`.
    pub status: &'static str,
    /// Why it is there.
    pub why: Why,
}

impl Report {
    /// Returns whether every layer was read in the full sandbox.
    pub fn was_fully_sandboxed(&self) -> bool {
        self.sandbox.split("; ").all(|tier| tier.is_empty() || tier.starts_with("full "))
    }

    /// Puts a report together.
    pub fn of(
        reference: &str,
        digest: &str,
        image: &Image,
        inventory: &Inventory,
        assessed: Assessed,
        db: &Database,
    ) -> Self {
        let mut findings = Vec::new();
        for (key, matches) in &assessed.packages {
            let placed: Vec<&Placed> = inventory.packages.iter().filter(|p| p.key == *key).collect();
            let Some(first) = placed.iter().min_by_key(|p| p.layer) else { continue };
            let paths: Vec<String> = placed.iter().map(|p| p.path.clone()).collect();
            for found in matches {
                findings.push(finding((reference, digest), image, (first, paths.as_slice()), found, db));
            }
        }
        let rank = |f: &Finding| model::Severity::parse(f.severity).map_or(0, |s| s as u8);
        findings
            .sort_by(|a, b| (rank(b), &a.finding_id, &a.package.purl).cmp(&(rank(a), &b.finding_id, &b.package.purl)));
        Self {
            schema: SCHEMA,
            reference: reference.into(),
            digest: digest.into(),
            platform: image.platform(),
            verdict: assessed.verdict.as_str(),
            reasons: assessed.reasons.iter().map(|&code| code.to_owned()).collect(),
            os: inventory.os.as_ref().map(|os| Os {
                id: os.id.clone(),
                version_id: os.version_id.clone(),
                codename: os.codename.clone(),
                pretty_name: os.pretty_name.clone(),
            }),
            generation: db.generation(),
            packages: inventory.packages.iter().map(package).collect(),
            findings,
            notes: assessed.notes,
            left_out: Vec::new(),
            sandbox: String::new(),
        }
    }

    /// Reports an image that cannot be read.
    pub fn refused(reference: &str, digest: &str, platform: String, refused: &Refused, db: &Database) -> Self {
        Self {
            schema: SCHEMA,
            reference: reference.into(),
            digest: digest.into(),
            platform,
            verdict: refused.verdict.as_str(),
            reasons: vec![refused.code.into()],
            os: None,
            generation: db.generation(),
            packages: Vec::new(),
            findings: Vec::new(),
            notes: vec![crate::image::gap(refused.code, refused.text.clone())],
            left_out: Vec::new(),
            sandbox: String::new(),
        }
    }
}

fn package(placed: &Placed) -> Package {
    let key = &placed.key;
    Package {
        kind: key.purl_type().into(),
        ecosystem: key.ecosystem.clone(),
        name: key.name.clone(),
        version: key.version.clone(),
        source_name: key.source.clone(),
        source_version: key.source_version.clone(),
        arch: key.arch.clone(),
        purl: key.purl(),
        path: placed.path.clone(),
        layer: placed.layer,
        origin: key.origin.clone(),
    }
}

fn finding(
    (reference, digest): (&str, &str),
    image: &Image,
    (placed, paths): (&Placed, &[String]),
    found: &Match,
    db: &Database,
) -> Finding {
    let key = &placed.key;
    let known = db.find(&found.vulnerability).and_then(|number| db.vulnerability(number)).unwrap_or_default();
    let names = [&known.heading].into_iter().chain(&known.aliases);
    let layer = layer(image, placed.layer);
    Finding {
        id: finding_id(reference, digest, &key.purl(), &found.vulnerability).to_string(),
        finding_id: found.vulnerability.clone(),
        security_check: known.title,
        category: found.category.as_str(),
        severity: found.severity.as_str(),
        severity_source: found.severity_source.as_str(),
        cvss: scores(&known.cvss),
        cves: names.filter(|name| name.starts_with("CVE-")).cloned().collect(),
        aliases: known.aliases.clone(),
        package: named(key),
        paths: paths.to_vec(),
        fixed_version: found.fixed_version.clone(),
        patchable: found.patchable(),
        vendor_state: found.state.as_str(),
        remediation: assess::remediation(key, found),
        description: known.description,
        references: known.references,
        published: day(known.published),
        kev: day(known.kev),
        epss: known.epss.map(|millionths| f64::from(millionths) / 1e6),
        status: "open",
        why: assess::why(placed, &layer.digest, found),
        layer,
    }
}

fn named(key: &PackageKey) -> FindingPackage {
    FindingPackage {
        purl: key.purl(),
        name: key.name.clone(),
        version: key.version.clone(),
        kind: key.purl_type().into(),
        source: key.source.clone(),
    }
}

fn layer(image: &Image, ordinal: u32) -> Layer {
    let digest = image.layers.iter().find(|(place, _)| *place == ordinal).map(|(_, layer)| layer.digest.to_string());
    let place = usize::try_from(ordinal).unwrap_or(usize::MAX);
    let created_by = image.config.created_by(place).unwrap_or_default().to_owned();
    Layer { digest: digest.unwrap_or_default(), index: ordinal, created_by }
}

fn scores(vectors: &[model::advisory::CvssVector]) -> BTreeMap<&'static str, Score> {
    let wanted =
        [("v2", cvss::Version::V2), ("v3", cvss::Version::V30), ("v3", cvss::Version::V31), ("v4", cvss::Version::V4)];
    let mut scores = BTreeMap::new();
    for (name, version) in wanted {
        let Some(best) = cvss::best_of(vectors, version) else { continue };
        let Some(tenths) = cvss::score_tenths(&best.vector) else { continue };
        let score =
            Score { score: f64::from(tenths) / 10.0, vector: best.vector.clone(), source: best.source.as_str() };
        scores.insert(name, score);
    }
    scores
}

fn day(at: Micros) -> Option<String> {
    (at != Micros(0)).then(|| at.rfc3339())
}
