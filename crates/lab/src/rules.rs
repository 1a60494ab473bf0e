//! Disable rules for a made fleet, always the same.
//!
//! In: the facts of a fleet, and how many rules. Out: rules of every kind of criterion at every node of the scope tree: half
//! of them name vulnerabilities in a narrow scope, as people write them; the others are broad, one in ten of all with tags,
//! digests or distributions.

use crate::fleet::{Dice, NOW};
use model::facts::{RuleFact, Snapshot};
use model::role::Scope;
use model::rule::Criteria;
use model::severity::Severity;
use model::time::Micros;
use uuid::Uuid;

/// Makes so many rules for a fleet; every tenth expires in a month.
pub fn rules(facts: &Snapshot, count: i64) -> Vec<RuleFact> {
    (1..=count).map(|number| rule(facts, number)).collect()
}

/// Makes one rule for a fleet; its number sets it apart and says what kind it is.
pub fn rule(facts: &Snapshot, number: i64) -> RuleFact {
    let mut dice = Dice::new(0x9e + number as u64);
    let criteria = criteria(facts, number, &mut dice);
    let day = crate::fleet::DAY;
    RuleFact {
        id: number,
        uid: Uuid::from_u128(number as u128),
        name: format!("rule-{number}"),
        scope: scope(facts, number, &mut dice),
        criteria,
        expires: if number % 10 == 9 { Micros(NOW + 30 * day) } else { Micros::FOREVER },
        paused: false,
        overrides: None,
        since: Micros(NOW - dice.below(90) as i64 * day),
        until: Micros::FOREVER,
    }
}

/// The first ten stand high in the tree, the others mostly in a repository or a registry.
fn scope(facts: &Snapshot, number: i64, dice: &mut Dice) -> Scope {
    let repository = &facts.repositories[dice.below(facts.repositories.len() as u64) as usize];
    let registry = &facts.registries[repository.registry as usize - 1];
    let subscription = &facts.subscriptions[registry.subscription as usize - 1];
    let mut scope = Scope::repository(&subscription.guid, "", &registry.name, &repository.name);
    scope.resource_group = None;
    let broad = number % 20 < 10;
    let depth = if number <= 10 { dice.below(2) } else { 2 + u64::from(!broad && dice.below(10) < 8) };
    if depth < 3 {
        scope.repository = None;
    }
    if depth < 2 {
        scope.registry = None;
    }
    if depth < 1 {
        scope.subscription = None;
    }
    scope
}

fn criteria(facts: &Snapshot, number: i64, dice: &mut Dice) -> Criteria {
    let mut criteria = Criteria::default();
    match number % 20 {
        0 => criteria.severity_below = Some(Severity::Medium),
        1 => (criteria.not_patchable, criteria.severity_below) = (true, Some(Severity::High)),
        2 => criteria.packages = vec![format!("node-package{}*", dice.below(10))],
        3 => criteria.security_checks = vec![format!("package{} before", dice.below(600))],
        4 => (criteria.cvss_below, criteria.not_known_exploited) = (Some(40), true),
        5 => (criteria.tags, criteria.not_patchable) = (vec![format!("1.{}", dice.below(10))], true),
        6 => (criteria.os_releases, criteria.cvss_below) = (vec!["alpine*".into()], Some(70)),
        7 => {
            let image = &facts.images[dice.below(facts.images.len() as u64) as usize];
            criteria.digests = vec![image.digest.clone()];
        }
        8 => (criteria.categories, criteria.severity_below) = (vec!["npm".into()], Some(Severity::High)),
        9 => {
            criteria.repositories = vec![format!("team-{}/*", dice.below(97))];
            criteria.severity_below = Some(Severity::High);
        }
        _ => {
            let vulnerabilities = facts.vulnerabilities.len() as u64;
            let mut name = || facts.vulnerabilities[dice.below(vulnerabilities) as usize].name.clone();
            criteria.finding_ids = vec![name(), name(), name()];
        }
    }
    criteria
}
