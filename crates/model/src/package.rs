//! A package as vulnerabilities are matched with it.

use serde::{Deserialize, Serialize};

/// What a match depends on, and nothing else: one row of table `package`.
///
/// `ecosystem` names the kind and, for OS packages, the release: `debian:12`, `alpine:3.18`, `alpine:edge`, `rpm:azurelinux:3`,
/// `pypi`, `npm`, `go`. `name` is normalised as the ecosystem does (PEP 503 for PyPI). Versions are never normalised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct PackageKey {
    /// Kind and release.
    pub ecosystem: String,
    /// Name as the ecosystem normalises it.
    pub name: String,
    /// Version text as the package database has it.
    pub version: String,
    /// Source package (Debian source, Alpine origin); equal to `name` where nothing else is said; empty for language packages.
    pub source: String,
    /// Version of the source package.
    pub source_version: String,
    /// Architecture as the package database has it; empty for language packages.
    pub arch: String,
    /// Module stream `name:stream` (RPM), else empty.
    pub module: String,
    /// Support channel (`pro`, `eus`), else empty.
    pub channel: String,
    /// Where it comes from: empty for the distribution's own, `third-party:<who>` else; `owned:<release>/<os package>` for a
    /// language package whose files a package of the distribution owns: `owned:debian:12/python3-six`.
    pub origin: String,
}

impl PackageKey {
    /// Returns release and name of the OS package that owns the files of this language package. Where advisories cover the release,
    /// they say what there is to say; the language package is then listed and not matched.
    pub fn owner(&self) -> Option<(&str, &str)> {
        self.origin.strip_prefix("owned:")?.rsplit_once('/')
    }

    /// Returns the purl type: `deb`, `apk`, `rpm`, `pypi`, `npm`, `golang`.
    pub fn purl_type(&self) -> &str {
        match self.ecosystem.split(':').next().unwrap_or("") {
            "debian" | "ubuntu" => "deb",
            "alpine" | "wolfi" | "chainguard" => "apk",
            "rpm" => "rpm",
            "go" => "golang",
            other => other,
        }
    }

    /// Returns the package URL: `pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12`.
    pub fn purl(&self) -> String {
        let mut parts = self.ecosystem.splitn(2, ':');
        let distro = parts.next().unwrap_or("");
        let release = parts.next().unwrap_or("");
        let mut purl = "pkg:".to_owned();
        push_encoded(&mut purl, self.purl_type()); // of a reader's result: any text
        purl.push('/');
        if !release.is_empty() || matches!(self.purl_type(), "deb" | "apk" | "rpm") {
            let generic = matches!(distro, "deb" | "apk" | "rpm");
            push_encoded(&mut purl, if generic { release.split(':').next().unwrap_or("") } else { distro });
            purl.push('/');
        }
        for (i, segment) in self.name.split('/').enumerate() {
            if i > 0 {
                purl.push('/');
            }
            push_encoded(&mut purl, segment);
        }
        purl.push('@');
        push_encoded(&mut purl, &self.version);
        let mut qualifiers = Vec::new();
        if !self.arch.is_empty() {
            qualifiers.push(("arch", self.arch.clone()));
        }
        if !release.is_empty() {
            qualifiers.push(("distro", format!("{distro}-{release}")));
        }
        for (i, (key, value)) in qualifiers.iter().enumerate() {
            purl.push(if i == 0 { '?' } else { '&' });
            purl.push_str(key);
            purl.push('=');
            push_encoded(&mut purl, value);
        }
        purl
    }
}

fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b':' | b'+') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purls_are_written_as_the_specification_says() {
        let row = |ecosystem: &str, name: &str, version: &str, arch: &str| {
            PackageKey {
                ecosystem: ecosystem.into(),
                name: name.into(),
                version: version.into(),
                arch: arch.into(),
                ..Default::default()
            }
            .purl()
        };
        assert_eq!(
            row("debian:12", "openssl", "3.0.11-1", "amd64"),
            "pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12"
        );
        assert_eq!(row("pypi", "django", "2.2", ""), "pkg:pypi/django@2.2");
        assert_eq!(row("npm", "@babel/core", "7.0.0", ""), "pkg:npm/%40babel/core@7.0.0");
        assert_eq!(row("go", "golang.org/x/net", "v0.1.0", ""), "pkg:golang/golang.org/x/net@v0.1.0");
        assert_eq!(row("$e@b\n", "a", "1", ""), "pkg:%24e%40b%0A/a@1", "a type that no reader has");
    }
}
