//! Suppressions: posture rules that do not count somewhere, for a reason and a time.
//!
//! In: rule, scope, reason, expiry. Out: the list. A suppressed rule is still judged and shown, apart from the others.

use crate::engine::{Row, values};
use crate::{Audit, Caller, Error, Result, Store};
use model::Micros;
use model::facts::Id;
use model::role::Scope;
use serde_json::{Value, json};

/// A suppression to be made.
#[derive(Debug, Clone)]
pub struct NewSuppression {
    /// Name of the posture rule.
    pub rule: String,
    /// A registry, or a part of the tree that holds registries; it knows its resource group.
    pub scope: Scope,
    /// Why.
    pub reason: String,
    /// When it ends; `FOREVER` = never.
    pub expires: Micros,
}

/// A suppression in force, or one that expired.
#[derive(Debug, Clone)]
pub struct Suppression {
    /// Row id.
    pub id: Id,
    /// What was suppressed.
    pub what: NewSuppression,
    /// Who did it.
    pub author: String,
    /// When.
    pub since: Micros,
}

impl Suppression {
    /// Returns whether it holds for a registry at a moment.
    pub fn holds(&self, rule: &str, registry: &Scope, at: Micros) -> bool {
        self.since <= at && at < self.what.expires && self.what.rule == rule && self.what.scope.holds(registry)
    }
}

fn shown(what: &NewSuppression) -> Value {
    json!({"rule": what.rule, "reason": what.reason, "expires": what.expires.rfc3339()})
}

const COLUMNS: &str = "id, rule, resource, reason, author, expires, since";

impl Store {
    /// Makes a suppression; returns its id.
    pub async fn make_suppression(&self, what: &NewSuppression, by: &Caller) -> Result<Id> {
        let mut write = self.write().await?;
        let sql = "INSERT INTO suppression (rule, resource, reason, author, expires, since, until) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
        let path = what.scope.to_path();
        let row = values![&what.rule, path, &what.reason, &by.actor, what.expires, write.now, Micros::FOREVER];
        let id = write.tx.int(sql, row).await?;
        let (action, object, after) = ("suppression.create", id.to_string(), shown(what));
        write.audit(&Audit { by, action, object: &object, scope: &what.scope, before: Value::Null, after }).await?;
        write.commit().await?;
        Ok(id)
    }

    /// Ends a suppression at once; `false` if there is none of that id.
    pub async fn end_suppression(&self, id: Id, by: &Caller) -> Result<bool> {
        let mut write = self.write().await?;
        let sql = format!("SELECT {COLUMNS} FROM suppression WHERE id = $1 AND until = $2");
        let Some(row) = write.one(&sql, values![id, Micros::FOREVER]).await? else { return Ok(false) };
        let old = read(&row)?;
        write.run("UPDATE suppression SET until = $2 WHERE id = $1", values![id, write.now]).await?;
        let (action, object, scope) = ("suppression.delete", id.to_string(), &old.what.scope);
        let (before, after) = (shown(&old.what), Value::Null);
        write.audit(&Audit { by, action, object: &object, scope, before, after }).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Lists the suppressions that nobody took back, newest first; those that expired are among them.
    pub async fn suppressions(&self) -> Result<Vec<Suppression>> {
        let sql = format!("SELECT {COLUMNS} FROM suppression WHERE until = $1 ORDER BY id DESC");
        self.engine().all(&sql, values![Micros::FOREVER]).await?.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<Suppression> {
    let scope = Scope::parse(&row.text(2)?).ok_or_else(|| Error::damaged("suppression", "its resource is no scope"))?;
    Ok(Suppression {
        id: row.int(0)?,
        what: NewSuppression { rule: row.text(1)?, scope, reason: row.text(3)?, expires: row.at(5)? },
        author: row.text(4)?,
        since: row.at(6)?,
    })
}
