//! How much of what is there was read, day by day: derived from intervals, kept nowhere.
//!
//! In: a part of the tree, moments. Out: for each moment the images that were there then, by whether they had been read. Whether a
//! reading has gaps, and why there is none, is what the last one says; accessories are no images.

use crate::index::Index;
use crate::query::Scope;
use model::time::Micros;
use model::verdict::{Coverage, Verdict};

/// At most so many moments at once: a bit each.
pub const MOMENTS: usize = 128;

/// Images that were there at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadState {
    /// Read in full.
    pub complete: u64,
    /// Read with gaps.
    pub gaps: u64,
    /// Not readable.
    pub unreadable: u64,
    /// Not read.
    pub unread: u64,
}

impl ReadState {
    /// Returns how many images there were.
    pub fn images(&self) -> u64 {
        self.complete + self.gaps + self.unreadable + self.unread
    }
}

impl Index {
    /// Says what had been read at each of some moments (ascending, 128 at most) in a part of the tree, as far as an asker may see it.
    pub fn read_states(&self, node: &model::role::Scope, scope: &Scope, moments: &[Micros]) -> Vec<ReadState> {
        let moments = &moments[..moments.len().min(MOMENTS)];
        let mut asked = vec![false; self.repositories.len()];
        let here = self.repositories_in(node).into_iter().filter(|at| self.in_scope(*at, scope));
        here.for_each(|at| asked[at] = true);
        let mut states = vec![ReadState::default(); moments.len()];
        for (at, image) in self.images.iter().enumerate().filter(|(_, image)| image.coverage != Coverage::Accessory) {
            let places = self.presences_of_image(at).map(|p| &self.presences[p]);
            let places = places.filter(|place| asked[place.repository as usize]);
            let there = places.fold(0, |bits, place| bits | held(moments, place.since, place.until));
            if there == 0 {
                continue;
            }
            let readings = self.readings_of_image(at).map(|r| &self.readings[r]);
            let read = readings.fold(0, |bits, reading| bits | held(moments, reading.since, reading.until));
            for (n, state) in states.iter_mut().enumerate().filter(|(n, _)| there >> n & 1 != 0) {
                let count = match (read >> n & 1 != 0, image.verdict) {
                    (true, Verdict::Gaps) => &mut state.gaps,
                    (true, _) => &mut state.complete,
                    (false, Verdict::Unsupported | Verdict::Failed) => &mut state.unreadable,
                    (false, _) => &mut state.unread,
                };
                *count += 1;
            }
        }
        states
    }
}

/// The moments that an interval holds, a bit each.
fn held(moments: &[Micros], since: i64, until: i64) -> u128 {
    let below = |limit: i64| moments.partition_point(|moment| moment.0 < limit);
    let ones = |count: usize| if count >= MOMENTS { u128::MAX } else { (1 << count) - 1 };
    ones(below(until)) & !ones(below(since))
}

#[cfg(test)]
mod tests {
    use super::held;
    use model::time::Micros;

    #[test]
    fn an_interval_holds_the_moments_from_its_first_until_before_its_last() {
        let moments: Vec<Micros> = [10, 20, 30].map(Micros).to_vec();
        for (since, until, want, why) in [
            (0, i64::MAX, 0b111, "always"),
            (20, 30, 0b010, "the first moment is in, the last is not"),
            (21, 30, 0, "between two moments"),
            (30, 10, 0, "an empty one"),
        ] {
            assert_eq!(held(&moments, since, until), want, "{why}");
        }
        let many: Vec<Micros> = (0..128).map(Micros).collect();
        assert_eq!(held(&many, 0, i64::MAX), u128::MAX, "as many moments as there are bits");
    }
}
