//! Who asks, and whether they may: deny by default.
//!
//! A request without a credential, or with a wrong one, is nobody's. What somebody may see is a scope that every question to the
//! index carries; a thing outside of it is as absent as one that does not exist.

use crate::parts::Parts;
use crate::problem::Problem;
use axum::http::{HeaderMap, header};
use base64::Engine;
use fleet::{Filter, Index, Query, Scope as Within};
use model::facts::Id;
use model::role::{Action, Scope, allowed};
use store::{Credential, Principal};

/// Where the right is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: what belongs to the asker alone. The handler touches nothing else.
    Own,
    /// In some scope: a list is narrowed to where it holds; a write asks `may_in` for the node that the request names.
    Any,
    /// Over everything.
    All,
}

/// Recognises the sender of a request.
pub async fn principal(parts: &Parts, headers: &HeaderMap, address: &str) -> Result<Principal, Problem> {
    let value = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).ok_or_else(Problem::sign_in)?;
    let credential = credential(value).ok_or_else(Problem::wrong_login)?;
    Ok(parts.store.authenticate(&credential, address).await?)
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

/// Refuses whom no role allows an action in the place that a row of a table names. Reading is then narrowed to the scopes of the
/// roles (`readable`), a write asks for the node that it is about (`may_in`).
pub fn may(principal: &Principal, action: Action, place: Place) -> Result<(), Problem> {
    match place {
        Place::Own => Ok(()),
        Place::Any if principal.grants.iter().any(|g| g.role.allows(action)) => Ok(()),
        Place::Any => {
            let detail =
                format!("this needs {} in the scope concerned; you have it nowhere", action.least_role().title());
            Err(Problem { detail, ..Problem::forbidden(action.as_str()) })
        }
        Place::All => may_in(principal, action, &Scope::ALL),
    }
}

/// Refuses whom no role allows an action in a scope; says which role is missing.
pub fn may_in(principal: &Principal, action: Action, scope: &Scope) -> Result<(), Problem> {
    if allowed(&principal.grants, action, scope) { Ok(()) } else { Err(Problem::needs(action, scope)) }
}

/// Reads the path of a scope that a request names in a field. One that is not there, and one in which the asker has no role at all,
/// are the same: absent. The scope that is returned knows its resource group.
pub fn scope_at(parts: &Parts, principal: &Principal, field: &str, path: &str) -> Result<Scope, Problem> {
    let wrong = || {
        let want =
            "want /, /SUBSCRIPTION, /SUBSCRIPTION/@GROUP, /SUBSCRIPTION/REGISTRY or /SUBSCRIPTION/REGISTRY/REPOSITORY";
        Problem::parameter(field, format!("{path:?} is not a scope; {want}"))
    };
    let mut scope = Scope::parse(path).ok_or_else(wrong)?;
    if scope.repository.as_deref().is_some_and(|name| model::reference::check_repository(name).is_err()) {
        return Err(wrong());
    }
    let asked = scope.clone();
    let found = parts.index.ask(|index| Ok(located(index, &mut scope)))?;
    let near = |held: &Scope| held.holds(&scope) || asked.holds(held); // what is below a registry does not name the group
    if found && principal.grants.iter().any(|grant| near(&grant.scope)) {
        return Ok(scope);
    }
    Err(Problem { field: field.into(), ..Problem::absent("scope", path) })
}

/// The same scope with its resource group, if it is still there.
pub fn placed(parts: &Parts, scope: &Scope) -> Option<Scope> {
    let mut scope = scope.clone();
    let found = parts.index.ask(|index| Ok(located(index, &mut scope))).unwrap_or(false);
    found.then_some(scope)
}

/// The registries of a resource group, as scopes without the group.
pub fn registries_of(parts: &Parts, group: &Scope) -> Result<Vec<Scope>, Problem> {
    parts.index.ask(|index| {
        let guid = group.subscription.as_deref();
        let subscription = index.subscriptions().iter().find(|s| Some(s.guid.as_str()) == guid);
        let of = |r: &&model::facts::RegistryFact| {
            subscription.is_some_and(|s| s.id == r.subscription)
                && group.resource_group.as_ref() == Some(&r.resource_group)
        };
        let scope = |r: &model::facts::RegistryFact| Scope {
            subscription: group.subscription.clone(),
            resource_group: None,
            registry: Some(r.name.clone()),
            repository: None,
        };
        Ok(index.registries().iter().filter(of).map(scope).collect())
    })
}

/// A registry as a scope.
pub fn of_registry(guid: &str, registry: &model::facts::RegistryFact) -> Scope {
    Scope {
        subscription: Some(guid.to_owned()),
        resource_group: Some(registry.resource_group.clone()),
        registry: Some(registry.name.clone()),
        repository: None,
    }
}

/// Finds a scope in the tree and fills its resource group in. A repository need not be there yet.
pub fn located(index: &Index, scope: &mut Scope) -> bool {
    let Some(guid) = &scope.subscription else { return true };
    let all = index.subscriptions();
    // People write the name; where two have it, only the id will do.
    let mut named = all.iter().filter(|s| s.name == *guid);
    let named = named.next().filter(|_| named.next().is_none());
    let Some(subscription) = all.iter().find(|s| s.guid == *guid).or(named) else { return false };
    scope.subscription = Some(subscription.guid.clone());
    let mut registries = index.registries().iter().filter(|r| r.subscription == subscription.id);
    match (&scope.registry, &scope.resource_group) {
        (Some(name), _) => {
            let Some(registry) = registries.find(|r| r.name == *name) else { return false };
            scope.resource_group = Some(registry.resource_group.clone());
            true
        }
        (None, Some(group)) => registries.any(|r| r.resource_group == *group),
        (None, None) => true,
    }
}

/// The part of the fleet that somebody may read; nobody without any reading role gets here.
pub fn readable(parts: &Parts, principal: &Principal) -> Result<Within, Problem> {
    within(parts, principal, Action::Read)
}

/// The part of the fleet where somebody may do something; nobody without any role for it gets here.
pub fn within(parts: &Parts, principal: &Principal, action: Action) -> Result<Within, Problem> {
    let grants: Vec<_> = principal.grants.iter().filter(|g| g.role.allows(action)).collect();
    if grants.is_empty() {
        return Err(Problem::forbidden(action.as_str()));
    }
    if grants.iter().any(|g| g.scope == Scope::ALL) {
        return Ok(Within::Everything);
    }
    parts.index.ask(|index| {
        let mut rows = Rows::default();
        for grant in &grants {
            rows.add(index, &grant.scope)?;
        }
        let Rows { subscriptions, registries, repositories } = rows;
        Ok(Within::Within { subscriptions, registries, repositories })
    })
}

/// The row ids of what somebody may read.
#[derive(Default)]
struct Rows {
    subscriptions: Vec<Id>,
    registries: Vec<Id>,
    repositories: Vec<Id>,
}

impl Rows {
    /// Adds a scope; one that names what is not there adds nothing.
    fn add(&mut self, index: &Index, scope: &Scope) -> Result<(), Problem> {
        let guid = scope.subscription.as_deref();
        let Some(subscription) = index.subscriptions().iter().find(|s| Some(s.guid.as_str()) == guid) else {
            return Ok(());
        };
        let mut registries = index.registries().iter().filter(|r| r.subscription == subscription.id);
        let Some(name) = &scope.registry else {
            match &scope.resource_group {
                None => self.subscriptions.push(subscription.id),
                Some(group) => self.registries.extend(registries.filter(|r| r.resource_group == *group).map(|r| r.id)),
            }
            return Ok(());
        };
        let found = registries.find(|r| r.name == *name);
        match (found, &scope.repository) {
            (Some(registry), None) => self.registries.push(registry.id),
            (Some(registry), Some(name)) => self.repositories.extend(repository(index, &registry.name, name)?),
            (None, _) => {}
        }
        Ok(())
    }
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
