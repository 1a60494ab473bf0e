//! A process that serves REST and console over a store, on a port of its own.

use anyhow::{Context, Result};
use model::time::Micros;
use server::{DatabaseView, Handle, Parts};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use store::{Settings, Store};

/// Names the folder, and the database if there is one, that a child process serves.
pub const SERVE: &str = "PAGES_BENCH_SERVE";

/// A child process; killed when it is let go.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Server {
    /// Starts a process, and waits until it is ready.
    pub fn start(settings: &Settings) -> Result<Self> {
        let place = format!("{}\n{}", settings.data.display(), settings.database.as_deref().unwrap_or(""));
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.env(SERVE, place).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok(Self { child, port: line.trim().parse().context("no port")? })
    }

    /// Processor time of the process so far, in milliseconds.
    pub fn busy(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after = text.rsplit(')').next().unwrap_or("");
        let ticks: f64 = after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
        ticks * 10.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn now() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Micros(since.as_micros() as i64)
}

/// What the child process does: it says its port once it is ready, and serves until it is killed.
pub async fn serve(place: &str) -> Result<()> {
    let (data, database) = place.split_once('\n').context("no place")?;
    let database = (!database.is_empty()).then(|| database.to_owned());
    let store = Store::open(&Settings { data: data.into(), database, ..Settings::default() }).await?;
    let index = Handle::default();
    index.catch_up(&store).await?;
    tokio::spawn(index.clone().follow(store.clone()));
    let view = DatabaseView { generation: 1, ..DatabaseView::default() };
    let database: Arc<dyn Fn() -> DatabaseView + Send + Sync> = Arc::new(move || view.clone());
    let parts = Parts {
        store,
        index,
        database,
        public_url: "".into(),
        now,
        system: Arc::new(|| Box::pin(async { server::SystemView::default() })),
        sample: || None,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    Ok(axum::serve(listener, server::router(parts)).await?)
}
