//! What knowledge means for a package and for an image: matches, severity, remediation, verdict.
//!
//! In: packages and an opened advisory database. Out: matches, notes, reason codes, words for people.
//! Pure: no network, disk, clock. A match depends on the package and the database alone.

mod grade;
mod hit;
mod matching;
mod remediation;
mod verdict;
mod why;

pub use matching::{Judged, matches};
pub use remediation::{Remediation, Step, remediation};
pub use verdict::{Assessed, assess, verdict};
pub use why::{Why, why};
