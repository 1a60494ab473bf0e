//! Recommendations: what can be asked of images and registries, why, and what to do.
//!
//! In: nothing; a table. Out: words, and what a recommendation is asked of. Which resources follow it, the index and the posture
//! rules say.

use crate::posture;
use crate::remediation::Step;
use crate::score;
use model::Severity;

/// A recommendation.
#[derive(Debug, Clone)]
pub struct Recommendation {
    /// Stable key.
    pub key: &'static str,
    /// What should be; for registries of Azure it is theirs.
    pub title: &'static str,
    /// The same in Azure's words, or empty.
    pub azure_title: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Why.
    pub description: &'static str,
    /// What to do, and what to type.
    pub steps: &'static [(&'static str, &'static str)],
    /// The control of the secure score that it counts towards.
    pub control: Option<&'static str>,
    /// What it is asked of.
    pub asked: Asked,
}

/// What a recommendation is asked of, and how it is found out.
#[derive(Debug, Clone, Copy)]
pub enum Asked {
    /// Images: no open finding that counts.
    Findings,
    /// Images: judged completely.
    Judged,
    /// Images: their distribution is still supported.
    Supported,
    /// Images that are pulled: built anew within 90 days.
    Fresh,
    /// Registries: their plan is on.
    Plan,
    /// Registries: the scanner is let in.
    Reachable,
    /// Registries: a posture rule.
    Posture(&'static posture::Rule),
}

impl Asked {
    /// Whether it is asked of images; else of registries.
    pub fn of_images(self) -> bool {
        !matches!(self, Self::Plan | Self::Reachable | Self::Posture(_))
    }
}

impl Recommendation {
    /// Returns the title for a kind of registry.
    pub fn title_for(&self, kind: &str) -> &'static str {
        if kind == "acr" && !self.azure_title.is_empty() { self.azure_title } else { self.title }
    }

    /// Returns the steps.
    pub fn remediation(&self) -> Vec<Step> {
        let step = |(text, command): &(&str, &str)| Step {
            text: (*text).to_owned(),
            command: (!command.is_empty()).then(|| (*command).to_owned()),
        };
        self.steps.iter().map(step).collect()
    }
}

/// The key of the first recommendation, as Azure has it.
pub const VULNERABILITIES: &str = "dbd0cb49-b563-45e7-9724-889e799fa648";

static OWN: &[Recommendation] = &[
    Recommendation {
        key: VULNERABILITIES,
        title: "Vulnerabilities in container registry images should be remediated",
        azure_title: "Vulnerabilities in Azure Container Registry images should be remediated",
        severity: Severity::High,
        description: "Each image that is pushed, imported or pulled is scanned, and held against every new advisory. An image with an open \
            finding carries software with a known vulnerability into whatever runs it.",
        steps: &[
            (
                "See which upgrade fixes most: open the image, tab Fixes.",
                "portwarden finding list 'fix:yes' image:DIGEST",
            ),
            (
                "Build the image again from a fresh base and without the build cache.",
                "docker build --pull --no-cache -t REPOSITORY:TAG .",
            ),
            ("Push it. It is scanned while it arrives.", "docker push REPOSITORY:TAG"),
            ("Check that it is healthy.", "portwarden image show REPOSITORY:TAG"),
            ("Delete the old image; its findings go with it.", "skopeo delete docker://HOST/REPOSITORY@OLD-DIGEST"),
        ],
        control: Some(score::VULNERABILITIES),
        asked: Asked::Findings,
    },
    Recommendation {
        key: "plan-off",
        title: "The plan for container registries should be enabled",
        azure_title: "Microsoft Defender for container registries should be enabled",
        severity: Severity::High,
        description: "Images of a registry whose plan is off are stored, and nothing more: they are not scanned, and their findings stand still.",
        steps: &[
            ("See how many images it would meter.", "portwarden plan show"),
            ("Enable the plan.", "portwarden plan set --name ContainerRegistry --tier standard"),
        ],
        control: None,
        asked: Asked::Plan,
    },
    Recommendation {
        key: "registry-unreachable",
        title: "The scanner should reach the registry",
        azure_title: "",
        severity: Severity::High,
        description: "Network rules keep the scanner out of the registry: what is pushed to it is stored and not read, and findings of what \
            was read before come from then.",
        steps: &[
            ("See the network rules.", "portwarden registry network show REGISTRY"),
            ("Let trusted services pass.", "portwarden registry network set REGISTRY --allow-trusted-services true"),
            ("Scan what was kept from the scanner.", "portwarden image scan --all verdict:none"),
        ],
        control: None,
        asked: Asked::Reachable,
    },
    Recommendation {
        key: "images-unjudged",
        title: "Images should be judged completely",
        azure_title: "",
        severity: Severity::Medium,
        description: "An image that was never judged, or with gaps, is not known to be healthy. The reason code of each says what is missing.",
        steps: &[
            ("See the reasons.", "portwarden image list verdict:none,gaps,unsupported,failed"),
            ("Update the advisories, if the reason is `feeds`.", "portwarden db update"),
            ("Push an image that can be read in full, or delete this one.", "docker push REPOSITORY:TAG"),
        ],
        control: None,
        asked: Asked::Judged,
    },
    Recommendation {
        key: "end-of-life",
        title: "Images should be built on a distribution that is still supported",
        azure_title: "",
        severity: Severity::High,
        description: "For a distribution whose support has ended nobody publishes fixes any more, and new vulnerabilities are no longer reported: \
            few findings are no sign of health.",
        steps: &[
            ("Choose a base image of a supported release.", ""),
            (
                "Build and push the image.",
                "docker build --pull --no-cache -t REPOSITORY:TAG . && docker push REPOSITORY:TAG",
            ),
        ],
        control: None,
        asked: Asked::Supported,
    },
    Recommendation {
        key: "stale-pulled",
        title: "Images in use should be rebuilt every 90 days",
        azure_title: "",
        severity: Severity::Low,
        description: "The image was pulled within the window, but pushed more than 90 days ago: whatever was fixed since is not in it.",
        steps: &[
            ("Build the image again from a fresh base.", "docker build --pull --no-cache -t REPOSITORY:TAG ."),
            ("Push it.", "docker push REPOSITORY:TAG"),
        ],
        control: None,
        asked: Asked::Fresh,
    },
];

/// Returns every recommendation: our own, then one for each posture rule that counts towards the score.
pub fn all() -> Vec<Recommendation> {
    let rules = posture::ALL.iter().copied().filter(|rule| rule.control.is_some() && !rule.preview);
    OWN.iter().cloned().chain(rules.map(of_rule)).collect()
}

fn of_rule(rule: &'static posture::Rule) -> Recommendation {
    let severity = match rule.weight {
        posture::Weight::Critical => Severity::High,
        posture::Weight::Important => Severity::Medium,
        posture::Weight::Awareness => Severity::Low,
    };
    Recommendation {
        key: rule.name,
        title: rule.synopsis.trim_end_matches('.'),
        azure_title: "",
        severity,
        description: rule.recommendation,
        steps: steps_of(rule.name),
        control: rule.control.map(posture::Control::title),
        asked: Asked::Posture(rule),
    }
}

/// What to do about a posture rule: here, or in Azure where a registry of this product cannot fail it.
fn steps_of(rule: &str) -> &'static [(&'static str, &'static str)] {
    match rule {
        "Azure.ACR.ContainerScan" => {
            &[("Enable the plan.", "portwarden plan set --name ContainerRegistry --tier standard")]
        }
        "Portwarden.ContainerScan" => &[
            ("Enable the plan.", "portwarden plan set --name ContainerRegistry --tier standard"),
            ("See which images were not judged.", "portwarden image list verdict:none,unsupported,failed"),
            ("Update the advisories.", "portwarden db update"),
        ],
        "Azure.ACR.Firewall" => &[
            ("See the network rules.", "portwarden registry network show REGISTRY"),
            (
                "List who may, and deny the rest.",
                "portwarden registry network set REGISTRY --default-action Deny --ip-rules 203.0.113.0/24",
            ),
        ],
        "Azure.ACR.AdminUser" => {
            &[("Disable the admin account.", "az acr update --name REGISTRY --admin-enabled false")]
        }
        "Azure.ACR.AnonymousAccess" => {
            &[("Ask everybody for a login.", "az acr update --name REGISTRY --anonymous-pull-enabled false")]
        }
        "Azure.ACR.ReplicaLocation" => {
            &[("Take replicas elsewhere away.", "az acr replication delete --registry REGISTRY --name LOCATION")]
        }
        "Azure.ACR.Logs" => &[(
            "Send both logs somewhere.",
            "az monitor diagnostic-settings create --resource REGISTRY-ID --name logs --workspace WORKSPACE-ID --logs '[{\"categoryGroup\": \"allLogs\", \"enabled\": true}]'",
        )],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_one_of_its_own_and_every_title_a_sentence() {
        let mut keys: Vec<&str> = all().iter().map(|one| one.key).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
        assert!(all().iter().all(|one| !one.title.is_empty() && !one.description.is_empty() && !one.steps.is_empty()));
    }

    #[test]
    fn a_registry_of_azure_reads_azures_title() {
        let first = &all()[0];
        assert_eq!(first.title_for("acr"), "Vulnerabilities in Azure Container Registry images should be remediated");
        assert_eq!(first.title_for("embedded"), "Vulnerabilities in container registry images should be remediated");
    }
}
