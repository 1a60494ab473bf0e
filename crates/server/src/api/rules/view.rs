//! Rules as REST writes and reads them.

use crate::view::moment;
use model::Micros;
use model::rule::{CriteriaDraft, Draft, Rule};
use serde::{Deserialize, Serialize};
use store::RuleRow;
use utoipa::ToSchema;

/// A rule to be made, or what it is to say from now on.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuleBody {
    /// Name, up to 100 characters, one in its scope; left out: made of the criteria.
    pub name: String,
    /// `/`, `/SUBSCRIPTION`, `/SUBSCRIPTION/@GROUP`, `/SUBSCRIPTION/REGISTRY`, `/SUBSCRIPTION/REGISTRY/REPOSITORY`. A rule stays in its scope.
    pub scope: String,
    /// What it hides: at least one field; fields are joined by AND, the values of one field by OR.
    #[schema(value_type = CriteriaView)]
    pub criteria: CriteriaDraft,
    /// `accepted-risk`, `false-positive`, `not-reachable`, `vendor-will-not-fix`, `other`.
    pub reason: String,
    /// Why, in sentences.
    pub justification: String,
    /// Who answers for it.
    pub owner: String,
    /// Where it was discussed.
    pub ticket: String,
    /// RFC 3339, a date (its end, UTC), `90d`, or `never` (needs Security Admin); left out: 90 days, or as it was.
    pub expires: String,
    /// Whether it hides nothing for now.
    pub paused: bool,
    /// Id of the rule of a wider scope that it stands in for.
    pub overrides: String,
    /// Does it although it hides what is known exploited, more than half of the scope, or nothing.
    pub confirm: bool,
    /// The `row` that the change was made for: a later one is a conflict.
    pub seen: Option<i64>,
}

impl RuleBody {
    /// Splits it into what the rule says and how to go about it.
    pub fn parts(self) -> (Draft, Intent) {
        let draft = Draft {
            name: self.name,
            scope: self.scope,
            criteria: self.criteria,
            reason: self.reason,
            justification: self.justification,
            owner: self.owner,
            ticket: self.ticket,
            expires: self.expires,
            paused: self.paused,
            overrides: self.overrides,
        };
        (draft, Intent { confirm: self.confirm, seen: self.seen })
    }
}

/// How to go about a change.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = RuleIntent)]
pub struct Intent {
    /// Does it although it hides what is known exploited, more than half of the scope, or nothing.
    pub confirm: bool,
    /// The `row` that the change was made for: a later one is a conflict.
    pub seen: Option<i64>,
}

/// What a rule asks of a finding; fields that ask nothing are left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[allow(dead_code)] // it describes `CriteriaDraft`
pub struct CriteriaView {
    /// Ids of the vulnerability: any alias; `*` stands for any text.
    pub finding_ids: Vec<String>,
    /// Category: `vulnerability`, `malware`, …, or the kind of package or distribution: `debian`, `npm`.
    pub categories: Vec<String>,
    /// Texts of which the security check (the title) contains one.
    pub security_checks: Vec<String>,
    /// CVSS v3 base score below, strictly; above 0, up to 10, in tenths.
    pub cvss_below: f64,
    /// Severity below, strictly: `critical`, `high`, `medium`, `low`. Unknown is below none.
    pub severity_below: String,
    /// Whether no fixed version exists.
    pub not_patchable: bool,
    /// Whether it is not on the list of known exploited vulnerabilities.
    pub not_known_exploited: bool,
    /// Names of packages, or package URLs; `*` stands for any text.
    pub packages: Vec<String>,
    /// What the vendor does: `will-not-fix`, `deferred`, …
    pub states: Vec<String>,
    /// Digests of images, in full.
    pub digests: Vec<String>,
    /// Tags; `*` stands for any text.
    pub tags: Vec<String>,
    /// Names of repositories; `*` stands for any text.
    pub repositories: Vec<String>,
    /// Paths in the image; `*` stands for any text.
    pub paths: Vec<String>,
    /// Distributions as images name them; `*` stands for any text.
    pub os_releases: Vec<String>,
}

/// A rule.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct RuleView {
    /// Stable id.
    pub id: String,
    /// Rises with each change; `seen` takes it.
    pub row: i64,
    /// Name.
    pub name: String,
    /// Path of its scope.
    pub scope: String,
    /// `in-force`, `paused`, `expired`.
    pub state: &'static str,
    /// What it hides, in words.
    pub words: String,
    /// What it hides.
    #[schema(value_type = CriteriaView)]
    pub criteria: CriteriaDraft,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in sentences.
    pub justification: String,
    /// Who answers for it, or empty.
    pub owner: String,
    /// Where it was discussed, or empty.
    pub ticket: String,
    /// First moment at which it no longer holds; `null` = never.
    pub expires: Option<String>,
    /// Whether it hides nothing for now.
    pub paused: bool,
    /// Id of the rule of a wider scope that it stands in for, or empty.
    pub overrides: String,
    /// Ids of the rules of narrower scopes that stand in for it.
    pub overridden_by: Vec<String>,
    /// Who said what it says now.
    pub author: String,
    /// Where it came from: empty = made by hand, `apply` = from a file, `vex` = a VEX statement.
    pub source: String,
    /// Since when it says so.
    pub since: String,
    /// Findings that it hides now, where the asker may read.
    pub hides: u64,
    /// Images with such findings.
    pub images: u64,
    /// Whether it is in force and has hidden nothing for 30 days.
    pub stale: bool,
}

/// What a rule said over an interval.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct RuleHistoryView {
    /// Row id.
    pub row: i64,
    /// Name.
    pub name: String,
    /// Path of its scope.
    pub scope: String,
    /// What it hid, in words.
    pub words: String,
    /// What it hid.
    #[schema(value_type = CriteriaView)]
    pub criteria: CriteriaDraft,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in sentences.
    pub justification: String,
    /// Who answered for it, or empty.
    pub owner: String,
    /// Where it was discussed, or empty.
    pub ticket: String,
    /// When it was to end; `null` = never.
    pub expires: Option<String>,
    /// Whether it hid nothing.
    pub paused: bool,
    /// Who said so.
    pub author: String,
    /// Since when.
    pub since: String,
    /// Until when; `null` = it still says so.
    pub until: Option<String>,
    /// Who ended or changed it, or empty.
    pub ended_by: String,
}

impl From<RuleRow> for RuleHistoryView {
    fn from(row: RuleRow) -> Self {
        let rule = row.rule;
        Self {
            row: row.id,
            scope: rule.scope.to_path(),
            words: rule.criteria.words(),
            criteria: CriteriaDraft::of(&rule.criteria),
            reason: rule.reason.as_str(),
            expires: moment(rule.expires),
            name: rule.name,
            justification: rule.justification,
            owner: rule.owner,
            ticket: rule.ticket,
            paused: rule.paused,
            author: row.author,
            since: row.since.rfc3339(),
            until: moment(row.until),
            ended_by: row.ended_by,
        }
    }
}

impl RuleView {
    /// Shows a rule; what it hides is filled in by whoever asks the index.
    pub fn new(row: &RuleRow, all: &[RuleRow], now: Micros) -> Self {
        let rule: &Rule = &row.rule;
        let standing_in = all.iter().filter(|other| other.rule.overrides == Some(row.uid));
        Self {
            id: row.uid.to_string(),
            row: row.id,
            name: rule.name.clone(),
            scope: rule.scope.to_path(),
            state: rule.state(now).as_str(),
            words: rule.criteria.words(),
            criteria: CriteriaDraft::of(&rule.criteria),
            reason: rule.reason.as_str(),
            justification: rule.justification.clone(),
            owner: rule.owner.clone(),
            ticket: rule.ticket.clone(),
            expires: moment(rule.expires),
            paused: rule.paused,
            overrides: rule.overrides.map(|uid| uid.to_string()).unwrap_or_default(),
            overridden_by: standing_in.map(|other| other.uid.to_string()).collect(),
            author: row.author.clone(),
            source: row.source.clone(),
            since: row.since.rfc3339(),
            hides: 0,
            images: 0,
            stale: false,
        }
    }
}

/// What is to be looked at before a rule is made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PreviewBody {
    /// Path of the scope.
    pub scope: String,
    /// The criteria.
    #[schema(value_type = CriteriaView)]
    pub criteria: CriteriaDraft,
}

/// What a rule would do.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PreviewView {
    /// In one sentence.
    pub sentence: String,
    /// Findings that it would hide and that nothing hides yet.
    pub findings: u64,
    /// Distinct images with such findings.
    pub images: u64,
    /// Repositories with such findings.
    pub repositories: u64,
    /// By severity, worst first, without zeros.
    pub severities: Vec<SeverityCount>,
    /// Known exploited ones, also among those that other rules hide already.
    pub known_exploited: u64,
    /// Findings that it names and that other rules hide already.
    pub already_hidden: u64,
    /// Open findings in the scope, before.
    pub open: u64,
    /// Secure score points before and after, with one digit after the point; `null` = not known.
    pub score_gain: Option<f64>,
    /// Some of the findings.
    pub examples: Vec<ExampleView>,
    /// Why it asks to be confirmed: `known-exploited`, `most-of-the-scope`, `nothing`; empty = it does not.
    pub asks: Vec<&'static str>,
}

/// How many of a severity.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SeverityCount {
    /// The severity.
    pub severity: &'static str,
    /// How many.
    pub count: u64,
}

/// A finding that would be hidden.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExampleView {
    /// Its id.
    pub id: String,
    /// The vulnerability.
    pub vulnerability: String,
    /// Severity.
    pub severity: &'static str,
    /// The package, with its version.
    pub package: String,
    /// Where: registry/repository@digest.
    pub image: String,
}

/// Rules as a file says them.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApplyBody {
    /// The rules; `overrides` may also name a rule of a wider scope.
    #[schema(value_type = Vec<DraftView>)]
    pub rules: Vec<Draft>,
    /// Ends the rules of `scope` that are not among them.
    pub prune: bool,
    /// Path of the scope that is pruned.
    pub scope: String,
    /// Says what would be done, and does nothing.
    pub dry_run: bool,
    /// Does it although some rule hides what is known exploited, more than half of its scope, or nothing.
    pub confirm: bool,
}

/// A rule in a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[allow(dead_code)] // it describes `Draft`
pub struct DraftView {
    /// Name: with the scope it is what a rule is known by.
    pub name: String,
    /// Path of its scope.
    pub scope: String,
    /// What it hides.
    pub criteria: CriteriaView,
    /// Why, in one word.
    pub reason: String,
    /// Why, in sentences.
    pub justification: String,
    /// Who answers for it.
    pub owner: String,
    /// Where it was discussed.
    pub ticket: String,
    /// RFC 3339, a date, `90d`, `never`; left out or relative: as it was.
    pub expires: String,
    /// Whether it hides nothing for now.
    pub paused: bool,
    /// Id or name of the rule of a wider scope that it stands in for.
    pub overrides: String,
}

/// The rules of a scope as a file says them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleFileView {
    /// The rules, by scope and name.
    #[schema(value_type = Vec<DraftView>)]
    pub rules: Vec<Draft>,
}

/// What applying a file does.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct ApplyView {
    /// One line a rule that is made, changed or ended.
    pub steps: Vec<StepView>,
    /// Rules that are made.
    pub created: usize,
    /// Rules that are changed.
    pub changed: usize,
    /// Rules that are ended.
    pub deleted: usize,
    /// Rules that are as the file says.
    pub unchanged: usize,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Rules that ask to be confirmed, each with its reason.
    pub asks: Vec<String>,
}

/// One step of applying a file.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RuleStepView)]
pub struct StepView {
    /// `create`, `change`, `delete`.
    pub action: &'static str,
    /// Id of the rule.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Path of its scope.
    pub scope: String,
    /// What is different.
    pub fields: Vec<FieldChange>,
}

/// A field that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldChange {
    /// The field, such as `criteria.cvss_below`.
    pub field: String,
    /// How it was, or empty.
    pub before: String,
    /// How it is to be, or empty.
    pub after: String,
}
