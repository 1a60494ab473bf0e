//! What became known in a span of time, for those who want to be told.
//!
//! In: a query (who is told, of what), two moments. Out: images that came with findings which their repository did not have;
//! vulnerabilities that are new in images that were there, that have a fix now, that are exploited now. What a disable rule
//! hides, what is hidden by default and what a plan that is off keeps back is no news.

use crate::error::QueryError;
use crate::filter::TextIn;
use crate::index::{Index, Matched, holds};
use crate::plan::Plan;
use crate::query::Query;
use crate::rows::{FindingRow, Place, Tally};
use model::facts::{Id, VulnerabilityFact};
use model::severity::Severity;
use model::time::Micros;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Findings of an image that are shown as examples.
const EXAMPLES: usize = 5;

/// What became known. Of each list at most as many as the query's limit, the worst ones; `more_…` says how many there are beyond.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// Images that came, or were read anew, with findings that their repository did not have.
    pub arrivals: Vec<Arrival>,
    /// Further ones.
    pub more_arrivals: u64,
    /// Vulnerabilities that were matched for the first time with packages of images that were there.
    pub appeared: Vec<Heard>,
    /// Further ones.
    pub more_appeared: u64,
    /// Vulnerabilities for which a fixed version exists now.
    pub fixed: Vec<Heard>,
    /// Further ones.
    pub more_fixed: u64,
    /// Vulnerabilities that are exploited now.
    pub exploited: Vec<Heard>,
    /// Further ones.
    pub more_exploited: u64,
}

/// An image with findings that its repository did not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Where.
    pub place: Place,
    /// Digest.
    pub image: String,
    /// The findings that are new.
    pub tally: Tally,
    /// How many of them are critical and have a fixed version.
    pub critical_fixable: u64,
    /// The worst of them.
    pub worst: Vec<FindingRow>,
}

/// A vulnerability and how far it reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The vulnerability.
    pub fact: VulnerabilityFact,
    /// Findings.
    pub findings: u64,
    /// Distinct images.
    pub images: u64,
    /// Distinct repositories.
    pub repositories: u64,
    /// The worst of the findings.
    pub example: FindingRow,
}

/// What may be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic<'a> {
    /// A vulnerability, by its heading.
    Vulnerability(&'a str),
    /// An image in a repository, by the row id of the presence.
    Place(Id),
}

/// Matches by vulnerability, the worst vulnerability first.
type Candidates = Vec<([i64; 4], u32, Vec<u32>)>;

impl Index {
    /// Says what became known after a moment and until another; `exploited` are the vulnerabilities of which that became known.
    pub fn news(&self, query: &Query, after: Micros, until: Micros, exploited: &[Id]) -> Result<News, QueryError> {
        let plan = Plan::new(self, query, TextIn::Matches)?;
        let span = Span { plan: &plan, after: after.0, until: until.0, most: query.limit };
        let mut news = News::default();
        (news.arrivals, news.more_arrivals) = span.arrivals();
        (news.appeared, news.more_appeared) = span.heard(self.candidates(|m| span.has(m.first)), true);
        let fixed = |m: &Matched| span.has(m.since) && m.first <= span.after && m.fixable && !self.was_fixable(m);
        (news.fixed, news.more_fixed) = span.heard(self.candidates(fixed), false);
        let known: HashSet<u32> = exploited.iter().filter_map(|id| self.vulnerability_ids.get(*id)).collect();
        let now_exploited = |m: &Matched| m.first <= span.after && known.contains(&m.vulnerability);
        (news.exploited, news.more_exploited) = span.heard(self.candidates(now_exploited), false);
        Ok(news)
    }

    /// Says for each topic whether a finding is left that passes.
    pub fn still_open(&self, query: &Query, topics: &[Topic<'_>]) -> Result<Vec<bool>, QueryError> {
        let plan = Plan::new(self, query, TextIn::Matches)?;
        let open = |topic: &Topic<'_>| match topic {
            Topic::Vulnerability(name) => self
                .vulnerability_at(name)
                .is_some_and(|v| self.matches_of_vulnerability(v).any(|m| !places_of(&plan, m, |_| true).is_empty())),
            Topic::Place(id) => self.presence_ids.get(*id).is_some_and(|p| {
                let presence = p as usize;
                self.presences[presence].until == i64::MAX
                    && plan.place_passes(presence)
                    && self.matches_in(&plan, presence).any(|m| plan.finding_passes(m, presence))
            }),
        };
        Ok(topics.iter().map(open).collect())
    }

    /// Gives the matches that hold and are asked for.
    fn candidates(&self, wanted: impl Fn(&Matched) -> bool) -> Candidates {
        let mut by_vulnerability: BTreeMap<u32, ([i64; 4], Vec<u32>)> = BTreeMap::new();
        for (at, row) in self.matches.iter().enumerate() {
            if row.until != i64::MAX || !wanted(row) {
                continue;
            }
            let order = self.default_order(row);
            let entry = by_vulnerability.entry(row.vulnerability).or_insert((order, Vec::new()));
            entry.0 = entry.0.min(order);
            entry.1.push(at as u32);
        }
        let mut all: Candidates = by_vulnerability.into_iter().map(|(v, (order, rows))| (order, v, rows)).collect();
        all.sort_unstable();
        all
    }

    /// Returns whether the row that a match continues had a fixed version.
    fn was_fixable(&self, row: &Matched) -> bool {
        let before = self.matches_of_package(row.package as usize).map(|m| &self.matches[m]);
        let mut before = before.filter(|m| m.vulnerability == row.vulnerability && m.until == row.since);
        before.next().is_some_and(|m| m.fixable)
    }

    fn matches_in<'a>(&'a self, plan: &Plan<'_>, presence: usize) -> impl Iterator<Item = usize> + 'a {
        let packages =
            plan.sight.inventory_of(presence).map_or(&[][..], |inventory| &self.inventories[inventory].packages);
        packages.iter().flat_map(|package| self.matches_of_package(*package as usize))
    }

    /// Returns since when a place shows what it shows.
    fn begun(&self, presence: usize) -> Option<i64> {
        let row = &self.presences[presence];
        let mut readings = self.readings_of_image(row.image as usize).map(|r| &self.readings[r]);
        readings.find(|r| r.until == i64::MAX).map(|r| r.since.max(row.since))
    }

    /// Returns every component and vulnerability that a repository had at a moment.
    fn had(&self, repository: u32, moment: i64) -> HashSet<(u32, u32)> {
        let mut had = HashSet::new();
        for presence in self.presences_of_repository(repository as usize).map(|p| &self.presences[p]) {
            if !holds(presence.since, presence.until, Some(moment)) {
                continue;
            }
            let Some(inventory) = self.inventory_of(presence.image as usize, Some(moment)) else { continue };
            for package in self.inventories[inventory].packages.iter().map(|p| *p as usize) {
                let component = self.packages[package].component;
                let rows = self.matches_of_package(package).map(|m| &self.matches[m]);
                let then = rows.filter(|m| holds(m.since, m.until, Some(moment)));
                had.extend(then.map(|m| (component, m.vulnerability)));
            }
        }
        had
    }
}

/// The places in which a match passes, and something else is so.
fn places_of(plan: &Plan<'_>, matched: usize, also: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut places = Vec::new();
    plan.each_place_with(plan.index.matches[matched].package as usize, |presence| {
        if plan.finding_passes(matched, presence) && also(presence) {
            places.push(presence);
        }
    });
    places
}

/// A span of time, seen through a query.
struct Span<'a> {
    plan: &'a Plan<'a>,
    after: i64,
    until: i64,
    most: usize,
}

impl Span<'_> {
    fn has(&self, moment: i64) -> bool {
        self.after < moment && moment <= self.until
    }

    fn arrivals(&self) -> (Vec<Arrival>, u64) {
        let (index, plan) = (self.plan.index, self.plan);
        let mut found = Vec::new();
        for presence in 0..index.presences.len() {
            let row = &index.presences[presence];
            if row.until != i64::MAX || !plan.place_passes(presence) {
                continue;
            }
            if let Some(begun) = index.begun(presence).filter(|begun| self.has(*begun)) {
                let new = self.new_in(presence, begun);
                found.extend((!new.is_empty()).then(|| (self.tally(&new), presence, new)));
            }
        }
        found.sort_by(|((a, pressing_a), p, _), ((b, pressing_b), q, _)| {
            let order = |t: &Tally, pressing: u64| (t.kev > 0, pressing > 0, t.severities[5], t.severities[4]);
            order(b, *pressing_b).cmp(&order(a, *pressing_a)).then(p.cmp(q))
        });
        let more = found.len().saturating_sub(self.most) as u64;
        found.truncate(self.most);
        let arrival = |((tally, critical_fixable), presence, new): ((Tally, u64), usize, Vec<usize>)| {
            let worst =
                new.iter().take(EXAMPLES).map(|m| index.finding_row((*m, presence), i64::MAX, None, &plan.sight.view));
            let image = index.presences[presence].image as usize;
            Arrival {
                place: index.place(presence, None, &plan.sight.view),
                image: index.text(index.images[image].digest).to_owned(),
                tally,
                critical_fixable,
                worst: worst.collect(),
            }
        };
        (found.into_iter().map(arrival).collect(), more)
    }

    /// The matches of a place that its repository did not have right before, the worst first.
    fn new_in(&self, presence: usize, begun: i64) -> Vec<usize> {
        let (index, plan) = (self.plan.index, self.plan);
        let mut new: Vec<usize> =
            index.matches_in(plan, presence).filter(|m| plan.finding_passes(*m, presence)).collect();
        if new.is_empty() {
            return new;
        }
        let had = index.had(index.presences[presence].repository, begun - 1);
        new.retain(|m| {
            let row = &index.matches[*m];
            !had.contains(&(index.packages[row.package as usize].component, row.vulnerability))
        });
        new.sort_by_cached_key(|m| (index.default_order(&index.matches[*m]), index.match_ids(&index.matches[*m])));
        new
    }

    fn tally(&self, matches: &[usize]) -> (Tally, u64) {
        let (mut tally, mut pressing) = (Tally::default(), 0);
        for row in matches.iter().map(|m| &self.plan.index.matches[*m]) {
            tally.severities[row.severity as usize] += 1;
            tally.fixable += u64::from(row.fixable);
            tally.kev += u64::from(self.plan.index.vulnerabilities[row.vulnerability as usize].kev > 0);
            pressing += u64::from(row.fixable && row.severity == Severity::Critical);
        }
        (tally, pressing)
    }

    /// Says how far vulnerabilities reach that have a place in which one of the candidates passes: one that was there before, if
    /// asked for.
    fn heard(&self, candidates: Candidates, before: bool) -> (Vec<Heard>, u64) {
        let index = self.plan.index;
        let here = |p: usize| !before || index.begun(p).is_some_and(|begun| begun <= self.after);
        let (mut heard, mut more) = (Vec::new(), 0);
        for (_, vulnerability, matches) in candidates {
            if !matches.iter().any(|m| !places_of(self.plan, *m as usize, here).is_empty()) {
                continue;
            }
            if heard.len() == self.most {
                more += 1;
            } else {
                heard.extend(self.reach(vulnerability as usize));
            }
        }
        (heard, more)
    }

    fn reach(&self, vulnerability: usize) -> Option<Heard> {
        let index = self.plan.index;
        let (mut findings, mut images, mut repositories) = (0, BTreeSet::new(), BTreeSet::new());
        let mut worst: Option<([i64; 4], [i64; 2], usize, usize)> = None;
        for matched in index.matches_of_vulnerability(vulnerability) {
            let row = &index.matches[matched];
            let (order, ids) = (index.default_order(row), index.match_ids(row));
            for presence in places_of(self.plan, matched, |_| true) {
                let place = &index.presences[presence];
                findings += 1;
                images.insert(place.image);
                repositories.insert(place.repository);
                let this = (order, ids, matched, presence);
                worst = Some(worst.map_or(this, |worst| worst.min(this)));
            }
        }
        let (_, _, matched, presence) = worst?;
        Some(Heard {
            fact: index.vulnerability_fact(vulnerability),
            findings,
            images: images.len() as u64,
            repositories: repositories.len() as u64,
            example: index.finding_row((matched, presence), i64::MAX, None, &self.plan.sight.view),
        })
    }
}
