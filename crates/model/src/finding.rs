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

/// Makes the stable id of a finding: repository × image × package × vulnerability (DESIGN, law 2).
///
/// `repository` is the full path `registry/repository`, `image` the digest, `package` the purl, `vulnerability` the heading.
/// A version 8 UUID of the SHA-256 of the four, each ended by a zero byte.
pub fn finding_id(repository: &str, image: &str, package: &str, vulnerability: &str) -> Uuid {
    let mut text = Vec::with_capacity(repository.len() + image.len() + package.len() + vulnerability.len() + 4);
    for part in [repository, image, package, vulnerability] {
        text.extend_from_slice(part.as_bytes());
        text.push(0);
    }
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
    let mut bytes = [0u8; 16];
    for (to, from) in bytes.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
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
    }
}
