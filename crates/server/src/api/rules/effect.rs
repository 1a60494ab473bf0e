//! What rules do: what one would hide, what each hides now, as the fleet index says it.

use super::view::{ExampleView, PreviewView, RuleView, SeverityCount};
use crate::access;
use crate::asker::Asker;
use crate::parts::Parts;
use crate::problem::Problem;
use crate::recommend;
use fleet::{Preview, Proposal, RuleEffect};
use model::role::Scope;
use model::rule::{Criteria, State};
use model::{Micros, Severity};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use store::RuleRow;
use uuid::Uuid;

/// A rule that is in force and has hidden nothing for so long is stale.
const STALE: Duration = Duration::from_secs(30 * 86_400);
/// Why a rule wants to be confirmed that speaks of known exploited findings.
pub const EXPLOITED: &str = "known-exploited";

/// Says what a rule with these criteria would hide in a scope, instead of others that are to be changed or overridden.
pub async fn preview(
    parts: &Parts,
    criteria: &Criteria,
    scope: &Scope,
    instead_of: &[Uuid],
) -> Result<PreviewView, Problem> {
    if !criteria.paths.is_empty() {
        parts.index.learn_paths(&parts.store).await?;
    }
    let now = (parts.now)();
    let proposal = Proposal { criteria, scope, instead_of, score: recommend::findings(), now };
    let found = parts.index.ask(|index| Ok(index.preview(&proposal)))?;
    let severities = Severity::WORST_FIRST
        .into_iter()
        .map(|severity| SeverityCount { severity: severity.as_str(), count: found.tally.of(severity) });
    Ok(PreviewView {
        sentence: sentence(&found),
        findings: found.findings(),
        images: found.images,
        repositories: found.repositories,
        severities: severities.filter(|part| part.count != 0).collect(),
        known_exploited: found.known_exploited(),
        already_hidden: found.hidden_already,
        open: found.in_scope,
        score_gain: gain(&found),
        asks: asks(&found),
        examples: found.examples.into_iter().map(example).collect(),
    })
}

/// Why a rule wants to be confirmed.
fn asks(found: &Preview) -> Vec<&'static str> {
    let all = [
        // Those that other rules hide as well: they may end before this one does.
        (found.known_exploited() > 0, EXPLOITED),
        (found.hides_most(), "most-of-the-scope"),
        (found.findings() + found.hidden_already == 0, "nothing"),
    ];
    all.into_iter().filter(|(holds, _)| *holds).map(|(_, why)| why).collect()
}

/// Points that the scope would gain in the control of findings, rounded to tenths; `None` where no image is judged.
fn gain(found: &Preview) -> Option<f64> {
    let points = |tally| recommend::control(tally).current();
    let gain = points(&found.after)? - points(&found.before)?;
    Some((gain * 10.0).round() / 10.0)
}

/// `hides 312 of 400 open findings in 41 images (2 critical, 1 known exploited); score +1.8`.
fn sentence(found: &Preview) -> String {
    let exploited = found.exploited_already;
    if found.findings() == 0 {
        let marks = if exploited > 0 { format!(" ({exploited} known exploited)") } else { String::new() };
        return match found.hidden_already {
            0 => "hides nothing: no finding in the scope matches".into(),
            n => format!("hides nothing more: other rules hide all {n} that match{marks}"),
        };
    }
    let many = |n: u64, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let critical = found.tally.of(Severity::Critical);
    let marks = [(critical, "critical"), (found.tally.kev, "known exploited")];
    let marks: Vec<String> = marks.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let marks = if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) };
    let score = gain(found).filter(|gain| *gain != 0.0).map(|gain| format!("; score {gain:+.1}")).unwrap_or_default();
    let (open, images) = (many(found.in_scope, "open finding"), many(found.images, "image"));
    let already = match exploited {
        0 => String::new(),
        n => format!("; it also speaks of {n} known exploited that other rules hide already"),
    };
    format!("hides {} of {open} in {images}{marks}{score}{already}", found.findings())
}

fn example(row: fleet::FindingRow) -> ExampleView {
    ExampleView {
        id: row.id.to_string(),
        vulnerability: row.vulnerability.name,
        severity: row.severity.as_str(),
        package: format!("{} {}", row.package.name, row.package.version),
        image: format!("{}/{}@{}", row.place.registry, row.place.repository, row.image),
    }
}

/// What each rule hides now, where the asker may read.
pub struct Effects(HashMap<Uuid, Hides>);

/// What one rule hides.
#[derive(Debug, Clone, Copy, Default)]
struct Hides {
    findings: u64,
    images: u64,
    stale: bool,
}

/// Names the rules that are in force and have hidden nothing for long, where the asker may read.
pub fn stale(parts: &Parts, asker: &Asker, rules: &[RuleRow]) -> Result<HashSet<Uuid>, Problem> {
    let within = access::readable(parts, &asker.principal)?;
    let now = (parts.now)();
    let idle: HashMap<Uuid, Option<Micros>> =
        parts.index.ask(|index| Ok(index.idle_rules(&within, now)))?.into_iter().collect();
    let long = |row: &&RuleRow| idle.get(&row.uid).is_some_and(|last| is_long(now, *last, row));
    Ok(rules.iter().filter(long).map(|row| row.uid).collect())
}

fn is_long(now: Micros, last: Option<Micros>, row: &RuleRow) -> bool {
    now.saturating_since(last.unwrap_or(row.since)) >= STALE
}

/// Asks the index what some rules hide.
pub fn effects(parts: &Parts, asker: &Asker, rules: &[&RuleRow]) -> Result<Effects, Problem> {
    let within = access::readable(parts, &asker.principal)?;
    let now = (parts.now)();
    parts.index.ask(|index| {
        let in_force = |row: &RuleRow| row.rule.state(now) == State::InForce;
        let of: Vec<Uuid> = rules.iter().filter(|row| in_force(row)).map(|row| row.uid).collect();
        let effects: HashMap<Uuid, RuleEffect> =
            index.rule_effects(&of, &within, now).into_iter().map(|effect| (effect.uid, effect)).collect();
        let mut all = HashMap::with_capacity(rules.len());
        for row in rules.iter().filter(|row| in_force(row)) {
            let Some(effect) = effects.get(&row.uid) else { continue };
            let stale = is_long(now, effect.last, row);
            all.insert(row.uid, Hides { findings: effect.findings, images: effect.images, stale });
        }
        Ok(Effects(all))
    })
}

impl Effects {
    /// Fills in what a rule hides.
    pub fn fill(&self, view: &mut RuleView, row: &RuleRow) {
        let hides = self.0.get(&row.uid).copied().unwrap_or_default();
        (view.hides, view.images, view.stale) = (hides.findings, hides.images, hides.stale);
    }
}
