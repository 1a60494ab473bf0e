//! What registry tokens are made with and checked against: a key that all processes share, and the rights of the moment.

use crate::engine::values;
use crate::{Error, Principal, Result, Store};
use model::facts::Id;
use model::role::{Grant, Role, Scope};

impl Store {
    /// Returns 32 random bytes that every process of this installation shares under a name; made when first asked for.
    pub async fn secret(&self, name: &str) -> Result<Vec<u8>> {
        let find = "SELECT value FROM secret WHERE name = $1";
        if let Some(row) = self.engine().one(find, values![name]).await? {
            return row.blob(0);
        }
        let mut made = vec![0; 32];
        aws_lc_rs::rand::fill(&mut made).map_err(|_| Error::damaged("randomness", "the system gives none"))?;
        let mut tx = self.engine().begin().await?;
        // Another process may have been first: its key is the one.
        tx.run("INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", values![name, made]).await?;
        tx.commit().await?;
        let row = self.engine().one(find, values![name]).await?;
        row.ok_or_else(|| Error::damaged("secret", "it was just made and is not there"))?.blob(0)
    }

    /// Returns a principal with the roles it has now; `None` = it never was, or is gone.
    pub async fn principal(&self, id: Id) -> Result<Option<Principal>> {
        let find = "SELECT name, kind FROM principal WHERE id = $1 AND until = $2";
        let Some(row) = self.engine().one(find, values![id, i64::MAX]).await? else { return Ok(None) };
        let roles = "SELECT role, scope FROM role_assignment WHERE principal = $1 AND until = $2 ORDER BY id";
        let mut grants = Vec::new();
        for row in self.engine().all(roles, values![id, i64::MAX]).await? {
            // A role of a newer program is no right here.
            if let (Some(role), Some(scope)) = (Role::parse(&row.text(0)?), Scope::parse(&row.text(1)?)) {
                grants.push(Grant { role, scope });
            }
        }
        Ok(Some(Principal { id, name: row.text(0)?, kind: row.text(1)?, grants }))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Settings, Store};

    #[tokio::test]
    async fn a_secret_stays_the_same_and_no_two_names_share_one() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { data: folder.path().to_owned(), ..Settings::default() };
        let store = Store::open(&settings).await.unwrap();
        let first = store.secret("a").await.unwrap();
        assert_eq!(first.len(), 32);
        assert_ne!(first, [0; 32]);
        assert_ne!(store.secret("b").await.unwrap(), first);
        let again = Store::open(&settings).await.unwrap();
        assert_eq!(again.secret("a").await.unwrap(), first, "another process");
        assert_eq!(again.principal(4711).await.unwrap(), None, "somebody who never was");
    }
}
