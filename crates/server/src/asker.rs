//! Who asks: somebody who was recognised, from where, and how the request came.

use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use model::role::{Grant, Role, Scope};
use store::{Caller, Principal};

/// The field of a form that names a request which is done once.
pub const KEY_FIELD: &str = "_key";
/// The field of a form that proves that a page of this console made it.
pub const CSRF_FIELD: &str = "_csrf";

/// Marks an answer that is not kept because it shows a secret.
#[derive(Debug, Clone, Copy)]
pub struct Secret;

/// Who asks. Handlers take it as an argument.
#[derive(Debug, Clone)]
pub struct Asker {
    /// Who, with which roles.
    pub principal: Principal,
    /// Address of the client.
    pub address: String,
    /// Its `User-Agent`.
    pub user_agent: String,
    /// What a form must carry; empty where the login came with the request.
    pub csrf: String,
    /// The name of the session of the console by which the request came, or empty.
    pub session: String,
    /// What makes this request happen once, or empty.
    pub key: String,
}

impl Asker {
    /// Makes the asker of a command that works on the data of its own machine: owner of everything, by the name of its user.
    pub fn local(user: &str) -> Self {
        let grants = vec![Grant { role: Role::Owner, scope: Scope::ALL }];
        let name = format!("cli:{user}");
        let principal = Principal { id: 0, name, kind: "local".into(), grants, limited: false, token: None };
        Self::new(principal, String::new(), String::new())
    }

    /// Makes an asker whose login came with the request.
    pub fn new(principal: Principal, address: String, user_agent: String) -> Self {
        let (csrf, session, key) = Default::default();
        Self { principal, address, user_agent, csrf, session, key }
    }

    /// Returns who asks as writes of the store want it.
    pub fn caller(&self) -> Caller {
        Caller {
            actor: self.principal.name.clone(),
            address: self.address.clone(),
            user_agent: self.user_agent.clone(),
            key: self.key.clone(),
            ..Caller::default()
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Problem> {
        head.extensions.get::<Self>().cloned().ok_or_else(Problem::sign_in)
    }
}
