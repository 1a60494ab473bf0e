//! One image with its findings, and the pane of one finding.

use super::frame::{self, Counts, Export, Frame, Pager, Step, When, visible};
use super::pane::{self, Pane};
use super::visit::Visit;
use crate::access;
use crate::api::{findings, images};
use crate::params::{Name, Params};
use crate::parts::Parts;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::{Filter, FindingRow, ImageRow, Place, Query};
use model::time::Micros;
use model::verdict::{Coverage, Verdict, Work, reason};
use store::Principal;

#[derive(Template)]
#[template(path = "image.html")]
struct Page {
    frame: Frame,
    image: Head,
    problem: Option<String>,
    counts: Counts,
    address: String,
    q: String,
    sort: String,
    heads: Vec<frame::Head>,
    rows: Vec<Row>,
    total: u64,
    hidden: u64,
    pager: Pager,
    export: Export,
    empty_head: String,
    empty_text: String,
    finding: Option<Pane>,
    close: String,
    before: String,
    after: String,
}

/// What every view of an image says first.
struct Head {
    name: String,
    crumbs: Vec<Step>,
    digest: String,
    short: String,
    platform: String,
    os: String,
    size: String,
    packages: Option<u64>,
    pushed: When,
    pulled: When,
    scanned: When,
    state: String,
    tone: &'static str,
    notes: Vec<NoteLine>,
    unread: Vec<Unread>,
    unread_total: usize,
    placed: Vec<Step>,
}

impl Head {
    fn new(image: &ImageRow, place: &Place, last: Option<&store::ScanRow>, now: Micros) -> Self {
        let unread = unread(last);
        let (state, tone) = frame::state(image.verdict, image.work, image.coverage, &image.reason);
        Self {
            name: visible(&name(place)),
            crumbs: crumbs(place, None),
            short: image.digest.get(..19).unwrap_or(&image.digest).to_owned(),
            digest: image.digest.clone(),
            platform: visible(&image.platform),
            os: visible(&image.os),
            size: frame::size(image.bytes),
            packages: image.inventory.map(|_| image.packages),
            pushed: When::of(place.last_push, now),
            pulled: When::of(place.last_pull, now),
            scanned: When::of(last.map(|scan| scan.finished).unwrap_or_default(), now),
            state,
            tone,
            notes: notes(image),
            unread_total: unread.len(),
            unread: unread.into_iter().take(UNREAD_SHOWN).collect(),
            placed: elsewhere(image, place),
        }
    }
}

/// What of the image could not be read.
struct Unread {
    path: String,
    text: String,
}

#[derive(Template)]
#[template(path = "finding.html")]
struct FindingPage {
    frame: Frame,
    crumbs: Vec<Step>,
    f: Pane,
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
    first_seen: When,
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
pub async fn page(visit: Visit, path: String) -> Response {
    let built = build(&visit, &path).await;
    frame::answer(&visit, built)
}

/// Shows a finding on a page of its own.
pub async fn finding(visit: Visit, Name(id): Name) -> Response {
    let built = build_finding(&visit, &id).await;
    frame::answer(&visit, built)
}

async fn build_finding(visit: &Visit, id: &str) -> Result<FindingPage, Problem> {
    let row = findings::row(&visit.parts, &visit.who, id, Params::parse(visit.query.as_deref()))?;
    let crumbs = crumbs(&row.place, Some(&row.image));
    let f = pane::read(&visit.parts, &visit.who, row).await?;
    let frame = Frame::new(visit, "inventory").programs(
        visit,
        &format!("/findings/{}", f.id),
        &format!("portwarden finding show {}", f.id),
    );
    Ok(FindingPage { frame, crumbs, f })
}

async fn build(visit: &Visit, path: &str) -> Result<Page, Problem> {
    let (parts, principal) = (&visit.parts, &visit.who);
    let absent = || Problem::absent("image", path);
    let (place_path, digest) = path.rsplit_once('@').ok_or_else(absent)?;
    let image = images::row(parts, principal, digest)?;
    let is_here = |p: &&Place| place_path == format!("{}/{}/{}", p.subscription, p.registry, p.repository);
    let place = image.places.iter().find(is_here).cloned().ok_or_else(absent)?;
    let address = frame::image_address(&place, digest);

    let Asked { shown, q, sort, after } = Asked::of(visit.query.as_deref())?;
    let (question, problem) = question(parts, principal, &place, digest, &q, &sort, after.as_deref())?;
    let whole = Query { filter: here(&place, digest)?, ..question.clone() };
    let (page, counts) = parts.index.ask(|index| Ok((index.findings(&question)?, index.counts(&whole)?)))?;

    let finding = shown_finding(parts, principal, shown.as_deref()).await?;
    let to = |id: &str| {
        frame::link(&address, &[("q", &q), ("sort", &sort), ("after", after.as_deref().unwrap_or("")), ("finding", id)])
    };
    let now = question.now;
    let rows: Vec<Row> = page.items.into_iter().map(|r| row(r, shown.as_deref(), now, to)).collect();
    let [before, following] = neighbours(&rows);
    let last = parts.store.scans(image.id, 1).await?.into_iter().next();
    let (empty_head, empty_text) = empty(&image);
    Ok(Page {
        frame: framed(visit, digest),
        image: Head::new(&image, &place, last.as_ref(), now),
        problem,
        counts: Counts::new(&counts.tally, &address, Some("")),
        heads: frame::heads(&COLUMNS, &address, &q, &sort),
        pager: Pager::new(&address, &q, &sort, after.as_deref(), page.next.as_ref().map(|c| c.as_str())),
        rows,
        total: page.total,
        hidden: page.hidden,
        empty_head,
        empty_text,
        export: export(&place, digest, &q, &sort),
        close: to(""),
        before,
        after: following,
        finding,
        address,
        q,
        sort,
    })
}

fn framed(visit: &Visit, digest: &str) -> Frame {
    Frame::new(visit, "inventory").programs(
        visit,
        &format!("/images/{digest}"),
        &format!("portwarden image show {digest}"),
    )
}

async fn shown_finding(parts: &Parts, principal: &Principal, id: Option<&str>) -> Result<Option<Pane>, Problem> {
    let Some(id) = id else { return Ok(None) };
    let row = findings::row(parts, principal, id, Params::default())?;
    pane::read(parts, principal, row).await.map(Some)
}

/// What the address of the page asks for.
struct Asked {
    shown: Option<String>,
    q: String,
    sort: String,
    after: Option<String>,
}

impl Asked {
    fn of(query: Option<&str>) -> Result<Self, Problem> {
        let mut params = Params::parse(query);
        params.take("tab")?;
        let asked = Self {
            shown: params.take("finding")?,
            q: params.take("q")?.unwrap_or_default(),
            sort: params.take("sort")?.unwrap_or_default(),
            after: params.take("after")?,
        };
        params.finish()?;
        Ok(asked)
    }
}

fn export(place: &Place, digest: &str, q: &str, sort: &str) -> Export {
    let here = [("image", digest), ("registry", &place.registry), ("repository", &place.repository)];
    let parameters = [&[("q", q), ("sort", sort)], here.as_slice()].concat();
    Export::new("/findings", &parameters)
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

fn crumbs(place: &Place, digest: Option<&str>) -> Vec<Step> {
    let mut crumbs = vec![
        Step {
            text: visible(&place.registry),
            link: frame::link("/", &[("q", &format!("registry:{}", place.registry))]),
        },
        Step {
            text: visible(&place.repository),
            link: frame::link("/", &[("q", &format!("repo:{}", place.repository))]),
        },
    ];
    if let Some(digest) = digest {
        crumbs.push(Step { text: visible(&name(place)), link: frame::image_address(place, digest) });
    }
    crumbs
}

fn elsewhere(image: &ImageRow, place: &Place) -> Vec<Step> {
    let others = image.places.iter().filter(|p| p.presence != place.presence);
    others.map(|p| Step { text: visible(&name(p)), link: frame::image_address(p, &image.digest) }).collect()
}

/// The findings before and after the one that is shown, as addresses; empty where there is none.
fn neighbours(rows: &[Row]) -> [String; 2] {
    let Some(at) = rows.iter().position(|row| row.current) else { return Default::default() };
    let link = |at: Option<usize>| at.and_then(|at| rows.get(at)).map(|row| row.link.clone()).unwrap_or_default();
    [link(at.checked_sub(1)), link(at.checked_add(1))]
}

/// At most so many notes of a scan: the API has all of them.
const UNREAD_SHOWN: usize = 50;

fn unread(scan: Option<&store::ScanRow>) -> Vec<Unread> {
    let notes = scan.into_iter().flat_map(|scan| &scan.notes).filter(|note| note.gap);
    notes.map(|note| Unread { path: visible(&note.path), text: visible(&note.text) }).collect()
}

/// Why the verdict is not complete, and what to do.
fn notes(image: &ImageRow) -> Vec<NoteLine> {
    let bad = image.verdict == Verdict::Failed;
    let codes = image.reason.split(',').filter_map(reason);
    let mut notes: Vec<_> =
        codes.map(|r| NoteLine { text: r.meaning.into(), next_step: r.next_step.into(), bad }).collect();
    if image.coverage == Coverage::Accessory && notes.is_empty() {
        let known = reason("accessory").into_iter();
        notes.extend(known.map(|r| NoteLine { text: r.meaning.into(), next_step: r.next_step.into(), bad }));
    }
    notes.extend(uncovered(image));
    if image.work == Work::RetryAt {
        let text = "The last try did not succeed; it is tried again by itself.".into();
        let next_step = "Nothing to do at once. If it stays, see `portwarden doctor` and the server's log.".into();
        notes.push(NoteLine { text, next_step, bad: false });
    }
    notes
}

/// Says why an image is not kept judged, and since when.
fn uncovered(image: &ImageRow) -> Option<NoteLine> {
    let day = crate::view::moment(image.coverage_since);
    let since = day.as_deref().and_then(|day| day.get(..10)).map(|day| format!(" since {day}")).unwrap_or_default();
    let (text, next_step) = match image.coverage {
        Coverage::PlanOff => (
            format!("The plan is off here{since}: nothing is scanned, and findings are those of then."),
            "Switch the plan on in Settings > Plans; images of the window are then taken in.",
        ),
        Coverage::OutsideWindow => (
            format!("Outside the window{since}: nobody pushed or pulled it for as many days as the subscription says."),
            "Push or pull it to have it kept judged again, or widen the window in Settings > Subscriptions.",
        ),
        _ => return None,
    };
    Some(NoteLine { text, next_step: next_step.into(), bad: false })
}

/// What an empty list says: what was looked at, never a bare tick.
fn empty(image: &ImageRow) -> (String, String) {
    match image.verdict {
        Verdict::None if image.coverage == Coverage::Accessory => {
            ("Nothing to judge".into(), "It is kept and served, and counts in no total.".into())
        }
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

fn row(row: FindingRow, current: Option<&str>, now: Micros, to: impl Fn(&str) -> String) -> Row {
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
        first_seen: When::of(row.first_seen, now),
    }
}
