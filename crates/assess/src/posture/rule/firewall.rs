//! A premium registry refuses networks that nobody listed.

use super::{one_of, premium};
use crate::posture::{Control, Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.Firewall",
    reference: "AZR-000402",
    weight: Weight::Important,
    pillar: "Security",
    synopsis: "The registry is reached from trusted networks alone.",
    recommendation: "Disable public access, or deny by default and list the networks that may.",
    preview: false,
    running: false,
    kind: REGISTRY,
    control: Some(Control::Network),
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    if !premium(resource) {
        return Outcome::None;
    }
    let public = one_of(resource, "properties.publicNetworkAccess", &["Disabled"]);
    let default = one_of(resource, "properties.networkRuleSet.defaultAction", &["Deny"]);
    match (public, default) {
        (Outcome::Pass, _) | (_, Outcome::Pass) => Outcome::Pass,
        (unknown @ Outcome::Unknown(_), _) | (_, unknown @ Outcome::Unknown(_)) => unknown,
        (Outcome::Fail(mut reasons), Outcome::Fail(more)) => {
            reasons.extend(more);
            Outcome::Fail(reasons)
        }
        (public, _) => public,
    }
}
