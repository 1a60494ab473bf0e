//! Storage is at most 90 % full.

use super::judged;
use crate::posture::{Field, Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.Usage",
    reference: "AZR-000001",
    weight: Weight::Important,
    pillar: "Cost Optimization",
    synopsis: "Free storage before the registry is full.",
    recommendation: "Remove images that nobody uses any more, or raise the limit.",
    preview: false,
    running: true,
    kind: REGISTRY,
    control: None,
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    let usages = resource.below("Microsoft.ContainerRegistry/registries/listUsages");
    let number = |usage: &Resource, name: &str| match usage.field(name) {
        Field::Value(value) => value.as_f64(),
        _ => None,
    };
    let sizes = usages.into_iter().filter(|usage| usage.name.eq_ignore_ascii_case("Size"));
    let full = sizes.filter_map(|usage| {
        let (used, limit) = (number(usage, "currentValue")?, number(usage, "limit")?);
        (limit > 0.0 && used / limit > 0.9)
            .then(|| format!("{:.0} % of the storage is used; 90 % is the most.", used / limit * 100.0))
    });
    judged(full.collect())
}
