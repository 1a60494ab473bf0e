//! The scope tree with its numbers: subscriptions, resource groups, registries, repositories.
//!
//! In: a query, the deepest level that is wanted. Out: every node in tree order, each with what lies below it: findings,
//! distinct vulnerabilities, distinct images and how they stand, rules that stand there. Subscriptions and registries without
//! images are listed, repositories without are not.

use crate::distinct::Distinct;
use crate::error::QueryError;
use crate::filter::TextIn;
use crate::index::Index;
use crate::lens::depth;
use crate::plan::Plan;
use crate::query::{Query, SortKey};
use crate::rows::Tally;
use crate::score::{ImageState, ScoreSettings, ScoreTally, States};
use crate::sums::Sums;
use model::facts::Id;
use model::role::Scope;
use model::time::Micros;
use std::collections::BTreeMap;

/// A level of the scope tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Subscriptions.
    Subscription,
    /// Resource groups.
    ResourceGroup,
    /// Registries.
    Registry,
    /// Repositories.
    Repository,
}

/// A node of the scope tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeRow {
    /// Its level.
    pub level: Level,
    /// What it is, with everything above it.
    pub scope: Scope,
    /// Row id; 0 for a resource group, which has none.
    pub id: Id,
    /// Name for people.
    pub name: String,
    /// Findings below it.
    pub tally: Tally,
    /// Distinct vulnerabilities among the findings.
    pub vulnerabilities: u64,
    /// Distinct images.
    pub images: u64,
    /// Distinct images with a finding.
    pub affected: u64,
    /// Distinct images by how they stand.
    pub states: ScoreTally,
    /// Disable rules that stand exactly here, paused ones included.
    pub rules: u64,
    /// Disable rules that stand above it.
    pub rules_above: u64,
    /// The moment of which findings are seen, where the plan of a registry is off.
    pub frozen: Option<Micros>,
}

/// The parts of a node's path, as far as it goes: by them the tree is ordered.
type Path = Vec<String>;

/// A place that passes: repository, image, presence, whether it has a finding, how it stands.
type Standing = (u32, u32, u32, bool, ImageState);

impl Index {
    /// Lists the nodes of the tree down to a level. An image passes as in the list of images.
    pub fn scopes(&self, query: &Query, settings: &ScoreSettings, deepest: Level) -> Result<Vec<ScopeRow>, QueryError> {
        query.sort.only(&[SortKey::Default])?;
        let plan = Plan::new(self, &Query { limit: 1, ..query.clone() }, TextIn::Places)?;
        let sums = Sums::new(&plan);
        let clock = plan.sight.at.unwrap_or(query.now.0);
        let states = States::new(self, settings, plan.sight.at, clock);
        let mut tree: BTreeMap<Path, ScopeRow> = BTreeMap::new();
        self.plant(&mut tree, &plan, query, deepest);
        let mut places: Vec<Standing> = Vec::new();
        sums.each_passing_place(|presence| {
            let row = &self.presences[presence];
            let registry = self.repositories[row.repository as usize].registry as usize;
            let lanes = sums.place(presence);
            let (state, _) = states.of(presence, plan.sight.view.frozen(registry).is_some(), &lanes);
            places.push((row.repository, row.image, presence as u32, lanes.any(), state));
        });
        places.sort_unstable();
        let mut of_repository: Vec<(Vec<Path>, &[Standing])> = Vec::new();
        for places in places.chunk_by(|a, b| a.0 == b.0) {
            let repository = places.first().map_or(0, |place| place.0 as usize);
            let paths = self.grow(&mut tree, &plan, repository, deepest);
            let mut tally = Tally::default();
            places.iter().for_each(|place| tally.add(&sums.place(place.2 as usize).tally(), 1));
            for path in &paths {
                tree.get_mut(path).into_iter().for_each(|row| row.tally.add(&tally, 1));
            }
            of_repository.push((paths, places));
        }
        of_repository.sort_by(|a, b| a.0.last().cmp(&b.0.last()));
        let mut rows: Vec<(Path, ScopeRow)> = tree.into_iter().collect();
        self.count_images(&mut rows, &of_repository);
        self.count_vulnerabilities(&plan, &mut rows, &of_repository);
        self.count_rules(&mut rows, plan.sight.at, clock);
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Puts in what is there without any image.
    fn plant(&self, tree: &mut BTreeMap<Path, ScopeRow>, plan: &Plan<'_>, query: &Query, deepest: Level) {
        let within = |subscription: Id, registry: Option<Id>| match &query.scope {
            crate::query::Scope::Everything => true,
            crate::query::Scope::Within { subscriptions, registries, .. } => {
                subscriptions.contains(&subscription) || registry.is_some_and(|r| registries.contains(&r))
            }
        };
        if !query.filter.conditions.is_empty() {
            return; // a filter asks for what passes it
        }
        for subscription in self.subscriptions.iter().filter(|s| within(s.id, None)) {
            let scope = Scope { subscription: Some(subscription.guid.clone()), ..Scope::ALL };
            let path = vec![subscription.guid.clone()];
            tree.entry(path).or_insert_with(|| row(Level::Subscription, scope, subscription.id, &subscription.name));
        }
        for (at, registry) in self.registries.iter().enumerate().filter(|(_, r)| r.until == Micros::FOREVER) {
            if within(registry.subscription, Some(registry.id)) {
                self.grow_registry(tree, plan, at, deepest);
            }
        }
    }

    /// Puts in a registry and what is above it, as deep as wanted; returns the paths.
    fn grow_registry(
        &self,
        tree: &mut BTreeMap<Path, ScopeRow>,
        plan: &Plan<'_>,
        registry: usize,
        deepest: Level,
    ) -> Vec<Path> {
        let (fact, scope) = (&self.registries[registry], self.scope_of_registry(registry));
        let subscription = self.subscriptions.get(self.subscription_at(registry) as usize);
        let guid = scope.subscription.clone().unwrap_or_default();
        let path = [guid, fact.resource_group.clone(), fact.name.clone()];
        let levels = [Level::Subscription, Level::ResourceGroup, Level::Registry];
        let ids = [subscription.map_or(0, |s| s.id), 0, fact.id];
        let names = [subscription.map_or("", |s| s.name.as_str()), fact.resource_group.as_str(), fact.name.as_str()];
        let mut paths = Vec::new();
        for (at, level) in levels.into_iter().enumerate().filter(|(_, level)| *level <= deepest) {
            let mut scope = scope.clone();
            scope.registry = scope.registry.filter(|_| level == Level::Registry);
            scope.resource_group = scope.resource_group.filter(|_| level != Level::Subscription);
            let path = path[..=at].to_vec();
            let node = tree.entry(path.clone()).or_insert_with(|| row(level, scope, ids[at], names[at]));
            node.frozen = plan.sight.view.frozen(registry).filter(|_| level == Level::Registry).map(Micros);
            paths.push(path);
        }
        paths
    }

    fn grow(
        &self,
        tree: &mut BTreeMap<Path, ScopeRow>,
        plan: &Plan<'_>,
        repository: usize,
        deepest: Level,
    ) -> Vec<Path> {
        let fact = &self.repositories[repository];
        let registry = fact.registry as usize;
        let mut paths = self.grow_registry(tree, plan, registry, deepest);
        if deepest == Level::Repository {
            let mut path = paths.last().cloned().unwrap_or_default();
            path.push(fact.name.clone());
            let scope = Scope { repository: Some(fact.name.clone()), ..self.scope_of_registry(registry) };
            let node = tree.entry(path.clone()).or_insert_with(|| row(Level::Repository, scope, fact.id, &fact.name));
            node.frozen = self.frozen_in(&plan.sight.view, repository, plan.sight.at).map(Micros);
            paths.push(path);
        }
        paths
    }

    fn count_images(&self, rows: &mut [(Path, ScopeRow)], of: &[(Vec<Path>, &[Standing])]) {
        let mut all: Vec<(u32, u32, bool, ImageState)> = Vec::new();
        for (paths, places) in of {
            for node in paths.iter().filter_map(|path| position(rows, path)) {
                all.extend(places.iter().map(|place| (node as u32, place.1, place.3, place.4)));
            }
        }
        all.sort_unstable();
        for places in all.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let node = &mut rows[places.first().map_or(0, |place| place.0 as usize)].1;
            node.images += 1;
            node.affected += u64::from(places.iter().any(|place| place.2));
            places.iter().map(|place| place.3).max().into_iter().for_each(|state| node.states.count(state));
        }
    }

    /// Counts distinct vulnerabilities: those of a cell are those of every repository that has a place there.
    fn count_vulnerabilities(&self, plan: &Plan<'_>, rows: &mut [(Path, ScopeRow)], of: &[(Vec<Path>, &[Standing])]) {
        let nodes = |paths: &[Path]| paths.iter().filter_map(|path| position(rows, path)).collect();
        let nodes: Vec<Vec<usize>> = of.iter().map(|(paths, _)| nodes(paths)).collect();
        let mut holders: Vec<(u32, u32)> = Vec::new();
        for (repository, (_, places)) in of.iter().enumerate() {
            let cells = places.iter().filter_map(|place| plan.cell_of(place.2 as usize));
            holders.extend(cells.map(|cell| (cell as u32, repository as u32)));
        }
        holders.sort_unstable();
        holders.dedup();
        let selection = plan.selection();
        let mut first = vec![0_u32; selection.cells.len() + 1];
        holders.iter().for_each(|(cell, _)| first[*cell as usize + 1] += 1);
        (0..selection.cells.len()).for_each(|cell| first[cell + 1] += first[cell]);
        let (mut cells, mut below) = (Distinct::new(selection.cells.len()), Distinct::new(of.len()));
        let mut seen = Distinct::new(rows.len());
        for vulnerability in 0..self.vulnerabilities.len() {
            [&mut cells, &mut below, &mut seen].into_iter().for_each(Distinct::next_round);
            let mut see = |cell: usize| {
                let end = first[cell + usize::from(cells.add(cell as u32))];
                let here = &holders[first[cell] as usize..end as usize];
                let new = here.iter().filter(|(_, repository)| below.add(*repository));
                let nodes = new.flat_map(|(_, repository)| &nodes[*repository as usize]);
                nodes.filter(|node| seen.add(**node as u32)).for_each(|node| rows[*node].1.vulnerabilities += 1);
            };
            let matches = self.matches_of_vulnerability(vulnerability).filter(|m| plan.verdict(*m) == Some(true));
            matches.for_each(|matched| selection.each_cell_showing(&plan.sight, matched, &mut see));
        }
    }

    fn count_rules(&self, rows: &mut [(Path, ScopeRow)], at: Option<i64>, clock: i64) {
        let mut everywhere = 0;
        for rule in self.rules.iter().filter(|rule| rule.holds(at, clock)) {
            let (scope, level) = (&rule.fact.scope, depth(&rule.fact.scope));
            everywhere += u64::from(level == 0);
            let here = |row: &&mut (Path, ScopeRow)| row.1.level as usize + 1 == level && scope.holds(&row.1.scope);
            rows.iter_mut().filter(here).for_each(|row| row.1.rules += 1);
        }
        let mut above = [0; 4];
        for (_, row) in rows {
            let level = row.level as usize;
            above[level] = row.rules;
            row.rules_above = everywhere + above[..level].iter().sum::<u64>();
        }
    }
}

fn row(level: Level, scope: Scope, id: Id, name: &str) -> ScopeRow {
    ScopeRow {
        level,
        scope,
        id,
        name: name.to_owned(),
        tally: Tally::default(),
        vulnerabilities: 0,
        images: 0,
        affected: 0,
        states: ScoreTally::default(),
        rules: 0,
        rules_above: 0,
        frozen: None,
    }
}

fn position(rows: &[(Path, ScopeRow)], path: &Path) -> Option<usize> {
    rows.binary_search_by(|row| row.0.cmp(path)).ok()
}
