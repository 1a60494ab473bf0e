//! The walk as a whole: pushed blobs, a store, workers, generations of the advisory database.

use crate::images::{DEBIAN, Made, STATUS, sandbox};
use advisory::Builder;
use ecosystem::layer::Limits;
use model::advisory::{Advisory, Affected, End, Range};
use model::facts::Snapshot;
use model::inventory::LayerInventory;
use model::verdict::{Verdict, Work};
use model::{Digest, Micros, PackageKey};
use scan::database::Folder;
use scan::sandbox::{Sandbox, Settings};
use scan::{Knowledge, Layers, Workers};
use std::collections::BTreeMap;
use std::time::Duration;
use store::trial::Trial;
use store::{Class, KeptLayer, LayerOutcome, NewManifest, PutOutcome, Store};
use tokio_util::sync::CancellationToken;

/// Scans that are held at a step keep their jobs, on however slow a machine.
const LEASE: Duration = Duration::from_secs(3600);

pub struct World {
    data: tempfile::TempDir,
    pub store: Store,
    pub knowledge: Knowledge,
    layers: Layers,
    pub shutdown: CancellationToken,
    /// Its database, gone with this value.
    trial: Option<Trial>,
}

impl World {
    pub async fn new() -> Self {
        Self::on(Trial::wanted().await).await
    }

    /// A world on a database of PostgreSQL, or on SQLite.
    pub async fn on(trial: Option<Trial>) -> Self {
        let mut world = Self::at(trial.as_ref().map(Trial::url), None).await;
        world.trial = trial;
        world
    }

    /// One of several worlds with data folders of their own on one database, their blobs in one folder.
    pub async fn at(database: Option<String>, blobs: Option<String>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let settings = store::Settings {
            data: data.path().into(),
            database,
            blobs,
            lease: Some(LEASE),
            ..store::Settings::default()
        };
        let store = Store::open(&settings).await.unwrap();
        let knowledge = Knowledge::open(data.path()).unwrap();
        let layers = Layers::new(store.clone(), sandbox());
        Self { data, store, knowledge, layers, shutdown: CancellationToken::new(), trial: None }
    }

    /// Starts workers and what puts generations in force.
    pub fn start(&self) {
        self.start_workers();
        let knowledge = self.knowledge.clone();
        tokio::spawn(scan::follow_generations(self.store.clone(), knowledge, self.shutdown.clone()));
    }

    pub fn start_workers(&self) {
        let workers = Workers { name: "test".into(), at_a_time: 3 };
        tokio::spawn(scan::worker(self.layers.clone(), self.knowledge.clone(), workers, self.shutdown.clone()));
    }

    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    async fn registry(&self) -> i64 {
        self.store.registries().await.unwrap().first().unwrap().id
    }

    async fn upload(&self, bytes: &[u8], pieces: usize, pause: Duration) -> Digest {
        let registry = self.registry().await;
        let id = self.store.begin_upload(registry, "app", "me").await.unwrap();
        let mut upload = self.store.upload(id, registry, "app", "me").await.unwrap();
        for piece in bytes.chunks(bytes.len().div_ceil(pieces)) {
            upload.append(piece.to_vec().into()).await.unwrap();
            tokio::time::sleep(pause).await;
        }
        upload.finish(&Digest::sha256(bytes)).await.unwrap()
    }

    async fn upload_and_cancel(&self, bytes: &[u8]) {
        let registry = self.registry().await;
        let id = self.store.begin_upload(registry, "app", "me").await.unwrap();
        let mut upload = self.store.upload(id, registry, "app", "me").await.unwrap();
        upload.append(bytes.to_vec().into()).await.unwrap();
        upload.cancel().await.unwrap();
    }

    /// Pushes an image; returns its digest.
    pub async fn push(&self, made: &Made) -> Digest {
        self.push_for(made).await.0
    }

    async fn push_for(&self, made: &Made) -> (Digest, PutOutcome) {
        let mut blobs = made.blobs();
        let (digest, manifest) = blobs.pop().unwrap();
        for (_, bytes) in &blobs {
            self.upload(bytes, 1, Duration::ZERO).await;
        }
        let outcome = self.put(&digest, &manifest).await;
        (digest, outcome)
    }

    async fn put(&self, digest: &Digest, bytes: &[u8]) -> PutOutcome {
        let manifest = model::manifest::Manifest::parse(bytes, None).unwrap();
        let new = NewManifest {
            registry: self.registry().await,
            repository: "app".into(),
            tags: vec!["latest".into()],
            digest: digest.clone(),
            media_type: model::manifest::OCI_IMAGE.into(),
            bytes: bytes.to_vec().into(),
            kind: self.store.kind_of(&manifest).await.unwrap(),
            subject: None,
            artifact_type: String::new(),
            annotations: String::new(),
            class: Class::Push,
            caller: store::Caller::default(),
        };
        self.store.put_manifest(new).await.unwrap()
    }

    /// Waits until no job is left and every package agrees with the generation in force.
    pub async fn at_rest(&self) -> Snapshot {
        let mut revision = self.store.revision_watch();
        let rest = async {
            while !self.is_at_rest().await {
                let _ = tokio::time::timeout(Duration::from_millis(5), revision.changed()).await;
            }
            self.store.snapshot().await.unwrap()
        };
        tokio::time::timeout(Duration::from_secs(120), rest).await.expect("the walk comes to rest")
    }

    async fn is_at_rest(&self) -> bool {
        let generation = self.store.generation().await.unwrap();
        let held = self.knowledge.current();
        let current = generation.target == held.generation() || generation.content_hash == held.content_hash();
        self.store.jobs(10).await.unwrap().is_empty() && current && generation.swept == generation.target
    }

    pub fn publish(&self, generation: i64, known: &[(&str, &str)]) {
        self.write(generation, known);
        self.knowledge.refresh().unwrap();
    }

    /// Puts a database into the folder, as another process does.
    pub fn write(&self, generation: i64, known: &[(&str, &str)]) {
        let mut builder = Builder::new();
        for (n, (name, fixed)) in known.iter().enumerate() {
            builder.add(&advisory_of(&format!("CVE-2026-{n}"), name, fixed));
        }
        let bytes = builder.finish(generation, Micros(generation), Vec::new());
        Folder::of(self.data.path()).publish(generation, &bytes).unwrap();
    }
}

fn advisory_of(id: &str, name: &str, fixed: &str) -> Advisory {
    let range = Range { introduced: "0".into(), end: End::Fixed(fixed.into()) };
    let affected = Affected { ecosystem: "pypi".into(), name: name.into(), ranges: vec![range], ..Affected::default() };
    Advisory { id: id.into(), title: id.into(), affected: vec![affected], ..Advisory::default() }
}

/// An image with one Python package; `n` makes it another one.
pub fn wheel(name: &str, version: &str, n: u32) -> Made {
    wheels(&[(name, version)], n)
}

/// An image with some Python packages.
pub fn wheels(packages: &[(&str, &str)], n: u32) -> Made {
    let place = |(name, version): &(&str, &str)| {
        let text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n");
        (format!("app/{name}-{version}.dist-info/METADATA"), text)
    };
    let mut files: Vec<(String, String)> = packages.iter().map(place).collect();
    files.push((format!("app/{n}"), "x".into()));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    Made::of(&[&[DEBIAN, STATUS], &files])
}

/// What the facts say: package → vulnerabilities open now.
pub fn open_matches(facts: &Snapshot) -> BTreeMap<(String, String), Vec<String>> {
    let mut open: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for package in facts.packages.iter().filter(|p| p.ecosystem == "pypi") {
        let found = facts.matches.iter().filter(|m| m.package == package.id && m.until == Micros::FOREVER);
        let name = |id| facts.vulnerabilities.iter().find(|v| v.id == id).map(|v| v.name.clone()).unwrap_or_default();
        let mut names: Vec<String> = found.map(|m| name(m.vulnerability)).collect();
        names.sort();
        open.insert((package.name.clone(), package.version.clone()), names);
    }
    open
}

/// What the database says of the same packages.
pub fn judged(facts: &Snapshot, knowledge: &Knowledge) -> BTreeMap<(String, String), Vec<String>> {
    let packages = facts.packages.iter().filter(|p| p.ecosystem == "pypi");
    let judge = |p: &model::facts::PackageFact| {
        let (ecosystem, name, version) = (p.ecosystem.clone(), p.name.clone(), p.version.clone());
        let key = PackageKey { ecosystem, name, version, ..PackageKey::default() };
        let matches = assess::matches(&key, &knowledge.current()).matches;
        let mut names: Vec<String> = matches.into_iter().map(|m| m.vulnerability).collect();
        names.sort();
        ((p.name.clone(), p.version.clone()), names)
    };
    packages.map(judge).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_image_has_findings_and_a_new_generation_changes_them_without_reading_it_again() {
    let world = World::new().await;
    world.publish(5, &[("django", "3")]);
    world.start();
    world.push(&wheel("django", "2.2", 0)).await;
    let facts = world.at_rest().await;
    assert_eq!(open_matches(&facts).into_values().collect::<Vec<_>>(), [["CVE-2026-0"]]);
    let image = facts.images.first().unwrap();
    assert_eq!((image.work, image.platform.as_str()), (Work::Idle, "linux/amd64"));
    world.publish(6, &[("django", "2")]);
    let facts = world.at_rest().await;
    assert_eq!(open_matches(&facts).into_values().collect::<Vec<_>>(), [Vec::<String>::new()], "not affected any more");
    world.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_read_has_its_verdict_and_hurts_no_other() {
    let world = World::new().await;
    world.start();
    let lie = Made { diff_ids: Some(vec![Digest::sha256(b"x").to_string(); 2]), ..wheel("a", "1", 0) };
    let (bad, good) = (world.push(&lie).await, world.push(&wheel("b", "1", 1)).await);
    let facts = world.at_rest().await;
    let of = |digest: &Digest| facts.images.iter().find(|i| i.digest == digest.as_str()).unwrap();
    assert_eq!((of(&bad).verdict, of(&bad).reason.as_str()), (Verdict::Failed, "diff-id"));
    assert_eq!(of(&good).verdict, Verdict::Gaps, "starter knowledge");
    assert!(open_matches(&facts).contains_key(&("b".to_owned(), "1".to_owned())));
    world.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_engine_would_run_is_judged_whatever_is_said_of_it() {
    let world = World::new().await;
    world.publish(5, &[("django", "3")]);
    world.start();
    let mut pushed = Vec::new();
    for (made, why) in Made::runnable() {
        let (digest, outcome) = world.push_for(&made).await;
        assert!(outcome.job.is_some(), "{why}: it is queued");
        pushed.push((digest, why));
    }
    let (_, outcome) = world.push_for(&Made::statement()).await;
    assert_eq!(outcome.job, None, "a statement is not read");
    let facts = world.at_rest().await;
    for (digest, why) in pushed {
        let image = facts.images.iter().find(|i| i.digest == digest.as_str()).unwrap();
        assert_eq!((image.verdict, image.work), (Verdict::Gaps, Work::Idle), "{why}: {}", image.reason);
    }
    world.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_is_read_while_it_arrives_and_kept_only_if_it_was_committed() {
    let world = World::new().await;
    tokio::spawn(scan::early_reader(world.layers.clone(), world.shutdown.clone()));
    let arriving = |made: &Made| made.blobs().into_iter().map(|(_, bytes)| bytes).nth(1).unwrap();
    let mut big = wheel("a", "1", 0);
    big.layers[1] = crate::images::tar_of(&[("app/a-1.dist-info/METADATA", &"Name: a\nVersion: 1\n".repeat(9000))]);
    let blob = arriving(&big);
    let dropped = arriving(&wheel("b", "1", 0));
    world.upload_and_cancel(&dropped).await;
    let digest = world.upload(&blob, 20, Duration::from_millis(20)).await;
    let known = async {
        let digests = std::slice::from_ref(&digest);
        while world.store.layers(digests, ecosystem::revision()).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), known).await.expect("read without any job");
    let dropped = Digest::sha256(&dropped);
    assert!(world.store.layers(&[dropped], ecosystem::revision()).await.unwrap().is_empty(), "never committed");
    world.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_says_in_which_sandbox_its_layers_were_read_wherever_that_was() {
    let world = World::new().await;
    let made = wheel("a", "1", 0);
    let blob = made.blobs().remove(0).1;
    let inventory = LayerInventory {
        diff_id: Digest::sha256(&made.layers[0]).to_string(),
        bytes: blob.len() as u64,
        ..LayerInventory::default()
    };
    let other = "limits-only (Landlock ABI 0, no seccomp)";
    let kept = KeptLayer { outcome: LayerOutcome::Inventory(Box::new(inventory)), tier: other.into() };
    world.store.keep_layer(&Digest::sha256(&blob), ecosystem::revision(), &kept, 0).await.unwrap();
    world.start();
    let lie = Made { diff_ids: Some(vec![Digest::sha256(b"x").to_string(); 2]), ..wheel("b", "1", 1) };
    let here = scan::sandbox::tier().to_string();
    let mut both = [here.as_str(), other];
    both.sort_unstable();
    for (made, want, why) in [
        (made, both.join("; "), "one layer was read on another host"),
        (lie, both.join("; "), "an image that is refused has layers as well"),
        (Made::of(&[&[("f", "x")]]), here.clone(), "read here"),
        (Made::of(&[]), String::new(), "nothing was read"),
    ] {
        let digest = world.push(&made).await;
        let facts = world.at_rest().await;
        let image = facts.images.iter().find(|i| i.digest == digest.as_str()).unwrap();
        assert_eq!(world.store.scans(image.id, 1).await.unwrap()[0].tier, want, "{why}");
    }
    world.shutdown.cancel();
}

#[tokio::test]
async fn a_file_over_a_limit_is_read_once_the_limit_is_raised() {
    let world = World::new().await;
    let blob = Made::of(&[&[DEBIAN, STATUS]]).blobs().remove(0).1;
    let digest = world.upload(&blob, 1, Duration::ZERO).await;
    let walk = Limits { whole_bytes: 100, ..Limits::default() };
    let sandbox = Sandbox::new(Settings { walk, ..sandbox().settings().clone() });
    let packages = async |layers: &Layers| match &layers.outcome(&digest).await.unwrap().outcome {
        LayerOutcome::Inventory(layer) => layer.files.iter().map(|file| file.packages.len()).sum::<usize>(),
        failed => panic!("{failed:?}"),
    };
    let lower = Layers::new(world.store.clone(), sandbox);
    assert_eq!(packages(&lower).await, 0, "the list has more than 100 bytes");
    assert_eq!(packages(&world.layers).await, 1, "it is read again");
    assert_eq!(packages(&lower).await, 1, "and kept");
}

/// Pushes, scans and new generations in 1,000 random orders; nothing may be missing when they come to rest.
#[tokio::test(flavor = "multi_thread")]
async fn no_match_is_missing_however_scans_and_generations_interleave() {
    let world = World::new().await;
    world.start();
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: u64| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        chance % below
    };
    let mut generation = 0;
    for round in 0..1000u32 {
        let (name, fixed) = (["a", "b", "c"][next(3) as usize], ["1", "2", "3"][next(3) as usize]);
        if next(2) == 0 {
            generation += 1;
            world.publish(generation, &[(name, fixed), ("a", "2"), ("b", fixed)]);
        } else {
            let made = wheel(name, &format!("{}.{}", next(4), next(20)), next(200) as u32);
            world.push(&made).await;
        }
        tokio::time::sleep(Duration::from_micros(next(4000))).await;
        if round % 100 == 99 {
            let facts = world.at_rest().await;
            assert_eq!(open_matches(&facts), judged(&facts, &world.knowledge), "after {round} rounds");
        }
    }
    world.shutdown.cancel();
}
