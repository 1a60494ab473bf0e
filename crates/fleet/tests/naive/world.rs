//! Random small fleets with intervals, as a final snapshot and as a sequence of changes that leads to it.

use model::advisory::{Category, VendorState};
use model::facts::*;
use model::role::Scope;
use model::rule::Criteria;
use model::severity::{Severity, SeveritySource};
use model::time::Micros;
use model::verdict::{Coverage, Verdict, Work};
use uuid::Uuid;

pub const DAY: i64 = 86_400_000_000;
/// The last moment at which anything happens.
pub const END: i64 = 20;

/// A small generator of numbers: xorshift.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n.max(1)
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Up to two spans without overlap; the last may be open. Spans may touch.
    fn spans(&mut self) -> Vec<(Micros, Micros)> {
        let mut cuts: Vec<i64> = (0..self.below(5)).map(|_| self.below(END as u64) as i64).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let at = |t: i64| Micros(t * DAY);
        let mut spans: Vec<_> =
            cuts.chunks(2).map(|c| (at(c[0]), c.get(1).map_or(Micros::FOREVER, |t| at(*t)))).collect();
        if let Some(pair) = spans.get(1).copied().filter(|_| self.one_in(4)) {
            spans[0].1 = pair.0;
        }
        spans
    }
}

/// A random fleet.
pub fn world(dice: &mut Dice) -> Snapshot {
    let mut world = Snapshot { revision: 7, generation: 3, ..Default::default() };
    scopes(&mut world, dice);
    images(&mut world, dice);
    packages(&mut world, dice);
    vulnerabilities(&mut world, dice);
    for id in 1..=1 + dice.below(6) as i64 {
        let packages = world.packages.iter().map(|p| p.id).filter(|_| dice.one_in(2)).collect();
        world.inventories.push(InventoryFact { id, packages });
    }
    for image in world.images.clone() {
        for (since, until) in dice.spans() {
            let inventory = 1 + dice.below(world.inventories.len() as u64) as i64;
            world.image_inventories.push(ImageInventoryFact { image: image.id, since, until, inventory });
        }
    }
    matches(&mut world, dice);
    plans(&mut world, dice);
    rules(&mut world, dice);
    world
}

fn scopes(world: &mut Snapshot, dice: &mut Dice) {
    for id in 1..=2 {
        world.subscriptions.push(SubscriptionFact {
            id,
            guid: format!("guid-{id}"),
            name: format!("team {id}"),
            window_days: 30,
            until: Micros::FOREVER,
        });
    }
    for (id, name) in [(1, "local"), (2, "harbor"), (3, "acr")] {
        let subscription = 1 + dice.below(2) as i64;
        world.registries.push(RegistryFact {
            id,
            subscription,
            resource_group: "default".into(),
            name: name.into(),
            key: format!("{name}-key"),
            kind: "embedded".into(),
            host: String::new(),
            until: Micros::FOREVER,
        });
    }
    for (id, name) in [(1, "app"), (2, "team/app"), (3, "base"), (4, "app")] {
        let registry = if id == 4 { 2 } else { dice.pick(&[1, 3]) };
        let moved = if dice.one_in(3) { 1 + dice.below(END as u64) as i64 } else { 0 };
        let seen = if dice.one_in(3) { Micros(i64::MIN) } else { Micros(dice.below(moved as u64 + 1) as i64 * DAY) };
        let (name, key, moved) = (name.to_owned(), format!("key-{id}/{name}"), Micros(moved * DAY));
        world.repositories.push(RepositoryFact { id, registry, name, key, moved, seen });
    }
}

fn images(world: &mut Snapshot, dice: &mut Dice) {
    for id in 1..=1 + dice.below(6) as i64 {
        world.images.push(ImageFact {
            id,
            digest: format!("sha256:{:02x}{}", id * 37, "0".repeat(62)),
            platform: dice.pick(&["linux/amd64", "linux/arm64"]).into(),
            os: dice.pick(&["Debian GNU/Linux 12", "Alpine 3.18", ""]).into(),
            bytes: id * 100,
            verdict: dice.pick(&Verdict::ALL),
            work: dice.pick(&Work::ALL),
            coverage: dice.pick(&Coverage::ALL),
            reason: dice.pick(&["", "feeds", "feeds,limit-time"]).into(),
        });
        for repository in 1..=4 {
            for (since, until) in dice.spans() {
                let pushed = Micros(since.0 + DAY * dice.below(2) as i64);
                let last_pull = Micros(dice.below(3) as i64 * DAY);
                let id_ = world.presences.len() as i64 + 1;
                world.presences.push(PresenceFact {
                    id: id_,
                    repository,
                    image: id,
                    since,
                    until,
                    last_push: pushed,
                    last_pull,
                });
            }
            tags(world, dice, repository, id);
        }
    }
}

fn tags(world: &mut Snapshot, dice: &mut Dice, repository: Id, image: Id) {
    for name in ["latest", "v1"] {
        let spans = if dice.one_in(3) { dice.spans() } else { Vec::new() };
        let tag = |(since, until)| TagFact { repository, name: name.into(), since, until, image };
        world.tags.extend(spans.into_iter().map(tag));
    }
}

fn packages(world: &mut Snapshot, dice: &mut Dice) {
    let names = [("debian:12", "openssl", "deb"), ("debian:12", "libssl3", "deb"), ("pypi", "django", "pypi")];
    for id in 1..=1 + dice.below(7) as i64 {
        let component = dice.below(3) as usize;
        let (ecosystem, name, kind) = names[component];
        let version = format!("{}.{id}", dice.below(3));
        let purl = format!("pkg:{kind}/{name}@{version}");
        let (ecosystem, name) = (ecosystem.into(), name.into());
        world.packages.push(PackageFact { id, component: component as i64 + 1, ecosystem, name, version, purl });
    }
}

fn vulnerabilities(world: &mut Snapshot, dice: &mut Dice) {
    for id in 1..=1 + dice.below(6) as i64 {
        world.vulnerabilities.push(VulnerabilityFact {
            id,
            name: format!("CVE-2024-{}", (id * 7) % 10),
            title: dice.pick(&["heap overflow in openssl", "denial of service", ""]).into(),
            severity: dice.pick(&Severity::WORST_FIRST),
            cvss: dice.pick(&[-1, 0, 65, 98]),
            kev: Micros(dice.pick(&[0, 0, DAY, 2 * DAY])),
            epss: dice.pick(&[-1, 10, 100_000, 100_001, 900_000]),
            published: Micros(dice.below(5) as i64 * DAY),
            modified: Micros(0),
        });
        world.aliases.push((format!("CVE-2024-{}", (id * 7) % 10), id));
        if dice.one_in(2) {
            world.aliases.push((format!("GHSA-{id}"), id));
        }
    }
}

fn matches(world: &mut Snapshot, dice: &mut Dice) {
    for package in world.packages.clone() {
        for vulnerability in world.vulnerabilities.clone() {
            let spans = if dice.one_in(2) { dice.spans() } else { Vec::new() };
            let first = spans.first().map_or(Micros(0), |s| s.0);
            let (package, vulnerability) = (package.id, vulnerability.id);
            for span in spans {
                world.matches.push(matched(package, vulnerability, span, first, dice));
            }
        }
    }
}

fn matched(package: Id, vulnerability: Id, span: (Micros, Micros), first: Micros, dice: &mut Dice) -> MatchFact {
    let states = [VendorState::Fixed, VendorState::Open, VendorState::UnderInvestigation, VendorState::NotAffected];
    let fixable = dice.one_in(2);
    MatchFact {
        package,
        vulnerability,
        since: span.0,
        until: span.1,
        first: if dice.one_in(2) { first } else { span.0 },
        severity: dice.pick(&Severity::WORST_FIRST),
        severity_source: SeveritySource::Vendor,
        fixable,
        state: dice.pick(&states),
        fixed_version: if fixable { "9".into() } else { String::new() },
        category: dice.pick(&[Category::Vulnerability, Category::Vulnerability, Category::KernelHeaders]),
    }
}

/// Plans that go on and off, of subscriptions and of some registries.
fn plans(world: &mut Snapshot, dice: &mut Dice) {
    let paths = ["/guid-1", "/guid-2", "/guid-1/local", "/guid-2/harbor"];
    for scope in paths.into_iter().filter(|_| dice.one_in(3)).collect::<Vec<_>>() {
        for (since, until) in dice.spans() {
            let id = world.plans.len() as i64 + 1;
            let (standard, enforce) = (dice.one_in(3), dice.one_in(3));
            let scope = Scope::parse(scope).expect("a scope");
            world.plans.push(PlanFact { id, scope, standard, enforce, since, until });
        }
    }
}

/// Rules of every kind; a rule that was changed has several rows.
fn rules(world: &mut Snapshot, dice: &mut Dice) {
    for inventory in &world.inventories {
        let mut paths = Vec::new();
        for package in inventory.packages.iter().filter(|p| world.packages[**p as usize - 1].ecosystem == "pypi") {
            for path in ["app/site-packages/django", "srv/test/django"].into_iter().filter(|_| dice.one_in(2)) {
                paths.push((*package, path.to_owned()));
            }
        }
        world.paths.push(InventoryPathsFact { inventory: inventory.id, paths });
    }
    for id in 1..=dice.below(3) as i64 {
        let (since, until) = dice.spans().pop().unwrap_or((Micros(0), Micros::FOREVER));
        world.exemptions.push(ExemptionFact {
            id,
            recommendation: dice.pick(&["vulnerabilities", "another"]).into(),
            scope: scope(world, dice),
            digest: if dice.one_in(2) { String::new() } else { world.images[0].digest.clone() },
            expires: if dice.one_in(2) { Micros::FOREVER } else { Micros(dice.below(2 * END as u64) as i64 * DAY) },
            since,
            until,
        });
    }
    for number in 1..=dice.below(6) {
        for (since, until) in dice.spans() {
            world.rules.push(RuleFact {
                id: world.rules.len() as i64 + 1,
                uid: Uuid::from_u128(number.into()),
                name: format!("rule-{number}"),
                scope: scope(world, dice),
                criteria: criteria(world, dice),
                expires: if dice.one_in(2) { Micros::FOREVER } else { Micros(dice.below(2 * END as u64) as i64 * DAY) },
                paused: dice.one_in(6),
                overrides: dice.one_in(3).then(|| Uuid::from_u128(1 + u128::from(dice.below(5)))),
                since,
                until,
            });
        }
    }
}

pub fn scope(world: &Snapshot, dice: &mut Dice) -> Scope {
    let repository = &world.repositories[dice.below(4) as usize];
    let registry = &world.registries[repository.registry as usize - 1];
    let subscription = &world.subscriptions[registry.subscription as usize - 1];
    let mut scope = Scope::repository(&subscription.guid, &registry.resource_group, &registry.name, &repository.name);
    let depth = dice.below(5);
    if depth < 4 {
        scope.repository = None;
    }
    if depth < 3 {
        scope.registry = None;
    }
    if depth != 2 {
        scope.resource_group = None; // as a path that was parsed
    }
    if depth < 1 {
        scope.subscription = None;
    }
    scope
}

pub fn criteria(world: &Snapshot, dice: &mut Dice) -> Criteria {
    let mut criteria = Criteria::default();
    let texts = |of: &[&str]| of.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    for _ in 0..1 + dice.below(2) {
        match dice.below(14) {
            0 => {
                criteria.finding_ids =
                    texts(dice.pick(&[&["cve-2024-7", "GHSA-3"][..], &["CVE-*-4"], &["nothing"], &["ghsa-*"]]))
            }
            1 => {
                criteria.categories =
                    texts(dice.pick(&[&["pypi"][..], &["Debian"], &["kernel-headers", "deb"], &["debian:12"]]))
            }
            2 => criteria.security_checks = texts(dice.pick(&[&["HEAP"][..], &["service", "x"]])),
            3 => criteria.cvss_below = Some(dice.pick(&[65, 66, 100])),
            4 => criteria.severity_below = Some(dice.pick(&Severity::WORST_FIRST)),
            5 => criteria.not_patchable = true,
            6 => criteria.not_known_exploited = true,
            7 => criteria.packages = texts(dice.pick(&[&["openssl"][..], &["*SSL*"], &["pkg:pypi/django@*"]])),
            8 => criteria.states = vec![dice.pick(&[VendorState::Fixed, VendorState::Open])],
            9 => criteria.digests = vec![world.images[dice.below(world.images.len() as u64) as usize].digest.clone()],
            10 => criteria.tags = texts(dice.pick(&[&["v1"][..], &["LATEST", "nothing"], &["*"]])),
            11 => criteria.repositories = texts(dice.pick(&[&["app"][..], &["local/*"], &["team/*"]])),
            12 => criteria.paths = texts(dice.pick(&[&["srv/*"][..], &["/app/*", "srv/test/*"], &["*site-packages*"]])),
            _ => criteria.os_releases = texts(dice.pick(&[&["debian*"][..], &["Alpine 3.18"]])),
        }
    }
    criteria
}

/// Steps in which a world comes: the first is a snapshot, the others are changes.
const STEPS: usize = 5;

/// Where rows go: the steps, and the dice that choose among them.
struct Delivery<'d> {
    steps: Vec<Snapshot>,
    dice: &'d mut Dice,
}

impl Delivery<'_> {
    /// Brings rows, each at a step that is not before `least`, some of them first as they were `before`. Gives the steps.
    fn bring<T: Clone>(
        &mut self,
        rows: &[T],
        to: fn(&mut Snapshot) -> &mut Vec<T>,
        least: impl Fn(&T) -> usize,
        before: impl Fn(&mut T),
    ) -> Vec<usize> {
        let mut arrivals = Vec::new();
        for row in rows {
            let first = self.step(least(row));
            let last = self.step(first);
            if last > first {
                let mut early = row.clone();
                before(&mut early);
                to(&mut self.steps[first]).push(early);
            }
            to(&mut self.steps[last]).push(row.clone());
            arrivals.push(first);
        }
        arrivals
    }

    fn step(&mut self, least: usize) -> usize {
        least + self.dice.below((STEPS - least) as u64) as usize
    }
}

/// Cuts a world into a first snapshot and changes that lead to it: rows come late, open before they are closed, and with
/// other values before they have their last ones. What a row names is there before it.
pub fn history(world: &Snapshot, dice: &mut Dice) -> Vec<Snapshot> {
    let mut to = Delivery { steps: vec![Snapshot::default(); STEPS], dice };
    let at = |steps: &[usize], id: Id| steps[id as usize - 1];
    let subscriptions = to.bring(&world.subscriptions, |s| &mut s.subscriptions, |_| 0, |r| r.name = "before".into());
    let of = |r: &RegistryFact| at(&subscriptions, r.subscription);
    let registries = to.bring(&world.registries, |s| &mut s.registries, of, |_| {});
    // A repository may have had another name, in another registry.
    let of = |r: &RepositoryFact| at(&registries, r.registry).max(at(&registries, 1));
    let before = |r: &mut RepositoryFact| (r.registry, r.name) = (1, format!("before-{}", r.id));
    let repositories = to.bring(&world.repositories, |s| &mut s.repositories, of, before);
    let images = to.bring(&world.images, |s| &mut s.images, |_| 0, |r| (r.verdict, r.os) = (Verdict::None, "x".into()));
    let packages = to.bring(&world.packages, |s| &mut s.packages, |_| 0, |_| {});
    let before = |r: &mut VulnerabilityFact| (r.kev, r.epss) = (Micros(if r.kev.0 > 0 { 0 } else { DAY }), 5);
    let vulnerabilities = to.bring(&world.vulnerabilities, |s| &mut s.vulnerabilities, |_| 0, before);
    let of = |r: &InventoryFact| r.packages.iter().map(|p| at(&packages, *p)).max().unwrap_or(0);
    let inventories = to.bring(&world.inventories, |s| &mut s.inventories, of, |_| {});
    let open = Micros::FOREVER;
    let of = |r: &PresenceFact| at(&repositories, r.repository).max(at(&images, r.image));
    to.bring(&world.presences, |s| &mut s.presences, of, |r| (r.until, r.last_pull) = (open, Micros(0)));
    let of = |r: &ImageInventoryFact| at(&inventories, r.inventory).max(at(&images, r.image));
    to.bring(&world.image_inventories, |s| &mut s.image_inventories, of, |r| r.until = open);
    let of = |r: &TagFact| at(&repositories, r.repository).max(at(&images, r.image));
    to.bring(&world.tags, |s| &mut s.tags, of, |r| r.until = open);
    let of = |r: &MatchFact| at(&packages, r.package).max(at(&vulnerabilities, r.vulnerability));
    to.bring(&world.matches, |s| &mut s.matches, of, |r| (r.until, r.severity) = (open, Severity::Low));
    to.bring(&world.plans, |s| &mut s.plans, |_| 0, |r| r.until = open);
    to.bring(&world.rules, |s| &mut s.rules, |_| 0, |r| (r.until, r.paused) = (open, !r.paused));
    to.bring(&world.exemptions, |s| &mut s.exemptions, |_| 0, |r| r.until = open);
    to.bring(&world.paths, |s| &mut s.paths, |r| at(&inventories, r.inventory), |_| {});
    to.bring(&world.aliases, |s| &mut s.aliases, |(_, id)| at(&vulnerabilities, *id), |_| {});
    for (revision, step) in to.steps.iter_mut().enumerate() {
        (step.revision, step.generation) = (revision as i64 + 3, world.generation);
    }
    to.steps
}
