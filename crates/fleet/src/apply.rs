//! How the index follows the store.
//!
//! In: a snapshot, or rows that are new or different. Out: the same index either way: building is applying everything to
//! nothing. Sums that answers start from (findings by inventory, places by package) are kept by deltas.
//! A row that names something that is not there is left out and counted (`Index::orphans`).

use crate::ids::NONE;
use crate::index::{
    Alias, Component, Image, Index, Inventory, Matched, Package, Presence, Reading, Repository, Tag, Vulnerability,
};
use crate::lanes::Lanes;
use model::advisory::VendorState;
use model::facts::{
    Changes, Id, ImageFact, ImageInventoryFact, InventoryFact, MatchFact, PackageFact, PresenceFact, RepositoryFact,
    Snapshot, TagFact, VulnerabilityFact,
};
use model::time::Micros;

impl Index {
    /// Builds the index from all facts.
    pub fn build(snapshot: &Snapshot) -> Self {
        let mut index = Self::default();
        index.reserve(snapshot);
        index.take_rows(snapshot);
        index.shrink();
        index
    }

    /// Follows transactions of the store, in order. Rows that are already known as they are change nothing.
    pub fn apply(&mut self, changes: &Changes) {
        self.take_rows(&changes.rows);
        self.revision = changes.revision;
    }

    fn take_rows(&mut self, rows: &Snapshot) {
        (self.revision, self.generation) = (rows.revision, rows.generation);
        // Nothing is known yet: each package gets its places once at the end.
        let empty = self.inventories.is_empty();
        for row in &rows.subscriptions {
            upsert(&mut self.subscriptions, row, |r| r.id == row.id);
        }
        self.subscriptions.retain(|r| r.until == Micros::FOREVER);
        for row in &rows.registries {
            upsert(&mut self.registries, row, |r| r.id == row.id);
        }
        if !rows.registries.is_empty() {
            let live = self.registries.iter().filter(|r| r.until == Micros::FOREVER);
            self.live_registries = live.cloned().collect();
        }
        rows.repositories.iter().for_each(|row| self.take_repository(row));
        rows.images.iter().for_each(|row| self.take_image(row));
        rows.packages.iter().for_each(|row| self.take_package(row));
        rows.vulnerabilities.iter().for_each(|row| self.take_vulnerability(row));
        rows.aliases.iter().for_each(|(name, id)| self.take_alias(name, *id));
        // Matches before inventories: a new inventory then sums its packages once.
        let fresh = self.matches.is_empty();
        rows.matches.iter().for_each(|row| self.take_match(row, fresh));
        rows.inventories.iter().for_each(|row| self.take_inventory(row));
        rows.presences.iter().for_each(|row| self.take_presence(row));
        // Readings after presences: a package then gets all the places of an image at once.
        rows.image_inventories.iter().for_each(|row| self.take_reading(row, empty));
        if empty {
            self.place_packages();
        }
        rows.tags.iter().for_each(|row| self.take_tag(row));
        self.take_lens(rows);
    }

    fn orphan(&mut self) {
        self.orphans += 1;
    }

    fn take_repository(&mut self, row: &RepositoryFact) {
        let Some(registry) = self.registries.iter().position(|r| r.id == row.registry) else { return self.orphan() };
        let registry = registry as u32;
        if let Some(at) = self.repository_ids.get(row.id) {
            let repository = &mut self.repositories[at as usize];
            (repository.registry, repository.name) = (registry, row.name.clone());
            (repository.moved, repository.seen) = (row.moved.0, row.seen.0);
            return;
        }
        self.repository_ids.insert(row.id, self.repositories.len() as u32);
        self.repositories.push(Repository {
            id: row.id,
            registry,
            name: row.name.clone(),
            key: row.key.clone(),
            moved: row.moved.0,
            seen: row.seen.0,
            presences: NONE,
        });
    }

    fn take_image(&mut self, row: &ImageFact) {
        let at = self.image_ids.get(row.id).unwrap_or_else(|| {
            let at = self.images.len() as u32;
            self.image_ids.insert(row.id, at);
            self.digests.insert(self.digest_key(&row.digest), at);
            let digest = self.texts.add(&row.digest);
            let none = self.texts.add("");
            self.images.push(Image {
                id: row.id,
                bytes: 0,
                digest,
                platform: none,
                os: none,
                reason: none,
                verdict: row.verdict,
                work: row.work,
                coverage: row.coverage,
                presences: NONE,
                readings: NONE,
                tags: NONE,
            });
            at
        });
        let image = &mut self.images[at as usize];
        image.bytes = row.bytes;
        image.platform = self.texts.replace(image.platform, &row.platform);
        image.os = self.texts.replace(image.os, &row.os);
        image.reason = self.texts.replace(image.reason, &row.reason);
        (image.verdict, image.work, image.coverage) = (row.verdict, row.work, row.coverage);
    }

    fn take_package(&mut self, row: &PackageFact) {
        if self.package_ids.get(row.id).is_some() {
            return; // every column of a package is part of its key
        }
        let component = self.component_ids.get(row.component).unwrap_or_else(|| {
            let at = self.components.len() as u32;
            self.component_ids.insert(row.component, at);
            let (ecosystem, name) = (self.texts.add(&row.ecosystem), self.texts.add(&row.name));
            self.components.push(Component { id: row.component, ecosystem, name });
            at
        });
        self.package_ids.insert(row.id, self.packages.len() as u32);
        let (version, purl) = (self.texts.add(&row.version), self.texts.add(&row.purl));
        self.packages.push(Package { id: row.id, version, purl, component, matches: NONE });
        self.package_places.push(0);
        self.package_lanes.push(Lanes::default());
        self.postings.push(Vec::new());
    }

    fn take_vulnerability(&mut self, row: &VulnerabilityFact) {
        let at = self.vulnerability_ids.get(row.id).unwrap_or_else(|| {
            let at = self.vulnerabilities.len() as u32;
            self.vulnerability_ids.insert(row.id, at);
            let none = self.texts.add("");
            self.vulnerabilities.push(Vulnerability {
                id: row.id,
                name: none,
                title: none,
                kev: row.kev.0,
                published: 0,
                modified: 0,
                cvss: 0,
                epss: 0,
                severity: row.severity,
                aliases: NONE,
                matches: NONE,
            });
            at
        });
        let kept_kev = self.vulnerabilities[at as usize].kev > 0;
        if kept_kev != (row.kev.0 > 0) {
            let open: Vec<usize> = self.matches_of_vulnerability(at as usize).collect();
            open.iter().for_each(|m| self.settle_match(*m, false));
            self.vulnerabilities[at as usize].kev = row.kev.0;
            open.iter().for_each(|m| self.settle_match(*m, true));
        }
        let before = self.vulnerability_names.insert(row.name.to_ascii_lowercase().into(), at);
        before.into_iter().filter(|v| *v != at).for_each(|v| self.note_vulnerability(v as usize));
        let kept = &self.vulnerabilities[at as usize];
        let same = (self.text(kept.name), self.text(kept.title), kept.cvss) == (&row.name, &row.title, row.cvss);
        if !same || kept_kev != (row.kev.0 > 0) {
            self.note_vulnerability(at as usize);
        }
        let kept = &mut self.vulnerabilities[at as usize];
        kept.name = self.texts.replace(kept.name, &row.name);
        kept.title = self.texts.replace(kept.title, &row.title);
        (kept.kev, kept.published, kept.modified) = (row.kev.0, row.published.0, row.modified.0);
        (kept.cvss, kept.epss, kept.severity) = (row.cvss, row.epss, row.severity);
    }

    fn note_vulnerability(&mut self, vulnerability: usize) {
        let matches: Vec<usize> = self.matches_of_vulnerability(vulnerability).collect();
        self.note_changed(matches);
    }

    fn take_alias(&mut self, name: &str, vulnerability: Id) {
        let Some(at) = self.vulnerability_ids.get(vulnerability) else { return self.orphan() };
        let known = self.vulnerability_names.insert(name.to_ascii_lowercase().into(), at);
        if let Some(before) = known.filter(|before| *before != at) {
            self.note_vulnerability(before as usize);
        }
        let heading = self.text(self.vulnerabilities[at as usize].name) == name;
        if known == Some(at) && (heading || self.aliases_of(at as usize).any(|n| n == name)) {
            return;
        }
        self.note_vulnerability(at as usize);
        if heading {
            return;
        }
        if let Some(before) = known.filter(|before| *before != at) {
            self.unchain_alias(before as usize, name);
        }
        let next = std::mem::replace(&mut self.vulnerabilities[at as usize].aliases, self.aliases.len() as u32);
        let name = self.texts.add(name);
        self.aliases.push(Alias { name, next });
    }

    /// Takes a name from a vulnerability: groups of aliases can be cut anew.
    fn unchain_alias(&mut self, vulnerability: usize, name: &str) {
        let kept: Vec<String> = self.aliases_of(vulnerability).filter(|n| *n != name).map(str::to_owned).collect();
        self.vulnerabilities[vulnerability].aliases = NONE;
        for alias in kept {
            let next = std::mem::replace(&mut self.vulnerabilities[vulnerability].aliases, self.aliases.len() as u32);
            let name = self.texts.add(&alias);
            self.aliases.push(Alias { name, next });
        }
    }

    /// `fresh`: the index had no matches before these rows, of which no two have one key; so no look for a known one.
    fn take_match(&mut self, row: &MatchFact, fresh: bool) {
        let package = self.package_ids.get(row.package);
        let vulnerability = self.vulnerability_ids.get(row.vulnerability);
        let (Some(package), Some(vulnerability)) = (package, vulnerability) else { return self.orphan() };
        let same = |m: &usize| self.matches[*m].vulnerability == vulnerability && self.matches[*m].since == row.since.0;
        let known = if fresh { None } else { self.matches_of_package(package as usize).find(same) };
        let mut new = Matched {
            package,
            vulnerability,
            next_of_package: NONE,
            next_of_vulnerability: NONE,
            since: row.since.0,
            // Looked at, and not affected: never a finding.
            until: if row.state == VendorState::NotAffected { row.since.0 } else { row.until.0 },
            first: row.first.0,
            fixed_version: Default::default(),
            severity: row.severity,
            severity_source: row.severity_source,
            fixable: row.fixable,
            state: row.state,
            category: row.category,
        };
        let at = known.unwrap_or(self.matches.len());
        if let Some(old) = self.matches.get(at) {
            new.fixed_version = self.texts.replace(old.fixed_version, &row.fixed_version);
            (new.next_of_package, new.next_of_vulnerability) = (old.next_of_package, old.next_of_vulnerability);
            self.settle_match(at, false);
            self.matches[at] = new;
        } else {
            new.fixed_version = self.texts.add(&row.fixed_version);
            let position = at as u32;
            new.next_of_package = std::mem::replace(&mut self.packages[package as usize].matches, position);
            let head = &mut self.vulnerabilities[vulnerability as usize].matches;
            new.next_of_vulnerability = std::mem::replace(head, position);
            self.matches.push(new);
        }
        self.settle_match(at, true);
        self.note_changed([at]);
    }

    /// Adds an open match to the sums, or takes it out of them.
    fn settle_match(&mut self, at: usize, add: bool) {
        let matched = &self.matches[at];
        if matched.until != i64::MAX {
            return;
        }
        let package = matched.package as usize;
        let lanes = matched.lanes(self.vulnerabilities[matched.vulnerability as usize].kev > 0, 0);
        let change = if add { Lanes::add } else { Lanes::take };
        change(&mut self.package_lanes[package], &lanes);
        for inventory in &self.postings[package] {
            change(&mut self.inventory_lanes[*inventory as usize], &lanes);
        }
    }

    fn take_inventory(&mut self, row: &InventoryFact) {
        if self.inventory_ids.get(row.id).is_some() {
            return; // an inventory never changes
        }
        let at = self.inventories.len() as u32;
        let mut packages: Vec<u32> = Vec::with_capacity(row.packages.len());
        packages.extend(row.packages.iter().filter_map(|id| self.package_ids.get(*id)));
        self.orphans += (row.packages.len() - packages.len()) as u64;
        packages.sort_unstable();
        packages.dedup();
        let mut lanes = Lanes::default();
        for package in &packages {
            lanes.add(&self.package_lanes[*package as usize]);
            self.postings[*package as usize].push(at);
        }
        self.held += packages.len();
        self.inventory_ids.insert(row.id, at);
        self.inventory_lanes.push(lanes);
        self.inventories.push(Inventory { id: row.id, packages: packages.into(), readings: NONE, places: 0 });
    }

    /// `empty`: packages get their places later.
    fn take_reading(&mut self, row: &ImageInventoryFact, empty: bool) {
        let (image, inventory) = (self.image_ids.get(row.image), self.inventory_ids.get(row.inventory));
        let (Some(image), Some(inventory)) = (image, inventory) else { return self.orphan() };
        let places = self.open_places(image as usize);
        let known = self.readings_of_image(image as usize).find(|r| self.readings[*r].since == row.since.0);
        if let Some(at) = known {
            let was = self.readings[at].until == i64::MAX;
            self.readings[at].until = row.until.0;
            let now = row.until.0 == i64::MAX;
            self.settle_places(inventory as usize, i64::from(now) - i64::from(was), places, empty);
            return;
        }
        let at = self.readings.len() as u32;
        let next_of_image = std::mem::replace(&mut self.images[image as usize].readings, at);
        let next_of_inventory = std::mem::replace(&mut self.inventories[inventory as usize].readings, at);
        let (since, until) = (row.since.0, row.until.0);
        self.readings.push(Reading { image, inventory, since, until, next_of_image, next_of_inventory });
        self.settle_places(inventory as usize, i64::from(until == i64::MAX), places, empty);
    }

    fn open_places(&self, image: usize) -> u32 {
        self.presences_of_image(image).filter(|p| self.presences[*p].until == i64::MAX).count() as u32
    }

    /// Moves the number of places that have an inventory, and so each of its packages, by `sign` × `places`.
    fn settle_places(&mut self, inventory: usize, sign: i64, places: u32, inventory_only: bool) {
        if sign == 0 || places == 0 {
            return;
        }
        let move_by = |n: &mut u32| *n = if sign > 0 { n.wrapping_add(places) } else { n.wrapping_sub(places) };
        let inventory = &mut self.inventories[inventory];
        move_by(&mut inventory.places);
        if inventory_only {
            return;
        }
        for package in &inventory.packages {
            move_by(&mut self.package_places[*package as usize]);
        }
    }

    /// Gives every package the places of the inventories that hold it.
    fn place_packages(&mut self) {
        for inventory in self.inventories.iter().filter(|inventory| inventory.places > 0) {
            for package in &inventory.packages {
                let places = &mut self.package_places[*package as usize];
                *places = places.wrapping_add(inventory.places);
            }
        }
    }

    fn take_presence(&mut self, row: &PresenceFact) {
        let (repository, image) = (self.repository_ids.get(row.repository), self.image_ids.get(row.image));
        let (Some(repository), Some(image)) = (repository, image) else { return self.orphan() };
        let known = self.presence_ids.get(row.id).map(|at| at as usize);
        let was = known.is_some_and(|at| self.presences[at].until == i64::MAX);
        if let Some(at) = known {
            let presence = &mut self.presences[at];
            (presence.since, presence.until) = (row.since.0, row.until.0);
            (presence.last_push, presence.last_pull) = (row.last_push.0, row.last_pull.0);
        } else {
            let at = self.presences.len() as u32;
            self.presence_ids.insert(row.id, at);
            let next_of_repository = std::mem::replace(&mut self.repositories[repository as usize].presences, at);
            let next_of_image = std::mem::replace(&mut self.images[image as usize].presences, at);
            let (since, until, last_push, last_pull) = (row.since.0, row.until.0, row.last_push.0, row.last_pull.0);
            self.presences.push(Presence {
                id: row.id,
                repository,
                image,
                since,
                until,
                last_push,
                last_pull,
                next_of_repository,
                next_of_image,
            });
        }
        let sign = i64::from(row.until.0 == i64::MAX) - i64::from(was);
        let open = |r: &usize| self.readings[*r].until == i64::MAX;
        let readings: Vec<usize> = self.readings_of_image(image as usize).filter(open).collect();
        readings.iter().for_each(|r| self.settle_places(self.readings[*r].inventory as usize, sign, 1, false));
    }

    fn take_tag(&mut self, row: &TagFact) {
        if row.image == 0 {
            return; // names an index; its children carry the tag as well
        }
        let (repository, image) = (self.repository_ids.get(row.repository), self.image_ids.get(row.image));
        let (Some(repository), Some(image)) = (repository, image) else { return self.orphan() };
        let same =
            |tag: &Tag| tag.repository == repository && tag.since == row.since.0 && self.text(tag.name) == row.name;
        let known = self.tags_of_image(image as usize).find(|t| same(&self.tags[*t]));
        if let Some(at) = known {
            self.tags[at].until = row.until.0;
            return;
        }
        let next_of_image = std::mem::replace(&mut self.images[image as usize].tags, self.tags.len() as u32);
        let name = self.texts.add(&row.name);
        self.tags.push(Tag { name, repository, next_of_image, since: row.since.0, until: row.until.0 });
    }

    /// Makes room for exactly what comes: postings are half of the index, and would else be a third too big.
    fn reserve(&mut self, rows: &Snapshot) {
        self.images.reserve_exact(rows.images.len());
        self.presences.reserve_exact(rows.presences.len());
        self.readings.reserve_exact(rows.image_inventories.len());
        self.inventories.reserve_exact(rows.inventories.len());
        self.matches.reserve_exact(rows.matches.len());
        self.tags.reserve_exact(rows.tags.len());
        self.digests.reserve(rows.images.len());
        rows.packages.iter().for_each(|row| self.take_package(row));
        let mut sizes = vec![0_u32; self.packages.len()];
        for id in rows.inventories.iter().flat_map(|i| &i.packages) {
            if let Some(at) = self.package_ids.get(*id) {
                sizes[at as usize] += 1;
            }
        }
        for (posting, size) in self.postings.iter_mut().zip(sizes) {
            posting.reserve_exact(size as usize);
        }
    }

    fn shrink(&mut self) {
        self.texts.shrink();
        let columns = [&mut self.image_ids, &mut self.package_ids, &mut self.presence_ids, &mut self.inventory_ids];
        columns.into_iter().for_each(|ids| ids.shrink());
        self.packages.shrink_to_fit();
        self.package_lanes.shrink_to_fit();
        self.inventory_lanes.shrink_to_fit();
        self.postings.shrink_to_fit();
    }
}

pub(crate) fn upsert<T: Clone>(rows: &mut Vec<T>, row: &T, same: impl Fn(&T) -> bool) {
    match rows.iter_mut().find(|r| same(r)) {
        Some(known) => known.clone_from(row),
        None => rows.push(row.clone()),
    }
}
