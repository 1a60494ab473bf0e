//! The list of repositories that have at least one image that passes.

use crate::cursor::{Key, Names, falling, page};
use crate::error::QueryError;
use crate::filter::TextIn;
use crate::images::tally_order;
use crate::index::Index;
use crate::plan::Plan;
use crate::query::{Page, Query, Sort, SortKey};
use crate::rows::{RepositoryRow, Tally};
use crate::sums::Sums;
use model::time::Micros;

const SORTS: [SortKey; 7] = [
    SortKey::Default,
    SortKey::Image,
    SortKey::Severity,
    SortKey::Findings,
    SortKey::Images,
    SortKey::Pushed,
    SortKey::Pulled,
];

/// What the images of a repository add up to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum {
    images: u64,
    affected: u64,
    last_push: i64,
    last_pull: i64,
    pub tally: Tally,
}

impl Index {
    /// Lists repositories. An image passes as in the list of images.
    pub fn repositories(&self, query: &Query) -> Result<Page<RepositoryRow>, QueryError> {
        let sort = query.sort.only(&SORTS)?;
        let plan = Plan::new(self, query, TextIn::Places)?;
        let sums = self.sum_repositories(&plan, |_| true);
        let listed = sums.iter().enumerate().filter(|(_, sum)| sum.images > 0);
        let rows = listed.map(|(at, sum)| (self.repository_key(sort, at, sum), at as u32));
        let names = |id| self.repository_ids.get(id).map(|at| self.repository_names(sort, at as usize));
        page(self, query, "repositories", rows, names, |at| self.repository_row(at, &sums[at]))
    }

    /// Adds up by repository what is in places that were last pulled at a moment of which `used` is true.
    pub(crate) fn sum_repositories(&self, plan: &Plan<'_>, used: impl Fn(i64) -> bool) -> Vec<Sum> {
        let findings = Sums::new(plan);
        let mut sums = vec![Sum::default(); self.repositories.len()];
        findings.each_passing_place(|presence| {
            let row = &self.presences[presence];
            if !used(row.last_pull) {
                return;
            }
            let tally = findings.place(presence).tally();
            let sum = &mut sums[row.repository as usize];
            sum.images += 1;
            sum.affected += u64::from(tally.findings() > 0);
            sum.last_push = sum.last_push.max(row.last_push);
            sum.last_pull = sum.last_pull.max(row.last_pull);
            sum.tally.add(&tally, 1);
        });
        sums
    }

    fn repository_names(&self, sort: Sort, at: usize) -> Names<'_> {
        if !matches!(sort.key, SortKey::Default | SortKey::Image) {
            return Names::default();
        }
        let repository = &self.repositories[at];
        let registry = &self.registries[repository.registry as usize].name;
        Names { texts: [registry, &repository.name, ""], backwards: sort.reverse }
    }

    fn repository_key(&self, sort: Sort, at: usize, sum: &Sum) -> Key<'_> {
        let one = |number| [falling(sort.reverse, number), 0, 0, 0, 0, 0];
        let numbers = match sort.key {
            SortKey::Severity | SortKey::Findings => tally_order(sort, &sum.tally),
            SortKey::Images => one(i64::try_from(sum.images).unwrap_or(i64::MAX)),
            SortKey::Pushed => one(sum.last_push),
            SortKey::Pulled => one(sum.last_pull),
            _ => [0; 6],
        };
        Key { numbers, names: self.repository_names(sort, at), ids: [self.repositories[at].id, 0, 0, 0] }
    }

    pub(crate) fn repository_row(&self, at: usize, sum: &Sum) -> RepositoryRow {
        let repository = &self.repositories[at];
        let registry = &self.registries[repository.registry as usize];
        let subscription = self.subscriptions.iter().find(|s| s.id == registry.subscription);
        RepositoryRow {
            id: repository.id,
            subscription_id: registry.subscription,
            subscription: subscription.map_or_else(String::new, |s| s.guid.clone()),
            registry_id: registry.id,
            registry: registry.name.clone(),
            name: repository.name.clone(),
            images: sum.images,
            affected: sum.affected,
            last_push: Micros(sum.last_push),
            last_pull: Micros(sum.last_pull),
            tally: sum.tally,
        }
    }
}
