//! The OpenAPI 3.1 document, made from the route table and the types of the answers.

use crate::api::rules::view as rules;
use crate::api::{
    account, audit, changes, findings, images, imports, lists, logs, network, people, plans, posture, recommendations,
    rescan, sample, score, tokens, tree, upgrades, usage, views, work,
};
use crate::routes::{self, Answer, Place, Route, Takes, Verb};
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
    findings::ExposedView,
    upgrades::UpgradeView,
    changes::ChangesView,
    changes::PackageChange,
    lists::PackageRowView,
    lists::TotalsView,
    lists::Verdicts,
    work::EventView,
    work::JobView,
    parts::DatabaseView,
    parts::FeedView,
    recommendations::RecommendationView,
    recommendations::RemediationStep,
    recommendations::ResourceView,
    recommendations::AssignmentBody,
    recommendations::ExemptionBody,
    recommendations::ExemptionView,
    score::ScoreView,
    score::ControlView,
    score::SubscriptionScore,
    score::ScoreDay,
    posture::PostureView,
    posture::SuppressionBody,
    posture::SuppressionView,
    account::MeView,
    account::SessionView,
    account::PasswordBody,
    people::UserView,
    people::UserBody,
    people::RoleView,
    people::RoleBody,
    audit::AuditView,
    audit::ChainView,
    crate::api::notifications::ChannelBody,
    crate::api::notifications::ChannelView,
    crate::api::notifications::DeliveryView,
    crate::api::notifications::MadeChannelView,
    crate::api::notifications::relay::RelayBody,
    crate::api::notifications::relay::RelayView,
    tokens::TokenBody,
    tokens::GrantBody,
    tokens::TokenView,
    tokens::MadeToken,
    tree::SubscriptionBody,
    tree::SubscriptionPatch,
    tree::SubscriptionView,
    tree::GroupPatch,
    tree::RegistryBody,
    tree::RegistryPatch,
    tree::RegistryView,
    crate::system::SystemView,
    crate::system::StorageView,
    crate::system::LimitView,
    crate::system::CheckView,
    crate::api::repositories::RepositoryPatch,
    plans::PlanBody,
    plans::PlanView,
    plans::PlanPreviewView,
    plans::ReachView,
    plans::Tier,
    usage::UsageView,
    usage::UsageImageView,
    rules::RuleBody,
    rules::Intent,
    rules::CriteriaView,
    rules::RuleView,
    rules::RuleHistoryView,
    rules::PreviewBody,
    rules::PreviewView,
    rules::SeverityCount,
    rules::ExampleView,
    rules::ApplyBody,
    rules::ApplyView,
    rules::DraftView,
    rules::RuleFileView,
    rules::StepView,
    rules::FieldChange,
    views::ViewBody,
    views::SavedViewView,
    imports::ImportBody,
    imports::ImportView,
    rescan::RescanBody,
    rescan::AskedView,
    rescan::AskedManyView,
    sample::SampleView,
    network::NetworkBody,
    network::NetworkView,
    network::IpRuleBody,
    logs::LogLine,
    logs::LoginEventView,
    logs::RepositoryEventView,
    logs::LogSettingsView,
    logs::LogSettingsBody,
    problem::Problem
)))]
struct Schemas;

/// The document.
pub fn document() -> Value {
    let schemas = serde_json::to_value(Schemas::openapi()).unwrap_or_default();
    let mut paths = Map::new();
    for route in routes::all() {
        let at = paths.entry(format!("/api/v1{}", route.path)).or_insert_with(|| json!({}));
        at[route.method.as_str()] = operation(route);
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
    let schema = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let content = |kind: &str, schema: Value| json!({kind: {"schema": schema}});
    let problem = json!({"description": "What was wrong and what to do", "content": content("application/problem+json", schema("Problem"))});
    let mut good = json!({"description": route.summary});
    match route.answer {
        Answer::One(name) | Answer::Made(name) => good["content"] = content("application/json", schema(name)),
        Answer::List(name) => good["content"] = content("application/json", list_of(schema(name))),
        Answer::File(kinds) => {
            let kinds = kinds.iter().map(|kind| ((*kind).to_owned(), json!({"schema": {"type": "object"}})));
            good["content"] = Value::Object(kinds.collect());
        }
        Answer::Nothing => {}
    }
    if matches!(route.answer, Answer::List(_)) {
        // A posture is written in formats of its own.
        if route.path != "/posture" {
            good["content"]["application/jsonl"] = json!({"schema": {"type": "string"}});
        }
        good["content"]["text/csv"] = json!({"schema": {"type": "string"}});
        if route.path == "/findings" {
            good["content"]["application/sarif+json"] = json!({"schema": {"type": "object"}});
        }
    }
    let status = match route.answer {
        Answer::Nothing => "204",
        Answer::Made(_) => "201",
        Answer::One(_) | Answer::List(_) | Answer::File(_) => "200",
    };
    let mut responses =
        json!({"400": problem, "401": problem, "403": problem, "404": problem, "405": problem, "503": problem});
    responses[status] = good;
    let name = route.path.trim_matches('/').replace(['/', '{', '}'], "_");
    let mut operation = json!({
        "summary": route.summary,
        "description": needs(route),
        "operationId": if route.method == Verb::Get { name } else { format!("{}_{name}", route.method.as_str()) },
        "parameters": parameters(route),
        "responses": responses,
    });
    if route.method != Verb::Get {
        operation["responses"]["409"] = problem;
    }
    if !route.body.is_empty() {
        operation["requestBody"] =
            json!({"required": true, "content": content("application/json", schema(route.body))});
    }
    operation
}

/// Which right a route needs, and where.
fn needs(route: &Route) -> String {
    let place = match route.place {
        Place::Own => return "Needs a login.".into(),
        Place::Any => "in the scope concerned",
        Place::All => "over everything",
    };
    format!(
        "Needs the right {} {place}: the role {}, or one that holds it.",
        route.action.as_str(),
        route.action.least_role().title()
    )
}

fn list_of(item: Value) -> Value {
    json!({"type": "object", "required": ["items"], "properties": {
        "items": {"type": "array", "items": item}, "total": {"type": "integer"}, "hidden": {"type": "integer"}, "disabled": {"type": "integer"},
        "next": {"type": ["string", "integer", "null"]}, "as_of": {"type": ["string", "null"]},
        "revision": {"type": "integer"}, "generation": {"type": "integer"}}})
}

fn named(name: &str, place: &str, what: &str, schema: Value) -> Value {
    json!({"name": name, "in": place, "required": place == "path", "description": what, "schema": schema})
}

fn parameters(route: &Route) -> Vec<Value> {
    let text = || json!({"type": "string"});
    let formats = || json!({"type": "string", "enum": ["json", "jsonl", "csv"], "default": "json"});
    let limit = || {
        let schema = json!({"type": "integer", "minimum": 1, "maximum": crate::params::LIMIT, "default": 50});
        named("limit", "query", "At most so many.", schema)
    };
    let of_path = |name: &str| match name {
        "digest" => named(name, "path", "Digest of an image.", json!({"type": "string", "pattern": DIGEST})),
        _ => named(name, "path", "Name of the thing.", json!({"type": "string", "minLength": 1})),
    };
    let braced = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut all: Vec<Value> = braced.map(of_path).collect();
    let is_findings = route.path == "/findings";
    if matches!(route.takes, Takes::Log | Takes::Limit) {
        all.push(limit());
        all.push(named("format", "query", WRITTEN, formats()));
    }
    if route.takes == Takes::Query {
        let schema = json!({"anyOf": [{"type": "integer", "minimum": 1, "maximum": crate::params::LIMIT}, {"const": "all"}], "default": 50});
        all.push(named("limit", "query", "At most so many; `all`: the whole list as a file.", schema));
    }
    if is_findings {
        let schema = json!({"type": "array", "items": {"type": "string", "format": "uuid"}});
        all.push(named("finding", "query", "Only these findings, by id, whatever else would pass.", schema));
    }
    if let Takes::Named(parameters) = route.takes {
        all.extend(parameters.iter().map(|(name, what)| named(name, "query", what, text())));
    }
    if route.takes == Takes::Log {
        all.push(named("before", "query", "Continue before this id.", json!({"type": "integer", "format": "int64"})));
    }
    if route.takes == Takes::Query {
        let mut formats = formats();
        if is_findings {
            formats["enum"] = json!(["json", "jsonl", "csv", "sarif"]);
        }
        all.push(named("sort", "query", "A key, with - in front for the other way round.", sorts(route.path)));
        all.push(named("after", "query", "`next` of the page before.", text()));
        all.push(named("format", "query", WRITTEN, formats));
    }
    if matches!(route.takes, Takes::Query | Takes::Filter) {
        all.push(named("q", "query", "Filter words: severity:>=high fix:yes pkg:openssl.", text()));
        let words =
            fleet::WORDS.iter().filter_map(|w| Some(named(w.names.first()?, "query", &w.takes.join(", "), word(w))));
        all.extend(words);
    }
    let one = ["/findings/{id}", "/vulnerabilities/{id}"].contains(&route.path);
    if one || matches!(route.takes, Takes::Query | Takes::Filter) {
        let schema = json!({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]});
        all.push(named("as_of", "query", "What was known at this time; a date is its end.", schema));
    }
    all
}

const WRITTEN: &str = "How the list is written; `Accept` works as well.";

/// The digest of a manifest.
const DIGEST: &str = "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$";

/// Every severity, as a pattern.
const SEVERITY: &str = "critical|high|medium|low|negligible|unknown";

/// What a filter word takes: an enumeration where it is one, else a pattern.
fn word(word: &fleet::Word) -> Value {
    let plain = |value: &&&str| value.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let values: Vec<&str> = word.takes.iter().filter(plain).copied().collect();
    if values.len() == word.takes.len() {
        let any = values.join("|");
        return match word.names.first() {
            Some(&("fixable" | "kev" | "hidden" | "status")) => json!({"type": "string", "enum": values}),
            _ => json!({"type": "string", "pattern": format!("^({any})(,({any}))*$")}),
        };
    }
    let pattern = match word.names.first() {
        Some(&"severity") => format!("^((>=|<=|>|<)?({SEVERITY})|({SEVERITY})(,({SEVERITY}))+)$"),
        Some(&("age" | "pulled")) => "^(>=|<=|>|<)[0-9]{1,6}[mhdw]$".to_owned(),
        Some(&"epss") => "^(>=|<=|>|<)?[0-9]{1,6}([.][0-9]{1,6})?$".to_owned(),
        Some(&"cvss") => "^(>=|<=|>|<)?[0-9]{1,6}([.][0-9])?$".to_owned(),
        Some(&"image") => "^(sha256:)?[0-9a-f]{6,64}$".to_owned(),
        Some(&"id") => "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$".to_owned(),
        _ => "^[^,]+(,[^,]+)*$".to_owned(),
    };
    json!({"type": "string", "pattern": pattern})
}

/// The orders that a list has: those that an index takes.
fn sorts(path: &str) -> Value {
    let index = fleet::Index::build(&model::facts::Snapshot::default());
    let words = match fleet::Sort::parse("?") {
        Err(fleet::QueryError::Sort { allowed, .. }) => allowed,
        _ => Vec::new(),
    };
    let takes = |word: &&str| {
        let Ok(sort) = fleet::Sort::parse(word) else { return false };
        let query = fleet::Query { sort, limit: 1, ..fleet::Query::default() };
        match path {
            "/repositories" => index.repositories(&query).is_ok(),
            "/images" => index.images(&query).is_ok(),
            "/findings" => index.findings(&query).is_ok(),
            "/vulnerabilities" => index.vulnerabilities(&query).is_ok(),
            "/packages" => index.packages(&query).is_ok(),
            _ => false,
        }
    };
    let words: Vec<&str> = words.into_iter().filter(takes).collect();
    let turned = words.iter().map(|word| format!("-{word}"));
    json!({"type": "string", "enum": words.iter().map(|w| (*w).to_owned()).chain(turned).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_that_a_route_names_is_in_the_document() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        for route in routes::all() {
            let answer = match route.answer {
                Answer::One(name) | Answer::Made(name) | Answer::List(name) => name,
                Answer::Nothing | Answer::File(_) => "",
            };
            for name in [answer, route.body].into_iter().filter(|name| !name.is_empty()) {
                assert!(schemas.get(name).is_some(), "{} names {name}", route.path);
            }
        }
        let text = document.to_string();
        for part in text.split("#/components/schemas/").skip(1) {
            let name: String = part.chars().take_while(|c| c.is_alphanumeric()).collect();
            assert!(document["components"]["schemas"].get(&name).is_some(), "{name} is missing");
        }
    }
}
