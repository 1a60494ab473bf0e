//! Scanning without a server: what `portwarden scan` does.
//!
//! In: an image wherever it is, the sandbox, an advisory database.
//! Out: a report for every image that the reference names, in the order of the index.

use crate::image::{self, Image, Refused};
use crate::report::{LeftOut, Report};
use crate::sandbox::{Outcome, Sandbox};
use crate::{Error, error::in_full, layers};
use advisory::Database;
use model::Digest;
use model::inventory::Inventory;
use model::manifest::{Descriptor, Kind, Manifest, unpacks};
use oci::{Body, Root, Source};
use std::collections::{HashMap, HashSet};
use std::io::{Seek, SeekFrom};
use std::sync::Arc;
use store::{KeptLayer, LayerOutcome};
use tokio::sync::{Mutex, OnceCell};

/// An index within an index, and no further.
const LIMIT_DEPTH: usize = 2;

/// What is read once though many images have it.
type Known = Mutex<HashMap<Digest, Arc<OnceCell<Result<Arc<KeptLayer>, Refused>>>>>;

/// What came of a scan.
#[derive(Debug)]
pub struct Scanned {
    /// A report for every image.
    pub reports: Vec<Report>,
    /// What the reference lists and is no image.
    pub left_out: Vec<LeftOut>,
}

/// Scans every image that a source names.
///
/// `platform` (`linux/arm64`) chooses among the images of an index. An error means that the reference itself could not be had; what
/// is wrong with one image stands in its report.
pub async fn scan(
    source: &Source,
    reference: &str,
    platform: Option<&str>,
    sandbox: &Sandbox,
    db: &Database,
) -> Result<Scanned, Error> {
    let scan = Scan { source, reference, platform, sandbox, db, known: Known::default() };
    let mut scanned = Scanned { reports: Vec::new(), left_out: Vec::new() };
    let roots = source.roots().await?;
    // One that was named is answered for; of several, as of what an index lists, those that are no images are left out.
    let depth = usize::from(roots.len() > 1);
    for root in roots {
        scan.root(root, depth, &mut scanned).await?;
    }
    let mut seen = HashSet::new();
    scanned.left_out.retain(|one| seen.insert(one.digest.clone()));
    for report in &mut scanned.reports {
        report.left_out.clone_from(&scanned.left_out);
    }
    Ok(scanned)
}

/// Judges an image whose layers were read, and reports it.
pub fn assess_image(reference: &str, digest: &str, image: &Image, inventory: &Inventory, db: &Database) -> Report {
    Report::of(reference, digest, image, inventory, assess::assess(inventory, db), db)
}

struct Scan<'a> {
    source: &'a Source,
    reference: &'a str,
    platform: Option<&'a str>,
    sandbox: &'a Sandbox,
    db: &'a Database,
    known: Known,
}

impl Scan<'_> {
    /// Goes through a manifest and what it lists, without recursion. `listed`: 1 where something else lists it.
    async fn root(&self, root: Root, listed: usize, scanned: &mut Scanned) -> Result<(), Error> {
        let mut waiting = vec![(root, String::new(), 0usize)];
        let mut seen = HashSet::new();
        while let Some((root, platform, depth)) = waiting.pop() {
            if !seen.insert(root.digest.clone()) {
                continue;
            }
            let manifest = match image::parse(&root.bytes, &root.media_type) {
                Ok(manifest) => manifest,
                Err(refused) => {
                    scanned.reports.push(self.refused(&root, platform, &refused));
                    continue;
                }
            };
            if manifest.children().is_empty() {
                self.leaf(&root, &manifest, platform, listed + depth > 0, scanned).await?;
                continue;
            }
            if depth >= LIMIT_DEPTH {
                let refused = Refused::new("index-depth", format!("more than {LIMIT_DEPTH} indexes in one another"));
                scanned.reports.push(self.refused(&root, platform, &refused));
                continue;
            }
            for child in manifest.children().iter().rev().filter(|child| self.wanted(child)) {
                match self.child(child).await? {
                    Ok((root, platform)) => waiting.push((root, platform, depth + 1)),
                    Err(absent) => absent.add_to(scanned),
                }
            }
        }
        Ok(())
    }

    /// An image, or something else, which is left out if it was only listed.
    async fn leaf(
        &self,
        root: &Root,
        manifest: &Manifest,
        platform: String,
        listed: bool,
        scanned: &mut Scanned,
    ) -> Result<(), Error> {
        if self.is_image(manifest).await? {
            scanned.reports.push(self.one(root, manifest, platform).await?);
        } else if listed {
            scanned.left_out.push(LeftOut::of(&root.digest, platform, manifest));
        } else {
            let refused = Refused::new("accessory", format!("{} is not an image", root.digest));
            scanned.reports.push(self.refused(root, platform, &refused));
        }
        Ok(())
    }

    fn wanted(&self, child: &Descriptor) -> bool {
        match (self.platform, &child.platform) {
            (Some(wanted), Some(platform)) => {
                let platform = platform.to_string();
                platform == wanted || platform.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/'))
            }
            _ => true,
        }
    }

    /// Whether an engine would run it, by what it is and not by what an index says of it.
    async fn is_image(&self, manifest: &Manifest) -> Result<bool, Error> {
        for layer in manifest.statements() {
            match self.source.head(&layer.digest).await {
                Ok(head) if unpacks(&head) => return Ok(true),
                Ok(_) | Err(oci::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(manifest.kind() == Kind::Image)
    }

    /// A child that is not there is that child's report; a registry that fails is everybody's error.
    async fn child(&self, child: &Descriptor) -> Result<Result<(Root, String), Absent>, Error> {
        let platform = child.platform.as_ref().map(ToString::to_string).unwrap_or_default();
        let (digest, media_type) = (child.digest.clone(), child.media_type.clone());
        let error = match self.source.manifest(&digest).await {
            Ok(bytes) => return Ok(Ok((Root { digest, media_type, bytes, tag: None }, platform))),
            Err(error) if matches!(error.remedy(), oci::Remedy::Retry) => return Err(error.into()),
            Err(error) => error,
        };
        // What is not there cannot be run. Copies of an image often come without the statements that its index lists.
        if matches!(error, oci::Error::NotFound { .. }) && is_said_to_be_a_statement(child) {
            return Ok(Err(Absent::Statement(LeftOut::absent(child, platform))));
        }
        let code = if matches!(error, oci::Error::WrongBytes { .. }) { "digest" } else { "blob-missing" };
        let refused = Refused::new(code, in_full(&error));
        let report = Report::refused(self.reference, digest.as_str(), platform, &refused, self.db);
        Ok(Err(Absent::Image(Box::new(report))))
    }

    fn refused(&self, root: &Root, platform: String, refused: &Refused) -> Report {
        Report::refused(self.reference, root.digest.as_str(), platform, refused, self.db)
    }

    /// Reads and judges one image.
    async fn one(&self, root: &Root, manifest: &Manifest, platform: String) -> Result<Report, Error> {
        let config = match image::config_of(manifest) {
            None => Err("an index has none".to_owned()),
            Some(config) => match self.source.config(config).await {
                Ok(bytes) => Ok(bytes),
                Err(error) if matches!(error.remedy(), oci::Remedy::Retry) => return Err(error.into()),
                Err(error) => Err(in_full(&error)),
            },
        };
        let image = match Image::of(manifest, config.as_deref().map_err(Clone::clone)) {
            Ok(image) => image,
            Err(refused) => return Ok(self.refused(root, platform, &refused)),
        };
        let read = layers::of(&image, |digest| self.layer(digest)).await?;
        let sandbox = layers::tiers(read.iter().flatten().map(Arc::as_ref));
        let report = match self.inventory(&image, read) {
            Ok(inventory) => assess_image(self.reference, root.digest.as_str(), &image, &inventory, self.db),
            Err(refused) => self.refused(root, image.platform(), &refused),
        };
        Ok(Report { sandbox, ..report })
    }

    fn inventory(&self, image: &Image, read: Vec<Result<Arc<KeptLayer>, Refused>>) -> Result<Inventory, Refused> {
        // The first layer that is refused, whichever was read first.
        let read: Vec<Arc<KeptLayer>> = read.into_iter().collect::<Result<_, _>>()?;
        let outcomes: Vec<&LayerOutcome> = read.iter().map(|layer| &layer.outcome).collect();
        image.inventory(&outcomes, &self.sandbox.settings().walk)
    }

    /// Reads a layer, once.
    async fn layer(&self, digest: Digest) -> Result<Result<Arc<KeptLayer>, Refused>, Error> {
        let cell = Arc::clone(self.known.lock().await.entry(digest.clone()).or_default());
        cell.get_or_try_init(|| self.read(&digest)).await.cloned()
    }

    async fn read(&self, digest: &Digest) -> Result<Result<Arc<KeptLayer>, Refused>, Error> {
        let mut outcome = match self.try_read(digest, false).await {
            Err(Error::Oci(error @ (oci::Error::NotFound { .. } | oci::Error::NotAnImage { .. }))) => {
                return Ok(Err(Refused::new("blob-missing", in_full(&error))));
            }
            read => read?,
        };
        if outcome.wants_second_try() {
            outcome = self.try_read(digest, true).await?;
        }
        if outcome.digest != *digest {
            return Ok(Err(Refused::new("digest", format!("layer {digest} hashes to {}", outcome.digest))));
        }
        Ok(Ok(Arc::new(layers::kept(outcome))))
    }

    async fn try_read(&self, digest: &Digest, alone: bool) -> Result<Outcome, Error> {
        let algorithm = digest.algorithm();
        match self.source.layer(digest).await? {
            Body::File { mut file, offset, size } => {
                file.seek(SeekFrom::Start(offset)).map_err(|source| Error::Blob { digest: digest.clone(), source })?;
                Ok(self.sandbox.read_layer_file(file, size, algorithm, alone).await?)
            }
            Body::Stream { bytes, .. } => Ok(self.sandbox.read_layer(bytes, algorithm, alone).await?),
        }
    }
}

/// A child of an index that is not there.
enum Absent {
    Image(Box<Report>),
    Statement(LeftOut),
}

impl Absent {
    fn add_to(self, scanned: &mut Scanned) {
        match self {
            Self::Image(report) => scanned.reports.push(*report),
            Self::Statement(left_out) => scanned.left_out.push(left_out),
        }
    }
}

/// Returns what an index says; whether it is so, only the child itself can tell.
fn is_said_to_be_a_statement(child: &Descriptor) -> bool {
    child.annotations.contains_key("vnd.docker.reference.type") || child.artifact_type.is_some()
}
