//! One image: its head, and its tabs.

mod changes;
mod findings;
mod fixes;
mod layers;
mod packages;
pub mod remove;
mod sbom;
mod scans;

use super::frame::{self, Counts, Frame, Step, Tab, When, visible};
use super::pane::{self, Pane};
use super::scope::{self, Scoped};
use super::visit::Visit;
use crate::access;
use crate::api::{self, images};
use crate::params::{Name, Params};
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::{ImageRow, Place, Query};
use model::time::Micros;
use model::verdict::{Coverage, Verdict, Work, reason};

/// The tabs: word of the address, text.
const TABS: [(&str, &str); 7] = [
    ("fixes", "Fixes"),
    ("findings", "Findings"),
    ("packages", "Packages"),
    ("layers", "Layers"),
    ("changes", "Changes"),
    ("scans", "Scans"),
    ("sbom", "SBOM"),
];

/// An image at a place: what every tab begins with.
struct Here {
    image: ImageRow,
    place: Place,
    address: String,
    scoped: Scoped,
    counts: fleet::Counts,
    last: Option<store::ScanRow>,
    now: Micros,
    /// Where it may be deleted from here; empty to whom may not.
    remove: String,
}

impl Here {
    async fn read(visit: &Visit, path: &str) -> Result<Self, Problem> {
        let absent = || Problem::absent("image", path);
        let (place_path, digest) = path.rsplit_once('@').ok_or_else(absent)?;
        let image = images::row(&visit.parts, &visit.who, digest)?;
        let is_here = |p: &&Place| place_path == format!("{}/{}/{}", p.subscription, p.registry, p.repository);
        let place = image.places.iter().find(is_here).cloned().ok_or_else(absent)?;
        let filter = api::changes::at(&place, digest)?;
        let now = (visit.parts.now)();
        let scope = access::readable(&visit.parts, &visit.who)?;
        let whole = Query { filter, scope, limit: 1, now, ..Query::default() };
        let counts = visit.parts.index.ask(|index| Ok(index.counts(&whole)?))?;
        let last = visit.parts.store.scans(image.id, 1).await?.into_iter().next();
        let scoped = Scoped::read(visit, &format!("/{place_path}"))?;
        let group = scoped.registry.as_ref().map_or("", |registry| registry.resource_group.as_str());
        let remove = remove::link(visit, &place, group, digest);
        Ok(Self { address: frame::image_address(&place, digest), image, place, scoped, counts, last, now, remove })
    }

    /// The address of a tab.
    fn tab(&self, tab: &str) -> String {
        frame::link(&self.address, &[("tab", tab)])
    }

    /// The image at its place, as parameters of a list.
    fn fields(&self) -> [(&'static str, &str); 4] {
        [
            ("subscription", &self.place.subscription),
            ("registry", &self.place.registry),
            ("repository", &self.place.repository),
            ("image", &self.image.digest),
        ]
    }

    fn frame(&self, visit: &Visit, tab: &str) -> Result<Frame, Problem> {
        let digest = &self.image.digest;
        let (api, cli) = match tab {
            "findings" => (frame::link("/findings", &self.fields()), format!("portwarden finding list image:{digest}")),
            "fixes" => (format!("/images/{digest}/upgrades"), format!("portwarden image show {digest}")),
            tab => (format!("/images/{digest}/{tab}"), format!("portwarden image show {digest}")),
        };
        Frame::new(visit, "inventory").programs(visit, &api, &cli).walked(visit, &self.scoped)
    }
}

/// What every tab says first.
struct Head {
    name: String,
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
    counts: Counts,
    tabs: Vec<Tab>,
    empty_head: String,
    empty_text: String,
    placed: Vec<Step>,
    remove: String,
}

impl Head {
    fn new(here: &Here, shown: &str) -> Self {
        let Here { image, place, now, last, .. } = here;
        let unread = unread(last.as_ref());
        let (state, tone) = frame::state(image.verdict, image.work, image.coverage, &image.reason);
        let count = |tab: &str| match tab {
            "findings" if image.inventory.is_some() => here.counts.tally.findings().to_string(),
            "packages" if image.inventory.is_some() => image.packages.to_string(),
            _ => String::new(),
        };
        let tab = |(tab, text): (&str, &str)| Tab {
            text: text.to_owned(),
            link: here.tab(tab),
            count: count(tab),
            here: tab == shown,
        };
        let (empty_head, empty_text) = empty(image);
        Self {
            name: visible(&name(place)),
            short: image.digest.get(..19).unwrap_or(&image.digest).to_owned(),
            digest: image.digest.clone(),
            platform: visible(&image.platform),
            os: visible(&image.os),
            size: model::text::size(image.bytes),
            packages: image.inventory.map(|_| image.packages),
            pushed: When::of(place.last_push, *now),
            pulled: When::of(place.last_pull, *now),
            scanned: When::of(last.as_ref().map(|scan| scan.finished).unwrap_or_default(), *now),
            state,
            tone,
            notes: notes(image),
            unread_total: unread.len(),
            unread: unread.into_iter().take(UNREAD_SHOWN).collect(),
            counts: Counts::new(&here.counts.tally, &here.tab("findings"), Some("")),
            tabs: TABS.into_iter().map(tab).collect(),
            empty_head,
            empty_text,
            placed: elsewhere(image, place),
            remove: here.remove.clone(),
        }
    }
}

/// What of the image could not be read.
struct Unread {
    path: String,
    text: String,
}

struct NoteLine {
    text: String,
    next_step: String,
    bad: bool,
}

#[derive(Template)]
#[template(path = "finding.html")]
struct FindingPage {
    frame: Frame,
    crumbs: Vec<Step>,
    f: Pane,
}

/// Shows an image: `/s/{subscription}/{registry}/{repository…}@{digest}`, one tab of it.
pub async fn page(visit: Visit, path: String) -> Response {
    let params = Params::parse(visit.query.as_deref());
    let given = |name: &str| params.clone().take(name).ok().flatten();
    let listed = ["q", "sort", "after", "finding"].into_iter().any(|name| given(name).is_some());
    let tab = given("tab").unwrap_or_else(|| if listed { "findings" } else { "fixes" }.to_owned());
    let here = match Here::read(&visit, &path).await {
        Ok(here) => here,
        Err(problem) => return frame::trouble(&visit, problem),
    };
    match tab.as_str() {
        "fixes" => fixes::page(&visit, here).await,
        "findings" => findings::page(&visit, here).await,
        "packages" => packages::page(&visit, here).await,
        "layers" => layers::page(&visit, here).await,
        "changes" => changes::page(&visit, here, given("against")).await,
        "scans" => scans::page(&visit, here).await,
        "sbom" => sbom::page(&visit, here),
        _ => {
            let words: Vec<&str> = TABS.iter().map(|tab| tab.0).collect();
            let text = format!("tab={tab:?}; allowed: {}", words.join(", "));
            frame::trouble(&visit, Problem::parameter("tab", text))
        }
    }
}

/// Shows a finding on a page of its own.
pub async fn finding(visit: Visit, Name(id): Name) -> Response {
    let built = build_finding(&visit, &id).await;
    frame::answer(&visit, built)
}

async fn build_finding(visit: &Visit, id: &str) -> Result<FindingPage, Problem> {
    let row = api::findings::row(&visit.parts, &visit.who, id, Params::parse(visit.query.as_deref()))?;
    let mut crumbs = crumbs(&row.place);
    crumbs.push(Step { text: visible(&name(&row.place)), link: frame::image_address(&row.place, &row.image) });
    let f = pane::read(&visit.parts, &visit.who, row).await?;
    let frame = Frame::new(visit, "inventory").programs(
        visit,
        &format!("/findings/{}", f.id),
        &format!("portwarden finding show {}", f.id),
    );
    Ok(FindingPage { frame, crumbs, f })
}

fn name(place: &Place) -> String {
    match place.tags.as_slice() {
        [] => place.repository.clone(),
        tags => format!("{}:{}", place.repository, tags.join(", :")),
    }
}

fn crumbs(place: &Place) -> Vec<Step> {
    let registry = format!("/{}/{}", place.subscription, place.registry);
    let repository = format!("{registry}/{}", place.repository);
    vec![
        Step { text: visible(&place.registry), link: scope::walk(&registry) },
        Step { text: visible(&place.repository), link: scope::walk(&repository) },
    ]
}

fn elsewhere(image: &ImageRow, place: &Place) -> Vec<Step> {
    let others = image.places.iter().filter(|p| p.presence != place.presence);
    others.map(|p| Step { text: visible(&name(p)), link: frame::image_address(p, &image.digest) }).collect()
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
        Coverage::BlockedByNetwork => (
            "Blocked by network rules; allow trusted services.".into(),
            "The registry keeps the scanner out. `portwarden registry network set REGISTRY --allow-trusted-services true`, or \
                Settings > Registries > Network rules, lets it in; what waits is scanned at once.",
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
        Verdict::None if image.coverage == Coverage::BlockedByNetwork => {
            ("Not scanned".into(), "It is scanned once the network rules let the scanner in.".into())
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
