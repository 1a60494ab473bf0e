//! Uploads: bytes on their way to become a blob.
//!
//! In: chunks, each from one request, bound to registry, repository and principal; the digest at the end.
//! Out: a blob and its link, only if the bytes hash to the digest; synced to disk before anybody is told.

use crate::engine::values;
use crate::staging::{End, StagedUpload, UploadId};
use crate::{Error, Result, Room, Store};
use aws_lc_rs::digest::{Context, SHA256, SHA512};
use bytes::Bytes;
use model::Digest;
use model::digest::Algorithm;
use model::facts::Id;
use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

/// The state of an upload between requests.
pub(crate) type Slot = Arc<tokio::sync::Mutex<State>>;

/// An upload in the hands of one request.
pub struct Upload {
    store: Store,
    /// Dropped before the state is free: the next request finds no lock of this one.
    hold: Hold,
    state: OwnedMutexGuard<State>,
}

/// A lock on the staged file against requests to other processes; it ends when the last that has it is dropped.
type Hold = Arc<Held>;

struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // A process that is just being started may have a copy of the file, and the lock with it: closing ours would not free it.
        let _ = self.0.unlock();
    }
}

pub(crate) struct State {
    staged: StagedUpload,
    path: PathBuf,
    /// Bytes that were accepted and wait to be written.
    pending: Vec<Bytes>,
    pending_bytes: u64,
    /// The file and its hash, unless they are with `writing`.
    sink: Option<Sink>,
    writing: Option<JoinHandle<std::io::Result<Sink>>>,
    offset: u64,
}

/// The staged file, hashed as far as it is written.
struct Sink {
    file: File,
    hash: Context,
    written: u64,
}

/// Few enough to be soon on disk and with the early reader, enough to keep the disk busy.
const WRITE_BYTES: u64 = 512 << 10;
/// How long an upload may take, pauses included.
const EXPIRES: Duration = Duration::from_secs(24 * 3600);
/// Uploads under way for one principal.
const PER_PRINCIPAL: i64 = 100;

impl Sink {
    /// Opens a staged file, or makes it; what is in it already is hashed again.
    fn open(path: &Path, make: bool) -> std::io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut file = File::options().read(true).append(true).create_new(make).mode(0o600).open(path)?;
        let (hash, written) = hash_file(&mut file, Context::new(&SHA256))?;
        Ok(Self { file, hash, written })
    }

    fn write(mut self, chunks: &[Bytes]) -> std::io::Result<Self> {
        for chunk in chunks {
            self.file.write_all(chunk)?;
            self.hash.update(chunk);
            self.written += chunk.len() as u64;
        }
        Ok(self)
    }

    /// Returns whether the file has what was written here and nothing else.
    fn is_ours(&self) -> bool {
        self.file.metadata().is_ok_and(|about| about.len() == self.written)
    }

    /// Makes the bytes last and returns their digest in the wanted algorithm, and how many they are.
    fn seal(mut self, want: Algorithm) -> std::io::Result<(Digest, u64)> {
        self.file.sync_all()?;
        // The lock lets nobody else write; where a file system has none, the length tells.
        if want == Algorithm::Sha256 && self.is_ours() {
            return Ok((Digest::from_hash(want, self.hash.finish().as_ref()), self.written));
        }
        std::io::Seek::rewind(&mut self.file)?;
        let hash = Context::new(if want == Algorithm::Sha256 { &SHA256 } else { &SHA512 });
        let (hash, bytes) = hash_file(&mut self.file, hash)?;
        Ok((Digest::from_hash(want, hash.finish().as_ref()), bytes))
    }
}

/// Takes a staged file for one request; `None` while another process has it.
fn hold(path: &Path) -> std::io::Result<Option<Hold>> {
    use std::os::unix::fs::MetadataExt;
    let file = File::options().append(true).open(path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        // A file system without locks: what is sealed is looked at.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    // Whoever had it may have made it a blob, which is not to be written to.
    let same = std::fs::metadata(path)?.ino() == file.metadata()?.ino();
    if same { Ok(Some(Arc::new(Held(file)))) } else { Err(std::io::ErrorKind::NotFound.into()) }
}

fn hash_file(file: &mut File, mut hash: Context) -> std::io::Result<(Context, u64)> {
    let (mut buffer, mut length) = (vec![0; 256 << 10], 0);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok((hash, length));
        }
        hash.update(buffer.get(..n).unwrap_or_default());
        length += n as u64;
    }
}

impl Store {
    /// Begins an upload. It is bound to the registry, repository and principal, and ends after 24 hours.
    pub async fn begin_upload(&self, registry: Id, repository: &str, principal: &str) -> Result<UploadId> {
        if self.room() == Room::None {
            return Err(Error::disk("take an upload")(std::io::ErrorKind::StorageFull.into()));
        }
        let id = UploadId::new();
        let path = self.upload_path(id);
        let sink = blocking("make an upload", move || Sink::open(&path, true)).await?;
        let mut tx = self.engine().begin().await?;
        // Counted and added by one at a time.
        tx.lock_name(principal).await?;
        let under_way = tx.int("SELECT COUNT(*) FROM upload WHERE principal = $1", values![principal]).await?;
        if under_way >= PER_PRINCIPAL {
            let _ = std::fs::remove_file(self.upload_path(id)); // the row was never there
            return Err(Error::TooManyUploads(under_way));
        }
        let sql = format!(
            "INSERT INTO upload (id, registry, repository, principal, place, expires) VALUES ($1, $2, $3, $4, '', {} + $5)",
            self.engine().clock()
        );
        let span = i64::try_from(EXPIRES.as_micros()).unwrap_or(i64::MAX);
        tx.run(&sql, values![id.to_string(), registry, repository, principal, span]).await?;
        tx.commit().await?;
        self.add_slot(StagedUpload { id, registry, repository: repository.to_owned() }, sink);
        Ok(id)
    }

    /// Goes on with an upload; `Error::NoUpload` for an unknown, expired or foreign one, `Error::UploadBusy` while another
    /// request has it.
    pub async fn upload(&self, id: UploadId, registry: Id, repository: &str, principal: &str) -> Result<Upload> {
        let missing = || Error::NoUpload(id.to_string());
        let sql = format!(
            "SELECT registry, repository, principal FROM upload WHERE id = $1 AND expires > {}",
            self.engine().clock()
        );
        let row = self.engine().one(&sql, values![id.to_string()]).await?.ok_or_else(missing)?;
        if row.int(0)? != registry || row.text(1)? != repository || row.text(2)? != principal {
            return Err(missing());
        }
        let slot = self.slots().get(&id).cloned();
        let slot = match slot {
            Some(slot) => slot,
            None => {
                let path = self.upload_path(id);
                let sink = blocking("open an upload", move || Sink::open(&path, false)).await.map_err(|_| missing())?;
                self.add_slot(StagedUpload { id, registry, repository: repository.to_owned() }, sink)
            }
        };
        let busy = || Error::UploadBusy(id.to_string());
        let mut state = slot.try_lock_owned().map_err(|_| busy())?;
        // A request that broke off may have left a write under way, which has the lock.
        self.settle(&mut state).await?;
        let path = state.path.clone();
        let hold = blocking("lock an upload", move || hold(&path)).await;
        let hold = match hold {
            Err(Error::Disk { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(self.lost(id));
            }
            hold => hold?.ok_or_else(busy)?,
        };
        if state.sink.take_if(|sink| !sink.is_ours()).is_some() || state.sink.is_none() {
            // What waited to be written stood behind bytes that are others now.
            (state.pending, state.pending_bytes) = (Vec::new(), 0);
            let path = state.path.clone();
            state.writing = Some(tokio::task::spawn_blocking(move || Sink::open(&path, false)));
            self.settle(&mut state).await?;
        }
        state.offset = state.sink.as_ref().map_or(0, |sink| sink.written) + state.pending_bytes;
        Ok(Upload { store: self.clone(), hold, state })
    }

    /// Forgets what this process holds of an upload that is another's now, or nobody's.
    fn lost(&self, id: UploadId) -> Error {
        self.slots().remove(&id);
        self.inner.staging.ended(id, End::Dropped);
        Error::NoUpload(id.to_string())
    }

    /// Finds an upload that a principal left open, the newest one.
    pub async fn open_upload(&self, registry: Id, repository: &str, principal: &str) -> Result<Option<UploadId>> {
        let sql = format!(
            "SELECT id FROM upload WHERE registry = $1 AND repository = $2 AND principal = $3 AND expires > {} ORDER BY expires DESC LIMIT 1",
            self.engine().clock()
        );
        let row = self.engine().one(&sql, values![registry, repository, principal]).await?;
        Ok(row.map(|row| row.text(0)).transpose()?.and_then(|id| UploadId::parse(&id)))
    }

    /// Drops every upload of principals whose names begin so.
    pub(crate) async fn drop_uploads_of(&self, beginning: &str) -> Result<()> {
        let sql = "SELECT id FROM upload WHERE substr(principal, 1, length($1)) = $1";
        for row in self.engine().all(sql, values![beginning]).await? {
            if let Some(id) = UploadId::parse(&row.text(0)?) {
                self.forget_upload(id).await?;
            }
        }
        Ok(())
    }

    fn add_slot(&self, staged: StagedUpload, sink: Sink) -> Slot {
        let path = self.upload_path(staged.id);
        let (id, offset) = (staged.id, sink.written);
        let state =
            State { staged, path, pending: Vec::new(), pending_bytes: 0, sink: Some(sink), writing: None, offset };
        self.slots().entry(id).or_insert_with(|| Arc::new(tokio::sync::Mutex::new(state))).clone()
    }

    fn upload_path(&self, id: UploadId) -> PathBuf {
        self.inner.data.join("uploads").join(id.to_string())
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<UploadId, Slot>> {
        self.inner.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn forget_upload(&self, id: UploadId) -> Result<()> {
        self.slots().remove(&id);
        self.inner.staging.ended(id, End::Dropped);
        // The file goes first: on a full disk the row can only be written once there is space again.
        match tokio::fs::remove_file(self.upload_path(id)).await {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(Error::disk("remove an upload")(why)),
            _ => {}
        }
        let mut tx = self.engine().begin().await?;
        tx.run("DELETE FROM upload WHERE id = $1", values![id.to_string()]).await?;
        tx.commit().await
    }

    /// Ends uploads whose time is over, and forgets those that another process ended.
    pub(crate) async fn expire_uploads(&self) -> Result<()> {
        self.forget_lost_uploads().await?;
        let sql = format!("SELECT id FROM upload WHERE expires <= {}", self.engine().clock());
        for row in self.engine().all(&sql, values![]).await? {
            if let Some(id) = UploadId::parse(&row.text(0)?) {
                self.forget_upload(id).await?;
            }
        }
        Ok(())
    }

    /// The ids of all uploads that have a row.
    async fn upload_rows(&self) -> Result<HashSet<String>> {
        let rows = self.engine().all("SELECT id FROM upload", values![]).await?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    /// Lets go of uploads without a row: their files would stay open, and take room, until the process ends.
    async fn forget_lost_uploads(&self) -> Result<()> {
        let mine: Vec<UploadId> = self.slots().keys().copied().collect(); // before the rows: a row is older than its slot
        let known = self.upload_rows().await?;
        for id in mine.into_iter().filter(|id| !known.contains(&id.to_string())) {
            // A request that has it takes it away itself.
            let busy = self.slots().get(&id).is_some_and(|slot| slot.try_lock().is_err());
            if !busy {
                self.lost(id);
            }
        }
        Ok(())
    }

    /// Removes staged files that no row knows, and rows of this folder whose file is gone.
    pub(crate) async fn drop_dead_uploads(&self) -> Result<()> {
        let known = self.upload_rows().await?;
        let folder = std::fs::read_dir(self.inner.data.join("uploads")).map_err(Error::disk("list the uploads"))?;
        for entry in folder.flatten().filter(|e| !known.contains(&e.file_name().to_string_lossy().into_owned())) {
            let _ = std::fs::remove_file(entry.path()); // tried again at the next start
        }
        if self.engine().is_shared() {
            return Ok(()); // the file may be another process's
        }
        for id in known.iter().filter_map(|id| UploadId::parse(id)).filter(|id| !self.upload_path(*id).exists()) {
            self.forget_upload(id).await?;
        }
        Ok(())
    }

    /// Returns the uploads under way in this process.
    pub fn staging(&self) -> &crate::Staging {
        &self.inner.staging
    }
}

impl Upload {
    /// Returns its id.
    pub fn id(&self) -> UploadId {
        self.state.staged.id
    }

    /// Returns how many bytes were accepted.
    pub fn offset(&self) -> u64 {
        self.state.offset
    }

    /// Accepts further bytes. They are hashed and written beside the caller.
    pub async fn append(&mut self, bytes: Bytes) -> Result<()> {
        let state = &mut *self.state;
        state.offset += bytes.len() as u64;
        state.pending_bytes += bytes.len() as u64;
        state.pending.push(bytes);
        if state.pending_bytes >= WRITE_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Ends a request that leaves the upload open: every accepted byte is in the file. Returns the offset.
    pub async fn pause(mut self) -> Result<u64> {
        self.flush().await?;
        self.settle().await?;
        Ok(self.state.offset)
    }

    /// Makes a blob of the upload: verified, synced, in its place, linked to the repository. Bytes that hash to something
    /// else end the upload.
    pub async fn finish(self, want: &Digest) -> Result<Digest> {
        let want = want.clone();
        // Whoever leaves must not free the file while it is sealed and put in its place.
        let done = tokio::spawn(async move { self.finished(&want).await }).await;
        done.map_err(|why| Error::disk("finish an upload")(std::io::Error::other(why)))?
    }

    async fn finished(mut self, want: &Digest) -> Result<Digest> {
        self.flush().await?;
        self.settle().await?;
        let id = self.id();
        let sink = self.state.sink.take().ok_or_else(|| Error::NoUpload(id.to_string()))?;
        let algorithm = want.algorithm();
        let sealed = blocking("sync an upload", move || sink.seal(algorithm)).await;
        let (got, bytes) = match sealed {
            Ok((got, bytes)) if got == *want => (got, bytes),
            Ok((got, _)) => {
                self.store.forget_upload(id).await?;
                return Err(Error::DigestMismatch { want: want.clone(), got });
            }
            Err(why) => {
                // What a failed sync left on the disk is unknown: these bytes are never trusted again.
                self.store.forget_upload(id).await?;
                return Err(why);
            }
        };
        let placed = self.place(&got, bytes).await;
        // Not before: a request that asked meanwhile would have made another one, that nobody takes away.
        self.store.slots().remove(&id);
        placed?;
        self.store.inner.staging.ended(id, End::Committed { digest: got.clone(), bytes });
        Ok(got)
    }

    /// Makes a blob of the file. A failure leaves the file or the blob; the next request finds out which.
    async fn place(&self, digest: &Digest, bytes: u64) -> Result<()> {
        self.store.step("blob:synced");
        self.store.inner.blobs.take(&self.state.path, digest).await?;
        self.store.step("blob:renamed");
        self.store.add_blob(&self.state.staged, digest, bytes).await?;
        self.store.step("blob:committed");
        Ok(())
    }

    /// Gives the upload up.
    pub async fn cancel(mut self) -> Result<()> {
        let _ = self.settle().await; // whatever it was, it goes
        self.store.forget_upload(self.id()).await
    }

    /// Sends the pending bytes to be written, once what is being written is.
    async fn flush(&mut self) -> Result<()> {
        self.settle().await?;
        let state = &mut *self.state;
        if state.pending.is_empty() {
            return Ok(());
        }
        let chunks = std::mem::take(&mut state.pending);
        state.pending_bytes = 0;
        let sink = state.sink.take().ok_or_else(|| Error::NoUpload(state.staged.id.to_string()))?;
        let hold = Arc::clone(&self.hold);
        state.writing = Some(tokio::task::spawn_blocking(move || {
            let _hold = hold;
            sink.write(&chunks)
        }));
        Ok(())
    }

    async fn settle(&mut self) -> Result<()> {
        self.store.settle(&mut self.state).await
    }
}

impl Store {
    /// Waits for what is being written.
    async fn settle(&self, state: &mut State) -> Result<()> {
        let Some(writing) = &mut state.writing else { return Ok(()) };
        let written = writing.await.map_err(std::io::Error::other).and_then(|written| written);
        state.writing = None;
        match written {
            Ok(sink) => {
                self.inner.staging.wrote(&state.staged, &state.path, sink.written);
                state.sink = Some(sink);
                Ok(())
            }
            Err(why) if why.kind() == std::io::ErrorKind::StorageFull => {
                // Kept, it would fill the disk until it expires, and nobody else could push.
                let id = state.staged.id;
                if let Err(error) = self.forget_upload(id).await {
                    tracing::warn!(%id, %error, "an upload that filled the disk is not quite gone");
                }
                Err(Error::disk("write an upload")(why))
            }
            Err(why) => {
                // The next request opens the file anew and sees how far it really is.
                self.slots().remove(&state.staged.id);
                Err(Error::disk("write an upload")(why))
            }
        }
    }

    async fn add_blob(&self, staged: &StagedUpload, digest: &Digest, bytes: u64) -> Result<()> {
        let mut tx = self.engine().begin().await?;
        let blob = format!(
            "INSERT INTO blob (digest, bytes, since) VALUES ($1, $2, {}) ON CONFLICT DO NOTHING",
            self.engine().clock()
        );
        tx.run(&blob, values![digest, i64::try_from(bytes).unwrap_or(i64::MAX)]).await?;
        let link = "INSERT INTO blob_link (registry, repository, digest) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        tx.run(link, values![staged.registry, &staged.repository, digest]).await?;
        self.step("blob:linked");
        tx.run("DELETE FROM upload WHERE id = $1", values![staged.id.to_string()]).await?;
        tx.commit().await
    }
}

/// Runs something that blocks where it blocks nobody.
async fn blocking<T: Send + 'static>(
    doing: &'static str,
    run: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(run)
        .await
        .map_err(std::io::Error::other)
        .and_then(|done| done)
        .map_err(Error::disk(doing))
}
