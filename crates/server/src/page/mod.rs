//! The console: pages as HTML from the server, right without a script.
//!
//! In: the same questions as REST. Out: askama templates of `console/`. Text of images and feeds is escaped, and what would not be
//! seen (control characters, bidirectional marks) is made visible.

mod findings;
mod form;
mod frame;
mod go;
mod image;
mod images;
mod nav;
mod pane;
mod visit;
mod vulnerabilities;

pub use frame::{sign_in, trouble, wants_page};
pub use visit::Visit;

use crate::parts::Parts;
use axum::Router;
use axum::routing::{get, post};

/// The routes of the console.
pub fn router() -> Router<Parts> {
    Router::new()
        .route("/", get(images::page))
        .route("/findings", get(findings::page))
        .route("/s/{*path}", get(image::page))
        .route("/findings/{id}", get(image::finding))
        .route("/vulnerabilities", get(vulnerabilities::list))
        .route("/vulnerabilities/{id}", get(vulnerabilities::one))
        .route("/go", get(go::to))
        .route("/look", post(visit::choose))
}
