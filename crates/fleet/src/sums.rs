//! What the findings of a place add up to.
//!
//! In: a plan. Out: numbers by place. Without a question those that the index or the view keeps; else by package first,
//! less what rules hide there.

use crate::index::{Index, Lanes, holds};
use crate::lens::View;
use crate::marks::Marks;
use crate::plan::Plan;
use crate::selection::{Selecting, Selection};

/// Findings by package of one place; by class.
pub(crate) struct Sums<'a> {
    plan: &'a Plan<'a>,
    /// Of matches that hold at the plan's moment, rules aside; `None` = those that the index keeps.
    own: Option<[Vec<Lanes>; 2]>,
}

impl<'a> Sums<'a> {
    pub fn new(plan: &'a Plan<'a>) -> Self {
        if plan.all_matches {
            let sums = Self { plan, own: None };
            if plan.kept_lanes() {
                plan.view.work_out_lanes(plan.index);
            }
            return sums;
        }
        let index = plan.index;
        let mut own = [vec![Lanes::default(); index.packages.len()], vec![Lanes::default(); index.packages.len()]];
        plan.each_passing_row(|at, hidden| {
            let row = &index.matches[at];
            if !holds(row.since, row.until, plan.at) {
                return;
            }
            let lanes = row.lanes_as(index, hidden);
            for (_, sums) in own.iter_mut().enumerate().filter(|(class, _)| plan.in_class(row, *class)) {
                sums[row.package as usize].add(&lanes);
            }
        });
        Self { plan, own: Some(own) }
    }

    /// Returns the findings of a place.
    pub fn place(&self, presence: usize) -> Lanes {
        let plan = self.plan;
        if plan.kept_lanes() {
            let kept = plan.view.lanes.get().zip(plan.cell_of(presence));
            return kept.map_or_else(Lanes::default, |(lanes, cell)| lanes[cell]);
        }
        let Some(inventory) = plan.inventory_of(presence) else { return Lanes::default() };
        self.inventory(inventory, plan.group_of(presence), plan.class_of(presence))
    }

    /// Returns whether a place has a finding that is shown and not hidden.
    pub fn any(&self, presence: usize) -> bool {
        let plan = self.plan;
        let Some(inventory) = plan.inventory_of(presence) else { return false };
        let (group, class) = (plan.group_of(presence), plan.class_of(presence));
        if plan.kept_lanes() || (self.own.is_none() && plan.is_plain(group)) {
            return self.place(presence).any();
        }
        let index = plan.index;
        let packages = index.inventories[inventory].packages.iter().map(|p| *p as usize);
        let own = |p: usize| match &self.own {
            Some(own) => own[class][p],
            None => index.package_lanes[p],
        };
        if plan.is_plain(group) {
            return packages.into_iter().any(|p| own(p).any());
        }
        let shown = |m: usize| plan.shows(m, class, group) == Some(true) && plan.verdict(m) == Some(true);
        let mut packages = packages.filter(|p| plan.frozen(group).is_some() || own(*p).any());
        packages.any(|p| index.matches_of_package(p).any(shown))
    }

    fn inventory(&self, inventory: usize, group: usize, class: usize) -> Lanes {
        let (plan, index) = (self.plan, self.plan.index);
        let packages = &index.inventories[inventory].packages;
        let mut sum = Lanes::default();
        if plan.frozen(group).is_some() || plan.starts_from_nothing() {
            packages.iter().for_each(|p| self.add_package(&mut sum, *p as usize, group, class));
            return sum;
        }
        match &self.own {
            None => sum = index.inventory_lanes[inventory],
            Some(own) => packages.iter().for_each(|p| sum.add(&own[class][*p as usize])),
        }
        let Some(marked) = plan.marked(group) else { return sum };
        for package in packages.iter().map(|p| *p as usize).filter(|p| marked.packages.get(*p)) {
            match &self.own {
                None => sum.take(&index.package_lanes[package]),
                Some(own) => sum.take(&own[class][package]),
            }
            self.add_package(&mut sum, package, group, class);
        }
        sum
    }

    /// Adds the findings of a package, match by match.
    fn add_package(&self, sum: &mut Lanes, package: usize, group: usize, class: usize) {
        let (plan, index) = (self.plan, self.plan.index);
        for matched in index.matches_of_package(package) {
            let Some(shown) = plan.shows(matched, class, group) else { continue };
            let Some(visible) = plan.verdict(matched) else { continue };
            if shown {
                sum.add(&index.matches[matched].lanes_as(index, !visible));
            } else if visible {
                sum.add(&Lanes::DISABLED);
            }
        }
    }

    /// Returns whether an image passes in a place what is asked of findings and packages.
    pub fn passes(&self, presence: usize) -> bool {
        let plan = self.plan;
        if plan.wants_findings() {
            return self.any(presence);
        }
        let packages = || plan.inventory_of(presence).map_or(&[][..], |i| &plan.index.inventories[i].packages);
        !plan.asks_packages() || packages().iter().any(|p| plan.package_passes(*p as usize))
    }

    /// Calls with every presence that passes with what it holds.
    pub fn each_passing_place(&self, mut call: impl FnMut(usize)) {
        self.plan.each_place(|presence| {
            if self.passes(presence) {
                call(presence);
            }
        });
    }
}

impl Index {
    /// Returns the findings of a place that holds an inventory and is in a group of a view of now, nothing asked.
    pub(crate) fn lanes_in(&self, view: &View, inventory: usize, group: usize) -> Lanes {
        let group = &view.groups[group];
        let packages = self.inventories[inventory].packages.iter().map(|p| *p as usize);
        let mut sum = if group.frozen.is_none() { self.inventory_lanes[inventory] } else { Lanes::default() };
        let looked_at = packages.filter(|p| group.frozen.is_some() || group.hides.packages.get(*p));
        for matched in looked_at.flat_map(|p| self.matches_of_package(p)) {
            let row = &self.matches[matched];
            if !holds(row.since, row.until, group.frozen) {
                continue;
            }
            let kev = self.vulnerabilities[row.vulnerability as usize].kev > 0;
            let lanes = row.lanes(kev, 0);
            let hides = group.hides.matches.get(matched);
            match (hides, group.frozen) {
                (false, None) => {}
                (false, Some(_)) => sum.add(&lanes),
                (true, None) => sum.take(&lanes),
                (true, Some(_)) => {}
            }
            if hides && lanes != Lanes::HIDDEN {
                sum.add(&Lanes::DISABLED);
            }
        }
        sum
    }
}

impl View {
    /// Works out the findings of every cell of `everything`, once.
    fn work_out_lanes(&self, index: &Index) {
        let cells = &self.everything(index).cells;
        let lanes = || cells.iter().map(|c| index.lanes_in(self, c.inventory as usize, c.group as usize));
        self.lanes.get_or_init(|| lanes().collect());
    }

    /// Works out everything that is selected where nothing is asked, once; and its findings by cell.
    pub fn everything(&self, index: &Index) -> &Selection {
        let marks = Marks::default();
        self.everything.get_or_init(|| {
            let open = (0..index.presences.len()).filter(|p| index.presences[*p].until == i64::MAX);
            let selecting = Selecting { index, at: None, view: Some(self), marks: &marks };
            selecting.take(open.map(|presence| (presence, 0)))
        })
    }
}
