//! A rule as people write it, in a form, in JSON or in YAML.
//!
//! In: texts, as they were typed. Out: a rule, or every fault with the field that it is in. Nothing is dropped in silence.

use super::value::{category, digest, finding_id, pattern, starred, tenths};
use super::{Criteria, Reason, Rule};
use crate::advisory::VendorState;
use crate::role::Scope;
use crate::severity::Severity;
use crate::time::Micros;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::time::Duration;
use uuid::Uuid;

/// How long a rule holds unless it says otherwise.
pub const USUAL_DAYS: u64 = 90;
/// The word for a rule that does not expire.
pub const NEVER: &str = "never";
/// A rule that hides for longer than this is meant to hide for ever, and should say so.
const MOST_DAYS: u64 = 3_650;
/// Longest name: it stands in lists and in filter words.
const NAME_LIMIT: usize = 100;
/// Longest justification.
const TEXT_LIMIT: usize = 4_000;
/// Longest owner, ticket and single value.
const VALUE_LIMIT: usize = 300;
/// Most values of one rule, all fields together.
const VALUES_LIMIT: usize = 1_000;
/// Seconds of a day.
const DAY: u64 = 86_400;

/// What is wrong with a draft, and in which field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Fault {
    /// The field, as JSON and YAML name it: `criteria.cvss_below`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl Fault {
    /// Makes a fault.
    pub fn new(field: &str, why: impl Into<String>) -> Self {
        Self { field: field.to_owned(), why: why.into() }
    }
}

/// A rule as it was typed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Draft {
    /// Name; without one it is made of the criteria.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Path of the scope: `/`, `/SUBSCRIPTION`, `/SUBSCRIPTION/@group`, `/SUBSCRIPTION/registry`, `/SUBSCRIPTION/registry/repository`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// What it hides.
    pub criteria: CriteriaDraft,
    /// `accepted-risk`, `false-positive`, `not-reachable`, `vendor-will-not-fix`, `other`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, in sentences.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub justification: String,
    /// Who answers for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Where it was discussed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ticket: String,
    /// A moment, a date (the end of that day, UTC), `90d`, or `never`; without one 90 days.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expires: String,
    /// Whether it hides nothing for now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Id of the rule of a wider scope that it stands in for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub overrides: String,
}

/// Criteria as they were typed. One value may stand without a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // the same fields as `Criteria`, which says what each asks
pub struct CriteriaDraft {
    #[serde(deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub finding_ids: Vec<String>,
    #[serde(deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    #[serde(deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub security_checks: Vec<String>,
    #[serde(deserialize_with = "decimal", serialize_with = "as_number", skip_serializing_if = "String::is_empty")]
    pub cvss_below: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub severity_below: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_patchable: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_known_exploited: bool,
    #[serde(deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    #[serde(deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
    #[serde(deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<String>,
    #[serde(deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    #[serde(deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    #[serde(deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub os_releases: Vec<String>,
}

impl Draft {
    /// Reads a draft. `before` is the rule that it changes: what was lawful then and is unchanged stays lawful, such as an
    /// expiry that has passed; an expiry that is not named stays as it is.
    pub fn read(&self, now: Micros, before: Option<&Rule>) -> Result<Rule, Vec<Fault>> {
        let mut reader = Reader::default();
        let criteria = reader.criteria(&self.criteria);
        let name = match self.name.trim() {
            "" => criteria.words().chars().take(NAME_LIMIT).collect(),
            _ => reader.line("name", &self.name, NAME_LIMIT),
        };
        if name.contains(['"', ',', '*']) && !self.name.trim().is_empty() {
            reader.fault("name", "the name is a filter word (rule:NAME): leave out \" , *");
        }
        let rule = Rule {
            name: name.replace(['"', ',', '*'], " ").trim().to_owned(),
            scope: reader.scope(&self.scope),
            criteria,
            reason: reader.reason(&self.reason),
            justification: reader.justification(&self.justification),
            owner: reader.line("owner", &self.owner, VALUE_LIMIT),
            ticket: reader.line("ticket", &self.ticket, VALUE_LIMIT),
            expires: reader.expiry(&self.expires, now, before),
            paused: self.paused,
            overrides: reader.overrides(&self.overrides),
        };
        if reader.0.is_empty() { Ok(rule) } else { Err(reader.0) }
    }

    /// Leaves out an expiry that is relative to now and would prolong a rule: in a file that is applied again and again it says how
    /// long a rule holds from when it was made, and a rule that is there holds on until then, or until it is made shorter.
    pub fn without_longer_expiry(self, now: Micros, until: Micros) -> Self {
        let end = |days: u64| now.saturating_add(Duration::from_secs(days.saturating_mul(DAY)));
        let longer = days_of(self.expires.trim()).is_some_and(|days| end(days) >= until);
        let expires = if longer { String::new() } else { self.expires };
        Self { expires, ..self }
    }

    /// Writes a rule as people would. `read` gives the same rule again.
    pub fn of(rule: &Rule) -> Self {
        Self {
            name: rule.name.clone(),
            scope: rule.scope.to_path(),
            criteria: CriteriaDraft::of(&rule.criteria),
            reason: rule.reason.as_str().to_owned(),
            justification: rule.justification.clone(),
            owner: rule.owner.clone(),
            ticket: rule.ticket.clone(),
            expires: if rule.expires == Micros::FOREVER { NEVER.to_owned() } else { rule.expires.rfc3339() },
            paused: rule.paused,
            overrides: rule.overrides.map(|uid| uid.to_string()).unwrap_or_default(),
        }
    }
}

impl CriteriaDraft {
    /// Reads criteria alone, for a preview.
    pub fn read(&self) -> Result<Criteria, Vec<Fault>> {
        let mut reader = Reader::default();
        let criteria = reader.criteria(self);
        if reader.0.is_empty() { Ok(criteria) } else { Err(reader.0) }
    }

    /// Writes criteria as people would.
    pub fn of(criteria: &Criteria) -> Self {
        Self {
            finding_ids: criteria.finding_ids.clone(),
            categories: criteria.categories.clone(),
            security_checks: criteria.security_checks.clone(),
            cvss_below: criteria.cvss_below.map(super::tenths_text).unwrap_or_default(),
            severity_below: criteria.severity_below.map(|s| s.as_str().to_owned()).unwrap_or_default(),
            not_patchable: criteria.not_patchable,
            not_known_exploited: criteria.not_known_exploited,
            packages: criteria.packages.clone(),
            states: criteria.states.iter().map(|state| state.as_str().to_owned()).collect(),
            digests: criteria.digests.clone(),
            tags: criteria.tags.clone(),
            repositories: criteria.repositories.clone(),
            paths: criteria.paths.clone(),
            os_releases: criteria.os_releases.clone(),
        }
    }
}

/// Reads `90d`.
fn days_of(text: &str) -> Option<u64> {
    text.strip_suffix('d').and_then(|days| days.parse().ok())
}

/// Reads fields one by one and keeps what is wrong.
#[derive(Default)]
struct Reader(Vec<Fault>);

impl Reader {
    fn fault(&mut self, field: &str, why: impl Into<String>) {
        self.0.push(Fault::new(field, why));
    }

    /// One line of text.
    fn line(&mut self, field: &str, text: &str, limit: usize) -> String {
        let text = text.trim();
        if text.chars().count() > limit {
            self.fault(field, format!("longer than {limit} characters"));
        }
        if text.chars().any(char::is_control) {
            self.fault(field, "one line of text, without control characters");
        }
        text.to_owned()
    }

    fn scope(&mut self, text: &str) -> Scope {
        let parsed = Scope::parse(text.trim());
        if parsed.is_none() {
            let want = "want /, /SUBSCRIPTION, /SUBSCRIPTION/@group, /SUBSCRIPTION/registry or /SUBSCRIPTION/registry/repository";
            self.fault("scope", format!("{text:?} is no scope: {want}"));
        }
        parsed.unwrap_or_default()
    }

    fn reason(&mut self, word: &str) -> Reason {
        let parsed = Reason::parse(word.trim());
        if parsed.is_none() {
            self.fault("reason", format!("{word:?} is none of {}", Reason::ALL.map(Reason::as_str).join(", ")));
        }
        parsed.unwrap_or_default()
    }

    fn justification(&mut self, text: &str) -> String {
        let text = text.trim();
        if text.is_empty() {
            self.fault("justification", "say why, in a sentence that will still be understood in a year");
        }
        if text.chars().count() > TEXT_LIMIT {
            self.fault("justification", format!("longer than {TEXT_LIMIT} characters"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.fault("justification", "text without control characters");
        }
        text.replace("\r\n", "\n")
    }

    fn expiry(&mut self, text: &str, now: Micros, before: Option<&Rule>) -> Micros {
        let text = text.trim();
        let days = days_of(text);
        if let Some(rule) = before.filter(|_| text.is_empty()) {
            return rule.expires;
        }
        let of_days = |days: u64| now.saturating_add(Duration::from_secs(days.saturating_mul(DAY)));
        let parsed = match days {
            _ if text.is_empty() => Some(of_days(USUAL_DAYS)),
            _ if text == NEVER => return Micros::FOREVER,
            Some(days) => Some(of_days(days)),
            None => Micros::parse(text),
        };
        let Some(at) = parsed else {
            let want = "want a date (2027-03-31), a moment (2027-03-31T12:00:00Z), days (90d) or never";
            self.fault("expires", format!("{text:?} is no time: {want}"));
            return Micros::FOREVER;
        };
        if before.is_some_and(|rule| rule.expires == at) {
            return at;
        }
        if at <= now {
            self.fault("expires", format!("{} has passed: choose a later time", at.rfc3339()));
        } else if at > of_days(MOST_DAYS) {
            self.fault("expires", "more than ten years away: choose an earlier time, or say never");
        }
        at
    }

    fn overrides(&mut self, text: &str) -> Option<Uuid> {
        let text = text.trim();
        let parsed = Uuid::try_parse(text).ok();
        if parsed.is_none() && !text.is_empty() {
            self.fault("overrides", format!("{text:?} is no id of a rule"));
        }
        parsed
    }

    fn criteria(&mut self, draft: &CriteriaDraft) -> Criteria {
        let faults = self.0.len();
        let criteria = Criteria {
            finding_ids: self.values("finding_ids", &draft.finding_ids, finding_id),
            categories: self.values("categories", &draft.categories, category),
            security_checks: self.values("security_checks", &draft.security_checks, |_| Ok(())),
            cvss_below: self.cvss(&draft.cvss_below),
            severity_below: self.severity(&draft.severity_below),
            not_patchable: draft.not_patchable,
            not_known_exploited: draft.not_known_exploited,
            packages: self.values("packages", &draft.packages, pattern),
            states: self.states(&draft.states),
            digests: self.values("digests", &draft.digests, digest),
            tags: self.values("tags", &draft.tags, pattern),
            repositories: self.values("repositories", &draft.repositories, pattern),
            paths: self.paths(&draft.paths),
            os_releases: self.values("os_releases", &draft.os_releases, starred),
        };
        let texts = [
            &criteria.finding_ids,
            &criteria.categories,
            &criteria.security_checks,
            &criteria.packages,
            &criteria.digests,
            &criteria.tags,
            &criteria.repositories,
            &criteria.paths,
            &criteria.os_releases,
        ];
        if texts.iter().map(|values| values.len()).sum::<usize>() > VALUES_LIMIT {
            self.fault("criteria", format!("more than {VALUES_LIMIT} values: make several rules"));
        }
        if criteria.is_empty() && self.0.len() == faults {
            self.fault("criteria", "at least one criterion: a rule without any would hide everything");
        }
        criteria
    }

    fn values(&mut self, field: &str, values: &[String], check: fn(&str) -> Result<(), &'static str>) -> Vec<String> {
        let mut kept: Vec<String> = Vec::new();
        for value in values.iter().map(|value| value.trim()) {
            let wrong = match value {
                "" => Some("an empty value"),
                _ if value.chars().count() > VALUE_LIMIT => Some("longer than 300 characters"),
                _ if value.chars().any(char::is_control) => Some("has control characters"),
                _ => check(value).err(),
            };
            if let Some(why) = wrong {
                let shown: String = value.chars().take(60).collect();
                self.fault(&format!("criteria.{field}"), format!("{shown:?}: {why}"));
            } else if !kept.iter().any(|known| known == value) {
                kept.push(value.to_owned());
            }
        }
        kept
    }

    /// People paste paths with a slash in front; images have none.
    fn paths(&mut self, values: &[String]) -> Vec<String> {
        let bare: Vec<String> = values.iter().map(|path| path.trim().trim_start_matches('/').to_owned()).collect();
        self.values("paths", &bare, starred)
    }

    fn states(&mut self, values: &[String]) -> Vec<VendorState> {
        let states = values.iter().filter_map(|word| {
            let state = VendorState::ALL.into_iter().find(|state| state.as_str() == word.trim());
            if state.is_none() || state == Some(VendorState::NotAffected) {
                let words = VendorState::ALL.into_iter().filter(|state| *state != VendorState::NotAffected);
                let words = words.map(VendorState::as_str).collect::<Vec<_>>().join(", ");
                self.fault("criteria.states", format!("{word:?} is none of {words}"));
            }
            state
        });
        states.collect()
    }

    fn severity(&mut self, word: &str) -> Option<Severity> {
        let word = word.trim();
        if word.is_empty() {
            return None;
        }
        let parsed = Severity::parse(word).filter(|severity| *severity > Severity::Negligible);
        if parsed.is_none() {
            self.fault("criteria.severity_below", format!("{word:?} is none of critical, high, medium, low"));
        }
        parsed
    }

    fn cvss(&mut self, text: &str) -> Option<u32> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let tenths = tenths(text);
        if let Err(why) = tenths {
            self.fault("criteria.cvss_below", format!("{text}: {why}"));
        }
        tenths.ok()
    }
}

/// Takes a list of texts, or one text.
fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    struct Words;
    impl<'de> Visitor<'de> for Words {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text, or a list of texts")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut values = Vec::new();
            while let Some(value) = list.next_element::<String>()? {
                values.push(value);
            }
            Ok(values)
        }
    }
    from.deserialize_any(Words)
}

/// Takes a number, or a text with one; what it means is looked at later, so that the fault can name the field.
fn decimal<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    struct Decimal;
    impl Visitor<'_> for Decimal {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number such as 6.5")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
        fn visit_u64<E: de::Error>(self, n: u64) -> Result<String, E> {
            Ok(n.to_string())
        }
        fn visit_i64<E: de::Error>(self, n: i64) -> Result<String, E> {
            Ok(n.to_string())
        }
        fn visit_f64<E: de::Error>(self, n: f64) -> Result<String, E> {
            Ok(n.to_string())
        }
    }
    from.deserialize_any(Decimal)
}

fn as_number<S: serde::Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    match text.parse::<f64>() {
        Ok(number) => to.serialize_f64(number),
        Err(_) => to.serialize_str(text),
    }
}

#[cfg(test)]
mod tests;
