//! How many, without a list.

use crate::error::QueryError;
use crate::filter::TextIn;
use crate::index::Index;
use crate::plan::Plan;
use crate::query::Query;
use crate::rows::Counts;
use crate::sums::Sums;
use std::borrow::Cow;

impl Index {
    /// Counts what passes, as the lists of the same query would; sort, limit and cursor are not looked at.
    ///
    /// Words without a colon are searched as in the list of findings.
    pub fn counts(&self, query: &Query) -> Result<Counts, QueryError> {
        self.counts_in(query, TextIn::Matches)
    }

    /// Counts what passes where words without a colon are searched as in the list of images.
    pub fn counts_of_places(&self, query: &Query) -> Result<Counts, QueryError> {
        self.counts_in(query, TextIn::Places)
    }

    /// Counts the findings of the places that pass: `counts().tally.findings()`, from what is kept of every place where nothing is
    /// asked of findings.
    pub fn open_findings(&self, query: &Query) -> Result<u64, QueryError> {
        let plan = Plan::new(self, &Query { limit: 1, ..query.clone() }, TextIn::Matches)?;
        let (sums, mut findings) = (Sums::new(&plan), 0);
        plan.each_place(|presence| findings += sums.place(presence).tally().findings());
        Ok(findings)
    }

    fn counts_in(&self, query: &Query, text_in: TextIn) -> Result<Counts, QueryError> {
        let query = Query { limit: 1, ..query.clone() };
        let mut plan = Plan::new(self, &query, text_in)?;
        let lanes = plan.count();
        let mut counts = Counts::default();
        let mut seen = vec![false; self.vulnerabilities.len()];
        plan.each_match(|at, found, hidden| {
            let (row, findings) = (&self.matches[at], found.shown);
            if hidden {
                counts.tally.hidden += findings;
                return;
            }
            counts.tally.disabled += found.disabled;
            if findings == 0 {
                return;
            }
            counts.tally.severities[row.severity as usize] += findings;
            counts.tally.fixable += findings * u64::from(row.fixable);
            let vulnerability = row.vulnerability as usize;
            counts.tally.kev += findings * u64::from(self.vulnerabilities[vulnerability].kev > 0);
            counts.vulnerabilities += u64::from(!std::mem::replace(&mut seen[vulnerability], true));
        });
        let sums = Sums::of(&plan, Cow::Owned(lanes));
        let mut repositories = vec![false; self.repositories.len()];
        let mut images = vec![(false, false); self.images.len()];
        sums.each_passing_place(|presence| {
            let row = &self.presences[presence];
            repositories[row.repository as usize] = true;
            let image = &mut images[row.image as usize];
            image.0 = true;
            image.1 = image.1 || sums.any(presence);
        });
        for (image, (present, affected)) in self.images.iter().zip(images) {
            counts.images += u64::from(present);
            counts.affected += u64::from(affected);
            counts.verdicts[image.verdict as usize] += u64::from(present);
        }
        counts.repositories = repositories.into_iter().map(u64::from).sum();
        Ok(counts)
    }
}
