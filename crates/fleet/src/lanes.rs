//! Findings as small numbers, added and taken away as one.
//!
//! In: –. Out: ten counts side by side.

use crate::rows::Tally;

/// Findings as small numbers: by severity, then fixable, known exploited, hidden, disabled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lanes(pub [u32; 10]);

impl Lanes {
    pub const HIDDEN: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    pub const DISABLED: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    pub fn add(&mut self, other: &Self) {
        for (to, from) in self.0.iter_mut().zip(other.0) {
            *to = to.wrapping_add(from);
        }
    }

    pub fn take(&mut self, other: &Self) {
        for (to, from) in self.0.iter_mut().zip(other.0) {
            *to = to.wrapping_sub(from);
        }
    }

    /// Returns whether there is a finding that is not hidden.
    pub fn any(&self) -> bool {
        self.0[..6].iter().any(|n| *n > 0)
    }

    pub fn tally(&self) -> Tally {
        let [s0, s1, s2, s3, s4, s5, fixable, kev, hidden, disabled] = self.0.map(u64::from);
        Tally { severities: [s0, s1, s2, s3, s4, s5], fixable, kev, hidden, disabled }
    }
}
