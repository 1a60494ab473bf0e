//! The OpenAPI 3.1 document, made from the route table and the types of the answers.

use crate::api::{findings, images, lists, work};
use crate::routes::{ROUTES, Route, Takes};
use crate::{detail, parts, problem, view};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(components(schemas(
    view::RepositoryView,
    view::ImageView,
    view::FindingView,
    view::VulnerabilityView,
    view::PackageView,
    view::CountsView,
    view::PlaceView,
    view::CvssView,
    view::CvssViews,
    detail::FindingDetail,
    detail::PathView,
    detail::LayerView,
    detail::StepView,
    detail::WhyView,
    images::PlacedView,
    images::ImageLayerView,
    images::ScanView,
    images::NoteView,
    findings::VulnerabilityDetail,
    findings::HitView,
    lists::PackageRowView,
    lists::TotalsView,
    lists::Verdicts,
    work::EventView,
    work::JobView,
    parts::DatabaseView,
    parts::FeedView,
    problem::Problem
)))]
struct Schemas;

/// The document.
pub fn document() -> Value {
    let schemas = serde_json::to_value(Schemas::openapi()).unwrap_or_default();
    let mut paths = Map::new();
    for route in ROUTES {
        paths.insert(format!("/api/v1{}", route.path), json!({"get": operation(route)}));
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Portwarden", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Times are RFC 3339 UTC. Unknown parameters are refused. Errors are RFC 9457 problem JSON."},
        "paths": paths,
        "components": {
            "schemas": schemas["components"]["schemas"],
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}, "token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"basic": []}, {"token": []}],
    })
}

fn operation(route: &Route) -> Value {
    let item = json!({"$ref": format!("#/components/schemas/{}", route.schema)});
    let many = (route.takes == Takes::Query && route.schema != "TotalsView")
        || route.takes == Takes::Log
        || ["/packages", "/layers", "/scans"]
            .iter()
            .any(|end| route.path.starts_with("/images/{digest}/") && route.path.ends_with(end));
    let answer = if many {
        json!({"type": "object", "required": ["items"], "properties": {
            "items": {"type": "array", "items": item}, "total": {"type": "integer"}, "hidden": {"type": "integer"},
            "next": {"type": ["string", "integer", "null"]}, "as_of": {"type": ["string", "null"]},
            "revision": {"type": "integer"}, "generation": {"type": "integer"}}})
    } else {
        item
    };
    let problem = json!({"description": "What was wrong and what to do",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}});
    json!({
        "summary": route.summary,
        "operationId": route.path.trim_matches('/').replace(['/', '{', '}'], "_"),
        "parameters": parameters(route),
        "responses": {
            "200": {"description": route.summary, "content": {"application/json": {"schema": answer}}},
            "400": problem, "401": problem, "403": problem, "404": problem, "503": problem,
        },
    })
}

fn parameters(route: &Route) -> Vec<Value> {
    let named = |name: &str, place: &str, what: &str, kind: &str| {
        json!({
        "name": name, "in": place, "required": place == "path", "description": what, "schema": {"type": kind}})
    };
    let mut all: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| named(name, "path", "Name of the thing.", "string"))
        .collect();
    match route.takes {
        Takes::Nothing => {}
        Takes::Log => {
            all.push(named("limit", "query", "At most so many, 1 to 1,000.", "integer"));
            all.push(named("before", "query", "Continue before this id.", "integer"));
        }
        Takes::Query => {
            all.push(named("q", "query", "Filter words: severity:>=high fix:yes pkg:openssl.", "string"));
            all.push(named("sort", "query", "A key, with - in front for the other way round.", "string"));
            all.push(named("limit", "query", "At most so many, 1 to 1,000.", "integer"));
            all.push(named("after", "query", "`next` of the page before.", "string"));
            all.push(named("as_of", "query", "What was known at this time.", "string"));
            all.push(named("format", "query", "json, jsonl or csv.", "string"));
            all.extend(
                fleet::WORDS
                    .iter()
                    .filter_map(|w| w.names.first().map(|n| named(n, "query", &w.takes.join(", "), "string"))),
            );
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_that_a_route_names_is_in_the_document() {
        let document = document();
        for route in ROUTES {
            assert!(
                document["components"]["schemas"].get(route.schema).is_some(),
                "{} names {}",
                route.path,
                route.schema
            );
        }
        let text = document.to_string();
        for part in text.split("#/components/schemas/").skip(1) {
            let name: String = part.chars().take_while(|c| c.is_alphanumeric()).collect();
            assert!(document["components"]["schemas"].get(&name).is_some(), "{name} is missing");
        }
    }
}
