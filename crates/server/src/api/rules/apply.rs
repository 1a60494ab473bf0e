//! Rules as a file: what is, written down; what is to be, applied as one change.
//!
//! In: the rules that shall be. Out: which are made, changed, ended; done in one transaction, or only told. A rule of a file is
//! known by its scope and name.

use super::change::{all, done, lawful, near, readable, wrong};
use super::look::looks;
use super::view::{ApplyBody, ApplyView, FieldChange, StepView};
use crate::access;
use crate::asker::Asker;
use crate::parts::Parts;
use crate::problem::Problem;
use model::role::{Action, Scope};
use model::rule::{Draft, Fault, Rule};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use store::{RuleChange, RuleRow};
use uuid::Uuid;

/// Where rules of files come from, as rows say it.
const SOURCE: &str = "apply";
/// Rules of VEX statements are not pruned: a file does not know them.
const VEX: &str = "vex";
/// At most so many rules of a file.
const MOST_RULES: usize = 10_000;

/// Writes the rules that stand in a scope or below it, by scope and name.
pub async fn export(parts: &Parts, asker: &Asker, scope: &Scope) -> Result<Vec<Draft>, Problem> {
    let readable = readable(parts, asker)?;
    let rows = all(parts).await?;
    let seen = |row: &&RuleRow| near(&readable, &row.rule.scope) && row.source != VEX;
    let mut drafts: Vec<Draft> =
        rows.iter().filter(|row| scope.holds(&row.rule.scope)).filter(seen).map(|row| written(row, &rows)).collect();
    drafts.sort_by(|a, b| (&a.scope, &a.name).cmp(&(&b.scope, &b.name)));
    Ok(drafts)
}

/// Writes a rule; the one that it stands in for by its name, so that a file can be applied elsewhere.
fn written(row: &RuleRow, rows: &[RuleRow]) -> Draft {
    let mut draft = Draft::of(&row.rule);
    let wider = row.rule.overrides.and_then(|uid| rows.iter().find(|other| other.uid == uid));
    if let Some(wider) = wider {
        let same = rows.iter().filter(|r| r.rule.name == wider.rule.name && r.rule.scope.holds(&row.rule.scope));
        if same.filter(|r| r.uid != row.uid).count() == 1 {
            draft.overrides = wider.rule.name.clone();
        }
    }
    draft
}

/// What a file does.
struct Work<'a> {
    parts: &'a Parts,
    asker: &'a Asker,
    /// What there is, then also what is made.
    rows: Vec<RuleRow>,
    known: HashMap<(String, String), Uuid>,
    changes: Vec<RuleChange>,
    view: ApplyView,
    kept: Vec<Uuid>,
}

/// Applies a file.
pub async fn apply(parts: &Parts, asker: &Asker, body: ApplyBody) -> Result<ApplyView, Problem> {
    if body.rules.len() > MOST_RULES {
        return Err(Problem::parameter("rules", format!("more than {MOST_RULES} rules in one file")));
    }
    let rows = all(parts).await?;
    let known = rows.iter().map(|row| ((row.rule.scope.to_path(), row.rule.name.clone()), row.uid)).collect();
    let (changes, view, kept) = (Vec::new(), ApplyView { dry_run: body.dry_run, ..ApplyView::default() }, Vec::new());
    let mut work = Work { parts, asker, rows, known, changes, view, kept };
    let mut rules: Vec<(usize, &Draft)> = body.rules.iter().enumerate().collect();
    // A wider rule comes before those that stand in for it.
    rules.sort_by_key(|(_, draft)| Scope::parse(draft.scope.trim()).map_or(0, |scope| scope.depth()));
    for (n, draft) in rules {
        work.take(draft).await.map_err(|problem| in_rule(n, draft, problem))?;
    }
    if body.prune {
        work.prune(&body.scope).await?;
    }
    let Work { changes, view, .. } = work;
    if !view.asks.is_empty() && !body.confirm && !body.dry_run {
        let detail = format!("{} of the rules ask to be looked at: {}", view.asks.len(), view.asks.join("; "));
        let problem = Problem::conflict(detail, "If that is meant, send it again with \"confirm\": true.");
        return Err(Problem {
            field: "confirm".into(),
            would: serde_json::to_value(&view).ok().map(Box::new),
            ..problem
        });
    }
    if !body.dry_run && !changes.is_empty() {
        done(parts, asker, &changes, SOURCE).await?;
    }
    Ok(view)
}

/// Names the rule in a problem.
fn in_rule(n: usize, draft: &Draft, problem: Problem) -> Problem {
    let field = if problem.field.is_empty() { format!("rules[{n}]") } else { format!("rules[{n}].{}", problem.field) };
    Problem { detail: format!("rule {} ({:?}): {}", n + 1, draft.name, problem.detail), field, ..problem }
}

impl Work<'_> {
    async fn take(&mut self, draft: &Draft) -> Result<(), Problem> {
        if draft.name.trim().is_empty() {
            return Err(wrong(&[Fault::new("name", "a rule of a file is known by its name: give it one")]));
        }
        let scope = access::scope_at(self.parts, &self.asker.principal, "scope", draft.scope.trim())?;
        let key = (scope.to_path(), draft.name.trim().to_owned());
        let uid = self.known.get(&key).copied();
        if uid.is_some_and(|uid| self.kept.contains(&uid)) {
            return Err(wrong(&[Fault::new("name", "the file has this name in this scope already")]));
        }
        let before = uid.and_then(|uid| self.rows.iter().find(|row| row.uid == uid)).cloned();
        let mut draft = Draft { overrides: self.wider(draft, &scope)?, scope: scope.to_path(), ..draft.clone() };
        let now = (self.parts.now)();
        if let Some(row) = before.as_ref().filter(|row| row.rule.expires > now) {
            draft = draft.without_longer_expiry(now, row.rule.expires);
        }
        let rule = lawful(self.parts, self.asker, &draft, before.as_ref(), &self.rows)?;
        let uid = uid.unwrap_or_else(Uuid::new_v4);
        self.kept.push(uid);
        if before.as_ref().is_some_and(|before| before.rule == rule) {
            self.view.unchanged += 1;
            return Ok(());
        }
        let looked = looks(self.parts, before.as_ref(), Some(&rule), &self.rows).await?;
        self.view.asks.extend(looked.into_iter().map(|look| look.sentence));
        self.step(uid, before.as_ref().map(|row| &row.rule), Some(&rule));
        match before {
            Some(before) => {
                self.changes.push(RuleChange::Change { uid, rule, seen: Some(before.id) });
            }
            None => {
                self.known.insert(key, uid);
                self.rows.push(made(uid, rule.clone(), self.asker));
                self.changes.push(RuleChange::Create { uid, rule });
            }
        }
        Ok(())
    }

    /// Finds the rule that a draft stands in for, by id, or by name: the nearest one above.
    fn wider(&self, draft: &Draft, scope: &Scope) -> Result<String, Problem> {
        let named = draft.overrides.trim();
        if named.is_empty() || Uuid::try_parse(named).is_ok() {
            return Ok(named.to_owned());
        }
        let above = |row: &&RuleRow| {
            let other = &row.rule.scope;
            row.rule.name == named && other.holds(scope) && other.depth() < scope.depth()
        };
        let nearest = self.rows.iter().filter(above).max_by_key(|row| row.rule.scope.depth());
        let absent =
            || wrong(&[Fault::new("overrides", format!("no rule {named:?} stands above {}", scope.to_path()))]);
        nearest.map(|row| row.uid.to_string()).ok_or_else(absent)
    }

    /// Ends what stands in a scope and is not in the file.
    async fn prune(&mut self, scope: &str) -> Result<(), Problem> {
        if scope.trim().is_empty() {
            return Err(Problem::parameter("scope", "pruning ends rules: name the scope that the file speaks for"));
        }
        let scope = access::scope_at(self.parts, &self.asker.principal, "scope", scope.trim())?;
        access::may_in(&self.asker.principal, Action::EditPolicy, &scope)?;
        let stray = |row: &&RuleRow| {
            row.id != 0 && row.source != VEX && scope.holds(&row.rule.scope) && !self.kept.contains(&row.uid)
        };
        let (ended, left): (Vec<RuleRow>, Vec<RuleRow>) = self.rows.iter().cloned().partition(|row| stray(&row));
        for row in ended {
            let looked = looks(self.parts, Some(&row), None, &left).await?;
            self.view.asks.extend(looked.into_iter().map(|look| look.sentence));
            self.step(row.uid, Some(&row.rule), None);
            self.changes.push(RuleChange::Delete { uid: row.uid, seen: Some(row.id) });
        }
        Ok(())
    }

    fn step(&mut self, uid: Uuid, before: Option<&Rule>, after: Option<&Rule>) {
        let Some(rule) = after.or(before) else { return };
        let (action, count) = match (before, after) {
            (None, _) => ("create", &mut self.view.created),
            (_, None) => ("delete", &mut self.view.deleted),
            _ => ("change", &mut self.view.changed),
        };
        *count += 1;
        let fields = differences(before, after);
        let (name, scope) = (rule.name.clone(), rule.scope.to_path());
        self.view.steps.push(StepView { action, id: uid.to_string(), name, scope, fields });
    }
}

/// A rule that is about to be made, for those of the same file that stand in for it.
fn made(uid: Uuid, rule: Rule, asker: &Asker) -> RuleRow {
    let (author, source) = (asker.principal.name.clone(), SOURCE.to_owned());
    let (since, until) = (model::Micros(0), model::Micros::FOREVER);
    RuleRow { id: 0, uid, rule, author, source, since, until, ended_by: String::new() }
}

/// Tells the fields in which two rules differ.
fn differences(before: Option<&Rule>, after: Option<&Rule>) -> Vec<FieldChange> {
    let (before, after) = (flat(before), flat(after));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let text = |side: &BTreeMap<String, String>, name: &String| side.get(name).cloned().unwrap_or_default();
    let all = names.into_iter().map(|name| FieldChange {
        field: name.clone(),
        before: text(&before, name),
        after: text(&after, name),
    });
    all.filter(|change| change.before != change.after).collect()
}

fn flat(rule: Option<&Rule>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let Some(Value::Object(fields)) = rule.and_then(|rule| serde_json::to_value(Draft::of(rule)).ok()) else {
        return out;
    };
    for (name, value) in fields {
        match value {
            Value::Object(inner) => {
                out.extend(inner.into_iter().map(|(field, value)| (format!("{name}.{field}"), text(&value))));
            }
            value => {
                out.insert(name, text(&value));
            }
        }
    }
    out
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
