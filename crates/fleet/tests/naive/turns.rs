//! Rules that come, change, are paused, end and expire one after the other: the index that followed answers as one built anew.

use crate::world::{DAY, Dice, END, criteria, scope};
use fleet::{Index, Query, ScoreSettings};
use model::facts::*;
use model::time::Micros;
use uuid::Uuid;

/// Everything that is kept for all places shows in these.
fn answers(index: &Index, now: Micros) -> String {
    let query = Query { now, limit: 1_000, ..Query::default() };
    let lists =
        (index.findings(&query), index.images(&query), index.repositories(&query), index.vulnerabilities(&query));
    format!("{lists:?} {:?} {:?}", index.counts(&query), index.score(&query, &ScoreSettings::default()))
}

fn made(world: &Snapshot, dice: &mut Dice, number: u64) -> RuleFact {
    RuleFact {
        id: world.rules.len() as i64 + 1,
        uid: Uuid::from_u128(number.into()),
        name: format!("rule-{number}"),
        scope: scope(world, dice),
        criteria: criteria(world, dice),
        expires: if dice.one_in(2) { Micros::FOREVER } else { Micros(dice.below(2 * END as u64) as i64 * DAY) },
        paused: dice.one_in(8),
        overrides: dice.one_in(3).then(|| Uuid::from_u128(1 + u128::from(dice.below(9)))),
        since: Micros(0),
        until: Micros::FOREVER,
    }
}

/// Changes one rule in some way; returns the rows that are new or different.
fn turn(world: &mut Snapshot, dice: &mut Dice) -> Vec<RuleFact> {
    let live: Vec<usize> = (0..world.rules.len()).filter(|r| world.rules[*r].until == Micros::FOREVER).collect();
    let number = 1 + dice.below(12);
    if live.is_empty() || dice.one_in(3) {
        world.rules.push(made(world, dice, number));
        return world.rules[world.rules.len() - 1..].to_vec();
    }
    let at = dice.pick(&live);
    if dice.one_in(4) {
        // As it stands, in its place.
        world.rules[at].paused = !world.rules[at].paused;
        return vec![world.rules[at].clone()];
    }
    world.rules[at].until = Micros(1);
    let mut rows = vec![world.rules[at].clone()];
    if dice.one_in(2) {
        let next = RuleFact { uid: rows[0].uid, ..made(world, dice, number) };
        world.rules.push(next.clone());
        rows.push(next);
    }
    rows
}

pub fn check_turns(mut world: Snapshot, dice: &mut Dice) {
    if dice.one_in(2) {
        world.plans.clear();
    }
    let mut index = Index::build(&world);
    for _ in 0..12 {
        let now = Micros(dice.below(2 * END as u64) as i64 * DAY);
        let rules = turn(&mut world, dice);
        let rows = Snapshot { revision: world.revision, generation: world.generation, rules, ..Snapshot::default() };
        index.apply(&Changes { revision: world.revision, rows });
        if dice.one_in(3) {
            continue; // several changes before the next question
        }
        assert_eq!(answers(&index, now), answers(&Index::build(&world), now));
        let later = Micros(now.0 + dice.below(END as u64) as i64 * DAY);
        assert_eq!(answers(&index, later), answers(&Index::build(&world), later));
    }
}
