//! Everything that is there now: what a question that asks nothing of places selects.
//!
//! In: how it is looked at. Out: the selection, the findings of every match and of every cell. Worked out once for the view of
//! now, and kept with it.

use crate::adding::add_up;
use crate::carry::carry;
use crate::cells::Selection;
use crate::filter::TextIn;
use crate::marks::{Marks, Mode};
use crate::match_tests::MatchTests;
use crate::sight::Sight;
use crate::view::Everything;
use std::sync::{Arc, PoisonError};

impl Sight<'_> {
    /// Returns everything as it is seen now, plainly or through the rules in force.
    pub fn everything(&self) -> &Everything {
        self.view.everything[usize::from(self.plain)].get_or_init(|| {
            let mode = if self.plain { Mode::All } else { Mode::Open };
            let sight = Sight::new(self.index, None, None, self.view.clone(), Marks::unasked(mode));
            let before = || self.view.before.lock().unwrap_or_else(PoisonError::into_inner).take();
            let before = (self.plain == self.view.is_plain()).then(before).flatten();
            let carried = before.and_then(|before| carry(&sight, &before));
            Arc::new(carried.unwrap_or_else(|| Everything::new(&sight)))
        })
    }
}

impl Everything {
    fn new(sight: &Sight<'_>) -> Self {
        let selection = Self::select(sight);
        let mut found = Vec::new();
        let tests = MatchTests::new(sight.index, &[], TextIn::Matches, None);
        let lanes = add_up(sight, &selection, &tests, Some(&mut found));
        Self { selection, found, lanes }
    }

    /// Selects every place that there is now.
    pub fn select(sight: &Sight<'_>) -> Selection {
        let index = sight.index;
        let open = |presence: &usize| index.presences[*presence].until == i64::MAX;
        Selection::new(sight, (0..index.presences.len()).filter(open).map(|p| (p, 0)))
    }
}
