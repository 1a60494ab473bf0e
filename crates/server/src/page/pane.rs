//! The pane of one finding: what to do first, then why it is there, then what is known of the vulnerability.

use super::frame::{self, When, visible};
use super::nav;
use crate::detail::{self, FindingDetail};
use crate::params::encoded;
use crate::parts::Parts;
use crate::problem::Problem;
use crate::{access, view};
use fleet::{FindingRow, Query};
use model::role::Action;
use model::time::Micros;
use store::Principal;

/// What the pane shows of a finding.
pub struct Pane {
    pub id: String,
    pub name: String,
    pub package: String,
    pub title: String,
    pub severity: &'static str,
    pub severity_source: &'static str,
    pub kev: String,
    pub remediation: String,
    pub steps: Vec<StepLine>,
    pub why: String,
    pub purl: String,
    pub version: String,
    pub fixed: String,
    pub state: &'static str,
    pub paths: Vec<PathLine>,
    pub advisory: String,
    pub source: &'static str,
    pub first_seen: When,
    pub history: Vec<String>,
    pub disable: String,
    pub ids: Vec<Id>,
    pub scores: Vec<Score>,
    pub epss: String,
    pub cwe: String,
    pub published: String,
    pub images: u64,
    pub images_link: String,
    pub description: String,
    pub references: Vec<Reference>,
}

/// A step of the remediation.
pub struct StepLine {
    pub text: String,
    pub command: String,
}

/// Where the package stands in the image.
pub struct PathLine {
    pub path: String,
    pub layer: u32,
    pub instruction: String,
}

/// A score and the vector that it comes from.
pub struct Score {
    pub name: &'static str,
    pub score: String,
    pub vector: String,
    pub words: String,
}

/// A name of a vulnerability and its page.
pub struct Id {
    pub text: String,
    pub link: String,
}

impl Id {
    /// Makes the address of a vulnerability.
    pub fn of(name: String) -> Self {
        Self { link: format!("/vulnerabilities/{}", encoded(&name)), text: visible(&name) }
    }
}

/// A link out of the console.
pub struct Reference {
    pub text: String,
    pub link: String,
}

impl Reference {
    /// The links that lead to the web; what would not be seen in them is encoded.
    pub fn all(links: Vec<String>) -> Vec<Self> {
        let web = |link: &String| link.starts_with("https://") || link.starts_with("http://");
        let plain = |c: char| c.is_ascii_graphic() || (!c.is_ascii() && visible(c.encode_utf8(&mut [0; 4])).len() < 5);
        let safe = |link: &str| {
            link.chars().map(|c| if plain(c) { c.to_string() } else { encoded(c.encode_utf8(&mut [0; 4])) }).collect()
        };
        links.into_iter().filter(web).map(|link| Self { text: visible(&link), link: safe(&link) }).collect()
    }
}

/// Reads what the pane shows.
pub async fn read(parts: &Parts, principal: &Principal, row: FindingRow) -> Result<Pane, Problem> {
    let scope = access::readable(parts, principal)?;
    let query = Query { scope, limit: 1, now: (parts.now)(), ..Query::default() };
    let (radius, exposure) = parts.index.ask(|index| {
        let exposure = index.exposure(row.place.repository_id, row.package.component, row.vulnerability.id);
        Ok((index.blast_radius(&row.vulnerability.name, &query)?, exposure))
    })?;
    let disable = nav::leads(principal, "/rules") && principal.grants.iter().any(|g| g.role.allows(Action::EditPolicy));
    let disable = if disable { frame::link("/rules/new", &[("finding", &row.id.to_string())]) } else { String::new() };
    let host = parts.public_url.split("//").last().unwrap_or("");
    let tag = row.place.tags.first().map(|tag| format!("{host}/{}:{tag}", row.place.repository));
    let detail = detail::detail(parts, row).await?;
    let pane = shown(detail, tag.as_deref().unwrap_or(ANY_TAG), radius.map_or(0, |r| r.row.images), query.now);
    Ok(Pane { history: history(&exposure), disable, ..pane })
}

/// What stands in commands for the image to be built.
const ANY_TAG: &str = "REPOSITORY:TAG";

fn shown(detail: FindingDetail, tag: &str, images: u64, now: Micros) -> Pane {
    let finding = detail.finding;
    let score = |name: &'static str, score: Option<view::CvssView>| {
        score.map(|s| Score {
            name,
            score: format!("{:.1}", s.score),
            vector: visible(&s.vector),
            words: format!("{}; {}", s.source, s.words),
        })
    };
    let scores = [("CVSS v3", detail.cvss.v3), ("CVSS v4", detail.cvss.v4), ("CVSS v2", detail.cvss.v2)];
    let paths = detail.paths.into_iter().map(|p| PathLine {
        path: visible(&p.path),
        layer: p.layer.index,
        instruction: visible(&p.layer.created_by),
    });
    let epss = epss(finding.epss, detail.epss_date.as_deref());
    let ids = distinct(std::iter::once(finding.finding_id.clone()).chain(finding.cves).chain(finding.aliases));
    Pane {
        id: finding.id,
        images_link: frame::link("/inventory", &[("q", &format!("cve:{} hidden:all", finding.finding_id))]),
        name: visible(&finding.finding_id),
        package: visible(&finding.package.name),
        title: visible(&finding.security_check),
        severity: finding.severity,
        severity_source: said_by(finding.severity_source),
        kev: finding.kev.as_deref().and_then(|k| k.get(..10)).unwrap_or("").to_owned(),
        remediation: visible(&finding.remediation),
        steps: detail
            .steps
            .into_iter()
            .map(|s| StepLine {
                text: visible(&s.text),
                command: visible(&s.command.unwrap_or_default().replace(ANY_TAG, tag)),
            })
            .collect(),
        why: visible(&format!("{}: {}", detail.why.comparison, detail.why.result)),
        purl: visible(&finding.package.purl),
        version: visible(&finding.package.version),
        fixed: visible(&finding.fixed_version.unwrap_or_default()),
        state: finding.vendor_state,
        paths: paths.collect(),
        advisory: visible(&detail.why.advisory),
        source: detail.why.source,
        history: Vec::new(),
        disable: String::new(),
        first_seen: When::parse(finding.first_seen.as_deref(), now),
        ids: ids.into_iter().map(Id::of).collect(),
        scores: scores.into_iter().filter_map(|(name, s)| score(name, s)).collect(),
        epss,
        cwe: visible(&detail.cwe.join(", ")),
        published: finding.published.as_deref().and_then(|p| p.get(..10)).unwrap_or("").to_owned(),
        images,
        description: visible(&detail.description),
        references: Reference::all(detail.references),
    }
}

/// Since when and how often the repository had it, in sentences.
fn history(exposure: &fleet::Exposure) -> Vec<String> {
    let day = |at: Micros| at.rfc3339().get(..16).unwrap_or("").replace('T', " ");
    let line = |(from, to): &(Micros, Micros)| match *to {
        Micros::FOREVER => format!("Open in this repository since {} UTC.", day(*from)),
        to => format!("Open from {} to {} UTC.", day(*from), day(to)),
    };
    exposure.spans.iter().rev().take(SPANS).map(line).collect()
}

/// At most so many times are told.
const SPANS: usize = 5;

fn said_by(source: &str) -> &'static str {
    match source {
        "vendor" => "said by the vendor",
        "cna" => "said by the authority that gave the CVE",
        "adp" => "said by CISA",
        "nvd" => "said by NVD",
        "none" => "nobody has rated it yet",
        _ => "said by another source",
    }
}

fn epss(probability: Option<f64>, date: Option<&str>) -> String {
    let Some(probability) = probability else { return String::new() };
    let day = date.and_then(|d| d.get(..10)).map(|day| format!(" (as of {day})")).unwrap_or_default();
    format!("{:.1} % within 30 days{day}", probability * 100.0)
}

fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for name in names {
        if !out.contains(&name) {
            out.push(name);
        }
    }
    out
}
