//! The layers of an image: how large, what they brought, what was found in it.

use super::{Head, Here};
use crate::api::{self, upgrades::count};
use crate::detail;
use crate::page::frame::{self, Counts, Frame, visible};
use crate::page::visit::Visit;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::Tally;
use model::{Digest, Severity};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Template)]
#[template(path = "image_layers.html")]
struct Page {
    frame: Frame,
    image: Head,
    rows: Vec<Row>,
}

struct Row {
    index: u32,
    digest: String,
    short: String,
    instruction: String,
    size: String,
    packages: usize,
    counts: Counts,
    worst: &'static str,
    x: u64,
    width: u64,
}

/// Shows the layers.
pub async fn page(visit: &Visit, here: Here) -> Response {
    frame::answer(visit, build(visit, here).await)
}

/// What a layer brought.
#[derive(Default)]
struct Brought {
    packages: BTreeSet<i64>,
    tally: Tally,
}

async fn build(visit: &Visit, here: Here) -> Result<Page, Problem> {
    let parts = &visit.parts;
    let filter = api::changes::at(&here.place, &here.image.digest)?;
    let found = api::upgrades::findings(parts, &visit.who, filter)?;
    let placed = match here.image.inventory {
        Some(inventory) => parts.store.placed(inventory).await?,
        None => Vec::new(),
    };
    // A package counts where it first came; it may be listed again above.
    let mut first: BTreeMap<i64, u32> = BTreeMap::new();
    for one in &placed {
        let layer = first.entry(one.package).or_insert(one.layer);
        *layer = one.layer.min(*layer);
    }
    let mut brought: BTreeMap<u32, Brought> = BTreeMap::new();
    for (package, layer) in &first {
        brought.entry(*layer).or_default().packages.insert(*package);
    }
    for row in &found {
        if let Some(layer) = first.get(&row.package.id) {
            count(&mut brought.entry(*layer).or_default().tally, row);
        }
    }
    let digest = Digest::parse(&here.image.digest).map_err(|_| Problem::absent("image", &here.image.digest))?;
    let named = detail::layers(parts, &digest).await?;
    let sizes: BTreeMap<u32, i64> =
        parts.store.layers_of(here.image.id).await?.into_iter().map(|row| (row.ordinal, row.bytes)).collect();
    Ok(Page {
        frame: here.frame(visit, "layers")?,
        image: Head::new(&here, "layers"),
        rows: drawn(named, &sizes, &brought),
    })
}

/// Lays the strip out: each layer as wide as the logarithm of its size.
fn drawn(named: Vec<detail::LayerView>, sizes: &BTreeMap<u32, i64>, brought: &BTreeMap<u32, Brought>) -> Vec<Row> {
    let weight = |index: u32| u64::from(sizes.get(&index).map_or(1, |bytes| bytes.max(&1).ilog2() + 1));
    let all: u64 = named.iter().map(|layer| weight(layer.index)).sum();
    let mut before = 0;
    let mut rows = Vec::new();
    let nothing = Brought::default();
    for layer in named {
        let here = brought.get(&layer.index).unwrap_or(&nothing);
        let edge = |weight: u64| weight * 1000 / all.max(1);
        let next = before + weight(layer.index);
        let worst = Severity::WORST_FIRST.into_iter().find(|severity| here.tally.of(*severity) > 0);
        rows.push(Row {
            index: layer.index,
            short: layer.digest.split(':').nth(1).and_then(|hex| hex.get(..12)).unwrap_or("").to_owned(),
            digest: layer.digest,
            instruction: visible(&layer.created_by),
            size: model::text::size(sizes.get(&layer.index).copied().unwrap_or_default()),
            packages: here.packages.len(),
            counts: Counts::new(&here.tally, "", None),
            worst: worst.map_or("none", Severity::as_str),
            x: edge(before),
            width: (edge(next) - edge(before)).saturating_sub(2),
        });
        before = next;
    }
    rows
}
