//! The list of images.

use super::frame::{self, Counts, Frame, Head, Pager};
use crate::access;
use crate::params::Params;
use crate::parts::Parts;
use crate::problem::Problem;
use askama::Template;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use fleet::{ImageRow, Query};
use model::Severity;
use store::Principal;

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
    critical: u64,
    high: u64,
    medium: u64,
    low: u64,
    fixable: u64,
    pushed: String,
}

const COLUMNS: [(&str, &str, bool); 11] = [
    ("Image", "image", false),
    ("Digest", "", false),
    ("Platform", "", false),
    ("System", "", false),
    ("State", "", false),
    ("Critical", "severity", true),
    ("High", "", true),
    ("Medium", "", true),
    ("Low", "", true),
    ("Fixable", "fixable", true),
    ("Pushed", "pushed", false),
];

/// Shows the images.
pub async fn page(
    State(parts): State<Parts>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Response {
    match build(&parts, &principal, query.as_deref()) {
        Ok(page) => frame::page(&page),
        Err(problem) => frame::trouble(&parts, problem),
    }
}

fn build(parts: &Parts, principal: &Principal, query: Option<&str>) -> Result<Page, Problem> {
    let mut params = Params::parse(query);
    let asked = Params::parse(query);
    let q = params.take("q")?.unwrap_or_default();
    let sort = params.take("sort")?.unwrap_or_default();
    let after = params.take("after")?;
    let scope = access::readable(parts, principal)?;
    // A filter with a wrong word keeps what was typed and says what is wrong, above the whole list.
    let (question, problem) = match asked.into_query((parts.now)()) {
        Ok(question) => (question, None),
        Err(problem) => (Query { limit: 50, now: (parts.now)(), ..Query::default() }, Some(problem.detail)),
    };
    let question = Query { scope, ..question };
    let (page, counts) = parts.index.ask(|index| Ok((index.images(&question)?, index.counts(&question)?)))?;
    let next = page.next.as_ref().map(|c| c.as_str());
    let host = parts.public_url.split("//").last().unwrap_or("localhost:5000").to_owned();
    Ok(Page {
        frame: Frame::new(parts, "images"),
        counts: Counts::new(&counts.tally, "/"),
        problem: problem.map(|p| frame::visible(&p)),
        heads: frame::heads(&COLUMNS, "/", &q, &sort),
        pager: Pager::new("/", &q, &sort, after.as_deref(), next),
        rows: page.items.into_iter().map(row).collect(),
        total: page.total,
        repositories: counts.repositories,
        push: vec![
            format!(
                "skopeo copy --dest-tls-verify=false --dest-creds admin:PASSWORD docker-daemon:app:1 docker://{host}/app:1"
            ),
            format!("podman login --tls-verify=false {host} && podman push --tls-verify=false app:1 {host}/app:1"),
            format!("docker login {host} && docker tag app:1 {host}/app:1 && docker push {host}/app:1"),
        ],
        q,
        sort,
    })
}

fn row(row: ImageRow) -> Row {
    let (state, tone) = frame::state(row.verdict, row.work, row.coverage, &row.reason);
    let first = row.places.first();
    let name = first.map_or_else(String::new, |place| match place.tags.first() {
        Some(tag) => format!("{}:{tag}", place.repository),
        None => place.repository.clone(),
    });
    let of = |s: Severity| row.tally.of(s);
    Row {
        name: frame::visible(&name),
        link: first.map(|place| frame::image_address(place, &row.digest)).unwrap_or_default(),
        more: row.places.len().saturating_sub(1),
        digest: row.digest.split(':').nth(1).and_then(|hex| hex.get(..12)).unwrap_or("").to_owned(),
        platform: frame::visible(&row.platform),
        os: frame::visible(&row.os),
        state,
        tone,
        critical: of(Severity::Critical),
        high: of(Severity::High),
        medium: of(Severity::Medium),
        low: of(Severity::Low),
        fixable: row.tally.fixable,
        pushed: frame::when(first.map(|p| p.last_push).unwrap_or_default()),
    }
}
