//! The network rules of an embedded registry.
//!
//! In: what somebody wants of them. Out: rows; what follows for images, whose scanner is kept out or let in again; a line of the audit;
//! in one transaction. The registry of every process follows with its next request.

use crate::coverage::{Settled, Which, settle};
use crate::engine::values;
use crate::scope::{Registry, registry_by};
use crate::write::What;
use crate::{Audit, Caller, Error, Result, Store};
use model::facts::Id;
use model::network::{IP_RULES, Network, Rules};
use serde_json::json;
use std::net::IpAddr;

/// What becomes of the network rules of a registry; `None` = as it was.
#[derive(Debug, Clone, Default)]
pub struct NetworkChange {
    /// Off: no client is let in.
    pub public_access: Option<bool>,
    /// What happens to an address that no IP rule names.
    pub default_allow: Option<bool>,
    /// Whether the scanner is let in all the same.
    pub trusted_bypass: Option<bool>,
    /// The IP rules, all of them.
    pub allowed: Option<Vec<Network>>,
    /// An IP rule more.
    pub add: Option<Network>,
    /// An IP rule less; `NotFound` if it is not there.
    pub remove: Option<Network>,
    /// An address that must not be kept out by this change: `Conflict`.
    pub keep: Option<IpAddr>,
}

impl Store {
    /// Changes the network rules of a registry. Returns the registry, and what became of images.
    pub async fn change_network(&self, id: Id, change: &NetworkChange, by: &Caller) -> Result<(Registry, Settled)> {
        let mut write = self.write_over_jobs().await?;
        let before = registry_by(&mut write.tx, id).await?;
        let mut after = before.clone();
        after.network = changed(&before.network, change)?;
        if after == before {
            return Ok((after, Settled::default()));
        }
        let rules = &after.network;
        if let Some(address) = change.keep.filter(|a| before.network.admits(Some(*a)) && !rules.admits(Some(*a))) {
            let why = format!(
                "these rules keep out {address}, the address that you ask from; confirm that they shall, or allow it first"
            );
            return Err(Error::Conflict(why));
        }
        let sql = "UPDATE registry SET public_access = $2, default_allow = $3, trusted_bypass = $4 WHERE id = $1";
        write.run(sql, values![id, rules.public_access, rules.default_allow, rules.trusted_bypass]).await?;
        for gone in before.network.allowed.iter().filter(|network| !rules.allowed.contains(network)) {
            let sql = "DELETE FROM ip_rule WHERE registry = $1 AND cidr = $2";
            write.run(sql, values![id, gone.to_string()]).await?;
        }
        for new in rules.allowed.iter().filter(|network| !before.network.allowed.contains(network)) {
            let sql = "INSERT INTO ip_rule (registry, cidr, since) VALUES ($1, $2, $3)";
            write.run(sql, values![id, new.to_string(), write.now]).await?;
        }
        write.changed(What::Registry, id);
        let mut settled = Settled::default();
        if before.network.admits_scanner() != rules.admits_scanner() {
            let now = write.now;
            settled = settle(&mut write, Which::Registries(&[id]), now).await?;
        }
        let (object, scope) = (&after.name, &after.scope());
        let (was, is) = (shown(&before.network), shown(rules));
        write.audit(&Audit { by, action: "registry.network", object, scope, before: was, after: is }).await?;
        write.commit().await?;
        Ok((after, settled))
    }
}

fn changed(before: &Rules, change: &NetworkChange) -> Result<Rules> {
    let mut allowed = change.allowed.clone().unwrap_or_else(|| before.allowed.clone());
    allowed.extend(change.add);
    if let Some(gone) = change.remove {
        if !allowed.contains(&gone) {
            return Err(Error::NotFound { what: "IP rule", name: gone.to_string() });
        }
        allowed.retain(|network| *network != gone);
    }
    let mut seen = std::collections::HashSet::new();
    allowed.retain(|network| seen.insert(*network));
    if allowed.len() > IP_RULES {
        let why = format!("a registry has at most {IP_RULES} IP rules; name networks instead of addresses");
        return Err(Error::invalid("ip_rules", &why));
    }
    Ok(Rules {
        public_access: change.public_access.unwrap_or(before.public_access),
        default_allow: change.default_allow.unwrap_or(before.default_allow),
        trusted_bypass: change.trusted_bypass.unwrap_or(before.trusted_bypass),
        allowed,
    })
}

fn shown(rules: &Rules) -> serde_json::Value {
    json!({
        "public_network_enabled": rules.public_access,
        "default_action": if rules.default_allow { "Allow" } else { "Deny" },
        "allow_trusted_services": rules.trusted_bypass,
        "ip_rules": rules.allowed,
    })
}
