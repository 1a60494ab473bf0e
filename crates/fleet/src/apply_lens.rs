//! How rules, plans, exemptions and paths follow the store.
//!
//! In: rows that are new or different, after the facts that rules are about. Out: the rules of the index. What was worked out
//! of rules is forgotten where it may be another now, and worked out again by the next question.

use crate::apply::upsert;
use crate::criteria::Rule;
use crate::index::Index;
use model::facts::{InventoryPathsFact, Snapshot};
use model::rule::RuleFact;

impl Index {
    /// Returns whether the paths of packages are known: else a rule that asks for them hides nothing.
    pub fn knows_paths(&self) -> bool {
        !self.paths.is_empty()
    }

    /// Takes the paths of inventories. What is not known of inventories is left out.
    pub fn learn_paths(&mut self, paths: &[InventoryPathsFact]) {
        paths.iter().for_each(|row| self.take_paths(row));
        self.now.forget();
    }

    pub(crate) fn take_lens(&mut self, rows: &Snapshot) {
        for row in &rows.plans {
            upsert(&mut self.plans, row, |r| r.id == row.id);
        }
        for row in &rows.exemptions {
            upsert(&mut self.exemptions, row, |r| r.id == row.id);
        }
        rows.paths.iter().for_each(|row| self.take_paths(row));
        let others = !(rows.matches.is_empty() && rows.vulnerabilities.is_empty() && rows.aliases.is_empty());
        if others {
            self.rules.iter_mut().for_each(Rule::forget);
        }
        let same = rows.rules.iter().all(|row| self.take_rule(row));
        if same && only_rules(rows) {
            self.now.forget_rules();
        } else {
            self.now.forget();
        }
    }

    /// Takes a rule; returns whether no known one asks for something else now.
    fn take_rule(&mut self, row: &RuleFact) -> bool {
        match self.rule_ids.get(row.id).map(|at| at as usize) {
            None => {
                self.rule_ids.insert(row.id, self.rules.len() as u32);
                self.rules.push(Rule::new(row.clone()));
            }
            // What a row asks for never changes: that is another row.
            Some(at) if self.rules[at].fact.criteria == row.criteria => self.rules[at].fact = row.clone(),
            Some(at) => {
                self.rules[at] = Rule::new(row.clone());
                return false;
            }
        }
        true
    }

    fn take_paths(&mut self, row: &InventoryPathsFact) {
        let Some(inventory) = self.inventory_ids.get(row.inventory) else { return };
        let mut paths = Vec::with_capacity(row.paths.len());
        for (package, path) in &row.paths {
            let Some(package) = self.package_ids.get(*package) else { continue };
            let component = self.packages[package as usize].component as usize;
            // Packages of a distribution are all at the one path of its database.
            if !self.text(self.components[component].ecosystem).contains(':') {
                paths.push((package, self.path_text(path)));
            }
        }
        paths.sort_by_key(|(package, _)| *package);
        self.paths.insert(inventory, paths.into());
    }

    /// Keeps a path once, however many inventories have it.
    fn path_text(&mut self, path: &str) -> crate::ids::Text {
        if let Some(text) = self.path_texts.get(path) {
            return *text;
        }
        let text = self.texts.add(path);
        self.path_texts.insert(path.into(), text);
        text
    }
}

/// Returns whether changes are of rules alone, so that places and matches are as they were.
fn only_rules(rows: &Snapshot) -> bool {
    let tree = rows.subscriptions.is_empty() && rows.registries.is_empty() && rows.repositories.is_empty();
    let images = rows.images.is_empty() && rows.presences.is_empty() && rows.tags.is_empty();
    let held = rows.image_inventories.is_empty() && rows.inventories.is_empty() && rows.packages.is_empty();
    let found = rows.vulnerabilities.is_empty() && rows.aliases.is_empty() && rows.matches.is_empty();
    tree && images && held && found && rows.plans.is_empty() && rows.exemptions.is_empty() && rows.paths.is_empty()
}
