//! A manifest arrives.
//!
//! In: a manifest whose bytes and digest were verified.
//! Out: manifest, image, presence, tags, event, log line and job, in one transaction.

use crate::engine::{Value, values};
use crate::events::{About, Action, add_event, length};
use crate::logs::add_log;
use crate::manifests::{Child, Descriptor, ManifestKind, NewManifest, PutOutcome};
use crate::places::{Place, place_of};
use crate::queue::{Class, add_image_job};
use crate::scope::ensure_repository;
use crate::write::{What, Write};
use crate::{Error, Result, Store};
use model::facts::Id;
use model::verdict::{Coverage, Verdict};
use model::{Digest, Micros};
use std::collections::{HashMap, HashSet};

/// What `image.media_type` says. Numbers are stored.
pub(crate) const IMAGE: i64 = 1;
pub(crate) const INDEX: i64 = 2;
const ACCESSORY: i64 = 3;

/// What is known of an image row.
struct ImageState {
    id: Id,
    is_new: bool,
    verdict: Verdict,
    coverage: Coverage,
}

impl Store {
    /// Takes a manifest: manifest, image, presence, tags, event, log line and job in one transaction.
    ///
    /// `Error::Missing` lists blobs and children that the repository does not have.
    pub async fn put_manifest(&self, manifest: NewManifest) -> Result<PutOutcome> {
        let mut write = self.write().await?;
        let (registry, host) = (manifest.registry, manifest.caller.host.clone());
        let taken = take_manifest(&mut write, manifest).await?;
        let revision = write.commit().await?;
        self.step("manifest:committed");
        if taken.refused {
            self.log_scanner_refused(registry, &host).await?;
        }
        Ok(PutOutcome { revision, ..taken.outcome })
    }

    /// The same, but `Error::Conflict` where a tag would move away from another manifest.
    pub async fn put_manifest_beside(&self, manifest: NewManifest) -> Result<PutOutcome> {
        let (repository, tags) = (manifest.repository.clone(), manifest.tags.clone());
        let (registry, host) = (manifest.registry, manifest.caller.host.clone());
        let mut write = self.write().await?;
        let taken = take_manifest(&mut write, manifest).await?;
        if taken.moved > 0 {
            let tags = tags.join(", ");
            return Err(Error::Conflict(format!("{repository}:{tags} is there already and names another image")));
        }
        let revision = write.commit().await?;
        self.step("manifest:committed");
        if taken.refused {
            self.log_scanner_refused(registry, &host).await?;
        }
        Ok(PutOutcome { revision, ..taken.outcome })
    }
}

/// What came of a manifest before its transaction is committed.
struct Taken {
    outcome: PutOutcome,
    /// Tags that named another manifest before.
    moved: usize,
    /// Whether network rules keep the scanner out.
    refused: bool,
}

/// Writes all that a manifest brings; returns how many tags moved away from another one.
async fn take_manifest(write: &mut Write<'_>, manifest: NewManifest) -> Result<Taken> {
    let children = check(write, &manifest).await?;
    let repository = ensure_repository(write, manifest.registry, &manifest.repository).await?;
    let Place { subscription, standard, open, .. } = place_of(write, manifest.registry).await?;
    let plan = standard && open;

    let is_image = matches!(manifest.kind, ManifestKind::Image { .. });
    let image = ensure_image(write, &manifest, standard, open || !is_image).await?;
    write.store().step("manifest:image");
    if image.is_new {
        add_content(write, &manifest, image.id, &children).await?;
    }
    let created = ensure_presence(write, repository, image.id).await?;
    let mut moved = 0;
    for tag in &manifest.tags {
        moved += usize::from(move_tag(write, repository, tag, image.id).await?);
    }
    write.store().step("manifest:tagged");
    announce(write, &manifest).await?;
    let job = if image_is_read(&image, &manifest, plan) {
        Some(add_image_job(write, image.id, manifest.class, manifest.registry, repository).await?)
    } else {
        meter(write, &image, &manifest, subscription, repository, plan).await?;
        None
    };
    write.store().step("manifest:queued");
    let outcome = PutOutcome { image: image.id, created, job, revision: 0 };
    Ok(Taken { outcome, moved, refused: standard && !open && is_image })
}

/// Looks whether the repository has all that the manifest names; returns the children of an index with their row ids.
async fn check(write: &mut Write<'_>, manifest: &NewManifest) -> Result<Vec<(Id, Child)>> {
    let wanted: Vec<&Descriptor> = match &manifest.kind {
        ManifestKind::Image { config, layers, .. } => layers.iter().chain([config]).collect(),
        ManifestKind::Accessory { blobs } => blobs.iter().collect(),
        ManifestKind::Index { children } => return check_children(write, manifest, children).await,
    };
    let wanted: Vec<&Digest> = wanted.into_iter().filter(|d| !d.foreign).map(|d| &d.digest).collect();
    let key = |d: &&Digest| [manifest.registry.into(), (&manifest.repository).into(), (*d).into()];
    let keys: Vec<Value> = wanted.iter().flat_map(key).collect();
    let sql = "SELECT l.digest FROM given CROSS JOIN blob_link l WHERE l.registry = given.registry AND l.repository = given.repository AND l.digest = given.digest";
    let rows = write.tx.given(&["registry", "repository", "digest"], &keys, sql).await?;
    let here: HashSet<Digest> = rows.iter().map(|row| row.digest(0)).collect::<Result<_>>()?;
    refuse_missing(wanted.into_iter().filter(|d| !here.contains(d)))?;
    Ok(Vec::new())
}

async fn check_children(write: &mut Write<'_>, manifest: &NewManifest, children: &[Child]) -> Result<Vec<(Id, Child)>> {
    let keys: Vec<Value> = children.iter().map(|child| (&child.digest).into()).collect();
    let sql = "SELECT id FROM repository WHERE registry = $1 AND name = $2";
    let repository = write.one(sql, values![manifest.registry, &manifest.repository]).await?;
    let repository = repository.map_or(Ok(0), |row| row.int(0))?;
    let head = format!(
        "SELECT i.digest, i.id FROM image i JOIN repository_image p ON p.image = i.id AND p.repository = {repository} AND p.until = {} WHERE i.digest IN",
        Micros::FOREVER.0
    );
    let rows = write.tx.among(&head, 1, &keys, "").await?;
    let here = rows.iter().map(|row| Ok((row.digest(0)?, row.int(1)?))).collect::<Result<HashMap<_, _>>>()?;
    refuse_missing(children.iter().map(|child| &child.digest).filter(|d| !here.contains_key(d)))?;
    Ok(children.iter().filter_map(|child| Some((*here.get(&child.digest)?, child.clone()))).collect())
}

fn refuse_missing<'a>(missing: impl Iterator<Item = &'a Digest>) -> Result<()> {
    let mut missing: Vec<Digest> = missing.cloned().collect();
    missing.sort();
    missing.dedup();
    if missing.is_empty() { Ok(()) } else { Err(Error::Missing(missing)) }
}

async fn ensure_image(write: &mut Write<'_>, manifest: &NewManifest, plan: bool, open: bool) -> Result<ImageState> {
    let find = "SELECT id, verdict, coverage FROM image WHERE digest = $1";
    if let Some(row) = write.one(find, values![&manifest.digest]).await? {
        let verdict = Verdict::from_number(row.int(1)?);
        let coverage = Coverage::from_number(row.int(2)?);
        let image = ImageState { id: row.int(0)?, is_new: false, verdict, coverage };
        if plan {
            cover(write, &image, open).await?;
        }
        return Ok(image);
    }
    // What the manifest holds says so, and nothing else that a pusher can say: the row is every repository's.
    let accessory = matches!(manifest.kind, ManifestKind::Accessory { .. });
    let (kind, platform, bytes) = match &manifest.kind {
        _ if accessory => (ACCESSORY, "", i64::try_from(manifest.bytes.len()).unwrap_or(i64::MAX)),
        ManifestKind::Image { layers, platform, .. } => {
            (IMAGE, platform.as_str(), layers.iter().fold(0i64, |sum, layer| sum.saturating_add(layer.bytes)))
        }
        _ => (INDEX, "", 0),
    };
    let coverage = match (accessory, plan, open) {
        (true, ..) => Coverage::Accessory,
        (false, true, false) => Coverage::BlockedByNetwork,
        (false, true, _) => Coverage::InWindow,
        (false, false, _) => Coverage::PlanOff,
    };
    let reason = if accessory { "accessory" } else { "" };
    let sql = "INSERT INTO image (digest, media_type, platform, os, bytes, verdict, work, coverage, reason, since) VALUES ($1, $2, $3, '', $4, 0, 0, $5, $6, $7) RETURNING id";
    let values = values![&manifest.digest, kind, platform, bytes, coverage as u8, reason, write.now];
    let id = write.tx.int(sql, values).await?;
    write.changed(What::Image, id);
    Ok(ImageState { id, is_new: true, verdict: Verdict::None, coverage })
}

/// Says of an image that is known that it is kept judged from now on, or that network rules are in the way.
async fn cover(write: &mut Write<'_>, image: &ImageState, open: bool) -> Result<()> {
    let out = [Coverage::PlanOff, Coverage::OutsideWindow];
    let after = match image.coverage {
        before if open && (out.contains(&before) || before == Coverage::BlockedByNetwork) => Coverage::InWindow,
        before if !open && out.contains(&before) => Coverage::BlockedByNetwork,
        _ => return Ok(()),
    };
    write.run("UPDATE image SET coverage = $2 WHERE id = $1", values![image.id, after as u8]).await?;
    write.changed(What::Image, image.id);
    Ok(())
}

/// Writes what never changes about a manifest.
async fn add_content(write: &mut Write<'_>, manifest: &NewManifest, image: Id, children: &[(Id, Child)]) -> Result<()> {
    let config = match &manifest.kind {
        ManifestKind::Image { config, .. } => config.digest.as_str(),
        _ => "",
    };
    let subject = manifest.subject.as_ref().map_or("", Digest::as_str);
    let sql = "INSERT INTO manifest (image, media_type, content, config, subject, artifact_type, annotations) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let content = manifest.bytes.to_vec();
    let values =
        values![image, &manifest.media_type, content, config, subject, &manifest.artifact_type, &manifest.annotations];
    write.run(sql, values).await?;
    if let ManifestKind::Image { layers, .. } = &manifest.kind {
        let row = |(n, layer): (i64, &Descriptor)| {
            [image.into(), n.into(), (&layer.digest).into(), layer.bytes.into(), (&layer.media_type).into()]
        };
        let rows: Vec<Value> = (0i64..).zip(layers).flat_map(row).collect();
        write.tx.insert("INSERT INTO image_layer (image, ordinal, digest, bytes, media_type)", 5, &rows, "").await?;
    }
    for (child, of) in children {
        let own = "INSERT INTO image_child (parent, child) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        write.run(own, values![image, *child]).await?;
        let theirs = "INSERT INTO image_child (parent, child) SELECT $1, child FROM image_child WHERE parent = $2 ON CONFLICT DO NOTHING";
        write.run(theirs, values![image, *child]).await?;
        describe_child(write, *child, &of.platform).await?;
    }
    Ok(())
}

/// Takes over the platform that an index says a child is for; `unknown/unknown` is none.
async fn describe_child(write: &mut Write<'_>, child: Id, platform: &str) -> Result<()> {
    if matches!(platform, "" | "unknown/unknown") {
        return Ok(());
    }
    let sql = "UPDATE image SET platform = $2 WHERE id = $1 AND platform = ''";
    if write.run(sql, values![child, platform]).await? > 0 {
        write.changed(What::Image, child);
    }
    Ok(())
}

async fn ensure_presence(write: &mut Write<'_>, repository: Id, image: Id) -> Result<bool> {
    let find = "SELECT id FROM repository_image WHERE repository = $1 AND image = $2 AND until = $3";
    let here = write.one(find, values![repository, image, Micros::FOREVER]).await?;
    let presence = if let Some(row) = &here {
        let id = row.int(0)?;
        write.run("UPDATE repository_image SET last_push = $2 WHERE id = $1", values![id, write.now]).await?;
        id
    } else {
        let make = "INSERT INTO repository_image (repository, image, since, until, last_push, last_pull) VALUES ($1, $2, $3, $4, $3, 0) RETURNING id";
        write.tx.int(make, values![repository, image, write.now, Micros::FOREVER]).await?
    };
    write.changed(What::Presence, presence);
    Ok(here.is_none())
}

/// Makes a tag name an image; true = it named another one before.
async fn move_tag(write: &mut Write<'_>, repository: Id, tag: &str, image: Id) -> Result<bool> {
    let find = "SELECT image FROM tag WHERE repository = $1 AND name = $2 AND until = $3";
    let before = write.one(find, values![repository, tag, Micros::FOREVER]).await?;
    if let Some(row) = &before {
        let before = row.int(0)?;
        if before == image {
            return Ok(false);
        }
        let close = "UPDATE tag SET until = $3 WHERE repository = $1 AND name = $2 AND until = $4";
        write.run(close, values![repository, tag, write.now, Micros::FOREVER]).await?;
        write.changed(What::TagsOf, before);
    }
    let open = "INSERT INTO tag (repository, name, since, until, image) VALUES ($1, $2, $3, $4, $5)";
    write.run(open, values![repository, tag, write.now, Micros::FOREVER, image]).await?;
    write.changed(What::TagsOf, image);
    Ok(before.is_some())
}

async fn announce(write: &mut Write<'_>, manifest: &NewManifest) -> Result<()> {
    let action = if manifest.class == Class::Import { Action::Import } else { Action::Push };
    let untagged = [String::new()];
    let tags = if manifest.tags.is_empty() { untagged.as_slice() } else { manifest.tags.as_slice() };
    for tag in tags {
        let about = About {
            registry: manifest.registry,
            repository: &manifest.repository,
            tag,
            digest: &manifest.digest,
            media_type: &manifest.media_type,
            bytes: length(&manifest.bytes),
        };
        add_event(write, action, &about, &manifest.caller).await?;
        add_log(write, action, &about, &manifest.artifact_type, &manifest.caller, 201).await?;
    }
    Ok(())
}

/// Every new digest is read; a known one only if it was never read, could not be read, or was out of sight.
fn image_is_read(image: &ImageState, manifest: &NewManifest, plan: bool) -> bool {
    plan && matches!(manifest.kind, ManifestKind::Image { .. })
        && image.coverage != Coverage::Accessory
        && (matches!(image.verdict, Verdict::None | Verdict::Failed | Verdict::Unsupported)
            || image.coverage != Coverage::InWindow)
}

/// A digest that was judged elsewhere counts once for this subscription as well.
async fn meter(
    write: &mut Write<'_>,
    image: &ImageState,
    manifest: &NewManifest,
    subscription: Id,
    repository: Id,
    plan: bool,
) -> Result<()> {
    if plan && image.verdict != Verdict::None {
        let sql =
            "INSERT INTO usage (subscription, digest, at, repository) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        write.run(sql, values![subscription, &manifest.digest, write.now, repository]).await?;
    }
    Ok(())
}
