//! A fleet of any size, always the same for the same size and seed.
//!
//! In: how many images, and a seed. Out: the facts, as a `Snapshot`: what the index is built from, and what a bulk loader
//! writes to a store, table by table.
//! The shape: 5 subscriptions, 20 registries, 2,000 repositories; each repository is rebuilt again and again from the same
//! list of about 250 packages (the common part of a distribution, its rarer packages, language packages), with the versions
//! of the day. A rebuild that changes no package has the same inventory. 20,000 images make about 5.8 million findings.

use model::advisory::{Category, VendorState};
use model::facts::{
    ImageFact, ImageInventoryFact, InventoryFact, MatchFact, PackageFact, PlanFact, PresenceFact, RegistryFact,
    RepositoryFact, Snapshot, SubscriptionFact, TagFact, VulnerabilityFact,
};
use model::role::Scope;
use model::severity::{Severity, SeveritySource};
use model::time::Micros;
use model::verdict::{Coverage, Verdict, Work};
use std::collections::HashMap;

/// A day in microseconds.
pub const DAY: i64 = 86_400_000_000;
/// The moment at which the fleet stands: 2026-01-01.
pub const NOW: i64 = 1_767_225_600_000_000;

const REPOSITORIES: i64 = 2_000;
const DISTRIBUTIONS: [&str; 10] = [
    "debian:11",
    "debian:12",
    "debian:13",
    "ubuntu:20.04",
    "ubuntu:22.04",
    "ubuntu:24.04",
    "alpine:3.18",
    "alpine:3.19",
    "alpine:3.20",
    "rpm:rocky:9",
];
const LANGUAGES: [&str; 3] = ["pypi", "npm", "go"];
/// Components of a distribution: the first are in every image of it.
const OF_DISTRIBUTION: u64 = 600;
const IN_EVERY_IMAGE: u64 = 120;
const OF_LANGUAGE: u64 = 1_700;
/// Chosen so that 20,000 images have about 5.8 million open findings that are not hidden by default.
const VULNERABILITIES: i64 = 9_900;

/// A small generator of numbers: splitmix64. The same on every machine, for ever.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n.max(1)
    }

    /// Returns true once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Returns a moment in the last so many days.
    pub fn ago(&mut self, days: u64) -> i64 {
        NOW - (self.below(days * 86_400) as i64) * 1_000_000 - 1
    }
}

/// A fleet under construction.
struct Fleet {
    facts: Snapshot,
    dice: Dice,
    /// Moments at which each component was released anew, in order.
    releases: Vec<Vec<i64>>,
    /// Rows by component and version.
    packages: HashMap<(usize, usize), i64>,
    inventories: HashMap<Vec<i64>, i64>,
}

/// Makes a fleet of so many images.
pub fn fleet(images: i64, seed: u64) -> Snapshot {
    let mut fleet = Fleet {
        facts: Snapshot { revision: 1, generation: 1, ..Snapshot::default() },
        dice: Dice::new(seed),
        releases: Vec::new(),
        packages: HashMap::new(),
        inventories: HashMap::new(),
    };
    fleet.scopes();
    fleet.releases();
    let lines: Vec<Vec<usize>> = (0..REPOSITORIES).map(|_| fleet.line()).collect();
    for image in 1..=images {
        let line = &lines[(image % REPOSITORIES) as usize];
        fleet.image(image, line);
    }
    fleet.vulnerabilities();
    fleet.facts
}

/// Makes what a feed update brings: new vulnerabilities, each with its matches among the packages of a fleet.
///
/// `number` sets one update apart from the next. The revision is that of the facts plus the number.
pub fn advisories(facts: &Snapshot, count: i64, number: i64) -> Snapshot {
    let mut dice = Dice::new(0xfeed + number as u64);
    let mut versions: HashMap<i64, Vec<i64>> = HashMap::new();
    facts.packages.iter().for_each(|p| versions.entry(p.component).or_default().push(p.id));
    let mut components: Vec<i64> = versions.keys().copied().collect();
    components.sort_unstable();
    let first = facts.vulnerabilities.len() as i64 + 1 + (number - 1) * count;
    let revision = facts.revision + number;
    let mut new = Snapshot { revision, generation: facts.generation + number, ..Snapshot::default() };
    for id in first..first + count {
        let component = components[dice.below(components.len() as u64) as usize];
        let since = Micros(NOW + number);
        new.vulnerabilities.push(vulnerability(id, since, &mut dice));
        let packages = &versions[&component];
        let affected = packages.len().div_ceil(3);
        new.matches.extend(packages.iter().take(affected).map(|p| found(*p, id, since, true, Severity::High)));
    }
    new
}

/// Makes what one more image brings: an inventory with 3 new packages, 12 matches, a place, a tag.
pub fn new_image(facts: &Snapshot, number: i64) -> Snapshot {
    let mut dice = Dice::new(0xd0c + number as u64);
    let revision = facts.revision + number;
    let mut new = Snapshot { revision, generation: facts.generation, ..Snapshot::default() };
    let like = &facts.inventories[dice.below(facts.inventories.len() as u64) as usize];
    let mut packages = like.packages.clone();
    packages.truncate(packages.len().saturating_sub(3));
    for i in 0..3 {
        let id = facts.packages.len() as i64 + number * 3 + i;
        let of = &facts.packages[dice.below(facts.packages.len() as u64) as usize];
        let version = format!("9.{number}");
        let purl = format!("{}.{number}", of.purl);
        new.packages.push(PackageFact { id, version, purl, ..of.clone() });
        packages.push(id);
        for _ in 0..4 {
            let vulnerability = 1 + dice.below(facts.vulnerabilities.len() as u64) as i64;
            new.matches.push(found(id, vulnerability, Micros(NOW + i), true, Severity::Medium));
        }
    }
    let (id, since) = (facts.images.len() as i64 + number, Micros(NOW + number));
    let inventory = facts.inventories.len() as i64 + number;
    new.images.push(image(id, "Debian GNU/Linux 12 (bookworm)"));
    new.inventories.push(InventoryFact { id: inventory, packages });
    new.image_inventories.push(ImageInventoryFact { image: id, since, until: Micros::FOREVER, inventory });
    let repository = 1 + dice.below(facts.repositories.len() as u64) as i64;
    new.presences.push(presence(facts.presences.len() as i64 + number, repository, id, since));
    new.tags.push(TagFact { repository, name: "new".into(), since, until: Micros::FOREVER, image: id });
    new
}

impl Fleet {
    fn scopes(&mut self) {
        for id in 1..=5 {
            let guid = format!("00000000-0000-4000-8000-{id:012}");
            self.facts.subscriptions.push(SubscriptionFact {
                id,
                guid: guid.clone(),
                name: format!("division-{id}"),
                window_days: 30,
                until: Micros::FOREVER,
            });
            let scope = Scope { subscription: Some(guid), ..Scope::ALL };
            let (since, until) = (Micros(0), Micros::FOREVER);
            self.facts.plans.push(PlanFact { id, scope, standard: true, enforce: false, since, until });
        }
        for id in 1..=20 {
            let (name, kind) = (format!("registry-{id:02}"), "embedded".to_owned());
            self.facts.registries.push(RegistryFact {
                id,
                subscription: (id - 1) % 5 + 1,
                resource_group: "default".into(),
                key: name.clone(),
                name,
                kind,
                host: String::new(),
                until: Micros::FOREVER,
            });
        }
        for id in 1..=REPOSITORIES {
            let name = format!("team-{}/service-{id:04}", id % 97);
            let registry = (id - 1) % 20 + 1;
            let key = format!("{}/{name}", self.facts.registries[registry as usize - 1].key);
            self.facts.repositories.push(RepositoryFact { id, registry, name, key, moved: Micros(0), seen: Micros(0) });
        }
    }

    /// Every component is released anew 1 to 11 times in three years.
    fn releases(&mut self) {
        let components = DISTRIBUTIONS.len() as u64 * OF_DISTRIBUTION + LANGUAGES.len() as u64 * OF_LANGUAGE;
        for _ in 0..components {
            let count = 1 + self.dice.below(11);
            let mut moments: Vec<i64> = (0..count).map(|_| self.dice.ago(3 * 365)).collect();
            moments.sort_unstable();
            self.releases.push(moments);
        }
    }

    /// The components of a repository's images.
    fn line(&mut self) -> Vec<usize> {
        let distribution = self.dice.below(DISTRIBUTIONS.len() as u64);
        let base = distribution * OF_DISTRIBUTION;
        let mut line: Vec<u64> = (base..base + IN_EVERY_IMAGE).collect();
        for _ in 0..40 + self.dice.below(60) {
            line.push(base + IN_EVERY_IMAGE + self.dice.below(OF_DISTRIBUTION - IN_EVERY_IMAGE));
        }
        let language = self.dice.below(LANGUAGES.len() as u64);
        let base = DISTRIBUTIONS.len() as u64 * OF_DISTRIBUTION + language * OF_LANGUAGE;
        for _ in 0..30 + self.dice.below(80) {
            line.push(base + self.dice.below(OF_LANGUAGE));
        }
        line.sort_unstable();
        line.dedup();
        line.into_iter().map(|c| c as usize).collect()
    }

    fn image(&mut self, id: i64, line: &[usize]) {
        let since = self.dice.ago(360);
        let mut packages: Vec<i64> = line.iter().map(|component| self.package(*component, since)).collect();
        packages.sort_unstable();
        let inventories = &mut self.facts.inventories;
        let inventory = *self.inventories.entry(packages).or_insert_with_key(|packages| {
            let id = inventories.len() as i64 + 1;
            inventories.push(InventoryFact { id, packages: packages.clone() });
            id
        });
        let os = DISTRIBUTIONS[line[0] / OF_DISTRIBUTION as usize];
        self.facts.images.push(image(id, os));
        let since = Micros(since);
        self.facts.image_inventories.push(ImageInventoryFact { image: id, since, until: Micros::FOREVER, inventory });
        let repository = id % REPOSITORIES + 1;
        self.place(repository, id, since);
        if self.dice.one_in(50) {
            let other = 1 + self.dice.below(REPOSITORIES as u64) as i64;
            self.place(other, id, Micros(since.0 + DAY));
        }
        let name = format!("1.{}", id / REPOSITORIES);
        self.facts.tags.push(TagFact { repository, name, since, until: Micros::FOREVER, image: id });
    }

    fn place(&mut self, repository: i64, image: i64, since: Micros) {
        let mut row = presence(self.facts.presences.len() as i64 + 1, repository, image, since);
        if self.dice.one_in(3) {
            row.last_pull = Micros(self.dice.ago(60));
        }
        if self.dice.one_in(50) {
            row.until = Micros(since.0 + DAY * 10);
        }
        self.facts.presences.push(row);
    }

    /// The row of a component's version of a day.
    fn package(&mut self, component: usize, day: i64) -> i64 {
        let version = self.releases[component].partition_point(|released| *released <= day);
        let packages = &mut self.facts.packages;
        *self.packages.entry((component, version)).or_insert_with(|| {
            let id = packages.len() as i64 + 1;
            packages.push(package(id, component, version));
            id
        })
    }

    /// Vulnerabilities hit one to four components of an ecosystem, in all versions before the one that fixes them.
    fn vulnerabilities(&mut self) {
        let mut open: HashMap<usize, Vec<(usize, i64)>> = HashMap::new();
        self.packages.iter().for_each(|((c, version), id)| open.entry(*c).or_default().push((*version, *id)));
        open.values_mut().for_each(|versions| versions.sort_unstable());
        for id in 1..=VULNERABILITIES {
            let published = Micros(self.dice.ago(3 * 365));
            let fact = vulnerability(id, published, &mut self.dice);
            let first = self.dice.below(self.releases.len() as u64) as usize;
            let last = (first + self.dice.below(4) as usize).min(self.releases.len() - 1);
            for component in first..=last {
                let rows = self.hits(&fact, component, open.get(&component).map_or(&[], Vec::as_slice));
                self.keep(rows);
            }
            self.facts.aliases.push((fact.name.clone(), id));
            self.facts.aliases.push((format!("GHSA-{id:012}"), id));
            self.facts.vulnerabilities.push(fact);
        }
    }

    /// The matches of a vulnerability among the versions of a component.
    fn hits(&mut self, fact: &VulnerabilityFact, component: usize, versions: &[(usize, i64)]) -> Vec<MatchFact> {
        let since = fact.published;
        let fixed = self.releases[component].partition_point(|released| *released <= since.0);
        let fixable = self.dice.below(10) < 6;
        let before = if fixable { fixed + 1 } else { usize::MAX };
        let severity = if self.dice.one_in(4) { severity(&mut self.dice) } else { fact.severity };
        let affected = versions.iter().filter(|(version, _)| *version < before);
        affected.map(|(_, package)| found(*package, fact.id, since, fixable, severity)).collect()
    }

    /// One match in 20 was closed again, one in 20 has another row before it.
    fn keep(&mut self, rows: Vec<MatchFact>) {
        for mut row in rows {
            if self.dice.one_in(20) {
                row.until = Micros(row.since.0 + 30 * DAY);
            } else if self.dice.one_in(20) {
                let until = Micros(row.since.0 + 10 * DAY);
                self.facts.matches.push(MatchFact { until, severity: Severity::Unknown, ..row.clone() });
                row.since = until;
            }
            self.facts.matches.push(row);
        }
    }
}

fn package(id: i64, component: usize, version: usize) -> PackageFact {
    let systems = DISTRIBUTIONS.len() * OF_DISTRIBUTION as usize;
    let (ecosystem, number) = if component < systems {
        (DISTRIBUTIONS[component / OF_DISTRIBUTION as usize], component % OF_DISTRIBUTION as usize)
    } else {
        let rest = component - systems;
        (LANGUAGES[rest / OF_LANGUAGE as usize], rest % OF_LANGUAGE as usize)
    };
    let words = ["lib", "python3-", "node-", "gir1.2-", "fonts-", ""];
    let name = format!("{}package{number}", words[number % words.len()]);
    let version = format!("{}.{version}.{}-{}", number % 7, number % 13, version + 1);
    let kind = ecosystem.split(':').next().unwrap_or("");
    let purl = format!("pkg:{kind}/{name}@{version}?arch=amd64&distro={}", ecosystem.replace(':', "-"));
    PackageFact { id, component: component as i64 + 1, ecosystem: ecosystem.into(), name, version, purl }
}

fn image(id: i64, os: &str) -> ImageFact {
    let mut dice = Dice::new(id as u64);
    let hex: String = (0..4).map(|_| format!("{:016x}", dice.below(u64::MAX))).collect();
    ImageFact {
        id,
        digest: format!("sha256:{hex}"),
        platform: if dice.one_in(5) { "linux/arm64" } else { "linux/amd64" }.into(),
        os: os.into(),
        bytes: 20_000_000 + dice.below(200_000_000) as i64,
        verdict: if dice.one_in(20) { Verdict::Gaps } else { Verdict::Complete },
        work: Work::Idle,
        coverage: if dice.one_in(3) { Coverage::OutsideWindow } else { Coverage::InWindow },
        reason: String::new(),
    }
}

fn presence(id: i64, repository: i64, image: i64, since: Micros) -> PresenceFact {
    let (until, last_push, last_pull) = (Micros::FOREVER, since, Micros(0));
    PresenceFact { id, repository, image, since, until, last_push, last_pull }
}

fn severity(dice: &mut Dice) -> Severity {
    match dice.below(100) {
        0..=4 => Severity::Critical,
        5..=24 => Severity::High,
        25..=64 => Severity::Medium,
        65..=84 => Severity::Low,
        85..=94 => Severity::Negligible,
        _ => Severity::Unknown,
    }
}

fn vulnerability(id: i64, published: Micros, dice: &mut Dice) -> VulnerabilityFact {
    VulnerabilityFact {
        id,
        name: format!("CVE-{}-{id}", 2023 + id % 3),
        title: format!("package{} before {}.{} allows remote attackers to do something", id % 600, id % 7, id % 13),
        severity: severity(dice),
        cvss: if dice.one_in(10) { -1 } else { 10 + dice.below(90) as i32 },
        kev: Micros(if dice.one_in(200) { published.0 + DAY } else { 0 }),
        epss: dice.below(1000).pow(2) as i32,
        published,
        modified: published,
    }
}

fn found(package: i64, vulnerability: i64, since: Micros, fixable: bool, severity: Severity) -> MatchFact {
    MatchFact {
        package,
        vulnerability,
        since,
        until: Micros::FOREVER,
        first: since,
        severity,
        severity_source: SeveritySource::Nvd,
        fixable,
        state: if fixable { VendorState::Fixed } else { VendorState::Open },
        fixed_version: if fixable { "9.9.9-1".into() } else { String::new() },
        category: if vulnerability % 25 == 0 { Category::KernelHeaders } else { Category::Vulnerability },
    }
}
