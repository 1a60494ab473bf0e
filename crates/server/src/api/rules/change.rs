//! Changes of rules: who may, whether they are lawful. REST, the console and the command line come through here.

use super::look::{confirmed, looks};
use super::view::{Intent, RuleBody};
use crate::access::{self, located};
use crate::asker::Asker;
use crate::parts::Parts;
use crate::problem::Problem;
use model::Micros;
use model::role::{Action, Scope};
use model::rule::{CriteriaDraft, Draft, Fault, Rule, State};
use store::{RuleChange, RuleRow};
use uuid::Uuid;

/// The rules, with the resource groups of their scopes.
pub async fn all(parts: &Parts) -> Result<Vec<RuleRow>, Problem> {
    let mut rows = parts.store.rules().await?;
    parts.index.ask(|index| {
        rows.iter_mut().for_each(|row| {
            located(index, &mut row.rule.scope);
        });
        Ok(())
    })?;
    Ok(rows)
}

/// Those that the asker may see: they stand within what the asker may read, or above it.
pub async fn visible(parts: &Parts, asker: &Asker) -> Result<Vec<RuleRow>, Problem> {
    let readable = readable(parts, asker)?;
    let mut rows = all(parts).await?;
    rows.retain(|row| near(&readable, &row.rule.scope));
    Ok(rows)
}

/// The scopes that the asker may read, with their resource groups.
pub fn readable(parts: &Parts, asker: &Asker) -> Result<Vec<Scope>, Problem> {
    let grants = asker.principal.grants.iter().filter(|grant| grant.role.allows(Action::Read));
    let mut scopes: Vec<Scope> = grants.map(|grant| grant.scope.clone()).collect();
    parts.index.ask(|index| {
        scopes.iter_mut().for_each(|scope| {
            located(index, scope);
        });
        Ok(())
    })?;
    Ok(scopes)
}

/// Whether a scope is within, or above, one of others.
pub fn near(readable: &[Scope], scope: &Scope) -> bool {
    readable.iter().any(|own| own.holds(scope) || scope.holds(own))
}

/// Finds a rule by its id, or by its name if only one of those that the asker may see has it.
pub async fn find(parts: &Parts, asker: &Asker, id: &str) -> Result<(RuleRow, Vec<RuleRow>), Problem> {
    let rows = visible(parts, asker).await?;
    let uid = Uuid::try_parse(id).ok();
    let mut found = rows.iter().filter(|row| uid.map_or(row.rule.name == id, |uid| uid == row.uid));
    match (found.next(), found.next()) {
        (Some(row), None) => Ok((row.clone(), rows)),
        (None, _) => Err(Problem::absent("rule", id)),
        (Some(_), Some(_)) => {
            Err(Problem::conflict(format!("several rules are named {id:?}"), "Name the rule by its id."))
        }
    }
}

/// Turns faults of a draft into a problem of its first field.
pub fn wrong(faults: &[Fault]) -> Problem {
    let all = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let mut problem = Problem::parameter(faults.first().map_or("", |fault| fault.field.as_str()), all);
    problem.next_step = "Correct the fields and send it again.";
    problem
}

/// Reads a draft into a rule that the asker may make in its scope.
pub fn lawful(
    parts: &Parts,
    asker: &Asker,
    draft: &Draft,
    before: Option<&RuleRow>,
    all: &[RuleRow],
) -> Result<Rule, Problem> {
    let scope = access::scope_at(parts, &asker.principal, "scope", draft.scope.trim())?;
    access::may_in(&asker.principal, Action::EditPolicy, &scope)?;
    let before = before.map(|row| &row.rule);
    let mut rule = draft.read((parts.now)(), before).map_err(|faults| wrong(&faults))?;
    rule.scope = scope;
    if before.is_some_and(|before| before.scope.to_path() != rule.scope.to_path()) {
        return Err(Problem::parameter("scope", "a rule stays in its scope: make another one there"));
    }
    let for_ever = |rule: &Rule| rule.expires == Micros::FOREVER;
    if for_ever(&rule) && !before.is_some_and(|before| for_ever(before) && before.criteria == rule.criteria) {
        let may = access::may_in(&asker.principal, Action::Secure, &rule.scope);
        may.map_err(|problem| Problem {
            detail: format!("a rule that never expires: {}", problem.detail),
            field: "expires".into(),
            ..problem
        })?;
    }
    let kept = before.and_then(|before| before.overrides);
    if let Some(uid) = rule.overrides.filter(|uid| Some(*uid) != kept) {
        let wider = all.iter().find(|row| row.uid == uid);
        let absent = || Problem { field: "overrides".into(), ..Problem::absent("rule", &uid.to_string()) };
        rule.stands_in_for(&wider.ok_or_else(absent)?.rule).map_err(|fault| wrong(&[fault]))?;
    }
    Ok(rule)
}

/// Does changes, and shows them at once.
pub async fn done(parts: &Parts, asker: &Asker, changes: &[RuleChange], source: &str) -> Result<Vec<RuleRow>, Problem> {
    let rows = parts.store.change_rules(changes, source, &asker.caller()).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(rows)
}

async fn one(parts: &Parts, asker: &Asker, change: RuleChange) -> Result<RuleRow, Problem> {
    let uid = match &change {
        RuleChange::Create { uid, .. } | RuleChange::Change { uid, .. } | RuleChange::Delete { uid, .. } => *uid,
    };
    let rows = done(parts, asker, &[change], "").await?;
    rows.into_iter().next().ok_or_else(|| Problem::absent("rule", &uid.to_string()))
}

/// Refuses a name that the scope has already, with its field.
fn name_is_free(rule: &Rule, own: Option<Uuid>, all: &[RuleRow]) -> Result<(), Problem> {
    let path = rule.scope.to_path();
    let same = |row: &&RuleRow| row.rule.name == rule.name && row.rule.scope.to_path() == path;
    if all.iter().filter(same).any(|row| Some(row.uid) != own) {
        let problem =
            Problem::conflict(format!("there is a rule {:?} in {path} already", rule.name), "Choose another name.");
        return Err(Problem { field: "name".into(), ..problem });
    }
    Ok(())
}

/// Makes a rule.
pub async fn create(parts: &Parts, asker: &Asker, body: RuleBody) -> Result<RuleRow, Problem> {
    let (draft, intent) = body.parts();
    let all = all(parts).await?;
    let rule = lawful(parts, asker, &draft, None, &all)?;
    name_is_free(&rule, None, &all)?;
    confirmed(looks(parts, None, Some(&rule), &all).await?, intent.confirm)?;
    one(parts, asker, RuleChange::Create { uid: Uuid::new_v4(), rule }).await
}

/// Lets a rule say something else.
pub async fn change(parts: &Parts, asker: &Asker, id: &str, body: RuleBody) -> Result<RuleRow, Problem> {
    let (before, _) = find(parts, asker, id).await?;
    access::may_in(&asker.principal, Action::EditPolicy, &before.rule.scope)?;
    let (mut draft, intent) = body.parts();
    if draft.scope.trim().is_empty() {
        draft.scope = before.rule.scope.to_path();
    }
    let all = all(parts).await?;
    let rule = lawful(parts, asker, &draft, Some(&before), &all)?;
    name_is_free(&rule, Some(before.uid), &all)?;
    confirmed(looks(parts, Some(&before), Some(&rule), &all).await?, intent.confirm)?;
    one(parts, asker, RuleChange::Change { uid: before.uid, rule, seen: intent.seen.or(Some(before.id)) }).await
}

/// Lets a rule hide nothing for now, or hide again.
pub async fn pause(parts: &Parts, asker: &Asker, id: &str, paused: bool, intent: Intent) -> Result<RuleRow, Problem> {
    let (before, _) = find(parts, asker, id).await?;
    access::may_in(&asker.principal, Action::EditPolicy, &before.rule.scope)?;
    let rule = Rule { paused, ..before.rule.clone() };
    if rule.state((parts.now)()) == State::Expired {
        let detail = format!("the rule {:?} expired at {}", rule.name, rule.expires.rfc3339());
        return Err(Problem::conflict(detail, "Change its expiry first."));
    }
    confirmed(looks(parts, Some(&before), Some(&rule), &all(parts).await?).await?, intent.confirm)?;
    let seen = intent.seen.or(Some(before.id));
    if rule == before.rule {
        return Ok(before);
    }
    one(parts, asker, RuleChange::Change { uid: before.uid, rule, seen }).await
}

/// Ends a rule. What it stood in for holds again.
pub async fn end(parts: &Parts, asker: &Asker, id: &str, intent: Intent) -> Result<RuleRow, Problem> {
    let (before, _) = find(parts, asker, id).await?;
    access::may_in(&asker.principal, Action::EditPolicy, &before.rule.scope)?;
    confirmed(looks(parts, Some(&before), None, &all(parts).await?).await?, intent.confirm)?;
    let change = RuleChange::Delete { uid: before.uid, seen: intent.seen };
    done(parts, asker, &[change], "").await?;
    Ok(before)
}

/// Makes a rule that stands in for another in a narrower scope. What is not said is as in the other.
pub async fn stand_in(parts: &Parts, asker: &Asker, id: &str, mut body: RuleBody) -> Result<RuleRow, Problem> {
    let (wider, _) = find(parts, asker, id).await?;
    body.overrides = wider.uid.to_string();
    let rule = &wider.rule;
    if body.criteria == CriteriaDraft::default() {
        body.criteria = CriteriaDraft::of(&rule.criteria);
    }
    let or = |text: &mut String, other: &str| {
        if text.trim().is_empty() {
            *text = other.to_owned();
        }
    };
    or(&mut body.name, &rule.name);
    or(&mut body.reason, rule.reason.as_str());
    or(&mut body.owner, &rule.owner);
    create(parts, asker, body).await
}
