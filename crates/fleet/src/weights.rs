//! What weighs most: repositories by the findings of what is in use, reasons by the images that have them.

use crate::error::QueryError;
use crate::filter::TextIn;
use crate::images::DAY_MICROS;
use crate::index::Index;
use crate::plan::Plan;
use crate::query::Query;
use crate::rows::{RepositoryRow, Tally};
use crate::sums::Sums;
use model::severity::Severity;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

/// Points of a finding by severity; one that is known to be exploited has twice as many, one of another severity none.
pub const POINTS: [(Severity, u64); 4] =
    [(Severity::Critical, 10), (Severity::High, 5), (Severity::Medium, 2), (Severity::Low, 1)];

/// A repository and what it weighs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// The repository, counting the images in use alone.
    pub repository: RepositoryRow,
    /// The points of their findings, by severity as in `POINTS`.
    pub points: [u64; 4],
}

impl Weight {
    /// Returns all its points.
    pub fn total(&self) -> u64 {
        self.points.iter().sum()
    }
}

/// The points of findings of which some count twice.
fn points(all: &Tally, twice: &Tally) -> [u64; 4] {
    POINTS.map(|(severity, points)| (all.of(severity) + twice.of(severity)) * points)
}

impl Index {
    /// Lists the repositories that weigh most, the heaviest first: what is open in images that were pulled there within so
    /// many days, as under `pulled:<30d`.
    pub fn weights(&self, query: &Query, days: i64) -> Result<Vec<Weight>, QueryError> {
        let mut exploited = query.clone();
        exploited.filter.field("kev", "yes")?;
        let used = |last_pull: i64| last_pull != 0 && query.now.0.saturating_sub(last_pull) < days * DAY_MICROS;
        let sums = self.sum_repositories(&Plan::new(self, query, TextIn::Places)?, used);
        let twice = self.sum_repositories(&Plan::new(self, &exploited, TextIn::Places)?, used);
        let both = sums.iter().zip(&twice).map(|(sum, twice)| points(&sum.tally, &twice.tally));
        let mut found: Vec<([u64; 4], usize)> = both.enumerate().map(|(at, points)| (points, at)).collect();
        let total = |points: &[u64; 4]| points.iter().sum::<u64>();
        found.retain(|(points, _)| total(points) > 0);
        found.sort_by_key(|(points, at)| (Reverse(total(points)), self.repositories[*at].id));
        found.truncate(query.limit);
        let row = |(points, at): ([u64; 4], usize)| Weight { repository: self.repository_row(at, &sums[at]), points };
        Ok(found.into_iter().map(row).collect())
    }

    /// Counts the images that pass by the reasons that they have, most images first; each is the list under `reason:CODE`.
    pub fn reasons(&self, query: &Query) -> Result<Vec<(String, u64)>, QueryError> {
        let plan = Plan::new(self, query, TextIn::Places)?;
        let (mut seen, mut images) = (HashSet::new(), BTreeMap::<&str, u64>::new());
        Sums::new(&plan).each_passing_place(|presence| {
            let image = self.presences[presence].image;
            if seen.insert(image) {
                let codes = self.text(self.images[image as usize].reason).split(',');
                codes.filter(|code| !code.is_empty()).for_each(|code| *images.entry(code).or_default() += 1);
            }
        });
        let mut found: Vec<(String, u64)> = images.into_iter().map(|(code, n)| (code.to_owned(), n)).collect();
        found.sort_by_key(|(_, images)| Reverse(*images));
        Ok(found)
    }
}
