//! A diagnostic setting records logins and repository events.

use super::judged;
use crate::posture::{Control, Field, Outcome, REGISTRY, Resource, Rule, Settings, Weight};

/// The rule.
pub static RULE: Rule = Rule {
    name: "Azure.ACR.Logs",
    reference: "",
    weight: Weight::Important,
    pillar: "Security",
    synopsis: "Logins and pulls are recorded.",
    recommendation: "Send both categories of resource logs somewhere: ContainerRegistryLoginEvents and ContainerRegistryRepositoryEvents.",
    preview: false,
    running: false,
    kind: REGISTRY,
    control: Some(Control::Configuration),
    check,
};

fn check(resource: &Resource, _: &Settings) -> Outcome {
    let settings =
        resource.children.iter().filter(|child| child.kind.to_ascii_lowercase().ends_with("diagnosticsettings"));
    let mut wanted = vec!["ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"];
    for setting in settings {
        let Field::Value(logs) = setting.field("properties.logs") else { continue };
        for log in logs.as_array().into_iter().flatten().filter(|log| log["enabled"].as_bool() == Some(true)) {
            let group = log["categoryGroup"].as_str().unwrap_or_default();
            let category = log["category"].as_str().unwrap_or_default();
            let all = group.eq_ignore_ascii_case("audit") || group.eq_ignore_ascii_case("allLogs");
            wanted.retain(|name| !all && !name.eq_ignore_ascii_case(category));
        }
    }
    judged(wanted.into_iter().map(|name| format!("No diagnostic setting records {name}.")).collect())
}
