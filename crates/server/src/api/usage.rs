//! Usage: images that were metered, by UTC day or month, and the list behind each number.

use super::tree::Tree;
use crate::access;
use crate::asker::Asker;
use crate::export::{self, Asked};
use crate::params::{Name, Params, accepted};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::List;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use fleet::Scope as Within;
use model::Micros;
use model::role::Action;
use serde::Serialize;
use store::{UsageAfter, UsageDay, UsageFilter, UsageRow, UsageWithin};
use utoipa::ToSchema;

/// Images metered in a day or a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsageView {
    /// `2026-11-21` or `2026-11`, UTC.
    pub period: String,
    /// GUID of the subscription.
    pub subscription: String,
    /// Its name.
    pub subscription_name: String,
    /// Images that were scanned for the subscription for the first time, under a Standard plan.
    pub images: u64,
}

/// An image that was metered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsageImageView {
    /// When.
    pub at: String,
    /// GUID of the subscription.
    pub subscription: String,
    /// Its name.
    pub subscription_name: String,
    /// The image.
    pub digest: String,
    /// The registry where it was first scanned for the subscription.
    pub registry: String,
    /// The repository.
    pub repository: String,
}

impl From<UsageRow> for UsageImageView {
    fn from(row: UsageRow) -> Self {
        Self {
            at: row.at.rfc3339(),
            subscription: row.subscription,
            subscription_name: row.name,
            digest: row.digest,
            registry: row.registry,
            repository: row.repository,
        }
    }
}

/// How usage is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// By UTC day.
    Day,
    /// By UTC month.
    #[default]
    Month,
}

impl By {
    /// Reads the word.
    pub fn parse(word: &str) -> Result<Self, Problem> {
        match word {
            "day" => Ok(Self::Day),
            "month" => Ok(Self::Month),
            _ => Err(Problem::parameter("by", format!("by={word:?}; allowed: day, month"))),
        }
    }

    fn of(self, day: Micros) -> String {
        let text = day.rfc3339();
        let length = if self == Self::Day { 10 } else { 7 };
        text.get(..length).unwrap_or_default().to_owned()
    }
}

/// Reads a day or a month, `2026-11-21` or `2026-11`, as its first moment and the first one after it.
fn span_of(period: &str) -> Option<(Micros, Micros)> {
    let start = |date: &str| Micros::parse(&format!("{date}T00:00:00Z"));
    match period.len() {
        10 => {
            let since = start(period)?;
            Some((since, Micros(since.0.checked_add(86_400_000_000)?)))
        }
        7 => {
            let (year, month) = period.split_once('-')?;
            let (year, month): (i32, u32) = (year.parse().ok()?, month.parse().ok()?);
            let (next_year, next) = if month == 12 { (year.checked_add(1)?, 1) } else { (year, month + 1) };
            Some((start(&format!("{period}-01"))?, start(&format!("{next_year:04}-{next:02}-01"))?))
        }
        _ => None,
    }
}

/// What somebody may see of usage.
async fn filter(parts: &Parts, asker: &Asker, subscription: Option<&str>) -> Result<UsageFilter, Problem> {
    let within = match access::within(parts, &asker.principal, Action::ReadUsage)? {
        Within::Everything => None,
        Within::Within { subscriptions, registries, repositories } => {
            Some(UsageWithin { subscriptions, registries, repositories })
        }
    };
    let tree = Tree::read(parts, asker).await?;
    let subscription = subscription.map(|text| tree.subscription(Some(text))).transpose()?.map(|s| s.id);
    Ok(UsageFilter { since: Micros(0), until: Micros::FOREVER, subscription, within })
}

/// Counts by day or month, newest first.
pub async fn counted(
    parts: &Parts,
    asker: &Asker,
    by: By,
    subscription: Option<&str>,
    period: Option<&str>,
) -> Result<Vec<UsageView>, Problem> {
    let mut filter = filter(parts, asker, subscription).await?;
    if let Some(period) = period {
        (filter.since, filter.until) = span_of(period).ok_or_else(|| no_period(period))?;
    }
    Ok(added_up(parts.store.usage_days(&filter).await?, by))
}

fn added_up(days: Vec<UsageDay>, by: By) -> Vec<UsageView> {
    let mut views: Vec<UsageView> = Vec::new();
    for day in days {
        let period = by.of(day.day);
        match views.iter_mut().rev().find(|v| v.period == period && v.subscription == day.subscription) {
            Some(view) => view.images += day.images,
            None => views.push(UsageView {
                period,
                subscription: day.subscription,
                subscription_name: day.name,
                images: day.images,
            }),
        }
    }
    views.sort_by(|a, b| b.period.cmp(&a.period).then_with(|| a.subscription.cmp(&b.subscription)));
    views
}

fn no_period(period: &str) -> Problem {
    Problem::parameter("period", format!("{period:?} is neither a day such as 2026-11-21 nor a month such as 2026-11"))
}

/// The images behind a number.
pub async fn behind(
    parts: &Parts,
    asker: &Asker,
    period: &str,
    subscription: Option<&str>,
    after: Option<&str>,
    limit: usize,
) -> Result<List<UsageImageView>, Problem> {
    let mut filter = filter(parts, asker, subscription).await?;
    (filter.since, filter.until) = span_of(period).ok_or_else(|| no_period(period))?;
    let after = after.map(after_of).transpose()?;
    let (rows, total) = parts.store.usage_images(&filter, after.as_ref(), limit).await?;
    let next = rows.last().filter(|_| rows.len() == limit);
    let next = next.map(|row| format!("{}_{}_{}", row.at.0, row.subscription, row.digest));
    let (revision, generation) = parts.index.ask(|index| Ok((index.revision(), index.generation())))?;
    let items = rows.into_iter().map(UsageImageView::from).collect();
    Ok(List { items, total, hidden: 0, disabled: 0, next, as_of: None, revision, generation })
}

fn after_of(text: &str) -> Result<UsageAfter, Problem> {
    let read = || {
        let mut parts = text.splitn(3, '_');
        let at = Micros(parts.next()?.parse().ok()?);
        Some(UsageAfter { at, subscription: parts.next()?.to_owned(), digest: parts.next()?.to_owned() })
    };
    read().ok_or_else(|| Problem::parameter("after", "this is not what a page gave as next"))
}

/// `GET /usage`
pub async fn list(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let by = params.take("by")?.map_or(Ok(By::default()), |word| By::parse(&word))?;
    let (subscription, period) = (params.take("subscription")?, params.take("period")?);
    let views = counted(&parts, &asker, by, subscription.as_deref(), period.as_deref()).await?;
    let asked = Asked { path: "usage", query: query.as_deref(), headers: &headers };
    export::short(&parts, params, &asked, views, |view| format!("{}_{}", view.period, view.subscription))
}

/// `GET /usage/{period}/images`
pub async fn images(
    State(parts): State<Parts>,
    asker: Asker,
    period: Name,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let format = params.take_format(accepted(&headers))?;
    let limit = params.take_limit()?;
    let (subscription, after) = (params.take("subscription")?, params.take("after")?);
    params.finish()?;
    let list = behind(&parts, &asker, &period.0, subscription.as_deref(), after.as_deref(), limit).await?;
    let path = format!("usage/{}/images", period.0);
    Ok(export::linked(&list, format, &path, query.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_day_or_a_month_of_utc() {
        for (text, want) in [
            ("2026-11-21", Some(("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"))),
            ("2026-11", Some(("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"))),
            ("2026-12", Some(("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"))),
            ("2028-02", Some(("2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"))),
            ("2026-13", None),
            ("2026-00", None),
            ("2026-02-30", None),
            ("2026", None),
            ("day", None),
            ("", None),
            ("２026-11", None),
        ] {
            let got = span_of(text).map(|(since, until)| (since.rfc3339(), until.rfc3339()));
            assert_eq!(got, want.map(|(a, b)| (a.to_owned(), b.to_owned())), "{text}");
        }
    }

    #[test]
    fn months_are_sums_of_days_for_each_subscription() {
        let day = |text: &str, subscription: &str, images| UsageDay {
            subscription: subscription.into(),
            name: subscription.into(),
            day: Micros::parse(&format!("{text}T00:00:00Z")).unwrap_or_default(),
            images,
        };
        let days = vec![
            day("2026-12-01", "a", 1),
            day("2026-11-30", "a", 2),
            day("2026-11-30", "b", 4),
            day("2026-11-01", "a", 8),
        ];
        let got: Vec<_> = added_up(days, By::Month).into_iter().map(|v| (v.period, v.subscription, v.images)).collect();
        let want = [("2026-12", "a", 1), ("2026-11", "a", 10), ("2026-11", "b", 4)];
        assert_eq!(got, want.map(|(p, s, n)| (p.to_owned(), s.to_owned(), n)));
    }
}
