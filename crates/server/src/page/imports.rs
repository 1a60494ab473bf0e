//! `/activity/imports`: images that are copied from other registries, and the form that begins one.

use super::filled::Filled;
use super::form::Field;
use super::frame::{Frame, When, page as render, visible};
use super::visit::Visit;
use crate::api::imports::{self, ImportBody, ImportView};
use crate::body::Form;
use crate::params::Name;
use crate::problem::Problem;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use model::Micros;

const HERE: &str = "/activity/imports";
/// Rows of the page; the API has all of them.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "imports.html")]
struct Imports {
    frame: Frame,
    guard: String,
    trouble: String,
    fields: Vec<Field>,
    rows: Vec<Row>,
    total: usize,
}

#[derive(Template)]
#[template(path = "import.html")]
struct One {
    frame: Frame,
    guard: String,
    row: Row,
}

/// An import as pages show it.
struct Row {
    id: i64,
    source: String,
    into: String,
    /// The repository in the walk, or empty while there is none.
    link: String,
    state: &'static str,
    tone: &'static str,
    running: bool,
    error: String,
    again: String,
    digest: String,
    here: String,
    of: String,
    /// Thousandths that are here, for the bar.
    share: u64,
    actor: String,
    since: When,
    finished: When,
}

fn row(import: ImportView, now: Micros) -> Row {
    let (state, tone) = match import.state {
        "queued" => ("waiting", "busy"),
        "running" => ("copying", "busy"),
        "retry-at" => ("to be tried again", "warn"),
        "done" => ("done", "good"),
        "failed" => ("failed", "bad"),
        other => (other, ""),
    };
    let tag = if import.tag.is_empty() { String::new() } else { format!(":{}", import.tag) };
    let link = if import.state == "done" { format!("/inventory?q=image:{}", import.digest) } else { String::new() };
    let size = |bytes: u64| model::text::size(i64::try_from(bytes).unwrap_or(i64::MAX));
    let share = import.done_bytes.saturating_mul(1000).checked_div(import.total_bytes).unwrap_or(0).min(1000);
    Row {
        id: import.id,
        source: visible(&import.source),
        into: visible(&format!("{}/{}{tag}", import.registry, import.repository)),
        link,
        state,
        tone,
        running: import.finished.is_none(),
        error: visible(&import.error),
        again: import.again.map(|at| at.get(11..19).unwrap_or("").to_owned()).unwrap_or_default(),
        digest: import.digest,
        here: size(import.done_bytes),
        of: if import.total_bytes == 0 { String::new() } else { size(import.total_bytes) },
        share,
        actor: visible(&import.actor),
        since: When::parse(import.created.as_deref(), now),
        finished: When::parse(import.finished.as_deref(), now),
    }
}

fn fields(form: &Filled) -> Vec<Field> {
    let all = [
        Field::text("source", "Image", "")
            .required()
            .example("docker.io/library/alpine:3.18")
            .hint("With its registry, by tag or digest."),
        Field::text("as", "Goes to", "")
            .example("team/alpine:3.18")
            .hint("Repository and tag here; empty: the same names."),
        Field::text("platform", "Platform", "").example("linux/arm64").hint("Empty: all of them."),
        Field::text("username", "User", "").hint("Only if the source wants a login.").complete("off"),
        Field::text("password", "Password", "")
            .kind("password")
            .hint("Kept sealed until the import has ended.")
            .complete("off"),
        Field::check("force", "Move the tag if it is here and names another image", false),
        Field::check("referrers", "Copy signatures, attestations and SBOMs as well", false),
        Field::check("plain_http", "The source speaks plain HTTP", false),
    ];
    all.into_iter().map(|field| form.field(field)).collect()
}

async fn show(visit: &Visit, form: Filled) -> Result<Response, Problem> {
    let now = (visit.parts.now)();
    let rows = imports::visible(&visit.parts, &visit.asker).await?;
    let fields = fields(&form);
    let frame = Frame::new(visit, "activity").still();
    let shown = render(&Imports {
        frame: frame.programs(visit, "/imports", "portwarden import list"),
        guard: form.guard(),
        trouble: form.trouble(&fields),
        fields,
        total: rows.len(),
        rows: rows.into_iter().take(SHOWN).map(|import| row(import, now)).collect(),
    });
    Ok(form.answer(shown))
}

/// `GET /activity/imports`
pub async fn page(visit: Visit) -> Result<Response, Problem> {
    show(&visit, Filled::new(&visit.asker, &[])).await
}

/// `POST /activity/imports`
pub async fn create(visit: Visit, form: Form) -> Result<Response, Problem> {
    let made = match form.read::<ImportBody>() {
        Ok(body) => imports::make(&visit.parts, &visit.asker, body).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(made) => Ok(Redirect::to(&format!("{HERE}/{}", made.id)).into_response()),
        Err(problem) => show(&visit, Filled::again(&visit.asker, form.without("password"), problem)).await,
    }
}

/// `GET /activity/imports/{id}`: looks again by itself until it has ended.
pub async fn one(visit: Visit, id: Name) -> Result<Response, Problem> {
    let import = imports::one(&visit.parts, &visit.asker, &id.0).await?;
    let frame = Frame::new(&visit, "activity").still();
    let (api, cli) = (format!("/imports/{}", import.id), format!("portwarden import show {}", import.id));
    Ok(render(&One {
        frame: frame.programs(&visit, &api, &cli),
        guard: Filled::new(&visit.asker, &[]).guard(),
        row: row(import.into(), (visit.parts.now)()),
    }))
}

/// `POST /activity/imports/{id}/cancel`
pub async fn cancel(visit: Visit, id: Name) -> Result<Response, Problem> {
    imports::end(&visit.parts, &visit.asker, &id.0).await?;
    Ok(Redirect::to(&format!("{HERE}/{}", id.0)).into_response())
}
