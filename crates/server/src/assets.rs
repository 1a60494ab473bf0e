//! Style, script and icon, built into the binary.

use crate::parts::Parts;
use crate::problem::Problem;
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Name, media type, content.
const ASSETS: [(&str, &str, &str); 3] = [
    ("style.css", "text/css; charset=utf-8", include_str!("../../../console/style.css")),
    ("app.js", "text/javascript; charset=utf-8", include_str!("../../../console/app.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../../console/icon.svg")),
];

/// The routes; none needs a login.
pub fn router() -> Router<Parts> {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>) -> Response {
    let Some((_, kind, content)) = ASSETS.into_iter().find(|(n, ..)| *n == name) else {
        return Problem::absent("page", &name).into_response();
    };
    let cache = HeaderValue::from_static("public, max-age=300");
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, cache)], content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_stays_within_its_budget_and_names_no_other_host() {
        for (name, _, content) in ASSETS {
            assert!(!name.ends_with(".js") || content.len() <= 12 * 1024, "{name} is {} bytes", content.len());
            assert!(!content.replace("http://www.w3.org/2000/svg", "").contains("://"), "{name} names a host");
        }
    }
}
