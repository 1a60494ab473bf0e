//! Previews, effects of rules, scores, in plain code.

use crate::rules::{frozen, hidden_by, hides, scope_of};
use crate::world::{DAY, Dice, END, criteria, scope};
use crate::{Row, Spot, holds, join, spots};
use fleet::{ImageState, Index, Level, Preview, Proposal, Query, ScoreSettings, ScoreTally};
use model::facts::*;
use model::severity::Severity;
use model::time::Micros;
use model::verdict::{Coverage, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const NOW: Micros = Micros(END * DAY);

fn tags<'a>(world: &'a Snapshot, spot: &Spot<'_>, at: Option<Micros>) -> Vec<&'a str> {
    let here = |t: &&TagFact| t.repository == spot.repository.id && t.image == spot.image.id;
    let tags = world.tags.iter().filter(here).filter(|t| holds(t.since, t.until, at));
    tags.map(|t| t.name.as_str()).collect()
}

/// Findings that are not hidden by default, each with the rules that hide it.
fn rows(world: &Snapshot, at: Option<Micros>) -> Vec<(Row<'_>, Vec<&RuleFact>)> {
    let rows = join(world, &spots(world, at, true), at).into_iter().filter(|row| !row.hidden(""));
    rows.map(|row| (row, hidden_by(world, &row, &tags(world, &row.spot, at), at, NOW))).collect()
}

/// Whether an image is not asked of; of a past moment its last use says so.
fn outside(world: &Snapshot, spot: &Spot<'_>, at: Option<Micros>) -> bool {
    let Some(at) = at else {
        return matches!(spot.image.coverage, Coverage::PlanOff | Coverage::OutsideWindow | Coverage::Accessory);
    };
    let end = |place: &PresenceFact| {
        let repository = world.repositories.iter().find(|r| r.id == place.repository).expect("its repository");
        let registry = world.registries.iter().find(|r| r.id == repository.registry).expect("its registry");
        let days =
            world.subscriptions.iter().find(|s| s.id == registry.subscription).expect("its subscription").window_days;
        place.last_push.max(place.last_pull).0 + days * DAY
    };
    let left = world.presences.iter().filter(|p| p.image == spot.image.id).map(end).max().is_none_or(|end| end <= at.0);
    spot.image.coverage == Coverage::Accessory || (spot.image.coverage == Coverage::OutsideWindow && left)
}

/// How far an image was read.
fn verdict(world: &Snapshot, spot: &Spot<'_>, at: Option<Micros>) -> Verdict {
    let held = world.image_inventories.iter().any(|r| r.image == spot.image.id && holds(r.since, r.until, at));
    match (at, held, spot.image.verdict) {
        (None, _, now) => now,
        (_, false, _) => Verdict::None,
        (_, true, Verdict::Gaps) => Verdict::Gaps,
        (_, true, _) => Verdict::Complete,
    }
}

/// How images stand, by subscription, with the findings that are open.
fn states(
    world: &Snapshot,
    open: &BTreeSet<(Id, Id, Id)>,
    at: Option<Micros>,
    unit: impl Fn(&Spot<'_>) -> Option<Id>,
) -> BTreeMap<(Id, Id), ImageState> {
    let mut states: BTreeMap<(Id, Id), ImageState> = BTreeMap::new();
    let all = join(world, &spots(world, at, true), at);
    for spot in spots(world, at, true) {
        let Some(unit) = unit(&spot) else { continue };
        let exempt = world.exemptions.iter().any(|e| {
            holds(e.since, e.until, at)
                && at.unwrap_or(NOW) < e.expires
                && e.recommendation == "vulnerabilities"
                && e.scope.holds(&scope_of(&spot))
                && (e.digest.is_empty() || e.digest == spot.image.digest)
        });
        let off = frozen(world, spot.registry, &spot.subscription.guid, at).is_some();
        let (outside, verdict) = (outside(world, &spot, at), verdict(world, &spot, at));
        let counts = |r: &&Row<'_>| r.found.severity >= Severity::Low || r.found.severity == Severity::Unknown;
        let here = |r: &&Row<'_>| r.spot.presence.id == spot.presence.id && open.contains(&r.ids());
        let state = if exempt || off || outside {
            ImageState::NotApplicable
        } else if all.iter().filter(here).any(|r| counts(&r)) {
            ImageState::Unhealthy
        } else if verdict == Verdict::Complete && (at.is_some() || spot.image.coverage != Coverage::BlockedByNetwork) {
            ImageState::Healthy
        } else {
            ImageState::Unverified
        };
        let worst = states.entry((unit, spot.image.id)).or_insert(state);
        *worst = state.max(*worst);
    }
    states
}

fn tally(states: &BTreeMap<(Id, Id), ImageState>, unit: Option<Id>) -> ScoreTally {
    let count = |state| states.iter().filter(|(k, s)| unit.is_none_or(|u| u == k.0) && **s == state).count() as u64;
    ScoreTally {
        healthy: count(ImageState::Healthy),
        unhealthy: count(ImageState::Unhealthy),
        not_applicable: count(ImageState::NotApplicable),
        unverified: count(ImageState::Unverified),
    }
}

fn settings() -> ScoreSettings {
    ScoreSettings { recommendation: "vulnerabilities".into(), ..Default::default() }
}

pub fn check_effects(index: &Index, world: &Snapshot) {
    let rows = rows(world, None);
    let all: Vec<Uuid> = world.rules.iter().map(|rule| rule.uid).collect();
    let idle = index.idle_rules(&fleet::Scope::Everything, NOW);
    let effects = index.rule_effects(&all, &fleet::Scope::Everything, NOW);
    for effect in &effects {
        let fact = world.rules.iter().find(|r| r.id == effect.id).expect("a rule");
        let hits: Vec<&Row<'_>> =
            rows.iter().filter(|(_, by)| by.iter().any(|r| r.id == fact.id)).map(|(row, _)| row).collect();
        let images: BTreeSet<Id> = hits.iter().map(|r| r.spot.image.id).collect();
        assert_eq!((effect.findings, effect.images), (hits.len() as u64, images.len() as u64), "{fact:?}");
        assert!(effect.findings == 0 || effect.last == Some(NOW));
        assert!(effect.last.is_none_or(|last| last <= NOW));
        let known = idle.iter().find(|(uid, _)| *uid == effect.uid);
        let in_force = !fact.paused && fact.expires > NOW;
        assert_eq!(known.map(|(_, last)| *last), (in_force && effect.findings == 0).then_some(effect.last), "{fact:?}");
        assert_eq!(
            index.rule_effects(&[effect.uid], &fleet::Scope::Everything, NOW),
            std::slice::from_ref(effect),
            "one as all"
        );
    }
    let there = world.rules.iter().filter(|r| r.until == Micros::FOREVER).count();
    assert_eq!(effects.len(), there);
}

pub fn check_preview(index: &Index, world: &Snapshot, dice: &mut Dice) {
    let (criteria, scope) = (criteria(world, dice), scope(world, dice));
    let (since, until) = (NOW, Micros::FOREVER);
    let fact = RuleFact {
        id: 0,
        uid: Uuid::nil(),
        name: String::new(),
        scope: scope.clone(),
        criteria: criteria.clone(),
        expires: until,
        paused: false,
        overrides: None,
        since,
        until,
    };
    let instead_of = dice.one_in(3).then(|| Uuid::from_u128(1));
    let mut without = world.clone();
    without.rules.retain(|r| Some(r.uid) != instead_of);
    let gone = instead_of.as_slice();
    let proposal = Proposal { criteria: &criteria, scope: &scope, instead_of: gone, score: settings(), now: NOW };
    let got: Preview = index.preview(&proposal);
    let rows: Vec<_> = rows(&without, None).into_iter().filter(|(r, _)| scope.holds(&scope_of(&r.spot))).collect();
    let spoken = |r: &Row<'_>| hides(&without, &fact, r, &tags(&without, &r.spot, None));
    let open: Vec<&Row<'_>> = rows.iter().filter(|(_, by)| by.is_empty()).map(|(row, _)| row).collect();
    let hit: Vec<&Row<'_>> = open.iter().copied().filter(|r| spoken(r)).collect();
    let already: Vec<&Row<'_>> =
        rows.iter().filter(|(row, by)| !by.is_empty() && spoken(row)).map(|(r, _)| r).collect();
    let exploited = |rows: &[&Row<'_>]| rows.iter().filter(|r| r.vulnerability.kev.0 > 0).count() as u64;
    assert_eq!((got.findings(), got.in_scope), (hit.len() as u64, open.len() as u64), "{fact:?}");
    assert_eq!((got.hidden_already, got.exploited_already), (already.len() as u64, exploited(&already)));
    assert_eq!(got.tally.kev, exploited(&hit));
    assert_eq!(got.images, hit.iter().map(|r| r.spot.image.id).collect::<BTreeSet<_>>().len() as u64);
    assert_eq!(got.repositories, hit.iter().map(|r| r.spot.repository.id).collect::<BTreeSet<_>>().len() as u64);
    assert!(
        got.examples
            .iter()
            .all(|e| hit.iter().any(|r| r.ids() == (e.place.presence, e.package.id, e.vulnerability.id)))
    );
    assert_eq!(got.examples.is_empty(), hit.is_empty());
    let unit = |s: &Spot<'_>| scope.holds(&scope_of(s)).then_some(s.subscription.id);
    let ids = |rows: &[&Row<'_>]| rows.iter().map(|r| r.ids()).collect::<BTreeSet<_>>();
    let after: BTreeSet<_> = ids(&open).difference(&ids(&hit)).copied().collect();
    assert_eq!(got.before, tally(&states(&without, &ids(&open), None, unit), None), "{fact:?}");
    assert_eq!(got.after, tally(&states(&without, &after, None, unit), None), "{fact:?}");
}

pub fn check_score(index: &Index, world: &Snapshot, as_of: Option<Micros>) {
    let rows = rows(world, as_of);
    let open: BTreeSet<_> = rows.iter().filter(|(_, by)| by.is_empty()).map(|(row, _)| row.ids()).collect();
    let query = Query { as_of, now: NOW, limit: 1000, ..Query::default() };
    let score = index.score(&query, &settings()).expect("a score");
    let by_subscription = states(world, &open, as_of, |s| Some(s.subscription.id));
    let by_registry = states(world, &open, as_of, |s| Some(s.registry.id));
    for (got, want) in [(&score.subscriptions, &by_subscription), (&score.registries, &by_registry)] {
        let units: BTreeSet<Id> = want.keys().map(|key| key.0).collect();
        let want: Vec<(Id, ScoreTally)> = units.into_iter().map(|unit| (unit, tally(want, Some(unit)))).collect();
        let mut got = got.clone();
        got.sort_by_key(|(id, _)| *id);
        assert_eq!(got, want, "{as_of:?}");
    }
    let mut listed = 0;
    for state in ImageState::ALL {
        let page = index.states(&query, &settings(), Some(state)).expect("a list");
        listed += page.items.len();
        for row in &page.items {
            let subscription = row.places[0].subscription_id;
            assert_eq!(by_subscription.get(&(subscription, row.image_id)), Some(&state));
            assert!(!row.reasons.is_empty());
        }
    }
    assert_eq!(listed, by_subscription.len());
}

pub fn check_scopes(index: &Index, world: &Snapshot, as_of: Option<Micros>, dice: &mut Dice) {
    let query = Query { as_of, now: NOW, limit: 1, ..Query::default() };
    let deepest = dice.pick(&[Level::Subscription, Level::ResourceGroup, Level::Registry, Level::Repository]);
    let nodes = index.scopes(&query, &settings(), deepest).expect("a tree");
    let rows = rows(world, as_of);
    let open: BTreeSet<_> = rows.iter().filter(|(_, by)| by.is_empty()).map(|(row, _)| row.ids()).collect();
    let spots = spots(world, as_of, true);
    let repositories: BTreeSet<Id> = spots.iter().map(|s| s.repository.id).collect();
    let listed = nodes.iter().filter(|n| n.level == Level::Repository).map(|n| n.id).collect::<BTreeSet<_>>();
    assert_eq!(listed, if deepest == Level::Repository { repositories } else { BTreeSet::new() });
    assert!(nodes.iter().all(|n| n.level <= deepest));
    for node in &nodes {
        let here = |s: &Spot<'_>| node.scope.holds(&scope_of(s));
        let (all, open_here): (Vec<_>, Vec<_>) =
            rows.iter().map(|(row, _)| row).filter(|r| here(&r.spot)).partition(|r| !open.contains(&r.ids()));
        let distinct =
            |of: &dyn Fn(&Row<'_>) -> Id| open_here.iter().copied().map(of).collect::<BTreeSet<_>>().len() as u64;
        assert_eq!(
            (node.tally.findings(), node.tally.disabled),
            (open_here.len() as u64, all.len() as u64),
            "{node:?}"
        );
        assert_eq!(node.vulnerabilities, distinct(&|r| r.vulnerability.id), "{node:?}");
        assert_eq!(node.affected, distinct(&|r| r.spot.image.id));
        let images: BTreeSet<Id> = spots.iter().filter(|s| here(s)).map(|s| s.image.id).collect();
        assert_eq!(node.images, images.len() as u64);
        assert_eq!(node.states, tally(&states(world, &open, as_of, |s| here(s).then_some(1)), None), "{node:?}");
    }
}
