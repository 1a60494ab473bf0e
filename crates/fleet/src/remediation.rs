//! How long it takes until findings are gone from tags: derived from intervals, kept nowhere.
//!
//! In: a part of the tree, a span of time. Out: by severity how long those were open that an image without them replaced, and how old
//! those are that are open. A finding is here one package name × vulnerability of a tag (and platform): it is the same through every
//! push that does not remove it. It begins when the tag first had it, and is remediated when the tag moved to an image that was read
//! and has it no more. What went otherwise is counted apart: the tag was deleted, the advisory does not say so any more. What a disable
//! rule hides now is counted apart as well, and what is hidden by default is left out.

use crate::images::DAY_MICROS;
use crate::index::{Index, hidden_bits};
use crate::query::Scope;
use crate::view::View;
use model::time::Micros;
use std::collections::BTreeMap;

/// How many took how many whole days.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spread(BTreeMap<u32, u64>);

impl Spread {
    fn add(&mut self, micros: i64) {
        *self.0.entry(u32::try_from(micros.max(0) / DAY_MICROS).unwrap_or(u32::MAX)).or_default() += 1;
    }

    /// Returns how many there are.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns the days within which this share of them is, in percent; `None` where there are none.
    pub fn within(&self, percent: u64) -> Option<u32> {
        let all = self.count();
        let mut so_far = 0;
        self.0.iter().find_map(|(days, count)| {
            so_far += count;
            (so_far * 100 >= all * percent).then_some(*days)
        })
    }

    /// Returns how many took at least so many days.
    pub fn at_least(&self, days: u32) -> u64 {
        self.0.range(days..).map(|(_, count)| count).sum()
    }
}

/// How long findings stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remediation {
    /// By `Severity as usize`: days that those were open which were remediated in the span of time.
    pub remediated: [Spread; 6],
    /// By `Severity as usize`: days that those are open which are open now.
    pub open: [Spread; 6],
    /// Gone in the span of time with a tag that was deleted.
    pub deleted: u64,
    /// Gone in the span of time although the image stayed: the advisory changed, or the image was read anew.
    pub withdrawn: u64,
    /// Open now but for a disable rule.
    pub ignored: u64,
}

/// An image that a tag names over an interval, for one platform.
struct Step<'a> {
    repository: u32,
    tag: &'a str,
    platform: &'a str,
    since: i64,
    until: i64,
    image: u32,
}

impl<'a> Step<'a> {
    fn line(&self) -> (u32, &'a str, &'a str) {
        (self.repository, self.tag, self.platform)
    }
}

/// A finding of a tag over an interval.
struct Span {
    component: u32,
    vulnerability: u32,
    since: i64,
    until: i64,
    /// The last match that it was.
    matched: u32,
}

/// What is counted, and since when.
struct Counting<'a> {
    index: &'a Index,
    view: &'a View,
    now: i64,
    since: i64,
    found: Remediation,
}

impl Index {
    /// Says how long findings stay in a part of the tree, as far as an asker may see it; what is gone counts if it went after `since`.
    pub fn remediation(&self, node: &model::role::Scope, scope: &Scope, since: Micros, now: Micros) -> Remediation {
        let mut asked = vec![false; self.repositories.len()];
        let here = self.repositories_in(node).into_iter().filter(|at| self.in_scope(*at, scope));
        here.for_each(|at| asked[at] = true);
        let mut steps: Vec<Step<'_>> = Vec::new();
        for (image, row) in self.images.iter().enumerate() {
            let tags = self.tags_of_image(image).map(|at| &self.tags[at]);
            steps.extend(tags.filter(|tag| asked[tag.repository as usize] && tag.since < tag.until).map(|tag| Step {
                repository: tag.repository,
                tag: self.text(tag.name),
                platform: self.text(row.platform),
                since: tag.since,
                until: tag.until,
                image: image as u32,
            }));
        }
        steps.sort_unstable_by(|a, b| (a.line(), a.since).cmp(&(b.line(), b.since)));
        let view = self.view(None, now.0);
        let mut counting =
            Counting { index: self, view: &view, now: now.0, since: since.0, found: Remediation::default() };
        let mut spans = Vec::new();
        for line in steps.chunk_by(|a, b| a.line() == b.line()) {
            spans.clear();
            line.iter().for_each(|step| self.spans_of(step, &mut spans));
            counting.count(line, &mut spans);
        }
        counting.found
    }

    /// Adds the findings of a step. Its first reading says what was there from the first moment.
    fn spans_of(&self, step: &Step<'_>, spans: &mut Vec<Span>) {
        let within = |at: &usize| self.readings[*at].since < step.until && self.readings[*at].until > step.since;
        let Some(first) =
            self.readings_of_image(step.image as usize).filter(within).map(|r| self.readings[r].since).min()
        else {
            return;
        };
        for reading in self.readings_of_image(step.image as usize).filter(within).map(|at| &self.readings[at]) {
            let from = if reading.since == first { step.since } else { reading.since };
            let to = reading.until.min(step.until);
            self.spans_of_inventory(reading.inventory as usize, (from, to), spans);
        }
    }

    /// Adds what the packages of an inventory matched within a span.
    fn spans_of_inventory(&self, inventory: usize, (from, to): (i64, i64), spans: &mut Vec<Span>) {
        let packages = self.inventories[inventory].packages.iter();
        for at in packages.flat_map(|package| self.matches_of_package(*package as usize)) {
            let row = &self.matches[at];
            let (since, until) = (row.since.max(from), row.until.min(to));
            if since >= until || hidden_bits(row.severity, row.category, row.state) != 0 {
                continue;
            }
            let component = self.packages[row.package as usize].component;
            let (vulnerability, matched) = (row.vulnerability, at as u32);
            spans.push(Span { component, vulnerability, since, until, matched });
        }
    }
}

impl Counting<'_> {
    fn count(&mut self, line: &[Step<'_>], spans: &mut [Span]) {
        spans.sort_unstable_by_key(|span| (span.component, span.vulnerability, span.since));
        for one in spans.chunk_by(|a, b| (a.component, a.vulnerability) == (b.component, b.vulnerability)) {
            self.join(line, one);
        }
    }

    /// Counts one finding: spans that touch are one.
    fn join(&mut self, line: &[Step<'_>], spans: &[Span]) {
        let mut rest = spans.iter().map(|span| (span.since, span.until, span.matched));
        let Some(mut open) = rest.next() else { return };
        for next in rest {
            if next.0 > open.1 {
                self.add(line, open);
                open = next;
            } else if next.1 > open.1 {
                (open.1, open.2) = (next.1, next.2);
            }
        }
        self.add(line, open);
    }

    /// Counts one finding from its first moment to its last.
    fn add(&mut self, line: &[Step<'_>], (since, until, matched): (i64, i64, u32)) {
        let severity = self.index.matches[matched as usize].severity as usize;
        if until == i64::MAX {
            if self.is_hidden(line, matched) {
                self.found.ignored += 1;
            } else {
                self.found.open[severity].add(self.now.saturating_sub(since));
            }
            return;
        }
        if until < self.since {
            return;
        }
        let moved = line.iter().any(|step| step.until == until);
        match line.iter().find(|step| step.since == until).map(|step| step.image) {
            _ if !moved => self.found.withdrawn += 1,
            None => self.found.deleted += 1,
            // An image that nobody could read proves nothing.
            Some(next) if self.index.readings_of_image(next as usize).next().is_none() => {}
            Some(_) => self.found.remediated[severity].add(until - since),
        }
    }

    /// Whether a disable rule hides it where the tag is now.
    fn is_hidden(&self, line: &[Step<'_>], matched: u32) -> bool {
        let Some(now) = line.iter().find(|step| step.until == i64::MAX) else { return false };
        let here = |at: &usize| {
            let place = &self.index.presences[*at];
            place.repository == now.repository && place.until == i64::MAX
        };
        let place = self.index.presences_of_image(now.image as usize).find(here);
        place.is_some_and(|at| self.view.hides(matched as usize, self.view.group_of(at)))
    }
}

#[cfg(test)]
mod tests;
