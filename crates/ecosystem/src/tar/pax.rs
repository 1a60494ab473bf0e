//! PAX extended headers.
//!
//! In: records `LENGTH KEY=VALUE\n`. Out: what moves or sizes a file; all other keys are checked for form and dropped.
//! A record that is malformed, or a key that matters and comes twice, refuses the archive.

/// What a PAX header says that matters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pax {
    /// `path`.
    pub path: Option<Vec<u8>>,
    /// `linkpath`.
    pub link: Option<Vec<u8>>,
    /// `size`: bytes stored in the archive.
    pub size: Option<u64>,
    /// `GNU.sparse.*`.
    pub sparse: Option<Sparse>,
}

/// A sparse file as GNU's PAX keys describe it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sparse {
    /// The file's name (`path` then is made up).
    pub name: Option<Vec<u8>>,
    /// The file's size when unpacked.
    pub size: u64,
    /// The map, in forms 0.0 and 0.1.
    pub map: Vec<(u64, u64)>,
    /// Form 1.0: the map stands before the data.
    pub map_in_body: bool,
}

/// The `GNU.sparse` keys as they come.
#[derive(Default)]
struct Keys {
    major: Option<u64>,
    minor: Option<u64>,
    name: Option<Vec<u8>>,
    size: Option<u64>,
    real_size: Option<u64>,
    blocks: Option<u64>,
    map: Option<Vec<u8>>,
    pairs: Vec<u64>,
}

impl Pax {
    /// Reads the records.
    pub fn parse(mut body: &[u8]) -> Result<Self, &'static str> {
        let mut pax = Self::default();
        let (mut keys, mut any) = (Keys::default(), false);
        while !body.is_empty() {
            let (key, value, rest) = record(body).ok_or("a malformed PAX record")?;
            body = rest;
            match key {
                b"path" => once(&mut pax.path, text(value)?)?,
                b"linkpath" => once(&mut pax.link, text(value)?)?,
                b"size" => once(&mut pax.size, number(value)?)?,
                _ if key.starts_with(b"GNU.sparse.") => {
                    any = true;
                    keys.take(key.get(11..).unwrap_or(&[]), value)?;
                }
                _ => {}
            }
        }
        if any {
            pax.sparse = keys.finish()?;
        }
        // An empty value stands for "as if it were not there".
        pax.path = pax.path.filter(|path| !path.is_empty());
        pax.link = pax.link.filter(|link| !link.is_empty());
        Ok(pax)
    }

    /// Returns whether it moves or sizes a file.
    pub fn moves_anything(&self) -> bool {
        *self != Self::default()
    }
}

impl Keys {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match key {
            b"major" => once(&mut self.major, number(value)?),
            b"minor" => once(&mut self.minor, number(value)?),
            b"name" => once(&mut self.name, text(value)?),
            b"size" => once(&mut self.size, number(value)?),
            b"realsize" => once(&mut self.real_size, number(value)?),
            b"numblocks" => once(&mut self.blocks, number(value)?),
            b"map" => once(&mut self.map, text(value)?),
            b"offset" | b"numbytes" => {
                if (key == b"offset") != self.pairs.len().is_multiple_of(2) {
                    return Err("a malformed sparse map");
                }
                self.pairs.push(number(value)?);
                Ok(())
            }
            _ => Err("an unknown GNU.sparse key"),
        }
    }

    fn finish(self) -> Result<Option<Sparse>, &'static str> {
        let size = self.real_size.or(self.size).ok_or("a sparse file without a size")?;
        let form = (self.major, self.minor);
        if form == (Some(1), Some(0)) {
            return Ok(Some(Sparse { name: self.name, size, map: Vec::new(), map_in_body: true }));
        }
        if !matches!(form, (None | Some(0), None | Some(0 | 1))) {
            return Err("a sparse file of an unknown form");
        }
        let mut numbers = self.pairs;
        for part in self.map.iter().flat_map(|map| map.split(|b| *b == b',')) {
            numbers.push(number(part)?);
        }
        let (pairs, odd) = numbers.as_chunks::<2>();
        if !odd.is_empty() || self.blocks.is_some_and(|blocks| blocks != pairs.len() as u64) {
            return Err("a malformed sparse map");
        }
        let map = pairs.iter().map(|[offset, length]| (*offset, *length)).collect();
        Ok(Some(Sparse { name: self.name, size, map, map_in_body: false }))
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), &'static str> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err("a PAX key twice in one header"),
    }
}

fn text(value: &[u8]) -> Result<Vec<u8>, &'static str> {
    if value.contains(&0) { Err("a PAX value with a NUL") } else { Ok(value.to_vec()) }
}

pub(super) fn number(value: &[u8]) -> Result<u64, &'static str> {
    let all_digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(value).ok().filter(|_| all_digits).and_then(|text| text.parse::<i64>().ok());
    number.and_then(|number| u64::try_from(number).ok()).ok_or("a PAX number that is none")
}

/// Splits off one record: key, value, rest.
fn record(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = body.iter().take(20).position(|b| *b == b' ')?;
    let (digits, _) = body.split_at_checked(blank)?;
    let length = usize::try_from(number(digits).ok()?).ok()?;
    let (whole, rest) = body.split_at_checked(length)?;
    let inner = whole.get(blank.checked_add(1)?..)?.strip_suffix(b"\n")?;
    let equals = inner.iter().position(|b| *b == b'=')?;
    let (key, value) = inner.split_at_checked(equals)?;
    (!key.is_empty() && !key.contains(&0)).then_some((key, value.get(1..)?, rest))
}
