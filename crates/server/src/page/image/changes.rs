//! What changed against another image of the repository: by the push, and apart from it, by what was learned since.

use super::{Head, Here};
use crate::api::changes::{Changes, compare};
use crate::page::frame::{self, Frame, Step, When, visible};
use crate::page::visit::Visit;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::{FindingRow, ImageRow, Place};

#[derive(Template)]
#[template(path = "image_changes.html")]
struct Page {
    frame: Frame,
    image: Head,
    address: String,
    against: Option<Step>,
    pushed: When,
    others: Vec<Other>,
    open: u64,
    groups: Vec<Group>,
    packages: Vec<PackageLine>,
    packages_total: usize,
    bars: [u64; 2],
}

/// An image to compare with.
struct Other {
    digest: String,
    text: String,
    chosen: bool,
}

/// Findings that changed in one way.
struct Group {
    title: &'static str,
    about: &'static str,
    tone: &'static str,
    rows: Vec<Row>,
    total: usize,
}

struct Row {
    severity: &'static str,
    id: String,
    link: String,
    kev: bool,
    package: String,
    version: String,
    fixed: String,
}

struct PackageLine {
    name: String,
    ecosystem: String,
    from: String,
    to: String,
}

/// Rows of each table; REST has all of them.
const SHOWN: usize = 100;

/// Shows the changes.
pub async fn page(visit: &Visit, here: Here, against: Option<String>) -> Response {
    frame::answer(visit, build(visit, here, against).await)
}

async fn build(visit: &Visit, here: Here, against: Option<String>) -> Result<Page, Problem> {
    let against = against.filter(|digest| !digest.is_empty());
    let changes = compare(&visit.parts, &visit.who, (&here.image, &here.place), against.as_deref()).await?;
    let chosen = changes.against.as_ref().map(|(row, _)| row.digest.clone());
    let other = |(row, place): &(ImageRow, Place)| Other {
        text: format!("{} ({})", named(row, place), When::of(place.last_push, here.now).text),
        chosen: chosen.as_ref() == Some(&row.digest),
        digest: row.digest.clone(),
    };
    let link = |(row, place): &(ImageRow, Place)| Step {
        text: named(row, place),
        link: frame::image_address(place, &row.digest),
    };
    let pushed = changes.against.as_ref().map(|(_, place)| When::of(place.last_push, here.now)).unwrap_or_default();
    let packages = changes.packages.iter().take(SHOWN).map(|change| PackageLine {
        name: visible(&change.name),
        ecosystem: visible(&change.ecosystem),
        from: visible(&change.from.join(", ")),
        to: visible(&change.to.join(", ")),
    });
    Ok(Page {
        frame: here.frame(visit, "changes")?,
        image: Head::new(&here, "changes"),
        address: here.address.clone(),
        against: changes.against.as_ref().map(link),
        pushed,
        others: changes.others.iter().map(other).collect(),
        open: changes.open,
        packages: packages.collect(),
        packages_total: changes.packages.len(),
        bars: bars(changes.new.len() as u64, changes.fixed.len() as u64),
        groups: groups(changes, &here.place, &here.image.digest),
    })
}

/// Widths of two bars, of 1,000.
fn bars(new: u64, fixed: u64) -> [u64; 2] {
    let most = new.max(fixed).max(1);
    [new * 1000 / most, fixed * 1000 / most]
}

fn named(row: &ImageRow, place: &Place) -> String {
    let short = row.digest.get(..19).unwrap_or(&row.digest);
    match place.tags.first() {
        Some(tag) => visible(&format!("{}:{tag} {short}", place.repository)),
        None => visible(&format!("{} {short}", place.repository)),
    }
}

fn groups(changes: Changes, place: &Place, digest: &str) -> Vec<Group> {
    let other = changes.against.map(|(row, place)| frame::image_address(&place, &row.digest)).unwrap_or_default();
    let mine = frame::image_address(place, digest);
    let group = |title, about, tone, rows: Vec<FindingRow>, address: &str| Group {
        title,
        about,
        tone,
        total: rows.len(),
        rows: rows.into_iter().take(SHOWN).map(|row| line(row, address)).collect(),
    };
    vec![
        group("New by this push", "The image brought them.", "bad", changes.new, &mine),
        group("Fixed by this push", "The image is rid of them.", "good", changes.fixed, &other),
        group(
            "Learned since",
            "Both images have them; they became known after the push.",
            "warn",
            changes.learned,
            &mine,
        ),
        group(
            "Taken back since",
            "Advisories that no longer hold; nothing was pushed for it.",
            "",
            changes.withdrawn,
            "",
        ),
    ]
}

fn line(row: FindingRow, address: &str) -> Row {
    let link = match address {
        "" => format!("/vulnerabilities/{}", crate::params::encoded(&row.vulnerability.name)),
        address => frame::link(address, &[("finding", &row.id.to_string())]),
    };
    Row {
        severity: row.severity.as_str(),
        id: visible(&row.vulnerability.name),
        link,
        kev: row.vulnerability.kev.0 != 0,
        package: visible(&row.package.name),
        version: visible(&row.package.version),
        fixed: visible(&row.fixed_version),
    }
}
