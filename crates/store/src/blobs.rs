//! Blobs: verified bytes under their digest, in a folder or an object store; links say which repository has which.
//!
//! Layout: `sha256/ab/<hex>`.

use crate::engine::values;
use crate::events::{About, Action, add_event};
use crate::logs::add_log;
use crate::write::Write;
use crate::{Caller, Error, Result, Store};
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use model::facts::Id;
use model::manifest::{HEAD_BYTES, unpacks};
use model::{Digest, Micros};
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, GetResultPayload, ObjectStore, ObjectStoreExt};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where blobs are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    folder: Option<PathBuf>,
    objects: Arc<dyn ObjectStore>,
}

/// A blob, or a part of it, to be read.
pub struct BlobRead {
    /// Length of the whole blob.
    pub size: u64,
    /// The part that the stream gives.
    pub range: Range<u64>,
    /// The bytes.
    pub stream: BoxStream<'static, std::io::Result<Bytes>>,
}

/// One read of a file: large enough that the disk and not the call counts.
const READ_BYTES: usize = 256 << 10;

/// Manifests that are looked through at a time, of 4 MiB at most.
const PAGE: usize = 8;

impl Blobs {
    /// Opens a folder or an object store. S3 takes its credentials from the environment (`AWS_*`).
    pub(crate) fn open(data: &Path, place: Option<&str>) -> Result<Self> {
        let Some(url) = place.filter(|place| place.starts_with("s3://")) else {
            let folder = place.map_or_else(|| data.join("blobs"), PathBuf::from);
            std::fs::create_dir_all(folder.join("sha256")).map_err(Error::disk("make the blob folder"))?;
            let objects = object_store::local::LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
            return Ok(Self { folder: Some(folder), objects: Arc::new(objects) });
        };
        let prefix = url.trim_start_matches("s3://").split_once('/').map_or("", |(_, prefix)| prefix);
        let objects = object_store::aws::AmazonS3Builder::from_env().with_url(url).build()?;
        let objects = object_store::prefix::PrefixStore::new(objects, ObjectPath::from(prefix));
        Ok(Self { folder: None, objects: Arc::new(objects) })
    }

    /// Opens a blob, all of it or a part. A part that begins behind the end is empty.
    pub async fn read(&self, digest: &Digest, range: Option<Range<u64>>) -> Result<BlobRead> {
        let options = GetOptions { range: range.clone().map(Into::into), ..GetOptions::default() };
        let found = match self.objects.get_opts(&place(digest), options).await {
            Err(object_store::Error::NotFound { .. }) => return Err(Error::NoBlob(digest.clone())),
            found => found?,
        };
        let (size, range) = (found.meta.size, found.range.clone());
        let stream = match found.payload {
            GetResultPayload::File(file, _) => file_stream(file, range.clone()).await?,
            GetResultPayload::Stream(stream) => stream.map_err(std::io::Error::other).boxed(),
        };
        Ok(BlobRead { size, range, stream })
    }

    /// Reads a whole blob into memory; one longer than `limit` is an error.
    pub async fn bytes(&self, digest: &Digest, limit: u64) -> Result<Bytes> {
        let mut read = self.read(digest, None).await?;
        if read.size > limit {
            return Err(Error::damaged("blob", format!("{digest} has {} bytes, the limit is {limit}", read.size)));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(read.size).unwrap_or(0));
        while let Some(part) = read.stream.try_next().await.map_err(Error::disk("read a blob"))? {
            bytes.extend_from_slice(&part);
        }
        Ok(bytes.into())
    }

    /// Reads the first bytes of a blob, as many as tell what it is; `None` = it is not there.
    async fn head(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let mut read = match self.read(digest, None).await {
            Err(Error::NoBlob(_)) => return Ok(None),
            read => read?,
        };
        let mut head = Vec::with_capacity(HEAD_BYTES);
        while head.len() < HEAD_BYTES
            && let Some(part) = read.stream.try_next().await.map_err(Error::disk("read a blob"))?
        {
            head.extend(part.iter().take(HEAD_BYTES - head.len()));
        }
        Ok(Some(head))
    }

    /// Returns whether a container engine would take a blob for a layer; one that is not there could be one.
    pub(crate) async fn unpacks(&self, digest: &Digest) -> Result<bool> {
        Ok(self.head(digest).await?.is_none_or(|head| unpacks(&head)))
    }

    /// Returns the length of a blob, if it is there.
    pub async fn size(&self, digest: &Digest) -> Result<Option<u64>> {
        match self.objects.head(&place(digest)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            found => Ok(Some(found?.size)),
        }
    }

    /// Returns the file of a blob, where blobs are files.
    pub fn path(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(place(digest).as_ref()))
    }

    /// Puts a verified file in its place, for good: file and folder are synced.
    pub(crate) async fn take(&self, file: &Path, digest: &Digest) -> Result<()> {
        if let Some(target) = self.path(digest) {
            let source = file.to_owned();
            let moved = tokio::task::spawn_blocking(move || move_file(&source, &target)).await;
            match moved.map_err(std::io::Error::other).and_then(|moved| moved) {
                Err(why) if why.kind() == std::io::ErrorKind::CrossesDevices => {}
                moved => return moved.map_err(Error::disk("put a blob in its place")),
            }
        }
        self.send(file, &place(digest)).await?;
        tokio::fs::remove_file(file).await.map_err(Error::disk("remove an upload"))
    }

    /// Copies a file to a place.
    pub(crate) async fn send(&self, file: &Path, place: &ObjectPath) -> Result<()> {
        let bytes = tokio::fs::File::open(file).await.map_err(Error::disk("open a file to keep it"))?;
        let mut read = tokio_util::io::ReaderStream::with_capacity(bytes, READ_BYTES);
        let upload = self.objects.put_multipart(place).await?;
        let mut upload = object_store::WriteMultipart::new_with_chunk_size(upload, 8 << 20);
        while let Some(part) = read.try_next().await.map_err(Error::disk("read a file to keep it"))? {
            upload.wait_for_capacity(4).await?;
            upload.put(part);
        }
        upload.finish().await?;
        Ok(())
    }

    pub(crate) fn objects(&self) -> &dyn ObjectStore {
        self.objects.as_ref()
    }
}

/// Renames within a file system, then makes the name last.
fn move_file(source: &Path, target: &Path) -> std::io::Result<()> {
    let folder = target.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
    if !folder.is_dir() {
        std::fs::create_dir_all(folder)?;
        if let Some(above) = folder.parent() {
            std::fs::File::open(above)?.sync_all()?;
        }
    }
    std::fs::rename(source, target)?;
    std::fs::File::open(folder)?.sync_all()
}

async fn file_stream(file: std::fs::File, range: Range<u64>) -> Result<BoxStream<'static, std::io::Result<Bytes>>> {
    use tokio::io::{AsyncReadExt, AsyncSeekExt};
    let mut file = tokio::fs::File::from_std(file);
    file.set_max_buf_size(READ_BYTES);
    file.seek(std::io::SeekFrom::Start(range.start)).await.map_err(Error::disk("read a blob"))?;
    let part = file.take(range.end.saturating_sub(range.start));
    Ok(tokio_util::io::ReaderStream::with_capacity(part, READ_BYTES).boxed())
}

fn place(digest: &Digest) -> ObjectPath {
    let algorithm = digest.as_str().split(':').next().unwrap_or("sha256");
    let hex = digest.hex();
    ObjectPath::from(format!("{algorithm}/{}/{hex}", hex.get(..2).unwrap_or("")))
}

impl Store {
    /// Returns the blobs themselves. Whoever reads for somebody else asks `has_blob` first.
    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// Returns the length of a blob, if the repository has it.
    pub async fn has_blob(&self, registry: Id, repository: &str, digest: &Digest) -> Result<Option<u64>> {
        let sql = "SELECT b.bytes FROM blob_link l JOIN blob b ON b.digest = l.digest WHERE l.registry = $1 AND l.repository = $2 AND l.digest = $3";
        let row = self.engine().one(sql, values![registry, repository, digest]).await?;
        row.map(|row| Ok(u64::try_from(row.int(0)?).unwrap_or(0))).transpose()
    }

    /// Lists repositories of a registry that have a blob, at most `n`.
    pub async fn homes_of_blob(&self, registry: Id, digest: &Digest, n: u32) -> Result<Vec<String>> {
        let sql = "SELECT repository FROM blob_link WHERE registry = $1 AND digest = $2 ORDER BY repository LIMIT $3";
        let rows = self.engine().all(sql, values![registry, digest, i64::from(n)]).await?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    /// Gives a repository a blob of another one; false = the other one does not have it.
    pub async fn mount_blob(&self, registry: Id, from: &str, to: &str, digest: &Digest) -> Result<bool> {
        if self.has_blob(registry, from, digest).await?.is_none() {
            return Ok(false);
        }
        let mut tx = self.engine().begin().await?;
        let link = "INSERT INTO blob_link (registry, repository, digest) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        tx.run(link, values![registry, to, digest]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes a blob out of a repository; false = it was not there, `Error::Conflict` = a manifest there names it. The bytes stay while
    /// others may use them.
    pub async fn unlink_blob(&self, registry: Id, repository: &str, digest: &Digest, caller: &Caller) -> Result<bool> {
        let Some(size) = self.has_blob(registry, repository, digest).await? else { return Ok(false) };
        // Pushes wait for the same lock: none finds the blob here that is gone when it is through.
        let mut write = self.write().await?;
        if let Some(image) = named_by(&mut write, registry, repository, digest).await? {
            let why = format!("manifest {image} of {repository} names this blob; delete the manifest first");
            return Err(Error::Conflict(why));
        }
        let sql = "DELETE FROM blob_link WHERE registry = $1 AND repository = $2 AND digest = $3";
        if write.run(sql, values![registry, repository, digest]).await? == 0 {
            return Ok(false);
        }
        let bytes = i64::try_from(size).unwrap_or(i64::MAX);
        let about = About { registry, repository, tag: "", digest, media_type: "", bytes };
        add_event(&mut write, Action::Delete, &about, caller).await?;
        add_log(&mut write, Action::Delete, &about, "", caller, 202).await?;
        write.commit().await?;
        Ok(true)
    }
}

/// Returns the digest of a manifest in a repository that names a blob.
async fn named_by(write: &mut Write<'_>, registry: Id, repository: &str, digest: &Digest) -> Result<Option<String>> {
    const HERE: &str = "FROM repository r JOIN repository_image p ON p.repository = r.id AND p.until = $3
        JOIN image i ON i.id = p.image JOIN manifest m ON m.image = i.id WHERE r.registry = $1 AND r.name = $2";
    let sql = format!(
        "SELECT i.digest {HERE} AND (m.config = $4 OR EXISTS (SELECT 1 FROM image_layer l WHERE l.image = i.id AND l.digest = $4)) LIMIT 1"
    );
    let found = write.one(&sql, values![registry, repository, Micros::FOREVER, digest]).await?;
    if let Some(row) = found {
        return row.text(0).map(Some);
    }
    // What is neither image nor index keeps its blobs in its text alone.
    let sql =
        format!("SELECT i.id, i.digest, m.content {HERE} AND m.config = '' AND i.id > $4 ORDER BY i.id LIMIT {PAGE}");
    let mut after: Id = 0;
    loop {
        let rows = write.tx.all(&sql, values![registry, repository, Micros::FOREVER, after]).await?;
        for row in &rows {
            after = row.int(0)?;
            if row.blob(2)?.windows(digest.as_str().len()).any(|part| part == digest.as_str().as_bytes()) {
                return row.text(1).map(Some);
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object store that is no folder, as S3 is.
    #[tokio::test]
    async fn blobs_go_to_an_object_store_and_come_back_in_parts() {
        let blobs = Blobs { folder: None, objects: Arc::new(object_store::memory::InMemory::new()) };
        let bytes: Vec<u8> = (0..20_000_000u32).map(|n| (n % 253) as u8).collect();
        let digest = Digest::sha256(&bytes);
        let folder = tempfile::tempdir().unwrap();
        let staged = folder.path().join("upload");
        std::fs::write(&staged, &bytes).unwrap();
        assert_eq!(blobs.size(&digest).await.unwrap(), None);
        assert!(matches!(blobs.read(&digest, None).await, Err(Error::NoBlob(_))));
        blobs.take(&staged, &digest).await.unwrap();
        assert!(!staged.exists());
        assert_eq!((blobs.size(&digest).await.unwrap(), blobs.path(&digest)), (Some(20_000_000), None));
        assert!(blobs.bytes(&digest, 20_000_000).await.unwrap() == bytes);
        assert!(blobs.bytes(&digest, 19_999_999).await.is_err(), "over the limit");
        let part = blobs.read(&digest, Some(9_000_000..9_000_005)).await.unwrap();
        let read: Vec<Bytes> = part.stream.try_collect().await.unwrap();
        assert_eq!(read.concat(), &bytes[9_000_000..9_000_005]);
    }
}
