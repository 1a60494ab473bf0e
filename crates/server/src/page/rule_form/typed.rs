//! The form as it was typed.
//!
//! In: the fields of the form. Out: the same as a body of REST; and the other way round, the form of a rule that is.

use crate::api::rules::view::RuleBody;
use model::rule::{CriteriaDraft, Draft, Rule};
use serde::Deserialize;

/// The form as it was typed; several values of a field are lines.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // the fields of a rule, which says what each means
pub struct Typed {
    #[serde(rename = "do")]
    pub verb: String,
    pub scope: String,
    pub name: String,
    pub finding_ids: String,
    pub categories: String,
    pub security_checks: String,
    pub cvss_below: String,
    pub severity_below: String,
    pub not_patchable: bool,
    pub not_known_exploited: bool,
    pub packages: String,
    pub states: String,
    pub digests: String,
    pub tags: String,
    pub repositories: String,
    pub paths: String,
    pub os_releases: String,
    pub reason: String,
    pub justification: String,
    pub owner: String,
    pub ticket: String,
    pub expires: String,
    pub overrides: String,
    pub seen: Option<i64>,
    pub confirm: bool,
    pub paused: bool,
}

/// Lines; where values have no blanks, blanks and commas part them as well.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| c.is_whitespace() || c == ',');
    parts.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

impl Typed {
    /// The criteria.
    pub fn criteria(&self) -> CriteriaDraft {
        CriteriaDraft {
            finding_ids: words(&self.finding_ids),
            categories: words(&self.categories),
            security_checks: lines(&self.security_checks),
            cvss_below: self.cvss_below.clone(),
            severity_below: self.severity_below.clone(),
            not_patchable: self.not_patchable,
            not_known_exploited: self.not_known_exploited,
            packages: words(&self.packages),
            states: words(&self.states),
            digests: words(&self.digests),
            tags: words(&self.tags),
            repositories: words(&self.repositories),
            paths: lines(&self.paths),
            os_releases: lines(&self.os_releases),
        }
    }

    /// What REST would be sent.
    pub fn body(&self) -> RuleBody {
        RuleBody {
            name: self.name.clone(),
            scope: self.scope.clone(),
            criteria: self.criteria(),
            reason: self.reason.clone(),
            justification: self.justification.clone(),
            owner: self.owner.clone(),
            ticket: self.ticket.clone(),
            expires: self.expires.clone(),
            paused: self.paused,
            overrides: self.overrides.clone(),
            confirm: self.confirm,
            seen: self.seen,
        }
    }

    /// The form of a rule that is.
    pub fn of(rule: &Rule) -> Self {
        let draft = Draft::of(rule);
        let criteria = draft.criteria;
        let many = |values: Vec<String>| values.join("\n");
        Self {
            scope: draft.scope,
            name: draft.name,
            finding_ids: many(criteria.finding_ids),
            categories: many(criteria.categories),
            security_checks: many(criteria.security_checks),
            cvss_below: criteria.cvss_below,
            severity_below: criteria.severity_below,
            not_patchable: criteria.not_patchable,
            not_known_exploited: criteria.not_known_exploited,
            packages: many(criteria.packages),
            states: many(criteria.states),
            digests: many(criteria.digests),
            tags: many(criteria.tags),
            repositories: many(criteria.repositories),
            paths: many(criteria.paths),
            os_releases: many(criteria.os_releases),
            reason: draft.reason,
            justification: draft.justification,
            owner: draft.owner,
            ticket: draft.ticket,
            expires: draft.expires,
            overrides: draft.overrides,
            ..Self::default()
        }
    }

    /// Whether one of the criteria is filled in that few rules use.
    pub fn has_more(&self) -> bool {
        let more = [&self.states, &self.digests, &self.tags, &self.repositories, &self.paths, &self.os_releases];
        more.iter().any(|text| !text.is_empty()) || self.not_known_exploited
    }
}
