//! REST, console, health: everything that people and programs ask Portwarden, on one port.
//!
//! In: HTTP requests. Out: answers of the fleet index, single things from the store, pages. One table of routes (`routes`) makes the
//! router, the OpenAPI document and the access check.

mod access;
mod api;
mod asker;
mod assets;
mod azruledata;
mod body;
mod detail;
mod export;
mod form;
mod gate;
mod health;
mod history;
mod index;
mod live;
pub mod notices;
mod openapi;
mod page;
mod params;
mod parts;
mod past;
mod problem;
pub mod queue;
mod recommend;
mod routes;
mod sarif;
mod sender;
mod system;
mod view;

pub use api::rules::file::{read as rules_from_yaml, write as rules_to_yaml};
pub use asker::Asker;
pub use index::Handle;
pub use parts::{CONFIG, DatabaseView, FeedView, LAYER, MANIFEST, Parts, SampleImage, Telling};
pub use system::{CheckView, LimitView, SystemView};

use axum::http::{HeaderMap, HeaderValue, Request, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tower_http::compression::CompressionLayer;

/// What a page may load: itself alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The router of REST, console and health.
pub fn router(parts: Parts) -> Router {
    let signed_in = Router::new()
        .nest("/api/v1", routes::router().fallback(absent))
        .merge(page::router())
        .route("/live", get(live::revisions))
        .fallback(absent)
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(parts.clone(), gate::enter));
    Router::new()
        .route("/api/v1/openapi.json", get(|| async { Json(openapi::document()) }))
        .merge(health::router())
        .merge(assets::router())
        .merge(page::sign_in::router())
        .merge(page::unsubscribe::router())
        .merge(signed_in)
        .layer(middleware::from_fn(safe))
        .layer(CompressionLayer::new())
        .with_state(parts)
}

async fn absent(visit: page::Visit, headers: HeaderMap) -> Response {
    let problem = problem::Problem::absent("page", &visit.path);
    if page::wants_page(&visit.path, &headers) { page::trouble(&visit, problem) } else { problem.into_response() }
}

async fn other_method() -> problem::Problem {
    problem::Problem::method()
}

/// Adds the headers that every answer carries.
async fn safe(request: Request<axum::body::Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
