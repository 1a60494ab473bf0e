//! The name matches the configured pattern.

use super::{judged_as, undecided};
use crate::posture::{Field, Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.Naming",
    reference: "",
    weight: Weight::Awareness,
    pillar: "Operational Excellence",
    synopsis: "The name follows the pattern of the organisation.",
    recommendation: "Name the registry by the pattern.",
    preview: false,
    running: false,
    kind: REGISTRY,
    control: None,
    check,
};

fn check(resource: &Resource, settings: &Settings) -> Outcome {
    if settings.name_pattern.is_empty() {
        return Outcome::None;
    }
    if let Field::Open(open) = resource.field("name") {
        return undecided("name", open);
    }
    let (name, pattern) = (&resource.name, &settings.name_pattern);
    judged_as(model::pattern::Pattern::new(pattern).matches(name), || {
        format!("The name '{name}' does not match '{pattern}'.")
    })
}
