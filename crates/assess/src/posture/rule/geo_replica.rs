//! The registry is replicated to another location.

use super::{REPLICATION, judged_as, normal};
use crate::posture::{Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.GeoReplica",
    reference: "AZR-000004",
    weight: Weight::Important,
    pillar: "Reliability",
    synopsis: "A second location holds the images.",
    recommendation: "Replicate the registry to another location.",
    preview: false,
    running: true,
    kind: REGISTRY,
    control: None,
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    let place = |r: &Resource| r.field("location").text().map(normal).unwrap_or_default();
    let replicas = resource.below(REPLICATION);
    let second = replicas.into_iter().any(|replica| place(replica) != place(resource));
    judged_as(second, || "A replica in a secondary region was not found.".into())
}
