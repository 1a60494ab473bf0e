//! The quarantine policy is enabled.

use super::one_of;
use crate::posture::{Control, Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.Quarantine",
    reference: "AZR-000008",
    weight: Weight::Important,
    pillar: "Security",
    synopsis: "New images stay in quarantine until they were scanned.",
    recommendation: "Enable the quarantine policy, and release images once they were scanned.",
    preview: true,
    running: false,
    kind: REGISTRY,
    control: Some(Control::Configuration),
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    one_of(resource, "properties.policies.quarantinePolicy.status", &["enabled"])
}
