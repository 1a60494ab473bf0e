//! What one view hands on to the next, when only rules changed.
//!
//! In: the view before with everything that was worked out for it, and how everything is looked at now. Out: the same as if it
//! were worked out anew. Places that are seen as before keep their sums. Of the others only those matches are looked at that the
//! rules speak of that came or went, by the inventories that hold them or place by place, where that is less.

use crate::cells::{Found, Selection};
use crate::ids::NONE;
use crate::index::{Index, hidden_bits};
use crate::kinds::has;
use crate::lanes::Lanes;
use crate::sets::Bits;
use crate::sight::Sight;
use crate::view::{Everything, View};
use std::collections::HashMap;

/// With more sorts of difference than this, all is worked out anew: each costs a walk over the packages.
const MOST_SORTS: usize = 16;

/// Returns everything as it is seen now; `None` if too much differs from the view before.
pub(crate) fn carry(sight: &Sight<'_>, before: &View) -> Option<Everything> {
    let was = before.seen().get()?;
    let selection = Everything::select(sight);
    let (moves, sorts, mut lanes) = moves(sight, before, was, &selection)?;
    let mut found = was.found.clone();
    let mut rest = moves.as_slice();
    for (number, sort) in (0..).zip(&sorts) {
        let (here, after) = rest.split_at(rest.partition_point(|moved| moved.sort == number));
        Recount::new(sight, before, sort).run(here, &mut lanes, &mut found);
        rest = after;
    }
    Some(Everything { selection, found, lanes })
}

/// Places that go from one cell to another, where something else is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Move {
    sort: u32,
    inventory: u32,
    from: u32,
    to: u32,
    /// Groups before and now.
    groups: [u32; 2],
    /// Whether the sums of the new cell come from the old one.
    leads: bool,
    places: u32,
}

/// What the rules of two groups do not both speak of.
#[derive(Debug, Default, PartialEq, Eq, Hash, Clone)]
struct Sort {
    /// Positions among the sets of the index.
    sets: Vec<u32>,
    /// Before and now: positions of what is hidden by path, unless that is the same.
    by_path: [Vec<u32>; 2],
}

/// Finds the places that are seen otherwise, by sort of difference; and gives each cell the sums of one that it comes from.
fn moves(
    sight: &Sight<'_>,
    before: &View,
    was: &Everything,
    selection: &Selection,
) -> Option<(Vec<Move>, Vec<Sort>, Vec<Lanes>)> {
    let mut sorts: HashMap<Sort, u32> = HashMap::new();
    let mut known: HashMap<[u32; 2], Option<u32>> = HashMap::new();
    let mut leading = vec![NONE; selection.cells.len()];
    let mut lanes = vec![Lanes::default(); selection.cells.len() + 1];
    let mut moves: Vec<Move> = Vec::new();
    for (from, to) in was.selection.cell_of.iter().zip(&selection.cell_of).filter(|(_, to)| **to != NONE) {
        let (old, new) = (was.selection.cells.get(*from as usize)?, &selection.cells[*to as usize]);
        let lead = &mut leading[*to as usize];
        if *lead == NONE {
            (*lead, lanes[*to as usize]) = (*from, was.lanes[*from as usize]);
        }
        let groups = [old.group, new.group];
        let sort = *known.entry(groups).or_insert_with(|| {
            let (next, sort) = (sorts.len() as u32, Sort::new(before, &sight.view, groups));
            (sort != Sort::default()).then(|| *sorts.entry(sort).or_insert(next))
        });
        if let Some(sort) = sort {
            let (inventory, leads) = (new.inventory, *lead == *from);
            moves.push(Move { sort, inventory, from: *from, to: *to, groups, leads, places: 1 });
        }
    }
    if sorts.len() > MOST_SORTS {
        return None;
    }
    moves.sort_unstable();
    moves.dedup_by(|next, kept| {
        let same = (next.from, next.to) == (kept.from, kept.to);
        kept.places += u32::from(same);
        same
    });
    let mut numbered: Vec<(u32, Sort)> = sorts.into_iter().map(|(sort, number)| (number, sort)).collect();
    numbered.sort_unstable_by_key(|(number, _)| *number);
    Some((moves, numbered.into_iter().map(|(_, sort)| sort).collect(), lanes))
}

impl Sort {
    fn new(before: &View, now: &View, [old, new]: [u32; 2]) -> Self {
        let (old, new) = (&before.groups[old as usize], &now.groups[new as usize]);
        let gone = old.sets.iter().filter(|set| new.sets.binary_search(set).is_err());
        let come = new.sets.iter().filter(|set| old.sets.binary_search(set).is_err());
        let mut sets: Vec<u32> = gone.chain(come).copied().collect();
        sets.sort_unstable();
        let hidden = |view: &View, of: &[(u32, u32)]| -> Vec<_> {
            of.iter().map(|(_, set)| view.path_sets[*set as usize].clone()).collect()
        };
        let numbers = |of: &[(u32, u32)]| of.iter().map(|(_, set)| *set).collect::<Vec<u32>>();
        let same = hidden(before, &old.by_path) == hidden(now, &new.by_path);
        let by_path = if same { Default::default() } else { [numbers(&old.by_path), numbers(&new.by_path)] };
        Self { sets, by_path }
    }
}

/// Matches of a package that are hidden from the same groups, before and now.
struct Part<'a> {
    bits: [&'a [u64]; 2],
    /// What one place has more when they are hidden there.
    more: Lanes,
    /// In how many places more they are hidden now.
    hidden: i64,
}

/// Counts the matches of one sort again.
struct Recount<'a> {
    index: &'a Index,
    parts: Vec<Part<'a>>,
    /// By package: the end of its parts; one more before the first.
    ends: Vec<u32>,
    /// Matches, each with its part.
    members: Vec<(u32, u32)>,
}

impl<'a> Recount<'a> {
    fn new(sight: &'a Sight<'_>, before: &'a View, sort: &Sort) -> Self {
        let (index, now): (&Index, &View) = (sight.index, &sight.view);
        let mut spoken = Bits::default();
        sort.sets.iter().for_each(|set| index.matches_of_set(*set as usize).each(|m| spoken.set(m)));
        for (view, sets) in [before, now].into_iter().zip(&sort.by_path) {
            sets.iter().for_each(|set| view.path_sets[*set as usize].each(|m| spoken.set(m)));
        }
        let mut all = Self { index, parts: Vec::new(), ends: vec![0], members: Vec::new() };
        for package in 0..index.packages.len() {
            let first = all.parts.len();
            let open = |m: &usize| spoken.get(*m) && index.matches[*m].until == i64::MAX;
            for matched in index.matches_of_package(package).filter(open) {
                let row = |view: &'a View| view.hides.row(view.kinds.of(matched));
                all.take(matched, first, [row(before), row(now)]);
            }
            all.ends.push(all.parts.len() as u32);
        }
        all
    }

    fn take(&mut self, matched: usize, first: usize, bits: [&'a [u64]; 2]) {
        let same = |part: &Part<'_>| std::ptr::eq(part.bits[0], bits[0]) && std::ptr::eq(part.bits[1], bits[1]);
        let at = self.parts[first..].iter().position(same).map_or(self.parts.len(), |at| first + at);
        if at == self.parts.len() {
            self.parts.push(Part { bits, more: Lanes::default(), hidden: 0 });
        }
        let (index, row) = (self.index, &self.index.matches[matched]);
        let by_default = hidden_bits(row.severity, row.category, row.state) != 0;
        let more = &mut self.parts[at].more;
        more.take(&row.lanes_as(index, by_default));
        more.add(&if by_default { Lanes::default() } else { Lanes::DISABLED });
        self.members.push((matched as u32, at as u32));
    }

    fn parts_of(&self, package: usize) -> std::ops::Range<usize> {
        self.ends[package] as usize..self.ends[package + 1] as usize
    }

    fn run(mut self, moves: &[Move], lanes: &mut [Lanes], found: &mut [Found]) {
        let index = self.index;
        let packages = |moved: &Move| &index.inventories[moved.inventory as usize].packages;
        let held: usize = moves.iter().map(|moved| packages(moved).len()).sum();
        let spoken = (0..index.packages.len()).filter(|package| !self.parts_of(*package).is_empty());
        let spoken: Vec<usize> = spoken.collect();
        let posted: usize = spoken.iter().map(|package| index.postings[*package].len()).sum();
        if held < posted {
            for moved in moves {
                packages(moved).iter().for_each(|package| self.settle(*package as usize, moved, lanes));
            }
        } else {
            self.run_by_inventory(moves, &spoken, lanes);
        }
        for (matched, part) in self.members {
            let (found, hidden) = (&mut found[matched as usize], self.parts[part as usize].hidden);
            found.shown = found.shown.wrapping_sub(hidden as u64);
            found.disabled = found.disabled.wrapping_add(hidden as u64);
        }
    }

    fn run_by_inventory(&mut self, moves: &[Move], spoken: &[usize], lanes: &mut [Lanes]) {
        let index = self.index;
        let mut ends = vec![0_u32; index.inventories.len() + 1];
        moves.iter().for_each(|moved| ends[moved.inventory as usize + 1] += 1);
        (1..ends.len()).for_each(|i| ends[i] += ends[i - 1]);
        let of = |inventory: usize| &moves[ends[inventory] as usize..ends[inventory + 1] as usize];
        for package in spoken {
            let here = index.postings[*package].iter().flat_map(|inventory| of(*inventory as usize));
            here.for_each(|moved| self.settle(*package, moved, lanes));
        }
    }

    /// Counts a package again where places moved.
    fn settle(&mut self, package: usize, moved: &Move, lanes: &mut [Lanes]) {
        for part in self.parts_of(package) {
            let part = &mut self.parts[part];
            let [was, is] = [0, 1].map(|n| has(part.bits[n], moved.groups[n] as usize) as i64);
            part.hidden += (is - was) * i64::from(moved.places);
            match is - was {
                1 if moved.leads => lanes[moved.to as usize].add(&part.more),
                -1 if moved.leads => lanes[moved.to as usize].take(&part.more),
                _ => {}
            }
        }
    }
}
