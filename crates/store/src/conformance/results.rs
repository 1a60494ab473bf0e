//! Results of scans, intervals, the change log, the snapshot.

use super::{Fresh, caller, on_every_engine};
use crate::{Assessment, Class, Error, Failure, Job, JobKind, NewJob, Vulnerability};
use model::facts::Snapshot;
use model::finding::Match;
use model::inventory::{Inventory, OsRelease, Placed};
use model::verdict::{Verdict, Work};
use model::{Digest, Micros, PackageKey, Severity};

pub(super) fn package(name: &str, version: &str) -> PackageKey {
    let text = |text: &str| text.to_owned();
    PackageKey {
        ecosystem: text("debian:12"),
        name: text(name),
        version: text(version),
        source: text(name),
        source_version: text(version),
        arch: text("amd64"),
        ..PackageKey::default()
    }
}

pub(super) fn found(vulnerability: &str, severity: Severity) -> Match {
    Match {
        vulnerability: vulnerability.into(),
        severity,
        severity_source: Default::default(),
        state: Default::default(),
        fixed_version: "9".into(),
        advisory: vulnerability.into(),
        source: Default::default(),
        category: Default::default(),
        comparison: "1 < 9".into(),
    }
}

pub(super) fn vulnerability(name: &str) -> Vulnerability {
    Vulnerability { name: name.into(), title: format!("about {name}"), ..Vulnerability::default() }
}

pub(super) fn inventory(packages: &[PackageKey]) -> Inventory {
    let os = OsRelease { pretty_name: "Debian 12".into(), ..OsRelease::default() };
    let place = |key: &PackageKey| Placed { key: key.clone(), path: "var/lib/dpkg/status".into(), layer: 0 };
    Inventory { os: Some(os), packages: packages.iter().map(place).collect(), notes: Vec::new() }
}

pub(super) fn assessment<'a>(
    job: &'a Job,
    inventory: &'a Inventory,
    judged: &[(PackageKey, Vec<Match>)],
    generation: i64,
) -> Assessment<'a> {
    let names = judged.iter().flat_map(|(_, found)| found).map(|m| vulnerability(&m.vulnerability));
    Assessment {
        job,
        inventory,
        platform: String::new(),
        revision: 1,
        verdict: Verdict::Complete,
        reasons: Vec::new(),
        notes: Vec::new(),
        generation,
        vulnerabilities: names.collect(),
        judged: judged.to_vec(),
        started: job.claimed,
        tier: "full".into(),
        bytes: 10,
    }
}

impl Fresh {
    /// Pushes an image and claims its job.
    pub(super) async fn claimed(&self, seed: &str) -> Job {
        self.push_image("app", "v1", seed).await;
        self.store.claim("w").await.unwrap().unwrap()
    }
}

#[test]
fn a_result_is_written_once_by_the_holder_of_the_lease_and_is_then_there_as_a_whole() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let job = fresh.claimed("a").await;
        let held = inventory(&[package("zlib", "1"), package("openssl", "3")]);
        assert_eq!(store.unjudged(&held).await.unwrap().len(), 2);
        let zlib = (package("zlib", "1"), vec![found("CVE-1", Severity::High), found("CVE-2", Severity::Low)]);
        let partly = assessment(&job, &held, std::slice::from_ref(&zlib), 0);
        assert!(matches!(store.record(&partly).await, Err(Error::Unjudged(keys)) if keys == [package("openssl", "3")]));
        let all = assessment(&job, &held, &[zlib, (package("openssl", "3"), Vec::new())], 0);
        let mut stolen = job.clone();
        stolen.lease += 1;
        let foreign = Assessment { job: &stolen, ..all.clone() };
        assert!(matches!(store.record(&foreign).await, Err(Error::LeaseLost(_))));
        let stale = Assessment { generation: 7, ..all.clone() };
        assert!(matches!(store.record(&stale).await, Err(Error::StaleGeneration { given: 7, current: 0 })));

        let recorded = store.record(&all).await.unwrap();
        assert_eq!((recorded.new_packages, recorded.changed_matches), (2, 2));
        assert!(matches!(store.record(&all).await, Err(Error::LeaseLost(_))), "not twice");
        assert_eq!(store.unjudged(&held).await.unwrap(), []);

        let image = store.image(&Digest::sha256(b"manifest a")).await.unwrap().unwrap();
        assert_eq!((image.verdict, image.work, image.os.as_str()), (Verdict::Complete, Work::Idle, "Debian 12"));
        let placed = store.placed(image.inventory).await.unwrap();
        assert_eq!(placed.iter().map(|p| p.key.name.as_str()).collect::<Vec<_>>(), ["zlib", "openssl"]);
        let (id, text) = store.vulnerability("CVE-1").await.unwrap().unwrap();
        assert_eq!(text, vulnerability("CVE-1"));
        let detail = store.match_detail(placed[0].package, id).await.unwrap().unwrap();
        assert_eq!((detail.found, detail.key), (found("CVE-1", Severity::High), package("zlib", "1")));
        let scans = store.scans(image.id, 10).await.unwrap();
        let times = store.scan_times(Micros(0), 10).await.unwrap();
        assert!(times.iter().all(|scan| scan.queued.0 != 0 && scan.queued <= scan.finished), "{times:?}");
        assert_eq!(store.scan_times(Micros::FOREVER, 10).await.unwrap(), []);
        assert_eq!((scans.len(), scans[0].class, scans[0].tier.as_str()), (1, "push", "full"));
        assert_eq!(store.layers_of(image.id).await.unwrap().len(), 1);
    });
}

#[test]
fn a_rebuild_with_the_same_packages_adds_no_package_no_match_and_no_inventory() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let held = inventory(&[package("zlib", "1")]);
        let judged = [(package("zlib", "1"), vec![found("CVE-1", Severity::High)])];
        let job = fresh.claimed("a").await;
        store.record(&assessment(&job, &held, &judged, 0)).await.unwrap();
        let before = store.snapshot().await.unwrap();
        let job = fresh.claimed("b").await;
        let recorded = store.record(&assessment(&job, &held, &[], 0)).await.unwrap();
        assert_eq!((recorded.new_packages, recorded.changed_matches), (0, 0));
        let after = store.snapshot().await.unwrap();
        assert_eq!(
            (before.packages, before.matches, before.inventories),
            (after.packages, after.matches, after.inventories)
        );
        assert_eq!(after.image_inventories.len(), 2);
    });
}

#[test]
fn another_reading_closes_the_old_inventory_and_a_failure_keeps_it() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let job = fresh.claimed("a").await;
        let JobKind::Image(image) = job.kind else { panic!("an image") };
        let one = inventory(&[package("zlib", "1")]);
        store.record(&assessment(&job, &one, &[(package("zlib", "1"), Vec::new())], 0)).await.unwrap();
        for (keys, want, why) in [
            (vec![package("zlib", "1")], 1, "the same inventory opens no interval"),
            (vec![package("zlib", "1"), package("curl", "8")], 2, "another one does"),
        ] {
            store.enqueue(NewJob { kind: JobKind::Image(image), class: Class::OnDemand }).await.unwrap();
            let job = store.claim("w").await.unwrap().unwrap();
            let judged: Vec<_> = keys.iter().map(|key| (key.clone(), Vec::new())).collect();
            store.record(&assessment(&job, &inventory(&keys), &judged, 0)).await.unwrap();
            assert_eq!(store.snapshot().await.unwrap().image_inventories.len(), want, "{why}");
        }
        store.enqueue(NewJob { kind: JobKind::Image(image), class: Class::OnDemand }).await.unwrap();
        let job = store.claim("w").await.unwrap().unwrap();
        let failure = Failure {
            job: &job,
            verdict: Verdict::Failed,
            code: "layer-truncated".into(),
            notes: Vec::new(),
            revision: 1,
            started: job.claimed,
            tier: String::new(),
        };
        store.record_failure(&failure).await.unwrap();
        let snapshot = store.snapshot().await.unwrap();
        assert_eq!(
            (snapshot.images[0].verdict, snapshot.images[0].reason.as_str()),
            (Verdict::Failed, "layer-truncated")
        );
        assert_eq!(snapshot.image_inventories.iter().filter(|i| i.until == Micros::FOREVER).count(), 1);
        let scans = store.scans(image, 10).await.unwrap();
        assert_eq!(scans.iter().map(|s| s.codes.as_str()).collect::<Vec<_>>(), ["layer-truncated", "", "", ""]);
    });
}

#[test]
fn whoever_follows_the_changes_has_what_a_snapshot_has() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let registry = fresh.registry().await;
        let mut follower = store.snapshot().await.unwrap();
        let mut watch = store.revision_watch();
        for step in 0..9 {
            match step {
                0 => assert!(fresh.push_image("app", "v1", "a").await.created),
                1 => assert!(fresh.push_image("app", "v1", "b").await.created),
                2 | 3 => {
                    let job = store.claim("w").await.unwrap().unwrap();
                    let key = package("zlib", &step.to_string());
                    let judged = [(key.clone(), vec![found("CVE-1", Severity::High), found("CVE-2", Severity::Low)])];
                    store.record(&assessment(&job, &inventory(&[key]), &judged, 0)).await.unwrap();
                }
                4 => assert_eq!(store.adopt(5, "five").await.unwrap().target, 5),
                5 => {
                    let rows = store.to_rematch(None).await.unwrap();
                    let rematched = rows.iter().map(|row| crate::Rematched {
                        package: row.id,
                        matches: vec![found("CVE-2", Severity::Critical)],
                        notes_changed: false,
                    });
                    store.sweep(5, &rematched.collect::<Vec<_>>(), &[vulnerability("CVE-2")]).await.unwrap();
                }
                6 => {
                    let children =
                        vec![crate::Child { digest: Digest::sha256(b"manifest a"), platform: String::new() }];
                    let kind = crate::ManifestKind::Index { children };
                    store.put_manifest(fresh.manifest("app", "multi", "i", kind).await).await.unwrap();
                }
                7 => drop(
                    store.delete_manifest(registry, "app", &Digest::sha256(b"manifest b"), &caller()).await.unwrap(),
                ),
                _ => {
                    let manifest = store.manifest(registry, "app", "multi").await.unwrap().unwrap();
                    store.record_pull(registry, "app", "multi", &manifest, &caller()).await.unwrap();
                }
            }
            let changes = store.changes(follower.revision).await.unwrap().unwrap();
            assert_eq!(*watch.borrow_and_update(), changes.revision);
            follow(&mut follower, changes.rows);
            let want = store.snapshot().await.unwrap();
            assert_eq!(sorted(follower.clone()), sorted(want), "after step {step}");
        }
        assert!(store.changes(follower.revision).await.unwrap().unwrap().rows.images.is_empty(), "nothing new");
        store.trim_changes(follower.revision - 1).await.unwrap();
        assert!(store.changes(follower.revision - 1).await.unwrap().is_some());
        assert!(store.changes(follower.revision - 2).await.unwrap().is_none(), "trimmed: read a snapshot");
    });
}

/// Does with changes what an index does.
fn follow(own: &mut Snapshot, new: Snapshot) {
    macro_rules! replace {
        ($($field:ident by $key:expr),* $(,)?) => { $(
            for row in new.$field {
                let key = $key;
                own.$field.retain(|old| key(old) != key(&row));
                own.$field.push(row);
            }
        )* };
    }
    (own.revision, own.generation) = (new.revision, new.generation);
    replace! {
        repositories by |r: &model::facts::RepositoryFact| r.id,
        images by |r: &model::facts::ImageFact| r.id,
        presences by |r: &model::facts::PresenceFact| r.id,
        tags by |r: &model::facts::TagFact| (r.repository, r.name.clone(), r.since, r.image),
        image_inventories by |r: &model::facts::ImageInventoryFact| (r.image, r.since),
        inventories by |r: &model::facts::InventoryFact| r.id,
        packages by |r: &model::facts::PackageFact| r.id,
        vulnerabilities by |r: &model::facts::VulnerabilityFact| r.id,
        aliases by |r: &(String, i64)| r.0.clone(),
        matches by |r: &model::facts::MatchFact| (r.package, r.vulnerability, r.since),
    }
}

fn sorted(snapshot: Snapshot) -> String {
    let mut s = snapshot;
    s.images.sort_by_key(|r| r.id);
    s.presences.sort_by_key(|r| r.id);
    s.tags.sort_by_key(|r| (r.repository, r.name.clone(), r.since, r.image));
    s.image_inventories.sort_by_key(|r| (r.image, r.since));
    s.inventories.sort_by_key(|r| r.id);
    s.packages.sort_by_key(|r| r.id);
    s.vulnerabilities.sort_by_key(|r| r.id);
    s.matches.sort_by_key(|r| (r.package, r.vulnerability, r.since));
    format!("{s:#?}")
}

#[test]
fn a_vulnerability_keeps_its_row_when_it_gets_a_cve_and_gives_up_names_that_are_no_longer_its_own() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let job = fresh.claimed("a").await;
        let key = package("zlib", "1");
        let judged = [(key.clone(), vec![found("GHSA-1", Severity::High)])];
        let held = inventory(&[key]);
        let mut first = assessment(&job, &held, &judged, 0);
        first.vulnerabilities = vec![Vulnerability { aliases: vec!["PYSEC-1".into()], ..vulnerability("GHSA-1") }];
        store.record(&first).await.unwrap();
        let (id, _) = store.vulnerability("PYSEC-1").await.unwrap().unwrap();

        let named = Vulnerability { aliases: vec!["GHSA-1".into(), "PYSEC-1".into()], ..vulnerability("CVE-9") };
        assert_eq!(store.refresh_vulnerabilities(&[named, vulnerability("CVE-unknown")]).await.unwrap(), 1);
        assert_eq!(store.vulnerability("CVE-unknown").await.unwrap(), None, "nothing matches it: not kept");
        let (same, now) = store.vulnerability("CVE-9").await.unwrap().unwrap();
        assert_eq!((same, now.name.as_str(), now.aliases.len()), (id, "CVE-9", 2));

        // PYSEC-1 turns out to be another vulnerability: it must not take the row of CVE-9 with it.
        store.adopt(1, "one").await.unwrap();
        let row = store.to_rematch(None).await.unwrap().remove(0);
        let matches = vec![found("CVE-9", Severity::High), found("PYSEC-1", Severity::Low)];
        let given =
            [Vulnerability { aliases: vec!["GHSA-1".into()], ..vulnerability("CVE-9") }, vulnerability("PYSEC-1")];
        store.sweep(1, &[crate::Rematched { package: row.id, matches, notes_changed: false }], &given).await.unwrap();
        let (split, _) = store.vulnerability("PYSEC-1").await.unwrap().unwrap();
        assert_ne!(split, id);
        assert_eq!(store.vulnerability("GHSA-1").await.unwrap().unwrap().0, id);
    });
}

#[test]
fn what_is_given_of_a_vulnerability_is_kept_whoever_had_its_names_meanwhile() {
    on_every_engine(|fresh| async move {
        let store = &fresh.store;
        let job = fresh.claimed("a").await;
        let key = package("zlib", "1");
        let judged = [(key.clone(), vec![found("CVE-1", Severity::High), found("CVE-2", Severity::High)])];
        let held = inventory(&[key]);
        let mut first = assessment(&job, &held, &judged, 0);
        let named = |name: &str| Vulnerability { aliases: vec!["GHSA-1".into()], ..vulnerability(name) };
        let described = |name: &str| {
            let mut v = named(name);
            v.text.description = "another text".into();
            v
        };
        first.vulnerabilities = vec![named("CVE-1"), vulnerability("CVE-2")];
        store.record(&first).await.unwrap();
        let worse = Vulnerability { severity: Severity::Critical, ..described("CVE-2") };
        let steps = [
            ("the same again", named("CVE-1"), false),
            ("the name goes to another one", named("CVE-2"), true),
            ("and comes back", named("CVE-1"), true),
            ("a text is no fact of the index", described("CVE-1"), false),
            ("text and severity and name", worse.clone(), true),
            ("the same again", worse, false),
        ];
        for (why, given, changes) in steps {
            let before = store.snapshot().await.unwrap().revision;
            assert_eq!(store.refresh_vulnerabilities(std::slice::from_ref(&given)).await.unwrap(), 1, "{why}");
            assert_eq!(store.vulnerability(&given.name).await.unwrap().unwrap().1, given, "{why}");
            assert_eq!(store.snapshot().await.unwrap().revision > before, changes, "{why}");
        }
        let one = store.vulnerability("CVE-1").await.unwrap().unwrap().1;
        assert_eq!((one.aliases.len(), one.text.description.as_str()), (0, "another text"));
    });
}
