use super::{DAY_MICROS, Spread};
use crate::coverage::ReadState;
use crate::index::Index;
use crate::query::Scope;
use model::advisory::{Category, VendorState};
use model::facts::*;
use model::severity::{Severity, SeveritySource};
use model::time::Micros;
use model::verdict::{Coverage, Verdict, Work};

fn day(n: i64) -> Micros {
    Micros(n * DAY_MICROS)
}

/// A day, or `FOREVER`.
fn end(n: Option<i64>) -> Micros {
    n.map_or(Micros::FOREVER, day)
}

fn image(id: Id, verdict: Verdict) -> ImageFact {
    let (platform, os, reason) = Default::default();
    let (work, coverage) = (Work::Idle, Coverage::InWindow);
    ImageFact { id, digest: format!("sha256:{id}"), platform, os, bytes: 1, verdict, work, coverage, reason }
}

fn package(id: Id, component: Id) -> PackageFact {
    let (ecosystem, name) = ("pypi".to_owned(), format!("c{component}"));
    PackageFact { id, component, ecosystem, name, version: id.to_string(), purl: format!("pkg:pypi/{component}@{id}") }
}

fn vulnerability(id: Id) -> VulnerabilityFact {
    let (kev, published, modified) = (Micros(0), Micros(0), Micros(0));
    let (name, title, severity) = (format!("CVE-2024-{id}"), String::new(), Severity::High);
    VulnerabilityFact { id, name, title, severity, cvss: -1, kev, epss: -1, published, modified }
}

fn found(package: Id, vulnerability: Id, since: i64, until: Option<i64>) -> MatchFact {
    MatchFact {
        package,
        vulnerability,
        since: day(since),
        until: end(until),
        first: day(since),
        severity: Severity::High,
        severity_source: SeveritySource::default(),
        fixable: true,
        state: VendorState::default(),
        fixed_version: String::new(),
        category: Category::default(),
    }
}

/// Image 1 has two packages, image 2 a newer version of the first; image 3 was never read.
fn world(tags: &[(&str, Id, i64, Option<i64>)]) -> Index {
    let reading =
        |image, since| ImageInventoryFact { image, since: day(since), until: Micros::FOREVER, inventory: image };
    let presence = |image| PresenceFact {
        id: image,
        repository: 1,
        image,
        since: day(0),
        until: Micros::FOREVER,
        last_push: day(0),
        last_pull: Micros(0),
    };
    let tag = |(name, image, since, until): &(&str, Id, i64, Option<i64>)| TagFact {
        repository: 1,
        name: (*name).to_owned(),
        since: day(*since),
        until: end(*until),
        image: *image,
    };
    let (id, name, until) = (1, "local".to_owned(), Micros::FOREVER);
    let (resource_group, key, kind, host) = ("default".into(), name.clone(), "embedded".into(), String::new());
    Index::build(&Snapshot {
        subscriptions: vec![SubscriptionFact { id, guid: "g".into(), name: "s".into(), window_days: 30, until }],
        registries: vec![RegistryFact { id, subscription: 1, resource_group, name, key, kind, host, until }],
        repositories: vec![RepositoryFact {
            id,
            registry: 1,
            name: "app".into(),
            key: "local/app".into(),
            moved: Micros(0),
            seen: Micros(0),
        }],
        images: vec![image(1, Verdict::Complete), image(2, Verdict::Gaps), image(3, Verdict::None)],
        presences: vec![presence(1), presence(2), presence(3)],
        tags: tags.iter().map(tag).collect(),
        // The first is read on the day after its push, which is no day without findings.
        image_inventories: vec![reading(1, 1), reading(2, 10)],
        inventories: vec![InventoryFact { id: 1, packages: vec![1, 2] }, InventoryFact { id: 2, packages: vec![3] }],
        packages: vec![package(1, 1), package(2, 2), package(3, 1)],
        vulnerabilities: vec![vulnerability(1), vulnerability(2), vulnerability(3)],
        matches: vec![found(1, 1, 0, None), found(2, 2, 0, Some(5)), found(3, 3, 12, None)],
        ..Snapshot::default()
    })
}

#[test]
fn a_finding_is_remediated_when_its_tag_moves_to_an_image_without_it() {
    for (tags, want, why) in [
        (
            vec![("1", 1, 0, Some(10)), ("1", 2, 10, None)],
            ("10", "8", 0, 1),
            "moved; one was withdrawn, one came later",
        ),
        (vec![("1", 1, 0, Some(7))], ("", "", 1, 1), "the tag was deleted"),
        (
            vec![("1", 1, 0, Some(10)), ("1", 3, 10, None)],
            ("", "", 0, 1),
            "an image that was never read proves nothing",
        ),
        (vec![("1", 1, 0, Some(4)), ("1", 1, 4, None)], ("", "20", 0, 1), "pushed again as it was"),
        (vec![("1", 1, 0, None), ("2", 2, 10, None)], ("", "8 20", 0, 1), "another tag is another line"),
    ] {
        let everything = model::role::Scope::ALL;
        let found = world(&tags).remediation(&everything, &Scope::Everything, day(0), day(20));
        let days = |all: &[Spread; 6]| {
            let of = &all[Severity::High as usize];
            of.0.iter().flat_map(|(days, n)| vec![days.to_string(); *n as usize]).collect::<Vec<_>>().join(" ")
        };
        let got = (days(&found.remediated), days(&found.open), found.deleted, found.withdrawn);
        assert_eq!((got.0.as_str(), got.1.as_str(), got.2, got.3), want, "{why}");
        let late = world(&tags).remediation(&everything, &Scope::Everything, day(11), day(20));
        let gone: u64 = late.remediated.iter().map(Spread::count).sum();
        assert_eq!((gone, late.deleted, late.withdrawn), (0, 0, 0), "what went before does not count: {why}");
        let nobody = Scope::Within { subscriptions: vec![], registries: vec![], repositories: vec![] };
        let none = world(&tags).remediation(&everything, &nobody, day(0), day(20));
        assert_eq!(none, super::Remediation::default(), "who may see nothing: {why}");
    }
}

#[test]
fn days_are_told_by_their_share() {
    let mut spread = Spread::default();
    assert_eq!(spread.within(50), None);
    [1, 1, 3, 9].into_iter().for_each(|days| spread.add(days * DAY_MICROS + 5));
    assert_eq!([25, 50, 75, 90].map(|p| spread.within(p)), [Some(1), Some(1), Some(3), Some(9)]);
    assert_eq!([0, 2, 9, 10].map(|days| spread.at_least(days)), [4, 2, 1, 0]);
}

#[test]
fn what_was_read_at_a_moment_is_what_a_reading_holds_then() {
    let states = world(&[]).read_states(&model::role::Scope::ALL, &Scope::Everything, &[day(0), day(5), day(15)]);
    let state = |complete, gaps, unread| ReadState { complete, gaps, unreadable: 0, unread };
    assert_eq!(states, [state(0, 0, 3), state(1, 0, 2), state(1, 1, 1)]);
    assert!(states.iter().all(|state| state.images() == 3));
}
