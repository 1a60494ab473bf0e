//! A tar archive, entry by entry.
