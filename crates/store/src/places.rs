//! What decides over the images of a registry: whether its plan is on and the scanner let in, and the window of its subscription.
//!
//! In: rows of plans, registries and subscriptions. Out: a `Place` a registry, and the moment at which its window begins.

use crate::engine::{Row, Tx, values};
use crate::write::Write;
use crate::{Error, Result};
use model::Micros;
use model::facts::Id;

/// What decides over the images of one registry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) registry: Id,
    pub(crate) subscription: Id,
    pub(crate) standard: bool,
    pub(crate) window_days: i64,
    /// Whether network rules let the scanner in.
    pub(crate) open: bool,
}

/// Length of a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// What holds in registry `g` of subscription `s`, now; the same as `model::plan::standard_at`.
pub(crate) const STANDARD: &str = "COALESCE((SELECT MAX(n.tier) FROM plan n WHERE n.scope = '/' || s.guid AND n.until = 9223372036854775807 AND n.enforce = 1),
    (SELECT MAX(n.tier) FROM plan n WHERE n.scope = '/' || s.guid || '/' || g.name AND n.until = 9223372036854775807),
    (SELECT MAX(n.tier) FROM plan n WHERE n.scope = '/' || s.guid AND n.until = 9223372036854775807), 0)";

/// Whether the network rules of registry `g` let the scanner in; the same as `model::network::Rules::admits_scanner`.
pub(crate) const OPEN: &str =
    "CAST(CASE WHEN g.trusted_bypass = 1 OR (g.public_access = 1 AND g.default_allow = 1) THEN 1 ELSE 0 END AS BIGINT)";

/// Returns what holds in every registry.
pub(crate) async fn places(tx: &mut Tx) -> Result<Vec<Place>> {
    let sql = format!(
        "SELECT g.id, s.id, {STANDARD}, s.window_days, {OPEN} FROM registry g JOIN subscription s ON s.id = g.subscription WHERE g.until = $1 ORDER BY g.id"
    );
    tx.all(&sql, values![Micros::FOREVER]).await?.iter().map(place).collect()
}

/// Returns what holds in a registry.
pub(crate) async fn place_of(write: &mut Write<'_>, registry: Id) -> Result<Place> {
    let sql = format!(
        "SELECT g.id, s.id, {STANDARD}, s.window_days, {OPEN} FROM registry g JOIN subscription s ON s.id = g.subscription WHERE g.id = $1 AND g.until = $2"
    );
    let missing = || Error::NotFound { what: "registry", name: registry.to_string() };
    place(&write.one(&sql, values![registry, Micros::FOREVER]).await?.ok_or_else(missing)?)
}

fn place(row: &Row) -> Result<Place> {
    Ok(Place {
        registry: row.int(0)?,
        subscription: row.int(1)?,
        standard: row.int(2)? != 0,
        window_days: row.int(3)?,
        open: row.int(4)? != 0,
    })
}

/// The moment from which on a push or a pull keeps an image of a place in the window.
pub(crate) fn cut(place: &Place, clock: Micros) -> i64 {
    clock.0.saturating_sub(place.window_days.saturating_mul(DAY_MICROS))
}

/// Writes row ids for an `IN (…)`.
pub(crate) fn listed(ids: impl Iterator<Item = Id>) -> String {
    let text = ids.map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    if text.is_empty() { "0".into() } else { text } // no row has id 0
}
