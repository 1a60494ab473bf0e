//! Images from layouts and archives, and a registry that plays tricks.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

mod archives;
mod tricks;
