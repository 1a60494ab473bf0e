//! What an image holds and what was found in it, as files for other programs.

use super::{Head, Here};
use crate::page::frame::{self, Frame};
use crate::page::visit::Visit;
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "image_sbom.html")]
struct Page {
    frame: Frame,
    image: Head,
    files: Vec<File>,
}

struct File {
    name: &'static str,
    about: &'static str,
    link: String,
}

/// Shows the files.
pub fn page(visit: &Visit, here: Here) -> Response {
    let to = |path: &str| format!("/api/v1/images/{}/{path}", here.image.digest);
    let files = vec![
        File {
            name: "CycloneDX 1.6",
            about: "What the image holds: every package with its places and layer. JSON.",
            link: to("sbom?format=cyclonedx"),
        },
        File { name: "SPDX 2.3", about: "The same as SPDX. JSON.", link: to("sbom?format=spdx") },
        File {
            name: "SARIF 2.1.0",
            about: "What was found, for code scanning: a rule for each vulnerability, a result for each finding.",
            link: to("sarif"),
        },
    ];
    let files = if here.image.inventory.is_some() { files } else { Vec::new() };
    let built = here.frame(visit, "sbom").map(|frame| Page { frame, image: Head::new(&here, "sbom"), files });
    frame::answer(visit, built)
}
