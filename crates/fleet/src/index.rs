//! The index.

use crate::query::{Page, Query, QueryError, Scope};
use crate::rows::{BlastRadius, Counts, Exposure, FindingRow, ImageRow, PackageRow, RepositoryRow, VulnerabilityRow};
use model::facts::{Changes, Id, RegistryFact, Snapshot, SubscriptionFact};
use model::time::Micros;
use uuid::Uuid;

/// The fleet, as of one revision of the store.
#[derive(Debug, Default)]
pub struct Index {
    revision: i64,
    generation: i64,
    subscriptions: Vec<SubscriptionFact>,
    registries: Vec<RegistryFact>,
}

impl Index {
    /// Builds the index from all facts.
    pub fn build(snapshot: &Snapshot) -> Self {
        Self {
            revision: snapshot.revision,
            generation: snapshot.generation,
            subscriptions: snapshot.subscriptions.clone(),
            registries: snapshot.registries.clone(),
        }
    }
    /// Follows one transaction of the store.
    pub fn apply(&mut self, changes: &Changes) {
        self.revision = changes.revision;
    }
    /// Returns the revision of the store that answers are given at.
    pub fn revision(&self) -> i64 {
        self.revision
    }
    /// Returns the generation of the advisory database in force.
    pub fn generation(&self) -> i64 {
        self.generation
    }
    /// Returns every subscription.
    pub fn subscriptions(&self) -> &[SubscriptionFact] {
        &self.subscriptions
    }
    /// Returns every registry.
    pub fn registries(&self) -> &[RegistryFact] {
        &self.registries
    }
    fn empty<T>(&self) -> Page<T> {
        let (revision, generation) = (self.revision, self.generation);
        Page { items: Vec::new(), total: 0, hidden: 0, next: None, revision, generation }
    }
    /// Lists findings.
    pub fn findings(&self, _query: &Query) -> Result<Page<FindingRow>, QueryError> {
        Ok(self.empty())
    }
    /// Lists images.
    pub fn images(&self, _query: &Query) -> Result<Page<ImageRow>, QueryError> {
        Ok(self.empty())
    }
    /// Lists repositories.
    pub fn repositories(&self, _query: &Query) -> Result<Page<RepositoryRow>, QueryError> {
        Ok(self.empty())
    }
    /// Lists vulnerabilities.
    pub fn vulnerabilities(&self, _query: &Query) -> Result<Page<VulnerabilityRow>, QueryError> {
        Ok(self.empty())
    }
    /// Lists packages.
    pub fn packages(&self, _query: &Query) -> Result<Page<PackageRow>, QueryError> {
        Ok(self.empty())
    }
    /// Counts what passes; sort, limit and cursor are not looked at.
    pub fn counts(&self, _query: &Query) -> Result<Counts, QueryError> {
        Ok(Counts::default())
    }
    /// Finds a finding by its id: the open one, else (`until` says so) the last that was.
    pub fn finding(&self, _id: Uuid, _scope: &Scope, _as_of: Option<Micros>) -> Option<FindingRow> {
        None
    }
    /// Says where a vulnerability is, by any of its names; `None` if no package of the fleet ever had it.
    pub fn blast_radius(&self, _name: &str, _query: &Query) -> Result<Option<BlastRadius>, QueryError> {
        Ok(None)
    }
    /// Says when a repository had a vulnerability through a component (package name), whatever version and image.
    pub fn exposure(&self, _repository: Id, _component: Id, _vulnerability: Id) -> Exposure {
        Exposure::default()
    }
}
