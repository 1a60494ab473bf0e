//! Signing in and out: the cookie, the lock-out, other people's sessions, other passwords.

use crate::fleet::{Answer, Fleet, PASSWORD};
use axum::body::Body;
use http::{Method, Request};
use model::role::Role;
use serde_json::json;
use store::{AuditFilter, Peer};

const FORM: &str = "application/x-www-form-urlencoded";

/// A browser: it keeps its cookie and says where its requests come from.
struct Browser<'f> {
    fleet: &'f Fleet,
    cookie: String,
    address: &'static str,
    secure: bool,
}

impl<'f> Browser<'f> {
    fn new(fleet: &'f Fleet) -> Self {
        Self { fleet, cookie: String::new(), address: "192.0.2.1", secure: false }
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("accept", "text/html");
        if !body.is_empty() {
            request = request.header("content-type", FORM);
        }
        request = request.header("sec-fetch-site", "same-origin").header("cookie", &self.cookie);
        let peer = Peer { address: self.address.parse().unwrap(), secure: self.secure };
        self.fleet.raw(request.extension(peer).body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        let body = format!("name={name}&password={}&next=%2Ffindings", password.replace(' ', "+"));
        let answer = self.send(Method::POST, "/sign-in", &body).await;
        if answer.status == 303 {
            self.cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        }
        answer
    }

    /// The text that forms of this session carry.
    async fn csrf(&self) -> String {
        let html = self.get("/settings/tokens").await.is(200, "a page with forms").text();
        html.split("name=\"_csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_sign_in_of_any_length_is_not_read_to_its_end() {
    let fleet = Fleet::empty().await;
    let piece = bytes::Bytes::from(vec![b'a'; 1 << 20]);
    let read = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = read.clone();
    let endless = futures_util::stream::repeat_with(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok::<_, std::io::Error>(piece.clone())
    });
    let request = Request::post("/sign-in").header("content-type", FORM).header("sec-fetch-site", "same-origin");
    let answer = fleet.raw(request.body(Body::from_stream(endless)).unwrap()).await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    assert!(read.load(std::sync::atomic::Ordering::Relaxed) < 10, "a few pieces of 1 MiB");
}

#[tokio::test]
async fn people_sign_in_once_and_are_somebody_until_they_sign_out() {
    let fleet = Fleet::empty().await;
    let mut browser = Browser::new(&fleet);
    let invited = browser.get("/findings?q=fix:yes").await.is(303, "nobody yet");
    assert_eq!(invited.header("location"), "/sign-in?next=%2Ffindings%3Fq%3Dfix%3Ayes");
    let page = browser.get("/sign-in?next=/findings").await.is(200, "the way in").text();
    assert!(page.contains("autocomplete=\"current-password\"") && page.contains("value=\"/findings\""));
    let wrong = browser.sign_in("admin", "wrong password").await.is(401, "a wrong password");
    assert!(
        wrong.text().contains("value=\"admin\"") && !wrong.text().contains("wrong password\""),
        "keeps the name alone"
    );
    assert_eq!(wrong.header("www-authenticate"), "", "a browser does not ask by itself");
    let right = browser.sign_in("admin", PASSWORD).await.is(303, "the right password");
    assert_eq!(right.header("location"), "/findings");
    let cookie = right.header("set-cookie");
    for part in ["pw-session=", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    browser.get("/findings").await.is(200, "somebody");
    browser.get("/sign-in?next=//evil.example").await.is(303, "signed in already");
    let csrf = browser.csrf().await;
    let back = browser.send(Method::POST, "/sign-out", "_csrf=wrong").await.is(403, "a form of another session");
    assert!(back.text().contains("Load the page again"));
    browser.send(Method::POST, "/sign-out", &format!("_csrf={csrf}")).await.is(303, "out");
    browser.get("/findings").await.is(303, "the cookie is worth nothing now");
}

#[tokio::test]
async fn where_to_go_after_signing_in_is_on_this_server() {
    let fleet = Fleet::empty().await;
    for (next, want) in [
        ("/findings?q=a", "/findings?q=a"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\r\nset-cookie: x", "/"),
        ("", "/"),
    ] {
        let next: String = next.bytes().map(|b| format!("%{b:02x}")).collect();
        let body = format!("name=admin&password=correct+horse&next={next}");
        let answer = Browser::new(&fleet).send(Method::POST, "/sign-in", &body).await.is(303, want);
        assert_eq!(answer.header("location"), want);
    }
}

#[tokio::test]
async fn with_tls_the_cookie_is_bound_to_host_and_tls() {
    let fleet = Fleet::empty().await;
    let mut browser = Browser { secure: true, ..Browser::new(&fleet) };
    let answer = browser.sign_in("admin", PASSWORD).await.is(303, "signed in");
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-pw-session=") && cookie.ends_with("; Secure"), "{cookie}");
    browser.get("/").await.is(200, "over TLS");
    let plain = Browser { secure: false, ..browser };
    plain.get("/").await.is(303, "a cookie of TLS is nothing without");
}

#[tokio::test]
async fn guessing_is_slowed_down_for_an_address_and_for_nobody_else() {
    let fleet = Fleet::empty().await;
    fleet.user("other", Role::Reader, None).await;
    let mut thief = Browser::new(&fleet);
    for _ in 0..10 {
        thief.sign_in("admin", "a wrong guess").await.is(401, "a guess");
    }
    let locked = thief.sign_in("admin", PASSWORD).await.is(429, "even the right one");
    assert!(locked.header("retry-after").parse::<u64>().unwrap() <= 60);
    thief.sign_in("other", PASSWORD).await.is(303, "another name from there");
    let mut admin = Browser { address: "192.0.2.2", ..Browser::new(&fleet) };
    admin.sign_in("admin", PASSWORD).await.is(303, "the admin from elsewhere");
    let neighbour = Browser { address: "2001:db8::1", ..Browser::new(&fleet) };
    for n in 0..10 {
        let address = if n % 2 == 0 { "2001:db8::2" } else { "2001:db8::3" };
        Browser { address, ..Browser::new(&fleet) }.sign_in("admin", "a wrong guess").await.is(401, "a guess");
    }
    let mut neighbour = neighbour;
    neighbour.sign_in("admin", PASSWORD).await.is(429, "an IPv6 network counts as one");
    let filter = AuditFilter { action: Some("sign-in.lock".into()), ..AuditFilter::default() };
    let (lines, total) = fleet.store.audit(&filter, 10).await.unwrap();
    assert_eq!((total, lines[1].address.as_str(), lines[1].object.as_str()), (2, "192.0.2.1", "admin"));
    // A token is too long to be guessed, and works in any case; so does an open session.
    let made = fleet.post_as("admin", "/api/v1/tokens", &json!({"name": "t"})).await.is(201, "a token").json();
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), secure: false };
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let request = Request::get("/api/v1/me").header("authorization", bearer).extension(peer);
    fleet.raw(request.body(Body::empty()).unwrap()).await.is(200, "a token from the closed address");
}

#[tokio::test]
async fn another_password_ends_the_other_sessions() {
    let fleet = Fleet::empty().await;
    fleet.user("ann", Role::Reader, None).await;
    let (mut here, mut there) = (Browser::new(&fleet), Browser::new(&fleet));
    here.sign_in("ann", PASSWORD).await.is(303, "here");
    there.sign_in("ann", PASSWORD).await.is(303, "there");
    let put = |user: &'static str, name: &str, body: serde_json::Value| {
        let path = format!("/api/v1/users/{name}/password");
        let fleet = &fleet;
        async move {
            fleet.send_as(user, Method::PUT, &path, &body.to_string(), &[("content-type", "application/json")]).await
        }
    };
    let new = "another battery";
    for (user, name, body, status, field) in [
        ("ann", "ann", json!({"password": new}), 400, "current"),
        ("ann", "ann", json!({"password": new, "current": "wrong"}), 400, "current"),
        ("ann", "ann", json!({"password": "short", "current": PASSWORD}), 400, "password"),
        ("ann", "ann", json!({"password": "pw_xxxxxxxxxxxx", "current": PASSWORD}), 400, "password"),
        ("ann", "admin", json!({"password": new}), 403, ""),
        ("admin", "nobody", json!({"password": new}), 404, "principal"),
    ] {
        let answer = put(user, name, body.clone()).await.is(status, &body.to_string()).json();
        assert_eq!(answer["field"].as_str().unwrap_or(""), field, "{user} {name} {body}");
    }
    here.get("/").await.is(200, "nothing has changed");
    let csrf = here.csrf().await;
    let form = format!("_csrf={csrf}&current=correct+horse&password=another+battery&again=another+battery");
    here.send(Method::POST, "/settings/account", &form).await.is(303, "changed on the page");
    here.get("/").await.is(200, "the session that changed it stays");
    there.get("/").await.is(303, "the other one is over");
    there.sign_in("ann", PASSWORD).await.is(401, "the old password");
    there.sign_in("ann", "another battery").await.is(303, "the new one");
    put("admin", "ann", json!({"password": PASSWORD})).await.is(204, "an owner resets it");
    here.get("/").await.is(303, "then all are over");
}

#[tokio::test]
async fn another_password_ends_the_tokens_unless_they_shall_stay() {
    let fleet = Fleet::empty().await;
    fleet.user("ann", Role::Reader, None).await;
    let mut browser = Browser::new(&fleet);
    let mut password = PASSWORD.to_owned();
    browser.sign_in("ann", &password).await.is(303, "ann");
    for (n, (by, said, lives)) in
        [("page", "as it is", false), ("page", "not ticked", true), ("rest", "nothing", false), ("rest", "false", true)]
            .into_iter()
            .enumerate()
    {
        let id = fleet.store.principal_named("ann").await.unwrap().unwrap().id;
        let token =
            store::NewToken { principal: id, name: "ci".into(), expires: model::Micros::FOREVER, grants: Vec::new() };
        let (_, token) = fleet.store.make_token(&token, &store::Caller::default()).await.unwrap();
        let new = format!("another battery {n}");
        if by == "page" {
            let page = browser.get("/settings/account").await.is(200, "the form").text();
            assert!(page.contains("name=\"revoke_tokens\" value=\"yes\" checked"), "the box is ticked: {page}");
            let ticked = if lives { "" } else { "&revoke_tokens=yes" };
            let csrf = browser.csrf().await;
            let form = format!("_csrf={csrf}&current={password}&password={new}&again={new}{ticked}").replace(' ', "+");
            browser.send(Method::POST, "/settings/account", &form).await.is(303, said);
        } else {
            let mut body = json!({"password": new});
            if said == "false" {
                body["revoke_tokens"] = json!(false);
            }
            let kind = [("content-type", "application/json")];
            let path = "/api/v1/users/ann/password";
            fleet.send_as("admin", Method::PUT, path, &body.to_string(), &kind).await.is(204, said);
            browser.sign_in("ann", &new).await.is(303, "again");
        }
        password = new;
        let request = Request::get("/api/v1/me").header("authorization", format!("Bearer {token}"));
        let status = if lives { 200 } else { 401 };
        fleet.raw(request.body(Body::empty()).unwrap()).await.is(status, &format!("{by} {said}"));
    }
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_whom_they_belong_to() {
    let fleet = Fleet::empty().await;
    fleet.user("ann", Role::Reader, None).await;
    fleet.user("bob", Role::Reader, None).await;
    let mut browser = Browser::new(&fleet);
    browser.sign_in("ann", PASSWORD).await.is(303, "ann");
    let list = |user: &'static str| {
        let fleet = &fleet;
        async move { fleet.get_as(user, "/api/v1/sessions", &[]).await.is(200, user).json() }
    };
    assert_eq!((list("bob").await["total"].as_i64(), list("admin").await["total"].as_i64()), (Some(0), Some(1)));
    let id = list("ann").await["items"][0]["id"].as_str().unwrap().to_owned();
    assert!(!browser.cookie.contains(&id), "the name says nothing about the secret");
    let path = format!("/api/v1/sessions/{id}");
    fleet.send_as("bob", Method::DELETE, &path, "", &[]).await.is(404, "somebody else's");
    fleet.send_as("ann", Method::DELETE, &path, "", &[]).await.is(204, "one's own");
    browser.get("/").await.is(303, "it is over at once");
}
