//! A registry, and the plan of a subscription, as `Export-AzRuleData` writes one, so that posture rules, ours and those of PSRule for Azure, judge it.
//!
//! In: what is known of a registry. Out: JSON. What Portwarden has not (a quarantine, content trust, retention, soft delete) is `disabled`; what it always does
//! (resource logs) is enabled. The network rules can all be set, so the SKU is Premium.

use assess::posture::REGISTRY;
use assess::recommendation::VULNERABILITIES;
use fleet::ScoreTally;
use model::facts::{RegistryFact, SubscriptionFact};
use model::network::Rules;
use serde_json::{Value, json};

/// What is known of a registry.
pub struct Known<'a> {
    /// The subscription.
    pub subscription: &'a SubscriptionFact,
    /// The registry.
    pub registry: &'a RegistryFact,
    /// Who may speak to it; `None`: not one of Portwarden's own.
    pub network: Option<&'a Rules>,
    /// Whether its plan is on.
    pub standard: bool,
    /// Its images by whether they are judged.
    pub judged: ScoreTally,
    /// Its images by whether they have findings.
    pub health: ScoreTally,
    /// Age of the oldest feed; `None`: none was ever read.
    pub data_age_hours: Option<i64>,
}

/// The registry and what is below it.
pub fn resource(known: &Known<'_>) -> Value {
    let Known { subscription, registry, judged, .. } = known;
    let (guid, group, name) = (&subscription.guid, &registry.resource_group, &registry.name);
    json!({
        "Name": name,
        "ResourceName": name,
        "ResourceType": REGISTRY,
        "ResourceId": format!("/subscriptions/{guid}/resourceGroups/{group}/providers/{REGISTRY}/{name}"),
        "ResourceGroupName": group,
        "SubscriptionId": guid,
        "Location": "local",
        "Sku": {"name": "Premium", "tier": "Premium"},
        "Properties": properties(known),
        "resources": below(known),
        "portwarden": {
            "planStandard": known.standard,
            "eligibleImages": judged.healthy + judged.unhealthy,
            "judgedImages": judged.healthy,
            "dataAgeHours": known.data_age_hours,
        },
    })
}

/// The plan of a subscription.
pub fn plan(guid: &str, standard: bool) -> Value {
    let (name, kind) = ("ContainerRegistry", "Microsoft.Security/pricings");
    json!({
        "Name": name,
        "ResourceName": name,
        "ResourceType": kind,
        "ResourceId": format!("/subscriptions/{guid}/providers/{kind}/{name}"),
        "SubscriptionId": guid,
        "Location": "local",
        "Properties": {"pricingTier": if standard { "Standard" } else { "Free" }},
    })
}

fn properties(known: &Known<'_>) -> Value {
    let off = json!({"status": "disabled"});
    let mut properties = json!({
        "loginServer": known.registry.host,
        "adminUserEnabled": false,
        "anonymousPullEnabled": false,
        "policies": {
            "quarantinePolicy": off,
            "trustPolicy": off,
            "retentionPolicy": off,
            "softDeletePolicy": off,
            "exportPolicy": {"status": "enabled"},
        },
    });
    if let Some(rules) = known.network {
        let word = |yes: bool, so: &'static str, not: &'static str| if yes { so } else { not };
        let allowed: Vec<Value> = rules.allowed.iter().map(|n| json!({"action": "Allow", "value": n})).collect();
        properties["publicNetworkAccess"] = word(rules.public_access, "Enabled", "Disabled").into();
        properties["networkRuleSet"] =
            json!({"defaultAction": word(rules.default_allow, "Allow", "Deny"), "ipRules": allowed});
        properties["networkRuleBypassOptions"] = word(rules.trusted_bypass, "AzureServices", "None").into();
    }
    properties
}

fn below(known: &Known<'_>) -> Vec<Value> {
    let code = health(&known.health);
    let assessment = json!({"Name": VULNERABILITIES, "ResourceType": "Microsoft.Security/assessments", "Properties": {"status": {"code": code}}});
    let logs = json!({"Name": "resource-logs", "ResourceType": "Microsoft.Insights/diagnosticSettings",
        "Properties": {"logs": [{"categoryGroup": "allLogs", "enabled": true}]}});
    known.standard.then_some(assessment).into_iter().chain([logs]).collect()
}

/// The state of an assessment. What could not be judged is not healthy.
fn health(images: &ScoreTally) -> &'static str {
    match images {
        ScoreTally { unhealthy: 0, unverified: 0, healthy: 0, .. } => "NotApplicable",
        ScoreTally { unhealthy: 0, unverified: 0, .. } => "Healthy",
        _ => "Unhealthy",
    }
}

#[cfg(test)]
mod tests {
    use super::health;
    use fleet::ScoreTally;

    #[test]
    fn images_are_healthy_together_only_when_each_that_counts_was_judged_and_is_clean() {
        for (healthy, unhealthy, unverified, want, why) in [
            (2, 0, 0, "Healthy", "all clean"),
            (2, 1, 0, "Unhealthy", "one has findings"),
            (2, 0, 1, "Unhealthy", "one was never judged"),
            (0, 0, 0, "NotApplicable", "only exempt ones, or none"),
        ] {
            assert_eq!(health(&ScoreTally { healthy, unhealthy, unverified, not_applicable: 1 }), want, "{why}");
        }
    }
}
