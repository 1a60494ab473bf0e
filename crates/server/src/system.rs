//! How this process stands, as its operator asks.

use serde::Serialize;
use utoipa::ToSchema;

/// The process and its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct SystemView {
    /// Version of the program.
    pub version: String,
    /// What the process does: `registry`, `server`, `worker`.
    pub roles: Vec<String>,
    /// When it began.
    pub started: String,
    /// The folder of its data.
    pub data: String,
    /// `SQLite` or `PostgreSQL`.
    pub database: String,
    /// Where blobs are: a folder or an object store.
    pub blobs: String,
    /// What is kept.
    pub storage: StorageView,
    /// The limits in force, by name.
    pub limits: Vec<LimitView>,
    /// What `portwarden doctor` says.
    pub checks: Vec<CheckView>,
}

/// How much is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct StorageView {
    /// Blobs.
    pub blobs: i64,
    /// Their bytes.
    pub blob_bytes: i64,
    /// Bytes of the database.
    pub database_bytes: i64,
}

/// A limit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct LimitView {
    /// Its name, as settings have it.
    pub name: String,
    /// How much, for people.
    pub value: String,
}

/// One check of the installation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct CheckView {
    /// What was looked at.
    pub name: String,
    /// `ok`, `warn` or `bad`.
    pub state: &'static str,
    /// How it stands, and what to do.
    pub text: String,
}
