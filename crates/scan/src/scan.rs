//! Scanning without a server: what `portwarden scan` does.
//!
//! In: an image wherever it is, the sandbox, an advisory database.
//! Out: a report for every image that the reference names, in the order of the index.

use crate::image::{self, Image, Refused};
use crate::report::Report;
use crate::sandbox::{Outcome, Sandbox};
use crate::{Error, error::in_full, layers};
use advisory::Database;
use model::Digest;
use model::inventory::Inventory;
use model::manifest::{Descriptor, Manifest};
use oci::{Body, Root, Source};
use std::collections::HashMap;
use std::io::{Seek, SeekFrom};
use std::sync::Arc;
use store::LayerOutcome;
use tokio::sync::{Mutex, OnceCell};

/// An index within an index, and no further.
const LIMIT_DEPTH: usize = 2;

/// What is read once though many images have it.
type Known = Mutex<HashMap<Digest, Arc<OnceCell<Result<Arc<LayerOutcome>, Refused>>>>>;

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
) -> Result<Vec<Report>, Error> {
    let scan = Scan { source, reference, platform, sandbox, db, known: Known::default() };
    let mut reports = Vec::new();
    for root in source.roots().await? {
        scan.root(root, &mut reports).await?;
    }
    Ok(reports)
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
    /// Goes through a manifest and what it lists, without recursion.
    async fn root(&self, root: Root, reports: &mut Vec<Report>) -> Result<(), Error> {
        let mut waiting = vec![(root, String::new(), 0usize)];
        let mut seen = std::collections::HashSet::new();
        while let Some((root, platform, depth)) = waiting.pop() {
            if !seen.insert(root.digest.clone()) {
                continue;
            }
            let manifest = match image::parse(&root.bytes, &root.media_type) {
                Ok(manifest) => manifest,
                Err(refused) => {
                    reports.push(self.refused(&root, platform, &refused));
                    continue;
                }
            };
            if manifest.children().is_empty() {
                reports.extend(self.one(&root, &manifest, platform).await?);
                continue;
            }
            if depth >= LIMIT_DEPTH {
                let refused = Refused::new("index-depth", format!("more than {LIMIT_DEPTH} indexes in one another"));
                reports.push(self.refused(&root, platform, &refused));
                continue;
            }
            for child in manifest.children().iter().rev().filter(|child| self.wanted(child)) {
                match self.child(child).await? {
                    Ok((root, platform)) => waiting.push((root, platform, depth + 1)),
                    Err(report) => reports.push(*report),
                }
            }
        }
        Ok(())
    }

    fn wanted(&self, child: &Descriptor) -> bool {
        let chosen = match (self.platform, &child.platform) {
            (Some(wanted), Some(platform)) => {
                let platform = platform.to_string();
                platform == wanted || platform.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/'))
            }
            _ => true,
        };
        chosen && image::is_image_child(child)
    }

    /// A child that is not there is that child's report; a registry that fails is everybody's error.
    async fn child(&self, child: &Descriptor) -> Result<Result<(Root, String), Box<Report>>, Error> {
        let platform = child.platform.as_ref().map(ToString::to_string).unwrap_or_default();
        let (digest, media_type) = (child.digest.clone(), child.media_type.clone());
        let error = match self.source.manifest(&digest).await {
            Ok(bytes) => return Ok(Ok((Root { digest, media_type, bytes, tag: None }, platform))),
            Err(error) if matches!(error.remedy(), oci::Remedy::Retry) => return Err(error.into()),
            Err(error) => error,
        };
        let code = if matches!(error, oci::Error::WrongBytes { .. }) { "digest" } else { "blob-missing" };
        let refused = Refused::new(code, in_full(&error));
        Ok(Err(Box::new(Report::refused(self.reference, digest.as_str(), platform, &refused, self.db))))
    }

    fn refused(&self, root: &Root, platform: String, refused: &Refused) -> Report {
        Report::refused(self.reference, root.digest.as_str(), platform, refused, self.db)
    }

    /// Reads and judges one image; nothing for an artefact that is none.
    async fn one(&self, root: &Root, manifest: &Manifest, platform: String) -> Result<Option<Report>, Error> {
        let Some(config) = image::config_of(manifest).filter(|_| image::is_image(manifest)) else {
            let refused = Refused::new("accessory", format!("{} is not an image", root.digest));
            return Ok(Some(self.refused(root, platform, &refused)));
        };
        let config = match self.source.config(config).await {
            Ok(bytes) => Ok(bytes),
            Err(error) if matches!(error.remedy(), oci::Remedy::Retry) => return Err(error.into()),
            Err(error) => Err(in_full(&error)),
        };
        let image = match Image::of(manifest, config.as_deref().map_err(Clone::clone)) {
            Ok(image) => image,
            Err(refused) => return Ok(Some(self.refused(root, platform, &refused))),
        };
        Ok(Some(match self.inventory(&image).await? {
            Ok(inventory) => assess_image(self.reference, root.digest.as_str(), &image, &inventory, self.db),
            Err(refused) => self.refused(root, image.platform(), &refused),
        }))
    }

    async fn inventory(&self, image: &Image) -> Result<Result<Inventory, Refused>, Error> {
        let outcomes = layers::of(image, |digest| self.layer(digest)).await?;
        // The first layer that is refused, whichever was read first.
        let outcomes: Vec<Arc<LayerOutcome>> = match outcomes.into_iter().collect() {
            Ok(outcomes) => outcomes,
            Err(refused) => return Ok(Err(refused)),
        };
        let outcomes: Vec<&LayerOutcome> = outcomes.iter().map(Arc::as_ref).collect();
        Ok(image.inventory(&outcomes, &self.sandbox.settings().walk))
    }

    /// Reads a layer, once.
    async fn layer(&self, digest: Digest) -> Result<Result<Arc<LayerOutcome>, Refused>, Error> {
        let cell = Arc::clone(self.known.lock().await.entry(digest.clone()).or_default());
        cell.get_or_try_init(|| self.read(&digest)).await.cloned()
    }

    async fn read(&self, digest: &Digest) -> Result<Result<Arc<LayerOutcome>, Refused>, Error> {
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
        Ok(Ok(Arc::new(match outcome.result {
            Ok(inventory) => LayerOutcome::Inventory(Box::new(inventory)),
            Err(failed) => LayerOutcome::Failed { code: failed.code.into(), text: failed.text },
        })))
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
