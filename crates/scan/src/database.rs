//! The advisory database's files in a data folder.
//!
//! In: `DATA/db`: `<generation>.pwdb`, immutable, and `current`, which names the one in force.
//! Out: databases opened by mapping them; new ones written beside the old, made durable, then named; three are kept.
//! A file is never changed once it has its name, so a reader of an older generation is never disturbed.

use advisory::Database;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Generations kept: the one in force, the one that running scans may still hold, and one to go back to.
const KEPT: usize = 3;
/// More than any database of today: what is larger is not one, and is not copied.
const LIMIT_BYTES: u64 = 8 << 30;

/// Why a database could not be opened, written or swapped.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // for the fields, which the message names; variants are documented
pub enum Error {
    /// The disk failed.
    #[error("cannot {what} {path}")]
    File { what: &'static str, path: PathBuf, source: io::Error },
    /// The file is no database, or damaged, or of another format.
    #[error("cannot open the advisory database {path}; run `portwarden db update`")]
    Open { path: PathBuf, source: advisory::Error },
    /// There is none.
    #[error("there is no advisory database in {folder}; run `portwarden db update`")]
    None { folder: PathBuf },
    /// A database to import is not newer than the one in force.
    #[error("{path} is generation {offered}, and generation {current} is in force already; import a newer one")]
    Older { path: PathBuf, offered: i64, current: i64 },
    /// A database that another worker sent says something else than the one in force.
    #[error("{path} does not say what the database in force says ({wanted})")]
    Other { path: PathBuf, wanted: String },
    /// A database to import is too large to be one.
    #[error("{path} is larger than {LIMIT_BYTES} bytes and no advisory database")]
    TooLarge { path: PathBuf },
}

/// Opens a database file by mapping it.
pub fn open(path: &Path) -> Result<Database, Error> {
    let file = File::open(path).map_err(|source| Error::File { what: "open", path: path.into(), source })?;
    let bytes = map(&file).map_err(|source| Error::File { what: "map", path: path.into(), source })?;
    Database::open(Box::new(bytes)).map_err(|source| Error::Open { path: path.into(), source })
}

/// Maps a file to read it without copying.
#[allow(unsafe_code)] // the only mapping of this crate
pub(crate) fn map(file: &File) -> io::Result<memmap2::Mmap> {
    // SAFETY: a mapping is only as constant as its file. Every file mapped here lies in the data folder, is read-only, and is
    // replaced by renaming another one over it, never by writing into it or cutting it short. Whoever may write to the data
    // folder can stop the process anyway. The bytes are read as plain bytes, with every offset checked.
    unsafe { memmap2::Mmap::map(file) }
}

/// Where a database from another worker arrives, held by one process at a time.
pub(crate) struct Arrival {
    /// The file to write.
    pub(crate) path: PathBuf,
    /// Let go of when the process ends.
    _lock: File,
}

/// The folder of the databases.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Returns the folder of a data folder. Touches nothing.
    pub fn of(data: &Path) -> Self {
        Self(data.join("db"))
    }

    /// Returns the generation in force, `None` if there is none.
    pub fn current(&self) -> Result<Option<i64>, Error> {
        let path = self.0.join("current");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File { what: "read", path, source }),
        }
    }

    /// Opens the database in force.
    pub fn open_current(&self) -> Result<Database, Error> {
        let none = || Error::None { folder: self.0.clone() };
        open(&self.path(self.current()?.ok_or_else(none)?))
    }

    /// Opens the newest older database that is whole, for the case that the one in force is not.
    pub fn open_older(&self) -> Option<Database> {
        let mut kept = self.kept();
        kept.sort_unstable_by(|a, b| b.cmp(a));
        kept.into_iter().filter_map(|generation| open(&self.path(generation)).ok()).find(|db| db.verify().is_ok())
    }

    /// Returns the file of a generation.
    pub fn path(&self, generation: i64) -> PathBuf {
        self.0.join(format!("{generation}.pwdb"))
    }

    /// Writes a new generation, makes it durable, names it as the one in force, and removes the oldest beyond three.
    pub fn publish(&self, generation: i64, bytes: &[u8]) -> Result<(), Error> {
        self.make()?;
        store::fault::step("publish:begun");
        durably(&self.path(generation), |file| file.write_all(bytes))?;
        store::fault::step("publish:written");
        self.name(generation)
    }

    /// Copies a database from a file, after checking every byte of it, and puts it in force. Returns its generation.
    ///
    /// One of the generation in force or older is refused, so that nobody is led back to forgotten vulnerabilities.
    pub fn import(&self, from: &Path) -> Result<i64, Error> {
        self.make()?;
        let failed = |what, source| Error::File { what, path: from.into(), source };
        let mut source = File::open(from).map_err(|e| failed("open", e))?;
        if source.metadata().map_err(|e| failed("read", e))?.len() > LIMIT_BYTES {
            return Err(Error::TooLarge { path: from.into() });
        }
        // Copied first, then checked: what is checked is what is kept.
        let arrived = self.0.join(".import.pwdb");
        durably(&arrived, |file| io::copy(&mut source, file).map(drop))?;
        let damaged = |source| Error::Open { path: from.into(), source };
        let checked = open(&arrived).and_then(|db| db.verify().map(|()| db.generation()).map_err(damaged));
        let offered = checked.inspect_err(|_| drop(fs::remove_file(&arrived)))?;
        if let Some(current) = self.current()?.filter(|current| *current >= offered) {
            drop(fs::remove_file(&arrived));
            return Err(Error::Older { path: from.into(), offered, current });
        }
        let path = self.path(offered);
        fs::rename(&arrived, &path).map_err(|source| Error::File { what: "rename", path, source })?;
        self.name(offered)?;
        Ok(offered)
    }

    /// Copies the database in force to a file, after checking every byte of it. Returns its generation.
    pub fn export(&self, to: &Path) -> Result<i64, Error> {
        let generation = self.current()?.ok_or_else(|| Error::None { folder: self.0.clone() })?;
        let path = self.path(generation);
        open(&path)?.verify().map_err(|source| Error::Open { path: path.clone(), source })?;
        let mut source = File::open(&path).map_err(|source| Error::File { what: "open", path, source })?;
        durably(to, |file| io::copy(&mut source, file).map(drop))?;
        Ok(generation)
    }

    /// Returns the data folder.
    pub(crate) fn data(&self) -> &Path {
        self.0.parent().unwrap_or(&self.0)
    }

    /// Opens the kept database that says exactly this, whatever its number.
    pub(crate) fn open_content(&self, content_hash: &str) -> Option<Database> {
        let kept = self.kept().into_iter().filter_map(|generation| open(&self.path(generation)).ok());
        kept.into_iter().find(|db| db.content_hash() == content_hash)
    }

    /// Holds the place at which a database from another worker arrives; `None` while another process has it.
    pub(crate) fn arrival(&self) -> Result<Option<Arrival>, Error> {
        self.make()?;
        let path = self.0.join(".arriving.lock");
        let failed = |source| Error::File { what: "lock", path: path.clone(), source };
        let lock = File::create(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Arrival { path: self.0.join(".arriving.pwdb"), _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Names what arrived as the one in force, after checking every byte and what it says. Nothing is done (`None`) when the one in
    /// force is not `held` any more: then there is a newer one.
    pub(crate) fn take(&self, arrival: &Arrival, content_hash: &str, held: i64) -> Result<Option<Database>, Error> {
        let path = &arrival.path;
        let damaged = |source| Error::Open { path: path.clone(), source };
        let arrived = open(path)?;
        arrived.verify().map_err(damaged)?;
        if arrived.content_hash() != content_hash {
            return Err(Error::Other { path: path.clone(), wanted: content_hash.to_owned() });
        }
        if self.current()?.unwrap_or(0) != held {
            return Ok(None);
        }
        let generation = arrived.generation();
        let kept = self.path(generation);
        fs::rename(path, &kept).map_err(|source| Error::File { what: "rename", path: kept.clone(), source })?;
        self.name(generation)?;
        Ok(Some(arrived))
    }

    fn make(&self) -> Result<(), Error> {
        fs::create_dir_all(&self.0).map_err(|source| Error::File { what: "create", path: self.0.clone(), source })
    }

    fn name(&self, generation: i64) -> Result<(), Error> {
        durably(&self.0.join("current"), |file| writeln!(file, "{generation}"))?;
        store::fault::step("publish:named");
        let mut old: Vec<i64> = self.kept().into_iter().filter(|kept| *kept != generation).collect();
        old.sort_unstable_by(|a, b| b.cmp(a));
        for generation in old.into_iter().skip(KEPT - 1) {
            // A file that stays costs space only; the next update tries again.
            drop(fs::remove_file(self.path(generation)));
        }
        Ok(())
    }

    fn kept(&self) -> Vec<i64> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let generation = |name: &str| name.strip_suffix(".pwdb")?.parse().ok();
        entries.flatten().filter_map(|entry| generation(entry.file_name().to_str()?)).collect()
    }
}

/// Writes a file so that after a crash there is the old one or the whole new one: temporary name, sync, rename, sync of the folder.
pub(crate) fn durably(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), Error> {
    let failed = |what| move |source| Error::File { what, path: path.into(), source };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut name = std::ffi::OsString::from(".new-");
    name.push(path.file_name().unwrap_or_default());
    let temporary = folder.join(name);
    let written = (|| {
        let mut file = File::create(&temporary)?;
        write(&mut file)?;
        file.sync_all()?;
        store::fault::step("durably:synced");
        fs::rename(&temporary, path)
    })();
    if let Err(source) = written {
        drop(fs::remove_file(&temporary));
        return Err(failed("write")(source));
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync the folder of"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use advisory::Builder;
    use model::time::Micros;

    fn bytes(generation: i64) -> Vec<u8> {
        Builder::new().finish(generation, Micros(1), Vec::new())
    }

    #[test]
    fn three_generations_are_kept_and_the_newest_is_in_force() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::of(data.path());
        assert!(matches!(folder.open_current(), Err(Error::None { .. })));
        for generation in [9, 10, 11, 12] {
            folder.publish(generation, &bytes(generation)).unwrap();
            assert_eq!(folder.open_current().unwrap().generation(), generation);
        }
        let mut kept = folder.kept();
        kept.sort_unstable();
        assert_eq!(kept, [10, 11, 12]);
        assert_eq!(fs::read_dir(data.path().join("db")).unwrap().count(), 4, "no temporary file is left");
    }

    #[test]
    fn a_database_travels_as_a_file_and_a_damaged_or_older_one_is_refused() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (from, to) = (Folder::of(here.path()), Folder::of(there.path()));
        from.publish(7, &bytes(7)).unwrap();
        let file = here.path().join("portwarden.pwdb");
        assert_eq!(from.export(&file).unwrap(), 7);
        assert_eq!(to.import(&file).unwrap(), 7);
        assert_eq!(to.open_current().unwrap().generation(), 7);
        assert!(matches!(to.import(&file), Err(Error::Older { offered: 7, current: 7, .. })), "the same again");
        let whole = fs::read(&file).unwrap();
        for (cut, reason) in
            [(&whole[..whole.len() - 1], "cut short"), (&whole[..0], "empty"), (b"hello".as_slice(), "a text")]
        {
            fs::write(&file, cut).unwrap();
            assert!(matches!(to.import(&file), Err(Error::Open { .. } | Error::File { what: "map", .. })), "{reason}");
        }
        assert_eq!(to.current().unwrap(), Some(7));
        assert_eq!(fs::read_dir(there.path().join("db")).unwrap().count(), 2, "nothing of the refused ones is left");
    }
}
