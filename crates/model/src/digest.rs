//! Content digests as OCI writes them: `sha256:<64 hex>` or `sha512:<128 hex>`, lower case.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A well-formed content digest.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Box<str>);

/// The hash function of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256, the usual one.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a digest: want sha256: or sha512: and lower-case hex")]
pub struct NotADigest {
    /// The text as given.
    pub text: String,
}

impl Digest {
    /// Parses a digest; the algorithm must be known and the hex of its length and lower case.
    pub fn parse(text: &str) -> Result<Self, NotADigest> {
        let fail = || NotADigest { text: text.chars().take(200).collect() };
        let (algorithm, hex) = text.split_once(':').ok_or_else(fail)?;
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(fail()),
        };
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hex.len() != length || !hex.bytes().all(lower_hex) {
            return Err(fail());
        }
        Ok(Self(text.into()))
    }

    /// Hashes bytes with SHA-256.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::from_hash(Algorithm::Sha256, aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
    }

    /// Hashes bytes with the hash function of this digest, to compare the two.
    pub fn of_same_kind(&self, bytes: &[u8]) -> Self {
        use aws_lc_rs::digest::{SHA256, SHA512, digest};
        let (algorithm, function) = match self.algorithm() {
            Algorithm::Sha256 => (Algorithm::Sha256, &SHA256),
            Algorithm::Sha512 => (Algorithm::Sha512, &SHA512),
        };
        Self::from_hash(algorithm, digest(function, bytes).as_ref())
    }

    /// Makes a digest of a finished hash.
    pub fn from_hash(algorithm: Algorithm, hash: &[u8]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(8 + hash.len() * 2);
        text.push_str(match algorithm {
            Algorithm::Sha256 => "sha256:",
            Algorithm::Sha512 => "sha512:",
        });
        for byte in hash {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
        Self(text.into())
    }

    /// Returns the text, `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the hash function.
    pub fn algorithm(&self) -> Algorithm {
        if self.0.starts_with("sha512") { Algorithm::Sha512 } else { Algorithm::Sha256 }
    }

    /// Returns the hex part.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// Returns the first 12 hex digits, for people.
    pub fn short(&self) -> &str {
        self.hex().get(..12).unwrap_or("")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;
    fn try_from(text: String) -> Result<Self, NotADigest> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_algorithms_with_lower_case_hex_are_digests() {
        let good = format!("sha256:{}", "a".repeat(64));
        assert_eq!(Digest::parse(&good).map(|d| d.short().to_owned()), Ok("a".repeat(12)));
        for (bad, why) in [
            (format!("sha256:{}", "A".repeat(64)), "upper case"),
            (format!("sha256:{}", "a".repeat(63)), "short"),
            (format!("md5:{}", "a".repeat(32)), "unknown algorithm"),
            ("latest".to_owned(), "a tag"),
            (String::new(), "empty"),
        ] {
            assert!(Digest::parse(&bad).is_err(), "{why}");
        }
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::sha256(b"").as_str(), empty);
    }
}
