//! The list of distinct vulnerabilities, and where one of them is.

use crate::cursor::{Key, Names, falling, page};
use crate::distinct::{CellImages, Distinct};
use crate::error::QueryError;
use crate::filter::{Hidden, Test, TextIn};
use crate::index::Index;
use crate::plan::Plan;
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

/// Counts the distinct images of matches.
struct Images<'a> {
    plan: &'a Plan<'a>,
    of_cells: CellImages,
    cells: Distinct,
    images: Distinct,
}

impl<'a> Images<'a> {
    fn new(plan: &'a Plan<'a>) -> Self {
        let (index, selection) = (plan.index, plan.selection());
        let (cells, images) = (Distinct::new(selection.cells.len()), Distinct::new(index.images.len()));
        Self { plan, of_cells: CellImages::new(index, selection), cells, images }
    }

    fn count(&mut self, matches: &[u32]) -> u64 {
        self.cells.next_round();
        self.images.next_round();
        let mut count = 0;
        for matched in matches {
            self.plan.selection().each_cell_showing(&self.plan.sight, *matched as usize, |cell| {
                let new = self.cells.add(cell as u32);
                let others = self.of_cells.others(cell as u32).filter(|image| new && self.images.add(*image));
                count += others.count() as u64 + u64::from(new) * u64::from(self.of_cells.alone[cell]);
            });
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
