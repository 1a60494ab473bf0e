//! Who gets in, with what, and how far.

use crate::server::{Answer, PASSWORD, Server, basic};
use axum::body::Body;
use http::{Method, Request};
use model::role::{Grant, Role, Scope};
use model::{Digest, Micros};
use registry::Settings;
use std::time::Duration;

async fn ask(server: &Server, method: Method, path: &str, authorization: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "registry.test:5000");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    server.raw(request.body(Body::empty()).unwrap()).await
}

/// Asks for a token and returns the header that carries it.
async fn token(server: &Server, user: &str, scopes: &[&str]) -> String {
    let query: String = scopes.iter().map(|s| format!("&scope={s}")).collect();
    let path = format!("/oauth2/token?service=registry.test{query}");
    let answer = ask(server, Method::GET, &path, Some(&basic(user, PASSWORD))).await.is(200, "a token");
    assert_eq!(answer.json()["token"], answer.json()["access_token"]);
    assert_eq!(answer.header("cache-control"), "no-store");
    format!("Bearer {}", answer.json()["token"].as_str().unwrap())
}

#[tokio::test]
async fn nobody_gets_in_without_logging_in_and_is_told_how() {
    let server = Server::new().await;
    let digest = Digest::sha256(b"x");
    for (method, path, scope) in [
        (Method::GET, "/v2/".to_owned(), ""),
        (Method::GET, "/v2".to_owned(), ""),
        (Method::GET, "/v2/_catalog".to_owned(), ",scope=\"registry:catalog:*\""),
        (Method::GET, "/v2/a/b/tags/list".to_owned(), ",scope=\"repository:a/b:pull\""),
        (Method::HEAD, "/v2/a/manifests/1".to_owned(), ",scope=\"repository:a:pull\""),
        (Method::GET, format!("/v2/a/blobs/{digest}"), ",scope=\"repository:a:pull\""),
        (Method::HEAD, format!("/v2/a/blobs/{digest}"), ",scope=\"repository:a:pull,push\""),
        (Method::GET, format!("/v2/a/referrers/{digest}"), ",scope=\"repository:a:pull\""),
        (Method::POST, "/v2/a/blobs/uploads/".to_owned(), ",scope=\"repository:a:pull,push\""),
        (Method::PUT, "/v2/a/manifests/1".to_owned(), ",scope=\"repository:a:pull,push\""),
        (Method::DELETE, "/v2/a/manifests/1".to_owned(), ",scope=\"repository:a:delete\""),
        (Method::GET, "/v2/A/tags/list".to_owned(), ""),
        (Method::POST, "/v2/".to_owned(), ""),
    ] {
        let answer = ask(&server, method.clone(), &path, None).await.is(401, &path);
        let realm = "Bearer realm=\"http://registry.test:5000/oauth2/token\",service=\"registry.test:5000\"";
        assert_eq!(answer.header("www-authenticate"), format!("{realm}{scope}"), "{method} {path}");
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
        if method != Method::HEAD {
            assert_eq!(answer.code(), "UNAUTHORIZED");
        }
    }
    ask(&server, Method::GET, "/oauth2/token", None).await.is(401, "no anonymous tokens");
}

#[tokio::test]
async fn wrong_credentials_are_refused_everywhere() {
    let server = Server::new().await;
    let wrong = basic("admin", "wrong");
    for value in [
        &wrong,
        "Basic !!!",
        "Basic YWRtaW4=",
        "Bearer",
        "Bearer x",
        "Bearer pw_x",
        "Bearer pwr1.e30.e30",
        "Digest x",
        "x",
    ] {
        ask(&server, Method::GET, "/v2/", Some(value)).await.is(401, value);
        ask(&server, Method::GET, "/oauth2/token", Some(value)).await.is(401, value);
    }
    let log = server.log(true).await;
    assert!(log.iter().any(|e| e.result == 401), "a refused login is logged");
}

#[tokio::test]
async fn basic_tokens_and_both_forms_of_the_token_flow_log_in() {
    let server = Server::new().await;
    ask(&server, Method::GET, "/v2/", Some(&basic("admin", PASSWORD))).await.is(200, "Basic");
    let id = server.store.make_principal("robot", "robot", "", &store::Caller::default()).await.unwrap();
    let new = store::NewToken { principal: id, name: "ci".into(), expires: Micros::FOREVER, grants: Vec::new() };
    let (_, secret) = server.store.make_token(&new, &store::Caller::default()).await.unwrap();
    ask(&server, Method::GET, "/v2/", Some(&format!("Bearer {secret}"))).await.is(200, "an API token");
    ask(&server, Method::GET, "/v2/", Some(&basic("robot", &secret))).await.is(200, "an API token as password");
    let bearer = token(&server, "admin", &["repository:a:pull"]).await;
    ask(&server, Method::GET, "/v2/", Some(&bearer)).await.is(200, "a registry token");
    let form = |text: &str| {
        let request = Request::builder().method(Method::POST).uri("/oauth2/token").header("host", "registry.test");
        server.raw(request.body(Body::from(text.to_owned())).unwrap())
    };
    let password =
        "grant_type=password&service=x&client_id=c&username=admin&password=correct+horse&scope=repository:a:pull";
    let answer = form(password).await.is(200, "a form");
    let bearer = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
    ask(&server, Method::GET, "/v2/a/tags/list", Some(&bearer)).await.is(404, "let in");
    form(&format!("grant_type=refresh_token&refresh_token={secret}")).await.is(200, "an API token in a form");
    form("grant_type=password&username=admin&password=wrong").await.is(401, "wrong");
    form("grant_type=password&username=admin&username=x&password=wrong").await.is(400, "two users");
    form("grant_type=magic").await.is(400, "another grant");
    form(&"x".repeat(40_000)).await.is(400, "too long");
    let log = server.log(true).await;
    let good = log.iter().find(|e| e.result == 200 && e.caller.actor == "admin").unwrap();
    assert_eq!((good.operation.as_str(), good.caller.host.as_str()), ("login", "registry.test"));
    assert!(!good.jwt.is_empty());
}

/// Every route against every role, in one's own repository, in a foreign one, in one that is not there.
#[tokio::test]
async fn each_role_may_what_the_table_says_and_nothing_else() {
    let server = Server::new().await;
    server.push_image("own", "1", b"layer").await;
    server.push_image("foreign", "1", b"layer").await;
    let roles =
        [Role::AcrPull, Role::AcrPush, Role::AcrDelete, Role::Owner, Role::Reader, Role::SecurityAdmin, Role::Auditor];
    let digest = Digest::sha256(b"none");
    let routes = |name: &str| {
        let id = uuid::Uuid::nil();
        [
            (Method::GET, format!("/v2/{name}/tags/list"), "pull"),
            (Method::HEAD, format!("/v2/{name}/manifests/none"), "pull"),
            (Method::GET, format!("/v2/{name}/manifests/none"), "pull"),
            (Method::GET, format!("/v2/{name}/blobs/{digest}"), "pull"),
            (Method::HEAD, format!("/v2/{name}/blobs/{digest}"), "pull"),
            (Method::GET, format!("/v2/{name}/referrers/{digest}"), "pull"),
            (Method::PUT, format!("/v2/{name}/manifests/none"), "push"),
            (Method::POST, format!("/v2/{name}/blobs/uploads/?digest={digest}"), "push"),
            (Method::POST, format!("/v2/{name}/blobs/uploads/?mount={digest}&digest=x"), "push"),
            (Method::GET, format!("/v2/{name}/blobs/uploads/{id}"), "push"),
            (Method::PATCH, format!("/v2/{name}/blobs/uploads/{id}"), "push"),
            (Method::PUT, format!("/v2/{name}/blobs/uploads/{id}"), "push"),
            (Method::DELETE, format!("/v2/{name}/blobs/uploads/{id}"), "push"),
            (Method::DELETE, format!("/v2/{name}/manifests/none"), "delete"),
            (Method::DELETE, format!("/v2/{name}/manifests/{digest}"), "delete"),
            (Method::DELETE, format!("/v2/{name}/blobs/{digest}"), "delete"),
        ]
    };
    for role in roles {
        server.user(role.as_str(), &[(role, "own")]).await;
        for name in ["own", "foreign", "absent"] {
            check_role(&server, role, name, &routes(name)).await;
        }
    }
}

async fn check_role(server: &Server, role: Role, name: &str, routes: &[(Method, String, &str)]) {
    for (method, path, action) in routes {
        let answer = server.as_user(role.as_str(), method.clone(), path, &[], Body::empty()).await;
        let held = match role {
            Role::AcrPull => *action == "pull",
            Role::AcrPush => *action != "delete",
            Role::AcrDelete => *action == "delete",
            Role::Owner => true,
            _ => false,
        };
        let allowed = held && name == "own";
        assert_eq!(answer.status != 403, allowed, "{} {method} {path}: {}", role.as_str(), answer.status);
        assert!(answer.status != 401 && !answer.status.is_server_error(), "{method} {path}");
    }
}

#[tokio::test]
async fn a_registry_token_narrows_rights_and_never_widens_them() {
    let server = Server::new().await;
    server.push_image("a", "1", b"layer").await;
    server.push_image("b", "1", b"layer").await;
    server.user("puller", &[(Role::AcrPull, "a")]).await;
    let admin = token(&server, "admin", &["repository:a:pull"]).await;
    ask(&server, Method::GET, "/v2/a/manifests/1", Some(&admin)).await.is(200, "its scope");
    for (method, path, why) in [
        (Method::GET, "/v2/b/manifests/1", "another repository"),
        (Method::POST, "/v2/a/blobs/uploads/", "another action"),
        (Method::DELETE, "/v2/a/manifests/1", "another action"),
        (Method::GET, "/v2/_catalog", "the catalog"),
    ] {
        let answer = ask(&server, method, path, Some(&admin)).await.is(401, why);
        assert!(answer.header("www-authenticate").ends_with("error=\"insufficient_scope\""), "{why}");
    }
    let all = token(&server, "admin", &["repository:a:pull,push", "repository:b:*%20registry:catalog:*"]).await;
    ask(&server, Method::GET, "/v2/b/manifests/1", Some(&all)).await.is(200, "two scopes");
    ask(&server, Method::DELETE, "/v2/b/manifests/1", Some(&all)).await.is(202, "every action");
    ask(&server, Method::GET, "/v2/_catalog", Some(&all)).await.is(200, "the catalog");
    let greedy = token(&server, "puller", &["repository:a:pull,push,delete", "repository:b:pull"]).await;
    ask(&server, Method::GET, "/v2/a/manifests/1", Some(&greedy)).await.is(200, "what is held");
    ask(&server, Method::POST, "/v2/a/blobs/uploads/", Some(&greedy)).await.is(403, "asked for, not held");
    ask(&server, Method::GET, "/v2/b/manifests/1", Some(&greedy)).await.is(403, "asked for, not held");
}

#[tokio::test]
async fn a_right_taken_away_is_gone_although_the_token_lives() {
    let server = Server::new().await;
    server.push_image("a", "1", b"layer").await;
    server.user("puller", &[(Role::AcrPull, "a")]).await;
    let bearer = token(&server, "puller", &["repository:a:pull"]).await;
    ask(&server, Method::GET, "/v2/a/manifests/1", Some(&bearer)).await.is(200, "held");
    let entry = server.store.registry("local").await.unwrap().unwrap();
    let credential = store::Credential::Basic { user: "puller".into(), password: PASSWORD.into() };
    let principal = server.store.authenticate(&credential, "").await.unwrap();
    let scope = Scope::repository(&entry.subscription_guid, "default", "local", "a");
    let grant = Grant { role: Role::AcrPull, scope };
    server.store.revoke(principal.id, &grant, &store::Caller::default()).await.unwrap();
    ask(&server, Method::GET, "/v2/a/manifests/1", Some(&bearer)).await.is(403, "taken away");
}

#[tokio::test]
async fn a_token_that_is_over_lets_nobody_in() {
    let server = Server::with(Settings { token_life: Duration::ZERO, ..Settings::default() }).await;
    let bearer = token(&server, "admin", &[]).await;
    ask(&server, Method::GET, "/v2/", Some(&bearer)).await.is(401, "over");
}

#[tokio::test]
async fn a_path_in_disguise_is_authorised_as_what_it_is() {
    let server = Server::new().await;
    server.push_image("own", "1", b"layer").await;
    server.push_image("own/secret", "1", b"layer").await;
    server.user("puller", &[(Role::AcrPull, "own")]).await;
    let own = |path: &'static str| server.as_user("puller", Method::GET, path, &[], Body::empty());
    own("/v2/own/manifests/1").await.is(200, "one's own");
    for (path, status) in [
        ("/v2/own/secret/manifests/1", 403),
        ("/v2/own%2Fsecret/manifests/1", 403),
        ("/v2/own%2fsecret/manifests/1", 403),
        ("/v2/own%252Fsecret/manifests/1", 400),
        ("/v2/%6fwn%2Fsecret/manifests/1", 403),
        ("/v2/own/../own/secret/manifests/1", 400),
        ("/v2/own/%2e%2e/own/secret/manifests/1", 400),
        ("/v2//own/secret/manifests/1", 400),
        ("/v2/own/secret/manifests/1?repository=own", 403),
    ] {
        own(path).await.is(status, path);
    }
}

#[tokio::test]
async fn a_mount_takes_nothing_from_where_one_may_not_pull() {
    let server = Server::new().await;
    let digest = server.push_blob("theirs", b"secret bytes").await;
    server.user("pusher", &[(Role::AcrPush, "own")]).await;
    server.user("both", &[(Role::AcrPush, "own"), (Role::AcrPull, "theirs")]).await;
    let path = format!("/v2/own/blobs/uploads/?mount={digest}&from=theirs");
    let post = |user: &'static str| server.as_user(user, Method::POST, &path, &[], Body::empty());
    post("pusher").await.is(202, "may not pull there: told to upload, as if it were not there");
    server.get(&format!("/v2/own/blobs/{digest}")).await.is(404, "nothing was mounted");
    post("both").await.is(201, "may pull there");
    let narrow = token(&server, "both", &["repository:own:pull,push"]).await;
    let answer = ask(&server, Method::POST, &path, Some(&narrow)).await.is(401, "only the token keeps out");
    assert!(answer.header("www-authenticate").contains("scope=\"repository:own:pull,push repository:theirs:pull\""));
    let wide = token(&server, "both", &["repository:own:pull,push", "repository:theirs:pull"]).await;
    ask(&server, Method::POST, &path, Some(&wide)).await.is(201, "a wider token");
    let lacking = token(&server, "pusher", &["repository:own:pull,push", "repository:theirs:pull"]).await;
    ask(&server, Method::POST, &path.replace(&digest.to_string(), &Digest::sha256(b"x").to_string()), Some(&lacking))
        .await
        .is(202, "no roles there: told to upload, whatever the token");
}

#[tokio::test]
async fn guessing_is_slowed_down_for_one_account() {
    let server = Server::new().await;
    let mut last = 0;
    for _ in 0..11 {
        last = ask(&server, Method::GET, "/oauth2/token", Some(&basic("admin", "guess"))).await.status.as_u16();
    }
    assert_eq!(last, 429);
    let right = ask(&server, Method::GET, "/v2/", Some(&basic("admin", PASSWORD))).await.is(429, "even the right one");
    let wait: u64 = right.header("retry-after").parse().unwrap();
    assert!((30..=60).contains(&wait), "what is left of a minute: {wait}");
}
