//! Saved views: addresses of the console that somebody keeps under a name. They are nobody else's concern.

use crate::engine::values;
use crate::write::Write;
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

/// Writes the new path of a node of the tree wherever the old one stands in a saved address.
pub(crate) async fn respell(write: &mut Write<'_>, from: &Scope, to: &Scope) -> Result<()> {
    for row in write.tx.all("SELECT id, address FROM saved_view", values![]).await? {
        let (id, before) = (row.int(0)?, row.text(1)?);
        let after = respelled(&before, from, to);
        if after != before {
            write.run("UPDATE saved_view SET address = $2 WHERE id = $1", values![id, &after]).await?;
        }
    }
    Ok(())
}

/// An address with the new path of a node: in the walk, as the scope of a list, and a registry's name in filter words and settings.
fn respelled(address: &str, from: &Scope, to: &Scope) -> String {
    let (old, new) = (from.to_path(), to.to_path());
    let encoded = |path: &str| path.replace('/', "%2F").replace('@', "%40");
    // Below a repository there are its images alone; what goes on with a slash is another one.
    let one = from.repository.is_some();
    let (walk, list, hidden) = if one { ("@", "&", "&") } else { ("/", "/", "%2F") };
    let mut out = replaced(address, &format!("/s{old}"), &format!("/s{new}"), &[walk, ":", "?"]);
    out = replaced(&out, &format!("scope={old}"), &format!("scope={new}"), &[list, "&"]);
    out = replaced(&out, &format!("scope={}", encoded(&old)), &format!("scope={}", encoded(&new)), &[hidden, "&"]);
    if let (Some(old), Some(new), false) = (&from.registry, &to.registry, one) {
        for start in ["registry%3A", "registry:", "registry="] {
            out = replaced(&out, &format!("{start}{old}"), &format!("{start}{new}"), &["%20", "+", "%2C", ",", "&"]);
        }
        let settings = "/settings/registries/";
        out = replaced(&out, &format!("{settings}{old}"), &format!("{settings}{new}"), &["/", "?"]);
    }
    out
}

/// Puts one text in place of another wherever nothing follows that one, or one of these.
fn replaced(text: &str, old: &str, new: &str, ends: &[&str]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(old) {
        let whole = after.is_empty() || ends.iter().any(|end| after.starts_with(end));
        out.push_str(before);
        out.push_str(if whole { new } else { old });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_address_follows_a_node_that_has_another_name() {
        let scope = |path: &str| Scope::parse(path).unwrap();
        let (g, h) = ("00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b");
        let (from, to) = (scope(&format!("/{g}/team")), scope(&format!("/{h}/crew")));
        let (app, web) = (scope(&format!("/{g}/team/app")), scope(&format!("/{h}/crew/web/app")));
        let put = |text: &str| text.replace("/G", &format!("/{g}")).replace("/H", &format!("/{h}"));
        let put = |text: &str| put(text).replace("%2FG", &format!("%2F{g}")).replace("%2FH", &format!("%2F{h}"));
        for (before, after, why) in [
            ("/s/G/team/app@sha256:aa?tab=findings", "/s/H/crew/app@sha256:aa?tab=findings", "the walk"),
            ("/s/G/team", "/s/H/crew", "the node itself"),
            ("/s/G/teams/app", "/s/G/teams/app", "another node that begins so"),
            ("/findings?scope=%2FG%2Fteam%2Fapp&q=x", "/findings?scope=%2FH%2Fcrew%2Fapp&q=x", "the scope of a list"),
            ("/findings?scope=/G/team&q=x", "/findings?scope=/H/crew&q=x", "the same as it is typed"),
            ("/findings?scope=%2FG", "/findings?scope=%2FG", "what is above it"),
            ("/findings?q=registry%3Ateam%20fix%3Ayes", "/findings?q=registry%3Acrew%20fix%3Ayes", "a filter word"),
            ("/findings?q=registry%3Ateam2", "/findings?q=registry%3Ateam2", "another word"),
            ("/settings/registries/team", "/settings/registries/crew", "its settings"),
        ] {
            assert_eq!(respelled(&put(before), &from, &to), put(after), "{why}");
        }
        for (before, after, why) in [
            ("/s/G/team/app@sha256:aa?tab=findings", "/s/H/crew/web/app@sha256:aa?tab=findings", "an image of it"),
            ("/s/G/team/app:1.0", "/s/H/crew/web/app:1.0", "a tag of it"),
            ("/s/G/team/app/api", "/s/G/team/app/api", "another repository that begins so"),
            (
                "/findings?scope=%2FG%2Fteam%2Fapp&q=registry%3Ateam",
                "/findings?scope=%2FH%2Fcrew%2Fweb%2Fapp&q=registry%3Ateam",
                "its scope alone",
            ),
            ("/findings?scope=/G/team/app/api", "/findings?scope=/G/team/app/api", "another scope that begins so"),
            ("/settings/registries/team", "/settings/registries/team", "its registry's settings"),
        ] {
            assert_eq!(respelled(&put(before), &app, &web), put(after), "{why}");
        }
    }
}
