//! The gate before everything that needs a login: a sender who is not recognised goes no further, and a request that changes
//! something is looked at twice.
//!
//! A browser sends what it remembers with every request, whoever made it send it. So a request that changes something and that a
//! browser sent must come from a page of this console, and a form must carry the text that only such a page knows.

use crate::access;
use crate::asker::{Asker, CSRF_FIELD, KEY_FIELD, Secret};
use crate::body::BODY_BYTES;
use crate::page;
use crate::params::form_pairs;
use crate::parts::Parts;
use crate::problem::Problem;
use crate::sender::{address, is_ours, user_agent};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts as Head;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use model::Digest;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest answer that is kept for a request that is sent again.
const ANSWER_BYTES: usize = 64 << 10;
/// The header that names a request which is done once.
const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// How long, in steps of 50 ms, a second request waits for the answer of the first.
const WAITS: u32 = 40;

/// Lets a request through once its sender is known; the sender is an extension of the request from here on. A problem is shown as a
/// page to whoever looks at a page.
pub async fn enter(State(parts): State<Parts>, request: Request, next: Next) -> Response {
    let as_page = page::wants_page(request.uri().path(), request.headers());
    let (head, body) = request.into_parts();
    let asker = match head.extensions.get::<Asker>() {
        Some(local) => Ok(local.clone()),
        None => recognise(&parts, &head).await,
    };
    let asker = match asker {
        Ok(asker) => asker,
        Err(problem) if as_page => return page::sign_in::invited(&head, problem),
        Err(problem) => return problem.into_response(),
    };
    parts.index.current(&parts.store).await;
    let visit = as_page.then(|| page::Visit::new(&parts, &asker, &head));
    let mut request = Request::from_parts(head, body);
    let response = if request.method().is_safe() {
        request.extensions_mut().insert(asker.principal.clone());
        request.extensions_mut().insert(asker);
        next.run(request).await
    } else {
        change(&parts, asker, request, next).await.unwrap_or_else(IntoResponse::into_response)
    };
    match (visit, response.extensions().get::<Problem>()) {
        (Some(visit), Some(problem)) if !is_html(&response) => page::trouble(&visit, problem.clone()),
        _ => response,
    }
}

fn is_html(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}

async fn recognise(parts: &Parts, head: &Head) -> Result<Asker, Problem> {
    let (address, agent) = (address(&head.extensions), user_agent(&head.headers));
    if head.headers.contains_key(header::AUTHORIZATION) {
        let principal = access::principal(parts, &head.headers, &address).await?;
        return Ok(Asker::new(principal, address, agent));
    }
    let secret = page::sign_in::secret(&head.headers, page::sign_in::is_secure(parts, &head.extensions));
    let secret = secret.ok_or_else(Problem::sign_in)?;
    let (principal, session) = parts.store.session(secret).await?.ok_or_else(Problem::sign_in)?;
    let csrf = Digest::sha256(format!("form of\n{secret}").as_bytes()).hex().to_owned();
    Ok(Asker { csrf, session, ..Asker::new(principal, address, agent) })
}

/// A request that changes something.
async fn change(parts: &Parts, mut asker: Asker, request: Request, next: Next) -> Result<Response, Problem> {
    if !is_ours(&parts.public_url, request.headers(), !asker.csrf.is_empty()) {
        return Err(Problem::foreign());
    }
    let (mut head, body) = request.into_parts();
    let too_long = |_| Problem::parameter("body", format!("the body is longer than {BODY_BYTES} bytes"));
    let bytes = axum::body::to_bytes(body, BODY_BYTES).await.map_err(too_long)?;
    let form = is_form(&head.headers).then(|| form_pairs(&String::from_utf8_lossy(&bytes)));
    let field = |name: &str| form.iter().flatten().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    if form.is_some() && !asker.csrf.is_empty() && !same(field(CSRF_FIELD).unwrap_or(""), &asker.csrf) {
        return Err(Problem::foreign());
    }
    let given = head.headers.get(KEY_HEADER).and_then(|v| v.to_str().ok());
    if let Some(key) = given.or(field(KEY_FIELD)).filter(|key| !key.is_empty()) {
        // With the rights of the moment: who may do less now is not told what was answered before.
        let (who, rights, body) = (asker.principal.id, &asker.principal.grants, Digest::sha256(&bytes));
        let whole = format!("{who}\n{rights:?}\n{}\n{}\n{key}\n{body}", head.method, head.uri);
        asker.key = Digest::sha256(whole.as_bytes()).hex().to_owned();
    }
    let key = asker.key.clone();
    if let Some(answer) = first_answer(parts, &key).await? {
        return Ok(answer);
    }
    head.extensions.insert(asker.principal.clone());
    head.extensions.insert(asker);
    let response = next.run(Request::from_parts(head, Body::from(bytes))).await;
    kept(parts, &key, response).await
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// Compares two texts without telling by the time where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    kind: String,
    location: String,
    body: String,
}

/// Keeps the answer to a request that changed something, for when it comes again.
async fn kept(parts: &Parts, key: &str, response: Response) -> Result<Response, Problem> {
    if key.is_empty() {
        return Ok(response);
    }
    if response.extensions().get::<Problem>().is_some_and(Problem::is_repeated) {
        return first_answer(parts, key).await?.ok_or_else(Problem::repeated);
    }
    if response.status().is_client_error() || response.status().is_server_error() {
        return Ok(response);
    }
    if response.extensions().get::<Secret>().is_some() {
        parts.store.keep_answer(key, "-").await?;
        return Ok(response);
    }
    let (head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Problem::repeated())?;
    let text = |name: HeaderName| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let answer = Kept {
        status: head.status.as_u16(),
        kind: text(header::CONTENT_TYPE),
        location: text(header::LOCATION),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    let answer = if bytes.len() > ANSWER_BYTES { "-".to_owned() } else { serde_json::json!(answer).to_string() };
    parts.store.keep_answer(key, &answer).await?;
    Ok(Response::from_parts(head, Body::from(bytes)))
}

/// The answer that the first request with a key was given; `None` = there was none.
async fn first_answer(parts: &Parts, key: &str) -> Result<Option<Response>, Problem> {
    if key.is_empty() {
        return Ok(None);
    }
    for _ in 0..WAITS {
        let Some(text) = parts.store.answer_of(key).await? else { return Ok(None) };
        if let Ok(kept) = serde_json::from_str::<Kept>(&text) {
            return Ok(Some(again(kept)));
        }
        if !text.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(Problem::repeated())
}

fn again(kept: Kept) -> Response {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut response = (status, kept.body).into_response();
    for (name, value) in [(header::CONTENT_TYPE, kept.kind), (header::LOCATION, kept.location)] {
        response.headers_mut().remove(&name);
        if let (Ok(value), false) = (HeaderValue::from_str(&value), value.is_empty()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_that_another_site_made_send_a_request_is_not_heard() {
        for (site, origin, remembered, want, why) in [
            ("same-origin", "", true, true, "a page of the console"),
            ("cross-site", "", true, false, "another site"),
            ("same-site", "", true, false, "a neighbour under the same domain"),
            ("none", "", true, false, "an address that was typed does not change anything"),
            ("cross-site", "http://console.test", false, false, "another site, with a login in the address"),
            ("", "http://console.test:5000", true, true, "an old browser, the console's own page"),
            ("", "https://public.example", true, true, "behind a proxy, by the public address"),
            ("", "http://evil.example", true, false, "an old browser, another site"),
            ("", "null", true, false, "a page without an origin"),
            ("", "", true, false, "a browser that says nothing"),
            ("", "", false, true, "a program that brings its login"),
            ("", "http://evil.example", false, false, "a browser that brings a login of its own"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("console.test:5000"));
            for (name, value) in
                [("sec-fetch-site", site), ("origin", origin)].into_iter().filter(|(_, v)| !v.is_empty())
            {
                headers.insert(name, HeaderValue::from_static(value));
            }
            assert_eq!(is_ours("https://public.example/", &headers, remembered), want, "{why}");
        }
    }
}
