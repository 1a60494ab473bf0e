//! The scope tree: subscriptions, registries, repositories, as they are now.

use crate::engine::{Engine, Row, Tx, values};
use crate::write::{What, Write};
use crate::{Error, Result, Store};
use model::Micros;
use model::facts::Id;
use model::network::{Network, Rules};
use model::role::Scope;

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Row id.
    pub id: Id,
    /// GUID.
    pub guid: String,
    /// Name for people.
    pub name: String,
    /// Days for which an image that was pushed or pulled is kept judged.
    pub window_days: i64,
    /// When it was made.
    pub since: Micros,
}

/// A registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// Row id.
    pub id: Id,
    /// Row id of its subscription.
    pub subscription: Id,
    /// GUID of its subscription.
    pub subscription_guid: String,
    /// Resource group.
    pub resource_group: String,
    /// Name: `local` for the embedded one.
    pub name: String,
    /// Kind: `embedded`, `distribution`, …
    pub kind: String,
    /// Host as users write it; empty: what no other registry's host is.
    pub host: String,
    /// When it was made.
    pub since: Micros,
    /// Who may speak to it.
    pub network: Rules,
}

impl Registry {
    /// Returns its scope, without the group, as paths leave it out.
    pub fn scope(&self) -> Scope {
        let some = |text: &String| Some(text.clone());
        Scope { subscription: some(&self.subscription_guid), registry: some(&self.name), ..Scope::ALL }
    }
}

const SUBSCRIPTION: &str = "SELECT s.id, s.guid, s.name, s.window_days, s.since FROM subscription s";
const REGISTRY: &str = "SELECT r.id, r.subscription, s.guid, r.resource_group, r.name, r.kind, r.host, r.since, r.public_access, r.default_allow, r.trusted_bypass FROM registry r JOIN subscription s ON s.id = r.subscription";

fn subscription(row: &Row) -> Result<Subscription> {
    Ok(Subscription {
        id: row.int(0)?,
        guid: row.text(1)?,
        name: row.text(2)?,
        window_days: row.int(3)?,
        since: row.at(4)?,
    })
}

fn registry(row: &Row) -> Result<Registry> {
    Ok(Registry {
        id: row.int(0)?,
        subscription: row.int(1)?,
        subscription_guid: row.text(2)?,
        resource_group: row.text(3)?,
        name: row.text(4)?,
        kind: row.text(5)?,
        host: row.text(6)?,
        since: row.at(7)?,
        network: Rules {
            public_access: row.int(8)? != 0,
            default_allow: row.int(9)? != 0,
            trusted_bypass: row.int(10)? != 0,
            allowed: Vec::new(),
        },
    })
}

/// Adds the IP rules of registries to them.
async fn with_ip_rules(tx: &mut Tx, mut registries: Vec<Registry>) -> Result<Vec<Registry>> {
    for row in tx.all("SELECT registry, cidr FROM ip_rule ORDER BY registry, since, cidr", values![]).await? {
        let (of, text) = (row.int(0)?, row.text(1)?);
        let Some(registry) = registries.iter_mut().find(|registry| registry.id == of) else { continue };
        let network = Network::parse(&text).ok_or_else(|| Error::damaged("IP rule", text))?;
        registry.network.allowed.push(network);
    }
    Ok(registries)
}

/// Reads a subscription that is there.
pub(crate) async fn subscription_by(tx: &mut Tx, id: Id) -> Result<Subscription> {
    let sql = format!("{SUBSCRIPTION} WHERE s.id = $1 AND s.until = $2");
    let missing = || Error::NotFound { what: "subscription", name: id.to_string() };
    subscription(&tx.one(&sql, values![id, Micros::FOREVER]).await?.ok_or_else(missing)?)
}

/// Reads a registry that is there.
pub(crate) async fn registry_by(tx: &mut Tx, id: Id) -> Result<Registry> {
    let sql = format!("{REGISTRY} WHERE r.id = $1 AND r.until = $2");
    let missing = || Error::NotFound { what: "registry", name: id.to_string() };
    let found = registry(&tx.one(&sql, values![id, Micros::FOREVER]).await?.ok_or_else(missing)?)?;
    let mut found = with_ip_rules(tx, vec![found]).await?;
    found.pop().ok_or_else(missing)
}

/// Makes what every store has: one subscription with the plan on, the embedded registry, the counters.
pub(crate) async fn defaults(engine: &Engine) -> Result<()> {
    if engine.one("SELECT one FROM knowledge WHERE one = 1", values![]).await?.is_some() {
        return Ok(());
    }
    let mut tx = engine.begin().await?;
    let none =
        tx.run("INSERT INTO revision (one, n, moment) VALUES (1, 0, 0) ON CONFLICT DO NOTHING", values![]).await?;
    if none == 0 {
        return tx.commit().await; // another process was first
    }
    let now = tx.int(&format!("SELECT {}", engine.clock()), values![]).await?;
    tx.run("INSERT INTO knowledge (one, target, swept, content_hash, adopted) VALUES (1, 0, 0, '', 0)", values![])
        .await?;
    let make = "INSERT INTO subscription (guid, name, plan, since) VALUES ($1, 'default', 1, $2) RETURNING id";
    let guid = uuid::Uuid::new_v4().to_string();
    let subscription = tx.int(make, values![&guid, now]).await?;
    let make = "INSERT INTO plan (scope, tier, enforce, actor, since, until) VALUES ($1, 1, 0, '', $2, $3)";
    tx.run(make, values![format!("/{guid}"), now, i64::MAX]).await?;
    let make = "INSERT INTO registry (subscription, resource_group, name, key, kind, host, since) VALUES ($1, 'default', 'local', 'local', 'embedded', '', $2)";
    tx.run(make, values![subscription, now]).await?;
    tx.commit().await
}

impl Store {
    /// Lists the subscriptions.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>> {
        let sql = format!("{SUBSCRIPTION} WHERE s.until = $1 ORDER BY s.id");
        self.engine().all(&sql, values![Micros::FOREVER]).await?.iter().map(subscription).collect()
    }

    /// Lists the registries.
    pub async fn registries(&self) -> Result<Vec<Registry>> {
        let sql = format!("{REGISTRY} WHERE r.until = $1 ORDER BY r.id");
        let mut tx = self.engine().begin_read().await?;
        let rows = tx.all(&sql, values![Micros::FOREVER]).await?.iter().map(registry).collect::<Result<Vec<_>>>()?;
        with_ip_rules(&mut tx, rows).await
    }

    /// Finds a registry by name.
    pub async fn registry(&self, name: &str) -> Result<Option<Registry>> {
        Ok(self.registries().await?.into_iter().find(|registry| registry.name == name))
    }

    /// Finds a repository by name. One comes to be with the first manifest.
    pub async fn repository(&self, registry: Id, name: &str) -> Result<Option<Id>> {
        let sql = "SELECT id FROM repository WHERE registry = $1 AND name = $2";
        self.engine().one(sql, values![registry, name]).await?.map(|row| row.int(0)).transpose()
    }

    /// Lists the names of a registry's repositories after a name, at most `n`, in order.
    pub async fn repositories(&self, registry: Id, after: &str, n: u32) -> Result<Vec<String>> {
        let sql = "SELECT name FROM repository r WHERE registry = $1 AND name > $2 AND EXISTS (SELECT 1 FROM repository_image i WHERE i.repository = r.id AND i.until = $3) ORDER BY name LIMIT $4";
        let values = values![registry, after, i64::MAX, i64::from(n)];
        self.engine().all(sql, values).await?.iter().map(|row| row.text(0)).collect()
    }
}

/// Returns a key that no repository has: that of a new one may be with one which has another name by now.
async fn free_key(write: &mut Write<'_>, registry: Id, name: &str) -> Result<String> {
    let sql = "SELECT key || '/' || $2 FROM registry WHERE id = $1";
    let row = write.one(sql, values![registry, name]).await?;
    let key = row.ok_or_else(|| Error::NotFound { what: "registry", name: registry.to_string() })?.text(0)?;
    let taken = write.one("SELECT id FROM repository WHERE key = $1", values![&key]).await?.is_some();
    Ok(if taken { format!("{key}~{}", uuid::Uuid::new_v4().simple()) } else { key })
}

/// Finds a repository by name, or makes it.
pub(crate) async fn ensure_repository(write: &mut Write<'_>, registry: Id, name: &str) -> Result<Id> {
    let find = "SELECT id FROM repository WHERE registry = $1 AND name = $2";
    if let Some(row) = write.one(find, values![registry, name]).await? {
        return row.int(0);
    }
    let key = free_key(write, registry, name).await?;
    let make = "INSERT INTO repository (registry, name, key) VALUES ($1, $2, $3) RETURNING id";
    let id = write.tx.int(make, values![registry, name, key]).await?;
    write.changed(What::Repository, id);
    Ok(id)
}
