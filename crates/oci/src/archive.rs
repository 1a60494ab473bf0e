//! Image archives: `docker save` and OCI layouts in a tar file, plain or gzipped, from disk or standard input.
//!
//! In: a tar file. Out: as for a layout. Nothing is unpacked: members are found once and read where they are, each through a handle of
//! its own, as layers are read side by side.
//! `docker save` files (`manifest.json`, no `index.json`) have no manifest; it is made up from what they hold. Layers are plain where
//! Docker wrote them, compressed where crane, kaniko, ko or jib did; diff ids are of the plain bytes either way.

use crate::{Body, DOCUMENT_LIMIT_BYTES, Error, Root, layout};
use aws_lc_rs::digest::{Context, SHA256};
use model::Digest;
use model::digest::Algorithm;
use model::manifest::{LIMIT_CHILDREN, LIMIT_LAYERS, is_compressed};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// More members than any image has: an archive with more is refused rather than held in memory.
const MEMBER_LIMIT: usize = 100_000;
/// As much of a member as is hashed at a time.
const PIECE_BYTES: usize = 256 << 10;

/// A tar file with the places of its members.
#[derive(Debug)]
pub(crate) struct Archive {
    what: String,
    file: File,
    /// Where the file can be opened again.
    path: PathBuf,
    /// Keeps an inflated or piped archive until nobody reads it any more.
    _temporary: Option<NamedTempFile>,
    members: HashMap<String, (u64, u64)>,
    wanted: Option<String>,
    /// Manifests made up for old `docker save` files, and the member of each layer by its digest.
    made: Option<Made>,
}

#[derive(Debug)]
struct Made {
    documents: HashMap<Digest, Vec<u8>>,
    layers: HashMap<Digest, String>,
    roots: Vec<(Digest, Option<String>)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct SavedConfig {
    rootfs: SavedRootfs,
}

#[derive(Deserialize)]
struct SavedRootfs {
    diff_ids: Vec<Digest>,
}

impl Archive {
    /// Opens an archive on disk; a tag or a digest limits the roots to one.
    pub(crate) fn open(path: &Path, wanted: Option<&str>) -> Result<Self, Error> {
        let what = path.display().to_string();
        let file = File::open(path).map_err(|source| Error::Read { path: what.clone(), source })?;
        match unzipped(file, &what)? {
            (file, None) => Self::of(file, path.to_owned(), None, what, wanted),
            (file, Some(temporary)) => Self::of(file, temporary.path().to_owned(), Some(temporary), what, wanted),
        }
    }

    /// Opens what was piped into a temporary file.
    pub(crate) fn piped(temporary: NamedTempFile) -> Result<Self, Error> {
        let what = "standard input".to_owned();
        let file = temporary.reopen().map_err(|source| Error::Read { path: what.clone(), source })?;
        match unzipped(file, &what)? {
            (file, None) => Self::of(file, temporary.path().to_owned(), Some(temporary), what, None),
            (file, Some(inflated)) => Self::of(file, inflated.path().to_owned(), Some(inflated), what, None),
        }
    }

    fn of(
        mut file: File,
        path: PathBuf,
        temporary: Option<NamedTempFile>,
        what: String,
        wanted: Option<&str>,
    ) -> Result<Self, Error> {
        let members = members(&mut file, &what)?;
        let wanted = wanted.map(str::to_owned);
        let mut archive = Self { what, file, path, _temporary: temporary, members, wanted, made: None };
        if archive.members.contains_key("index.json") {
            return Ok(archive);
        }
        if !archive.members.contains_key("manifest.json") {
            let why = "it holds neither index.json (OCI layout) nor manifest.json (docker save)";
            return Err(Error::NotAnImage { what: archive.what, why: why.into() });
        }
        archive.made = Some(archive.make()?);
        Ok(archive)
    }

    /// The images of the archive.
    pub(crate) fn roots(&self) -> Result<Vec<Root>, Error> {
        let Some(made) = &self.made else {
            return layout::roots(&self.member("index.json")?, &self.what, self.wanted.as_deref(), |d| {
                self.document(d)
            });
        };
        let chosen = |(digest, tag): &&(Digest, Option<String>)| {
            self.wanted.as_deref().is_none_or(|w| tag.as_deref() == Some(w) || digest.as_str() == w)
        };
        let roots = made.roots.iter().filter(chosen).map(|(digest, tag)| Root {
            digest: digest.clone(),
            media_type: DOCKER_MANIFEST.into(),
            bytes: made.documents.get(digest).cloned().unwrap_or_default(),
            tag: tag.clone(),
        });
        let roots: Vec<Root> = roots.collect();
        if roots.is_empty() {
            let name = format!("image {}", self.wanted.as_deref().unwrap_or(""));
            return Err(Error::NotFound { what: self.what.clone(), name, hint: String::new() });
        }
        Ok(roots)
    }

    /// The verified bytes of a manifest or configuration.
    pub(crate) fn document(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        if let Some(bytes) = self.made.as_ref().and_then(|m| m.documents.get(digest)) {
            return Ok(bytes.clone());
        }
        layout::verified(self.member(&blob_name(digest))?, digest)
    }

    /// A layer, as the place of its member.
    pub(crate) fn layer(&self, digest: &Digest) -> Result<Body, Error> {
        let name = self.made.as_ref().and_then(|m| m.layers.get(digest)).cloned().unwrap_or_else(|| blob_name(digest));
        let (offset, size) = self.place(&name)?;
        let file = File::open(&self.path).map_err(|source| self.read_error(source))?;
        Ok(Body::File { file, offset, size })
    }

    fn make(&self) -> Result<Made, Error> {
        let not_an_image = |why: String| Error::NotAnImage { what: self.what.clone(), why };
        let saved: Vec<Saved> = serde_json::from_slice(&self.member("manifest.json")?)
            .map_err(|e| not_an_image(format!("manifest.json is not readable: {e}")))?;
        let mut made = Made { documents: HashMap::new(), layers: HashMap::new(), roots: Vec::new() };
        let most = saved.iter().map(|image| image.layers.len()).max().unwrap_or(0);
        if most > LIMIT_LAYERS || saved.len() > LIMIT_CHILDREN {
            let limits = format!("an archive has {LIMIT_CHILDREN} images of {LIMIT_LAYERS} layers at most");
            return Err(not_an_image(format!("{} images, {most} layers in one: {limits}", saved.len())));
        }
        let mut hashed: HashMap<String, Option<Digest>> = HashMap::new(); // a layer that many images list is hashed once
        for image in saved {
            let config = self.member(&image.config)?;
            let parsed: SavedConfig = serde_json::from_slice(&config)
                .map_err(|e| not_an_image(format!("{} is not readable: {e}", image.config)))?;
            let diff_ids = parsed.rootfs.diff_ids;
            if diff_ids.len() != image.layers.len() {
                let why = format!("{} layers but {} diff ids", image.layers.len(), diff_ids.len());
                return Err(not_an_image(why));
            }
            let config_digest = Digest::sha256(&config);
            let mut layers = Vec::new();
            for (name, diff_id) in image.layers.iter().zip(&diff_ids) {
                let (_, size) = self.place(name)?;
                let known = match hashed.get(name) {
                    Some(known) => known.clone(),
                    None => hashed.entry(name.clone()).or_insert(self.compressed(name)?).clone(),
                };
                let (digest, media_type) = match known {
                    Some(digest) => (digest, DOCKER_LAYER_GZIP),
                    None => (diff_id.clone(), DOCKER_LAYER), // a claim, which whoever reads the layer holds against its bytes
                };
                layers.push(serde_json::json!({"mediaType": media_type, "digest": digest, "size": size}));
                made.layers.insert(digest, name.clone());
            }
            let manifest = serde_json::json!({
                "schemaVersion": 2, "mediaType": DOCKER_MANIFEST,
                "config": {"mediaType": DOCKER_CONFIG, "digest": config_digest, "size": config.len()},
                "layers": layers,
            });
            let manifest = manifest.to_string().into_bytes();
            let digest = Digest::sha256(&manifest);
            made.documents.insert(config_digest, config);
            made.documents.insert(digest.clone(), manifest);
            let tag = image.repo_tags.unwrap_or_default().into_iter().next();
            made.roots.push((digest, tag));
        }
        Ok(made)
    }

    /// The digest of a compressed member; nothing for a plain one.
    fn compressed(&self, name: &str) -> Result<Option<Digest>, Error> {
        let (offset, size) = self.place(name)?;
        let mut piece = vec![0; PIECE_BYTES];
        let (mut hash, mut done) = (Context::new(&SHA256), 0);
        while done < size {
            let wanted = usize::try_from(size - done).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let part = piece.get_mut(..wanted).unwrap_or_default();
            self.file.read_exact_at(part, offset + done).map_err(|source| self.read_error(source))?;
            if done == 0 && !is_compressed(part) {
                return Ok(None);
            }
            hash.update(part);
            done += wanted as u64;
        }
        Ok((size > 0).then(|| Digest::from_hash(Algorithm::Sha256, hash.finish().as_ref())))
    }

    fn member(&self, name: &str) -> Result<Vec<u8>, Error> {
        let (offset, size) = self.place(name)?;
        if size > DOCUMENT_LIMIT_BYTES {
            return Err(Error::TooLarge {
                what: format!("{name} in {}", self.what),
                limit_bytes: DOCUMENT_LIMIT_BYTES,
            });
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, offset).map_err(|source| self.read_error(source))?;
        Ok(bytes)
    }

    fn place(&self, name: &str) -> Result<(u64, u64), Error> {
        self.members.get(name).copied().ok_or_else(|| Error::NotFound {
            what: self.what.clone(),
            name: format!("member {name}"),
            hint: "; the archive is not complete".into(),
        })
    }

    fn read_error(&self, source: std::io::Error) -> Error {
        Error::Read { path: self.what.clone(), source }
    }
}

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

fn blob_name(digest: &Digest) -> String {
    let algorithm = digest.as_str().split(':').next().unwrap_or("sha256");
    format!("blobs/{algorithm}/{}", digest.hex())
}

/// Finds the members of a tar; symbolic links, with which old `docker save` shares layers, are followed once.
fn members(file: &mut File, what: &str) -> Result<HashMap<String, (u64, u64)>, Error> {
    let broken =
        |e: std::io::Error| Error::NotAnImage { what: what.into(), why: format!("not a readable tar archive: {e}") };
    file.seek(SeekFrom::Start(0)).map_err(broken)?;
    let mut places = HashMap::new();
    let mut links = Vec::new();
    let mut archive = tar::Archive::new(&mut *file);
    for entry in archive.entries_with_seek().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        if entry.header().entry_type().is_file() {
            places.insert(name, (entry.raw_file_position(), entry.size()));
        } else if let Some(target) = entry.link_name_bytes() {
            links.push((name, String::from_utf8_lossy(&target).into_owned()));
        }
        if places.len() > MEMBER_LIMIT {
            return Err(Error::NotAnImage { what: what.into(), why: format!("more than {MEMBER_LIMIT} members") });
        }
    }
    for (name, target) in links {
        let target = target.trim_start_matches("../");
        if let Some(place) = places.get(target).copied() {
            places.insert(name, place);
        }
    }
    Ok(places)
}

/// Inflates a gzipped archive into a temporary file, as members are read out of order.
fn unzipped(mut file: File, what: &str) -> Result<(File, Option<NamedTempFile>), Error> {
    let read = |source| Error::Read { path: what.to_owned(), source };
    let mut magic = [0; 2];
    let n = file.read(&mut magic).map_err(read)?;
    file.seek(SeekFrom::Start(0)).map_err(read)?;
    if n < 2 || magic != [0x1f, 0x8b] {
        return Ok((file, None));
    }
    let mut plain = NamedTempFile::new().map_err(read)?;
    std::io::copy(&mut flate2::read::MultiGzDecoder::new(file), &mut plain).map_err(read)?;
    let file = plain.reopen().map_err(read)?;
    Ok((file, Some(plain)))
}
