//! Tags, repositories, referrers.

use crate::server::{Server, descriptor, digest_of};
use axum::body::Body;
use http::Method;
use model::Digest;
use model::manifest::{OCI_IMAGE, OCI_INDEX};
use model::role::Role;
use serde_json::json;

#[tokio::test]
async fn tags_come_in_order_and_in_pages() {
    let server = Server::new().await;
    server.get("/v2/none/tags/list").await.is(404, "no repository");
    let image = server.image("tags", b"layer").await;
    for tag in ["b", "B", "a", "10", "9", "_x"] {
        server.put_manifest("tags", tag, &image).await.is(201, tag);
    }
    let all = ["10", "9", "B", "_x", "a", "b"];
    let list = server.get("/v2/tags/tags/list").await.is(200, "all");
    assert_eq!(list.json(), json!({"name": "tags", "tags": all}));
    assert_eq!(list.header("link"), "");
    let mut next = "/v2/tags/tags/list?n=4".to_owned();
    let mut got = Vec::new();
    while !next.is_empty() {
        let page = server.get(&next).await.is(200, &next);
        got.extend(page.json()["tags"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()));
        next = page.header("link").split(['<', '>']).nth(1).unwrap_or_default().to_owned();
    }
    assert_eq!(got, all, "pages follow one another");
    for (query, want) in [
        ("?n=0", json!([])),
        ("?last=a", json!(["b"])),
        ("?last=zzz", json!([])),
        ("?n=1&last=9", json!(["B"])),
        ("?n=99999999999999999999", json!(all)),
    ] {
        assert_eq!(
            server.get(&format!("/v2/tags/tags/list{query}")).await.is(200, query).json()["tags"],
            want,
            "{query}"
        );
    }
    for query in ["?n=-1", "?n=x", "?n=", "?n=1&n=2"] {
        server.get(&format!("/v2/tags/tags/list{query}")).await.is(400, query);
    }
    assert_eq!(server.get("/v2/tags/tags/list?n=0").await.header("link"), "");
}

#[tokio::test]
async fn the_catalog_shows_what_one_may_pull() {
    let server = Server::new().await;
    for name in ["a", "b/c", "d"] {
        server.push_image(name, "1", b"layer").await;
    }
    server.user("reader", &[(Role::AcrPull, "b/c")]).await;
    assert_eq!(server.get("/v2/_catalog").await.is(200, "all").json(), json!({"repositories": ["a", "b/c", "d"]}));
    let page = server.get("/v2/_catalog?n=2").await.is(200, "a page");
    assert_eq!(page.json(), json!({"repositories": ["a", "b/c"]}));
    assert_eq!(page.header("link"), "</v2/_catalog?n=2&last=b/c>; rel=\"next\"");
    let rest = server.get("/v2/_catalog?n=2&last=b/c").await.is(200, "the rest");
    assert_eq!((rest.json(), rest.header("link")), (json!({"repositories": ["d"]}), ""));
    let own = server.as_user("reader", Method::GET, "/v2/_catalog", &[], Body::empty()).await.is(200, "own");
    assert_eq!(own.json(), json!({"repositories": ["b/c"]}));
}

#[tokio::test]
async fn referrers_are_listed_with_type_and_annotations_whichever_came_first() {
    let server = Server::new().await;
    let image = server.image("ref", b"layer").await;
    let subject = digest_of(&image);
    let path = format!("/v2/ref/referrers/{subject}");
    let empty = server.get(&path).await.is(200, "nobody refers to what is not there");
    assert_eq!(empty.json(), json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}));
    assert_eq!(empty.header("content-type"), OCI_INDEX);
    server.get("/v2/ref/referrers/sha256:bad").await.is(400, "no digest");

    server.push_blob("ref", b"{}").await;
    let subject_field = json!({"mediaType": OCI_IMAGE, "digest": subject.as_str(), "size": image.to_string().len()});
    let config = descriptor("application/vnd.oci.empty.v1+json", b"{}");
    let sbom = json!({"schemaVersion": 2, "mediaType": OCI_IMAGE, "artifactType": "application/spdx+json",
        "config": config, "layers": [config], "subject": subject_field, "annotations": {"org.example.key": "välue"}});
    let plain = json!({"schemaVersion": 2, "mediaType": OCI_IMAGE,
        "config": descriptor("application/vnd.example.config", b"{}"), "layers": [], "subject": subject_field});
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": subject_field});
    for manifest in [&sbom, &plain, &list] {
        let digest = digest_of(manifest);
        let done = server.put_manifest("ref", digest.as_str(), manifest).await.is(201, "a referrer");
        assert_eq!(done.header("oci-subject"), subject.as_str());
    }
    server.put_manifest("ref", "1", &image).await.is(201, "the subject comes last");

    let entry = |manifest: &serde_json::Value, artifact_type: Option<&str>| {
        let mut entry = json!({"mediaType": manifest["mediaType"], "digest": digest_of(manifest).as_str(),
            "size": manifest.to_string().len()});
        if let Some(artifact_type) = artifact_type {
            entry["artifactType"] = json!(artifact_type);
        }
        if let Some(annotations) = manifest.get("annotations") {
            entry["annotations"] = annotations.clone();
        }
        entry
    };
    let mut want = vec![
        entry(&sbom, Some("application/spdx+json")),
        entry(&plain, Some("application/vnd.example.config")),
        entry(&list, None),
    ];
    want.sort_by_key(|e| e["digest"].to_string());
    assert_eq!(server.get(&path).await.json()["manifests"], json!(want));
    let filtered = server.get(&format!("{path}?artifactType=application%2Fspdx%2Bjson")).await.is(200, "a filter");
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    assert_eq!(filtered.json()["manifests"], json!([entry(&sbom, Some("application/spdx+json"))]));

    server.delete(&format!("/v2/ref/manifests/{}", digest_of(&sbom))).await.is(202, "a referrer goes");
    assert_eq!(server.get(&path).await.json()["manifests"].as_array().unwrap().len(), 2);
    let other =
        server.get(&format!("/v2/other/referrers/{}", Digest::sha256(b"x"))).await.is(200, "another repository");
    assert_eq!(other.json()["manifests"], json!([]));
}
