//! The list of images.

use super::frame::{self, Counts, Export, Frame, Head, Pager, When};
use super::visit::Visit;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::ImageRow;
use model::Severity;
use model::time::Micros;

#[derive(Template)]
#[template(path = "images.html")]
struct Page {
    frame: Frame,
    counts: Counts,
    problem: Option<String>,
    q: String,
    sort: String,
    rows: Vec<Row>,
    heads: Vec<Head>,
    total: u64,
    repositories: u64,
    pager: Pager,
    export: Export,
    push: Vec<String>,
}

struct Row {
    name: String,
    link: String,
    more: usize,
    digest: String,
    platform: String,
    os: String,
    state: String,
    tone: &'static str,
    cells: Vec<Cell>,
    pushed: When,
}

/// A number with the address of exactly its findings.
struct Cell {
    name: &'static str,
    count: u64,
    link: String,
}

const COLUMNS: [(&str, &str, bool); 2] = [("Image", "image", false), ("State", "", false)];

/// The columns of numbers: head, sort key, severity or `None` for those that span severities.
const NUMBERS: [(&str, &str, Option<Severity>); 8] = [
    ("Critical", "severity", Some(Severity::Critical)),
    ("High", "", Some(Severity::High)),
    ("Medium", "", Some(Severity::Medium)),
    ("Low", "", Some(Severity::Low)),
    ("Negligible", "", Some(Severity::Negligible)),
    ("Unknown", "", Some(Severity::Unknown)),
    (FINDINGS, "findings", None),
    (FIXABLE, "", None),
];
const FINDINGS: &str = "Findings";
const FIXABLE: &str = "Fixable";

/// Shows the images.
pub async fn page(visit: Visit) -> Response {
    frame::answer(&visit, build(&visit))
}

fn build(visit: &Visit) -> Result<Page, Problem> {
    let parts = &visit.parts;
    let frame::Asked { q, sort, after, question, problem } = frame::asked(visit)?;
    let (page, counts) = parts.index.ask(|index| Ok((index.images(&question)?, index.counts_of_places(&question)?)))?;
    let next = page.next.as_ref().map(|c| c.as_str());
    // A filter that was not understood counts nothing: the whole list is shown.
    let within = if problem.is_some() { "" } else { q.as_str() };
    let negligible = page.items.iter().any(|row| row.tally.of(Severity::Negligible) > 0);
    let numbers: Vec<_> = NUMBERS.into_iter().filter(|n| negligible || n.2 != Some(Severity::Negligible)).collect();
    let mut columns = COLUMNS.to_vec();
    columns.extend(numbers.iter().map(|(head, sort, _)| (*head, *sort, true)));
    columns.push(("Pushed", "pushed", false));
    Ok(Page {
        frame: Frame::new(visit, "inventory").programs(
            visit,
            &frame::link("/images", &[("q", &q), ("sort", &sort)]),
            &frame::command("portwarden image list", &q, &sort),
        ),
        counts: Counts::new(&counts.tally, "/findings", frame::portable(within)),
        problem,
        heads: frame::heads(&columns, "/", &q, &sort),
        pager: Pager::new("/", &q, &sort, after.as_deref(), next),
        rows: page.items.into_iter().map(|image| row(image, &numbers, within, question.now)).collect(),
        total: page.total,
        repositories: counts.repositories,
        export: Export::new("/images", &[("q", &q), ("sort", &sort)]),
        push: push(&parts.public_url),
        q,
        sort,
    })
}

/// How an image is pushed here, for each of the usual clients.
fn push(public_url: &str) -> Vec<String> {
    let host = public_url.split("//").last().unwrap_or("localhost:5000");
    let (skopeo, podman) =
        if public_url.starts_with("https://") { ("", "") } else { (" --dest-tls-verify=false", " --tls-verify=false") };
    vec![
        format!("skopeo copy{skopeo} --dest-creds admin:PASSWORD docker-daemon:app:1 docker://{host}/app:1"),
        format!("podman push{podman} --creds admin:PASSWORD app:1 {host}/app:1"),
        format!("docker login -u admin {host} && docker tag app:1 {host}/app:1 && docker push {host}/app:1"),
    ]
}

fn row(row: ImageRow, numbers: &[(&'static str, &str, Option<Severity>)], within: &str, now: Micros) -> Row {
    let (state, tone) = frame::state(row.verdict, row.work, row.coverage, &row.reason);
    let first = row.places.first();
    let name = first.map_or_else(String::new, |place| match place.tags.first() {
        Some(tag) => format!("{}:{tag}", place.repository),
        None => place.repository.clone(),
    });
    let link = first.map(|place| frame::image_address(place, &row.digest)).unwrap_or_default();
    // In several places the findings of one are not all of them.
    let (list, within) = match row.places.len() {
        1 => (link.as_str(), within.to_owned()),
        _ => ("/findings", frame::also(within, &format!("image:{}", row.digest))),
    };
    let listed = |word: &str| match frame::portable(&within) {
        Some(q) => frame::link(list, &[("q", &frame::also(q, word))]),
        None => String::new(),
    };
    let cell = |(head, _, severity): &(&'static str, &str, Option<Severity>)| match severity {
        Some(s) => Cell { name: head, count: row.tally.of(*s), link: listed(&format!("severity:{}", s.as_str())) },
        None if *head == FIXABLE => Cell { name: head, count: row.tally.fixable, link: listed("fix:yes") },
        None => Cell { name: head, count: row.tally.findings(), link: listed("") },
    };
    Row {
        cells: numbers.iter().map(cell).collect(),
        name: frame::visible(&name),
        more: row.places.len().saturating_sub(1),
        digest: row.digest.split(':').nth(1).and_then(|hex| hex.get(..12)).unwrap_or("").to_owned(),
        platform: frame::visible(&row.platform),
        os: frame::visible(&row.os),
        state,
        tone,
        pushed: When::of(row.places.iter().map(|p| p.last_push).max().unwrap_or_default(), now),
        link,
    }
}
