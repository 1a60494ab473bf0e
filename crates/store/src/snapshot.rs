//! Everything that the fleet index is built from, as of one revision.

use crate::{Error, Result, Store};
use model::facts::Snapshot;

impl Store {
    /// Reads every fact as of one revision.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        Err(Error::WrongCredentials)
    }
}
