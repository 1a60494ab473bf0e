//! Where the packages of inventories are, for disable rules that ask for paths.
//!
//! In: the places that inventories keep, compressed. Out: paths by inventory and package. Reading them takes longer than all
//! other facts together, so that they are read only where some rule, past ones included, asks for paths, or somebody wants
//! to know what one would do.

use crate::engine::{Row, Tx, values};
use crate::write::What;
use crate::{Result, Store, inventories};
use model::facts::InventoryPathsFact;
use std::sync::atomic::Ordering;

const PATHS: &str = "SELECT id, places FROM inventory";
/// Criteria that ask for paths name the field; a value that looks like it only costs time.
const ASKS_PATHS: &str = "criteria LIKE '%\"paths\"%'";

impl Store {
    /// Reads the paths of every inventory, and lets later changes bring those of new ones.
    pub async fn paths(&self) -> Result<Vec<InventoryPathsFact>> {
        self.inner.wants_paths.store(true, Ordering::Relaxed);
        let mut tx = self.engine().begin_read().await?;
        tx.each(PATHS, values![], fact).await
    }

    /// Reads the paths that a snapshot has.
    pub(crate) async fn all_paths(&self, tx: &mut Tx) -> Result<Vec<InventoryPathsFact>> {
        if self.inner.wants_paths.load(Ordering::Relaxed) || some_rule_asks(tx).await? {
            return tx.each(PATHS, values![], fact).await;
        }
        Ok(Vec::new())
    }

    /// Reads the paths that changes after a revision have: of new inventories; of all, if a rule that asks for them is new.
    pub(crate) async fn changed_paths(
        &self,
        tx: &mut Tx,
        after: i64,
        has_rules: bool,
    ) -> Result<Vec<InventoryPathsFact>> {
        let sql = format!(
            "SELECT COUNT(*) FROM change c JOIN rule r ON r.id = c.id WHERE c.revision > $1 AND c.what = $2 AND r.{ASKS_PATHS}"
        );
        if has_rules && tx.int(&sql, values![after, What::Rule as u8]).await? > 0 {
            return tx.each(PATHS, values![], fact).await;
        }
        let sql = format!(
            "{PATHS} WHERE id IN (SELECT id FROM change WHERE revision > $1 AND what = $2) AND ($3 = 1 OR EXISTS (SELECT 1 FROM rule WHERE {ASKS_PATHS}))"
        );
        let wanted = self.inner.wants_paths.load(Ordering::Relaxed);
        tx.each(&sql, values![after, What::Inventory as u8, wanted], fact).await
    }
}

async fn some_rule_asks(tx: &mut Tx) -> Result<bool> {
    Ok(tx.int(&format!("SELECT COUNT(*) FROM rule WHERE {ASKS_PATHS}"), values![]).await? > 0)
}

fn fact(row: &Row) -> Result<InventoryPathsFact> {
    let places = inventories::unpack_places(&row.blob(1)?)?;
    Ok(InventoryPathsFact { inventory: row.int(0)?, paths: places.into_iter().map(|p| (p.package, p.path)).collect() })
}
