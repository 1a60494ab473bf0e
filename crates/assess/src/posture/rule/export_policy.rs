//! The export policy is disabled, and so is public access.

use super::{one_of, premium};
use crate::posture::{Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.ExportPolicy",
    reference: "",
    weight: Weight::Important,
    pillar: "Security",
    synopsis: "Images do not leave through an export.",
    recommendation: "Disable the export policy and public network access.",
    preview: false,
    running: false,
    kind: REGISTRY,
    control: None,
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    if !premium(resource) {
        return Outcome::None;
    }
    match one_of(resource, "properties.policies.exportPolicy.status", &["disabled"]) {
        Outcome::Pass => one_of(resource, "properties.publicNetworkAccess", &["Disabled"]),
        other => other,
    }
}
