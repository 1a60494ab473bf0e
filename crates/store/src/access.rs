//! Who may do what: principals, passwords, tokens, roles.
//!
//! Passwords are kept as argon2id, tokens as SHA-256 of 256 random bits; neither can be read back.

use crate::engine::values;
use crate::{Caller, Error, Result, Store};
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
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
    /// Row id of the token that was brought; `None`: a password, or a session.
    pub token: Option<Id>,
}

/// Passwords that were verified a moment ago: argon2 costs tens of milliseconds, and clients send the password with every
/// request. The key is a hash of the stored password's hash and the given password, so a changed password is a miss.
pub(crate) type Verified = HashMap<[u8; 32], Instant>;

/// Who may have a password hashed now. Each takes 19 MiB and a core for tens of milliseconds, and anybody may ask for it.
pub(crate) struct Turns {
    /// Whoever has or waits for a turn.
    seats: Arc<Semaphore>,
    /// One a core.
    cores: Arc<Semaphore>,
}

/// What it takes to have a password hashed; held until that is done, also where nobody waits for it any more.
struct Turn {
    _seat: OwnedSemaphorePermit,
    _core: OwnedSemaphorePermit,
}

/// Who may wait for a turn, a core: those at the end wait some ten seconds.
const SEATS: usize = 256;
/// How long those wait who found no seat.
const BUSY: u64 = 10;
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
        let by = Caller { actor: "portwarden".into(), ..Caller::default() };
        let id = self.make_principal(ADMIN, "user", password, &by).await?;
        self.grant(id, &Grant { role: Role::Owner, scope: Scope::ALL }, &by).await?;
        Ok(made)
    }

    /// Recognises a principal; `Error::WrongCredentials` says nothing about what was wrong, and takes as long for every cause. After too
    /// many wrong passwords from an address, `Error::LockedOut`; while too many are verified, `Error::Busy`. A token is too long to be guessed: it is looked at in any case.
    pub async fn authenticate(&self, credential: &Credential, address: &str) -> Result<Principal> {
        match credential {
            Credential::Bearer(token) => self.by_token(token, None).await,
            Credential::Basic { user, password } if password.starts_with(TOKEN_PREFIX) => {
                match self.by_token(password, Some(user)).await {
                    Err(Error::WrongCredentials) => self.by_password(user, password, address).await,
                    found => found,
                }
            }
            Credential::Basic { user, password } => self.by_password(user, password, address).await,
        }
    }

    /// Recognises a user by name and password alone.
    pub async fn by_password(&self, user: &str, password: &str, address: &str) -> Result<Principal> {
        let mut tried = self.is_open(user, address).await?;
        let sql = "SELECT id, password FROM principal WHERE name = $1 AND until = $2";
        let row = self.engine().one(sql, values![user, Micros::FOREVER]).await?;
        let stored = row.as_ref().map_or(Ok(String::new()), |row| row.text(1))?;
        let key = cache_key(&stored, password);
        let mut right = self.was_verified(&key);
        if !right {
            let turn = self.turn().await?;
            right = self.was_verified(&key); // by another request, meanwhile
            if !right {
                // Counted before it is looked at: of many tries at once no more than allowed are.
                self.count_try(user, address).await?;
                tried = true;
                right = self.look_at(stored, password, key, turn).await?;
            }
        }
        let row = row.filter(|_| right).ok_or(Error::WrongCredentials)?;
        if tried {
            self.forget_tries(user, address).await;
        }
        self.principal(row.int(0)?).await?.ok_or(Error::WrongCredentials)
    }

    /// Verifies a password; an empty hash costs as much as another and is never right.
    async fn look_at(&self, stored: String, password: &str, key: [u8; 32], turn: Turn) -> Result<bool> {
        let given = password.to_owned();
        let right = blocking(turn, move || {
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

    /// Hashes a new password.
    pub(crate) async fn hash_password(&self, password: String) -> Result<String> {
        let hash = blocking(self.turn().await?, move || {
            Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
        });
        hash.await?.map_err(|why| Error::damaged("password", why))
    }

    /// Waits for a turn; `Error::Busy` where as many wait already as may.
    async fn turn(&self) -> Result<Turn> {
        let turns = &self.inner.turns;
        let busy = |_| Error::Busy { seconds: BUSY };
        let seat = turns.seats.clone().try_acquire_owned().map_err(busy)?;
        let core = turns.cores.clone().acquire_owned().await.map_err(|_| Error::Busy { seconds: BUSY })?;
        Ok(Turn { _seat: seat, _core: core })
    }

    #[cfg(test)]
    pub(crate) fn take_every_seat(&self) -> impl Sized + use<> {
        let seats = self.inner.turns.seats.clone();
        let all = u32::try_from(seats.available_permits()).unwrap_or(u32::MAX);
        seats.try_acquire_many_owned(all)
    }

    fn was_verified(&self, key: &[u8; 32]) -> bool {
        self.verified().get(key).is_some_and(|at| at.elapsed() < VERIFIED)
    }

    fn verified(&self) -> std::sync::MutexGuard<'_, Verified> {
        self.inner.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Turns {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { seats: Arc::new(Semaphore::new(cores * SEATS)), cores: Arc::new(Semaphore::new(cores)) }
    }
}

async fn blocking<T: Send + 'static>(turn: Turn, run: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let run = move || {
        let done = run();
        drop(turn);
        done
    };
    tokio::task::spawn_blocking(run).await.map_err(std::io::Error::other).map_err(Error::disk("verify a password"))
}

/// The key under which a password is remembered as verified: of the stored hash and the password.
fn cache_key(stored: &str, password: &str) -> [u8; 32] {
    let mut both = stored.as_bytes().to_vec();
    both.push(0);
    both.extend_from_slice(password.as_bytes());
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, &both).as_ref());
    key
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
    // A file that was there may be anybody's to read.
    match std::fs::remove_file(path) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}
