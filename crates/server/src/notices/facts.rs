//! News that are no findings, in words: scans, feeds, rules, the score, plans and access.

use super::findings::{Around, Draft};
use super::item::Item;
use super::text::{count, repository, short};
use crate::params::encoded;
use crate::parts::DatabaseView;
use fleet::Place;
use model::Micros;
use model::notice::Kind;
use store::{AuditRow, FailedScan, RuleRow};

/// A feed that was not fetched for so long is stale.
const STALE_HOURS: i64 = 48;
/// A rule that ends within so many days is told of.
pub const EXPIRES_DAYS: i64 = 14;
/// Hundredths of a per cent that a score falls before it is told of.
pub const SCORE_DROP: i64 = 500;
/// Lengths in microseconds.
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// An image cannot be scanned.
pub fn scan(failed: &FailedScan, places: &[Place], around: &Around<'_>) -> Draft {
    let names: Vec<String> = places.iter().take(3).map(repository).collect();
    let more = places.len().saturating_sub(names.len()) as u64;
    let more = if more > 0 { format!(" and {}", count(more, "more", "more")) } else { String::new() };
    let what = format!("The image {} cannot be scanned: {}.", short(&failed.digest), failed.codes);
    let item = Item {
        scope: around.scope.into(),
        subject: format!("[scan problem] {} in {}: {}", short(&failed.digest), names.join(", "), failed.codes),
        what,
        remedy: "See what the reason means and what to do about it on the image's page.".into(),
        place: format!("{}{more}", names.join(", ")),
        why: failed.text.clone(),
        new_state: "not scanned".into(),
        link: format!("{}/findings?q={}", around.base, encoded(&format!("image:{}", failed.digest))),
        ..Item::new(Kind::ScanProblem, format!("scan:{}", failed.digest))
    };
    let item = item.id("image", &failed.digest);
    Draft { kind: Kind::ScanProblem, key: format!("scan:{}", failed.digest), opens: true, item }
}

/// The feeds that are stale.
pub fn stale(database: &DatabaseView, around: &Around<'_>) -> Vec<Draft> {
    let old = database.feeds.iter().filter_map(|feed| {
        let fetched = Micros::parse(feed.fetched.as_deref()?)?;
        let hours = around.now.0.saturating_sub(fetched.0) / HOUR;
        (hours >= STALE_HOURS).then_some((feed, hours))
    });
    let draft = |(feed, hours): (&crate::parts::FeedView, i64)| {
        let name = &feed.name;
        let item = Item {
            scope: around.scope.into(),
            subject: format!("[feed stale] {name}, fetched {hours} hours ago"),
            what: format!(
                "The feed {name} was last fetched {hours} hours ago; vulnerabilities published since may be missing."
            ),
            remedy: "Look at `portwarden db status` and at the server's log; scans go on with what is there.".into(),
            old_state: "fresh".into(),
            new_state: "stale".into(),
            link: format!("{}/", around.base),
            ..Item::new(Kind::FeedStale, format!("feed:{name}"))
        };
        let key = format!("feed:{name}:{}", feed.fetched.as_deref().unwrap_or(""));
        Draft { kind: Kind::FeedStale, key, opens: true, item: item.id("feed", name) }
    };
    old.map(draft).collect()
}

/// A disable rule ends soon.
pub fn expiring(row: &RuleRow, around: &Around<'_>) -> Draft {
    let (rule, uid) = (&row.rule, row.uid.to_string());
    let days = (rule.expires.0.saturating_sub(around.now.0) / DAY).max(0);
    let when = if days == 0 { "today".to_owned() } else { format!("in {}", count(days.unsigned_abs(), "day", "days")) };
    let item = Item {
        scope: rule.scope.to_path(),
        subject: format!("[rule ends {when}] {}", rule.name),
        what: format!("The disable rule {:?} ends {when}: what it hides is shown again then.", rule.name),
        remedy: "Fix what it hides, or give it another end.".into(),
        place: rule.scope.to_path(),
        why: format!("{} said: {}", row.author, rule.justification),
        old_state: "in force".into(),
        new_state: format!("ends {}", rule.expires.rfc3339()),
        link: format!("{}/rules/{uid}", around.base),
        rule_link: format!("{}/rules/{uid}/edit", around.base),
        ..Item::new(Kind::RuleExpiring, format!("rule:{uid}"))
    };
    let key = format!("rule:{uid}:{}", rule.expires.0);
    Draft { kind: Kind::RuleExpiring, key, opens: true, item: item.id("rule", uid) }
}

/// The secure score fell; scores are hundredths of a per cent.
pub fn dropped(was: i64, is: i64, around: &Around<'_>) -> Draft {
    let percent = |score: i64| format!("{}.{:02} %", score / 100, score % 100);
    let item = Item {
        scope: around.scope.into(),
        subject: format!("[score] the secure score fell from {} to {}", percent(was), percent(is)),
        what: format!(
            "The secure score of {} fell from {} to {} within a day.",
            around.scope,
            percent(was),
            percent(is)
        ),
        remedy: "The recommendations say which images brought it down, and what would bring it up.".into(),
        place: around.scope.into(),
        old_state: percent(was),
        new_state: percent(is),
        link: format!("{}/score", around.base),
        ..Item::new(Kind::ScoreDrop, format!("score:{}", around.scope))
    };
    Draft { kind: Kind::ScoreDrop, key: format!("score:{}:{is}", around.scope), opens: false, item }
}

/// The areas of the audit whose lines tell something, and what.
pub const TOLD: [(&str, Kind); 4] = [
    ("plan", Kind::PlanChange),
    ("role", Kind::AccessChange),
    ("user", Kind::AccessChange),
    ("token", Kind::AccessChange),
];

/// What a line of the audit tells of, if anybody wants to be told.
pub fn kind_of(action: &str) -> Option<Kind> {
    let area = action.split_once('.')?.0;
    TOLD.iter().find(|(known, _)| *known == area).map(|(_, kind)| *kind)
}

/// A plan or somebody's access was changed.
pub fn changed(kind: Kind, row: &AuditRow, around: &Around<'_>) -> Draft {
    let what = format!("{} did {} of {} in {}.", row.actor, row.action, row.object, row.scope);
    let item = Item {
        scope: row.scope.clone(),
        subject: format!("[{}] {} by {}: {}", kind.as_str(), row.action, row.actor, row.object),
        what,
        remedy: "If nobody should have done this, undo it and look at the audit.".into(),
        place: row.scope.clone(),
        why: format!("line {} of the audit, at {}", row.id, row.at.rfc3339()),
        old_state: row.before.clone(),
        new_state: row.after.clone(),
        link: format!("{}/activity/audit", around.base),
        ..Item::new(kind, format!("audit:{}", row.id))
    };
    Draft { kind, key: format!("audit:{}", row.id), opens: false, item: item.id("audit", row.id.to_string()) }
}

/// What a channel is sent to see whether it works.
pub fn test(name: &str, around: &Around<'_>) -> Item {
    let item = Item {
        urgent: true,
        scope: around.scope.into(),
        subject: format!("[test] the channel {name} works"),
        what: format!("Somebody asked for this message, to see whether the channel {name} works."),
        remedy: "Nothing is to be done.".into(),
        link: format!("{}/settings/notifications", around.base),
        ..Item::new(Kind::Test, "test")
    };
    item.tidy()
}
