//! The soft delete policy is enabled, where it can be.

use super::{REPLICATION, one_of, present};
use crate::posture::{Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.SoftDelete",
    reference: "AZR-000310",
    weight: Weight::Important,
    pillar: "Reliability",
    synopsis: "What was deleted by mistake can be restored.",
    recommendation: "Enable the soft delete policy with a number of days.",
    preview: true,
    running: false,
    kind: REGISTRY,
    control: None,
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    let retention = resource.field("properties.policies.retentionPolicy.status").text() == Some("enabled");
    if retention || !resource.below(REPLICATION).is_empty() {
        return Outcome::None; // soft delete does not work beside either
    }
    match one_of(resource, "properties.policies.softDeletePolicy.status", &["enabled"]) {
        Outcome::Pass => present(resource, "properties.policies.softDeletePolicy.retentionDays"),
        other => other,
    }
}
