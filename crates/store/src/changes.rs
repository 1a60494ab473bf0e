//! What changed after a revision.

use crate::engine::{Row, Tx, values};
use crate::rows::{self, Query};
use crate::snapshot::position;
use crate::write::What;
use crate::{Result, Store};
use model::facts::Changes;

impl Store {
    /// Reads the rows that changed after a revision, as they are now. `None` = the log does not reach back so far: read a
    /// snapshot.
    pub async fn changes(&self, after: i64) -> Result<Option<Changes>> {
        let mut tx = self.engine().begin_read().await?;
        let mut changes = Changes::default();
        (changes.revision, changes.rows.generation) = position(&mut tx).await?;
        changes.rows.revision = changes.revision;
        if changes.revision == after {
            return Ok(Some(changes));
        }
        // Every revision has a change: the first one kept says how far back the log reaches.
        let first = tx.int("SELECT COALESCE(MIN(revision), 0) FROM change", values![]).await?;
        if first == 0 || first > after + 1 || after > changes.revision {
            return Ok(None);
        }
        let kinds = tx.all("SELECT DISTINCT what FROM change WHERE revision > $1", values![after]).await?;
        let kinds = kinds.iter().map(|row| row.int(0)).collect::<Result<Vec<_>>>()?;
        let mut log = Log { tx, after, kinds };
        let rows = &mut changes.rows;
        rows.subscriptions = log.read(&rows::SUBSCRIPTIONS, What::Subscription, rows::subscription).await?;
        rows.registries = log.read(&rows::REGISTRIES, What::Registry, rows::registry).await?;
        rows.exemptions = log.read(&rows::EXEMPTIONS, What::Exemption, rows::exemption).await?;
        rows.rules = log.read(&rows::RULES, What::Rule, crate::rules::fact).await?;
        rows.plans = log.read(&rows::PLANS, What::Plan, rows::plan).await?;
        rows.repositories = log.read(&rows::REPOSITORIES, What::Repository, rows::repository).await?;
        rows.images = log.read(&rows::IMAGES, What::Image, rows::image).await?;
        rows.presences = log.read(&rows::PRESENCES, What::Presence, rows::presence).await?;
        rows.tags = log.read(&rows::TAGS, What::TagsOf, rows::tag).await?;
        rows.tags.extend(log.read(&rows::CHILD_TAGS, What::TagsOf, rows::tag).await?);
        rows.image_inventories =
            log.read(&rows::IMAGE_INVENTORIES, What::ImageInventory, rows::image_inventory).await?;
        rows.inventories = log.read(&rows::INVENTORIES, What::Inventory, rows::inventory).await?;
        rows.paths = self.changed_paths(&mut log.tx, after).await?;
        rows.packages = log.read(&rows::PACKAGES, What::Package, rows::package).await?;
        rows.vulnerabilities = log.read(&rows::VULNERABILITIES, What::Vulnerability, rows::vulnerability).await?;
        rows.aliases = log.read(&rows::ALIASES, What::Vulnerability, rows::alias).await?;
        rows.matches = log.read(&rows::MATCHES, What::MatchesOf, rows::match_fact).await?;
        Ok(Some(changes))
    }

    pub(crate) async fn trim_changes(&self, revision: i64) -> Result<()> {
        let mut tx = self.engine().begin().await?;
        tx.run("DELETE FROM change WHERE revision <= $1", values![revision]).await?;
        tx.commit().await
    }
}

/// The part of the change log after a revision.
struct Log {
    tx: Tx,
    after: i64,
    kinds: Vec<i64>,
}

impl Log {
    async fn read<T: Send>(&mut self, query: &Query, what: What, read: fn(&Row) -> Result<T>) -> Result<Vec<T>> {
        if !self.kinds.contains(&i64::from(what as u8)) {
            return Ok(Vec::new());
        }
        let sql =
            format!("{} {} (SELECT id FROM change WHERE revision > $1 AND what = $2)", query.select, query.changed);
        self.tx.each(&sql, values![self.after, what as u8], read).await
    }
}
