//! A fleet in a store, written table by table: years of pushes and scans in half a minute.
//!
//! In: facts as `fleet` makes them, and the settings of a store that holds nothing yet.
//! Out: the same rows, with the same ids, that pushes and scans would have written; texts and places are made up to size.

use anyhow::{Context, Result};
use model::PackageKey;
use model::advisory::Source;
use model::facts::{Id, MatchFact, PackageFact, PlanFact, Snapshot, VulnerabilityFact};
use model::finding::Match;
use model::inventory::{Inventory, Placed};
use model::time::Micros;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Sqlite, SqliteConnection};
use std::collections::HashMap;
use store::{Settings, Store, Vulnerability, VulnerabilityText};

/// Content hash of the generation that a loaded fleet agrees with.
pub const CONTENT_HASH: &str = "loaded";
/// Values of a statement, and bytes of a piece of `COPY`: more are not faster.
const VALUES: usize = 2_000;
const PIECE_BYTES: usize = 1 << 20;
/// Tables whose ids the engine goes on counting.
const COUNTED: [&str; 9] = [
    "subscription",
    "registry",
    "repository",
    "image",
    "component",
    "package",
    "inventory",
    "repository_image",
    "vulnerability",
];

/// Writes facts to a store that nothing was ever written to.
pub async fn load(settings: &Settings, facts: &Snapshot) -> Result<()> {
    drop(Store::open(settings).await.context("a store to load")?);
    let mut sink = Sink::open(settings).await?;
    sink.run("BEGIN").await?;
    sink.run("DELETE FROM registry").await?;
    sink.run("DELETE FROM subscription").await?;
    sink.run("DELETE FROM plan").await?;
    scopes(&mut sink, facts).await?;
    images(&mut sink, facts).await?;
    packages(&mut sink, facts).await?;
    knowledge(&mut sink, facts).await?;
    sink.run(&format!("UPDATE revision SET n = {}, moment = {}", facts.revision, crate::fleet::NOW)).await?;
    let generation = facts.generation;
    let sql =
        format!("UPDATE knowledge SET target = {generation}, swept = {generation}, content_hash = '{CONTENT_HASH}'");
    sink.run(&sql).await?;
    sink.run("COMMIT").await?;
    sink.close().await
}

/// Returns the key of a package: its source has its own name and version.
pub fn key(package: &PackageFact) -> PackageKey {
    let mut key = PackageKey {
        ecosystem: package.ecosystem.clone(),
        name: package.name.clone(),
        version: package.version.clone(),
        ..PackageKey::default()
    };
    if package.ecosystem.contains(':') {
        (key.source, key.source_version) = (package.name.clone(), package.version.clone());
        key.arch = "amd64".into();
    }
    key
}

/// Returns an inventory of some packages, each where its ecosystem keeps it.
pub fn inventory(keys: impl Iterator<Item = PackageKey>) -> Inventory {
    let mut packages: Vec<Placed> = keys.map(placed).collect();
    packages.sort_unstable();
    Inventory { os: None, packages, notes: Vec::new() }
}

fn placed(key: PackageKey) -> Placed {
    let (path, layer) = match key.purl_type() {
        "deb" => ("var/lib/dpkg/status".to_owned(), 0),
        "apk" => ("lib/apk/db/installed".to_owned(), 0),
        "rpm" => ("var/lib/rpm/rpmdb.sqlite".to_owned(), 0),
        "npm" => (format!("app/node_modules/{}/package.json", key.name), 3),
        "golang" => ("usr/local/bin/service".to_owned(), 3),
        _ => (format!("usr/lib/python3/site-packages/{}-{}.dist-info/METADATA", key.name, key.version), 2),
    };
    Placed { key, path, layer }
}

/// Returns a match as a scan gives it: what the facts have, and an explanation.
pub fn found(fact: &MatchFact, vulnerability: &str, version: &str) -> Match {
    Match {
        vulnerability: vulnerability.to_owned(),
        severity: fact.severity,
        severity_source: fact.severity_source,
        state: fact.state,
        fixed_version: fact.fixed_version.clone(),
        advisory: vulnerability.to_owned(),
        source: Source::Debian,
        category: fact.category,
        comparison: format!("{version} < {}", fact.fixed_version),
    }
}

/// Returns a vulnerability with its second name and a text of ordinary length.
pub fn vulnerability(fact: &VulnerabilityFact) -> Vulnerability {
    let description = format!("{}. ", fact.title).repeat(6);
    let reference = |n: i64| format!("https://security.example/advisories/{}/{n}", fact.name);
    Vulnerability {
        name: fact.name.clone(),
        aliases: vec![format!("GHSA-{:012}", fact.id)],
        title: fact.title.clone(),
        severity: fact.severity,
        cvss: u16::try_from(fact.cvss).ok(),
        kev: fact.kev,
        epss: u32::try_from(fact.epss).ok(),
        published: fact.published,
        modified: fact.modified,
        text: VulnerabilityText {
            description,
            cwe: vec![format!("CWE-{}", fact.id % 900)],
            references: (0..4).map(reference).collect(),
            ..VulnerabilityText::default()
        },
    }
}

async fn scopes(sink: &mut Sink, facts: &Snapshot) -> Result<()> {
    let rows = facts.subscriptions.iter().map(|s| vec![s.id.into(), text(&s.guid), text(&s.name), 1.into(), 0.into()]);
    sink.table("subscription (id, guid, name, plan, since)", rows).await?;
    let row = |p: &PlanFact| {
        let (tier, enforce) = (i64::from(p.standard), i64::from(p.enforce));
        vec![text(&p.scope.to_path()), tier.into(), enforce.into(), text("lab"), p.since.0.into(), p.until.0.into()]
    };
    sink.table("plan (scope, tier, enforce, actor, since, until)", facts.plans.iter().map(row)).await?;
    let row = |(id, subscription, name, kind): (Id, Id, &str, &str)| {
        vec![id.into(), subscription.into(), text("default"), text(name), text(name), text(kind), text(""), 0.into()]
    };
    let rows = facts.registries.iter().map(|r| row((r.id, r.subscription, &r.name, &r.kind)));
    sink.table("registry (id, subscription, resource_group, name, key, kind, host, since)", rows).await?;
    let rows = facts.repositories.iter().map(|r| vec![r.id.into(), r.registry.into(), text(&r.name), text(&r.key)]);
    sink.table("repository (id, registry, name, key)", rows).await
}

async fn images(sink: &mut Sink, facts: &Snapshot) -> Result<()> {
    let rows = facts.images.iter().map(|i| {
        let states = [i.verdict as i64, i.work as i64, i.coverage as i64].map(Cell::Int);
        let mut row = vec![i.id.into(), text(&i.digest), 1.into(), text(&i.platform), text(&i.os), i.bytes.into()];
        row.extend(states);
        row.extend([text(&i.reason), 0.into()]);
        row
    });
    let columns = "image (id, digest, media_type, platform, os, bytes, verdict, work, coverage, reason, since)";
    sink.table(columns, rows).await?;
    let rows = facts.presences.iter().map(|p| {
        let times = [p.since, p.until, p.last_push, p.last_pull].map(at);
        let mut row = vec![p.id.into(), p.repository.into(), p.image.into()];
        row.extend(times);
        row
    });
    sink.table("repository_image (id, repository, image, since, until, last_push, last_pull)", rows).await?;
    let rows =
        facts.tags.iter().map(|t| vec![t.repository.into(), text(&t.name), at(t.since), at(t.until), t.image.into()]);
    sink.table("tag (repository, name, since, until, image)", rows).await?;
    let rows = facts
        .image_inventories
        .iter()
        .map(|i| vec![i.image.into(), at(i.since), at(i.until), i.inventory.into(), 1.into()]);
    sink.table("image_inventory (image, since, until, inventory, revision)", rows).await
}

async fn packages(sink: &mut Sink, facts: &Snapshot) -> Result<()> {
    let mut components: Vec<(Id, &str, &str)> =
        facts.packages.iter().map(|p| (p.component, p.ecosystem.as_str(), p.name.as_str())).collect();
    components.sort_unstable();
    components.dedup();
    let rows = components.iter().map(|(id, ecosystem, name)| vec![(*id).into(), text(ecosystem), text(name)]);
    sink.table("component (id, ecosystem, name)", rows).await?;
    let rows = facts.packages.iter().map(|p| {
        let key = key(p);
        let mut row = vec![p.id.into(), p.component.into()];
        row.extend([&key.version, &key.source, &key.source_version, &key.arch].map(|part| text(part)));
        row.extend([text(&key.module), text(&key.channel), text(&key.origin), facts.generation.into()]);
        row
    });
    let columns =
        "package (id, component, version, source, source_version, arch, module, channel, origin, matched_generation)";
    sink.table(columns, rows).await?;
    let by_id: HashMap<Id, PackageKey> = facts.packages.iter().map(|p| (p.id, key(p))).collect();
    let ids: HashMap<&PackageKey, Id> = by_id.iter().map(|(id, key)| (key, *id)).collect();
    let mut rows = Vec::with_capacity(facts.inventories.len());
    for fact in &facts.inventories {
        let inventory = inventory(fact.packages.iter().filter_map(|id| by_id.get(id).cloned()));
        let (packages, places) = store::pack_inventory(&inventory, |key| ids.get(key).copied().unwrap_or(0))?;
        let hash = Cell::Text(store::inventory_hash(&inventory));
        rows.push(vec![fact.id.into(), hash, Cell::Blob(packages), Cell::Blob(places)]);
    }
    sink.table("inventory (id, hash, packages, places)", rows.into_iter()).await
}

async fn knowledge(sink: &mut Sink, facts: &Snapshot) -> Result<()> {
    let rows = facts.vulnerabilities.iter().map(|v| {
        let numbers = [v.severity as i64, v.cvss.into(), v.kev.0, v.epss.into(), v.published.0, v.modified.0];
        let mut row = vec![v.id.into(), text(&v.name), text(&v.title)];
        row.extend(numbers.map(Cell::Int));
        row.push(store::vulnerability_fingerprint(&vulnerability(v))?.into());
        Ok(row)
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let columns = "vulnerability (id, name, title, severity, cvss, kev, epss, published, modified, fingerprint)";
    sink.table(columns, rows.into_iter()).await?;
    let rows = facts.aliases.iter().map(|(name, id)| vec![text(name), (*id).into()]);
    sink.table("alias (name, vulnerability)", rows).await?;
    let body =
        |v: &VulnerabilityFact| Ok(vec![v.id.into(), Cell::Text(serde_json::to_string(&vulnerability(v).text)?)]);
    let rows = facts.vulnerabilities.iter().map(body).collect::<Result<Vec<_>>>()?;
    sink.table("vulnerability_text (vulnerability, body)", rows.into_iter()).await?;
    let names: HashMap<Id, &str> = facts.vulnerabilities.iter().map(|v| (v.id, v.name.as_str())).collect();
    let versions: HashMap<Id, &str> = facts.packages.iter().map(|p| (p.id, p.version.as_str())).collect();
    let rows = facts.matches.iter().map(|m| {
        let version = versions.get(&m.package).copied().unwrap_or("");
        let found = found(m, names.get(&m.vulnerability).copied().unwrap_or(""), version);
        let mut row = vec![m.package.into(), m.vulnerability.into(), at(m.since), at(m.until), at(m.first)];
        let numbers = [m.severity as i64, m.severity_source as i64, i64::from(m.fixable), m.state as i64];
        row.extend(numbers.map(Cell::Int));
        row.extend([Cell::Text(found.fixed_version), Cell::Text(found.advisory)]);
        row.extend([found.source as i64, m.category as i64].map(Cell::Int));
        row.extend([Cell::Text(found.comparison), facts.generation.into()]);
        row
    });
    let columns = "match (package, vulnerability, since, until, first, severity, severity_source, fixable, state, fixed_version, advisory, source, category, comparison, generation)";
    sink.table(columns, rows).await
}

/// A value of a row.
enum Cell {
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<i64> for Cell {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn at(moment: Micros) -> Cell {
    Cell::Int(moment.0)
}

/// A connection past the store: it writes what only the store may write.
enum Sink {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Sink {
    async fn open(settings: &Settings) -> Result<Self> {
        Ok(match &settings.database {
            None => {
                let options = SqliteConnectOptions::new().filename(settings.data.join("portwarden.db"));
                Self::Sqlite(options.pragma("synchronous", "off").connect().await?)
            }
            Some(url) => Self::Postgres(PgConnection::connect(url).await?),
        })
    }

    async fn run(&mut self, sql: &str) -> Result<()> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => connection.execute(sql).await.map(|_| ())?,
            Self::Postgres(connection) => connection.execute(sql).await.map(|_| ())?,
        }
        Ok(())
    }

    /// Writes the rows of a table, named with its columns.
    async fn table(&mut self, columns: &str, rows: impl Iterator<Item = Vec<Cell>>) -> Result<()> {
        match self {
            Self::Sqlite(connection) => insert(connection, columns, rows).await,
            Self::Postgres(connection) => copy(connection, columns, rows).await,
        }
        .with_context(|| columns.to_owned())
    }

    /// Puts the loaded store in the state of one that has been in use: ids go on, the planner knows the tables.
    async fn close(mut self) -> Result<()> {
        match &self {
            Self::Sqlite(_) => self.run("PRAGMA wal_checkpoint(TRUNCATE)").await?,
            Self::Postgres(_) => {
                for table in COUNTED {
                    let next = format!(
                        "SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT MAX(id) FROM {table}))"
                    );
                    self.run(&next).await?;
                }
                self.run("VACUUM ANALYZE").await?;
                self.run("CHECKPOINT").await?;
            }
        }
        match self {
            Self::Sqlite(connection) => connection.close().await?,
            Self::Postgres(connection) => connection.close().await?,
        }
        Ok(())
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    columns: &str,
    mut rows: impl Iterator<Item = Vec<Cell>>,
) -> Result<()> {
    let width = columns.split(',').count();
    loop {
        let chunk: Vec<Vec<Cell>> = rows.by_ref().take(VALUES / width).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        let row = format!("({})", vec!["?"; width].join(","));
        let sql = format!("INSERT INTO {columns} VALUES {}", vec![row.as_str(); chunk.len()].join(","));
        let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(sql));
        for cell in chunk.into_iter().flatten() {
            query = bind(query, cell);
        }
        query.execute(&mut *connection).await?;
    }
}

fn bind(
    query: sqlx::query::Query<'_, Sqlite, SqliteArguments>,
    cell: Cell,
) -> sqlx::query::Query<'_, Sqlite, SqliteArguments> {
    match cell {
        Cell::Int(n) => query.bind(n),
        Cell::Text(text) => query.bind(text),
        Cell::Blob(bytes) => query.bind(bytes),
    }
}

async fn copy(connection: &mut PgConnection, columns: &str, rows: impl Iterator<Item = Vec<Cell>>) -> Result<()> {
    let mut copy = connection.copy_in_raw(&format!("COPY {columns} FROM STDIN")).await?;
    let mut piece = String::with_capacity(PIECE_BYTES + 4096);
    for row in rows {
        for (n, cell) in row.iter().enumerate() {
            if n > 0 {
                piece.push('\t');
            }
            push(&mut piece, cell);
        }
        piece.push('\n');
        if piece.len() >= PIECE_BYTES {
            copy.send(piece.as_bytes()).await?;
            piece.clear();
        }
    }
    copy.send(piece.as_bytes()).await?;
    copy.finish().await?;
    Ok(())
}

/// Writes a value as `COPY` in its text form wants it.
fn push(line: &mut String, cell: &Cell) {
    use std::fmt::Write;
    match cell {
        Cell::Int(n) => {
            let _ = write!(line, "{n}");
        }
        Cell::Text(text) => {
            line.push_str(&text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r"));
        }
        Cell::Blob(bytes) => {
            line.push_str("\\\\x");
            for byte in bytes {
                let _ = write!(line, "{byte:02x}");
            }
        }
    }
}
