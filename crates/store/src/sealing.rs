//! Secrets at rest: sealed with a key that is kept apart from the database.
//!
//! In: a key file of 64 hexadecimal digits that only its owner may change and only owner and group may read.
//! Out: AES-256-GCM under a nonce of its own; the secret's name is bound to it, so that two cannot change places.

use crate::{Error, Result};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// How a sealed value begins; then the nonce, what is sealed, the tag.
const SEALED: &[u8] = b"pws1";
/// Bytes of a key.
const KEY: usize = 32;

/// The key that seals secrets.
pub(crate) struct SealingKey(RandomizedNonceKey);

impl SealingKey {
    /// Reads a key file; `None` = there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let wrong = |why: String| Error::Setting { what: "key-file".into(), why };
        let shown = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(wrong(format!("cannot read {shown}: {why}"))),
        };
        let mode = std::fs::metadata(path).map_or(0, |m| m.permissions().mode());
        if mode & 0o027 != 0 {
            return Err(wrong(format!("others than its owner can read or change {shown}; `chmod 600 {shown}`")));
        }
        let key = digits(text.trim()).ok_or_else(|| {
            wrong(format!("{shown} does not hold 64 hexadecimal digits; make one with `openssl rand -hex 32`"))
        })?;
        Ok(Some(Self::of(&key)?))
    }

    /// Makes a key file, readable by its owner only, and reads it. Of two processes that do so, the first one's counts.
    pub(crate) fn make(path: &Path) -> Result<Self> {
        let mut key = [0; KEY];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| Error::damaged("randomness", "the system gives none"))?;
        let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let wrong = |why: std::io::Error| Error::Setting {
            what: "key-file".into(),
            why: format!("cannot make {}: {why}", path.display()),
        };
        let new = path.with_extension(format!("new-{}", uuid::Uuid::new_v4().simple()));
        let made = (|| {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(format!("{text}\n").as_bytes())?;
            file.sync_all()?;
            match std::fs::hard_link(&new, path) {
                Err(why) if why.kind() != ErrorKind::AlreadyExists => return Err(why),
                _ => {}
            }
            // What is sealed next must not outlive its key: the name of the file is on the disk before.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()
        })();
        let _ = std::fs::remove_file(&new);
        made.map_err(wrong)?;
        Self::read(path)?.ok_or_else(|| wrong(ErrorKind::NotFound.into()))
    }

    /// Makes a sealing key of its bytes.
    pub(crate) fn of(key: &[u8; KEY]) -> Result<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key);
        Ok(Self(key.map_err(|_| Error::damaged("key file", "its key cannot be used"))?))
    }

    /// Seals a secret.
    pub(crate) fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = secret.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(name), &mut sealed);
        let nonce = nonce.map_err(|_| Error::damaged("secret", "it cannot be sealed"))?;
        Ok([SEALED, nonce.as_ref(), &sealed].concat())
    }

    /// Opens a sealed secret; `None` = it was sealed with another key, or under another name.
    pub(crate) fn open(&self, name: &str, value: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = value.strip_prefix(SEALED)?.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = sealed.to_vec();
        Some(self.0.open_in_place(nonce, Aad::from(name), &mut opened).ok()?.to_vec())
    }
}

/// Returns whether a stored value is sealed.
pub(crate) fn is_sealed(value: &[u8]) -> bool {
    value.starts_with(SEALED) && value.len() > SEALED.len() + NONCE_LEN
}

fn digits(text: &str) -> Option<[u8; KEY]> {
    let mut key = [0; KEY];
    if text.len() != KEY * 2 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_under_its_name_and_key_only() {
        let (key, other) = (SealingKey::of(&[1; KEY]).unwrap(), SealingKey::of(&[2; KEY]).unwrap());
        let sealed = key.seal("a", b"secret").unwrap();
        assert!(is_sealed(&sealed) && !sealed.windows(6).any(|w| w == b"secret"));
        assert_ne!(sealed, key.seal("a", b"secret").unwrap(), "a nonce of its own each time");
        let mut bent = sealed.clone();
        *bent.last_mut().unwrap() ^= 1;
        for (key, name, value, want, why) in [
            (&key, "a", &sealed, Some(b"secret".to_vec()), "as it was sealed"),
            (&key, "b", &sealed, None, "another name"),
            (&other, "a", &sealed, None, "another key"),
            (&key, "a", &bent, None, "a flipped bit"),
            (&key, "a", &SEALED.to_vec(), None, "cut off"),
        ] {
            assert_eq!(key.open(name, value), want, "{why}");
        }
    }

    #[test]
    fn a_key_file_is_refused_when_it_is_wrong_or_open_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let good = "0123456789abcdef".repeat(4);
        for (text, mode, said) in [
            (format!("{good}\n"), 0o600, ""),
            (good.to_uppercase(), 0o400, ""),
            (good.clone(), 0o440, ""),
            (good.clone(), 0o644, "chmod 600"),
            (good.clone(), 0o660, "chmod 600"),
            (good[1..].to_owned(), 0o600, "64 hexadecimal digits"),
            ("é".repeat(32), 0o600, "64 hexadecimal digits"),
            (String::new(), 0o600, "64 hexadecimal digits"),
        ] {
            std::fs::write(&path, &text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            match SealingKey::read(&path) {
                Ok(found) => assert!(said.is_empty() && found.is_some(), "{text:?} {mode:o}"),
                Err(why) => assert!(!said.is_empty() && why.to_string().contains(said), "{text:?} {mode:o}: {why}"),
            }
            std::fs::remove_file(&path).unwrap();
        }
        assert!(SealingKey::read(&path).unwrap().is_none());
        SealingKey::make(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
