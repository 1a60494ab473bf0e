//! The list of packages: where is this package.

use crate::cursor::{Key, Names, falling, page};
use crate::error::QueryError;
use crate::filter::TextIn;
use crate::images::tally_order;
use crate::index::Index;
use crate::plan::{Plan, Sums};
use crate::query::{Page, Query, Sort, SortKey};
use crate::rows::{PackageRow, Tally};

const SORTS: [SortKey; 5] = [SortKey::Default, SortKey::Package, SortKey::Images, SortKey::Severity, SortKey::Findings];

impl Index {
    /// Lists the packages that an image holds, with and without findings; where something is asked of findings, only those
    /// that have such a finding.
    pub fn packages(&self, query: &Query) -> Result<Page<PackageRow>, QueryError> {
        let sort = query.sort.only(&SORTS)?;
        let plan = Plan::new(self, query, TextIn::Packages)?;
        let sums = plan.sums();
        let images = if sort.key == SortKey::Images { self.count_images_by_package(&plan) } else { Vec::new() };
        let listed = (0..self.packages.len()).filter(|p| {
            let held = plan.places_of(*p) != [0; 2] && plan.package_passes(*p);
            held && (!plan.wants_findings() || self.package_tally(&plan, &sums, *p).findings() > 0)
        });
        let rows = listed.map(|p| {
            let numbers = match sort.key {
                SortKey::Images => [falling(sort.reverse, i64::from(images[p])), 0, 0, 0, 0, 0],
                SortKey::Severity | SortKey::Findings => tally_order(sort, &self.package_tally(&plan, &sums, p)),
                _ => [0; 6],
            };
            (Key { numbers, names: self.package_names(sort, p), ids: [self.packages[p].id, 0, 0] }, p as u32)
        });
        let names = |id| self.package_ids.get(id).map(|p| self.package_names(sort, p as usize));
        page(self, query, "packages", rows, names, |p| self.package_row(&plan, &sums, p))
    }

    fn package_names(&self, sort: Sort, package: usize) -> Names<'_> {
        if !matches!(sort.key, SortKey::Default | SortKey::Package) {
            return Names::default();
        }
        let row = &self.packages[package];
        let name = self.text(self.components[row.component as usize].name);
        Names { texts: [name, self.text(row.version), self.text(row.purl)], backwards: sort.reverse }
    }

    fn package_tally(&self, plan: &Plan<'_>, sums: &Sums<'_>, package: usize) -> Tally {
        let mut tally = Tally::default();
        for (class, places) in plan.places_of(package).into_iter().enumerate() {
            tally.add(&sums.package(package, class).tally(), u64::from(places));
        }
        tally
    }

    /// Counts distinct images by package: an image counts once, however many places it has.
    fn count_images_by_package(&self, plan: &Plan<'_>) -> Vec<u32> {
        let mut seen = vec![false; self.images.len()];
        let mut images = vec![0; self.packages.len()];
        plan.each_place(|presence| {
            let image = self.presences[presence].image as usize;
            if std::mem::replace(&mut seen[image], true) {
                return;
            }
            let packages = self.inventory_of(image, plan.at).map(|i| &self.inventories[i].packages);
            packages.into_iter().flatten().for_each(|package| images[*package as usize] += 1);
        });
        images
    }

    fn package_row(&self, plan: &Plan<'_>, sums: &Sums<'_>, package: usize) -> PackageRow {
        let mut images = Vec::new();
        plan.each_place_with(package, |presence| images.push(self.presences[presence].image));
        let places = images.len() as u64;
        images.sort_unstable();
        images.dedup();
        PackageRow {
            fact: self.package_fact(package),
            images: images.len() as u64,
            places,
            tally: self.package_tally(plan, sums, package),
        }
    }
}
