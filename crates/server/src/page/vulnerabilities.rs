//! Distinct vulnerabilities, and where one of them is.

use super::chart::{IN_USE_DAYS, Place, Timeline};
use super::columns::{Chooser, Column, Columns};
use super::frame::{self, Export, Frame, Head, Pager, When, visible};
use super::list::{self as lists, Kept, Narrow, narrowest};
use super::pane::{Id, Reference};
use super::scope::{self, Scoped};
use super::visit::Visit;
use crate::api::findings::{HitView, VulnerabilityDetail, radius};
use crate::params::{Name, Params};
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::{Query, VulnerabilityRow};
use model::time::Micros;

#[derive(Template)]
#[template(path = "vulnerabilities.html")]
struct ListPage {
    frame: Frame,
    address: String,
    ids: String,
    listed: usize,
    absent: Vec<String>,
    kept: Kept,
    paste: Kept,
    problem: Option<String>,
    narrow: Option<Narrow>,
    q: String,
    columns: Columns,
    chooser: Chooser,
    heads: Vec<Head>,
    rows: Vec<Row>,
    total: u64,
    images: u64,
    pager: Pager,
    export: Export,
}

struct Row {
    severity: &'static str,
    id: String,
    link: String,
    kev: bool,
    title: String,
    packages: String,
    cvss: String,
    epss: String,
    images: u64,
    images_link: String,
    repositories: u64,
    repositories_link: String,
    findings: u64,
    findings_link: String,
    disabled: u64,
    disabled_link: String,
    exploited: String,
    fixable: bool,
    published: String,
    first_seen: When,
}

#[derive(Template)]
#[template(path = "vulnerability.html")]
struct OnePage {
    frame: Frame,
    id: String,
    title: String,
    severity: &'static str,
    kev: String,
    aliases: Vec<Id>,
    scores: Vec<String>,
    description: String,
    references: Vec<Reference>,
    images: u64,
    images_link: String,
    used_link: String,
    findings: u64,
    findings_link: String,
    published: String,
    first_seen: String,
    /// Repositories that were pulled from within 30 days.
    in_use: usize,
    line: Timeline,
    repositories: Vec<Hit>,
    packages: Vec<Held>,
}

struct Hit {
    name: String,
    link: String,
    images: u64,
    findings: u64,
    findings_link: String,
    exposed: When,
    pulled: When,
    in_use: bool,
}

struct Held {
    name: String,
    version: String,
    ecosystem: String,
    images: u64,
    link: String,
}

const COLUMNS: [Column; 14] = [
    Column::text("Severity", "severity"),
    Column::text("Id", "vulnerability").lead(),
    Column::text("Title", ""),
    Column::text("Packages", ""),
    Column::number("CVSS", "cvss"),
    Column::number("EPSS", "epss"),
    Column::text("Exploited since", "kev").on_request(),
    Column::text("Fix", "fixable").on_request(),
    Column::number("Images", "images"),
    Column::number("Repositories", "").on_request(),
    Column::number("Findings", ""),
    Column::number("Disabled", "").on_request(),
    Column::text("Published", "published").on_request(),
    Column::text("First seen", "first_seen").on_request(),
];

/// Shows the vulnerabilities.
pub async fn list(visit: Visit) -> Response {
    frame::answer(&visit, build(&visit))
}

/// Shows one vulnerability.
pub async fn one(visit: Visit, Name(id): Name) -> Response {
    let found = radius(&visit.parts, &visit.who, &id, None).await;
    frame::answer(&visit, found.map(|found| one_page(&visit, found)))
}

fn build(visit: &Visit) -> Result<ListPage, Problem> {
    let mut params = Params::parse(visit.query.as_deref());
    let ids = ids(&params.take("ids")?.unwrap_or_default());
    let scoped = Scoped::read(visit, &params.take("scope")?.unwrap_or_default())?;
    let mut asked = lists::asked_in(visit, params, scoped, &COLUMNS)?;
    if !ids.is_empty() {
        asked.question.filter.field("vulnerability", &ids.join(","))?;
    }
    let question = &asked.question;
    let mut everything = Query { scope: question.scope.clone(), limit: 1, now: question.now, ..Query::default() };
    for (name, value) in asked.scoped.fields() {
        everything.filter.field(name, value)?;
    }
    let ask = |index: &fleet::Index| Ok((index.vulnerabilities(question)?, index.counts(&everything)?));
    let (page, counts) = visit.parts.index.ask(ask)?;
    let absent = absent(visit, &everything, &ids)?;
    let here = asked.columns.keep(&asked.address("/vulnerabilities"));
    let address = frame::link(&here, &[("ids", &ids.join(" "))]);
    let (q, sort) = (asked.q.clone(), asked.sort.clone());
    let parameters = asked.parameters();
    let path = asked.scoped.path();
    Ok(ListPage {
        frame: Frame::new(visit, "vulnerabilities")
            .programs(visit, &frame::link("/vulnerabilities", &parameters), "")
            .scoped(visit, &asked.scoped, &asked.columns.keep("/vulnerabilities"), &q)?,
        heads: asked.columns.heads(&address, &q, &sort),
        chooser: asked.columns.chooser(&address, &q, &sort),
        kept: Kept::of(&address, &[("sort", &sort)]),
        paste: Kept::of(&here, &[]),
        pager: Pager::new(&address, &q, &sort, asked.after.as_deref(), page.next.as_ref().map(|c| c.as_str())),
        rows: page.items.into_iter().map(|found| row(found, asked.within(), &path, question.now)).collect(),
        narrow: if page.total > 0 || !ids.is_empty() {
            None
        } else {
            narrowest(visit, &asked, &address, |i, q| Ok(i.vulnerabilities(q)?.total))?
        },
        problem: asked.problem.clone(),
        total: page.total,
        images: counts.images,
        ids: ids.join(" "),
        listed: ids.len(),
        absent,
        export: Export::whole("/vulnerabilities", &parameters),
        columns: asked.columns,
        address,
        q,
    })
}

/// The ids in a pasted text, each once: CVE, GHSA and the like.
fn ids(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let mut out: Vec<String> = Vec::new();
    for word in words {
        let known = ["CVE-", "GHSA-", "DSA-", "DLA-", "PYSEC-", "GO-"];
        let is_id = word.len() <= 40 && known.iter().any(|kind| word.to_ascii_uppercase().starts_with(kind));
        let id = if word.to_ascii_uppercase().starts_with("GHSA-") {
            format!("GHSA{}", word.get(4..).unwrap_or("").to_ascii_lowercase())
        } else {
            word.to_ascii_uppercase()
        };
        if is_id && !out.contains(&id) && out.len() < MOST_IDS {
            out.push(id);
        }
    }
    out
}

/// At most so many ids at once.
const MOST_IDS: usize = 300;

/// Which of the ids nothing has.
fn absent(visit: &Visit, everything: &Query, ids: &[String]) -> Result<Vec<String>, Problem> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = Query { limit: MOST_IDS * 4, ..everything.clone() };
    query.filter.field("vulnerability", &ids.join(","))?;
    query.filter.field("hidden", "all")?;
    let found = visit.parts.index.ask(|index| Ok(index.vulnerabilities(&query)?))?.items;
    let has = |id: &&String| {
        found.iter().any(|row| {
            row.fact.name.eq_ignore_ascii_case(id) || row.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(id))
        })
    };
    Ok(ids.iter().filter(|id| !has(id)).cloned().collect())
}

fn row(row: VulnerabilityRow, q: &str, path: &str, now: Micros) -> Row {
    let also = |list, more: &str| match frame::portable(q) {
        Some(q) => scope::listed(list, &frame::also(&frame::also(q, &format!("cve:{}", row.fact.name)), more), path),
        None => String::new(),
    };
    let listed = |list| also(list, "");
    let shown = 4;
    let mut packages = row.packages.iter().take(shown).map(|p| visible(p)).collect::<Vec<_>>().join(", ");
    if row.packages.len() > shown {
        packages.push_str(&format!(" and {} more", row.packages.len() - shown));
    }
    Row {
        severity: row.severity.as_str(),
        link: format!("/vulnerabilities/{}", crate::params::encoded(&row.fact.name)),
        id: visible(&row.fact.name),
        kev: row.fact.kev.0 != 0,
        title: visible(&row.fact.title),
        packages,
        cvss: frame::tenths(row.fact.cvss),
        epss: frame::percent(row.fact.epss),
        images: row.images,
        images_link: listed("/inventory"),
        findings: row.findings,
        findings_link: listed("/findings"),
        repositories: row.repositories,
        repositories_link: listed("/inventory/repositories"),
        disabled: row.disabled,
        disabled_link: also("/findings", "status:disabled"),
        exploited: day(row.fact.kev),
        fixable: row.fixable,
        published: day(row.fact.published),
        first_seen: When::of(row.first_seen, now),
    }
}

/// The day of a moment, or nothing where it is unknown.
fn day(at: Micros) -> String {
    crate::view::moment(at).and_then(|text| text.get(..10).map(str::to_owned)).unwrap_or_default()
}

/// The repositories of a time line.
fn places(hits: &[HitView], listed: &dyn Fn(&str, &str) -> String) -> Vec<Place> {
    let moment = |text: &Option<String>| text.as_deref().and_then(Micros::parse);
    let place = |hit: &HitView| Place {
        name: visible(&format!("{}/{}", hit.registry, hit.repository)),
        link: listed("/inventory", &format!("registry:{} repo:{}", hit.registry, hit.repository)),
        spans: hit
            .exposed
            .iter()
            .filter_map(|span| Some((moment(&span.since)?, moment(&span.until).unwrap_or(Micros::FOREVER))))
            .collect(),
        used: moment(&hit.last_pull).unwrap_or(Micros(0)),
    };
    hits.iter().map(place).collect()
}

fn one_page(visit: &Visit, found: VulnerabilityDetail) -> OnePage {
    let it = found.vulnerability;
    let now = (visit.parts.now)();
    let listed = |list: &str, more: &str| frame::link(list, &[("q", &frame::also(&format!("cve:{}", it.id), more))]);
    let line = Timeline::new(&places(&found.hits, &listed), now);
    let window = Micros(now.0 - IN_USE_DAYS * crate::history::DAY);
    let hit = |h: HitView| {
        let here = format!("registry:{} repo:{}", h.registry, h.repository);
        let last = h.exposed.last();
        Hit {
            exposed: When::parse(last.and_then(|span| span.since.as_deref()), now),
            in_use: h.last_pull.as_deref().and_then(Micros::parse).is_some_and(|at| at >= window),
            link: listed("/inventory", &here),
            findings_link: listed("/findings", &here),
            name: visible(&format!("{}/{}", h.registry, h.repository)),
            images: h.images,
            findings: h.findings,
            pulled: When::parse(h.last_pull.as_deref(), now),
        }
    };
    let held = |p: crate::api::lists::PackageRowView| Held {
        link: listed("/inventory", &format!("pkg:{}", p.package.purl.trim_start_matches("pkg:"))),
        name: visible(&p.package.name),
        version: visible(&p.package.version),
        ecosystem: visible(&p.package.ecosystem),
        images: p.images,
    };
    let score = |(name, s): (&str, crate::view::CvssView)| {
        format!("{name} {:.1}, {} ({}: {})", s.score, visible(&s.vector), s.source, s.words)
    };
    let scores = [("CVSS v3", found.cvss.v3), ("CVSS v4", found.cvss.v4), ("CVSS v2", found.cvss.v2)];
    let repositories: Vec<Hit> = found.hits.into_iter().map(hit).collect();
    OnePage {
        in_use: repositories.iter().filter(|hit| hit.in_use).count(),
        line,
        published: it.published.as_deref().and_then(|at| at.get(..10)).unwrap_or("").to_owned(),
        first_seen: it.first_seen.as_deref().and_then(|at| at.get(..10)).unwrap_or("").to_owned(),
        frame: Frame::new(visit, "vulnerabilities").programs(
            visit,
            &format!("/vulnerabilities/{}", crate::params::encoded(&it.id)),
            "",
        ),
        title: visible(&it.title),
        severity: it.severity,
        kev: it.kev.as_deref().and_then(|k| k.get(..10)).unwrap_or("").to_owned(),
        aliases: it.aliases.iter().cloned().map(Id::of).collect(),
        scores: scores.into_iter().filter_map(|(name, s)| Some(score((name, s?)))).collect(),
        description: visible(&found.description),
        references: Reference::all(found.references),
        images: it.images,
        images_link: listed("/inventory", ""),
        used_link: listed("/inventory", "pulled:<30d"),
        findings: it.findings,
        findings_link: listed("/findings", ""),
        repositories,
        packages: found.held.into_iter().map(held).collect(),
        id: visible(&it.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_the_text_of_a_bulletin() {
        for (text, want, why) in [
            ("CVE-2024-1, cve-2024-2;CVE-2024-1", "CVE-2024-1 CVE-2024-2", "each once, in capitals"),
            ("see (GHSA-AbCd-1234-wxyz).", "GHSA-abcd-1234-wxyz", "GHSA ids are small letters"),
            ("openssl 3.0.1 is fixed", "", "a text without an id"),
            ("CVE-2024-1*", "CVE-2024-1", "a star is no part of an id"),
        ] {
            assert_eq!(ids(text).join(" "), want, "{why}");
        }
    }
}
