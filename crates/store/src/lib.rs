//! Everything that is kept: facts in SQL (SQLite or PostgreSQL), blobs in a folder or an object store.
//!
//! In: pushes, pulls, readings of layers, results of scans, generations of the advisory database.
//! Out: blobs, manifests, jobs, the facts and changes that the fleet index follows.
//! A finding is never stored: it is a join of what is.

mod access;
mod audit;
mod blobs;
mod changes;
mod channels;
#[cfg(test)]
mod conformance;
mod coverage;
mod demand;
mod engine;
mod error;
mod events;
mod exemptions;
pub mod fault;
mod generation;
mod idempotency;
mod imports;
mod inventories;
mod layers;
mod lock_out;
mod logs;
mod manifests;
mod matches;
mod network;
mod notices;
mod open;
mod outbox;
mod packages;
mod paths;
mod people;
mod places;
mod plans;
mod push;
mod queue;
mod reads;
mod record;
mod repositories;
mod rows;
mod rules;
mod scanner;
mod scans;
mod schema;
mod scope;
mod sealing;
mod secret;
mod sessions;
mod snapshot;
mod staging;
mod strangers;
mod suppressions;
mod sweep;
mod tokens;
mod tree;
pub mod trial;
mod uploads;
mod usage;
mod views;
mod vulnerabilities;
mod window;
mod write;

pub use access::{Credential, Principal};
pub use audit::{Audit, AuditFilter, AuditRow, Chain};
pub use blobs::{BlobRead, Blobs};
pub use channels::{Channel, ChannelSecret, ChannelSpec};
pub use coverage::Settled;
pub use demand::Asked;
pub use error::{Error, Remedy};
pub use events::{Action, Caller, Event, Peer};
pub use exemptions::{Assignment, Exemption, NewExemption};
pub use generation::Generation;
pub use imports::{Import, ImportOptions, ImportState, NewImport};
pub use inventories::{hash as inventory_hash, pack as pack_inventory};
pub use layers::LayerOutcome;
pub use logs::{LogColumn, LogEntry, LogFilter, LogRow, ResultIs};
pub use manifests::{Child, Descriptor, ManifestKind, NewManifest, Page, PutOutcome, Referrer, StoredManifest};
pub use network::NetworkChange;
pub use notices::{FailedScan, NewNotice, NoticeEnd, NoticePosition, OpenThread};
pub use open::{Settings, Store};
pub use outbox::{Message, MessageState};
pub use people::{HeldRole, Person};
pub use plans::{NewPlan, PlanNode, PlanPreview, PlanRow};
pub use queue::{Class, Job, JobKind, JobRow, NewJob};
pub use reads::{Hanging, ImageRow, Kept, LayerRow, MatchDetail, PlacedPackage, ScanRow};
pub use record::{Assessment, Failure, Recorded};
pub use repositories::RepositoryChange;
pub use rules::{RuleChange, RuleRow};
pub use scanner::Pulled;
pub use scope::{Registry, Subscription};
pub use sessions::Session;
pub use staging::{End, Follower, StagedUpload, Staging, UploadId};
pub use suppressions::{NewSuppression, Suppression};
pub use sweep::{PackageRow, Rematched};
pub use tokens::{NewToken, Token};
pub use tree::{NewRegistry, NewSubscription, RegistryChange, SubscriptionChange};
pub use uploads::Upload;
pub use usage::{UsageAfter, UsageDay, UsageFilter, UsageRow, UsageWithin};
pub use views::SavedView;
pub use vulnerabilities::{Vulnerability, VulnerabilityText, vulnerability_fingerprint};

/// What the store answers.
pub type Result<T> = std::result::Result<T, Error>;
