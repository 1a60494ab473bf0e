//! The registry through its router, over a store in a temporary folder.
#![allow(clippy::unwrap_used)] // everything here is a test or serves one

mod blobs;
mod hosts;
mod limits;
mod lists;
mod login;
mod manifests;
mod network;
mod server;
mod uploads;
