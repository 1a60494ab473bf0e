//! Rows read into facts.
