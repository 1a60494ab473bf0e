//! From an event to findings: knowledge fetched, layers read in a sandbox, images judged.
//!
//! In: jobs and blobs from the store, feeds from upstream or a folder.
//! Out: results recorded in the store; the advisory database built and swapped.

pub mod database;
mod early;
mod error;
pub mod feeds;
pub mod image;
mod import;
mod knowledge;
mod layers;
mod rematch;
pub mod report;
pub mod sandbox;
mod scan;
mod shared;
mod story;
mod vulnerability;
pub mod window;
mod work;

pub use early::early_reader;
pub use error::Error;
pub use knowledge::Knowledge;
pub use layers::Layers;
pub use rematch::follow_generations;
pub use scan::{Scanned, assess_image, scan};
pub use work::{Workers, worker};
