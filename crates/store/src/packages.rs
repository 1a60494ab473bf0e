//! Packages: one row for each distinct key of the fleet.
//!
//! In: keys of an inventory. Out: row ids; rows for keys that are new.
//! Ids never change, so they are remembered; what does change (the generation) is read again where it matters.

use crate::Result;
use crate::engine::{Tx, Value};
use crate::generation::Generation;
use crate::write::{What, Write};
use model::PackageKey;
use model::facts::Id;
use model::inventory::Inventory;
use std::collections::HashMap;

/// What is known of a package.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: Id,
    pub(crate) is_new: bool,
    matched_generation: i64,
}

/// Row ids that are remembered between transactions.
#[derive(Debug, Default)]
pub(crate) struct Known {
    packages: HashMap<PackageKey, Id>,
    /// Vulnerabilities by heading, as the generation has them.
    vulnerabilities: HashMap<String, Id>,
    generation: i64,
}

/// What a transaction learnt; it counts once the transaction is committed.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    pub(crate) packages: Vec<(PackageKey, Id)>,
    pub(crate) vulnerabilities: Vec<(String, Id)>,
    pub(crate) generation: i64,
}

/// About 100 MB at most; a fleet that has more looks some up again.
const REMEMBERED: usize = 300_000;

impl Row {
    /// Returns whether a re-match that is under way may still change its matches.
    fn is_stale(&self, generation: &Generation) -> bool {
        generation.swept < generation.target && self.matched_generation < generation.target
    }

    /// Returns whether its matches must come along with an inventory that holds it.
    pub(crate) fn wants_judgement(&self, generation: &Generation) -> bool {
        self.is_new || self.is_stale(generation)
    }
}

impl Known {
    /// Takes over what a committed transaction learnt.
    pub(crate) fn learn(&mut self, learnt: Learnt) {
        if self.packages.len() + learnt.packages.len() > REMEMBERED {
            self.packages.clear();
        }
        self.packages.extend(learnt.packages);
        if self.generation != learnt.generation || self.vulnerabilities.len() > REMEMBERED {
            self.vulnerabilities.clear();
            self.generation = learnt.generation;
        }
        self.vulnerabilities.extend(learnt.vulnerabilities);
    }

    /// Returns whether there is a row of a package.
    pub(crate) fn has(&self, key: &PackageKey) -> bool {
        self.packages.contains_key(key)
    }

    /// The row of a vulnerability that was written in this generation: nothing about it can have changed since.
    pub(crate) fn vulnerability(&self, name: &str, generation: i64) -> Option<Id> {
        if self.generation == generation { self.vulnerabilities.get(name).copied() } else { None }
    }
}

/// The keys of an inventory, each once.
pub(crate) fn distinct(inventory: &Inventory) -> Vec<&PackageKey> {
    let mut keys: Vec<&PackageKey> = inventory.packages.iter().map(|placed| &placed.key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Finds rows.
pub(crate) async fn find<'k>(tx: &mut Tx, keys: &[&'k PackageKey]) -> Result<HashMap<&'k PackageKey, Row>> {
    let mut values = Vec::with_capacity(keys.len() * 10);
    for (n, key) in (0_i64..).zip(keys) {
        values.extend([n.into(), (&key.ecosystem).into(), (&key.name).into()]);
        values.extend(versions(key).map(Value::from));
    }
    let columns =
        ["n", "ecosystem", "name", "version", "source", "source_version", "arch", "module", "channel", "origin"];
    let sql = "SELECT g.n, p.id, p.matched_generation FROM given g CROSS JOIN component c CROSS JOIN package p
        WHERE c.ecosystem = g.ecosystem AND c.name = g.name AND p.component = c.id AND p.version = g.version AND p.source = g.source
        AND p.source_version = g.source_version AND p.arch = g.arch AND p.module = g.module AND p.channel = g.channel AND p.origin = g.origin";
    let mut found = HashMap::with_capacity(keys.len());
    for row in tx.given(&columns, &values, sql).await? {
        if let Some(key) = usize::try_from(row.int(0)?).ok().and_then(|n| keys.get(n)) {
            found.insert(*key, Row { id: row.int(1)?, is_new: false, matched_generation: row.int(2)? });
        }
    }
    Ok(found)
}

/// Finds rows, and makes those that are missing: they count as matched with the generation in force.
pub(crate) async fn ensure<'k>(
    write: &mut Write<'_>,
    keys: &[&'k PackageKey],
    generation: &Generation,
    learnt: &mut Learnt,
) -> Result<HashMap<&'k PackageKey, Row>> {
    let mut rows = HashMap::with_capacity(keys.len());
    if generation.swept == generation.target {
        // No re-match is under way: the generation of a row does not matter, its remembered id is enough.
        let known = write.store().known();
        for key in keys {
            if let Some(id) = known.packages.get(*key) {
                rows.insert(*key, Row { id: *id, is_new: false, matched_generation: generation.target });
            }
        }
    }
    let unknown: Vec<&PackageKey> = keys.iter().copied().filter(|key| !rows.contains_key(key)).collect();
    let found = find(&mut write.tx, &unknown).await?;
    let missing: Vec<&PackageKey> = unknown.into_iter().filter(|key| !found.contains_key(key)).collect();
    rows.extend(found);
    rows.extend(make(write, &missing, generation.target).await?);
    learnt.packages.extend(rows.iter().map(|(key, row)| ((*key).clone(), row.id)));
    Ok(rows)
}

async fn make<'k>(
    write: &mut Write<'_>,
    keys: &[&'k PackageKey],
    generation: i64,
) -> Result<HashMap<&'k PackageKey, Row>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let mut names: Vec<(&String, &String)> = keys.iter().map(|key| (&key.ecosystem, &key.name)).collect();
    names.sort_unstable();
    names.dedup();
    let mut components = find_components(&mut write.tx, &names).await?;
    let missing: Vec<_> = names.into_iter().filter(|name| !components.contains_key(name)).collect();
    let values: Vec<Value> =
        missing.iter().flat_map(|(ecosystem, name)| [(*ecosystem).into(), (*name).into()]).collect();
    write.tx.insert("INSERT INTO component (ecosystem, name)", 2, &values, "").await?;
    components.extend(find_components(&mut write.tx, &missing).await?);
    let mut values = Vec::with_capacity(keys.len() * 9);
    for key in keys {
        let component = components.get(&(&key.ecosystem, &key.name));
        values.push((*component.ok_or(sqlx::Error::RowNotFound)?).into());
        values.extend(versions(key).map(Value::from));
        values.push(generation.into());
    }
    let head = "INSERT INTO package (component, version, source, source_version, arch, module, channel, origin, matched_generation)";
    write.tx.insert(head, 9, &values, "").await?;
    let mut rows = find(&mut write.tx, keys).await?;
    for row in rows.values_mut() {
        row.is_new = true;
        write.changed(What::Package, row.id);
    }
    Ok(rows)
}

async fn find_components<'k>(
    tx: &mut Tx,
    names: &[(&'k String, &'k String)],
) -> Result<HashMap<(&'k String, &'k String), Id>> {
    let mut values = Vec::with_capacity(names.len() * 3);
    for (n, (ecosystem, name)) in (0_i64..).zip(names) {
        values.extend([n.into(), (*ecosystem).into(), (*name).into()]);
    }
    let sql =
        "SELECT g.n, c.id FROM given g CROSS JOIN component c WHERE c.ecosystem = g.ecosystem AND c.name = g.name";
    let mut found = HashMap::with_capacity(names.len());
    for row in tx.given(&["n", "ecosystem", "name"], &values, sql).await? {
        if let Some(name) = usize::try_from(row.int(0)?).ok().and_then(|n| names.get(n)) {
            found.insert(*name, row.int(1)?);
        }
    }
    Ok(found)
}

fn versions(key: &PackageKey) -> [&String; 7] {
    [&key.version, &key.source, &key.source_version, &key.arch, &key.module, &key.channel, &key.origin]
}
