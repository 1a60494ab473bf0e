//! When a disable rule last hid something.
//!
//! In: a rule, with the matches that it speaks of. Out: the last moment at which it would have hidden a finding, since there is
//! such a rule; overrides aside. It is looked for match by match or place by place, whichever is less; places that ended last are
//! looked at first, so that nothing is looked at that ended before what was found.

use crate::criteria::Rule;
use crate::index::{Index, hidden_bits};
use crate::sets::{Bits, RowSet};
use model::time::Micros;

/// Looks for when a rule last hid something.
struct Past<'a> {
    index: &'a Index,
    rule: &'a Rule,
    set: &'a RowSet,
    since: i64,
    now: i64,
    /// Repositories in which the rule stands.
    here: Bits,
    last: Option<i64>,
}

/// What an image held at a place, and until when.
struct Stay {
    until: i64,
    presence: usize,
    reading: usize,
}

impl Index {
    /// Returns the last moment at which a rule would have hidden a finding.
    pub(crate) fn last_hidden(&self, rule: usize, now: Micros) -> Option<i64> {
        let (rule, set) = (&self.rules[rule], self.matches_of_rule(rule));
        let same = self.rules.iter().filter(|r| r.fact.uid == rule.fact.uid);
        let since = same.map(|r| r.fact.since.0).min().unwrap_or(rule.fact.since.0);
        let mut here = Bits::default();
        let inside = self.repositories_in(&rule.fact.scope).into_iter();
        inside.filter(|r| rule.tests.repository_passes(self, *r)).for_each(|r| here.set(r));
        let mut past = Past { index: self, rule, set, since, now: now.0, here, last: None };
        let stays = past.stays();
        let held: usize = stays.iter().map(|stay| past.packages(stay).len()).sum();
        let mut holders = 0;
        set.each(|m| holders += self.postings[self.matches[m].package as usize].len());
        if holders < held {
            set.each(|matched| past.look_at_match(matched));
        } else {
            past.look_at_stays(stays);
        }
        past.last
    }
}

impl<'a> Past<'a> {
    /// The places where the rule stands, the last to end first.
    fn stays(&self) -> Vec<Stay> {
        let index = self.index;
        let places = self.here.iter().flat_map(|repository| index.presences_of_repository(repository));
        let places = places.filter(|presence| self.rule.tests.ever_passes(index, *presence));
        let readings = |presence: usize| index.readings_of_image(index.presences[presence].image as usize);
        let stay = |(presence, reading): (usize, usize)| {
            let (place, row) = (&index.presences[presence], &index.readings[reading]);
            let until = self.now.min(place.until).min(row.until);
            (self.since.max(place.since).max(row.since) < until).then_some(Stay { until, presence, reading })
        };
        let mut stays: Vec<Stay> = places.flat_map(|p| readings(p).map(move |r| (p, r))).filter_map(stay).collect();
        stays.sort_unstable_by_key(|stay| std::cmp::Reverse(stay.until));
        stays
    }

    fn packages(&self, stay: &Stay) -> &'a [u32] {
        &self.index.inventories[self.index.readings[stay.reading].inventory as usize].packages
    }

    fn look_at_stays(&mut self, stays: Vec<Stay>) {
        let (index, set) = (self.index, self.set);
        let mut spoken = vec![false; index.packages.len()];
        set.each(|m| spoken[index.matches[m].package as usize] = true);
        for stay in stays {
            if self.last.is_some_and(|last| last >= stay.until) {
                return;
            }
            let packages = self.packages(&stay).iter().map(|p| *p as usize).filter(|p| spoken[*p]);
            let matches = packages.flat_map(|p| index.matches_of_package(p)).filter(|m| set.contains(*m));
            matches.for_each(|matched| self.look(matched, stay.presence, stay.reading));
        }
    }

    fn look_at_match(&mut self, matched: usize) {
        let index = self.index;
        let inventories = index.postings[index.matches[matched].package as usize].iter();
        for reading in inventories.flat_map(|i| index.readings_of_inventory(*i as usize)) {
            let presences = index.presences_of_image(index.readings[reading].image as usize);
            presences.for_each(|presence| self.look(matched, presence, reading));
        }
    }

    fn look(&mut self, matched: usize, presence: usize, reading: usize) {
        let index = self.index;
        let (m, p, r) = (&index.matches[matched], &index.presences[presence], &index.readings[reading]);
        let start = self.since.max(m.since).max(p.since).max(r.since);
        let end = self.now.min(m.until).min(p.until).min(r.until);
        let hidden = hidden_bits(m.severity, m.category, m.state) != 0;
        let later = self.last.is_none_or(|last| end > last);
        if start >= end || hidden || !later || !self.here.get(p.repository as usize) {
            return;
        }
        if self.rule.tests.image_passes(index, presence, Some(end - 1)) {
            self.last = Some(end);
        }
    }
}
