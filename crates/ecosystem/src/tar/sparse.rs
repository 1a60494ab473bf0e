//! Sparse files: where the stored bytes go.

use super::HEAD_BYTES;
use super::pax::number;

/// Checks that a map goes forward within the file and names exactly the stored bytes.
pub fn check(map: &[(u64, u64)], size: u64, stored: u64) -> Result<(), &'static str> {
    let (mut at, mut sum) = (0u64, 0u64);
    for (offset, length) in map {
        let end = offset.checked_add(*length).ok_or("a sparse map over the end")?;
        if *offset < at || end > size {
            return Err("a sparse map out of order or over the end");
        }
        at = end;
        sum = sum.checked_add(*length).ok_or("a sparse map over the end")?;
    }
    if sum == stored { Ok(()) } else { Err("a sparse map that does not fit the stored bytes") }
}

/// Writes the first bytes of the file to `out`, given the first stored ones.
pub fn head(map: &[(u64, u64)], size: u64, mut stored: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.resize(usize::try_from(size).unwrap_or(HEAD_BYTES).min(HEAD_BYTES), 0);
    for (offset, length) in map {
        let length = usize::try_from(*length).unwrap_or(usize::MAX).min(stored.len());
        let Some((piece, rest)) = stored.split_at_checked(length) else { return };
        stored = rest;
        let Some(room) = usize::try_from(*offset).ok().and_then(|at| out.get_mut(at..)) else { return };
        for (to, from) in room.iter_mut().zip(piece) {
            *to = *from;
        }
    }
}

/// Gives zeros.
pub fn zeros(count: u64, sink: &mut dyn FnMut(&[u8])) {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut left = count;
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
        sink(ZEROS.get(..step).unwrap_or(&ZEROS));
        left = left.saturating_sub(step as u64);
    }
}

/// The decimal lines before the data of form 1.0: a count, then offset and length in turns.
#[derive(Default)]
pub struct Numbers {
    count: Option<u64>,
    values: Vec<u64>,
    line: Vec<u8>,
}

impl Numbers {
    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        for byte in bytes {
            if self.complete() {
                return Ok(());
            }
            if self.line.len() > 20 {
                return Err("a malformed sparse map");
            }
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let value = number(&self.line).map_err(|_| "a malformed sparse map")?;
            self.line.clear();
            match self.count {
                None => self.count = Some(value),
                Some(_) => self.values.push(value),
            }
        }
        Ok(())
    }

    /// Returns whether all lines were read.
    pub fn complete(&self) -> bool {
        self.count.is_some_and(|count| self.values.len() as u64 >= count.saturating_mul(2))
    }

    /// Returns how many pairs were read.
    pub fn len(&self) -> usize {
        self.values.len() / 2
    }

    /// Returns the map.
    pub fn map(self) -> Result<Vec<(u64, u64)>, &'static str> {
        Ok(self.values.as_chunks::<2>().0.iter().map(|[offset, length]| (*offset, *length)).collect())
    }
}
