//! A disable rule, ready to be tested.
//!
//! In: the criteria of a rule. Out: patterns and bits; `rules` holds them against matches and places. Rules that ask the same of
//! matches share what was worked out of it.

use crate::sets::RowSet;
use model::pattern::Pattern;
use model::rule::{Criteria, RuleFact};
use model::severity::Severity;
use std::sync::OnceLock;

/// A rule with what was worked out of it.
#[derive(Debug)]
pub(crate) struct Rule {
    pub fact: RuleFact,
    pub tests: RuleTests,
    /// Position of the matches it speaks of among the sets of the index.
    pub set: u32,
}

/// Matches that rules speak of: of all rules whose match parts are equal.
#[derive(Debug)]
pub(crate) struct RuleSet {
    pub tests: RuleTests,
    /// Every match, open or closed, that the match part holds for; worked out when it is first asked for.
    pub matches: OnceLock<RowSet>,
}

/// Returns the criteria without what they ask of places.
pub(crate) fn match_part(criteria: &Criteria) -> Criteria {
    let none = Criteria::default();
    Criteria {
        digests: none.digests,
        tags: none.tags,
        repositories: none.repositories,
        paths: none.paths,
        os_releases: none.os_releases,
        ..criteria.clone()
    }
}

/// Criteria, ready to be tested.
#[derive(Debug)]
pub(crate) struct RuleTests {
    pub ids: Vec<Pattern>,
    pub categories: Vec<String>,
    pub checks: Vec<String>,
    pub cvss_below: Option<u32>,
    /// One bit a severity.
    pub severities: u8,
    pub not_patchable: bool,
    pub not_kev: bool,
    pub packages: Vec<Pattern>,
    /// One bit a state.
    pub states: u8,
    pub digests: Vec<String>,
    pub tags: Vec<Pattern>,
    pub repositories: Vec<Pattern>,
    pub paths: Vec<Pattern>,
    pub os_releases: Vec<Pattern>,
}

fn patterns(texts: &[String]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::new(text)).collect()
}

fn lower(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| text.to_ascii_lowercase()).collect()
}

impl RuleTests {
    pub fn new(criteria: &Criteria) -> Self {
        let below = |severity: Severity| {
            let rated = Severity::WORST_FIRST.iter().filter(|s| **s != Severity::Unknown && **s < severity);
            rated.fold(0, |mask, s| mask | 1 << *s as u8)
        };
        let states = criteria.states.iter().fold(0, |mask, state| mask | 1 << *state as u8);
        let packages = criteria.packages.iter().map(|p| Pattern::new(p.strip_prefix("pkg:").unwrap_or(p))).collect();
        Self {
            ids: patterns(&criteria.finding_ids),
            categories: lower(&criteria.categories),
            checks: lower(&criteria.security_checks),
            cvss_below: criteria.cvss_below,
            severities: criteria.severity_below.map_or(u8::MAX, below),
            not_patchable: criteria.not_patchable,
            not_kev: criteria.not_known_exploited,
            packages,
            states: if criteria.states.is_empty() { u8::MAX } else { states },
            digests: lower(&criteria.digests),
            tags: patterns(&criteria.tags),
            repositories: patterns(&criteria.repositories),
            paths: criteria.paths.iter().map(|path| Pattern::new(path.trim_start_matches('/'))).collect(),
            os_releases: patterns(&criteria.os_releases),
        }
    }
}
