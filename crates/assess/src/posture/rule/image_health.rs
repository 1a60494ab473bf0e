//! Every assessment of the registry is healthy or does not apply.

use super::{ASSESSMENT, judged_as};
use crate::posture::{Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.ImageHealth",
    reference: "AZR-000003",
    weight: Weight::Critical,
    pillar: "Security",
    synopsis: "Images have no known vulnerabilities.",
    recommendation: "Build the images anew with the fixed packages, then delete the old ones.",
    preview: false,
    running: true,
    kind: REGISTRY,
    control: None,
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    let assessments = resource.below(ASSESSMENT);
    if assessments.is_empty() {
        return Outcome::None;
    }
    let good = |a: &&Resource| {
        a.field("Properties.status.code").text().is_some_and(|code| matches!(code, "Healthy" | "NotApplicable"))
    };
    judged_as(assessments.iter().all(good), || "An assessment is reporting one or more issues.".into())
}
