//! From facts to notices: who is to be told of what became known.
//!
//! In: facts after the position that the store keeps. Out: notices that wait, and the later position, in one transaction: what a
//! process derived and could not write is derived again, and what two processes derive is written once.

use super::facts;
use super::findings::{self, Around, Draft};
use super::unsubscribe;
use crate::access;
use crate::history::DAY;
use crate::parts::Parts;
use crate::problem::Problem;
use crate::recommend::{self, Standing};
use fleet::{Filter, Query, Scope as Within, Topic};
use model::notice::Kind;
use model::role::{Action, Grant, Role, Scope, allowed};
use model::{Micros, Severity};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use store::{AuditRow, Channel, FailedScan, NewNotice, NoticePosition, Principal, RuleRow};
use tokio_util::sync::CancellationToken;

/// Changes are gathered for so long before they are looked at.
const GATHER: Duration = Duration::from_secs(1);
/// Without any change, what time alone brings is looked for so often.
const TICK: Duration = Duration::from_secs(60);
/// A re-match that goes on for longer is not waited for.
const SETTLES: Duration = Duration::from_secs(60);
/// Facts of one list that are told one by one; of the others, how many.
const LISTED: usize = 30;
/// Lines of the audit that are read at a time.
const LINES: usize = 500;

/// Derives notices until the end.
pub async fn follow(parts: Parts, shutdown: CancellationToken) {
    let mut moved = parts.index.revisions();
    let mut unsettled: Option<Instant> = None;
    loop {
        if parts.index.ready() {
            match round(&parts, &mut unsettled).await {
                Ok(()) => {}
                Err(problem) => tracing::warn!(why = problem.detail, "notices have to wait"),
            }
        }
        let change = async {
            let _ = moved.changed().await;
            tokio::time::sleep(GATHER).await;
        };
        let tick = if unsettled.is_some() { GATHER } else { TICK };
        tokio::select! {
            () = change => {}
            () = tokio::time::sleep(tick) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Looks once at what became known.
async fn round(parts: &Parts, unsettled: &mut Option<Instant>) -> Result<(), Problem> {
    let store = &parts.store;
    let channels = store.channels().await?;
    let Some(first) = channels.iter().map(|channel| channel.since).min() else { return Ok(()) };
    let end = store.notice_end().await?;
    if !end.settled && unsettled.get_or_insert_with(Instant::now).elapsed() < SETTLES {
        return Ok(()); // how many images a vulnerability hits is known when all of them are judged
    }
    *unsettled = None;
    let kept = store.notice_position().await?;
    let from = kept.clone().unwrap_or_else(|| NoticePosition { moment: first, ..NoticePosition::default() });
    parts.index.catch_up(store).await?;
    let open = store.open_threads().await?.into_iter().map(|t| (t.channel, t.thread)).collect();
    let mut to = end.position;
    to.scores.clone_from(&from.scores);
    let news = Facts::read(parts, &from, &to).await?;
    let (seen, fell) = (HashMap::new(), HashMap::new());
    let mut looking = Looking { parts, from: &from, to: &mut to, news, open, seen, fell };
    let mut drafts: Vec<(&Channel, Vec<Draft>)> = Vec::new();
    for channel in channels.iter().filter(|channel| !channel.spec.paused) {
        drafts.push((channel, looking.drafts(channel).await?));
    }
    let notices = notices(parts, drafts).await?;
    if notices.is_empty() && to == from {
        return Ok(());
    }
    if store.add_notices(kept.as_ref(), &to, &notices).await? && !notices.is_empty() {
        tracing::debug!(notices = notices.len(), "noted what channels are told of");
    }
    Ok(())
}

/// A line of the audit that tells something.
struct Line {
    kind: Kind,
    row: AuditRow,
    /// The scope that it names, with its resource group.
    scope: Scope,
}

/// Facts of the store.
struct Facts {
    scans: Vec<FailedScan>,
    lines: Vec<Line>,
    rules: Vec<RuleRow>,
    exploited: Vec<i64>,
    now: Micros,
}

impl Facts {
    async fn read(parts: &Parts, from: &NoticePosition, to: &NoticePosition) -> Result<Self, Problem> {
        let (store, now) = (&parts.store, (parts.now)());
        let soon = Micros(now.0.saturating_add(facts::EXPIRES_DAYS * DAY));
        let mut rules = store.rules_expiring(now, soon).await?;
        rules.iter_mut().for_each(|row| row.rule.scope = in_tree(parts, &row.rule.scope));
        Ok(Self {
            scans: store.failed_scans(from.scan, to.scan).await?,
            lines: lines(parts, from.audit, to.audit).await?,
            rules,
            exploited: store.exploited_since(from.moment, to.moment).await?,
            now,
        })
    }
}

/// A scope with its resource group; of a node that is gone, as it was written.
fn in_tree(parts: &Parts, scope: &Scope) -> Scope {
    access::placed(parts, scope).unwrap_or_else(|| scope.clone())
}

/// The lines of the audit after one, up to another, that tell something.
async fn lines(parts: &Parts, from: i64, to: i64) -> Result<Vec<Line>, Problem> {
    let areas = facts::TOLD.map(|(area, _)| area);
    let (mut lines, mut after) = (Vec::new(), from);
    while after < to {
        let rows = parts.store.audit_of(&areas, after, to, LINES).await?;
        after = rows.last().filter(|_| rows.len() == LINES).map_or(to, |row| row.id);
        let line = |row: AuditRow| {
            let (kind, scope) = (facts::kind_of(&row.action)?, Scope::parse(&row.scope)?);
            Some(Line { kind, scope: in_tree(parts, &scope), row })
        };
        lines.extend(rows.into_iter().filter_map(line));
    }
    Ok(lines)
}

/// What is looked at in one round.
struct Looking<'a> {
    parts: &'a Parts,
    from: &'a NoticePosition,
    to: &'a mut NoticePosition,
    news: Facts,
    open: HashSet<(i64, String)>,
    /// By scope, severity and moment: channels that want the same look once.
    seen: HashMap<(String, Severity, Micros), Vec<Draft>>,
    /// By scope: how its score was and is, if it fell.
    fell: HashMap<String, Option<(i64, i64)>>,
}

impl Looking<'_> {
    /// What a channel is to be told of.
    async fn drafts(&mut self, channel: &Channel) -> Result<Vec<Draft>, Problem> {
        let (parts, spec) = (self.parts, &channel.spec);
        let path = spec.scope.to_path();
        let words = words(spec.severity);
        let (now, until) = (self.news.now, self.to.moment);
        let around = Around { base: &parts.public_url, scope: &path, words: &words, now, until };
        let Some(query) = self.query(channel)? else { return Ok(Vec::new()) };
        let mut drafts = self.findings(channel, &query, &around)?;
        drafts.extend(self.scans(channel, &query, &around)?);
        let lines = self.news.lines.iter().filter(|line| line.row.at > channel.since);
        let lines = lines.filter(|line| spec.scope.holds(&line.scope));
        drafts.extend(lines.map(|line| facts::changed(line.kind, &line.row, &around)));
        let mut standing = facts::stale(&(parts.database)(), &around);
        let rules = self.news.rules.iter().filter(|row| spec.scope.holds(&row.rule.scope));
        standing.extend(rules.map(|row| facts::expiring(row, &around)));
        drafts.extend(self.ended(channel, &query, &around, &standing)?);
        // What goes on is told once, when it begins.
        drafts.extend(standing.into_iter().filter(|d| !self.open.contains(&(channel.id, d.item.thread.clone()))));
        if spec.kinds.contains(&Kind::ScoreDrop) {
            drafts.extend(self.score(&spec.scope, &around).await?);
        }
        drafts.retain(|draft| draft.kind == Kind::Resolved || spec.kinds.contains(&draft.kind));
        Ok(drafts)
    }

    /// The question that a channel looks at the index with; `None` = its scope is gone.
    fn query(&self, channel: &Channel) -> Result<Option<Query>, Problem> {
        let Some(scope) = access::placed(self.parts, &channel.spec.scope) else { return Ok(None) };
        let within = match &scope {
            scope if *scope == Scope::ALL => Within::Everything,
            scope => access::within(self.parts, &reader(scope), Action::Read)?,
        };
        let mut filter = Filter::parse(&words(channel.spec.severity))?;
        filter.field("coverage", "in-window")?;
        Ok(Some(Query { filter, scope: within, limit: LISTED, now: self.news.now, ..Query::default() }))
    }

    fn findings(&mut self, channel: &Channel, query: &Query, around: &Around<'_>) -> Result<Vec<Draft>, Problem> {
        let after = self.from.moment.max(channel.since);
        if after >= self.to.moment {
            return Ok(Vec::new());
        }
        let key = (around.scope.to_owned(), channel.spec.severity, after);
        if let Some(known) = self.seen.get(&key) {
            return Ok(known.clone());
        }
        let (until, exploited) = (self.to.moment, &self.news.exploited);
        let news = self.parts.index.ask(|index| Ok(index.news(query, after, until, exploited)?))?;
        let drafts = findings::drafts(&news, around);
        self.seen.insert(key, drafts.clone());
        Ok(drafts)
    }

    fn scans(&self, channel: &Channel, query: &Query, around: &Around<'_>) -> Result<Vec<Draft>, Problem> {
        let mut drafts = Vec::new();
        for failed in self.news.scans.iter().filter(|failed| failed.at > channel.since) {
            let mut filter = Filter::default();
            filter.field("image", &failed.digest)?;
            let query = Query { filter, limit: 1, ..query.clone() };
            let found = self.parts.index.ask(|index| Ok(index.images(&query)?))?;
            drafts.extend(found.items.first().map(|row| facts::scan(failed, &row.places, around)));
        }
        Ok(drafts)
    }

    /// Threads of a channel that are over.
    fn ended(
        &self,
        channel: &Channel,
        query: &Query,
        around: &Around<'_>,
        standing: &[Draft],
    ) -> Result<Vec<Draft>, Problem> {
        let mine: Vec<&String> =
            self.open.iter().filter(|(id, _)| *id == channel.id).map(|(_, thread)| thread).collect();
        let mut over: Vec<&str> = Vec::new();
        let mut topics: Vec<(&str, Topic<'_>)> = Vec::new();
        for thread in mine {
            let (kind, rest) = thread.split_once(':').unwrap_or((thread, ""));
            match kind {
                "vulnerability" => topics.push((thread, Topic::Vulnerability(rest))),
                "image" => topics.push((thread, Topic::Place(rest.parse().unwrap_or(0)))),
                "scan" if self.is_scanned(rest, query)? => over.push(thread),
                "feed" | "rule" if standing.iter().all(|draft| draft.item.thread != **thread) => over.push(thread),
                _ => {}
            }
        }
        if !topics.is_empty() && self.to.moment > self.from.moment {
            let only: Vec<Topic<'_>> = topics.iter().map(|(_, topic)| *topic).collect();
            let open = self.parts.index.ask(|index| Ok(index.still_open(query, &only)?))?;
            over.extend(topics.iter().zip(open).filter(|(_, open)| !open).map(|((thread, _), _)| *thread));
        }
        over.sort_unstable();
        Ok(over.into_iter().map(|thread| findings::over(thread, around)).collect())
    }

    /// Whether an image that could not be scanned is now, or is gone.
    fn is_scanned(&self, digest: &str, query: &Query) -> Result<bool, Problem> {
        let mut filter = Filter::default();
        filter.field("image", digest)?;
        filter.field("verdict", "failed,unsupported")?;
        let query = Query { filter, limit: 1, ..query.clone() };
        self.parts.index.ask(|index| Ok(index.images(&query)?.total == 0))
    }

    /// Whether the score of a scope fell: worked out once a round, for all channels that look at it.
    async fn score(&mut self, scope: &Scope, around: &Around<'_>) -> Result<Option<Draft>, Problem> {
        let fell = match self.fell.get(around.scope) {
            Some(known) => *known,
            None => self.held(scope, around.scope).await?,
        };
        self.fell.insert(around.scope.to_owned(), fell);
        Ok(fell.map(|(was, is)| facts::dropped(was, is, around)))
    }

    /// Holds the score of a scope against the one of a day ago; returns both if it fell.
    async fn held(&mut self, scope: &Scope, path: &str) -> Result<Option<(i64, i64)>, Problem> {
        let query = Query { limit: 1, now: self.news.now, ..Query::default() };
        let question = recommend::question(self.parts, &reader(scope), scope.clone(), query).await?;
        let ratio = self.parts.index.ask(|index| Ok(Standing::of(index, &question)?.ratio()))?;
        let Some(is) = ratio.map(|part| (part * 10_000.0).round() as i64) else { return Ok(None) };
        let now = self.news.now;
        let (was, since) = *self.to.scores.entry(path.to_owned()).or_insert((is, now));
        let fell = was - is >= facts::SCORE_DROP;
        if fell || is > was || now.0.saturating_sub(since.0) > DAY {
            self.to.scores.insert(path.to_owned(), (is, now));
        }
        Ok(fell.then_some((was, is)))
    }
}

/// The filter of findings of a severity and above.
pub fn words(severity: Severity) -> String {
    if severity == Severity::Unknown { String::new() } else { format!("severity:>={}", severity.as_str()) }
}

/// Somebody who reads a scope, and nothing else.
fn reader(scope: &Scope) -> Principal {
    let grants = vec![Grant { role: Role::Reader, scope: scope.clone() }];
    debug_assert!(allowed(&grants, Action::Read, scope));
    Principal { id: 0, name: "notices".into(), kind: "local".into(), grants, limited: false, token: None }
}

/// Makes drafts ready to be kept: says to how many each goes, what it is about, and how to end it.
async fn notices(parts: &Parts, drafts: Vec<(&Channel, Vec<Draft>)>) -> Result<Vec<NewNotice>, Problem> {
    let mut told: HashMap<String, usize> = HashMap::new();
    for draft in drafts.iter().flat_map(|(_, drafts)| drafts) {
        *told.entry(draft.key.clone()).or_default() += 1;
    }
    let secret = unsubscribe::secret(parts).await?;
    let mut texts: HashMap<String, String> = HashMap::new();
    let mut notices = Vec::new();
    for (channel, drafts) in drafts {
        for draft in drafts {
            let Draft { kind, key, opens, mut item } = draft;
            item.others = told.get(&key).map_or(0, |n| n - 1);
            if let Some(name) = item.ids.get("vulnerability") {
                item.description = description(parts, &mut texts, name).await?;
            }
            if kind != Kind::Resolved {
                item.unsubscribe = unsubscribe::link(&parts.public_url, &secret, channel.id, kind);
            }
            let (urgent, item) = (item.urgent, item.tidy());
            let thread = if opens || kind == Kind::Resolved { item.thread.clone() } else { String::new() };
            let item = serde_json::to_string(&item).map_err(|why| Problem::parameter("item", why.to_string()))?;
            let digest_minutes = channel.spec.digest_minutes;
            notices.push(NewNotice { channel: channel.id, kind, key, thread, urgent, digest_minutes, item });
        }
    }
    Ok(notices)
}

async fn description(parts: &Parts, texts: &mut HashMap<String, String>, name: &str) -> Result<String, Problem> {
    if let Some(known) = texts.get(name) {
        return Ok(known.clone());
    }
    let found = parts.store.vulnerability(name).await?;
    let text = found.map(|(_, v)| v.text.description).unwrap_or_default();
    texts.insert(name.to_owned(), text.clone());
    Ok(text)
}
