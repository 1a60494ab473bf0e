//! Every answer of the index equals a plain join of the facts, on random small fleets, whether built at once or by changes:
//! to 10,000 random questions.
//!
//! `join` below is the definition of a finding; the lists are written from it without any of the index's ideas.

#[path = "naive/rules.rs"]
mod rules;
#[path = "naive/score.rs"]
mod score;
#[path = "naive/turns.rs"]
mod turns;
#[path = "naive/weights.rs"]
mod weights;
#[path = "naive/world.rs"]
mod world;

use fleet::{Filter, FindingRow, Index, Page, Query, QueryError, Scope, Sort, Tally};
use model::advisory::{Category, VendorState};
use model::facts::*;
use model::finding::finding_id;
use model::severity::Severity;
use model::time::Micros;
use model::verdict::{Coverage, Verdict};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use world::{DAY, Dice, END, history, world};

/// A place with what it holds.
#[derive(Clone, Copy)]
struct Spot<'a> {
    subscription: &'a SubscriptionFact,
    registry: &'a RegistryFact,
    repository: &'a RepositoryFact,
    presence: &'a PresenceFact,
    image: &'a ImageFact,
    inventory: Option<&'a InventoryFact>,
    /// The moment of which it is seen, where that is not the one asked for.
    frozen: Option<Micros>,
}

/// A finding.
#[derive(Clone, Copy)]
struct Row<'a> {
    spot: Spot<'a>,
    package: &'a PackageFact,
    vulnerability: &'a VulnerabilityFact,
    found: &'a MatchFact,
}

fn holds(since: Micros, until: Micros, at: Option<Micros>) -> bool {
    at.map_or(until == Micros::FOREVER, |at| since <= at && at < until)
}

fn by_id<T>(rows: &[T], id: Id) -> &T {
    &rows[id as usize - 1]
}

fn spots(world: &Snapshot, at: Option<Micros>, plans: bool) -> Vec<Spot<'_>> {
    let mut spots = Vec::new();
    for presence in world.presences.iter().filter(|p| holds(p.since, p.until, at)) {
        let repository = by_id(&world.repositories, presence.repository);
        let registry = by_id(&world.registries, repository.registry);
        let subscription = by_id(&world.subscriptions, registry.subscription);
        let frozen = if plans { rules::frozen(world, registry, &subscription.guid, at) } else { None };
        let frozen = frozen.map(|since| rules::as_it_came(repository, since, at));
        let seen = frozen.or(at);
        let in_time = frozen.is_none_or(|moment| presence.since <= moment);
        let reading = world.image_inventories.iter();
        let reading = reading.filter(|_| in_time).find(|r| r.image == presence.image && holds(r.since, r.until, seen));
        spots.push(Spot {
            subscription,
            frozen,
            registry,
            repository,
            presence,
            image: by_id(&world.images, presence.image),
            inventory: reading.map(|r| by_id(&world.inventories, r.inventory)),
        });
    }
    spots
}

fn join<'a>(world: &'a Snapshot, spots: &[Spot<'a>], at: Option<Micros>) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for spot in spots {
        for package in spot.inventory.iter().flat_map(|i| &i.packages) {
            let package = by_id(&world.packages, *package);
            let seen = spot.frozen.or(at);
            let here = |m: &&MatchFact| m.package == package.id && holds(m.since, m.until, seen);
            let found = world.matches.iter().filter(here).filter(|m| m.state != VendorState::NotAffected);
            let row = |found: &'a MatchFact| Row {
                spot: *spot,
                package,
                vulnerability: by_id(&world.vulnerabilities, found.vulnerability),
                found,
            };
            rows.extend(found.map(row));
        }
    }
    rows
}

impl Row<'_> {
    fn ids(&self) -> (Id, Id, Id) {
        (self.spot.presence.id, self.package.id, self.vulnerability.id)
    }
    fn first_seen(&self) -> i64 {
        self.found.first.max(self.spot.presence.since).0
    }
    fn hidden(&self, shown: &str) -> bool {
        (self.found.severity == Severity::Negligible && !shown.contains('s'))
            || (self.found.category == Category::KernelHeaders && !shown.contains('c'))
            || (self.found.state == VendorState::UnderInvestigation && !shown.contains('v'))
    }
}

/// What a word asks, in plain code.
#[derive(Clone, Copy)]
enum Asks {
    Place(fn(&Spot<'_>, &[&str]) -> bool),
    Package(fn(&PackageFact) -> bool),
    /// With the letters of what it shows (`s`everity, `c`ategory, `v`endor state).
    Match(fn(&Row<'_>) -> bool, &'static str),
    /// First seen in days before the end: older or younger than.
    Older(i64),
    Younger(i64),
    HiddenOnly,
    HiddenAll,
    StatusOpen,
    StatusDisabled,
    StatusAll,
    /// Hidden by one of the rules.
    Rule(fn(&RuleFact) -> bool),
    NotRule(fn(&RuleFact) -> bool),
}

const WORDS: &[(&str, Asks)] = &[
    ("severity:>=high", Asks::Match(|r| r.found.severity >= Severity::High, "s")),
    (
        "severity:negligible,low",
        Asks::Match(|r| [Severity::Negligible, Severity::Low].contains(&r.found.severity), "s"),
    ),
    ("-severity:critical", Asks::Match(|r| r.found.severity != Severity::Critical, "")),
    ("fix:yes", Asks::Match(|r| r.found.fixable, "")),
    ("-fix:yes", Asks::Match(|r| !r.found.fixable, "")),
    ("kev:yes", Asks::Match(|r| r.vulnerability.kev.0 > 0, "")),
    ("epss:>0.1", Asks::Match(|r| r.vulnerability.epss > 100_000, "")),
    ("-epss:>=0.1", Asks::Match(|r| r.vulnerability.epss < 100_000, "")),
    ("cvss:<7", Asks::Match(|r| (0..70).contains(&r.vulnerability.cvss), "")),
    ("state:open", Asks::Match(|r| r.found.state == VendorState::Open, "v")),
    ("state:under-investigation", Asks::Match(|r| r.found.state == VendorState::UnderInvestigation, "v")),
    ("category:kernel-headers", Asks::Match(|r| r.found.category == Category::KernelHeaders, "c")),
    ("cve:cve-2024-7,CVE-2024-4", Asks::Match(|r| ["CVE-2024-7", "CVE-2024-4"].contains(&&*r.vulnerability.name), "")),
    ("-cve:CVE-2024-7", Asks::Match(|r| r.vulnerability.name != "CVE-2024-7", "")),
    ("cve:CVE-*-4", Asks::Match(|r| r.vulnerability.name.ends_with("-4"), "")),
    ("pkg:openssl", Asks::Package(|p| p.name == "openssl")),
    ("pkg:*ssl*", Asks::Package(|p| p.name.contains("ssl"))),
    ("-type:deb", Asks::Package(|p| p.ecosystem == "pypi")),
    ("type:debian:12", Asks::Package(|p| p.ecosystem == "debian:12")),
    ("repo:app", Asks::Place(|s, _| s.repository.name == "app")),
    ("repo:local/*app", Asks::Place(|s, _| s.registry.name == "local" && s.repository.name.ends_with("app"))),
    ("-registry:local", Asks::Place(|s, _| s.registry.name != "local")),
    ("sub:guid-1", Asks::Place(|s, _| s.subscription.id == 1)),
    ("tag:v1", Asks::Place(|_, tags| tags.contains(&"v1"))),
    ("-tag:late*", Asks::Place(|_, tags| !tags.contains(&"latest"))),
    ("image:sha256:250000", Asks::Place(|s, _| s.image.id == 1)),
    ("-digest:4a0000", Asks::Place(|s, _| s.image.id != 2)),
    ("os:debian", Asks::Place(|s, _| s.image.os.starts_with("Debian"))),
    ("platform:linux/arm*", Asks::Place(|s, _| s.image.platform == "linux/arm64")),
    ("verdict:gaps,none", Asks::Place(|s, _| [Verdict::Gaps, Verdict::None].contains(&s.image.verdict))),
    ("reason:feeds", Asks::Place(|s, _| s.image.reason.starts_with("feeds"))),
    ("-reason:limit-*", Asks::Place(|s, _| !s.image.reason.ends_with("limit-time"))),
    ("pulled:<=18d", Asks::Place(|s, _| s.presence.last_pull.0 == 2 * DAY)),
    ("pulled:>18d", Asks::Place(|s, _| s.presence.last_pull.0 == DAY)),
    ("-pulled:<19d", Asks::Place(|s, _| s.presence.last_pull.0 < 2 * DAY)),
    ("age:>12d", Asks::Older(12)),
    ("-age:<=12d", Asks::Older(12)),
    ("age:<12d", Asks::Younger(12)),
    ("-age:>=9d", Asks::Younger(9)),
    ("hidden:yes", Asks::HiddenOnly),
    ("hidden:all", Asks::HiddenAll),
    ("status:open", Asks::StatusOpen),
    ("status:disabled", Asks::StatusDisabled),
    ("status:all", Asks::StatusAll),
    ("rule:*", Asks::Rule(|_| true)),
    ("rule:rule-1,rule-2", Asks::Rule(|r| ["rule-1", "rule-2"].contains(&r.name.as_str()))),
    ("rule:00000000-0000-0000-0000-000000000003", Asks::Rule(|r| r.name == "rule-3")),
    ("-rule:rule-1", Asks::NotRule(|r| r.name == "rule-1")),
    ("-rule:*", Asks::NotRule(|_| true)),
    (
        "coverage:plan-off",
        Asks::Place(|s, _| {
            let off = s.frozen.is_some() && s.image.coverage != Coverage::Accessory;
            off || s.image.coverage == Coverage::PlanOff
        }),
    ),
];

/// A question as the index gets it, and as plain code answers it.
struct Question<'a> {
    world: &'a Snapshot,
    query: Query,
    asks: Vec<Asks>,
}

impl<'a> Question<'a> {
    fn new(world: &'a Snapshot, dice: &mut Dice) -> Self {
        let mut words: Vec<&str> = Vec::new();
        let mut asks = Vec::new();
        for _ in 0..dice.below(4) {
            let word = dice.pick(WORDS);
            let hides = |a: &Asks| matches!(a, Asks::HiddenOnly | Asks::HiddenAll);
            let state = |a: &Asks| matches!(a, Asks::StatusOpen | Asks::StatusDisabled | Asks::StatusAll);
            if (hides(&word.1) && asks.iter().any(hides)) || (state(&word.1) && asks.iter().any(state)) {
                continue;
            }
            words.push(word.0);
            asks.push(word.1);
        }
        let as_of = dice.one_in(2).then(|| Micros(dice.below(END as u64 + 1) as i64 * DAY));
        let scope = if dice.one_in(4) {
            asks.push(Asks::Place(|s, _| s.registry.id == 2 || s.subscription.id == 2 || s.repository.id == 3));
            Scope::Within { subscriptions: vec![2], registries: vec![2], repositories: vec![3] }
        } else {
            Scope::Everything
        };
        let filter = Filter::parse(&words.join(" ")).expect("known words");
        let limit = 1 + dice.below(5) as usize;
        let query = Query { filter, scope, limit, as_of, now: Micros(END * DAY), ..Default::default() };
        Self { world, query, asks }
    }

    fn clock(&self) -> i64 {
        self.query.as_of.map_or(END * DAY, |t| t.0)
    }

    /// The places that pass.
    fn spots(&self) -> Vec<Spot<'a>> {
        let mut spots = spots(self.world, self.query.as_of, true);
        spots.retain(|spot| {
            let tags = self.tags(spot);
            self.asks.iter().all(|asks| match asks {
                Asks::Place(test) => test(spot, &tags),
                Asks::Older(days) => spot.presence.since.0 < self.clock() - days * DAY,
                _ => true,
            })
        });
        spots
    }

    fn tags(&self, spot: &Spot<'_>) -> Vec<&'a str> {
        let here = |t: &&TagFact| t.repository == spot.repository.id && t.image == spot.image.id;
        let tags = self.world.tags.iter().filter(here).filter(|t| holds(t.since, t.until, self.query.as_of));
        let mut tags: Vec<&str> = tags.map(|t| t.name.as_str()).collect();
        tags.sort_unstable();
        tags
    }

    /// The rules that hide a finding.
    fn hidden_by(&self, row: &Row<'_>) -> Vec<&'a RuleFact> {
        rules::hidden_by(self.world, row, &self.tags(&row.spot), self.query.as_of, self.query.now)
    }

    /// Whether a finding passes as far as rules go; `None` = it is counted as disabled.
    fn passes_rules(&self, row: &Row<'_>) -> Option<bool> {
        let by = self.hidden_by(row);
        let (mut with, mut without, mut status) = (false, true, None);
        let mut every = true;
        for asks in &self.asks {
            match asks {
                Asks::Rule(test) => (with, every) = (true, every && by.iter().any(|r| test(r))),
                Asks::NotRule(test) => without &= !by.iter().any(|r| test(r)),
                Asks::StatusOpen | Asks::StatusDisabled | Asks::StatusAll => status = Some(asks),
                _ => {}
            }
        }
        match status {
            None if with => Some(every && without),
            None | Some(Asks::StatusOpen) if with => Some(false),
            None | Some(Asks::StatusOpen) => {
                if by.is_empty() {
                    Some(true)
                } else {
                    None
                }
            }
            Some(Asks::StatusDisabled) => Some(!by.is_empty() && every && without),
            _ => Some(every && without),
        }
    }

    /// Findings that pass, those that are hidden by default, those that rules hide.
    fn rows(&self) -> (Vec<Row<'a>>, Vec<Row<'a>>, Vec<Row<'a>>) {
        let mut rows = join(self.world, &self.spots(), self.query.as_of);
        let mut shown = String::new();
        for asks in &self.asks {
            rows.retain(|row| match asks {
                Asks::Package(test) => test(row.package),
                Asks::Match(test, _) => test(row),
                Asks::Older(days) => row.first_seen() < self.clock() - days * DAY,
                Asks::Younger(days) => row.first_seen() > self.clock() - days * DAY,
                _ => true,
            });
            shown.push_str(if let Asks::Match(_, shows) = asks { shows } else { "" });
        }
        let (mut shows, mut hides, mut disables) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let asks = |what: fn(&Asks) -> bool| self.asks.iter().any(what);
            let hidden = row.hidden(&shown);
            let (passes, counted) = if asks(|a| matches!(a, Asks::HiddenAll)) {
                (true, false)
            } else if asks(|a| matches!(a, Asks::HiddenOnly)) {
                (hidden, false)
            } else {
                (!hidden, hidden)
            };
            match self.passes_rules(&row) {
                Some(true) if passes => shows.push(row),
                Some(true) if counted => hides.push(row),
                None if passes => disables.push(row),
                _ => {}
            }
        }
        (shows, hides, disables)
    }

    fn wants_findings(&self) -> bool {
        let all = self.asks.iter().any(|a| matches!(a, Asks::StatusAll));
        self.asks.iter().any(|a| match a {
            Asks::Place(_) | Asks::Package(_) | Asks::StatusOpen | Asks::StatusAll => false,
            Asks::NotRule(_) => all,
            _ => true,
        })
    }

    fn package_passes(&self, package: &PackageFact) -> bool {
        self.asks.iter().all(|a| if let Asks::Package(test) = a { test(package) } else { true })
    }

    /// The places that pass with what they hold.
    fn holding(&self, rows: &[Row<'_>]) -> Vec<Spot<'a>> {
        let mut spots = self.spots();
        let asks_packages = self.asks.iter().any(|a| matches!(a, Asks::Package(_)));
        spots.retain(|spot| {
            let mut packages = spot.inventory.iter().flat_map(|i| &i.packages);
            if self.wants_findings() {
                return rows.iter().any(|r| r.spot.presence.id == spot.presence.id);
            }
            !asks_packages || packages.any(|p| self.package_passes(by_id(&self.world.packages, *p)))
        });
        spots
    }
}

fn tally<'r>([rows, hidden, disabled]: [&[Row<'r>]; 3], here: impl Fn(&&Row<'r>) -> bool) -> Tally {
    let count = |of: &[Row<'r>]| of.iter().filter(|r| here(r)).count() as u64;
    let mut tally = Tally { hidden: count(hidden), disabled: count(disabled), ..Default::default() };
    let rows = rows.iter().filter(|r| here(r));
    for row in rows {
        tally.severities[row.found.severity as usize] += 1;
        tally.fixable += u64::from(row.found.fixable);
        tally.kev += u64::from(row.vulnerability.kev.0 > 0);
    }
    tally
}

/// Reads a list to its end, page by page; every page says the same total.
fn all<T: Debug>(query: &Query, list: impl Fn(&Query) -> Result<Page<T>, QueryError>) -> (Vec<T>, Page<T>) {
    let (mut query, mut items) = (query.clone(), Vec::new());
    loop {
        let mut page = list(&query).expect("a page");
        assert!(page.items.len() <= query.limit);
        assert!(page.next.is_none() || page.items.len() == query.limit, "only the last page is short");
        items.append(&mut page.items);
        assert!(items.len() as u64 <= page.total, "{query:?}");
        let Some(next) = page.next.clone() else { return (items, page) };
        query.after = Some(next);
    }
}

fn sorted<K: Ord + Debug, T>(sort: &str, items: &[T], key: impl Fn(&T) -> K) {
    let keys: Vec<K> = items.iter().map(key).collect();
    let right = if sort.starts_with('-') { keys.is_sorted_by(|a, b| a >= b) } else { keys.is_sorted() };
    assert!(right, "{sort}: {keys:?}");
}

const FINDING_SORTS: [&str; 11] =
    ["default", "severity", "cvss", "epss", "kev", "first_seen", "age", "package", "vulnerability", "image", "fixable"];

/// The key that a list of findings must run up by.
fn finding_key(sort: &str, row: &FindingRow) -> (Vec<i64>, Vec<String>) {
    let (v, severity) = (&row.vulnerability, row.severity as i64);
    let numbers = match sort {
        "default" => {
            vec![-i64::from(v.kev.0 > 0), -severity, -i64::from(row.fixable), -i64::from(v.epss)]
        }
        "severity" => vec![-severity],
        "cvss" => vec![-i64::from(v.cvss)],
        "epss" => vec![-i64::from(v.epss)],
        "kev" => vec![-v.kev.0],
        "first_seen" => vec![-row.first_seen.0],
        "age" => vec![row.first_seen.0],
        "fixable" => vec![-i64::from(row.fixable)],
        _ => vec![],
    };
    let names = match sort {
        "package" => vec![row.package.name.clone(), row.package.version.clone()],
        "vulnerability" => vec![v.name.clone()],
        "image" => vec![row.place.registry.clone(), row.place.repository.clone(), row.image.clone()],
        _ => vec![],
    };
    (numbers, names)
}

fn check_findings(index: &Index, question: &Question<'_>, sort: &str) {
    let query = Query { sort: Sort::parse(sort).expect("a sort"), ..question.query.clone() };
    let (rows, hidden, disabled) = question.rows();
    let (items, page) = all(&query, |q| index.findings(q));
    let got: Vec<_> = items.iter().map(|i| (i.place.presence, i.package.id, i.vulnerability.id)).collect();
    let want: BTreeMap<_, _> = rows.iter().map(|r| (r.ids(), r)).collect();
    assert_eq!(got.iter().copied().collect::<BTreeSet<_>>(), want.keys().copied().collect(), "{query:?}");
    assert_eq!((got.len(), page.total, page.hidden), (rows.len(), rows.len() as u64, hidden.len() as u64), "{query:?}");
    assert_eq!(page.disabled, disabled.len() as u64, "{query:?}");
    sorted(sort, &items, |row| finding_key(sort.trim_start_matches('-'), row));
    for item in &items {
        let row = want[&(item.place.presence, item.package.id, item.vulnerability.id)];
        assert_eq!(
            item.id,
            finding_id(&row.spot.repository.key, &row.spot.image.digest, &row.package.purl, &row.vulnerability.name)
        );
        assert_eq!((&item.package, &item.vulnerability), (row.package, row.vulnerability));
        assert_eq!(item.place.tags, question.tags(&row.spot));
        assert_eq!((item.severity, item.fixable, item.state), (row.found.severity, row.found.fixable, row.found.state));
        assert_eq!((item.first_seen.0, item.until), (row.first_seen(), Micros::FOREVER));
        let by = question.hidden_by(row);
        assert_eq!(item.rule.is_some(), !by.is_empty());
        assert!(item.rule.iter().all(|mark| by.iter().any(|r| (r.uid, &r.name) == (mark.uid, &mark.name))));
        assert_eq!(item.place.frozen, row.spot.frozen);
        let again = index.finding(item.id, &query.scope, query.as_of, query.now).expect("a finding");
        assert_eq!(&FindingRow { rule: item.rule.clone(), ..again }, item);
    }
}

fn check_counts(index: &Index, question: &Question<'_>) {
    let (rows, hidden, disabled) = question.rows();
    let holding = question.holding(&rows);
    let counts = index.counts(&question.query).expect("counts");
    assert_eq!(
        index.open_findings(&question.query).expect("a number"),
        counts.tally.findings(),
        "{:?}",
        question.query
    );
    let distinct = |of: &mut dyn Iterator<Item = Id>| of.collect::<BTreeSet<_>>().len() as u64;
    assert_eq!(counts.tally, tally([&rows, &hidden, &disabled], |_| true), "{:?}", question.query);
    assert_eq!(counts.vulnerabilities, distinct(&mut rows.iter().map(|r| r.vulnerability.id)));
    assert_eq!(counts.affected, distinct(&mut rows.iter().map(|r| r.spot.image.id)), "{:?}", question.query);
    assert_eq!(counts.images, distinct(&mut holding.iter().map(|s| s.image.id)), "{:?}", question.query);
    assert_eq!(counts.repositories, distinct(&mut holding.iter().map(|s| s.repository.id)));
    assert_eq!(counts.verdicts.iter().sum::<u64>(), counts.images);
}

fn check_images(index: &Index, question: &Question<'_>, sort: &str) {
    let query = Query { sort: Sort::parse(sort).expect("a sort"), ..question.query.clone() };
    let (rows, hidden, disabled) = question.rows();
    let mut want: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    for spot in question.holding(&rows) {
        want.entry(spot.image.id).or_default().insert(spot.presence.id);
    }
    let (items, page) = all(&query, |q| index.images(q));
    assert_eq!((items.len(), page.total), (want.len(), want.len() as u64), "{query:?}");
    for item in &items {
        let places: BTreeSet<Id> = item.places.iter().map(|p| p.presence).collect();
        assert_eq!(Some(&places), want.get(&item.id), "{query:?}");
        let here = |r: &&Row<'_>| places.contains(&r.spot.presence.id);
        assert_eq!(item.tally, tally([&rows, &hidden, &disabled], here), "{query:?}");
    }
    sorted(sort, &items, |item| {
        let path = item.places.iter().map(|p| (p.registry.clone(), p.repository.clone())).min();
        let latest = |times: &mut dyn Iterator<Item = Micros>| -times.max().map_or(0, |t| t.0);
        match sort.trim_start_matches('-') {
            "severity" => (item.tally.severities.iter().rev().map(|n| -(*n as i64)).collect(), None),
            "findings" => (vec![-(item.tally.findings() as i64)], None),
            "pulled" => (vec![latest(&mut item.places.iter().map(|p| p.last_pull))], None),
            "image" => (vec![], Some((path, item.digest.clone()))),
            _ => (vec![latest(&mut item.places.iter().map(|p| p.last_push))], None),
        }
    });
}

fn check_repositories(index: &Index, question: &Question<'_>, sort: &str) {
    let query = Query { sort: Sort::parse(sort).expect("a sort"), ..question.query.clone() };
    let (rows, hidden, disabled) = question.rows();
    let mut want: BTreeMap<Id, Vec<Spot<'_>>> = BTreeMap::new();
    for spot in question.holding(&rows) {
        want.entry(spot.repository.id).or_default().push(spot);
    }
    let (items, page) = all(&query, |q| index.repositories(q));
    assert_eq!((items.len(), page.total), (want.len(), want.len() as u64), "{query:?}");
    for item in &items {
        let spots = &want[&item.id];
        let here = |r: &&Row<'_>| spots.iter().any(|s| s.presence.id == r.spot.presence.id);
        let affected: BTreeSet<Id> = rows.iter().filter(here).map(|r| r.spot.image.id).collect();
        assert_eq!((item.images, item.affected), (spots.len() as u64, affected.len() as u64), "{query:?}");
        assert_eq!(item.tally, tally([&rows, &hidden, &disabled], here));
        assert_eq!(Some(item.last_pull), spots.iter().map(|s| s.presence.last_pull).max());
    }
    sorted(sort, &items, |item| match sort.trim_start_matches('-') {
        "severity" => (item.tally.severities.iter().rev().map(|n| -(*n as i64)).collect(), None),
        "findings" => (vec![-(item.tally.findings() as i64)], None),
        "images" => (vec![-(item.images as i64)], None),
        _ => (vec![], Some((item.registry.clone(), item.name.clone()))),
    });
}

fn check_vulnerabilities(index: &Index, question: &Question<'_>, sort: &str) {
    let query = Query { sort: Sort::parse(sort).expect("a sort"), ..question.query.clone() };
    let (rows, _, disabled) = question.rows();
    let mut want: BTreeMap<Id, Vec<&Row<'_>>> = BTreeMap::new();
    rows.iter().for_each(|row| want.entry(row.vulnerability.id).or_default().push(row));
    let (items, page) = all(&query, |q| index.vulnerabilities(q));
    assert_eq!((items.len(), page.total), (want.len(), want.len() as u64), "{query:?}");
    for item in &items {
        let rows = &want[&item.fact.id];
        let distinct = |of: &dyn Fn(&Row<'_>) -> Id| rows.iter().map(|r| of(r)).collect::<BTreeSet<_>>().len() as u64;
        assert_eq!(item.findings, rows.len() as u64, "{query:?}");
        let of = |r: &&Row<'_>| r.vulnerability.id == item.fact.id;
        assert_eq!(item.disabled, disabled.iter().filter(of).count() as u64);
        assert_eq!(
            (item.images, item.repositories),
            (distinct(&|r| r.spot.image.id), distinct(&|r| r.spot.repository.id))
        );
        assert_eq!(Some(item.severity), rows.iter().map(|r| r.found.severity).max());
        assert_eq!(Some(item.first_seen), rows.iter().map(|r| r.found.first).min());
        let packages: BTreeSet<&str> = rows.iter().map(|r| r.package.name.as_str()).collect();
        assert_eq!(item.packages.iter().map(String::as_str).collect::<BTreeSet<_>>(), packages);
    }
    sorted(sort, &items, |item| match sort.trim_start_matches('-') {
        "vulnerability" => (vec![], item.fact.name.clone()),
        "images" => (vec![-(item.images as i64)], String::new()),
        "published" => (vec![-item.fact.published.0], String::new()),
        "cvss" => (vec![-i64::from(item.fact.cvss)], String::new()),
        "severity" => (vec![-(item.severity as i64)], String::new()),
        _ => {
            let (kev, fixable) = (-i64::from(item.fact.kev.0 > 0), -i64::from(item.fixable));
            (vec![kev, -(item.severity as i64), fixable, -i64::from(item.fact.epss)], String::new())
        }
    });
}

fn check_packages(index: &Index, question: &Question<'_>, sort: &str) {
    let query = Query { sort: Sort::parse(sort).expect("a sort"), ..question.query.clone() };
    let ((rows, hidden, disabled), spots) = (question.rows(), question.spots());
    let mut want: BTreeMap<Id, Vec<&Spot<'_>>> = BTreeMap::new();
    for spot in &spots {
        for package in spot.inventory.iter().flat_map(|i| &i.packages) {
            let found = rows.iter().any(|r| r.package.id == *package);
            if question.package_passes(by_id(&question.world.packages, *package))
                && (found || !question.wants_findings())
            {
                want.entry(*package).or_default().push(spot);
            }
        }
    }
    let (items, page) = all(&query, |q| index.packages(q));
    assert_eq!((items.len(), page.total), (want.len(), want.len() as u64), "{query:?}");
    for item in &items {
        let spots = &want[&item.fact.id];
        let images: BTreeSet<Id> = spots.iter().map(|s| s.image.id).collect();
        assert_eq!((item.places, item.images), (spots.len() as u64, images.len() as u64), "{query:?}");
        let of = |r: &&Row<'_>| r.package.id == item.fact.id;
        assert_eq!(item.tally, tally([&rows, &hidden, &disabled], of), "{query:?}");
    }
    sorted(sort, &items, |item| match sort.trim_start_matches('-') {
        "images" => (vec![-(item.images as i64)], None),
        "findings" => (vec![-(item.tally.findings() as i64)], None),
        _ => (vec![], Some((item.fact.name.clone(), item.fact.version.clone()))),
    });
}

/// On every day, a finding is open or not; between two spans there is a gap.
fn check_exposures(index: &Index, world: &Snapshot) {
    let days: Vec<Micros> = (0..=END).map(|day| Micros(day * DAY)).collect();
    let open: Vec<BTreeSet<(Id, Id, Id)>> = days
        .iter()
        .map(|at| join(world, &spots(world, Some(*at), false), Some(*at)))
        .map(|rows| rows.iter().map(|r| (r.spot.repository.id, r.package.component, r.vulnerability.id)).collect())
        .collect();
    let of_repository = |r: Id| (1..=3).flat_map(move |c| world.vulnerabilities.iter().map(move |v| (r, c, v.id)));
    for (repository, component, vulnerability) in world.repositories.iter().flat_map(|r| of_repository(r.id)) {
        let spans = index.exposure(repository, component, vulnerability).spans;
        for (at, open) in days.iter().zip(&open) {
            let want = open.contains(&(repository, component, vulnerability));
            assert_eq!(spans.iter().any(|s| s.0 <= *at && *at < s.1), want, "{spans:?} at {at:?}");
        }
        assert!(spans.windows(2).all(|w| w[0].1 < w[1].0), "no gap between spans: {spans:?}");
    }
}

fn check_blast_radius(index: &Index, question: &Question<'_>) {
    if question.asks.iter().any(|a| matches!(a, Asks::HiddenOnly | Asks::HiddenAll)) {
        return; // said by the lists; a blast radius shows what is hidden as well
    }
    let (rows, hidden, _) = question.rows();
    for vulnerability in &question.world.vulnerabilities {
        let of = |r: &&Row<'_>| r.vulnerability.id == vulnerability.id;
        let rows: Vec<&Row<'_>> = rows.iter().chain(&hidden).filter(of).collect();
        let radius =
            index.blast_radius(&vulnerability.name.to_lowercase(), &question.query).expect("an answer").expect("known");
        assert_eq!(radius.row.findings, rows.len() as u64);
        assert_eq!(radius.repositories.iter().map(|r| r.findings).sum::<u64>(), rows.len() as u64);
        assert_eq!(radius.packages.iter().map(|p| p.tally.findings()).sum::<u64>(), rows.len() as u64);
        for hit in &radius.repositories {
            let images = rows.iter().filter(|r| r.spot.repository.id == hit.repository_id).map(|r| r.spot.image.id);
            assert_eq!(hit.images, images.collect::<BTreeSet<_>>().len() as u64);
        }
    }
}

fn check_all(index: &Index, question: &Question<'_>, dice: &mut Dice) {
    let mut sort = |of: &[&str]| format!("{}{}", dice.pick(&["", "-"]), dice.pick(of));
    check_findings(index, question, &sort(&FINDING_SORTS));
    check_counts(index, question);
    check_images(index, question, &sort(&["default", "severity", "findings", "pulled", "image"]));
    check_repositories(index, question, &sort(&["default", "severity", "findings", "images"]));
    check_vulnerabilities(
        index,
        question,
        &sort(&["default", "vulnerability", "images", "published", "cvss", "severity"]),
    );
    check_packages(index, question, &sort(&["default", "package", "images", "findings"]));
    check_blast_radius(index, question);
}

/// An index with rules from the start, to which all that rules speak of comes late, and otherwise at first; with questions in
/// between, at moments at which rules expire.
fn late(world: &Snapshot, dice: &mut Dice) -> Index {
    let rows = || Snapshot { revision: world.revision, generation: world.generation, ..Default::default() };
    let other = |v: &VulnerabilityFact| {
        let kev = Micros(i64::from(v.kev.0 == 0));
        VulnerabilityFact { title: "another".into(), cvss: 10, kev, ..v.clone() }
    };
    let changed = |m: &MatchFact| MatchFact { severity: Severity::Low, fixable: !m.fixable, ..m.clone() };
    let vulnerabilities = world.vulnerabilities.iter().map(other).collect();
    let start = Snapshot { matches: Vec::new(), aliases: Vec::new(), vulnerabilities, ..world.clone() };
    let mut steps = vec![Snapshot { matches: world.matches.iter().map(changed).collect(), ..rows() }];
    steps.extend(world.matches.iter().map(|m| Snapshot { matches: vec![m.clone()], ..rows() }));
    steps.extend(world.vulnerabilities.iter().map(|v| Snapshot { vulnerabilities: vec![v.clone()], ..rows() }));
    steps.extend(world.aliases.iter().map(|alias| Snapshot { aliases: vec![alias.clone()], ..rows() }));
    let mut index = Index::build(&start);
    for rows in steps {
        let now = Micros(dice.below(END as u64) as i64 * DAY);
        index.counts(&Query { now, limit: 1, ..Default::default() }).expect("counts");
        index.apply(&Changes { revision: world.revision, rows });
    }
    index
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_equals_the_plain_join(seed in 1_u64..) {
        let mut dice = Dice(seed);
        let world = world(&mut dice);
        let steps = history(&world, &mut dice);
        let mut followed = Index::build(&steps[0]);
        for step in &steps[1..] {
            followed.apply(&Changes { revision: step.revision, rows: step.clone() });
        }
        let built = Index::build(&world);
        prop_assert_eq!((built.orphans(), followed.orphans(), followed.revision()), (0, 0, world.revision));
        // Rules one by one, with a question in between, so that much is taken over from one view to the next.
        let mut stepwise = Index::build(&Snapshot { rules: Vec::new(), ..world.clone() });
        for rule in &world.rules {
            for paused in [!rule.paused, rule.paused] {
                let now = Micros(dice.below(END as u64) as i64 * DAY);
                stepwise.counts(&Query { now, limit: 1, ..Default::default() }).expect("counts");
                let rules = vec![RuleFact { paused, ..rule.clone() }];
                let rows = Snapshot { revision: world.revision, generation: world.generation, rules, ..Default::default() };
                stepwise.apply(&Changes { revision: world.revision, rows });
            }
        }
        let late = late(&world, &mut dice);
        for index in [&built, &followed, &stepwise, &late] {
            for _ in 0..13 {
                let question = Question::new(&world, &mut dice);
                check_all(index, &question, &mut dice);
            }
        }
        check_exposures(&followed, &world);
        for index in [&built, &followed, &stepwise, &late] {
            weights::check_weights(index);
            score::check_effects(index, &world);
            score::check_score(index, &world, None);
            let past = Some(Micros(dice.below(END as u64) as i64 * DAY));
            score::check_score(index, &world, past);
            score::check_scopes(index, &world, None, &mut dice);
            score::check_scopes(index, &world, past, &mut dice);
            for _ in 0..5 {
                score::check_preview(index, &world, &mut dice);
            }
        }
    }

    #[test]
    fn whatever_rules_do_the_index_that_follows_answers_as_one_built_anew(seed in 1_u64..) {
        let mut dice = Dice(seed);
        let world = world(&mut dice);
        turns::check_turns(world, &mut dice);
    }
}
