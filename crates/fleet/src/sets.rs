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

    pub fn and(&mut self, other: &Self) {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter_mut().zip(others).for_each(|(to, from)| *to &= from);
    }

    pub fn minus(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(to, from)| *to &= !from);
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let next = |rest: &u64| Some(rest & rest.wrapping_sub(1)).filter(|rest| *rest != 0);
            let words = std::iter::successors(Some(*word).filter(|w| *w != 0), next);
            words.map(move |rest| at * 64 + rest.trailing_zeros() as usize)
        })
    }
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

    /// Returns the same set as bits.
    pub fn to_bits(&self) -> Bits {
        let mut bits = Bits::default();
        self.add_to(&mut bits);
        bits
    }

    /// Adds every row to a set.
    pub fn add_to(&self, bits: &mut Bits) {
        match self {
            Self::Few(rows) => rows.iter().for_each(|row| bits.set(*row as usize)),
            Self::Many(words) => {
                if words.len() > bits.0.len() {
                    bits.0.resize(words.len(), 0);
                }
                bits.0.iter_mut().zip(words.iter()).for_each(|(to, from)| *to |= from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        for rows in [vec![], vec![0], vec![63, 64, 65], vec![3, 1000], (0..200).collect::<Vec<u32>>()] {
            for of in [1, 100_000] {
                let set = RowSet::new(rows.clone(), of);
                let mut bits = Bits::default();
                set.add_to(&mut bits);
                assert_eq!((set.is_empty(), bits.iter().next().is_none()), (rows.is_empty(), rows.is_empty()));
                assert_eq!(bits.iter().map(|row| row as u32).collect::<Vec<_>>(), rows);
                let alike = |row: &usize| [set.contains(*row), bits.get(*row)] == [rows.contains(&(*row as u32)); 2];
                assert!((0..1100).all(|row| alike(&row)));
            }
        }
    }

    #[test]
    fn sets_of_different_length_are_met_and_taken_away() {
        let of = |rows: &[usize]| {
            let mut bits = Bits::default();
            rows.iter().for_each(|row| bits.set(*row));
            bits
        };
        for (a, b, and, minus) in [
            (&[1, 200][..], &[1, 2][..], &[1][..], &[200][..]),
            (&[1, 2], &[1, 200], &[1], &[2]),
            (&[], &[5], &[], &[]),
        ] {
            let join = |op: fn(&mut Bits, &Bits)| {
                let mut to = of(a);
                op(&mut to, &of(b));
                to.iter().collect::<Vec<_>>()
            };
            assert_eq!((join(Bits::and), join(Bits::minus)), (and.to_vec(), minus.to_vec()));
        }
    }
}
