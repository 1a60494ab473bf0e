//! Everything that the fleet index is built from, as of one revision.

use crate::engine::{Row, Tx, values};
use crate::rows::{self, Query};
use crate::{Result, Store};
use model::facts::Snapshot;

impl Store {
    /// Reads every fact as of one revision.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let mut tx = self.engine().begin_read().await?;
        let mut snapshot = Snapshot::default();
        let sql = "SELECT r.n, k.target FROM revision r JOIN knowledge k ON k.one = r.one";
        let row = tx.one(sql, values![]).await?.ok_or(sqlx::Error::RowNotFound)?;
        (snapshot.revision, snapshot.generation) = (row.int(0)?, row.int(1)?);
        snapshot.subscriptions = all(&mut tx, &rows::SUBSCRIPTIONS, rows::subscription).await?;
        snapshot.registries = all(&mut tx, &rows::REGISTRIES, rows::registry).await?;
        snapshot.exemptions = all(&mut tx, &rows::EXEMPTIONS, rows::exemption).await?;
        snapshot.rules = all(&mut tx, &rows::RULES, crate::rules::fact).await?;
        snapshot.plans = all(&mut tx, &rows::PLANS, rows::plan).await?;
        snapshot.repositories = all(&mut tx, &rows::REPOSITORIES, rows::repository).await?;
        snapshot.images = all(&mut tx, &rows::IMAGES, rows::image).await?;
        snapshot.presences = all(&mut tx, &rows::PRESENCES, rows::presence).await?;
        snapshot.tags = all(&mut tx, &rows::TAGS, rows::tag).await?;
        snapshot.tags.extend(all(&mut tx, &rows::CHILD_TAGS, rows::tag).await?);
        snapshot.image_inventories = all(&mut tx, &rows::IMAGE_INVENTORIES, rows::image_inventory).await?;
        snapshot.inventories = all(&mut tx, &rows::INVENTORIES, rows::inventory).await?;
        snapshot.paths = self.all_paths(&mut tx).await?;
        snapshot.packages = all(&mut tx, &rows::PACKAGES, rows::package).await?;
        snapshot.vulnerabilities = all(&mut tx, &rows::VULNERABILITIES, rows::vulnerability).await?;
        snapshot.aliases = all(&mut tx, &rows::ALIASES, rows::alias).await?;
        snapshot.matches = all(&mut tx, &rows::MATCHES, rows::match_fact).await?;
        Ok(snapshot)
    }
}

async fn all<T: Send>(tx: &mut Tx, query: &Query, read: fn(&Row) -> Result<T>) -> Result<Vec<T>> {
    tx.each(&format!("{} {}", query.select, query.all), values![], read).await
}
