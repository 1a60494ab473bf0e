//! Names of images as people type them and as registries take them: `host:port/path:tag@digest`.
//!
//! In: text. Out: its parts, or which part is wrong and why.
//! Grammar: OCI distribution 1.1 for repository names and tags, Docker's reference grammar for the whole.

use crate::digest::Digest;
use std::fmt;

/// The longest repository name; many clients bound host and name together at this.
pub const NAME_LIMIT: usize = 255;
/// The longest tag.
pub const TAG_LIMIT: usize = 128;

/// An image reference. Without a tag and without a digest, a client means the tag `latest`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The registry, with its port: `localhost:5000`, `[::1]:5000`. Absent: none was named.
    pub host: Option<String>,
    /// The repository: `library/debian`.
    pub repository: String,
    /// The tag.
    pub tag: Option<String>,
    /// The digest; where both are there, it decides and the tag is for people.
    pub digest: Option<Digest>,
}

/// Which part of a reference is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} {text:?} {why}")]
pub struct NotAReference {
    /// The part: `repository name`, `tag`, `digest`, `host`, `reference`.
    pub part: &'static str,
    /// That part as given, shortened.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

fn wrong(part: &'static str, text: &str, why: &'static str) -> NotAReference {
    NotAReference { part, text: text.chars().take(300).collect(), why }
}

impl Reference {
    /// Parses a reference as Docker's tools do.
    ///
    /// The first part names a host when it holds a dot or a colon, is `localhost`, or has a capital letter.
    pub fn parse(text: &str) -> Result<Self, NotAReference> {
        if text.contains("://") {
            return Err(wrong("reference", text, "is a URL: leave the scheme out"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(parse_digest(digest)?)),
            None => (text, None),
        };
        let (rest, tag) = split_tag(rest);
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        let (host, repository) = match rest.split_once('/') {
            Some((first, path)) if names_a_host(first) => (Some(first), path),
            _ => (None, rest),
        };
        if let Some(host) = host {
            check_host(host)?;
        }
        check_repository(repository)?;
        Ok(Self { host: host.map(Into::into), repository: repository.into(), tag: tag.map(Into::into), digest })
    }

    /// Returns the reference with Docker Hub's host and `library/` filled in where no host was named.
    pub fn with_docker_hub(mut self) -> Self {
        let hub = self.host.as_deref().is_none_or(|h| h == "docker.io" || h == "index.docker.io");
        if hub {
            self.host = Some("docker.io".into());
            if !self.repository.contains('/') {
                self.repository.insert_str(0, "library/");
            }
        }
        self
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn parse_digest(text: &str) -> Result<Digest, NotAReference> {
    Digest::parse(text).map_err(|_| wrong("digest", text, "wants sha256: or sha512: and lower-case hex"))
}

/// A colon after the last slash begins the tag; before it, it belongs to a port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((rest, tag)) if !tag.contains(['/', ']']) => (rest, Some(tag)),
        _ => (text, None),
    }
}

fn names_a_host(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase)
}

fn check_host(host: &str) -> Result<(), NotAReference> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    if port.is_some_and(|p| p.parse::<u16>().is_err() || !p.bytes().all(|b| b.is_ascii_digit())) {
        return Err(wrong("host", host, "has no valid port"));
    }
    if let Some(address) = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        return match address.parse::<std::net::Ipv6Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(wrong("host", host, "is not an IPv6 address")),
        };
    }
    let good = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if name.len() > 253 || !name.split('.').all(good) {
        return Err(wrong("host", host, "wants letters, digits and hyphens between dots"));
    }
    Ok(())
}

/// Checks a repository name: parts of lower-case letters and digits, joined inside by `.`, `_`, `__` or hyphens.
pub fn check_repository(name: &str) -> Result<(), NotAReference> {
    let fail = |why| Err(wrong("repository name", name, why));
    if name.is_empty() {
        return fail("is empty");
    }
    if name.len() > NAME_LIMIT {
        return fail("is longer than 255 characters");
    }
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return fail("has capital letters: only lower case is allowed");
    }
    for part in name.split('/') {
        if part.is_empty() {
            return fail("has an empty part between slashes");
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if !part.bytes().all(allowed) {
            return fail("has a character that is not allowed: a-z, 0-9, '.', '_', '-' and '/' are");
        }
        if !is_path_part(part) {
            return fail(
                "wants each part to begin and end with a letter or digit, with '.', '_', '__' or hyphens inside",
            );
        }
    }
    Ok(())
}

/// Letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_path_part(part: &str) -> bool {
    let joint = |c: char| matches!(c, '.' | '_' | '-');
    if part.starts_with(joint) || part.ends_with(joint) {
        return false;
    }
    part.split(|c: char| !joint(c)).all(|run| matches!(run, "" | "." | "_" | "__") || run.chars().all(|c| c == '-'))
}

/// Checks a tag: a word character, then up to 127 word characters, dots and hyphens.
pub fn check_tag(tag: &str) -> Result<(), NotAReference> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    match tag.as_bytes() {
        [] => Err(wrong("tag", tag, "is empty")),
        all if all.len() > TAG_LIMIT => Err(wrong("tag", tag, "is longer than 128 characters")),
        [first, rest @ ..] if word(*first) && rest.iter().all(|b| word(*b) || b".-".contains(b)) => Ok(()),
        _ => Err(wrong("tag", tag, "wants letters, digits, '_', '.' and '-', not beginning with '.' or '-'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_docker_reads_them() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, host, repository, tag) in [
            ("debian", None, "debian", None),
            ("debian:12", None, "debian", Some("12")),
            ("library/debian:12", None, "library/debian", Some("12")),
            ("localhost/app", Some("localhost"), "app", None),
            ("localhost:5000/app", Some("localhost:5000"), "app", None),
            ("localhost:5000", None, "localhost", Some("5000")),
            ("ghcr.io/a/b__c/d-.e", None, "", None),
            ("ghcr.io/a/b__c/d--e:1.0-RC_1", Some("ghcr.io"), "a/b__c/d--e", Some("1.0-RC_1")),
            ("[::1]:5000/app:x", Some("[::1]:5000"), "app", Some("x")),
            ("[fe80::1]/app", Some("[fe80::1]"), "app", None),
            ("HOST/app", Some("HOST"), "app", None),
            ("10.0.0.1:80/a/b", Some("10.0.0.1:80"), "a/b", None),
        ] {
            let got = Reference::parse(text);
            if repository.is_empty() {
                assert!(got.is_err(), "{text}");
                continue;
            }
            let with_digest = Reference::parse(&format!("{text}@{digest}")).unwrap();
            assert_eq!(with_digest.digest.as_ref().map(Digest::as_str), Some(digest.as_str()), "{text}");
            let got = got.unwrap();
            assert_eq!((got.host.as_deref(), got.repository.as_str(), got.tag.as_deref()), (host, repository, tag));
            assert_eq!(got.to_string(), text, "written as read");
        }
    }

    #[test]
    fn an_error_names_the_part_that_is_wrong() {
        let long = "a".repeat(256);
        for (text, part, why) in [
            ("", "repository name", "is empty"),
            ("https://ghcr.io/a", "reference", "scheme"),
            ("App", "repository name", "capital"),
            ("ghcr.io/App", "repository name", "capital"),
            ("a//b", "repository name", "empty part"),
            ("a/../b", "repository name", "begin and end"),
            ("a___b", "repository name", "begin and end"),
            ("a..b", "repository name", "begin and end"),
            ("a%2fb", "repository name", "character"),
            ("a\0b", "repository name", "character"),
            ("äpp", "repository name", "character"),
            (&long, "repository name", "255"),
            ("a:", "tag", "is empty"),
            ("a:.x", "tag", "beginning"),
            ("a:ä", "tag", "letters"),
            ("a@latest", "digest", "sha256"),
            ("a@sha256:abc", "digest", "sha256"),
            ("host.example:99999/a", "host", "port"),
            ("host.example:+1/a", "host", "port"),
            ("-bad.example/a", "host", "letters"),
            ("[::g]:1/a", "host", "IPv6"),
        ] {
            let error = Reference::parse(text).expect_err(text);
            assert_eq!(error.part, part, "{text}: {error}");
            assert!(error.why.contains(why), "{text}: {error}");
        }
        assert!(check_tag(&"a".repeat(128)).is_ok() && check_tag(&"a".repeat(129)).is_err(), "tag at its limit");
        assert!(check_repository(&"a".repeat(255)).is_ok(), "name at its limit");
    }

    #[test]
    fn a_name_without_host_is_docker_hubs() {
        for (text, want) in [
            ("debian:12", "docker.io/library/debian:12"),
            ("docker.io/debian", "docker.io/library/debian"),
            ("a/b", "docker.io/a/b"),
            ("ghcr.io/b", "ghcr.io/b"),
        ] {
            assert_eq!(Reference::parse(text).unwrap().with_docker_hub().to_string(), want);
        }
    }
}
