//! Packages: one row for each distinct key of the fleet.
//!
//! In: keys of an inventory. Out: row ids; rows for keys that are new.
//! Ids never change, so they are remembered; what does change (the generation) is read again where it matters.

use crate::Result;
use crate::engine::{self, Tx, Value};
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
    let components = find_components(tx, keys).await?;
    let mut wanted: HashMap<Vec<String>, &PackageKey> = HashMap::new();
    let mut values = Vec::new();
    for key in keys {
        if let Some(component) = components.get(&(&key.ecosystem, &key.name)) {
            values.push(Value::Int(*component));
            values.extend(versions(key).map(Value::from));
            wanted.insert(identity(*component, key), key);
        }
    }
    let head = "SELECT id, matched_generation, component, version, source, source_version, arch, module, channel, origin FROM package
        WHERE (component, version, source, source_version, arch, module, channel, origin) IN";
    let mut found = HashMap::new();
    for row in tx.among(head, 8, &values, "").await? {
        if let Some(key) = wanted.get(&row_identity(&row, 2)?) {
            found.insert(*key, Row { id: row.int(0)?, is_new: false, matched_generation: row.int(1)? });
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
    let mut components = find_components(&mut write.tx, keys).await?;
    let mut missing: Vec<(&String, &String)> = keys.iter().map(|key| (&key.ecosystem, &key.name)).collect();
    missing.sort_unstable();
    missing.dedup();
    missing.retain(|name| !components.contains_key(name));
    let values: Vec<Value> =
        missing.iter().flat_map(|(ecosystem, name)| [(*ecosystem).into(), (*name).into()]).collect();
    let made =
        write.tx.insert("INSERT INTO component (ecosystem, name)", 2, &values, "RETURNING id, ecosystem, name").await?;
    let made =
        made.iter().map(|row| Ok(((row.text(1)?, row.text(2)?), row.int(0)?))).collect::<Result<HashMap<_, _>>>()?;
    for (ecosystem, name) in missing {
        if let Some(id) = made.get(&(ecosystem.clone(), name.clone())) {
            components.insert((ecosystem, name), *id);
        }
    }
    let mut wanted = HashMap::new();
    let mut values = Vec::new();
    for key in keys {
        let component = components.get(&(&key.ecosystem, &key.name)).copied().unwrap_or(0);
        values.push(Value::Int(component));
        values.extend(versions(key).map(Value::from));
        values.push(Value::Int(generation));
        wanted.insert(identity(component, key), *key);
    }
    let head = "INSERT INTO package (component, version, source, source_version, arch, module, channel, origin, matched_generation)";
    let tail = "RETURNING id, component, version, source, source_version, arch, module, channel, origin";
    let mut rows = HashMap::with_capacity(keys.len());
    for row in write.tx.insert(head, 9, &values, tail).await? {
        let id = row.int(0)?;
        write.changed(What::Package, id);
        if let Some(key) = wanted.get(&row_identity(&row, 1)?) {
            rows.insert(*key, Row { id, is_new: true, matched_generation: generation });
        }
    }
    Ok(rows)
}

async fn find_components<'k>(tx: &mut Tx, keys: &[&'k PackageKey]) -> Result<HashMap<(&'k String, &'k String), Id>> {
    let mut names: Vec<(&String, &String)> = keys.iter().map(|key| (&key.ecosystem, &key.name)).collect();
    names.sort_unstable();
    names.dedup();
    let values: Vec<Value> = names.iter().flat_map(|(ecosystem, name)| [(*ecosystem).into(), (*name).into()]).collect();
    let rows = tx.among("SELECT ecosystem, name, id FROM component WHERE (ecosystem, name) IN", 2, &values, "").await?;
    let found =
        rows.iter().map(|row| Ok(((row.text(0)?, row.text(1)?), row.int(2)?))).collect::<Result<HashMap<_, _>>>()?;
    let id = |name: &(&'k String, &'k String)| found.get(&(name.0.clone(), name.1.clone())).copied();
    Ok(names.iter().filter_map(|name| Some((*name, id(name)?))).collect())
}

fn versions(key: &PackageKey) -> [&String; 7] {
    [&key.version, &key.source, &key.source_version, &key.arch, &key.module, &key.channel, &key.origin]
}

fn identity(component: Id, key: &PackageKey) -> Vec<String> {
    let mut parts = vec![component.to_string()];
    parts.extend(versions(key).map(Clone::clone));
    parts
}

fn row_identity(row: &engine::Row, at: usize) -> Result<Vec<String>> {
    let mut parts = vec![row.int(at)?.to_string()];
    for n in 1..=7 {
        parts.push(row.text(at + n)?);
    }
    Ok(parts)
}
