//! Knowledge: what feeds say, and the advisory database that is built from it.
//!
//! In: the bytes of feed files as their publishers give them (`kind/`, one file a feed).
//! Out: advisories; from these the database, one immutable file (`Builder`), opened and asked without copying (`Database`).
//! Pure: bytes in, values out. Fetching and mapping files is `scan`'s work.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod builder;
mod database;
mod diff;
mod error;
mod feed;
mod format;
mod group;
pub mod kind;
mod once;
mod rows;
mod severity;
mod starter;
mod strings;
mod texts;
mod unpack;

pub use builder::Builder;
pub use database::{Database, Facts, Name, Vulnerability};
pub use diff::{Delta, diff};
pub use error::Error;
pub use feed::{Fact, Feed, FeedFile, Read, SourceFile};
pub use kind::ALL;
pub use rows::{Ranges, Row, Rows, Strings};
pub use starter::starter;
