//! Manifests and tags.

use crate::engine::{Row, values};
use crate::events::{About, Action, Caller, add_event, length};
use crate::logs::add_log;
use crate::queue::Class;
use crate::scope::registry_by;
use crate::write::{What, Write};
use crate::{Audit, Result, Store};
use bytes::Bytes;
use model::facts::Id;
use model::manifest::{Content, Kind, Manifest};
use model::role::Scope;
use model::{Digest, Micros};
use serde_json::{Value, json};

/// A manifest as it arrives.
#[derive(Debug, Clone)]
pub struct NewManifest {
    /// The registry.
    pub registry: Id,
    /// Name of the repository; made if it is new.
    pub repository: String,
    /// Tags to move to it; empty when it is pushed by digest.
    pub tags: Vec<String>,
    /// Its digest, verified.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
    /// What it is.
    pub kind: ManifestKind,
    /// The manifest that it refers to.
    pub subject: Option<Digest>,
    /// Type of the artefact for referrers: `artifactType`, else the configuration's media type.
    pub artifact_type: String,
    /// Annotations as a JSON object, for referrers.
    pub annotations: String,
    /// `Push` or `Import`.
    pub class: Class,
    /// Who.
    pub caller: Caller,
}

/// A blob that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Digest.
    pub digest: Digest,
    /// Length as the manifest claims.
    pub bytes: i64,
    /// Media type.
    pub media_type: String,
    /// Whether the blob is kept elsewhere (a foreign layer): then it need not be here.
    pub foreign: bool,
}

/// What a manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestKind {
    /// An image for one platform.
    Image {
        /// Its configuration.
        config: Descriptor,
        /// Its layers, lowest first.
        layers: Vec<Descriptor>,
        /// `linux/amd64`, or empty.
        platform: String,
    },
    /// An index, or a Docker manifest list.
    Index {
        /// What it lists.
        children: Vec<Child>,
    },
    /// Anything else: attestation, signature, SBOM, chart. Kept, listed, never read.
    Accessory {
        /// Blobs that must be there.
        blobs: Vec<Descriptor>,
    },
}

/// A manifest that an index lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its digest.
    pub digest: Digest,
    /// `linux/arm64`, `unknown/unknown`, or empty.
    pub platform: String,
}

impl ManifestKind {
    fn of(read: &Manifest, is_image: bool) -> Self {
        match &read.content {
            Content::Index(children) => Self::Index { children: children.iter().map(Child::of).collect() },
            Content::Image { .. } if !is_image => Self::Accessory { blobs: read.blobs().map(Descriptor::of).collect() },
            Content::Image { config, layers } => {
                let platform = String::new(); // the configuration says it; the index's word comes with the index
                let layers = layers.iter().map(Descriptor::of).collect();
                Self::Image { config: Descriptor::of(config), layers, platform }
            }
        }
    }
}

impl Child {
    fn of(descriptor: &model::manifest::Descriptor) -> Self {
        let platform = descriptor.platform.as_ref().map(ToString::to_string).unwrap_or_default();
        Self { digest: descriptor.digest.clone(), platform }
    }
}

impl Descriptor {
    fn of(descriptor: &model::manifest::Descriptor) -> Self {
        Self {
            digest: descriptor.digest.clone(),
            bytes: i64::try_from(descriptor.size).unwrap_or(i64::MAX),
            media_type: descriptor.media_type.clone(),
            foreign: descriptor.is_foreign(),
        }
    }
}

/// What became of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutOutcome {
    /// The image row.
    pub image: Id,
    /// Whether the repository did not have it before.
    pub created: bool,
    /// The job that was queued, if any.
    pub job: Option<Id>,
    /// The revision after which it is visible.
    pub revision: i64,
}

/// A manifest as it was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// The image row.
    pub image: Id,
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A manifest that refers to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its length.
    pub bytes: i64,
    /// Type of the artefact.
    pub artifact_type: String,
    /// Annotations as a JSON object.
    pub annotations: String,
}

/// A part of a list in order of names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The names.
    pub names: Vec<String>,
    /// Whether there are more after them.
    pub more: bool,
}

impl Store {
    /// Says what a manifest is, and what must be there. Statements are believed for their bytes, not for their media types.
    pub async fn kind_of(&self, read: &Manifest) -> Result<ManifestKind> {
        let mut is_image = read.kind() == Kind::Image;
        for layer in read.statements() {
            is_image = is_image || self.blobs().unpacks(&layer.digest).await?;
        }
        Ok(ManifestKind::of(read, is_image))
    }

    /// Returns the manifest of a tag or a digest, if the repository has it.
    pub async fn manifest(&self, registry: Id, repository: &str, reference: &str) -> Result<Option<StoredManifest>> {
        const BY_DIGEST: &str = "SELECT i.id, i.digest, m.media_type, m.content FROM repository r JOIN repository_image p ON p.repository = r.id AND p.until = $4
            JOIN image i ON i.id = p.image JOIN manifest m ON m.image = i.id WHERE r.registry = $1 AND r.name = $2 AND i.digest = $3";
        const BY_TAG: &str = "SELECT i.id, i.digest, m.media_type, m.content FROM repository r JOIN tag t ON t.repository = r.id AND t.name = $3 AND t.until = $4
            JOIN image i ON i.id = t.image JOIN manifest m ON m.image = i.id WHERE r.registry = $1 AND r.name = $2";
        let sql = if reference.contains(':') { BY_DIGEST } else { BY_TAG };
        let row = self.engine().one(sql, values![registry, repository, reference, Micros::FOREVER]).await?;
        row.as_ref().map(stored).transpose()
    }

    /// Returns the manifest of a digest, whatever repository has it: for the scanner, whose jobs name images.
    pub async fn manifest_of(&self, digest: &Digest) -> Result<Option<StoredManifest>> {
        let sql = "SELECT i.id, i.digest, m.media_type, m.content FROM image i JOIN manifest m ON m.image = i.id WHERE i.digest = $1";
        self.engine().one(sql, values![digest]).await?.as_ref().map(stored).transpose()
    }

    /// Lists the tags of a repository after a name, in byte order; `None` = there is no such repository.
    pub async fn tags(&self, registry: Id, repository: &str, after: &str, n: u32) -> Result<Option<Page>> {
        let Some(id) = self.repository(registry, repository).await? else { return Ok(None) };
        let sql = "SELECT name FROM tag WHERE repository = $1 AND name > $2 AND until = $3 ORDER BY name LIMIT $4";
        let rows = self.engine().all(sql, values![id, after, Micros::FOREVER, i64::from(n) + 1]).await?;
        let mut names = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>>>()?;
        let more = names.len() > n as usize;
        names.truncate(n as usize);
        Ok(Some(Page { names, more }))
    }

    /// Records that a manifest was pulled: by tag if `tag` is not empty. The scanner's own pulls are logged and move nothing.
    pub async fn record_pull(
        &self,
        registry: Id,
        repository: &str,
        tag: &str,
        manifest: &StoredManifest,
        caller: &Caller,
    ) -> Result<()> {
        let mut write = self.write().await?;
        let about = about(registry, repository, tag, manifest);
        if !caller.scanner {
            let sql = "SELECT p.id FROM repository_image p JOIN repository r ON r.id = p.repository WHERE r.registry = $1 AND r.name = $2 AND p.image = $3 AND p.until = $4";
            if let Some(row) = write.one(sql, values![registry, repository, manifest.image, Micros::FOREVER]).await? {
                let presence = row.int(0)?;
                write
                    .run("UPDATE repository_image SET last_pull = $2 WHERE id = $1", values![presence, write.now])
                    .await?;
                write.changed(What::Presence, presence);
            }
            crate::window::pulled(&mut write, registry, repository, manifest.image).await?;
            add_event(&mut write, Action::Pull, &about, caller).await?;
        }
        add_log(&mut write, Action::Pull, &about, "", caller, 200).await?;
        write.commit().await?;
        Ok(())
    }

    /// Takes a manifest and every tag on it out of a repository; false = it was not there.
    pub async fn delete_manifest(
        &self,
        registry: Id,
        repository: &str,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<bool> {
        let Some(manifest) = self.manifest(registry, repository, digest.as_str()).await? else { return Ok(false) };
        let Some(id) = self.repository(registry, repository).await? else { return Ok(false) };
        let mut write = self.write().await?;
        let sql =
            "UPDATE repository_image SET until = $3 WHERE repository = $1 AND image = $2 AND until = $4 RETURNING id";
        let gone = write.one(sql, values![id, manifest.image, write.now, Micros::FOREVER]).await?;
        let Some(gone) = gone else { return Ok(false) };
        write.changed(What::Presence, gone.int(0)?);
        let sql = "UPDATE tag SET until = $3 WHERE repository = $1 AND image = $2 AND until = $4 RETURNING name";
        let tags = write.tx.all(sql, values![id, manifest.image, write.now, Micros::FOREVER]).await?;
        let tags = tags.iter().map(|row| row.text(0)).collect::<Result<Vec<_>>>()?;
        if !tags.is_empty() {
            write.changed(What::TagsOf, manifest.image);
        }
        let about = about(registry, repository, "", &manifest);
        add_event(&mut write, Action::Delete, &about, caller).await?;
        add_log(&mut write, Action::Delete, &about, "", caller, 202).await?;
        audit(&mut write, caller, "image.delete", &about, json!({"tags": tags})).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Takes a tag away; the manifest stays. False = it was not there.
    pub async fn delete_tag(&self, registry: Id, repository: &str, tag: &str, caller: &Caller) -> Result<bool> {
        let Some(manifest) = self.manifest(registry, repository, tag).await? else { return Ok(false) };
        let Some(id) = self.repository(registry, repository).await? else { return Ok(false) };
        let mut write = self.write().await?;
        let sql = "UPDATE tag SET until = $3 WHERE repository = $1 AND name = $2 AND until = $4 RETURNING image";
        let gone = write.one(sql, values![id, tag, write.now, Micros::FOREVER]).await?;
        let Some(gone) = gone else { return Ok(false) };
        write.changed(What::TagsOf, gone.int(0)?);
        let about = about(registry, repository, tag, &manifest);
        add_event(&mut write, Action::Untag, &about, caller).await?;
        add_log(&mut write, Action::Untag, &about, "", caller, 202).await?;
        audit(&mut write, caller, "tag.delete", &about, json!({"tags": [tag]})).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Lists the manifests of a repository that refer to another one, in order of digests; `artifact_type` empty = all.
    pub async fn referrers(
        &self,
        registry: Id,
        repository: &str,
        subject: &Digest,
        artifact_type: &str,
    ) -> Result<Vec<Referrer>> {
        let sql = "SELECT i.digest, m.media_type, m.content, m.artifact_type, m.annotations FROM manifest m JOIN image i ON i.id = m.image
            JOIN repository_image p ON p.image = i.id AND p.until = $4 JOIN repository r ON r.id = p.repository
            WHERE m.subject = $3 AND r.registry = $1 AND r.name = $2 AND ($5 = '' OR m.artifact_type = $5) ORDER BY i.digest";
        let values = values![registry, repository, subject, Micros::FOREVER, artifact_type];
        let read = |row: &Row| {
            Ok(Referrer {
                digest: row.digest(0)?,
                media_type: row.text(1)?,
                bytes: i64::try_from(row.blob(2)?.len()).unwrap_or(i64::MAX),
                artifact_type: row.text(3)?,
                annotations: row.text(4)?,
            })
        };
        self.engine().all(sql, values).await?.iter().map(read).collect()
    }
}

/// Notes that something was taken out of a repository.
async fn audit(write: &mut Write<'_>, by: &Caller, action: &str, about: &About<'_>, before: Value) -> Result<()> {
    let registry = registry_by(&mut write.tx, about.registry).await?;
    let scope = Scope { repository: Some(about.repository.to_owned()), ..registry.scope() };
    let object = about.digest.as_str();
    write.audit(&Audit { by, action, object, scope: &scope, before, after: Value::Null }).await
}

fn about<'a>(registry: Id, repository: &'a str, tag: &'a str, manifest: &'a StoredManifest) -> About<'a> {
    let StoredManifest { digest, media_type, bytes, .. } = manifest;
    About { registry, repository, tag, digest, media_type, bytes: length(bytes) }
}

fn stored(row: &Row) -> Result<StoredManifest> {
    Ok(StoredManifest {
        image: row.int(0)?,
        digest: row.digest(1)?,
        media_type: row.text(2)?,
        bytes: row.blob(3)?.into(),
    })
}
