//! The scanner as a client of the embedded registries: it is let in or kept out by their network rules, and what it does is logged.
//!
//! In: the job of an image. Out: its manifest, or that network rules are in the way; a login and a pull in the resource logs, under the
//! one identity that the scanner has in this installation.

use crate::engine::values;
use crate::places::OPEN;
use crate::write::What;
use crate::{Caller, Job, JobKind, LogEntry, Result, Store, StoredManifest, queue};
use model::Micros;
use model::facts::Id;
use model::verdict::Coverage;

/// The setting that holds the identity.
const IDENTITY: &str = "scanner-identity";
/// What the scanner says of itself.
const USER_AGENT: &str = concat!("portwarden-scanner/", env!("CARGO_PKG_VERSION"));

/// What the scanner got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pulled {
    /// The manifest.
    Manifest(StoredManifest),
    /// There is none.
    Missing,
    /// Network rules keep the scanner out; the job was ended and the image says so.
    Blocked,
}

/// A place of an image.
struct Place {
    registry: Id,
    repository: String,
    host: String,
    open: bool,
}

impl Store {
    /// Returns the identity under which the scanner stands in the resource logs: 32 letters and digits, made once.
    pub async fn scanner_identity(&self) -> Result<String> {
        let made = || async {
            let find = "SELECT value FROM setting WHERE name = $1";
            if let Some(row) = self.engine().one(find, values![IDENTITY]).await? {
                return row.text(0);
            }
            let mut tx = self.engine().begin().await?;
            let text = uuid::Uuid::new_v4().simple().to_string();
            // Another process may have been first: its identity is the one.
            let sql = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            tx.run(sql, values![IDENTITY, text]).await?;
            let row = tx.one(find, values![IDENTITY]).await?.ok_or(sqlx::Error::RowNotFound)?;
            tx.commit().await?;
            row.text(0)
        };
        Ok(self.inner.scanner.get_or_try_init(made).await?.clone())
    }

    /// Pulls the manifest of a job's image as the scanner, from a repository that has it and lets the scanner in.
    pub async fn scanner_pull(&self, job: &Job) -> Result<Pulled> {
        let Some(digest) = &job.digest else { return Ok(Pulled::Missing) };
        let Some(manifest) = self.manifest_of(digest).await? else { return Ok(Pulled::Missing) };
        let places = self.places_of(job, manifest.image).await?;
        if let Some(place) = places.iter().find(|place| place.open) {
            self.log_scanner(place, Some(&manifest), job.claimed).await?;
            return Ok(Pulled::Manifest(manifest));
        }
        let Some(closed) = places.first() else { return Ok(Pulled::Manifest(manifest)) }; // it was deleted meanwhile
        self.log_scanner(closed, None, job.claimed).await?;
        self.block(job).await?;
        Ok(Pulled::Blocked)
    }

    /// The places of an image, that of its job first.
    async fn places_of(&self, job: &Job, image: Id) -> Result<Vec<Place>> {
        let sql = format!(
            "SELECT g.id, r.name, g.host, {OPEN} FROM repository_image p JOIN repository r ON r.id = p.repository JOIN registry g ON g.id = r.registry
            WHERE p.image = $1 AND p.until = $2 ORDER BY CASE WHEN r.id = $3 THEN 0 ELSE 1 END, p.id"
        );
        let rows = self.engine().all(&sql, values![image, Micros::FOREVER, job.repository]).await?;
        let place = |row: &crate::engine::Row| {
            Ok(Place { registry: row.int(0)?, repository: row.text(1)?, host: row.text(2)?, open: row.int(3)? != 0 })
        };
        rows.iter().map(place).collect()
    }

    /// Ends the job of an image that the scanner may not read.
    async fn block(&self, job: &Job) -> Result<()> {
        let mut write = self.fenced(job).await?;
        if let JobKind::Image(image) = job.kind {
            let blocked = Coverage::BlockedByNetwork as u8;
            let sql = "UPDATE image SET coverage = $2 WHERE id = $1 AND coverage IN (0, 1)";
            write.run(sql, values![image, blocked]).await?;
            write.changed(What::Image, image);
        }
        queue::end_job(&mut write, job).await?;
        write.commit().await?;
        Ok(())
    }

    /// Logs that the scanner came to a registry and was sent away.
    pub(crate) async fn log_scanner_refused(&self, registry: Id, host: &str) -> Result<()> {
        let place = Place { registry, repository: String::new(), host: host.to_owned(), open: false };
        self.log_scanner(&place, None, Micros(0)).await
    }

    async fn log_scanner(&self, place: &Place, pulled: Option<&StoredManifest>, at: Micros) -> Result<()> {
        let caller = Caller {
            actor: self.scanner_identity().await?,
            user_agent: USER_AGENT.into(),
            request: uuid::Uuid::new_v4().to_string(),
            host: place.host.clone(),
            scanner: true,
            ..Caller::default()
        };
        let registry = place.registry;
        let result = if pulled.is_some() { 200 } else { 403 };
        let login = LogEntry {
            at,
            login: true,
            operation: "login".into(),
            caller: caller.clone(),
            result,
            registry,
            ..LogEntry::default()
        };
        self.log(login);
        let Some(manifest) = pulled else { return Ok(()) };
        self.log(LogEntry {
            at,
            operation: "pull".into(),
            caller,
            result,
            registry,
            repository: place.repository.clone(),
            digest: manifest.digest.to_string(),
            media_type: manifest.media_type.clone(),
            bytes: i64::try_from(manifest.bytes.len()).unwrap_or(i64::MAX),
            ..LogEntry::default()
        });
        Ok(())
    }
}
