//! What a match says, and the identity of a finding.

use crate::advisory::{Category, Source, VendorState};
use crate::severity::{Severity, SeveritySource};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One package × one vulnerability, as judged with one generation of the advisory database.
///
/// Depends on the package row alone, so it is shared by every image that holds the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// Heading of the vulnerability: CVE if there is one, else GHSA, else the feed's id.
    pub vulnerability: String,
    /// The severity shown.
    pub severity: Severity,
    /// Who said so.
    pub severity_source: SeveritySource,
    /// What the vendor does about it.
    pub state: VendorState,
    /// The version that fixes it; empty if none is known.
    pub fixed_version: String,
    /// The advisory that decided, e.g. `CVE-2023-45853` of the Debian tracker, `PYSEC-2021-9`.
    pub advisory: String,
    /// The feed of that advisory.
    pub source: Source,
    /// What it is about.
    pub category: Category,
    /// How it was decided: version, interval, order; for `why` and `finding explain`.
    pub comparison: String,
}

impl Match {
    /// Returns whether an upgrade removes the finding.
    pub fn patchable(&self) -> bool {
        !self.fixed_version.is_empty()
    }
}

/// Makes the stable id of a finding: repository × image × package × vulnerability.
///
/// `repository` is the full path `registry/repository`, `image` the digest, `package` the purl, `vulnerability` the heading.
/// A version 8 UUID of two halves, so that an id is found without a list of all of them: the first names the place
/// (`place_half`), the second the match (`match_half`).
pub fn finding_id(repository: &str, image: &str, package: &str, vulnerability: &str) -> Uuid {
    join_halves(place_half(repository, image), match_half(package, vulnerability))
}

/// Makes the half of a finding id that names repository and image.
pub fn place_half(repository: &str, image: &str) -> u64 {
    half("place", repository, image) & !0xf000
}

/// Makes the half of a finding id that names package and vulnerability.
pub fn match_half(package: &str, vulnerability: &str) -> u64 {
    half("match", package, vulnerability) & (u64::MAX >> 2)
}

/// Makes a finding id of its two halves.
pub fn join_halves(place: u64, matched: u64) -> Uuid {
    let bytes = ((u128::from(place) << 64) | u128::from(matched)).to_be_bytes();
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Takes a finding id apart: place half, match half. `None` for a UUID that is no finding id.
pub fn split_halves(id: Uuid) -> Option<(u64, u64)> {
    let (place, matched) = id.as_u64_pair();
    let halves = (place & !0xf000, matched & (u64::MAX >> 2));
    (join_halves(halves.0, halves.1) == id).then_some(halves)
}

/// The first 8 bytes of the SHA-256 of three texts, each ended by a zero byte.
fn half(kind: &str, a: &str, b: &str) -> u64 {
    let mut text = Vec::with_capacity(kind.len() + a.len() + b.len() + 3);
    for part in [kind, a, b] {
        text.extend_from_slice(part.as_bytes());
        text.push(0);
    }
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
    hash.as_ref().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_keeps_its_id_and_no_two_share_one() {
        let id = finding_id("local/app", "sha256:aa", "pkg:deb/debian/zlib1g@1", "CVE-1");
        assert_eq!(id, finding_id("local/app", "sha256:aa", "pkg:deb/debian/zlib1g@1", "CVE-1"));
        assert_ne!(id, finding_id("local/app", "sha256:aap", "kg:deb/debian/zlib1g@1", "CVE-1"));
        assert_eq!(id.get_version_num(), 8);
        let halves = (place_half("local/app", "sha256:aa"), match_half("pkg:deb/debian/zlib1g@1", "CVE-1"));
        assert_eq!(split_halves(id), Some(halves));
        assert_eq!(split_halves(Uuid::nil()), None, "no version 8 UUID");
    }
}
