//! The registry has at least one assessment.

use super::{ASSESSMENT, judged_as};
use crate::posture::{Control, Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.ContainerScan",
    reference: "AZR-000002",
    weight: Weight::Critical,
    pillar: "Security",
    synopsis: "Images are scanned for vulnerabilities.",
    recommendation: "Enable the plan for container registries, so that each image is scanned when it is pushed, imported or pulled.",
    preview: false,
    running: true,
    kind: REGISTRY,
    control: Some(Control::Configuration),
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    let found = !resource.below(ASSESSMENT).is_empty();
    judged_as(found, || "The results for a valid assessment was not found.".into())
}
