//! The columns of the index, and what is looked up in them by name or id.
//!
//! A position in a vector is the name of a row. Rows that belong to one row of another column hang on a chain: the head
//! there, `next_…` here. Nothing is ever taken out: what is over has an `until`, which is what `as_of` reads.

use crate::criteria::{Rule, RuleSet};
use crate::ids::{Ids, NONE, Text, Texts};
use crate::lanes::Lanes;
use crate::rows::{FindingRow, Place};
use crate::view::{Now, View};
use model::advisory::{Category, VendorState};
use model::facts::{
    ExemptionFact, Id, ImageFact, PackageFact, PlanFact, RegistryFact, RepositoryFact, Snapshot, SubscriptionFact,
    VulnerabilityFact,
};
use model::finding::{join_halves, match_half, place_half};
use model::severity::{Severity, SeveritySource};
use model::time::Micros;
use model::verdict::{Coverage, Verdict, Work};
use std::collections::HashMap;

/// The fleet, as of one revision of the store.
#[derive(Debug, Default)]
pub struct Index {
    pub(crate) revision: i64,
    pub(crate) generation: i64,
    pub(crate) orphans: u64,
    pub(crate) texts: Texts,
    pub(crate) subscriptions: Vec<SubscriptionFact>,
    /// By position, those that are no more included: their repositories stay in past answers.
    pub(crate) registries: Vec<RegistryFact>,
    pub(crate) live_registries: Vec<RegistryFact>,
    pub(crate) repositories: Vec<Repository>,
    pub(crate) repository_ids: Ids,
    pub(crate) images: Vec<Image>,
    pub(crate) image_ids: Ids,
    /// By a keyed hash of the digest; a look-up compares the digest.
    pub(crate) digests: HashMap<u64, u32>,
    pub(crate) hasher: std::hash::RandomState,
    pub(crate) presences: Vec<Presence>,
    pub(crate) presence_ids: Ids,
    pub(crate) tags: Vec<Tag>,
    pub(crate) readings: Vec<Reading>,
    pub(crate) inventories: Vec<Inventory>,
    pub(crate) inventory_ids: Ids,
    /// By inventory: findings of one place that has it, now.
    pub(crate) inventory_lanes: Vec<Lanes>,
    pub(crate) components: Vec<Component>,
    pub(crate) component_ids: Ids,
    pub(crate) packages: Vec<Package>,
    pub(crate) package_ids: Ids,
    /// By package: in how many places it is now.
    pub(crate) package_places: Vec<u32>,
    /// By package: its open matches.
    pub(crate) package_lanes: Vec<Lanes>,
    /// By package: the inventories that hold it.
    pub(crate) postings: Vec<Vec<u32>>,
    /// How many packages all inventories hold together.
    pub(crate) held: usize,
    pub(crate) vulnerabilities: Vec<Vulnerability>,
    pub(crate) vulnerability_ids: Ids,
    pub(crate) aliases: Vec<Alias>,
    /// By heading or alias in lower case.
    pub(crate) vulnerability_names: HashMap<Box<str>, u32>,
    pub(crate) matches: Vec<Matched>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) rule_ids: Ids,
    /// What rules speak of; rules that ask the same of matches share one.
    pub(crate) rule_sets: Vec<RuleSet>,
    /// By what is asked of matches.
    pub(crate) rule_set_keys: HashMap<Box<str>, u32>,
    /// Matches that came or changed in the changes that are being taken.
    pub(crate) changed: Vec<u32>,
    pub(crate) plans: Vec<PlanFact>,
    pub(crate) exemptions: Vec<ExemptionFact>,
    /// By inventory: packages with the paths they are at, in order; only where the facts say them.
    pub(crate) paths: HashMap<u32, Box<[(u32, Text)]>>,
    pub(crate) path_texts: HashMap<Box<str>, Text>,
    pub(crate) now: Now,
}

#[derive(Debug)]
pub(crate) struct Repository {
    pub id: Id,
    pub registry: u32,
    pub name: String,
    pub key: String,
    /// When it came to its registry, 0 = it always was there; and as of when it was seen then.
    pub moved: i64,
    pub seen: i64,
    pub presences: u32,
}

#[derive(Debug)]
pub(crate) struct Image {
    pub id: Id,
    pub bytes: i64,
    pub digest: Text,
    pub platform: Text,
    pub os: Text,
    pub reason: Text,
    pub verdict: Verdict,
    pub work: Work,
    pub coverage: Coverage,
    pub presences: u32,
    pub readings: u32,
    pub tags: u32,
}

#[derive(Debug)]
pub(crate) struct Presence {
    pub id: Id,
    pub repository: u32,
    pub image: u32,
    pub since: i64,
    pub until: i64,
    pub last_push: i64,
    pub last_pull: i64,
    pub next_of_repository: u32,
    pub next_of_image: u32,
}

#[derive(Debug)]
pub(crate) struct Tag {
    pub name: Text,
    pub repository: u32,
    pub next_of_image: u32,
    pub since: i64,
    pub until: i64,
}

/// An inventory of an image over an interval.
#[derive(Debug)]
pub(crate) struct Reading {
    pub image: u32,
    pub inventory: u32,
    pub since: i64,
    pub until: i64,
    pub next_of_image: u32,
    pub next_of_inventory: u32,
}

#[derive(Debug)]
pub(crate) struct Inventory {
    pub id: Id,
    /// Positions of packages, ascending.
    pub packages: Box<[u32]>,
    pub readings: u32,
    /// In how many places it is now.
    pub places: u32,
}

#[derive(Debug)]
pub(crate) struct Component {
    pub id: Id,
    pub ecosystem: Text,
    pub name: Text,
}

#[derive(Debug)]
pub(crate) struct Package {
    pub id: Id,
    pub version: Text,
    pub purl: Text,
    pub component: u32,
    pub matches: u32,
}

#[derive(Debug)]
pub(crate) struct Vulnerability {
    pub id: Id,
    pub name: Text,
    pub title: Text,
    pub kev: i64,
    pub published: i64,
    pub modified: i64,
    pub cvss: i32,
    pub epss: i32,
    pub severity: Severity,
    pub aliases: u32,
    pub matches: u32,
}

#[derive(Debug)]
pub(crate) struct Alias {
    pub name: Text,
    pub next: u32,
}

#[derive(Debug)]
pub(crate) struct Matched {
    pub package: u32,
    pub vulnerability: u32,
    pub next_of_package: u32,
    pub next_of_vulnerability: u32,
    pub since: i64,
    pub until: i64,
    pub first: i64,
    pub fixed_version: Text,
    pub severity: Severity,
    pub severity_source: SeveritySource,
    pub fixable: bool,
    pub state: VendorState,
    pub category: Category,
}

/// Returns whether a match is hidden until a filter asks for its severity, category or state: one bit each.
pub(crate) fn hidden_bits(severity: Severity, category: Category, state: VendorState) -> u8 {
    u8::from(severity == Severity::Negligible)
        | u8::from(category == Category::KernelHeaders) << 1
        | u8::from(state == VendorState::UnderInvestigation) << 2
}

impl Matched {
    /// Returns the match as one finding among lanes; `shown` are the bits that do not hide.
    pub(crate) fn lanes(&self, kev: bool, shown: u8) -> Lanes {
        if hidden_bits(self.severity, self.category, self.state) & !shown != 0 {
            return Lanes::HIDDEN;
        }
        let mut lanes = Lanes::default();
        lanes.0[self.severity as usize] = 1;
        lanes.0[6] = u32::from(self.fixable);
        lanes.0[7] = u32::from(kev);
        lanes
    }

    /// Returns the match as one finding among lanes: one that is hidden, or one that is not, whatever it is.
    pub(crate) fn lanes_as(&self, index: &Index, hidden: bool) -> Lanes {
        let kev = || index.vulnerabilities[self.vulnerability as usize].kev > 0;
        if hidden { Lanes::HIDDEN } else { self.lanes(kev(), u8::MAX) }
    }
}

/// Returns whether an interval holds at a moment; now is when it has no end yet.
pub(crate) fn holds(since: i64, until: i64, at: Option<i64>) -> bool {
    at.map_or(until == i64::MAX, |at| since <= at && at < until)
}

fn chain(head: u32, next: impl Fn(usize) -> u32) -> impl Iterator<Item = usize> {
    let some = |at: u32| (at != NONE).then_some(at as usize);
    std::iter::successors(some(head), move |at| some(next(*at)))
}

impl Index {
    /// Returns the revision of the store that answers are given at.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Returns the generation of the advisory database in force.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// Returns how many rows named something that is not there; anything but 0 is a defect of the store.
    pub fn orphans(&self) -> u64 {
        self.orphans
    }

    /// Returns whether changed rows move what was there before: findings of past moments were counted where things were.
    pub fn moves(&self, rows: &Snapshot) -> bool {
        let moved = |row: &RepositoryFact| self.repository_ids.get(row.id).is_some();
        !rows.registries.is_empty() || rows.repositories.iter().any(moved)
    }

    /// Returns whether changed rows say of past moments something else of how images stood: how far one was read, whether it was in
    /// the window. One that leaves the window now was in it until now.
    pub fn restates(&self, rows: &Snapshot) -> bool {
        let read = |row: &ImageFact| {
            let known = self.image_ids.get(row.id).map(|at| &self.images[at as usize]);
            known.is_some_and(|was| {
                let gaps = (was.verdict == Verdict::Gaps) != (row.verdict == Verdict::Gaps);
                let back = was.coverage == Coverage::OutsideWindow && row.coverage != Coverage::OutsideWindow;
                // A first verdict is of a reading that begins with it.
                (gaps && was.verdict != Verdict::None) || back
            })
        };
        let window = |row: &SubscriptionFact| {
            self.subscriptions.iter().any(|was| was.id == row.id && was.window_days != row.window_days)
        };
        rows.images.iter().any(read) || rows.subscriptions.iter().any(window)
    }

    /// Returns every subscription that is there.
    pub fn subscriptions(&self) -> &[SubscriptionFact] {
        &self.subscriptions
    }

    /// Returns every registry that is there.
    #[allow(clippy::misnamed_getters)] // the column holds those that are gone as well
    pub fn registries(&self) -> &[RegistryFact] {
        &self.live_registries
    }

    /// Returns the row id of a vulnerability by any of its names, in any case.
    pub fn vulnerability_id(&self, name: &str) -> Option<Id> {
        self.vulnerability_at(name).map(|v| self.vulnerabilities[v].id)
    }

    pub(crate) fn vulnerability_at(&self, name: &str) -> Option<usize> {
        self.vulnerability_names.get(name.to_ascii_lowercase().as_str()).map(|v| *v as usize)
    }

    pub(crate) fn image_at(&self, digest: &str) -> Option<usize> {
        let found = self.digests.get(&self.digest_key(digest)).map(|i| *i as usize);
        found.filter(|i| self.text(self.images[*i].digest) == digest)
    }

    pub(crate) fn digest_key(&self, digest: &str) -> u64 {
        std::hash::BuildHasher::hash_one(&self.hasher, digest)
    }

    pub(crate) fn text(&self, text: Text) -> &str {
        self.texts.get(text)
    }

    pub(crate) fn presences_of_image(&self, image: usize) -> impl Iterator<Item = usize> {
        chain(self.images[image].presences, |at| self.presences[at].next_of_image)
    }

    pub(crate) fn presences_of_repository(&self, repository: usize) -> impl Iterator<Item = usize> {
        chain(self.repositories[repository].presences, |at| self.presences[at].next_of_repository)
    }

    pub(crate) fn readings_of_image(&self, image: usize) -> impl Iterator<Item = usize> {
        chain(self.images[image].readings, |at| self.readings[at].next_of_image)
    }

    pub(crate) fn readings_of_inventory(&self, inventory: usize) -> impl Iterator<Item = usize> {
        chain(self.inventories[inventory].readings, |at| self.readings[at].next_of_inventory)
    }

    pub(crate) fn tags_of_image(&self, image: usize) -> impl Iterator<Item = usize> {
        chain(self.images[image].tags, |at| self.tags[at].next_of_image)
    }

    pub(crate) fn matches_of_package(&self, package: usize) -> impl Iterator<Item = usize> {
        chain(self.packages[package].matches, |at| self.matches[at].next_of_package)
    }

    pub(crate) fn matches_of_vulnerability(&self, vulnerability: usize) -> impl Iterator<Item = usize> {
        chain(self.vulnerabilities[vulnerability].matches, |at| self.matches[at].next_of_vulnerability)
    }

    pub(crate) fn aliases_of(&self, vulnerability: usize) -> impl Iterator<Item = &str> {
        let head = self.vulnerabilities[vulnerability].aliases;
        chain(head, |at| self.aliases[at].next).map(|at| self.text(self.aliases[at].name))
    }

    /// Returns the inventory that an image has at a moment.
    pub(crate) fn inventory_of(&self, image: usize, at: Option<i64>) -> Option<usize> {
        let mut readings = self.readings_of_image(image).map(|r| &self.readings[r]);
        readings.find(|r| holds(r.since, r.until, at)).map(|r| r.inventory as usize)
    }

    /// Returns the paths of a package in an inventory, as far as the facts say them.
    pub(crate) fn paths_of(&self, inventory: usize, package: usize) -> impl Iterator<Item = &str> {
        let of: &[(u32, Text)] = self.paths.get(&(inventory as u32)).map_or(&[], |paths| paths);
        let start = of.partition_point(|(p, _)| (*p as usize) < package);
        of[start..].iter().take_while(move |(p, _)| *p as usize == package).map(|(_, path)| self.text(*path))
    }

    /// Returns registry, repository and digest of a presence: the order of paths.
    pub(crate) fn path(&self, presence: usize) -> [&str; 3] {
        let presence = &self.presences[presence];
        let repository = &self.repositories[presence.repository as usize];
        let registry = &self.registries[repository.registry as usize].name;
        [registry, &repository.name, self.text(self.images[presence.image as usize].digest)]
    }

    /// Returns the half of a finding id that names a place.
    pub(crate) fn place_half(&self, presence: usize) -> u64 {
        let presence = &self.presences[presence];
        let repository = &self.repositories[presence.repository as usize];
        place_half(&repository.key, self.text(self.images[presence.image as usize].digest))
    }

    /// Returns the half of a finding id that names a match.
    pub(crate) fn match_half(&self, matched: &Matched) -> u64 {
        let package = &self.packages[matched.package as usize];
        match_half(self.text(package.purl), self.text(self.vulnerabilities[matched.vulnerability as usize].name))
    }

    /// Returns when a finding was first seen.
    pub(crate) fn first_seen(&self, matched: usize, presence: usize) -> i64 {
        self.matches[matched].first.max(self.presences[presence].since)
    }

    pub(crate) fn place(&self, presence: usize, at: Option<i64>, view: &View) -> Place {
        let row = &self.presences[presence];
        let repository = &self.repositories[row.repository as usize];
        let registry = &self.registries[repository.registry as usize];
        let subscription = self.subscriptions.iter().find(|s| s.id == registry.subscription);
        let mut tags: Vec<String> = self
            .tags_of_image(row.image as usize)
            .map(|t| &self.tags[t])
            .filter(|t| t.repository == row.repository && holds(t.since, t.until, at))
            .map(|t| self.text(t.name).to_owned())
            .collect();
        tags.sort_unstable();
        Place {
            presence: row.id,
            subscription_id: registry.subscription,
            subscription: subscription.map_or_else(String::new, |s| s.guid.clone()),
            registry_id: registry.id,
            registry: registry.name.clone(),
            repository_id: repository.id,
            repository: repository.name.clone(),
            tags,
            since: Micros(row.since),
            until: Micros(row.until),
            last_push: Micros(row.last_push),
            last_pull: Micros(row.last_pull),
            frozen: self.frozen_in(view, row.repository as usize, at).map(Micros),
        }
    }

    pub(crate) fn package_fact(&self, package: usize) -> PackageFact {
        let row = &self.packages[package];
        let component = &self.components[row.component as usize];
        PackageFact {
            id: row.id,
            component: component.id,
            ecosystem: self.text(component.ecosystem).to_owned(),
            name: self.text(component.name).to_owned(),
            version: self.text(row.version).to_owned(),
            purl: self.text(row.purl).to_owned(),
        }
    }

    pub(crate) fn vulnerability_fact(&self, vulnerability: usize) -> VulnerabilityFact {
        let row = &self.vulnerabilities[vulnerability];
        VulnerabilityFact {
            id: row.id,
            name: self.text(row.name).to_owned(),
            title: self.text(row.title).to_owned(),
            severity: row.severity,
            cvss: row.cvss,
            kev: Micros(row.kev),
            epss: row.epss,
            published: Micros(row.published),
            modified: Micros(row.modified),
        }
    }

    pub(crate) fn alias_names(&self, vulnerability: usize) -> Vec<String> {
        let heading = self.text(self.vulnerabilities[vulnerability].name);
        let mut names: Vec<String> =
            self.aliases_of(vulnerability).filter(|n| *n != heading).map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn finding_row(
        &self,
        (matched, presence): (usize, usize),
        until: i64,
        at: Option<i64>,
        view: &View,
    ) -> FindingRow {
        let row = &self.matches[matched];
        let image_at = self.presences[presence].image as usize;
        let image = &self.images[image_at];
        FindingRow {
            id: join_halves(self.place_half(presence), self.match_half(row)),
            place: self.place(presence, at, view),
            image_id: image.id,
            image: self.text(image.digest).to_owned(),
            platform: self.text(image.platform).to_owned(),
            package: self.package_fact(row.package as usize),
            vulnerability: self.vulnerability_fact(row.vulnerability as usize),
            aliases: self.alias_names(row.vulnerability as usize),
            severity: row.severity,
            severity_source: row.severity_source,
            fixable: row.fixable,
            state: row.state,
            fixed_version: self.text(row.fixed_version).to_owned(),
            category: row.category,
            first_seen: Micros(self.first_seen(matched, presence)),
            until: Micros(until),
            rule: None,
        }
    }
}
