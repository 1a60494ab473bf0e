//! The lens: through which rules, and as of which moment, each place is seen.
//!
//! In: rules, plans, a moment. Out: groups of places. Places of one group are seen through the same rules, so that they hide
//! the same matches. Group 0 is seen plainly. A rule is in force in a repository if its scope holds it, it is neither ended,
//! expired nor paused, and no rule of a narrower scope there overrides it. A paused rule still overrides: where it stands,
//! nothing is hidden by either. A registry whose plan is off is seen as of the moment at which it was switched off; a repository that
//! came there later, as it was seen when it came.

use crate::criteria::RuleTests;
use crate::ids::NONE;
use crate::index::{Index, holds};
use crate::kinds::{Group, Kinds};
use crate::sets::RowSet;
use crate::view::{Kept, View};
use model::facts::{Id, PlanFact};
use model::plan::{spans, standard_at};
use model::role::Scope;
use model::time::Micros;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use uuid::Uuid;

impl View {
    /// Returns the rules that hide a match from a group.
    pub fn rules_of<'a>(&'a self, index: &'a Index, matched: usize, group: usize) -> impl Iterator<Item = u32> + 'a {
        let group = &self.groups[group];
        let whole = group.rules.iter().filter(move |r| index.matches_of_rule(**r as usize).contains(matched));
        let here = move |set: u32| self.path_sets[set as usize].contains(matched);
        let by_path = group.by_path.iter().filter(move |(_, set)| here(*set)).map(|(rule, _)| rule);
        whole.chain(by_path).copied()
    }
}

impl Index {
    /// Returns how every place is seen at a moment; `None` is now, which is at `clock`.
    pub(crate) fn view(&self, at: Option<i64>, clock: i64) -> Arc<View> {
        if at.is_some() {
            return Arc::new(self.make_view(at, clock, &[]));
        }
        let lock = || self.now.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = lock().clone();
        if let Some(view) = kept.at(clock) {
            return view;
        }
        let mut view = self.make_view(at, clock, &[]);
        kept.view.iter().for_each(|before| view.follow(before));
        let view = Arc::new(view);
        *lock() = Kept { view: Some(Arc::clone(&view)), outdated: false };
        view
    }

    /// Returns how every place would be seen now without some rules.
    pub(crate) fn view_without(&self, clock: i64, rules: &[Uuid]) -> View {
        self.make_view(None, clock, rules)
    }

    fn make_view(&self, at: Option<i64>, clock: i64, without: &[Uuid]) -> View {
        let mut view = View { since: i64::MIN, until: i64::MAX, groups: vec![Group::default()], ..View::default() };
        for expires in self.rules.iter().filter(|r| holds(r.fact.since.0, r.fact.until.0, at)).map(|r| r.fact.expires.0)
        {
            if expires <= clock {
                view.since = view.since.max(expires);
            } else {
                view.until = view.until.min(expires);
            }
        }
        let in_force = InForce::new(self, at, clock, without);
        if !self.plans.is_empty() {
            view.frozen = (0..self.registries.len()).map(|r| self.frozen_since(r, at)).collect();
        }
        if in_force.is_empty() && view.frozen.iter().all(Option::is_none) {
            return view;
        }
        let mut makes =
            MakeGroups { index: self, at, keys: HashMap::new(), paths: HashMap::new(), sets: HashMap::new(), view };
        for repository in 0..self.repositories.len() {
            makes.take(repository, &in_force);
        }
        let mut view = makes.view;
        view.kinds = self.kinds(&view);
        view.hides = view.kinds.bits(&view.groups, |_| true);
        view
    }

    /// Sorts matches by the rules of a view.
    fn kinds(&self, view: &View) -> Kinds {
        let (mut of_rule, mut of_set) = (vec![NONE; self.rules.len()], vec![NONE; self.rule_sets.len()]);
        let mut sets: Vec<&RowSet> = Vec::new();
        for rule in view.groups.iter().flat_map(|group| &group.rules).map(|r| *r as usize) {
            let set = &mut of_set[self.rules[rule].set as usize];
            if *set == NONE {
                *set = sets.len() as u32;
                sets.push(self.matches_of_rule(rule));
            }
            of_rule[rule] = *set;
        }
        let whole = sets.len() as u32;
        sets.extend(&view.path_sets);
        Kinds::new(of_rule, whole, &sets, self.matches.len())
    }

    /// Returns the scope that a registry is, with everything above it.
    pub(crate) fn scope_of_registry(&self, registry: usize) -> Scope {
        let row = &self.registries[registry];
        let subscription = self.subscriptions.iter().find(|s| s.id == row.subscription);
        Scope {
            subscription: subscription.map(|s| s.guid.clone()),
            resource_group: Some(row.resource_group.clone()),
            registry: Some(row.name.clone()),
            repository: None,
        }
    }

    /// Returns since when a registry's plan is off; `None` while it is on.
    pub fn plan_off_since(&self, registry: Id, now: Micros) -> Option<Micros> {
        let at = self.registries.iter().position(|row| row.id == registry)?;
        self.frozen_since(at, Some(now.0)).map(Micros)
    }

    /// Returns whether the plan of a subscription, by its GUID, is on; its registries may differ.
    pub fn plan_is_on(&self, guid: &str, now: Micros) -> bool {
        let whole = Scope { subscription: Some(guid.to_owned()), ..Scope::ALL };
        let rows: Vec<&PlanFact> = self.plans.iter().filter(|plan| plan.scope == whole).collect();
        rows.is_empty() || standard_at(&[], &rows, now)
    }

    /// Returns as of which moment a repository is seen, if the plan of its registry is off: since then, or as it came there after.
    pub(crate) fn frozen_in(&self, view: &View, repository: usize, at: Option<i64>) -> Option<i64> {
        let row = &self.repositories[repository];
        let since = view.frozen(row.registry as usize)?;
        let came_later = row.moved > 0 && since < row.moved;
        let moment = if came_later { row.seen } else { since };
        Some(at.map_or(moment, |at| moment.min(at)))
    }

    /// Returns the end of the last time in which a registry's plan was on, if it is off at a moment: before all time if it
    /// never was on.
    pub(crate) fn frozen_since(&self, registry: usize, at: Option<i64>) -> Option<i64> {
        let scope = self.scope_of_registry(registry);
        let here = |plan: &&PlanFact| plan.scope.holds(&scope);
        let (own, above): (Vec<&PlanFact>, Vec<&PlanFact>) =
            self.plans.iter().filter(here).partition(|plan| plan.scope.registry.is_some());
        if own.is_empty() && above.is_empty() {
            return None; // nothing is known of plans: nothing is kept back
        }
        let spans = spans(&own, &above);
        let span = spans.iter().rev().find(|span| at.is_none_or(|at| span.since.0 <= at));
        span.filter(|span| !span.standard).map(|span| span.since.0)
    }
}

/// The rules that hold at a moment, by the place in the tree where they stand.
struct InForce<'a> {
    index: &'a Index,
    /// By registry: rules that stand there or above.
    of_registry: Vec<Vec<u32>>,
    /// By registry and name of the repository.
    of_repository: HashMap<(u32, &'a str), Vec<u32>>,
    /// Rules that stand in for another: that one, and how narrow the scope is.
    overrides: HashMap<u32, (Uuid, usize)>,
}

/// Returns how far down the tree a scope stands: 0 for everything, 4 for a repository.
pub(crate) fn depth(scope: &Scope) -> usize {
    match scope {
        Scope { repository: Some(_), .. } => 4,
        Scope { registry: Some(_), .. } => 3,
        Scope { resource_group: Some(_), .. } => 2,
        Scope { subscription: Some(_), .. } => 1,
        _ => 0,
    }
}

impl<'a> InForce<'a> {
    fn new(index: &'a Index, at: Option<i64>, clock: i64, without: &[Uuid]) -> Self {
        let of_registry = vec![Vec::new(); index.registries.len()];
        let mut all = Self { index, of_registry, of_repository: HashMap::new(), overrides: HashMap::new() };
        let registries: Vec<Scope> = (0..index.registries.len()).map(|r| index.scope_of_registry(r)).collect();
        let open = index.rules.iter().enumerate();
        let open = open.filter(|(_, rule)| rule.holds(at, clock) && !without.contains(&rule.fact.uid));
        for (position, rule) in open {
            let position = position as u32;
            let scope = &rule.fact.scope;
            if let Some(uid) = rule.fact.overrides {
                all.overrides.insert(position, (uid, depth(scope)));
            }
            let above = Scope { repository: None, ..scope.clone() };
            for (registry, _) in registries.iter().enumerate().filter(|(_, here)| above.holds(here)) {
                match &scope.repository {
                    None => all.of_registry[registry].push(position),
                    Some(name) => all.of_repository.entry((registry as u32, name)).or_default().push(position),
                }
            }
        }
        all
    }

    fn is_empty(&self) -> bool {
        self.of_registry.iter().all(Vec::is_empty) && self.of_repository.is_empty()
    }

    /// Returns the rules in force in a repository that hide at least one match somewhere.
    fn rules(&self, repository: usize) -> Vec<u32> {
        let row = &self.index.repositories[repository];
        let own = self.of_repository.get(&(row.registry, row.name.as_str())).into_iter().flatten();
        let mut rules: Vec<u32> = self.of_registry[row.registry as usize].iter().chain(own).copied().collect();
        let rule = |r: u32| &self.index.rules[r as usize];
        let standing_in: Vec<(Uuid, usize)> = rules.iter().filter_map(|r| self.overrides.get(r).copied()).collect();
        rules.retain(|r| {
            let fact = &rule(*r).fact;
            let overridden = standing_in.iter().any(|(uid, narrow)| *uid == fact.uid && *narrow > depth(&fact.scope));
            !fact.paused && !overridden && rule(*r).tests.repository_passes(self.index, repository)
        });
        rules.retain(|r| !self.index.matches_of_rule(*r as usize).is_empty());
        rules.sort_unstable();
        rules
    }
}

/// What makes two places alike: rules, what rules that ask for paths hide, the moment.
type GroupKey = (Vec<u32>, Vec<(u32, u32)>, Option<i64>);

/// Puts places into groups.
struct MakeGroups<'a> {
    index: &'a Index,
    at: Option<i64>,
    /// What makes each group but the first.
    keys: HashMap<GroupKey, u32>,
    /// By rule and inventory: the position of what a rule that asks for paths hides there; `None` = nothing.
    paths: HashMap<(u32, u32), Option<u32>>,
    /// Positions of what is hidden by path.
    sets: HashMap<RowSet, u32>,
    view: View,
}

impl MakeGroups<'_> {
    fn take(&mut self, repository: usize, in_force: &InForce<'_>) {
        let index = self.index;
        let frozen = index.frozen_in(&self.view, repository, self.at);
        let (some, all): (Vec<u32>, Vec<u32>) =
            in_force.rules(repository).into_iter().partition(|r| index.rules[*r as usize].tests.asks_image());
        if some.is_empty() && all.is_empty() && frozen.is_none() {
            return;
        }
        let whole = if some.is_empty() { Some(self.group((all.clone(), Vec::new(), frozen))) } else { None };
        let mut groups: HashMap<Vec<u32>, u32> = HashMap::new();
        self.view.of_presence.resize(index.presences.len(), 0);
        for presence in index.presences_of_repository(repository) {
            let row = &index.presences[presence];
            if holds(row.since, row.until, self.at) {
                let group = whole.unwrap_or_else(|| self.group_of_place(presence, [&all, &some], frozen, &mut groups));
                self.view.of_presence[presence] = group;
            }
        }
    }

    /// `groups` are those of the repository by the rules that differ among its images.
    fn group_of_place(
        &mut self,
        presence: usize,
        [all, some]: [&[u32]; 2],
        frozen: Option<i64>,
        groups: &mut HashMap<Vec<u32>, u32>,
    ) -> u32 {
        let index = self.index;
        let (mut rules, mut by_path) = (Vec::new(), Vec::new());
        for rule in some {
            let tests = &index.rules[*rule as usize].tests;
            if !tests.image_passes(index, presence, self.at) {
                continue;
            }
            if tests.paths.is_empty() {
                rules.push(*rule);
                continue;
            }
            let inventory = index.inventory_in(presence, frozen, self.at);
            let found = inventory.and_then(|i| self.hidden_by_path(*rule, i));
            by_path.extend(found.map(|set| (*rule, set)));
        }
        if let Some(known) = groups.get(&rules).filter(|_| by_path.is_empty()) {
            return *known;
        }
        let (own, plain) = (rules.clone(), by_path.is_empty());
        rules.extend(all);
        rules.sort_unstable();
        let group = self.group((rules, by_path, frozen));
        if plain {
            groups.insert(own, group);
        }
        group
    }

    fn hidden_by_path(&mut self, rule: u32, inventory: usize) -> Option<u32> {
        let index = self.index;
        if let Some(known) = self.paths.get(&(rule, inventory as u32)) {
            return *known;
        }
        let row = &index.rules[rule as usize];
        let set = index.hidden_by_path(&row.tests, index.matches_of_rule(rule as usize), inventory);
        let at = (!set.is_empty()).then(|| {
            *self.sets.entry(set).or_insert_with_key(|set| {
                self.view.path_sets.push(set.clone());
                self.view.path_sets.len() as u32 - 1
            })
        });
        self.paths.insert((rule, inventory as u32), at);
        at
    }

    fn group(&mut self, key: GroupKey) -> u32 {
        if key.0.is_empty() && key.1.is_empty() && key.2.is_none() {
            return 0;
        }
        let (index, groups) = (self.index, &mut self.view.groups);
        *self.keys.entry(key).or_insert_with_key(|(rules, by_path, frozen)| {
            let mut sets: Vec<u32> = rules.iter().map(|r| index.rules[*r as usize].set).collect();
            sets.sort_unstable();
            sets.dedup();
            groups.push(Group { rules: rules.clone(), sets, by_path: by_path.clone(), frozen: *frozen });
            groups.len() as u32 - 1
        })
    }
}

impl Index {
    /// Returns the matches that a rule that asks for paths hides where an image has an inventory.
    pub(crate) fn hidden_by_path(&self, tests: &RuleTests, set: &RowSet, inventory: usize) -> RowSet {
        let packages = self.inventories[inventory].packages.iter().map(|p| *p as usize);
        let packages = packages.filter(|p| tests.paths_pass(self, inventory, *p));
        let matches = packages.flat_map(|p| self.matches_of_package(p)).filter(|m| set.contains(*m));
        let mut rows: Vec<u32> = matches.map(|m| m as u32).collect();
        rows.sort_unstable();
        RowSet::new(rows, self.matches.len())
    }

    /// Returns the inventory that a place is seen with: as of the moment at which its plan was switched off, if it was.
    pub(crate) fn inventory_in(&self, presence: usize, frozen: Option<i64>, at: Option<i64>) -> Option<usize> {
        let row = &self.presences[presence];
        match frozen {
            Some(moment) if row.since > moment => None,
            Some(moment) => self.inventory_of(row.image as usize, Some(moment)),
            None => self.inventory_of(row.image as usize, at),
        }
    }
}
