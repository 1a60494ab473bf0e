use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use model::Digest;
use oci::{Error, Options, Source};
use std::sync::{Arc, Mutex};

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    host
}

fn login() -> Options {
    Options { login: Some(("user".into(), "canary".into())), ..Options::default() }
}

async fn roots(host: &str, options: &Options) -> Result<Vec<oci::Root>, Error> {
    Source::open(&format!("{host}/app:1"), options).await?.roots().await
}

#[tokio::test]
async fn the_token_flow_logs_in_once_and_pulls() {
    let manifest = br#"{"schemaVersion":2}"#;
    let app = Router::new()
        .route(
            "/v2/app/manifests/1",
            get(move |headers: HeaderMap| async move {
                let host = headers[header::HOST].to_str().unwrap().to_owned();
                if headers.get(header::AUTHORIZATION).is_some_and(|a| a == "Bearer good") {
                    return manifest.to_vec().into_response();
                }
                let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
                (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
            }),
        )
        .route(
            "/token",
            get(|headers: HeaderMap| async move {
                assert_eq!(headers[header::AUTHORIZATION], "Basic dXNlcjpjYW5hcnk=");
                r#"{"token":"good"}"#
            }),
        );
    let host = serve(app).await;
    let roots = roots(&host, &login()).await.unwrap();
    assert_eq!(roots[0].digest, Digest::sha256(manifest));
}

#[tokio::test]
async fn wrong_credentials_name_the_host_and_the_next_step() {
    let deny = || async { (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"r\"")]) };
    let host = serve(Router::new().fallback(deny)).await;
    let error = roots(&host, &login()).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }));
    assert!(error.to_string().contains(&format!("podman login {host}")), "{error}");
}

#[tokio::test]
async fn a_realm_on_another_host_gets_no_credentials() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let thief = {
        let seen = seen.clone();
        Router::new().fallback(move |headers: HeaderMap| async move {
            seen.lock().unwrap().push(headers.contains_key(header::AUTHORIZATION));
            "{}"
        })
    };
    let thief = serve(thief).await;
    let realm = thief.replace("127.0.0.1", "127.0.0.2");
    let challenge = format!("Bearer realm=\"http://{realm}/token\",service=\"s\"");
    let deny = move || async move { (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]) };
    let host = serve(Router::new().fallback(deny)).await;
    let error = roots(&host, &login()).await.unwrap_err();
    assert!(matches!(error, Error::Guarded { why: "a loopback address", .. }), "{error}");
    assert!(seen.lock().unwrap().is_empty(), "the thief was visited");
}

#[tokio::test]
async fn redirects_to_inner_addresses_and_loops_are_refused() {
    for to in ["http://169.254.169.254/latest", "http://127.0.0.3/x", "file:///etc/passwd", "/v2/app/manifests/1"] {
        let go = move || async move { (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]) };
        let host = serve(Router::new().fallback(go)).await;
        let error = roots(&host, &Options::default()).await.unwrap_err();
        assert!(matches!(error, Error::Guarded { .. }), "{to}: {error}");
    }
}

#[tokio::test]
async fn an_error_tells_where_it_was_and_not_the_key_to_that_place() {
    let go = |to: &'static str| async move { (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]) };
    let no = || async { (StatusCode::IM_A_TEAPOT, "no") };
    for (to, told) in [
        ("/store/blob?X-Signature=secret", "/store/blob answered 418"),
        ("/store/blob?X-Signature=secret#secret", "/store/blob answered 418"),
        ("http://127.0.0.3/store/blob?X-Signature=secret", "sends us to http://127.0.0.3/store/blob,"),
        ("ftp://example.com/store/blob?X-Signature=secret", "sends us to ftp://example.com/store/blob,"),
    ] {
        let app = Router::new().route("/store/blob", axum::routing::get(no)).fallback(move || go(to));
        let error = roots(&serve(app).await, &Options::default()).await.unwrap_err().to_string();
        assert!(error.contains(told) && !error.contains("secret"), "{to}: {error}");
    }
}

#[tokio::test]
async fn a_manifest_that_never_ends_or_lies_is_refused() {
    let endless = || async {
        let zeros =
            futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(bytes::Bytes::from_static(&[b' '; 65536])));
        axum::body::Body::from_stream(zeros)
    };
    let host = serve(Router::new().fallback(endless)).await;
    assert!(matches!(roots(&host, &Options::default()).await, Err(Error::TooLarge { .. })));

    let host = serve(Router::new().fallback(|| async { "{}" })).await;
    let reference = format!("{host}/app@{}", Digest::sha256(b"other"));
    let source = Source::open(&reference, &Options::default()).await.unwrap();
    assert!(matches!(source.roots().await, Err(Error::WrongBytes { .. })));
}

#[tokio::test]
async fn a_registry_in_trouble_is_asked_again() {
    let asked = Arc::new(Mutex::new(0));
    let app = {
        let asked = asked.clone();
        Router::new().fallback(move || async move {
            let mut n = asked.lock().unwrap();
            *n += 1;
            match *n {
                1 => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "35.852us")]).into_response(),
                2 => StatusCode::BAD_GATEWAY.into_response(),
                _ => "{}".into_response(),
            }
        })
    };
    let host = serve(app).await;
    assert_eq!(roots(&host, &Options::default()).await.unwrap().len(), 1);
    assert_eq!(*asked.lock().unwrap(), 3);
}
