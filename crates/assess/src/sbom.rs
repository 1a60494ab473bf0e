//! Bills of materials: what an image holds, for other programs.
//!
//! In: an image and its packages. Out: CycloneDX 1.6 or SPDX 2.3 as JSON. The same image gives the same document, but for its date.

mod cyclonedx;
mod spdx;

pub use cyclonedx::cyclonedx;
pub use spdx::spdx;

use model::inventory::Placed;

/// What a document is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// `shop/api:1.8`.
    pub name: &'a str,
    /// `sha256:…`
    pub digest: &'a str,
    /// `linux/amd64`, or empty.
    pub platform: &'a str,
    /// Pretty name of the distribution, or empty.
    pub os: &'a str,
    /// When the document is made: RFC 3339, UTC.
    pub created: &'a str,
    /// Version of Portwarden.
    pub version: &'a str,
    /// What the image holds; a package at several places is one component.
    pub packages: &'a [Placed],
}

/// Packages, each once, with all its places, in order of package URL.
fn components<'a>(subject: &Subject<'a>) -> Vec<(String, Vec<&'a Placed>)> {
    let mut all: Vec<(String, &Placed)> = subject.packages.iter().map(|placed| (placed.key.purl(), placed)).collect();
    all.sort();
    let mut out: Vec<(String, Vec<&Placed>)> = Vec::new();
    for (purl, placed) in all {
        match out.last_mut() {
            Some((last, places)) if *last == purl => places.push(placed),
            _ => out.push((purl, vec![placed])),
        }
    }
    out
}

/// The digest without its algorithm.
fn hex<'a>(subject: &Subject<'a>) -> &'a str {
    subject.digest.split(':').nth(1).unwrap_or(subject.digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::package::PackageKey;
    use serde_json::Value;

    fn placed(ecosystem: &str, name: &str, path: &str) -> Placed {
        let key = PackageKey {
            ecosystem: ecosystem.into(),
            name: name.into(),
            version: "1.0".into(),
            ..PackageKey::default()
        };
        Placed { key, path: path.into(), layer: 2 }
    }

    fn documents(packages: &[Placed]) -> [Value; 2] {
        let digest = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let created = "2026-03-01T00:00:00Z";
        let subject = Subject {
            name: "shop/api:1",
            digest,
            platform: "linux/amd64",
            os: "Debian",
            created,
            version: "1",
            packages,
        };
        [cyclonedx(&subject), spdx(&subject)]
    }

    #[test]
    fn every_package_is_there_once_with_all_its_places() {
        let packages = [
            placed("npm", "lodash", "a/package.json"),
            placed("npm", "lodash", "b/package.json"),
            placed("debian:12", "openssl", "var/lib/dpkg/status"),
            placed("npm", "\u{202e}evil\"", "c"),
        ];
        let [cyclonedx, spdx] = documents(&packages);
        assert_eq!(cyclonedx["specVersion"], "1.6");
        let components = cyclonedx["components"].as_array().expect("components");
        assert_eq!(components.len(), 3);
        let lodash = components.iter().find(|c| c["name"] == "lodash").expect("lodash");
        assert_eq!(lodash["purl"], "pkg:npm/lodash@1.0");
        assert_eq!(lodash["evidence"]["occurrences"].as_array().map(Vec::len), Some(2));
        assert_eq!(spdx["spdxVersion"], "SPDX-2.3");
        assert_eq!(spdx["packages"].as_array().map(Vec::len), Some(4), "the image itself, and three packages");
        assert_eq!(spdx["relationships"].as_array().map(Vec::len), Some(4), "one describes, three contain");
    }

    #[test]
    fn ids_are_distinct_and_of_the_letters_that_the_standards_allow() {
        let packages = [placed("npm", "a/b", "x"), placed("npm", "a-b", "y"), placed("pypi", "a_b", "z")];
        let [cyclonedx, spdx] = documents(&packages);
        let ids = |list: &Value, key: &str| {
            let ids = list.as_array().expect("a list").iter();
            ids.map(|item| item[key].as_str().expect("an id").to_owned()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(ids(&cyclonedx["components"], "bom-ref").len(), 3);
        let spdx = ids(&spdx["packages"], "SPDXID");
        assert_eq!(spdx.len(), 4);
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        assert!(spdx.iter().all(|id| id.starts_with("SPDXRef-") && id.chars().all(allowed)), "{spdx:?}");
    }
}
