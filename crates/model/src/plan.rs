//! Plans: where and when images are scanned and metered.
//!
//! In: the plan rows of a subscription and of one of its registries. Out: what holds in the registry, moment by moment.
//! A registry has the plan of its subscription unless it has a row of its own and the subscription does not enforce its plan.

use crate::facts::PlanFact;
use crate::time::Micros;

/// The names under which the plan is known; both mean the same. Source: Microsoft.Security/pricings, where the second replaces
/// the first.
pub const NAMES: [&str; 2] = ["ContainerRegistry", "Containers"];

/// What holds over an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Whether images are scanned and metered.
    pub standard: bool,
    /// First moment.
    pub since: Micros,
    /// First moment after, or `FOREVER`.
    pub until: Micros,
}

/// Returns what holds in a registry from the beginning of time to its end: spans without gaps, neighbours differ.
///
/// `own` are the rows of the registry, `above` those of its subscription. A row of the registry that says `enforce` is what held
/// while it was in another subscription: it comes before everything. Where nobody said anything the plan is off.
pub fn spans(own: &[&PlanFact], above: &[&PlanFact]) -> Vec<Span> {
    let rows = own.iter().chain(above);
    let mut edges: Vec<Micros> = rows.flat_map(|row| [row.since, row.until]).collect();
    edges.push(Micros(i64::MIN));
    edges.sort_unstable();
    edges.dedup();
    let mut spans: Vec<Span> = Vec::new();
    for since in edges.into_iter().filter(|edge| *edge != Micros::FOREVER) {
        let standard = standard_at(own, above, since);
        match spans.last_mut() {
            Some(last) if last.standard == standard => {}
            last => {
                last.into_iter().for_each(|last| last.until = since);
                spans.push(Span { standard, since, until: Micros::FOREVER });
            }
        }
    }
    spans
}

/// Returns whether images are scanned at a moment. `own` and `above` as for `spans`.
pub fn standard_at(own: &[&PlanFact], above: &[&PlanFact], at: Micros) -> bool {
    let holds = |row: &&&PlanFact| row.since <= at && at < row.until;
    let firm = own.iter().find(|row| row.enforce && holds(row));
    let own = own.iter().find(holds);
    let above = above.iter().find(holds);
    match (firm, above) {
        (Some(firm), _) => firm.standard,
        (None, Some(above)) if above.enforce => above.standard,
        (None, above) => own.or(above).is_some_and(|row| row.standard),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Scope;

    fn row(standard: bool, enforce: bool, since: i64, until: i64) -> PlanFact {
        let scope = Scope::ALL; // whose rows they are is the caller's affair
        PlanFact { id: 0, scope, standard, enforce, since: Micros(since), until: Micros(until) }
    }

    fn written(span: &Span) -> String {
        let word = if span.standard { "on" } else { "off" };
        if span.since.0 == i64::MIN { word.to_owned() } else { format!(" {} {word}", span.since.0) }
    }

    #[test]
    fn a_registry_has_the_plan_of_its_subscription_unless_it_may_and_does_differ() {
        const END: i64 = i64::MAX;
        for (own, above, want, why) in [
            (vec![], vec![], "off", "nobody said anything"),
            (vec![], vec![row(true, false, 10, END)], "off 10 on", "inherited from when it was enabled on"),
            (vec![row(false, false, 20, END)], vec![row(true, false, 10, END)], "off 10 on 20 off", "its own row"),
            (vec![row(false, false, 20, END)], vec![row(true, true, 10, END)], "off 10 on", "enforced: no difference"),
            (
                vec![row(true, false, 5, 30)],
                vec![row(false, false, 0, 20), row(false, true, 20, END)],
                "off 5 on 20 off",
                "enforced later",
            ),
            (vec![row(true, false, 5, 30)], vec![row(true, false, 10, END)], "off 5 on", "equal neighbours are one"),
            (
                vec![row(true, true, 0, 15)],
                vec![row(false, true, 5, END)],
                "off 0 on 15 off",
                "what held in another subscription stays held",
            ),
        ] {
            let (own, above): (Vec<&PlanFact>, Vec<&PlanFact>) = (own.iter().collect(), above.iter().collect());
            assert_eq!(spans(&own, &above).iter().map(written).collect::<String>(), want, "{why}");
        }
    }
}
