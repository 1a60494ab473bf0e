//! The sample image: one press, and there is something to see.
//!
//! In: whoever may push. Out: the image in the registry that takes every host name, with its event and its job, as if it had been pushed.

use crate::access;
use crate::asker::Asker;
use crate::parts::{CONFIG, LAYER, MANIFEST, Parts, SampleImage};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use model::Digest;
use model::role::{Action, Scope};
use serde::Serialize;
use store::{Class, Descriptor, ManifestKind, NewManifest, Registry};
use utoipa::ToSchema;

/// The sample image where it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SampleView {
    /// Name of the registry.
    pub registry: String,
    /// Name of the repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// Digest of the manifest.
    pub digest: String,
    /// Path of the repository in the tree.
    pub scope: String,
}

/// Pushes the sample image.
pub async fn push(parts: &Parts, asker: &Asker) -> Result<SampleView, Problem> {
    let sample = (parts.sample)().ok_or_else(|| Problem::absent("image", "sample"))?;
    let registries = parts.store.registries().await?;
    let takes_all = registries.into_iter().find(|registry| registry.host.is_empty());
    let registry = takes_all.ok_or_else(|| Problem::absent("registry", "for every host name"))?;
    let scope = Scope { repository: Some(sample.repository.into()), ..registry.scope() };
    let place = access::scope_at(parts, &asker.principal, "scope", &scope.to_path())?;
    access::may_in(&asker.principal, Action::Push, &place)?;
    let put = Put { parts, asker, registry: &registry, repository: sample.repository };
    let digest = put.image(&sample).await?;
    parts.index.catch_up(&parts.store).await?;
    Ok(SampleView {
        registry: registry.name,
        repository: sample.repository.into(),
        tag: sample.tag.into(),
        digest: digest.to_string(),
        scope: scope.to_path(),
    })
}

/// Where something is put, and by whom.
struct Put<'a> {
    parts: &'a Parts,
    asker: &'a Asker,
    registry: &'a Registry,
    repository: &'static str,
}

impl Put<'_> {
    async fn image(&self, sample: &SampleImage) -> Result<Digest, Problem> {
        let mut layers = Vec::new();
        for layer in &sample.layers {
            layers.push(self.blob(layer, LAYER).await?);
        }
        let config = self.blob(&sample.config, CONFIG).await?;
        let digest = Digest::sha256(&sample.manifest);
        let manifest = NewManifest {
            registry: self.registry.id,
            repository: self.repository.into(),
            tags: vec![sample.tag.into()],
            digest: digest.clone(),
            media_type: MANIFEST.into(),
            bytes: sample.manifest.clone(),
            kind: ManifestKind::Image { config, layers, platform: sample.platform.into() },
            subject: None,
            artifact_type: String::new(),
            annotations: "{}".into(),
            class: Class::Push,
            caller: self.asker.caller(),
        };
        self.parts.store.put_manifest(manifest).await?;
        Ok(digest)
    }

    async fn blob(&self, bytes: &Bytes, media_type: &str) -> Result<Descriptor, Problem> {
        let (store, actor) = (&self.parts.store, self.asker.principal.name.as_str());
        let id = store.begin_upload(self.registry.id, self.repository, actor).await?;
        let mut upload = store.upload(id, self.registry.id, self.repository, actor).await?;
        upload.append(bytes.clone()).await?;
        let digest = upload.finish(&Digest::sha256(bytes)).await?;
        let bytes = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        Ok(Descriptor { digest, bytes, media_type: media_type.into(), foreign: false })
    }
}

/// `POST /sample`
pub async fn create(State(parts): State<Parts>, asker: Asker) -> Result<Response, Problem> {
    let made = push(&parts, &asker).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}
