//! The secure score: its arithmetic, with the numbers put in.
//!
//! In: how many resources of each control are healthy and unhealthy. Out: points, and the sum as people would write it.
//! A resource gives max / (healthy + unhealthy) points if it is healthy; a control without resources does not count; a score is
//! Σ current / Σ max; several scopes are weighted by their resources. Source: Defender for Cloud, "Secure score".

use serde::Serialize;

/// The control that findings count towards.
pub const VULNERABILITIES: &str = "Remediate vulnerabilities";
/// The most points that it gives.
pub const VULNERABILITIES_MAX: u32 = 6;

/// At most so many scopes are written out in a sum.
const SPELLED: usize = 4;

/// A control with its resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Control {
    /// Name.
    pub name: String,
    /// The most points that it gives.
    pub max: u32,
    /// Resources on which every recommendation of the control is followed.
    pub healthy: u64,
    /// Resources on which one is not.
    pub unhealthy: u64,
    /// Resources that it is not asked of: they do not count.
    pub not_applicable: u64,
}

impl Control {
    /// Returns how many resources count.
    pub fn counted(&self) -> u64 {
        self.healthy.saturating_add(self.unhealthy)
    }

    /// Returns the points; `None` if nothing counts.
    pub fn current(&self) -> Option<f64> {
        (self.counted() > 0).then(|| f64::from(self.max) * self.healthy as f64 / self.counted() as f64)
    }

    /// Returns the points that its unhealthy resources would add.
    pub fn gain(&self) -> f64 {
        self.current().map_or(0.0, |current| f64::from(self.max) - current)
    }

    /// Returns the sum with its numbers: `6 / 78 × 4 = 0.31`.
    pub fn formula(&self) -> String {
        match self.current() {
            Some(current) => format!("{} / {} × {} = {current:.2}", self.max, self.counted(), self.healthy),
            None => "no resource counts".to_owned(),
        }
    }
}

/// A score with its controls.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Score {
    /// The controls, those without resources included.
    pub controls: Vec<Control>,
}

impl Score {
    fn counted(&self) -> impl Iterator<Item = &Control> {
        self.controls.iter().filter(|control| control.counted() > 0)
    }

    /// Returns the points of all controls that count.
    pub fn current(&self) -> f64 {
        self.counted().filter_map(Control::current).sum()
    }

    /// Returns the most points that these could give.
    pub fn max(&self) -> u32 {
        self.counted().map(|control| control.max).sum()
    }

    /// Returns current ÷ max to four digits; `None` if nothing counts.
    pub fn ratio(&self) -> Option<f64> {
        (self.max() > 0).then(|| (self.current() / f64::from(self.max()) * 10_000.0).round() / 10_000.0)
    }

    /// Returns how many resources count, each once a control: what a scope weighs.
    pub fn weight(&self) -> u64 {
        self.counted().map(Control::counted).fold(0, u64::saturating_add)
    }

    /// Returns the sum with its numbers: `2.31 / 10 = 23 %`.
    pub fn formula(&self) -> String {
        match self.ratio() {
            Some(ratio) => format!("{:.2} / {} = {:.0} %", self.current(), self.max(), ratio * 100.0),
            None => "nothing counts yet".to_owned(),
        }
    }
}

/// Returns that sum with its numbers: `(10 × 61 % + 4 × 30 %) / 14 = 52 %`; of many scopes only the two sides.
pub fn together_formula(scores: &[Score]) -> String {
    let Some(ratio) = together(scores) else { return Score::default().formula() };
    let counted: Vec<(u64, f64)> = scores.iter().filter_map(|score| Some((score.weight(), score.ratio()?))).collect();
    let weight: u64 = counted.iter().map(|(weight, _)| weight).sum();
    let sum = if counted.len() <= SPELLED {
        let one = |(weight, ratio): &(u64, f64)| format!("{weight} × {:.0} %", ratio * 100.0);
        format!("({})", counted.iter().map(one).collect::<Vec<_>>().join(" + "))
    } else {
        format!("{:.2}", counted.iter().map(|(weight, ratio)| *weight as f64 * ratio).sum::<f64>())
    };
    format!("{sum} / {weight} = {:.0} %", ratio * 100.0)
}

/// Returns the ratio of several scopes together: each weighs as much as it has resources. `None` if nothing counts.
pub fn together(scores: &[Score]) -> Option<f64> {
    let weight: u64 = scores.iter().map(Score::weight).sum();
    let sum: f64 = scores.iter().filter_map(|score| Some(score.ratio()? * score.weight() as f64)).sum();
    (weight > 0).then(|| (sum / weight as f64 * 10_000.0).round() / 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(max: u32, healthy: u64, unhealthy: u64) -> Control {
        Control { name: "c".into(), max, healthy, unhealthy, not_applicable: 7 }
    }

    #[test]
    fn the_sum_is_the_documented_one() {
        for (max, healthy, unhealthy, want) in [
            (6, 4, 74, "6 / 78 × 4 = 0.31"),
            (6, 0, 3, "6 / 3 × 0 = 0.00"),
            (6, 3, 0, "6 / 3 × 3 = 6.00"),
            (4, 0, 0, "no resource counts"),
        ] {
            assert_eq!(control(max, healthy, unhealthy).formula(), want);
        }
        let score = Score { controls: vec![control(6, 4, 74), control(4, 1, 1), control(10, 0, 0)] };
        assert_eq!(score.max(), 10, "a control without resources does not count");
        assert_eq!(score.formula(), "2.31 / 10 = 23 %");
        assert_eq!(Score::default().ratio(), None);
    }

    #[test]
    fn the_sum_of_several_scopes_is_the_one_that_their_ratio_comes_from() {
        let one = |healthy, unhealthy| Score { controls: vec![control(6, healthy, unhealthy)] };
        for (scores, want) in [
            (vec![one(10, 0), one(0, 1)], "(10 × 100 % + 1 × 0 %) / 11 = 91 %"),
            (vec![one(1, 1), one(0, 0)], "(2 × 50 %) / 2 = 50 %"),
            (vec![one(1, 1); 5], "5.00 / 10 = 50 %"),
            (vec![], "nothing counts yet"),
        ] {
            assert_eq!(together_formula(&scores), want);
        }
    }

    proptest::proptest! {
        #[test]
        fn current_and_gain_make_the_maximum_and_a_healthy_resource_never_lowers_the_score(max in 1u32..20, healthy in 0u64..500, unhealthy in 1u64..500) {
            let (before, after) = (control(max, healthy, unhealthy), control(max, healthy + 1, unhealthy - 1));
            let sum = before.current().unwrap_or(0.0) + before.gain();
            proptest::prop_assert!((sum - f64::from(max)).abs() < 1e-9);
            proptest::prop_assert!(after.current() >= before.current());
        }

        #[test]
        fn scopes_together_lie_between_the_worst_and_the_best(a in 0u64..50, b in 1u64..50, c in 0u64..50, d in 1u64..50) {
            let scores = [Score { controls: vec![control(6, a, b)] }, Score { controls: vec![control(6, c, d)] }];
            let all: Vec<f64> = scores.iter().filter_map(Score::ratio).collect();
            let one = together(&scores).unwrap_or(-1.0);
            let (low, high) = (all[0].min(all[1]), all[0].max(all[1]));
            proptest::prop_assert!(one >= low - 1e-4 && one <= high + 1e-4);
        }
    }
}
