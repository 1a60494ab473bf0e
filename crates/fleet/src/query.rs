//! What can be asked: filter, scope, order, page, time.

use crate::error::QueryError;
use crate::filter::Filter;
use model::facts::Id;
use model::time::Micros;

/// A question to the index.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Which rows.
    pub filter: Filter,
    /// What the asker may see at all; never widened by the filter.
    pub scope: Scope,
    /// In which order.
    pub sort: Sort,
    /// At most so many rows; at least one.
    pub limit: usize,
    /// Continue after this row.
    pub after: Option<Cursor>,
    /// What was known at this moment, instead of now. Texts, scores and the states of images are always today's.
    pub as_of: Option<Micros>,
    /// The asker's clock: ages count from here (from `as_of` where that is given).
    pub now: Micros,
}

/// The part of the scope tree that an asker may see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// All of it.
    #[default]
    Everything,
    /// What lies in any of these; nothing where all three are empty.
    Within {
        /// Row ids of subscriptions.
        subscriptions: Vec<Id>,
        /// Row ids of registries.
        registries: Vec<Id>,
        /// Row ids of repositories.
        repositories: Vec<Id>,
    },
}

/// An order: a key, and whether it runs the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sort {
    /// The key.
    pub key: SortKey,
    /// Against the key's natural direction.
    pub reverse: bool,
}

/// What rows are ordered by; each list has some of them. Numbers run from much to little and times from new to old, names from a to z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SortKey {
    /// Findings and vulnerabilities: known exploited, severity, fixable, EPSS. Images: last push. Other lists: name.
    #[default]
    Default,
    /// Worst first. Images and repositories: most critical first, then most high, and so on.
    Severity,
    /// CVSS v3 base score.
    Cvss,
    /// Probability of exploitation.
    Epss,
    /// Known exploited first, the latest added first.
    Kev,
    /// First seen.
    FirstSeen,
    /// Name of the package, then its version.
    Package,
    /// Name of the vulnerability.
    Vulnerability,
    /// Path of the repository, then digest of the image.
    Image,
    /// Fixable first.
    Fixable,
    /// Number of findings.
    Findings,
    /// Number of images.
    Images,
    /// Last push.
    Pushed,
    /// Last pull.
    Pulled,
    /// Publication of the vulnerability.
    Published,
}

/// Every word for an order. `age` is `first_seen`, oldest first.
const SORTS: [(&str, SortKey, bool); 17] = [
    ("default", SortKey::Default, false),
    ("severity", SortKey::Severity, false),
    ("cvss", SortKey::Cvss, false),
    ("epss", SortKey::Epss, false),
    ("kev", SortKey::Kev, false),
    ("first_seen", SortKey::FirstSeen, false),
    ("age", SortKey::FirstSeen, true),
    ("package", SortKey::Package, false),
    ("vulnerability", SortKey::Vulnerability, false),
    ("image", SortKey::Image, false),
    ("repository", SortKey::Image, false),
    ("fixable", SortKey::Fixable, false),
    ("findings", SortKey::Findings, false),
    ("images", SortKey::Images, false),
    ("pushed", SortKey::Pushed, false),
    ("pulled", SortKey::Pulled, false),
    ("published", SortKey::Published, false),
];

impl Sort {
    /// Parses `severity`, or `-severity` for the other way round.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let word = text.strip_prefix('-').unwrap_or(text);
        for (name, key, reverse) in SORTS {
            if name == word {
                return Ok(Self { key, reverse: reverse != text.starts_with('-') });
            }
        }
        Err(QueryError::Sort { word: text.to_owned(), allowed: SORTS.iter().map(|s| s.0).collect() })
    }

    /// Refuses an order that a list does not have.
    pub(crate) fn only(self, keys: &[SortKey]) -> Result<Self, QueryError> {
        if keys.contains(&self.key) {
            return Ok(self);
        }
        let word = |key| SORTS.iter().find(|s| s.1 == key).map_or("default", |s| s.0);
        let allowed = SORTS.iter().filter(|s| keys.contains(&s.1)).map(|s| s.0).collect();
        Err(QueryError::Sort { word: word(self.key).to_owned(), allowed })
    }
}

/// A place between two rows of a list, as text that is handed back unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub(crate) String);

impl Cursor {
    /// Takes the text of a cursor; whether it fits is seen when it is used.
    pub fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the text: letters, digits, dots and hyphens.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A page of a list, from one state of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many rows the list has, exactly.
    pub total: u64,
    /// In the list of findings: how many would pass but are hidden by default (see `Filter`); not in `total`. Other lists
    /// say it in the tally of each row.
    pub hidden: u64,
    /// In the list of findings: how many would pass but for a disable rule that hides them; not in `total`.
    pub disabled: u64,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Cursor>,
    /// Revision of the store that the answer was given at.
    pub revision: i64,
    /// Generation of the advisory database in force.
    pub generation: i64,
}
