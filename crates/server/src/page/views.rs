//! `/views`: the pages that somebody keeps under a name.

use super::filled::Filled;
use super::form::Field;
use super::frame::{self, Frame, When, visible};
use super::visit::Visit;
use crate::api::views::{self, ViewBody};
use crate::body::Form;
use crate::params::{Name, Params};
use crate::problem::Problem;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};

const HERE: &str = "/views";

#[derive(Template)]
#[template(path = "views.html")]
struct Page {
    frame: Frame,
    guard: String,
    trouble: String,
    fields: Vec<Field>,
    rows: Vec<Row>,
}

struct Row {
    id: i64,
    name: String,
    address: String,
    since: When,
}

/// Shows the views, and the form that keeps one: `?address=` is what is to be kept.
pub async fn page(visit: Visit) -> Response {
    let address = Params::parse(visit.query.as_deref()).take("address").ok().flatten().unwrap_or_default();
    let filled = Filled::new(&visit.asker, &[("address", &address)]);
    let built = build(&visit, &filled).await;
    frame::answer(&visit, built)
}

async fn build(visit: &Visit, filled: &Filled) -> Result<Page, Problem> {
    let now = (visit.parts.now)();
    let row = |view: store::SavedView| Row {
        id: view.id,
        name: visible(&view.name),
        since: When::of(view.since, now),
        address: view.address,
    };
    let fields = vec![
        filled.field(Field::text("name", "Name", "").required().hint("Another view of that name is replaced.")),
        filled
            .field(Field::text("address", "Address", "").required().hint("Path and query of a page of this console.")),
    ];
    Ok(Page {
        frame: Frame::new(visit, "overview").programs(visit, "/views", "").still(),
        guard: filled.guard(),
        trouble: filled.trouble(&fields),
        fields,
        rows: visit.parts.store.views(visit.who.id).await?.into_iter().map(row).collect(),
    })
}

/// Keeps a view.
pub async fn create(visit: Visit, form: Form) -> Result<Response, Problem> {
    let kept = match form.read::<ViewBody>() {
        Ok(body) => views::keep(&visit.parts, &visit.asker, body).await,
        Err(problem) => Err(problem),
    };
    match kept {
        Ok(_) => Ok(Redirect::to(HERE).into_response()),
        Err(problem) => {
            let filled = Filled::again(&visit.asker, form, problem);
            let page = frame::answer(&visit, build(&visit, &filled).await);
            Ok(filled.answer(page))
        }
    }
}

/// Takes a view away.
pub async fn end(visit: Visit, Name(id): Name) -> Result<Response, Problem> {
    views::end(&visit.parts, &visit.asker, &id).await?;
    Ok(Redirect::to(HERE).into_response())
}
