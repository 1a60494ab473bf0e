//! The overview: how things stand, what is new, where to begin.

use super::chart::Trend;
use super::frame::{self, Counts, Frame, Step, Tile, When, visible};
use super::scope::{self, Scoped};
use super::visit::Visit;
use crate::params::encoded;
use crate::past;
use crate::problem::Problem;
use askama::Template;
use axum::response::Response;
use fleet::{Filter, Index, Query, Sort};

/// Rows of each short list.
const SHORT: usize = 6;
/// Days of the trend.
const DAYS: i64 = 90;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    begin: Option<Begin>,
    findings_link: String,
    counts: Counts,
    tiles: Vec<Tile>,
    trend: Trend,
    fresh: Vec<Fresh>,
    fresh_total: u64,
    fresh_link: String,
    top: Vec<Top>,
    top_link: String,
    troubled: Vec<Troubled>,
    troubled_total: u64,
    troubled_link: String,
}

/// What somebody does first: there is no image yet.
struct Begin {
    push: Vec<Step>,
}

struct Fresh {
    severity: &'static str,
    id: String,
    link: String,
    kev: bool,
    packages: String,
    images: u64,
    images_link: String,
    fixable: bool,
}

struct Top {
    name: String,
    link: String,
    counts: Counts,
    images: u64,
}

struct Troubled {
    name: String,
    link: String,
    state: String,
    tone: &'static str,
    since: When,
}

/// Shows the overview.
pub async fn page(visit: Visit) -> Response {
    frame::answer(&visit, build(&visit))
}

/// What the index says, from one state of it.
struct Answers {
    counts: fleet::Counts,
    fresh: fleet::Page<fleet::VulnerabilityRow>,
    top: fleet::Page<fleet::RepositoryRow>,
    troubled: fleet::Page<fleet::ImageRow>,
}

/// New since yesterday.
const FRESH: &str = "age:<1d";
/// What could not be judged, or not in full.
const TROUBLED: &str = "verdict:gaps,unsupported,failed";

fn build(visit: &Visit) -> Result<Page, Problem> {
    let asked = frame::asked(visit)?;
    let question = Query { limit: SHORT, ..asked.question.clone() };
    let more = |words: &str| -> Result<Query, Problem> {
        let mut filter = Filter::parse(words)?;
        for (name, value) in asked.scoped.fields() {
            filter.field(name, value)?;
        }
        Ok(Query { filter, ..question.clone() })
    };
    let (fresh, troubled) = (more(FRESH)?, more(TROUBLED)?);
    let worst = Query { sort: Sort::parse("severity")?, ..question.clone() };
    let ask = |index: &Index| {
        Ok(Answers {
            counts: index.counts(&question)?,
            fresh: index.vulnerabilities(&fresh)?,
            top: index.repositories(&worst)?,
            troubled: index.images(&troubled)?,
        })
    };
    let answers = visit.parts.index.ask(ask)?;
    let path = asked.scoped.path();
    let listed = |list: &str, q: &str| scope::listed(list, q, &path);
    let now = question.now;
    let key = format!("{path} {:?}", question.scope);
    let past = past::days(&visit.parts, &key, &question, DAYS);
    Ok(Page {
        frame: framed(visit, &asked.scoped)?,
        begin: (answers.counts.images == 0 && path.is_empty()).then(|| begin(&visit.parts.public_url)),
        findings_link: listed("/findings", ""),
        counts: Counts::new(&answers.counts.tally, &asked.address("/findings"), Some("")),
        tiles: tiles(&answers.counts, &listed),
        trend: Trend::new(past, ("now", &answers.counts.tally)),
        fresh: answers.fresh.items.into_iter().map(|row| fresh_row(row, &listed)).collect(),
        fresh_total: answers.fresh.total,
        fresh_link: listed("/vulnerabilities", FRESH),
        top: answers.top.items.into_iter().filter(|row| row.tally.findings() > 0).map(top_row).collect(),
        top_link: frame::link(&asked.address("/inventory/repositories"), &[("sort", "severity")]),
        troubled: answers.troubled.items.into_iter().filter_map(|row| troubled_row(&row, now)).collect(),
        troubled_total: answers.troubled.total,
        troubled_link: listed("/inventory", TROUBLED),
    })
}

fn framed(visit: &Visit, scoped: &Scoped) -> Result<Frame, Problem> {
    let api = frame::link("/counts", &scoped.fields());
    Frame::new(visit, "overview").programs(visit, &api, "portwarden image list").scoped(visit, scoped, "/", "")
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn tiles(counts: &fleet::Counts, listed: &dyn Fn(&str, &str) -> String) -> Vec<Tile> {
    let [none, complete, gaps, unsupported, failed] = counts.verdicts;
    let verdicts = [
        (complete, "scanned", "complete"),
        (gaps, "with gaps", "gaps"),
        (unsupported, "not scannable", "unsupported"),
        (failed, "failed", "failed"),
        (none, "never scanned", "none"),
    ];
    let verdicts = verdicts.into_iter().filter(|(count, ..)| *count > 0);
    let part = |(count, text, word): (u64, &str, &str)| Step {
        text: format!("{count} {text}"),
        link: listed("/inventory", &format!("verdict:{word}")),
    };
    let findings = counts.tally.findings();
    let share = (counts.tally.fixable * 100).checked_div(findings).unwrap_or(0);
    vec![
        Tile {
            label: "Images".into(),
            figure: counts.images.to_string(),
            link: listed("/inventory", ""),
            more: verdicts.map(part).collect(),
            ..Tile::default()
        },
        Tile {
            label: "Vulnerabilities".into(),
            figure: counts.vulnerabilities.to_string(),
            link: listed("/vulnerabilities", ""),
            note: format!("distinct, in {}", plural(counts.affected, "image", "images")),
            ..Tile::default()
        },
        Tile {
            label: "Known exploited".into(),
            figure: counts.tally.kev.to_string(),
            link: if counts.tally.kev == 0 { String::new() } else { listed("/findings", "kev:yes") },
            note: "findings on CISA's list".into(),
            tone: if counts.tally.kev == 0 { "" } else { "bad" },
            ..Tile::default()
        },
        Tile {
            label: "Fix available".into(),
            figure: counts.tally.fixable.to_string(),
            link: if counts.tally.fixable == 0 { String::new() } else { listed("/findings", "fix:yes") },
            note: format!("{share} % of all findings"),
            ..Tile::default()
        },
    ]
}

fn fresh_row(row: fleet::VulnerabilityRow, listed: &dyn Fn(&str, &str) -> String) -> Fresh {
    let shown = 2;
    let mut packages = row.packages.iter().take(shown).map(|p| visible(p)).collect::<Vec<_>>().join(", ");
    if row.packages.len() > shown {
        packages.push_str(&format!(" and {} more", row.packages.len() - shown));
    }
    Fresh {
        severity: row.severity.as_str(),
        link: format!("/vulnerabilities/{}", encoded(&row.fact.name)),
        id: visible(&row.fact.name),
        kev: row.fact.kev.0 != 0,
        packages,
        images: row.images,
        images_link: listed("/inventory", &format!("cve:{} {FRESH}", row.fact.name)),
        fixable: row.fixable,
    }
}

fn top_row(row: fleet::RepositoryRow) -> Top {
    let path = format!("/{}/{}/{}", row.subscription, row.registry, row.name);
    Top {
        name: visible(&row.name),
        link: scope::walk(&path),
        counts: Counts::new(&row.tally, &frame::link("/findings", &[("scope", &path)]), Some("")),
        images: row.images,
    }
}

fn troubled_row(row: &fleet::ImageRow, now: model::time::Micros) -> Option<Troubled> {
    let place = row.places.first()?;
    let (state, tone) = frame::state(row.verdict, row.work, row.coverage, &row.reason);
    let name = match place.tags.first() {
        Some(tag) => format!("{}:{tag}", place.repository),
        None => place.repository.clone(),
    };
    let link = frame::image_address(place, &row.digest);
    Some(Troubled { name: visible(&name), link, state, tone, since: When::of(place.last_push, now) })
}

/// How an image comes in, for each of the usual clients.
fn begin(public_url: &str) -> Begin {
    let push = push(public_url).into_iter();
    Begin { push: push.map(|(text, link)| Step { text: text.into(), link }).collect() }
}

/// How an image is pushed here: the client, and the command.
pub fn push(public_url: &str) -> [(&'static str, String); 3] {
    let host = public_url.split("//").last().unwrap_or("localhost:5000");
    let plain =
        if public_url.starts_with("https://") { ["", ""] } else { [" --dest-tls-verify=false", " --tls-verify=false"] };
    [
        (
            "skopeo",
            format!("skopeo copy{} --dest-creds admin:PASSWORD docker-daemon:app:1 docker://{host}/app:1", plain[0]),
        ),
        ("podman", format!("podman push{} --creds admin:PASSWORD app:1 {host}/app:1", plain[1])),
        (
            "docker",
            format!("docker login -u admin {host} && docker tag app:1 {host}/app:1 && docker push {host}/app:1"),
        ),
    ]
}
