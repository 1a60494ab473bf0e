use super::*;
use serde_json::{Value, json};

fn registry(properties: Value, sku: &str) -> Value {
    json!({"Name": "payments", "ResourceType": REGISTRY, "SubscriptionId": "guid", "Location": "West Europe", "Sku": {"name": sku}, "Properties": properties})
}

fn with(mut body: Value, children: Value) -> Value {
    body["resources"] = children;
    body
}

fn outcome(rule: &str, body: Value, settings: &Settings) -> (String, String) {
    let resource = Resource::new(body).unwrap();
    let rule = super::rule(rule).unwrap();
    let records = check(&[resource], &[rule], settings);
    records.first().map_or((String::from("None"), String::new()), |r| (r.outcome.to_owned(), r.reasons.join(" ")))
}

#[test]
#[allow(clippy::too_many_lines)] // a table
fn each_rule_passes_fails_or_does_not_apply_as_its_table_says() {
    let assessment = |code: &str| json!([{"Name": "a", "ResourceType": "Microsoft.Security/assessments", "Properties": {"status": {"code": code}}}]);
    let replica = |place: &str| json!([{"Name": "r", "ResourceType": "Microsoft.ContainerRegistry/registries/replications", "Location": place}]);
    let usage = |used: u64| json!([{"Name": "Size", "ResourceType": "Microsoft.ContainerRegistry/registries/listUsages", "currentValue": used, "limit": 100}]);
    let logs = |logs: Value| json!([{"Name": "d", "ResourceType": "Microsoft.Insights/diagnosticSettings", "Properties": {"logs": logs}}]);
    let policy = |name: &str, status: &str| json!({"policies": {name: {"status": status}}});
    let plain = || registry(json!({}), "Premium");
    let watched = |plan: bool, judged: u64, hours: u64| {
        let mut body = plain();
        body["portwarden"] =
            json!({"planStandard": plan, "eligibleImages": 3, "judgedImages": judged, "dataAgeHours": hours});
        body
    };
    let rows: Vec<(&str, Value, &str, &str)> = vec![
        ("Azure.ACR.ContainerScan", with(plain(), assessment("Unhealthy")), "Pass", ""),
        ("Azure.ACR.ContainerScan", plain(), "Fail", "The results for a valid assessment was not found."),
        ("AZR-000003", with(plain(), assessment("Healthy")), "Pass", ""),
        ("AZR-000003", with(plain(), assessment("NotApplicable")), "Pass", ""),
        (
            "AZR-000003",
            with(plain(), assessment("Unhealthy")),
            "Fail",
            "An assessment is reporting one or more issues.",
        ),
        ("AZR-000003", plain(), "None", ""),
        ("Azure.ACR.Usage", with(plain(), usage(90)), "Pass", ""),
        ("Azure.ACR.Usage", with(plain(), usage(91)), "Fail", "91 % of the storage is used; 90 % is the most."),
        ("Azure.ACR.Usage", plain(), "Pass", ""),
        ("Azure.ACR.GeoReplica", with(plain(), replica("northeurope")), "Pass", ""),
        (
            "Azure.ACR.GeoReplica",
            with(plain(), replica("westeurope")),
            "Fail",
            "A replica in a secondary region was not found.",
        ),
        ("Azure.ACR.AdminUser", registry(json!({"AdminUserEnabled": false}), "Basic"), "Pass", ""),
        ("Azure.ACR.AdminUser", registry(json!({}), "Basic"), "Pass", ""),
        (
            "Azure.ACR.AdminUser",
            registry(json!({"adminUserEnabled": true}), "Basic"),
            "Fail",
            "The field 'properties.adminUserEnabled' is true; it must be false.",
        ),
        ("Azure.ACR.MinSku", plain(), "Pass", ""),
        (
            "Azure.ACR.MinSku",
            registry(json!({}), "Basic"),
            "Fail",
            "The field 'sku.name' is 'Basic'; it must be Premium or Standard.",
        ),
        ("Azure.ACR.Name", plain(), "Pass", ""),
        ("Azure.ACR.Quarantine", registry(policy("quarantinePolicy", "enabled"), "Premium"), "Pass", ""),
        (
            "Azure.ACR.Quarantine",
            plain(),
            "Fail",
            "The field 'properties.policies.quarantinePolicy.status' is not set; it must be enabled.",
        ),
        ("Azure.ACR.ContentTrust", registry(policy("trustPolicy", "enabled"), "Premium"), "Pass", ""),
        ("Azure.ACR.ContentTrust", registry(json!({}), "Standard"), "None", ""),
        (
            "Azure.ACR.ContentTrust",
            registry(json!({"encryption": {"keyVaultProperties": {"identity": "x"}}}), "Premium"),
            "None",
            "",
        ),
        (
            "Azure.ACR.Retention",
            registry(policy("retentionPolicy", "disabled"), "Premium"),
            "Fail",
            "The field 'properties.policies.retentionPolicy.status' is 'disabled'; it must be enabled.",
        ),
        (
            "Azure.ACR.SoftDelete",
            registry(json!({"policies": {"softDeletePolicy": {"status": "enabled", "retentionDays": 7}}}), "Basic"),
            "Pass",
            "",
        ),
        (
            "Azure.ACR.SoftDelete",
            registry(policy("softDeletePolicy", "enabled"), "Basic"),
            "Fail",
            "The field 'properties.policies.softDeletePolicy.retentionDays' is not set.",
        ),
        ("Azure.ACR.SoftDelete", registry(policy("retentionPolicy", "enabled"), "Premium"), "None", ""),
        (
            "Azure.ACR.AnonymousAccess",
            registry(json!({"anonymousPullEnabled": true}), "Standard"),
            "Fail",
            "The field 'properties.anonymousPullEnabled' is true; it must be false.",
        ),
        ("Azure.ACR.AnonymousAccess", registry(json!({"anonymousPullEnabled": true}), "Basic"), "None", ""),
        ("Azure.ACR.Firewall", registry(json!({"publicNetworkAccess": "Disabled"}), "Premium"), "Pass", ""),
        ("Azure.ACR.Firewall", registry(json!({"networkRuleSet": {"defaultAction": "Deny"}}), "Premium"), "Pass", ""),
        (
            "Azure.ACR.Firewall",
            registry(json!({"networkRuleSet": {"defaultAction": "Allow"}}), "Premium"),
            "Fail",
            "The field 'properties.publicNetworkAccess' is not set; it must be Disabled. The field 'properties.networkRuleSet.defaultAction' is 'Allow'; it must be Deny.",
        ),
        (
            "Azure.ACR.ExportPolicy",
            registry(
                json!({"policies": {"exportPolicy": {"status": "disabled"}}, "publicNetworkAccess": "Disabled"}),
                "Premium",
            ),
            "Pass",
            "",
        ),
        ("Azure.ACR.Logs", with(plain(), logs(json!([{"categoryGroup": "audit", "enabled": true}]))), "Pass", ""),
        (
            "Azure.ACR.Logs",
            with(plain(), logs(json!([{"category": "ContainerRegistryLoginEvents", "enabled": true}]))),
            "Fail",
            "No diagnostic setting records ContainerRegistryRepositoryEvents.",
        ),
        (
            "Azure.Defender.Containers",
            json!({"name": "Containers", "type": "Microsoft.Security/pricings", "properties": {"pricingTier": "Free"}}),
            "Fail",
            "The field 'properties.pricingTier' is 'Free'; it must be Standard.",
        ),
        (
            "Azure.Defender.Containers",
            json!({"name": "KeyVaults", "type": "Microsoft.Security/pricings", "properties": {"pricingTier": "Free"}}),
            "None",
            "",
        ),
        ("Portwarden.ContainerScan", watched(true, 3, 47), "Pass", ""),
        (
            "Portwarden.ContainerScan",
            watched(false, 2, 48),
            "Fail",
            "The plan is off. 1 of 3 images were never judged, or only with gaps. A feed was last read 48 hours ago; 48 are the most.",
        ),
        ("Portwarden.ContainerScan", plain(), "None", ""),
    ];
    for (rule, body, want, reason) in rows {
        let (got, why) = outcome(rule, body.clone(), &Settings::default());
        assert_eq!((got.as_str(), why.as_str()), (want, reason), "{rule} of {body}");
    }
}

#[test]
fn names_and_places_are_judged_by_the_settings() {
    let settings = Settings { locations: vec!["North Europe".into()], name_pattern: "acr*".into() };
    let replica = json!([{"Name": "r", "ResourceType": "Microsoft.ContainerRegistry/registries/replications", "Location": "eastus"}]);
    let body = with(registry(json!({}), "Premium"), replica);
    assert_eq!(
        outcome("Azure.ACR.ReplicaLocation", body.clone(), &settings).1,
        "The location 'eastus' is not allowed."
    );
    assert_eq!(outcome("Azure.ACR.ReplicaLocation", body, &Settings::default()).0, "Pass");
    assert_eq!(
        outcome("Azure.ACR.Naming", registry(json!({}), "Basic"), &settings).1,
        "The name 'payments' does not match 'acr*'."
    );
    let odd = json!({"Name": "a-b", "ResourceType": REGISTRY});
    assert_eq!(
        outcome("Azure.ACR.Name", odd, &settings).1,
        "The name 'a-b' has 3 characters; 5 to 50 are allowed. The name 'a-b' holds something else than letters and digits."
    );
}

fn template(body: Value) -> Result<Vec<Resource>, String> {
    let mut template =
        json!({"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"});
    template.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    read(template.to_string().as_bytes())
}

#[test]
fn a_template_is_read_as_it_would_be_deployed() {
    let found = template(json!({
        "parameters": {"prefix": {"defaultValue": "Pay"}, "open": {"type": "string"}, "admin": {"defaultValue": false}},
        "variables": {"name": "[toLower(concat(parameters('prefix'), 'Registry'))]", "sku": {"big": "Premium"}},
        "resources": [
            {"type": REGISTRY, "name": "[variables('name')]", "sku": {"name": "[variables('sku').big]"},
             "properties": {"adminUserEnabled": "[parameters('admin')]", "publicNetworkAccess": "[parameters('open')]"},
             "resources": [{"type": "replications", "name": "r", "location": "[if(equals('A', 'a'), 'eastus', 'none')]"}]},
            {"type": "Microsoft.ContainerRegistry/registries/webhooks", "name": "payregistry/w"},
            {"condition": "[not(true)]", "type": REGISTRY, "name": "never"},
            {"type": REGISTRY, "name": "[format('acr{0}', copyIndex())]", "copy": {"name": "c", "count": 2}},
            {"type": "Microsoft.Resources/deployments", "name": "d", "properties": {
                "expressionEvaluationOptions": {"scope": "inner"}, "parameters": {"n": {"value": "[variables('name')]"}},
                "template": {"parameters": {"n": {"type": "string"}}, "resources": [{"type": REGISTRY, "name": "[concat(parameters('n'), '2')]"}]}}}
        ]
    }))
    .unwrap();
    let names: Vec<&str> = found.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["payregistry", "acr0", "acr1", "payregistry2"]);
    let first = &found[0];
    assert_eq!(first.field("sku.name").text(), Some("Premium"));
    assert_eq!(first.field("properties.publicNetworkAccess"), Field::Open("[parameters('open')]"));
    assert_eq!(
        first.below("Microsoft.ContainerRegistry/registries/replications")[0].field("location").text(),
        Some("eastus")
    );
    assert_eq!(
        first.below("Microsoft.ContainerRegistry/registries/webhooks").len(),
        1,
        "declared beside, belongs below"
    );
    let records = check(
        &found[..1],
        &[rule("Azure.ACR.Firewall").unwrap(), rule("Azure.ACR.ContainerScan").unwrap()],
        &Settings::default(),
    );
    assert_eq!(records.len(), 1, "a rule for what runs says nothing of a template");
    assert_eq!(records[0].outcome, "Error");
    assert!(records[0].reasons[0].contains("only a deployment decides"), "{:?}", records[0].reasons);
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    for (bytes, want) in [
        (&b"{"[..], "is not JSON"),
        (b"{}", "is neither an export of resources"),
        (b"\"text\"", "is neither an export of resources"),
    ] {
        let why = read(bytes).unwrap_err();
        assert!(why.contains(want), "{why}");
    }
    assert!(read(b"\xef\xbb\xbf[]").unwrap().is_empty(), "a byte order mark is no fault");
    let copies = template(json!({"resources": [{"type": REGISTRY, "name": "a", "copy": {"count": 1_000_000}}]}));
    assert!(copies.unwrap_err().contains("800 are the most"));
    let mut variables = serde_json::Map::new();
    variables.insert("v0".into(), json!("x".repeat(1000)));
    for n in 1..30 {
        let text = format!("[concat(variables('v{0}'), variables('v{0}'))]", n - 1);
        variables.insert(format!("v{n}"), text.into());
    }
    let grown =
        template(json!({"variables": variables, "resources": [{"type": REGISTRY, "name": "[variables('v29')]"}]}));
    assert!(grown.is_err(), "a template that doubles itself ends");
    let circle = template(
        json!({"variables": {"a": "[variables('a')]"}, "resources": [{"type": REGISTRY, "name": "[variables('a')]"}]}),
    );
    assert!(circle.unwrap_err().contains("nests deeper"));
}

#[test]
fn a_control_counts_a_resource_as_healthy_when_all_its_rules_pass() {
    let good = registry(json!({"publicNetworkAccess": "Disabled"}), "Premium");
    let mut bad = registry(json!({"publicNetworkAccess": "Enabled"}), "Premium");
    bad["Name"] = "orders".into();
    let resources: Vec<Resource> = [good, bad].into_iter().filter_map(Resource::new).collect();
    let records = check(&resources, ALL, &Settings::default());
    assert_eq!(tally(&records, Control::Network), (1, 1));
    assert_eq!(tally(&records, Control::Access), (2, 0));
}

#[test]
fn every_rule_has_its_own_name_and_every_file_its_line() {
    let mut names: Vec<&str> = ALL.iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/posture/rule");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), ALL.len(), "a file a rule, a line a file");
}

fn hostile() -> Vec<Record> {
    let name = "=cmd|'</script>]]>\u{1b}[31m\u{202e}\n\"x\"";
    let body = json!({"Name": name, "ResourceType": REGISTRY, "Properties": {"adminUserEnabled": name}});
    check(&[Resource::new(body).unwrap()], ALL, &Settings::default())
}

#[test]
fn every_format_keeps_a_hostile_name_inert() {
    let records = hostile();
    assert!(records.iter().any(|r| r.outcome == "Fail"));
    for format in FORMATS {
        let text = (format.write)(&records);
        let raw = |c: char| (c.is_control() && !matches!(c, '\n' | '\r')) || c == '\u{202e}';
        assert!(matches!(format.name, "json" | "sarif" | "csv") || !text.contains(raw), "{}: {text}", format.name);
    }
    let csv = (super::format("csv").unwrap().write)(&records);
    assert!(csv.lines().skip(1).all(|line| line.contains("\"'=cmd")), "no cell begins a formula: {csv}");
    let xml = (super::format("nunit3").unwrap().write)(&records);
    assert_eq!(xml.matches("<![CDATA[").count(), xml.matches("]]>").count(), "no name ends a text");
    let sarif: Value = serde_json::from_str(&(super::format("sarif").unwrap().write)(&records)).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert!(results.iter().all(|r| r["ruleIndex"].is_u64() && r["message"]["text"].is_string()));
    assert_eq!(results.len(), records.iter().filter(|r| r.outcome != "Pass").count());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_fail_otherwise_than_with_a_sentence(bytes: Vec<u8>, text in "\\PC{0,80}") {
        let _ = read(&bytes);
        let _ = template(json!({"resources": [{"type": REGISTRY, "name": format!("[{text}]")}]}));
    }
}
