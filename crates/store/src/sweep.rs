//! A new generation of the advisory database: what it changes is matched again, and nothing else.

use crate::vulnerabilities::Vulnerability;
use crate::{Error, Result, Store};
use model::PackageKey;
use model::facts::Id;
use model::finding::Match;

/// Which generations the facts stand at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Generation {
    /// The generation in force: results of any other are refused.
    pub target: i64,
    /// The generation that every package agrees with. Less than `target` while a re-match is under way.
    pub swept: i64,
    /// Content hash of the generation in force.
    pub content_hash: String,
}

/// A package of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRow {
    /// Row id.
    pub id: Id,
    /// The package.
    pub key: PackageKey,
    /// The generation it was last matched with.
    pub matched_generation: i64,
}

/// A package that was matched again.
#[derive(Debug, Clone)]
pub struct Rematched {
    /// Row id.
    pub package: Id,
    /// All its matches now.
    pub matches: Vec<Match>,
}

impl Store {
    /// Returns which generations the facts stand at.
    pub async fn generation(&self) -> Result<Generation> {
        Err(Error::WrongCredentials)
    }

    /// Puts a generation in force and queues the re-match (a job of kind `Rematch`) in the same transaction. The same content
    /// under a new number needs no re-match. A generation older than the one in force is refused.
    pub async fn adopt(&self, _generation: i64, _content_hash: &str) -> Result<Generation> {
        Err(Error::WrongCredentials)
    }

    /// Lists the packages that a re-match must visit: those of the changed names, and those matched between the swept
    /// generation and the one in force (a name may have changed and changed back). Those already done are left out, so that
    /// a re-match that was cut off goes on where it was. `None` = every package.
    pub async fn to_rematch(&self, _changed: Option<&[(String, String)]>) -> Result<Vec<PackageRow>> {
        Err(Error::WrongCredentials)
    }

    /// Writes the matches of some packages (a few hundred a call) as the generation in force has them.
    pub async fn sweep(
        &self,
        _generation: i64,
        _packages: &[Rematched],
        _vulnerabilities: &[Vulnerability],
    ) -> Result<u64> {
        Err(Error::WrongCredentials)
    }

    /// Says that every package was visited.
    pub async fn finish_sweep(&self, _generation: i64) -> Result<()> {
        Err(Error::WrongCredentials)
    }

    /// Of some vulnerabilities (headings or aliases), returns those that the store knows.
    pub async fn known_vulnerabilities(&self, _names: &[String]) -> Result<Vec<String>> {
        Err(Error::WrongCredentials)
    }

    /// Writes new texts, scores, KEV and EPSS of vulnerabilities that the store knows; others are passed over.
    pub async fn refresh_vulnerabilities(&self, _vulnerabilities: &[Vulnerability]) -> Result<u64> {
        Err(Error::WrongCredentials)
    }
}
