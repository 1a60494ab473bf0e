//! Blobs, request by request as the conformance suite of the distribution specification lists them.

use crate::server::{Answer, Server, digest_of, sha512};
use axum::body::Body;
use http::Method;
use model::role::Role;
use model::{Digest, manifest};
use serde_json::json;
use std::collections::BTreeSet;

const BLOB: &[u8] = b"0123456789abcdefghij";

fn with_digest(location: &str, digest: &Digest) -> String {
    format!("{location}{}digest={digest}", if location.contains('?') { '&' } else { '?' })
}

#[tokio::test]
async fn a_blob_is_pushed_in_every_way_with_either_hash() {
    let server = Server::new().await;
    for digest in [Digest::sha256(BLOB), sha512(BLOB)] {
        for way in ["post", "put", "stream", "chunks", "chunks and put"] {
            let done = pushed(&server, way, &digest).await.is(201, way);
            assert_eq!(done.header("docker-content-digest"), digest.as_str(), "{way}");
            let got = server.get(done.header("location")).await.is(200, way);
            assert_eq!(got.body, BLOB, "{way}");
            let head = server.head(done.header("location")).await.is(200, way);
            assert_eq!((head.header("content-length"), head.body.len()), ("20", 0), "{way}");
            server.delete(done.header("location")).await.is(202, way);
            server.get(done.header("location")).await.is(404, "gone at once");
            server.delete(done.header("location")).await.is(404, "gone already");
        }
    }
}

/// Pushes the blob in one of the ways; returns the last answer.
async fn pushed(server: &Server, way: &str, digest: &Digest) -> Answer {
    if way == "post" {
        let path = format!("/v2/ways/blobs/uploads/?digest={digest}");
        return server.send(Method::POST, &path, &[], BLOB.to_vec()).await;
    }
    let algorithm = digest.as_str().split(':').next().unwrap();
    let begin = format!("/v2/ways/blobs/uploads/?digest-algorithm={algorithm}");
    let begun = server.send(Method::POST, &begin, &[], Body::empty()).await.is(202, way);
    let location = begun.header("location");
    match way {
        "put" => server.send(Method::PUT, &with_digest(location, digest), &[], BLOB.to_vec()).await,
        "stream" => {
            let sent = server.send(Method::PATCH, location, &[], BLOB.to_vec()).await.is(202, way);
            assert_eq!(sent.header("range"), "0-19", "{way}");
            let path = with_digest(sent.header("location"), digest);
            server.send(Method::PUT, &path, &[], Body::empty()).await
        }
        _ => chunks(server, location.to_owned(), digest, way == "chunks and put").await,
    }
}

async fn chunks(server: &Server, mut location: String, digest: &Digest, put: bool) -> Answer {
    for (chunk, range, end) in [(&BLOB[..8], "0-7", "0-7"), (&BLOB[8..16], "8-15", "0-15")] {
        let length = chunk.len().to_string();
        let headers = [("content-range", range), ("content-length", length.as_str())];
        let sent = server.send(Method::PATCH, &location, &headers, chunk.to_vec()).await.is(202, "a chunk");
        assert_eq!(sent.header("range"), end);
        location = sent.header("location").to_owned();
    }
    let last = BLOB[16..].to_vec();
    if put {
        let headers = [("content-range", "16-19"), ("content-length", "4")];
        return server.send(Method::PUT, &with_digest(&location, digest), &headers, last).await;
    }
    server.send(Method::PATCH, &location, &[("content-range", "16-19")], last).await.is(202, "the last chunk");
    server.send(Method::PUT, &with_digest(&location, digest), &[], Body::empty()).await
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_the_upload_goes_on() {
    let server = Server::new().await;
    let location = server.begin("order").await;
    let refused = server.send(Method::PATCH, &location, &[("content-range", "5-9")], BLOB[5..10].to_vec()).await;
    refused.is(416, "the first chunk begins at 5");
    server.send(Method::PATCH, &location, &[("content-range", "0-9")], BLOB[..10].to_vec()).await.is(202, "in order");
    for (range, why) in [("15-19", "a gap"), ("5-9", "again"), ("0-9", "from the beginning")] {
        let sent = server.send(Method::PATCH, &location, &[("content-range", range)], BLOB[..5].to_vec()).await;
        let refused = sent.is(416, why);
        assert_eq!((refused.header("range"), refused.header("location")), ("0-9", location.as_str()), "{why}");
        let path = with_digest(&location, &Digest::sha256(BLOB));
        server.send(Method::PUT, &path, &[("content-range", range)], BLOB[..5].to_vec()).await.is(416, why);
    }
    let status = server.get(&location).await.is(204, "status");
    assert_eq!(status.header("range"), "0-9");
    for (range, length, status, why) in
        [("10-19", "5", 400, "two lengths"), ("19-10", "10", 400, "backwards"), ("ten", "10", 400, "no range")]
    {
        let headers = [("content-range", range), ("content-length", length)];
        server.send(Method::PATCH, &location, &headers, BLOB[10..].to_vec()).await.is(status, why);
    }
    server.send(Method::PATCH, &location, &[("content-range", "10-14")], BLOB[10..].to_vec()).await.is(400, "too long");
    let path = with_digest(&location, &Digest::sha256(BLOB));
    let status = server.get(&location).await.is(204, "still there");
    let from: usize = status.header("range").trim_start_matches("0-").parse().unwrap();
    server.send(Method::PUT, &path, &[], BLOB[from + 1..].to_vec()).await.is(201, "the rest");
}

#[tokio::test]
async fn bytes_that_hash_to_something_else_are_refused_in_every_way() {
    let server = Server::new().await;
    for want in [Digest::sha256(b"other"), sha512(b"other")] {
        let post = format!("/v2/lies/blobs/uploads/?digest={want}");
        let answer = server.send(Method::POST, &post, &[], BLOB.to_vec()).await.is(400, "post");
        assert_eq!(answer.code(), "DIGEST_INVALID");
        let put = with_digest(&server.begin("lies").await, &want);
        server.send(Method::PUT, &put, &[], BLOB.to_vec()).await.is(400, "put");
        let location = server.begin("lies").await;
        server.send(Method::PATCH, &location, &[], BLOB.to_vec()).await.is(202, "stream");
        server.send(Method::PUT, &with_digest(&location, &want), &[], Body::empty()).await.is(400, "stream");
        server.get(&format!("/v2/lies/blobs/{want}")).await.is(404, "nothing is kept");
    }
    let location = server.begin("lies").await;
    for (query, why) in [
        ("", "no digest"),
        ("?digest=", "empty"),
        ("?digest=sha256:abc", "short"),
        ("?digest=md5:d41d8cd98f00b204e9800998ecf8427e", "unknown algorithm"),
        ("?digest=sha256:baddigeststring", "no hex"),
    ] {
        let answer = server.send(Method::PUT, &format!("{location}{query}"), &[], BLOB.to_vec()).await.is(400, why);
        assert_eq!(answer.code(), "DIGEST_INVALID", "{why}");
    }
    let twice = format!("{location}?digest={}&digest={}", Digest::sha256(BLOB), Digest::sha256(b"x"));
    server.send(Method::PUT, &twice, &[], BLOB.to_vec()).await.is(400, "two digests");
    server.send(Method::POST, "/v2/lies/blobs/uploads/?digest-algorithm=md5", &[], Body::empty()).await.is(400, "md5");
}

#[tokio::test]
async fn small_blobs_are_blobs() {
    let server = Server::new().await;
    for bytes in [&b""[..], b"{}"] {
        for digest in [Digest::sha256(bytes), sha512(bytes)] {
            let put = with_digest(&server.begin("small").await, &digest);
            let done = server.send(Method::PUT, &put, &[], bytes.to_vec()).await.is(201, "pushed");
            let got = server.get(done.header("location")).await.is(200, "pulled");
            assert_eq!(got.body, bytes);
            let length = bytes.len().to_string();
            assert_eq!(server.head(done.header("location")).await.header("content-length"), length);
        }
    }
}

#[tokio::test]
async fn parts_of_a_blob_are_served() {
    let server = Server::new().await;
    let digest = server.push_blob("parts", BLOB).await;
    let path = format!("/v2/parts/blobs/{digest}");
    for (range, status, content_range, body) in [
        ("bytes=0-4", 206, "bytes 0-4/20", &BLOB[..5]),
        ("bytes=5-9", 206, "bytes 5-9/20", &BLOB[5..10]),
        ("bytes=15-", 206, "bytes 15-19/20", &BLOB[15..]),
        ("bytes=-3", 206, "bytes 17-19/20", &BLOB[17..]),
        ("bytes=15-99", 206, "bytes 15-19/20", &BLOB[15..]),
        ("bytes=0-19", 206, "bytes 0-19/20", BLOB),
        ("bytes=0-1,4-5", 200, "", BLOB),
    ] {
        let got = server.send(Method::GET, &path, &[("range", range)], Body::empty()).await.is(status, range);
        assert_eq!((got.header("content-range"), &got.body[..]), (content_range, body), "{range}");
        assert_eq!(got.header("content-length"), body.len().to_string(), "{range}");
    }
    for range in ["bytes=20-", "bytes=5-2", "bytes=20-30", "bytes=-0", "bytes=99999999999999999999-"] {
        let got = server.send(Method::GET, &path, &[("range", range)], Body::empty()).await.is(416, range);
        assert_eq!(got.header("content-range"), "bytes */20", "{range}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_there() {
    let server = Server::new().await;
    let digest = Digest::sha256(b"never");
    for (path, status, code) in [
        (format!("/v2/none/blobs/{digest}"), 404, "BLOB_UNKNOWN"),
        ("/v2/none/blobs/sha256:abc".to_owned(), 400, "DIGEST_INVALID"),
        (format!("/v2/None/blobs/{digest}"), 400, "NAME_INVALID"),
        (format!("/v2/none/blobs/uploads/{}", uuid::Uuid::nil()), 404, "BLOB_UPLOAD_UNKNOWN"),
        ("/v2/none/blobs/uploads/1".to_owned(), 404, "BLOB_UPLOAD_UNKNOWN"),
        ("/v2/none".to_owned(), 404, "NAME_UNKNOWN"),
    ] {
        assert_eq!(server.get(&path).await.is(status, &path).code(), code, "{path}");
    }
    for (method, path) in
        [(Method::POST, "/v2/"), (Method::PUT, "/v2/a/tags/list"), (Method::PATCH, "/v2/a/manifests/x")]
    {
        let answer = server.send(method, path, &[], Body::empty()).await.is(405, path);
        assert_eq!(answer.code(), "UNSUPPORTED");
    }
}

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted_or_uploaded() {
    let server = Server::new().await;
    let digest = server.push_blob("source", BLOB).await;
    server.get(&format!("/v2/target/blobs/{digest}")).await.is(404, "a blob belongs to its repository");
    let mount = |query: &str| format!("/v2/target/blobs/uploads/?mount={digest}{query}");
    server.send(Method::POST, &mount(""), &[], Body::empty()).await.is(202, "from nowhere: uploaded");
    server.send(Method::POST, &mount("&from=absent"), &[], Body::empty()).await.is(202, "the source has it not");
    server.send(Method::POST, &mount("&from=../x"), &[], Body::empty()).await.is(202, "no repository at all");
    let done = server.send(Method::POST, &mount("&from=source"), &[], Body::empty()).await.is(201, "mounted");
    assert_eq!(done.header("location"), format!("/v2/target/blobs/{digest}"));
    assert_eq!(server.get(done.header("location")).await.body, BLOB);
    server.send(Method::POST, &mount("&from=absent"), &[], Body::empty()).await.is(201, "the target has it already");
    server
        .send(Method::POST, "/v2/target/blobs/uploads/?mount=sha256:x", &[], Body::empty())
        .await
        .is(400, "no digest");
}

#[tokio::test]
async fn an_upload_that_is_given_up_is_gone() {
    let server = Server::new().await;
    let location = server.begin("cancel").await;
    server.send(Method::PATCH, &location, &[], BLOB.to_vec()).await.is(202, "some bytes");
    server.delete(&location).await.is(204, "given up");
    server.get(&location).await.is(404, "gone");
    server.send(Method::PATCH, &location, &[], BLOB.to_vec()).await.is(404, "gone for writing");
    server.delete(&location).await.is(404, "gone for giving up");
}

#[tokio::test]
async fn a_blob_that_a_manifest_names_stays_and_whoever_deletes_another_is_named() {
    let server = Server::new().await;
    let image = server.push_image("app", "1", b"layer").await;
    server.push_image("other", "1", b"layer").await;
    let loose = server.push_blob("app", b"loose").await;
    let statement = server.push_blob("app", b"statement").await;
    let empty = server.push_blob("app", b"{}").await;
    let attestation = json!({
        "schemaVersion": 2, "mediaType": manifest::OCI_IMAGE,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty.as_str(), "size": 2},
        "layers": [{"mediaType": "application/vnd.in-toto+json", "digest": statement.as_str(), "size": 9}],
    });
    server.put_manifest("app", "attestation", &attestation).await.is(201, "an attestation");
    let path = |digest: &str| format!("/v2/app/blobs/{digest}");
    let layer = image["layers"][0]["digest"].as_str().unwrap();
    let config = image["config"]["digest"].as_str().unwrap();
    for (digest, why) in [(layer, "a layer"), (config, "a configuration"), (statement.as_str(), "of an attestation")] {
        let answer = server.delete(&path(digest)).await.is(405, why);
        assert_eq!(answer.code(), "UNSUPPORTED", "{why}");
        server.head(&path(digest)).await.is(200, why);
    }
    server.user("puller", &[(Role::AcrPull, "app")]).await;
    server.as_user("puller", Method::DELETE, &path(loose.as_str()), &[], "").await.is(403, "no right");
    server.delete(&path(loose.as_str())).await.is(202, "nothing names it");
    server.delete(&path(loose.as_str())).await.is(404, "gone");
    server.delete(&format!("/v2/app/manifests/{}", digest_of(&image))).await.is(202, "the image");
    server.delete(&path(layer)).await.is(202, "nothing names it any more here");
    server.head(&format!("/v2/other/blobs/{layer}")).await.is(200, "another repository keeps it");
    let log = server.log(false).await;
    let deletes = |digest: &str| {
        let of = log.iter().filter(|e| e.operation == "delete" && e.digest == digest);
        of.map(|e| format!("{} {}", e.result, e.caller.actor)).collect::<BTreeSet<_>>()
    };
    assert_eq!(deletes(layer), BTreeSet::from(["202 admin", "405 admin"].map(str::to_owned)));
    assert_eq!(deletes(loose.as_str()), BTreeSet::from(["202 admin", "403 puller", "404 admin"].map(str::to_owned)));
    let event = &server.store.events(None, 1).await.unwrap()[0];
    let about = (event.action.as_str(), event.digest.as_str(), event.bytes, event.caller.actor.as_str());
    assert_eq!(about, ("delete", layer, 5, "admin"));
}
