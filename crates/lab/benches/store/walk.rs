//! What happens to a fleet, one step after the other: updates of the feeds, pushes, pulls, updates without news.

use super::measure::{self, Clock, Table};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use fleet::Index;
use lab::fleet::{Dice, advisories};
use lab::load::{CONTENT_HASH, found, inventory, key, vulnerability};
use model::facts::{Id, PackageFact, Snapshot};
use model::finding::Match;
use model::inventory::Inventory;
use model::severity::Severity;
use model::time::Micros;
use model::verdict::Verdict;
use model::{Digest, PackageKey};
use std::collections::{BTreeSet, HashMap};
use store::{
    Assessment, Caller, Class, Descriptor, Job, JobKind, ManifestKind, NewManifest, Rematched, Settings, Store,
    Vulnerability,
};

/// Packages a transaction of a re-match, as the scanner has it.
const CHUNK: usize = 500;
const DELTAS: i64 = 10;
const PUSHES: usize = 200;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A fleet and what an advisory database would say of it.
pub struct Walk<'a> {
    store: Store,
    settings: &'a Settings,
    clock: Clock,
    facts: &'a Snapshot,
    packages: HashMap<Id, &'a PackageFact>,
    /// Open matches by package.
    matches: HashMap<Id, Vec<Match>>,
    vulnerabilities: HashMap<String, Vulnerability>,
    index: Index,
    generation: i64,
    /// The times of each step.
    pub table: Table,
}

impl<'a> Walk<'a> {
    /// Begins with a store that holds the facts, and its index.
    pub fn new(store: Store, settings: &'a Settings, index: Index, facts: &'a Snapshot) -> Self {
        let packages: HashMap<Id, &PackageFact> = facts.packages.iter().map(|p| (p.id, p)).collect();
        let vulnerabilities: HashMap<Id, Vulnerability> =
            facts.vulnerabilities.iter().map(|v| (v.id, vulnerability(v))).collect();
        let mut matches: HashMap<Id, Vec<Match>> = HashMap::new();
        for row in facts.matches.iter().filter(|m| m.until == Micros::FOREVER) {
            let Some((package, named)) = packages.get(&row.package).zip(vulnerabilities.get(&row.vulnerability)) else {
                continue;
            };
            matches.entry(row.package).or_default().push(found(row, &named.name, &package.version));
        }
        let vulnerabilities = vulnerabilities.into_values().map(|v| (v.name.clone(), v)).collect();
        let (clock, generation, table) = (Clock::of(settings), facts.generation, Table::default());
        Self { store, settings, clock, facts, packages, matches, vulnerabilities, index, generation, table }
    }

    /// Walks every step, and returns the index that followed.
    pub async fn run(mut self) -> Result<(Table, Index, Store)> {
        self.deltas().await?;
        // Before the pushes: their packages get ids that the facts do not have.
        self.no_news().await?;
        self.pushes("a new image", true).await?;
        self.pushes("a rebuild", false).await?;
        self.pulls().await?;
        Ok((self.table, self.index, self.store))
    }

    async fn deltas(&mut self) -> Result<()> {
        let (mut matches, mut packages) = (0, 0);
        for number in 1..=DELTAS {
            let (new, seen) = self.delta(number).await?;
            (matches, packages) = (matches + new, packages + seen);
        }
        println!("  a delta of 1,000 advisories: {packages} packages, {matches} matches, of {DELTAS} updates");
        Ok(())
    }

    /// An update of the feeds that brings 1,000 advisories. Returns how many matches it opened, of how many packages.
    async fn delta(&mut self, number: i64) -> Result<(u64, usize)> {
        let new = advisories(self.facts, 1_000, number);
        let names: HashMap<Id, String> = new.vulnerabilities.iter().map(|v| (v.id, v.name.clone())).collect();
        self.vulnerabilities.extend(new.vulnerabilities.iter().map(|v| (v.name.clone(), vulnerability(v))));
        let mut changed = BTreeSet::new();
        for row in &new.matches {
            let package = self.packages.get(&row.package).context("a package")?;
            let name = names.get(&row.vulnerability).context("a vulnerability")?;
            self.matches.entry(row.package).or_default().push(found(row, name, &package.version));
            changed.insert((package.ecosystem.clone(), package.name.clone()));
        }
        let changed: Vec<(String, String)> = changed.into_iter().collect();
        let content = format!("content {number}");
        let (opened, seen) = self.update(&content, &changed, "delta").await?;
        ensure!(opened == new.matches.len() as u64, "{opened} opened, want {}", new.matches.len());
        Ok((opened, seen))
    }

    /// Puts a generation in force, matches the changed names again, brings the index up to it.
    async fn update(&mut self, content: &str, changed: &[(String, String)], what: &str) -> Result<(u64, usize)> {
        self.generation += 1;
        let parts = ["in force, claimed", "packages listed", "matches written", "ended", "changes read", "index"];
        let parts = parts.map(|part| format!("{what}: {part}"));
        let (store, clock, table) = (&self.store, &self.clock, &mut self.table);
        let now = clock.now();
        store.adopt(self.generation, content).await?;
        let job = store.claim("bench").await?.filter(|job| job.kind == JobKind::Rematch).context("no re-match")?;
        let now = table.add(&parts[0], clock, now);
        let rows = store.to_rematch(Some(changed)).await?;
        table.add(&parts[1], clock, now);
        let mut chunks = Vec::new();
        for chunk in rows.chunks(CHUNK) {
            let matches = |id: &Id| self.matches.get(id).cloned().unwrap_or_default();
            let rows: Vec<Rematched> = chunk
                .iter()
                .map(|row| Rematched { package: row.id, matches: matches(&row.id), notes_changed: false })
                .collect();
            let named: BTreeSet<&String> = rows.iter().flat_map(|r| &r.matches).map(|m| &m.vulnerability).collect();
            let named: Vec<Vulnerability> =
                named.into_iter().filter_map(|name| self.vulnerabilities.get(name).cloned()).collect();
            chunks.push((rows, named));
        }
        let mut opened = 0;
        let now = clock.now();
        for (rows, named) in &chunks {
            opened += store.sweep(self.generation, rows, named).await?;
        }
        let now = table.add(&parts[2], clock, now);
        store.finish_sweep(&job, self.generation).await?;
        table.add(&parts[3], clock, now);
        self.follow(&parts[4], &parts[5]).await?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.table.sum(&format!("{what}: in all"), &parts);
        Ok((opened, rows.len()))
    }

    /// Brings the index up to the store.
    async fn follow(&mut self, read: &str, apply: &str) -> Result<()> {
        let now = self.clock.now();
        let changes = self.store.changes(self.index.revision()).await?.context("the log reaches back")?;
        let now = self.table.add(read, &self.clock, now);
        self.index.apply(&changes);
        self.table.add(apply, &self.clock, now);
        Ok(())
    }

    /// Images are pushed, claimed, judged, and their results written; with three new packages each, or without any.
    async fn pushes(&mut self, what: &str, new: bool) -> Result<()> {
        let before: u64 = measure::bytes(self.settings).await?.iter().map(|(_, bytes)| bytes).sum();
        let mut dice = Dice::new(0xd0c);
        for number in 0..PUSHES {
            let like = &self.facts.inventories[dice.below(self.facts.inventories.len() as u64) as usize];
            let mut keys: Vec<PackageKey> = like.packages.iter().map(|id| key(self.packages[id])).collect();
            let renewed = if new { keys.len().saturating_sub(3) } else { keys.len() };
            for key in keys.iter_mut().skip(renewed) {
                key.version.push_str(&format!("+{number}"));
                key.source_version.push_str(&format!("+{number}"));
            }
            let inventory = inventory(keys.into_iter());
            let repository = &self.facts.repositories[dice.below(self.facts.repositories.len() as u64) as usize];
            let manifest =
                manifest(&self.store, repository.registry, &repository.name, &format!("{what} {number}")).await?;
            self.push(what, manifest, &inventory, &mut dice).await?;
        }
        let after: u64 = measure::bytes(self.settings).await?.iter().map(|(_, bytes)| bytes).sum();
        let each = after.saturating_sub(before) / PUSHES as u64;
        println!("  {what}: {each} bytes on disk each, with manifest, event, log line and scan");
        Ok(())
    }

    async fn push(&mut self, what: &str, manifest: NewManifest, inventory: &Inventory, dice: &mut Dice) -> Result<()> {
        let parts = ["manifest", "claim", "asked what to judge", "result", "changes read", "index"];
        let parts = parts.map(|part| format!("{what}: {part}"));
        let now = self.clock.now();
        self.store.put_manifest(manifest).await?;
        let now = self.table.add(&parts[0], &self.clock, now);
        let job = self.store.claim("bench").await?.context("no job")?;
        let now = self.table.add(&parts[1], &self.clock, now);
        let unjudged = self.store.unjudged(inventory).await?;
        self.table.add(&parts[2], &self.clock, now);
        let judged: Vec<(PackageKey, Vec<Match>)> =
            unjudged.into_iter().map(|key| (key.clone(), self.judge(&key, dice))).collect();
        let assessment = self.assessment(&job, inventory, judged);
        let now = self.clock.now();
        self.store.record(&assessment).await?;
        self.table.add(&parts[3], &self.clock, now);
        self.follow(&parts[4], &parts[5]).await?;
        let result = [parts[3].as_str(), parts[4].as_str()];
        self.table.sum(&format!("{what}: result and changes"), &result);
        Ok(())
    }

    /// Four matches with vulnerabilities of the fleet.
    fn judge(&self, key: &PackageKey, dice: &mut Dice) -> Vec<Match> {
        let facts = &self.facts.vulnerabilities;
        let first = dice.below(facts.len() as u64 - 4) as usize;
        let like = &self.facts.matches[0];
        let of = |fact: &model::facts::VulnerabilityFact| {
            let mut found = found(like, &fact.name, &key.version);
            found.severity = Severity::Medium;
            found
        };
        facts[first..first + 4].iter().map(of).collect()
    }

    fn assessment<'j>(
        &self,
        job: &'j Job,
        inventory: &'j Inventory,
        judged: Vec<(PackageKey, Vec<Match>)>,
    ) -> Assessment<'j> {
        let named: BTreeSet<&String> = judged.iter().flat_map(|(_, found)| found).map(|m| &m.vulnerability).collect();
        let vulnerabilities = named.into_iter().filter_map(|name| self.vulnerabilities.get(name).cloned()).collect();
        Assessment {
            job,
            inventory,
            platform: String::new(),
            revision: 1,
            verdict: Verdict::Complete,
            reasons: Vec::new(),
            notes: Vec::new(),
            generation: self.generation,
            judged,
            vulnerabilities,
            started: job.claimed,
            tier: "full".into(),
            bytes: 0,
        }
    }

    async fn pulls(&mut self) -> Result<()> {
        let repository = &self.facts.repositories[7];
        let manifest = manifest(&self.store, repository.registry, &repository.name, "pulled").await?;
        self.store.put_manifest(manifest).await?;
        let (registry, name) = (repository.registry, repository.name.as_str());
        let stored = self.store.manifest(registry, name, "pulled").await?.context("no manifest")?;
        let job = self.store.claim("bench").await?.context("no job")?;
        self.store.finish(&job).await?;
        self.follow("a pull: changes read", "a pull: index").await?;
        for _ in 0..PUSHES {
            let now = self.clock.now();
            self.store.record_pull(registry, name, "pulled", &stored, &Caller::default()).await?;
            self.table.add("a pull: recorded", &self.clock, now);
            self.follow("a pull: changes read", "a pull: index").await?;
        }
        Ok(())
    }

    /// A year of updates that bring nothing: first the same content, then other content that changes no match.
    async fn no_news(&mut self) -> Result<()> {
        let before = self.kept().await?;
        let content = self.store.generation().await?.content_hash;
        ensure!(content != CONTENT_HASH, "deltas came before");
        for _ in 0..365 {
            self.generation += 1;
            let now = self.clock.now();
            self.store.adopt(self.generation, &content).await?;
            self.store.sweep(self.generation, &[], &[]).await?;
            self.table.add("a generation without news", &self.clock, now);
        }
        let after = self.kept().await?;
        ensure!(before == after, "365 generations without news: {before:?} became {after:?}");
        println!("  365 generations without news: package, match, change, job rows {before:?} as before");
        let names: BTreeSet<(String, String)> =
            self.facts.packages.iter().step_by(50).map(|p| (p.ecosystem.clone(), p.name.clone())).collect();
        let names: Vec<(String, String)> = names.into_iter().take(1_000).collect();
        let (changed, packages) = self.update("other words", &names, "matched again, nothing new").await?;
        ensure!(changed == 0, "{changed} matches changed");
        let again = self.kept().await?;
        println!("  {packages} packages matched again without news: rows {again:?} (one change says the generation)");
        ensure!(again[..2] == after[..2] && again[2] <= after[2] + 1, "{after:?} became {again:?}");
        Ok(())
    }

    async fn kept(&self) -> Result<[i64; 4]> {
        let mut kept = [0; 4];
        for (rows, table) in kept.iter_mut().zip(["package", "match", "change", "job"]) {
            *rows = measure::rows(self.settings, table).await?;
        }
        Ok(kept)
    }
}

/// Makes a manifest whose blobs are there.
async fn manifest(store: &Store, registry: Id, repository: &str, words: &str) -> Result<NewManifest> {
    let mut blobs = Vec::new();
    for bytes in [Bytes::from(format!("config {words}")), Bytes::from_static(b"layer")] {
        let id = store.begin_upload(registry, repository, "bench").await?;
        let mut upload = store.upload(id, registry, repository, "bench").await?;
        upload.append(bytes.clone()).await?;
        let digest = upload.finish(&Digest::sha256(&bytes)).await?;
        let media_type = "application/vnd.oci.image.layer.v1.tar+gzip".into();
        blobs.push(Descriptor { digest, bytes: bytes.len() as i64, media_type, foreign: false });
    }
    let config = blobs.remove(0);
    let bytes = Bytes::from(format!("manifest {words}"));
    Ok(NewManifest {
        registry,
        repository: repository.to_owned(),
        tags: vec![words.replace(' ', "-")],
        digest: Digest::sha256(&bytes),
        media_type: MANIFEST.into(),
        bytes,
        kind: ManifestKind::Image { config, layers: blobs, platform: "linux/amd64".into() },
        subject: None,
        artifact_type: String::new(),
        annotations: "{}".into(),
        class: Class::Push,
        caller: Caller::default(),
    })
}
