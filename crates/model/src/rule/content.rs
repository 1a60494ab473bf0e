//! What a rule is, whoever wrote it, and which rule may stand in for which.
//!
//! In: criteria, a scope, reasons. Out: a rule that may be kept; the same in words.

use super::{Criteria, Fault};
use crate::role::Scope;
use crate::time::Micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a rule hides what it hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The risk is known, and taken.
    #[default]
    AcceptedRisk,
    /// The finding is wrong.
    FalsePositive,
    /// The vulnerable code is not reached.
    NotReachable,
    /// Whoever made the package will not mend it.
    VendorWillNotFix,
    /// Something else; the justification says what.
    Other,
}

impl Reason {
    /// Every reason, in the order of the form.
    pub const ALL: [Self; 5] =
        [Self::AcceptedRisk, Self::FalsePositive, Self::NotReachable, Self::VendorWillNotFix, Self::Other];

    /// Returns the word: `accepted-risk`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AcceptedRisk => "accepted-risk",
            Self::FalsePositive => "false-positive",
            Self::NotReachable => "not-reachable",
            Self::VendorWillNotFix => "vendor-will-not-fix",
            Self::Other => "other",
        }
    }

    /// Returns it for people: `accepted risk`.
    pub fn label(self) -> String {
        self.as_str().replace('-', " ")
    }

    /// Parses the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// What a rule says. It is checked: `Draft::read` makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Name for people; no two rules of one scope have the same.
    pub name: String,
    /// Where it holds.
    pub scope: Scope,
    /// What it hides.
    pub criteria: Criteria,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, in sentences.
    pub justification: String,
    /// Who answers for it, or empty.
    pub owner: String,
    /// Where it was discussed, or empty.
    pub ticket: String,
    /// First moment at which it no longer holds; `FOREVER` = never.
    pub expires: Micros,
    /// Whether it hides nothing for now.
    pub paused: bool,
    /// The rule of a wider scope that it stands in for.
    pub overrides: Option<Uuid>,
}

/// What a rule does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It hides what its criteria name.
    InForce,
    /// It hides nothing for now.
    Paused,
    /// Its time is over.
    Expired,
}

impl State {
    /// Returns the word: `in-force`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in-force",
            Self::Paused => "paused",
            Self::Expired => "expired",
        }
    }
}

impl Rule {
    /// Returns what it does at a moment. The moment of expiry itself is the first at which it does nothing.
    pub fn state(&self, now: Micros) -> State {
        match self.paused {
            _ if self.expires <= now => State::Expired,
            true => State::Paused,
            false => State::InForce,
        }
    }

    /// Returns whether it may stand in for a rule: its scope must be a true part of the other's.
    ///
    /// Both scopes must know their resource groups. As each step of a chain is narrower, no chain can come back to itself.
    pub fn stands_in_for(&self, wider: &Self) -> Result<(), Fault> {
        let narrower = wider.scope.holds(&self.scope) && self.scope.depth() > wider.scope.depth();
        let why = || {
            let (own, other) = (self.scope.to_path(), wider.scope.to_path());
            format!(
                "{:?} holds in {other}: to override it, choose a narrower scope within it; {own} is none",
                wider.name
            )
        };
        if narrower { Ok(()) } else { Err(Fault::new("scope", why())) }
    }
}

/// One field of the criteria, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Name of the field: `cvss_below`.
    pub field: &'static str,
    /// What it asks, as a part of a sentence: `CVSS v3 below 6.5`.
    pub words: String,
}

impl Criteria {
    /// Returns whether it asks nothing, and so would hide everything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns what each field asks, in the order of the form.
    pub fn terms(&self) -> Vec<Term> {
        let mut terms = Vec::new();
        let mut list = |field, label: &str, values: &[String]| {
            if !values.is_empty() {
                terms.push(Term { field, words: format!("{label} {}", or(values)) });
            }
        };
        list("finding_ids", "finding id", &self.finding_ids);
        list("categories", "category", &self.categories);
        list("security_checks", "security check contains", &self.security_checks);
        list("packages", "package", &self.packages);
        let states: Vec<String> = self.states.iter().map(|state| state.as_str().to_owned()).collect();
        list("states", "vendor state", &states);
        list("digests", "image", &self.digests);
        list("tags", "tag", &self.tags);
        list("repositories", "repository", &self.repositories);
        list("paths", "path", &self.paths);
        list("os_releases", "distribution", &self.os_releases);
        let mut other = |field, words| terms.push(Term { field, words });
        if let Some(tenths) = self.cvss_below {
            other("cvss_below", format!("CVSS v3 below {}", tenths_text(tenths)));
        }
        if let Some(severity) = self.severity_below {
            other("severity_below", format!("severity below {}", severity.as_str()));
        }
        if self.not_patchable {
            other("not_patchable", "not patchable".to_owned());
        }
        if self.not_known_exploited {
            other("not_known_exploited", "not known exploited".to_owned());
        }
        terms
    }

    /// Returns all of it as one sentence: `severity below medium and not patchable`.
    pub fn words(&self) -> String {
        self.terms().into_iter().map(|term| term.words).collect::<Vec<_>>().join(" and ")
    }
}

/// Joins values by "or"; of many only the first three are named.
fn or(values: &[String]) -> String {
    const NAMED: usize = 3;
    let named = values.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(" or ");
    match values.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} or {more} more"),
    }
}

/// Writes tenths: `6.5`.
pub fn tenths_text(tenths: u32) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}
