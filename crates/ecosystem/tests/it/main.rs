//! Whole images, read layer by layer and laid over one another.
#![allow(clippy::unwrap_used)] // helpers of tests

mod images;
mod links;
