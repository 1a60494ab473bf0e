//! One header block.
//!
//! In: 512 bytes. Out: its fields, or what is wrong with one.

use super::BLOCK;

/// A header block.
pub struct Block([u8; BLOCK]);

impl Block {
    /// Takes the first 512 bytes; `None` when there are fewer.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().copied().map(Self)
    }

    /// Returns whether every byte is zero.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Compares the checksum, taken over unsigned bytes or, as old tars did, over signed ones.
    pub fn check(&self) -> Result<(), &'static str> {
        let want = octal(self.field(148, 8)).ok_or("a checksum that is no number")?;
        let field: u64 = self.field(148, 8).iter().map(|b| u64::from(*b)).sum();
        let unsigned: u64 = self.0.iter().map(|b| u64::from(*b)).sum();
        let unsigned = unsigned.saturating_sub(field).saturating_add(8 * 32);
        if unsigned == want {
            return Ok(());
        }
        let high = |bytes: &[u8]| bytes.iter().filter(|b| **b >= 0x80).count() as u64;
        let above = high(&self.0).saturating_sub(high(self.field(148, 8)));
        let signed = i64::try_from(unsigned).ok().zip(i64::try_from(above.saturating_mul(256)).ok());
        match signed.map(|(sum, above)| sum.saturating_sub(above)) {
            Some(sum) if i64::try_from(want) == Ok(sum) => Ok(()),
            _ => Err("a wrong header checksum"),
        }
    }

    /// Returns the type letter.
    pub fn typeflag(&self) -> u8 {
        self.field(156, 1).first().copied().unwrap_or(0)
    }

    /// Writes the name, with ustar's prefix, to `out`.
    pub fn name(&self, out: &mut Vec<u8>) {
        if self.field(257, 6) == b"ustar\0" {
            // star keeps times where POSIX has the end of the prefix.
            let length = if self.field(508, 4) == b"tar\0" { 131 } else { 155 };
            let prefix = text(self.field(345, length));
            if !prefix.is_empty() {
                out.extend_from_slice(prefix);
                out.push(b'/');
            }
        }
        out.extend_from_slice(text(self.field(0, 100)));
    }

    /// Returns where a link leads.
    pub fn link(&self) -> &[u8] {
        text(self.field(157, 100))
    }

    /// Returns the size.
    pub fn size(&self) -> Result<u64, &'static str> {
        number(self.field(124, 12)).ok_or("a size that is no number of bytes")
    }

    /// Returns the size of a sparse file of GNU's old form.
    pub fn sparse_size(&self) -> Result<u64, &'static str> {
        number(self.field(483, 12)).ok_or("a sparse file's size that is no number of bytes")
    }

    /// Appends the four entries of an old sparse header. Returns whether more follow in a block of their own.
    pub fn sparse_entries(&self, map: &mut Vec<(u64, u64)>) -> Result<bool, &'static str> {
        if self.field(257, 8) != b"ustar  \0" {
            return Err("a sparse file in an archive that is not GNU's");
        }
        entries(self.field(386, 96), map)?;
        Ok(self.field(482, 1) != [0])
    }

    /// Appends the 21 entries of a block of an old sparse header. Returns whether more follow.
    pub fn more_sparse_entries(&self, map: &mut Vec<(u64, u64)>) -> Result<bool, &'static str> {
        entries(self.field(0, 504), map)?;
        Ok(self.field(504, 1) != [0])
    }

    fn field(&self, start: usize, length: usize) -> &[u8] {
        self.0.get(start..start.saturating_add(length)).unwrap_or(&[])
    }
}

fn entries(bytes: &[u8], map: &mut Vec<(u64, u64)>) -> Result<(), &'static str> {
    for entry in bytes.chunks_exact(24) {
        let (offset, length) = entry.split_at_checked(12).unwrap_or((entry, &[]));
        if offset.first() == Some(&0) {
            return Ok(());
        }
        match (number(offset), number(length)) {
            (Some(offset), Some(length)) => map.push((offset, length)),
            _ => return Err("a sparse map that holds no numbers"),
        }
    }
    Ok(())
}

fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    field.get(..end).unwrap_or(field)
}

/// Reads an octal or base-256 number of at most 63 bits.
fn number(field: &[u8]) -> Option<u64> {
    let value = match field.split_first() {
        // 0x80 marks base-256; 0x40 in the first byte would be a negative number.
        Some((first, rest)) if first & 0x80 != 0 => {
            let mut value = u64::from(first & 0x7f);
            for byte in rest {
                value = value.checked_mul(256)?.checked_add(u64::from(*byte))?;
            }
            value
        }
        _ => octal(field)?,
    };
    i64::try_from(value).is_ok().then_some(value)
}

fn octal(field: &[u8]) -> Option<u64> {
    let blank = |b: &u8| matches!(b, 0 | b' ');
    let start = field.iter().position(|b| !blank(b)).unwrap_or(field.len());
    let end = field.iter().rposition(|b| !blank(b)).map_or(start, |last| last.saturating_add(1));
    let mut value: u64 = 0;
    for byte in text(field.get(start..end)?) {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 8)?;
        value = value.checked_mul(8)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}
