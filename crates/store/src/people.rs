//! Users, robots, and the roles that they hold.
//!
//! In: who is to be there, with which role in which scope. Out: rows that hold from this moment in every process, each change in the
//! audit. The last owner of everything stays: without one nobody could make another.

use crate::engine::{Row, values};
use crate::tokens::shown;
use crate::write::Write;
use crate::{Audit, Caller, Error, Result, Store};
use model::Micros;
use model::facts::Id;
use model::role::{Grant, Role, Scope};
use serde_json::{Value, json};

/// Somebody as they are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Row id.
    pub id: Id,
    /// Name.
    pub name: String,
    /// `user` or `robot`.
    pub kind: String,
    /// Whether there is a password; otherwise tokens only.
    pub password: bool,
    /// When they were made.
    pub since: Micros,
}

/// A role that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRole {
    /// Row id.
    pub id: Id,
    /// Whose it is.
    pub principal: String,
    /// The role, and where.
    pub grant: Grant,
    /// Since when.
    pub since: Micros,
}

impl Store {
    /// Makes a principal; an empty password means tokens only.
    pub async fn make_principal(&self, name: &str, kind: &str, password: &str, by: &Caller) -> Result<Id> {
        let hash = if password.is_empty() { String::new() } else { self.hash_password(password.to_owned()).await? };
        let mut write = self.write().await?;
        if let Some(row) = write.one("SELECT until FROM principal WHERE name = $1", values![name]).await? {
            let gone = row.at(0)? != Micros::FOREVER;
            let why =
                if gone { "was somebody else's, who is gone; the audit still speaks of them" } else { "is taken" };
            return Err(Error::Conflict(format!("the name {name} {why}")));
        }
        let sql = "INSERT INTO principal (name, kind, password, since, until) VALUES ($1, $2, $3, $4, $5) RETURNING id";
        let id = write.tx.int(sql, values![name, kind, hash, write.now, Micros::FOREVER]).await?;
        let after = json!({"kind": kind, "password": !password.is_empty()});
        line(&mut write, by, "user.create", name, &Scope::ALL, Value::Null, after).await?;
        write.commit().await?;
        Ok(id)
    }

    /// Lists those who are there, by name.
    pub async fn people(&self) -> Result<Vec<Person>> {
        let sql = "SELECT id, name, kind, substr(password, 1, 1), since FROM principal WHERE until = $1 ORDER BY name";
        let read = |row: &Row| {
            let (id, name, kind) = (row.int(0)?, row.text(1)?, row.text(2)?);
            Ok(Person { id, name, kind, password: !row.text(3)?.is_empty(), since: row.at(4)? })
        };
        self.engine().all(sql, values![Micros::FOREVER]).await?.iter().map(read).collect()
    }

    /// Takes a principal away, with its roles, tokens and sessions.
    pub async fn end_principal(&self, id: Id, by: &Caller) -> Result<()> {
        let mut write = self.write().await?;
        let (name, kind) = write.person(id).await?;
        write.keep_an_owner(id).await?;
        let held = write.held(id).await?;
        for table in ["role_assignment", "token"] {
            let sql = format!("UPDATE {table} SET until = $2 WHERE principal = $1 AND until = $3");
            write.run(&sql, values![id, write.now, Micros::FOREVER]).await?;
        }
        write.run("UPDATE principal SET until = $2, password = '' WHERE id = $1", values![id, write.now]).await?;
        write.run("DELETE FROM session WHERE principal = $1", values![id]).await?;
        let before = json!({"kind": kind, "roles": shown(&held)});
        line(&mut write, by, "user.delete", &name, &Scope::ALL, before, Value::Null).await?;
        write.commit().await?;
        Ok(())
    }

    /// Sets a password and ends the sessions of its principal, but for the one that is named; `tokens`: and its tokens.
    pub async fn set_password(&self, id: Id, password: &str, but: &str, tokens: bool, by: &Caller) -> Result<()> {
        let hash = self.hash_password(password.to_owned()).await?;
        let mut write = self.write().await?;
        let (name, _) = write.person(id).await?;
        write.run("UPDATE principal SET password = $2 WHERE id = $1", values![id, hash]).await?;
        let ended = "DELETE FROM session WHERE principal = $1 AND substr(hash, 1, 16) <> $2";
        let ended = write.run(ended, values![id, but]).await?;
        let revoke = "UPDATE token SET until = $2 WHERE principal = $1 AND until = $3";
        let revoked = if tokens { write.run(revoke, values![id, write.now, Micros::FOREVER]).await? } else { 0 };
        let after = json!({"sessions_ended": ended, "tokens_revoked": revoked});
        line(&mut write, by, "user.password", &name, &Scope::ALL, Value::Null, after).await?;
        write.commit().await?;
        Ok(())
    }

    /// Lists the roles that are held, of one principal or of all.
    pub async fn held_roles(&self, of: Option<Id>) -> Result<Vec<HeldRole>> {
        let sql = "SELECT a.id, p.name, a.role, a.scope, a.since FROM role_assignment a JOIN principal p ON p.id = a.principal \
            WHERE a.until = $1 AND p.until = $1 AND ($2 = 0 OR a.principal = $2) ORDER BY p.name, a.scope, a.role, a.id";
        let mut all = Vec::new();
        for row in self.engine().all(sql, values![Micros::FOREVER, of.unwrap_or(0)]).await? {
            // A role of a newer program is no right here.
            if let (Some(role), Some(scope)) = (Role::parse(&row.text(2)?), Scope::parse(&row.text(3)?)) {
                let grant = Grant { role, scope };
                all.push(HeldRole { id: row.int(0)?, principal: row.text(1)?, grant, since: row.at(4)? });
            }
        }
        Ok(all)
    }

    /// Gives a principal a role in a scope.
    pub async fn grant(&self, principal: Id, grant: &Grant, by: &Caller) -> Result<Id> {
        let mut write = self.write().await?;
        let (name, _) = write.person(principal).await?;
        let (role, scope) = (grant.role.as_str(), grant.scope.to_path());
        let find = "SELECT id FROM role_assignment WHERE principal = $1 AND role = $2 AND scope = $3 AND until = $4";
        if write.one(find, values![principal, role, &scope, Micros::FOREVER]).await?.is_some() {
            return Err(Error::Conflict(format!("{name} is {} in {scope} already", grant.role.title())));
        }
        let sql = "INSERT INTO role_assignment (principal, role, scope, since, until) VALUES ($1, $2, $3, $4, $5) RETURNING id";
        let id = write.tx.int(sql, values![principal, role, scope, write.now, Micros::FOREVER]).await?;
        line(&mut write, by, "role.assign", &name, &grant.scope, Value::Null, json!({"role": role})).await?;
        write.commit().await?;
        Ok(id)
    }

    /// Takes a role away; it must be there.
    pub async fn revoke(&self, principal: Id, grant: &Grant, by: &Caller) -> Result<()> {
        let mut write = self.write().await?;
        let (name, _) = write.person(principal).await?;
        let (role, scope) = (grant.role.as_str(), grant.scope.to_path());
        if grant.role == Role::Owner && grant.scope == Scope::ALL {
            write.keep_an_owner(principal).await?;
        }
        let sql =
            "UPDATE role_assignment SET until = $4 WHERE principal = $1 AND role = $2 AND scope = $3 AND until = $5";
        let ended = write.run(sql, values![principal, role, &scope, write.now, Micros::FOREVER]).await?;
        if ended == 0 {
            return Err(Error::NotFound { what: "role of", name });
        }
        line(&mut write, by, "role.remove", &name, &grant.scope, json!({"role": role}), Value::Null).await?;
        write.commit().await?;
        Ok(())
    }
}

impl Write<'_> {
    async fn person(&mut self, id: Id) -> Result<(String, String)> {
        let find = "SELECT name, kind FROM principal WHERE id = $1 AND until = $2";
        let row = self.one(find, values![id, Micros::FOREVER]).await?;
        let row = row.ok_or_else(|| Error::NotFound { what: "principal", name: id.to_string() })?;
        Ok((row.text(0)?, row.text(1)?))
    }

    async fn held(&mut self, id: Id) -> Result<Vec<Grant>> {
        let sql = "SELECT role, scope FROM role_assignment WHERE principal = $1 AND until = $2 ORDER BY id";
        let rows = self.tx.all(sql, values![id, Micros::FOREVER]).await?;
        let read = |row: &Row| Ok(Role::parse(&row.text(0)?).zip(Scope::parse(&row.text(1)?)));
        let all = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(all.into_iter().flatten().map(|(role, scope)| Grant { role, scope }).collect())
    }

    /// Refuses a change after which nobody would own everything. The revision is locked: no other change comes between.
    async fn keep_an_owner(&mut self, without: Id) -> Result<()> {
        let sql = "SELECT COUNT(*) FROM role_assignment a JOIN principal p ON p.id = a.principal \
            WHERE a.role = 'owner' AND a.scope = '/' AND a.until = $1 AND p.until = $1 AND a.principal <> $2";
        let left = self.tx.int(sql, values![Micros::FOREVER, without]).await?;
        if left == 0 {
            let why = "this is the last owner of everything; make somebody else Owner of / first";
            return Err(Error::Conflict(why.into()));
        }
        Ok(())
    }
}

async fn line(
    write: &mut Write<'_>,
    by: &Caller,
    action: &str,
    object: &str,
    scope: &Scope,
    before: Value,
    after: Value,
) -> Result<()> {
    write.audit(&Audit { by, action, object, scope, before, after }).await
}
