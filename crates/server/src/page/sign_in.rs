//! `/sign-in`: the way in for people, and the cookie that they carry afterwards.
//!
//! In: name and password. Out: a session, whose secret is in a cookie that no script reads and that other sites' requests that change
//! something do not carry.

use super::form::Field;
use super::frame::{Frame, page as render, visible};
use super::visit::{Look, Visit};
use crate::body::Form;
use crate::params::{encoded, local};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::sender;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::request::Parts as Head;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use model::facts::Id;
use std::time::Instant;
use store::{Caller, LogEntry, Peer};

/// Seconds that a browser keeps the cookie: as long as a session can last.
const KEPT: u32 = 7 * 24 * 3600;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    fields: Vec<Field>,
    next: String,
    problem: String,
    step: &'static str,
}

/// The routes that need no login.
pub fn router() -> Router<Parts> {
    Router::new().route("/sign-in", get(show).post(enter))
}

/// Whether a client speaks TLS.
pub fn is_secure(parts: &Parts, extensions: &Extensions) -> bool {
    let said = parts.public_url.starts_with("https://");
    extensions.get::<Peer>().map_or(said, |peer| peer.secure)
}

/// With TLS the name binds the cookie to this host and to TLS.
fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-pw-session" } else { "pw-session" }
}

/// The secret that a request carries.
pub fn secret(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs = cookies.flat_map(|v| v.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == cookie_name(secure) && !value.is_empty()).map(|(_, value)| value)
}

fn cookie(secure: bool, secret: &str) -> Option<HeaderValue> {
    let name = cookie_name(secure);
    let age = if secret.is_empty() { 0 } else { KEPT };
    let tls = if secure { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{name}={secret}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{tls}")).ok()
}

/// What somebody gets who is not recognised and looks at a page: the way in. A wrong login in the request itself is told as such.
pub fn invited(head: &Head, problem: Problem) -> Response {
    let asks = head.method.is_safe() && !head.headers.contains_key(header::AUTHORIZATION);
    if !asks && problem.status != StatusCode::UNAUTHORIZED.as_u16() {
        return problem.into_response();
    }
    if head.headers.contains_key(header::AUTHORIZATION) {
        return super::frame::sign_in(problem);
    }
    let next = if asks { head.uri.path_and_query().map_or("/", |path| path.as_str()) } else { "/" };
    let next = if next == "/" { String::new() } else { format!("?next={}", encoded(next)) };
    to(HeaderValue::from_str(&format!("/sign-in{next}")).unwrap_or(HeaderValue::from_static("/sign-in")))
}

fn to(address: HeaderValue) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}

fn form(headers: &HeaderMap, name: &str, next: &str, problem: Option<&Problem>) -> Response {
    let frame = Frame { look: Look::of(headers), ..Frame::default() };
    let fields = vec![
        Field::text("name", "Name", name).required().complete("username"),
        Field::text("password", "Password", "").kind("password").required().complete("current-password"),
    ];
    let told = problem.map(|problem| visible(&problem.detail)).unwrap_or_default();
    let step = problem.map_or("", |problem| problem.next_step);
    let shown = render(&SignIn { frame, fields, next: next.to_owned(), problem: told, step });
    let Some(problem) = problem else { return shown };
    let mut response = problem.clone().into_response();
    *response.body_mut() = shown.into_body();
    let headers = response.headers_mut();
    headers.remove(header::WWW_AUTHENTICATE); // a browser would ask by itself
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

async fn show(
    State(parts): State<Parts>,
    uri: axum::http::Uri,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    let next = crate::params::Params::parse(uri.query()).take("next").ok().flatten().unwrap_or_default();
    let known = secret(&headers, is_secure(&parts, &extensions));
    if let Some(secret) = known
        && matches!(parts.store.session(secret).await, Ok(Some(_)))
    {
        return to(local(&next));
    }
    form(&headers, "", &next, None)
}

async fn enter(State(parts): State<Parts>, extensions: Extensions, headers: HeaderMap, typed: Form) -> Response {
    let (name, next) = (typed.typed("name").to_owned(), typed.typed("next").to_owned());
    let secure = is_secure(&parts, &extensions);
    let begun = begin(&parts, &extensions, &headers, &name, typed.typed("password")).await;
    match begun {
        Ok(secret) => {
            let mut response = to(local(&next));
            response.headers_mut().extend(cookie(secure, &secret).map(|cookie| (header::SET_COOKIE, cookie)));
            response
        }
        Err(problem) => form(&headers, &name, &next, Some(&problem)),
    }
}

async fn begin(
    parts: &Parts,
    extensions: &Extensions,
    headers: &HeaderMap,
    name: &str,
    password: &str,
) -> Result<String, Problem> {
    if !sender::is_ours(&parts.public_url, headers, false) {
        return Err(Problem::foreign());
    }
    let started = Instant::now();
    let caller = Caller {
        actor: name.chars().take(64).collect(),
        address: sender::address(extensions),
        user_agent: sender::user_agent(headers),
        ..Caller::default()
    };
    let known = parts.store.by_password(name, password, &caller.address).await;
    let result = match &known {
        Ok(_) => 200,
        Err(store::Error::LockedOut { .. } | store::Error::Busy { .. }) => 429,
        Err(store::Error::WrongCredentials) => 401,
        Err(_) => 503,
    };
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or("");
    let entry = LogEntry {
        login: true,
        operation: "sign-in".into(),
        caller: Caller { host: host.chars().take(300).collect(), ..caller.clone() },
        result,
        micros: Id::try_from(started.elapsed().as_micros()).unwrap_or(Id::MAX),
        ..LogEntry::default()
    };
    parts.store.log(entry);
    Ok(parts.store.begin_session(&known?, &caller).await?)
}

/// `POST /sign-out`: ends the session, here and in the store.
pub async fn leave(visit: Visit, extensions: Extensions) -> Result<Response, Problem> {
    if !visit.asker.session.is_empty() {
        visit.parts.store.end_session(&visit.asker.session, &visit.asker.caller()).await?;
    }
    let mut response = to(HeaderValue::from_static("/sign-in"));
    let gone = cookie(is_secure(&visit.parts, &extensions), "");
    response.headers_mut().extend(gone.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}
