//! One image with its findings, and the pane of one finding.

use super::frame::{self, Counts, Frame, Head, Pager, visible};
use crate::api::{findings, images};
use crate::detail::{self, FindingDetail};
use crate::params::Params;
use crate::parts::Parts;
use crate::problem::Problem;
use crate::{access, view};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use fleet::{Filter, FindingRow, ImageRow, Place, Query};
use model::verdict::{Verdict, reason};
use store::Principal;

#[derive(Template)]
#[template(path = "image.html")]
struct Page {
    frame: Frame,
    name: String,
    crumbs: Vec<Link>,
    digest: String,
    short: String,
    platform: String,
    os: String,
    size: String,
    packages: Option<u64>,
    pushed: String,
    pulled: String,
    state: String,
    tone: &'static str,
    notes: Vec<NoteLine>,
    problem: Option<String>,
    counts: Counts,
    address: String,
    q: String,
    sort: String,
    heads: Vec<Head>,
    rows: Vec<Row>,
    total: u64,
    hidden: u64,
    pager: Pager,
    empty_head: String,
    empty_text: String,
    finding: Option<Pane>,
    close: String,
    placed: Vec<Link>,
}

#[derive(Template)]
#[template(path = "finding.html")]
struct FindingPage {
    frame: Frame,
    crumbs: Vec<Link>,
    f: Pane,
}

struct Link {
    text: String,
    link: String,
}

struct NoteLine {
    text: String,
    next_step: String,
    bad: bool,
}

struct Row {
    id: String,
    link: String,
    current: bool,
    severity: &'static str,
    finding: String,
    kev: bool,
    package: String,
    version: String,
    fixed: String,
    state: &'static str,
    cvss: String,
    epss: String,
    first_seen: String,
}

/// What the pane shows of a finding.
pub struct Pane {
    id: String,
    id_shown: String,
    title: String,
    severity: &'static str,
    severity_source: &'static str,
    kev: String,
    remediation: String,
    steps: Vec<StepLine>,
    why: String,
    purl: String,
    version: String,
    fixed: String,
    state: &'static str,
    paths: Vec<PathLine>,
    advisory: String,
    source: &'static str,
    first_seen: String,
    ids: Vec<String>,
    scores: Vec<Score>,
    epss: String,
    cwe: String,
    published: String,
    images: u64,
    description: String,
    references: Vec<String>,
}

struct StepLine {
    text: String,
    command: String,
}

struct PathLine {
    path: String,
    layer: u32,
    instruction: String,
}

struct Score {
    name: &'static str,
    score: String,
    vector: String,
    words: String,
}

const COLUMNS: [(&str, &str, bool); 8] = [
    ("Severity", "severity", false),
    ("Finding", "vulnerability", false),
    ("Package", "package", false),
    ("Installed", "", false),
    ("Fixed in", "fixable", false),
    ("CVSS", "cvss", true),
    ("EPSS", "epss", true),
    ("First seen", "first_seen", false),
];

/// Shows an image: `/s/{subscription}/{registry}/{repository…}@{digest}`.
pub async fn page(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    match build(&parts, &principal, &path, query.as_deref()).await {
        Ok(page) => frame::page(&page),
        Err(problem) => frame::trouble(&parts, problem),
    }
}

/// Shows a finding on a page of its own.
pub async fn finding(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    match build_finding(&parts, &principal, &id, query.as_deref()).await {
        Ok(page) => frame::page(&page),
        Err(problem) => frame::trouble(&parts, problem),
    }
}

async fn build_finding(
    parts: &Parts,
    principal: &Principal,
    id: &str,
    query: Option<&str>,
) -> Result<FindingPage, Problem> {
    let row = findings::row(parts, principal, id, Params::parse(query))?;
    let crumbs = crumbs(&row.place, Some(&row.image));
    let f = pane(parts, principal, row).await?;
    Ok(FindingPage { frame: Frame::new(parts, "images"), crumbs, f })
}

async fn build(parts: &Parts, principal: &Principal, path: &str, query: Option<&str>) -> Result<Page, Problem> {
    let absent = || Problem::absent("image", path);
    let (place_path, digest) = path.rsplit_once('@').ok_or_else(absent)?;
    let image = images::row(parts, principal, digest)?;
    let is_here = |p: &&Place| place_path == format!("{}/{}/{}", p.subscription, p.registry, p.repository);
    let place = image.places.iter().find(is_here).cloned().ok_or_else(absent)?;
    let address = frame::image_address(&place, digest);

    let mut params = Params::parse(query);
    let shown = params.take("finding")?;
    let q = params.take("q")?.unwrap_or_default();
    let sort = params.take("sort")?.unwrap_or_default();
    let after = params.take("after")?;
    params.finish()?;
    let (question, problem) = question(parts, principal, &place, digest, &q, &sort, after.as_deref())?;
    let whole = Query { filter: here(&place, digest)?, ..question.clone() };
    let (page, counts) = parts.index.ask(|index| Ok((index.findings(&question)?, index.counts(&whole)?)))?;

    let finding = match &shown {
        Some(id) => Some(pane(parts, principal, findings::row(parts, principal, id, Params::default())?).await?),
        None => None,
    };
    let to = |id: &str| {
        frame::link(&address, &[("q", &q), ("sort", &sort), ("after", after.as_deref().unwrap_or("")), ("finding", id)])
    };
    let next = page.next.as_ref().map(|c| c.as_str());
    let rows = page.items.into_iter().map(|r| row(r, shown.as_deref(), to)).collect();
    let (state, tone) = frame::state(image.verdict, image.work, image.coverage, &image.reason);
    let (empty_head, empty_text) = empty(&image);
    Ok(Page {
        frame: Frame::new(parts, "images"),
        name: visible(&name(&place)),
        crumbs: crumbs(&place, None),
        short: digest.get(..19).unwrap_or(digest).to_owned(),
        digest: digest.to_owned(),
        platform: visible(&image.platform),
        os: visible(&image.os),
        size: frame::size(image.bytes),
        packages: image.inventory.map(|_| image.packages),
        pushed: frame::when(place.last_push),
        pulled: frame::when(place.last_pull),
        state,
        tone,
        notes: notes(&image),
        problem,
        counts: Counts::new(&counts.tally, &address),
        heads: frame::heads(&COLUMNS, &address, &q, &sort),
        pager: Pager::new(&address, &q, &sort, after.as_deref(), next),
        rows,
        total: page.total,
        hidden: page.hidden,
        empty_head,
        empty_text,
        close: to(""),
        finding,
        placed: elsewhere(&image, &place),
        address,
        q,
        sort,
    })
}

fn here(place: &Place, digest: &str) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    for (name, value) in [("image", digest), ("registry", &place.registry), ("repository", &place.repository)] {
        filter.field(name, value)?;
    }
    Ok(filter)
}

/// The question of the page; with a wrong word in the filter, the whole list and what is wrong.
fn question(
    parts: &Parts,
    principal: &Principal,
    place: &Place,
    digest: &str,
    q: &str,
    sort: &str,
    after: Option<&str>,
) -> Result<(Query, Option<String>), Problem> {
    let (mut filter, problem) = match Filter::parse(q) {
        Ok(filter) => (filter, None),
        Err(error) => (Filter::default(), Some(visible(&error.to_string()))),
    };
    for (name, value) in [("image", digest), ("registry", &place.registry), ("repository", &place.repository)] {
        filter.field(name, value)?;
    }
    let sort = if sort.is_empty() { fleet::Sort::default() } else { fleet::Sort::parse(sort)? };
    let scope = access::readable(parts, principal)?;
    let after = after.map(fleet::Cursor::parse);
    Ok((Query { filter, scope, sort, limit: 50, after, as_of: None, now: (parts.now)() }, problem))
}

fn name(place: &Place) -> String {
    match place.tags.as_slice() {
        [] => place.repository.clone(),
        tags => format!("{}:{}", place.repository, tags.join(", :")),
    }
}

fn crumbs(place: &Place, digest: Option<&str>) -> Vec<Link> {
    let mut crumbs = vec![
        Link {
            text: visible(&place.registry),
            link: frame::link("/", &[("q", &format!("registry:{}", place.registry))]),
        },
        Link {
            text: visible(&place.repository),
            link: frame::link("/", &[("q", &format!("repo:{}", place.repository))]),
        },
    ];
    if let Some(digest) = digest {
        crumbs.push(Link { text: visible(&name(place)), link: frame::image_address(place, digest) });
    }
    crumbs
}

fn elsewhere(image: &ImageRow, place: &Place) -> Vec<Link> {
    let others = image.places.iter().filter(|p| p.presence != place.presence);
    others.map(|p| Link { text: visible(&name(p)), link: frame::image_address(p, &image.digest) }).collect()
}

/// Why the verdict is not complete, and what to do.
fn notes(image: &ImageRow) -> Vec<NoteLine> {
    let codes = image.reason.split(',').filter_map(reason);
    let bad = image.verdict == Verdict::Failed;
    codes.map(|r| NoteLine { text: r.meaning.into(), next_step: r.next_step.into(), bad }).collect()
}

/// What an empty list says: what was looked at, never a bare tick.
fn empty(image: &ImageRow) -> (String, String) {
    match image.verdict {
        Verdict::None => ("Not scanned yet".into(), "The page changes by itself when it is.".into()),
        Verdict::Complete => {
            ("No findings".into(), format!("{} packages were checked and nothing was left out.", image.packages))
        }
        Verdict::Gaps => {
            ("No findings in what could be read".into(), "Something is missing: the notes above say what.".into())
        }
        Verdict::Unsupported | Verdict::Failed => {
            ("Not judged".into(), "The notes above say why and what to do.".into())
        }
    }
}

fn row(row: FindingRow, current: Option<&str>, to: impl Fn(&str) -> String) -> Row {
    let id = row.id.to_string();
    Row {
        link: to(&id),
        current: current == Some(id.as_str()),
        id,
        severity: row.severity.as_str(),
        finding: visible(&row.vulnerability.name),
        kev: row.vulnerability.kev.0 != 0,
        package: visible(&row.package.name),
        version: visible(&row.package.version),
        fixed: visible(&row.fixed_version),
        state: row.state.as_str(),
        cvss: frame::tenths(row.vulnerability.cvss),
        epss: frame::percent(row.vulnerability.epss),
        first_seen: frame::when(row.first_seen),
    }
}

async fn pane(parts: &Parts, principal: &Principal, row: FindingRow) -> Result<Pane, Problem> {
    let scope = access::readable(parts, principal)?;
    let query = Query { scope, limit: 1, now: (parts.now)(), ..Query::default() };
    let radius = parts.index.ask(|index| Ok(index.blast_radius(&row.vulnerability.name, &query)?))?;
    let detail = detail::detail(parts, row).await?;
    Ok(shown(detail, radius.map_or(0, |r| r.row.images)))
}

fn shown(detail: FindingDetail, images: u64) -> Pane {
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
    let epss = finding.epss.map(|p| format!("{:.1} % within 30 days", p * 100.0)).unwrap_or_default();
    let epss = match detail.epss_date.as_deref().and_then(|d| d.get(..10)) {
        Some(day) if !epss.is_empty() => format!("{epss} (as of {day})"),
        _ => epss,
    };
    let ids = distinct(std::iter::once(finding.finding_id.clone()).chain(finding.cves).chain(finding.aliases));
    Pane {
        id: finding.id,
        id_shown: finding.finding_id,
        title: visible(&finding.security_check),
        severity: finding.severity,
        severity_source: finding.severity_source,
        kev: finding.kev.as_deref().and_then(|k| k.get(..10)).unwrap_or("").to_owned(),
        remediation: visible(&finding.remediation),
        steps: detail
            .steps
            .into_iter()
            .map(|s| StepLine { text: visible(&s.text), command: visible(&s.command.unwrap_or_default()) })
            .collect(),
        why: visible(&format!("{} {}", detail.why.comparison, detail.why.result)),
        purl: visible(&finding.package.purl),
        version: visible(&finding.package.version),
        fixed: visible(&finding.fixed_version.unwrap_or_default()),
        state: finding.vendor_state,
        paths: paths.collect(),
        advisory: visible(&detail.why.advisory),
        source: detail.why.source,
        first_seen: finding.first_seen.unwrap_or_default(),
        ids,
        scores: scores.into_iter().filter_map(|(name, s)| score(name, s)).collect(),
        epss,
        cwe: detail.cwe.join(", "),
        published: finding.published.unwrap_or_default(),
        images,
        description: visible(&detail.description),
        references: detail
            .references
            .into_iter()
            .filter(|r| r.starts_with("https://") || r.starts_with("http://"))
            .collect(),
    }
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
