//! The scope bar: all, a subscription, a registry, a repository; it is part of the address.

use super::frame::{Step, link, visible};
use super::visit::Visit;
use crate::access;
use crate::params::encoded;
use crate::parts::Parts;
use crate::problem::Problem;
use fleet::{Filter, Index, Query, RepositoryRow, Sort};
use model::facts::{RegistryFact, SubscriptionFact};
use model::role;
use std::collections::BTreeSet;

/// At most so many names below a scope are offered; the list has all of them.
const OFFERED: usize = 40;

/// A part of the tree that the asker may see, down to where it goes.
#[derive(Debug, Clone, Default)]
pub struct Scoped {
    /// The subscription.
    pub subscription: Option<SubscriptionFact>,
    /// The registry.
    pub registry: Option<RegistryFact>,
    /// The repository.
    pub repository: Option<String>,
}

/// The repositories of `scope`, which the asker may see, in a part of the tree.
fn repositories(
    index: &Index,
    (visit, scope): (&Visit, &fleet::Scope),
    filter: Filter,
    limit: usize,
) -> Result<Vec<RepositoryRow>, Problem> {
    let scope = scope.clone();
    let query = Query { filter, scope, sort: Sort::default(), limit, now: (visit.parts.now)(), ..Query::default() };
    Ok(index.repositories(&query)?.items)
}

fn access_scope(visit: &Visit) -> Result<fleet::Scope, Problem> {
    access::readable(&visit.parts, &visit.who)
}

impl Scoped {
    /// Reads a path: `/`, `/GUID`, `/GUID/registry`, `/GUID/registry/repository`. What the asker may not see is absent.
    pub fn read(visit: &Visit, path: &str) -> Result<Self, Problem> {
        if path.is_empty() || path == "/" {
            return Ok(Self::default());
        }
        let absent = || Problem::absent("scope", path);
        let scope = role::Scope::parse(path).filter(|s| s.resource_group.is_none()).ok_or_else(absent)?;
        let guid = scope.subscription.as_deref().unwrap_or("");
        let readable = access_scope(visit)?;
        let everything = readable == fleet::Scope::Everything;
        visit.parts.index.ask(|index| {
            let subscription = index.subscriptions().iter().find(|s| s.guid == guid).ok_or_else(absent)?;
            let mut found = Self { subscription: Some(subscription.clone()), ..Self::default() };
            if let Some(name) = scope.registry.as_deref() {
                let is_it = |r: &&RegistryFact| r.subscription == subscription.id && r.name == name;
                found.registry = Some(index.registries().iter().find(is_it).ok_or_else(absent)?.clone());
            }
            found.repository = scope.repository.clone();
            let mut filter = Filter::default();
            for (name, value) in found.fields() {
                filter.field(name, value)?;
            }
            let empty =
                (!everything || found.repository.is_some()).then(|| repositories(index, (visit, &readable), filter, 1));
            match empty.transpose()? {
                Some(rows) if rows.is_empty() => Err(absent()),
                _ => Ok(found),
            }
        })
    }

    /// The path, or empty for everything.
    pub fn path(&self) -> String {
        let names = [
            self.subscription.as_ref().map(|s| s.guid.as_str()),
            self.registry.as_ref().map(|r| r.name.as_str()),
            self.repository.as_deref(),
        ];
        names.into_iter().map_while(|name| name).map(|name| format!("/{name}")).collect()
    }

    /// The same as parameters of a list.
    pub fn fields(&self) -> Vec<(&'static str, &str)> {
        let names = [
            ("subscription", self.subscription.as_ref().map(|s| s.guid.as_str())),
            ("registry", self.registry.as_ref().map(|r| r.name.as_str())),
            ("repository", self.repository.as_deref()),
        ];
        names.into_iter().filter_map(|(field, name)| Some((field, name?))).collect()
    }

    /// The steps from everything down to here; `to` makes the address of each.
    pub fn steps(&self, to: &dyn Fn(&str) -> String) -> Vec<Step> {
        let mut steps = vec![Step { text: "All".into(), link: to("") }];
        let mut path = String::new();
        if let Some(subscription) = &self.subscription {
            path.push_str(&format!("/{}", subscription.guid));
            steps.push(Step { text: visible(&subscription.name), link: to(&path) });
        }
        for name in self.registry.iter().map(|r| &r.name).chain(&self.repository) {
            path.push_str(&format!("/{name}"));
            steps.push(Step { text: visible(name), link: to(&path) });
        }
        steps
    }

    /// What is right below, as far as the asker may see it: how many of what, and where each leads.
    pub fn below(&self, visit: &Visit, to: &dyn Fn(&str) -> String) -> Result<(String, Vec<Step>), Problem> {
        if self.repository.is_some() {
            return Ok(Default::default());
        }
        let readable = access_scope(visit)?;
        let everything = readable == fleet::Scope::Everything;
        visit.parts.index.ask(|index| {
            let mut filter = Filter::default();
            for (name, value) in self.fields() {
                filter.field(name, value)?;
            }
            let limit = if self.registry.is_some() { OFFERED } else { usize::from(!everything) * 10_000 };
            let seen = if limit == 0 { Vec::new() } else { repositories(index, (visit, &readable), filter, limit)? };
            let (one, many, names) = self.names(index, everything, &seen);
            let step = |(text, path): &(String, String)| Step { text: visible(text), link: to(path) };
            let count = if names.len() == 1 { one } else { many };
            let more = if names.len() == OFFERED { "+" } else { "" };
            Ok((format!("{}{more} {count}", names.len()), names.iter().take(OFFERED).map(step).collect()))
        })
    }

    /// Names and paths of what is right below.
    fn names(
        &self,
        index: &Index,
        everything: bool,
        seen: &[RepositoryRow],
    ) -> (&'static str, &'static str, Vec<(String, String)>) {
        let path = self.path();
        if self.registry.is_some() {
            let names = seen.iter().map(|row| (row.name.clone(), format!("{path}/{}", row.name)));
            return ("repository", "repositories", names.collect());
        }
        let subscriptions: BTreeSet<_> = seen.iter().map(|row| row.subscription_id).collect();
        let registries: BTreeSet<_> = seen.iter().map(|row| row.registry_id).collect();
        if let Some(subscription) = &self.subscription {
            let here = index.registries().iter().filter(|r| r.subscription == subscription.id);
            let here = here.filter(|r| everything || registries.contains(&r.id));
            return ("registry", "registries", here.map(|r| (r.name.clone(), format!("{path}/{}", r.name))).collect());
        }
        let here = index.subscriptions().iter().filter(|s| everything || subscriptions.contains(&s.id));
        ("subscription", "subscriptions", here.map(|s| (s.name.clone(), format!("/{}", s.guid))).collect())
    }
}

/// The names of subscriptions: scopes are written with their GUIDs, people know their names.
pub struct Names(Vec<(String, String)>);

impl Names {
    /// Reads them.
    pub fn read(parts: &Parts) -> Self {
        let pairs = |index: &Index| index.subscriptions().iter().map(|s| (s.guid.clone(), s.name.clone())).collect();
        Self(parts.index.ask(|index| Ok(pairs(index))).unwrap_or_default())
    }

    /// A scope for people: `production/local/payments/api`.
    pub fn of(&self, path: &str) -> String {
        let (guid, below) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        if guid.is_empty() {
            return "everything".to_owned();
        }
        let name = self.0.iter().find(|(known, _)| known == guid).map_or(guid, |(_, name)| name);
        match below.strip_prefix('@') {
            Some(group) => visible(&format!("{name}, resource group {group}")),
            None if below.is_empty() => visible(name),
            None => visible(&format!("{name}/{below}")),
        }
    }
}

/// The address of a part of the tree in the walk.
pub fn walk(path: &str) -> String {
    if path.is_empty() {
        return "/inventory".to_owned();
    }
    format!("/s{}", path.split('/').map(encoded).collect::<Vec<_>>().join("/"))
}

/// The address of a list in a part of the tree.
pub fn listed(list: &str, q: &str, path: &str) -> String {
    link(list, &[("scope", path), ("q", q)])
}
