//! Tokens: made once, shown once, kept as a hash.
//!
//! In: whose, what for, until when, with which roles. Out: its text, once. A token without roles of its own has those of its
//! principal; with them, no more than both.

use crate::access::{TOKEN_PREFIX, random_text, token_hash};
use crate::engine::{Row, Value, values};
use crate::{Audit, Caller, Error, Principal, Result, Store};
use model::Micros;
use model::facts::Id;
use model::role::{Grant, Scope, narrowed};
use serde_json::json;
use std::time::Duration;

/// How exact `last_use` is: a row is not written to for every request.
const USE_STEP: Duration = Duration::from_secs(60);
/// Characters of a token that are shown, so that its owner knows it again.
const HINT: usize = 7;

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Whose it is.
    pub principal: Id,
    /// What it is for.
    pub name: String,
    /// When it ends; `Micros::FOREVER` = never.
    pub expires: Micros,
    /// What it may do; empty = all that its principal may.
    pub grants: Vec<Grant>,
}

/// A token as it is listed: its secret is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Row id.
    pub id: Id,
    /// Row id of its principal.
    pub owner: Id,
    /// Whose it is.
    pub principal: String,
    /// What it is for.
    pub name: String,
    /// How it begins.
    pub hint: String,
    /// When it was made.
    pub since: Micros,
    /// When it ends.
    pub expires: Micros,
    /// When it was last used, to the minute; 0 = never.
    pub last_use: Micros,
    /// What it may do; empty = all that its principal may.
    pub grants: Vec<Grant>,
}

impl Store {
    /// Makes a token; its text is returned once and never again.
    pub async fn make_token(&self, token: &NewToken, by: &Caller) -> Result<(Id, String)> {
        let text = format!("{TOKEN_PREFIX}{}", random_text()?);
        let hint: String = text.chars().take(HINT).collect();
        let grants = if token.grants.is_empty() { String::new() } else { json!(token.grants).to_string() };
        let mut write = self.write().await?;
        let sql = "INSERT INTO token (principal, name, hash, since, until, expires, hint, grants) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
        let values = values![
            token.principal,
            &token.name,
            token_hash(&text),
            write.now,
            Micros::FOREVER,
            token.expires,
            &hint,
            grants
        ];
        let id = write.tx.int(sql, values).await?;
        let after = json!({"principal": token.principal, "hint": hint, "expires": token.expires.rfc3339(), "grants": shown(&token.grants)});
        let line = Audit {
            by,
            action: "token.create",
            object: &token.name,
            scope: &Scope::ALL,
            before: serde_json::Value::Null,
            after,
        };
        write.audit(&line).await?;
        write.commit().await?;
        Ok((id, text))
    }

    /// Lists the tokens that are in force, of one principal or of all.
    pub async fn tokens(&self, of: Option<Id>) -> Result<Vec<Token>> {
        let sql = format!(
            "SELECT t.id, t.principal, p.name, t.name, t.hint, t.since, t.expires, t.last_use, t.grants FROM token t JOIN principal p ON p.id = t.principal \
             WHERE t.until = $1 AND p.until = $1 AND t.expires > {} AND ($2 = 0 OR t.principal = $2) ORDER BY t.id",
            self.engine().clock()
        );
        let rows = self.engine().all(&sql, values![Micros::FOREVER, of.unwrap_or(0)]).await?;
        rows.iter().map(read).collect()
    }

    /// Ends a token at once.
    pub async fn end_token(&self, id: Id, by: &Caller) -> Result<bool> {
        let mut write = self.write().await?;
        let find = "SELECT name, hint FROM token WHERE id = $1 AND until = $2";
        let Some(row) = write.one(find, values![id, Micros::FOREVER]).await? else { return Ok(false) };
        let (name, hint) = (row.text(0)?, row.text(1)?);
        write.run("UPDATE token SET until = $2 WHERE id = $1", values![id, write.now]).await?;
        let before = json!({"hint": hint});
        let line = Audit {
            by,
            action: "token.revoke",
            object: &name,
            scope: &Scope::ALL,
            before,
            after: serde_json::Value::Null,
        };
        write.audit(&line).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Returns a principal as a token it brought earlier lets it act now, or without a token with all of its roles; `None` = one of
    /// them is no longer in force.
    pub async fn holder(&self, principal: Id, token: Option<Id>) -> Result<Option<Principal>> {
        let Some(token) = token else { return self.principal(principal).await };
        let found = self.by_token_row("t.id", token.into()).await?;
        Ok(found.map(|(holder, ..)| holder).filter(|holder| holder.id == principal))
    }

    /// Recognises the principal of a token; `user` must be its name where one is given.
    pub(crate) async fn by_token(&self, token: &str, user: Option<&str>) -> Result<Principal> {
        let found = self.by_token_row("t.hash", token_hash(token).into()).await?;
        let (principal, last_use, now) = found.ok_or(Error::WrongCredentials)?;
        if user.is_some_and(|user| user != principal.name) {
            return Err(Error::WrongCredentials);
        }
        self.used(principal.token.unwrap_or_default(), last_use, now).await?;
        Ok(principal)
    }

    /// Finds a token that is in force by a column, and its principal narrowed to it; when it was last used; and the time.
    async fn by_token_row(&self, column: &str, value: Value) -> Result<Option<(Principal, Micros, Micros)>> {
        let clock = self.engine().clock();
        let sql = format!(
            "SELECT t.id, t.principal, t.grants, t.last_use, {clock} FROM token t JOIN principal p ON p.id = t.principal \
             WHERE {column} = $1 AND t.until = $2 AND p.until = $2 AND t.expires > {clock}"
        );
        let Some(row) = self.engine().one(&sql, values![value, Micros::FOREVER]).await? else { return Ok(None) };
        let Some(mut principal) = self.principal(row.int(1)?).await? else { return Ok(None) };
        let limit = row.text(2)?;
        if !limit.is_empty() {
            principal.grants = narrowed(&principal.grants, &grants(&limit)?);
            principal.limited = true;
        }
        principal.token = Some(row.int(0)?);
        Ok(Some((principal, row.at(3)?, row.at(4)?)))
    }

    async fn used(&self, id: Id, last: Micros, now: Micros) -> Result<()> {
        if now.saturating_since(last) < USE_STEP {
            return Ok(());
        }
        let mut tx = self.engine().begin().await?;
        tx.run("UPDATE token SET last_use = $2 WHERE id = $1", values![id, now]).await?;
        tx.commit().await
    }
}

fn read(row: &Row) -> Result<Token> {
    Ok(Token {
        id: row.int(0)?,
        owner: row.int(1)?,
        principal: row.text(2)?,
        name: row.text(3)?,
        hint: row.text(4)?,
        since: row.at(5)?,
        expires: row.at(6)?,
        last_use: row.at(7)?,
        grants: grants(&row.text(8)?)?,
    })
}

fn grants(text: &str) -> Result<Vec<Grant>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).map_err(|why| Error::damaged("grants of a token", why))
}

/// Grants as the audit shows them: `reader /guid/local`.
pub(crate) fn shown(grants: &[Grant]) -> Vec<String> {
    grants.iter().map(|grant| format!("{} {}", grant.role.as_str(), grant.scope.to_path())).collect()
}
