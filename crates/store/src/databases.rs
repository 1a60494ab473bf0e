//! Advisory databases on their way from the worker that built one to the others, through the blob store.
//!
//! In: the file of a generation, put there by whoever puts it in force. Out: the same bytes, held against their digest.
//! Workers on PostgreSQL have data folders of their own and fetch feeds each for itself: with the file of the generation in force all of
//! them judge by the same advisories. On SQLite every process shares the folder. Files lie in `databases/`, apart from blobs; the
//! newest three stay.

use crate::engine::values;
use crate::write::Write;
use crate::{Error, Result, Store};
use aws_lc_rs::digest::{Context, SHA256};
use futures_util::TryStreamExt;
use model::digest::Algorithm;
use model::{Digest, Micros};
use object_store::ObjectStoreExt;
use object_store::path::Path as ObjectPath;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Generations that are remembered, and of which the files stay.
const REMEMBERED: i64 = 8;
const FILES: usize = 3;
/// A file that no row names may be on its way for so long.
const ARRIVING: i64 = 3_600_000_000;
/// Read at a time.
const PART: usize = 256 << 10;

/// A database that a process wants to put in force.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfferedDatabase<'a> {
    /// Its number.
    pub generation: i64,
    /// What it says.
    pub content_hash: &'a str,
    /// When it was built.
    pub built: Micros,
    /// Digest and length of its file in the blob store, if it is there.
    pub file: Option<(&'a Digest, u64)>,
}

/// A generation that is, or was lately, in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDatabase {
    /// Its number.
    pub generation: i64,
    /// What it says.
    pub content_hash: String,
    /// When it was built; 0 = not known.
    pub built: Micros,
    /// Digest and length of its file in the blob store, if it is there.
    pub file: Option<(Digest, u64)>,
}

/// Writes down what a generation says, and forgets the oldest ones.
pub(crate) async fn remember(write: &mut Write<'_>, offered: &OfferedDatabase<'_>) -> Result<()> {
    let (file, bytes) = offered.file.map_or(("", 0), |(digest, bytes)| (digest.as_str(), bytes));
    let sql = "INSERT INTO generation (number, content_hash, built, file, bytes) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (number) DO UPDATE
        SET content_hash = excluded.content_hash, built = excluded.built, file = excluded.file, bytes = excluded.bytes
        WHERE excluded.file <> '' OR generation.content_hash <> excluded.content_hash OR (generation.built = 0 AND generation.file = '')";
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    write.run(sql, values![offered.generation, offered.content_hash, offered.built, file, bytes]).await?;
    let old = "DELETE FROM generation WHERE number NOT IN (SELECT number FROM generation ORDER BY number DESC LIMIT $1)
        AND number <> (SELECT swept FROM knowledge WHERE one = 1)";
    write.run(old, values![REMEMBERED]).await?;
    Ok(())
}

impl Store {
    /// Returns whether workers may have data folders of their own, so that databases go through the blob store.
    pub fn shares_databases(&self) -> bool {
        self.engine().is_shared()
    }

    /// Puts a database's file into the blob store, unless it is there. Returns its digest and length.
    pub async fn put_database(&self, file: &Path) -> Result<(Digest, u64)> {
        let (digest, bytes) = hash_file(file).await.map_err(Error::disk("read the advisory database"))?;
        let (blobs, place) = (self.blobs(), place(&digest));
        match blobs.objects().head(&place).await {
            Ok(there) if there.size == bytes => {}
            Ok(_) | Err(object_store::Error::NotFound { .. }) => blobs.send(file, &place).await?,
            Err(why) => return Err(why.into()),
        }
        Ok((digest, bytes))
    }

    /// Returns what is known of a generation.
    pub async fn known_database(&self, generation: i64) -> Result<Option<KnownDatabase>> {
        let sql = "SELECT content_hash, built, file, bytes FROM generation WHERE number = $1";
        let Some(row) = self.engine().one(sql, values![generation]).await? else { return Ok(None) };
        let file = row.text(2)?;
        let file = if file.is_empty() { None } else { Some((row.digest(2)?, u64::try_from(row.int(3)?).unwrap_or(0))) };
        Ok(Some(KnownDatabase { generation, content_hash: row.text(0)?, built: row.at(1)?, file }))
    }

    /// Writes a database's file from the blob store to a path; fails if its bytes are not those of its digest.
    pub async fn get_database(&self, digest: &Digest, bytes: u64, to: &Path) -> Result<()> {
        let found = match self.blobs().objects().get(&place(digest)).await {
            Err(object_store::Error::NotFound { .. }) => return Err(Error::NoBlob(digest.clone())),
            found => found?,
        };
        let failed = || Error::disk("write the advisory database");
        let mut file = tokio::fs::File::create(to).await.map_err(failed())?;
        let (mut parts, mut hash, mut length) = (found.into_stream(), Context::new(&SHA256), 0);
        while let Some(part) = parts.try_next().await? {
            length += part.len() as u64;
            if length > bytes {
                return Err(Error::damaged("advisory database", format!("{digest} has more than {bytes} bytes")));
            }
            hash.update(&part);
            file.write_all(&part).await.map_err(failed())?;
        }
        file.sync_all().await.map_err(failed())?;
        let got = Digest::from_hash(Algorithm::Sha256, hash.finish().as_ref());
        if got == *digest { Ok(()) } else { Err(Error::DigestMismatch { want: digest.clone(), got }) }
    }

    /// Removes the files of all but the newest generations, and what was left on its way.
    pub async fn trim_databases(&self) -> Result<()> {
        let sql = format!(
            "SELECT number, file, {} FROM generation WHERE file <> '' ORDER BY number DESC",
            self.engine().clock()
        );
        let rows = self.engine().all(&sql, values![]).await?;
        let mut kept = Vec::new();
        for (n, row) in rows.iter().enumerate() {
            if n < FILES {
                kept.push(place(&row.digest(1)?));
                continue;
            }
            let mut tx = self.engine().begin().await?;
            tx.run("UPDATE generation SET file = '', bytes = 0 WHERE number = $1", values![row.int(0)?]).await?;
            tx.commit().await?;
        }
        let Some(now) = rows.first().map(|row| row.int(2)).transpose()? else { return Ok(()) };
        let there: Vec<_> = self.blobs().objects().list(Some(&ObjectPath::from(FOLDER))).try_collect().await?;
        let old = |made: i64| made < now.saturating_sub(ARRIVING);
        for object in there.iter().filter(|o| !kept.contains(&o.location) && old(o.last_modified.timestamp_micros())) {
            self.blobs().objects().delete(&object.location).await?;
        }
        Ok(())
    }
}

const FOLDER: &str = "databases";

fn place(digest: &Digest) -> ObjectPath {
    ObjectPath::from(format!("{FOLDER}/{}.pwdb", digest.hex()))
}

async fn hash_file(path: &Path) -> std::io::Result<(Digest, u64)> {
    let mut file = tokio::fs::File::open(path).await?;
    file.set_max_buf_size(PART);
    let (mut hash, mut length, mut buffer) = (Context::new(&SHA256), 0, vec![0; PART]);
    loop {
        let n = file.read(&mut buffer).await?;
        if n == 0 {
            return Ok((Digest::from_hash(Algorithm::Sha256, hash.finish().as_ref()), length));
        }
        hash.update(buffer.get(..n).unwrap_or_default());
        length += n as u64;
    }
}
