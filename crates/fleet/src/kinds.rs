//! Kinds of matches: those that the same rules speak of are of one kind, so that what rules hide is worked out once a kind.
//!
//! In: the sets of matches that rules in force speak of, the groups of a view. Out: the kind of every match; by kind and group
//! one bit.

use crate::sets::RowSet;
use std::collections::HashMap;

/// Matches by kind; kind 0 is what no rule speaks of.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    /// By match; beyond its end is kind 0.
    of_match: Vec<u32>,
    /// By kind: its sets, ascending.
    sets: Vec<Vec<u32>>,
    /// By rule: its set.
    of_rule: Vec<u32>,
    /// How many sets are of rules; those by path come after them.
    whole: u32,
    /// How many sets there are.
    count: usize,
}

/// By kind of matches: one bit a group.
#[derive(Debug, Default)]
pub(crate) struct KindBits {
    words: usize,
    bits: Vec<u64>,
    /// By kind: whether a bit is set.
    some: Vec<bool>,
}

/// Places that are seen alike.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    /// Positions of the rules in force, ascending; those that hold for no match left out.
    pub rules: Vec<u32>,
    /// What these rules speak of: positions among the sets of the index, ascending.
    pub sets: Vec<u32>,
    /// Rules that ask for paths, with the position of the matches they hide here, ascending.
    pub by_path: Vec<(u32, u32)>,
    /// The moment of which the places are seen, if their plan is off.
    pub frozen: Option<i64>,
}

impl Kinds {
    /// Sorts matches: `of_rule` says which of the sets each rule speaks of, those by path come after the `whole` ones of rules.
    pub fn new(of_rule: Vec<u32>, whole: u32, sets: &[&RowSet], matches: usize) -> Self {
        let mut kinds = Self { of_rule, whole, count: sets.len(), ..Self::default() };
        kinds.sort(sets, matches);
        kinds
    }

    /// Gives every match the kind of those that are in the same sets.
    fn sort(&mut self, sets: &[&RowSet], matches: usize) {
        let mut ends = vec![0_u32; matches + 1];
        sets.iter().for_each(|set| set.each(|m| ends[m + 1] += 1));
        (0..matches).for_each(|m| ends[m + 1] += ends[m]);
        let mut of = vec![0_u32; ends[matches] as usize];
        let mut next = ends.clone();
        for (number, set) in sets.iter().enumerate() {
            set.each(|m| {
                of[next[m] as usize] = number as u32;
                next[m] += 1;
            });
        }
        let mut known: HashMap<&[u32], u32> = HashMap::from([(&[][..], 0)]);
        self.sets.push(Vec::new());
        self.of_match = vec![0; matches];
        for (kind, ends) in self.of_match.iter_mut().zip(ends.windows(2)) {
            let sets = &of[ends[0] as usize..ends[1] as usize];
            *kind = *known.entry(sets).or_insert_with(|| {
                self.sets.push(sets.to_vec());
                self.sets.len() as u32 - 1
            });
        }
    }

    /// Returns the kind of a match.
    pub fn of(&self, matched: usize) -> usize {
        self.of_match.get(matched).map_or(0, |kind| *kind as usize)
    }

    /// Returns, by kind, the groups in which one of some rules is in force and speaks of it.
    pub fn bits(&self, groups: &[Group], wanted: impl Fn(u32) -> bool) -> KindBits {
        let words = groups.len().div_ceil(64);
        let mut of_sets = vec![0; self.count * words];
        let mut set = |set: u32, group: usize| of_sets[set as usize * words + group / 64] |= 1_u64 << (group % 64);
        for (number, group) in groups.iter().enumerate() {
            for rule in group.rules.iter().filter(|rule| wanted(**rule)) {
                set(self.of_rule[*rule as usize], number);
            }
            for (_, here) in group.by_path.iter().filter(|(rule, _)| wanted(*rule)) {
                set(self.whole + here, number);
            }
        }
        let mut bits = vec![0; self.sets.len() * words];
        for (kind, sets) in self.sets.iter().enumerate() {
            let row = &mut bits[kind * words..(kind + 1) * words];
            for set in sets {
                let of_set = &of_sets[*set as usize * words..(*set as usize + 1) * words];
                row.iter_mut().zip(of_set).for_each(|(to, from)| *to |= from);
            }
        }
        let mut bits = KindBits { words, bits, some: Vec::new() };
        bits.look_for_some();
        bits
    }
}

impl KindBits {
    fn look_for_some(&mut self) {
        self.some = self.bits.chunks(self.words.max(1)).map(|row| row.iter().any(|word| *word != 0)).collect();
    }

    /// Returns the groups of a kind, one bit each; nothing at all if there is none.
    pub fn row(&self, kind: usize) -> &[u64] {
        match self.some.get(kind) {
            Some(true) => &self.bits[kind * self.words..(kind + 1) * self.words],
            _ => &[],
        }
    }

    pub fn and(&mut self, other: &Self) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(to, from)| *to &= from);
        self.look_for_some();
    }

    pub fn minus(&mut self, other: &Self) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(to, from)| *to &= !from);
        self.look_for_some();
    }
}

/// Returns 1 if a group is in a row of bits, else 0.
pub(crate) fn has(row: &[u64], group: usize) -> usize {
    row.get(group / 64).map_or(0, |word| (word >> (group % 64) & 1) as usize)
}

/// Returns 1 if a group is in a row of bits that is not empty, else 0.
#[inline(always)]
pub(crate) fn bit(row: &[u64], group: u32) -> u32 {
    (row[group as usize / 64] >> (group % 64) & 1) as u32
}
