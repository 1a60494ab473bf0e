//! The list of packages: where is this package.

use crate::cursor::{Key, Names, falling, page};
use crate::error::QueryError;
use crate::filter::TextIn;
use crate::images::tally_order;
use crate::index::Index;
use crate::plan::Plan;
use crate::query::{Page, Query, Sort, SortKey};
use crate::rows::{PackageRow, Tally};
use std::collections::BTreeSet;

const SORTS: [SortKey; 5] = [SortKey::Default, SortKey::Package, SortKey::Images, SortKey::Severity, SortKey::Findings];

impl Index {
    /// Lists the packages that an image holds, with and without findings; where something is asked of findings, only those
    /// that have such a finding.
    pub fn packages(&self, query: &Query) -> Result<Page<PackageRow>, QueryError> {
        let sort = query.sort.only(&SORTS)?;
        let plan = Plan::new(self, query, TextIn::Packages)?;
        let tallies = self.package_tallies(&plan);
        let images = if sort.key == SortKey::Images { self.count_images_by_package(&plan) } else { Vec::new() };
        let listed = (0..self.packages.len()).filter(|p| {
            let held = plan.holds(*p) && plan.package_passes(*p);
            held && (!plan.wants_findings() || tallies[*p].findings() > 0)
        });
        let rows = listed.map(|p| {
            let numbers = match sort.key {
                SortKey::Images => [falling(sort.reverse, i64::from(images[p])), 0, 0, 0, 0, 0],
                SortKey::Severity | SortKey::Findings => tally_order(sort, &tallies[p]),
                _ => [0; 6],
            };
            (Key { numbers, names: self.package_names(sort, p), ids: [self.packages[p].id, 0, 0, 0] }, p as u32)
        });
        let names = |id| self.package_ids.get(id).map(|p| self.package_names(sort, p as usize));
        page(self, query, "packages", rows, names, |p| self.package_row(&plan, &tallies, p))
    }

    fn package_names(&self, sort: Sort, package: usize) -> Names<'_> {
        if !matches!(sort.key, SortKey::Default | SortKey::Package) {
            return Names::default();
        }
        let row = &self.packages[package];
        let name = self.text(self.components[row.component as usize].name);
        Names { texts: [name, self.text(row.version), self.text(row.purl)], backwards: sort.reverse }
    }

    /// Returns the findings of every package, in all places together.
    fn package_tallies(&self, plan: &Plan<'_>) -> Vec<Tally> {
        let mut tallies = vec![Tally::default(); self.packages.len()];
        plan.each_match(|at, found, hidden| {
            let row = &self.matches[at];
            let tally = &mut tallies[row.package as usize];
            tally.add(&row.lanes_as(self, hidden).tally(), found.shown);
            tally.disabled += if hidden { 0 } else { found.disabled };
        });
        tallies
    }

    /// Counts distinct images by package: an image counts once, however many places it has.
    fn count_images_by_package(&self, plan: &Plan<'_>) -> Vec<u32> {
        let mut held: Vec<(u32, u32)> = Vec::new();
        plan.each_place(|p| held.extend(plan.sight.inventory_of(p).map(|i| (self.presences[p].image, i as u32))));
        held.sort_unstable();
        held.dedup();
        let mut images = vec![0; self.packages.len()];
        for inventories in held.chunk_by(|a, b| a.0 == b.0) {
            // More than one only where a place is seen as of the moment at which its plan was switched off.
            let packages = inventories.iter().flat_map(|(_, i)| &self.inventories[*i as usize].packages).copied();
            if inventories.len() == 1 {
                packages.for_each(|package| images[package as usize] += 1);
            } else {
                packages.collect::<BTreeSet<u32>>().into_iter().for_each(|package| images[package as usize] += 1);
            }
        }
        images
    }

    fn package_row(&self, plan: &Plan<'_>, tallies: &[Tally], package: usize) -> PackageRow {
        let mut images = Vec::new();
        plan.each_place_with(package, |presence| images.push(self.presences[presence].image));
        let places = images.len() as u64;
        images.sort_unstable();
        images.dedup();
        PackageRow { fact: self.package_fact(package), images: images.len() as u64, places, tally: tallies[package] }
    }
}
