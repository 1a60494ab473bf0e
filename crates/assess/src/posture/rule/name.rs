//! The name has 5 to 50 letters and digits.

use super::{judged, undecided};
use crate::posture::{Field, Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.Name",
    reference: "AZR-000007",
    weight: Weight::Awareness,
    pillar: "Operational Excellence",
    synopsis: "The name is one that a registry may have.",
    recommendation: "Choose a name of 5 to 50 letters and digits.",
    preview: false,
    running: false,
    kind: REGISTRY,
    control: None,
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    let name = match resource.field("name") {
        Field::Open(open) => return undecided("name", open),
        _ => &resource.name,
    };
    let mut reasons = Vec::new();
    if !(5..=50).contains(&name.chars().count()) {
        reasons.push(format!("The name '{name}' has {} characters; 5 to 50 are allowed.", name.chars().count()));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        reasons.push(format!("The name '{name}' holds something else than letters and digits."));
    }
    judged(reasons)
}
