//! What to upgrade: one row for each package, with what it fixes and the command.

use super::{Head, Here};
use crate::api;
use crate::page::frame::{self, Counts, Frame, visible};
use crate::page::visit::Visit;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "image_fixes.html")]
struct Page {
    frame: Frame,
    image: Head,
    rows: Vec<Row>,
    findings: u64,
    fixed: u64,
    unfixed: u64,
    unfixed_link: String,
    all: String,
}

struct Row {
    name: String,
    packages: String,
    kind: String,
    from: String,
    to: String,
    counts: Counts,
    fixes: u64,
    fixes_link: String,
    kev: u64,
    layers: Vec<(u32, String)>,
    command: String,
}

/// Shows the upgrades.
pub async fn page(visit: &Visit, here: Here) -> Response {
    frame::answer(visit, build(visit, here).await)
}

async fn build(visit: &Visit, here: Here) -> Result<Page, Problem> {
    let filter = api::changes::at(&here.place, &here.image.digest)?;
    let plan = api::upgrades::plan(&visit.parts, &visit.who, &here.image, filter).await?;
    let address = here.tab("findings");
    let rows: Vec<Row> = plan.upgrades.into_iter().map(|upgrade| row(upgrade, &address)).collect();
    let commands: Vec<&str> = rows.iter().map(|row| row.command.as_str()).filter(|c| !c.is_empty()).collect();
    Ok(Page {
        frame: here.frame(visit, "fixes")?,
        image: Head::new(&here, "fixes"),
        all: commands.join("\n"),
        findings: plan.findings,
        fixed: plan.fixed,
        unfixed: plan.findings.saturating_sub(plan.fixed),
        unfixed_link: frame::link(&address, &[("q", "fix:no")]),
        rows,
    })
}

fn row(upgrade: api::upgrades::Upgrade, address: &str) -> Row {
    let view = upgrade.view;
    let others: Vec<String> =
        view.packages.iter().filter(|name| **name != view.name).map(|name| visible(name)).collect();
    Row {
        packages: others.join(", "),
        name: visible(&view.name),
        kind: visible(&view.kind),
        from: visible(&view.from),
        to: visible(&view.to),
        counts: Counts::new(&upgrade.tally, address, Some(&upgrade.word)),
        fixes: upgrade.tally.findings(),
        fixes_link: frame::link(address, &[("q", &upgrade.word)]),
        kev: upgrade.tally.kev,
        layers: view.layers.into_iter().map(|layer| (layer.index, visible(&layer.created_by))).collect(),
        command: visible(&view.command.unwrap_or_default()),
    }
}
