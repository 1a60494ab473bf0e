//! The embedded registry: `/v2/` (OCI distribution 1.1, Docker registry v2) and `/oauth2/token`.
//!
//! In: requests of skopeo, podman, docker, crane, oras and the like.
//! Out: blobs and manifests through the store, which writes events and jobs with them.
//!
//! One chokepoint (`serve`): the path is read once, the caller recognised, the line of the route table asked, then served.

mod access;
mod ask;
mod blobs;
mod error;
mod hosts;
mod lists;
mod login;
mod logs;
mod manifests;
mod path;
mod range;
mod serve;
mod token;
mod uploads;

pub use error::{Code, Error};
pub use store::Peer;

use axum::Router;
use axum::routing::{any, get};
use std::sync::Arc;
use std::time::Duration;
use store::Store;

/// How the registry behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where clients find the registry without a host of its own (`https://registry.example`); `None`: where they say they found
    /// it.
    pub public_url: Option<String>,
    /// How long a registry token lives. Rights are asked of the store at every request all the same.
    pub token_life: Duration,
    /// How long a client may pause within a body.
    pub idle: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { public_url: None, token_life: Duration::from_secs(300), idle: Duration::from_secs(30) }
    }
}

/// A registry as its handlers see it.
pub(crate) struct Registry {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) entry: store::Registry,
    pub(crate) signer: Arc<token::Signer>,
}

/// Makes the routes `/v2/…` and `/oauth2/token`.
///
/// Fails if the store cannot be asked.
pub async fn router(store: Store, settings: Settings) -> store::Result<Router> {
    let registries = Arc::new(hosts::Registries::open(store, settings).await?);
    Ok(Router::new()
        .route("/v2", any(serve::serve))
        .route("/v2/", any(serve::serve))
        .route("/v2/{*rest}", any(serve::serve))
        .route("/oauth2/token", get(login::by_query).post(login::by_form))
        .with_state(registries))
}
