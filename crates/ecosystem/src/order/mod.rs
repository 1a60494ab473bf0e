//! How versions order, one file a scheme.
