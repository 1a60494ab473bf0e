//! News of findings, in words: images that came, vulnerabilities that appeared, were fixed or are exploited.

use super::item::Item;
use super::text::{bracket, count, repository, scope, short, tags_and_pull, upgrade};
use crate::params::encoded;
use crate::view::short_remediation;
use fleet::{Arrival, FindingRow, Heard, News};
use model::notice::Kind;
use model::{Micros, Severity};

/// Something to be told: what makes it the same fact, and what is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What it is about.
    pub kind: Kind,
    /// What makes it the same fact.
    pub key: String,
    /// Whether it needs an end.
    pub opens: bool,
    /// What is said.
    pub item: Item,
}

/// What every text needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The address that people use, without a slash at the end.
    pub base: &'a str,
    /// The part of the tree that is looked at.
    pub scope: &'a str,
    /// Words of the filter that was looked through.
    pub words: &'a str,
    /// The clock.
    pub now: Micros,
    /// The moment until which facts were looked at.
    pub until: Micros,
}

impl Around<'_> {
    /// The list of findings with a filter.
    fn list(&self, q: &str) -> String {
        format!("{}/findings?q={}", self.base, encoded(q))
    }
}

/// Puts news into words.
pub fn drafts(news: &News, around: &Around<'_>) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = news.arrivals.iter().map(|arrival| arrived(arrival, around)).collect();
    let lists = [
        (Kind::NewVulnerability, &news.appeared, news.more_appeared),
        (Kind::FixAvailable, &news.fixed, news.more_fixed),
        (Kind::KnownExploited, &news.exploited, news.more_exploited),
    ];
    for (kind, heard, more) in lists {
        drafts.extend(heard.iter().map(|heard| reaches(kind, heard, around)));
        drafts.extend(rest(kind, more, around));
    }
    drafts.extend(rest(Kind::NewFinding, news.more_arrivals, around));
    drafts
}

fn is_urgent(row: &FindingRow) -> bool {
    row.vulnerability.kev.0 > 0 || (row.severity == Severity::Critical && row.fixable)
}

/// An image came with findings that its repository did not have.
fn arrived(arrival: &Arrival, around: &Around<'_>) -> Draft {
    let (place, image) = (&arrival.place, &arrival.image);
    let worst = Severity::WORST_FIRST.into_iter().find(|s| arrival.tally.of(*s) > 0).unwrap_or_default();
    let total = arrival.tally.findings();
    let (name, thread) = (repository(place), format!("image:{}", place.presence));
    let parts: Vec<String> = Severity::WORST_FIRST
        .into_iter()
        .filter(|s| arrival.tally.of(*s) > 0)
        .map(|s| format!("{} {}", arrival.tally.of(s), s.as_str()))
        .collect();
    let mut upgrades: Vec<String> = arrival.worst.iter().filter(|row| row.fixable).map(upgrade).collect();
    upgrades.dedup();
    let first = arrival.worst.first();
    let head = first.map_or_else(String::new, upgrade);
    let more =
        if total > 1 { format!(" and {}", count(total - 1, "more finding", "more findings")) } else { String::new() };
    let fixable = first.is_some_and(|row| row.fixable);
    let item = Item {
        urgent: arrival.tally.kev > 0 || arrival.critical_fixable > 0,
        severity: worst.as_str().into(),
        scope: scope(place),
        subject: format!(
            "{} {head}{more} in {name} ({})",
            bracket(worst, fixable, arrival.tally.kev > 0),
            tags_and_pull(place, around.now)
        ),
        what: format!(
            "An image of {name} has {} that the repository did not have: {}.",
            count(total, "finding", "findings"),
            parts.join(", ")
        ),
        remedy: if upgrades.is_empty() {
            "No fix is known yet.".into()
        } else {
            format!("Upgrade {}.", upgrades.join(", "))
        },
        place: format!("{name}, tags {}, {}, {}", named(&place.tags), short(image), tags_and_pull(place, around.now)),
        why: first.map(because).unwrap_or_default(),
        new_state: "open".into(),
        link: around.list(&format!("image:{image} registry:{} repository:{}", place.registry, place.repository)),
        rule_link: first.map(|row| disable(row, around)).unwrap_or_default(),
        ..Item::new(Kind::NewFinding, thread)
    };
    let item = item.id("image", image).id("repository", name).id("registry", &place.registry);
    let item = first
        .iter()
        .fold(item, |item, row| item.id("finding", row.id.to_string()).id("vulnerability", &row.vulnerability.name));
    Draft { kind: Kind::NewFinding, key: format!("image:{}:{}", place.repository_id, image), opens: true, item }
}

fn named(tags: &[String]) -> String {
    match tags {
        [] => "none".into(),
        tags if tags.len() > 4 => format!("{} and {} more", tags[..4].join(", "), tags.len() - 4),
        tags => tags.join(", "),
    }
}

/// Why we think so: package, what is installed, what fixes it, who says so.
fn because(row: &FindingRow) -> String {
    let fixed = if row.fixed_version.is_empty() { String::new() } else { format!(", fixed in {}", row.fixed_version) };
    format!(
        "{} {} is installed{fixed}; {} is {} by the word of {}",
        row.package.name,
        row.package.version,
        row.vulnerability.name,
        row.severity.as_str(),
        row.severity_source.as_str()
    )
}

/// The form of a rule that hides a finding.
fn disable(row: &FindingRow, around: &Around<'_>) -> String {
    format!("{}/rules/new?finding={}", around.base, row.id)
}

/// A vulnerability, how far it reaches, and what is new about it.
fn reaches(kind: Kind, heard: &Heard, around: &Around<'_>) -> Draft {
    let (row, name) = (&heard.example, &heard.fact.name);
    let exploited = heard.fact.kev.0 > 0;
    let (images, repositories) =
        (count(heard.images, "image", "images"), count(heard.repositories, "repository", "repositories"));
    let reach = format!("{images} of {repositories}");
    let fixed = &row.fixed_version;
    let (what, old, new, key) = match kind {
        Kind::FixAvailable => (
            format!("A fix for {name} became available: {}. It is in {reach}.", upgrade(row)),
            "no fix",
            format!("fixed in {fixed}"),
            format!("fix:{name}:{}:{fixed}", row.package.component),
        ),
        Kind::KnownExploited => (
            format!("{name} is known to be exploited now. It is in {reach}."),
            "open",
            "open, known exploited".into(),
            format!("exploited:{name}"),
        ),
        _ => (
            format!(
                "{name}, newly published for a package in use, is in {reach}: {}.",
                count(heard.findings, "finding", "findings")
            ),
            "",
            "open".into(),
            format!("vulnerability:{name}"),
        ),
    };
    let fix = (!fixed.is_empty()).then_some(fixed.as_str());
    let item = Item {
        urgent: kind == Kind::KnownExploited || is_urgent(row),
        severity: row.severity.as_str().into(),
        scope: around.scope.into(),
        subject: format!("{} {name}: {} in {reach}", bracket(row.severity, row.fixable, exploited), upgrade(row)),
        what,
        remedy: format!("{}.", short_remediation(&row.package.name, row.state, fix)),
        place: format!(
            "for example {}, {}, {}",
            repository(&row.place),
            short(&row.image),
            tags_and_pull(&row.place, around.now)
        ),
        why: because(row),
        old_state: old.into(),
        new_state: new,
        link: format!("{}/vulnerabilities/{}", around.base, encoded(name)),
        rule_link: disable(row, around),
        ..Item::new(kind, format!("vulnerability:{name}"))
    };
    let item = item.id("vulnerability", name).id("finding", row.id.to_string()).id("package", &row.package.purl);
    Draft { kind, key, opens: true, item }
}

/// What did not fit into the list of its kind.
fn rest(kind: Kind, more: u64, around: &Around<'_>) -> Option<Draft> {
    if more == 0 {
        return None;
    }
    let what = match kind {
        Kind::NewFinding => format!(
            "{} came with findings that their repositories did not have.",
            count(more, "more image", "more images")
        ),
        Kind::FixAvailable => {
            format!("For {} a fix became available.", count(more, "more vulnerability", "more vulnerabilities"))
        }
        Kind::KnownExploited => {
            format!("{} known to be exploited now.", count(more, "more vulnerability is", "more vulnerabilities are"))
        }
        _ => format!(
            "{} in images that were there.",
            count(more, "more new vulnerability is", "more new vulnerabilities are")
        ),
    };
    let key = format!("more:{}:{}", kind.as_str(), around.until.0);
    let item = Item {
        scope: around.scope.into(),
        subject: what.trim_end_matches('.').to_owned(),
        what,
        remedy: "Begin with the worst of the list.".into(),
        link: around.list(&format!("{} age:<1d", around.words)),
        ..Item::new(kind, key.clone())
    };
    Some(Draft { kind, key, opens: false, item })
}

/// What was told of is over.
pub fn over(thread: &str, around: &Around<'_>) -> Draft {
    let (topic, rest) = thread.split_once(':').unwrap_or((thread, ""));
    let (what, link) = match topic {
        "vulnerability" => (
            format!("{rest} is in no image any more that you are told about."),
            format!("/vulnerabilities/{}", encoded(rest)),
        ),
        "image" => (
            "An image that you were told about has no such finding any more, or is gone.".to_owned(),
            "/findings".into(),
        ),
        "scan" => (
            format!("The image {} was scanned, or is gone.", short(rest)),
            format!("/findings?q={}", encoded(&format!("image:{rest}"))),
        ),
        "feed" => (format!("The feed {rest} is fresh again."), "/".into()),
        "rule" => {
            ("A disable rule that was about to end was changed, or has ended.".to_owned(), format!("/rules/{rest}"))
        }
        _ => (format!("{thread} is over."), "/".into()),
    };
    let item = Item {
        scope: around.scope.into(),
        subject: format!("[resolved] {}", what.trim_end_matches('.')),
        what,
        old_state: "open".into(),
        new_state: "resolved".into(),
        link: format!("{}{link}", around.base),
        ..Item::new(Kind::Resolved, thread)
    };
    Draft { kind: Kind::Resolved, key: format!("resolved:{thread}:{}", around.now.0), opens: false, item }
}
