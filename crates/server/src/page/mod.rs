//! The console: pages as HTML from the server, right without a script.
//!
//! In: the same questions as REST. Out: askama templates of `console/`. Text of images and feeds is escaped, and what would not be
//! seen (control characters, bidirectional marks) is made visible.

mod findings;
mod frame;
mod image;
mod images;
mod pane;
mod vulnerabilities;

pub use frame::{sign_in, trouble, wants_page};

use crate::parts::Parts;
use axum::Router;
use axum::routing::get;

/// The routes of the console.
pub fn router() -> Router<Parts> {
    Router::new()
        .route("/", get(images::page))
        .route("/findings", get(findings::page))
        .route("/s/{*path}", get(image::page))
        .route("/findings/{id}", get(image::finding))
        .route("/vulnerabilities", get(vulnerabilities::list))
        .route("/vulnerabilities/{id}", get(vulnerabilities::one))
}
