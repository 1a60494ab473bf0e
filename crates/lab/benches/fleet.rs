//! The fleet index at size: time and memory of building, every kind of answer, every kind of change.
//!
//! `cargo bench -p lab --bench fleet`; `FLEET_IMAGES=20000,200000,1000000` chooses the sizes, `FLEET_RULES=0,20,1000` how
//! many disable rules (20 unless said), `FLEET_PART=rules` leaves out all but what rules are about. Times are p50 / p95 in
//! milliseconds of the runs named in the row, without the time in which another process had the core; memory is what the
//! process grew by when a second index was built beside the first.

use fleet::{Filter, Index, Query, Scope, Sort};
use lab::fleet::{DAY, Dice, NOW, advisories, fleet, new_image};
use model::facts::{Changes, RuleFact, Snapshot};
use model::time::Micros;
use std::hint::black_box;
use std::time::Instant;
use uuid::Uuid;

/// What a row of the table says, and the bar at 20,000 images, in milliseconds, where there is one.
fn row(what: &str, mut times: Vec<f64>, bar: Option<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    let bar = bar.map_or_else(String::new, |bar| format!("  (bar {bar} ms)"));
    println!("{what:<62} {:>9.3} / {:>9.3}   n={}{bar}", at(0.5), at(0.95), times.len());
}

fn time(runs: usize, mut run: impl FnMut(usize)) -> Vec<f64> {
    let mut times = Vec::new();
    for i in 0..runs {
        let (start, waited) = (Instant::now(), waited());
        run(i);
        times.push(start.elapsed().as_secs_f64() * 1e3 - (self::waited() - waited));
    }
    times
}

/// Milliseconds that this thread was ready to run and did not.
fn waited() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1e6
}

/// Resident memory of this process in MB.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / 1e6
}

fn query(words: &str, sort: &str) -> Query {
    Query {
        filter: Filter::parse(words).expect("known words"),
        sort: Sort::parse(sort).expect("a known order"),
        limit: 50,
        now: Micros(NOW + DAY),
        ..Query::default()
    }
}

fn main() {
    let sizes = std::env::var("FLEET_IMAGES").unwrap_or_else(|_| "20000,200000".to_owned());
    for size in sizes.split(',').filter_map(|s| s.trim().parse().ok()) {
        measure(size);
    }
}

fn measure(images: i64) {
    let mut facts = fleet(images, 1);
    let rules = std::env::var("FLEET_RULES").unwrap_or_else(|_| "20".to_owned());
    for rules in rules.split(',').filter_map(|s| s.trim().parse().ok()) {
        facts.rules = lab::rules::rules(&facts, rules);
        measure_with_rules(&facts, images);
    }
}

fn measure_with_rules(facts: &Snapshot, images: i64) {
    let mut index = Index::build(facts);
    let before = resident();
    let second = Index::build(facts);
    let grown = resident() - before;
    drop(second);
    let counts = index.counts(&query("", "default")).expect("counts");
    println!(
        "\n{images} images, {} inventories, {} packages, {} matches, {} findings + {} hidden + {} disabled by {} rules",
        facts.inventories.len(),
        facts.packages.len(),
        facts.matches.len(),
        counts.tally.findings(),
        counts.tally.hidden,
        counts.tally.disabled,
        facts.rules.len()
    );
    println!("memory of the index {grown:.0} MB (bar 120 MB at 20,000 images, 3 GB at 1,000,000)");
    let mut built = None;
    let mut builds = Vec::new();
    for _ in 0..if images > 100_000 { 3 } else { 9 } {
        drop(built.take()); // an index that is replaced is given back outside of the time
        builds.extend(time(1, |_| built = Some(black_box(Index::build(facts)))));
    }
    drop(built);
    row("built from facts", builds, Some(if images > 500_000 { 4000.0 } else { 200.0 }));
    let runs = if images > 100_000 { 10 } else { 40 };
    rules(&mut index, facts, runs);
    if std::env::var("FLEET_PART").is_ok_and(|part| part == "rules") {
        return;
    }
    lists(&index, facts, runs);
    findings_by_id(&index, runs);
    changes(&mut index, facts);
}

fn lists(index: &Index, facts: &Snapshot, runs: usize) {
    let bar = Some(50.0);
    let mut dice = Dice::new(5);
    let digest = |i: usize| facts.images[i * 7919 % facts.images.len()].digest.clone();
    let of_image: Vec<Query> = (0..runs).map(|i| query(&format!("image:{}", digest(i)), "default")).collect();
    row("findings of an image, total", time(runs, |i| page(index, &of_image[i])), bar);
    for (what, words) in [
        ("fleet", String::new()),
        ("subscription", "sub:division-2".to_owned()),
        ("registry", "registry:registry-07".to_owned()),
        ("repository", format!("repo:{}", facts.repositories[dice.below(2000) as usize].name)),
        ("fleet, severity >= high, fixable", "severity:>=high fix:yes".to_owned()),
        ("fleet, package text", "pkg:lib*".to_owned()),
        ("fleet, text", "package17".to_owned()),
        ("fleet, one CVE", "cve:CVE-2024-1".to_owned()),
        ("fleet, older than 30 days", "age:>30d".to_owned()),
        ("fleet, younger than 30 days", "age:<30d".to_owned()),
        ("fleet, known exploited", "kev:yes".to_owned()),
        ("fleet, hidden too", "hidden:all".to_owned()),
    ] {
        let query = query(&words, "default");
        row(&format!("findings page 1 + total: {what}"), time(runs, |_| page(index, &query)), bar);
    }
    for sort in ["severity", "cvss", "epss", "kev", "first_seen", "age", "package", "vulnerability", "image", "fixable"]
    {
        let query = query("", sort);
        row(&format!("findings page 1 + total: fleet by {sort}"), time(runs, |_| page(index, &query)), bar);
    }
    let mut deep = query("", "default");
    for _ in 0..200 {
        deep.after = index.findings(&deep).expect("a page").next;
    }
    row("findings page 200 by keyset", time(runs, |_| page(index, &deep)), bar);
    let past = Query { as_of: Some(Micros(NOW - 30 * DAY)), ..query("", "default") };
    row("findings page 1 + total: fleet, 30 days back", time(runs, |_| page(index, &past)), bar);
    other_lists(index, facts, runs, &past);
}

fn page(index: &Index, query: &Query) {
    black_box(index.findings(query).expect("a page"));
}

fn other_lists(index: &Index, facts: &Snapshot, runs: usize, past: &Query) {
    let bar = Some(50.0);
    for (what, query) in [
        ("fleet", query("", "default")),
        ("fleet, severity >= high, fixable", query("severity:>=high fix:yes", "default")),
        ("registry", query("registry:registry-07", "default")),
        ("fleet, 30 days back", past.clone()),
    ] {
        row(&format!("counts: {what}"), time(runs, |_| drop(black_box(index.counts(&query)))), bar);
        row(
            &format!("vulnerabilities page 1: {what}"),
            time(runs, |_| drop(black_box(index.vulnerabilities(&query)))),
            bar,
        );
        row(&format!("images page 1: {what}"), time(runs, |_| drop(black_box(index.images(&query)))), bar);
        row(&format!("repositories page 1: {what}"), time(runs, |_| drop(black_box(index.repositories(&query)))), bar);
        row(&format!("packages page 1: {what}"), time(runs, |_| drop(black_box(index.packages(&query)))), bar);
    }
    for sort in ["severity", "findings"] {
        let query = query("", sort);
        row(&format!("images page 1: fleet by {sort}"), time(runs, |_| drop(black_box(index.images(&query)))), bar);
    }
    let by_images = query("", "images");
    row(
        "vulnerabilities: fleet by images hit",
        time(runs, |_| drop(black_box(index.vulnerabilities(&by_images)))),
        bar,
    );
    let name = |i: usize| facts.vulnerabilities[i * 97 % facts.vulnerabilities.len()].name.clone();
    let plain = query("", "default");
    row("blast radius of a CVE", time(runs, |i| drop(black_box(index.blast_radius(&name(i), &plain)))), bar);
    let rows = index.findings(&plain).expect("a page").items;
    let exposures = time(runs, |_| {
        for row in &rows {
            black_box(index.exposure(row.place.repository_id, row.package.component, row.vulnerability.id));
        }
    });
    row("exposure of a page of 50 rows", exposures, bar);
}

/// What is asked of disable rules, and how soon a change of one is seen.
fn rules(index: &mut Index, facts: &Snapshot, runs: usize) {
    let bar = Some(50.0);
    let plain = query("", "default");
    let now = plain.now;
    changed_rules(index, facts, runs, now);
    for (what, words) in [
        ("fleet", ""),
        ("subscription", "sub:division-2"),
        ("fleet, severity >= high, fixable", "severity:>=high fix:yes"),
        ("fleet, one platform", "platform:linux/amd64"),
        ("fleet, disabled", "status:disabled"),
        ("fleet, disabled by one", "rule:rule-1"),
        ("fleet, all", "status:all"),
    ] {
        let query = query(words, "default");
        row(&format!("with rules: findings: {what}"), time(runs, |_| page(index, &query)), bar);
        row(&format!("with rules: counts: {what}"), time(runs, |_| drop(black_box(index.counts(&query)))), bar);
        row(&format!("with rules: images: {what}"), time(runs, |_| drop(black_box(index.images(&query)))), bar);
        let times = time(runs, |_| drop(black_box(index.repositories(&query))));
        row(&format!("with rules: repositories: {what}"), times, bar);
        let times = time(runs, |_| drop(black_box(index.vulnerabilities(&query))));
        row(&format!("with rules: vulnerabilities: {what}"), times, bar);
    }
    let past = Query { as_of: Some(Micros(NOW - 30 * DAY)), ..plain.clone() };
    row("with rules: findings: fleet, 30 days back", time(runs, |_| page(index, &past)), bar);
    let settings = fleet::ScoreSettings::default();
    row("score: fleet", time(runs, |_| drop(black_box(index.score(&plain, &settings)))), bar);
    let page: Vec<Uuid> = facts.rules.iter().take(50).map(|rule| rule.uid).collect();
    let times = time(runs, |_| drop(black_box(index.rule_effects(&page, &Scope::Everything, now))));
    row("what each rule of a page of 50 does", times, bar);
    row("which rules hide nothing", time(runs, |_| drop(black_box(index.idle_rules(&Scope::Everything, now)))), bar);
    for (what, scope) in [("fleet", model::role::Scope::ALL), ("subscription", index_scope(facts, 1))] {
        for kind in [0, 1, 2, 3, 6, 11] {
            let criteria = lab::rules::rule(facts, 40 + kind).criteria;
            let proposal =
                fleet::Proposal { criteria: &criteria, scope: &scope, instead_of: &[], score: settings.clone(), now };
            let hides = index.preview(&proposal).findings();
            let times = time(runs, |_| drop(black_box(index.preview(&proposal))));
            row(&format!("preview, {what}: hides {hides}"), times, bar);
        }
    }
}

/// How soon a change of a rule is seen.
fn changed_rules(index: &mut Index, facts: &Snapshot, runs: usize, now: Micros) {
    let (bar, counted) = (Some(50.0), facts.rules.len() as i64);
    // A rule that is written last is numbered after all others: 11 names vulnerabilities, 20 is broad.
    for (what, kind) in [("names vulnerabilities", 11), ("is broad", 20), ("asks for tags", 25)] {
        let mut made = Vec::new();
        let times = time(runs.min(20), |i| {
            made.push(lab::rules::rule(facts, counted / 20 * 20 + 20 * (i as i64 + 1) + kind));
            see(index, facts, made.last().cloned(), now);
        });
        row(&format!("a rule that {what}: made, in a list, counts and score"), times, bar);
        let times = time(runs.min(20), |i| see(index, facts, Some(RuleFact { paused: true, ..made[i].clone() }), now));
        row(&format!("a rule that {what}: paused, in a list, counts and score"), times, bar);
        let gone = |rule: &RuleFact| RuleFact { until: now, ..rule.clone() };
        let times = time(runs.min(20), |i| see(index, facts, Some(gone(&made[i])), now));
        row(&format!("a rule that {what}: deleted, in a list, counts and score"), times, bar);
    }
    let everywhere =
        |i: usize| RuleFact { scope: model::role::Scope::ALL, ..lab::rules::rule(facts, 10_000 * (i as i64 + 1)) };
    let times = time(runs.min(20), |i| {
        let until = if i % 2 == 0 { Micros::FOREVER } else { now };
        see(index, facts, Some(RuleFact { until, ..everywhere(i / 2) }), now);
    });
    row("a rule for low severities everywhere: made or deleted, the same", times, bar);
    let expires = |i: usize| Micros(now.0 + i as i64 + 1);
    let mut rows = Snapshot { revision: facts.revision + 1, generation: 1, ..Snapshot::default() };
    rows.rules = (0..runs.min(20)).map(|i| RuleFact { expires: expires(i), ..everywhere(100 + i) }).collect();
    rows.rules.iter_mut().for_each(|rule| rule.scope = lab::rules::rule(facts, rule.id + 11).scope);
    index.apply(&change(rows));
    see(index, facts, None, now);
    let times = time(runs.min(20), |i| see(index, facts, None, expires(i)));
    row("a rule that expires, the same", times, bar);
}

/// Takes a rule, and asks for a list, counts and the score as of a moment.
fn see(index: &mut Index, facts: &Snapshot, rule: Option<RuleFact>, now: Micros) {
    let rows = Snapshot { revision: facts.revision + 1, generation: 1, ..Snapshot::default() };
    if let Some(rule) = rule {
        index.apply(&change(Snapshot { rules: vec![rule], ..rows }));
    }
    let query = Query { now, ..query("", "default") };
    page(index, &query);
    drop(black_box(index.counts(&query)));
    drop(black_box(index.score(&query, &fleet::ScoreSettings::default())));
}

fn index_scope(facts: &Snapshot, subscription: usize) -> model::role::Scope {
    let subscription = Some(facts.subscriptions[subscription].guid.clone());
    model::role::Scope { subscription, ..Default::default() }
}

fn findings_by_id(index: &Index, runs: usize) {
    let query = Query { limit: runs, ..query("", "-severity") };
    let rows = index.findings(&query).expect("a page").items;
    let found = time(rows.len(), |i| {
        assert_eq!(index.finding(rows[i].id, &Scope::Everything, None, query.now).map(|f| f.id), Some(rows[i].id));
    });
    row("a finding by its id", found, Some(50.0));
    let none = model::finding::finding_id("no", "such", "finding", "here");
    row(
        "no finding by an id",
        time(runs, |_| assert_eq!(index.finding(none, &Scope::Everything, None, query.now), None)),
        Some(50.0),
    );
}

fn changes(index: &mut Index, facts: &Snapshot) {
    let images: Vec<Changes> = (1..=200).map(|n| change(new_image(facts, n))).collect();
    row("a new image: inventory, 3 packages, 12 matches", time(200, |i| index.apply(&images[i])), Some(5.0));
    let updates: Vec<Changes> = (1..=10).map(|n| change(advisories(facts, 1_000, n))).collect();
    let matches: usize = updates.iter().map(|u| u.rows.matches.len()).sum::<usize>() / updates.len();
    let what = format!("a delta of 1,000 advisories, {matches} matches");
    row(&what, time(10, |i| index.apply(&updates[i])), Some(300.0));
    assert_eq!(index.orphans(), 0);
}

fn change(rows: Snapshot) -> Changes {
    Changes { revision: rows.revision, rows }
}
