//! The list of distinct vulnerabilities, and where one of them is.

use crate::cursor::{Key, Names, falling, page};
use crate::error::QueryError;
use crate::filter::{Hidden, Test, TextIn};
use crate::index::Index;
use crate::plan::{Plan, Reach};
use crate::query::{Page, Query, Sort, SortKey};
use crate::rows::{BlastRadius, Hit, VulnerabilityRow};
use model::pattern::Pattern;
use model::severity::Severity;
use model::time::Micros;

const SORTS: [SortKey; 10] = [
    SortKey::Default,
    SortKey::Severity,
    SortKey::Cvss,
    SortKey::Epss,
    SortKey::Kev,
    SortKey::FirstSeen,
    SortKey::Vulnerability,
    SortKey::Fixable,
    SortKey::Images,
    SortKey::Published,
];

/// What the matches of a vulnerability add up to.
#[derive(Debug, Clone, Default)]
struct Sum {
    findings: u64,
    disabled: u64,
    worst: Severity,
    fixable: bool,
    first: i64,
    /// Distinct images; worked out for all rows only where they are ordered by it.
    images: u64,
    /// Matches that pass.
    matches: Vec<u32>,
}

/// Counts what is distinct, round after round, without clearing in between.
struct Distinct {
    marks: Vec<u32>,
    round: u32,
}

impl Distinct {
    fn new(rows: usize) -> Self {
        Self { marks: vec![0; rows], round: 0 }
    }

    fn next_round(&mut self) {
        self.round += 1;
    }

    /// Returns whether a row is new in this round.
    fn add(&mut self, row: u32) -> bool {
        std::mem::replace(&mut self.marks[row as usize], self.round) != self.round
    }

    /// Returns whether a row was in this round.
    fn has(&self, row: usize) -> bool {
        self.marks[row] == self.round
    }
}

/// Counts the distinct images of matches. An image has one inventory at a moment, so that distinct inventories, each with the
/// number of its images, are enough: no place is looked at twice. Where rules or a plan tell places of one inventory apart,
/// images are looked at one by one.
struct Images<'a> {
    plan: &'a Plan<'a>,
    /// By inventory: its images with a place that passes: in the class where every match does, and in any.
    images: Vec<[u32; 2]>,
    inventories: Distinct,
    each: Distinct,
}

impl<'a> Images<'a> {
    fn new(plan: &'a Plan<'a>) -> Self {
        let index = plan.index;
        let mut images = vec![[0; 2]; index.inventories.len()];
        let mut seen = vec![[false; 2]; index.images.len()];
        plan.each_place(|presence| {
            let image = index.presences[presence].image as usize;
            let Some(inventory) = plan.inventory_of(presence) else { return };
            let young = plan.class_of(presence) == 0 && !std::mem::replace(&mut seen[image][0], true);
            let any = !std::mem::replace(&mut seen[image][1], true);
            images[inventory][0] += u32::from(young);
            images[inventory][1] += u32::from(any);
        });
        let (inventories, each) = (Distinct::new(index.inventories.len()), Distinct::new(index.images.len()));
        Self { plan, images, inventories, each }
    }

    fn count(&mut self, matches: &[u32]) -> u64 {
        self.inventories.next_round();
        self.each.next_round();
        let plan = self.plan;
        let (mut everywhere, mut young, mut apart) = (Vec::new(), Vec::new(), Vec::new());
        for matched in matches {
            let of = match plan.reach(*matched as usize) {
                Reach::Everywhere => &mut everywhere,
                Reach::Young => &mut young,
                Reach::Apart => &mut apart,
            };
            of.push(*matched);
        }
        // Those that pass in every place come first, so that an inventory is counted with the most images it can have.
        let mut count = self.count_inventories(&everywhere, 1) + self.count_inventories(&young, 0);
        apart.into_iter().for_each(|matched| count += self.count_one_by_one(matched as usize));
        count
    }

    fn count_one_by_one(&mut self, matched: usize) -> u64 {
        let (plan, mut count) = (self.plan, 0);
        plan.each_place_with(plan.index.matches[matched].package as usize, |presence| {
            let counted = plan.inventory_of(presence).is_none_or(|inventory| self.inventories.has(inventory));
            if !counted && plan.finding_passes(matched, presence) {
                count += u64::from(self.each.add(plan.index.presences[presence].image));
            }
        });
        count
    }

    fn count_inventories(&mut self, matches: &[u32], class: usize) -> u64 {
        let mut count = 0;
        for matched in matches {
            let package = self.plan.index.matches[*matched as usize].package;
            for inventory in &self.plan.index.postings[package as usize] {
                let images = self.images[*inventory as usize][class];
                let new = images > 0 && self.inventories.add(*inventory);
                count += u64::from(images) * u64::from(new);
            }
        }
        count
    }
}

impl Index {
    /// Lists the vulnerabilities that have a finding that passes.
    pub fn vulnerabilities(&self, query: &Query) -> Result<Page<VulnerabilityRow>, QueryError> {
        let sort = query.sort.only(&SORTS)?;
        let plan = Plan::new(self, query, TextIn::Matches)?;
        let mut sums = self.sum_vulnerabilities(&plan);
        let mut images = Images::new(&plan);
        if sort.key == SortKey::Images {
            sums.iter_mut().for_each(|sum| sum.images = images.count(&sum.matches));
        }
        let listed = sums.iter().enumerate().filter(|(_, sum)| sum.findings > 0);
        let rows = listed.map(|(at, sum)| (self.vulnerability_key(sort, at, sum), at as u32));
        let names = |id| self.vulnerability_ids.get(id).map(|at| self.vulnerability_names(sort, at as usize));
        let make = |at: usize| self.vulnerability_row(at, &sums[at], &mut images);
        page(self, query, "vulnerabilities", rows, names, make)
    }

    /// Says where a vulnerability is, by any of its names; `None` if no package of the fleet ever had it.
    ///
    /// The query's filter and scope hold as well; its sort, limit and cursor are not looked at. Who asks for one vulnerability
    /// is not told that it is nowhere because it is negligible: nothing is hidden unless the filter has a `hidden:` word.
    pub fn blast_radius(&self, name: &str, query: &Query) -> Result<Option<BlastRadius>, QueryError> {
        let Some(at) = self.vulnerability_at(name) else { return Ok(None) };
        let mut query = Query { limit: usize::MAX, after: None, sort: Sort::default(), ..query.clone() };
        let heading = Pattern::new(self.text(self.vulnerabilities[at].name));
        let named = query.filter.push(false, Test::Vulnerability(vec![heading]));
        let hides = query.filter.conditions.iter().any(|c| matches!(c.test, Test::Hidden(_)));
        let all = if hides { Ok(()) } else { query.filter.push(false, Test::Hidden(Hidden::All)) };
        named.and(all).map_err(|problem| QueryError::Word {
            word: name.to_owned(),
            at: 0,
            problem,
            allowed: Vec::new(),
        })?;
        let plan = Plan::new(self, &query, TextIn::Matches)?;
        let sum = self.sum_vulnerabilities(&plan).swap_remove(at);
        let row = self.vulnerability_row(at, &sum, &mut Images::new(&plan));
        let mut repositories = self.hits(&plan, &sum.matches);
        repositories.sort_by_cached_key(|hit| (-(hit.images as i64), hit.registry.clone(), hit.repository.clone()));
        query.sort.key = SortKey::Images;
        Ok(Some(BlastRadius { row, repositories, packages: self.packages(&query)?.items }))
    }

    fn sum_vulnerabilities(&self, plan: &Plan<'_>) -> Vec<Sum> {
        let mut sums = vec![Sum::default(); self.vulnerabilities.len()];
        plan.each_match(|at, found, hidden| {
            let (row, findings) = (&self.matches[at], found.shown);
            let sum = &mut sums[row.vulnerability as usize];
            sum.disabled += if hidden { 0 } else { found.disabled };
            if hidden || findings == 0 {
                return;
            }
            sum.first = if sum.findings == 0 { row.first } else { sum.first.min(row.first) };
            sum.findings += findings;
            sum.worst = sum.worst.max(row.severity);
            sum.fixable |= row.fixable;
            sum.matches.push(at as u32);
        });
        sums
    }

    /// Calls with every presence in which a match passes.
    fn each_place_of(&self, plan: &Plan<'_>, matched: u32, mut call: impl FnMut(usize)) {
        let row = &self.matches[matched as usize];
        plan.each_place_with(row.package as usize, |presence| {
            if plan.finding_passes(matched as usize, presence) {
                call(presence);
            }
        });
    }

    fn hits(&self, plan: &Plan<'_>, matches: &[u32]) -> Vec<Hit> {
        let mut found: Vec<(u32, u32, i64)> = Vec::new();
        for matched in matches {
            self.each_place_of(plan, *matched, |p| {
                let presence = &self.presences[p];
                found.push((presence.repository, presence.image, presence.last_pull));
            });
        }
        found.sort_unstable();
        let groups = found.chunk_by(|a, b| a.0 == b.0).map(|group| {
            let repository = &self.repositories[group.first().map_or(0, |g| g.0 as usize)];
            Hit {
                repository_id: repository.id,
                registry: self.registries[repository.registry as usize].name.clone(),
                repository: repository.name.clone(),
                images: group.chunk_by(|a, b| a.1 == b.1).count() as u64,
                findings: group.len() as u64,
                last_pull: Micros(group.iter().map(|g| g.2).max().unwrap_or(0)),
            }
        });
        groups.collect()
    }

    fn vulnerability_names(&self, sort: Sort, at: usize) -> Names<'_> {
        if sort.key != SortKey::Vulnerability {
            return Names::default();
        }
        Names { texts: [self.text(self.vulnerabilities[at].name), "", ""], backwards: sort.reverse }
    }

    fn vulnerability_key(&self, sort: Sort, at: usize, sum: &Sum) -> Key<'_> {
        let row = &self.vulnerabilities[at];
        let [kev, severity, fixable, epss] =
            [i64::from(row.kev > 0), i64::from(sum.worst as u8), i64::from(sum.fixable), i64::from(row.epss)];
        let first = match sort.key {
            SortKey::Severity => severity,
            SortKey::Cvss => i64::from(row.cvss),
            SortKey::Epss => epss,
            SortKey::Kev => row.kev,
            SortKey::FirstSeen => sum.first,
            SortKey::Fixable => fixable,
            SortKey::Images => i64::try_from(sum.images).unwrap_or(i64::MAX),
            SortKey::Published => row.published,
            _ => 0,
        };
        let numbers = match sort.key {
            SortKey::Vulnerability => [0; 6],
            SortKey::Default => [kev, severity, fixable, epss, 0, 0].map(|n| falling(sort.reverse, n)),
            _ => [falling(sort.reverse, first), -kev, -severity, -fixable, -epss, 0],
        };
        Key { numbers, names: self.vulnerability_names(sort, at), ids: [row.id, 0, 0, 0] }
    }

    fn vulnerability_row(&self, at: usize, sum: &Sum, images: &mut Images<'_>) -> VulnerabilityRow {
        let mut repositories = Vec::new();
        for matched in &sum.matches {
            self.each_place_of(images.plan, *matched, |p| repositories.push(self.presences[p].repository));
        }
        repositories.sort_unstable();
        repositories.dedup();
        let name = |m: &u32| {
            let package = &self.packages[self.matches[*m as usize].package as usize];
            self.text(self.components[package.component as usize].name)
        };
        let mut packages: Vec<&str> = sum.matches.iter().map(name).collect();
        packages.sort_unstable();
        packages.dedup();
        VulnerabilityRow {
            fact: self.vulnerability_fact(at),
            aliases: self.alias_names(at),
            severity: sum.worst,
            fixable: sum.fixable,
            first_seen: Micros(sum.first),
            packages: packages.into_iter().map(str::to_owned).collect(),
            images: images.count(&sum.matches),
            repositories: repositories.len() as u64,
            findings: sum.findings,
            disabled: sum.disabled,
        }
    }
}
