//! The list of images: one row a digest, with the places of it that pass.

use crate::cursor::{Key, Names, falling, page};
use crate::error::QueryError;
use crate::filter::TextIn;
use crate::index::Index;
use crate::plan::Plan;
use crate::query::{Page, Query, Sort, SortKey};
use crate::rows::{ImageRow, Tally};
use crate::sums::Sums;
use model::time::Micros;
use model::verdict::Coverage;

/// Length of a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

const SORTS: [SortKey; 6] =
    [SortKey::Default, SortKey::Pushed, SortKey::Pulled, SortKey::Image, SortKey::Severity, SortKey::Findings];

impl Index {
    /// Lists images. Where something is asked of findings, an image without such a finding does not pass; where something is
    /// asked of packages alone, one that holds no such package does not.
    pub fn images(&self, query: &Query) -> Result<Page<ImageRow>, QueryError> {
        let sort = query.sort.only(&SORTS)?;
        let plan = Plan::new(self, query, TextIn::Places)?;
        let sums = Sums::new(&plan);
        let mut places: Vec<(u32, u32)> = Vec::new();
        sums.each_passing_place(|presence| places.push((self.presences[presence].image, presence as u32)));
        places.sort_unstable();
        let groups: Vec<&[(u32, u32)]> = places.chunk_by(|a, b| a.0 == b.0).collect();
        let rows = groups.iter().enumerate().map(|(at, group)| (self.image_key(sort, &sums, group), at as u32));
        let names = |id| {
            let image = self.image_ids.get(id)? as usize;
            let passing = self.presences_of_image(image).filter(|p| plan.place_passes(*p) && sums.passes(*p));
            let here = passing.map(|p| self.path(p)).min();
            let path = here.or_else(|| self.presences_of_image(image).map(|p| self.path(p)).min())?;
            Some(by_path(sort, path))
        };
        page(self, query, "images", rows, names, |at| self.image_row(&plan, &sums, groups[at]))
    }

    fn image_key(&self, sort: Sort, sums: &Sums<'_>, group: &[(u32, u32)]) -> Key<'_> {
        let image = group.first().map_or(0, |(image, _)| *image as usize);
        let presences = || group.iter().map(|(_, p)| &self.presences[*p as usize]);
        let latest = |times: &mut dyn Iterator<Item = i64>| falling(sort.reverse, times.max().unwrap_or(0));
        let mut numbers = [0; 6];
        let mut names = Names::default();
        match sort.key {
            SortKey::Pulled => numbers[0] = latest(&mut presences().map(|p| p.last_pull)),
            SortKey::Image => {
                let path = group.iter().map(|(_, p)| self.path(*p as usize)).min();
                names = by_path(sort, path.unwrap_or_default());
            }
            SortKey::Severity | SortKey::Findings => {
                numbers = tally_order(sort, &self.image_tally(sums, group));
            }
            _ => numbers[0] = latest(&mut presences().map(|p| p.last_push)),
        }
        Key { numbers, names, ids: [self.images[image].id, 0, 0, 0] }
    }

    fn image_tally(&self, sums: &Sums<'_>, group: &[(u32, u32)]) -> Tally {
        let mut tally = Tally::default();
        group.iter().for_each(|(_, p)| tally.add(&sums.place(*p as usize).tally(), 1));
        tally
    }

    fn image_row(&self, plan: &Plan<'_>, sums: &Sums<'_>, group: &[(u32, u32)]) -> ImageRow {
        let position = group.first().map_or(0, |(image, _)| *image as usize);
        let image = &self.images[position];
        let inventory = self.inventory_of(position, plan.sight.at).map(|i| &self.inventories[i]);
        let mut presences: Vec<usize> = group.iter().map(|(_, p)| *p as usize).collect();
        presences.sort_by_key(|p| (self.path(*p), self.presences[*p].id));
        let (coverage, coverage_since) = self.coverage_of(position, &presences, plan);
        ImageRow {
            id: image.id,
            digest: self.text(image.digest).to_owned(),
            platform: self.text(image.platform).to_owned(),
            os: self.text(image.os).to_owned(),
            bytes: image.bytes,
            verdict: image.verdict,
            work: image.work,
            coverage,
            coverage_since,
            reason: self.text(image.reason).to_owned(),
            inventory: inventory.map(|i| i.id),
            packages: inventory.map_or(0, |i| i.packages.len() as u64),
            places: presences.into_iter().map(|p| self.place(p, plan.sight.at, &plan.sight.view)).collect(),
            tally: self.image_tally(sums, group),
        }
    }

    /// Returns whether an image is kept judged in some of its places, and since when it is not: a plan that is off covers an
    /// image only where the plans of all these places are off.
    fn coverage_of(&self, image: usize, presences: &[usize], plan: &Plan<'_>) -> (Coverage, Micros) {
        let registry = |p: usize| self.repositories[self.presences[p].repository as usize].registry as usize;
        let kept = self.images[image].coverage;
        let repository = |p: usize| self.presences[p].repository as usize;
        let frozen = presences.iter().map(|p| self.frozen_in(&plan.sight.view, repository(*p), plan.sight.at));
        match kept {
            Coverage::Accessory => (kept, Micros(0)),
            _ if !presences.is_empty() && frozen.clone().all(|since| since.is_some()) => {
                (Coverage::PlanOff, Micros(frozen.flatten().max().unwrap_or(0).max(0)))
            }
            Coverage::OutsideWindow => {
                let ends = presences.iter().map(|p| self.window_end(*p, registry(*p)));
                (kept, Micros(ends.max().unwrap_or(0)))
            }
            _ => (kept, Micros(0)),
        }
    }

    /// Returns when an image leaves, or left, the last of the windows of its places.
    pub(crate) fn window_of_image(&self, image: usize) -> i64 {
        let registry = |p: usize| self.repositories[self.presences[p].repository as usize].registry as usize;
        self.presences_of_image(image).map(|p| self.window_end(p, registry(p))).max().unwrap_or(0)
    }

    /// Returns when an image leaves, or left, the window of one of its places.
    fn window_end(&self, presence: usize, registry: usize) -> i64 {
        let of = self.registries[registry].subscription;
        let days = self.subscriptions.iter().find(|s| s.id == of).map_or(0, |s| s.window_days);
        let row = &self.presences[presence];
        row.last_push.max(row.last_pull).saturating_add(days.saturating_mul(DAY_MICROS))
    }
}

fn by_path(sort: Sort, path: [&str; 3]) -> Names<'_> {
    match sort.key {
        SortKey::Image => Names { texts: path, backwards: sort.reverse },
        _ => Names::default(),
    }
}

/// Orders by number of findings, or by severity: most critical first, then most high, and so on.
pub(crate) fn tally_order(sort: Sort, tally: &Tally) -> [i64; 6] {
    let number = |n: u64| falling(sort.reverse, i64::try_from(n).unwrap_or(i64::MAX));
    if sort.key == SortKey::Findings {
        return [number(tally.findings()), 0, 0, 0, 0, 0];
    }
    let [unknown, negligible, low, medium, high, critical] = tally.severities.map(number);
    [critical, high, medium, low, negligible, unknown]
}
