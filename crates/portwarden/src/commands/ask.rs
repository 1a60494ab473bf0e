//! How commands change things: by the same REST routes as every other client.
//!
//! In: a method, a path below `/api/v1`, JSON. Out: the answer's JSON, or the problem as an error.
//! With `--server` the request goes there; without, the routes are called in this process on the data of `--data`, as an owner of
//! everything whose name in the audit is that of the user of this machine.

use super::{Exit, local, stop};
use crate::settings::Settings;
use anyhow::Context;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::Value;
use server::{Asker, Handle, Parts};
use std::sync::Arc;
use tower::ServiceExt;

/// Longest answer that is read.
const ANSWER_BYTES: usize = 256 << 20;

/// Where a command does its work.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct At {
    /// A running Portwarden, as https://[user:password@]host; without it, the data of --data
    #[arg(long, env = "PORTWARDEN_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// Token for --server
    #[arg(long, env = "PORTWARDEN_TOKEN", value_name = "TOKEN", hide_env_values = true, requires = "server")]
    pub token: Option<String>,
}

/// Asks a running server, or the data of this machine.
pub struct Ask(Way);

enum Way {
    Here { router: Box<axum::Router>, asker: Asker },
    There { client: reqwest::Client, base: reqwest::Url, login: Login },
}

enum Login {
    None,
    Token(String),
    Basic(String, Option<String>),
}

#[allow(dead_code)] // commands need not use every method
impl Ask {
    /// Makes ready to ask.
    pub async fn open(settings: &Settings, at: &At) -> anyhow::Result<Self> {
        match &at.server {
            Some(url) => there(url, at.token.clone()),
            None => here(settings).await,
        }
    }

    /// Asks.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, None).await
    }

    /// Makes something.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Makes or replaces what is named.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// Changes some fields.
    pub async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// Takes away.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::DELETE, path, None).await
    }

    /// Asks for every item of a list, page after page, and how many there are.
    pub async fn list(&self, path: &str) -> anyhow::Result<(Vec<Value>, u64)> {
        let (mut items, mut total, mut after) = (Vec::new(), 0, String::new());
        loop {
            let mark = if path.contains('?') { '&' } else { '?' };
            let page =
                if after.is_empty() { path.to_owned() } else { format!("{path}{mark}after={}", encoded(&after)) };
            let mut answer = self.get(&page).await?;
            if let Value::Array(page) = answer["items"].take() {
                items.extend(page);
            }
            total = answer["total"].as_u64().unwrap_or(total).max(items.len() as u64);
            match answer["next"].as_str() {
                Some(next) if next != after => after = next.to_owned(),
                _ => return Ok((items, total)),
            }
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, bytes) = match &self.0 {
            Way::Here { router, asker } => {
                let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
                if body.is_some() {
                    request = request.header(header::CONTENT_TYPE, "application/json");
                }
                let mut request = request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))?;
                request.extensions_mut().insert(asker.clone());
                let response = router.as_ref().clone().oneshot(request).await?;
                let status = response.status();
                (status, axum::body::to_bytes(response.into_body(), ANSWER_BYTES).await?)
            }
            Way::There { client, base, login } => {
                let url = format!("{}/api/v1{path}", base.as_str().trim_end_matches('/'));
                let mut request = client.request(method, url);
                request = match login {
                    Login::Token(token) => request.bearer_auth(token),
                    Login::Basic(user, password) => request.basic_auth(user, password.as_ref()),
                    Login::None => request,
                };
                if let Some(body) = body {
                    request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
                }
                let failed = |error: reqwest::Error| {
                    let error = crate::output::chain(&error.without_url().into());
                    stop(Exit::Upstream, format!("cannot reach {base}: {error}; is the server running there?"))
                };
                let response = request.send().await.map_err(failed)?;
                (response.status(), response.bytes().await.map_err(failed)?)
            }
        };
        answer(status, &bytes)
    }
}

fn answer(status: StatusCode, bytes: &[u8]) -> anyhow::Result<Value> {
    if status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let read = serde_json::from_slice::<Value>(bytes);
    if status.is_success() {
        return read.context("the answer is not JSON; is this a Portwarden?");
    }
    let problem = read.unwrap_or_default();
    let text = |name: &str| problem[name].as_str().unwrap_or("");
    let exit = match status.as_u16() {
        401 | 403 => Exit::Upstream,
        400..500 => Exit::Usage,
        _ => Exit::Internal,
    };
    let message = match (text("detail"), text("next_step")) {
        ("", _) => format!("the server answered {status}"),
        (detail, "") => detail.to_owned(),
        (detail, next) => format!("{detail}. {next}"),
    };
    Err(stop(exit, message))
}

fn there(url: &str, token: Option<String>) -> anyhow::Result<Ask> {
    let wrong = || stop(Exit::Usage, "--server: want https://host or http://host:port");
    let mut base: reqwest::Url = url.parse().map_err(|_| wrong())?;
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
        return Err(wrong());
    }
    let login = match (token, base.username()) {
        (Some(token), _) => Login::Token(token),
        (None, "") => Login::None,
        (None, user) => Login::Basic(decoded(user), base.password().map(decoded)),
    };
    let _ = base.set_username("");
    let _ = base.set_password(None);
    // A login is not carried to where a redirect leads.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.timeout(std::time::Duration::from_secs(120)).build()?;
    Ok(Ask(Way::There { client, base, login }))
}

async fn here(settings: &Settings) -> anyhow::Result<Ask> {
    let store = local::store(settings).await?;
    let index = Handle::default();
    index.catch_up(&store).await?;
    let knowledge = local::knowledge(settings)?;
    let system = Arc::new(super::system::teller(settings, &store, &index));
    let parts = Parts {
        store,
        index,
        database: super::serve::database(&knowledge, &settings.data),
        public_url: settings.serve.public_url.clone().unwrap_or_else(|| "http://localhost:5000".into()).into(),
        now: crate::clock::now,
        system,
        sample: super::sample::image_or_none,
    };
    let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    Ok(Ask(Way::Here { router: Box::new(server::router(parts)), asker: Asker::local(&user) }))
}

/// Encodes a part of a path or the value of a parameter.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (byte, hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Makes what answers with pages of the console, over a new store that holds the sample image.
#[cfg(test)]
pub async fn pages(folder: &std::path::Path) -> impl AsyncFn(String) -> String {
    let common = crate::settings::Common { data: Some(folder.to_owned()), ..Default::default() };
    let settings = Settings::load(&common, None).unwrap();
    drop(local::open(&settings).await.unwrap());
    let ask = Ask::open(&settings, &At::default()).await.unwrap();
    ask.post("/sample", &Value::Null).await.unwrap();
    let Way::Here { router, asker } = ask.0 else { unreachable!() };
    async move |path: String| {
        let request = Request::builder().uri(path.as_str()).header(header::ACCEPT, "text/html");
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(asker.clone());
        let response = router.as_ref().clone().oneshot(request).await.unwrap();
        let bytes = axum::body::to_bytes(response.into_body(), ANSWER_BYTES).await.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_in_an_address_is_read_and_not_kept_there() {
        let asks = there("http://ad%40min:p%3Ass%20@host:5000/", None).unwrap();
        let Way::There { base, login: Login::Basic(user, password), .. } = asks.0 else { panic!("another way") };
        assert_eq!((base.as_str(), user.as_str(), password.as_deref()), ("http://host:5000/", "ad@min", Some("p:ss ")));
        for (url, why) in [("host:5000", "no scheme"), ("ftp://host", "another scheme"), ("", "nothing")] {
            assert!(there(url, None).is_err(), "{why}");
        }
    }

    #[test]
    fn a_problem_is_an_error_with_its_next_step() {
        for (status, body, exit, says) in [
            (400, "{\"detail\": \"no such word\", \"next_step\": \"Drop it.\"}", Exit::Usage, "no such word. Drop it."),
            (403, "{\"detail\": \"this needs Owner\"}", Exit::Upstream, "this needs Owner"),
            (502, "<html>", Exit::Internal, "the server answered 502 Bad Gateway"),
        ] {
            let error = answer(StatusCode::from_u16(status).unwrap(), body.as_bytes()).unwrap_err();
            assert_eq!((super::super::exit_of(&error), error.to_string().as_str()), (exit, says));
        }
        assert_eq!(answer(StatusCode::NO_CONTENT, b"").unwrap(), Value::Null);
    }
}
