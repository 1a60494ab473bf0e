//! What is gathered on the way through a layer.
//!
//! In: one entry after the other. Out: the layer's inventory.

use super::path::{self, Whiteout};
use super::{Failure, Limits};
use model::inventory::{FileReading, Found, LayerInventory, Link, Note, PathSet, Removed};
use std::collections::{BTreeMap, BTreeSet, HashSet, hash_map::DefaultHasher};
use std::hash::BuildHasherDefault;

/// Bytes of a file's beginning that are kept to offer a hard link to it.
const HEAD_KEPT: usize = 64;
/// Notes of one layer; what is over it is counted in a last note.
const NOTES: usize = 1000;
/// Bytes of a package's name or version; what is longer is damage or an attack.
const TEXT_BYTES: usize = 1024;

/// Keys without randomness: the same layer gives the same inventory, and nothing is asked of the system.
type Hashes = HashSet<u64, BuildHasherDefault<DefaultHasher>>;

/// A reading, and what a hard link to its file must be offered with.
struct Read {
    reading: FileReading,
    size: u64,
    head: Box<[u8]>,
}

/// The entries of a layer so far.
pub struct Gathered<'a> {
    limits: &'a Limits,
    files: BTreeMap<String, Read>,
    /// Paths of `files` and their folders: most entries touch none of them.
    near_files: Hashes,
    /// All paths that are no folders.
    present: Hashes,
    others: Vec<u64>,
    folders: Hashes,
    declared: Vec<u64>,
    last_folder: Option<u64>,
    ancestors: Vec<u64>,
    removed: BTreeSet<Removed>,
    links: BTreeMap<String, Link>,
    notes: Vec<Note>,
    notes_over: usize,
    packages: usize,
    output: u64,
}

impl<'a> Gathered<'a> {
    /// Begins with nothing.
    pub fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            files: BTreeMap::new(),
            near_files: Hashes::default(),
            present: Hashes::default(),
            others: Vec::new(),
            folders: Hashes::default(),
            declared: Vec::new(),
            last_folder: None,
            ancestors: Vec::new(),
            removed: BTreeSet::new(),
            links: BTreeMap::new(),
            notes: Vec::new(),
            notes_over: 0,
            packages: 0,
            output: 0,
        }
    }

    /// Takes a folder.
    pub fn folder(&mut self, path: &str) {
        let hash = self.enter(path);
        if !path.is_empty() {
            self.folders.insert(hash);
            if model::overlay::followed(path) && !self.declared.contains(&hash) {
                self.declared.push(hash);
            }
            if self.near_files.contains(&hash) {
                self.files.remove(path);
                self.links.remove(path);
            }
        }
    }

    /// Takes anything but a folder at this path: it replaces what the layer said of the path before. `telling` is whether a
    /// reading or a folder of a layer below could have this path.
    pub fn other(&mut self, path: &str, telling: bool) {
        let hash = self.enter(path);
        self.present.insert(hash);
        if telling {
            self.others.push(hash);
        }
        if self.near_files.contains(&hash) {
            self.files.remove(path);
            self.links.remove(path);
            let under = format!("{path}/");
            let gone: Vec<String> = keys_under(&self.files, &under).chain(keys_under(&self.links, &under)).collect();
            for path in gone {
                self.files.remove(&path);
                self.links.remove(&path);
            }
        }
    }

    /// Keeps what a file told; `other` was called for its path before.
    pub fn reading(&mut self, path: &str, size: u64, head: &[u8], mut reading: FileReading) -> Result<(), Failure> {
        reading.path = path.to_owned();
        self.tidy(&mut reading);
        if reading.packages.is_empty()
            && reading.owned.is_empty()
            && reading.facts.is_empty()
            && reading.notes.is_empty()
        {
            return Ok(());
        }
        self.packages = self.packages.saturating_add(reading.packages.len());
        if self.packages > self.limits.packages {
            return Err(Failure::LimitPackages(self.limits.packages));
        }
        self.charge(size_of(&reading))?;
        self.near(path);
        let head = head.get(..HEAD_KEPT).unwrap_or(head).into();
        self.files.insert(path.to_owned(), Read { reading, size, head });
        Ok(())
    }

    /// Returns the reading of a path, with the size and the first bytes of the file.
    pub fn read_before(&self, path: &str) -> Option<(FileReading, u64, Box<[u8]>)> {
        self.files.get(path).map(|read| (read.reading.clone(), read.size, read.head.clone()))
    }

    /// Returns whether the layer has anything but a folder at this path.
    pub fn has(&self, path: &str) -> bool {
        self.present.contains(&model::inventory::path_hash(path))
    }

    /// Returns how many folders there are, those without an entry of their own too.
    pub fn folders(&self) -> u64 {
        self.folders.len() as u64
    }

    /// Keeps a link; `other` was called for its path before.
    pub fn link(&mut self, link: Link) -> Result<(), Failure> {
        self.charge((link.path.len().saturating_add(link.target.len()) as u64).saturating_add(40))?;
        self.near(&link.path);
        self.links.insert(link.path.clone(), link);
        Ok(())
    }

    /// Takes a whiteout. Returns whether the path was one.
    pub fn whiteout(&mut self, path: &str) -> Result<bool, Failure> {
        let removed = match path::whiteout(path) {
            Whiteout::No => return Ok(false),
            Whiteout::Nothing => return Ok(true),
            Whiteout::Path(path) => Removed::Path(path),
            Whiteout::Under(folder) => Removed::Under(folder),
        };
        self.charge((path.len() as u64).saturating_add(16))?;
        self.removed.insert(removed);
        Ok(true)
    }

    /// Keeps a note on a path of this layer.
    pub fn note(&mut self, code: &str, path: &str, text: impl Into<String>, gap: bool) {
        if self.notes.len() < NOTES {
            self.notes.push(Note { code: code.to_owned(), path: path.to_owned(), text: text.into(), gap });
        } else {
            self.notes_over = self.notes_over.saturating_add(1);
        }
    }

    /// Ends: the inventory without digest and sizes.
    pub fn finish(mut self) -> LayerInventory {
        if self.notes_over > 0 {
            let text = format!("{} more notes of this layer were left out", self.notes_over);
            self.notes.push(Note { code: "file-unreadable".to_owned(), path: String::new(), text, gap: true });
        }
        let files: Vec<FileReading> = self.files.into_values().map(|read| read.reading).collect();
        let mut read: Vec<u64> = files.iter().map(|file| model::inventory::path_hash(&file.path)).collect();
        read.sort_unstable();
        self.others.retain(|hash| read.binary_search(hash).is_err());
        self.notes.sort();
        LayerInventory {
            files,
            removed: self.removed.into_iter().collect(),
            others: PathSet::new(self.others),
            folders: PathSet::new(self.folders.into_iter().collect()),
            declared: PathSet::new(self.declared),
            links: self.links.into_values().collect(),
            notes: self.notes,
            ..LayerInventory::default()
        }
    }

    /// Hashes a path and takes note of its folders, which need not have entries of their own.
    fn enter(&mut self, path: &str) -> u64 {
        let hash = path::hashes(path, &mut self.ancestors);
        let folder = self.ancestors.last().copied();
        if folder != self.last_folder {
            self.last_folder = folder;
            let folders = &mut self.folders;
            let _known = self.ancestors.iter().rev().find(|ancestor| !folders.insert(**ancestor));
        }
        hash
    }

    fn near(&mut self, path: &str) {
        let hash = path::hashes(path, &mut self.ancestors);
        self.near_files.insert(hash);
        self.near_files.extend(self.ancestors.iter().copied());
    }

    fn charge(&mut self, bytes: u64) -> Result<(), Failure> {
        self.output = self.output.saturating_add(bytes);
        if self.output > self.limits.output_bytes {
            Err(Failure::LimitOutput(self.limits.output_bytes))
        } else {
            Ok(())
        }
    }

    /// Makes a reading fit to keep: no text that is absurdly long or breaks a line; notes know their path.
    fn tidy(&self, reading: &mut FileReading) {
        let before = reading.packages.len();
        reading.packages.retain(|found| texts(found).iter().all(|text| text.len() <= TEXT_BYTES));
        let dropped = before.saturating_sub(reading.packages.len());
        if dropped > 0 {
            let text = format!("{dropped} entries with a text of more than {TEXT_BYTES} bytes were left out");
            reading.notes.push(Note { code: "package-database".to_owned(), path: String::new(), text, gap: true });
        }
        for text in reading.packages.iter_mut().flat_map(texts_mut) {
            if let std::borrow::Cow::Owned(cleaned) = path::clean(text) {
                *text = cleaned;
            }
        }
        let over = reading.notes.len().saturating_sub(NOTES);
        reading.notes.truncate(NOTES);
        if over > 0 {
            let text = format!("{over} more notes of this file were left out");
            reading.notes.push(Note { code: "file-unreadable".to_owned(), path: String::new(), text, gap: true });
        }
        for note in &mut reading.notes {
            note.path.clone_from(&reading.path);
            note.text = path::clean(&note.text).chars().take(TEXT_BYTES).collect();
        }
    }
}

fn keys_under<'m, V>(map: &'m BTreeMap<String, V>, under: &'m str) -> impl Iterator<Item = String> + 'm {
    map.range(under.to_owned()..).map(|(path, _)| path).take_while(move |path| path.starts_with(under)).cloned()
}

fn texts(found: &Found) -> [&String; 7] {
    let Found { name, version, source, source_version, arch, module, origin, .. } = found;
    [name, version, source, source_version, arch, module, origin]
}

fn texts_mut(found: &mut Found) -> [&mut String; 7] {
    let Found { name, version, source, source_version, arch, module, origin, .. } = found;
    [name, version, source, source_version, arch, module, origin]
}

/// Bytes that a reading takes in the inventory, about.
fn size_of(reading: &FileReading) -> u64 {
    let packages = reading.packages.iter().flat_map(texts).map(|text| text.len().saturating_add(20));
    let owned = reading.owned.iter().map(|owned| owned.paths.as_slice().len().saturating_mul(10).saturating_add(40));
    let notes = reading.notes.iter().map(|note| note.text.len().saturating_add(note.path.len()).saturating_add(60));
    let sum = packages.chain(owned).chain(notes).fold(100, usize::saturating_add);
    sum.saturating_add(reading.path.len()) as u64
}
