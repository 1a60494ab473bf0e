//! A guarded client of the OCI distribution protocol: pulls, logs in, retries.
//!
//! Credentials go to the named host and to token realms of the same site, nowhere else (`guard`).
//! Source: OCI distribution-spec 1.1; Docker token authentication.

use crate::credentials::{self, IDENTITY_TOKEN, Login};
use crate::guard::{Resolver, refused_host, same_site};
use crate::post::causes;
use crate::{Body, DOCUMENT_LIMIT_BYTES, Error, Options, Root, layout};
use base64::Engine;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use model::Digest;
use model::reference::Reference;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use std::sync::Mutex;
use std::time::Duration;

const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
/// Tries of a request that meets 429, 5xx or a broken connection.
const TRIES: u32 = 4;
/// The longest wait that a registry may ask for before we give up and say so.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Redirects that are followed.
const REDIRECTS: u32 = 5;

/// Where an image is in a registry.
#[derive(Debug, Clone)]
pub struct Location {
    /// Host, with a port if one was given.
    pub host: String,
    /// Repository.
    pub repository: String,
    /// Tag or digest.
    pub name: String,
}

impl Location {
    /// Parses a reference as docker does: no host means Docker Hub, no tag means `latest`; a digest decides over a tag.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = |why: String| Error::Reference { reference: text.to_owned(), why };
        let reference = Reference::parse(text).map_err(|e| bad(e.to_string()))?.with_docker_hub();
        let host = match reference.host.as_deref() {
            Some("docker.io") | None => "registry-1.docker.io",
            Some(host) => host,
        };
        let name = reference.digest.map_or_else(|| reference.tag.unwrap_or_else(|| "latest".into()), |d| d.to_string());
        Ok(Self { host: host.to_owned(), repository: reference.repository, name })
    }

    /// The same repository at a digest.
    pub fn at(&self, digest: &Digest) -> Self {
        Self { name: digest.to_string(), ..self.clone() }
    }
}

/// A client of one registry.
pub struct Client {
    host: String,
    base: Url,
    http: reqwest::Client,
    login: Option<(String, String)>,
    for_others: bool,
    /// The `Authorization` value that worked last, for one repository.
    token: Mutex<Option<(String, String)>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.host)
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

impl Client {
    /// Makes a client for a host that an operator named.
    pub fn new(host: &str, options: &Options) -> Result<Self, Error> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let loopback = name == "localhost" || name.starts_with("127.") || name == "[::1]";
        // Who names an authority means TLS, even on this machine.
        let plain = options.insecure_http || (loopback && options.ca_pem.is_none());
        let scheme = if plain { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{host}/"))
            .map_err(|e| Error::Reference { reference: host.to_owned(), why: e.to_string() })?;
        let refused = options.public_only.then(|| refused_host(base.host_str().unwrap_or(""))).flatten();
        if let Some(why) = refused {
            return Err(Error::Guarded { host: "this import".into(), to: host.to_owned(), why });
        }
        let named = if options.public_only { Vec::new() } else { vec![name.to_ascii_lowercase()] };
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(std::sync::Arc::new(Resolver { named: named.into() }))
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .user_agent(concat!("portwarden/", env!("CARGO_PKG_VERSION")));
        if options.public_only {
            // A proxy looks names up itself, and the resolver would never see what they stand for.
            builder = builder.no_proxy();
        }
        if let Some(pem) = &options.ca_pem {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|e| Error::Unreachable {
                host: host.into(),
                why: format!("the CA bundle is not readable: {e}"),
            })?;
            builder = builder.tls_certs_merge(certificates);
        }
        let http = builder.build().map_err(|e| Error::Unreachable { host: host.into(), why: causes(&e) })?;
        Ok(Self {
            host: host.to_owned(),
            base,
            http,
            login: options.login.clone(),
            for_others: options.for_others,
            token: Mutex::new(None),
        })
    }

    /// Fetches a manifest by tag or digest, verified.
    pub async fn manifest(&self, location: &Location) -> Result<Root, Error> {
        let path = format!("v2/{}/manifests/{}", location.repository, location.name);
        let response = self.get(&path, Some(MANIFESTS), location).await?;
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let media_type = header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let bytes = self.limited(response, &path).await?;
        let digest = match Digest::parse(&location.name) {
            Ok(digest) => digest,
            Err(_) => Digest::sha256(&bytes),
        };
        let bytes = layout::verified(bytes, &digest)?;
        let tag = Digest::parse(&location.name).is_err().then(|| location.name.clone());
        Ok(Root { digest, media_type, bytes, tag })
    }

    /// Fetches a small blob, not verified.
    pub async fn document(&self, location: &Location, digest: &Digest) -> Result<Vec<u8>, Error> {
        let path = format!("v2/{}/blobs/{digest}", location.repository);
        let response = self.get(&path, None, location).await?;
        self.limited(response, &path).await
    }

    /// Starts to fetch a layer.
    pub async fn blob(&self, location: &Location, digest: &Digest) -> Result<Body, Error> {
        let (_, size, bytes) = self.blob_from(location, digest, 0).await?;
        Ok(Body::Stream { size, bytes })
    }

    /// Starts to fetch a blob from a byte on. Returns where it really starts (0 where the registry knows no ranges), how many bytes
    /// it says will come, and the bytes.
    pub async fn blob_from(
        &self,
        location: &Location,
        digest: &Digest,
        from: u64,
    ) -> Result<(u64, Option<u64>, BoxStream<'static, std::io::Result<Bytes>>), Error> {
        let path = format!("v2/{}/blobs/{digest}", location.repository);
        let range = format!("bytes={from}-");
        let response = self.get_with(&path, None, (from > 0).then_some(range.as_str()), location).await?;
        let start = if response.status() == StatusCode::PARTIAL_CONTENT { range_start(&response) } else { Some(0) };
        let start = start.filter(|start| *start == 0 || *start == from).ok_or_else(|| Error::Answer {
            url: format!("{}{path}", self.base),
            status: 206,
            text: "another part of the blob came than the one that was asked for".into(),
        })?;
        let size = response.content_length();
        Ok((start, size, response.bytes_stream().map_err(|e| std::io::Error::other(e.without_url())).boxed()))
    }

    /// Lists the manifests that refer to one, as the registry's index of them says; `None` = it does not know such a list.
    pub async fn referrers(&self, location: &Location, digest: &Digest) -> Result<Option<Vec<u8>>, Error> {
        let path = format!("v2/{}/referrers/{digest}", location.repository);
        match self.get(&path, Some(MANIFESTS), location).await {
            Ok(response) => self.limited(response, &path).await.map(Some),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn limited(&self, response: Response, path: &str) -> Result<Vec<u8>, Error> {
        let mut stream = response.bytes_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.map_err(|e| self.unreachable(&e))?);
            if bytes.len() as u64 > DOCUMENT_LIMIT_BYTES {
                let what = format!("{}{path}", self.base);
                return Err(Error::TooLarge { what, limit_bytes: DOCUMENT_LIMIT_BYTES });
            }
        }
        Ok(bytes)
    }

    /// Gets a path: retries what passes, logs in once when asked, follows redirects under the guard.
    async fn get(&self, path: &str, accept: Option<&str>, location: &Location) -> Result<Response, Error> {
        self.get_with(path, accept, None, location).await
    }

    async fn get_with(
        &self,
        path: &str,
        accept: Option<&str>,
        range: Option<&str>,
        location: &Location,
    ) -> Result<Response, Error> {
        let url = self.base.join(path).map_err(|e| self.unreachable(&e))?;
        let mut logged_in = false;
        let mut tried = 1;
        loop {
            let answer = self.visit(url.clone(), accept, range, &location.repository).await;
            let wait = match &answer {
                Ok(r) if r.status().is_success() => return answer,
                Ok(r) if r.status() == StatusCode::UNAUTHORIZED && !logged_in => {
                    logged_in = true;
                    let challenge = r.headers().get(WWW_AUTHENTICATE).and_then(|v| v.to_str().ok());
                    let token = self.log_in(challenge.unwrap_or(""), &location.repository).await?;
                    self.keep_token(&location.repository, token);
                    continue;
                }
                Ok(r) if passes(r.status()) => retry_after(r).unwrap_or(backoff(tried)),
                Ok(_) => return Err(self.refusal(answer?, location).await),
                Err(e) if e.remedy() == crate::Remedy::Retry => backoff(tried),
                Err(_) => return answer,
            };
            if tried >= TRIES || wait > LONGEST_WAIT {
                return match answer {
                    Ok(response) => Err(self.refusal(response, location).await),
                    Err(e) => Err(e),
                };
            }
            tried += 1;
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends a body to the registry itself: logs in once when asked; never follows a redirect, never retries.
    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        url: Url,
        content_type: &str,
        body: Bytes,
        repository: &str,
    ) -> Result<Response, Error> {
        let mut logged_in = false;
        loop {
            let mut request = self.http.request(method.clone(), url.clone()).header(CONTENT_TYPE, content_type);
            if let Some(token) = self.kept_token(repository) {
                request = request.header(AUTHORIZATION, token);
            }
            let response = request.body(body.clone()).send().await.map_err(|e| self.unreachable(&e))?;
            if response.status() != StatusCode::UNAUTHORIZED || logged_in {
                return Ok(response);
            }
            logged_in = true;
            let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|v| v.to_str().ok()).unwrap_or("");
            let token = self.log_in(challenge, repository).await?;
            self.keep_token(repository, token);
        }
    }

    /// An address of the registry itself; another origin is refused.
    pub(crate) fn own(&self, path: &str) -> Result<Url, Error> {
        let url = self.base.join(path).map_err(|e| self.unreachable(&e))?;
        if url.origin() != self.base.origin() {
            return Err(self.guarded(&url, "uploads go to the registry itself"));
        }
        Ok(url)
    }

    async fn visit(
        &self,
        url: Url,
        accept: Option<&str>,
        range: Option<&str>,
        repository: &str,
    ) -> Result<Response, Error> {
        let mut at = url;
        for _ in 0..=REDIRECTS {
            let mut request = self.http.get(at.clone());
            if let Some(accept) = accept {
                request = request.header(ACCEPT, accept);
            }
            if let Some(range) = range {
                request = request.header(RANGE, range);
            }
            if at.origin() == self.base.origin()
                && let Some(token) = self.kept_token(repository)
            {
                request = request.header(AUTHORIZATION, token);
            }
            let response = request.send().await.map_err(|e| self.unreachable(&e))?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let to = response.headers().get(LOCATION).and_then(|v| v.to_str().ok()).unwrap_or("");
            let next = at.join(to).map_err(|e| self.unreachable(&e))?;
            self.guard(&at, &next)?;
            at = next;
        }
        Err(self.guarded(&at, "more than five redirects"))
    }

    fn guard(&self, from: &Url, to: &Url) -> Result<(), Error> {
        if !matches!(to.scheme(), "https" | "http") || (from.scheme() == "https" && to.scheme() == "http") {
            return Err(self.guarded(to, "https may not fall back to another scheme"));
        }
        if to.origin() == self.base.origin() {
            return Ok(());
        }
        match refused_host(to.host_str().unwrap_or("")) {
            Some(why) if to.host_str() != self.base.host_str() => Err(self.guarded(to, why)),
            _ => Ok(()),
        }
    }

    /// Answers a challenge with an `Authorization` value. The realm gets credentials only on the registry's own site.
    async fn log_in(&self, challenge: &str, repository: &str) -> Result<String, Error> {
        let login = match &self.login {
            // As credential helpers write it.
            Some((user, token)) if user == IDENTITY_TOKEN => Some(Login::IdentityToken(token.clone())),
            Some((user, password)) => Some(Login::Password(user.clone(), password.clone())),
            None if self.for_others => None,
            None => credentials::find(&self.host, repository)?,
        };
        let parsed = http_auth::parser::ChallengeParser::new(challenge);
        let challenges: Vec<_> = parsed.filter_map(Result::ok).collect();
        let bearer = challenges.iter().find(|c| c.scheme.eq_ignore_ascii_case("bearer"));
        let Some(bearer) = bearer else {
            return match login {
                Some(Login::Password(user, password)) => Ok(basic(&user, &password)),
                _ => Err(self.denied("nobody", repository)),
            };
        };
        let parameter = |name: &str| {
            let found = bearer.params.iter().find(|(k, _)| k.eq_ignore_ascii_case(name));
            found.map(|(_, v)| v.to_unescaped()).unwrap_or_default()
        };
        let realm = Url::parse(&parameter("realm")).map_err(|e| self.unreachable(&e))?;
        self.guard(&self.base, &realm)?;
        let own_site = same_site(self.base.host_str().unwrap_or(""), realm.host_str().unwrap_or(""));
        let scope = match parameter("scope") {
            s if s.is_empty() => format!("repository:{repository}:pull"),
            s => s,
        };
        self.fetch_token(realm, &parameter("service"), &scope, login.filter(|_| own_site)).await
    }

    async fn fetch_token(&self, realm: Url, service: &str, scope: &str, login: Option<Login>) -> Result<String, Error> {
        let who = match &login {
            Some(Login::Password(user, _)) => user.clone(),
            Some(Login::IdentityToken(_)) => "the identity token".into(),
            None => "nobody".into(),
        };
        let request = if let Some(Login::IdentityToken(token)) = &login {
            let form = [
                ("grant_type", "refresh_token"),
                ("service", service),
                ("scope", scope),
                ("client_id", "portwarden"),
                ("refresh_token", token),
            ];
            let mut body = Url::parse("http://form/").map_err(|e| self.unreachable(&e))?;
            body.query_pairs_mut().extend_pairs(form);
            let body = body.query().unwrap_or("").to_owned();
            self.http.post(realm).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
        } else {
            let mut url = realm;
            url.query_pairs_mut().append_pair("service", service).append_pair("scope", scope);
            match &login {
                Some(Login::Password(user, password)) => {
                    self.http.get(url).header(AUTHORIZATION, basic(user, password))
                }
                _ => self.http.get(url),
            }
        };
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            return Err(self.denied(&who, scope));
        }
        let url = shown(response.url());
        let bytes = self.limited(response, "token").await?;
        let answer: TokenAnswer = serde_json::from_slice(&bytes).map_err(|e| Error::Answer {
            url,
            status: status.as_u16(),
            text: format!("no token: {e}"),
        })?;
        let token = if answer.token.is_empty() { answer.access_token } else { answer.token };
        Ok(format!("Bearer {token}"))
    }

    fn kept_token(&self, repository: &str) -> Option<String> {
        let kept = self.token.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.as_ref().filter(|(r, _)| r == repository).map(|(_, token)| token.clone())
    }

    fn keep_token(&self, repository: &str, token: String) {
        let mut kept = self.token.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *kept = Some((repository.to_owned(), token));
    }

    pub(crate) async fn refusal(&self, response: Response, location: &Location) -> Error {
        let status = response.status();
        let url = shown(response.url());
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            return self.denied("this login", &location.repository);
        }
        if status == StatusCode::NOT_FOUND {
            let name = format!("{}:{}", location.repository, location.name);
            return Error::NotFound { what: self.host.clone(), name, hint: String::new() };
        }
        let bytes = self.limited(response, "error").await.unwrap_or_default();
        let text: String = String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).take(200).collect();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let text = if text.is_empty() { text } else { format!(": {text}") };
            return Error::TooMany { host: self.host.clone(), text };
        }
        Error::Answer { url, status: status.as_u16(), text }
    }

    fn denied(&self, who: &str, what: &str) -> Error {
        let hint = format!(
            "log in with `podman login {}` or `docker login {}`, or give a user that may pull {what}",
            self.host, self.host
        );
        Error::Denied { host: self.host.clone(), who: who.to_owned(), hint }
    }

    fn guarded(&self, to: &Url, why: &'static str) -> Error {
        Error::Guarded { host: self.host.clone(), to: shown(to).chars().take(200).collect(), why }
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> Error {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            why = inner.to_string();
            source = inner.source();
        }
        // What reqwest adds.
        let why = why.split(" for url (").next().unwrap_or_default().to_owned();
        Error::Unreachable { host: self.host.clone(), why }
    }
}

/// An address without what may be a key to it: those of object stores carry a signature.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// Where the part of a 206 starts: `bytes 5-9/10`.
fn range_start(response: &Response) -> Option<u64> {
    let value = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    value.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

fn passes(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

fn backoff(tried: u32) -> Duration {
    Duration::from_millis(250 << tried.min(6))
}

/// The wait that the registry asks for in whole seconds; anything else it may say is not understood and not followed.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds: u64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.clamp(1, 900)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_docker_reads_them() {
        for (text, host, repository, name) in [
            ("alpine", "registry-1.docker.io", "library/alpine", "latest"),
            ("team/app:1", "registry-1.docker.io", "team/app", "1"),
            ("docker.io/library/alpine:3.18", "registry-1.docker.io", "library/alpine", "3.18"),
            ("localhost:5000/a/b:c", "localhost:5000", "a/b", "c"),
            ("ghcr.io/x/y", "ghcr.io", "x/y", "latest"),
        ] {
            let got = Location::parse(text).expect(text);
            assert_eq!(
                (got.host.as_str(), got.repository.as_str(), got.name.as_str()),
                (host, repository, name),
                "{text}"
            );
        }
        for bad in ["", "r.example/UPPER", "r.example/", "a:b:c/d", "x@sha256:12", "r.example/x:$"] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }
}
