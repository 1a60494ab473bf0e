//! What a disable rule hides, and what a plan that is off freezes, in plain code.

use crate::world::DAY;
use crate::{Row, Spot, holds};
use model::facts::*;
use model::role::Scope;
use model::rule::RuleFact;
use model::severity::Severity;
use model::time::Micros;

/// A text in which `*` stands for any text; case aside.
fn like(pattern: &str, text: &str) -> bool {
    fn match_rest(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|n| match_rest(rest, &text[n..])),
            Some((c, rest)) => text.first() == Some(c) && match_rest(rest, &text[1..]),
        }
    }
    let chars = |t: &str| t.to_lowercase().chars().collect::<Vec<_>>();
    match_rest(&chars(pattern), &chars(text))
}

/// Nothing asked, or one of the patterns like one of the texts.
fn some_like(patterns: &[String], texts: &[&str]) -> bool {
    patterns.is_empty() || patterns.iter().any(|p| texts.iter().any(|t| like(p, t)))
}

pub fn scope_of(spot: &Spot<'_>) -> Scope {
    let registry = spot.registry;
    Scope::repository(&spot.subscription.guid, &registry.resource_group, &registry.name, &spot.repository.name)
}

fn parts(scope: &Scope) -> usize {
    [scope.subscription.is_some(), scope.resource_group.is_some(), scope.registry.is_some(), scope.repository.is_some()]
        .iter()
        .rposition(|part| *part)
        .map_or(0, |last| last + 1)
}

/// The rules in force in the repository of a spot.
fn in_force<'a>(world: &'a Snapshot, spot: &Spot<'_>, at: Option<Micros>, now: Micros) -> Vec<&'a RuleFact> {
    let here = scope_of(spot);
    let stands = |r: &&RuleFact| holds(r.since, r.until, at) && at.unwrap_or(now) < r.expires && r.scope.holds(&here);
    let standing: Vec<&RuleFact> = world.rules.iter().filter(stands).collect();
    let overridden =
        |r: &RuleFact| standing.iter().any(|s| s.overrides == Some(r.uid) && parts(&s.scope) > parts(&r.scope));
    standing.iter().copied().filter(|r| !r.paused && !overridden(r)).collect()
}

pub fn hides(world: &Snapshot, rule: &RuleFact, row: &Row<'_>, tags: &[&str]) -> bool {
    let (c, v, p, spot) = (&rule.criteria, row.vulnerability, row.package, &row.spot);
    let mut names: Vec<&str> = vec![&v.name];
    names.extend(world.aliases.iter().filter(|(_, id)| *id == v.id).map(|(name, _)| name.as_str()));
    let purl = p.purl.trim_start_matches("pkg:");
    let packages: Vec<String> = c.packages.iter().map(|t| t.trim_start_matches("pkg:").to_owned()).collect();
    let kind = if p.ecosystem == "pypi" { vec!["pypi"] } else { vec!["debian", "debian:12", "deb"] };
    let is_kind = |t: &String| kind.contains(&t.to_lowercase().as_str()) || t == row.found.category.as_str();
    let title = v.title.to_lowercase();
    let path = format!("{}/{}", spot.registry.name, spot.repository.name);
    let inventory = spot.inventory.map_or(0, |i| i.id);
    let paths: Vec<&str> = world
        .paths
        .iter()
        .filter(|f| f.inventory == inventory)
        .flat_map(|f| f.paths.iter().filter(|(of, _)| *of == p.id).map(|(_, path)| path.as_str()))
        .collect();
    let known = |path: &&str| c.paths.iter().any(|t| like(t.trim_start_matches('/'), path));
    some_like(&c.finding_ids, &names)
        && (c.categories.is_empty() || c.categories.iter().any(is_kind))
        && (c.security_checks.is_empty() || c.security_checks.iter().any(|t| title.contains(&t.to_lowercase())))
        && c.cvss_below.is_none_or(|bound| (0..bound as i32).contains(&v.cvss))
        && c.severity_below.is_none_or(|bound| row.found.severity != Severity::Unknown && row.found.severity < bound)
        && !(c.not_patchable && row.found.fixable)
        && !(c.not_known_exploited && v.kev.0 > 0)
        && some_like(&packages, &[&p.name, purl])
        && (c.states.is_empty() || c.states.contains(&row.found.state))
        && (c.digests.is_empty() || c.digests.contains(&spot.image.digest))
        && some_like(&c.tags, tags)
        && some_like(&c.repositories, &[&spot.repository.name, &path])
        && (c.paths.is_empty() || (!paths.is_empty() && paths.iter().all(known)))
        && some_like(&c.os_releases, &[&spot.image.os])
}

/// The rules that hide a finding.
pub fn hidden_by<'a>(
    world: &'a Snapshot,
    row: &Row<'_>,
    tags: &[&str],
    at: Option<Micros>,
    now: Micros,
) -> Vec<&'a RuleFact> {
    in_force(world, &row.spot, at, now).into_iter().filter(|rule| hides(world, rule, row, tags)).collect()
}

fn plan_on(world: &Snapshot, registry: &RegistryFact, guid: &str, at: Micros) -> bool {
    let of = |name: Option<&str>| {
        let here = |p: &&PlanFact| {
            let scope = (p.scope.subscription.as_deref(), p.scope.registry.as_deref());
            scope == (Some(guid), name) && holds(p.since, p.until, Some(at))
        };
        world.plans.iter().find(here)
    };
    let (above, own) = (of(None), of(Some(&registry.name)));
    match (above, own) {
        (_, Some(own)) if own.enforce => own.standard,
        (Some(above), _) if above.enforce => above.standard,
        (_, Some(own)) => own.standard,
        (Some(above), None) => above.standard,
        (None, None) => false,
    }
}

/// The moment of which a registry is seen, if its plan is off: the day on which it was last on the day before.
pub fn frozen(world: &Snapshot, registry: &RegistryFact, guid: &str, at: Option<Micros>) -> Option<Micros> {
    let of = |p: &PlanFact| {
        p.scope.subscription.as_deref() == Some(guid) && p.scope.registry.as_ref().is_none_or(|r| *r == registry.name)
    };
    let last = at.map_or(crate::world::END, |at| at.0 / DAY);
    if !world.plans.iter().any(of) || plan_on(world, registry, guid, Micros(last * DAY)) {
        return None;
    }
    let mut days = (0..=last).rev().map(|day| Micros(day * DAY));
    Some(days.find(|day| plan_on(world, registry, guid, Micros(day.0 - 1))).unwrap_or(Micros(i64::MIN)))
}

/// The moment of which a repository is seen where the plan is off: one that came there later is seen as it came.
pub fn as_it_came(repository: &RepositoryFact, off: Micros, at: Option<Micros>) -> Micros {
    let moment = if repository.moved > off.max(Micros(0)) { repository.seen } else { off };
    at.map_or(moment, |at| moment.min(at))
}
