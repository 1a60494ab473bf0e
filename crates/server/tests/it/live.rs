//! `/live`: a stream ends with what it was opened by.

use crate::fleet::{Fleet, PASSWORD};
use axum::body::Body;
use base64::Engine as _;
use http::Request;
use http_body_util::BodyExt;
use model::role::Role;
use serde_json::json;
use store::{Caller, NewToken};
use tower::ServiceExt;

/// What opens a stream.
enum By {
    Session,
    Token,
    Password,
}

#[tokio::test]
async fn a_stream_ends_with_the_session_the_token_or_the_user_that_opened_it() {
    let fleet = Fleet::new().await;
    for (n, (by, what, ends)) in [
        (By::Session, "nothing", false),
        (By::Session, "sign-out", true),
        (By::Session, "password", true),
        (By::Session, "user", true),
        (By::Token, "nothing", false),
        (By::Token, "revoke", true),
        (By::Token, "user", true),
        (By::Password, "nothing", false),
        (By::Password, "user", true),
    ]
    .into_iter()
    .enumerate()
    {
        let (name, store, caller) = (format!("user{n}"), &fleet.store, Caller::default());
        fleet.user(&name, Role::Reader, None).await;
        let who = store.principal_named(&name).await.unwrap().unwrap();
        let secret = store.begin_session(&who, &caller).await.unwrap();
        let session = store.session(&secret).await.unwrap().unwrap().1;
        let new = NewToken { principal: who.id, name: "t".into(), expires: model::Micros::FOREVER, grants: Vec::new() };
        let (token, text) = store.make_token(&new, &caller).await.unwrap();
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{PASSWORD}"));
        let (header, value) = match by {
            By::Session => ("cookie", format!("pw-session={secret}")),
            By::Token => ("authorization", format!("Bearer {text}")),
            By::Password => ("authorization", format!("Basic {basic}")),
        };
        let request = Request::get("/live").header(header, value).body(Body::empty()).unwrap();
        let answer = fleet.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
        let mut body = answer.into_body();
        assert!(body.frame().await.unwrap().unwrap().into_data().unwrap().starts_with(b"data: "), "the revision");
        match what {
            "sign-out" => assert!(store.end_session(&session, &caller).await.unwrap()),
            "password" => store.set_password(who.id, "another battery", "", true, &caller).await.unwrap(),
            "revoke" => assert!(store.end_token(token, &caller).await.unwrap()),
            "user" => store.end_principal(who.id, &caller).await.unwrap(),
            _ => {}
        }
        let named = json!({"name": name}); // the revision moves
        fleet.post_as("admin", "/api/v1/subscriptions", &named).await.is(201, &name);
        assert_eq!(body.frame().await.is_none(), ends, "{header} {what}");
    }
}
