//! What changed after a revision.

use crate::engine::{Row, Tx, values};
use crate::rows::{self, Query};
use crate::write::What;
use crate::{Result, Store};
use model::facts::Changes;

impl Store {
    /// Reads the rows that changed after a revision, as they are now. `None` = the log does not reach back so far: read a
    /// snapshot.
    pub async fn changes(&self, after: i64) -> Result<Option<Changes>> {
        let mut tx = self.engine().begin_read().await?;
        let mut changes = Changes::default();
        let sql = "SELECT r.n, k.target, COALESCE((SELECT MIN(revision) FROM change), 0), COALESCE(c.what, 0) FROM revision r
            JOIN knowledge k ON k.one = r.one LEFT JOIN (SELECT DISTINCT what FROM change WHERE revision > $1) c ON 1 = 1";
        let rows = tx.all(sql, values![after]).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        (changes.revision, changes.rows.generation) = (row.int(0)?, row.int(1)?);
        changes.rows.revision = changes.revision;
        if changes.revision == after {
            return Ok(Some(changes));
        }
        // Every revision has a change: the first one kept says how far back the log reaches.
        let first = row.int(2)?;
        if first == 0 || first > after + 1 || after > changes.revision {
            return Ok(None);
        }
        let kinds = rows.iter().map(|row| row.int(3)).collect::<Result<Vec<_>>>()?;
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
        let has_rules = log.has(What::Rule);
        if has_rules || log.has(What::Inventory) {
            rows.paths = self.changed_paths(&mut log.tx, after, has_rules).await?;
        }
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
    /// Returns whether there is a change of a kind.
    fn has(&self, what: What) -> bool {
        self.kinds.contains(&i64::from(what as u8))
    }

    async fn read<T: Send>(&mut self, query: &Query, what: What, read: fn(&Row) -> Result<T>) -> Result<Vec<T>> {
        if !self.has(what) {
            return Ok(Vec::new());
        }
        let sql =
            format!("{} {} (SELECT id FROM change WHERE revision > $1 AND what = $2)", query.select, query.changed);
        self.tx.each(&sql, values![self.after, what as u8], read).await
    }
}
