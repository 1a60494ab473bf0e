//! The rules, one file each.

mod admin_user;
mod anonymous_access;
mod container_scan;
mod content_trust;
mod defender_containers;
mod export_policy;
mod firewall;
mod geo_replica;
mod image_health;
mod logs;
mod min_sku;
mod name;
mod naming;
mod quarantine;
mod replica_location;
mod retention;
mod soft_delete;
mod strict_container_scan;
mod usage;

use super::{Outcome, Resource, Rule};
use crate::posture::Field;
use serde_json::Value;

/// Every rule, in the order of their references.
pub static ALL: &[&Rule] = &[
    &usage::RULE,
    &container_scan::RULE,
    &image_health::RULE,
    &geo_replica::RULE,
    &admin_user::RULE,
    &min_sku::RULE,
    &name::RULE,
    &quarantine::RULE,
    &content_trust::RULE,
    &retention::RULE,
    &soft_delete::RULE,
    &anonymous_access::RULE,
    &firewall::RULE,
    &replica_location::RULE,
    &export_policy::RULE,
    &naming::RULE,
    &logs::RULE,
    &defender_containers::RULE,
    &strict_container_scan::RULE,
];

/// The type of an assessment.
const ASSESSMENT: &str = "Microsoft.Security/assessments";
/// The type of a replica.
const REPLICATION: &str = "Microsoft.ContainerRegistry/registries/replications";

/// Passes without reasons.
fn judged(reasons: Vec<String>) -> Outcome {
    if reasons.is_empty() { Outcome::Pass } else { Outcome::Fail(reasons) }
}

fn judged_as(passes: bool, reason: impl FnOnce() -> String) -> Outcome {
    if passes { Outcome::Pass } else { Outcome::Fail(vec![reason()]) }
}

fn undecided(path: &str, open: &str) -> Outcome {
    Outcome::Unknown(format!("The field '{path}' is {open}, which only a deployment decides."))
}

/// Passes if a field holds one of some words, in any case.
fn one_of(resource: &Resource, path: &str, words: &[&str]) -> Outcome {
    let field = resource.field(path);
    if let Field::Open(open) = field {
        return undecided(path, open);
    }
    let holds = field.text().is_some_and(|text| words.iter().any(|word| word.eq_ignore_ascii_case(text)));
    judged_as(holds, || format!("The field '{path}' is {}; it must be {}.", field.shown(), words.join(" or ")))
}

/// Passes if a field has a value, or has none and so the right default.
fn is_or_absent(resource: &Resource, path: &str, want: bool) -> Outcome {
    match resource.field(path) {
        Field::Open(open) => undecided(path, open),
        Field::Absent => Outcome::Pass,
        field => judged_as(field == Field::Value(&Value::Bool(want)), || {
            format!("The field '{path}' is {}; it must be {want}.", field.shown())
        }),
    }
}

/// Passes if a field has a value at all.
fn present(resource: &Resource, path: &str) -> Outcome {
    judged_as(resource.field(path) != Field::Absent, || format!("The field '{path}' is not set."))
}

/// Whether the registry has the SKU Premium.
fn premium(resource: &Resource) -> bool {
    ["sku.name", "sku.tier"].iter().any(|path| one_of(resource, path, &["Premium"]) == Outcome::Pass)
}

/// A location as one word: `West Europe` = `westeurope`.
fn normal(location: &str) -> String {
    location.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}
