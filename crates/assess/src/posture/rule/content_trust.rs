//! A premium registry has content trust enabled.

use super::{one_of, premium};
use crate::posture::{Field, Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.ContentTrust",
    reference: "AZR-000009",
    weight: Weight::Important,
    pillar: "Security",
    synopsis: "Images are signed by somebody who is trusted.",
    recommendation: "Enable content trust and sign the images.",
    preview: false,
    running: false,
    kind: REGISTRY,
    control: None,
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    let own_key = resource.field("properties.encryption.keyVaultProperties.identity") != Field::Absent;
    if !premium(resource) || own_key {
        return Outcome::None; // the two exclude each other
    }
    one_of(resource, "properties.policies.trustPolicy.status", &["enabled"])
}
