//! One layer, read in one pass.
//!
//! In: the bytes of a layer blob as pushed: gzip (any number of members), zstd (any number of frames) or plain tar.
//! Out: the layer's inventory, or why there is none. Nothing is ever unpacked to a path.

mod gather;
mod path;

pub use crate::failure::Failure;

use crate::codec::Stream;
use crate::tar::{Kind, Walk};
use crate::{Content, Ecosystem, Entry, File, ReadSeek, Wants, kind};
use gather::Gathered;
use model::inventory::{FileReading, LayerInventory, Link, Note};
use model::overlay::followed;
use std::io::{self, Read};

/// Raised whenever the walker would give another inventory for the same bytes.
pub const REVISION: u32 = 2;

/// What reading one layer may cost. The defaults are for a whole image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the tar.
    pub entries: u64,
    /// Bytes after decompression.
    pub unpacked_bytes: u64,
    /// Packages found.
    pub packages: usize,
    /// Size of a file that is read in memory.
    pub whole_bytes: u64,
    /// Size of a file that is spilled to seek in.
    pub seekable_bytes: u64,
    /// Bytes of one extended header.
    pub pax_bytes: u64,
    /// Bytes of a path; a longer one cannot exist on Linux and its entry is passed over.
    pub path_bytes: usize,
    /// Bytes of a zstd window.
    pub zstd_window: u64,
    /// Bytes of the inventory, about.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 5_000_000,
            unpacked_bytes: 64 << 30,
            packages: 200_000,
            whole_bytes: 16 << 20,
            seekable_bytes: 512 << 20,
            pax_bytes: 1 << 20,
            path_bytes: 4096,
            zstd_window: 128 << 20,
            output_bytes: 256 << 20,
        }
    }
}

/// Where the bytes of a file go that its reader wants to seek in: one file at a time, used again for the next.
pub trait Spill {
    /// Forgets the file before and begins one of this size.
    fn start(&mut self, size: u64) -> io::Result<()>;
    /// Appends bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Ends the file, which can no longer change, and gives it, standing at its start.
    fn seal(&mut self) -> io::Result<&mut dyn ReadSeek>;
}

/// Keeps the file in memory: for tests, fuzzing and places without memory files.
#[derive(Debug, Default)]
pub struct SpillToMemory(io::Cursor<Vec<u8>>);

impl Spill for SpillToMemory {
    fn start(&mut self, _size: u64) -> io::Result<()> {
        self.0.get_mut().clear();
        self.0.set_position(0);
        Ok(())
    }
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().extend_from_slice(bytes);
        Ok(())
    }
    fn seal(&mut self) -> io::Result<&mut dyn ReadSeek> {
        Ok(&mut self.0)
    }
}

/// Reads one layer: decompresses, hashes the tar, walks it, and asks every ecosystem about every file.
pub fn read(input: impl Read, limits: &Limits, spill: &mut dyn Spill) -> Result<LayerInventory, Failure> {
    let mut stream = Stream::new(input, limits.unpacked_bytes, limits.zstd_window)?;
    let walk = Walk::new(&mut stream, limits.pax_bytes);
    let mut reader = Reader {
        walk,
        limits,
        spill,
        gathered: Gathered::new(limits),
        path: String::new(),
        head: Vec::new(),
        body: Vec::new(),
    };
    let mut entries = 0u64;
    while reader.walk.advance()? {
        entries = entries.saturating_add(1);
        reader.entry()?;
        // Folders need no entries of their own: a few long paths can make many.
        if entries.max(reader.gathered.folders()) > limits.entries {
            return Err(Failure::LimitEntries(limits.entries));
        }
    }
    if entries > 0 && !reader.walk.end_marker() {
        reader.gathered.note("layer-unreadable", "", "the tar has no end marker; all its files were read", false);
    }
    let mut inventory = reader.gathered.finish();
    let behind = stream.behind_end()?;
    if behind > 0 {
        let text = format!("{behind} bytes stand behind the end of the tar; no extractor reads them");
        inventory.notes.push(Note { code: "layer-unreadable".to_owned(), path: String::new(), text, gap: false });
    }
    let (digest, unpacked_bytes, bytes) = stream.finish()?;
    inventory.diff_id = digest.as_str().to_owned();
    (inventory.unpacked_bytes, inventory.bytes, inventory.entries) = (unpacked_bytes, bytes, entries);
    Ok(inventory)
}

/// A layer on the way through it; buffers are used again for every entry.
struct Reader<'a, 's, 'r> {
    walk: Walk<'s, 'r>,
    limits: &'a Limits,
    spill: &'a mut dyn Spill,
    gathered: Gathered<'a>,
    path: String,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Reader<'_, '_, '_> {
    fn entry(&mut self) -> Result<(), Failure> {
        let member = self.walk.member();
        if member.name.len() > self.limits.path_bytes {
            self.gathered.note("file-unreadable", "", "a path too long for any Linux system was passed over", false);
            return Ok(());
        }
        path::normalise(&member.name, &mut self.path);
        let kind = member.kind;
        if self.path.is_empty() && kind != Kind::Folder {
            self.gathered.note("file-unreadable", "", "a file without a name was passed over", false);
            return Ok(());
        }
        if self.gathered.whiteout(&self.path)? {
            return Ok(());
        }
        match kind {
            Kind::Folder => self.gathered.folder(&self.path),
            Kind::File => self.file()?,
            Kind::Hardlink => self.hard_link()?,
            Kind::Symlink => self.symbolic_link()?,
            Kind::Special => self.gathered.other(&self.path, true),
            Kind::Unknown(letter) => {
                let text = format!("an entry of the unknown type {:?} was passed over", char::from(letter));
                self.gathered.note("file-unreadable", &self.path, text, false);
            }
        }
        Ok(())
    }

    fn file(&mut self) -> Result<(), Failure> {
        let size = self.walk.member().size;
        let head = self.walk.head()?;
        let entry = Entry { path: &self.path, size, head };
        let Some((ecosystem, wants)) = wanted(&entry) else {
            self.gathered.other(&self.path, could_tell(&entry));
            return Ok(());
        };
        self.head.clear();
        self.head.extend_from_slice(head);
        let reading = match wants {
            Wants::Skip => return Ok(()),
            Wants::Whole => self.whole(ecosystem, size)?,
            Wants::Seekable => self.seekable(ecosystem, size)?,
        };
        self.gathered.other(&self.path, true);
        self.gathered.reading(&self.path, size, &self.head, reading)
    }

    fn whole(&mut self, ecosystem: &dyn Ecosystem, size: u64) -> Result<FileReading, Failure> {
        if size > self.limits.whole_bytes {
            return Ok(too_large(size, self.limits.whole_bytes));
        }
        self.body.clear();
        // No more than the limit above, however large the file claims to be.
        self.body.reserve_exact(usize::try_from(size).unwrap_or(0));
        let body = &mut self.body;
        self.walk.body(&mut |piece| body.extend_from_slice(piece))?;
        Ok(ecosystem.read(&mut File { path: &self.path, size, content: Content::Whole(&self.body) }))
    }

    fn seekable(&mut self, ecosystem: &dyn Ecosystem, size: u64) -> Result<FileReading, Failure> {
        if size > self.limits.seekable_bytes {
            return Ok(too_large(size, self.limits.seekable_bytes));
        }
        let spill = &mut *self.spill;
        let mut result = spill.start(size);
        self.walk.body(&mut |piece| {
            if result.is_ok() {
                result = spill.write(piece);
            }
        })?;
        let content = match result.and_then(|()| spill.seal()) {
            Ok(content) => Content::Seekable(content),
            Err(error) => return Ok(unread("file-unreadable", format!("no memory to read it in: {error}"))),
        };
        Ok(ecosystem.read(&mut File { path: &self.path, size, content }))
    }

    /// A hard link to a file that was read counts as that file at the new path, if a file of this name would be read.
    fn hard_link(&mut self) -> Result<(), Failure> {
        let mut target = String::new();
        path::normalise(&self.walk.member().link, &mut target);
        if target == self.path {
            return Ok(());
        }
        self.gathered.other(&self.path, true);
        if let Some((reading, size, head)) = self.gathered.read_before(&target) {
            if wanted(&Entry { path: &self.path, size, head: &head }).is_some() {
                self.gathered.reading(&self.path, size, &head, reading)?;
            }
        } else if !self.gathered.has(&target) {
            self.gathered.link(Link { path: self.path.clone(), target, hard: true })?;
        } else if wanted(&Entry { path: &self.path, size: 0, head: &[] }).is_some() {
            let text = format!("a hard link to {target}, which was not read under that name");
            self.gathered.note("file-unreadable", &self.path, text, true);
        }
        Ok(())
    }

    fn symbolic_link(&mut self) -> Result<(), Failure> {
        self.gathered.other(&self.path, true);
        if followed(&self.path) {
            let mut target = String::new();
            path::follow(&self.path, &self.walk.member().link, &mut target);
            self.gathered.link(Link { path: self.path.clone(), target, hard: false })?;
        }
        Ok(())
    }
}

/// Returns the first ecosystem that wants a file.
fn wanted(entry: &Entry<'_>) -> Option<(&'static dyn Ecosystem, Wants)> {
    kind::ALL.iter().map(|kind| (*kind, kind.wants(entry))).find(|(_, wants)| *wants != Wants::Skip)
}

/// Returns whether a file that nobody wants could stand where a layer below has a reading or a folder with readings.
///
/// Left out are only files that are plainly data by their name, unless their folder is one whose folders are packages. Keeps the
/// inventory of a layer small: three of four files of a Debian layer are of this sort.
fn could_tell(entry: &Entry<'_>) -> bool {
    const DATA: [&str; 26] = [
        "c", "cc", "css", "gif", "gmo", "gz", "h", "hpp", "htm", "html", "jpg", "list", "map", "md", "md5sums", "mo",
        "png", "pm", "po", "py", "pyc", "pyi", "rst", "svg", "ts", "txt",
    ];
    let name = entry.path.rsplit('/').next().unwrap_or("");
    let is_data = name.rsplit_once('.').is_some_and(|(_, extension)| DATA.contains(&extension));
    let folder = path::parent(entry.path).rsplit('/').next().unwrap_or("");
    !is_data || matches!(folder, "node_modules" | "site-packages" | "dist-packages" | "info") || folder.starts_with('@')
}

fn too_large(size: u64, limit: u64) -> FileReading {
    unread("file-too-large", format!("it has {size} bytes; the limit is {limit}"))
}

fn unread(code: &str, text: String) -> FileReading {
    let note = Note { code: code.to_owned(), path: String::new(), text, gap: true };
    FileReading { notes: vec![note], ..FileReading::default() }
}

#[cfg(test)]
#[path = "layer/tests.rs"]
mod tests;
