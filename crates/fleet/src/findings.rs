//! The list of findings, and one finding by its id.
//!
//! Rows come in blocks that are in order: all places of one match, or (ordered by image) all matches of one place. By first
//! seen it is both: a finding was first seen with its match if the place was there before, else with its place. So a page
//! opens only the blocks that it shows, and the exact total is a sum of products.

use crate::cursor::{Key, Names, Numbers, Smallest, falling, numbers, read, write};
use crate::error::QueryError;
use crate::filter::{Filter, Hidden, Status, Test, TextIn};
use crate::index::{Index, Matched};
use crate::plan::Plan;
use crate::query::{Page, Query, Scope, Sort, SortKey};
use crate::rows::{FindingRow, RuleMark};
use crate::view::View;
use model::finding::split_halves;
use model::time::Micros;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use uuid::Uuid;

const LIST: &str = "findings";
const SORTS: [SortKey; 10] = [
    SortKey::Default,
    SortKey::Severity,
    SortKey::Cvss,
    SortKey::Epss,
    SortKey::Kev,
    SortKey::FirstSeen,
    SortKey::Package,
    SortKey::Vulnerability,
    SortKey::Image,
    SortKey::Fixable,
];

/// Kinds of blocks, the first of the ids of a block's key.
const MATCH: i64 = 0;
const PLACE: i64 = 1;

/// The order within a block: of a match, the id of the presence; of a place, the default order of its matches.
type Inner = [i64; 6];

/// A row: its order within the block, match, presence.
type Row = (Inner, u32, u32);

impl Index {
    /// Lists findings. The page stops early; the total is exact.
    pub fn findings(&self, query: &Query) -> Result<Page<FindingRow>, QueryError> {
        let sort = query.sort.only(&SORTS)?;
        let plan = Plan::new(self, query, TextIn::Matches)?;
        let cursor = match read(query, LIST)? {
            None => None,
            Some(numbers) => Some(self.cursor_key(sort, &numbers)?),
        };
        let mut totals = Totals::default();
        let blocks = Blocks { plan: &plan, sort, after: cursor };
        let order = blocks.in_order(query.limit, &mut totals);
        let mut rows: Vec<(Key<'_>, Row)> = Vec::new();
        for (key, position) in order {
            let wanted = query.limit.saturating_add(1).saturating_sub(rows.len());
            if wanted == 0 {
                break;
            }
            rows.extend(blocks.open(&key, position as usize, wanted).into_iter().map(|row| (key, row)));
        }
        let more = rows.len() > query.limit;
        rows.truncate(query.limit);
        let next = rows.last().filter(|_| more).map(|(key, (inner, ..))| {
            let mut all = numbers(key);
            all[10..].copy_from_slice(inner);
            write(query, LIST, &all)
        });
        let make = |(_, (_, matched, presence)): &(Key<'_>, Row)| {
            let (matched, presence) = (*matched as usize, *presence as usize);
            let row = self.finding_row((matched, presence), i64::MAX, plan.sight.at, &plan.sight.view);
            FindingRow { rule: self.rule_of(&plan, matched, presence), ..row }
        };
        let items = rows.iter().map(make).collect();
        let Totals { total, hidden, disabled } = totals;
        Ok(Page { items, total, hidden, disabled, next, revision: self.revision, generation: self.generation })
    }

    /// Finds a finding by its id: the one that holds, else the last one that did (`until` says until when).
    ///
    /// Hashes the places, then the matches of one inventory. What lies outside the scope is not found; what a disable rule
    /// hides `now` is, and names the rule.
    pub fn finding(&self, id: Uuid, scope: &Scope, as_of: Option<Micros>, now: Micros) -> Option<FindingRow> {
        let (place, matched) = split_halves(id)?;
        let mut filter = Filter::default();
        filter.push(false, Test::Id(place, matched)).ok()?;
        filter.push(false, Test::Hidden(Hidden::All)).ok()?;
        filter.push(false, Test::Status(Status::All)).ok()?;
        let query = Query { filter, scope: scope.clone(), limit: 1, as_of, now, ..Query::default() };
        let open = self.findings(&query).ok()?.items.pop();
        open.or_else(|| self.past_finding(place, matched, &query))
    }

    /// Returns the rule that hides a finding: of several one that is asked for, else the oldest.
    fn rule_of(&self, plan: &Plan<'_>, matched: usize, presence: usize) -> Option<RuleMark> {
        let group = plan.sight.view.group_of(presence);
        let rules = plan
            .sight
            .view
            .rules_of(self, matched, group)
            .map(|r| (!plan.sight.marks.asks_for(r), &self.rules[r as usize].fact));
        let (_, fact) = rules.min_by_key(|(other, fact)| (*other, fact.since, fact.id))?;
        Some(RuleMark { uid: fact.uid, name: fact.name.clone() })
    }

    /// The last of the findings with this id that were, at the asked moment at the latest.
    fn past_finding(&self, place: u64, matched: u64, query: &Query) -> Option<FindingRow> {
        let limit = query.as_of.map_or(i64::MAX, |t| t.0);
        let here = |p: &usize| self.place_half(*p) == place;
        let visible = |p: &usize| self.in_scope(self.presences[*p].repository as usize, &query.scope);
        let mut past: Vec<(i64, usize, usize)> = Vec::new();
        for presence in (0..self.presences.len()).filter(here).filter(visible) {
            let found = self.past_matches(presence, matched);
            past.extend(found.into_iter().map(|(until, at)| (until, at, presence)));
        }
        let (until, at, presence) = past.into_iter().filter(|p| p.0 <= limit).max()?;
        Some(self.finding_row((at, presence), until, Some(until - 1), &View::default()))
    }

    /// The matches with this half that a presence ever had, each with the moment of its end there.
    fn past_matches(&self, presence: usize, matched: u64) -> Vec<(i64, usize)> {
        let (mut found, row) = (Vec::new(), &self.presences[presence]);
        for reading in self.readings_of_image(row.image as usize).map(|r| &self.readings[r]) {
            let packages = &self.inventories[reading.inventory as usize].packages;
            let of_packages = packages.iter().flat_map(|p| self.matches_of_package(*p as usize));
            found.extend(of_packages.filter(|m| self.match_half(&self.matches[*m]) == matched).map(|at| {
                let m = &self.matches[at];
                let since = m.since.max(row.since).max(reading.since);
                (since, m.until.min(row.until).min(reading.until), at)
            }));
        }
        found.retain(|(since, until, _)| since < until);
        found.into_iter().map(|(_, until, at)| (until, at)).collect()
    }

    pub(crate) fn in_scope(&self, repository: usize, scope: &Scope) -> bool {
        let Scope::Within { subscriptions, registries, repositories } = scope else { return true };
        let repository = &self.repositories[repository];
        let registry = &self.registries[repository.registry as usize];
        repositories.contains(&repository.id)
            || registries.contains(&registry.id)
            || subscriptions.contains(&registry.subscription)
    }

    fn cursor_key(&self, sort: Sort, numbers: &Numbers) -> Result<(Key<'_>, Inner), QueryError> {
        let [n0, n1, n2, n3, n4, n5, i0, i1, i2, i3, inner @ ..] = *numbers;
        let gone = QueryError::Cursor { problem: "names a row that is gone" };
        let names = match i0 {
            MATCH => self
                .package_ids
                .get(i1)
                .zip(self.vulnerability_ids.get(i2))
                .map(|(package, vulnerability)| self.match_names(sort, package as usize, vulnerability as usize)),
            _ => self.presence_ids.get(i1).map(|p| self.place_names(sort, p as usize)),
        };
        let names = names.ok_or(gone)?;
        Ok((Key { numbers: [n0, n1, n2, n3, n4, n5], names, ids: [i0, i1, i2, i3] }, inner))
    }

    fn match_names(&self, sort: Sort, package: usize, vulnerability: usize) -> Names<'_> {
        let row = &self.packages[package];
        let texts = match sort.key {
            SortKey::Package => {
                [self.text(self.components[row.component as usize].name), self.text(row.version), self.text(row.purl)]
            }
            SortKey::Vulnerability => [self.text(self.vulnerabilities[vulnerability].name), "", ""],
            _ => return Names::default(),
        };
        Names { texts, backwards: sort.reverse }
    }

    fn place_names(&self, sort: Sort, presence: usize) -> Names<'_> {
        let by_path = sort.key == SortKey::Image;
        Names { texts: if by_path { self.path(presence) } else { Default::default() }, backwards: sort.reverse }
    }

    /// Returns the default order of a match: known exploited, severity, fixable, EPSS.
    pub(crate) fn default_order(&self, row: &Matched) -> [i64; 4] {
        let vulnerability = &self.vulnerabilities[row.vulnerability as usize];
        [
            -i64::from(vulnerability.kev > 0),
            -(row.severity as i64),
            -i64::from(row.fixable),
            -i64::from(vulnerability.epss),
        ]
    }

    pub(crate) fn match_ids(&self, row: &Matched) -> [i64; 2] {
        [self.packages[row.package as usize].id, self.vulnerabilities[row.vulnerability as usize].id]
    }

    fn match_key(&self, sort: Sort, at: usize) -> Key<'_> {
        let row = &self.matches[at];
        let vulnerability = &self.vulnerabilities[row.vulnerability as usize];
        let [kev, severity, fixable, epss] = self.default_order(row);
        let first = match sort.key {
            SortKey::Severity => i64::from(row.severity as u8),
            SortKey::Cvss => i64::from(vulnerability.cvss),
            SortKey::Epss => i64::from(vulnerability.epss),
            SortKey::Kev => vulnerability.kev,
            SortKey::FirstSeen => row.first,
            SortKey::Fixable => i64::from(row.fixable),
            _ => 0,
        };
        let mut numbers = [falling(sort.reverse, first), kev, severity, fixable, epss, 0];
        let names = self.match_names(sort, row.package as usize, row.vulnerability as usize);
        if sort.key == SortKey::Default && sort.reverse {
            numbers = numbers.map(|n| -n);
        }
        if matches!(sort.key, SortKey::Package | SortKey::Vulnerability) {
            numbers = [0; 6]; // the name comes first; ids decide between equal names
        }
        let [package, vulnerability] = self.match_ids(row);
        // Where a plan is off, an earlier row of a match can be seen beside the one that holds now.
        Key { numbers, names, ids: [MATCH, package, vulnerability, row.since] }
    }

    fn place_key(&self, sort: Sort, presence: usize) -> Key<'_> {
        let row = &self.presences[presence];
        let by_time = sort.key == SortKey::FirstSeen;
        let first = if by_time { falling(sort.reverse, row.since) } else { 0 };
        Key { numbers: [first, 0, 0, 0, 0, 0], names: self.place_names(sort, presence), ids: [PLACE, row.id, 0, 0] }
    }
}

/// How many there are in all.
#[derive(Default)]
struct Totals {
    total: u64,
    hidden: u64,
    disabled: u64,
}

/// The blocks of a list that come after a cursor.
struct Blocks<'a> {
    plan: &'a Plan<'a>,
    sort: Sort,
    after: Option<(Key<'a>, Inner)>,
}

impl<'a> Blocks<'a> {
    /// Gives the blocks in order, and counts the findings of all of them.
    fn in_order(&self, limit: usize, totals: &mut Totals) -> Box<dyn Iterator<Item = (Key<'a>, u32)> + 'a> {
        let index = self.plan.index;
        let (by_match, by_place) = match self.sort.key {
            SortKey::Image => (false, true),
            SortKey::FirstSeen => (true, true),
            _ => (true, false),
        };
        // A match that is counted has a row at least, so that a page needs no more matches than rows, one more to see that there
        // is more, and the one of the cursor, which may have no rows left. By first seen all rows may belong to blocks of places.
        let most = if by_place { usize::MAX } else { limit.saturating_add(2) };
        let mut smallest = Smallest::new(most);
        // By first seen, a match that is older than every place has all its rows in the blocks of places.
        let mut oldest = i64::MAX;
        if by_match && by_place {
            self.plan.each_place(|presence| oldest = oldest.min(index.presences[presence].since));
        }
        let mut all: Vec<Reverse<(Key<'a>, u32)>> = Vec::new();
        let coming = |key: &Key<'a>| self.after.is_none_or(|(after, _)| *key >= after);
        self.plan.each_match(|at, found, is_hidden| {
            if is_hidden {
                totals.hidden += found.shown;
                return;
            }
            totals.total += found.shown;
            totals.disabled += found.disabled;
            if found.shown == 0 || !by_match || (by_place && index.matches[at].first < oldest) {
                return;
            }
            let key = index.match_key(self.sort, at);
            if !coming(&key) {
                return;
            }
            if by_place {
                all.push(Reverse((key, at as u32)));
            } else {
                smallest.push((key, at as u32));
            }
        });
        if !by_place {
            return Box::new(smallest.in_order().into_iter());
        }
        self.plan.each_place(|presence| {
            let key = index.place_key(self.sort, presence);
            if coming(&key) {
                all.push(Reverse((key, presence as u32)));
            }
        });
        let mut heap = BinaryHeap::from(all);
        Box::new(std::iter::from_fn(move || heap.pop().map(|Reverse(block)| block)))
    }

    /// Gives the first rows of a block.
    fn open(&self, key: &Key<'a>, position: usize, wanted: usize) -> Vec<Row> {
        let mut rows = Smallest::new(wanted);
        let from = self.after.filter(|(after, _)| after == key).map(|(_, inner)| inner);
        let mut push = |row: Row| {
            if from.is_none_or(|from| row.0 > from) {
                rows.push(row);
            }
        };
        if key.ids[0] == MATCH {
            self.places_of(position, &mut push)
        } else {
            self.matches_of(position, &mut push)
        }
        rows.in_order()
    }

    fn places_of(&self, matched: usize, push: &mut impl FnMut(Row)) {
        let (plan, index) = (self.plan, self.plan.index);
        let row = &index.matches[matched];
        plan.each_place_with(row.package as usize, |presence| {
            let place = &index.presences[presence];
            let here = self.sort.key != SortKey::FirstSeen || place.since <= row.first;
            if here && plan.finding_passes(matched, presence) {
                push(([place.id, 0, 0, 0, 0, 0], matched as u32, presence as u32));
            }
        });
    }

    fn matches_of(&self, presence: usize, push: &mut impl FnMut(Row)) {
        let (plan, index) = (self.plan, self.plan.index);
        let place = &index.presences[presence];
        let Some(inventory) = plan.sight.inventory_of(presence) else { return };
        let packages = &index.inventories[inventory].packages;
        for at in packages.iter().flat_map(|package| index.matches_of_package(*package as usize)) {
            let row = &index.matches[at];
            let here = self.sort.key != SortKey::FirstSeen || row.first < place.since;
            if here && plan.finding_passes(at, presence) {
                let [kev, severity, fixable, epss] = index.default_order(row);
                let [package, vulnerability] = index.match_ids(row);
                push(([kev, severity, fixable, epss, package, vulnerability], at as u32, presence as u32));
            }
        }
    }
}
