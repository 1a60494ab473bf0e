//! Clocks, memory and disk of the bench of the store.

use anyhow::Result;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use std::path::PathBuf;
use std::time::Instant;
use store::Settings;

/// A clock that knows when somebody else had the core.
pub struct Clock {
    /// Name of the database, which the server's processes carry in their command lines.
    database: Option<String>,
}

/// A moment.
#[derive(Clone, Copy)]
pub struct Moment(Instant, f64);

/// Times of one kind, in the order of their rows.
#[derive(Default)]
pub struct Table(Vec<(String, Vec<(f64, f64)>)>);

impl Clock {
    /// Makes the clock of a store.
    pub fn of(settings: &Settings) -> Self {
        let database = settings.database.as_deref().and_then(|url| url.rsplit('/').next());
        Self { database: database.map(str::to_owned) }
    }

    /// Returns this moment.
    pub fn now(&self) -> Moment {
        Moment(Instant::now(), waited_here() + self.database.as_deref().map_or(0.0, waited_there))
    }
}

impl Table {
    /// Adds the time since a moment to a row; returns the present moment.
    pub fn add(&mut self, what: &str, clock: &Clock, since: Moment) -> Moment {
        let wall = since.0.elapsed().as_secs_f64() * 1e3;
        let now = clock.now();
        let time = (wall, (wall - (now.1 - since.1)).max(0.0));
        match self.0.iter_mut().find(|(name, _)| name == what) {
            Some((_, times)) => times.push(time),
            None => self.0.push((what.to_owned(), vec![time])),
        }
        Moment(Instant::now(), now.1)
    }

    /// Adds up the last times of some rows, as a row.
    pub fn sum(&mut self, what: &str, of: &[&str]) {
        let last = |name: &&str| self.0.iter().find(|(row, _)| row == name).and_then(|(_, times)| times.last());
        let time = of.iter().filter_map(last).fold((0.0, 0.0), |sum, time| (sum.0 + time.0, sum.1 + time.1));
        match self.0.iter_mut().find(|(name, _)| name == what) {
            Some((_, times)) => times.push(time),
            None => self.0.push((what.to_owned(), vec![time])),
        }
    }

    /// Prints every row.
    pub fn print(&self) {
        println!("  {:<66} {:>19}   {:>19}", "", "p50 / p95 ms", "without waiting");
        for (what, times) in &self.0 {
            let at = |share: f64, of: fn(&(f64, f64)) -> f64| {
                let mut times: Vec<f64> = times.iter().map(of).collect();
                times.sort_by(f64::total_cmp);
                times[((times.len() - 1) as f64 * share).round() as usize]
            };
            println!(
                "  {what:<66} {:>8.2} / {:>8.2}   {:>8.2} / {:>8.2}   n={}",
                at(0.5, |t| t.0),
                at(0.95, |t| t.0),
                at(0.5, |t| t.1),
                at(0.95, |t| t.1),
                times.len()
            );
        }
    }
}

/// Milliseconds that the threads of this process were ready to run and did not.
pub fn waited_here() -> f64 {
    tasks(PathBuf::from("/proc/self"))
}

/// The same of the server's processes of a database.
fn waited_there(database: &str) -> f64 {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let of_database = processes.filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.starts_with("postgres:") && line.contains(database)
    });
    of_database.map(|process| tasks(process.path())).sum()
}

fn tasks(process: PathBuf) -> f64 {
    let tasks = std::fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    let waited = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').nth(1)?.parse::<f64>().ok()
    };
    tasks.filter_map(waited).sum::<f64>() / 1e6
}

/// Memory of this process in MB: `VmRSS` now, `VmHWM` at most.
pub fn resident(what: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0 / 1e6
}

/// Returns the bytes on disk of every table, its indexes included.
pub async fn bytes(settings: &Settings) -> Result<Vec<(String, u64)>> {
    let read = |name: String, bytes: i64| (name, u64::try_from(bytes).unwrap_or(0));
    Ok(match &settings.database {
        None => {
            let file = settings.data.join("portwarden.db");
            let mut connection = SqliteConnectOptions::new().filename(file).connect().await?;
            let sql = "SELECT m.tbl_name, SUM(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name WHERE s.aggregate = TRUE GROUP BY m.tbl_name";
            let rows = sqlx::query(sql).fetch_all(&mut connection).await?;
            connection.close().await?;
            rows.iter().map(|row| Ok(read(row.try_get(0)?, row.try_get(1)?))).collect::<Result<_>>()?
        }
        Some(url) => {
            let mut connection = PgConnection::connect(url).await?;
            let sql = "SELECT relname::TEXT, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
            let rows = sqlx::query(sql).fetch_all(&mut connection).await?;
            rows.iter().map(|row| Ok(read(row.try_get(0)?, row.try_get(1)?))).collect::<Result<_>>()?
        }
    })
}

/// Counts the rows of a table.
pub async fn rows(settings: &Settings, table: &str) -> Result<i64> {
    let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    Ok(match &settings.database {
        None => {
            let file = settings.data.join("portwarden.db");
            let mut connection = SqliteConnectOptions::new().filename(file).connect().await?;
            let rows = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
            connection.close().await?;
            rows
        }
        Some(url) => sqlx::query_scalar(sql).fetch_one(&mut PgConnection::connect(url).await?).await?,
    })
}

/// Runs a statement on the server's own database.
pub async fn admin(server: &str, sql: &str) -> Result<()> {
    let mut connection = PgConnection::connect(&format!("{server}/postgres")).await?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    Ok(())
}
