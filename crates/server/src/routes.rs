//! Every route of REST: path, action, parameters, answer. A route that is not in this table is not served.
//!
//! The table is what the router, the OpenAPI document and the access check are made from, so that the three agree.

use crate::parts::Parts;
use crate::{access, api};
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Extension, Router};
use model::role::Action;
use store::Principal;

/// One route.
pub struct Route {
    /// Path below `/api/v1`, as axum writes it.
    pub path: &'static str,
    /// What it answers, one sentence.
    pub summary: &'static str,
    /// The right that it needs in the asker's scope.
    pub action: Action,
    /// Parameters of the path and of the query.
    pub takes: Takes,
    /// Name of the schema of the answer, or of one item of the list.
    pub schema: &'static str,
    /// The handler.
    pub handler: fn() -> MethodRouter<Parts>,
}

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// Every route.
pub static ROUTES: &[Route] = &[
    Route {
        path: "/repositories",
        summary: "Repositories with their counts.",
        action: Action::Read,
        takes: Takes::Query,
        schema: "RepositoryView",
        handler: || get(api::lists::repositories),
    },
    Route {
        path: "/images",
        summary: "Images with their counts.",
        action: Action::Read,
        takes: Takes::Query,
        schema: "ImageView",
        handler: || get(api::lists::images),
    },
    Route {
        path: "/images/{digest}",
        summary: "One image.",
        action: Action::Read,
        takes: Takes::Nothing,
        schema: "ImageView",
        handler: || get(api::images::image),
    },
    Route {
        path: "/images/{digest}/packages",
        summary: "What an image holds, and where; also what has no finding.",
        action: Action::Read,
        takes: Takes::Nothing,
        schema: "PlacedView",
        handler: || get(api::images::packages),
    },
    Route {
        path: "/images/{digest}/layers",
        summary: "The layers of an image.",
        action: Action::Read,
        takes: Takes::Nothing,
        schema: "ImageLayerView",
        handler: || get(api::images::layers),
    },
    Route {
        path: "/images/{digest}/scans",
        summary: "What was done to judge an image, newest first.",
        action: Action::Read,
        takes: Takes::Nothing,
        schema: "ScanView",
        handler: || get(api::images::scans),
    },
    Route {
        path: "/findings",
        summary: "Findings.",
        action: Action::Read,
        takes: Takes::Query,
        schema: "FindingView",
        handler: || get(api::lists::findings),
    },
    Route {
        path: "/findings/{id}",
        summary: "One finding with everything that explains it.",
        action: Action::Read,
        takes: Takes::Nothing,
        schema: "FindingDetail",
        handler: || get(api::findings::finding),
    },
    Route {
        path: "/vulnerabilities",
        summary: "Distinct vulnerabilities with the images hit.",
        action: Action::Read,
        takes: Takes::Query,
        schema: "VulnerabilityView",
        handler: || get(api::lists::vulnerabilities),
    },
    Route {
        path: "/vulnerabilities/{id}",
        summary: "Where a vulnerability is, by any of its ids.",
        action: Action::Read,
        takes: Takes::Nothing,
        schema: "VulnerabilityDetail",
        handler: || get(api::findings::vulnerability),
    },
    Route {
        path: "/packages",
        summary: "Packages and how many images hold them.",
        action: Action::Read,
        takes: Takes::Query,
        schema: "PackageRowView",
        handler: || get(api::lists::packages),
    },
    Route {
        path: "/counts",
        summary: "How many, of everything that passes a filter.",
        action: Action::Read,
        takes: Takes::Filter,
        schema: "TotalsView",
        handler: || get(api::lists::counts),
    },
    Route {
        path: "/events",
        summary: "Pushes, pulls, imports and deletes, newest first.",
        action: Action::Audit,
        takes: Takes::Log,
        schema: "EventView",
        handler: || get(api::work::events),
    },
    Route {
        path: "/jobs",
        summary: "What is queued, running or to be tried again.",
        action: Action::Audit,
        takes: Takes::Limit,
        schema: "JobView",
        handler: || get(api::work::jobs),
    },
    Route {
        path: "/db",
        summary: "The advisory database in force.",
        action: Action::Read,
        takes: Takes::Nothing,
        schema: "DatabaseView",
        handler: || get(api::work::database),
    },
];

/// The router of the table; each handler stands behind the check of its action.
pub fn router() -> Router<Parts> {
    let guarded = |route: &Route| {
        let action = route.action;
        let check =
            move |Extension(who): Extension<Principal>, request: Request, next: Next| check(who, action, request, next);
        (route.handler)().route_layer(middleware::from_fn(check))
    };
    ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, guarded(route)))
}

async fn check(who: Principal, action: Action, request: Request, next: Next) -> Response {
    match access::may(&who, action) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
