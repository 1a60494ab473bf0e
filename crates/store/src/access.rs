//! Who may do what: principals, passwords, tokens, roles.

use crate::{Error, Result, Store};
use model::Micros;
use model::facts::Id;
use model::role::Grant;

/// What a request brings along.
#[derive(Clone)]
pub enum Credential {
    /// User and password; a token is taken as the password of any user name.
    Basic { user: String, password: String },
    /// A token, `pw_…`.
    Bearer(String),
}

/// Somebody who was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Row id.
    pub id: Id,
    /// Name.
    pub name: String,
    /// `user` or `robot`.
    pub kind: String,
    /// Roles, each in a scope.
    pub grants: Vec<Grant>,
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Whose it is.
    pub principal: Id,
    /// What it is for.
    pub name: String,
    /// When it ends; `Micros::FOREVER` = never.
    pub expires: Micros,
}

/// A token as it is listed: its secret is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Row id.
    pub id: Id,
    /// Whose it is.
    pub principal: String,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub since: Micros,
    /// When it ends.
    pub expires: Micros,
}

impl Store {
    /// Makes the principal `admin` (Owner of everything) unless there is one. Without a password one is made, kept in
    /// `DATA/admin-password` (0600) and returned.
    pub async fn ensure_admin(&self, _password: Option<&str>) -> Result<Option<String>> {
        Err(Error::WrongCredentials)
    }

    /// Makes a principal; an empty password means tokens only.
    pub async fn make_principal(&self, _name: &str, _kind: &str, _password: &str) -> Result<Id> {
        Err(Error::WrongCredentials)
    }

    /// Gives a principal a role in a scope.
    pub async fn grant(&self, _principal: Id, _grant: &Grant) -> Result<()> {
        Err(Error::WrongCredentials)
    }

    /// Takes a role away.
    pub async fn revoke(&self, _principal: Id, _grant: &Grant) -> Result<()> {
        Err(Error::WrongCredentials)
    }

    /// Recognises a principal; `Error::WrongCredentials` says nothing about what was wrong, and takes as long for every cause.
    pub async fn authenticate(&self, _credential: &Credential) -> Result<Principal> {
        Err(Error::WrongCredentials)
    }

    /// Makes a token; its text is returned once and never again.
    pub async fn make_token(&self, _token: &NewToken) -> Result<(Id, String)> {
        Err(Error::WrongCredentials)
    }

    /// Lists the tokens that are in force.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        Err(Error::WrongCredentials)
    }

    /// Ends a token.
    pub async fn end_token(&self, _id: Id) -> Result<bool> {
        Err(Error::WrongCredentials)
    }
}
