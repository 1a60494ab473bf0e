//! The credentials that docker and podman keep.
//!
//! In: `config.json` of docker, `auth.json` of podman, credential helpers. Out: user and password, or an identity token.
//! Looked for in the order of podman: `REGISTRY_AUTH_FILE`, `XDG_RUNTIME_DIR/containers/auth.json`,
//! `~/.config/containers/auth.json`, `DOCKER_CONFIG/config.json`, `~/.docker/config.json`.

use crate::Error;
use base64::Engine;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The user that stands for "this is an identity token, not a password".
pub const IDENTITY_TOKEN: &str = "<token>";

/// A login. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// User and password.
    Password(String, String),
    /// A refresh token, exchanged at the token endpoint.
    IdentityToken(String),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(…)")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AuthFile {
    auths: HashMap<String, AuthEntry>,
    cred_helpers: HashMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AuthEntry {
    auth: String,
    identitytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// Finds the login for a registry host (and repository: podman keeps logins for parts of a host), or nothing.
pub fn find(host: &str, repository: &str) -> Result<Option<Login>, Error> {
    for path in candidates() {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let file: AuthFile = serde_json::from_slice(&bytes).map_err(|e| Error::Helper {
            helper: path.display().to_string(),
            why: format!("the file is not readable: {e}"),
        })?;
        if let Some(login) = from_file(&file, host, repository)? {
            return Ok(Some(login));
        }
    }
    Ok(None)
}

fn candidates() -> Vec<PathBuf> {
    let env = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let home = env("HOME");
    let under_home = |path: &str| home.as_ref().map(|h| h.join(path));
    [
        env("REGISTRY_AUTH_FILE"),
        env("XDG_RUNTIME_DIR").map(|d| d.join("containers/auth.json")),
        under_home(".config/containers/auth.json"),
        env("DOCKER_CONFIG").map(|d| d.join("config.json")),
        under_home(".docker/config.json"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn from_file(file: &AuthFile, host: &str, repository: &str) -> Result<Option<Login>, Error> {
    for key in keys(host, repository) {
        if let Some(helper) = file.cred_helpers.get(&key) {
            return from_helper(helper, &key);
        }
        if let Some(login) = file.auths.get(&key).and_then(from_entry) {
            return Ok(Some(login));
        }
    }
    match &file.creds_store {
        Some(helper) => from_helper(helper, keys(host, "").first().map_or(host, String::as_str)),
        None => Ok(None),
    }
}

/// The names under which a login may stand, closest first: `host/a/b`, `host/a`, `host`, and Docker Hub's old address.
fn keys(host: &str, repository: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut path = repository;
    while !path.is_empty() {
        keys.push(format!("{host}/{path}"));
        path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    if host == "registry-1.docker.io" {
        keys.push("https://index.docker.io/v1/".into());
        keys.push("docker.io".into());
    }
    keys.push(host.into());
    keys.push(format!("https://{host}"));
    keys
}

fn from_entry(entry: &AuthEntry) -> Option<Login> {
    if !entry.identitytoken.is_empty() {
        return Some(Login::IdentityToken(entry.identitytoken.clone()));
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(entry.auth.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Login::Password(user.into(), password.trim_end_matches('\0').into()))
}

/// Asks `docker-credential-NAME get`; "not found" is no login, anything else is an error.
fn from_helper(name: &str, key: &str) -> Result<Option<Login>, Error> {
    let failed = |why: String| Error::Helper { helper: format!("docker-credential-{name}"), why };
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Err(failed("its name is not a plain word".into()));
    }
    let mut child = Command::new(Path::new(&format!("docker-credential-{name}")))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| failed(e.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(key.as_bytes()).map_err(|e| failed(e.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Ok(None);
    }
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout).map_err(|e| failed(e.to_string()))?;
    Ok(Some(match answer.username.as_str() {
        IDENTITY_TOKEN => Login::IdentityToken(answer.secret),
        _ => Login::Password(answer.username, answer.secret),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_login_wins() {
        let text = r#"{"auths": {"r.example": {"auth": "YTpi"}, "r.example/team": {"auth": "Yzpk"},
            "https://index.docker.io/v1/": {"identitytoken": "t"}, "broken": {"auth": "!"}}}"#;
        let file: AuthFile = serde_json::from_str(text).expect("valid");
        let password = |u: &str, p: &str| Some(Login::Password(u.into(), p.into()));
        for (host, repository, want) in [
            ("r.example", "other/app", password("a", "b")),
            ("r.example", "team/app", password("c", "d")),
            ("registry-1.docker.io", "library/alpine", Some(Login::IdentityToken("t".into()))),
            ("broken", "x", None),
            ("unknown", "x", None),
        ] {
            assert!(from_file(&file, host, repository).expect("no helper") == want, "{host}/{repository}");
        }
    }
}
