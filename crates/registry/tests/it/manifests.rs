//! Manifests: what is accepted, what comes back, what a push tells.

use crate::server::{Server, descriptor, digest_of, sha512};
use axum::body::Body;
use http::Method;
use model::manifest::{DOCKER_IMAGE, DOCKER_LIST, OCI_IMAGE, OCI_INDEX};
use model::{Digest, manifest};
use serde_json::{Value, json};

#[tokio::test]
async fn an_image_comes_back_byte_for_byte_by_tag_and_by_digest() {
    let server = Server::new().await;
    for (media_type, index) in [(OCI_IMAGE, OCI_INDEX), (DOCKER_IMAGE, DOCKER_LIST)] {
        let mut image = server.image("app", b"layer").await;
        image["mediaType"] = json!(media_type);
        let digest = digest_of(&image);
        let done = server.put_manifest("app", digest.as_str(), &image).await.is(201, "by digest");
        assert_eq!(done.header("location"), format!("/v2/app/manifests/{digest}"));
        assert_eq!(done.header("docker-content-digest"), digest.as_str());
        server.put_manifest("app", "1.0", &image).await.is(201, "by tag");
        let list = json!({"schemaVersion": 2, "mediaType": index, "manifests": [
            {"mediaType": media_type, "digest": digest.as_str(), "size": image.to_string().len(),
             "platform": {"os": "linux", "architecture": "amd64"}}]});
        server.put_manifest("app", "all", &list).await.is(201, "an index");
        for (target, media_type, want) in
            [(digest.as_str(), media_type, &image), ("1.0", media_type, &image), ("all", index, &list)]
        {
            let path = format!("/v2/app/manifests/{target}");
            let got = server.get(&path).await.is(200, target);
            assert_eq!((got.header("content-type"), &got.body[..]), (media_type, want.to_string().as_bytes()));
            let head = server.head(&path).await.is(200, target);
            assert_eq!(head.header("content-length"), want.to_string().len().to_string());
            assert_eq!(head.header("docker-content-digest"), digest_of(want).as_str());
            assert!(head.body.is_empty());
        }
    }
}

#[tokio::test]
async fn sha512_names_manifests_too() {
    let server = Server::new().await;
    let image = server.image("strong", b"layer").await;
    let digest = sha512(image.to_string().as_bytes());
    let done = server.put_manifest("strong", digest.as_str(), &image).await.is(201, "by sha512");
    assert_eq!(done.header("docker-content-digest"), digest.as_str());
    let got = server.get(&format!("/v2/strong/manifests/{digest}")).await.is(200, "by sha512");
    assert_eq!(got.body, image.to_string());
    server.put_manifest("strong", sha512(b"x").as_str(), &image).await.is(400, "another one");
}

#[tokio::test]
async fn a_push_by_digest_moves_the_tags_it_names() {
    let server = Server::new().await;
    let image = server.image("tags", b"layer").await;
    let target = format!("{}?tag=1&tag=1.2&tag=latest", digest_of(&image));
    let done = server.put_manifest("tags", &target, &image).await.is(201, "three tags");
    let told: Vec<_> = done.headers.get_all("oci-tag").iter().map(|v| v.to_str().unwrap()).collect();
    assert_eq!(told, ["1", "1.2", "latest"]);
    assert_eq!(server.get("/v2/tags/tags/list").await.json()["tags"], json!(["1", "1.2", "latest"]));
    let bad = format!("{}?tag=-x", digest_of(&image));
    assert_eq!(server.put_manifest("tags", &bad, &image).await.is(400, "a bad tag").code(), "TAG_INVALID");
}

#[tokio::test]
async fn a_manifest_whose_blobs_are_not_there_is_refused_and_told_which() {
    let server = Server::new().await;
    let mut image = server.image("part", b"layer").await;
    let absent = descriptor("application/vnd.oci.image.layer.v1.tar", b"absent");
    image["layers"].as_array_mut().unwrap().push(absent.clone());
    let answer = server.put_manifest("part", "x", &image).await.is(400, "a layer is missing");
    assert_eq!(answer.json()["errors"][0]["code"], "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(answer.json()["errors"][0]["detail"]["digest"], absent["digest"]);
    server.get("/v2/part/manifests/x").await.is(404, "nothing was kept");
    for media_type in [
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ] {
        image["layers"][1]["mediaType"] = json!(media_type);
        server.put_manifest("part", "foreign", &image).await.is(201, "kept elsewhere by design");
    }
    let elsewhere = server.push_image("other", "x", b"other layer").await;
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": OCI_IMAGE, "digest": digest_of(&elsewhere).as_str(), "size": 1}]});
    let answer = server.put_manifest("part", "list", &list).await.is(400, "another repository's child is no child");
    assert_eq!(answer.code(), "MANIFEST_BLOB_UNKNOWN");
}

#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let server = Server::new().await;
    let image = server.image("bad", b"layer").await;
    let with = |key: &str, value: Value| {
        let mut changed = image.clone();
        changed[key] = value;
        changed.to_string()
    };
    let twice = image.to_string().replacen('{', "{\"layers\":[],", 1);
    let deep = format!("{{\"schemaVersion\":2,\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let schema_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    for (body, media_type, why) in [
        (with("manifests", json!([])), OCI_IMAGE, "both layers and manifests"),
        (twice, OCI_IMAGE, "a key twice"),
        (deep, OCI_IMAGE, "too deep"),
        (with("config", Value::Null), OCI_IMAGE, "no config"),
        (image.to_string(), OCI_INDEX, "sent as something else"),
        (image.to_string(), schema_1, "schema 1"),
        (image.to_string(), "text/html", "sent as a page"),
        (with("mediaType", json!("text/html")), "text/html", "a page"),
        ("not json".into(), OCI_IMAGE, "no JSON"),
        (String::new(), OCI_IMAGE, "nothing"),
    ] {
        let answer = server.send(Method::PUT, "/v2/bad/manifests/x", &[("content-type", media_type)], body).await;
        assert_eq!(answer.is(400, why).code(), "MANIFEST_INVALID", "{why}");
    }
    let wrong = Digest::sha256(b"something else");
    assert_eq!(
        server.put_manifest("bad", wrong.as_str(), &image).await.is(400, "another digest").code(),
        "DIGEST_INVALID"
    );
    server.put_manifest("bad", "sha256:baddigeststring", &image).await.is(400, "a malformed digest");
    server.get("/v2/bad/manifests/sha256:baddigeststring").await.is(400, "a malformed digest");
    server.put_manifest("bad", ".x", &image).await.is(400, "a malformed tag");
    server.get("/v2/bad/manifests/x").await.is(404, "nothing was kept");
}

#[tokio::test]
async fn a_manifest_of_4_mib_is_taken_and_a_byte_more_is_not() {
    let server = Server::new().await;
    let mut text = server.image("big", b"layer").await.to_string();
    text.push_str(&" ".repeat(manifest::LIMIT_BYTES - text.len()));
    let put = |text: String| async {
        server.send(Method::PUT, "/v2/big/manifests/x", &[("content-type", OCI_IMAGE)], text).await
    };
    put(text.clone()).await.is(201, "4 MiB");
    text.push(' ');
    put(text.clone()).await.is(413, "a byte more");
    let parts: Vec<Result<String, std::io::Error>> = vec![Ok(text), Ok(" ".into())];
    let body = Body::from_stream(futures_util::stream::iter(parts));
    let answer = server.send(Method::PUT, "/v2/big/manifests/x", &[("content-type", OCI_IMAGE)], body).await;
    answer.is(413, "without a length");
}

#[tokio::test]
async fn deleting_a_tag_leaves_the_manifest_and_deleting_the_manifest_takes_its_tags() {
    let server = Server::new().await;
    let image = server.push_image("del", "a", b"layer").await;
    server.put_manifest("del", "b", &image).await.is(201, "a second tag");
    let digest = digest_of(&image);
    server.delete("/v2/del/manifests/a").await.is(202, "a tag");
    server.get("/v2/del/manifests/a").await.is(404, "the tag is gone");
    server.get(&format!("/v2/del/manifests/{digest}")).await.is(200, "the manifest is not");
    server.delete("/v2/del/manifests/a").await.is(404, "gone already");
    server.delete(&format!("/v2/del/manifests/{digest}")).await.is(202, "the manifest");
    server.get("/v2/del/manifests/b").await.is(404, "its other tag went with it");
    assert_eq!(server.delete(&format!("/v2/del/manifests/{digest}")).await.is(404, "gone").code(), "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_get_is_a_pull_and_a_head_is_not() {
    let server = Server::new().await;
    server.push_image("seen", "1", b"layer").await;
    server.head("/v2/seen/manifests/1").await.is(200, "head");
    let actions = async || {
        let events = server.store.events(None, 100).await.unwrap();
        events.iter().rev().map(|e| format!("{} {} {}", e.action, e.tag, e.caller.actor)).collect::<Vec<_>>()
    };
    assert_eq!(actions().await, ["push 1 admin"]);
    let agent = [("user-agent", "skopeo/1.18"), ("x-request-id", "r-1")];
    server.send(Method::GET, "/v2/seen/manifests/1", &agent, Body::empty()).await.is(200, "get");
    assert_eq!(actions().await, ["push 1 admin", "pull 1 admin"]);
    let log = server.log(false).await;
    let operations: Vec<_> = log.iter().rev().map(|e| e.operation.as_str()).collect();
    assert_eq!(operations, ["push", "pull"]);
    assert_eq!((log[0].caller.user_agent.as_str(), log[0].caller.request.as_str()), ("skopeo/1.18", "r-1"));
}
