//! How much room the data folder has left, and what waits for more.
//!
//! In: what the file system says. Out: what goes on. Pulls, pages and deletions always do: they need a few hundred bytes, which
//! a disk that pushes may fill to its last block would not have.

use crate::Store;
use std::path::Path;

/// Below a twentieth, and below so many bytes, nothing is scanned.
const LITTLE: (u64, u64) = (20, 4 << 30);
/// Below a thirty-third, and below so many bytes, no upload begins.
const NONE: (u64, u64) = (33, 2 << 30);

/// What there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// No upload begins, nothing is scanned.
    None,
    /// Nothing is scanned.
    Little,
    /// Everything.
    Enough,
}

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

impl Space {
    /// Asks the file system of a folder; `None` where it does not say.
    pub fn of(folder: &Path) -> Option<Self> {
        let stat = rustix::fs::statvfs(folder).ok()?;
        Some(Self { free: stat.f_bavail * stat.f_frsize, total: stat.f_blocks * stat.f_frsize })
    }

    /// Returns what there is room for.
    pub fn room(self) -> Room {
        let below = |(part, bytes): (u64, u64)| self.free < (self.total / part).min(bytes);
        match (below(NONE), below(LITTLE)) {
            (true, _) => Room::None,
            (false, true) => Room::Little,
            (false, false) => Room::Enough,
        }
    }
}

impl Store {
    /// Returns what the data folder has room for.
    pub fn room(&self) -> Room {
        Space::of(&self.inner.data).map_or(Room::Enough, Space::room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_wait_before_pushes_are_refused_and_a_large_disk_is_not_full_with_gigabytes_left() {
        const GB: u64 = 1 << 30;
        for (free, total, want, why) in [
            (50 * GB, 100 * GB, Room::Enough, "half of it"),
            (4 * GB, 40 * GB, Room::Enough, "a tenth"),
            (3 * GB, 100 * GB, Room::Little, "3 % of 100 GB"),
            (GB, 100 * GB, Room::None, "1 %"),
            (5 * GB, 4_000 * GB, Room::Enough, "little of a large one, which is gigabytes"),
            (GB, 4_000 * GB, Room::None, "a large one that is full"),
            (GB / 10, GB, Room::Enough, "a tenth of a small one"),
            (GB / 25, GB, Room::Little, "4 % of a small one"),
            (0, GB, Room::None, "nothing"),
            (0, 0, Room::Enough, "a file system that has no size"),
        ] {
            assert_eq!(Space { free, total }.room(), want, "{why}");
        }
    }
}
