//! Replicas are in allowed locations.

use super::{REPLICATION, judged, normal, undecided};
use crate::posture::{Control, Field, Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.ReplicaLocation",
    reference: "AZR-000494",
    weight: Weight::Important,
    pillar: "Security",
    synopsis: "Images are copied to allowed locations alone.",
    recommendation: "Remove the replicas in other locations, or allow these locations.",
    preview: false,
    running: false,
    kind: REGISTRY,
    control: Some(Control::Configuration),
    check,
};

fn check(resource: &Resource, settings: &Settings) -> Outcome {
    if settings.locations.is_empty() {
        return Outcome::Pass;
    }
    let mut reasons = Vec::new();
    for replica in resource.below(REPLICATION) {
        match replica.field("location") {
            Field::Open(open) => return undecided("location", open),
            Field::Absent => {}
            place => {
                let allowed = |l: &String| normal(l) == normal(place.text().unwrap_or_default());
                if !settings.locations.iter().any(allowed) {
                    reasons.push(format!("The location {} is not allowed.", place.shown()));
                }
            }
        }
    }
    judged(reasons)
}
