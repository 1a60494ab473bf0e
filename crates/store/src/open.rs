//! Opening the store: data folder, database, blobs, defaults; what a dead process left behind is put right.

use crate::engine::{Engine, values};
use crate::packages::Known;
use crate::sealing::SealingKey;
use crate::{Blobs, Error, Result, Staging, access, audit, logs, schema, scope, secret, staging, uploads};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Notify, OnceCell, watch};

/// Where things are kept.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The data folder: uploads under way, and whatever has no other place.
    pub data: PathBuf,
    /// `postgres://…`; `None` = `DATA/portwarden.db`.
    pub database: Option<String>,
    /// `s3://bucket/prefix`, or a folder; `None` = `DATA/blobs`.
    pub blobs: Option<String>,
    /// The key that secrets are sealed with; `None` = they are kept as they are.
    pub key_file: Option<PathBuf>,
    /// Without a key file: whether secrets are sealed with `DATA/portwarden.key`, made where nothing is sealed yet.
    pub usual_key: bool,
    /// How long a worker that says nothing keeps its job; `None` = 60 seconds.
    pub lease: Option<Duration>,
}

/// Everything that is kept. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    engine: Engine,
    pub(crate) data: PathBuf,
    pub(crate) blobs: Blobs,
    pub(crate) staging: Staging,
    pub(crate) uploads: Mutex<HashMap<staging::UploadId, uploads::Slot>>,
    pub(crate) known: Mutex<Known>,
    pub(crate) passwords: Mutex<access::Verified>,
    pub(crate) turns: access::Turns,
    revision: watch::Sender<i64>,
    work: Notify,
    boot: String,
    lock: Option<File>,
    pub(crate) sealing: Option<SealingKey>,
    /// Whether changes bring the paths of new inventories though no rule asks for them.
    pub(crate) wants_paths: AtomicBool,
    lease: Duration,
    #[cfg(debug_assertions)]
    pub(crate) steps: crate::fault::Steps,
    pub(crate) logs: logs::Queue,
    pub(crate) scanner: OnceCell<String>,
    pub(crate) audit: audit::Keeper,
    /// The day, counted from 1970, on which the log was told how the audit ends.
    audit_told: AtomicI64,
}

/// How long a claim holds without a heartbeat.
const LEASE: Duration = Duration::from_secs(60);
/// How long changes are kept for indexes to follow.
const KEEP_CHANGES: Duration = Duration::from_secs(3600);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("data", &self.inner.data).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store, making what is missing. Refuses data of a newer program.
    ///
    /// The first process to open a data folder owns it (`is_owner`): it releases the leases and forgets the uploads that an
    /// earlier process left behind. Later ones may read and write beside it.
    pub async fn open(settings: &Settings) -> Result<Self> {
        let data = settings.data.clone();
        let bad = |source| Error::Data { path: data.display().to_string(), source };
        let (lock, instance) = claim_folder(&data).map_err(bad)?;
        let lease = settings.lease.unwrap_or(LEASE);
        let engine = Engine::open(&data, settings.database.as_deref(), lease).await?;
        schema::migrate(&engine).await?;
        scope::defaults(&engine).await?;
        let usual = data.join(secret::USUAL);
        let sealing = match &settings.key_file {
            Some(file) => Some(secret::unlock(&engine, file, &usual).await?),
            None if settings.usual_key => secret::unlock_usual(&engine, &usual).await?,
            None => None,
        };
        let blobs = Blobs::open(&data, settings.blobs.as_deref())?;
        let revision = engine.one("SELECT n FROM revision WHERE one = 1", values![]).await?;
        let revision = revision.map_or(Ok(0), |row| row.int(0))?;
        let inner = Inner {
            engine,
            blobs,
            staging: Staging::new(),
            uploads: Mutex::default(),
            known: Mutex::default(),
            passwords: Mutex::default(),
            turns: access::Turns::default(),
            revision: watch::Sender::new(revision),
            work: Notify::new(),
            boot: format!("{instance}:{}", uuid::Uuid::new_v4().simple()),
            lock,
            sealing,
            wants_paths: AtomicBool::new(false),
            lease,
            #[cfg(debug_assertions)]
            steps: Default::default(),
            logs: logs::Queue::default(),
            scanner: OnceCell::new(),
            audit: audit::Keeper::default(),
            audit_told: AtomicI64::new(0),
            data,
        };
        let store = Self { inner: Arc::new(inner) };
        store.read_audit_key().await;
        if store.is_owner() {
            store.release_leases_of(&instance).await?;
            store.drop_dead_uploads().await?;
        }
        tokio::spawn(upkeep(Arc::downgrade(&store.inner)));
        Ok(store)
    }

    /// Returns whether this process owns the data folder: no other one had it open before.
    pub fn is_owner(&self) -> bool {
        self.inner.lock.is_some()
    }

    /// Returns whether secrets are sealed with a key that is not in the database.
    pub fn is_sealing(&self) -> bool {
        self.inner.sealing.is_some()
    }

    /// Follows the revision: changes whenever facts changed, in this process at once, in others within 250 ms.
    pub fn revision_watch(&self) -> watch::Receiver<i64> {
        self.inner.revision.subscribe()
    }

    /// Returns how long a claim holds without a heartbeat.
    pub fn lease(&self) -> Duration {
        self.inner.lease
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The name under which a worker of this process holds leases.
    pub(crate) fn worker_name(&self, worker: &str) -> String {
        format!("{}:{worker}", self.inner.boot)
    }

    pub(crate) fn tell_revision(&self, revision: i64) {
        self.inner.tell_revision(revision);
    }

    pub(crate) fn tell_work(&self) {
        self.inner.work.notify_waiters();
        self.inner.work.notify_one(); // for whoever looked just before, and waits in a moment
    }

    pub(crate) fn work(&self) -> &Notify {
        &self.inner.work
    }
}

impl Inner {
    fn tell_revision(&self, revision: i64) {
        self.revision.send_if_modified(|known| {
            let newer = revision > *known;
            *known = revision.max(*known);
            newer
        });
    }
}

/// Makes the folder, closes it to others (0700), and locks it. Returns the lock, if nobody had it, and the name of this installation.
fn claim_folder(data: &Path) -> std::io::Result<(Option<File>, String)> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    // One that was there may be open to everybody. Whose folder is another's, as a mounted volume's, has closed files in it.
    if std::fs::metadata(data)?.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700)).ok();
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data.join("uploads"))?;
    let path = data.join("lock");
    let file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
    let mine = match file.try_lock() {
        Ok(()) => true,
        Err(std::fs::TryLockError::WouldBlock) => false,
        Err(std::fs::TryLockError::Error(why)) => return Err(why),
    };
    let mut instance = std::fs::read_to_string(&path)?;
    if instance.len() != 32 {
        instance = uuid::Uuid::new_v4().simple().to_string();
        if mine {
            std::fs::write(&path, &instance)?;
        }
    }
    Ok((mine.then_some(file), instance))
}

/// Looks for other processes' changes and writes waiting log lines every 250 ms; every minute trims both logs and ends expired uploads.
async fn upkeep(inner: Weak<Inner>) {
    let mut seen: Vec<(Instant, i64)> = Vec::new();
    let mut ticks = 0u64;
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let Some(inner) = inner.upgrade() else { return };
        let store = Store { inner };
        if let Err(why) = store.look_around(&mut seen, ticks.is_multiple_of(240)).await {
            tracing::debug!(%why, "the store's upkeep has to wait");
        }
        ticks += 1;
    }
}

impl Store {
    /// Tells the log once a day how the audit ends: what is kept elsewhere shows whether all of it was made anew.
    async fn tell_audit(&self) -> Result<()> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let today = (since.as_secs() / 86_400) as i64;
        if self.is_owner() && self.inner.audit_told.swap(today, Ordering::Relaxed) != today {
            let (rows, head) = self.audit_end().await?;
            tracing::info!("the audit ends with {rows}:{head}");
        }
        Ok(())
    }

    async fn look_around(&self, seen: &mut Vec<(Instant, i64)>, minute: bool) -> Result<()> {
        let row = self.engine().one("SELECT n FROM revision WHERE one = 1", values![]).await?;
        let revision = row.map_or(Ok(0), |row| row.int(0))?;
        if revision > *self.inner.revision.borrow() {
            self.tell_work();
        }
        self.tell_revision(revision);
        self.flush_logs().await?;
        if !minute {
            return Ok(());
        }
        if seen.last().is_none_or(|(_, last)| *last < revision) {
            seen.push((Instant::now(), revision));
        }
        let old = seen.iter().take_while(|(at, _)| at.elapsed() > KEEP_CHANGES).count();
        if let Some((_, revision)) = old.checked_sub(1).and_then(|last| seen.get(last)).copied() {
            self.trim_changes(revision).await?;
            seen.drain(..old);
        }
        self.tell_audit().await?;
        self.forget_keys().await?;
        self.forget_sessions().await?;
        self.forget_old_tries().await?;
        self.trim_logs().await?;
        self.expire_uploads().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_folder_that_others_could_read_is_closed_to_them_and_so_is_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("portwarden.db"), "").unwrap();
        for (path, mode) in [(data.clone(), 0o755), (data.join("portwarden.db"), 0o644)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let store = Store::open(&Settings { data: data.clone(), ..Settings::default() }).await.unwrap();
        store.ensure_admin(None).await.unwrap();
        let open = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o077;
        assert_eq!(open(&data), 0);
        for file in ["portwarden.db", "portwarden.db-wal", "portwarden.db-shm", "admin-password"] {
            assert_eq!(open(&data.join(file)), 0, "{file}");
        }
    }
}
