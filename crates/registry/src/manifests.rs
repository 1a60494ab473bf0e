//! Manifests: pushed, pulled, deleted, by tag and by digest.
//!
//! In: a body of at most 4 MiB. Out: the same bytes under their digest, and what they are told to the store: image, index
//! or accessory, with what must be there. A GET is a pull; a HEAD is not.

use crate::ask::{Ask, add_headers, empty};
use crate::error::{Code, Error};
use crate::path::Target;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{Response, StatusCode, header};
use model::digest::Algorithm;
use model::manifest::{LIMIT_BYTES, Manifest};
use model::{Digest, reference};
use store::{Class, NewManifest};

/// Most tags that one push may move.
const TAGS: usize = 100;

fn unknown(name: &str, target: &str) -> Error {
    Error::new(Code::ManifestUnknown, format!("{name} has no manifest {target}"))
}

/// `HEAD` and `GET /v2/<name>/manifests/<tag or digest>`.
pub(crate) async fn get(ask: &Ask, name: &str, target: &Target) -> Result<Response<Body>, Error> {
    let registry = &ask.registry;
    let found = registry.store.manifest(registry.entry.id, name, target.as_str()).await?;
    let found = found.ok_or_else(|| unknown(name, target.as_str()))?;
    if !ask.is_head() {
        let tag = if let Target::Tag(tag) = target { tag } else { "" };
        let pulled = registry.store.record_pull(registry.entry.id, name, tag, &found, &ask.log_caller()).await;
        if let Err(error) = pulled {
            tracing::warn!(%error, "a pull was not recorded"); // pulls go on whatever fails behind them
        }
    }
    let length = found.bytes.len().to_string();
    let mut response = Response::new(if ask.is_head() { Body::empty() } else { Body::from(found.bytes) });
    let headers = [
        ("content-type", found.media_type.as_str()),
        ("content-length", &length),
        ("docker-content-digest", found.digest.as_str()),
    ];
    add_headers(&mut response, &headers);
    Ok(response)
}

/// `PUT /v2/<name>/manifests/<tag or digest>`, and `?tag=` for further tags.
pub(crate) async fn put(ask: &Ask, name: &str, target: &Target, body: Body) -> Result<Response<Body>, Error> {
    let bytes = receive(ask, body).await?;
    let read = Manifest::parse(&bytes, ask.header(header::CONTENT_TYPE));
    let read = read.map_err(|e| Error::new(Code::ManifestInvalid, format!("the manifest is not accepted: {e}")))?;
    let digest = match target {
        Target::Tag(_) => Digest::sha256(&bytes),
        Target::Digest(want) => verified(want, &bytes)?,
    };
    let tags = tags(ask, target)?;
    let subject = read.subject.as_ref().map(|s| s.digest.clone());
    let registry = &ask.registry;
    let kind = registry.store.kind_of(&read).await?;
    let new = NewManifest {
        registry: registry.entry.id,
        repository: name.to_owned(),
        tags: tags.clone(),
        digest: digest.clone(),
        media_type: read.media_type.to_owned(),
        bytes,
        kind,
        subject: subject.clone(),
        artifact_type: read.referrer_type().unwrap_or_default().to_owned(),
        annotations: serde_json::to_string(&read.annotations).unwrap_or_default(),
        class: Class::Push,
        caller: ask.log_caller(),
    };
    registry.store.put_manifest(new).await?;
    let location = format!("/v2/{name}/manifests/{digest}");
    let headers =
        [("location", location.as_str()), ("docker-content-digest", digest.as_str()), ("content-length", "0")];
    let mut response = empty(StatusCode::CREATED, &headers);
    if let Some(subject) = subject {
        add_headers(&mut response, &[("oci-subject", subject.as_str())]);
    }
    for tag in ask.parameters.all("tag") {
        add_headers(&mut response, &[("oci-tag", tag)]);
    }
    Ok(response)
}

/// `DELETE` of a manifest and every tag on it.
pub(crate) async fn delete(ask: &Ask, name: &str, digest: &Digest) -> Result<Response<Body>, Error> {
    let registry = &ask.registry;
    if !registry.store.delete_manifest(registry.entry.id, name, digest, &ask.log_caller()).await? {
        return Err(unknown(name, digest.as_str()));
    }
    Ok(empty(StatusCode::ACCEPTED, &[("content-length", "0")]))
}

/// `DELETE` of a tag; the manifest stays.
pub(crate) async fn delete_tag(ask: &Ask, name: &str, tag: &str) -> Result<Response<Body>, Error> {
    let registry = &ask.registry;
    if !registry.store.delete_tag(registry.entry.id, name, tag, &ask.log_caller()).await? {
        return Err(unknown(name, tag));
    }
    Ok(empty(StatusCode::ACCEPTED, &[("content-length", "0")]))
}

async fn receive(ask: &Ask, body: Body) -> Result<Bytes, Error> {
    let too_large = || {
        Error::new(Code::SizeInvalid, format!("a manifest has at most {LIMIT_BYTES} bytes"))
            .with_status(StatusCode::PAYLOAD_TOO_LARGE)
    };
    let length = ask.header(header::CONTENT_LENGTH).and_then(|l| l.parse::<usize>().ok());
    if length.is_some_and(|length| length > LIMIT_BYTES) {
        return Err(too_large());
    }
    let (mut bytes, mut body) = (BytesMut::new(), body.into_data_stream());
    loop {
        let next = tokio::time::timeout(ask.registry.settings.idle, body.next()).await.map_err(|_| {
            Error::new(Code::ManifestInvalid, "no byte came for too long").with_status(StatusCode::REQUEST_TIMEOUT)
        })?;
        let Some(part) = next else { return Ok(bytes.freeze()) };
        let part = part.map_err(|_| Error::new(Code::ManifestInvalid, "the body ended before its length"))?;
        if bytes.len().saturating_add(part.len()) > LIMIT_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
}

fn verified(want: &Digest, bytes: &[u8]) -> Result<Digest, Error> {
    let got = match want.algorithm() {
        Algorithm::Sha256 => Digest::sha256(bytes),
        Algorithm::Sha512 => {
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, bytes);
            Digest::from_hash(Algorithm::Sha512, hash.as_ref())
        }
    };
    if got == *want { Ok(got) } else { Err(Error::new(Code::DigestInvalid, format!("the manifest hashes to {got}"))) }
}

fn tags(ask: &Ask, target: &Target) -> Result<Vec<String>, Error> {
    let mut tags = Vec::new();
    if let Target::Tag(tag) = target {
        tags.push(tag.clone());
    }
    for tag in ask.parameters.all("tag") {
        reference::check_tag(tag).map_err(|e| Error::new(Code::TagInvalid, e))?;
        if !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    if tags.len() > TAGS {
        return Err(Error::new(Code::TagInvalid, "too many tags at once").with_status(StatusCode::URI_TOO_LONG));
    }
    Ok(tags)
}
