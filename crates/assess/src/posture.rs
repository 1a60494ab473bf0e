//! Posture: how registries are configured, judged by rules that carry the names of PSRule for Azure.
//!
//! In: resources, as `Export-AzRuleData` wrote them, as an ARM template declares them, or made from a live registry.
//! Out: one record a rule and resource: outcome, reasons, what to do. What a template leaves open is said, never guessed.
//! Source of names, references, severities and conditions: the rules `Azure.ACR.*` of PSRule for Azure.

mod expression;
mod format;
mod resource;
mod rule;
mod template;

pub use format::{FORMATS, Format, format};
pub use resource::{Field, Resource, read};
pub use rule::ALL;

use serde::Serialize;
use std::collections::BTreeMap;

/// The type of a registry.
pub const REGISTRY: &str = "Microsoft.ContainerRegistry/registries";

/// How much a rule matters, in PSRule's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Weight {
    /// Look at it.
    Awareness,
    /// Mend it.
    Important,
    /// Mend it first.
    Critical,
}

impl Weight {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Awareness => "Awareness",
            Self::Important => "Important",
            Self::Critical => "Critical",
        }
    }
}

/// A control of the secure score that a rule counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Control {
    /// "Remediate security configurations", 4 points.
    Configuration,
    /// "Restrict unauthorized network access", 4 points.
    Network,
    /// "Manage access and permissions", 4 points.
    Access,
}

impl Control {
    /// Every control.
    pub const ALL: [Self; 3] = [Self::Configuration, Self::Network, Self::Access];

    /// Returns the name that people see.
    pub fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Remediate security configurations",
            Self::Network => "Restrict unauthorized network access",
            Self::Access => "Manage access and permissions",
        }
    }

    /// Returns the most points that it gives.
    pub fn max(self) -> u32 {
        4
    }
}

/// What a rule says of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Pass,
    /// Not as it should be: why.
    Fail(Vec<String>),
    /// The rule is not about such a resource.
    None,
    /// It cannot be told: what is missing.
    Unknown(String),
}

impl Outcome {
    /// Returns PSRule's word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Fail(_) => "Fail",
            Self::None => "None",
            Self::Unknown(_) => "Error",
        }
    }
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Name: `Azure.ACR.ContainerScan`.
    pub name: &'static str,
    /// Stable reference: `AZR-000002`; empty for a rule of our own.
    pub reference: &'static str,
    /// How much it matters.
    pub weight: Weight,
    /// Pillar of the Well-Architected Framework.
    pub pillar: &'static str,
    /// One line: what it is about.
    pub synopsis: &'static str,
    /// What to do.
    pub recommendation: &'static str,
    /// Whether it is about a feature in preview.
    pub preview: bool,
    /// Whether it needs what only a running registry knows, so that it says nothing of a template.
    pub running: bool,
    /// The type of resource that it is about.
    pub kind: &'static str,
    /// The control of the secure score that it counts towards.
    pub control: Option<Control>,
    /// Judges one resource of that type.
    pub check: fn(&Resource, &Settings) -> Outcome,
}

impl Rule {
    /// Returns SARIF's word for how much it matters.
    pub fn level(&self) -> &'static str {
        match self.weight {
            Weight::Awareness => "note",
            Weight::Important => "warning",
            Weight::Critical => "error",
        }
    }
}

/// What the rules are told from outside.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Locations where replicas may be; empty = everywhere.
    pub locations: Vec<String>,
    /// Pattern that names of registries must match, `*` for any text; empty = any name.
    pub name_pattern: String,
}

/// One rule × one resource.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// The rule.
    #[serde(skip)]
    pub rule: &'static Rule,
    /// Name of the rule.
    pub rule_name: &'static str,
    /// Reference of the rule.
    pub reference: &'static str,
    /// Name of the resource.
    pub target_name: String,
    /// Type of the resource.
    pub target_type: String,
    /// `Pass`, `Fail`, `Error`, or `Suppressed`.
    pub outcome: &'static str,
    /// Why.
    pub reasons: Vec<String>,
}

/// Says why a rule does not count for a resource, as a sentence.
pub fn suppressed(reason: &str) -> String {
    let reason = reason.trim_end();
    let stop = if reason.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("suppressed: {reason}{stop}")
}

/// Judges every resource by every rule. A rule that is not about a resource gives no record.
pub fn check(resources: &[Resource], rules: &[&'static Rule], settings: &Settings) -> Vec<Record> {
    let pairs = resources.iter().flat_map(|resource| rules.iter().map(move |rule| (resource, *rule)));
    pairs.filter_map(|(resource, rule)| judge(resource, rule, settings)).collect()
}

fn judge(resource: &Resource, rule: &'static Rule, settings: &Settings) -> Option<Record> {
    if !resource.is(rule.kind) || (rule.running && !resource.running()) {
        return None;
    }
    let outcome = (rule.check)(resource, settings);
    let word = outcome.as_str();
    let reasons = match outcome {
        Outcome::None => return None,
        Outcome::Pass => Vec::new(),
        Outcome::Fail(reasons) => reasons,
        Outcome::Unknown(reason) => vec![reason],
    };
    Some(Record {
        rule,
        rule_name: rule.name,
        reference: rule.reference,
        target_name: resource.name.clone(),
        target_type: resource.kind.clone(),
        outcome: word,
        reasons,
    })
}

/// Finds a rule by name or reference, in any case.
pub fn rule(name: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| {
        rule.name.eq_ignore_ascii_case(name)
            || (!rule.reference.is_empty() && rule.reference.eq_ignore_ascii_case(name))
    })
}

/// Counts the resources of a control: (healthy, unhealthy). One is healthy when every rule of the control that is about it
/// passes.
pub fn tally(records: &[Record], control: Control) -> (u64, u64) {
    let failing = failing(records, control);
    let healthy = failing.values().filter(|rules| rules.is_empty()).count() as u64;
    (healthy, failing.len() as u64 - healthy)
}

/// Returns how many unhealthy resources of its control a rule stands for; what fails by several rules is shared evenly, so that the
/// shares of all rules add up to the unhealthy resources.
pub fn share(records: &[Record], rule: &Rule) -> f64 {
    let Some(control) = rule.control else { return 0.0 };
    let failing = failing(records, control);
    failing.values().filter(|rules| rules.contains(&rule.name)).map(|rules| 1.0 / rules.len() as f64).sum()
}

/// The resources of a control, each with the rules that it does not pass.
fn failing(records: &[Record], control: Control) -> BTreeMap<(&str, &str), Vec<&'static str>> {
    let mut all: BTreeMap<(&str, &str), Vec<&'static str>> = BTreeMap::new();
    for record in
        records.iter().filter(|r| r.rule.control == Some(control) && !r.rule.preview && r.outcome != "Suppressed")
    {
        let rules = all.entry((&record.target_type, &record.target_name)).or_default();
        if record.outcome != "Pass" {
            rules.push(record.rule.name);
        }
    }
    all
}

#[cfg(test)]
mod tests;
