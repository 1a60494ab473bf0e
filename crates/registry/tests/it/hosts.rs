//! Several registries on one port.

use crate::server::{Answer, PASSWORD, Server, basic};
use axum::body::Body;
use http::{Method, Request};
use model::role::{Grant, Role, Scope};
use store::{Caller, NewRegistry, NewSubscription, RegistryChange};

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
