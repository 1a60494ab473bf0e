//! Words of notices: counts, brackets, when something was pulled.

use crate::history::DAY;
use fleet::{FindingRow, Place};
use model::{Micros, Severity};

/// Characters of a digest that are enough to know it again.
const DIGEST_CHARS: usize = 19;

/// `1 image`, `3 images`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `[critical, fix available]`.
pub fn bracket(severity: Severity, fixable: bool, exploited: bool) -> String {
    let mut words = vec![severity.as_str()];
    words.extend(fixable.then_some("fix available"));
    words.extend(exploited.then_some("known exploited"));
    format!("[{}]", words.join(", "))
}

/// `openssl 3.0.11 -> 3.0.13`.
pub fn upgrade(row: &FindingRow) -> String {
    let (name, version) = (&row.package.name, &row.package.version);
    if row.fixed_version.is_empty() {
        format!("{name} {version}")
    } else {
        format!("{name} {version} -> {}", row.fixed_version)
    }
}

/// `local/payments/api`.
pub fn repository(place: &Place) -> String {
    format!("{}/{}", place.registry, place.repository)
}

/// The path of the repository in the tree.
pub fn scope(place: &Place) -> String {
    format!("/{}/{}/{}", place.subscription, place.registry, place.repository)
}

/// `4 tags, pulled today`.
pub fn tags_and_pull(place: &Place, now: Micros) -> String {
    let tags = match &place.tags[..] {
        [] => "no tag".to_owned(),
        [tag] => format!("tag {tag}"),
        tags => format!("{} tags", tags.len()),
    };
    let days = now.0.saturating_sub(place.last_pull.0) / DAY;
    match (place.last_pull.0, days) {
        (0, _) => format!("{tags}, never pulled"),
        (_, ..=0) => format!("{tags}, pulled today"),
        (_, 1) => format!("{tags}, pulled yesterday"),
        (_, days) => format!("{tags}, pulled {days} days ago"),
    }
}

/// The beginning of a digest.
pub fn short(digest: &str) -> &str {
    digest.get(..DIGEST_CHARS).unwrap_or(digest)
}
