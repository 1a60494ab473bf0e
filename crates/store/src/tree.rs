//! The scope tree is changed: subscriptions, resource groups, registries are made, renamed, moved, taken away.
//!
//! In: what somebody wants. Out: rows; the paths of whatever hangs on a node that has another path now; what follows for images; a
//! line of the audit; in one transaction.
//! Ids of findings stay: they are made of a registry's key, which never changes. A resource group is there as long as a registry is in it.

use crate::coverage::{Which, settle};
use crate::engine::values;
use crate::places::places;
use crate::plans::{add_row, keep_history, meter_judged};
use crate::scope::{Registry, Subscription, registry_by, subscription_by};
use crate::views;
use crate::write::{What, Write};
use crate::{Audit, Caller, Error, Result, Store};
use model::Micros;
use model::facts::{Id, PlanFact};
use model::role::{Grant, Scope};
use serde_json::{Value as Json, json};

/// A subscription to be made.
#[derive(Debug, Clone, Default)]
pub struct NewSubscription {
    /// GUID; empty = one is made.
    pub guid: String,
    /// Name for people.
    pub name: String,
    /// Whether its plan is on from the beginning.
    pub standard: bool,
}

/// What becomes of a subscription; `None` = as it was.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionChange {
    /// Name for people.
    pub name: Option<String>,
    /// Days for which an image that was pushed or pulled is kept judged.
    pub window_days: Option<i64>,
}

/// An embedded registry to be made.
#[derive(Debug, Clone, Default)]
pub struct NewRegistry {
    /// Row id of its subscription.
    pub subscription: Id,
    /// Resource group.
    pub resource_group: String,
    /// Name.
    pub name: String,
    /// Host by which clients find it.
    pub host: String,
}

/// What becomes of a registry; `None` = as it was.
#[derive(Debug, Clone, Default)]
pub struct RegistryChange {
    /// Name.
    pub name: Option<String>,
    /// Row id of its subscription.
    pub subscription: Option<Id>,
    /// Resource group.
    pub resource_group: Option<String>,
    /// Host by which clients find it.
    pub host: Option<String>,
}

/// The longest window: ten years.
const WINDOW_DAYS: i64 = 3_650;
/// Tables whose rows name a scope by its path, the column of it, and what a change of them is to the index.
const SCOPED: [(&str, &str, Option<What>); 7] = [
    ("role_assignment", "scope", None),
    ("plan", "scope", Some(What::Plan)),
    ("rule", "scope", Some(What::Rule)),
    ("exemption", "scope", Some(What::Exemption)),
    ("assignment", "scope", None),
    ("suppression", "resource", None),
    ("channel", "scope", None),
];

impl Store {
    /// Makes a subscription. `Conflict`: its GUID or name is taken.
    pub async fn make_subscription(&self, new: &NewSubscription, by: &Caller) -> Result<Subscription> {
        let name = checked_title(&new.name)?;
        let guid = match new.guid.trim() {
            "" => uuid::Uuid::new_v4(),
            text => uuid::Uuid::try_parse(text).map_err(|_| Error::invalid("guid", "this is not a GUID"))?,
        };
        let guid = guid.hyphenated().to_string();
        let mut write = self.write().await?;
        free(&mut write, "subscription", "guid", &guid, 0).await?;
        free(&mut write, "subscription", "name", name, 0).await?;
        let sql = "INSERT INTO subscription (guid, name, plan, since) VALUES ($1, $2, 0, $3) RETURNING id";
        let id = write.tx.int(sql, values![&guid, name, write.now]).await?;
        write.changed(What::Subscription, id);
        let scope = Scope { subscription: Some(guid), ..Scope::ALL };
        let plan = PlanFact {
            id: 0,
            scope: scope.clone(),
            standard: new.standard,
            enforce: false,
            since: write.now,
            until: Micros::FOREVER,
        };
        add_row(&mut write, &plan, &by.actor).await?;
        let made = subscription_by(&mut write.tx, id).await?;
        audit(&mut write, by, "subscription.create", name, &scope, Json::Null, of_subscription(&made)).await?;
        write.commit().await?;
        Ok(made)
    }

    /// Changes a subscription.
    pub async fn change_subscription(&self, id: Id, change: &SubscriptionChange, by: &Caller) -> Result<Subscription> {
        let mut write = self.write_over_jobs().await?;
        let before = subscription_by(&mut write.tx, id).await?;
        let mut after = before.clone();
        if let Some(name) = &change.name {
            after.name = checked_title(name)?.to_owned();
            free(&mut write, "subscription", "name", &after.name, id).await?;
        }
        if let Some(days) = change.window_days {
            if !(1..=WINDOW_DAYS).contains(&days) {
                return Err(Error::invalid("window_days", &format!("{days} is not a number from 1 to {WINDOW_DAYS}")));
            }
            after.window_days = days;
        }
        if after == before {
            return Ok(after);
        }
        let sql = "UPDATE subscription SET name = $2, window_days = $3 WHERE id = $1";
        write.run(sql, values![id, &after.name, after.window_days]).await?;
        write.changed(What::Subscription, id);
        let scope = Scope { subscription: Some(after.guid.clone()), ..Scope::ALL };
        let (was, is) = (of_subscription(&before), of_subscription(&after));
        audit(&mut write, by, "subscription.update", &after.name, &scope, was, is).await?;
        if after.window_days != before.window_days {
            let all = places(&mut write.tx).await?;
            let here: Vec<Id> = all.iter().filter(|p| p.subscription == id).map(|p| p.registry).collect();
            let now = write.now;
            settle(&mut write, Which::Registries(&here), now).await?;
        }
        write.commit().await?;
        Ok(after)
    }

    /// Takes a subscription away. `Conflict`: a registry is in it.
    pub async fn drop_subscription(&self, id: Id, by: &Caller) -> Result<()> {
        let mut write = self.write().await?;
        let before = subscription_by(&mut write.tx, id).await?;
        let sql = "SELECT name FROM registry WHERE subscription = $1 AND until = $2 ORDER BY name LIMIT 3";
        let held = write.tx.all(sql, values![id, Micros::FOREVER]).await?;
        let held = held.iter().map(|row| row.text(0)).collect::<Result<Vec<_>>>()?;
        if !held.is_empty() {
            let (name, held) = (&before.name, held.join(", "));
            return Err(Error::Conflict(format!(
                "subscription {name} holds {held}; move or delete what it holds first"
            )));
        }
        write.run("UPDATE subscription SET until = $2 WHERE id = $1", values![id, write.now]).await?;
        write.changed(What::Subscription, id);
        let scope = Scope { subscription: Some(before.guid.clone()), ..Scope::ALL };
        audit(&mut write, by, "subscription.delete", &before.name, &scope, of_subscription(&before), Json::Null)
            .await?;
        write.commit().await?;
        Ok(())
    }

    /// Makes an embedded registry. `Conflict`: its name or host is taken.
    pub async fn make_registry(&self, new: &NewRegistry, by: &Caller) -> Result<Registry> {
        let (name, group, host) =
            (checked_name("name", &new.name)?, checked_group(&new.resource_group)?, checked_host(&new.host)?);
        let mut write = self.write().await?;
        subscription_by(&mut write.tx, new.subscription).await?;
        free(&mut write, "registry", "name", name, 0).await?;
        free(&mut write, "registry", "host", &host, 0).await?;
        let key = free_key(&mut write, name).await?;
        let sql = "INSERT INTO registry (subscription, resource_group, name, key, kind, host, since) VALUES ($1, $2, $3, $4, 'embedded', $5, $6) RETURNING id";
        let id = write.tx.int(sql, values![new.subscription, group, name, key, &host, write.now]).await?;
        write.changed(What::Registry, id);
        let made = registry_by(&mut write.tx, id).await?;
        audit(&mut write, by, "registry.create", name, &made.scope(), Json::Null, of_registry(&made)).await?;
        write.commit().await?;
        Ok(made)
    }

    /// Changes a registry: its name, its place in the tree, its host. What was granted, ruled or planned for it stays its own.
    pub async fn change_registry(&self, id: Id, change: &RegistryChange, by: &Caller) -> Result<Registry> {
        let mut write = self.write_over_jobs().await?;
        let before = registry_by(&mut write.tx, id).await?;
        let after = changed_registry(&mut write, &before, change).await?;
        if after == before {
            return Ok(after);
        }
        let sql = "UPDATE registry SET subscription = $2, resource_group = $3, name = $4, host = $5 WHERE id = $1";
        write.run(sql, values![id, after.subscription, &after.resource_group, &after.name, &after.host]).await?;
        write.changed(What::Registry, id);
        if after.subscription != before.subscription {
            keep_history(&mut write, &before, &after.scope(), &by.actor).await?;
        }
        respell(&mut write, &before.scope(), &after.scope()).await?;
        if after.subscription != before.subscription {
            let now = write.now;
            settle(&mut write, Which::Registries(&[id]), now).await?;
            meter_judged(&mut write, &[id]).await?;
        }
        let (was, is) = (of_registry(&before), of_registry(&after));
        audit(&mut write, by, "registry.update", &after.name, &after.scope(), was, is).await?;
        write.commit().await?;
        Ok(after)
    }

    /// Takes a registry away. `Conflict`: images are in it, or it is the one that takes every host name.
    pub async fn drop_registry(&self, id: Id, by: &Caller) -> Result<()> {
        let mut write = self.write().await?;
        let before = registry_by(&mut write.tx, id).await?;
        let name = &before.name;
        if before.host.is_empty() {
            let why = format!("registry {name} takes every host name that is no other registry's; it cannot go");
            return Err(Error::Conflict(why));
        }
        let sql = "SELECT COUNT(*) FROM repository_image p JOIN repository r ON r.id = p.repository WHERE r.registry = $1 AND p.until = $2";
        let images = write.tx.int(sql, values![id, Micros::FOREVER]).await?;
        if images > 0 {
            let why = format!("registry {name} holds {images} images; delete them first");
            return Err(Error::Conflict(why));
        }
        // Its name is free for another from now on.
        let sql = "UPDATE registry SET until = $2, host = '', name = name || '~' || id WHERE id = $1";
        write.run(sql, values![id, write.now]).await?;
        write.changed(What::Registry, id);
        let gone = Scope { registry: Some(format!("{name}~{id}")), ..before.scope() };
        respell(&mut write, &before.scope(), &gone).await?;
        audit(&mut write, by, "registry.delete", name, &before.scope(), of_registry(&before), Json::Null).await?;
        write.commit().await?;
        Ok(())
    }

    /// Renames a resource group: its registries are in another one then. Returns how many. `Conflict`: both groups have a rule of one
    /// name, or somebody who sees to one recommendation.
    pub async fn rename_group(&self, subscription: Id, from: &str, to: &str, by: &Caller) -> Result<u64> {
        let to = checked_group(to)?;
        let mut write = self.write().await?;
        let of = subscription_by(&mut write.tx, subscription).await?;
        let scope = |group: &str| Scope {
            subscription: Some(of.guid.clone()),
            resource_group: Some(group.to_owned()),
            ..Scope::ALL
        };
        if from != to {
            may_join(&mut write, &scope(from), &scope(to)).await?;
        }
        let sql = "UPDATE registry SET resource_group = $3 WHERE subscription = $1 AND resource_group = $2 AND until = $4 RETURNING id";
        let moved = write.tx.all(sql, values![subscription, from, to, Micros::FOREVER]).await?;
        if moved.is_empty() {
            return Err(Error::NotFound { what: "resource group", name: from.to_owned() });
        }
        for row in &moved {
            write.changed(What::Registry, row.int(0)?);
        }
        respell(&mut write, &scope(from), &scope(to)).await?;
        audit(&mut write, by, "group.rename", to, &scope(to), json!({"name": from}), json!({"name": to})).await?;
        write.commit().await?;
        Ok(moved.len() as u64)
    }
}

/// Looks whether what hangs on one node can hang on another that is there as well. Who has a role on both has it once then.
async fn may_join(write: &mut Write<'_>, from: &Scope, to: &Scope) -> Result<()> {
    let (old, new) = (from.to_path(), to.to_path());
    let both = [
        (
            "rule",
            "SELECT a.name FROM rule a JOIN rule b ON b.name = a.name AND b.scope = $2 AND b.uid <> '' AND b.until = $3 WHERE a.scope = $1 AND a.uid <> '' AND a.until = $3 ORDER BY a.name",
        ),
        (
            "assignment of",
            "SELECT a.recommendation FROM assignment a JOIN assignment b ON b.recommendation = a.recommendation AND b.scope = $2 WHERE a.scope = $1 AND $3 > 0 ORDER BY a.recommendation",
        ),
    ];
    for (what, sql) in both {
        let rows = write.tx.all(sql, values![&old, &new, Micros::FOREVER]).await?;
        let names = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>>>()?;
        if !names.is_empty() {
            let names = names.join(", ");
            return Err(Error::Conflict(format!(
                "{old} and {new} both have the {what} {names}; rename or end one of each first"
            )));
        }
    }
    let sql = "UPDATE role_assignment SET until = $4 WHERE scope = $1 AND until = $3
        AND EXISTS (SELECT 1 FROM role_assignment b WHERE b.principal = role_assignment.principal AND b.role = role_assignment.role AND b.scope = $2 AND b.until = $3)";
    write.run(sql, values![&old, &new, Micros::FOREVER, write.now]).await?;
    Ok(())
}

async fn changed_registry(write: &mut Write<'_>, before: &Registry, change: &RegistryChange) -> Result<Registry> {
    let mut after = before.clone();
    if let Some(name) = &change.name {
        after.name = checked_name("name", name)?.to_owned();
        free(write, "registry", "name", &after.name, before.id).await?;
    }
    if let Some(group) = &change.resource_group {
        after.resource_group = checked_group(group)?.to_owned();
    }
    if let Some(host) = change.host.as_ref().filter(|host| !(host.is_empty() && before.host.is_empty())) {
        if before.host.is_empty() {
            let why =
                format!("registry {} takes every host name that is no other registry's: it has none", before.name);
            return Err(Error::Conflict(why));
        }
        after.host = checked_host(host)?;
        free(write, "registry", "host", &after.host, before.id).await?;
    }
    if let Some(subscription) = change.subscription {
        after.subscription_guid = subscription_by(&mut write.tx, subscription).await?.guid;
        after.subscription = subscription;
    }
    Ok(after)
}

async fn audit(
    write: &mut Write<'_>,
    by: &Caller,
    action: &str,
    object: &str,
    scope: &Scope,
    before: Json,
    after: Json,
) -> Result<()> {
    write.audit(&Audit { by, action, object, scope, before, after }).await
}

fn of_subscription(row: &Subscription) -> Json {
    json!({"guid": row.guid, "name": row.name, "window_days": row.window_days})
}

fn of_registry(row: &Registry) -> Json {
    json!({"subscription": row.subscription_guid, "resource_group": row.resource_group, "name": row.name, "host": row.host})
}

/// Writes the new path of a node wherever the old one, or the path of something below it, stands.
pub(crate) async fn respell(write: &mut Write<'_>, from: &Scope, to: &Scope) -> Result<()> {
    if from == to {
        return Ok(());
    }
    let (old, new) = (from.to_path(), to.to_path());
    let rest = old.chars().count() + 1; // where the part below begins, counted from 1
    // What another repository's name begins with is no node above it.
    let below = |column: &str| {
        if from.repository.is_some() { String::new() } else { format!(" OR substr({column}, 1, {rest}) = $1 || '/'") }
    };
    for (table, column, what) in SCOPED {
        let named = format!("{column} = $1{}", below(column));
        if let Some(what) = what {
            let sql = format!("SELECT id FROM {table} WHERE {named}");
            for row in write.tx.all(&sql, values![&old]).await? {
                write.changed(what, row.int(0)?);
            }
        }
        let sql = format!("UPDATE {table} SET {column} = $2 || substr({column}, {rest}) WHERE {named}");
        write.run(&sql, values![&old, &new]).await?;
    }
    views::respell(write, from, to).await?;
    respell_tokens(write, from, to).await
}

/// Writes the new node into a scope that lies in the old one; what lies below a group names the group as well.
fn respelled(scope: &mut Scope, from: &Scope, to: &Scope) -> bool {
    let same = match (&from.registry, &from.repository) {
        (Some(_), Some(_)) => scope.registry == from.registry && scope.repository == from.repository,
        (Some(_), None) => scope.registry == from.registry,
        (None, _) => {
            scope.resource_group == from.resource_group && (scope.registry.is_none() || from.resource_group.is_some())
        }
    };
    let inside = same && scope.subscription == from.subscription;
    if inside {
        scope.subscription.clone_from(&to.subscription);
        scope.resource_group.clone_from(&to.resource_group);
        scope.registry = to.registry.clone().or_else(|| scope.registry.take());
        scope.repository = to.repository.clone().or_else(|| scope.repository.take());
    }
    inside
}

async fn respell_tokens(write: &mut Write<'_>, from: &Scope, to: &Scope) -> Result<()> {
    for row in write.tx.all("SELECT id, grants FROM token WHERE grants <> ''", values![]).await? {
        let read = |why| Error::damaged("grants", why);
        let mut grants: Vec<Grant> = serde_json::from_str(&row.text(1)?).map_err(|why: serde_json::Error| read(why))?;
        let touched =
            grants.iter_mut().map(|grant| respelled(&mut grant.scope, from, to)).fold(false, |any, one| any | one);
        if touched {
            let text = serde_json::to_string(&grants).map_err(|why| Error::damaged("grants", why))?;
            write.run("UPDATE token SET grants = $2 WHERE id = $1", values![row.int(0)?, text]).await?;
        }
    }
    Ok(())
}

/// Fails if another node has the value.
async fn free(write: &mut Write<'_>, table: &'static str, column: &'static str, value: &str, own: Id) -> Result<()> {
    // A GUID is never given twice.
    let gone = if column == "guid" { 0 } else { i64::MAX };
    let sql = format!("SELECT id FROM {table} WHERE lower({column}) = lower($1) AND id <> $2 AND until >= $3");
    match write.one(&sql, values![value, own, gone]).await? {
        Some(_) => Err(Error::Conflict(format!("there is a {table} with the {column} {value} already"))),
        None => Ok(()),
    }
}

/// Returns a key that no registry has or had: findings of two registries must not share an id.
async fn free_key(write: &mut Write<'_>, name: &str) -> Result<String> {
    let taken = write.one("SELECT id FROM registry WHERE key = $1", values![name]).await?.is_some();
    Ok(if taken { format!("{name}~{}", uuid::Uuid::new_v4().simple()) } else { name.to_owned() })
}

/// A name for people.
fn checked_title(name: &str) -> Result<&str> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "a name has 1 to 100 characters"));
    }
    Ok(name)
}

/// A name that is a part of paths and addresses.
fn checked_name<'a>(field: &'static str, name: &'a str) -> Result<&'a str> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    let ends = bytes.first().zip(bytes.last()).is_some_and(|(first, last)| plain(*first) && plain(*last));
    if !ends || bytes.len() > 63 || !bytes.iter().all(|b| plain(*b) || b"-_.".contains(b)) {
        let why = "a name has 1 to 63 of a-z 0-9 - _ . and begins and ends with a letter or digit";
        return Err(Error::invalid(field, why));
    }
    Ok(name)
}

/// The name of a resource group, as Azure allows them.
fn checked_group(name: &str) -> Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.()".contains(c);
    if name.is_empty() || name.len() > 90 || name.ends_with('.') || !name.chars().all(plain) {
        let why = "a resource group has 1 to 90 letters, digits, - _ . ( ) and does not end with a dot";
        return Err(Error::invalid("resource_group", why));
    }
    Ok(name)
}

/// A host name as clients write it, with a port or without.
fn checked_host(host: &str) -> Result<String> {
    let host = host.trim().to_ascii_lowercase();
    let (name, port) = host.rsplit_once(':').map_or((host.as_str(), None), |(name, port)| (name, Some(port)));
    let label = |part: &str| {
        let edge = part.starts_with('-') || part.ends_with('-');
        !part.is_empty() && part.len() <= 63 && !edge && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let port_is_one = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if name.len() > 253 || !name.split('.').all(label) || !port_is_one {
        let why = "this is not the host name by which clients find the registry, such as registry.example or registry.example:5000";
        return Err(Error::invalid("host", why));
    }
    Ok(host)
}
