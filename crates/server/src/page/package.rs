//! Where a package is: every image that holds it, and its other versions.

use super::frame::{self, Counts, Frame, Pager, When, visible};
use super::visit::Visit;
use crate::access;
use crate::params::{Name, Params, encoded};
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::{Filter, ImageRow, Index, PackageRow, Query};
use model::time::Micros;

#[derive(Template)]
#[template(path = "package.html")]
struct Page {
    frame: Frame,
    name: String,
    version: String,
    ecosystem: String,
    purl: String,
    counts: Counts,
    rows: Vec<Row>,
    total: u64,
    pager: Pager,
    versions: Vec<Version>,
}

struct Row {
    name: String,
    link: String,
    digest: String,
    counts: Counts,
    pulled: When,
    pushed: When,
}

struct Version {
    version: String,
    ecosystem: String,
    link: String,
    here: bool,
    images: u64,
    images_link: String,
    counts: Counts,
}

/// The word of a filter for exactly this package.
fn word(purl: &str) -> String {
    format!("pkg:{}", purl.trim_start_matches("pkg:"))
}

/// Shows a package.
pub async fn page(visit: Visit, Name(purl): Name) -> Response {
    frame::answer(&visit, build(&visit, &purl))
}

fn build(visit: &Visit, purl: &str) -> Result<Page, Problem> {
    let absent = || Problem::absent("package", purl);
    let mut params = Params::parse(visit.query.as_deref());
    let after = params.take("after")?;
    params.finish()?;
    let scope = access::readable(&visit.parts, &visit.who)?;
    let now = (visit.parts.now)();
    let of = |text: &str, after: Option<&str>| -> Result<Query, Problem> {
        let mut filter = Filter::default();
        filter.field("package", text).map_err(|_| absent())?;
        let after = after.map(fleet::Cursor::parse);
        Ok(Query { filter, scope: scope.clone(), limit: 50, now, after, ..Query::default() })
    };
    let this = of(purl.trim_start_matches("pkg:"), None)?;
    let holding = of(purl.trim_start_matches("pkg:"), after.as_deref())?;
    let found = visit.parts.index.ask(|index| Ok(index.packages(&this)?))?;
    let package = found.items.into_iter().find(|row| row.fact.purl == purl).ok_or_else(absent)?;
    let named = of(&package.fact.name, None)?;
    let ask = |index: &Index| Ok((index.images(&holding)?, index.packages(&named)?));
    let (images, versions) = visit.parts.index.ask(ask)?;
    let fact = &package.fact;
    let address = format!("/packages/{}", encoded(purl));
    let others = versions.items.iter().filter(|row| row.fact.name == fact.name);
    let api = frame::link("/packages", &[("package", purl.trim_start_matches("pkg:"))]);
    Ok(Page {
        frame: Frame::new(visit, "inventory").programs(visit, &api, ""),
        name: visible(&fact.name),
        version: visible(&fact.version),
        ecosystem: visible(&fact.ecosystem),
        purl: visible(purl),
        counts: Counts::new(&package.tally, "/findings", Some(&word(purl))),
        total: images.total,
        pager: Pager::new(&address, "", "", after.as_deref(), images.next.as_ref().map(|c| c.as_str())),
        rows: images.items.iter().filter_map(|image| row(image, purl, now)).collect(),
        versions: others.map(|row| version(row, purl)).collect(),
    })
}

fn row(image: &ImageRow, purl: &str, now: Micros) -> Option<Row> {
    let place = image.places.first()?;
    let link = frame::image_address(place, &image.digest);
    let name = match place.tags.first() {
        Some(tag) => format!("{}:{tag}", place.repository),
        None => place.repository.clone(),
    };
    let counts = match image.places.len() {
        1 => Counts::new(&image.tally, &frame::link(&link, &[("tab", "findings")]), Some(&word(purl))),
        _ => Counts::new(&image.tally, "/findings", Some(&format!("{} image:{}", word(purl), image.digest))),
    };
    Some(Row {
        name: visible(&name),
        digest: image.digest.split(':').nth(1).and_then(|hex| hex.get(..12)).unwrap_or("").to_owned(),
        counts,
        pulled: When::of(image.places.iter().map(|p| p.last_pull).max().unwrap_or_default(), now),
        pushed: When::of(image.places.iter().map(|p| p.last_push).max().unwrap_or_default(), now),
        link,
    })
}

fn version(row: &PackageRow, purl: &str) -> Version {
    let word = word(&row.fact.purl);
    Version {
        version: visible(&row.fact.version),
        ecosystem: visible(&row.fact.ecosystem),
        link: format!("/packages/{}", encoded(&row.fact.purl)),
        here: row.fact.purl == purl,
        images: row.images,
        images_link: frame::link("/inventory", &[("q", &word)]),
        counts: Counts::new(&row.tally, "/findings", Some(&word)),
    }
}
