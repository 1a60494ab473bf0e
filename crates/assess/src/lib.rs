//! What knowledge means for a package and for an image: matches, severity, remediation, verdict.
//!
//! In: packages and an opened advisory database; configurations of registries. Out: matches, notes, reason codes, words for people;
//! what posture rules say.
//! Pure: no network, disk, clock. A match depends on the package and the database alone.

pub mod end_of_life;
mod grade;
mod hit;
mod matching;
pub mod posture;
pub mod recommendation;
mod remediation;
pub mod sbom;
pub mod score;
mod upgrade;
mod verdict;
mod why;

pub use matching::{Judged, matches};
pub use remediation::{Remediation, Step, remediation};
pub use upgrade::{Upgrade, together, upgrade};
pub use verdict::{Assessed, assess, verdict};
pub use why::{Why, why};
