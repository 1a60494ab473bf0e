//! Posts to an address that somebody named, under the egress guard.
//!
//! In: an address, headers, a body. Out: the status, or why nothing was sent. An address inside is visited only if an operator
//! allowed it; redirects are not followed; nothing but what is given here is sent.

use crate::Error;
use crate::guard::{Resolver, refused_host};
use reqwest::Url;
use reqwest::redirect::Policy;
use std::sync::Arc;
use std::time::Duration;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// As much of an answer as is kept, to say what was wrong.
const ANSWER_BYTES: usize = 300;

/// An address that can be posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    /// What may be shown of it: scheme, host and port. Paths of such addresses are secrets.
    pub shown: String,
    /// Why only an operator may name it.
    pub inside: Option<&'static str>,
}

impl Target {
    /// Reads an address; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text.trim()).map_err(|_| "is not a URL; want https://host/path")?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err("is neither https nor http");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds a user or a password, which would be shown; put it in the path, or leave it out");
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("has no host")?;
        let plain = (url.scheme() == "http").then_some("not https");
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("{}://{host}{port}/…", url.scheme());
        Ok(Self { inside: refused_host(host).or(plain), shown, url })
    }

    /// The host, in lower case.
    fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase()
    }
}

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// The beginning of what it said.
    pub text: String,
}

/// Posts once. `allowed` is whether an operator allowed an address inside.
pub async fn post(
    target: &Target,
    allowed: bool,
    headers: &[(&'static str, String)],
    body: Vec<u8>,
) -> Result<Answer, Error> {
    let to = || target.shown.clone();
    if let Some(why) = target.inside.filter(|_| !allowed) {
        return Err(Error::Guarded { host: "this channel".into(), to: to(), why });
    }
    let failed = |error: reqwest::Error| Error::Unreachable { host: to(), why: causes(&error.without_url()) };
    let named = if allowed { vec![target.host()] } else { Vec::new() };
    let mut client = reqwest::Client::builder()
        .redirect(Policy::none())
        .dns_resolver(Arc::new(Resolver { named: named.into() }))
        .connect_timeout(Duration::from_secs(10))
        .timeout(PATIENCE)
        .user_agent(concat!("portwarden/", env!("CARGO_PKG_VERSION")));
    if !allowed {
        // A proxy looks names up itself, and the resolver would never see what they stand for.
        client = client.no_proxy();
    }
    let mut request = client.build().map_err(failed)?.post(target.url.clone()).body(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let mut text = Vec::new();
    while text.len() < ANSWER_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => text.extend_from_slice(&chunk),
            _ => break,
        }
    }
    text.truncate(ANSWER_BYTES);
    Ok(Answer { status, text: String::from_utf8_lossy(&text).into_owned() })
}

/// An error with its causes, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_operator_names_an_address_inside_and_no_path_is_shown() {
        for (text, want) in [
            ("https://hooks.example.com/services/T0/secret?x=y", Ok(("https://hooks.example.com/…", true))),
            ("https://hooks.example.com:8443/", Ok(("https://hooks.example.com:8443/…", true))),
            ("http://hooks.example.com/", Ok(("http://hooks.example.com/…", false))),
            ("https://127.0.0.1/", Ok(("https://127.0.0.1/…", false))),
            ("https://2130706433/", Ok(("https://127.0.0.1/…", false))),
            ("https://0x7f.1/", Ok(("https://127.0.0.1/…", false))),
            ("https://0177.0.0.1/", Ok(("https://127.0.0.1/…", false))),
            ("https://[::1]/", Ok(("https://[::1]/…", false))),
            ("https://[::ffff:10.0.0.1]/", Ok(("https://[::ffff:a00:1]/…", false))),
            ("https://169.254.169.254/latest/", Ok(("https://169.254.169.254/…", false))),
            ("https://metadata.google.internal/", Ok(("https://metadata.google.internal/…", false))),
            ("https://localhost./", Ok(("https://localhost./…", false))),
            ("https://LOCALHOST/", Ok(("https://localhost/…", false))),
            ("https://user:password@hooks.example.com/", Err(())),
            ("https://hooks.example.com@127.0.0.1/", Err(())),
            ("file:///etc/passwd", Err(())),
            ("gopher://127.0.0.1/", Err(())),
            ("hooks.example.com", Err(())),
            ("https://", Err(())),
        ] {
            let found = Target::parse(text).map(|t| (t.shown, t.inside.is_none())).map_err(|_| ());
            assert_eq!(found, want.map(|(shown, public)| (shown.to_owned(), public)), "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_inside_is_not_visited_unless_allowed() {
        let target = Target::parse("http://127.0.0.1:9/").unwrap();
        assert!(matches!(post(&target, false, &[], Vec::new()).await, Err(Error::Guarded { .. })));
        assert!(matches!(post(&target, true, &[], Vec::new()).await, Err(Error::Unreachable { .. })));
    }
}
