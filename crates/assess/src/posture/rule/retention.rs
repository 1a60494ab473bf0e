//! A premium registry has the retention policy enabled.

use super::{one_of, premium};
use crate::posture::{Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.Retention",
    reference: "AZR-000010",
    weight: Weight::Important,
    pillar: "Cost Optimization",
    synopsis: "Untagged manifests are cleaned up.",
    recommendation: "Enable the retention policy for untagged manifests.",
    preview: true,
    running: false,
    kind: REGISTRY,
    control: None,
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    if !premium(resource) {
        return Outcome::None;
    }
    one_of(resource, "properties.policies.retentionPolicy.status", &["enabled"])
}
