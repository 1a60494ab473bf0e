//! The buttons that ask for scans.

use super::visit::Visit;
use crate::api::rescan::{self, RescanBody};
use crate::body::Form;
use crate::params::{Name, local};
use crate::problem::Problem;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Goes back to where the button is.
fn back(form: &Form) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, local(form.typed("back")));
    response
}

/// `POST /images/{digest}/scan`
pub async fn one(visit: Visit, digest: Name, form: Form) -> Result<Response, Problem> {
    rescan::ask(&visit.parts, &visit.asker, &digest.0).await?;
    Ok(back(&form))
}

/// `POST /inventory/scan`: the images of a list, or those that are picked in it.
pub async fn many(visit: Visit, form: Form) -> Result<Response, Problem> {
    let picked: Vec<&str> = form.all("digests").collect();
    let q = if picked.is_empty() { form.typed("q").to_owned() } else { format!("image:{}", picked.join(",")) };
    let body = RescanBody { q };
    rescan::ask_for_many(&visit.parts, &visit.asker, &body).await?;
    Ok(back(&form))
}
