//! Several registries on one port.

use crate::server::{Answer, PASSWORD, Server, basic};
use axum::body::Body;
use http::{Method, Request};
use model::Micros;
use model::role::{Grant, Role, Scope};
use store::{Caller, NewRegistry, NewSubscription, NewToken, RegistryChange};

impl Server {
    /// Sends a request of a user to a host.
    async fn at(&self, host: &str, user: &str, method: Method, path: &str, body: &[u8]) -> Answer {
        let request = Request::builder().method(method).uri(path).header("host", host);
        let request = request.header("authorization", basic(user, PASSWORD));
        self.raw(request.body(Body::from(body.to_vec())).unwrap()).await
    }

    async fn blob_at(&self, host: &str, user: &str, bytes: &[u8]) -> Answer {
        let path = format!("/v2/app/blobs/uploads/?digest={}", model::Digest::sha256(bytes));
        self.at(host, user, Method::POST, &path, bytes).await
    }
}

#[tokio::test]
async fn a_registry_is_found_by_its_host_and_rights_follow_it_at_once() {
    let server = Server::new().await;
    let (store, by) = (&server.store, Caller::default());
    let other = NewSubscription { name: "other".into(), ..NewSubscription::default() };
    let other = store.make_subscription(&other, &by).await.unwrap();
    let new = NewRegistry {
        subscription: other.id,
        resource_group: "prod".into(),
        name: "second".into(),
        host: "second.example".into(),
    };
    let second = store.make_registry(&new, &by).await.unwrap();
    server.blob_at("second.example", "admin", b"bytes").await.is(201, "pushed to the second");
    let path = format!("/v2/app/blobs/{}", model::Digest::sha256(b"bytes"));
    for (host, want, why) in [
        ("second.example", 200, "its own host"),
        ("SECOND.example:5000", 200, "hosts have no case, and any port"),
        ("registry.test", 404, "every other name is the first registry's"),
        ("third.example", 404, "even one that nobody knows"),
    ] {
        server.at(host, "admin", Method::HEAD, &path, b"").await.is(want, why);
    }
    server.blob_at("third.example", "admin", b"bytes").await.is(201, "pushed to the first");
    server.at("registry.test", "admin", Method::HEAD, &path, b"").await.is(200, "where the first one is");

    let robot = store.make_principal("robot", "robot", PASSWORD, &store::Caller::default()).await.unwrap();
    let group = Scope { resource_group: Some("prod".into()), subscription: Some(other.guid.clone()), ..Scope::ALL };
    store.grant(robot, &Grant { role: Role::AcrPull, scope: group }, &store::Caller::default()).await.unwrap();
    server.at("second.example", "robot", Method::HEAD, &path, b"").await.is(200, "granted by its group");
    server.at("registry.test", "robot", Method::HEAD, &path, b"").await.is(403, "nothing in the other one");
    let change = RegistryChange { resource_group: Some("test".into()), ..RegistryChange::default() };
    store.change_registry(second.id, &change, &by).await.unwrap();
    server.at("second.example", "robot", Method::HEAD, &path, b"").await.is(403, "it left the group");
    let change = RegistryChange {
        resource_group: Some("prod".into()),
        name: Some("renamed".into()),
        ..RegistryChange::default()
    };
    store.change_registry(second.id, &change, &by).await.unwrap();
    server.at("second.example", "robot", Method::HEAD, &path, b"").await.is(200, "it came back, whatever its name");
    let challenge = Request::builder().uri("/v2/").header("host", "second.example").body(Body::empty()).unwrap();
    let challenge = server.raw(challenge).await.is(401, "log in");
    assert!(challenge.header("www-authenticate").contains("realm=\"http://second.example/oauth2/token\""));
}

#[tokio::test]
async fn a_narrowed_token_grows_neither_in_reach_nor_in_life_at_the_token_endpoint() {
    let server = Server::new().await;
    let (store, by) = (&server.store, Caller::default());
    server.push_image("team/app", "1", b"layer").await;
    server.push_image("secret", "1", b"layer").await;
    let first = store.registry("local").await.unwrap().unwrap();
    let new = NewRegistry {
        subscription: first.subscription,
        resource_group: "default".into(),
        name: "second".into(),
        host: "second.example".into(),
    };
    store.make_registry(&new, &by).await.unwrap();
    let admin = store.principal_named("admin").await.unwrap().unwrap();
    let scope = Scope::repository(&first.subscription_guid, "default", "local", "team/app");
    let grants = vec![Grant { role: Role::AcrPush, scope }];
    let new = NewToken { principal: admin.id, name: "ci".into(), expires: Micros::FOREVER, grants };
    let (id, secret) = store.make_token(&new, &by).await.unwrap();

    let ask = async |host: &str, method: Method, path: &str, authorization: String| {
        let request = Request::builder().method(method).uri(path).header("host", host);
        server.raw(request.header("authorization", authorization).body(Body::empty()).unwrap()).await
    };
    let log_in = async |authorization: String| {
        let path = "/oauth2/token?scope=repository:team/app:*&scope=registry:catalog:*";
        let answer = ask("registry.test", Method::GET, path, authorization).await.is(200, "a token");
        format!("Bearer {}", answer.json()["token"].as_str().unwrap())
    };
    let (push, tags, catalog) = ("/v2/team/app/blobs/uploads/", "/v2/team/app/tags/list", "/v2/_catalog");
    let narrow = log_in(basic("admin", &secret)).await;
    let whole = log_in(basic("admin", PASSWORD)).await;
    for (host, method, path, token, want, why) in [
        ("registry.test", Method::POST, push, &narrow, 202, "what the token is for"),
        ("registry.test", Method::DELETE, "/v2/team/app/manifests/1", &narrow, 403, "its owner may, the token may not"),
        ("second.example", Method::POST, push, &narrow, 401, "the same name in another registry"),
        ("second.example", Method::GET, catalog, &narrow, 401, "the catalog of another registry"),
        ("second.example", Method::POST, push, &whole, 401, "a login is one registry's, whoever logged in"),
        ("registry.test", Method::GET, tags, &whole, 200, "without a token nothing is narrowed"),
    ] {
        ask(host, method, path, token.clone()).await.is(want, why);
    }
    for (token, want) in [(&narrow, vec!["team/app"]), (&whole, vec!["secret", "team/app"])] {
        let answer = ask("registry.test", Method::GET, catalog, token.clone()).await.is(200, "the catalog");
        assert_eq!(answer.json()["repositories"], serde_json::json!(want));
    }
    store.end_token(id, &by).await.unwrap();
    ask("registry.test", Method::GET, tags, narrow).await.is(401, "revoked, and gone at once");
    ask("registry.test", Method::GET, tags, whole).await.is(200, "nobody else's login");
}
