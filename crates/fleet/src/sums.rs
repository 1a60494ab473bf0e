//! What the findings of a place add up to.
//!
//! In: a plan. Out: numbers by place. Without a question those that the index or the view keeps; else by package first,
//! less what rules hide there.

use crate::index::holds;
use crate::lanes::Lanes;
use crate::plan::Plan;
use crate::sets::Bits;
use crate::view::Selection;

/// Findings by package of one place; by class.
pub(crate) struct Sums<'a> {
    plan: &'a Plan<'a>,
    /// Of matches that hold at the plan's moment, rules aside; `None` = those that the index keeps.
    own: Option<[Vec<Lanes>; 2]>,
    /// By cell of the plan's selection, if worked out.
    cells: Option<Vec<Lanes>>,
}

/// By package: what rules change there, worked out once a group and class.
struct Changed {
    rounds: Vec<u32>,
    lanes: Vec<Lanes>,
    round: u32,
}

impl<'a> Sums<'a> {
    pub fn new(plan: &'a Plan<'a>) -> Self {
        if plan.all_matches {
            return Self { plan, own: None, cells: None };
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
        Self { plan, own: Some(own), cells: None }
    }

    /// Works out every place at once: for who asks for most of them.
    pub fn of_all(plan: &'a Plan<'a>) -> Self {
        let mut sums = Self::new(plan);
        if let Some(selection) = plan.selection().filter(|_| !plan.kept_lanes()) {
            sums.cells = Some(sums.of_cells(selection));
        }
        sums
    }

    /// Returns the findings of a place.
    pub fn place(&self, presence: usize) -> Lanes {
        let plan = self.plan;
        if plan.kept_lanes() {
            let kept = &plan.view.everything(plan.index).lanes;
            return plan.cell_of(presence).map_or_else(Lanes::default, |cell| kept[cell]);
        }
        if let Some(cells) = &self.cells {
            return plan.cell_of(presence).map_or_else(Lanes::default, |cell| cells[cell]);
        }
        let Some(inventory) = plan.inventory_of(presence) else { return Lanes::default() };
        self.inventory(inventory, plan.group_of(presence), plan.class_of(presence))
    }

    /// Returns whether a place has a finding that is shown and not hidden.
    pub fn any(&self, presence: usize) -> bool {
        let plan = self.plan;
        let Some(inventory) = plan.inventory_of(presence) else { return false };
        let (group, class) = (plan.group_of(presence), plan.class_of(presence));
        if self.cells.is_some() || plan.kept_lanes() || (self.own.is_none() && plan.is_plain(group)) {
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
        let marked = plan.marked(group).filter(|_| plan.starts_from_nothing());
        let can =
            |p: &usize| marked.is_none_or(|m| m.packages.get(*p)) && (plan.frozen(group).is_some() || own(*p).any());
        let mut packages = packages.filter(can);
        packages.any(|p| index.matches_of_package(p).any(shown))
    }

    fn inventory(&self, inventory: usize, group: usize, class: usize) -> Lanes {
        let mut sum = self.base(inventory, group, class, None);
        for package in self.looked_at(inventory, group) {
            sum.add(&self.change(package, group, class));
        }
        sum
    }

    /// Returns the findings of every cell, group by group.
    fn of_cells(&self, selection: &Selection) -> Vec<Lanes> {
        let packages = self.plan.index.packages.len();
        let some = |own: &Vec<Lanes>| {
            let mut bits = Bits::default();
            let found = own.iter().enumerate().filter(|(_, lanes)| **lanes != Lanes::default());
            found.for_each(|(package, _)| bits.set(package));
            bits
        };
        let some = self.own.as_ref().map(|own| [some(&own[0]), some(&own[1])]);
        let changed = || Changed { rounds: vec![0; packages], lanes: vec![Lanes::default(); packages], round: 0 };
        let mut changed = [changed(), changed()];
        let mut all = Vec::with_capacity(selection.cells.len());
        for cells in selection.cells.chunk_by(|a, b| a.group == b.group) {
            changed.iter_mut().for_each(|changed| changed.round += 1);
            for cell in cells {
                let (inventory, group, class) = (cell.inventory as usize, cell.group as usize, cell.class as usize);
                let mut sum = self.base(inventory, group, class, some.as_ref().map(|some| &some[class]));
                let changed = &mut changed[class];
                let looked_at = self.looked_at(inventory, group);
                looked_at.for_each(|p| sum.add(changed.of(p, || self.change(p, group, class))));
                all.push(sum);
            }
        }
        all
    }

    /// Returns the findings of a place before what rules change: nothing where all is looked at.
    fn base(&self, inventory: usize, group: usize, class: usize, some: Option<&Bits>) -> Lanes {
        let (plan, index) = (self.plan, self.plan.index);
        if plan.frozen(group).is_some() || plan.starts_from_nothing() {
            return Lanes::default();
        }
        let Some(own) = &self.own else { return index.inventory_lanes[inventory] };
        let mut sum = Lanes::default();
        for package in index.inventories[inventory].packages.iter().map(|p| *p as usize) {
            if some.is_none_or(|some| some.get(package)) {
                sum.add(&own[class][package]);
            }
        }
        sum
    }

    /// Returns the packages of an inventory in which rules, or a plan that is off, change something.
    fn looked_at(&self, inventory: usize, group: usize) -> impl Iterator<Item = usize> {
        let (all, marked) = (self.plan.frozen(group).is_some(), self.plan.marked(group));
        let packages = self.plan.index.inventories[inventory].packages.iter().map(|p| *p as usize);
        packages.filter(move |p| all || marked.is_some_and(|m| m.packages.get(*p)))
    }

    /// Returns what is to be added for a package to the base of a place.
    fn change(&self, package: usize, group: usize, class: usize) -> Lanes {
        let mut lanes = Lanes::default();
        self.add_package(&mut lanes, package, group, class);
        if self.plan.frozen(group).is_none() && !self.plan.starts_from_nothing() {
            match &self.own {
                None => lanes.take(&self.plan.index.package_lanes[package]),
                Some(own) => lanes.take(&own[class][package]),
            }
        }
        lanes
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

impl Changed {
    fn of(&mut self, package: usize, make: impl FnOnce() -> Lanes) -> &Lanes {
        if std::mem::replace(&mut self.rounds[package], self.round) != self.round {
            self.lanes[package] = make();
        }
        &self.lanes[package]
    }
}
