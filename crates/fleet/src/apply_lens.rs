//! How rules, plans, exemptions and paths follow the store.
//!
//! In: rows that are new or different, after the facts that rules are about. Out: the rules of the index. Which
//! matches they speak of follows the matches; the view of now is forgotten, and worked out again by the next question: from the view
//! before, if only rules changed.

use crate::apply::upsert;
use crate::criteria::{Rule, RuleSet, RuleTests, match_part};
use crate::index::Index;
use model::facts::{InventoryPathsFact, Snapshot};
use model::rule::{Criteria, RuleFact};
use std::sync::OnceLock;

/// Returns whether nothing but rules changed.
fn only_rules(rows: &Snapshot) -> bool {
    // Every field is named: a new one is to be thought of here.
    let Snapshot {
        revision: _,
        generation: _,
        subscriptions,
        registries,
        repositories,
        images,
        presences,
        tags,
        image_inventories,
        inventories,
        packages,
        vulnerabilities,
        aliases,
        matches,
        rules: _,
        plans,
        exemptions: _,
        paths,
    } = rows;
    let tree = subscriptions.is_empty() && registries.is_empty() && repositories.is_empty() && plans.is_empty();
    let places = images.is_empty() && presences.is_empty() && tags.is_empty() && image_inventories.is_empty();
    let held = inventories.is_empty() && packages.is_empty() && paths.is_empty();
    tree && places && held && vulnerabilities.is_empty() && aliases.is_empty() && matches.is_empty()
}

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
        let changed = std::mem::take(&mut self.changed);
        if !changed.is_empty() {
            self.sort_changed(changed);
        }
        rows.rules.iter().for_each(|row| self.take_rule(row));
        if only_rules(rows) { self.now.outdate() } else { self.now.forget() }
    }

    fn take_rule(&mut self, row: &RuleFact) {
        let rule = Rule { fact: row.clone(), tests: RuleTests::new(&row.criteria), set: self.rule_set(&row.criteria) };
        match self.rule_ids.get(row.id) {
            Some(at) => self.rules[at as usize] = rule,
            None => {
                self.rule_ids.insert(row.id, self.rules.len() as u32);
                self.rules.push(rule);
            }
        }
    }

    /// Returns the position of the matches that criteria speak of: one for all that ask the same of matches.
    fn rule_set(&mut self, criteria: &Criteria) -> u32 {
        let asked = match_part(criteria);
        let key = format!("{asked:?}");
        if let Some(known) = self.rule_set_keys.get(key.as_str()) {
            return *known;
        }
        let at = self.rule_sets.len() as u32;
        self.rule_sets.push(RuleSet { tests: RuleTests::new(&asked), matches: OnceLock::new() });
        self.rule_set_keys.insert(key.into(), at);
        at
    }

    /// Notes matches that came or changed, if something was worked out of them.
    pub(crate) fn note_changed(&mut self, matches: impl IntoIterator<Item = usize>) {
        if self.rule_sets.iter().any(|set| set.matches.get().is_some()) {
            self.changed.extend(matches.into_iter().map(|m| m as u32));
        }
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
