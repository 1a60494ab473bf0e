//! advisory.
