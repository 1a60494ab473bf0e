//! `/activity/usage`: images that were metered by UTC month or day, and the list behind each number.

use super::frame::{self, Frame, Step, Tab, When, visible};
use super::list::{Export, Pager, link};
use super::visit::Visit;
use crate::api::usage::{self, By};
use crate::params::{Name, Params, encoded};
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;

const HERE: &str = "/activity/usage";
/// Rows of a page.
const ROWS: usize = 50;

#[derive(Template)]
#[template(path = "usage.html")]
struct Usage {
    frame: Frame,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    total: u64,
    export: Export,
}

struct Row {
    period: String,
    subscription: String,
    images: u64,
    link: String,
}

#[derive(Template)]
#[template(path = "metered.html")]
struct Metered {
    frame: Frame,
    crumbs: Vec<Step>,
    title: String,
    rows: Vec<Image>,
    total: u64,
    pager: Pager,
    export: Export,
}

struct Image {
    at: When,
    subscription: String,
    place: String,
    digest: String,
    short: String,
    link: String,
}

/// `GET /activity/usage`
pub async fn page(visit: Visit) -> Response {
    let built = build(&visit).await;
    frame::answer(&visit, built)
}

async fn build(visit: &Visit) -> Result<Usage, Problem> {
    let mut params = Params::parse(visit.query.as_deref());
    let by = params.take("by")?.map_or(Ok(By::default()), |word| By::parse(&word))?;
    params.finish()?;
    let word = if by == By::Day { "day" } else { "month" };
    let views = usage::counted(&visit.parts, &visit.asker, by, None, None).await?;
    let total = views.iter().map(|view| view.images).sum();
    let row = |view: usage::UsageView| Row {
        link: link(&format!("{HERE}/{}", view.period), &[("subscription", &view.subscription)]),
        period: view.period,
        subscription: visible(&view.subscription_name),
        images: view.images,
    };
    let tab = |text: &str, word: &str, here: bool| Tab {
        text: text.to_owned(),
        link: link(HERE, &[("by", word)]),
        count: String::new(),
        here,
    };
    let tabs = vec![tab("By month", "month", by == By::Month), tab("By day", "day", by == By::Day)];
    let (api, cli) = (format!("/usage?by={word}"), format!("portwarden usage --by {word}"));
    Ok(Usage {
        frame: Frame::new(visit, "activity").programs(visit, &api, &cli),
        tabs,
        rows: views.into_iter().map(row).collect(),
        total,
        export: Export::new("/usage", &[("by", word), ("limit", "1000")]),
    })
}

/// `GET /activity/usage/{period}`
pub async fn behind(visit: Visit, period: Name) -> Response {
    let built = build_behind(&visit, &period.0).await;
    frame::answer(&visit, built)
}

async fn build_behind(visit: &Visit, period: &str) -> Result<Metered, Problem> {
    let mut params = Params::parse(visit.query.as_deref());
    let (subscription, after) = (params.take("subscription")?, params.take("after")?);
    params.finish()?;
    let of = subscription.as_deref();
    let list = usage::behind(&visit.parts, &visit.asker, period, of, after.as_deref(), ROWS).await?;
    let now = (visit.parts.now)();
    let image = |row: usage::UsageImageView| {
        let path = row.repository.split('/').map(encoded).collect::<Vec<_>>().join("/");
        Image {
            at: When::parse(Some(&row.at), now),
            link: format!("/s/{}/{}/{path}@{}", row.subscription, encoded(&row.registry), row.digest),
            place: visible(&format!("{}/{}", row.registry, row.repository)),
            subscription: visible(&row.subscription_name),
            short: row.digest.get(..19).unwrap_or(&row.digest).to_owned(),
            digest: row.digest,
        }
    };
    let of = subscription.unwrap_or_default();
    let address = format!("{HERE}/{}", encoded(period));
    let to = |after: &str| link(&address, &[("subscription", &of), ("after", after)]);
    let pager = Pager {
        first: after.map(|_| to("")).unwrap_or_default(),
        next: list.next.as_deref().map(to).unwrap_or_default(),
    };
    let path = format!("/usage/{}/images", encoded(period));
    let api = link(&path, &[("subscription", &of)]);
    Ok(Metered {
        frame: Frame::new(visit, "activity").programs(visit, &api, &format!("portwarden usage --images {period}")),
        crumbs: vec![Step { text: "Usage".into(), link: HERE.into() }],
        title: format!("Metered in {}", visible(period)),
        total: list.total,
        rows: list.items.into_iter().map(image).collect(),
        pager,
        export: Export::new(&path, &[("subscription", &of), ("limit", "1000")]),
    })
}
