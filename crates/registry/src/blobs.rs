//! Blobs: asked for, downloaded in whole or in part, deleted. A repository gives only what is linked to it.

use crate::ask::{Ask, add_headers, empty};
use crate::error::{Code, Error};
use crate::range::{self, Part};
use axum::body::Body;
use http::{Response, StatusCode, header};
use model::Digest;

fn unknown(digest: &Digest) -> Error {
    Error::new(Code::BlobUnknown, format!("the repository has no blob {digest}"))
}

/// `HEAD` and `GET /v2/<name>/blobs/<digest>`.
pub(crate) async fn get(ask: &Ask, name: &str, digest: &Digest) -> Result<Response<Body>, Error> {
    let registry = &ask.registry;
    let size = registry.store.has_blob(registry.entry.id, name, digest).await?.ok_or_else(|| unknown(digest))?;
    let asked = if ask.is_head() { None } else { ask.header(header::RANGE) };
    let part = match range::part(asked, size) {
        Part::Whole => None,
        Part::Bytes(part) => Some(part),
        Part::Unsatisfiable => {
            return Err(Error::new(Code::SizeInvalid, format!("the blob has {size} bytes"))
                .with_status(StatusCode::RANGE_NOT_SATISFIABLE)
                .with_header(header::CONTENT_RANGE, &format!("bytes */{size}")));
        }
    };
    let length = part.as_ref().map_or(size, |part| part.end - part.start);
    let body = if ask.is_head() || length == 0 {
        Body::empty()
    } else {
        Body::from_stream(registry.store.blobs().read(digest, part.clone()).await?.stream)
    };
    let mut response = Response::new(body);
    let length = length.to_string();
    add_headers(
        &mut response,
        &[
            ("content-type", "application/octet-stream"),
            ("content-length", &length),
            ("docker-content-digest", digest.as_str()),
            ("accept-ranges", "bytes"),
            ("cache-control", "private, max-age=31536000, immutable"),
        ],
    );
    if let Some(part) = part {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        add_headers(&mut response, &[("content-range", &range)]);
    }
    Ok(response)
}

/// `DELETE /v2/<name>/blobs/<digest>`: not while a manifest of the repository names it.
pub(crate) async fn delete(ask: &Ask, name: &str, digest: &Digest) -> Result<Response<Body>, Error> {
    let registry = &ask.registry;
    match registry.store.unlink_blob(registry.entry.id, name, digest, &ask.log_caller()).await {
        Ok(true) => {}
        Ok(false) => return Err(unknown(digest)),
        // The protocol's word for a blob that cannot be deleted is 405.
        Err(store::Error::Conflict(why)) => {
            return Err(Error::new(Code::Unsupported, why).with_status(StatusCode::METHOD_NOT_ALLOWED));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(empty(StatusCode::ACCEPTED, &[("content-length", "0")]))
}
