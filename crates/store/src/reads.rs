//! Single things, for pages that show one of them.

use crate::engine::{Row, Value, values};
use crate::queue::Class;
use crate::sweep::{PACKAGE, PACKAGES, package_key};
use crate::vulnerabilities::Vulnerability;
use crate::{Error, Result, Store, inventories};
use model::advisory::{Category, Source, VendorState};
use model::facts::Id;
use model::finding::Match;
use model::inventory::Note;
use model::severity::{Severity, SeveritySource};
use model::verdict::{Coverage, Verdict, Work};
use model::{Digest, Micros, PackageKey};
use std::collections::HashMap;

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Row id.
    pub id: Id,
    /// Manifest digest.
    pub digest: Digest,
    /// Media type of the manifest.
    pub media_type: String,
    /// Whether it is an index.
    pub is_index: bool,
    /// `linux/amd64`, or empty.
    pub platform: String,
    /// Pretty name of the distribution, or empty.
    pub os: String,
    /// Sum of the layers as pushed.
    pub bytes: i64,
    /// Verdict.
    pub verdict: Verdict,
    /// Work.
    pub work: Work,
    /// Coverage.
    pub coverage: Coverage,
    /// Reason codes, comma-separated, or empty.
    pub reason: String,
    /// First seen.
    pub since: Micros,
    /// Digest of the configuration, or empty.
    pub config: String,
    /// The inventory in force; 0 = none.
    pub inventory: Id,
    /// The images that an index lists.
    pub children: Vec<Digest>,
}

/// How much is kept, and in what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// `SQLite` or `PostgreSQL`.
    pub engine: &'static str,
    /// Bytes of the database.
    pub database_bytes: i64,
    /// Blobs.
    pub blobs: i64,
    /// Their bytes.
    pub blob_bytes: i64,
}

/// What hangs on an image in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hanging {
    /// Tags that name it, and not an index that it belongs to.
    pub tags: Vec<String>,
    /// Digests of the indexes of the repository that list it.
    pub indexes: Vec<String>,
    /// Who pulled it last, but the scanner; empty = nobody, or nobody knows any more.
    pub puller: String,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRow {
    /// 0 = lowest.
    pub ordinal: u32,
    /// Digest of the blob.
    pub digest: Digest,
    /// Length as the manifest says.
    pub bytes: i64,
    /// Media type as the manifest says.
    pub media_type: String,
}

/// A scan that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanRow {
    /// Row id.
    pub id: Id,
    /// When it began.
    pub started: Micros,
    /// When its result was written.
    pub finished: Micros,
    /// Why: `push`, …
    pub class: &'static str,
    /// Verdict.
    pub verdict: Verdict,
    /// Reason codes, comma-separated.
    pub codes: String,
    /// What could not be read.
    pub notes: Vec<Note>,
    /// Generation of the advisory database.
    pub generation: i64,
    /// Sandbox tier.
    pub tier: String,
    /// Bytes that were read.
    pub bytes: i64,
}

/// A package of an inventory and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedPackage {
    /// Row id of the package.
    pub package: Id,
    /// The package.
    pub key: PackageKey,
    /// The file that lists it.
    pub path: String,
    /// Ordinal of the layer.
    pub layer: u32,
}

/// A match with everything that explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchDetail {
    /// The package.
    pub key: PackageKey,
    /// The match as the advisory database gave it.
    pub found: Match,
    /// First moment of this row.
    pub since: Micros,
    /// First moment after, or `FOREVER`.
    pub until: Micros,
    /// First moment of the match.
    pub first: Micros,
    /// The generation that opened this row.
    pub generation: i64,
}

impl Store {
    /// Returns how much is kept.
    pub async fn kept(&self) -> Result<Kept> {
        let mut tx = self.engine().begin_read().await?;
        let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM blob";
        let row = tx.one(sql, values![]).await?.ok_or(sqlx::Error::RowNotFound)?;
        let database_bytes = tx.int(self.engine().size(), values![]).await?;
        Ok(Kept { engine: self.engine().name(), database_bytes, blobs: row.int(0)?, blob_bytes: row.int(1)? })
    }

    /// Returns what hangs on an image in a repository, `pulled` last at a moment.
    pub async fn hanging(&self, registry: Id, repository: &str, image: Id, pulled: Micros) -> Result<Hanging> {
        let mut tx = self.engine().begin_read().await?;
        let sql = "SELECT t.name FROM tag t JOIN repository r ON r.id = t.repository WHERE r.registry = $1 AND r.name = $2 AND t.image = $3 AND t.until = $4 ORDER BY t.name";
        let tags = tx.all(sql, values![registry, repository, image, Micros::FOREVER]).await?;
        let sql = "SELECT i.digest FROM image_child c JOIN image i ON i.id = c.parent JOIN repository_image p ON p.image = i.id AND p.until = $4
            JOIN repository r ON r.id = p.repository WHERE c.child = $3 AND r.registry = $1 AND r.name = $2 ORDER BY i.digest";
        let indexes = tx.all(sql, values![registry, repository, image, Micros::FOREVER]).await?;
        // Events have no index but their order: so many of the last ones are looked through.
        let sql = "SELECT actor FROM event WHERE id > (SELECT COALESCE(MAX(id), 0) FROM event) - 50000 AND at = $3 AND action = 'pull' AND registry = $1 AND repository = $2 ORDER BY id DESC LIMIT 1";
        let puller = if pulled.0 == 0 { None } else { tx.one(sql, values![registry, repository, pulled]).await? };
        let texts = |rows: &[Row]| rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>>>();
        let puller = puller.map_or(Ok(String::new()), |row| row.text(0))?;
        Ok(Hanging { tags: texts(&tags)?, indexes: texts(&indexes)?, puller })
    }

    /// Returns an image, an index or an accessory.
    pub async fn image(&self, digest: &Digest) -> Result<Option<ImageRow>> {
        let mut tx = self.engine().begin_read().await?;
        let sql = "SELECT i.id, i.digest, m.media_type, i.media_type, i.platform, i.os, i.bytes, i.verdict, i.work, i.coverage, i.reason, i.since, m.config, COALESCE(v.inventory, 0)
            FROM image i JOIN manifest m ON m.image = i.id LEFT JOIN image_inventory v ON v.image = i.id AND v.until = $2 WHERE i.digest = $1";
        let Some(row) = tx.one(sql, values![digest, Micros::FOREVER]).await? else { return Ok(None) };
        let sql = "SELECT c.digest FROM image_child k JOIN image c ON c.id = k.child WHERE k.parent = $1 ORDER BY c.id";
        let children = tx.all(sql, values![row.int(0)?]).await?;
        Ok(Some(ImageRow {
            id: row.int(0)?,
            digest: row.digest(1)?,
            media_type: row.text(2)?,
            is_index: row.int(3)? == crate::push::INDEX,
            platform: row.text(4)?,
            os: row.text(5)?,
            bytes: row.int(6)?,
            verdict: Verdict::from_number(row.int(7)?),
            work: Work::from_number(row.int(8)?),
            coverage: Coverage::from_number(row.int(9)?),
            reason: row.text(10)?,
            since: row.at(11)?,
            config: row.text(12)?,
            inventory: row.int(13)?,
            children: children.iter().map(|row| row.digest(0)).collect::<Result<_>>()?,
        }))
    }

    /// Lists the layers of an image, lowest first.
    pub async fn layers_of(&self, image: Id) -> Result<Vec<LayerRow>> {
        let sql = "SELECT ordinal, digest, bytes, media_type FROM image_layer WHERE image = $1 ORDER BY ordinal";
        let read = |row: &Row| {
            let ordinal = u32::try_from(row.int(0)?).unwrap_or(u32::MAX);
            Ok(LayerRow { ordinal, digest: row.digest(1)?, bytes: row.int(2)?, media_type: row.text(3)? })
        };
        self.engine().all(sql, values![image]).await?.iter().map(read).collect()
    }

    /// Lists the scans of an image, newest first.
    pub async fn scans(&self, image: Id, n: u32) -> Result<Vec<ScanRow>> {
        let sql = "SELECT id, started, finished, class, verdict, codes, notes, generation, tier, bytes FROM scan WHERE image = $1 ORDER BY id DESC LIMIT $2";
        let read = |row: &Row| {
            Ok(ScanRow {
                id: row.int(0)?,
                started: row.at(1)?,
                finished: row.at(2)?,
                class: Class::from_number(row.int(3)?).as_str(),
                verdict: Verdict::from_number(row.int(4)?),
                codes: row.text(5)?,
                notes: serde_json::from_str(&row.text(6)?).map_err(|why| Error::damaged("notes", why))?,
                generation: row.int(7)?,
                tier: row.text(8)?,
                bytes: row.int(9)?,
            })
        };
        self.engine().all(sql, values![image, i64::from(n)]).await?.iter().map(read).collect()
    }

    /// Lists the packages of an inventory with every place, in the order in which they were found.
    pub async fn placed(&self, inventory: Id) -> Result<Vec<PlacedPackage>> {
        let mut tx = self.engine().begin_read().await?;
        let sql = "SELECT packages, places FROM inventory WHERE id = $1";
        let Some(row) = tx.one(sql, values![inventory]).await? else { return Ok(Vec::new()) };
        let ids: Vec<Value> = inventories::unpack_packages(&row.blob(0)?)?.into_iter().map(Value::from).collect();
        let mut keys = HashMap::with_capacity(ids.len());
        for row in tx.among(&format!("SELECT {PACKAGE} {PACKAGES} WHERE p.id IN"), 1, &ids, "").await? {
            keys.insert(row.int(0)?, package_key(&row)?);
        }
        let placed = |place: inventories::Place| {
            let key = keys.get(&place.package).cloned();
            let key = key.ok_or_else(|| Error::damaged("inventory", "it names a package that is not there"))?;
            Ok(PlacedPackage { package: place.package, key, path: place.path, layer: place.layer })
        };
        inventories::unpack_places(&row.blob(1)?)?.into_iter().map(placed).collect()
    }

    /// Returns a match, the row in force or else the last one.
    pub async fn match_detail(&self, package: Id, vulnerability: Id) -> Result<Option<MatchDetail>> {
        let mut tx = self.engine().begin_read().await?;
        let sql = "SELECT v.name, m.severity, m.severity_source, m.state, m.fixed_version, m.advisory, m.source, m.category, m.comparison, m.since, m.until, m.first, m.generation
            FROM match m JOIN vulnerability v ON v.id = m.vulnerability WHERE m.package = $1 AND m.vulnerability = $2 ORDER BY m.since DESC LIMIT 1";
        let Some(row) = tx.one(sql, values![package, vulnerability]).await? else { return Ok(None) };
        let found = Match {
            vulnerability: row.text(0)?,
            severity: Severity::from_number(row.int(1)?),
            severity_source: SeveritySource::from_number(row.int(2)?),
            state: VendorState::from_number(row.int(3)?),
            fixed_version: row.text(4)?,
            advisory: row.text(5)?,
            source: Source::from_number(row.int(6)?),
            category: Category::from_number(row.int(7)?),
            comparison: row.text(8)?,
        };
        let key = tx
            .one(&format!("SELECT {PACKAGE} {PACKAGES} WHERE p.id = $1"), values![package])
            .await?
            .ok_or(sqlx::Error::RowNotFound)?;
        let (since, until, first, generation) = (row.at(9)?, row.at(10)?, row.at(11)?, row.int(12)?);
        Ok(Some(MatchDetail { key: package_key(&key)?, found, since, until, first, generation }))
    }

    /// Returns a vulnerability by any of its names.
    pub async fn vulnerability(&self, name: &str) -> Result<Option<(Id, Vulnerability)>> {
        let mut tx = self.engine().begin_read().await?;
        let sql = "SELECT v.id, v.name, v.title, v.severity, v.cvss, v.kev, v.epss, v.published, v.modified, t.body
            FROM alias a JOIN vulnerability v ON v.id = a.vulnerability JOIN vulnerability_text t ON t.vulnerability = v.id WHERE a.name = $1";
        let Some(row) = tx.one(sql, values![name]).await? else { return Ok(None) };
        let (id, heading) = (row.int(0)?, row.text(1)?);
        let sql = "SELECT name FROM alias WHERE vulnerability = $1 AND name <> $2 ORDER BY name";
        let aliases = tx.all(sql, values![id, &heading]).await?;
        let vulnerability = Vulnerability {
            name: heading,
            aliases: aliases.iter().map(|row| row.text(0)).collect::<Result<_>>()?,
            title: row.text(2)?,
            severity: Severity::from_number(row.int(3)?),
            cvss: u16::try_from(row.int(4)?).ok(),
            kev: row.at(5)?,
            epss: u32::try_from(row.int(6)?).ok(),
            published: row.at(7)?,
            modified: row.at(8)?,
            text: serde_json::from_str(&row.text(9)?).map_err(|why| Error::damaged("text of a vulnerability", why))?,
        };
        Ok(Some((id, vulnerability)))
    }
}
