//! From an event to findings: knowledge fetched, layers read in a sandbox, images judged.
//!
//! In: jobs and blobs from the store, feeds from upstream or a folder.
//! Out: results recorded in the store; the advisory database built and swapped.

pub mod database;
pub mod feeds;
mod knowledge;
pub mod sandbox;

pub use knowledge::Knowledge;
