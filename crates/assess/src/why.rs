//! Why a finding is there, for people: file, layer, package entry, advisory, interval, comparison.
//!
//! In: where a package stands in an image, and its match. Out: a line each, in the order in which one would check them by hand.

use crate::hit::{Hit, Said};
use crate::remediation::{is_os, shown, vendor};
use model::advisory::{End, Names, Source, VendorState};
use model::finding::Match;
use model::inventory::Placed;
use model::package::PackageKey;
use model::severity::SeveritySource;
use serde::Serialize;
use std::fmt;

/// Why a finding is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The file that lists the package.
    pub file: String,
    /// The layer since which it is there.
    pub layer: String,
    /// The package's entry in that file.
    pub package: String,
    /// The advisory that decided, and its feed.
    pub advisory: String,
    /// Version, interval and order.
    pub comparison: String,
    /// What follows from it.
    pub result: String,
    /// The severity and who said so.
    pub severity: String,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("file", &self.file),
            ("layer", &self.layer),
            ("package", &self.package),
            ("advisory", &self.advisory),
            ("comparison", &self.comparison),
            ("result", &self.result),
            ("severity", &self.severity),
        ];
        for (i, (what, text)) in lines.iter().enumerate() {
            write!(f, "{}{what:<11} {text}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// Explains a match of a package that stands in an image. `layer_digest` may be empty.
pub fn why(placed: &Placed, layer_digest: &str, found: &Match) -> Why {
    let key = &placed.key;
    let layer = match layer_digest {
        "" => format!("layer {} (0 = lowest)", placed.layer),
        digest => format!("layer {} (0 = lowest), {}", placed.layer, shown(digest)),
    };
    let mut package = format!("{} {} in {}", shown(&key.name), shown(&key.version), shown(&key.ecosystem));
    if is_os(key) && !key.source.is_empty() && (key.source != key.name || key.source_version != key.version) {
        package.push_str(&format!(", built from source package {} {}", shown(&key.source), shown(&key.source_version)));
    }
    if let Some(who) = key.origin.strip_prefix("third-party:") {
        package.push_str(&format!(", not the distribution's own build ({}): take the match with care", shown(who)));
    }
    Why {
        file: shown(&placed.path),
        layer,
        package,
        advisory: format!("{} of {}", shown(&found.advisory), feed(found.source)),
        comparison: found.comparison.clone(),
        result: result(key, found),
        severity: severity(key, found),
    }
}

fn result(key: &PackageKey, found: &Match) -> String {
    let who = vendor(key);
    match found.state {
        _ if found.patchable() => format!("affected, fixed in {}", shown(&found.fixed_version)),
        VendorState::WillNotFix => format!("affected, and {who} will not fix it"),
        VendorState::Deferred => format!("affected, and {who} has put off the fix"),
        VendorState::EndOfLife => format!("affected, and {who} no longer supports it in this release"),
        _ => "affected, no fixed version known".into(),
    }
}

fn severity(key: &PackageKey, found: &Match) -> String {
    let who = match found.severity_source {
        SeveritySource::Vendor if is_os(key) => vendor(key),
        SeveritySource::Vendor => "the advisory",
        SeveritySource::Cna => "the authority that assigned the id",
        SeveritySource::Adp => "CISA",
        SeveritySource::Nvd => "NVD",
        SeveritySource::Other => "another source",
        SeveritySource::None => return "unknown: nobody has said".into(),
    };
    format!("{}, said by {who}", found.severity.as_str())
}

fn feed(source: Source) -> &'static str {
    match source {
        Source::Starter => "the built-in starter advisories",
        Source::Debian => "the Debian security tracker",
        Source::Alpine => "Alpine's security database",
        Source::OsvPypi => "OSV (PyPI)",
        Source::OsvNpm => "OSV (npm)",
        Source::OsvGo => "OSV (Go)",
    }
}

/// Says how a version was compared: `source package openssl: 3.0.11-1 < 3.0.13-1, as dpkg orders them`.
pub(crate) fn comparison(package: &PackageKey, said: &Said<'_>, hit: Hit<'_>) -> String {
    let what = match said.row.names {
        Names::Source => "source package",
        Names::Binary => "package",
        Names::Language => package.purl_type(),
    };
    let version = shown(said.version);
    let interval = match hit {
        Hit::Listed => format!("{version} is listed as affected"),
        Hit::Within(introduced, end) => {
            let upper = match end {
                End::Open => format!("{version}, every version is affected"),
                End::Fixed(bound) => format!("{version} < {}", shown(bound)),
                End::LastAffected(bound) => format!("{version} <= {}, the last affected", shown(bound)),
                End::Limit(bound) => format!("{version} < {}, the limit", shown(bound)),
            };
            match (introduced, end) {
                ("", _) => upper,
                (first, End::Open) => format!("{version} >= {}, and every later version is affected", shown(first)),
                (first, _) => format!("{version} >= {} and {upper}", shown(first)),
            }
        }
    };
    let order = match (hit, package.purl_type()) {
        (Hit::Listed, _) | (Hit::Within("", End::Open), _) => "",
        (_, "deb") => ", as dpkg orders versions",
        (_, "apk") => ", as apk orders versions",
        (_, "rpm") => ", as rpm orders versions",
        (_, "pypi") => ", as PEP 440 orders versions",
        (_, "golang") => ", as Go orders versions",
        _ => ", as semantic versioning orders versions",
    };
    format!("{what} {}: {interval}{order}", shown(said.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::advisory::Category;
    use model::severity::Severity;

    #[test]
    fn a_finding_is_explained_in_the_order_of_checking_it() {
        let key = PackageKey {
            ecosystem: "debian:12".into(),
            name: "libssl3".into(),
            version: "3.0.11-1+b1".into(),
            source: "openssl".into(),
            source_version: "3.0.11-1".into(),
            ..Default::default()
        };
        let found = Match {
            vulnerability: "CVE-2024-1".into(),
            severity: Severity::High,
            severity_source: SeveritySource::Nvd,
            state: VendorState::Fixed,
            fixed_version: "3.0.13-1".into(),
            advisory: "CVE-2024-1".into(),
            source: Source::Debian,
            category: Category::Vulnerability,
            comparison: "source package openssl: 3.0.11-1 < 3.0.13-1, as dpkg orders versions".into(),
        };
        let placed = Placed { key, path: "var/lib/dpkg/status".into(), layer: 2 };
        let want = "\
file        var/lib/dpkg/status
layer       layer 2 (0 = lowest), sha256:ab
package     libssl3 3.0.11-1+b1 in debian:12, built from source package openssl 3.0.11-1
advisory    CVE-2024-1 of the Debian security tracker
comparison  source package openssl: 3.0.11-1 < 3.0.13-1, as dpkg orders versions
result      affected, fixed in 3.0.13-1
severity    high, said by NVD";
        assert_eq!(why(&placed, "sha256:ab", &found).to_string(), want);
    }
}
