//! What became known: to whom it is news, and to whom it is not.
#![allow(clippy::unwrap_used, missing_docs)]

use fleet::{Filter, Index, News, Query, Topic};
use model::advisory::{Category, VendorState};
use model::facts::*;
use model::role::Scope;
use model::rule::Criteria;
use model::severity::{Severity, SeveritySource};
use model::time::Micros;
use model::verdict::{Coverage, Verdict, Work};

const FOREVER: Micros = Micros::FOREVER;

/// One registry with the repositories 1 and 2; image 1 came at 10 and holds packages 1 and 2.
fn world() -> Snapshot {
    let guid = "00000000-0000-0000-0000-000000000001".to_owned();
    let mut world = Snapshot { revision: 1, ..Snapshot::default() };
    world.subscriptions.push(SubscriptionFact { id: 1, guid, name: "s".into(), window_days: 30, until: FOREVER });
    world.registries.push(RegistryFact {
        id: 1,
        subscription: 1,
        resource_group: "g".into(),
        name: "local".into(),
        key: "local".into(),
        kind: "embedded".into(),
        host: String::new(),
        until: FOREVER,
    });
    for id in [1, 2] {
        world.repositories.push(RepositoryFact {
            id,
            registry: 1,
            name: format!("team/app{id}"),
            key: format!("local/team/app{id}"),
            moved: Micros(0),
            seen: Micros(0),
        });
    }
    for id in 1..=4 {
        let (name, version) = (["openssl", "openssl", "zlib", "curl"][id as usize - 1], format!("1.{id}"));
        let component = [1, 1, 2, 3][id as usize - 1];
        let purl = format!("pkg:deb/debian/{name}@{version}");
        world.packages.push(PackageFact {
            id,
            component,
            ecosystem: "debian:12".into(),
            name: name.into(),
            version,
            purl,
        });
    }
    for (id, name) in [(1, "CVE-1"), (2, "CVE-2"), (3, "CVE-3")] {
        world.vulnerabilities.push(vulnerability(id, name));
    }
    place(&mut world, 1, 1, 10, &[1, 3]);
    found(&mut world, 1, 1, 10, Severity::High, false);
    world
}

fn vulnerability(id: Id, name: &str) -> VulnerabilityFact {
    let (severity, zero) = (Severity::High, Micros(0));
    VulnerabilityFact {
        id,
        name: name.into(),
        title: String::new(),
        severity,
        cvss: 75,
        kev: zero,
        epss: 0,
        published: zero,
        modified: zero,
    }
}

/// Puts a new image into a repository, with what it holds.
fn place(world: &mut Snapshot, id: Id, repository: Id, at: i64, packages: &[Id]) {
    let since = Micros(at);
    world.images.push(ImageFact {
        id,
        digest: format!("sha256:{id:064}"),
        platform: "linux/amd64".into(),
        os: "Debian 12".into(),
        bytes: 1,
        verdict: Verdict::Complete,
        work: Work::Idle,
        coverage: Coverage::InWindow,
        reason: String::new(),
    });
    world.presences.push(PresenceFact {
        id,
        repository,
        image: id,
        since,
        until: FOREVER,
        last_push: since,
        last_pull: Micros(0),
    });
    world.image_inventories.push(ImageInventoryFact { image: id, since, until: FOREVER, inventory: id });
    world.inventories.push(InventoryFact { id, packages: packages.to_vec() });
}

fn found(world: &mut Snapshot, package: Id, vulnerability: Id, at: i64, severity: Severity, fixable: bool) {
    world.matches.push(MatchFact {
        package,
        vulnerability,
        since: Micros(at),
        until: FOREVER,
        first: Micros(at),
        severity,
        severity_source: SeveritySource::Vendor,
        fixable,
        state: if fixable { VendorState::Fixed } else { VendorState::Open },
        fixed_version: if fixable { "9".into() } else { String::new() },
        category: Category::Vulnerability,
    });
}

fn query(words: &str) -> Query {
    Query { filter: Filter::parse(words).unwrap(), limit: 2, now: Micros(1_000), ..Query::default() }
}

fn news(world: &Snapshot, words: &str, after: i64, exploited: &[Id]) -> News {
    Index::build(world).news(&query(words), Micros(after), Micros(100), exploited).unwrap()
}

fn names(heard: &[fleet::Heard]) -> Vec<(&str, u64)> {
    heard.iter().map(|h| (h.fact.name.as_str(), h.images)).collect()
}

#[test]
fn an_image_is_told_of_with_what_its_repository_did_not_have() {
    let mut world = world();
    place(&mut world, 2, 1, 20, &[2, 4]); // openssl again, in another version, and curl
    found(&mut world, 2, 1, 20, Severity::High, false);
    found(&mut world, 4, 2, 20, Severity::Critical, true);
    let told = news(&world, "", 15, &[]);
    let [arrival] = &told.arrivals[..] else { panic!("{:?}", told.arrivals) };
    assert_eq!(
        (arrival.place.repository.as_str(), arrival.tally.findings(), arrival.critical_fixable),
        ("team/app1", 1, 1)
    );
    assert_eq!(arrival.worst[0].vulnerability.name, "CVE-2", "CVE-1 of openssl was there before");
    assert!(told.appeared.is_empty(), "what came with an image is no news of the feeds");
    assert_eq!(news(&world, "", 20, &[]), News::default(), "once");
    assert!(news(&world, "severity:low", 15, &[]).arrivals.is_empty(), "of less than was asked for");
    place(&mut world, 3, 2, 20, &[2]);
    assert_eq!(news(&world, "", 15, &[]).arrivals.len(), 2, "another repository did not have it");
}

#[test]
fn a_vulnerability_that_feeds_bring_is_told_with_how_far_it_reaches() {
    let mut world = world();
    place(&mut world, 2, 2, 12, &[1, 3]);
    found(&mut world, 3, 2, 30, Severity::Critical, true);
    found(&mut world, 3, 3, 30, Severity::Low, false);
    let told = news(&world, "", 15, &[]);
    assert_eq!(names(&told.appeared), [("CVE-2", 2), ("CVE-3", 2)]);
    assert_eq!((told.appeared[0].repositories, told.appeared[0].example.fixed_version.as_str()), (2, "9"));
    assert!(told.arrivals.is_empty() && told.fixed.is_empty());
    assert_eq!(names(&news(&world, "severity:>=high", 15, &[]).appeared), [("CVE-2", 2)]);
    assert_eq!(names(&news(&world, "repository:team/app2", 15, &[]).appeared)[0], ("CVE-2", 1));
    let few = Query { limit: 1, ..query("") };
    let told = Index::build(&world).news(&few, Micros(15), Micros(100), &[]).unwrap();
    assert_eq!((names(&told.appeared), told.more_appeared), (vec![("CVE-2", 2)], 1));
}

#[test]
fn a_fix_and_an_exploit_are_told_of_what_was_known() {
    let mut world = world();
    world.matches[0].until = Micros(40);
    found(&mut world, 1, 1, 40, Severity::High, true);
    world.matches[1].first = Micros(10);
    let told = news(&world, "", 15, &[1]);
    assert_eq!((names(&told.fixed), told.appeared.len()), (vec![("CVE-1", 1)], 0));
    assert_eq!(names(&told.exploited), [("CVE-1", 1)]);
    world.matches[0].fixable = true;
    assert!(news(&world, "", 15, &[]).fixed.is_empty(), "there was a fix before");
    assert!(news(&world, "", 5, &[1]).exploited.is_empty(), "new and exploited is told as new");
}

#[test]
fn what_a_rule_hides_is_no_news_and_what_is_gone_is_over() {
    let mut world = world();
    found(&mut world, 3, 2, 30, Severity::Critical, true);
    let index = Index::build(&world);
    let topics = [Topic::Vulnerability("CVE-2"), Topic::Vulnerability("CVE-3"), Topic::Place(1), Topic::Place(9)];
    assert_eq!(index.still_open(&query(""), &topics).unwrap(), [true, false, true, false]);
    let criteria = Criteria { finding_ids: vec!["CVE-2".into()], ..Criteria::default() };
    world.rules.push(RuleFact {
        id: 1,
        uid: uuid::Uuid::nil(),
        name: "r".into(),
        scope: Scope::ALL,
        criteria,
        expires: FOREVER,
        paused: false,
        overrides: None,
        since: Micros(30),
        until: FOREVER,
    });
    assert!(news(&world, "", 15, &[]).appeared.is_empty());
    let index = Index::build(&world);
    assert_eq!(index.still_open(&query(""), &topics).unwrap(), [false, false, true, false]);
}
