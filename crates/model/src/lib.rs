//! The nouns of Portwarden and their laws. Pure: no network, disk, database, clock or runtime.
//!
//! Everything that two crates speak about is defined here, once.

pub mod advisory;
pub mod config;
pub mod cvss;
pub mod digest;
pub mod facts;
pub mod finding;
pub mod id;
pub mod inventory;
pub mod json;
pub mod manifest;
pub mod network;
pub mod notice;
pub mod overlay;
pub mod package;
pub mod pattern;
pub mod plan;
pub mod reference;
pub mod role;
pub mod rule;
pub mod severity;
pub mod text;
pub mod time;
pub mod verdict;

pub use digest::Digest;
pub use package::PackageKey;
pub use severity::Severity;
pub use time::Micros;
