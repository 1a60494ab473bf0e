//! What registry tokens are made with and checked against: a key that all processes share, and the rights of the moment.

use crate::engine::{Engine, values};
use crate::sealing::{self, SealingKey};
use crate::{Error, Principal, Result, Store};
use model::facts::Id;
use model::role::{Grant, Role, Scope};
use std::path::Path;

impl Store {
    /// Returns 32 random bytes that every process of this installation shares under a name; made when first asked for.
    pub async fn secret(&self, name: &str) -> Result<Vec<u8>> {
        if let Some(known) = self.kept_secret(name).await? {
            return Ok(known);
        }
        let mut made = vec![0; 32];
        aws_lc_rs::rand::fill(&mut made).map_err(|_| Error::damaged("randomness", "the system gives none"))?;
        let made = self.sealed(name, made)?;
        let mut tx = self.engine().begin().await?;
        // Another process may have been first: its key is the one.
        tx.run("INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", values![name, made]).await?;
        tx.commit().await?;
        let kept = self.kept_secret(name).await?;
        kept.ok_or_else(|| Error::damaged("secret", "it was just made and is not there"))
    }

    /// Returns what is kept under a name, opened; `None` = nothing.
    pub(crate) async fn kept_secret(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let row = self.engine().one("SELECT value FROM secret WHERE name = $1", values![name]).await?;
        row.map(|row| self.unsealed(name, row.blob(0)?)).transpose()
    }

    /// Returns what is kept in the place of a secret: sealed, where there is a key.
    pub(crate) fn sealed(&self, name: &str, secret: Vec<u8>) -> Result<Vec<u8>> {
        match &self.inner.sealing {
            Some(key) => key.seal(name, &secret),
            None => Ok(secret),
        }
    }

    fn unsealed(&self, name: &str, value: Vec<u8>) -> Result<Vec<u8>> {
        match &self.inner.sealing {
            _ if !sealing::is_sealed(&value) => Ok(value),
            Some(key) => key.open(name, &value).ok_or_else(wrong_key),
            None => Err(sealed_with(
                "the secrets of this installation are sealed, and this process has no key; name the file with the key they were sealed with, \
                 the same for every process, by --key-file or PORTWARDEN_KEY_FILE",
            )),
        }
    }

    /// Finds a principal by name.
    pub async fn principal_named(&self, name: &str) -> Result<Option<Principal>> {
        let find = "SELECT id FROM principal WHERE name = $1 AND until = $2";
        match self.engine().one(find, values![name, i64::MAX]).await? {
            Some(row) => self.principal(row.int(0)?).await,
            None => Ok(None),
        }
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
        let (name, kind) = (row.text(0)?, row.text(1)?);
        Ok(Some(Principal { id, name, kind, grants, limited: false, token: None }))
    }
}

/// The key file of an installation for which none was named, in its data folder.
pub(crate) const USUAL: &str = "portwarden.key";

/// The row that says with which key everything is sealed.
const WITNESS: &str = "sealing";

/// Does the same with the key file of an installation for which none was named; `None` = what is sealed was sealed with another.
pub(crate) async fn unlock_usual(engine: &Engine, file: &Path) -> Result<Option<SealingKey>> {
    let sealed = rows(engine).await?.iter().any(|(_, value)| sealing::is_sealed(value));
    if sealed && !file.exists() {
        return Ok(None); // whoever needs a secret is told
    }
    unlock(engine, file, file).await.map(Some)
}

/// Reads the key file, makes it where nothing was sealed yet, and seals what is not. Fails when it is not the right key.
pub(crate) async fn unlock(engine: &Engine, file: &Path, usual: &Path) -> Result<SealingKey> {
    let rows = rows(engine).await?;
    let sealed = rows.iter().any(|(_, value)| sealing::is_sealed(value));
    let key = match SealingKey::read(file)? {
        Some(key) => key,
        None if sealed => {
            let (file, usual, here) = (file.display(), usual.display(), usual.exists());
            let next = if here { format!("move it here from {usual}") } else { "put their key back".into() };
            let text = format!("there is no {file}, and the secrets of this installation are sealed; {next}");
            return Err(sealed_with(&text));
        }
        None => SealingKey::make(file)?,
    };
    if !rows.iter().any(|(name, _)| name == WITNESS) {
        witness(engine, &key).await?;
    }
    for (name, value) in rows {
        if sealing::is_sealed(&value) {
            key.open(&name, &value).ok_or_else(wrong_key)?;
            continue;
        }
        let mut tx = engine.begin().await?;
        let sql = "UPDATE secret SET value = $2 WHERE name = $1 AND value = $3";
        tx.run(sql, values![&name, key.seal(&name, &value)?, value]).await?;
        tx.commit().await?;
    }
    Ok(key)
}

/// Has one key for all: of two processes that begin with a key each, the second one is told.
async fn witness(engine: &Engine, key: &SealingKey) -> Result<()> {
    let mut tx = engine.begin().await?;
    let sql = "INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    tx.run(sql, values![WITNESS, key.seal(WITNESS, WITNESS.as_bytes())?]).await?;
    tx.commit().await?;
    let row = engine.one("SELECT value FROM secret WHERE name = $1", values![WITNESS]).await?.ok_or_else(wrong_key)?;
    key.open(WITNESS, &row.blob(0)?).ok_or_else(wrong_key).map(|_| ())
}

async fn rows(engine: &Engine) -> Result<Vec<(String, Vec<u8>)>> {
    let rows = engine.all("SELECT name, value FROM secret ORDER BY name", values![]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.blob(1)?))).collect()
}

fn wrong_key() -> Error {
    sealed_with("it does not hold the key that the secrets of this installation are sealed with; put that one back")
}

fn sealed_with(why: &str) -> Error {
    Error::Setting { what: "key-file".into(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use crate::{Settings, Store};

    #[tokio::test]
    async fn secrets_are_sealed_once_a_key_is_named_and_open_with_that_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let plain = Settings { data: folder.path().join("data"), ..Settings::default() };
        let named = |name: &str| Settings { key_file: Some(folder.path().join(name)), ..plain.clone() };
        let refused = async |settings: &Settings, said: &str| {
            let said_so = match Store::open(settings).await {
                Err(why) => why.to_string(),
                Ok(store) => store.secret("a").await.unwrap_err().to_string(),
            };
            assert!(said_so.contains("key-file") && said_so.contains(said), "{said_so}");
        };
        let before = Store::open(&plain).await.unwrap().secret("a").await.unwrap();
        let store = Store::open(&named("key")).await.unwrap();
        assert_eq!(store.secret("a").await.unwrap(), before, "sealed, and the same");
        let fresh = store.secret("b").await.unwrap();
        let again = Store::open(&named("key")).await.unwrap();
        assert_eq!((again.secret("a").await.unwrap(), again.secret("b").await.unwrap()), (before.clone(), fresh));
        refused(&plain, "are sealed").await;
        refused(&named("lost"), "put their key back").await;
        assert!(!folder.path().join("lost").exists(), "no key is made in place of one that was lost");
        std::fs::write(folder.path().join("lost"), "00".repeat(32)).unwrap();
        std::fs::set_permissions(folder.path().join("lost"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        refused(&named("lost"), "does not hold the key").await;
        let rows = again.engine().all("SELECT value FROM secret", &[]).await.unwrap();
        assert!(rows.len() == 4 && rows.iter().all(|row| crate::sealing::is_sealed(&row.blob(0).unwrap())));
    }

    #[tokio::test]
    async fn without_a_named_key_file_one_is_made_beside_the_data_and_can_be_moved_away() {
        let folder = tempfile::tempdir().unwrap();
        let bare = Settings { data: folder.path().join("data"), ..Settings::default() };
        let usual = Settings { usual_key: true, ..bare.clone() };
        let named = Settings { key_file: Some(folder.path().join("key")), ..usual.clone() };
        let file = bare.data.join(super::USUAL);
        let before = Store::open(&bare).await.unwrap().secret("a").await.unwrap();
        let store = Store::open(&usual).await.unwrap();
        assert!(file.exists() && store.is_sealing());
        assert_eq!(store.secret("a").await.unwrap(), before, "what was there is sealed, and the same");
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let rows = store.engine().all("SELECT value FROM secret", &[]).await.unwrap();
        assert!(rows.iter().all(|row| crate::sealing::is_sealed(&row.blob(0).unwrap())));
        let refused = Store::open(&named).await.unwrap_err().to_string();
        assert!(refused.contains("move it here from") && refused.contains(super::USUAL), "{refused}");
        std::fs::rename(&file, folder.path().join("key")).unwrap();
        assert_eq!(Store::open(&named).await.unwrap().secret("a").await.unwrap(), before);
        let store = Store::open(&usual).await.unwrap();
        assert!(!file.exists() && !store.is_sealing(), "no second key is made");
        let refused = store.secret("a").await.unwrap_err().to_string();
        assert!(refused.contains("--key-file") && refused.contains("PORTWARDEN_KEY_FILE"), "{refused}");
    }

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
