//! The rows of the short lists of the overview.

use crate::page::frame::{self, Counts, When, visible};
use crate::page::list::{Asked, Part};
use crate::page::scope::{self, Names};
use crate::params::encoded;
use model::rule::State;
use model::time::Micros;
use std::time::Duration;
use store::RuleRow;

/// Rows of each short list.
pub const SHORT: usize = 6;
/// New since yesterday.
pub const FRESH: &str = "age:<1d";
/// In use: pulled within so many days, in words of a filter and as a number.
pub const USED: &str = "pulled:<30d";
/// The same as a number.
pub const USED_DAYS: i64 = 30;
/// A rule that ends within so many days is shown.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// A vulnerability that was first seen since yesterday.
pub struct Fresh {
    /// The severity.
    pub severity: &'static str,
    /// Its heading.
    pub id: String,
    /// Where it is shown.
    pub link: String,
    /// Whether it is known to be exploited.
    pub kev: bool,
    /// The packages hit.
    pub packages: String,
    /// Images.
    pub images: u64,
    /// Where exactly these are listed.
    pub images_link: String,
    /// Whether there is a fix.
    pub fixable: bool,
}

/// A repository.
pub struct Top {
    /// Its name.
    pub name: String,
    /// Where it is shown.
    pub link: String,
    /// Its findings.
    pub counts: Counts,
    /// Images.
    pub images: u64,
}

/// A repository that weighs, with a bar.
pub struct Weighed {
    /// The repository: what is in use there.
    pub top: Top,
    /// Where exactly its images are listed.
    pub images_link: String,
    /// Its points.
    pub points: u64,
    /// The bar by severity, all of it against the heaviest.
    pub bar: Vec<Part>,
}

/// An image that could not be judged, or not in full.
pub struct Troubled {
    /// Its name.
    pub name: String,
    /// Where it is shown.
    pub link: String,
    /// How it stands.
    pub state: String,
    /// The colour of that.
    pub tone: &'static str,
    /// Since when.
    pub since: When,
}

/// Makes the row of a vulnerability.
pub fn fresh_row(row: fleet::VulnerabilityRow, listed: &dyn Fn(&str, &str) -> String) -> Fresh {
    let shown = 2;
    let mut packages = row.packages.iter().take(shown).map(|p| visible(p)).collect::<Vec<_>>().join(", ");
    if row.packages.len() > shown {
        packages.push_str(&format!(" and {} more", row.packages.len() - shown));
    }
    Fresh {
        severity: row.severity.as_str(),
        link: format!("/vulnerabilities/{}", encoded(&row.fact.name)),
        id: visible(&row.fact.name),
        kev: row.fact.kev.0 != 0,
        packages,
        images: row.images,
        images_link: listed("/inventory", &format!("cve:{} {FRESH}", row.fact.name)),
        fixable: row.fixable,
    }
}

/// Makes the row of a repository.
pub fn top_row(row: fleet::RepositoryRow) -> Top {
    let path = format!("/{}/{}/{}", row.subscription, row.registry, row.name);
    Top {
        name: visible(&row.name),
        link: scope::walk(&path),
        counts: Counts::new(&row.tally, &frame::link("/findings", &[("scope", &path)]), Some("")),
        images: row.images,
    }
}

/// Makes the row of a repository that weighs; `most` is what the heaviest does.
pub fn weighed_row(weight: fleet::Weight, most: u64) -> Weighed {
    let (points, bar) = (weight.total(), bar(&weight.points, most));
    let row = weight.repository;
    let images = row.images;
    let path = format!("/{}/{}/{}", row.subscription, row.registry, row.name);
    let counts = Counts::new(&row.tally, &frame::link("/findings", &[("scope", &path)]), Some(USED));
    let images_link = frame::link("/inventory", &[("scope", &path), ("q", USED)]);
    Weighed { top: Top { counts, images, ..top_row(row) }, images_link, points, bar }
}

/// The severities that have points, as wide as their points; the heaviest repository has all the width.
fn bar(points: &[u64; 4], most: u64) -> Vec<Part> {
    let mut before = 0;
    let mut parts = Vec::new();
    for ((severity, _), count) in fleet::POINTS.iter().zip(*points).filter(|(_, points)| *points > 0) {
        let edge = |points: u64| points * 1_000 / most.max(1);
        let (x, word) = (edge(before), severity.as_str());
        before += count;
        parts.push(Part { word, count, link: String::new(), x, width: edge(before) - x });
    }
    parts
}

/// Makes the row of a package whose upgrade fixes findings: those that pass the filter.
pub fn upgrade_row(row: fleet::PackageRow, asked: &Asked, filter: &str) -> Top {
    let word = format!("pkg:{} {filter}", row.fact.purl.trim_start_matches("pkg:"));
    Top {
        name: visible(&format!("{} {}", row.fact.name, row.fact.version)),
        link: format!("/packages/{}", encoded(&row.fact.purl)),
        counts: Counts::new(&row.tally, &asked.address("/findings"), Some(&word)),
        images: row.images,
    }
}

/// Makes the row of an image; `None` where it is nowhere.
pub fn troubled_row(row: &fleet::ImageRow, now: Micros) -> Option<Troubled> {
    let place = row.places.first()?;
    let (state, tone) = frame::state(row.verdict, row.work, row.coverage, &row.reason);
    let name = match place.tags.first() {
        Some(tag) => format!("{}:{tag}", place.repository),
        None => place.repository.clone(),
    };
    let link = frame::image_address(place, &row.digest);
    Some(Troubled { name: visible(&name), link, state, tone, since: When::of(place.last_push, now) })
}

/// A disable rule that ends soon.
pub struct Ending {
    /// Its name.
    pub name: String,
    /// Where it is shown.
    pub link: String,
    /// Where it holds.
    pub scope: String,
    /// The day.
    pub day: String,
    /// How long it has still.
    pub left: String,
}

/// Picks the rules in force that end soon, the next one first.
pub fn ending(rules: &[RuleRow], names: &Names, now: Micros) -> Vec<Ending> {
    let soon = |row: &&RuleRow| {
        let rule = &row.rule;
        rule.state(now) == State::InForce && rule.expires.saturating_since(now) <= SOON
    };
    let mut found: Vec<&RuleRow> = rules.iter().filter(soon).collect();
    found.sort_by_key(|row| row.rule.expires);
    let row = |row: &RuleRow| Ending {
        name: visible(&row.rule.name),
        link: format!("/rules/{}", row.uid),
        scope: names.of(&row.rule.scope.to_path()),
        day: row.rule.expires.rfc3339().get(..10).unwrap_or_default().to_owned(),
        left: match row.rule.expires.saturating_since(now).as_secs() / 86_400 {
            0 => "less than a day left".into(),
            1 => "1 day left".into(),
            days => format!("{days} days left"),
        },
    };
    found.into_iter().map(row).collect()
}
