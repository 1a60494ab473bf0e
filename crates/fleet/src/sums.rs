//! What the findings of a place add up to.
//!
//! In: a plan. Out: numbers by place. Without a question those that are kept for everything, else what `adding` adds up.

use crate::adding::add_up;
use crate::lanes::Lanes;
use crate::plan::Plan;
use std::borrow::Cow;

/// Findings of every place of a plan.
pub(crate) struct Sums<'a> {
    plan: &'a Plan<'a>,
    /// By cell.
    lanes: Cow<'a, [Lanes]>,
    /// By inventory: whether it holds a package that passes; empty if nothing is asked of packages alone.
    holding: Vec<bool>,
}

impl<'a> Sums<'a> {
    pub fn new(plan: &'a Plan<'a>) -> Self {
        let lanes = match plan.kept_lanes() {
            Some(kept) => kept,
            None => Cow::Owned(add_up(&plan.sight, plan.selection(), &plan.matches, None)),
        };
        Self::of(plan, lanes)
    }

    /// Takes what was added up already.
    pub fn of(plan: &'a Plan<'a>, lanes: Cow<'a, [Lanes]>) -> Self {
        let mut holding = Vec::new();
        if plan.asks_packages() && !plan.wants_findings() {
            let index = plan.sight.index;
            holding = vec![false; index.inventories.len()];
            let packages = (0..index.packages.len()).filter(|package| plan.package_passes(*package));
            packages.flat_map(|package| &index.postings[package]).for_each(|i| holding[*i as usize] = true);
        }
        Self { plan, lanes, holding }
    }

    /// Returns the findings of a place.
    pub fn place(&self, presence: usize) -> Lanes {
        self.plan.cell_of(presence).map_or_else(Lanes::default, |cell| self.lanes[cell])
    }

    /// Returns whether a place has a finding that is shown and not hidden.
    pub fn any(&self, presence: usize) -> bool {
        self.plan.cell_of(presence).is_some_and(|cell| self.lanes[cell].any())
    }

    /// Returns whether an image passes in a place what is asked of findings and packages.
    pub fn passes(&self, presence: usize) -> bool {
        if self.plan.wants_findings() {
            return self.any(presence);
        }
        let holds = |inventory: usize| self.holding.get(inventory).is_none_or(|holds| *holds);
        !self.plan.asks_packages() || self.plan.sight.inventory_of(presence).is_some_and(holds)
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
