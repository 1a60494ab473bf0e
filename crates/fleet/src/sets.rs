//! Sets of rows, by position in a column.

/// A set as one bit a row. What lies beyond its end is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub fn get(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word & 1 << (at % 64) != 0)
    }

    pub fn set(&mut self, at: usize) {
        let word = at / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (at % 64);
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> {
        rows_of(&self.0)
    }
}

fn rows_of(words: &[u64]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().flat_map(|(at, word)| {
        let next = |rest: &u64| Some(rest & rest.wrapping_sub(1)).filter(|rest| *rest != 0);
        let words = std::iter::successors(Some(*word).filter(|w| *w != 0), next);
        words.map(move |rest| at * 64 + rest.trailing_zeros() as usize)
    })
}

/// A set that takes little room whether it holds few rows or many.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum RowSet {
    /// Ascending.
    Few(Box<[u32]>),
    Many(Box<[u64]>),
}

impl RowSet {
    /// Takes ascending rows of a column of so many.
    pub fn new(rows: Vec<u32>, of: usize) -> Self {
        if rows.len() * 32 < of {
            return Self::Few(rows.into());
        }
        let mut bits = Bits::default();
        rows.iter().for_each(|row| bits.set(*row as usize));
        Self::Many(bits.0.into())
    }

    pub fn contains(&self, row: usize) -> bool {
        match self {
            Self::Few(rows) => rows.binary_search(&(row as u32)).is_ok(),
            Self::Many(words) => words.get(row / 64).is_some_and(|word| word & 1 << (row % 64) != 0),
        }
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Self::Few(rows) => rows.is_empty(),
            Self::Many(words) => words.iter().all(|word| *word == 0),
        }
    }

    /// Calls with every row, ascending.
    pub fn each(&self, mut call: impl FnMut(usize)) {
        match self {
            Self::Few(rows) => rows.iter().for_each(|row| call(*row as usize)),
            Self::Many(words) => rows_of(words).for_each(call),
        }
    }

    /// Puts a row in, or takes it out.
    pub fn put(&mut self, row: u32, inside: bool) {
        if self.contains(row as usize) == inside {
            return;
        }
        match self {
            Self::Few(rows) => {
                let mut all = std::mem::take(rows).into_vec();
                let at = all.partition_point(|known| *known < row);
                if inside {
                    all.insert(at, row);
                } else {
                    all.remove(at);
                }
                *rows = all.into();
            }
            Self::Many(words) => {
                let at = row as usize / 64;
                if at >= words.len() {
                    let mut all = std::mem::take(words).into_vec();
                    all.resize(at + 1, 0);
                    *words = all.into();
                }
                words[at] ^= 1 << (row % 64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_in_and_take_out(set: &mut RowSet, row: u32) {
        set.put(row, true);
        set.put(row, true);
        assert!(set.contains(row as usize), "{row} was put in");
        set.put(row, false);
        assert!(!set.contains(row as usize), "{row} was taken out");
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        for rows in [vec![], vec![0], vec![63, 64, 65], vec![3, 1000], (0..200).collect::<Vec<u32>>()] {
            for of in [1, 100_000] {
                let mut set = RowSet::new(rows.clone(), of);
                let mut bits = Bits::default();
                set.each(|row| bits.set(row));
                assert_eq!((set.is_empty(), bits.iter().next().is_none()), (rows.is_empty(), rows.is_empty()));
                assert_eq!(bits.iter().map(|row| row as u32).collect::<Vec<_>>(), rows);
                let alike = |row: &usize| [set.contains(*row), bits.get(*row)] == [rows.contains(&(*row as u32)); 2];
                assert!((0..1100).all(|row| alike(&row)));
                [0, 64, 500, 2000].into_iter().for_each(|row| put_in_and_take_out(&mut set, row));
                let left: Vec<u32> = rows.iter().copied().filter(|row| ![0, 64].contains(row)).collect();
                let mut seen = Vec::new();
                set.each(|row| seen.push(row as u32));
                assert_eq!(seen, left);
            }
        }
    }
}
