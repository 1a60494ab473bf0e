//! How far the judging of a part of the tree has come.
//!
//! In: registries. Out: how many repositories and images they have, how many of these are to be judged, how many are.

use crate::index::Index;
use model::facts::Id;
use model::verdict::{Coverage, Verdict, Work};

/// How far the judging of a part of the tree has come; each image counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Repositories that hold something.
    pub repositories: u64,
    /// Images.
    pub images: u64,
    /// Images that are kept judged.
    pub in_window: u64,
    /// Those of them that are judged, with nothing waiting.
    pub judged: u64,
}

/// What an image was counted as already.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    counted: bool,
    in_window: bool,
}

impl Index {
    /// Returns how far the judging of some registries (row ids) has come.
    pub fn reach(&self, registries: &[Id]) -> Reach {
        // By registry: whether it is asked for, and whether its plan is on.
        let state = |at: usize| {
            let wanted = registries.contains(&self.registries[at].id);
            wanted.then(|| self.frozen_since(at, None).is_none())
        };
        let asked: Vec<Option<bool>> = (0..self.registries.len()).map(state).collect();
        let mut seen = vec![Seen::default(); self.images.len()];
        let mut reach = Reach::default();
        for (at, repository) in self.repositories.iter().enumerate() {
            let Some(on) = asked[repository.registry as usize] else { continue };
            let here = self.presences_of_repository(at).filter(|p| self.presences[*p].until == i64::MAX);
            let images: Vec<usize> = here.map(|presence| self.presences[presence].image as usize).collect();
            reach.repositories += u64::from(!images.is_empty());
            images.into_iter().for_each(|image| self.add_image(&mut reach, &mut seen[image], image, on));
        }
        reach
    }

    fn add_image(&self, reach: &mut Reach, seen: &mut Seen, image: usize, on: bool) {
        let image = &self.images[image];
        if image.coverage == Coverage::Accessory {
            return;
        }
        reach.images += u64::from(!std::mem::replace(&mut seen.counted, true));
        if on && image.coverage == Coverage::InWindow && !std::mem::replace(&mut seen.in_window, true) {
            reach.in_window += 1;
            reach.judged += u64::from(image.verdict != Verdict::None && image.work == Work::Idle);
        }
    }
}
