//! Everything that is there now: what a question that asks nothing of places selects.
//!
//! In: how it is looked at. Out: the selection, the findings of every match and of every cell. Worked out once for the view of
//! now, and kept with it.

use crate::adding::add_up;
use crate::cells::Selection;
use crate::filter::TextIn;
use crate::marks::{Marks, Mode};
use crate::match_tests::MatchTests;
use crate::sight::Sight;
use crate::view::Everything;

impl Sight<'_> {
    /// Returns everything as it is seen now, plainly or through the rules in force.
    pub fn everything(&self) -> &Everything {
        self.view.everything[usize::from(self.plain)].get_or_init(|| {
            let mode = if self.plain { Mode::All } else { Mode::Open };
            Everything::new(&Sight::new(self.index, None, None, self.view.clone(), Marks::unasked(mode)))
        })
    }
}

impl Everything {
    fn new(sight: &Sight<'_>) -> Self {
        let index = sight.index;
        let open = |presence: &usize| index.presences[*presence].until == i64::MAX;
        let selection = Selection::new(sight, (0..index.presences.len()).filter(open).map(|p| (p, 0)));
        let mut found = Vec::new();
        let tests = MatchTests::new(index, &[], TextIn::Matches, None);
        let lanes = add_up(sight, &selection, &tests, Some(&mut found));
        Self { selection, found, lanes }
    }
}
