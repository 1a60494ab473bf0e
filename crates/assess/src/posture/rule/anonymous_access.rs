//! Anonymous pulls are disabled.

use super::{is_or_absent, one_of, premium};
use crate::posture::{Control, Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.AnonymousAccess",
    reference: "AZR-000401",
    weight: Weight::Important,
    pillar: "Security",
    synopsis: "Nobody pulls without a name.",
    recommendation: "Disable anonymous pulls.",
    preview: false,
    running: false,
    kind: REGISTRY,
    control: Some(Control::Access),
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    if !premium(resource) && one_of(resource, "sku.name", &["Standard"]) != Outcome::Pass {
        return Outcome::None;
    }
    is_or_absent(resource, "properties.anonymousPullEnabled", false)
}
