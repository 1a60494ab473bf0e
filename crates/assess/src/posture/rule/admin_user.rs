//! The admin user is disabled.

use super::is_or_absent;
use crate::posture::{Control, Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.AdminUser",
    reference: "AZR-000005",
    weight: Weight::Critical,
    pillar: "Security",
    synopsis: "Nobody shares the admin account.",
    recommendation: "Disable the admin user; give each person and each pipeline an identity of its own.",
    preview: false,
    running: false,
    kind: REGISTRY,
    control: Some(Control::Access),
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    is_or_absent(resource, "properties.adminUserEnabled", false)
}
