//! What every store must do, on SQLite always and on PostgreSQL where `PORTWARDEN_TEST_POSTGRES` names a server.

mod access;
mod content;
mod faults;
mod generations;
mod network;
mod notices;
mod people;
mod repositories;
mod results;
mod rules;
mod suppressions;
mod sweeps;
mod tree;
mod work;

use crate::trial::Trial;
use crate::{Caller, Class, Descriptor, ManifestKind, NewManifest, Settings, Store};
use bytes::Bytes;
use model::Digest;
use std::future::Future;

/// A store of its own, gone with this value.
pub(crate) struct Fresh {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    _data: tempfile::TempDir,
    _database: Option<Trial>,
}

/// Runs a test on a fresh store of every engine.
pub(crate) fn on_every_engine<F: Future<Output = ()>>(test: impl Fn(Fresh) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        test(fresh(None).await).await;
        match Trial::new().await {
            Some(database) => test(fresh(Some(database)).await).await,
            None => println!("1 check not run: PORTWARDEN_TEST_POSTGRES is not set"),
        }
    });
}

async fn fresh(database: Option<Trial>) -> Fresh {
    let data = tempfile::tempdir().unwrap();
    let url = database.as_ref().map(Trial::url);
    let settings = Settings { data: data.path().to_owned(), database: url, ..Settings::default() };
    let store = Store::open(&settings).await.unwrap();
    Fresh { store, settings, _data: data, _database: database }
}

/// Without it an async block would take only the fields that it names, and the folder would be gone before it ran.
impl Drop for Fresh {
    fn drop(&mut self) {}
}

impl Fresh {
    pub(crate) async fn registry(&self) -> i64 {
        self.store.registry("local").await.unwrap().unwrap().id
    }

    /// Pushes a blob as a client would.
    pub(crate) async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let registry = self.registry().await;
        let id = self.store.begin_upload(registry, repository, "admin").await.unwrap();
        let mut upload = self.store.upload(id, registry, repository, "admin").await.unwrap();
        upload.append(Bytes::copy_from_slice(bytes)).await.unwrap();
        upload.finish(&Digest::sha256(bytes)).await.unwrap()
    }

    /// Pushes an image of one layer; `seed` makes it differ from others.
    pub(crate) async fn push_image(&self, repository: &str, tag: &str, seed: &str) -> crate::PutOutcome {
        let manifest = self.image(repository, tag, seed).await;
        self.store.put_manifest(manifest).await.unwrap()
    }

    /// Makes an image of one layer whose blobs are pushed already.
    pub(crate) async fn image(&self, repository: &str, tag: &str, seed: &str) -> NewManifest {
        let config = self.push_blob(repository, format!("config {seed}").as_bytes()).await;
        let layer = self.push_blob(repository, format!("layer {seed}").as_bytes()).await;
        let kind = ManifestKind::Image {
            config: descriptor(&config),
            layers: vec![descriptor(&layer)],
            platform: "linux/amd64".into(),
        };
        self.manifest(repository, tag, seed, kind).await
    }

    /// Makes a manifest of any kind.
    pub(crate) async fn manifest(&self, repository: &str, tag: &str, seed: &str, kind: ManifestKind) -> NewManifest {
        let bytes = Bytes::from(format!("manifest {seed}"));
        NewManifest {
            registry: self.registry().await,
            repository: repository.into(),
            tags: if tag.is_empty() { Vec::new() } else { vec![tag.into()] },
            digest: Digest::sha256(&bytes),
            media_type: "application/vnd.oci.image.manifest.v1+json".into(),
            bytes,
            kind,
            subject: None,
            artifact_type: String::new(),
            annotations: "{}".into(),
            class: Class::Push,
            caller: caller(),
        }
    }
}

pub(crate) fn descriptor(digest: &Digest) -> Descriptor {
    Descriptor { digest: digest.clone(), bytes: 10, media_type: "application/octet-stream".into(), foreign: false }
}

pub(crate) fn caller() -> Caller {
    Caller { actor: "admin".into(), address: "127.0.0.1".into(), user_agent: "test".into(), ..Caller::default() }
}
