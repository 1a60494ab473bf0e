//! Posture rules from the command line.

use crate::house::House;

const EXPORT: &str = r#"[{"Name":"payments","ResourceType":"Microsoft.ContainerRegistry/registries","SubscriptionId":"s","Location":"local",
"Sku":{"name":"Premium"},"Properties":{"adminUserEnabled":true},"resources":[{"Name":"a","ResourceType":"Microsoft.Security/assessments",
"Properties":{"status":{"code":"Unhealthy"}}}]}]"#;

#[test]
fn an_export_is_judged_and_the_exit_code_follows_the_threshold() {
    let house = House::new();
    std::fs::write(house.folder.path().join("export.json"), EXPORT).unwrap();
    let suppressed = r#"[{"rule":"AZR-000003","resource":"payments","reason":"rebuilt on Monday","expires":"2999-01-01"},
        {"rule":"AZR-000005","resource":"payments","reason":"long ago","expires":"2001-01-01"}]"#;
    std::fs::write(house.folder.path().join("suppress.json"), suppressed).unwrap();
    std::fs::write(
        house.folder.path().join("typo.json"),
        r#"[{"rule":"AZR-000003","resource":"payments","reson":"x"}]"#,
    )
    .unwrap();
    let rows: &[(&[&str], i32, &[&str])] = &[
        (&["check", "export.json"], 0, &["An assessment is reporting one or more issues.", "Azure.ACR.AdminUser"]),
        (&["check", "export.json", "--fail-on", "critical"], 1, &["Critical"]),
        (&["check", "export.json", "--rule", "AZR-000002", "--fail-on", "awareness"], 0, &["1 passed, 0 failed"]),
        (
            &["check", "export.json", "--suppress", "suppress.json", "--rule", "AZR-000003", "--fail-on", "awareness"],
            0,
            &["Suppressed", "rebuilt on Monday", "the suppression of AZR-000005 for payments is over"],
        ),
        (&["check", "export.json", "--suppress", "typo.json"], 2, &["typo.json", "reson"]),
        (&["check", "nowhere.json"], 2, &["nowhere.json"]),
        (
            &["check", "export.json", "--rule", "Azure.ACR.Nothing"],
            2,
            &["Azure.ACR.Nothing", "Azure.ACR.ContainerScan"],
        ),
        (&["check", "export.json", "--format", "xml"], 2, &["nunit3"]),
    ];
    for (arguments, exit, said) in rows {
        let output = house.run(arguments);
        let text = String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(*exit), "{arguments:?}: {text}");
        for word in *said {
            assert!(text.contains(word), "{arguments:?} does not say {word:?}: {text}");
        }
    }
}
