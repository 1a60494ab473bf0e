//! What every handler is given.

use crate::index::Handle;
use crate::system::SystemView;
use crate::view::moment;
use bytes::Bytes;
use model::time::Micros;
use serde::Serialize;
use std::pin::Pin;
use std::sync::Arc;
use store::{FeedRow, Store};

/// What the advisory database is, as surfaces show it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct DatabaseView {
    /// Generation in force; 0 = the built-in starter advisories.
    pub generation: i64,
    /// Hash of its facts.
    pub content_hash: String,
    /// When it was built; `null` for the starter.
    pub built: Option<String>,
    /// Whether only the starter advisories are there: then every verdict is `gaps(feeds)`.
    pub starter_only: bool,
    /// The feeds it was built from.
    pub feeds: Vec<FeedView>,
}

impl DatabaseView {
    /// Returns what is in force, of which a process may hold another one or none: its feeds as any process asked them last.
    pub async fn in_force(held: Self, store: &Store) -> store::Result<Self> {
        let known = store.generation().await?;
        if known.target == 0 {
            return Ok(held);
        }
        let mut view = held;
        if view.content_hash != known.content_hash {
            let built = store.known_database(known.target).await?.map_or(Micros(0), |known| known.built);
            let (generation, content_hash) = (known.target, known.content_hash);
            view = Self { generation, content_hash, built: moment(built), ..Self::default() };
        }
        for row in store.feeds().await? {
            let FeedRow { name, records, date, fetched } = row;
            let row = FeedView { name, records, date: moment(date), fetched: moment(fetched) };
            let later =
                |feed: &FeedView| feed.fetched.as_deref().and_then(Micros::parse).is_none_or(|at| at <= fetched);
            match view.feeds.iter_mut().find(|feed| feed.name == row.name) {
                Some(feed) if later(feed) => *feed = row,
                Some(_) => {}
                None => view.feeds.push(row),
            }
        }
        Ok(view)
    }
}

/// A feed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct FeedView {
    /// Name: `debian`, `osv-pypi`.
    pub name: String,
    /// Records it holds.
    pub records: u64,
    /// The date it gives itself.
    pub date: Option<String>,
    /// When it was fetched.
    pub fetched: Option<String>,
}

/// How the process stands, once it was looked at.
pub type Telling = Pin<Box<dyn Future<Output = SystemView> + Send>>;

/// What every handler is given. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// Facts.
    pub store: Store,
    /// Answers.
    pub index: Handle,
    /// The advisory database in force.
    pub database: Arc<dyn Fn() -> DatabaseView + Send + Sync>,
    /// The address that clients use, without a slash at the end.
    pub public_url: Arc<str>,
    /// The clock.
    pub now: fn() -> Micros,
    /// How the process stands.
    pub system: Arc<dyn Fn() -> Telling + Send + Sync>,
    /// The sample image, where the process has one.
    pub sample: fn() -> Option<SampleImage>,
}

/// An image that comes with the program, so that there is something to see.
#[derive(Debug, Clone)]
pub struct SampleImage {
    /// Its repository.
    pub repository: &'static str,
    /// Its tag.
    pub tag: &'static str,
    /// Its platform.
    pub platform: &'static str,
    /// Its configuration, as JSON.
    pub config: Bytes,
    /// Its layers, packed.
    pub layers: Vec<Bytes>,
    /// Its manifest, as JSON.
    pub manifest: Bytes,
}

/// The media type of the manifest of a sample.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of its layers.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The media type of its configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
