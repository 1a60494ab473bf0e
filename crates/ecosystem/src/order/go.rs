//! Go's order: `golang.org/x/mod/semver`, and the names of Go's own releases.
//!
//! In: `v1.2.3`, pseudo-versions, `v2.0.0+incompatible`; the same without `v` as OSV has them; releases of Go: `go1.21rc2`, `1.21.3`.
//! Out: their order; `1.21rc2` is `1.21.0-rc.2`, build metadata does not count.

use super::semver::Version;
use std::cmp::Ordering;

/// Orders two versions as Go does.
pub fn compare(a: &str, b: &str) -> Ordering {
    parse(a).compare(&parse(b))
}

/// Returns whether the text has an order: `(devel)` and builds of Go from a commit have none.
pub fn valid(version: &str) -> bool {
    parse(version).is_valid()
}

fn parse(version: &str) -> Version<'_> {
    let text = version.trim();
    let text = text.strip_prefix("go").or_else(|| text.strip_prefix('v')).unwrap_or(text);
    Version::parse(text.as_bytes(), true)
}
