//! Row ids.
//!
//! In: –. Out: the type by which facts name one another.

/// A row id. Ids are given by the store, start at 1 and are never reused.
pub type Id = i64;
