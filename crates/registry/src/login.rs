//! `/oauth2/token`: a login becomes a registry token of five minutes that allows what was asked and the roles allow.

use crate::Registry;
use crate::access::{BASIC, Surroundings, credential, may};
use crate::error::{Code, Error};
use crate::hosts::Registries;
use crate::path::Parameters;
use crate::token::{Access, Claims, now, word};
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use model::Micros;
use serde_json::json;
use std::sync::Arc;
use store::{Credential, Principal};

/// More are refused: a token travels in a header.
const SCOPES: usize = 50;
/// Longest form: a few names, a password, fifty scopes.
const FORM_BYTES: usize = 32 << 10;

/// `GET /oauth2/token?service=…&scope=…`, Basic credentials: docker, skopeo, podman, crane.
pub(crate) async fn by_query(State(registries): State<Arc<Registries>>, request: Request<Body>) -> Response<Body> {
    let registry = match registries.of(request.headers(), request.uri()).await {
        Ok(registry) => registry,
        Err(error) => return error.into_response(),
    };
    let around = Surroundings::of(&registry, request.headers(), request.extensions());
    let asked = Parameters::parse(request.uri().query().unwrap_or_default());
    let asked = asked.and_then(|parameters| Ok((credential(request.headers())?, scopes(&parameters)?)));
    registry.login(asked, &around).await
}

/// `POST /oauth2/token`, a form with `grant_type`: containerd, oras, docker with an identity token.
pub(crate) async fn by_form(State(registries): State<Arc<Registries>>, request: Request<Body>) -> Response<Body> {
    let registry = match registries.of(request.headers(), request.uri()).await {
        Ok(registry) => registry,
        Err(error) => return error.into_response(),
    };
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
        let admitted = self.admit(around);
        let (principal, answer) = match self.try_login(admitted.and(asked), around).await {
            Ok((principal, claims)) => (Some(principal), Ok(claims)),
            Err(error) => (None, Err(error)),
        };
        let jwt = answer.as_ref().map_or("", |claims| claims.jti.as_str());
        let status = answer.as_ref().map_or_else(Error::status, |_| StatusCode::OK);
        self.log_login(around, principal.as_ref(), jwt, status);
        match answer {
            Ok(claims) => self.token(&claims),
            Err(error) if error.code() == Code::Unauthorized => {
                error.with_header(header::WWW_AUTHENTICATE, BASIC).into_response()
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
            token: principal.token,
            registry: self.entry.id,
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
