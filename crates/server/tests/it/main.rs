//! REST and console through their router, over a store in a temporary folder.

mod access;
mod fleet;
mod hostile;
mod lists;
mod pages;
