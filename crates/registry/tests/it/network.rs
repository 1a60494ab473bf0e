//! Network rules: who is let in, what the others are told, what the logs say.

use crate::server::{Answer, PASSWORD, Server, basic};
use axum::body::Body;
use http::{Method, Request};
use model::network::Network;
use store::{Caller, NetworkChange, Peer};

const BEARER: &str = "Bearer realm=\"https://registry.test/oauth2/token\",service=\"registry.test\"";

/// A request from an address.
async fn from(server: &Server, address: &str, method: Method, path: &str, login: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "registry.test");
    if let Some(login) = login {
        request = request.header("authorization", login);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer { address: address.parse().unwrap(), secure: true });
    server.raw(request).await
}

async fn set(server: &Server, change: NetworkChange) {
    let registry = server.store.registry("local").await.unwrap().unwrap();
    server.store.change_network(registry.id, &change, &Caller::default()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_the_rules_keep_out_is_told_so_before_anything_else() {
    let server = Server::new().await;
    server.push_image("app", "1", b"layer").await;
    let network = Network::parse("127.0.0.1").unwrap();
    set(&server, NetworkChange { default_allow: Some(false), add: Some(network), ..NetworkChange::default() }).await;
    let admin = basic("admin", PASSWORD);
    let told: [(u16, &[&str]); 2] = [(403, &[]), (401, &["Basic realm=\"Portwarden\"", BEARER])];
    for path in ["/v2/", "/v2/_catalog", "/v2/app/manifests/1", "/oauth2/token", "/v2/NO such/path"] {
        for login in [None, Some(admin.as_str())] {
            let answer = from(&server, "127.0.0.2", Method::GET, &path.replace(' ', "%20"), login).await;
            let first = path == "/v2/" && login.is_none();
            let (status, asked) = told[usize::from(first)];
            let answer = answer.is(status, path);
            assert_eq!(answer.code(), "DENIED", "{path}");
            let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
            let said = "client with IP '127.0.0.2' is not allowed access by the network rules of registry local; \
                refer to https://registry.test/settings/registries/local/network to grant access";
            assert_eq!(message, said);
            let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
            assert_eq!(
                challenges, asked,
                "{path}: the first question is told how to go on, and then that no login helps"
            );
        }
    }
    from(&server, "127.0.0.1", Method::GET, "/v2/app/manifests/1", Some(&admin)).await.is(200, "named");
    from(&server, "::ffff:127.0.0.1", Method::GET, "/v2/", Some(&admin)).await.is(200, "the same address as IPv6");
    let refused = |log: Vec<store::LogEntry>| log.into_iter().filter(|e| e.result > 400).collect::<Vec<_>>();
    let (logins, repository) = (refused(server.log(true).await), refused(server.log(false).await));
    let results: Vec<_> = logins.iter().map(|e| e.result).collect();
    assert_eq!((results, repository.len()), (vec![403, 401], 1), "one line stands for all that are alike");
    let first = repository.first().unwrap();
    assert_eq!((first.operation.as_str(), first.repository.as_str(), first.tag.as_str()), ("pull", "app", "1"));
    assert_eq!((first.caller.address.as_str(), first.caller.actor.as_str()), ("127.0.0.2", ""));
}

#[tokio::test]
async fn rules_hold_from_the_next_request_on() {
    let server = Server::new().await;
    let admin = basic("admin", PASSWORD);
    let change = NetworkChange::default;
    let other = Network::parse("10.0.0.0/8");
    for (rules, want, why) in [
        (change(), 200, "as a registry begins"),
        (NetworkChange { public_access: Some(false), ..change() }, 403, "public access is off"),
        (NetworkChange { public_access: Some(true), default_allow: Some(false), ..change() }, 403, "nobody is named"),
        (NetworkChange { add: other, ..change() }, 403, "another network"),
        (NetworkChange { add: Network::parse("127.0.0.0/8"), ..change() }, 200, "named"),
        (NetworkChange { remove: Network::parse("127.0.0.0/8"), ..change() }, 403, "no more"),
        (NetworkChange { default_allow: Some(true), ..change() }, 200, "everybody again"),
    ] {
        set(&server, rules).await;
        from(&server, "127.0.0.1", Method::GET, "/v2/", Some(&admin)).await.is(want, why);
    }
}

#[tokio::test]
async fn what_fails_is_in_the_logs_as_well() {
    let server = Server::new().await;
    server.push_image("app", "1", b"layer").await;
    let admin = basic("admin", PASSWORD);
    from(&server, "127.0.0.9", Method::GET, "/v2/app/manifests/2", Some(&admin)).await.is(404, "no such tag");
    from(&server, "127.0.0.9", Method::DELETE, "/v2/app/manifests/3", Some(&admin)).await.is(404, "no such tag");
    from(&server, "127.0.0.9", Method::GET, "/v2/", Some(&basic("admin", "wrong"))).await.is(401, "a wrong password");
    from(&server, "127.0.0.9", Method::GET, "/v2/", None).await.is(401, "no login is no failure");
    let lines = |log: Vec<store::LogEntry>| {
        let here = log.into_iter().filter(|e| e.caller.address == "127.0.0.9");
        here.map(|e| format!("{} {} {} {}", e.operation, e.tag, e.result, e.caller.actor)).collect::<Vec<_>>()
    };
    assert_eq!(lines(server.log(false).await), ["untag 3 404 admin", "pull 2 404 admin"]);
    assert_eq!(lines(server.log(true).await), ["login  401 ", "login  200 admin"]);
    let all = server.log(false).await;
    let push = all.iter().find(|e| e.operation == "push").unwrap();
    assert!(push.micros > 0 && push.caller.host == "registry.test" && !push.caller.request.is_empty());
}
