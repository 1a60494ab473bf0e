//! Disable rules: made, changed, ended, each row an interval.
//!
//! In: any number of changes, done together or not at all. Out: the rules, and everything that each of them ever said.
//! A change closes a row and opens another with the same uid. A rule that expires is not touched: whoever asks knows the time.

use crate::engine::{Row, Tx, Value, values};
use crate::write::{What, Write};
use crate::{Audit, Caller, Error, Result, Store};
use model::Micros;
use model::facts::{Id, RuleFact};
use model::role::Scope;
use model::rule::{Draft, Reason, Rule};
use std::collections::HashMap;
use uuid::Uuid;

/// A rule over one interval of what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRow {
    /// Row id: another after each change.
    pub id: Id,
    /// The stable id.
    pub uid: Uuid,
    /// What it says.
    pub rule: Rule,
    /// Who said so.
    pub author: String,
    /// Where it came from: empty = made by hand, `apply` = from a file, `vex` = a VEX statement.
    pub source: String,
    /// First moment.
    pub since: Micros,
    /// First moment after, or `FOREVER`.
    pub until: Micros,
    /// Who ended it, or empty.
    pub ended_by: String,
}

/// A change of one rule. `seen` is the row that it was made for: a later row is a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // for the fields; variants are documented
pub enum RuleChange {
    /// Makes a rule.
    Create { uid: Uuid, rule: Rule },
    /// Lets it say something else. A rule stays in its scope.
    Change { uid: Uuid, rule: Rule, seen: Option<Id> },
    /// Ends it.
    Delete { uid: Uuid, seen: Option<Id> },
}

const COLUMNS: &str = "id, uid, name, scope, criteria, reason, justification, owner, ticket, expires, paused, overrides, author, source, since, until, ended_by";
const WRITTEN: &str = "uid, name, scope, criteria, reason, justification, owner, ticket, expires, paused, overrides, author, source, since, until";
/// How many columns `WRITTEN` has.
const WRITTEN_COUNT: usize = 15;

impl Store {
    /// Lists the rules, expired and paused ones included, the oldest first.
    pub async fn rules(&self) -> Result<Vec<RuleRow>> {
        let mut tx = self.engine().begin_read().await?;
        live(&mut tx).await
    }

    /// Lists everything that a rule ever said, the newest first; empty = there never was such a rule.
    pub async fn rule_history(&self, uid: Uuid) -> Result<Vec<RuleRow>> {
        let sql = format!("SELECT {COLUMNS} FROM rule WHERE uid = $1 ORDER BY id DESC");
        self.engine().all(&sql, values![uid.to_string()]).await?.iter().map(row).collect()
    }

    /// Lists the rules that are not paused and end after one moment and not after another, the first to end first.
    pub async fn rules_expiring(&self, after: Micros, until: Micros) -> Result<Vec<RuleRow>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM rule WHERE uid <> '' AND until = $1 AND paused = 0 AND expires > $2 AND expires <= $3 ORDER BY expires, id"
        );
        self.engine().all(&sql, values![Micros::FOREVER, after, until]).await?.iter().map(row).collect()
    }

    /// Does changes of rules, all or none. Returns the rows that hold after it, in the order of the changes; a deletion gives none.
    pub async fn change_rules(&self, changes: &[RuleChange], source: &str, by: &Caller) -> Result<Vec<RuleRow>> {
        let mut write = self.write().await?;
        let mut plan = Plan::new(live(&mut write.tx).await?);
        for change in changes {
            plan.take(change)?;
        }
        let steps = plan.steps;
        close(&mut write, &steps, by).await?;
        self.step("rules:closed");
        let opened = open(&mut write, &steps, source, by).await?;
        self.step("rules:opened");
        for step in &steps {
            audit(&mut write, step, by).await?;
        }
        write.commit().await?;
        self.step("rules:committed");
        Ok(opened)
    }
}

async fn live(tx: &mut Tx) -> Result<Vec<RuleRow>> {
    let sql = format!("SELECT {COLUMNS} FROM rule WHERE uid <> '' AND until = $1 ORDER BY id");
    tx.each(&sql, values![Micros::FOREVER], row).await
}

/// One change, with what there was before.
struct Step {
    uid: Uuid,
    before: Option<RuleRow>,
    after: Option<Rule>,
}

/// The rules as they will be, change by change.
struct Plan {
    rules: HashMap<Uuid, RuleRow>,
    /// By scope and name.
    names: HashMap<(String, String), Uuid>,
    steps: Vec<Step>,
}

fn key(rule: &Rule) -> (String, String) {
    (rule.scope.to_path(), rule.name.clone())
}

impl Plan {
    fn new(rows: Vec<RuleRow>) -> Self {
        let names = rows.iter().map(|row| (key(&row.rule), row.uid)).collect();
        Self { rules: rows.into_iter().map(|row| (row.uid, row)).collect(), names, steps: Vec::new() }
    }

    fn take(&mut self, change: &RuleChange) -> Result<()> {
        let (uid, after, before) = match change {
            RuleChange::Create { uid, rule } => (uid, Some(rule), None),
            RuleChange::Change { uid, rule, seen } => (uid, Some(rule), Some(self.end(*uid, *seen)?)),
            RuleChange::Delete { uid, seen } => (uid, None, Some(self.end(*uid, *seen)?)),
        };
        if let Some(rule) = after {
            self.may_be(rule, before.as_ref())?;
            self.names.insert(key(rule), *uid);
        }
        self.steps.push(Step { uid: *uid, before, after: after.cloned() });
        Ok(())
    }

    /// Takes a rule out that is to be ended.
    fn end(&mut self, uid: Uuid, seen: Option<Id>) -> Result<RuleRow> {
        let absent = || Error::NotFound { what: "rule", name: uid.to_string() };
        let row = self.rules.remove(&uid).ok_or_else(absent)?;
        if seen.is_some_and(|seen| seen != row.id) {
            return Err(Error::Conflict(format!(
                "the rule {:?} was changed by {} at {}",
                row.rule.name,
                row.author,
                row.since.rfc3339()
            )));
        }
        self.names.remove(&key(&row.rule));
        Ok(row)
    }

    fn may_be(&self, rule: &Rule, before: Option<&RuleRow>) -> Result<()> {
        let path = rule.scope.to_path();
        if before.is_some_and(|row| row.rule.scope.to_path() != path) {
            return Err(Error::Conflict(format!("the rule {:?} stays in its scope", rule.name)));
        }
        if self.names.contains_key(&key(rule)) {
            return Err(Error::Conflict(format!("there is a rule {:?} in {path} already", rule.name)));
        }
        let new = rule.overrides.filter(|uid| before.is_none_or(|row| row.rule.overrides != Some(*uid)));
        let made = |uid: &Uuid| self.steps.iter().any(|step| step.uid == *uid && step.after.is_some());
        match new {
            Some(uid) if !self.rules.contains_key(&uid) && !made(&uid) => {
                Err(Error::NotFound { what: "rule", name: uid.to_string() })
            }
            _ => Ok(()),
        }
    }
}

async fn close(write: &mut Write<'_>, steps: &[Step], by: &Caller) -> Result<()> {
    for row in steps.iter().filter_map(|step| step.before.as_ref()) {
        let sql = "UPDATE rule SET until = $2, ended_by = $3 WHERE id = $1";
        write.run(sql, values![row.id, write.now, &by.actor]).await?;
        write.changed(What::Rule, row.id);
    }
    Ok(())
}

async fn open(write: &mut Write<'_>, steps: &[Step], source: &str, by: &Caller) -> Result<Vec<RuleRow>> {
    let (now, until) = (write.now, Micros::FOREVER);
    let made = steps.iter().filter_map(|step| Some((step.uid, step.after.clone()?)));
    let mut rows: Vec<RuleRow> = made
        .map(|(uid, rule)| RuleRow {
            id: 0,
            uid,
            rule,
            author: by.actor.clone(),
            source: source.to_owned(),
            since: now,
            until,
            ended_by: String::new(),
        })
        .collect();
    let mut texts = Vec::with_capacity(rows.len() * WRITTEN_COUNT);
    for row in &rows {
        texts.extend(written(row)?);
    }
    let head = format!("INSERT INTO rule ({WRITTEN})");
    let given = write.tx.insert(&head, WRITTEN_COUNT, &texts, "RETURNING id, uid").await?;
    let mut ids = HashMap::with_capacity(given.len());
    for row in &given {
        ids.insert(row.text(1)?, row.int(0)?);
    }
    for row in &mut rows {
        row.id = ids.get(&row.uid.to_string()).copied().ok_or(sqlx::Error::RowNotFound)?;
        write.changed(What::Rule, row.id);
    }
    Ok(rows)
}

fn written(row: &RuleRow) -> Result<[Value; WRITTEN_COUNT]> {
    let rule = &row.rule;
    let criteria = serde_json::to_string(&rule.criteria).map_err(|why| Error::damaged("criteria", why))?;
    Ok([
        row.uid.to_string().into(),
        (&rule.name).into(),
        rule.scope.to_path().into(),
        criteria.into(),
        rule.reason.as_str().into(),
        (&rule.justification).into(),
        (&rule.owner).into(),
        (&rule.ticket).into(),
        rule.expires.into(),
        rule.paused.into(),
        rule.overrides.map(|uid| uid.to_string()).unwrap_or_default().into(),
        (&row.author).into(),
        (&row.source).into(),
        row.since.into(),
        row.until.into(),
    ])
}

async fn audit(write: &mut Write<'_>, step: &Step, by: &Caller) -> Result<()> {
    let before = step.before.as_ref().map(|row| &row.rule);
    let action = match (before, &step.after) {
        (None, _) => "rule.create",
        (_, None) => "rule.delete",
        (Some(before), Some(after)) => match (before.paused, after.paused) {
            (false, true) => "rule.pause",
            (true, false) => "rule.resume",
            _ => "rule.change",
        },
    };
    let Some(named) = step.after.as_ref().or(before) else { return Ok(()) };
    let shown = |rule: Option<&Rule>| -> serde_json::Value {
        let Some(rule) = rule else { return serde_json::Value::Null };
        let mut shown = serde_json::to_value(Draft::of(rule)).unwrap_or_default();
        shown["id"] = step.uid.to_string().into();
        shown
    };
    let (before, after) = (shown(before), shown(step.after.as_ref()));
    write.audit(&Audit { by, action, object: &named.name, scope: &named.scope, before, after }).await
}

fn scope(text: &str) -> Result<Scope> {
    Scope::parse(text).ok_or_else(|| Error::damaged("scope of a rule", text))
}

fn uuid(text: &str) -> Result<Uuid> {
    Uuid::try_parse(text).map_err(|why| Error::damaged("id of a rule", why))
}

fn overrides(text: &str) -> Result<Option<Uuid>> {
    if text.is_empty() { Ok(None) } else { uuid(text).map(Some) }
}

fn row(row: &Row) -> Result<RuleRow> {
    let reason = row.text(5)?;
    let rule = Rule {
        name: row.text(2)?,
        scope: scope(&row.text(3)?)?,
        criteria: serde_json::from_str(&row.text(4)?).map_err(|why| Error::damaged("criteria of a rule", why))?,
        reason: Reason::parse(&reason).ok_or_else(|| Error::damaged("reason of a rule", &reason))?,
        justification: row.text(6)?,
        owner: row.text(7)?,
        ticket: row.text(8)?,
        expires: row.at(9)?,
        paused: row.int(10)? != 0,
        overrides: overrides(&row.text(11)?)?,
    };
    Ok(RuleRow {
        id: row.int(0)?,
        uid: uuid(&row.text(1)?)?,
        rule,
        author: row.text(12)?,
        source: row.text(13)?,
        since: row.at(14)?,
        until: row.at(15)?,
        ended_by: row.text(16)?,
    })
}

/// Reads a rule as the index needs it: id, uid, name, scope, criteria, expires, paused, overrides, since, until.
pub(crate) fn fact(row: &Row) -> Result<RuleFact> {
    Ok(RuleFact {
        id: row.int(0)?,
        uid: uuid(&row.text(1)?)?,
        name: row.text(2)?,
        scope: scope(&row.text(3)?)?,
        criteria: serde_json::from_str(&row.text(4)?).map_err(|why| Error::damaged("criteria of a rule", why))?,
        expires: row.at(5)?,
        paused: row.int(6)? != 0,
        overrides: overrides(&row.text(7)?)?,
        since: row.at(8)?,
        until: row.at(9)?,
    })
}
