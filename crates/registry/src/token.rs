//! `/oauth2/token`: a password or token for a short-lived registry token of narrow scope.
//!
//! In: Basic credentials or a form, and scopes `repository:team/app:pull,push`.
//! Out: `pwr1.<claims>.<mac>`: JSON and HMAC-SHA256, both base64url. A format of our own and one algorithm: nothing in a
//! token chooses how it is checked. Sources: Docker token authentication, "GET /token" and "POST /token".

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::facts::Id;
use model::role::Action;
use model::{Micros, reference};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

const PREFIX: &str = "pwr1.";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// Its id, for the logs.
    pub(crate) jti: String,
    /// Row id of the principal.
    pub(crate) principal: Id,
    /// Row id of the API token it was given for: no more is allowed than that allows, and no longer.
    pub(crate) token: Option<Id>,
    /// Row id of the registry that it is for.
    pub(crate) registry: Id,
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
    pub(crate) name: String,
    pub(crate) actions: Vec<String>,
}

impl Access {
    /// Reads `repository:team/app:pull,push`; `None`: a scope that means nothing here.
    pub(crate) fn parse(scope: &str) -> Option<Self> {
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

/// Returns the action that a word of a scope asks for.
pub(crate) fn word(action: &str) -> Option<Action> {
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

    pub(crate) fn sign(&self, claims: &Claims) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_was_touched_or_is_over_says_nothing() {
        let signer = Signer::new(&[1; 32]);
        let access = Access::parse("repository:team/app:pull,push").unwrap();
        let claims = Claims {
            jti: "x".into(),
            principal: 7,
            token: Some(3),
            registry: 1,
            expires: Micros(1_000),
            access: vec![access],
        };
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
