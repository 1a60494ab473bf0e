//! Usage: images that were metered, each digest once for a subscription.
//!
//! In: the rows that scans wrote. Out: counts by UTC day, and the images behind each count.

use crate::engine::{Row, values};
use crate::places::{DAY_MICROS, listed};
use crate::{Result, Store};
use model::Micros;
use model::facts::Id;

/// Which usage is asked for.
#[derive(Debug, Clone, Default)]
pub struct UsageFilter {
    /// First moment.
    pub since: Micros,
    /// First moment after.
    pub until: Micros,
    /// Only of this subscription.
    pub subscription: Option<Id>,
    /// Only what lies in one of these; `None` = everywhere.
    pub within: Option<UsageWithin>,
}

/// Parts of the scope tree, by row ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageWithin {
    /// Subscriptions.
    pub subscriptions: Vec<Id>,
    /// Registries.
    pub registries: Vec<Id>,
    /// Repositories.
    pub repositories: Vec<Id>,
}

/// Images metered on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageDay {
    /// GUID of the subscription.
    pub subscription: String,
    /// Its name.
    pub name: String,
    /// The first moment of the day, UTC.
    pub day: Micros,
    /// How many images.
    pub images: u64,
}

/// An image that was metered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// When.
    pub at: Micros,
    /// GUID of the subscription.
    pub subscription: String,
    /// Name of the subscription.
    pub name: String,
    /// The image.
    pub digest: String,
    /// The registry where it was first scanned for the subscription, as it is called now.
    pub registry: String,
    /// The repository.
    pub repository: String,
}

/// A place in the list of metered images: it goes on after this row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageAfter {
    /// When.
    pub at: Micros,
    /// GUID of the subscription.
    pub subscription: String,
    /// The image.
    pub digest: String,
}

const FROM: &str = "FROM usage u JOIN subscription s ON s.id = u.subscription LEFT JOIN repository r ON r.id = u.repository LEFT JOIN registry g ON g.id = r.registry";

impl Store {
    /// Counts the images metered by subscription and UTC day, newest day first.
    pub async fn usage_days(&self, filter: &UsageFilter) -> Result<Vec<UsageDay>> {
        let sql = format!(
            "SELECT s.guid, s.name, u.at / {DAY_MICROS}, COUNT(*) {FROM} WHERE u.at >= $1 AND u.at < $2 {} GROUP BY s.guid, s.name, u.at / {DAY_MICROS} ORDER BY u.at / {DAY_MICROS} DESC, s.guid",
            condition(filter)
        );
        let read = |row: &Row| {
            Ok(UsageDay {
                subscription: row.text(0)?,
                name: row.text(1)?,
                day: Micros(row.int(2)?.saturating_mul(DAY_MICROS)),
                images: u64::try_from(row.int(3)?).unwrap_or(0),
            })
        };
        self.engine().all(&sql, values![filter.since, filter.until]).await?.iter().map(read).collect()
    }

    /// Lists the images metered, newest first, at most `n` after a row; and how many there are in all.
    pub async fn usage_images(
        &self,
        filter: &UsageFilter,
        after: Option<&UsageAfter>,
        n: usize,
    ) -> Result<(Vec<UsageRow>, u64)> {
        let mut tx = self.engine().begin_read().await?;
        let which = format!("WHERE u.at >= $1 AND u.at < $2 {}", condition(filter));
        let total = tx.int(&format!("SELECT COUNT(*) {FROM} {which}"), values![filter.since, filter.until]).await?;
        let start = UsageAfter { at: Micros::FOREVER, subscription: String::new(), digest: String::new() };
        let UsageAfter { at, subscription, digest } = after.unwrap_or(&start);
        let sql = format!(
            "SELECT u.at, s.guid, s.name, u.digest, COALESCE(g.name, ''), COALESCE(r.name, '') {FROM} {which} AND (u.at < $3 OR (u.at = $3 AND (s.guid > $4 OR (s.guid = $4 AND u.digest > $5))))
            ORDER BY u.at DESC, s.guid, u.digest LIMIT $6"
        );
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        let values = values![filter.since, filter.until, *at, subscription, digest, n];
        let read = |row: &Row| {
            Ok(UsageRow {
                at: row.at(0)?,
                subscription: row.text(1)?,
                name: row.text(2)?,
                digest: row.text(3)?,
                registry: row.text(4)?,
                repository: row.text(5)?,
            })
        };
        let rows = tx.all(&sql, values).await?.iter().map(read).collect::<Result<_>>()?;
        Ok((rows, u64::try_from(total).unwrap_or(0)))
    }
}

/// Row ids alone: nothing that somebody wrote becomes part of a statement.
fn condition(filter: &UsageFilter) -> String {
    let mut text = filter.subscription.map(|id| format!("AND u.subscription = {id}")).unwrap_or_default();
    if let Some(UsageWithin { subscriptions, registries, repositories }) = &filter.within {
        let ids = |ids: &[Id]| listed(ids.iter().copied());
        let (subscriptions, registries, repositories) = (ids(subscriptions), ids(registries), ids(repositories));
        text.push_str(&format!(
            " AND (u.subscription IN ({subscriptions}) OR r.registry IN ({registries}) OR u.repository IN ({repositories}))"
        ));
    }
    text
}
