//! Who may do what: principals, passwords, tokens, roles.
//!
//! Passwords are kept as argon2id, tokens as SHA-256 of 256 random bits; neither can be read back.

use crate::engine::values;
use crate::{Error, Result, Store};
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Micros;
use model::facts::Id;
use model::role::{Grant, Role, Scope};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// What a request brings along. Not to be printed: it holds secrets.
#[derive(Clone)]
pub enum Credential {
    /// User and password; a token of that user is taken as its password.
    Basic {
        /// Name of the principal.
        user: String,
        /// Password, or token.
        password: String,
    },
    /// A token, `pw_…`.
    Bearer(String),
}

/// Somebody who was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Row id.
    pub id: Id,
    /// Name.
    pub name: String,
    /// `user` or `robot`.
    pub kind: String,
    /// Roles, each in a scope; by a token of its own grants, no more than these.
    pub grants: Vec<Grant>,
    /// Whether a token narrows the roles.
    pub limited: bool,
}

/// Passwords that were verified a moment ago: argon2 costs tens of milliseconds, and clients send the password with every
/// request. The key is a hash of the stored password's hash and the given password, so a changed password is a miss.
pub(crate) type Verified = HashMap<[u8; 32], Instant>;

/// How long a verified password is taken as verified.
const VERIFIED: Duration = Duration::from_secs(300);
/// Names of the first principal and of the file that tells its password.
const ADMIN: &str = "admin";
const ADMIN_PASSWORD: &str = "admin-password";
/// What every token begins with, so that scanners for secrets can tell.
pub(crate) const TOKEN_PREFIX: &str = "pw_";

impl Store {
    /// Makes the principal `admin` (Owner of everything) unless there is one. Without a password one is made, kept in
    /// `DATA/admin-password` (0600) and returned.
    pub async fn ensure_admin(&self, password: Option<&str>) -> Result<Option<String>> {
        if self.engine().one("SELECT id FROM principal WHERE name = $1", values![ADMIN]).await?.is_some() {
            return Ok(None);
        }
        let made = if password.is_none() { Some(random_text()?) } else { None };
        let password = password.or(made.as_deref()).unwrap_or_default();
        if let Some(made) = &made {
            write_secret(&self.inner.data.join(ADMIN_PASSWORD), made)
                .map_err(Error::disk("keep the admin password"))?;
        }
        let id = self.make_principal(ADMIN, "user", password).await?;
        self.grant(id, &Grant { role: Role::Owner, scope: Scope::ALL }).await?;
        Ok(made)
    }

    /// Makes a principal; an empty password means tokens only.
    pub async fn make_principal(&self, name: &str, kind: &str, password: &str) -> Result<Id> {
        let hash = if password.is_empty() { String::new() } else { hash_password(password.to_owned()).await? };
        let mut write = self.write().await?;
        let sql = "INSERT INTO principal (name, kind, password, since, until) VALUES ($1, $2, $3, $4, $5) RETURNING id";
        let id = write.tx.int(sql, values![name, kind, hash, write.now, Micros::FOREVER]).await?;
        write.commit().await?;
        Ok(id)
    }

    /// Gives a principal a role in a scope.
    pub async fn grant(&self, principal: Id, grant: &Grant) -> Result<()> {
        let mut write = self.write().await?;
        let sql = "INSERT INTO role_assignment (principal, role, scope, since, until) VALUES ($1, $2, $3, $4, $5)";
        let values = values![principal, grant.role.as_str(), grant.scope.to_path(), write.now, Micros::FOREVER];
        write.run(sql, values).await?;
        write.commit().await?;
        Ok(())
    }

    /// Takes a role away.
    pub async fn revoke(&self, principal: Id, grant: &Grant) -> Result<()> {
        let mut write = self.write().await?;
        let sql =
            "UPDATE role_assignment SET until = $4 WHERE principal = $1 AND role = $2 AND scope = $3 AND until = $5";
        let values = values![principal, grant.role.as_str(), grant.scope.to_path(), write.now, Micros::FOREVER];
        write.run(sql, values).await?;
        write.commit().await?;
        Ok(())
    }

    /// Recognises a principal; `Error::WrongCredentials` says nothing about what was wrong, and takes as long for every cause.
    pub async fn authenticate(&self, credential: &Credential) -> Result<Principal> {
        match credential {
            Credential::Bearer(token) => self.by_token(token, None).await,
            Credential::Basic { user, password } if password.starts_with(TOKEN_PREFIX) => {
                match self.by_token(password, Some(user)).await {
                    Err(Error::WrongCredentials) => self.by_password(user, password).await,
                    found => found,
                }
            }
            Credential::Basic { user, password } => self.by_password(user, password).await,
        }
    }

    async fn by_password(&self, user: &str, password: &str) -> Result<Principal> {
        let sql = "SELECT id, password FROM principal WHERE name = $1 AND until = $2";
        let row = self.engine().one(sql, values![user, Micros::FOREVER]).await?;
        let stored = row.as_ref().map_or(Ok(String::new()), |row| row.text(1))?;
        let right = self.verify(stored, password).await?;
        let row = row.filter(|_| right).ok_or(Error::WrongCredentials)?;
        self.principal(row.int(0)?).await?.ok_or(Error::WrongCredentials)
    }

    /// Verifies a password; an empty hash costs as much as another and is never right.
    async fn verify(&self, stored: String, password: &str) -> Result<bool> {
        let mut both = stored.clone().into_bytes();
        both.push(0);
        both.extend_from_slice(password.as_bytes());
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, &both).as_ref());
        if self.verified().get(&key).is_some_and(|at| at.elapsed() < VERIFIED) {
            return Ok(true);
        }
        let given = password.to_owned();
        let right = blocking(move || {
            let known = if stored.is_empty() { dummy_hash() } else { &stored };
            Argon2::default().verify_password(given.as_bytes(), known).is_ok() && !stored.is_empty()
        })
        .await?;
        if right {
            let mut verified = self.verified();
            verified.retain(|_, at| at.elapsed() < VERIFIED);
            verified.insert(key, Instant::now());
        }
        Ok(right)
    }

    fn verified(&self) -> std::sync::MutexGuard<'_, Verified> {
        self.inner.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(run).await.map_err(std::io::Error::other).map_err(Error::disk("verify a password"))
}

async fn hash_password(password: String) -> Result<String> {
    let hash =
        blocking(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())).await?;
    hash.map_err(|why| Error::damaged("password", why))
}

/// A hash that no password has, verified for unknown names so that they take as long as known ones.
fn dummy_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let hash = Argon2::default().hash_password(uuid::Uuid::new_v4().as_bytes());
        hash.map(|hash| hash.to_string()).unwrap_or_default()
    })
}

pub(crate) fn token_hash(token: &str) -> String {
    model::Digest::sha256(token.as_bytes()).hex().to_owned()
}

/// 256 random bits as text.
pub(crate) fn random_text() -> Result<String> {
    let mut bytes = [0u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::disk("draw random bits")(std::io::ErrorKind::Other.into()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Writes a file that only its owner reads.
fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}
