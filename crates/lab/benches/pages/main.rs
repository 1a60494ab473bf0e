//! Console and REST at the size of a fleet, over real sockets, on both engines: every page and every list, the score, previews;
//! a rule that is made until it is in a list, in the process that made it and in another one; what a visit weighs.
//!
//! `cargo bench -p lab --bench pages`; `FLEET_IMAGES=20000` chooses the size, `FLEET_RULES=1000` how many disable rules there are,
//! `PORTWARDEN_TEST_POSTGRES=postgres://…` names a server for the second half, `STORE_ENGINES=postgres` (or `sqlite`) leaves the
//! other one out; words after `--` leave out every page and list whose address holds none of them. Times are p50 / p95 in milliseconds as the client sees them, then the server's processor time of one request.

mod client;
mod server;

use self::server::Server;
use anyhow::{Context, Result, ensure};
use client::Client;
use lab::fleet::fleet;
use model::facts::{RuleFact, Snapshot};
use model::role::{Grant, Role, Scope};
use model::rule::{Reason, Rule};
use model::time::Micros;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use store::{Caller, NewToken, RuleChange, Settings, Store};

const RUNS: usize = 30;
/// Server time of a page or a list.
const BAR: f64 = 50.0;
/// First visit and later pages, in bytes as they come.
const FIRST_VISIT: usize = 60_000;
const LATER: usize = 15_000;

/// Pages without a name in their address.
const PAGES: &[&str] = &[
    "/",
    "/inventory",
    "/inventory?q=verdict:affected",
    "/inventory/repositories",
    "/findings",
    "/findings?q=severity:%3E%3Dhigh%20fix:yes",
    "/findings?q=sub:division-2",
    "/findings?q=status:disabled",
    "/findings?q=platform:linux/amd64&sort=-cvss",
    "/vulnerabilities",
    "/vulnerabilities?q=sub:division-2",
    "/recommendations",
    "/exemptions",
    "/score",
    "/posture",
    "/rules",
    "/rules?state=stale",
    "/rules/new?severity_below=medium",
    "/views",
    "/settings/account",
    "/settings/access",
    "/settings/tokens",
    "/settings/feeds",
    "/settings/notifications",
    "/settings/plans",
    "/settings/subscriptions",
    "/settings/registries",
    "/activity/problems",
    "/activity/audit",
    "/activity/imports",
    "/activity/usage",
    "/activity/logs",
];

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let Ok(place) = std::env::var(server::SERVE) {
        return runtime.block_on(server::serve(&place));
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse().ok());
    let mut facts = fleet(number("FLEET_IMAGES").unwrap_or(20_000), 1);
    facts.rules = lab::rules::rules(&facts, number("FLEET_RULES").unwrap_or(1_000));
    let engines = std::env::var("STORE_ENGINES").unwrap_or_else(|_| "sqlite,postgres".to_owned());
    if engines.contains("sqlite") {
        let data = tempfile::tempdir()?;
        let settings = Settings { data: data.path().to_owned(), ..Settings::default() };
        let token = runtime.block_on(fill(&settings, &facts))?;
        measure("SQLite", &settings, &token)?;
    }
    if !engines.contains("postgres") {
        return Ok(());
    }
    let Ok(server) = std::env::var("PORTWARDEN_TEST_POSTGRES") else {
        println!("\nPostgreSQL: not run, PORTWARDEN_TEST_POSTGRES is not set");
        return Ok(());
    };
    let (data, name) = (tempfile::tempdir()?, format!("portwarden_pages_{}", std::process::id()));
    let server = server.trim_end_matches('/');
    runtime.block_on(admin(server, &format!("CREATE DATABASE {name}")))?;
    let settings =
        Settings { data: data.path().to_owned(), database: Some(format!("{server}/{name}")), ..Settings::default() };
    let done = runtime.block_on(fill(&settings, &facts)).and_then(|token| measure("PostgreSQL", &settings, &token));
    runtime.block_on(admin(server, &format!("DROP DATABASE {name} WITH (FORCE)")))?;
    done
}

async fn admin(server: &str, sql: &str) -> Result<()> {
    let mut connection = sqlx::PgConnection::connect(&format!("{server}/postgres")).await?;
    connection.execute(AssertSqlSafe(sql.to_owned())).await?;
    Ok(())
}

fn create(fact: &RuleFact) -> RuleChange {
    let (owner, ticket) = (String::new(), String::new());
    let rule = Rule {
        name: fact.name.clone(),
        scope: fact.scope.clone(),
        criteria: fact.criteria.clone(),
        reason: Reason::default(),
        justification: "measured".into(),
        owner,
        ticket,
        expires: Micros::FOREVER,
        paused: false,
        overrides: None,
    };
    RuleChange::Create { uid: fact.uid, rule }
}

/// Fills a store, and makes a token that may do everything.
async fn fill(settings: &Settings, facts: &Snapshot) -> Result<String> {
    lab::load::load(settings, facts).await?;
    let (store, by) = (Store::open(settings).await?, Caller::default());
    let rules: Vec<RuleChange> = facts.rules.iter().map(create).collect();
    store.change_rules(&rules, "bench", &by).await?;
    let principal = store.make_principal("bench", "robot", "", &by).await?;
    store.grant(principal, &Grant { role: Role::Owner, scope: Scope::ALL }, &by).await?;
    let token = NewToken { principal, name: "bench".into(), expires: Micros::FOREVER, grants: Vec::new() };
    Ok(store.make_token(&token, &by).await?.1)
}

/// A server that is asked, and what was too slow or too heavy.
struct Asking {
    server: Server,
    client: Client,
    missed: Vec<String>,
}

fn measure(engine: &str, settings: &Settings, token: &str) -> Result<()> {
    let server = Server::start(settings)?;
    let client = Client::new(server.port, token)?;
    let mut asking = Asking { server, client, missed: Vec::new() };
    let total = asking.json("/api/v1/findings?limit=1&q=status:all")?["total"].clone();
    println!("\n{engine}: {total} findings; p50 / p95 ms, processor ms of one request, bytes as they come");
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |path: &String| words.is_empty() || words.iter().any(|word| path.contains(word.as_str()));
    let pages = asking.pages()?;
    asking.first_visit()?;
    for path in pages.iter().filter(|path| wanted(path)) {
        asking.time(path, Some(LATER))?;
    }
    for path in asking.lists()?.iter().filter(|path| wanted(path)) {
        asking.time(path, None)?;
    }
    if !words.is_empty() {
        return Ok(());
    }
    asking.previews()?;
    let other = settings.database.is_some().then(|| Server::start(settings)).transpose()?;
    let other = other.as_ref().map(|other| Client::new(other.port, token)).transpose()?;
    asking.rules(other)?;
    println!(
        "{engine}: {} missed{}",
        asking.missed.len(),
        asking.missed.iter().map(|m| format!("\n  {m}")).collect::<String>()
    );
    Ok(())
}

impl Asking {
    fn json(&mut self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.client.get(path)?.text)?)
    }

    fn row(&mut self, what: &str, mut times: Vec<f64>, busy: f64, bytes: usize, bar: f64) {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        let late = if at(0.95) > bar { "  over the bar" } else { "" };
        let line = format!("{what:<76} {:>8.2} / {:>8.2}  {busy:>7.1}  {bytes:>7}{late}", at(0.5), at(0.95));
        println!("  {line}");
        if !late.is_empty() {
            self.missed.push(line);
        }
    }

    fn time(&mut self, path: &str, most: Option<usize>) -> Result<()> {
        let first = self.client.get(path)?;
        let (busy, mut times) = (self.server.busy(), Vec::new());
        for _ in 0..RUNS {
            let start = Instant::now();
            self.client.get(path)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let busy = (self.server.busy() - busy) / RUNS as f64;
        self.row(path, times, busy, first.bytes, BAR);
        if most.is_some_and(|most| first.bytes > most) {
            self.missed.push(format!("{path}: {} bytes", first.bytes));
        }
        Ok(())
    }

    /// Addresses of pages; one of each kind that has a name in its address.
    fn pages(&mut self) -> Result<Vec<String>> {
        let finding = &self.json("/api/v1/findings?limit=1")?["items"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (id, vulnerability) = (text(&finding["id"]), text(&finding["finding_id"]));
        let rule = text(&self.json("/api/v1/rules?limit=1")?["items"][0]["id"]);
        let key = text(&self.json("/api/v1/recommendations")?["items"][0]["key"]);
        let mut pages: Vec<String> = PAGES.iter().map(|page| (*page).to_owned()).collect();
        pages.push(format!("/findings/{id}"));
        pages.push(format!("/vulnerabilities/{vulnerability}"));
        pages.push(format!("/rules/{rule}"));
        pages.push(format!("/recommendations/{key}"));
        let html = self.client.get("/inventory")?.text;
        let links: BTreeSet<&str> = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let deepest =
            links.into_iter().filter(|link| link.starts_with("/s/")).max_by_key(|link| link.matches('/').count());
        let image = deepest.context("no image is linked")?.split('?').next().unwrap_or_default().to_owned();
        let html = self.client.get(&image)?.text;
        let tabs = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let tabs: BTreeSet<&str> = tabs.filter(|link| link.starts_with("/s/")).collect();
        pages.push(image.clone());
        pages.extend(
            tabs.into_iter()
                .filter(|link| *link != image)
                .take(16)
                .map(|link| link.replace("&amp;", "&").replace("&#38;", "&")),
        );
        Ok(pages)
    }

    /// What a browser loads at first.
    fn first_visit(&mut self) -> Result<()> {
        let page = self.client.get("/")?;
        let attributes = page.text.split("=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let assets: BTreeSet<String> = attributes.filter(|a| a.starts_with("/assets/")).map(str::to_owned).collect();
        let mut bytes = page.bytes;
        for asset in &assets {
            bytes += self.client.get(asset)?.bytes;
        }
        let requests = 1 + assets.len();
        println!("  a first visit: {bytes} bytes in {requests} requests (bar {FIRST_VISIT} in 4)");
        if bytes > FIRST_VISIT || requests > 4 {
            self.missed.push(format!("a first visit: {bytes} bytes in {requests} requests"));
        }
        Ok(())
    }

    /// Addresses of lists: each that the document names without a name in its address, and questions to the large ones.
    fn lists(&mut self) -> Result<Vec<String>> {
        let document = self.json("/api/v1/openapi.json")?;
        let paths = document["paths"].as_object().context("no paths")?.iter();
        let is_list = |operation: &Value| {
            let named = operation["parameters"].as_array().into_iter().flatten().any(|p| p["name"] == "limit");
            named || operation.to_string().contains("\"items\"")
        };
        let whole = paths.filter(|(path, of)| !path.contains('{') && is_list(&of["get"]));
        let whole =
            whole.map(|(path, _)| if path.starts_with("/api/") { path.clone() } else { format!("/api/v1{path}") });
        let mut lists: Vec<String> = whole.collect();
        for list in ["findings", "vulnerabilities", "images", "repositories", "packages"] {
            let words = [
                "severity:>=high fix:yes",
                "sub:division-2",
                "platform:linux/amd64",
                "status:disabled",
                "rule:rule-1",
                "lib",
            ];
            lists.extend(
                words.iter().map(|q| format!("/api/v1/{list}?q={}", q.replace(' ', "%20").replace('>', "%3E"))),
            );
            lists.push(format!("/api/v1/{list}?as_of=2025-12-01"));
            let next = self.deep(list)?;
            lists.push(next.replace("limit=1000", "limit=50"));
        }
        lists.push("/api/v1/score".into());
        lists.push("/api/v1/counts".into());
        lists.push("/api/v1/score/history".into());
        let mut seen = BTreeSet::new();
        lists.retain(|path| seen.insert(path.clone()));
        let mut whole = Vec::new();
        for path in lists {
            let answer = self.client.send("GET", &path, "")?;
            if answer.status == 200 {
                whole.push(path);
            } else {
                println!("  {path}: not measured, {} is the answer", answer.status);
            }
        }
        Ok(whole)
    }

    /// Address of a page far down a list.
    fn deep(&mut self, list: &str) -> Result<String> {
        let mut next = format!("/api/v1/{list}?limit=1000");
        for _ in 0..10 {
            let page = self.json(&next)?;
            let Some(after) = page["next"].as_str() else { break };
            next = format!("/api/v1/{list}?limit=1000&after={after}");
        }
        Ok(next)
    }

    fn previews(&mut self) -> Result<()> {
        for criteria in [
            json!({"severity_below": "medium"}),
            json!({"not_patchable": true, "severity_below": "high"}),
            json!({"packages": ["node-package7*"]}),
            json!({"cvss_below": 7.0, "os_releases": ["alpine*"]}),
            json!({"finding_ids": ["CVE-2024-17"]}),
        ] {
            let body = json!({"scope": "/", "criteria": criteria}).to_string();
            let (busy, mut times) = (self.server.busy(), Vec::new());
            for _ in 0..RUNS {
                let start = Instant::now();
                let answer = self.client.send("POST", "/api/v1/rules/preview", &body)?;
                ensure!(answer.status == 200, "{}", answer.text);
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
            let busy = (self.server.busy() - busy) / RUNS as f64;
            self.row(&format!("preview {criteria}"), times, busy, 0, BAR);
        }
        Ok(())
    }

    /// Rules made and ended one by one, each until the first right list here, and there.
    fn rules(&mut self, mut other: Option<Client>) -> Result<()> {
        let (mut here, mut answered, mut there, mut gone) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let busy = self.server.busy();
        for number in 0..20 {
            let total = total(&mut self.client)?;
            let criteria = json!({"severity_below": "medium", "packages": [format!("*package{number}*")]});
            let body = json!({"name": format!("bench {number}"), "scope": "/", "criteria": criteria, "reason": "other",
                "justification": "measured", "confirm": true});
            let start = Instant::now();
            let made = self.client.send("POST", "/api/v1/rules", &body.to_string())?;
            ensure!(made.status == 201, "{}", made.text);
            answered.push(start.elapsed().as_secs_f64() * 1e3);
            let made: Value = serde_json::from_str(&made.text)?;
            let hides = made["hides"].as_u64().context("no number")?;
            ensure!(self::total(&mut self.client)? == total - hides, "the first list after rule {number} is not right");
            here.push(start.elapsed().as_secs_f64() * 1e3);
            if let Some(other) = &mut other {
                follows(other, total - hides)?;
                there.push(start.elapsed().as_secs_f64() * 1e3);
            }
            if number % 2 == 0 {
                let start = Instant::now();
                let ended =
                    self.client.send("DELETE", &format!("/api/v1/rules/{}", made["id"].as_str().unwrap_or("")), "")?;
                ensure!(ended.status < 300, "{}", ended.text);
                ensure!(self::total(&mut self.client)? == total, "the first list after an end is not right");
                gone.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        let busy = (self.server.busy() - busy) / 20.0;
        self.row("a rule is made and answered", answered, busy, 0, f64::INFINITY);
        self.row("a rule is made until the first list here", here, busy, 0, BAR);
        self.row("a rule is ended until the first list here", gone, busy, 0, BAR);
        if !there.is_empty() {
            self.row("a rule is made until the first right list in another process", there, busy, 0, 1_000.0);
        }
        Ok(())
    }
}

fn total(client: &mut Client) -> Result<u64> {
    let page: Value = serde_json::from_str(&client.get("/api/v1/findings?limit=50")?.text)?;
    page["total"].as_u64().context("no total")
}

/// Waits until a process counts as another does.
fn follows(client: &mut Client, wanted: u64) -> Result<()> {
    let start = Instant::now();
    while total(client)? != wanted {
        ensure!(start.elapsed() < Duration::from_secs(5), "the other process does not follow");
    }
    Ok(())
}
