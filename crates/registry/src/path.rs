//! What a request is about.
//!
//! In: the path and query as they came. Out: a route with its parts checked, or which part is wrong.
//! Percent-encoding is undone once, here, before anybody is asked for permission: what is authorised is what is served.

use crate::error::{Code, Error};
use model::{Digest, reference};
use uuid::Uuid;

/// What a request under `/v2/` is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(String),
    /// `/v2/<name>/blobs/<digest>`
    Blob(String, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(String),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(String, Uuid),
    /// `/v2/<name>/manifests/<tag or digest>`
    Manifest(String, Target),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(String, Digest),
}

/// The last part of a manifest's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A tag.
    Tag(String),
    /// A digest.
    Digest(Digest),
}

impl Target {
    /// Returns the text as it stands in the address.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag,
            Self::Digest(digest) => digest.as_str(),
        }
    }
}

impl Route {
    /// Reads a path. `path` is as it came, still encoded.
    pub(crate) fn parse(path: &str) -> Result<Self, Error> {
        let path = decode(path, false).ok_or_else(|| Error::new(Code::NameInvalid, "the path is not UTF-8"))?;
        let rest = path.strip_prefix("/v2").ok_or_else(Error::no_such_page)?;
        let rest = match rest.strip_prefix('/') {
            Some(rest) => rest,
            None if rest.is_empty() => return Ok(Self::Ping),
            None => return Err(Error::no_such_page()),
        };
        match rest {
            "" => return Ok(Self::Ping),
            "_catalog" => return Ok(Self::Catalog),
            _ => {}
        }
        let (head, last) = rest.rsplit_once('/').ok_or_else(Error::no_such_page)?;
        if let (Some(name), "list") = (head.strip_suffix("/tags"), last) {
            return Ok(Self::Tags(checked(name)?));
        }
        if let Some(name) = head.strip_suffix("/blobs/uploads") {
            let name = checked(name)?;
            return if last.is_empty() { Ok(Self::Uploads(name)) } else { Ok(Self::Upload(name, upload_id(last)?)) };
        }
        if let Some(name) = head.strip_suffix("/blobs") {
            let name = checked(name)?;
            return if last == "uploads" { Ok(Self::Uploads(name)) } else { Ok(Self::Blob(name, digest(last)?)) };
        }
        if let Some(name) = head.strip_suffix("/manifests") {
            return Ok(Self::Manifest(checked(name)?, target(last)?));
        }
        if let Some(name) = head.strip_suffix("/referrers") {
            return Ok(Self::Referrers(checked(name)?, digest(last)?));
        }
        Err(Error::no_such_page())
    }

    /// Returns the repository, if the route names one.
    pub(crate) fn repository(&self) -> Option<&str> {
        match self {
            Self::Ping | Self::Catalog => None,
            Self::Tags(name)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Manifest(name, _)
            | Self::Referrers(name, _) => Some(name),
        }
    }
}

fn checked(name: &str) -> Result<String, Error> {
    reference::check_repository(name).map_err(|e| Error::new(Code::NameInvalid, e))?;
    Ok(name.to_owned())
}

/// Reads a digest of an address or a parameter.
pub(crate) fn digest(text: &str) -> Result<Digest, Error> {
    Digest::parse(text).map_err(|e| Error::new(Code::DigestInvalid, e))
}

/// An id that is no id of ours names no upload.
fn upload_id(text: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(text).map_err(|_| Error::new(Code::BlobUploadUnknown, "there is no such upload"))
}

fn target(text: &str) -> Result<Target, Error> {
    if text.contains(':') {
        return Ok(Target::Digest(digest(text)?));
    }
    reference::check_tag(text).map_err(|e| Error::new(Code::TagInvalid, e))?;
    Ok(Target::Tag(text.to_owned()))
}

/// The parameters of a query or a form, in order.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `a=b&c=d`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::new(Code::Unsupported, "the parameters are not UTF-8");
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name, true).ok_or_else(bad)?, decode(value, true).ok_or_else(bad)?));
        }
        Ok(Self(pairs))
    }

    /// Returns every value of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Returns the value of a parameter that may be there once: two readers could take different ones.
    pub(crate) fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Error> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Error::new(Code::Unsupported, format!("parameter {name} is there twice")));
        }
        Ok(first)
    }
}

/// Undoes percent-encoding once. A `%` without two hex digits stays as it is, and no name allows it.
fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        let two = rest.as_slice().get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let hex = two.filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        match (byte, hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(decoded)) => {
                bytes.push(decoded);
                rest.nth(1);
            }
            (b'+', _) if plus_is_space => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_specification_has_its_route() {
        let d = Digest::sha256(b"");
        let id = Uuid::nil();
        for (path, want) in [
            ("/v2".to_owned(), Route::Ping),
            ("/v2/".to_owned(), Route::Ping),
            ("/v2/_catalog".to_owned(), Route::Catalog),
            ("/v2/a/b/tags/list".to_owned(), Route::Tags("a/b".into())),
            (format!("/v2/a/blobs/{d}"), Route::Blob("a".into(), d.clone())),
            (format!("/v2/a/blobs/{}", d.as_str().replace(':', "%3A")), Route::Blob("a".into(), d.clone())),
            ("/v2/a/blobs/uploads/".to_owned(), Route::Uploads("a".into())),
            ("/v2/a/blobs/uploads".to_owned(), Route::Uploads("a".into())),
            (format!("/v2/a/blobs/uploads/{id}"), Route::Upload("a".into(), id)),
            ("/v2/a/manifests/1.0".to_owned(), Route::Manifest("a".into(), Target::Tag("1.0".into()))),
            ("/v2/a%2Fb/manifests/1".to_owned(), Route::Manifest("a/b".into(), Target::Tag("1".into()))),
            (format!("/v2/a/manifests/{d}"), Route::Manifest("a".into(), Target::Digest(d.clone()))),
            (format!("/v2/a/referrers/{d}"), Route::Referrers("a".into(), d.clone())),
            ("/v2/blobs/manifests/tags/list".to_owned(), Route::Tags("blobs/manifests".into())),
            ("/v2/a/blobs/manifests/x".to_owned(), Route::Manifest("a/blobs".into(), Target::Tag("x".into()))),
        ] {
            assert_eq!(Route::parse(&path).ok(), Some(want), "{path}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_part_that_is_wrong() {
        for (path, code, why) in [
            ("/v2/a", Code::NameUnknown, "no page"),
            ("/v2x/", Code::NameUnknown, "no page"),
            ("/v2/a/blobs/sha256:abc", Code::DigestInvalid, "short digest"),
            ("/v2/a/blobs/latest", Code::DigestInvalid, "a tag for a digest"),
            ("/v2/a/manifests/sha256:baddigest", Code::DigestInvalid, "bad digest of a manifest"),
            ("/v2/a/manifests/.x", Code::TagInvalid, "bad tag"),
            ("/v2/A/tags/list", Code::NameInvalid, "capitals"),
            ("/v2/../a/tags/list", Code::NameInvalid, "dots"),
            ("/v2/%2e%2e/a/tags/list", Code::NameInvalid, "encoded dots"),
            ("/v2/a%252Fb/tags/list", Code::NameInvalid, "encoded twice"),
            ("/v2/a%00b/tags/list", Code::NameInvalid, "NUL"),
            ("/v2/a%ff/tags/list", Code::NameInvalid, "not UTF-8"),
            ("/v2//tags/list", Code::NameInvalid, "empty name"),
            ("/v2/a//b/tags/list", Code::NameInvalid, "empty part"),
            ("/v2/a/blobs/uploads/1", Code::BlobUploadUnknown, "an upload id that is none"),
        ] {
            assert_eq!(Route::parse(path).expect_err(why).code(), code, "{why}");
        }
    }

    #[test]
    fn a_parameter_that_decides_may_be_there_once() {
        let parameters = Parameters::parse("scope=a%3Ab+c&scope=d&digest=x&digest=y&flag").unwrap();
        assert_eq!(parameters.all("scope").collect::<Vec<_>>(), ["a:b c", "d"]);
        assert!(parameters.one("digest").is_err());
        assert_eq!(parameters.one("flag").unwrap(), Some(""));
        assert_eq!(parameters.one("none").unwrap(), None);
    }
}
