//! Questions that have no answer, and the sentence that each gets.

use fleet::{Cursor, Filter, Index, Query, QueryError, Scope, Sort};
use model::facts::{
    ImageFact, ImageInventoryFact, InventoryFact, MatchFact, PackageFact, PresenceFact, RegistryFact, RepositoryFact,
    Snapshot, SubscriptionFact, VulnerabilityFact,
};
use model::time::Micros;

fn registry() -> RegistryFact {
    let (resource_group, key, name, kind) = ("default".into(), "local".into(), "local".into(), "embedded".into());
    RegistryFact {
        id: 1,
        subscription: 1,
        resource_group,
        key,
        name,
        kind,
        host: String::new(),
        until: Micros::FOREVER,
    }
}

fn image() -> ImageFact {
    ImageFact {
        id: 1,
        digest: "sha256:aa".into(),
        platform: String::new(),
        os: String::new(),
        bytes: 1,
        verdict: Default::default(),
        work: Default::default(),
        coverage: Default::default(),
        reason: String::new(),
    }
}

fn repository() -> RepositoryFact {
    let (name, key, never) = ("app".into(), "local/app".into(), Micros(0));
    RepositoryFact { id: 1, registry: 1, name, key, moved: never, seen: never }
}

/// One image with one package and 4 vulnerabilities.
fn small() -> Snapshot {
    let (since, until) = (Micros(1), Micros::FOREVER);
    let (ecosystem, name, version, purl) = ("pypi".into(), "a".into(), "1".into(), "pkg:pypi/a@1".into());
    let mut small = Snapshot {
        subscriptions: vec![SubscriptionFact {
            id: 1,
            guid: "g".into(),
            name: "default".into(),
            window_days: 30,
            until,
        }],
        registries: vec![registry()],
        repositories: vec![repository()],
        images: vec![image()],
        presences: vec![PresenceFact {
            id: 1,
            repository: 1,
            image: 1,
            since,
            until,
            last_push: since,
            last_pull: Micros(0),
        }],
        image_inventories: vec![ImageInventoryFact { image: 1, since, until, inventory: 1 }],
        inventories: vec![InventoryFact { id: 1, packages: vec![1] }],
        packages: vec![PackageFact { id: 1, component: 1, ecosystem, name, version, purl }],
        ..Default::default()
    };
    for id in 1..=4 {
        small.vulnerabilities.push(VulnerabilityFact {
            id,
            name: format!("CVE-2024-{id}"),
            title: String::new(),
            severity: Default::default(),
            cvss: -1,
            kev: Micros(0),
            epss: -1,
            published: Micros(0),
            modified: Micros(0),
        });
        small.matches.push(MatchFact {
            package: 1,
            vulnerability: id,
            since,
            until,
            first: since,
            severity: Default::default(),
            severity_source: Default::default(),
            fixable: false,
            state: Default::default(),
            fixed_version: String::new(),
            category: Default::default(),
        });
    }
    small
}

#[test]
fn a_cursor_is_good_for_the_question_it_came_from_and_no_other() {
    let index = Index::build(&small());
    let query = Query { limit: 2, ..Query::default() };
    let cursor = index.findings(&query).unwrap().next.unwrap();
    let after = Some(cursor.clone());
    assert_eq!(index.findings(&Query { after: after.clone(), ..query.clone() }).unwrap().items.len(), 2);
    for (question, why) in [
        (Query { sort: Sort::parse("cvss").unwrap(), ..query.clone() }, "another order"),
        (Query { filter: Filter::parse("fix:no").unwrap(), ..query.clone() }, "another filter"),
        (Query { as_of: Some(Micros(5)), ..query.clone() }, "another time"),
        (
            Query {
                scope: Scope::Within { subscriptions: vec![1], registries: vec![], repositories: vec![] },
                ..query.clone()
            },
            "another scope",
        ),
    ] {
        let answer = index.findings(&Query { after: after.clone(), ..question });
        assert!(matches!(answer, Err(QueryError::Cursor { .. })), "{why}: {answer:?}");
    }
    let of_a_list = Query { after, ..query.clone() };
    assert!(matches!(index.packages(&of_a_list), Err(QueryError::Cursor { .. })), "another list");
    let text = cursor.as_str();
    let cut = &text[..text.len() - 1];
    for (garbled, why) in [
        ("", "empty"),
        ("1", "no question"),
        ("2.0.0.0", "another version"),
        (cut, "cut"),
        (&text.replace(".1.", ".2."), "altered"),
        ("2.x.\u{e9}.9999999999999999999999", "no cursor at all"),
    ] {
        let answer = index.findings(&Query { after: Some(Cursor::parse(garbled)), ..query.clone() });
        assert!(matches!(answer, Err(QueryError::Cursor { .. })), "{why}: {answer:?}");
    }
}

#[test]
fn an_order_that_a_list_does_not_have_is_refused_with_those_it_has() {
    let index = Index::default();
    let by = |sort: &str| Query { sort: Sort::parse(sort).unwrap(), limit: 1, ..Query::default() };
    let error = index.packages(&by("epss")).unwrap_err().to_string();
    assert_eq!(error, "cannot sort by \"epss\"; allowed: default, severity, package, findings, images");
    assert!(
        Sort::parse("sevrity").unwrap_err().to_string().starts_with("cannot sort by \"sevrity\"; allowed: default")
    );
    assert_eq!(index.findings(&Query::default()), Err(QueryError::Limit));
}

#[test]
fn rows_that_name_nothing_are_left_out_and_counted() {
    let mut facts = small();
    facts.presences[0].image = 9;
    facts.inventories[0].packages.push(77);
    let index = Index::build(&facts);
    let query = Query { limit: 9, ..Query::default() };
    assert_eq!((index.orphans(), index.findings(&query).unwrap().total), (2, 0));
}

#[test]
fn a_finding_that_is_over_is_found_with_the_moment_of_its_end() {
    let mut facts = small();
    let query = Query { limit: 9, ..Query::default() };
    let open = Index::build(&facts).findings(&query).unwrap().items.remove(0);
    facts.presences[0].until = Micros(50);
    let index = Index::build(&facts);
    let past = index.finding(open.id, &Scope::Everything, None, Micros(100)).unwrap();
    assert_eq!((past.id, past.until, index.findings(&query).unwrap().total), (open.id, Micros(50), 0));
    let nothing = Scope::Within { subscriptions: vec![], registries: vec![], repositories: vec![] };
    assert_eq!(index.finding(open.id, &nothing, None, Micros(100)), None, "outside the asker's scope");
    assert_eq!(index.finding(open.id, &Scope::Everything, Some(Micros(50)), Micros(100)).unwrap().until, Micros(50));
    assert_eq!(
        index.finding(open.id, &Scope::Everything, Some(Micros(49)), Micros(100)).unwrap().until,
        Micros::FOREVER
    );
    assert_eq!(index.finding(open.id, &Scope::Everything, Some(Micros(0)), Micros(100)), None, "before it began");
}
