//! The fleet index: facts in, answers out.
//!
//! In: a `Snapshot` of the store's facts, then its `Changes`, in order.
//! Out: pages with exact totals, counts, blast radius, exposure, also as of a past time. A finding (repository × image ×
//! package × vulnerability) is never a row: it is the join of presences, inventories and matches, made when asked.
//! Pure: no network, disk, database, clock or runtime; the asker brings the time.
//!
//! Reading order: `index` (the columns), `apply` (how they follow the store), `filter` and `query` (what can be asked),
//! `plan` (which places and matches pass), `selection` and `sums` (how many findings that makes), `rules`, `kinds`, `lens` and `sight`
//! (what disable rules and plans take away), then one file a list.

mod adding;
mod apply;
mod apply_lens;
mod carry;
mod cells;
mod counts;
mod coverage;
mod criteria;
mod cursor;
mod distinct;
mod effects;
mod error;
mod everything;
mod exposure;
mod filter;
mod findings;
mod ids;
mod images;
mod index;
mod kinds;
mod lanes;
mod lens;
mod marks;
mod match_tests;
mod news;
mod packages;
mod past;
mod place_tests;
mod plan;
mod preview;
mod query;
mod reach;
mod remediation;
mod repositories;
mod rows;
mod rules;
mod scopes;
mod score;
mod selection;
mod sets;
mod sight;
mod sums;
mod view;
mod vulnerabilities;
mod weights;

pub use coverage::{MOMENTS, ReadState};
pub use effects::RuleEffect;
pub use error::QueryError;
pub use filter::{Filter, WORDS, Word};
pub use index::Index;
pub use news::{Arrival, Heard, News, Topic};
pub use preview::{Preview, Proposal};
pub use query::{Cursor, Page, Query, Scope, Sort, SortKey};
pub use reach::Reach;
pub use remediation::{Remediation, Spread};
pub use rows::{
    BlastRadius, Counts, Exposure, FindingRow, Hit, ImageRow, PackageRow, Place, RepositoryRow, RuleMark, Tally,
    VulnerabilityRow,
};
pub use scopes::{Level, ScopeRow};
pub use score::{ImageState, ImageTest, Score, ScoreSettings, ScoreTally, StateRow};
pub use weights::{POINTS, Weight};
