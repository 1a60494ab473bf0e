//! What a filter and a scope ask of a place (an image in a repository).

use crate::filter::{Condition, Test, TextIn};
use crate::index::{Index, holds};
use crate::query::{Query, Scope};
use crate::view::View;
use model::pattern::Pattern;
use model::verdict::Coverage;

/// What is asked of a place.
pub(crate) struct PlaceTests<'q> {
    view: &'q View,
    conditions: Vec<&'q Condition>,
    text_in: TextIn,
    now: i64,
    /// By repository; empty if nothing is asked of it.
    repositories: Vec<bool>,
    /// Images that are named: no other can pass.
    images: Option<Vec<u32>>,
}

impl<'q> PlaceTests<'q> {
    pub fn new(index: &Index, view: &'q View, query: &'q Query, text_in: TextIn) -> Self {
        let mut tests =
            Self { view, conditions: Vec::new(), text_in, now: query.now.0, repositories: Vec::new(), images: None };
        if let Scope::Within { subscriptions, registries, repositories } = &query.scope {
            tests.each_repository(index, |repository, registry| {
                repositories.contains(&index.repositories[repository].id)
                    || registries.contains(&index.registries[registry].id)
                    || subscriptions.contains(&index.registries[registry].subscription)
            });
        }
        for condition in &query.filter.conditions {
            tests.take(index, condition);
        }
        tests
    }

    fn take(&mut self, index: &Index, condition: &'q Condition) {
        let not = condition.not;
        let any = |patterns: &[Pattern], text: &str| patterns.iter().any(|p| p.matches(text));
        match &condition.test {
            Test::Repository(patterns) => self.each_repository(index, |r, registry| {
                let name = &index.repositories[r].name;
                (any(patterns, name) || any(patterns, &format!("{}/{name}", index.registries[registry].name))) != not
            }),
            Test::Registry(patterns) => {
                self.each_repository(index, |_, registry| any(patterns, &index.registries[registry].name) != not);
            }
            Test::Subscription(patterns) => self.each_repository(index, |_, registry| {
                let of = index.registries[registry].subscription;
                let found = index.subscriptions.iter().find(|s| s.id == of);
                found.is_some_and(|s| any(patterns, &s.guid) || any(patterns, &s.name)) != not
            }),
            Test::Image(digests) if !not => {
                let mut named: Vec<u32> = digests.iter().flat_map(|digest| images_of(index, digest)).collect();
                named.sort_unstable();
                named.dedup();
                if let Some(before) = &self.images {
                    named.retain(|i| before.binary_search(i).is_ok());
                }
                self.images = Some(named);
            }
            Test::Text(_) if self.text_in == TextIn::Places => self.conditions.push(condition),
            Test::Image(_) | Test::Tag(_) | Test::Os(_) | Test::Platform(_) => self.conditions.push(condition),
            Test::Verdict(_) | Test::Work(_) | Test::Coverage(_) => self.conditions.push(condition),
            Test::Pulled(_) | Test::Reason(_) | Test::Id(..) => self.conditions.push(condition),
            _ => {}
        }
    }

    fn each_repository(&mut self, index: &Index, pass: impl Fn(usize, usize) -> bool) {
        self.repositories.resize(index.repositories.len(), true);
        for (r, passes) in self.repositories.iter_mut().enumerate() {
            *passes = *passes && pass(r, index.repositories[r].registry as usize);
        }
    }

    pub fn pass_all(&self) -> bool {
        self.conditions.is_empty() && self.repositories.is_empty() && self.images.is_none()
    }

    /// Calls with every presence that can pass, from the shortest list of them.
    pub fn each_candidate(&self, index: &Index, mut call: impl FnMut(usize)) {
        if let Some(images) = &self.images {
            images.iter().for_each(|i| index.presences_of_image(*i as usize).for_each(&mut call));
            return;
        }
        if self.repositories.is_empty() {
            (0..index.presences.len()).for_each(call);
            return;
        }
        for (repository, _) in self.repositories.iter().enumerate().filter(|r| *r.1) {
            index.presences_of_repository(repository).for_each(&mut call);
        }
    }

    pub fn pass(&self, index: &Index, presence: usize, at: Option<i64>) -> bool {
        let repository = index.presences[presence].repository as usize;
        self.repositories.get(repository).is_none_or(|p| *p)
            && self.conditions.iter().all(|c| self.place_test(index, presence, &c.test, at) != c.not)
    }

    fn place_test(&self, index: &Index, presence: usize, test: &Test, at: Option<i64>) -> bool {
        let row = &index.presences[presence];
        let image = &index.images[row.image as usize];
        let any = |patterns: &[Pattern], text: &str| patterns.iter().any(|p| p.matches(text));
        let any_tag = |patterns: &[Pattern]| {
            let mut tags = index.tags_of_image(row.image as usize).map(|t| &index.tags[t]);
            tags.any(|t| {
                t.repository == row.repository && holds(t.since, t.until, at) && any(patterns, index.text(t.name))
            })
        };
        match test {
            Test::Image(digests) => digests.iter().any(|d| begins(index.text(image.digest), d)),
            Test::Tag(patterns) => any_tag(patterns),
            Test::Os(patterns) => any(patterns, index.text(image.os)),
            Test::Platform(patterns) => any(patterns, index.text(image.platform)),
            Test::Verdict(mask) => mask & 1 << image.verdict as u8 != 0,
            Test::Work(mask) => mask & 1 << image.work as u8 != 0,
            Test::Coverage(mask) => {
                let registry = index.repositories[row.repository as usize].registry as usize;
                let off = self.view.frozen(registry).is_some();
                let off = off && image.coverage != Coverage::Accessory;
                let coverage = if off { Coverage::PlanOff } else { image.coverage };
                mask & 1 << coverage as u8 != 0
            }
            Test::Reason(patterns) => {
                index.text(image.reason).split(',').any(|code| !code.is_empty() && any(patterns, code))
            }
            Test::Pulled(span) => row.last_pull != 0 && span.holds(self.now.saturating_sub(row.last_pull)),
            Test::Id(half, _) => index.place_half(presence) == *half,
            Test::Text(pattern) => {
                let [registry, repository, digest] = index.path(presence);
                pattern.matches(&format!("{registry}/{repository}"))
                    || pattern.matches(digest)
                    || pattern.matches(index.text(image.os))
                    || any_tag(std::slice::from_ref(pattern))
            }
            _ => true,
        }
    }
}

fn images_of(index: &Index, digest: &str) -> Vec<u32> {
    if let Some(found) = index.image_at(digest) {
        return vec![found as u32];
    }
    let begins = |i: &usize| begins(index.text(index.images[*i].digest), digest);
    (0..index.images.len()).filter(begins).map(|i| i as u32).collect()
}

fn begins(digest: &str, start: &str) -> bool {
    digest.starts_with(start) || digest.split_once(':').is_some_and(|(_, hex)| hex.starts_with(start))
}
