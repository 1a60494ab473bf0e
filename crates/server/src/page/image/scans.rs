//! What was done to judge an image, newest first.

use super::{Head, Here};
use crate::page::frame::{self, Frame, When, visible};
use crate::page::visit::Visit;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use model::verdict::Verdict;

#[derive(Template)]
#[template(path = "image_scans.html")]
struct Page {
    frame: Frame,
    image: Head,
    rows: Vec<Row>,
}

struct Row {
    started: When,
    reason: &'static str,
    verdict: &'static str,
    tone: &'static str,
    codes: String,
    took: String,
    bytes: String,
    generation: i64,
    sandbox: String,
    notes: usize,
}

/// At most so many scans; REST has them as well.
const SHOWN: u32 = 100;

/// Shows the scans.
pub async fn page(visit: &Visit, here: Here) -> Response {
    frame::answer(visit, build(visit, here).await)
}

async fn build(visit: &Visit, here: Here) -> Result<Page, Problem> {
    let scans = visit.parts.store.scans(here.image.id, SHOWN).await?;
    let row = |scan: store::ScanRow| {
        let millis = scan.finished.saturating_since(scan.started).as_millis();
        Row {
            started: When::of(scan.started, here.now),
            reason: scan.class,
            verdict: scan.verdict.as_str(),
            tone: match scan.verdict {
                Verdict::Complete => "good",
                Verdict::Failed => "bad",
                _ => "warn",
            },
            codes: scan.codes.replace(',', ", "),
            took: if millis < 10_000 { format!("{millis} ms") } else { format!("{} s", millis / 1000) },
            bytes: model::text::size(scan.bytes),
            generation: scan.generation,
            sandbox: visible(&scan.tier),
            notes: scan.notes.len(),
        }
    };
    Ok(Page {
        frame: here.frame(visit, "scans")?,
        image: Head::new(&here, "scans"),
        rows: scans.into_iter().map(row).collect(),
    })
}
