//! Bodies that stop, bodies that are cut, and answers that a browser must not take for pages.

use crate::server::{PASSWORD, Server, basic};
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request};
use model::Digest;
use registry::Settings;
use std::time::Duration;

fn cut(parts: &'static [&'static [u8]]) -> Body {
    let good = parts.iter().map(|part| Ok(Bytes::from_static(part)));
    let end = std::iter::once_with(|| Err(std::io::Error::other("the connection broke")));
    Body::from_stream(stream::iter(good.chain(end)))
}

#[tokio::test]
async fn what_arrived_before_a_connection_broke_is_kept_and_the_client_goes_on() {
    let server = Server::new().await;
    let location = server.begin("cut").await;
    server.send(Method::PATCH, &location, &[], cut(&[b"01234", b"56789"])).await.is(400, "cut");
    let status = server.get(&location).await.is(204, "still there");
    assert_eq!(status.header("range"), "0-9");
    let path = format!("{location}?digest={}", Digest::sha256(b"0123456789abc"));
    server.send(Method::PUT, &path, &[("content-range", "10-12")], &b"abc"[..]).await.is(201, "goes on");

    let location = server.begin("cut").await;
    let path = format!("{location}?digest={}", Digest::sha256(b"0123456789"));
    server.send(Method::PUT, &path, &[], cut(&[b"01234"])).await.is(400, "the end is cut");
    server.send(Method::PUT, &path, &[("content-range", "5-9")], &b"56789"[..]).await.is(201, "ended again");

    let digest = Digest::sha256(b"01234");
    let path = format!("/v2/cut/blobs/uploads/?digest={digest}");
    server.send(Method::POST, &path, &[], cut(&[b"01234"])).await.is(400, "one request that is cut");
    server.get(&format!("/v2/cut/blobs/{digest}")).await.is(404, "is nothing, whatever arrived");
}

#[tokio::test]
async fn a_body_that_stops_is_not_waited_for() {
    let server = Server::with(Settings { idle: Duration::from_millis(20), ..Settings::default() }).await;
    let stuck = || {
        Body::from_stream(stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]).chain(stream::pending()))
    };
    let location = server.begin("slow").await;
    server.send(Method::PATCH, &location, &[], stuck()).await.is(408, "a chunk");
    let path = "/v2/slow/manifests/x";
    server.send(Method::PUT, path, &[("content-type", "application/json")], stuck()).await.is(408, "a manifest");
}

#[tokio::test]
async fn no_answer_is_a_page() {
    let server = Server::new().await;
    let digest = server.push_blob("page", b"<script>alert(1)</script>").await;
    for path in [format!("/v2/page/blobs/{digest}"), "/v2/%3Cscript%3E/tags/list".to_owned(), "/v2/".into()] {
        let answer = server.get(&path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox", "{path}");
        assert!(!answer.header("content-type").contains("html"), "{path}");
    }
}

#[tokio::test]
async fn a_host_header_cannot_write_a_challenge() {
    let server = Server::new().await;
    for host in ["evil\",service=\"x", "a b", "x/y"] {
        let request = Request::builder().method(Method::GET).uri("/v2/").header("host", host);
        let answer = server.raw(request.body(Body::empty()).unwrap()).await.is(401, host);
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, "Bearer realm=\"http:///oauth2/token\",service=\"\"", "{host}");
    }
    let public = Settings { public_url: Some("https://registry.example/".into()), ..Settings::default() };
    let server = Server::with(public).await;
    let request = Request::builder().uri("/v2/").header("host", "evil.example").body(Body::empty()).unwrap();
    let answer = server.raw(request).await.is(401, "a public address");
    let want = "Bearer realm=\"https://registry.example/oauth2/token\",service=\"registry.example\"";
    assert_eq!(answer.header("www-authenticate"), want);
    let request = Request::builder().uri("/v2/").header("authorization", basic("admin", PASSWORD));
    server.raw(request.body(Body::empty()).unwrap()).await.is(200, "without a host");
}
