//! Exemptions: resources that a recommendation is not asked of, for a reason and a time; and who looks after a recommendation.
//!
//! In: recommendation, scope, digest or none, kind, reason, expiry. Out: the lists. An exemption never hides a finding.

use crate::engine::{Row, values};
use crate::write::What;
use crate::{Audit, Caller, Error, Result, Store};
use model::Micros;
use model::role::Scope;
use serde_json::{Value, json};
use uuid::Uuid;

/// An exemption to be made.
#[derive(Debug, Clone)]
pub struct NewExemption {
    /// Key of the recommendation.
    pub recommendation: String,
    /// Where; it knows its resource group.
    pub scope: Scope,
    /// The image, or empty for everything in the scope.
    pub digest: String,
    /// `waiver` or `mitigated`.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// When it ends; `FOREVER` = never.
    pub expires: Micros,
}

/// An exemption in force, or one that expired.
#[derive(Debug, Clone)]
pub struct Exemption {
    /// Stable id.
    pub uid: String,
    /// What was exempted.
    pub what: NewExemption,
    /// Who did it.
    pub author: String,
    /// When.
    pub since: Micros,
}

/// Who looks after a recommendation in a scope, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Key of the recommendation.
    pub recommendation: String,
    /// Where.
    pub scope: Scope,
    /// Who, or empty.
    pub owner: String,
    /// Until when; 0 = no date.
    pub due: Micros,
    /// What they should know.
    pub note: String,
    /// Who said so.
    pub actor: String,
    /// When.
    pub at: Micros,
}

fn shown(what: &NewExemption) -> Value {
    let NewExemption { recommendation, digest, kind, reason, expires, .. } = what;
    json!({"recommendation": recommendation, "digest": digest, "kind": kind, "reason": reason, "expires": expires.rfc3339()})
}

impl Store {
    /// Makes an exemption; returns its stable id.
    pub async fn make_exemption(&self, what: &NewExemption, by: &Caller) -> Result<String> {
        let uid = Uuid::new_v4().to_string();
        let mut write = self.write().await?;
        let sql = "INSERT INTO exemption (uid, recommendation, scope, digest, kind, reason, author, expires, since, until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id";
        let scope = what.scope.to_path();
        let values = values![
            &uid,
            &what.recommendation,
            scope,
            &what.digest,
            &what.kind,
            &what.reason,
            &by.actor,
            what.expires,
            write.now,
            Micros::FOREVER
        ];
        let id = write.tx.int(sql, values).await?;
        write.changed(What::Exemption, id);
        let after = shown(what);
        let action = "exemption.create";
        write.audit(&Audit { by, action, object: &uid, scope: &what.scope, before: Value::Null, after }).await?;
        write.commit().await?;
        self.step("exemption:committed");
        Ok(uid)
    }

    /// Ends an exemption at once; `false` if there is none of that id.
    pub async fn end_exemption(&self, uid: &str, by: &Caller) -> Result<bool> {
        let mut write = self.write().await?;
        let sql = format!("SELECT {COLUMNS} FROM exemption WHERE uid = $1 AND until = $2");
        let Some(row) = write.one(&sql, values![uid, Micros::FOREVER]).await? else { return Ok(false) };
        let (id, old) = (row.int(0)?, read(&row)?);
        write.run("UPDATE exemption SET until = $2 WHERE id = $1", values![id, write.now]).await?;
        write.changed(What::Exemption, id);
        let before = shown(&old.what);
        let (action, after) = ("exemption.delete", Value::Null);
        write.audit(&Audit { by, action, object: uid, scope: &old.what.scope, before, after }).await?;
        write.commit().await?;
        self.step("exemption:committed");
        Ok(true)
    }

    /// Lists the exemptions that nobody took back, newest first; those that expired are among them.
    pub async fn exemptions(&self) -> Result<Vec<Exemption>> {
        let sql = format!("SELECT {COLUMNS} FROM exemption WHERE until = $1 ORDER BY id DESC");
        self.engine().all(&sql, values![Micros::FOREVER]).await?.iter().map(read).collect()
    }

    /// Says who looks after a recommendation in a scope; without owner, date and note nobody does.
    pub async fn assign(&self, assignment: &Assignment, by: &Caller) -> Result<()> {
        let Assignment { recommendation, scope, owner, due, note, .. } = assignment;
        let path = scope.to_path();
        let mut write = self.write().await?;
        let find = "SELECT owner, due, note FROM assignment WHERE recommendation = $1 AND scope = $2";
        let before = match write.one(find, values![recommendation, &path]).await? {
            Some(row) => json!({"owner": row.text(0)?, "due": row.at(1)?.rfc3339(), "note": row.text(2)?}),
            None => Value::Null,
        };
        if owner.is_empty() && note.is_empty() && due.0 == 0 {
            let sql = "DELETE FROM assignment WHERE recommendation = $1 AND scope = $2";
            write.run(sql, values![recommendation, path]).await?;
        } else {
            let sql = "INSERT INTO assignment (recommendation, scope, owner, due, note, actor, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (recommendation, scope) DO UPDATE SET owner = excluded.owner, due = excluded.due, note = excluded.note, actor = excluded.actor, at = excluded.at";
            write.run(sql, values![recommendation, path, owner, *due, note, &by.actor, write.now]).await?;
        }
        let after = json!({"owner": owner, "due": due.rfc3339(), "note": note});
        write
            .audit(&Audit { by, action: "recommendation.assign", object: recommendation, scope, before, after })
            .await?;
        write.commit().await?;
        Ok(())
    }

    /// Lists who looks after what.
    pub async fn assignments(&self) -> Result<Vec<Assignment>> {
        let sql =
            "SELECT recommendation, scope, owner, due, note, actor, at FROM assignment ORDER BY recommendation, scope";
        let read = |row: &Row| {
            Ok(Assignment {
                recommendation: row.text(0)?,
                scope: scope(row, 1)?,
                owner: row.text(2)?,
                due: row.at(3)?,
                note: row.text(4)?,
                actor: row.text(5)?,
                at: row.at(6)?,
            })
        };
        self.engine().all(sql, values![]).await?.iter().map(read).collect()
    }
}

const COLUMNS: &str = "id, uid, recommendation, scope, digest, kind, reason, author, expires, since";

fn read(row: &Row) -> Result<Exemption> {
    Ok(Exemption {
        uid: row.text(1)?,
        what: NewExemption {
            recommendation: row.text(2)?,
            scope: scope(row, 3)?,
            digest: row.text(4)?,
            kind: row.text(5)?,
            reason: row.text(6)?,
            expires: row.at(8)?,
        },
        author: row.text(7)?,
        since: row.at(9)?,
    })
}

fn scope(row: &Row, at: usize) -> Result<Scope> {
    Scope::parse(&row.text(at)?).ok_or_else(|| Error::damaged("exemption", "its scope is none"))
}
