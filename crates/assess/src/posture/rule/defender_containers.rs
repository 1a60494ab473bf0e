//! The plan for containers is Standard.

use super::one_of;
use crate::posture::{Outcome, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.Defender.Containers",
    reference: "AZR-000289",
    weight: Weight::Critical,
    pillar: "Security",
    synopsis: "The subscription has the plan for containers.",
    recommendation: "Enable the plan: portwarden plan set --name Containers --tier standard.",
    preview: false,
    running: false,
    kind: "Microsoft.Security/pricings",
    control: None,
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    if !matches!(resource.name.as_str(), "Containers" | "ContainerRegistry") {
        return Outcome::None;
    }
    one_of(resource, "properties.pricingTier", &["Standard"])
}
