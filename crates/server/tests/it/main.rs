//! REST and console through their router, over a store in a temporary folder.

// Tables within tables, each row asked as everybody; helpers of tests may unwrap as tests do.
#![allow(clippy::excessive_nesting, clippy::unwrap_used)]

mod access;
mod changes;
mod fleet;
mod hostile;
mod lists;
mod live;
mod looks;
mod network;
mod notices;
mod pages;
mod picks;
mod posture;
mod promises;
mod repositories;
mod rules;
mod score;
mod sessions;
mod tree;
mod writes;
