//! Who asks, and whether they may: deny by default.
//!
//! A request without a credential, or with a wrong one, is nobody's. What somebody may see is a scope that every question to the
//! index carries; a thing outside of it is as absent as one that does not exist.

use crate::parts::Parts;
use crate::problem::Problem;
use axum::http::{HeaderMap, header};
use base64::Engine;
use fleet::{Filter, Index, Query, Scope};
use model::facts::{Id, RegistryFact};
use model::role::{Action, allowed};
use store::{Credential, Principal};

/// Recognises the sender of a request.
pub async fn principal(parts: &Parts, headers: &HeaderMap) -> Result<Principal, Problem> {
    let value = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).ok_or_else(Problem::sign_in)?;
    let credential = credential(value).ok_or_else(Problem::wrong_login)?;
    match parts.store.authenticate(&credential).await {
        Ok(principal) => Ok(principal),
        Err(store::Error::WrongCredentials) => Err(Problem::wrong_login()),
        Err(error) => Err(error.into()),
    }
}

fn credential(value: &str) -> Option<Credential> {
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credential::Bearer(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credential::Basic { user: user.to_owned(), password: password.to_owned() })
}

/// Refuses an action that no role of somebody allows. Reading is then narrowed to the scopes of those roles (`readable`); what
/// concerns everything, such as the queue, needs the role over everything.
pub fn may(principal: &Principal, action: Action) -> Result<(), Problem> {
    let granted = match action {
        Action::Read => principal.grants.iter().any(|g| g.role.allows(action)),
        _ => allowed(&principal.grants, action, &model::role::Scope::ALL),
    };
    if granted { Ok(()) } else { Err(Problem::forbidden(action.as_str())) }
}

/// The part of the fleet that somebody may read; nobody without any reading role gets here.
pub fn readable(parts: &Parts, principal: &Principal) -> Result<Scope, Problem> {
    let grants: Vec<_> = principal.grants.iter().filter(|g| g.role.allows(Action::Read)).collect();
    if grants.is_empty() {
        return Err(Problem::forbidden(Action::Read.as_str()));
    }
    if grants.iter().any(|g| g.scope == model::role::Scope::ALL) {
        return Ok(Scope::Everything);
    }
    parts.index.ask(|index| {
        let mut within = Within::default();
        for grant in &grants {
            within.add(index, &grant.scope)?;
        }
        let Within { subscriptions, registries, repositories } = within;
        Ok(Scope::Within { subscriptions, registries, repositories })
    })
}

/// The row ids of what somebody may read.
#[derive(Default)]
struct Within {
    subscriptions: Vec<Id>,
    registries: Vec<Id>,
    repositories: Vec<Id>,
}

impl Within {
    /// Adds a scope; one that names what is not there adds nothing.
    fn add(&mut self, index: &Index, scope: &model::role::Scope) -> Result<(), Problem> {
        let guid = scope.subscription.as_deref();
        let Some(subscription) = index.subscriptions().iter().find(|s| Some(s.guid.as_str()) == guid) else {
            return Ok(());
        };
        let Some(name) = &scope.registry else {
            match &scope.resource_group {
                None => self.subscriptions.push(subscription.id),
                Some(group) => self.registries.extend(in_group(index, subscription.id, group)),
            }
            return Ok(());
        };
        let found = index.registries().iter().find(|r| r.subscription == subscription.id && r.name == *name);
        match (found, &scope.repository) {
            (Some(registry), None) => self.registries.push(registry.id),
            (Some(registry), Some(name)) => self.repositories.extend(repository(index, &registry.name, name)?),
            (None, _) => {}
        }
        Ok(())
    }
}

/// The row ids of the registries of a resource group.
fn in_group(index: &Index, subscription: Id, group: &str) -> Vec<Id> {
    let of = |r: &&RegistryFact| r.subscription == subscription && r.resource_group == group;
    index.registries().iter().filter(of).map(|r| r.id).collect()
}

/// The row id of a repository, if it is there.
fn repository(index: &Index, registry: &str, name: &str) -> Result<Option<Id>, Problem> {
    let mut filter = Filter::default();
    filter.field("registry", registry)?;
    filter.field("repository", name)?;
    let page = index.repositories(&Query { filter, limit: crate::params::LIMIT, ..Query::default() })?;
    Ok(page.items.into_iter().find(|row| row.registry == registry && row.name == name).map(|row| row.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_basic_and_bearer_are_logins() {
        for (value, ok) in [
            ("Basic YTpi", true),
            ("basic YTpi", true),
            ("Bearer pw_x", true),
            ("Basic !", false),
            ("Digest x", false),
            ("x", false),
        ] {
            assert_eq!(credential(value).is_some(), ok, "{value}");
        }
    }
}
