//! Posture rules from the command line.

use crate::house::{House, engines};

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

#[test]
fn the_export_of_the_registries_is_judged_as_they_are() {
    for house in engines() {
        drop(house.start()); // it makes the data that the commands are about
        let told = |arguments: &[&str]| {
            let output = house.run(arguments);
            let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_ne!(output.status.code(), Some(2), "{arguments:?}: {said}");
            (output.status.code(), text.into_owned())
        };
        std::fs::write(house.folder.path().join("registries.json"), told(&["registry", "export-azruledata"]).1)
            .unwrap();
        for format in ["json", "csv", "sarif", "nunit3", "markdown", "table"] {
            let (live, file) = (["--live", "--format", format], ["registries.json", "--format", format]);
            let [live, file] =
                [live, file].map(|rest| told(&[&["check", "--fail-on", "awareness"], &rest[..]].concat()));
            assert_eq!(live, file, "{format}");
            assert!(live.0 == Some(1) && live.1.contains("Azure.ACR.Firewall"), "{}", live.1);
        }
        let only = ["check", "--live", "--rule", "AZR-000402", "--fail-on", "important"];
        assert_eq!(told(&only).0, Some(1), "the registry begins open");
        let (_, id) = told(&["suppression", "create", "--rule", "AZR-000402", "--scope", "/", "--reason", "one site"]);
        let (exit, text) = told(&only);
        assert!(exit == Some(0) && text.contains("suppressed: one site") && text.contains("1 suppressed"), "{text}");
        assert!(told(&["suppression", "list"]).1.contains("one site"));
        told(&["suppression", "delete", id.trim()]);
        told(&["registry", "network", "set", "local", "--default-action", "Deny"]);
        assert_eq!(told(&only).0, Some(0), "closed, it passes");
    }
}
