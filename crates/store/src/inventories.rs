//! Inventories: packages and places as compact bytes.
