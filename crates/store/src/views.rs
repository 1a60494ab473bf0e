//! Saved views: addresses of the console that somebody keeps under a name. They are nobody else's concern.

use crate::engine::values;
use crate::{Audit, Caller, Result, Store};
use model::Micros;
use model::facts::Id;
use model::role::Scope;
use serde_json::{Value, json};

/// An address that somebody keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedView {
    /// Row id.
    pub id: Id,
    /// What its owner calls it.
    pub name: String,
    /// Path and query.
    pub address: String,
    /// When it was kept.
    pub since: Micros,
}

impl Store {
    /// Lists the views of a principal, by name.
    pub async fn views(&self, principal: Id) -> Result<Vec<SavedView>> {
        let sql = "SELECT id, name, address, since FROM saved_view WHERE principal = $1 ORDER BY name";
        let rows = self.engine().all(sql, values![principal]).await?;
        let read = |row: &crate::engine::Row| {
            Ok(SavedView { id: row.int(0)?, name: row.text(1)?, address: row.text(2)?, since: row.at(3)? })
        };
        rows.iter().map(read).collect()
    }

    /// Keeps an address under a name; another of that name is replaced.
    pub async fn save_view(&self, principal: Id, name: &str, address: &str, by: &Caller) -> Result<Id> {
        let mut write = self.write().await?;
        write.run("DELETE FROM saved_view WHERE principal = $1 AND name = $2", values![principal, name]).await?;
        let sql = "INSERT INTO saved_view (principal, name, address, since) VALUES ($1, $2, $3, $4) RETURNING id";
        let values = values![principal, name, address, write.now];
        let id = write.tx.int(sql, values).await?;
        let after = json!({"address": address});
        let line = Audit { by, action: "view.save", object: name, scope: &Scope::ALL, before: Value::Null, after };
        write.audit(&line).await?;
        write.commit().await?;
        Ok(id)
    }

    /// Takes a view of a principal away; `false` if they have none of that number.
    pub async fn drop_view(&self, principal: Id, id: Id, by: &Caller) -> Result<bool> {
        let mut write = self.write().await?;
        let find = "SELECT name, address FROM saved_view WHERE principal = $1 AND id = $2";
        let Some(row) = write.one(find, values![principal, id]).await? else { return Ok(false) };
        let (name, before) = (row.text(0)?, json!({"address": row.text(1)?}));
        write.run("DELETE FROM saved_view WHERE principal = $1 AND id = $2", values![principal, id]).await?;
        let line = Audit { by, action: "view.drop", object: &name, scope: &Scope::ALL, before, after: Value::Null };
        write.audit(&line).await?;
        write.commit().await?;
        Ok(true)
    }
}
