//! The limits: one table of names, bounds and defaults.
//!
//! In: `[limits]` of the settings file. Out: numbers within their bounds, put where they hold; the rows of the documentation.

use scan::sandbox;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Things.
    Count,
}

/// One limit.
#[derive(Debug)]
pub struct Limit {
    /// The key.
    pub name: &'static str,
    /// What is limited.
    pub of: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// The smallest number that is taken.
    pub least: u64,
    /// The largest.
    pub most: u64,
    /// Where it holds.
    pub place: Place,
}

/// Where a limit holds.
#[derive(Debug)]
pub enum Place {
    /// In the readers of layers.
    Readers(fn(&mut sandbox::Settings) -> Slot<'_>),
    /// In the connections of `serve`; the default in words.
    Connections(&'static str),
}

/// A number of the readers' settings.
#[derive(Debug)]
pub enum Slot<'a> {
    /// Most of them.
    Number(&'a mut u64),
    /// One that counts things in memory.
    Size(&'a mut usize),
    /// A time.
    Time(&'a mut Duration),
}

impl Slot<'_> {
    fn get(&self) -> u64 {
        match self {
            Self::Number(number) => **number,
            Self::Size(number) => u64::try_from(**number).unwrap_or(u64::MAX),
            Self::Time(time) => time.as_secs(),
        }
    }

    fn set(self, value: u64) {
        match self {
            Self::Number(number) => *number = value,
            Self::Size(number) => *number = usize::try_from(value).unwrap_or(usize::MAX),
            Self::Time(time) => *time = Duration::from_secs(value),
        }
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

const fn readers(
    name: &'static str,
    of: &'static str,
    unit: Unit,
    (least, most): (u64, u64),
    slot: fn(&mut sandbox::Settings) -> Slot<'_>,
) -> Limit {
    Limit { name, of, unit, least, most, place: Place::Readers(slot) }
}

const fn connections(
    name: &'static str,
    of: &'static str,
    unit: Unit,
    (least, most): (u64, u64),
    default: &'static str,
) -> Limit {
    Limit { name, of, unit, least, most, place: Place::Connections(default) }
}

/// Every limit that can be set, in the order of the documentation.
#[rustfmt::skip]
pub const ALL: [Limit; 16] = [
    readers("entries", "entries of a layer", Unit::Count, (1, 1_000_000_000), |s| Slot::Number(&mut s.walk.entries)),
    readers("unpacked_bytes", "a layer after decompression", Unit::Bytes, (MIB, 1024 * GIB), |s| Slot::Number(&mut s.walk.unpacked_bytes)),
    readers("packages", "packages of a layer", Unit::Count, (1, 10_000_000), |s| Slot::Size(&mut s.walk.packages)),
    readers("file_bytes", "a file that is read in memory, as most lists of packages are; at most a quarter of a reader's memory", Unit::Bytes, (64 * KIB, 4 * GIB), |s| Slot::Number(&mut s.walk.whole_bytes)),
    readers("seekable_bytes", "a file that is sought in: RPM's database, Go programs; at most three quarters of a reader's memory", Unit::Bytes, (64 * KIB, 16 * GIB), |s| Slot::Number(&mut s.walk.seekable_bytes)),
    readers("pax_bytes", "an extended header of a tar", Unit::Bytes, (4 * KIB, 64 * MIB), |s| Slot::Number(&mut s.walk.pax_bytes)),
    readers("path_bytes", "a path; an entry with a longer one is passed over", Unit::Bytes, (256, 64 * KIB), |s| Slot::Size(&mut s.walk.path_bytes)),
    readers("zstd_window", "the window of a zstd layer; at most seven eighths of a reader's memory", Unit::Bytes, (8 * MIB, 2 * GIB), |s| Slot::Number(&mut s.walk.zstd_window)),
    readers("child_memory", "shared out among the readers of images, 40 MiB each at least (so more than four have more together; those of uploads under way come on top); a second try alone has all", Unit::Bytes, (32 * MIB, 1024 * GIB), |s| Slot::Number(&mut s.memory_bytes)),
    readers("child_seconds", "processor time of one reader", Unit::Seconds, (1, 86_400), |s| Slot::Time(&mut s.cpu)),
    readers("child_wall_seconds", "time that a reader may keep its parent waiting", Unit::Seconds, (1, 86_400), |s| Slot::Time(&mut s.wall)),
    readers("child_output", "what one reader may answer", Unit::Bytes, (MIB, GIB), |s| Slot::Number(&mut s.output_bytes)),
    connections("connections", "connections at a time", Unit::Count, (1, 1_000_000), "4,096, or half of the descriptors that the system allows"),
    connections("connections_of_address", "connections from an address (IPv6: a /64), trusted proxies excepted", Unit::Count, (1, 1_000_000), "half of `connections`"),
    connections("header_seconds", "from a connection to the end of its first request's header", Unit::Seconds, (1, 86_400), "10 s"),
    connections("idle_seconds", "from an answer to the end of the next request's header", Unit::Seconds, (1, 86_400), "75 s"),
];

impl Limit {
    /// Returns what holds in these settings; nothing for a limit of connections.
    pub fn value(&self, settings: &mut sandbox::Settings) -> Option<u64> {
        match self.place {
            Place::Readers(slot) => Some(slot(settings).get()),
            Place::Connections(_) => None,
        }
    }

    /// Writes what holds where nothing is set.
    pub fn default(&self) -> String {
        match self.place {
            Place::Connections(words) => words.to_owned(),
            Place::Readers(slot) => self.text(slot(&mut sandbox::Settings::default()).get()),
        }
    }

    /// Writes a number of this limit for people.
    pub fn text(&self, value: u64) -> String {
        match self.unit {
            Unit::Bytes => bytes(value),
            Unit::Seconds => format!("{} s", grouped(value)),
            Unit::Count => grouped(value),
        }
    }
}

/// `16 MiB`, as far as it comes out even.
fn bytes(value: u64) -> String {
    let units = [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")];
    match units.iter().find(|(unit, _)| value >= *unit && value.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", grouped(value / unit)),
        None => format!("{} B", grouped(value)),
    }
}

/// `5,000,000`.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The limits that were set, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, u64>")]
pub struct Limits(BTreeMap<String, u64>);

impl TryFrom<BTreeMap<String, u64>> for Limits {
    type Error = String;

    fn try_from(set: BTreeMap<String, u64>) -> Result<Self, String> {
        for (name, value) in &set {
            let Some(limit) = ALL.iter().find(|limit| limit.name == name) else {
                let names: Vec<&str> = ALL.iter().map(|limit| limit.name).collect();
                return Err(format!("unknown limit `{name}`, expected one of {}", names.join(", ")));
            };
            if !(limit.least..=limit.most).contains(value) {
                let (least, most) = (limit.least, limit.most);
                return Err(format!(
                    "`{name}` ({}) is {value}: write a number from {least} to {most}; the default is {}",
                    limit.of,
                    limit.default()
                ));
            }
        }
        Ok(Self(set))
    }
}

impl Limits {
    /// Returns a limit that was set.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// Puts what was set into the settings of the readers.
    pub fn apply(&self, settings: &mut sandbox::Settings) {
        for limit in &ALL {
            if let (Place::Readers(slot), Some(value)) = (&limit.place, self.get(limit.name)) {
                slot(settings).set(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Limits, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn every_limit_is_taken_within_its_bounds_and_holds() {
        for limit in &ALL {
            for value in [limit.least - 1, limit.most + 1] {
                assert!(parse(&format!("{} = {value}", limit.name)).is_err(), "{} = {value}", limit.name);
            }
            for value in [limit.least, limit.most] {
                let read = parse(&format!("{} = {value}", limit.name)).unwrap();
                let mut settings = sandbox::Settings::default();
                read.apply(&mut settings);
                assert_eq!(limit.value(&mut settings).unwrap_or(value), value, "{}", limit.name);
                assert_eq!(read.get(limit.name), Some(value));
            }
            let default = limit.value(&mut sandbox::Settings::default()).unwrap_or(limit.least);
            assert!((limit.least..=limit.most).contains(&default), "{}: the default is within its bounds", limit.name);
        }
        let said = parse("entires = 5").unwrap_err();
        assert!(said.contains("entires") && said.contains("entries"), "{said}");
    }

    #[test]
    fn the_documentation_has_every_limit_with_its_default_and_bounds() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operate.md");
        let text = std::fs::read_to_string(path).unwrap();
        for limit in &ALL {
            let bounds = format!("{} to {}", limit.text(limit.least), limit.text(limit.most));
            let row = format!("| `{}` | {} | {} | {bounds} |", limit.name, limit.of, limit.default());
            assert!(text.lines().any(|line| line == row), "docs/operate.md wants: {row}");
        }
    }
}
