//! Every feed, one file each.

use crate::Feed;

/// Every feed, in the order in which they are read.
pub static ALL: &[&dyn Feed] = &[];
