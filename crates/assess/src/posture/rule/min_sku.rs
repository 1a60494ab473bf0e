//! The SKU is Premium or Standard.

use super::one_of;
use crate::posture::{Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.MinSku",
    reference: "AZR-000006",
    weight: Weight::Important,
    pillar: "Reliability",
    synopsis: "The registry has a SKU for production.",
    recommendation: "Use the SKU Premium or Standard.",
    preview: false,
    running: false,
    kind: REGISTRY,
    control: None,
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    one_of(resource, "sku.name", &["Premium", "Standard"])
}
