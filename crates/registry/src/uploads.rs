//! Uploads of blobs: in one request, in two, in chunks; mounts from other repositories.
//!
//! In: bodies as they stream, never held as a whole. Out: a blob, only if its bytes hash to the digest that was named.
//! Source: OCI distribution 1.1, "Pushing blobs". What arrived before a connection broke is kept, and the client may go on.

use crate::ask::{Ask, empty};
use crate::error::{Code, Error};
use crate::path;
use crate::range;
use axum::body::Body;
use futures_util::StreamExt;
use http::{Response, StatusCode, header};
use model::Digest;
use model::role::Action;
use std::ops::Range;
use store::{Upload, UploadId};
use uuid::Uuid;

/// `POST /v2/<name>/blobs/uploads/`, with `?digest=` and a body, with `?mount=&from=`, or to begin.
pub(crate) async fn begin(ask: &Ask, name: &str, body: Body) -> Result<Response<Body>, Error> {
    let registry = &ask.registry;
    if let Some(mount) = ask.parameters.one("mount")? {
        let digest = path::digest(mount)?;
        if mounted(ask, name, &digest).await? {
            return Ok(created(name, &digest));
        }
    }
    let want = ask.parameters.one("digest")?.map(path::digest).transpose()?;
    if let Some(algorithm) = ask.parameters.one("digest-algorithm")?
        && !matches!(algorithm, "sha256" | "sha512")
    {
        return Err(Error::new(Code::DigestInvalid, "the digest algorithm is neither sha256 nor sha512"));
    }
    let owner = &ask.caller.principal.name;
    let id = registry.store.begin_upload(registry.entry.id, name, owner).await?;
    let Some(want) = want else { return Ok(accepted(name, &id.to_string(), 0)) };
    let mut upload = registry.store.upload(id, registry.entry.id, name, owner).await?;
    if let Err(error) = receive(ask, &mut upload, body, None).await {
        upload.cancel().await?; // one request is all there is: nobody knows the upload's address
        return Err(error);
    }
    let digest = upload.finish(&want).await?;
    Ok(created(name, &digest))
}

/// A blob may be had from another repository by whoever may pull from there; else the client is told to upload it.
async fn mounted(ask: &Ask, name: &str, digest: &Digest) -> Result<bool, Error> {
    let registry = &ask.registry;
    if registry.store.has_blob(registry.entry.id, name, digest).await?.is_some() {
        return Ok(true);
    }
    let Some(from) = ask.parameters.one("from")? else { return Ok(false) };
    if model::reference::check_repository(from).is_err() || !ask.caller.may(registry, Action::Pull, from) {
        return Ok(false);
    }
    Ok(registry.store.mount_blob(registry.entry.id, from, name, digest).await?)
}

/// `PATCH`: one chunk, or a stream of unknown length.
pub(crate) async fn append(ask: &Ask, name: &str, id: Uuid, body: Body) -> Result<Response<Body>, Error> {
    let mut upload = open(ask, name, id).await?;
    let chunk = match chunk(ask, name, &upload) {
        Ok(chunk) => chunk,
        Err(error) => return Err(error),
    };
    let received = receive(ask, &mut upload, body, chunk).await;
    // What went wrong first is what the client is told: a full disk, not an upload that cannot be paused any more.
    let paused = upload.pause().await;
    received?;
    Ok(accepted(name, &id.to_string(), paused?))
}

/// `PUT`: the end, with or without a last chunk.
pub(crate) async fn finish(ask: &Ask, name: &str, id: Uuid, body: Body) -> Result<Response<Body>, Error> {
    let want = ask.parameters.one("digest")?;
    let want = want.ok_or_else(|| Error::new(Code::DigestInvalid, "the parameter digest is missing"))?;
    let want = path::digest(want)?;
    let mut upload = open(ask, name, id).await?;
    let chunk = chunk(ask, name, &upload)?;
    if let Err(error) = receive(ask, &mut upload, body, chunk).await {
        let _ = upload.pause().await; // `error` came first
        return Err(error);
    }
    let digest = upload.finish(&want).await?;
    Ok(created(name, &digest))
}

/// `GET`: how far an upload is.
pub(crate) async fn status(ask: &Ask, name: &str, id: Uuid) -> Result<Response<Body>, Error> {
    let upload = open(ask, name, id).await?;
    let (location, range) = (location(name, &id.to_string()), end_of(upload.offset()));
    let headers = [("location", location.as_str()), ("range", &range), ("docker-upload-uuid", &id.to_string())];
    Ok(empty(StatusCode::NO_CONTENT, &headers))
}

/// `DELETE`: gives an upload up.
pub(crate) async fn cancel(ask: &Ask, name: &str, id: Uuid) -> Result<Response<Body>, Error> {
    open(ask, name, id).await?.cancel().await?;
    Ok(empty(StatusCode::NO_CONTENT, &[]))
}

/// Finds the upload; one of another repository or principal is as unknown as one that never was.
async fn open(ask: &Ask, name: &str, id: Uuid) -> Result<Upload, Error> {
    let unknown = || Error::new(Code::BlobUploadUnknown, "there is no such upload");
    let id = UploadId::parse(&id.to_string()).ok_or_else(unknown)?;
    let registry = &ask.registry;
    Ok(registry.store.upload(id, registry.entry.id, name, &ask.caller.principal.name).await?)
}

/// Reads what the request says of its chunk, which must begin where the upload ends.
fn chunk(ask: &Ask, name: &str, upload: &Upload) -> Result<Option<Range<u64>>, Error> {
    let Some(text) = ask.header(header::CONTENT_RANGE) else { return Ok(None) };
    let chunk = range::chunk(text);
    let chunk = chunk.ok_or_else(|| Error::new(Code::BlobUploadInvalid, "Content-Range wants <first>-<last>"))?;
    if chunk.start != upload.offset() {
        let location = location(name, &upload.id().to_string());
        return Err(Error::new(Code::BlobUploadInvalid, format!("the next byte wanted is {}", upload.offset()))
            .with_status(StatusCode::RANGE_NOT_SATISFIABLE)
            .with_header(header::LOCATION, &location)
            .with_header(header::RANGE, &end_of(upload.offset())));
    }
    let length = ask.header(header::CONTENT_LENGTH).and_then(|l| l.parse::<u64>().ok());
    if length.is_some_and(|length| length != chunk.end - chunk.start) {
        return Err(Error::new(Code::SizeInvalid, "Content-Length and Content-Range disagree"));
    }
    Ok(Some(chunk))
}

/// Passes a body on as it arrives.
async fn receive(ask: &Ask, upload: &mut Upload, body: Body, chunk: Option<Range<u64>>) -> Result<(), Error> {
    let mut left = chunk.map(|chunk| chunk.end - chunk.start);
    let mut body = body.into_data_stream();
    loop {
        let next = tokio::time::timeout(ask.registry.settings.idle, body.next()).await.map_err(|_| {
            Error::new(Code::BlobUploadInvalid, "no byte came for too long").with_status(StatusCode::REQUEST_TIMEOUT)
        })?;
        let Some(bytes) = next else { break };
        let bytes = bytes.map_err(|_| Error::new(Code::BlobUploadInvalid, "the body ended before its length"))?;
        if let Some(left) = &mut left {
            *left = left.checked_sub(bytes.len() as u64).ok_or_else(disagree)?;
        }
        upload.append(bytes).await?;
    }
    if left.is_some_and(|left| left > 0) { Err(disagree()) } else { Ok(()) }
}

fn disagree() -> Error {
    Error::new(Code::SizeInvalid, "the body is not as long as Content-Range says")
}

fn location(name: &str, id: &str) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

/// `0-<last>`; an upload without bytes has no last one, and says `0-0` as every registry does.
fn end_of(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

fn accepted(name: &str, id: &str, offset: u64) -> Response<Body> {
    let (location, range) = (location(name, id), end_of(offset));
    let headers =
        [("location", location.as_str()), ("range", &range), ("docker-upload-uuid", id), ("content-length", "0")];
    empty(StatusCode::ACCEPTED, &headers)
}

fn created(name: &str, digest: &Digest) -> Response<Body> {
    let location = format!("/v2/{name}/blobs/{digest}");
    let headers =
        [("location", location.as_str()), ("docker-content-digest", digest.as_str()), ("content-length", "0")];
    empty(StatusCode::CREATED, &headers)
}
