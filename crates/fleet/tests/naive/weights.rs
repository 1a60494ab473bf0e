//! What repositories weigh and how many images have a reason are what the lists behind these numbers add up to.

use crate::world::{DAY, END};
use fleet::{Filter, Index, POINTS, Query, Scope, Weight};
use model::time::Micros;

fn asked(words: &str) -> Query {
    let filter = Filter::parse(words).expect("known words");
    Query { filter, limit: 10_000, now: Micros(END * DAY), ..Query::default() }
}

/// The points of the findings that are listed.
fn listed(index: &Index, scope: Scope) -> u64 {
    let page = index.findings(&Query { scope, ..asked("pulled:<19d") }).expect("findings");
    let of = |severity| POINTS.iter().find(|(known, _)| *known == severity).map_or(0, |(_, points)| *points);
    page.items.iter().map(|row| of(row.severity) * if row.vulnerability.kev.0 > 0 { 2 } else { 1 }).sum()
}

pub fn check_weights(index: &Index) {
    let weights = index.weights(&asked(""), 19).expect("weights");
    assert!(weights.is_sorted_by(|a, b| a.total() >= b.total()));
    assert_eq!(weights.iter().map(Weight::total).sum::<u64>(), listed(index, Scope::Everything));
    for weight in &weights {
        let repositories = vec![weight.repository.id];
        let here = Scope::Within { subscriptions: Vec::new(), registries: Vec::new(), repositories };
        assert_eq!(weight.total(), listed(index, here.clone()));
        let images = index.images(&Query { scope: here, ..asked("pulled:<19d") }).expect("images");
        assert_eq!(weight.repository.images, images.total);
    }
    for (code, images) in index.reasons(&asked("verdict:gaps,failed")).expect("reasons") {
        let list = index.images(&asked(&format!("verdict:gaps,failed reason:{code}"))).expect("images");
        assert_eq!(images, list.total, "{code}");
    }
}
