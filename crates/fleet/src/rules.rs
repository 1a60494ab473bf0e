//! Disable rules: which matches one hides, and what it asks of a place.
//!
//! In: the criteria of a rule. Out: the set of matches that its match part holds for, worked out once and kept up to date; tests
//! for its place part. Fields are joined by AND, values of a field by OR, upper and lower case are alike, `*` stands for any text.
//!
//! - `finding_ids`: the heading or any alias. `security_checks`: the title contains one.
//! - `categories`: the category; or the kind of the package or distribution: `deb`, `debian`, `debian:12`, `npm`.
//! - `cvss_below`, `severity_below`: strictly; no score and severity `unknown` are below nothing. The severity is the one shown.
//! - `packages`: the name, or the package URL with or without `pkg:`.
//! - `digests`: the whole digest. `tags`: one of the tags here. `os_releases`: the distribution as the image names it.
//! - `repositories`: the name, or registry/name.
//! - `paths`: every path of the package in the image matches one (a package that is also elsewhere stays); of language packages.

use crate::criteria::{Rule, RuleTests};
use crate::index::{Index, Matched, holds};
use crate::sets::RowSet;
use model::advisory::Category;
use model::pattern::Pattern;
use std::sync::OnceLock;

impl Rule {
    /// Returns whether the rule holds at a moment: neither ended nor expired. `None` is now, which is at `clock`.
    pub fn holds(&self, at: Option<i64>, clock: i64) -> bool {
        holds(self.fact.since.0, self.fact.until.0, at) && clock < self.fact.expires.0
    }
}

impl Index {
    /// Returns every match that the match part of a rule holds for.
    pub(crate) fn matches_of_rule(&self, rule: usize) -> &RowSet {
        self.matches_of_set(self.rules[rule].set as usize)
    }

    pub(crate) fn matches_of_set(&self, set: usize) -> &RowSet {
        let set = &self.rule_sets[set];
        set.matches.get_or_init(|| set.tests.matches(self))
    }

    /// Brings what rules speak of up to date, after these matches came or changed.
    pub(crate) fn sort_changed(&mut self, mut changed: Vec<u32>) {
        changed.sort_unstable();
        changed.dedup();
        // To look at every match by itself is dearer than to look at all of them together.
        let many = changed.len() * 8 > self.matches.len();
        let mut sets = std::mem::take(&mut self.rule_sets);
        for set in &mut sets {
            let Some(mut rows) = set.matches.take().filter(|_| !many) else { continue };
            let named = set.tests.named(self);
            changed.iter().for_each(|m| rows.put(*m, set.tests.match_passes(self, *m as usize, named.as_deref())));
            set.matches = OnceLock::from(rows);
        }
        self.rule_sets = sets;
    }
}

impl RuleTests {
    /// Returns the vulnerabilities that it names, if it names some and none by a pattern; ascending.
    fn named(&self, index: &Index) -> Option<Vec<u32>> {
        let exact: Option<Vec<&str>> = self.ids.iter().map(Pattern::exact).collect();
        let names = exact.filter(|names| !names.is_empty())?;
        let mut named: Vec<u32> =
            names.into_iter().filter_map(|name| index.vulnerability_at(name)).map(|v| v as u32).collect();
        named.sort_unstable();
        named.dedup();
        Some(named)
    }

    /// Returns whether the match part holds for a match; `named` is what it names.
    fn match_passes(&self, index: &Index, matched: usize, named: Option<&[u32]>) -> bool {
        let row = &index.matches[matched];
        self.row_passes(row)
            && named.is_none_or(|named| named.binary_search(&row.vulnerability).is_ok())
            && self.vulnerability_passes(index, row.vulnerability as usize, named.is_none())
            && self.package_passes(index, row.package as usize, row.category)
    }

    /// Returns every match that the match part holds for.
    pub fn matches(&self, index: &Index) -> RowSet {
        let of = index.matches.len();
        if let Some(named) = self.named(index) {
            let rows = named.iter().flat_map(|v| index.matches_of_vulnerability(*v as usize));
            let passes = |m: &usize| self.match_passes(index, *m, Some(&named));
            let mut rows: Vec<u32> = rows.filter(passes).map(|m| m as u32).collect();
            rows.sort_unstable();
            return RowSet::new(rows, of);
        }
        let asks_vulnerability =
            !(self.ids.is_empty() && self.checks.is_empty() && !self.not_kev) || self.cvss_below.is_some();
        let vulnerabilities: Vec<bool> = if asks_vulnerability {
            (0..index.vulnerabilities.len()).map(|v| self.vulnerability_passes(index, v, true)).collect()
        } else {
            Vec::new()
        };
        let names: Vec<bool> = if self.packages.is_empty() {
            Vec::new()
        } else {
            (0..index.packages.len()).map(|p| self.name_passes(index, p)).collect()
        };
        let passes = |row: &Matched| {
            self.row_passes(row)
                && vulnerabilities.get(row.vulnerability as usize).is_none_or(|p| *p)
                && names.get(row.package as usize).is_none_or(|p| *p)
                && self.category_passes(index, row.package as usize, row.category)
        };
        let rows = index.matches.iter().enumerate().filter(|(_, row)| passes(row)).map(|(m, _)| m as u32);
        RowSet::new(rows.collect(), of)
    }

    fn row_passes(&self, row: &Matched) -> bool {
        self.severities & 1 << row.severity as u8 != 0
            && self.states & 1 << row.state as u8 != 0
            && !(self.not_patchable && row.fixable)
    }

    fn vulnerability_passes(&self, index: &Index, vulnerability: usize, ids: bool) -> bool {
        let row = &index.vulnerabilities[vulnerability];
        let below = |bound: u32| u32::try_from(row.cvss).is_ok_and(|cvss| cvss < bound);
        let named = |pattern: &Pattern| {
            pattern.matches(index.text(row.name)) || index.aliases_of(vulnerability).any(|alias| pattern.matches(alias))
        };
        self.cvss_below.is_none_or(below)
            && !(self.not_kev && row.kev > 0)
            && (!ids || self.ids.is_empty() || self.ids.iter().any(named))
            && (self.checks.is_empty() || {
                let title = index.text(row.title).to_ascii_lowercase();
                self.checks.iter().any(|check| title.contains(check.as_str()))
            })
    }

    fn package_passes(&self, index: &Index, package: usize, category: Category) -> bool {
        self.name_passes(index, package) && self.category_passes(index, package, category)
    }

    fn name_passes(&self, index: &Index, package: usize) -> bool {
        let row = &index.packages[package];
        let purl = index.text(row.purl);
        let purl = purl.strip_prefix("pkg:").unwrap_or(purl);
        let name = index.text(index.components[row.component as usize].name);
        self.packages.is_empty() || self.packages.iter().any(|p| p.matches(name) || p.matches(purl))
    }

    fn category_passes(&self, index: &Index, package: usize, category: Category) -> bool {
        if self.categories.is_empty() {
            return true;
        }
        let row = &index.packages[package];
        let ecosystem = index.text(index.components[row.component as usize].ecosystem);
        let kind = index.text(row.purl).strip_prefix("pkg:").and_then(|p| p.split('/').next()).unwrap_or("");
        let is_part =
            |word: &str| !word.starts_with(|c: char| c.is_ascii_digit()) && ecosystem.split(':').any(|p| p == word);
        let is = |word: &String| word == category.as_str() || word == ecosystem || word == kind || is_part(word);
        self.categories.iter().any(is)
    }

    /// Returns whether something is asked of a place that differs among the images of a repository.
    pub fn asks_image(&self) -> bool {
        let patterns = [&self.tags, &self.paths, &self.os_releases];
        !self.digests.is_empty() || patterns.iter().any(|p| !p.is_empty())
    }

    /// Returns whether a repository passes.
    pub fn repository_passes(&self, index: &Index, repository: usize) -> bool {
        if self.repositories.is_empty() {
            return true;
        }
        let row = &index.repositories[repository];
        let path = format!("{}/{}", index.registries[row.registry as usize].name, row.name);
        self.repositories.iter().any(|p| p.matches(&row.name) || p.matches(&path))
    }

    /// Returns whether a place passes, its repository and paths aside.
    pub fn image_passes(&self, index: &Index, presence: usize, at: Option<i64>) -> bool {
        let row = &index.presences[presence];
        let tagged = || {
            let mut tags = index.tags_of_image(row.image as usize).map(|t| &index.tags[t]);
            tags.any(|t| {
                let here = t.repository == row.repository && holds(t.since, t.until, at);
                here && self.tags.iter().any(|p| p.matches(index.text(t.name)))
            })
        };
        self.ever_passes(index, presence) && (self.tags.is_empty() || tagged())
    }

    /// Returns whether a place passes what is the same at every moment: digest and distribution.
    pub fn ever_passes(&self, index: &Index, presence: usize) -> bool {
        let image = &index.images[index.presences[presence].image as usize];
        let (digest, os) = (index.text(image.digest), index.text(image.os));
        (self.digests.is_empty() || self.digests.iter().any(|d| d.eq_ignore_ascii_case(digest)))
            && (self.os_releases.is_empty() || self.os_releases.iter().any(|p| p.matches(os)))
    }

    /// Returns whether every path of a package passes; a package without a known path does not.
    pub fn paths_pass(&self, index: &Index, inventory: usize, package: usize) -> bool {
        let mut any = false;
        let all = index.paths_of(inventory, package).all(|path| {
            any = true;
            self.paths.iter().any(|p| p.matches(path.trim_start_matches('/')))
        });
        any && all
    }
}
