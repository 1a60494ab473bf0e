//! Uploads under way, readable while they arrive by whoever is in the same process.

use bytes::Bytes;
use model::Digest;
use model::facts::Id;
use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{broadcast, watch};

/// The random name of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UploadId(uuid::Uuid);

/// The uploads under way.
#[derive(Debug)]
pub struct Staging {
    announce: broadcast::Sender<StagedUpload>,
    channels: Mutex<HashMap<UploadId, Channel>>,
}

/// An upload that began to arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedUpload {
    /// Its id.
    pub id: UploadId,
    /// The registry.
    pub registry: Id,
    /// The repository.
    pub repository: String,
}

/// How an upload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Its bytes were verified and are a blob now. Whoever followed and read as many has read these.
    Committed {
        /// The digest of the bytes.
        digest: Digest,
        /// How many they are.
        bytes: u64,
    },
    /// It was cancelled, failed or expired: nothing learnt from it may be kept.
    Dropped,
}

#[derive(Debug, Clone)]
struct Channel {
    path: PathBuf,
    progress: Arc<watch::Sender<Progress>>,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    written: u64,
    end: Option<End>,
}

/// Reads the bytes of an upload as they arrive.
#[derive(Debug)]
pub struct Follower {
    file: Arc<File>,
    offset: u64,
    progress: watch::Receiver<Progress>,
}

/// Enough for a burst of uploads; a subscriber that lags misses the chance to read early, and nothing else.
const ANNOUNCEMENTS: usize = 256;
/// One read of a follower.
const READ_BYTES: u64 = 256 << 10;

impl UploadId {
    pub(crate) fn new() -> Self {
        Self(uuid::Uuid::new_v4())
    }

    /// Parses the id as `Display` writes it.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl std::fmt::Display for UploadId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Staging {
    pub(crate) fn new() -> Self {
        Self { announce: broadcast::Sender::new(ANNOUNCEMENTS), channels: Mutex::default() }
    }

    /// Hears of every upload of this process whose first bytes arrived.
    pub fn subscribe(&self) -> broadcast::Receiver<StagedUpload> {
        self.announce.subscribe()
    }

    /// Reads an upload from its first byte on; `None` = it is not under way in this process (any more).
    pub fn follow(&self, id: UploadId) -> Option<Follower> {
        let channel = self.channels().get(&id)?.clone();
        let file = File::open(&channel.path).ok()?;
        Some(Follower { file: Arc::new(file), offset: 0, progress: channel.progress.subscribe() })
    }

    /// Says how far an upload is; the first bytes are announced.
    pub(crate) fn wrote(&self, staged: &StagedUpload, path: &std::path::Path, written: u64) {
        let mut channels = self.channels();
        let channel = channels.entry(staged.id).or_insert_with(|| {
            let _ = self.announce.send(staged.clone()); // nobody need listen
            Channel { path: path.to_owned(), progress: Arc::default() }
        });
        channel.progress.send_modify(|progress| progress.written = written);
    }

    /// Says how an upload ended.
    pub(crate) fn ended(&self, id: UploadId, end: End) {
        if let Some(channel) = self.channels().remove(&id) {
            channel.progress.send_modify(|progress| progress.end = Some(end));
        }
    }

    fn channels(&self) -> std::sync::MutexGuard<'_, HashMap<UploadId, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// Waits for the next bytes; `None` = there will be no more, see `end`.
    pub async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        loop {
            let progress = self.progress.borrow_and_update().clone();
            let ready = progress.written.saturating_sub(self.offset);
            if ready > 0 {
                return Some(self.read(ready.min(READ_BYTES)).await);
            }
            if progress.end.is_some() || self.progress.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Waits until the upload ended, and says how.
    pub async fn end(&mut self) -> End {
        let ended = self.progress.wait_for(|progress| progress.end.is_some()).await;
        ended.ok().and_then(|progress| progress.end.clone()).unwrap_or(End::Dropped)
    }

    async fn read(&mut self, length: u64) -> std::io::Result<Bytes> {
        let (file, offset) = (self.file.clone(), self.offset);
        let bytes = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            std::os::unix::fs::FileExt::read_exact_at(&*file, &mut bytes, offset)?;
            Ok::<_, std::io::Error>(bytes)
        });
        let bytes = bytes.await.map_err(std::io::Error::other)??;
        self.offset += length;
        Ok(bytes.into())
    }
}
