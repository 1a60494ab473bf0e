//! How long a repository was exposed: derived from intervals, kept nowhere.

use crate::index::Index;
use crate::rows::Exposure;
use model::facts::Id;
use model::time::Micros;

impl Index {
    /// Says when a repository had a vulnerability through a component (package name), whatever version and image.
    ///
    /// Spans that touch are one: a rebuild that replaces an image at the same moment does not interrupt an exposure.
    pub fn exposure(&self, repository: Id, component: Id, vulnerability: Id) -> Exposure {
        match self.component_ids.get(component) {
            Some(component) => self.exposed(repository, vulnerability, Some(component)),
            None => Exposure::default(),
        }
    }

    /// Says when a repository had a vulnerability, through whatever package.
    pub fn exposure_to(&self, repository: Id, vulnerability: Id) -> Exposure {
        self.exposed(repository, vulnerability, None)
    }

    fn exposed(&self, repository: Id, vulnerability: Id, component: Option<u32>) -> Exposure {
        let repository = self.repository_ids.get(repository);
        let (Some(repository), Some(vulnerability)) = (repository, self.vulnerability_ids.get(vulnerability)) else {
            return Exposure::default();
        };
        let mut matches: Vec<(u32, i64, i64)> = Vec::new();
        for row in self.matches_of_vulnerability(vulnerability as usize).map(|m| &self.matches[m]) {
            if component.is_none_or(|component| self.packages[row.package as usize].component == component) {
                matches.push((row.package, row.since, row.until));
            }
        }
        let mut spans: Vec<(i64, i64)> = Vec::new();
        for presence in self.presences_of_repository(repository as usize).map(|p| &self.presences[p]) {
            for reading in self.readings_of_image(presence.image as usize).map(|r| &self.readings[r]) {
                let packages = &self.inventories[reading.inventory as usize].packages;
                let (start, end) = (presence.since.max(reading.since), presence.until.min(reading.until));
                let held = matches.iter().filter(|m| packages.binary_search(&m.0).is_ok());
                spans.extend(held.map(|m| (start.max(m.1), end.min(m.2))));
            }
        }
        Exposure { spans: joined(spans) }
    }
}

/// Joins spans that overlap or touch; empty ones are dropped.
fn joined(mut spans: Vec<(i64, i64)>) -> Vec<(Micros, Micros)> {
    spans.retain(|(since, until)| since < until);
    spans.sort_unstable();
    let mut joined: Vec<(Micros, Micros)> = Vec::new();
    for (since, until) in spans {
        match joined.last_mut() {
            Some(last) if since <= last.1.0 => last.1.0 = last.1.0.max(until),
            _ => joined.push((Micros(since), Micros(until))),
        }
    }
    joined
}
