//! The tables of a block: what the next bits mean.
//!
//! In: the length of each symbol's code. Out: a table by the first bits of a code, and behind it tables for the rest of codes that
//! are longer. An entry tells all about its symbol, so that a length is taken with its extra bits in one step.

/// Bits of a code at most.
const CODE_BITS: u32 = 15;
/// The lengths of all codes together: as many codes of 15 bits as there can be.
const SPACE: u32 = 1 << CODE_BITS;
/// Symbols of an alphabet at most.
const SYMBOLS: usize = 288;
/// How many codes have each length.
type Counts = [u32; CODE_BITS as usize + 1];

/// The entry stands for a literal: bits 16 to 23. How many bits its code has stands in bits 0 to 5 and once more in bits 8 to 13.
/// Every other entry of its table has nothing in bits 0 to 5: so a literal, or nothing, is taken without asking.
pub(super) const LITERAL: u32 = 1 << 31;
/// The entry stands for something rare: a further table, the end of the block, or bits that are no code.
pub(super) const RARE: u32 = 1 << 30;
/// Beside `RARE`: the entry leads to a further table, which begins at bits 16 to 27.
pub(super) const FURTHER: u32 = 1 << 29;
/// Beside `RARE`: the block ends here.
pub(super) const END: u32 = 1 << 28;

/// Where the base of a length stands: as far up as lets it be shifted down without a mask.
pub(super) const LENGTH_AT: u32 = 21;
/// Where the base of a distance stands, or a symbol of the code of lengths.
pub(super) const DISTANCE_AT: u32 = 14;

/// What the symbols of an alphabet mean, and how its table is laid out.
///
/// From bit `at` on an entry says in 6 bits how many bits to take, extra ones too, and 8 bits further up how many of them are the code;
/// one that leads to a further table has 6 bits further up how many bits choose in that, less one.
pub(super) struct Alphabet {
    /// Bits that choose an entry of the first table.
    pub(super) bits: u32,
    /// Where in an entry the count of bits stands.
    pub(super) at: u32,
    /// Entries without the lengths of codes.
    meanings: [u32; SYMBOLS],
    /// Whether a code of one symbol, or none, is one too: zlib takes it but for the code of lengths.
    partial: bool,
}

/// Literals and lengths.
pub(super) static LITERALS: Alphabet =
    Alphabet { bits: LITERAL_BITS, at: 8, meanings: literals_and_lengths(), partial: true };
/// Distances.
pub(super) static DISTANCES: Alphabet = Alphabet { bits: DISTANCE_BITS, at: 0, meanings: distances(), partial: true };
/// Lengths of codes.
pub(super) static LENGTHS: Alphabet = Alphabet { bits: 7, at: 0, meanings: lengths(), partial: false };

/// Bits that choose a literal or a length: a code of more is rare, and the table fits the first-level cache.
pub(super) const LITERAL_BITS: u32 = 11;
/// Bits that choose a distance.
pub(super) const DISTANCE_BITS: u32 = 8;
/// Entries for literals and lengths, with further tables: 2,342 at most, as zlib's `enough` counts them.
pub(super) const LITERAL_ENTRIES: usize = 1 << 12;
/// Entries for distances, with further tables: 402 at most.
pub(super) const DISTANCE_ENTRIES: usize = 1 << 9;
/// Entries for lengths of codes.
pub(super) const LENGTH_ENTRIES: usize = 1 << 7;

/// A table of `N` entries, a power of two.
pub(super) struct Table<const N: usize>([u32; N]);

impl<const N: usize> Table<N> {
    /// Gives a table in which nothing is a code.
    pub(super) fn new() -> Self {
        Self([RARE; N])
    }

    /// Gives an entry; the index is held within the table.
    #[inline(always)]
    pub(super) fn at(&self, index: usize) -> u32 {
        self.0.get(index & const { N - 1 }).copied().unwrap_or(RARE)
    }

    fn set(&mut self, index: u32, entry: u32) {
        if let Some(place) = self.0.get_mut(index as usize & const { N - 1 }) {
            *place = entry;
        }
    }

    /// Builds the table. Returns false if the lengths make no code: too many, or too few.
    pub(super) fn build(&mut self, alphabet: &Alphabet, lengths: &[u8]) -> bool {
        let mut counts: Counts = [0; CODE_BITS as usize + 1];
        for length in lengths {
            if let Some(count) = counts.get_mut(usize::from(*length)) {
                *count = count.wrapping_add(1);
            }
        }
        let space = (1..=CODE_BITS).fold(0u32, |sum, length| {
            sum.wrapping_add(count_of(&counts, length).wrapping_shl(CODE_BITS.wrapping_sub(length)))
        });
        if space == SPACE {
            self.fill(alphabet, &counts, &sorted(alphabet, &counts, lengths));
        } else if space < SPACE && alphabet.partial {
            return self.fill_partial(alphabet, &counts, lengths);
        }
        space == SPACE
    }

    /// Fills in a code of one symbol of one bit, or of none.
    fn fill_partial(&mut self, alphabet: &Alphabet, counts: &Counts, lengths: &[u8]) -> bool {
        if (2..=CODE_BITS).any(|length| count_of(counts, length) > 0) {
            return false;
        }
        let one = lengths.iter().zip(&alphabet.meanings).find(|(length, _)| **length == 1);
        for index in 0..1u32.wrapping_shl(alphabet.bits) {
            let meaning = one.filter(|_| index & 1 == 0).map_or(RARE, |(_, meaning)| *meaning);
            self.set(index, alphabet.entry(meaning, 1));
        }
        true
    }

    /// Fills in a whole code, the shortest codes first: the table is doubled as they get longer.
    fn fill(&mut self, alphabet: &Alphabet, counts: &Counts, sorted: &[u32; SYMBOLS]) {
        let mut meanings = sorted.iter().copied();
        let (mut code, mut end) = (0, 1usize);
        for length in 1..=alphabet.bits {
            self.0.copy_within(..end, end);
            end = end.wrapping_mul(2);
            for _ in 0..count_of(counts, length) {
                self.set(code, alphabet.entry(meanings.next().unwrap_or(RARE), length));
                code = next_code(code, length);
            }
        }
        self.fill_further(alphabet, counts, code, meanings);
    }

    /// Fills in the tables for codes that are longer than the first table has bits.
    fn fill_further(
        &mut self,
        alphabet: &Alphabet,
        counts: &Counts,
        mut code: u32,
        mut meanings: impl Iterator<Item = u32>,
    ) {
        let main = 1u32.wrapping_shl(alphabet.bits);
        let (mut start, mut end, mut prefix) = (0, main, u32::MAX);
        let lengths = alphabet.bits.wrapping_add(1)..=CODE_BITS;
        for (length, left) in lengths.flat_map(|length| (1..=count_of(counts, length)).rev().map(move |n| (length, n)))
        {
            if code & main.wrapping_sub(1) != prefix {
                prefix = code & main.wrapping_sub(1);
                let bits = bits_of_further(alphabet.bits, counts, length, left);
                start = end;
                end = start.wrapping_add(1u32.wrapping_shl(bits));
                self.set(prefix, alphabet.further(start, bits));
            }
            let rest = length.wrapping_sub(alphabet.bits);
            let entry = alphabet.entry(meanings.next().unwrap_or(RARE), rest);
            let first = start.wrapping_add(code.wrapping_shr(alphabet.bits));
            for index in (first..end).step_by(1usize.wrapping_shl(rest)) {
                self.set(index, entry);
            }
            code = next_code(code, length);
        }
    }
}

impl Alphabet {
    /// Adds the length of its code to what a symbol means.
    fn entry(&self, meaning: u32, length: u32) -> u32 {
        let at = if meaning & LITERAL != 0 { 0 } else { self.at };
        meaning.wrapping_add(length.wrapping_mul(0x101).wrapping_shl(at))
    }

    /// Gives the entry that leads to a further table, from where it begins and how many bits choose in it.
    fn further(&self, start: u32, bits: u32) -> u32 {
        let counts = self.bits | bits.wrapping_sub(1).wrapping_shl(6);
        RARE | FURTHER | start.wrapping_shl(16) | counts.wrapping_shl(self.at)
    }
}

fn count_of(counts: &Counts, length: u32) -> u32 {
    counts.get(length as usize).copied().unwrap_or(0)
}

/// Gives what the symbols mean that have a code, in the order of their codes.
fn sorted(alphabet: &Alphabet, counts: &Counts, lengths: &[u8]) -> [u32; SYMBOLS] {
    let mut next = [0u32; CODE_BITS as usize + 2];
    for length in 1..=CODE_BITS as usize {
        let before = next.get(length).copied().unwrap_or(0);
        if let Some(place) = next.get_mut(length.wrapping_add(1)) {
            *place = before.wrapping_add(count_of(counts, length as u32));
        }
    }
    let mut out = [RARE; SYMBOLS];
    for (length, meaning) in lengths.iter().zip(&alphabet.meanings).filter(|(length, _)| **length > 0) {
        let Some(next) = next.get_mut(usize::from(*length)) else { continue };
        if let Some(place) = out.get_mut(*next as usize) {
            *place = *meaning;
        }
        *next = next.wrapping_add(1);
    }
    out
}

/// Returns how many bits choose in a further table that begins with the last `left` codes of a length.
fn bits_of_further(main: u32, counts: &Counts, length: u32, left: u32) -> u32 {
    let mut bits = length.wrapping_sub(main);
    let mut used = left;
    while used < 1u32.wrapping_shl(bits) && bits.wrapping_add(main) < CODE_BITS {
        bits = bits.wrapping_add(1);
        used = used.wrapping_mul(2).wrapping_add(count_of(counts, bits.wrapping_add(main)));
    }
    bits
}

/// Returns the code that follows one of this length, both with their first bit lowest. After the last one comes 0.
fn next_code(code: u32, length: u32) -> u32 {
    let zeros = !code & 1u32.wrapping_shl(length).wrapping_sub(1);
    let Some(highest) = zeros.checked_ilog2() else { return 0 };
    let bit = 1u32.wrapping_shl(highest);
    code & bit.wrapping_sub(1) | bit
}

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // runs when the program is built, as the two below
const fn literals_and_lengths() -> [u32; SYMBOLS] {
    let mut out = [RARE; SYMBOLS];
    let mut symbol = 0;
    while symbol < 256 {
        out[symbol] = LITERAL | (symbol as u32) << 16;
        symbol += 1;
    }
    out[256] = RARE | END;
    let (mut base, mut index) = (3, 0);
    while index < 28 {
        let extra = if index < 8 { 0 } else { index as u32 / 4 - 1 };
        out[257 + index] = base << LENGTH_AT | extra << 8;
        base += 1 << extra;
        index += 1;
    }
    out[285] = 258 << LENGTH_AT;
    out
}

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
const fn distances() -> [u32; SYMBOLS] {
    let mut out = [RARE; SYMBOLS];
    let (mut base, mut index) = (1, 0);
    while index < 30 {
        let extra = if index < 4 { 0 } else { index as u32 / 2 - 1 };
        out[index] = base << DISTANCE_AT | extra;
        base += 1 << extra;
        index += 1;
    }
    out
}

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
const fn lengths() -> [u32; SYMBOLS] {
    let mut out = [RARE; SYMBOLS];
    let mut symbol = 0;
    while symbol < 19 {
        out[symbol] = (symbol as u32) << DISTANCE_AT;
        symbol += 1;
    }
    out
}
