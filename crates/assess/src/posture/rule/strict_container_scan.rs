//! The plan is on, and every eligible image was judged by fresh data.

use super::judged;
use crate::posture::{Control, Field, Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Portwarden.ContainerScan",
    reference: "",
    weight: Weight::Critical,
    pillar: "Security",
    synopsis: "Every image that should be judged is, by data younger than 48 hours.",
    recommendation: "Enable the plan, let the scanner in, update the feeds (portwarden db update), then scan what was never judged.",
    preview: false,
    running: true,
    kind: REGISTRY,
    control: Some(Control::Configuration),
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    let number = |name: &str| match resource.field(&format!("portwarden.{name}")) {
        Field::Value(value) => value.as_u64(),
        _ => None,
    };
    let (Some(eligible), Some(judged_images)) = (number("eligibleImages"), number("judgedImages")) else {
        return Outcome::None; // not a registry that Portwarden watches
    };
    let mut reasons = Vec::new();
    if resource.field("portwarden.planStandard") != Field::Value(&serde_json::Value::Bool(true)) {
        reasons.push("The plan is off.".to_owned());
    }
    if judged_images < eligible {
        reasons.push(format!(
            "{} of {eligible} images were never judged, or only with gaps.",
            eligible.saturating_sub(judged_images)
        ));
    }
    match number("dataAgeHours") {
        None => reasons.push("No feed was ever read.".to_owned()),
        Some(hours) if hours >= 48 => reasons.push(format!("A feed was last read {hours} hours ago; 48 are the most.")),
        Some(_) => {}
    }
    judged(reasons)
}
