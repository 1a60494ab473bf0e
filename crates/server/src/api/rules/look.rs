//! When somebody is asked to look twice: where a change lets rules hide what nobody may want hidden.
//!
//! In: a rule as it was and as it is to be, and the others. Out: what rules would hide then, as far as that is to be confirmed. Others hide
//! more as well: where a rule stood in for a wider one and does not any more, the wider one holds again.

use super::effect::{self, EXPLOITED};
use super::view::PreviewView;
use crate::parts::Parts;
use crate::problem::Problem;
use model::Micros;
use model::rule::{Rule, State};
use store::RuleRow;
use uuid::Uuid;

/// What is to be confirmed.
pub struct Look {
    /// Which rule would hide what, in one sentence.
    pub sentence: String,
    /// The same in numbers.
    pub preview: PreviewView,
}

/// Looks at a change: of a rule that was, if it was, into what it is to be, if it does not end. `all`: the other rules.
pub async fn looks(
    parts: &Parts,
    before: Option<&RuleRow>,
    after: Option<&Rule>,
    all: &[RuleRow],
) -> Result<Vec<Look>, Problem> {
    let now = (parts.now)();
    let mut looks = Vec::new();
    if let Some(after) = after.filter(|after| hides_anew(before.map(|row| &row.rule), after, now)) {
        let own = before.map(|row| row.uid).or(after.overrides);
        let preview = effect::preview(parts, &after.criteria, &after.scope, own.as_slice()).await?;
        looks.push(Look { sentence: format!("the rule {:?} {}", after.name, preview.sentence), preview });
    }
    if let Some((own, wider)) = before.and_then(|own| Some((own, holds_again(own, after, all, now)?))) {
        let (scope, rule) = (&own.rule.scope, &wider.rule);
        let mut preview = effect::preview(parts, &rule.criteria, scope, &[own.uid, wider.uid]).await?;
        // The rest was looked at when the wider rule was made.
        preview.asks.retain(|why| *why == EXPLOITED);
        let path = scope.to_path();
        let sentence = format!("the rule {:?} would hold in {path} again: it {}", rule.name, preview.sentence);
        looks.push(Look { sentence, preview });
    }
    looks.retain(|look| !look.preview.asks.is_empty());
    Ok(looks)
}

/// Refuses a change that is to be confirmed and is not.
pub fn confirmed(looks: Vec<Look>, confirm: bool) -> Result<(), Problem> {
    let detail = looks.iter().map(|look| look.sentence.as_str()).collect::<Vec<_>>().join("; ");
    let Some(first) = looks.into_iter().next().filter(|_| !confirm) else { return Ok(()) };
    let problem = Problem::conflict(detail, "If that is meant, send it again with \"confirm\": true.");
    Err(Problem { field: "confirm".into(), would: serde_json::to_value(first.preview).ok().map(Box::new), ..problem })
}

/// Whether a change lets a rule hide what it did not hide before.
fn hides_anew(before: Option<&Rule>, after: &Rule, now: Micros) -> bool {
    let in_force = |rule: &Rule| rule.state(now) == State::InForce;
    in_force(after) && !before.is_some_and(|before| in_force(before) && before.criteria == after.criteria)
}

/// The wider rule that holds again, or sooner than it would, where a rule stood in for it. One that is paused stands in all the same.
fn holds_again<'a>(own: &RuleRow, after: Option<&Rule>, all: &'a [RuleRow], now: Micros) -> Option<&'a RuleRow> {
    let before = &own.rule;
    let overridden = before.overrides.filter(|_| before.expires > now)?;
    let from = match after.filter(|after| after.overrides == before.overrides) {
        Some(after) if after.expires < before.expires => after.expires,
        Some(_) => return None,
        None => now,
    };
    let wider = all.iter().find(|row| row.uid == overridden)?;
    let holds = wider.rule.state(now) == State::InForce && wider.rule.expires > from;
    (holds && !all.iter().any(|other| stands_in(other, own, wider))).then_some(wider)
}

/// Whether another rule stands in for the wider one wherever, and for as long as, a rule did.
fn stands_in(other: &RuleRow, own: &RuleRow, wider: &RuleRow) -> bool {
    let (scope, rule): (_, &Rule) = (&own.rule.scope, &other.rule);
    let among = [own.uid, wider.uid].iter().all(|uid: &Uuid| *uid != other.uid);
    let above = rule.scope.holds(scope) && rule.scope.depth() > wider.rule.scope.depth();
    among && above && rule.overrides == Some(wider.uid) && rule.expires >= own.rule.expires
}
