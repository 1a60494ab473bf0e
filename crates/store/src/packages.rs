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

/// What there is of keys.
#[derive(Debug, Default)]
pub(crate) struct Found<'k> {
    pub(crate) rows: HashMap<&'k PackageKey, Row>,
    components: HashMap<Name<'k>, Id>,
}

/// Ecosystem and name of a component.
type Name<'k> = (&'k String, &'k String);

/// Finds rows, and those of the components.
pub(crate) async fn find<'k>(tx: &mut Tx, keys: &[&'k PackageKey]) -> Result<Found<'k>> {
    let mut values = Vec::with_capacity(keys.len() * 10);
    for (n, key) in (0_i64..).zip(keys) {
        values.extend([n.into(), (&key.ecosystem).into(), (&key.name).into()]);
        values.extend(versions(key).map(Value::from));
    }
    let columns =
        ["n", "ecosystem", "name", "version", "source", "source_version", "arch", "module", "channel", "origin"];
    let sql = "SELECT g.n, c.id, COALESCE(p.id, 0), COALESCE(p.matched_generation, 0) FROM given g CROSS JOIN component c
        LEFT JOIN package p ON p.component = c.id AND p.version = g.version AND p.source = g.source AND p.source_version = g.source_version
        AND p.arch = g.arch AND p.module = g.module AND p.channel = g.channel AND p.origin = g.origin
        WHERE c.ecosystem = g.ecosystem AND c.name = g.name";
    let mut found = Found::default();
    for row in tx.given(&columns, &values, sql).await? {
        let Some(key) = usize::try_from(row.int(0)?).ok().and_then(|n| keys.get(n)) else { continue };
        found.components.insert((&key.ecosystem, &key.name), row.int(1)?);
        if row.int(2)? != 0 {
            found.rows.insert(*key, Row { id: row.int(2)?, is_new: false, matched_generation: row.int(3)? });
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
    let mut found = find(&mut write.tx, &unknown).await?;
    let missing: Vec<&PackageKey> = unknown.into_iter().filter(|key| !found.rows.contains_key(key)).collect();
    make_components(write, &missing, &mut found.components).await?;
    found.rows.extend(make(write, &missing, &found.components, generation.target).await?);
    learnt.packages.extend(found.rows.iter().map(|(key, row)| ((*key).clone(), row.id)));
    rows.extend(found.rows);
    Ok(rows)
}

/// Makes the components of keys that are missing.
async fn make_components<'k>(
    write: &mut Write<'_>,
    keys: &[&'k PackageKey],
    components: &mut HashMap<Name<'k>, Id>,
) -> Result<()> {
    let mut names: Vec<Name<'k>> = keys.iter().map(|key| (&key.ecosystem, &key.name)).collect();
    names.retain(|name| !components.contains_key(name));
    names.sort_unstable();
    names.dedup();
    let values: Vec<Value> = names.iter().flat_map(|(ecosystem, name)| [(*ecosystem).into(), (*name).into()]).collect();
    let head = "INSERT INTO component (ecosystem, name)";
    for row in write.tx.insert(head, 2, &values, "RETURNING id, ecosystem, name").await? {
        let (id, ecosystem, name) = (row.int(0)?, row.text(1)?, row.text(2)?);
        let at = names.binary_search(&(&ecosystem, &name)).ok();
        components.extend(at.and_then(|at| names.get(at)).map(|name| (*name, id)));
    }
    Ok(())
}

/// Makes rows of keys that are missing.
async fn make<'k>(
    write: &mut Write<'_>,
    keys: &[&'k PackageKey],
    components: &HashMap<Name<'k>, Id>,
    generation: i64,
) -> Result<HashMap<&'k PackageKey, Row>> {
    let mut values = Vec::with_capacity(keys.len() * 9);
    let mut wanted = HashMap::with_capacity(keys.len());
    for key in keys {
        let component = *components.get(&(&key.ecosystem, &key.name)).ok_or(sqlx::Error::RowNotFound)?;
        values.push(component.into());
        values.extend(versions(key).map(Value::from));
        values.push(generation.into());
        wanted.insert((component, versions(key).map(String::clone)), *key);
    }
    let head = "INSERT INTO package (component, version, source, source_version, arch, module, channel, origin, matched_generation)";
    let tail = "RETURNING id, component, version, source, source_version, arch, module, channel, origin";
    let mut rows = HashMap::with_capacity(keys.len());
    for row in write.tx.insert(head, 9, &values, tail).await? {
        let of = [row.text(2)?, row.text(3)?, row.text(4)?, row.text(5)?, row.text(6)?, row.text(7)?, row.text(8)?];
        let key = *wanted.get(&(row.int(1)?, of)).ok_or(sqlx::Error::RowNotFound)?;
        let id = row.int(0)?;
        rows.insert(key, Row { id, is_new: true, matched_generation: generation });
        write.changed(What::Package, id);
    }
    Ok(rows)
}

fn versions(key: &PackageKey) -> [&String; 7] {
    [&key.version, &key.source, &key.source_version, &key.arch, &key.module, &key.channel, &key.origin]
}
