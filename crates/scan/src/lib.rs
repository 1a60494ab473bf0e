//! From an event to findings: knowledge fetched, layers read, images judged.

pub mod database;
pub mod feeds;
mod knowledge;

pub use knowledge::Knowledge;
