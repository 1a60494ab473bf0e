//! The advisories that are built in.

use crate::{Builder, Database};
use model::time::Micros;

/// Returns the built-in database: facts for the packages of the sample image, and nothing else.
pub fn starter() -> Result<Database, crate::Error> {
    Database::open(Box::new(Builder::starter().finish(0, Micros(0), Vec::new())))
}
