//! Images from layouts and archives, and a registry that plays tricks.

mod archives;
mod tricks;
