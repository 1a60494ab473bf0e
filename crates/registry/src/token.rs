//! `/oauth2/token`: a password or token for a short-lived registry token of narrow scope.
//!
//! In: Basic credentials or a form, and scopes `repository:team/app:pull,push`.
//! Out: `pwr1.<claims>.<mac>`: JSON and HMAC-SHA256, both base64url. A format of our own and one algorithm: nothing in a
//! token chooses how it is checked. Sources: Docker token authentication, "GET /token" and "POST /token".

use crate::Registry;
use crate::access::{Surroundings, credential, may};
use crate::error::{Code, Error};
use crate::path::Parameters;
use aws_lc_rs::hmac;
use axum::body::Body;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use model::facts::Id;
use model::role::Action;
use model::{Micros, reference};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use store::{Credential, LogEntry, Principal};

const PREFIX: &str = "pwr1.";
/// More are refused: a token travels in a header.
const SCOPES: usize = 50;
/// Longest form: a few names, a password, fifty scopes.
const FORM_BYTES: usize = 32 << 10;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// Its id, for the logs.
    pub(crate) jti: String,
    /// Row id of the principal.
    pub(crate) principal: Id,
    /// When it ends.
    pub(crate) expires: Micros,
    /// What it is limited to.
    pub(crate) access: Vec<Access>,
}

/// What a token is limited to, one entry a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Access {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    actions: Vec<String>,
}

impl Access {
    /// Reads `repository:team/app:pull,push`; `None`: a scope that means nothing here.
    fn parse(scope: &str) -> Option<Self> {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        match kind {
            "repository" => reference::check_repository(name).ok()?,
            "registry" if name == "catalog" => {}
            _ => return None,
        }
        let actions = actions.split(',').map(str::to_owned).collect();
        Some(Self { kind: kind.to_owned(), name: name.to_owned(), actions })
    }

    /// Returns whether it reaches an action in a repository.
    pub(crate) fn covers(&self, repository: &str, action: Action) -> bool {
        self.kind == "repository" && self.name == repository && self.actions.iter().any(|a| word(a) == Some(action))
    }

    /// Returns whether it reaches the catalog.
    pub(crate) fn is_catalog(&self) -> bool {
        self.kind == "registry"
    }
}

fn word(action: &str) -> Option<Action> {
    match action {
        "pull" => Some(Action::Pull),
        "push" => Some(Action::Push),
        "delete" => Some(Action::Delete),
        _ => None,
    }
}

impl Claims {
    /// Returns whether a text has the form of a registry token; an API token has another.
    pub(crate) fn looks_like(text: &str) -> bool {
        text.starts_with(PREFIX)
    }
}

/// Makes and checks tokens with one key, which every process of an installation shares through the store.
pub(crate) struct Signer {
    key: hmac::Key,
}

impl Signer {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    fn sign(&self, claims: &Claims) -> String {
        let body = serde_json::to_vec(claims).unwrap_or_default();
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(body));
        let mac = hmac::sign(&self.key, text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref()))
    }

    /// Returns what a token says, if it is ours and not over.
    pub(crate) fn verify(&self, token: &str, now: Micros) -> Option<Claims> {
        let (text, mac) = token.rsplit_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.key, text.as_bytes(), &mac).ok()?;
        let body = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let claims: Claims = serde_json::from_slice(&body).ok()?;
        (now < claims.expires).then_some(claims)
    }
}

/// Returns the time of the wall clock.
pub(crate) fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// `GET /oauth2/token?service=…&scope=…`, Basic credentials: docker, skopeo, podman, crane.
pub(crate) async fn by_query(State(registry): State<Arc<Registry>>, request: Request<Body>) -> Response<Body> {
    let around = Surroundings::of(&registry, request.headers(), request.extensions());
    let asked = Parameters::parse(request.uri().query().unwrap_or_default());
    let asked = asked.and_then(|parameters| Ok((credential(request.headers())?, scopes(&parameters)?)));
    registry.login(asked, &around).await
}

/// `POST /oauth2/token`, a form with `grant_type`: containerd, oras, docker with an identity token.
pub(crate) async fn by_form(State(registry): State<Arc<Registry>>, request: Request<Body>) -> Response<Body> {
    let around = Surroundings::of(&registry, request.headers(), request.extensions());
    let (head, body) = request.into_parts();
    let asked = match axum::body::to_bytes(body, FORM_BYTES).await {
        Ok(bytes) => read_form(&head.headers, &bytes),
        Err(_) => Err(Error::new(Code::SizeInvalid, "the form is too long")),
    };
    registry.login(asked, &around).await
}

type Asked = (Option<Credential>, Vec<Access>);

fn read_form(headers: &HeaderMap, bytes: &[u8]) -> Result<Asked, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::new(Code::Unsupported, "the form is not UTF-8"))?;
    let form = Parameters::parse(text)?;
    let field = |name| Ok::<_, Error>(form.one(name)?.unwrap_or_default().to_owned());
    let credential = match form.one("grant_type")? {
        Some("password") => Some(Credential::Basic { user: field("username")?, password: field("password")? }),
        Some("refresh_token") => Some(Credential::Bearer(field("refresh_token")?)),
        None => credential(headers)?,
        Some(_) => return Err(Error::new(Code::Unsupported, "grant_type is neither password nor refresh_token")),
    };
    Ok((credential, scopes(&form)?))
}

/// Scopes come several to a parameter, or the parameter several times.
fn scopes(parameters: &Parameters) -> Result<Vec<Access>, Error> {
    let asked: Vec<&str> = parameters.all("scope").flat_map(|s| s.split(' ')).filter(|s| !s.is_empty()).collect();
    if asked.len() > SCOPES {
        return Err(Error::new(Code::Unsupported, "too many scopes"));
    }
    Ok(asked.into_iter().filter_map(Access::parse).collect())
}

impl Registry {
    async fn login(&self, asked: Result<Asked, Error>, around: &Surroundings) -> Response<Body> {
        let started = std::time::Instant::now();
        let (principal, answer) = match self.try_login(asked, around).await {
            Ok((principal, claims)) => (Some(principal), Ok(claims)),
            Err(error) => (None, Err(error)),
        };
        let entry = LogEntry {
            login: true,
            operation: "login".into(),
            login_server: around.host.clone(),
            caller: around.caller(principal.as_ref()),
            jwt: answer.as_ref().map(|claims| claims.jti.clone()).unwrap_or_default(),
            result: answer.as_ref().map_or_else(|e| i64::from(e.status().as_u16()), |_| 200),
            micros: i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX),
            registry: self.entry.id,
            ..LogEntry::default()
        };
        if let Err(error) = self.store.log(&entry).await {
            tracing::warn!(%error, "a login was not logged");
        }
        match answer {
            Ok(claims) => self.token(&claims),
            Err(error) if error.code() == Code::Unauthorized => {
                error.with_header(header::WWW_AUTHENTICATE, "Basic realm=\"Portwarden\"").into_response()
            }
            Err(error) => error.into_response(),
        }
    }

    async fn try_login(
        &self,
        asked: Result<Asked, Error>,
        around: &Surroundings,
    ) -> Result<(Principal, Claims), Error> {
        let (credential, asked) = asked?;
        let credential = credential.ok_or_else(|| Error::new(Code::Unauthorized, "log in first"))?;
        let principal = self.recognise(&credential, around).await?;
        let claims = Claims {
            jti: uuid::Uuid::new_v4().to_string(),
            principal: principal.id,
            expires: now().saturating_add(self.settings.token_life),
            access: self.granted(&principal, asked),
        };
        Ok((principal, claims))
    }

    /// Leaves of what was asked what the roles allow. A token without any scope is still a login.
    fn granted(&self, principal: &Principal, asked: Vec<Access>) -> Vec<Access> {
        let mut granted = Vec::new();
        for mut access in asked {
            if access.is_catalog() {
                access.actions = vec!["*".into()];
            } else {
                let every = access.actions.iter().any(|action| action == "*");
                let words = ["pull", "push", "delete"];
                let wanted = words.iter().filter(|w| every || access.actions.iter().any(|a| a == *w));
                let held = |w: &&&str| word(w).is_some_and(|action| may(principal, self, action, &access.name));
                access.actions = wanted.filter(held).map(|w| (*w).to_owned()).collect();
            }
            if !access.actions.is_empty() {
                granted.push(access);
            }
        }
        granted
    }

    fn token(&self, claims: &Claims) -> Response<Body> {
        let text = self.signer.sign(claims);
        let body = json!({
            "token": text,
            "access_token": text,
            "expires_in": self.settings.token_life.as_secs(),
            "issued_at": Micros(now().0 / 1_000_000 * 1_000_000).rfc3339(),
        });
        let mut response = Response::new(Body::from(body.to_string()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_was_touched_or_is_over_says_nothing() {
        let signer = Signer::new(&[1; 32]);
        let access = Access::parse("repository:team/app:pull,push").unwrap();
        let claims = Claims { jti: "x".into(), principal: 7, expires: Micros(1_000), access: vec![access] };
        let token = signer.sign(&claims);
        assert_eq!(signer.verify(&token, Micros(999)), Some(claims.clone()));
        assert_eq!(signer.verify(&token, Micros(1_000)), None, "over");
        assert_eq!(Signer::new(&[2; 32]).verify(&token, Micros(0)), None, "another key");
        for at in 0..token.len() {
            let mut touched = token.clone().into_bytes();
            touched[at] ^= 1;
            let touched = String::from_utf8(touched).unwrap();
            assert_eq!(signer.verify(&touched, Micros(0)), None, "byte {at}");
        }
        for text in ["", ".", "pwr1.", "pwr1..", "pwr1.e30.", "a.b.c"] {
            assert_eq!(signer.verify(text, Micros(0)), None, "{text:?}");
        }
    }

    #[test]
    fn scopes_reach_what_they_name_and_nothing_else() {
        for (scope, repository, action, want) in [
            ("repository:team/app:pull,push", "team/app", Action::Push, true),
            ("repository:team/app:pull", "team/app", Action::Push, false),
            ("repository:team/app:pull", "team", Action::Pull, false),
            ("repository:team/app:", "team/app", Action::Pull, false),
            ("registry:catalog:*", "catalog", Action::Pull, false),
        ] {
            assert_eq!(Access::parse(scope).unwrap().covers(repository, action), want, "{scope}");
        }
        for scope in ["", "repository", "repository:app", "repository:A:pull", "other:app:pull", "registry:x:*"] {
            assert_eq!(Access::parse(scope), None, "{scope:?}");
        }
    }
}
