//! ecosystem.
