//! Imports: an image comes from another registry as if it had been pushed.
//!
//! In: a job that names a source and a place. Out: its blobs, then its manifests, children before their index; progress on the way.
//! Bytes go through the uploads of the store, so that layers are read while they arrive, and an import that was cut off anywhere goes on
//! with the byte where it was. A blob that is here already is not fetched, if whoever asked may pull it here. Manifests are put whether they
//! are here or not, as by a push.

use crate::{Error, error::in_full};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use model::Digest;
use model::manifest::{Descriptor, Manifest};
use model::role::{Action, Grant, Scope, allowed};
use oci::{Client, Location, Options, Root};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::{Caller, Class, Job, NewManifest, Store, Upload};

/// Blobs that are fetched at a time.
const AT_A_TIME: usize = 3;
/// How often progress is written, and looked whether somebody cancelled it.
const TELL: Duration = Duration::from_millis(500);
/// How often a blob may break off without one more byte before the job is put back.
const TRIES: u32 = 3;
/// How long to wait before a blob is taken up again.
const BREATH: Duration = Duration::from_millis(500);
/// Indexes in one another.
const DEPTH: usize = 4;
/// Manifests of one import: far more than platforms exist, few enough to be held.
const MANIFESTS: usize = 2_048;
/// Repositories of this registry that are looked at for a blob.
const HOMES: u32 = 100;

/// Does an import, or as much of it as is not done yet.
pub(crate) async fn import(store: &Store, job: &Job, row: &store::Import) -> Result<(), Error> {
    let copy = Copy::open(store, job, row).await?;
    tokio::select! {
        result = copy.run() => result?,
        error = copy.tell() => return Err(error),
    }
    copy.note().await?;
    Ok(store.end_import(job, None).await?)
}

/// Returns what whoever asked for an import may do now. Fails where they may no longer push there.
async fn permitted(store: &Store, row: &store::Import) -> Result<Vec<Grant>, Error> {
    let grants = store.import_grants(row).await?.unwrap_or_default();
    if allowed(&grants, Action::Push, &row.scope) {
        return Ok(grants);
    }
    Err(Error::NotPermitted { actor: row.actor.clone(), repository: row.repository.clone() })
}

/// A manifest to be put.
struct Found {
    root: Root,
    manifest: Manifest,
    tag: String,
}

/// An import under way.
struct Copy<'a> {
    store: &'a Store,
    job: &'a Job,
    row: &'a store::Import,
    client: Client,
    from: Location,
    /// What whoever asked may do, as of the beginning.
    grants: Vec<Grant>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    total: u64,
    digest: String,
    /// Bytes that are here, by blob.
    done: HashMap<Digest, u64>,
}

impl<'a> Copy<'a> {
    async fn open(store: &'a Store, job: &'a Job, row: &'a store::Import) -> Result<Self, Error> {
        let grants = permitted(store, row).await?;
        let from = Location::parse(&row.source)?;
        let options = Options {
            login: store.import_login(row.id).await?,
            insecure_http: row.options.plain_http,
            for_others: true,
            // Only who owns everything speaks for the operator, who may name any host.
            public_only: !allowed(&grants, Action::Own, &Scope::ALL),
            ..Options::default()
        };
        let client = Client::new(&from.host, &options)?;
        Ok(Self { store, job, row, client, from, grants, progress: Mutex::default() })
    }

    async fn run(&self) -> Result<(), Error> {
        let root = self.chosen(self.client.manifest(&self.from).await?).await?;
        self.progress().digest = root.digest.to_string();
        self.may_tag(&root.digest).await?;
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        self.gather(root, self.row.tag.clone(), 0, &mut seen, &mut found).await?;
        if self.row.options.referrers {
            let about: Vec<Digest> = found.iter().map(|found| found.root.digest.clone()).collect();
            for digest in about {
                self.gather_referrers(&digest, &mut seen, &mut found).await?;
            }
        }
        let mut blobs: HashMap<Digest, u64> = HashMap::new();
        for blob in found.iter().flat_map(|found| found.manifest.blobs()).filter(|blob| !blob.is_foreign()) {
            blobs.insert(blob.digest.clone(), blob.size);
        }
        self.progress().total = blobs.values().fold(0, |sum: u64, size| sum.saturating_add(*size));
        let fetch = |(digest, size)| async move { self.blob(&digest, size).await };
        stream::iter(blobs).map(fetch).buffer_unordered(AT_A_TIME).try_collect::<()>().await?;
        // Copying may have taken a day.
        permitted(self.store, self.row).await?;
        for found in found {
            self.put(found).await?;
        }
        Ok(())
    }

    /// The manifest that is wanted: of one platform, where one was named.
    async fn chosen(&self, root: Root) -> Result<Root, Error> {
        let wanted = &self.row.options.platform;
        let manifest = read(&root)?;
        if wanted.is_empty() || manifest.children().is_empty() {
            return Ok(root);
        }
        let name = |child: &Descriptor| child.platform.as_ref().map(ToString::to_string).unwrap_or_default();
        let fits = |child: &&Descriptor| {
            let platform = name(child);
            platform == *wanted || platform.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        let Some(child) = manifest.children().iter().find(fits) else {
            let there = manifest.children().iter().map(name).filter(|name| !matches!(&**name, "" | "unknown/unknown"));
            let there: Vec<String> = there.collect();
            return Err(Error::NoPlatform { wanted: wanted.clone(), there: there.join(", ") });
        };
        Ok(self.client.manifest(&self.from.at(&child.digest)).await?)
    }

    /// Fails where the tag names something else and may not be moved.
    async fn may_tag(&self, digest: &Digest) -> Result<(), Error> {
        let row = self.row;
        if row.tag.is_empty() || row.options.force {
            return Ok(());
        }
        match self.store.manifest(row.registry, &row.repository, &row.tag).await? {
            Some(here) if here.digest != *digest => {
                let name = format!("{}:{}", row.repository, row.tag);
                Err(Error::TagTaken { name, here: here.digest, there: digest.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Adds a manifest and all that it lists, children first.
    fn gather<'s>(
        &'s self,
        root: Root,
        tag: String,
        depth: usize,
        seen: &'s mut HashSet<Digest>,
        found: &'s mut Vec<Found>,
    ) -> BoxFuture<'s, Result<(), Error>> {
        async move {
            if !seen.insert(root.digest.clone()) {
                return Ok(());
            }
            let manifest = read(&root)?;
            if depth > DEPTH || found.len() >= MANIFESTS {
                let why = format!("it is, or lists, more than {MANIFESTS} manifests, or indexes {DEPTH} deep");
                return Err(Error::NotImported { digest: root.digest, why });
            }
            for child in manifest.children() {
                let child = self.manifest(&child.digest).await?;
                self.gather(child, String::new(), depth + 1, seen, found).await?;
            }
            found.push(Found { root, manifest, tag });
            Ok(())
        }
        .boxed()
    }

    async fn manifest(&self, digest: &Digest) -> Result<Root, Error> {
        let row = self.row;
        if let Some(here) = self.store.manifest(row.registry, &row.repository, digest.as_str()).await? {
            let (media_type, bytes) = (here.media_type, here.bytes.to_vec());
            return Ok(Root { digest: here.digest, media_type, bytes, tag: None });
        }
        Ok(self.client.manifest(&self.from.at(digest)).await?)
    }

    /// Adds what refers to a manifest: by the list of the registry, by the tag that stands for one, by the tags of cosign.
    async fn gather_referrers(
        &self,
        digest: &Digest,
        seen: &mut HashSet<Digest>,
        found: &mut Vec<Found>,
    ) -> Result<(), Error> {
        let flat = digest.as_str().replace(':', "-");
        let list = match self.client.referrers(&self.from, digest).await? {
            Some(bytes) => Some(bytes),
            None => self.tagged(&flat).await?.map(|root| root.bytes),
        };
        let list = list.and_then(|bytes| Manifest::parse(&bytes, None).ok());
        for referrer in list.iter().flat_map(Manifest::children) {
            let root = self.manifest(&referrer.digest).await?;
            self.gather(root, String::new(), 0, seen, found).await?;
        }
        for ending in ["sig", "att", "sbom"] {
            let tag = format!("{flat}.{ending}");
            if let Some(root) = self.tagged(&tag).await? {
                self.gather(root, tag, 0, seen, found).await?;
            }
        }
        Ok(())
    }

    async fn tagged(&self, tag: &str) -> Result<Option<Root>, Error> {
        let location = Location { name: tag.to_owned(), ..self.from.clone() };
        match self.client.manifest(&location).await {
            Ok(root) => Ok(Some(root)),
            Err(oci::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Brings a blob here, and takes it up again where it breaks off.
    async fn blob(&self, digest: &Digest, size: u64) -> Result<(), Error> {
        let row = self.row;
        // Its bytes may be lost although its row is here.
        let whole = self.store.blobs().size(digest).await?.is_some();
        let here = whole && self.store.has_blob(row.registry, &row.repository, digest).await?.is_some();
        if here || (whole && self.mounted(digest).await?) {
            self.progress().done.insert(digest.clone(), size);
            return Ok(());
        }
        let mut tried = 0;
        loop {
            let before = self.done_of(digest);
            let error = match self.fetch(digest, size).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            tried = if self.done_of(digest) > before { 1 } else { tried + 1 };
            if !matches!(error.remedy(), store::Remedy::Retry) || tried >= TRIES {
                return Err(error);
            }
            tracing::info!(%digest, error = in_full(&error), "a blob broke off and is taken up again");
            tokio::time::sleep(BREATH).await;
        }
    }

    /// Takes a blob over from a repository of the same registry where whoever asked may pull it.
    async fn mounted(&self, digest: &Digest) -> Result<bool, Error> {
        let row = self.row;
        for home in self.store.homes_of_blob(row.registry, digest, HOMES).await? {
            let scope = Scope { repository: Some(home.clone()), ..row.scope.clone() };
            if allowed(&self.grants, Action::Pull, &scope)
                && self.store.mount_blob(row.registry, &home, &row.repository, digest).await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fetches what is missing of a blob.
    async fn fetch(&self, digest: &Digest, size: u64) -> Result<(), Error> {
        let mut upload = self.upload(digest).await?;
        if upload.offset() > size {
            upload.cancel().await?;
            return Err(self.lies(digest, size));
        }
        self.progress().done.insert(digest.clone(), upload.offset());
        if upload.offset() < size || size == 0 {
            let (start, _, bytes) = self.client.blob_from(&self.from, digest, upload.offset()).await?;
            upload = self.receive(upload, start, bytes, digest, size).await?;
        }
        upload.finish(digest).await?;
        Ok(())
    }

    async fn receive(
        &self,
        mut upload: Upload,
        start: u64,
        mut bytes: stream::BoxStream<'static, std::io::Result<Bytes>>,
        digest: &Digest,
        size: u64,
    ) -> Result<Upload, Error> {
        // A registry without ranges begins anew: what is here already is passed over.
        let mut skip = upload.offset().saturating_sub(start);
        while let Some(piece) = bytes.next().await {
            let mut piece = match piece {
                Ok(piece) => piece,
                Err(source) => return Err(self.broken(upload, digest, source).await),
            };
            let known = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
            drop(piece.split_to(known));
            skip -= known as u64;
            if upload.offset().saturating_add(piece.len() as u64) > size {
                upload.cancel().await?;
                return Err(self.lies(digest, size));
            }
            if !piece.is_empty() {
                upload.append(piece).await?;
                self.progress().done.insert(digest.clone(), upload.offset());
            }
        }
        if upload.offset() < size {
            return Err(self.broken(upload, digest, std::io::ErrorKind::UnexpectedEof.into()).await);
        }
        Ok(upload)
    }

    /// Keeps what came of a blob.
    async fn broken(&self, upload: Upload, digest: &Digest, source: std::io::Error) -> Error {
        match upload.pause().await {
            Ok(at) => Error::BrokeOff { host: self.from.host.clone(), digest: digest.clone(), at, source },
            Err(error) => error.into(),
        }
    }

    fn lies(&self, digest: &Digest, size: u64) -> Error {
        let why = format!("more bytes came than the {size} that its manifest claims");
        Error::NotImported { digest: digest.clone(), why }
    }

    /// The upload of a blob: the one that was left, or a new one.
    async fn upload(&self, digest: &Digest) -> Result<Upload, Error> {
        let row = self.row;
        let who = format!("import:{}:{digest}", row.id);
        if let Some(id) = self.store.open_upload(row.registry, &row.repository, &who).await? {
            match self.store.upload(id, row.registry, &row.repository, &who).await {
                Ok(upload) => return Ok(upload),
                Err(store::Error::NoUpload(_)) => {} // another process has the file, or nobody
                Err(error) => return Err(error.into()),
            }
        }
        let id = self.store.begin_upload(row.registry, &row.repository, &who).await?;
        Ok(self.store.upload(id, row.registry, &row.repository, &who).await?)
    }

    async fn put(&self, found: Found) -> Result<(), Error> {
        let Found { root, manifest, tag } = found;
        let row = self.row;
        let own = tag == row.tag;
        let kind = self.store.kind_of(&manifest).await?;
        let new = NewManifest {
            registry: row.registry,
            repository: row.repository.clone(),
            tags: if tag.is_empty() { Vec::new() } else { vec![tag] },
            digest: root.digest,
            media_type: manifest.media_type.to_owned(),
            bytes: root.bytes.into(),
            kind,
            subject: manifest.subject.as_ref().map(|subject| subject.digest.clone()),
            artifact_type: manifest.referrer_type().unwrap_or_default().to_owned(),
            annotations: serde_json::to_string(&manifest.annotations).unwrap_or_default(),
            class: Class::Import,
            caller: Caller {
                actor: row.actor.clone(),
                user_agent: concat!("portwarden-import/", env!("CARGO_PKG_VERSION")).into(),
                ..Caller::default()
            },
        };
        // The tag may have come to name something else since we looked. Those of cosign follow their image.
        let put = if row.options.force || !own {
            self.store.put_manifest(new).await
        } else {
            self.store.put_manifest_beside(new).await
        };
        put?;
        Ok(())
    }

    /// Writes how far it is now and then. Returns only when the import is not ours any more.
    async fn tell(&self) -> Error {
        loop {
            tokio::time::sleep(TELL).await;
            if let Err(error) = self.note().await {
                return error;
            }
        }
    }

    async fn note(&self) -> Result<(), Error> {
        let (done, total, digest) = {
            let progress = self.progress();
            let done = progress.done.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
            (done, progress.total, progress.digest.clone())
        };
        match self.store.note_import(self.job, done, total, &digest).await? {
            true => Ok(()),
            false => Err(store::Error::LeaseLost(self.job.id).into()),
        }
    }

    fn done_of(&self, digest: &Digest) -> u64 {
        self.progress().done.get(digest).copied().unwrap_or(0)
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(root: &Root) -> Result<Manifest, Error> {
    let declared = Some(root.media_type.as_str()).filter(|declared| !declared.is_empty());
    let wrong =
        |why: model::manifest::NotAManifest| Error::NotImported { digest: root.digest.clone(), why: why.to_string() };
    Manifest::parse(&root.bytes, declared).map_err(wrong)
}
