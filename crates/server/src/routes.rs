//! Every route of REST: method, path, right, parameters, body, answer. A route that is not in a table is not served.
//!
//! The tables, one an area, are what the router, the OpenAPI document and the access check are made from, so that the three agree.

mod access;
mod fleet;
mod logs;
mod notices;
mod rules;
mod security;
mod tree;
mod triggers;
mod views;
mod work;

pub use crate::access::Place;
use crate::access::may;
use crate::asker::Asker;
use crate::parts::Parts;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use axum::{Extension, Router};
use model::role::Action;

/// The tables, one an area.
static AREAS: &[&[Route]] = &[
    fleet::ROUTES,
    work::ROUTES,
    access::ROUTES,
    rules::ROUTES,
    tree::ROUTES,
    security::ROUTES,
    views::ROUTES,
    triggers::ROUTES,
    logs::ROUTES,
    notices::ROUTES,
];

/// One route.
pub struct Route {
    /// The method; the handler has the same.
    pub method: Verb,
    /// Path below `/api/v1`, as axum writes it.
    pub path: &'static str,
    /// What it does or answers, one sentence.
    pub summary: &'static str,
    /// The right that it needs.
    pub action: Action,
    /// Where the asker needs it.
    pub place: Place,
    /// Parameters of the path and of the query.
    pub takes: Takes,
    /// Name of the schema of the body, or empty.
    pub body: &'static str,
    /// What it answers.
    pub answer: Answer,
    /// The handler.
    pub handler: fn() -> MethodRouter<Parts>,
}

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)] // a table need not use every method
pub enum Verb {
    /// Asks.
    Get,
    /// Makes, or does.
    Post,
    /// Makes or replaces what is named.
    Put,
    /// Changes some fields.
    Patch,
    /// Takes away.
    Delete,
}

impl Verb {
    /// Returns the word as OpenAPI writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)] // a table need not use every kind
pub enum Takes {
    /// Filter, sort, limit, cursor, as_of, format: a list of the index.
    Query,
    /// Filter and as_of: figures of the index.
    Filter,
    /// A list of the log kind: `limit` and `before`.
    Log,
    /// `limit` alone.
    Limit,
    /// Nothing but the path.
    Nothing,
    /// What is named: parameter, meaning.
    Named(&'static [(&'static str, &'static str)]),
}

/// What a route answers; the name is that of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// One thing: 200.
    One(&'static str),
    /// One thing that was made: 201.
    Made(&'static str),
    /// `items`, `total`, `next`.
    List(&'static str),
    /// A file in a format of its own: 200, by media type.
    File(&'static [&'static str]),
    /// 204.
    Nothing,
}

/// The parameter of a list that has no pages.
pub const WRITTEN: &[(&str, &str)] =
    &[("format", "How the list is written: json, jsonl, csv; `Accept` works as well.")];

/// Parameters of a short list.
pub const PAGED: &[(&str, &str)] = &[
    ("limit", "At most so many, 1 to 1,000."),
    ("after", "`next` of the page before."),
    ("format", "How the list is written: json, jsonl, csv; `Accept` works as well."),
];

/// Every route.
pub fn all() -> impl Iterator<Item = &'static Route> {
    AREAS.iter().flat_map(|area| area.iter())
}

/// The router of the tables; each handler stands behind the check of its right.
pub fn router() -> Router<Parts> {
    all().fold(Router::new(), |router, route| {
        router.route(route.path, guarded((route.handler)(), route.action, route.place))
    })
}

/// A handler behind the check of its right.
pub fn guarded(handler: MethodRouter<Parts>, action: Action, place: Place) -> MethodRouter<Parts> {
    let check = move |asker: Extension<Asker>, request: Request, next: Next| check(asker, action, place, request, next);
    handler.route_layer(middleware::from_fn(check))
}

async fn check(
    Extension(asker): Extension<Asker>,
    action: Action,
    place: Place,
    request: Request,
    next: Next,
) -> Response {
    match may(&asker.principal, action, place) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests;
