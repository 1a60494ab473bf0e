//! Quick jump: a vulnerability, a digest, a repository or a package, by what was typed.

use super::frame;
use super::scope;
use super::visit::Visit;
use crate::access;
use crate::params::{Params, encoded, local};
use crate::problem::Problem;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleet::{Filter, Query};

/// Goes to what was typed; what is nothing of these is looked for among the images.
pub async fn to(visit: Visit) -> Response {
    match address(&visit) {
        Ok(address) => (StatusCode::SEE_OTHER, [(header::LOCATION, local(&address))]).into_response(),
        Err(problem) => frame::trouble(&visit, problem),
    }
}

fn address(visit: &Visit) -> Result<String, Problem> {
    let text = Params::parse(visit.query.as_deref()).take("to")?.unwrap_or_default();
    let text = text.trim();
    if text.is_empty() {
        return Ok("/".to_owned());
    }
    let scope = access::readable(&visit.parts, &visit.who)?;
    let found =
        |filter: Filter| Query { filter, scope: scope.clone(), limit: 1, now: (visit.parts.now)(), ..Query::default() };
    let everything = found(Filter::default());
    let name = text.to_ascii_uppercase();
    if visit.parts.index.ask(|index| Ok(index.blast_radius(&name, &everything)?))?.is_some() {
        return Ok(format!("/vulnerabilities/{}", encoded(&name)));
    }
    let mut by_name = Filter::default();
    by_name.field("repository", text)?;
    let page = visit.parts.index.ask(|index| Ok(index.repositories(&found(by_name))?))?;
    if let Some(row) = page.items.first() {
        return Ok(scope::walk(&format!("/{}/{}/{}", row.subscription, row.registry, row.name)));
    }
    let mut by_digest = Filter::default();
    if by_digest.field("image", text).is_ok() {
        let page = visit.parts.index.ask(|index| Ok(index.images(&found(by_digest.clone()))?))?;
        let only = page.items.first().filter(|_| page.total == 1);
        if let Some((image, place)) = only.and_then(|image| Some((image, image.places.first()?))) {
            return Ok(frame::image_address(place, &image.digest));
        }
    }
    Ok(frame::link("/inventory", &[("q", text)]))
}
