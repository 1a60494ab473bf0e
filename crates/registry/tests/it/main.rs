//! The registry through its router, over a store in a temporary folder.

mod blobs;
mod limits;
mod lists;
mod login;
mod manifests;
mod server;
mod uploads;
